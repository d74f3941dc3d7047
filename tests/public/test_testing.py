"""The checks of ``skgd.testing``: what is right passes, and each mistake is named."""

import math

import numpy as np
import pytest

from skgd import losses, optimizers, schedules
from skgd.activations import ACTIVATIONS, Activation
from skgd.losses import LOSSES, Loss
from skgd.optimizers import OPTIMIZERS, Optimizer
from skgd.schedules import SCHEDULES, Schedule
from skgd.testing import (
    check_activation,
    check_loss,
    check_optimizer,
    check_schedule,
)

OTHERS = [
    losses.Huber(epsilon=0.4),
    losses.Quantile(quantile=0.8),
    losses.EpsilonInsensitive(epsilon=0.0),
]
RULES = [
    optimizers.RMSProp(momentum=0.9, centered=True),
    optimizers.Adam(amsgrad=True),
    optimizers.DoWG(longest=0.1),
]
PLANS = [
    schedules.Warmup(after="cosine"),
    schedules.Warmup(steps=3, after=schedules.Plateau(patience=0)),
    schedules.Cyclic(period=1.5, mode="triangular2"),
]


@pytest.mark.parametrize("loss", [*[c() for c in LOSSES.values()], *OTHERS], ids=repr)
def test_our_losses_pass(loss):
    check_loss(loss)


@pytest.mark.parametrize(
    "rule", [*[c() for c in OPTIMIZERS.values()], *RULES], ids=repr
)
def test_our_rules_pass(rule):
    check_optimizer(rule)


@pytest.mark.parametrize("f", [c() for c in ACTIVATIONS.values()], ids=repr)
def test_our_activations_pass(f):
    check_activation(f)


@pytest.mark.parametrize("plan", [*[c() for c in SCHEDULES.values()], *PLANS], ids=repr)
def test_our_schedules_pass(plan):
    check_schedule(plan)
    check_schedule(lambda step, epoch: 1.0 / (step + 1))


# --- losses --------------------------------------------------------------------------


def loss(function, **attributes):
    """An object of a loss with the function as its method."""
    body = {"value_and_derivative": staticmethod(function), **attributes}
    return type("Mine", (Loss,), body)()


def square(y, z, p):
    return 0.5 * (z - y) ** 2, z - y


def hides_nan(y, z, p):
    if z > y:
        return z - y, 1.0
    if z < y:
        return y - z, -1.0
    return 0.0, 0.0


def absolute(y, z, p):
    return abs(z - y), math.copysign(1.0, z - y) if z != y else 0.0


def cauchy(y, z, p):
    r = z - y
    return math.log1p(r * r), 2.0 * r / (1.0 + r * r)


WRONG_LOSSES = [
    (loss(lambda y, z, p: (z - y) ** 2), "must return two numbers"),
    (loss(lambda y, z, p: [1.0, 0.0]), "must return two numbers"),
    (loss(lambda y, z, p: (str(z), 0.0)), "must return two numbers"),
    (loss(lambda y, z, p: (None, 0.0)), "must return two numbers"),
    (loss(lambda y, z, p: ((z - y) ** 2, z - y)), "derivative is not that"),
    (loss(lambda y, z, p: (0.5 * (z - y) ** 2, y - z)), "derivative is not that"),
    (loss(lambda y, z, p: (p[1] * z, p[1])), r"beyond the end of p, which has 0"),
    (
        loss(lambda y, z, p: (p[3] * z, p[3]), parameters=lambda self: (1.0, 2.0)),
        r"beyond the end of p, which has 2 entries.*parameters\(\) returns 2 numbers",
    ),
    (loss(square, parameters=lambda self: 1.0), "must return a tuple of numbers"),
    (loss(square, parameters=lambda self: ("a",)), "must return a tuple of numbers"),
    (loss(square, hyperparameters=lambda self: ()), r"rename it to parameters\(\)"),
    (loss(square, smooth=True, curvature=0.5), "curvature is 0.5, but .* grows by 1"),
    (loss(square, curvature=1.0), "set smooth = True, or curvature = None"),
    (loss(square, smooth=True, curvature=-1.0), "must be a number above 0 or None"),
    (loss(absolute, smooth=True), "smooth is True, but the derivative jumps by"),
    (loss(cauchy), "tangent .* lies above the loss .* declare convex = False"),
    (loss(hides_nan), "score of nan must have a loss of nan"),
    (loss(lambda y, z: (0.0, 0.0)), r"must take \(y, z, p\)"),
    (loss(lambda y, z, p: (math.inf, 0.0)), "both must be finite"),
    (loss(lambda y, z, p: (nowhere, 0.0)), "raised NameError"),  # noqa: F821
    (loss(square, tasks=frozenset({"ranking"})), "tasks must be a set with"),
    (loss(square, inverse_link=lambda self, z: np.exp(z)), "identity_link = False"),
    (loss(square, best_constant=lambda self, y, w=None: 0.25), "not lowest"),
    (loss(square, best_constant=lambda self, y, w=None: None), "a finite number"),
    (
        loss(square, probabilities=True, probability=lambda self, z: z),
        r"one number in \[0, 1\]",
    ),
]


