"""Plain steps on single dense rows, for several outputs, against one at a time."""

import numpy as np
import pytest
from pieces import check_steps_in_pieces
from sklearn.base import clone

from skgd import GDRegressor


@pytest.mark.parametrize("penalty", [None, "elasticnet"])
@pytest.mark.parametrize("n_features", [5, 128, 129, 600])
def test_rows_in_pieces_take_the_steps_of_the_general_loop(n_features, penalty):
    check_steps_in_pieces(3, n_features, penalty)


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
