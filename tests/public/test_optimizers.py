"""Update rules against independent transcriptions of their formulas, and torch.

Whether training calls them properly is tested with the estimators.
"""

import inspect
import math
from functools import partial

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.utils._param_validation import InvalidParameterError

from skgd.optimizers import (
    FTRL,
    GD,
    OPTIMIZERS,
    AdaDelta,
    AdaGrad,
    Adam,
    AdaMax,
    AdamW,
    Lion,
    Momentum,
    NAdam,
    Nesterov,
    Optimizer,
    RAdam,
    RMSProp,
    get_optimizer,
)

# --- formulas: each returns a function (theta, g, lr, t) -> theta --------------------


def gd_formula():
    return lambda theta, g, lr, t: theta - lr * g


def momentum_formula(momentum=0.9, nesterov=False):
    buffer = None

    def step(theta, g, lr, t):
        nonlocal buffer
        buffer = g if buffer is None else momentum * buffer + g
        return theta - lr * (g + momentum * buffer if nesterov else buffer)

    return step


def adagrad_formula(eps=1e-10, start=0.0):
    seen = []

    def step(theta, g, lr, t):
        seen.append(g)
        total = start + np.sum(np.square(seen), axis=0)
        return theta - lr * g / (np.sqrt(total) + eps)

    return step


def rmsprop_formula(alpha=0.99, eps=1e-8, momentum=0.0, centered=False):
    v = a = b = 0.0

    def step(theta, g, lr, t):
        nonlocal v, a, b
        v = alpha * v + (1 - alpha) * g**2
        a = alpha * a + (1 - alpha) * g
        b = momentum * b + g / (np.sqrt(v - a**2 if centered else v) + eps)
        return theta - lr * b

    return step


def adadelta_formula(rho=0.9, eps=1e-6):
    v = u = 0.0

    def step(theta, g, lr, t):
        nonlocal v, u
        v = rho * v + (1 - rho) * g**2
        delta = np.sqrt(u + eps) / np.sqrt(v + eps) * g
        u = rho * u + (1 - rho) * delta**2
        return theta - lr * delta

    return step


def adam_formula(b1=0.9, b2=0.999, eps=1e-8, amsgrad=False, weight_decay=0.0):
    m = v = v_max = 0.0

    def step(theta, g, lr, t):
        nonlocal m, v, v_max
        theta = theta - lr * weight_decay * theta
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        v_max = np.maximum(v_max, v)
        v_hat = (v_max if amsgrad else v) / (1 - b2**t)
        return theta - lr * m / (1 - b1**t) / (np.sqrt(v_hat) + eps)

    return step


def nadam_formula(b1=0.9, b2=0.999, eps=1e-8, psi=4e-3):
    m = v = 0.0

    def mu(t):
        return b1 * (1 - 0.5 * 0.96 ** (t * psi))

    def step(theta, g, lr, t):
        nonlocal m, v
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        product = math.prod(mu(i) for i in range(1, t + 1))
        m_hat = mu(t + 1) * m / (1 - product * mu(t + 1)) + (1 - mu(t)) * g / (
            1 - product
        )
        return theta - lr * m_hat / (np.sqrt(v / (1 - b2**t)) + eps)

    return step


def adamax_formula(b1=0.9, b2=0.999, eps=1e-8):
    m = u = 0.0

    def step(theta, g, lr, t):
        nonlocal m, u
        m = b1 * m + (1 - b1) * g
        u = np.maximum(b2 * u, np.abs(g) + eps)
        return theta - lr / (1 - b1**t) * m / u

    return step


