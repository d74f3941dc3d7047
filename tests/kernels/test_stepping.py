"""A rule alone against the same rule in Python."""

import numpy as np
import pytest

from skgd.optimizers import SAGA, Adam, AdamW, Momentum, Optimizer


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("rule", [Adam(), AdamW(weight_decay=0.1)], ids=repr)
def test_steps(rule, dtype):
    rng = np.random.default_rng(0)
    start = rng.standard_normal(5).astype(dtype)
    stepper = rule.stepper(start.copy(), lr=0.1)
    theta = start.copy()
    state, scalars, step_sizes = rule.start(5, dtype)
    for t in range(1, 8):
        gradient = rng.standard_normal(5)
        stepper.lr = 0.1 / t
        theta -= dtype(0.1 / t * rule.weight_decay) * theta
        rule.update(
            theta,
            gradient.astype(dtype),
            state,
            0.1 / t,
            t,
            rule.parameters(),
            scalars,
            step_sizes,
        )
        found = stepper.step(gradient)
        np.testing.assert_allclose(
            found, theta, rtol=1e-12 if dtype is np.float64 else 1e-5
        )
    assert found is stepper.theta and stepper.t == 7


def test_a_rule_of_rows_has_no_step_of_its_own():
    with pytest.raises(ValueError, match="of which row"):
        SAGA().stepper(np.zeros(2), 0.1)


class Nothing(Optimizer):
    pass


class Method(Optimizer):
    def update(self, theta, grad, state, lr, t, p, scalars, step_sizes):
        theta[:] = 0.0


@pytest.mark.parametrize("rule", [Nothing(), Method()], ids=repr)
def test_a_rule_without_an_update_is_refused(rule):
    with pytest.raises(ValueError, match="needs an update of its own"):
        rule.stepper(np.zeros(2), 0.1)


def test_parameters_are_checked():
    with pytest.raises(ValueError, match="momentum"):
        Momentum(5.0).stepper(np.zeros(2), 0.1)
