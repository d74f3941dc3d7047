"""Blocks of a network: dense and sparse rows, and any number of rows at a time."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from skgd._input.rows import Rows
from skgd._network.coordinates import Coordinates
from skgd._network.model import Network
from skgd._training.objective import Objective
from skgd.activations import ReLU, Tanh
from skgd.losses import SquaredError

NOTHING = np.empty(0)
WIDTHS = (4, 3, 5, 2)


def network():
    rng = np.random.default_rng(0)
    coordinates = Coordinates(
        rng.standard_normal(4), rng.uniform(0.5, 2.0, 4), np.zeros(2), np.ones(2)
    )
    return Network(WIDTHS, [Tanh(), ReLU()], 0.0, np.float64, coordinates)


def forward(model, theta, X):
    weights, intercepts = model.split(theta)
    a = (X - model.coordinates.mean) * model.coordinates.scale
    for f, W, b in zip((np.tanh, lambda z: np.maximum(z, 0.0), lambda z: z), weights,
                       intercepts, strict=True):  # fmt: skip
        a = f(a @ W + b)
    return a


@pytest.mark.parametrize("container", [np.asarray, np.asfortranarray, sparse.csr_array])
@pytest.mark.parametrize("block_rows", [2, 7, 256])
def test_sums_over_rows(block_rows, container):
    rng = np.random.default_rng(1)
    X = rng.standard_normal((7, 4)) * (rng.random((7, 4)) < 0.7)
    Y = rng.standard_normal((7, 2))
    model = network()
    theta = rng.standard_normal(model.size)

    def value(theta):
        return 0.5 * np.sum((forward(model, theta, X) - Y) ** 2)

    objective = Objective(model, SquaredError(), False, NOTHING, NOTHING)
    bound = objective.bind(Rows.of(container(X), Y, Y), block_rows)
    loss, gradient = bound.loss_and_gradient(theta)
    assert_allclose(loss, value(theta), rtol=1e-12)
    differences = [
        (value(theta + step) - value(theta - step)) / 2e-6
        for step in 1e-6 * np.eye(theta.size)
    ]
    assert_allclose(gradient, differences, rtol=1e-5, atol=1e-6)