# (rule, formula, name in torch.optim, its arguments)
def radam_formula(b1=0.9, b2=0.999, eps=1e-8):
    """Algorithm 2 of the paper; epsilon where PyTorch has it."""
    m = v = 0.0
    longest = 2 / (1 - b2) - 1

    def step(theta, g, lr, t):
        nonlocal m, v
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        m_hat = m / (1 - b1**t)
        length = longest - 2 * t * b2**t / (1 - b2**t)
        if length <= 5:
            return theta - lr * m_hat
        r = math.sqrt((length - 4) * (length - 2) * longest) / math.sqrt(
            (longest - 4) * (longest - 2) * length
        )
        return theta - lr * r * m_hat * math.sqrt(1 - b2**t) / (np.sqrt(v) + eps)

    return step


def lion_formula(b1=0.9, b2=0.99, weight_decay=0.0):
    m = 0.0

    def step(theta, g, lr, t):
        nonlocal m
        direction = np.sign(b1 * m + (1 - b1) * g)
        m = b2 * m + (1 - b2) * g
        return theta - lr * weight_decay * theta - lr * direction

    return step


def ftrl_formula(beta=1.0, l1=0.0, l2=0.0):
    """McMahan et al., 2013, with a z that stands for the weights at the start."""
    z, total = None, 0.0

    def step(theta, g, lr, t):
        nonlocal z, total
        if z is None:
            z = -theta * (beta / lr + l2) - np.sign(theta) * l1
        more = total + g**2
        z = z + g - (np.sqrt(more) - np.sqrt(total)) / lr * theta
        total = more
        steepness = (beta + np.sqrt(total)) / lr + l2
        return np.where(np.abs(z) <= l1, 0.0, -(z - np.sign(z) * l1) / steepness)

    return step


CASES = [
    (GD(), gd_formula(), "SGD", {}),
    (Momentum(), momentum_formula(), "SGD", {"momentum": 0.9}),
    (Momentum(0.0), momentum_formula(0.0), "SGD", {}),
    (Momentum(0.5), momentum_formula(0.5), "SGD", {"momentum": 0.5}),
    (
        Nesterov(0.8),
        momentum_formula(0.8, nesterov=True),
        "SGD",
        {"momentum": 0.8, "nesterov": True},
    ),
    (AdaGrad(), adagrad_formula(), "Adagrad", {}),
    (AdaGrad(0.1), adagrad_formula(0.1), "Adagrad", {"eps": 0.1}),
    (
        AdaGrad(initial_accumulator_value=0.3),
        adagrad_formula(start=0.3),
        "Adagrad",
        {"initial_accumulator_value": 0.3},
    ),
    (RMSProp(), rmsprop_formula(), "RMSprop", {}),
    (
        RMSProp(0.9, 1e-3, momentum=0.5),
        rmsprop_formula(0.9, 1e-3, 0.5),
        "RMSprop",
        {"alpha": 0.9, "eps": 1e-3, "momentum": 0.5},
    ),
    (
        RMSProp(centered=True),
        rmsprop_formula(centered=True),
        "RMSprop",
        {"centered": True},
    ),
    (
        RMSProp(momentum=0.9, centered=True),
        rmsprop_formula(momentum=0.9, centered=True),
        "RMSprop",
        {"momentum": 0.9, "centered": True},
    ),
    (AdaDelta(), adadelta_formula(), "Adadelta", {}),
    (
        AdaDelta(0.95, 1e-3),
        adadelta_formula(0.95, 1e-3),
        "Adadelta",
        {"rho": 0.95, "eps": 1e-3},
    ),
    (Adam(), adam_formula(), "Adam", {}),
    (
        Adam(0.8, 0.95, 1e-3),
        adam_formula(0.8, 0.95, 1e-3),
        "Adam",
        {"betas": (0.8, 0.95), "eps": 1e-3},
    ),
    (
        Adam(beta_2=0.9, amsgrad=True),
        adam_formula(b2=0.9, amsgrad=True),
        "Adam",
        {"betas": (0.9, 0.9), "amsgrad": True},
    ),
    (AdamW(), adam_formula(weight_decay=0.01), "AdamW", {}),
    (
        AdamW(weight_decay=0.5, amsgrad=True),
        adam_formula(weight_decay=0.5, amsgrad=True),
        "AdamW",
        {"weight_decay": 0.5, "amsgrad": True},
    ),
    (NAdam(), nadam_formula(), "NAdam", {}),
    (
        NAdam(0.8, 0.9, 1e-3, momentum_decay=0.1),
        nadam_formula(0.8, 0.9, 1e-3, 0.1),
        "NAdam",
        {"betas": (0.8, 0.9), "eps": 1e-3, "momentum_decay": 0.1},
    ),
    (AdaMax(), adamax_formula(), "Adamax", {}),
    (
        AdaMax(0.5, 0.9, 1e-3),
        adamax_formula(0.5, 0.9, 1e-3),
        "Adamax",
        {"betas": (0.5, 0.9), "eps": 1e-3},
    ),
    (RAdam(), radam_formula(), "RAdam", {}),
    (
        RAdam(0.8, 0.9, 1e-3),
        radam_formula(0.8, 0.9, 1e-3),
        "RAdam",
        {"betas": (0.8, 0.9), "eps": 1e-3},
    ),
    (RAdam(beta_2=0.6), radam_formula(b2=0.6), "RAdam", {"betas": (0.9, 0.6)}),
    (Lion(), lion_formula(), None, {}),
    (Lion(0.5, 0.8, weight_decay=0.3), lion_formula(0.5, 0.8, 0.3), None, {}),
    (FTRL(), ftrl_formula(), None, {}),
    (FTRL(0.5, l1=2.0, l2=0.3), ftrl_formula(0.5, 2.0, 0.3), None, {}),
]
RULES = [case[0] for case in CASES]
N_STEPS = 50


