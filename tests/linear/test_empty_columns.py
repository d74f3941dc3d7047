"""Searches leave out columns without an entry: the answer is that of the others."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skgd import GDClassifier, GDRegressor
from skgd._training import secant

N_USED, N_COLUMNS = 40, 6000


def rows(n=150):
    """Rows with entries in few of many columns, and the table of these alone."""
    rng = np.random.default_rng(0)
    few = sparse.random_array((n, N_USED), density=0.3, format="csr", rng=rng)
    used = np.sort(rng.choice(N_COLUMNS, N_USED, replace=False))
    few = sparse.csr_matrix(few)
    wide = sparse.csr_matrix(
        (few.data, used[few.indices].astype(np.int32), few.indptr), (n, N_COLUMNS)
    )
    return few, wide, used, rng


def regression(few, rng):
    return few @ rng.standard_normal(N_USED) + 0.1 * rng.standard_normal(few.shape[0])


CASES = [
    (GDRegressor, {"penalty": "l2", "alpha": 1e-2}),
    (GDRegressor, {"penalty": "l1", "alpha": 1e-2}),
    (GDRegressor, {"penalty": "elasticnet", "alpha": 1e-2, "fit_intercept": False}),
    (GDRegressor, {"loss": "huber", "penalty": "l2", "alpha": 1e-2}),
    (GDRegressor, {"loss": "absolute_error", "penalty": "l2", "alpha": 1e-2}),
    (GDClassifier, {"penalty": "l2", "alpha": 1e-2}),
    (GDClassifier, {"loss": "hinge", "alpha": 1e-2}),
    (GDClassifier, {"loss": "squared_hinge", "penalty": "l1", "alpha": 1e-2}),
]


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize(("cls", "asked"), CASES, ids=str)
def test_the_answer_is_that_of_the_columns_with_entries(cls, asked, n_outputs):
    few, wide, used, rng = rows()
    y = regression(few, rng)
    if cls is GDClassifier:
        y = np.digitize(y, np.quantile(y, np.linspace(0, 1, n_outputs + 1)[1:-1]))
        if n_outputs == 1:
            y = (regression(few, rng) > 0).astype(int)
    elif n_outputs == 3:
        y = np.column_stack([y, -2 * y, y + regression(few, rng)])
    model = cls(solver="batch", tol=1e-9, **asked)
    wanted, found = (model.__class__(**model.get_params()) for _ in range(2))
    wanted.fit(few, y)
    found.fit(wide, y)
    coef, others = np.atleast_2d(found.coef_), np.atleast_2d(wanted.coef_)
    # What is certain is the objective, to 1e-9; weights are to its root.
    atol = 1e-3 if asked.get("loss") in ("absolute_error", "hinge") else 1e-4
    assert_allclose(coef[:, used], others, atol=atol * np.abs(others).max())
    assert_allclose(found.intercept_, wanted.intercept_, atol=10 * atol)
    assert_array_equal(np.delete(coef, used, axis=1), 0.0)
    assert found.stop_reason_ in ("converged", "rounding")


def test_vectors_are_as_long_as_the_columns_with_entries(monkeypatch):
    few, wide, _, rng = rows()
    lengths = []
    begin = secant.SecantEpoch._prepare

    def noted(self):
        vectors, scalars = begin(self)
        lengths.append(vectors.shape[2])
        return vectors, scalars

    monkeypatch.setattr(secant.SecantEpoch, "_prepare", noted)
    model = GDRegressor(loss="huber", solver="batch").fit(wide, regression(few, rng))
    assert lengths == [N_USED + 1]
    assert model.coef_.shape == (N_COLUMNS,)


@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_a_weight_given_without_an_entry_goes_to_zero(penalty):
    few, wide, used, rng = rows()
    y = regression(few, rng)
    unused = np.setdiff1d(np.arange(N_COLUMNS), used)[:5]
    start = np.zeros(N_COLUMNS)
    start[unused] = 3.0
    model = GDRegressor(
        loss="huber", penalty=penalty, alpha=0.1, solver="batch", tol=1e-9
    )
    model.fit(wide, y, coef_init=start, intercept_init=0.0)
    assert_allclose(model.coef_[unused], 0.0, atol=1e-4)


def test_a_fit_goes_on_from_the_last_one():
    few, wide, _, rng = rows()
    y = regression(few, rng)
    model = GDRegressor(
        loss="huber", alpha=1e-2, penalty="l2", solver="batch", warm_start=True
    ).fit(wide, y)
    before, n_iter = model.coef_.copy(), model.n_iter_
    assert model.fit(wide, y).n_iter_ < n_iter
    assert_allclose(model.coef_, before, atol=1e-3 * np.abs(before).max())
