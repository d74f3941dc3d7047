"""Plain steps on single dense rows, for several outputs, against one at a time."""

import numpy as np
import pytest
from sklearn.base import clone

from skgd import GDClassifier, GDRegressor


@pytest.mark.parametrize("penalty", [None, "elasticnet"])
@pytest.mark.parametrize("n_features", [5, 128, 129, 600])
def test_rows_in_pieces_take_the_steps_of_the_general_loop(n_features, penalty):
    rng = np.random.default_rng(n_features)
    X = rng.standard_normal((70, n_features))
    y = rng.integers(0, 3, len(X))
    model = GDClassifier(
        solver="sgd",
        lr=0.1 / n_features,
        penalty=penalty,
        alpha=0.01,
        l1_ratio=0.5,
        max_iter=3,
        tol=None,
        random_state=0,
    )
    fast = clone(model).fit(X, y)
    # Columns side by side are left to the loop over batches.
    general = clone(model).fit(np.asfortranarray(X), y)
    np.testing.assert_allclose(fast.coef_, general.coef_, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(fast.intercept_, general.intercept_, rtol=1e-9)
    np.testing.assert_allclose(fast.loss_curve_, general.loss_curve_, rtol=1e-12)
    # Cut anywhere, the arithmetic stays the same.
    model.set_params(shuffle=False, max_iter=1, penalty=None)
    whole = clone(model).fit(X, y)
    for part in (slice(0, 1), slice(1, 8), slice(8, 70)):
        model.partial_fit(X[part], y[part], classes=np.unique(y))
    np.testing.assert_array_equal(whole.coef_, model.coef_)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_each_output_is_trained_as_if_alone(dtype):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 5)).astype(dtype)
    Y = X @ rng.standard_normal((5, 3)) + rng.standard_normal((50, 3))
    weights = rng.integers(0, 3, 50)
    model = GDRegressor(
        solver="sgd", lr=0.02, penalty="l1", alpha=0.01, max_iter=4, random_state=0
    )
    together = clone(model).fit(X, Y, weights)
    rtol = 1e-10 if dtype == np.float64 else 1e-4
    for k in range(3):
        alone = clone(model).fit(X, Y[:, k], weights)
        np.testing.assert_allclose(together.coef_[k], alone.coef_, rtol, rtol)
        np.testing.assert_allclose(together.intercept_[k], alone.intercept_, rtol)
