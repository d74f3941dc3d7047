"""Losses and derivatives of blocks of scores against the losses' own formulas."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import log_softmax, softmax

from skgd._kernels import compiling, outputs, user_code
from skgd.losses import Huber, LogLoss

N_ROWS, START, STOP = 12, 2, 11


def cost_of(output, loss, table):
    element = compiling.numba_type(table.dtype)
    name = compiling.address(output, outputs.output_signature(element))
    address, p = outputs.LOGISTIC, np.empty(0)
    if not isinstance(loss, LogLoss):
        address, p, _ = user_code.loss(loss)
    return name, address, p, table


def run(output, loss, targets, weights, order, scores, table=None):
    """What an output makes of scores, in place; the sum of losses."""
    table = np.empty((0, 0)) if table is None else table
    element = compiling.numba_type(scores.dtype)
    kernel = compiling.kernel(output, outputs.output_signature(element))
    cost = cost_of(output, loss, table)
    return kernel(targets, weights, order, START, STOP, cost, scores)


def rows(n_outputs, by_class=False):
    rng = np.random.default_rng(n_outputs)
    targets = rng.standard_normal((N_ROWS, n_outputs))
    if by_class:
        targets = rng.integers(0, n_outputs, (N_ROWS, 1)).astype(float)
    weights = rng.uniform(0.5, 2.0, N_ROWS)
    scores = 2.0 * rng.standard_normal((STOP - START, n_outputs))
    return targets, weights, rng.permutation(N_ROWS), scores


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_separable(n_outputs):
    loss = Huber(0.7)
    targets, weights, order, z = rows(n_outputs)
    chosen = order[START:STOP]
    derivative = weights[chosen, None] * loss.gradient(targets[chosen], z)
    value = weights[chosen] @ loss.value(targets[chosen], z).sum(axis=1)
    assert_allclose(run(outputs.separable, loss, targets, weights, order, z), value)
    assert_allclose(z, derivative)


@pytest.mark.parametrize("equal_weights", [False, True])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_one_against_the_rest(n_outputs, equal_weights):
    targets, weights, order, z = rows(n_outputs, by_class=True)
    if equal_weights:
        weights = np.broadcast_to(0.5, (N_ROWS,))
    chosen = order[START:STOP]
    if n_outputs == 1:
        targets = np.where(np.arange(N_ROWS)[:, None] % 2, 1.0, -1.0)
        signs = targets[chosen]
    else:
        signs = np.where(targets[chosen] == np.arange(n_outputs), 1.0, -1.0)
    value = weights[chosen] @ np.logaddexp(0.0, -signs * z).sum(axis=1)
    derivative = -weights[chosen, None] * signs / (1.0 + np.exp(signs * z))
    found = run(outputs.separable, LogLoss(), targets, weights, order, z)
    assert_allclose(found, value, rtol=1e-13)
    assert_allclose(z, derivative, rtol=1e-12)


def test_softmax_far_from_zero():
    targets, weights, order, z = rows(4, by_class=True)
    z += 700.0
    chosen = order[START:STOP]
    one_hot = np.eye(4)[targets[chosen, 0].astype(int)]
    value = -weights[chosen] @ (one_hot * log_softmax(z, axis=1)).sum(axis=1)
    derivative = weights[chosen, None] * (softmax(z, axis=1) - one_hot)
    found = run(outputs.softmax, LogLoss(), targets, weights, order, z)
    assert_allclose(found, value, rtol=1e-12)
    assert_allclose(z, derivative, atol=1e-13)


@pytest.mark.parametrize(
    "plain, change, loss",
    [
        (outputs.separable, outputs.separable_change, Huber(0.7)),
        (outputs.softmax, outputs.softmax_change, LogLoss()),
    ],
)
def test_changes_since_the_last_visit(plain, change, loss):
    targets, weights, order, z = rows(3, by_class=plain is outputs.softmax)
    table = np.zeros((N_ROWS, 3))
    last = np.zeros((STOP - START, 3))
    for step in range(2):
        expected, found = z + step, z + step
        value = run(plain, loss, targets, weights, order, expected)
        total = run(change, loss, targets, weights, order, found, table)
        assert total == value
        assert_allclose(found, expected - last)
        assert_allclose(table[order[START:STOP]], expected)
        last = expected
    # Rows that were not visited stay as they are.
    assert not table[order[:START]].any() and not table[order[STOP:]].any()