def rule_name(rule):
    return repr(rule) if isinstance(rule, Optimizer) else ""


class NoisyQuadratic:
    """Gradients of a random quadratic with noise, and a rate that changes."""

    def __init__(self, dtype=np.float64):
        rng = np.random.default_rng(0)
        root = rng.normal(size=(7, 7))
        self.hessian = (root @ root.T / 7).astype(dtype)
        self.noise = rng.normal(size=(N_STEPS + 1, 7)).astype(dtype)
        self.start = rng.normal(size=7).astype(dtype)

    def gradient(self, theta, t):
        return self.hessian @ theta + self.noise[t]

    def lr(self, t):
        return 0.05 / math.sqrt(t)


def run(rule, update=None, dtype=np.float64):
    """Parameters after each update, and what was kept and reported at the end."""
    problem = NoisyQuadratic(dtype)
    update = rule.update if update is None else update
    theta = problem.start.copy()
    state, scalars, step_sizes = rule.start(theta.size, dtype)
    p = np.array(rule.parameters())
    path = []
    for t in range(1, N_STEPS + 1):
        grad, lr = problem.gradient(theta, t), problem.lr(t)
        theta *= theta.dtype.type(1 - lr * rule.weight_decay)
        assert update(theta, grad, state, lr, t, p, scalars, step_sizes) is None
        path.append(theta.copy())
    return np.array(path), state, scalars, step_sizes


# --- the formulas --------------------------------------------------------------------


