"""Functions of users, guarded; more of it is in ``tests/public/test_user_code.py``."""

import numpy as np
import pytest

from skgd._kernels import compiling, user_code
from skgd.losses import Huber, Loss
from skgd.optimizers import Momentum


class Picky(Loss):
    """Squared error that refuses a score."""

    def parameters(self):
        return (3.0,)

    @staticmethod
    def value_and_derivative(y, z, p):
        if z > p[0]:
            raise ValueError("too high")
        return 0.5 * (z - y) ** 2, z - y


def test_functions_of_the_package_are_compiled_as_they_are():
    loss = user_code.loss(Huber(0.5))
    assert loss.check is None
    np.testing.assert_array_equal(loss.p, [0.5])
    again = user_code.loss(Huber(0.7))
    assert again.address == loss.address
    rule = user_code.rule(Momentum(0.8), 3, np.float32)
    assert rule.check is None and rule.p[0] == 0.8
    assert rule.address != user_code.rule(Momentum(0.8), 3, np.float64).address


def test_an_exception_is_noted_and_raised_afterwards():
    from skgd._kernels import elementwise

    address, p, check = user_code.loss(Picky())
    kernel = compiling.kernel(elementwise.losses, elementwise.signature())
    y, values, derivatives = np.zeros(2), np.empty(2), np.empty(2)
    kernel(address, p, y, np.array([1.0, 2.0]), values, derivatives)
    np.testing.assert_allclose(values, [0.5, 2.0])
    check(p)
    kernel(address, p, y, np.array([1.0, 4.0]), values, derivatives)
    assert np.isnan(values[1]) and np.isnan(derivatives[1])
    with pytest.raises(ValueError, match="too high") as caught:
        check(p)
    assert "Picky.value_and_derivative" in caught.value.__notes__[0]
    # It has been told.
    check(p)
