"""Streams against twins that begin each call anew: the same bits, the same refusals.

What a call prepares for the next one is not part of a pickle, so that a twin which is
pickled before each call takes the usual way.
"""

import pickle

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone

from skgd import MLPGD, GDClassifier, GDRegressor

pd = pytest.importorskip("pandas")
pytestmark = pytest.mark.filterwarnings("ignore")

N_CALLS = 14
FORMS = (
    np.asarray,
    np.asfortranarray,
    lambda X: X.astype(np.float32),
    lambda X: X.tolist(),
    pd.DataFrame,
    lambda X: pd.DataFrame(X).astype(np.float32),
    sparse.csr_array,
    lambda X: sparse.csr_matrix(X.astype(np.float32)),
    sparse.coo_array,
    lambda X: np.repeat(np.repeat(X, 2, axis=0), 2, axis=1)[::2, ::2],
    lambda X: X[::-1].copy()[::-1],
    lambda X: np.round(X).astype(int),
    lambda X: X > 0,
    lambda X: pd.DataFrame(X, columns=list("abcdef")[: X.shape[1]]),
)


def _with(X, entry):
    X = X.copy()
    X[0, 0] = entry
    return X


def _out_of_range(X):
    X = sparse.csr_array(np.abs(X) + 1.0)
    X.indices[0] = 99
    return X


# What is to be refused: (X, y, weights) from good ones.
FAULTS = (
    lambda X, y: (_with(X, np.nan), y, None),
    lambda X, y: (_with(X, np.inf), y, None),
    lambda X, y: (X[:, :-1], y, None),
    lambda X, y: (np.hstack([X, X]), y, None),
    lambda X, y: (X, y[:-1], None),
    lambda X, y: (X, ["new"] * len(y), None),
    lambda X, y: (X, y, np.full(len(y), -1.0)),
    lambda X, y: (X, y, np.full(len(y), np.nan)),
    lambda X, y: (X, y, np.ones(len(y) + 1)),
    lambda X, y: (X.astype(complex), y, None),
    lambda X, y: (X[0], y, None),
    lambda X, y: (_out_of_range(X), y, None),
    lambda X, y: (
        pd.DataFrame(X, columns=[f"z{j}" for j in range(X.shape[1])]),
        y,
        None,
    ),
    lambda X, y: (X[:0], y[:0], None),
)


def drawn(rng):
    """A model, what makes targets of scores, and the labels or None."""

    def one(*values):
        return values[rng.integers(0, len(values))]

    cls = one(GDClassifier, GDRegressor, MLPGD)
    classifies = cls is GDClassifier or (cls is MLPGD and rng.random() < 0.5)
    parameters = {
        "lr": one("auto", "auto", 0.01, 0.1),
        "optimizer": one("gd", "gd", "momentum", "adam", "adagrad", "ftrl"),
        "lr_schedule": one("constant", "constant", "cosine", "plateau", "exponential"),
        "average": one(False, False, True, 3),
        "clip_norm": one(None, None, 1.0),
        "solver": one("minibatch", "sgd", "batch"),
        "batch_size": one("auto", "auto", 3, 32),
        "fit_intercept": one(True, True, False),
        "alpha": one(0.0, 1e-3, 0.1),
        "random_state": 0,
    }
    if cls is MLPGD:
        parameters |= {
            "hidden_layer_sizes": one((), (3,), (3, 2)),
            "loss": "log_loss" if classifies else one("squared_error", "huber"),
            "standardize": one(True, False),
            "dropout": one(0.0, 0.0, 0.3),
            "n_ensemble": one(1, 1, 3),
        }
    else:
        losses = ("squared_error", "huber", "poisson", "quantile")
        if classifies:
            losses = ("log_loss", "hinge", "perceptron", "modified_huber")
        parameters |= {"loss": one(*losses), "penalty": one(None, "l1", "l2")}
    labels = None
    if classifies:
        labels = one(np.array(["a", "b"]), np.arange(3), np.array([False, True]))
    return cls(**parameters), labels


def targets(z, model, labels):
    if labels is not None:
        return labels[np.digitize(z, [0.0, 2.0][: len(labels) - 1])]
    return np.exp(z / 10.0) if model.loss == "poisson" else z + 1.0


def bits(value):
    """A value as what two of the same bits have in common."""
    if isinstance(value, dict):
        return {name: bits(part) for name, part in value.items() if name != "seconds"}
    if isinstance(value, (list, tuple)):
        return [bits(part) for part in value]
    if isinstance(value, np.ndarray) and value.dtype.kind != "O":
        return value.dtype.str, value.shape, value.tobytes()
    return type(value).__name__, repr(value)


