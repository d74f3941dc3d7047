"""Steps of streams: the implicit score, and the flow of the penalty."""

import math

import numpy as np
import pytest
from entrances import entrance
from scipy import integrate

from skgd._kernels import csr_stream, user_code
from skgd.losses import AbsoluteError, Hinge, LogLoss, Poisson, SquaredHinge

implicit_score = entrance(csr_stream.implicit_score)
shrunk = entrance(csr_stream.shrunk)

CASES = [
    (loss, q)
    for loss in (AbsoluteError(), Hinge(), SquaredHinge(), Poisson(), LogLoss())
    for q in (1e-3, 0.5, 40.0)
]


@pytest.mark.parametrize("loss, q", CASES)
def test_the_implicit_score_is_a_minimum(loss, q):
    address, p, _ = user_code.loss(loss)
    for y, z in ((1.0, -2.0), (1.0, 0.99), (1.0, 3.0)):
        derivative = loss.gradient([y], [z])[0]
        u = implicit_score(address, p, y, 1.5, z, derivative, q)

        def cost(u, y=y, z=z):
            return (u - z) ** 2 / (2 * q) + 1.5 * loss.value([y], [u])[0]

        # It lies between z and the end of an explicit step, and is found to a millionth
        # of that way.
        end = z - 1.5 * q * derivative
        low, high = min(z, end) - 1e-3, max(z, end) + 1e-3
        precision = 1e-4 + 4e-6 * (high - low)
        for other in (u - precision, u + precision, low, high):
            assert cost(u) <= cost(other) or abs(other - u) < precision
        assert low <= u <= high


@pytest.mark.parametrize("l1, l2", [(0.3, 0.0), (0.0, 0.4), (0.3, 0.4)])
def test_weights_shrink_as_a_flow(l1, l2):
    def pull(t, w):
        return -l2 * w - l1 * np.sign(w)

    for w in (1.5, -0.7):
        flow = integrate.solve_ivp(pull, (0.0, 1.2), [w], max_step=1e-3)
        assert math.isclose(shrunk(w, l1, l2, 1.2), flow.y[0, -1], abs_tol=1e-3)
    if l1:
        assert shrunk(0.01, l1, l2, 5.0) == 0.0
    assert shrunk(0.0, 0.3, 0.4, 5.0) == 0.0