@pytest.mark.parametrize(("rule", "formula"), [c[:2] for c in CASES], ids=rule_name)
def test_rule_is_its_formula(rule, formula):
    problem = NoisyQuadratic()
    theta = problem.start
    expected = []
    for t in range(1, N_STEPS + 1):
        theta = formula(theta, problem.gradient(theta, t), problem.lr(t), t)
        expected.append(theta)
    np.testing.assert_allclose(run(rule)[0], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("rule", "name", "arguments"),
    [(case[0], *case[2:]) for case in CASES if case[2]],
    ids=rule_name,
)
def test_rule_is_that_of_torch(rule, name, arguments, request):
    torch = pytest.importorskip("torch")
    # Else torch keeps the scalars of its state in single precision.
    request.addfinalizer(partial(torch.set_default_dtype, torch.get_default_dtype()))
    torch.set_default_dtype(torch.float64)
    problem = NoisyQuadratic()
    theta = torch.tensor(problem.start.copy(), requires_grad=True)
    peer = getattr(torch.optim, name)([theta], lr=1.0, **arguments)
    expected = []
    for t in range(1, N_STEPS + 1):
        theta.grad = torch.tensor(problem.gradient(theta.detach().numpy(), t))
        peer.param_groups[0]["lr"] = problem.lr(t)
        peer.step()
        expected.append(theta.detach().numpy().copy())
    np.testing.assert_allclose(run(rule)[0], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 1e-4)], ids=str
)
@pytest.mark.parametrize("name", [n for n in OPTIMIZERS if n != "adamw"])
def test_compiled_is_interpreted(name, dtype, rtol):
    numba = pytest.importorskip("numba")
    element = numba.from_dtype(np.dtype(dtype))
    vector, numbers = element[::1], numba.float64[::1]
    compiled = numba.njit(
        numba.void(
            vector,
            vector,
            element[:, ::1],
            numba.float64,
            numba.int64,
            numbers,
            numbers,
            vector,
        ),
        error_model="numpy",
    )(OPTIMIZERS[name].update)
    for rule in RULES:
        if type(rule) is OPTIMIZERS[name]:
            results = zip(
                run(rule, compiled, dtype), run(rule, dtype=dtype), strict=True
            )
            for actual, expected in results:
                assert actual.dtype == expected.dtype
                np.testing.assert_allclose(actual, expected, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("rule", RULES, ids=rule_name)
def test_float32_follows_float64(rule):
    path32, state, scalars, step_sizes = run(rule, dtype=np.float32)
    assert path32.dtype == state.dtype == step_sizes.dtype == np.float32
    assert scalars.dtype == np.float64
    np.testing.assert_allclose(path32, run(rule)[0], rtol=1e-3, atol=1e-4)


def test_adamw_shares_the_code_of_adam():
    assert AdamW.update is Adam.update
    assert AdamW.decoupled
    assert not Adam.decoupled
    assert AdamW(weight_decay=0.3).weight_decay == 0.3
    assert all(cls().weight_decay == 0 for cls in OPTIMIZERS.values() if cls != AdamW)


def test_only_the_vectors_needed_are_kept():
    assert Adam().start(3)[0].shape == (2, 3)
    assert Adam(amsgrad=True).start(3)[0].shape == (3, 3)
    assert RMSProp().start(3)[0].shape == (1, 3)
    assert RMSProp(momentum=0.9).start(3)[0].shape == (2, 3)
    assert RMSProp(centered=True).start(3)[0].shape == (2, 3)
    assert RMSProp(momentum=0.9, centered=True).start(3)[0].shape == (3, 3)
    assert NAdam().start(3)[1].tolist() == [1.0]


def test_centered_rmsprop_survives_a_variance_rounded_below_zero():
    rule = RMSProp(rho=0.9, centered=True)
    theta = np.zeros(20)
    state, scalars, step_sizes = rule.start(theta.size)
    p = rule.parameters()
    grad = np.random.default_rng(0).normal(size=theta.size)
    # From above, both averages stop a few roundings before they are there.
    rule.update(theta, 100 * grad, state, 1e-9, 1, p, scalars, step_sizes)
    for t in range(2, 1000):
        rule.update(theta, grad, state, 1e-9, t, p, scalars, step_sizes)
    assert np.any(state[0] - state[1] ** 2 < 0)
    assert np.all(np.isfinite(theta))


# --- metric: the length of the step per unit of gradient -----------------------------

GRADIENT = np.array([1e-3, -0.5, 2.0, -30.0])


def constant_gradient(rule, lr, n_steps, gradient=GRADIENT):
    """Yield (step made, step_sizes) under a gradient that never changes."""
    state, scalars, step_sizes = rule.start(gradient.size)
    p = rule.parameters()
    for t in range(1, n_steps + 1):
        theta = np.zeros(gradient.size)
        rule.update(theta, gradient, state, lr, t, p, scalars, step_sizes)
        yield -theta, step_sizes.copy()


# A rule with penalties of its own finds the weights from sums, wherever they were put.
STEPPING = [rule for rule in RULES if not rule.proximal]


@pytest.mark.parametrize("rule", STEPPING, ids=rule_name)
def test_step_settles_at_metric_times_gradient(rule):
    if isinstance(rule, RMSProp) and rule.momentum and rule.centered:
        # The variance tends to 0; what is left of it must drown in epsilon to settle.
        rule = clone(rule).set_params(rho=0.9, epsilon=1e-2)
    *_, (step, step_sizes) = constant_gradient(rule, 0.1, 1000)
    np.testing.assert_allclose(step, step_sizes * GRADIENT, rtol=1e-8)


@pytest.mark.parametrize(
    "rule",
    [
        rule
        for rule in STEPPING
        if not isinstance(rule, Momentum) and not getattr(rule, "momentum", 0)
    ],
    ids=rule_name,
)
def test_step_is_metric_times_gradient_from_the_first_without_a_buffer(rule):
    for step, step_sizes in constant_gradient(rule, 0.1, 20):
        np.testing.assert_allclose(step, step_sizes * GRADIENT, rtol=1e-12)


def test_ftrl_without_penalties_takes_steps_of_metric_times_gradient():
    rule, theta = FTRL(), np.zeros(4)
    state, scalars, step_sizes = rule.start(theta.size)
    for t in range(1, 20):
        before = theta.copy()
        rule.update(
            theta, GRADIENT / t, state, 0.1, t, rule.parameters(), scalars, step_sizes
        )
        np.testing.assert_allclose(before - theta, step_sizes * GRADIENT / t, rtol=1e-9)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (GD(), 0.1),
        (Momentum(0.75), 0.4),
        (Nesterov(0.75), 0.4),
        (AdaGrad(1e-2), 0.1 / (np.abs(GRADIENT) * np.sqrt(1000) + 1e-2)),
        (RMSProp(0.9, 1e-2), 0.1 / (np.abs(GRADIENT) + 1e-2)),
        (RMSProp(0.9, 1e-2, momentum=0.5), 0.2 / (np.abs(GRADIENT) + 1e-2)),
        (RMSProp(0.9, 1e2, centered=True), 0.1 / 1e2),
        (Adam(epsilon=1e-2), 0.1 / (np.abs(GRADIENT) + 1e-2)),
        (Adam(epsilon=1e-2, amsgrad=True), 0.1 / (np.abs(GRADIENT) + 1e-2)),
        (NAdam(epsilon=1e-2, momentum_decay=10), 0.1 / (np.abs(GRADIENT) + 1e-2)),
        (AdaMax(epsilon=1e-2), 0.1 / (np.abs(GRADIENT) + 1e-2)),
    ],
    ids=rule_name,
)
def test_metric_in_closed_form(rule, expected):
    *_, (_, step_sizes) = constant_gradient(rule, 0.1, 1000)
    np.testing.assert_allclose(step_sizes, np.broadcast_to(expected, 4), rtol=1e-6)


