"""A warm start learns from columns that were constant in the fit before."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from skgd import GDRegressor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 2))
Y = X @ [1.0, 2.0] + 3.0


@pytest.mark.parametrize("solver", ["batch", "minibatch"])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_columns_that_were_constant_are_learnt(form, solver):
    weights = np.zeros(30)
    weights[0] = 1.0
    model = GDRegressor(solver=solver, warm_start=True, random_state=0)
    model.fit(form(X), Y, sample_weight=weights)
    assert not model.coef_.any()
    model.fit(form(X), Y)
    assert_allclose(model.coef_, [1.0, 2.0], rtol=1e-2)
    assert_allclose(model.intercept_, 3.0, rtol=1e-2)