def shown(model):
    """All public attributes but the time that it took."""
    return bits({name: part for name, part in vars(model).items() if name[-1] == "_"})


def outcome(model, *call, **keywords):
    try:
        model.partial_fit(*call, **keywords)
    except Exception as error:
        return type(error), str(error)
    return None


CHANGES = (
    {"lr": "auto"},
    {"lr": 0.02},
    {"alpha": 0.01},
    {"clip_norm": 0.5},
    {"lr_schedule": "constant"},
    {"average": True},
    {"average": False},
    {"optimizer": "adam"},
)


def run(seed):
    """Train a model and its twin; returns why it stopped each time."""
    rng = np.random.default_rng(seed)
    model, labels = drawn(rng)
    twin = clone(model)
    d, n = rng.choice([1, 3, 6]), rng.choice([1, 1, 1, 4, 70])
    form, weights = FORMS[rng.integers(0, len(FORMS))], rng.normal(size=d)
    changing = rng.random() < 0.4
    reasons = []
    for call in range(N_CALLS):
        X = 3.0 * rng.normal(size=(n, d)) + 1.0
        X[rng.random(X.shape) < 0.3] = 0.0
        y = targets(X @ weights, model, labels)
        others = {}
        if labels is not None and (call == 0 or rng.random() < 0.3):
            others["classes"] = labels
        if rng.random() < 0.2:
            others["sample_weight"] = rng.integers(1, 4, n).astype(float)
        if changing:
            form = FORMS[rng.integers(0, len(FORMS))]
        if rng.random() < 0.15:
            change = CHANGES[rng.integers(0, len(CHANGES))]
            model.set_params(**change)
            twin.set_params(**change)
        if call and rng.random() < 0.25:
            bad, wrong, bad_weights = FAULTS[rng.integers(0, len(FAULTS))](X, y)
            before = pickle.dumps(model)
            refusal = outcome(model, bad, wrong, sample_weight=bad_weights)
            twin = pickle.loads(pickle.dumps(twin))
            assert outcome(twin, bad, wrong, sample_weight=bad_weights) == refusal
            assert refusal is None or pickle.dumps(model) == before
        rows = form(X)
        twin = pickle.loads(pickle.dumps(twin))
        assert outcome(model, rows, y, **others) == outcome(twin, rows, y, **others)
        if not hasattr(model, "stop_reason_"):
            return reasons
        assert shown(model) == shown(twin)
        assert model.predict(rows).tobytes() == twin.predict(rows).tobytes()
        reasons.append(model.stop_reason_)
    return reasons


@pytest.mark.parametrize("seed", range(40))
def test_a_stream_is_its_twin(seed):
    run(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 1100))
def test_many_streams_are_their_twins(seed):
    run(seed)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("cls", [GDRegressor, MLPGD])
def test_a_run_that_diverges_is_noticed_in_the_short_way(cls, form):
    """Poisson regression whose weights run away from their mean."""
    settings = {"loss": "poisson", "lr": 0.1, "average": 3, "solver": "sgd"}
    if cls is MLPGD:
        settings |= {"hidden_layer_sizes": (), "standardize": False, "optimizer": "gd"}
    reasons = set()
    for seed in range(6):
        rng = np.random.default_rng(seed)
        model = cls(random_state=0, **settings)
        twin = clone(model)
        for _ in range(25):
            X = 3.0 * rng.normal(size=(1, 6)) + 1.0
            y = np.exp(rng.normal(size=1))
            twin = pickle.loads(pickle.dumps(twin))
            assert outcome(model, form(X), y) == outcome(twin, form(X), y)
            assert shown(model) == shown(twin)
            reasons.add(model.stop_reason_)
    assert reasons == {"max_iter", "diverged"}


@pytest.mark.parametrize("n_rows", [1, 4])
@pytest.mark.parametrize("schedule", ["constant", "plateau"])
@pytest.mark.parametrize("penalty", [None, "l2", "l1"])
@pytest.mark.parametrize("loss", ["poisson", "gamma", "tweedie"])
def test_losses_without_a_bound_of_their_curvature(loss, penalty, schedule, n_rows):
    """How far a step may reach is kept with the coordinates, not read off each call."""
    rng = np.random.default_rng(0)
    model = GDRegressor(
        loss, penalty=penalty, lr_schedule=schedule, solver="sgd", alpha=1e-3
    )
    twin = clone(model)
    for _ in range(16):
        X = 3.0 * rng.normal(size=(n_rows, 2)) + 1.0
        y = np.exp(X @ [0.3, -0.2]) * rng.uniform(0.5, 2.0, n_rows)
        model.partial_fit(X, y)
        twin = pickle.loads(pickle.dumps(twin)).partial_fit(X, y)
        assert shown(model) == shown(twin)