def test_adadelta_has_the_units_of_theta():
    # u tends to g², the fixed point of u <- rho u + (1 - rho) (u + eps) g²/(g² + eps):
    # in the end AdaDelta is gradient descent with rate lr.
    rule = AdaDelta(rho=0.5, epsilon=0.1)
    gradient = np.array([0.5, -1.0])
    *_, (_, step_sizes) = constant_gradient(rule, 0.1, 500, gradient)
    np.testing.assert_allclose(step_sizes, 0.1, rtol=1e-10)


@pytest.mark.parametrize(
    ("rule", "lr"),
    [
        (GD(), 0.1),
        (Momentum(), 0.02),
        (Nesterov(), 0.02),
        (AdaGrad(), 1.0),
        (RMSProp(), 1e-2),
        (RMSProp(momentum=0.5), 1e-2),
        (RMSProp(centered=True, epsilon=1.0), 0.1),
        (AdaDelta(epsilon=0.1), 0.1),
        (Adam(), 1e-2),
        (Adam(amsgrad=True), 1e-2),
        (NAdam(), 1e-2),
        (AdaMax(), 1e-2),
    ],
    ids=rule_name,
)
def test_soft_threshold_by_metric_finds_the_lasso_solution(rule, lr):
    # minimise sum_j h_j (theta_j - a_j)^2 / 2 + l1_j |theta_j|, solved by soft(a, l1/h)
    h, a = np.array([1.0, 3.0, 0.5, 2.0]), np.array([2.0, -1.0, 0.2, 0.5])
    l1 = np.array([0.5, 1.0, 0.3, 0.4])
    theta = np.ones(4)
    state, scalars, step_sizes = rule.start(4)
    p = rule.parameters()
    for t in range(1, 3001):
        rule.update(theta, h * (theta - a), state, lr, t, p, scalars, step_sizes)
        theta = np.sign(theta) * np.maximum(np.abs(theta) - step_sizes * l1, 0)
    expected = np.sign(a) * np.maximum(np.abs(a) - l1 / h, 0)
    assert np.count_nonzero(expected) == 3
    np.testing.assert_allclose(theta, expected, rtol=1e-6)


