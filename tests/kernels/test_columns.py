"""Many searches at once against the formulas of one."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_softmax
from scipy.special import softmax as softmax_of

from skgd._kernels import columns, compiling, outputs, user_code
from skgd.losses import Huber, LogLoss

N_ROWS, N_COLUMNS, N_CLASSES = 9, 4, 3
RTOL = {np.float64: 1e-12, np.float32: 1e-5}


def kernel(function, signature, dtype):
    return compiling.kernel(function, signature(compiling.numba_type(np.dtype(dtype))))


def weights_and_scores(n_columns, dtype):
    rng = np.random.default_rng(n_columns)
    weights = rng.uniform(0.5, 2.0, N_ROWS)
    # A row that is no part of the fold, whatever its scores are.
    weights[2] = 0.0
    scores = 3.0 * rng.standard_normal((N_ROWS, n_columns))
    scores[2] = np.nan
    return weights, scores.astype(dtype), rng


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n_targets", [1, 2])
@pytest.mark.parametrize("loss", [LogLoss(), Huber(0.7)], ids=["log_loss", "huber"])
def test_separable(loss, n_targets, dtype):
    weights, scores, rng = weights_and_scores(N_COLUMNS, dtype)
    targets = np.where(rng.random((N_ROWS, n_targets)) < 0.5, -1.0, 1.0)
    column_targets = np.arange(N_COLUMNS) % n_targets
    address, p = outputs.LOGISTIC, np.empty(0)
    if not isinstance(loss, LogLoss):
        address, p, _ = user_code.loss(loss)
    used = weights > 0.0
    z, y = scores[used].astype(np.float64), targets[used][:, column_targets]
    expected = weights[used, None] * loss.gradient(y, z)
    values = np.full(N_COLUMNS, 10.0)
    run = kernel(columns.separable, columns.separable_signature, dtype)
    run(address, p, targets, column_targets, weights, scores, values)
    assert_allclose(values, 10.0 + weights[used] @ loss.value(y, z), RTOL[dtype])
    assert_allclose(scores[used], expected, RTOL[dtype])
    assert_array_equal(scores[~used], 0.0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_softmax(dtype):
    """Scores of class k stand together for all searches."""
    n = 2
    weights, scores, rng = weights_and_scores(N_CLASSES * n, dtype)
    labels = rng.integers(0, N_CLASSES, N_ROWS)
    used = weights > 0.0
    z = scores[used].astype(np.float64).reshape(-1, N_CLASSES, n)
    own = labels[used, None] == np.arange(N_CLASSES)
    losses = -log_softmax(z, axis=1)[own]
    expected = weights[used, None, None] * (softmax_of(z, axis=1) - own[:, :, None])
    values = np.zeros(n)
    run = kernel(columns.softmax, columns.softmax_signature, dtype)
    run(labels, weights, scores, values)
    assert_allclose(values, weights[used] @ losses, RTOL[dtype])
    found = scores[used].reshape(expected.shape)
    assert_allclose(found, expected, 10 * RTOL[dtype], RTOL[dtype])
    assert_array_equal(scores[~used], 0.0)