@pytest.mark.parametrize(
    "wrong, message", WRONG_LOSSES, ids=[m for _, m in WRONG_LOSSES]
)
def test_a_wrong_loss_is_named(wrong, message):
    with pytest.raises(ValueError, match=message) as caught:
        check_loss(wrong)
    assert "Mine" in str(caught.value)


def test_a_method_that_is_not_static_is_named():
    class Mine(Loss):
        def value_and_derivative(self, y, z, p):
            return 0.5 * (z - y) ** 2, z - y

    with pytest.raises(ValueError, match="write @staticmethod above def value_and_der"):
        check_loss(Mine())


def test_a_loss_that_is_declared_not_convex_passes():
    check_loss(loss(cauchy, convex=False))


def test_a_loss_may_have_kinks_and_refuse_some_scores():
    def limited(y, z, p):
        if z > 1.0:
            raise ValueError("too high")
        return absolute(y, z, p)

    check_loss(loss(limited))

    def never(y, z, p):
        raise ValueError("too high")

    with pytest.raises(ValueError, match="too high"):
        check_loss(loss(never))


# --- rules ---------------------------------------------------------------------------


def rule(function, **attributes):
    body = {"update": staticmethod(function), **attributes}
    return type("Mine", (Optimizer,), body)()


def plain(theta, grad, state, lr, t, p, scalars, step_sizes):
    for j in range(theta.size):
        theta[j] -= lr * grad[j]
        step_sizes[j] = lr


def using(array, index):
    """Plain steps that also write to an entry of an array."""

    def update(theta, grad, state, lr, t, p, scalars, step_sizes):
        plain(theta, grad, state, lr, t, p, scalars, step_sizes)
        {"state": state, "scalars": scalars, "p": p}[array][index]

    return update


def not_in_place(theta, grad, state, lr, t, p, scalars, step_sizes):
    step_sizes[:] = lr
    theta = theta - lr * grad


def only_first(theta, grad, state, lr, t, p, scalars, step_sizes):
    theta -= lr * grad
    step_sizes[0] = lr


def explodes(theta, grad, state, lr, t, p, scalars, step_sizes):
    theta[:] = np.nan
    step_sizes[:] = lr


WRONG_RULES = [
    (rule(using("state", 0)), "end of state, which has 0 rows.*state_names"),
    (
        rule(using("state", 1), state_names=("buffer",)),
        "end of state, which has 1 rows.*state_names",
    ),
    (rule(using("scalars", 2)), "end of scalars, which has 0 .*scalar_names"),
    (rule(using("p", 0)), r"end of p, which has 0 entries.*from parameters\(\)"),
    (rule(plain, parameters=lambda self: 0.9), "must return a tuple of numbers"),
    (rule(plain, state_names="buffer"), "state_names must be a tuple of strings"),
    (rule(plain, scalar_names=("a",), initial_scalars=lambda self: ()), "as many as"),
    (rule(lambda *a: plain(*a) or a[0]), "must change theta in place, but returned"),
    (rule(not_in_place), "did not move theta"),
    (rule(lambda theta, grad: None), r"update must take \(theta, grad, state"),
    (rule(lambda *a: a[0].__isub__(a[3] * a[1]) is None), "must change theta in"),
    (rule(only_first), r"did not fill step_sizes\[1\]"),
    (rule(explodes), "left .* in theta after update t=1"),
    (rule(plain, keeps_derivatives=True), "is for SAGA"),
    (rule(plain, searches=True), "must be False"),
    (rule(plain, weight_decay=-1.0), "must be a number >= 0"),
    (rule(plain, auto_lr=0.0), "must be a number > 0 or None"),
]


@pytest.mark.parametrize("wrong, message", WRONG_RULES, ids=[m for _, m in WRONG_RULES])
def test_a_wrong_rule_is_named(wrong, message):
    with pytest.raises(ValueError, match=message) as caught:
        check_optimizer(wrong)
    assert "Mine" in str(caught.value)


def test_a_right_rule_passes():
    check_optimizer(rule(plain))