# --- worked numbers ------------------------------------------------------------------


def test_momentum_on_three_points():
    # Sum of squared residuals of a line through three points, from (0, 1).
    columns = np.column_stack([np.ones(3), [0.5, 2.3, 2.9]])
    heights = np.array([1.4, 1.9, 3.2])
    best = np.linalg.lstsq(columns, heights)[0]
    low, high = np.linalg.eigvalsh(2 * columns.T @ columns)
    assert (round(low, 6), round(high, 6)) == (1.142960, 32.757040)

    def errors(rule, lr, digits):
        theta = np.array([0.0, 1.0])
        state, scalars, step_sizes = rule.start(2)
        p, found = rule.parameters(), []
        for t in range(1, 61):
            grad = 2 * columns.T @ (columns @ theta - heights)
            rule.update(theta, grad, state, lr, t, p, scalars, step_sizes)
            if t in digits:
                found.append(float(f"{np.linalg.norm(theta - best):.{digits[t]}g}"))
        return found

    lr = 2 / (low + high)
    assert (round(lr, 6), round(1 - lr * low, 6)) == (0.058997, 0.932569)
    assert errors(GD(), lr, dict.fromkeys((1, 5, 10, 20, 40, 60), 3)) == [
        *(0.946, 0.715, 0.505, 0.251, 0.0621, 0.0154)
    ]
    low, high = np.sqrt(low), np.sqrt(high)
    lr, momentum = (2 / (low + high)) ** 2, ((high - low) / (high + low)) ** 2
    assert (round(lr, 6), round(momentum, 6)) == (0.086697, 0.469516)
    assert round(math.sqrt(momentum), 6) == 0.685212
    digits = {1: 3, 5: 3, 10: 3, 20: 3, 40: 2, 60: 2}
    assert errors(Momentum(momentum), lr, digits) == [
        *(0.916, 0.398, 0.0974, 0.00392, 3.8e-6, 2.9e-9)
    ]


def test_radam_divides_after_five_updates():
    """The paper's figure for its default of beta_2."""
    rule = RAdam()
    theta, grad = np.zeros(1), np.ones(1)
    state, scalars, step_sizes = rule.start(1)
    steps = []
    for t in range(1, 8):
        before = theta[0]
        rule.update(theta, grad, state, 1.0, t, rule.parameters(), scalars, step_sizes)
        steps.append(before - theta[0])
    np.testing.assert_allclose(steps[:5], 1.0)
    assert 0.0 < steps[5] < 0.1


