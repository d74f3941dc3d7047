"""Epochs over blocks of a stream are those over one table."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.base import clone

from skgd import MLPGD, GDRegressor
from skgd._stream import blocks
from skgd.data import from_arrays

N, D = 500, 3
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, D))
Y = X @ [1.0, -2.0, 0.5] + RNG.normal(size=N)
WEIGHTS = RNG.uniform(0.5, 2.0, N)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("solver, batch_size", [("minibatch", 16), ("sgd", 1)])
@pytest.mark.parametrize("cls", [GDRegressor, MLPGD])
def test_losses_and_steps_over_many_blocks(cls, solver, batch_size, form, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 64 * D * 8)
    monkeypatch.setattr(blocks, "SPARSE_BLOCK_ROWS", 64)
    model = cls(
        lr=0.01,
        solver=solver,
        batch_size=batch_size,
        shuffle=False,
        max_iter=3,
        tol=None,
        random_state=0,
    )
    if cls is MLPGD:
        model.set_params(loss="squared_error", hidden_layer_sizes=(3,))
    table = clone(model).fit(form(X), Y, WEIGHTS)
    stream = model.fit_batches(from_arrays(form(X), Y, WEIGHTS, batch_size=50))
    assert_allclose(stream.loss_curve_, table.loss_curve_, rtol=1e-9)
    assert_allclose(stream.predict(X), table.predict(X), rtol=1e-7, atol=1e-9)
    assert stream.t_ == table.t_ == 3 * -(-N // batch_size)
