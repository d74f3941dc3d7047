"""What is said about a run that failed, and that nothing is said about others.

Verdicts come from rows spread over the whole table, and advice names a cause that is
there and a remedy that is not in force already.
"""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from skgd import MLPGD, DivergenceWarning, GDClassifier, GDRegressor
from skgd._input.rows import Rows, spread_out
from skgd._stream.survey import SAMPLE_ROWS, Survey
from skgd.data import from_arrays

N = 25_000


def said(call):
    """The messages of the warnings about convergence that a call gives."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [
        str(one.message)
        for one in caught
        if issubclass(one.category, ConvergenceWarning)
    ]


def small(cls=GDRegressor, **parameters):
    """An estimator of a class; networks are kept small."""
    if cls is MLPGD:
        parameters = {"hidden_layer_sizes": (3,), "max_iter": 20} | parameters
    if cls is not GDClassifier and "loss" not in parameters:
        parameters["loss"] = "squared_error"
    return cls(random_state=0, **parameters)


# ---- ordered rows --------------------------------------------------------------------


def ordered(kind):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 3))
    if kind == "sorted":
        y = np.exp(X[:, 0] + rng.normal(size=N))
        order = np.argsort(y)
        return X[order], y[order]
    if kind == "small first":
        y = np.where(np.arange(N) < 12_000, 0.0, 50.0) + X[:, 1] * 1e-2
        return X, y
    if kind == "one gross row":
        y = 1e-6 * X[:, 0]
        y[7] = 1e6
        return X, y
    # Heavy tails that X knows nothing of.
    return X, np.sort(rng.lognormal(sigma=2, size=N))


CALLS = {
    "fit": lambda model, X, y: model.fit(X, y),
    "CSR": lambda model, X, y: model.fit(sparse.csr_array(X), y),
    "stream": lambda model, X, y: model.fit_batches(from_arrays(X, y)),
    "stream in pieces": lambda model, X, y: model.fit_batches(
        from_arrays(X, y, batch_size=997)
    ),
    "read once": lambda model, X, y: model.set_params(max_iter=1, tol=None).fit_batches(
        iter([(X[i : i + 1000], y[i : i + 1000]) for i in range(0, N, 1000)])
    ),
    "partial_fit": lambda model, X, y: model.partial_fit(X, y),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "parameters", [{"lr": 0.01}, {"lr": 1e-3, "solver": "sgd"}], ids=str
)
@pytest.mark.parametrize(
    "kind", ["sorted", "small first", "one gross row", "heavy tails"]
)
def test_the_order_of_the_rows_decides_nothing(kind, parameters, call):
    X, y = ordered(kind)
    if kind == "one gross row" and parameters.get("solver") == "sgd":
        parameters = parameters | {"lr": 1e-5}
    if kind == "one gross row" and call == "read once":
        pytest.skip("a stream that cannot be read again is judged by a sample")
    model = small(max_iter=3, tol=None, **parameters)
    messages = said(lambda: CALLS[call](model, X, y))
    assert model.stop_reason_ == "max_iter"
    assert messages == []


@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier, MLPGD])
@pytest.mark.parametrize("call", ["fit", "stream in pieces"])
def test_the_order_of_the_rows_decides_nothing_under_auto(cls, call):
    X, y = ordered("sorted")
    if cls is GDClassifier:
        y = y > np.median(y)
    model = small(cls)
    messages = said(lambda: CALLS[call](model, X, y))
    assert model.stop_reason_ != "diverged"
    assert messages == []


def test_sorted_labels_that_x_knows_nothing_of():
    """The best constant of all rows is not that of the first ones."""
    y = np.arange(N) >= 18_000
    X = np.random.default_rng(5).normal(size=(N, 3))
    assert said(lambda: small(GDClassifier, lr=0.1).fit(X, y)) == []


@pytest.mark.parametrize("period", [2, 4, 5, 10])
def test_a_sample_sees_all_of_a_pattern(period):
    n = 10 * period * 1000
    index = spread_out(n, 1000)
    assert_array_equal(index, np.unique(index))
    assert (index // (n // 1000) == np.arange(1000)).all()
    shares = np.bincount(index % period, minlength=period) / 1000
    assert_allclose(shares, 1 / period, atol=0.1 / period)


@pytest.mark.parametrize("sizes", [(7, 1000, 333), (4096,), (1, 2, 3, 5000)])
def test_a_survey_takes_every_so_many_rows_however_they_come(sizes):
    """Also where blocks end between the rows taken."""
    n = 3 * SAMPLE_ROWS + 123
    X = np.arange(float(n))[:, None]
    survey, start = Survey(1, 1), 0
    while start < n:
        for size in sizes:
            part = X[start : start + size]
            start += size
            if len(part):
                survey.take(Rows.of(part, part[:, 0], part))
    sample = survey.all_rows()
    assert len(sample) == n
    assert_array_equal(sample.X[:, 0], np.arange(0.0, n, 4))


# ---- how bad is bad ------------------------------------------------------------------


def growing(factor, **parameters):
    """F is `factor` times what it was after each step, from 1/2."""
    lr = 1 + np.sqrt(factor)
    model = GDRegressor(
        solver="batch", lr=lr, tol=None, fit_intercept=False, **parameters
    )
    return model, np.ones((4, 1)), np.ones(4)


def test_a_run_that_ends_above_its_start_has_failed():
    model, X, y = growing(1.2, max_iter=1)
    (message,) = said(lambda: model.fit(X, y))
    assert model.stop_reason_ == "diverged"
    assert model.n_iter_ == 1
    # The epoch named is one that was run.
    assert "in epoch 1 with" in message
    model, X, y = growing(1.0005, max_iter=1)
    assert said(lambda: model.fit(X, y)) == []
    assert model.stop_reason_ == "max_iter"


@pytest.mark.parametrize("factor, n_iter", [(1e5, 2), (1e8, 1)])
def test_a_run_is_ended_at_a_million_times_its_start(factor, n_iter):
    """The objective of the second epoch is `factor` times that of the start."""
    model, X, y = growing(factor, max_iter=2)
    (message,) = said(lambda: model.fit(X, y))
    assert model.stop_reason_ == "diverged"
    assert model.n_iter_ == n_iter
    assert "in epoch 2 with" in message


@pytest.mark.parametrize("excess, stuck", [(0.2, True), (0.0005, False)])
def test_worse_than_a_constant(excess, stuck):
    """F at zero, where this run stays, is (v + m^2)/2, and v/2 at the mean."""
    y = np.sqrt(excess) + np.array([1.0, -1.0] * 50)
    X = np.random.default_rng(0).normal(size=(100, 2))
    messages = said(lambda: small(lr=1e-12).fit(X, y))
    assert len(messages) == stuck
    for message in messages:
        assert "worse than a constant: the rate is too small." in message


def test_a_rate_that_is_too_large_is_called_so():
    X = np.random.default_rng(0).normal(size=(400, 3))
    y = X @ [1.0, 2.0, 3.0] + 50
    model = small(solver="sgd", lr=0.6, tol=0.9, n_iter_no_change=1)
    messages = said(lambda: model.fit(X, y))
    assert all("too small" not in message for message in messages)


@pytest.mark.parametrize("loss", ["poisson", "gamma", "squared_error"])
def test_zero_may_be_the_answer(loss):
    """Under an l1 penalty that leaves no weight; some losses are negative there."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 50))
    y = 1.0 + rng.poisson(np.exp(np.clip(X[:, 0] * 2, None, 5)))
    alpha = 1.5 * np.abs(X.T @ (y - y.mean())).max() / 200
    model = small(loss=loss, penalty="l1", alpha=alpha)
    assert said(lambda: model.fit(X, y)) == []
    assert not model.coef_.any()


