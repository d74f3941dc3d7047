"""gradient_descent and descend: numbers of the course, oracles, and how runs end."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from rules import ANY_GRADIENT
from scipy.optimize import minimize, rosen, rosen_der

from skgd import DivergenceWarning, GDRegressor, descend, gradient_descent
from skgd._descent.function import (
    central_differences,
    complex_step,
    numeric_gradient,
)
from skgd.optimizers import OPTIMIZERS, Momentum, Optimizer
from skgd.schedules import Schedule


def parabola(x):
    return (x - 3) ** 2


@pytest.mark.parametrize("lr", [0.01, 0.1, 0.5, 0.9])
def test_parabola_goes_step_by_step(lr):
    result = gradient_descent(parabola, -2.0, lr=lr, max_iter=10, tol=None)
    assert_allclose(result.path, 3 - 5 * (1 - 2 * lr) ** np.arange(11), atol=1e-12)
    assert_allclose(result.history["fun"], (result.path - 3) ** 2, atol=1e-12)
    assert_allclose(result.history["lr"][1:], lr)
    assert result.nit == 10 and not result.success
    assert isinstance(result.x, float)


def test_too_large_a_rate_is_reported():
    with pytest.warns(DivergenceWarning, match=r"lr=1.1; it is stable below .* lr=1 "):
        result = gradient_descent(parabola, -2.0, lr=1.1)
    assert not result.success and result.status == 2
    assert result.x == -2.0 and result.fun == 25.0
    assert_allclose(result.path, 3 - 5 * (-1.2) ** np.arange(len(result.path)))


def test_overflow_of_a_number_is_a_divergence():
    import math

    with pytest.warns(DivergenceWarning):
        result = gradient_descent(lambda x: math.exp(x * x), 2.0, lr=1.0)
    assert np.isfinite(result.x) and not result.success


def test_no_bottom_is_no_success():
    result = gradient_descent(lambda x: -x * x, 1.0)
    assert not result.success and "without bound" in result.message


def test_chain_rule_of_the_course():
    weights = [3.0, 4.0, 5.0]
    names = "forward, loss and step of z = (w2 - 2 w1) w3 with the target 10"
    result = gradient_descent(
        lambda w: abs((w[1] - 2 * w[0]) * w[2] - 10), weights, lr=0.01, max_iter=1
    )
    assert_allclose(result.path, [weights, [2.9, 4.05, 4.98]], atol=1e-9, err_msg=names)
    assert_allclose(result.history["fun"], [20.0, 18.715], atol=1e-9)


def test_partial_derivatives_of_the_course():
    def f(w):
        return w[0] * w[1] + w[0] ** 2

    slopes = complex_step(f, np.array([3.0, 2.0]))
    assert_allclose(slopes, [2 + 2 * 3, 3], rtol=1e-15)
    assert_allclose(central_differences(f, np.array([3.0, 2.0])), slopes, rtol=1e-9)


@pytest.mark.parametrize(
    ("f", "way"),
    [
        (lambda x: np.exp(x[0]) * x[1] ** 3, complex_step),
        (lambda x: np.abs(x).sum(), central_differences),
        (lambda x: max(x[0], x[1]) ** 2, complex_step),
        (lambda x: float(x[0]) ** 2, central_differences),
        (lambda x: np.linalg.norm(x) ** 2, central_differences),
    ],
    ids=["smooth", "abs", "max", "float", "norm"],
)
def test_complex_step_only_where_it_is_right(f, way):
    assert numeric_gradient(f, np.array([1.5, 0.7])) is way


@pytest.mark.parametrize("optimizer", ["gd", "nesterov"])
def test_rosenbrock_without_a_rate(optimizer):
    result = gradient_descent(
        rosen, [-1.2, 1.0], jac=rosen_der, optimizer=optimizer, tol=1e-16
    )
    assert result.success
    assert_allclose(result.x, 1.0, atol=1e-4)
    assert result.history["fun"][-1] == pytest.approx(result.fun)
    # Both searches go down from point to point, but for Nesterov's momentum.
    if optimizer == "gd":
        assert (np.diff(result.history["fun"]) <= 0).all()


@pytest.mark.parametrize("name", ANY_GRADIENT)
def test_every_rule_makes_its_own_step(name):
    rule, x = OPTIMIZERS[name](), np.array([1.0, -2.0])
    lr = 1.0 if rule.finds_rate else 0.01
    state, scalars, step_sizes = rule.start(2)
    if rule.proximal:
        state[-2:] = [[0.0, 0.0], [0.0, 0.0]]
    path = [x.copy()]
    for t in range(1, 6):
        gradient = np.array([2 * x[0], 20 * x[1]])
        x *= 1 - lr * rule.weight_decay
        rule.update(x, gradient, state, lr, t, rule.parameters(), scalars, step_sizes)
        path.append(x.copy())
    result = gradient_descent(
        lambda x: x[0] ** 2 + 10 * x[1] ** 2,
        [1.0, -2.0],
        optimizer=name,
        lr=lr,
        max_iter=5,
        tol=None,
    )
    assert_allclose(result.path, path, rtol=1e-9)


def test_momentum_is_not_stopped_for_going_up():
    result = gradient_descent(
        lambda x: x @ np.diag([1.0, 25.0]) @ x,
        np.array([4.0, 1.0]),
        jac=lambda x: 2 * np.diag([1.0, 25.0]) @ x,
        optimizer=Momentum(0.9),
        lr=0.02,
    )
    assert (np.diff(result.history["fun"]) > 0).any()
    assert result.success
    assert_allclose(result.x, 0.0, atol=1e-3)


def test_the_same_path_as_the_estimator():
    X, y = np.array([[0.5], [2.3], [2.9]]), np.array([1.4, 1.9, 3.2])
    A = np.column_stack([X, np.ones(3)])
    result = gradient_descent(
        lambda w: np.sum((A @ w - y) ** 2) / 6,
        [1.0, 0.0],
        lr=0.06,
        lr_schedule="cosine",
        max_iter=20,
        tol=None,
    )
    model = GDRegressor(
        solver="batch", lr=0.06, lr_schedule="cosine", max_iter=20, tol=None
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y, coef_init=[1.0], intercept_init=[0.0])
    assert_allclose(result.x, [*model.coef_, *model.intercept_], rtol=1e-12)
    assert_allclose(result.history["lr"][1:], model.history_["lr"])


def test_x_keeps_its_shape():
    target = np.arange(6.0).reshape(2, 3)
    result = gradient_descent(
        lambda W: np.sum((W - target) ** 2),
        np.zeros((2, 3)),
        jac=lambda W: 2 * (W - target),
        lr=0.25,
        max_iter=2,
    )
    assert result.path.shape == (3, 2, 3)
    assert_allclose(result.x, 0.75 * target)


def test_value_and_gradient_together():
    calls = []

    def both(x):
        calls.append(x.copy())
        return x @ x, 2 * x

    result = gradient_descent(both, [1.0, 2.0], jac=True, lr=0.25, max_iter=3)
    assert_allclose(result.x, [0.125, 0.25])
    assert result.nfev == len(calls)


def test_clipping():
    result = gradient_descent(parabola, 13.0, lr=1.0, clip_norm=1.0, max_iter=4)
    assert_allclose(result.path, [13, 12, 11, 10, 9])


@pytest.mark.parametrize("how", ["true", "raise"])
def test_callback_sees_each_step_and_stops(how):
    seen = []

    def look(result):
        seen.append((result.nit, result.x, result.fun))
        if result.nit == 3:
            if how == "raise":
                raise StopIteration
            return True
        return False

    result = gradient_descent(parabola, 0.0, lr=0.1, callback=look)
    assert [nit for nit, _, _ in seen] == [1, 2, 3] and result.nit == 3
    assert_allclose([x for _, x, _ in seen], result.path[1:])
    assert_allclose([fun for _, _, fun in seen], parabola(result.path[1:]))
    assert result.status == 3


def test_as_a_method_of_minimize():
    result = minimize(
        lambda x, a: np.sum((x - a) ** 2),
        [1.0, 2.0],
        args=(3.0,),
        jac=lambda x, a: 2 * (x - a),
        method=descend,
        options={"lr": 0.25, "max_iter": 2},
    )
    assert_allclose(result.x, [2.5, 2.75])
    with pytest.raises(ValueError, match="bounds"):
        minimize(rosen, [0.0, 0.0], method=descend, bounds=[(0, 1), (0, 1)])


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"optimizer": "saga"}, "rows"),
        ({"optimizer": "momentum"}, "set lr to a float"),
        ({"lr_schedule": "cosine"}, "follows no schedule"),
        ({"lr": -1.0}, "above 0"),
        ({"lr": True}, "above 0"),
        ({"clip_norm": 1.0}, "learning rate"),
        ({"max_iter": 0}, "max_iter"),
    ],
)
def test_what_makes_no_sense_is_refused(keywords, message):
    with pytest.raises(ValueError, match=message):
        gradient_descent(parabola, 0.0, **keywords)


def test_functions_that_cannot_be_descended():
    with pytest.raises(ValueError, match="one number"):
        gradient_descent(lambda x: x**2, [1.0, 2.0])
    with pytest.raises(ValueError, match="not finite"), np.errstate(all="ignore"):
        gradient_descent(np.log, 0.0)
    with pytest.raises(ValueError, match="2 entries, x has 1"):
        gradient_descent(parabola, 0.0, jac=lambda x: [1.0, 2.0])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", ANY_GRADIENT)
def test_compiled_steps_are_those_of_the_rule(name, dtype):
    rule = OPTIMIZERS[name]()
    x, theta = np.array([1.0, -2.0], dtype), np.array([1.0, -2.0], dtype)
    stepper = rule.stepper(theta, 0.01)
    state, scalars, step_sizes = rule.start(2, dtype)
    if rule.proximal:
        state[-2:] = -1.0
    gradients = np.random.default_rng(0).normal(size=(5, 2))
    for t, gradient in enumerate(gradients.astype(dtype), 1):
        if rule.weight_decay:
            x *= dtype(1 - 0.01 * rule.weight_decay)
        p = rule.parameters()
        rule.update(x, gradient.copy(), state, 0.01, t, p, scalars, step_sizes)
        before = gradient.copy()
        assert stepper.step(gradient) is theta
        assert (gradient == before).all()
        assert_allclose(theta, x, rtol=1e-12 if dtype is np.float64 else 1e-5)
    assert stepper.t == 5
    stepper.lr = 0.0
    if name in ("gd", "momentum", "adam"):
        kept = theta.copy()
        assert_allclose(stepper.step([1.0, 1.0]), kept, rtol=0)


def test_what_a_stepper_cannot_move():
    rule = Momentum()
    with pytest.raises(TypeError, match="in place"):
        rule.stepper([1.0, 2.0], 0.1)
    with pytest.raises(TypeError, match="in place"):
        rule.stepper(np.array([1, 2]), 0.1)
    with pytest.raises(ValueError, match="contiguous"):
        rule.stepper(np.zeros(6)[::2], 0.1)
    with pytest.raises(ValueError, match="3 entries, theta 2"):
        rule.stepper(np.zeros(2), 0.1).step(np.zeros(3))
    with pytest.raises(ValueError, match="row"):
        OPTIMIZERS["saga"]().stepper(np.zeros(2), 0.1)


class Nothing(Optimizer):
    pass


class NoSteps(Optimizer):
    @staticmethod
    def update(theta, grad, state, lr, t, p, scalars, step_sizes):
        for j in range(theta.size):
            theta[j] -= lr * grad[j]


class Negative(Schedule):
    def factor(self, clock):
        return 1.0 - np.asarray(clock.step)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"optimizer": Nothing()}, "Nothing.update is missing"),
        ({"optimizer": NoSteps()}, "NoSteps.update .*step_sizes"),
        ({"optimizer": Momentum(5.0)}, "momentum"),
        ({"lr_schedule": Negative()}, "Negative.factor must"),
    ],
    ids=str,
)
def test_what_is_wrong_with_a_part_is_said_before_a_step(wrong, message):
    with pytest.raises(ValueError, match=message):
        gradient_descent(parabola, -2.0, lr=0.1, **wrong)


@pytest.mark.parametrize("x0", [[], np.zeros((0, 3))])
def test_nothing_to_move(x0):
    with pytest.raises(ValueError, match="x0 is empty"):
        gradient_descent(lambda x: 0.0, x0)
