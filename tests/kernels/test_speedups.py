"""What makes training fast must not show in results: threads, layouts, shuffling."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from skgd import GDClassifier, GDRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def table(n=40_000, d=7, dtype=np.float64):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d)).astype(dtype)
    return X, (X[:, 0] + rng.standard_normal(n) > 0).astype(int)


@pytest.mark.parametrize("lr", ["auto", 0.1])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix])
def test_any_number_of_threads_gives_the_same_bits(container, dtype, lr):
    X, y = table(dtype=dtype)
    fits = [
        GDClassifier(solver="batch", lr=lr, max_iter=4, tol=None, n_jobs=n_jobs).fit(
            container(X), y
        )
        for n_jobs in (None, 2, 3)
    ]
    for fit in fits[1:]:
        assert (fit.coef_ == fits[0].coef_).all()
        assert (fit.intercept_ == fits[0].intercept_).all()
        assert fit.loss_curve_ == fits[0].loss_curve_


@pytest.mark.parametrize("solver", ["sgd", "minibatch", "batch"])
def test_layout_in_memory_changes_nothing_but_rounding(solver):
    X, y = table(300)
    wide = np.zeros((600, 20))
    wide[::2, 3:10] = X
    layouts = [X, np.asfortranarray(X), wide[::2, 3:10], X[::-1][::-1]]
    parameters = {"lr": 0.01, "penalty": "elasticnet", "alpha": 0.01, "max_iter": 3}
    fits = [
        GDClassifier(solver=solver, random_state=0, tol=None, **parameters).fit(Z, y)
        for Z in layouts
    ]
    for fit in fits[1:]:
        assert_allclose(fit.coef_, fits[0].coef_, rtol=1e-12, atol=1e-14)


def test_one_row_sgd_is_a_batch_of_one():
    X, y = table(200)
    models = [
        GDRegressor(lr=0.01, max_iter=3, tol=None, random_state=0, **how).fit(X, y)
        for how in (
            {"solver": "sgd"},
            {"solver": "minibatch", "batch_size": 1},
            # Never reached, so that the update is that of the general loop.
            {"solver": "sgd", "clip_norm": 1e9},
        )
    ]
    assert (models[0].coef_ == models[1].coef_).all()
    assert_allclose(models[0].coef_, models[2].coef_, rtol=1e-12)
    assert_allclose(models[0].loss_curve_, models[2].loss_curve_, rtol=1e-12)


@pytest.mark.parametrize("streaming", [False, True])
def test_threads_of_matrix_products_do_not_show_in_the_bits(streaming):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3072, 400))
    y = rng.integers(0, 40, len(X))
    model = GDClassifier(lr=0.01, batch_size=256, max_iter=2, tol=None, random_state=0)
    coefs = []
    for limit in (1, 2):
        fitted = clone(model)
        with threadpool_limits(limit, user_api="blas"):
            if streaming:
                for rows in np.split(np.arange(len(X)), 3):
                    fitted.partial_fit(X[rows], y[rows], classes=np.arange(40))
            else:
                fitted.fit(X, y)
        coefs.append(fitted.coef_)
    assert (coefs[0] == coefs[1]).all()