def test_a_network_worse_than_a_constant():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(100, 2)), 100 + rng.normal(size=100)
    model = small(MLPGD, lr=1e-12, max_iter=100)
    start = {"coefs_init": [np.ones((2, 3)), np.ones((3, 1))]}
    messages = said(
        lambda: model.fit(X, y, **start, intercepts_init=[np.zeros(3), [0.0]])
    )
    assert len(messages) == 1 and "worse than a constant" in messages[0]
    assert "lr='auto'" in messages[0] and "standardize" not in messages[0]


# ---- causes and remedies -------------------------------------------------------------


def test_scaled_features_need_no_scaler():
    X = np.random.default_rng(0).normal(size=(200, 3))
    y = X @ [1.0, 2.0, 3.0]
    model = small(lr=5.0)
    (raw,) = said(lambda: model.fit(X * [1, 1000, 1], y))
    assert "StandardScaler" in raw and "lr='auto'" in raw
    scaled = StandardScaler().fit_transform(X)
    (message,) = said(lambda: clone(model).fit(scaled, y))
    assert "scale" not in message.lower() and "lr='auto'" in message


@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier, MLPGD])
@pytest.mark.parametrize("call", ["fit", "stream"])
def test_advice_is_not_what_is_set_already(cls, call):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3)) * np.array([2e307, 1, 1])
    y = X[:, 1]
    if cls is GDClassifier:
        y = y > 0
    messages = said(lambda: CALLS[call](small(cls), X, y))
    assert messages
    for message in messages:
        assert "lr='auto'" not in message and "column 0" in message