def test_radam_may_wait_until_it_divides():
    theta, grad = np.zeros(1), np.full(1, 1e6)
    rule = RAdam(degenerated_to_sgd=False)
    state, scalars, step_sizes = rule.start(1)
    for t in range(1, 7):
        rule.update(theta, grad, state, 1.0, t, rule.parameters(), scalars, step_sizes)
        assert (theta[0] == 0.0) == (t < 6)
        assert (step_sizes[0] == 0.0) == (t < 6)
    assert abs(theta[0]) < 0.1


# --- as scikit-learn objects ---------------------------------------------------------


@pytest.mark.parametrize("rule", RULES, ids=rule_name)
def test_defaults_and_cases_are_valid_and_never_changed(rule):
    rule._validate_params()
    before = dict(vars(rule))
    run(rule)
    assert vars(rule) == before
    assert clone(rule).get_params() == rule.get_params()


@pytest.mark.parametrize(
    ("rule", "parameter"),
    [
        (Momentum(1.0), "momentum"),
        (Nesterov(-0.1), "momentum"),
        (Momentum("high"), "momentum"),
        (AdaGrad(0.0), "epsilon"),
        (AdaGrad(initial_accumulator_value=-1.0), "initial_accumulator_value"),
        (RMSProp(rho=1.0), "rho"),
        (RMSProp(epsilon=-1.0), "epsilon"),
        (RMSProp(momentum=1.0), "momentum"),
        (RMSProp(centered="yes"), "centered"),
        (AdaDelta(rho=1.5), "rho"),
        (AdaDelta(epsilon=0), "epsilon"),
        (Adam(beta_1=1.0), "beta_1"),
        (Adam(beta_2=-0.5), "beta_2"),
        (Adam(epsilon=0), "epsilon"),
        (Adam(amsgrad=2), "amsgrad"),
        (AdamW(weight_decay=-0.1), "weight_decay"),
        (AdamW(beta_1=None), "beta_1"),
        (NAdam(momentum_decay=-1.0), "momentum_decay"),
        (NAdam(beta_2=1.0), "beta_2"),
        (AdaMax(beta_1=1.0), "beta_1"),
        (AdaMax(epsilon=math.inf), "epsilon"),
        (RAdam(beta_2=1.0), "beta_2"),
        (Lion(beta_1=1.0), "beta_1"),
        (Lion(weight_decay=-1.0), "weight_decay"),
    ],
    ids=rule_name,
)
def test_invalid_hyperparameters(rule, parameter):
    with pytest.raises(InvalidParameterError, match=f"'{parameter}' parameter"):
        rule._validate_params()


@pytest.mark.parametrize("cls", OPTIMIZERS.values())
def test_every_hyperparameter_is_checked(cls):
    names = inspect.signature(cls).parameters
    assert set(names) == set(cls._parameter_constraints)


class Holder(BaseEstimator):
    def __init__(self, optimizer="gd"):
        self.optimizer = optimizer


def test_nested_parameters_can_be_searched():
    holder = Holder(Adam(0.8))
    assert holder.get_params()["optimizer__beta_1"] == 0.8
    other = clone(holder).set_params(optimizer__beta_1=0.7)
    assert (holder.optimizer.beta_1, other.optimizer.beta_1) == (0.8, 0.7)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_string_is_the_default_object(name):
    rule = get_optimizer(name)
    assert type(rule) is OPTIMIZERS[name]
    assert rule.get_params() == OPTIMIZERS[name]().get_params()
    assert get_optimizer(rule) is rule


def test_get_optimizer_errors_name_the_choices():
    with pytest.raises(ValueError, match="'sgd'; choose one of 'gd', 'momentum'"):
        get_optimizer("sgd")
    with pytest.raises(TypeError, match="an instance of"):
        get_optimizer(Adam)