def test_the_former_name_of_the_parameters_of_a_rule():
    with pytest.warns(FutureWarning, match="Mine.hyperparameters is now called param"):
        old = rule(using("p", 1), hyperparameters=lambda self: (0.9, 0.5))
    assert old.parameters() == (0.9, 0.5)
    check_optimizer(old)
    # Two methods of these names are two methods; what is no method is left alone.
    both = {"hyperparameters": lambda self: (1.0,), "parameters": lambda self: ()}
    for own in (both, {"hyperparameters": {"lr": 0.1}}):
        mine = rule(plain, **own)
        assert mine.parameters() == ()
    check_optimizer(rule(plain, **both))


# --- activations and schedules -------------------------------------------------------


def activation(value, apply, **attributes):
    body = {"value": lambda self, z: value(z), "apply": staticmethod(apply)}
    return type("Mine", (Activation,), body | attributes)()


def squares(slope_of=lambda z: 2.0 * z, value_of=lambda z: z * z, read=0):
    def apply(z, slope, p):
        for i in range(z.size):
            slope[i] = slope_of(z[i])
            z[i] = value_of(z[i]) + (p[read - 1] if read else 0.0)

    return apply


def unfilled(z, slope, p):
    slope[1:] = 2.0 * z[1:]
    z *= z


def in_place(z):
    z *= z
    return z


WRONG_ACTIVATIONS = [
    (activation(np.square, squares(lambda z: z)), "slope is not the derivative"),
    (activation(np.abs, squares()), "where value.. returns"),
    (activation(np.square, unfilled), r"left slope\[0\]"),
    (activation(np.square, squares(read=1)), "end of p, which has 0 entries"),
    (activation(in_place, squares()), "changed its argument"),
    (activation(lambda z: z.astype(float) ** 2, squares()), "shape and type of z"),
    (activation(lambda z: z[:1], squares()), "shape and type of z"),
    (
        activation(np.square, squares(value_of=lambda z: z * z if z == z else 0.0)),
        "nan must stay nan",
    ),
    (activation(np.square, lambda z, slope: None), r"must take \(z, slope, p\)"),
    (
        activation(np.square, squares(), hyperparameters=lambda self: ()),
        r"rename it to parameters\(\)",
    ),
]


@pytest.mark.parametrize(
    "wrong, message", WRONG_ACTIVATIONS, ids=[m for _, m in WRONG_ACTIVATIONS]
)
def test_a_wrong_activation_is_named(wrong, message):
    with pytest.raises(ValueError, match=message) as caught:
        check_activation(wrong)
    assert "Mine" in str(caught.value)


def test_a_right_activation_passes():
    check_activation(activation(np.square, squares()))


def schedule(function):
    return type("Mine", (Schedule,), {"factor": lambda self, clock: function(clock)})()


WRONG_SCHEDULES = [
    (schedule(lambda clock: 1.0 - clock.step), "finite numbers that are not negative"),
    (schedule(lambda clock: clock.step * np.nan), "returned nan at step 0"),
    (schedule(lambda clock: 1.0 / (3.0 - clock.epoch)), "returned inf at step 12"),
    (schedule(lambda clock: np.ones(7)), r"array of shape \(7,\) for \(4,\) updates"),
    (schedule(lambda clock: "fast"), "must return numbers"),
    (schedule(lambda clock: None), "Mine.factor"),
    (schedule(lambda clock: clock.time), "raised AttributeError"),
    (schedule(lambda clock: clock.step / (clock.step.max() + 1)), "its own step"),
]


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize(
    "wrong, message", WRONG_SCHEDULES, ids=[m for _, m in WRONG_SCHEDULES]
)
def test_a_wrong_schedule_is_named(wrong, message):
    with pytest.raises(ValueError, match=message) as caught:
        check_schedule(wrong)
    assert "Mine" in str(caught.value)


@pytest.mark.parametrize("answer", [-1.0, math.inf, math.nan, None, [1.0, 2.0]])
def test_a_wrong_function_is_named(answer):
    with pytest.raises(ValueError, match="must return a finite number"):
        check_schedule(lambda step, epoch: answer)


def test_a_schedule_may_need_to_know_the_end():
    def to_the_end(clock):
        if clock.horizon is None:
            raise ValueError("when does it end?")
        return 1.0 - clock.epoch / clock.horizon

    check_schedule(schedule(to_the_end))


@pytest.mark.parametrize(
    "check, cls",
    [
        (check_loss, losses.Huber),
        (check_optimizer, optimizers.Adam),
        (check_schedule, schedules.Cosine),
    ],
)
def test_a_class_in_place_of_an_object(check, cls):
    with pytest.raises(ValueError, match="is a class: pass an object"):
        check(cls)
    if check is not check_schedule:
        with pytest.raises(ValueError, match="is not a subclass"):
            check(1)