def test_advice_where_an_automatic_rate_failed():
    """Momentum cannot know how steep the exponential will get."""
    rng = np.random.default_rng(0)
    X = rng.standard_t(1.5, size=(400, 5))
    y = rng.poisson(np.exp(np.clip(X[:, 0], None, 5)))
    model = small(loss="poisson", optimizer="momentum", solver="sgd")
    (message,) = said(lambda: model.fit(X, y))
    assert "Use lr='auto'" not in message
    assert "optimizer='gd' with solver='batch'" in message
    assert (
        said(lambda: model.set_params(optimizer="gd", solver="batch").fit(X, y)) == []
    )


@pytest.mark.parametrize(
    "optimizer, limit", [("gd", 2.0), ("momentum", 3.8), ("nesterov", 3.8 / 2.8)]
)
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_penalty_that_makes_the_weights_grow(optimizer, limit, share):
    X = 0.01 * np.random.default_rng(0).normal(size=(50, 2))
    lr, y = 0.5, X[:, 0]
    alpha = 1.01 * limit / lr / (1 - share)
    model = small(
        penalty="elasticnet",
        l1_ratio=share,
        alpha=alpha,
        optimizer=optimizer,
        solver="batch",
        lr=lr,
        max_iter=3000,
        tol=None,
    )
    start = {"coef_init": [1e4, 1e4]}
    (message,) = said(lambda: model.fit(X, y, **start))
    assert "l2 penalty alone" in message
    rate = float(message.split("take lr below ")[1].split(",")[0])
    assert_allclose(rate, limit / (alpha * (1 - share)), rtol=0.05)
    # Half a limit away, the weights shrink.
    assert said(lambda: model.set_params(alpha=0.5 * alpha).fit(X, y, **start)) == []


def test_heavy_weights_of_a_stream():
    X = np.random.default_rng(0).normal(size=(50, 2))
    model = small(lr=0.01, solver="sgd")
    messages = said(
        lambda: model.partial_fit(X, X[:, 0], sample_weight=np.full(50, 1e30))
    )
    assert len(messages) == 1
    assert "1e+30" in messages[0] and "partial_fit takes them as given" in messages[0]


@pytest.mark.parametrize("cls", [GDRegressor, MLPGD])
@pytest.mark.parametrize("call", ["fit", "stream", "partial_fit"])
@pytest.mark.parametrize("unit", [1e160, 1e-200])
def test_units_of_y_that_overflow(cls, call, unit):
    if call == "partial_fit" and unit < 1:
        pytest.skip("a stream may be followed by larger targets")
    X = np.random.default_rng(0).normal(size=(60, 2))
    y = unit * X[:, 0]
    messages = said(lambda: CALLS[call](small(cls), X, y))
    assert any("y" in m.split() and "by a constant" in m for m in messages)


# ---- columns that cannot be computed with --------------------------------------------


@pytest.mark.parametrize("unit", [1e160, 1e-200])
@pytest.mark.parametrize("call", ["fit", "CSR", "stream", "partial_fit"])
@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier, MLPGD])
def test_a_column_in_an_impossible_unit_is_named(cls, call, unit):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    y = X @ [1.0, 2.0, 3.0]
    if cls is GDClassifier:
        y = y > 0
    Z = X.copy()
    Z[:, 1] *= unit
    model = small(cls)
    if cls is GDClassifier and call == "partial_fit":
        messages = said(lambda: model.partial_fit(Z, y, classes=[False, True]))
    else:
        messages = said(lambda: CALLS[call](model, Z, y))
    fault = "large" if unit > 1 else "small"
    assert any("column 1 of X" in m and f"too {fault}" in m for m in messages)
    assert np.isfinite(model.predict(Z)).all()
    if call != "partial_fit":
        # The others are learnt from as if it were not there.
        without = small(cls)
        said(lambda: CALLS[call](without, np.delete(X, 1, axis=1), y))
        assert model.score(Z, y) > without.score(X[:, [0, 2]], y) - 0.1


