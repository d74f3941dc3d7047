"""Numbers of any size, and rows of any kind, leave a model that predicts."""

import threading
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skgd import MLPGD, DivergenceWarning, GDRegressor
from skgd._estimator.late import LATE, attributes_of
from skgd.optimizers import AdamW

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
Y = X @ [1.0, 2.0, 0.0] + RNG.normal(size=40)


@pytest.mark.parametrize("n_targets", [1, 2])
@pytest.mark.parametrize("n_rows", [1, 40])
def test_targets_whose_squares_overflow(n_rows, n_targets):
    y = np.stack([Y] * n_targets, axis=1)
    y[0, 0] = 1e200
    y = y if n_targets > 1 else y[:, 0]
    for method in ("fit", "partial_fit"):
        model = MLPGD((3,), loss="squared_error", random_state=0, max_iter=3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            getattr(model, method)(X[:n_rows], y[:n_rows])
        assert np.isfinite(model.predict(X)).all()


def test_a_penalty_outlives_a_row_that_is_too_large():
    models = [GDRegressor(optimizer="ftrl", penalty="l1", lr=0.1) for _ in range(2)]
    rows = X[:6].copy()
    rows[3, 0] = 1e200
    for i in range(6):
        for model in models:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.partial_fit(rows[i : i + 1], Y[i : i + 1])
        vars(models[1]).pop("_quick")
    assert_array_equal(models[0].coef_, models[1].coef_)


def test_weights_beyond_the_precision_of_sparse_rows():
    rule = AdamW(weight_decay=1e6)
    model = GDRegressor(lr=0.01, optimizer=rule, penalty=None)
    rows = sparse.csr_matrix(X.astype(np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DivergenceWarning)
        for i in range(40):
            model.partial_fit(rows[i : i + 1], Y[i : i + 1])
    assert np.isfinite(model.coef_).all()


def test_frames_of_other_bytes():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X.astype(">f8"), columns=list("abc"))
    model = GDRegressor(random_state=0).fit(frame, Y)
    assert_array_equal(model.coef_, GDRegressor(random_state=0).fit(X, Y).coef_)
    assert_allclose(model.predict(frame[:1]), model.predict(frame)[:1])


def test_targets_in_a_cube_are_refused():
    model = GDRegressor(lr=0.01)
    y = np.stack([Y, Y], axis=1)
    for i in range(3):
        model.partial_fit(X[i : i + 1], y[i : i + 1])
    with pytest.raises(ValueError, match=r"."):
        model.partial_fit(X[:1], y[None, :1])
    assert model.t_ == 3


def test_a_late_reader_brings_nothing_back():
    model = GDRegressor(lr=0.01)
    for i in range(3):
        model.partial_fit(X[i : i + 1], Y[i : i + 1])
    attributes = attributes_of(model)
    late = attributes[LATE]
    thread = threading.Thread(target=model.partial_fit, args=(X[3:4], Y[3:4]))
    thread.start()
    thread.join()
    late.show(attributes)
    assert "_state" not in attributes
    assert model.t_ == 4
