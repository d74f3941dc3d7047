"""One thread learns, others predict: nobody sees half an update."""

import sys
import threading
import time

import numpy as np
import pytest
from scipy import sparse

from skgd import MLPGD, GDClassifier, GDRegressor

pytestmark = pytest.mark.filterwarnings("ignore")

SECONDS = 1.5
N_READERS = 4
PROBE = np.random.default_rng(1).normal(size=(3, 4))


def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 4)) + 1.0
    return X, X @ [1.0, -2.0, 3.0, 0.5] + 5 * rng.normal(size=1000)


@pytest.fixture
def hurried():
    """Threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


MODELS = {
    "regressor": (GDRegressor(lr=0.1), "predict", 0),
    "regressor, auto": (GDRegressor(), "predict", 0),
    "regressor, average": (GDRegressor(lr=0.1, average=True), "predict", 0),
    "two classes": (GDClassifier(lr=0.5), "predict_proba", 2),
    "three classes": (GDClassifier(lr=0.5), "decision_function", 3),
    "network": (
        MLPGD((5,), loss="squared_error", random_state=0, standardize=False, lr=0.01),
        "predict",
        0,
    ),
    "network, auto": (MLPGD((5,), random_state=0), "predict_proba", 3),
}


@pytest.mark.parametrize("chunk", [1, 20])
@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("name", MODELS)
def test_predictions_are_those_of_some_completed_update(hurried, name, kind, chunk):
    model, method, n_classes = MODELS[name]
    model = type(model)(**model.get_params())
    X, y = rows()
    keywords = {}
    if n_classes:
        y = np.digitize(y, np.quantile(y, np.arange(1, n_classes) / n_classes))
        keywords = {"classes": np.arange(n_classes)}
    probe = PROBE
    if kind == "sparse":
        X, probe = sparse.csr_array(X), sparse.csr_array(PROBE)
    predict = getattr(model, method)
    model.partial_fit(X[:chunk], y[:chunk], **keywords)
    completed = {predict(probe).tobytes()}
    over = threading.Event()
    seen, errors = [set() for _ in range(N_READERS)], []

    def read(seen):
        try:
            while not over.is_set():
                seen.add(predict(probe).tobytes())
        except Exception as error:
            errors.append(error)

    readers = [threading.Thread(target=read, args=(one,)) for one in seen]
    for reader in readers:
        reader.start()
    end, start = time.monotonic() + SECONDS, chunk
    while time.monotonic() < end:
        part = slice(start, start + chunk)
        model.partial_fit(X[part], y[part])
        completed.add(predict(probe).tobytes())
        start = (start + chunk) % (len(y) - chunk)
    over.set()
    for reader in readers:
        reader.join()
    assert not errors
    assert all(seen) and len(completed) > 5
    assert set().union(*seen) <= completed