def test_columns_are_named_as_the_user_knows_them():
    X = np.random.default_rng(0).normal(size=(100, 3))
    table = pd.DataFrame(X, columns=["height", "age", "mass"])
    table["mass"] *= 1e-200
    (message,) = said(lambda: small().fit(table, X[:, 0]))
    assert "column 'mass'" in message
    table["mass"] *= 1e300
    table["mass"] *= 1e60
    (message,) = said(lambda: small(lr=0.1).fit(table, X[:, 0]))
    assert "column 'mass'" in message


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("call", ["fit", "CSR", "partial_fit"])
def test_ordinary_columns_raise_no_suspicion(dtype, call):
    """Zeros, constants, indicators, and what is left of an empty chunk."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 5)).astype(dtype)
    X[:, 0], X[:, 1], X[:, 2] = 0, 1, X[:, 2] > 0
    X[:, 3] *= 1e-12
    X[:, 4] *= 1e12
    messages = said(lambda: CALLS[call](small(), X, X[:, 4] / 1e12))
    assert not any("column" in message for message in messages)


# ---- infinite predictions ------------------------------------------------------------


@pytest.mark.parametrize("cls", [GDRegressor, MLPGD])
@pytest.mark.parametrize("sparse_rows", [False, True])
def test_infinite_predictions_are_told(cls, sparse_rows):
    """The loss of a gamma model grows but linearly with the score."""
    X = np.zeros((5000, 1))
    X[-1] = 1.0
    model = cls(loss="gamma", lr=1e-300, tol=1e-3, random_state=0)
    y = np.ones(5000)
    if cls is MLPGD:
        model.set_params(hidden_layer_sizes=(1,), activation="identity", max_iter=3)
        start = {
            "coefs_init": [[[1.0]], [[1000.0]]],
            "intercepts_init": [[0.0], [0.0]],
        }
    else:
        start = {"coef_init": [1000.0], "intercept_init": [0.0]}
    X = sparse.csr_array(X) if sparse_rows else X
    messages = said(lambda: model.fit(X, y, **start))
    assert model.stop_reason_ != "diverged"
    assert any("1 of 5000 training rows are infinite" in m for m in messages)
    start[next(iter(start))] = [10.0] if cls is GDRegressor else [[[0.01]], [[1000.0]]]
    messages = said(lambda: model.fit(X, y, **start))
    assert not any("infinite" in message for message in messages)


@pytest.mark.parametrize("cls", [GDRegressor, MLPGD])
@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("n_rows", [1, 3])
def test_infinite_predictions_of_a_chunk_are_told(n_rows, layout, cls):
    """In the usual way and in the short one, which the second call prepares."""
    X, y = np.ones((n_rows, 1)), np.full(n_rows, 1e-300)
    X[1:] = 0.0
    model = cls(loss="gamma", lr=1e-3, random_state=0)
    if cls is MLPGD:
        model.set_params(hidden_layer_sizes=(), optimizer="gd", standardize=False)
    X = layout(X)
    for _ in range(2):
        assert not any("infinite" in m for m in said(lambda: model.partial_fit(X, y)))
    model.set_params(warm_start=True, max_iter=1, tol=None, lr=1e-300)
    name = "coefs_init" if cls is MLPGD else "coef_init"
    start = {name: [[[1000.0]]] if cls is MLPGD else [1000.0]}
    said(lambda: model.fit(X, y, **start))
    for _ in range(3):
        messages = said(lambda: model.partial_fit(X, y))
        assert any(f"1 of {n_rows} training rows are inf" in m for m in messages)
        assert model.stop_reason_ != "diverged"


def test_a_verdict_is_a_warning_about_convergence():
    assert issubclass(DivergenceWarning, ConvergenceWarning)
