"""Fits that leave out columns without an entry, beside the same fits with all."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skgd import GDClassifier, GDRegressor
from skgd._training import used_columns

N_COLUMNS, N_USED = 5000, 40


@pytest.fixture
def both(monkeypatch):
    """Run a function with and without columns left out; whether any were."""

    def run(function):
        found = []
        of = used_columns.UsedColumns.of.__func__

        def noted(cls, *arguments):
            found.append(of(cls, *arguments))
            return found[-1]

        monkeypatch.setattr(used_columns.UsedColumns, "of", classmethod(noted))
        monkeypatch.setattr(used_columns, "MANY_COLUMNS", 10**9)
        whole = function()
        assert found and found[-1] is None
        monkeypatch.setattr(used_columns, "MANY_COLUMNS", 4096)
        return whole, function(), found[-1]

    return run


def table(dtype=np.float64, seed=0):
    """CSR rows whose entries are in few of the columns, and targets."""
    rng = np.random.default_rng(seed)
    used = np.sort(rng.choice(N_COLUMNS, N_USED, replace=False))
    dense = np.zeros((200, N_COLUMNS))
    dense[:, used] = rng.normal(size=(200, N_USED)) * (rng.random((200, N_USED)) < 0.3)
    scores = dense @ rng.normal(size=N_COLUMNS)
    y = scores + rng.normal(size=200)
    return sparse.csr_matrix(dense.astype(dtype)), y, used


CASES = {
    "plain": (GDRegressor, {"solver": "batch", "lr": 0.1, "max_iter": 30}),
    "l1": (GDRegressor, {"solver": "batch", "lr": 0.1, "penalty": "l1", "alpha": 0.05}),
    "polyak": (
        GDRegressor,
        {"solver": "batch", "lr": 0.1, "average": True, "max_iter": 30},
    ),
    "clipped": (
        GDRegressor,
        {"solver": "batch", "lr": 0.1, "clip_norm": 0.5, "max_iter": 30},
    ),
    "auto": (GDRegressor, {"solver": "batch", "penalty": "l2", "alpha": 0.01}),
    "auto l1": (GDRegressor, {"solver": "batch", "penalty": "l1", "alpha": 0.05}),
    "two outputs": (GDRegressor, {"solver": "batch", "penalty": "l2", "alpha": 0.01}),
    "huber": (
        GDRegressor,
        {"solver": "batch", "loss": "huber", "penalty": "l2", "alpha": 0.01},
    ),
    "logistic": (GDClassifier, {"solver": "batch", "alpha": 0.01}),
    "softmax": (GDClassifier, {"solver": "batch", "alpha": 0.01}),
    "apart": (GDClassifier, {"solver": "batch", "loss": "squared_hinge", "alpha": 0.1}),
    "hinge": (GDClassifier, {"solver": "batch", "loss": "hinge", "alpha": 0.01}),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_answer_is_that_of_all_columns(both, case, dtype):
    cls, parameters = CASES[case]
    X, y, used = table(dtype)
    if case == "two outputs":
        y = np.column_stack([y, -2.0 * y**2])
    if cls is GDClassifier:
        y = np.digitize(y, [-1.0, 1.0]) if case != "logistic" else y > 0
    lr = parameters.get("lr", "auto")
    tol = None if lr != "auto" else 1e-9 if dtype == np.float64 else 1e-5

    def fit():
        return cls(**parameters, tol=tol, random_state=0).fit(X, y)

    whole, part, left = both(fit)
    assert left is not None
    assert left.bound.objective.model.n_features == N_USED
    rtol = 1e-9 if lr != "auto" else 1e-3
    if dtype == np.float32:
        rtol = 1e-2 if lr == "auto" else 1e-4
    size = np.abs(whole.coef_).max()
    assert_allclose(part.coef_, whole.coef_, rtol=0, atol=rtol * size)
    assert_allclose(part.intercept_, whole.intercept_, rtol=0, atol=rtol * size)
    others = np.setdiff1d(np.arange(N_COLUMNS), used)
    assert not np.atleast_2d(part.coef_)[:, others].any()


@pytest.mark.parametrize("lr", [0.1, "auto"])
def test_a_weight_that_is_there_moves(both, lr):
    """The penalty takes a weight to zero whose column has no entry."""
    X, y, used = table()
    start = np.zeros(N_COLUMNS)
    empty = np.setdiff1d(np.arange(N_COLUMNS), used)[5]
    start[empty] = 2.0

    def fit():
        model = GDRegressor(
            solver="batch",
            lr=lr,
            penalty="l2",
            alpha=0.1,
            max_iter=50,
            tol=None,
            random_state=0,
        )
        return model.fit(X, y, coef_init=start)

    whole, part, left = both(fit)
    # The coordinates of the search know no constant column.
    assert left.bound.objective.model.n_features == N_USED + (lr != "auto")
    assert abs(part.coef_[empty]) < 2.0
    assert_allclose(part.coef_, whole.coef_, rtol=0, atol=1e-6)


def test_the_state_is_that_of_all_columns(both):
    """More rows, with entries in other columns, go on from it."""
    X, y, _ = table()
    more, targets, others = table(seed=1)

    def fit():
        model = GDRegressor(solver="batch", lr=0.1, random_state=0, max_iter=5)
        return model.fit(X, y).partial_fit(more, targets)

    whole, part, _ = both(fit)
    assert part.coef_[others].all()
    assert_allclose(part.coef_, whole.coef_, rtol=1e-9, atol=1e-12)


def test_nothing_is_left_out_of_few_or_full_columns():
    X, y, used = table()
    dense = GDRegressor(solver="batch", random_state=0).fit(X.toarray(), y)
    full = GDRegressor(solver="batch", random_state=0).fit(X[:, used], y)
    assert_array_equal(dense.coef_.shape, (N_COLUMNS,))
    assert full.coef_.shape == (N_USED,)
