"""Schedules against formulas written one update at a time, simulations, and torch.

Whether training multiplies its rate by them is tested with the estimators.
"""

import inspect
import math
import re

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.utils._param_validation import InvalidParameterError

from skgd.schedules import (
    SCHEDULES,
    Clock,
    Constant,
    Cosine,
    CosineRestarts,
    Cyclic,
    Exponential,
    FromCallable,
    InverseScaling,
    InverseTime,
    MultiStep,
    OneCycle,
    Plateau,
    Polynomial,
    Sawtooth,
    Schedule,
    Step,
    Warmup,
    get_schedule,
)

HORIZON = 24


# --- formulas of one update: (step, epoch, end) -> factor ----------------------------


def half_wave(start, end, share):
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def polynomial(power, low):
    def factor(step, epoch, end):
        return low + (1 - low) * (1 - min(epoch, end) / end) ** power

    return factor


def cosine(low):
    return lambda step, epoch, end: half_wave(1, low, min(epoch, end) / end)


def restarts(length, growth, low):
    def factor(step, epoch, end):
        start, cycle = 0, length
        while epoch >= start + cycle:
            start, cycle = start + cycle, cycle * growth
        return half_wave(1, low, (epoch - start) / cycle)

    return factor


def one_cycle(fraction, first, last):
    def factor(step, epoch, end):
        top = fraction * end
        if epoch < top:
            return half_wave(first, 1, epoch / top)
        return half_wave(1, last, (min(epoch, end) - top) / (end - top))

    return factor


def cyclic(period, low, scale):
    def factor(step, epoch, end):
        cycle, place = divmod(epoch, period)
        height = min(place, period - place) / (period / 2)
        return low + (1 - low) * height * scale(cycle, epoch)

    return factor


def warm(length, first, unit, after):
    """After the warm-up everything is counted from its end, with 4 updates an epoch."""

    def factor(step, epoch, end):
        when = {"epoch": epoch, "step": step}[unit]
        if when < length:
            return first + (1 - first) * when / length
        steps, epochs = {
            "epoch": (4 * length, length),
            "step": (length, length / 4),
        }[unit]
        return after(step - steps, epoch - epochs, end - epochs)

    return factor


def invscaling(power):
    return lambda step, epoch, end: 1 / (step + 1) ** power


CASES = [
    (Constant(), lambda step, epoch, end: 1),
    (InverseScaling(), invscaling(0.5)),
    (InverseScaling(power=1.0), invscaling(1)),
    (InverseTime(), lambda step, epoch, end: 1 / (1 + 1e-4 * step)),
    (InverseTime(0.3), lambda step, epoch, end: 1 / (1 + 0.3 * step)),
    (Step(), lambda step, epoch, end: 1),
    (Step(5, 0.5), lambda step, epoch, end: 0.5 ** (int(epoch) // 5)),
    (Step(1, 0.9), lambda step, epoch, end: 0.9 ** int(epoch)),
    (
        MultiStep([12, 3, 3, 20], 0.3),
        lambda step, epoch, end: 0.3 ** sum(m <= epoch for m in (3, 3, 12, 20)),
    ),
    (MultiStep((2.5,), 0.5), lambda step, epoch, end: 0.5 ** (epoch >= 2.5)),
    (MultiStep((), 0.5), lambda step, epoch, end: 1),
    (Exponential(0.8), lambda step, epoch, end: 0.8**epoch),
    (Polynomial(), polynomial(1, 0)),
    (Polynomial(2.5, 0.1), polynomial(2.5, 0.1)),
    (
        Polynomial(epochs=7.5),
        lambda step, epoch, end: polynomial(1, 0)(step, epoch, 7.5),
    ),
    (Cosine(), cosine(0)),
    (Cosine(0.2), cosine(0.2)),
    (Cosine(epochs=10), lambda step, epoch, end: cosine(0)(step, epoch, 10)),
    (CosineRestarts(), restarts(10, 2, 0)),
    (CosineRestarts(3, 1, 0.1), restarts(3, 1, 0.1)),
    (CosineRestarts(1.5, 1.5), restarts(1.5, 1.5, 0)),
    (OneCycle(), one_cycle(0.3, 1 / 25, 1 / 25e4)),
    (OneCycle(0.5, 0.1, 0.2), one_cycle(0.5, 0.1, 0.2)),
    (
        OneCycle(epochs=30.0),
        lambda step, epoch, end: one_cycle(0.3, 1 / 25, 1 / 25e4)(step, epoch, 30),
    ),
    (Cyclic(), cyclic(8, 1 / 6, lambda cycle, epoch: 1)),
    (
        Cyclic(5, "triangular2", 0.1),
        cyclic(5, 0.1, lambda cycle, epoch: 1 / 2**cycle),
    ),
    (
        Cyclic(5, "exp_range", 0.0, 0.9),
        cyclic(5, 0, lambda cycle, epoch: 0.9**epoch),
    ),
    (
        Cyclic(5, "triangular", 0.1, rise=0.2),
        lambda step, epoch, end: float(
            np.interp(epoch % 5, [0, 1, 5], [0.1, 1.0, 0.1])
        ),
    ),
    (Sawtooth(), lambda step, epoch, end: 1 - (epoch % 10) / 10),
    (
        Sawtooth(2.5, min_factor=0.2),
        lambda step, epoch, end: 0.2 + 0.8 * (1 - math.fmod(epoch, 2.5) / 2.5),
    ),
    (Plateau(), lambda step, epoch, end: 1),
    (Warmup(), warm(5, 0.1, "epoch", lambda step, epoch, end: 1)),
    (
        Warmup(2.5, start_factor=0.0, after="cosine"),
        warm(2.5, 0, "epoch", cosine(0)),
    ),
    (
        Warmup(steps=6, after=InverseScaling(1.0)),
        warm(6, 0.1, "step", invscaling(1)),
    ),
    (
        Warmup(2, after=Warmup(3, start_factor=0.5, after=Step(4, 0.5))),
        warm(
            2,
            0.1,
            "epoch",
            warm(3, 0.5, "epoch", lambda step, epoch, end: 0.5 ** (int(epoch) // 4)),
        ),
    ),
    (
        Warmup(1, after=lambda step, epoch: 1 / (1 + step + epoch)),
        warm(1, 0.1, "epoch", lambda step, epoch, end: 1 / (1 + step + int(epoch))),
    ),
    (
        FromCallable(lambda step, epoch: 2 * step / (1 + epoch)),
        lambda step, epoch, end: 2 * step / (1 + int(epoch)),
    ),
]
ALL = [case[0] for case in CASES]


def clock_of(steps, steps_per_epoch=4, horizon=HORIZON, losses=()):
    steps = np.asarray(steps)
    epochs = steps // steps_per_epoch + steps % steps_per_epoch / steps_per_epoch
    return Clock(steps, epochs, horizon, steps_per_epoch, losses)


def name(value):
    if not isinstance(value, Schedule):
        return ""
    # Addresses of functions differ from process to process.
    return re.sub(r"0x[0-9a-f]+", "", repr(value))


@pytest.mark.parametrize(("schedule", "formula"), CASES, ids=name)
def test_schedule_is_its_formula(schedule, formula):
    # Past the horizon too.
    clock = clock_of(np.arange(4 * HORIZON + 20))
    expected = [
        formula(step, epoch, HORIZON)
        for step, epoch in zip(clock.step.tolist(), clock.epoch.tolist(), strict=True)
    ]
    np.testing.assert_allclose(schedule.factor(clock), expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("schedule", ALL, ids=name)
def test_any_shape_is_one_update_at_a_time(schedule):
    steps = np.random.default_rng(0).integers(0, 4 * HORIZON, size=(6, 5))
    together = schedule.factor(clock_of(steps, losses=[1.0] * HORIZON))
    assert together.shape == steps.shape
    assert together.dtype == np.float64
    for index, step in np.ndenumerate(steps):
        alone = schedule.factor(clock_of(step, losses=[1.0] * HORIZON))
        assert np.shape(alone) == ()
        np.testing.assert_allclose(alone, together[index], rtol=1e-14, atol=1e-15)
    assert schedule.factor(clock_of(np.arange(0))).shape == (0,)


@pytest.mark.parametrize("schedule", ALL, ids=name)
def test_factors_are_finite_and_not_negative(schedule):
    factors = schedule.preview(HORIZON, 7, losses=np.arange(HORIZON))
    assert factors.shape == (HORIZON * 7,)
    assert np.all(np.isfinite(factors))
    assert np.all(factors >= 0)
    factors[0] = 0.0  # the caller's own


@pytest.mark.parametrize("schedule", ALL, ids=name)
def test_never_changed_and_cloned(schedule):
    schedule._validate_params()
    before = dict(vars(schedule))
    schedule.preview(HORIZON)
    assert vars(schedule) == before
    copied = clone(schedule).preview(HORIZON)
    np.testing.assert_array_equal(copied, schedule.preview(HORIZON))


def test_a_million_constant_factors_take_no_memory():
    assert Constant().factor(clock_of(np.arange(1_000_000))).strides == (0,)


# --- horizon -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schedule",
    [Polynomial(), Cosine(), OneCycle(), Warmup(after="cosine")],
    ids=name,
)
def test_unknown_end_says_what_to_set(schedule):
    with pytest.raises(ValueError, match=r"set the number of epochs, \w+\(epochs="):
        schedule.factor(clock_of([0], horizon=None))


@pytest.mark.parametrize(
    "schedule",
    [
        *(Polynomial(epochs=8), Cosine(epochs=8), OneCycle(epochs=8)),
        Warmup(2, after=Cosine(epochs=6)),
    ],
    ids=name,
)
def test_own_end_counts_for_more_than_max_iter(schedule):
    steps = np.arange(60)
    expected = schedule.factor(clock_of(steps, horizon=8))
    for horizon in (None, 3, 50):
        factors = schedule.factor(clock_of(steps, horizon=horizon))
        np.testing.assert_array_equal(factors, expected)


@pytest.mark.parametrize(
    ("schedule", "last"),
    [
        (Polynomial(2.0, 0.25), 0.25),
        (Polynomial(), 0.0),
        (Cosine(0.25), 0.25),
        (OneCycle(end_factor=0.25), 0.25),
        (Warmup(2, after=Cosine(0.25)), 0.25),
        (Warmup(100, start_factor=0.0, after=Cosine(0.25)), 0.08),
    ],
    ids=name,
)
def test_end_value_is_reached_at_the_horizon_and_kept(schedule, last):
    clock = Clock(np.array([32, 36, 400]), np.array([8.0, 9.0, 100.0]), 8, 4)
    factors = schedule.factor(clock)
    assert factors[0] == pytest.approx(last, abs=1e-15)
    if not isinstance(schedule, Warmup) or schedule.epochs < 8:
        np.testing.assert_allclose(factors, last, atol=1e-15)


def test_values_at_the_turning_points():
    assert OneCycle(0.25).preview(8, 2)[[0, 4]] == pytest.approx([1 / 25, 1.0])
    restarting = CosineRestarts(2, 3).preview(9, 10)
    assert np.flatnonzero(restarting == 1.0).tolist() == [0, 20, 80]
    swinging = Cyclic(4, min_factor=0.5).preview(9)
    assert swinging.tolist() == [0.5, 0.75, 1.0, 0.75, 0.5, 0.75, 1.0, 0.75, 0.5]
    assert Warmup(steps=3, start_factor=0.4).preview(5).round(9).tolist() == [
        *(0.4, 0.6, 0.8, 1.0, 1.0)
    ]
    assert Step(2, 0.5).preview(5, 2).tolist() == [1] * 4 + [0.5] * 4 + [0.25] * 2


def test_warmup_in_epochs_is_over_at_the_first_update_past_its_end():
    # 0.1 epochs of 30 updates end at update 3, 0.25 epochs of 10 between 2 and 3.
    for epochs, steps_per_epoch in ((0.1, 30), (0.25, 10)):
        factors = Warmup(epochs, after=lambda step, epoch: 10 + step).preview(
            1, steps_per_epoch
        )
        assert np.all(factors[:3] < 1)
        assert factors[3:6].tolist() == [10.0, 11.0, 12.0]


def test_warmup_with_epochs_of_changing_length_never_goes_back():
    seen = []

    def after(step, epoch):
        seen.append((step, epoch))
        return 1.0

    # partial_fit on 2 rows, then on 10: 3 updates made, hardly more than 1 epoch.
    Warmup(steps=3, after=after).factor(Clock(np.array([3]), np.array([1.1]), None, 2))
    Warmup(1, after=after).factor(Clock(np.array([3]), np.array([1.1]), None, 10))
    assert seen == [(0, 0), (0, 0)]


# --- plateau -------------------------------------------------------------------------


def simulated_plateau(losses, gamma, patience, threshold, min_factor, cooldown=0):
    """Factor in each epoch, living through them one by one."""
    factors, factor, best, bad, drop = [], 1.0, None, 0, -math.inf
    for epoch, loss in enumerate(losses):
        factors.append(factor)
        if best is None or loss < best - threshold * abs(best):
            best, bad = loss, 0
        elif epoch > drop + cooldown:
            bad += 1
        if bad > patience:
            factor, bad, drop = max(factor * gamma, min_factor), 0, epoch
    return factors


@pytest.mark.parametrize("cooldown", [0, 1, 4])
@pytest.mark.parametrize("patience", [0, 1, 3])
@pytest.mark.parametrize("threshold", [0.0, 1e-4, 0.05])
@pytest.mark.parametrize("offset", [0.0, -2.0])
def test_plateau_is_its_simulation(patience, threshold, offset, cooldown):
    rng = np.random.default_rng(patience)
    losses = offset + np.exp(-np.arange(60) / 10) + 0.1 * rng.random(60)
    schedule = Plateau(0.5, patience, threshold, 0.01, cooldown)
    expected = simulated_plateau(losses, 0.5, patience, threshold, 0.01, cooldown)
    assert len(set(expected)) > 2
    np.testing.assert_allclose(schedule.preview(60, 3, losses), np.repeat(expected, 3))
    for epoch in range(60):
        # As in training: nothing is known of the epochs to come.
        clock = clock_of(np.arange(4 * epoch, 4 * epoch + 4), losses=losses[:epoch])
        np.testing.assert_allclose(schedule.factor(clock), expected[epoch])


def test_inverse_time_is_the_optimal_rate_of_scikit_learn():
    alpha, t_0 = 1e-3, 250.0
    step = np.arange(1000)
    schedule = InverseTime(decay=1 / t_0)
    rates = schedule.preview(1000) / (alpha * t_0)
    np.testing.assert_allclose(rates, 1 / (alpha * (t_0 + step)), rtol=1e-14)


def test_plateau_drops_after_patience_plus_one_bad_epochs():
    losses = [5.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0]
    factors = Plateau(0.5, patience=2).preview(8, losses=losses)
    assert factors.tolist() == [1, 1, 1, 1, 1, 0.5, 0.5, 0.5]
    assert Plateau(0.5, 0, min_factor=0.3).preview(8, losses=losses)[-1] == 0.3


def test_plateau_counts_what_is_not_finite_as_bad():
    losses = [math.inf, math.nan, 1.0, math.nan, 2.0, math.inf]
    factors = Plateau(0.5, patience=1).preview(7, losses=losses)
    assert factors.tolist() == [1, 1, 0.5, 0.5, 0.5, 0.25, 0.25]


def test_plateau_after_a_warmup_forgets_the_objectives_before():
    losses = [1.0, 9.0, 9.0, 8.0, 8.0, 8.0, 8.0]
    schedule = Warmup(3, start_factor=1.0, after=Plateau(0.5, patience=1))
    for epoch, expected in enumerate([1, 1, 1, 1, 1, 1, 0.5]):
        clock = clock_of([4 * epoch], losses=losses[:epoch])
        assert schedule.factor(clock).tolist() == [expected]


# --- functions -----------------------------------------------------------------------


def test_function_gets_whole_numbers():
    seen = []
    schedule = get_schedule(lambda step, epoch: seen.append((step, epoch)) or 1.0)
    schedule.preview(2, 3)
    assert seen == [(0, 0), (1, 0), (2, 0), (3, 1), (4, 1), (5, 1)]
    assert {type(number) for pair in seen for number in pair} == {int}


@pytest.mark.parametrize("answer", [-0.1, math.nan, math.inf, -math.inf, None, "high"])
def test_function_with_a_bad_answer_is_told_when(answer):
    schedule = get_schedule(lambda step, epoch: answer if step == 5 else 1)
    with pytest.raises(ValueError, match=r"at step 5 \(epoch 1\)"):
        schedule.preview(3, 4)


# --- torch ---------------------------------------------------------------------------


def torch_factors(peer, n, lr=1.0, losses=None, **arguments):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    scheduler = getattr(torch.optim.lr_scheduler, peer)(optimizer, **arguments)
    factors = []
    for i in range(n):
        factors.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step(*([] if losses is None else [losses[i]]))
    return factors


@pytest.mark.parametrize(
    ("schedule", "peer", "arguments"),
    [
        (Step(5, 0.3), "StepLR", {"step_size": 5, "gamma": 0.3}),
        (
            MultiStep([3, 3, 9], 0.3),
            "MultiStepLR",
            {"milestones": [3, 3, 9], "gamma": 0.3},
        ),
        (Exponential(0.9), "ExponentialLR", {"gamma": 0.9}),
        (Polynomial(2.0), "PolynomialLR", {"power": 2.0, "total_iters": HORIZON}),
        (Cosine(0.1), "CosineAnnealingLR", {"T_max": HORIZON, "eta_min": 0.1}),
        (
            CosineRestarts(3, 2, 0.1),
            "CosineAnnealingWarmRestarts",
            {"T_0": 3, "T_mult": 2, "eta_min": 0.1},
        ),
        *(
            (
                Cyclic(6, mode, 0.1, 0.9),
                "CyclicLR",
                {
                    "base_lr": 0.1,
                    "max_lr": 1.0,
                    "step_size_up": 3,
                    "mode": mode,
                    "gamma": 0.9,
                    "cycle_momentum": False,
                },
            )
            for mode in ("triangular", "triangular2", "exp_range")
        ),
        (
            Cyclic(6, "triangular", 0.1, rise=1 / 3),
            "CyclicLR",
            {
                "base_lr": 0.1,
                "max_lr": 1.0,
                "step_size_up": 2,
                "step_size_down": 4,
                "cycle_momentum": False,
            },
        ),
        (
            Plateau(0.5, 1, cooldown=3),
            "ReduceLROnPlateau",
            {
                "factor": 0.5,
                "patience": 1,
                "cooldown": 3,
                "losses": [5, 4, 4, 3, *[3, 4] * 10],
            },
        ),
        (
            Plateau(0.5, 2),
            "ReduceLROnPlateau",
            {"factor": 0.5, "patience": 2, "losses": [5, 4, 4, 3, *[3, 4] * 10]},
        ),
        (
            Warmup(4, start_factor=0.25),
            "LinearLR",
            {"start_factor": 0.25, "total_iters": 4},
        ),
    ],
    ids=name,
)
def test_schedule_is_that_of_torch(schedule, peer, arguments):
    expected = torch_factors(peer, HORIZON, **arguments)
    losses = arguments.get("losses", ())
    factors = schedule.preview(HORIZON, losses=losses)
    np.testing.assert_allclose(factors, expected, rtol=1e-12, atol=1e-15)


def test_onecycle_is_that_of_torch_one_update_later():
    # Of 41 updates torch has the top at number 21 and the end at number 41: in our
    # count from 0 these are 20 and 40.
    expected = torch_factors(
        "OneCycleLR", 41, max_lr=1.0, total_steps=41, pct_start=21 / 41
    )
    clock = Clock(np.arange(41), np.arange(41.0), 40)
    factors = OneCycle(warmup_fraction=0.5).factor(clock)
    np.testing.assert_allclose(factors, expected, rtol=1e-9)


# --- as scikit-learn objects ---------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "parameter"),
    [
        (InverseScaling(0.0), "power"),
        (Step(step_size=1.5), "step_size"),
        (Step(step_size=0), "step_size"),
        (Step(gamma=0.0), "gamma"),
        (MultiStep(milestones=3), "milestones"),
        (MultiStep(gamma=1.5), "gamma"),
        (Exponential(-0.5), "gamma"),
        (Polynomial(power=0), "power"),
        (Polynomial(min_factor=1.5), "min_factor"),
        (Polynomial(epochs=0), "epochs"),
        (Cosine(min_factor=-0.1), "min_factor"),
        (Cosine(epochs="all"), "epochs"),
        (CosineRestarts(period=0), "period"),
        (CosineRestarts(multiplier=0.5), "multiplier"),
        (OneCycle(warmup_fraction=0.0), "warmup_fraction"),
        (OneCycle(warmup_fraction=1.0), "warmup_fraction"),
        (OneCycle(start_factor=2.0), "start_factor"),
        (OneCycle(end_factor=-1.0), "end_factor"),
        (Cyclic(mode="square"), "mode"),
        (Cyclic(period=-1), "period"),
        (Cyclic(rise=0.0), "rise"),
        (Plateau(cooldown=-1), "cooldown"),
        (InverseTime(decay=0.0), "decay"),
        (Sawtooth(period=0), "period"),
        (Sawtooth(min_factor=2.0), "min_factor"),
        (Plateau(patience=-1), "patience"),
        (Plateau(threshold=1.0), "threshold"),
        (Plateau(gamma=2.0), "gamma"),
        (Warmup(epochs=0), "epochs"),
        (Warmup(steps=0), "steps"),
        (Warmup(after=3), "after"),
        (Warmup(after=Cosine(min_factor=2.0)), "min_factor"),
        (FromCallable("cosine"), "function"),
    ],
    ids=name,
)
def test_invalid_hyperparameters(schedule, parameter):
    with pytest.raises(InvalidParameterError, match=f"'{parameter}' parameter"):
        schedule._validate_params()
    with pytest.raises(InvalidParameterError):
        schedule.preview(3)


@pytest.mark.parametrize("milestones", [[0, 3], [-1], [math.nan], [[1, 2]]])
def test_milestones_must_be_epochs(milestones):
    with pytest.raises(ValueError, match="milestones must be positive epochs"):
        MultiStep(milestones).preview(3)


@pytest.mark.parametrize("cls", [*SCHEDULES.values(), FromCallable])
def test_every_hyperparameter_is_checked(cls):
    names = inspect.signature(cls).parameters
    assert set(names) == set(cls._parameter_constraints)


class Holder(BaseEstimator):
    def __init__(self, lr_schedule="constant"):
        self.lr_schedule = lr_schedule


def test_nested_parameters_can_be_searched():
    holder = Holder(Warmup(after=Cosine(0.1)))
    assert holder.get_params()["lr_schedule__after__min_factor"] == 0.1
    other = clone(holder).set_params(lr_schedule__after__min_factor=0.2)
    assert holder.lr_schedule.after.min_factor == 0.1
    assert other.lr_schedule.after.min_factor == 0.2


@pytest.mark.parametrize("key", SCHEDULES)
def test_string_is_the_default_object(key):
    schedule = get_schedule(key)
    assert type(schedule) is SCHEDULES[key]
    assert schedule.get_params() == SCHEDULES[key]().get_params()
    assert get_schedule(schedule) is schedule


def test_get_schedule_errors_name_the_choices():
    with pytest.raises(ValueError, match="'linear'; choose one of 'constant', "):
        get_schedule("linear")
    with pytest.raises(ValueError, match="'linear'; choose one of 'constant', "):
        Warmup(after="linear").preview(3)
    for wrong in (None, 0.1, Cosine):
        with pytest.raises(TypeError, match="an instance of"):
            get_schedule(wrong)


@pytest.mark.parametrize("epochs, seen", [(2.0, [3, 4, 5]), (2.5, [4, 5])])
def test_after_a_warmup_only_whole_epochs_count(epochs, seen):
    """The epoch in which the warmup ends belongs to it."""
    given = []

    class Watching(Schedule):
        watches_losses = True

        def factor(self, clock):
            given.append(list(clock.losses))
            return np.ones(np.shape(clock.step))

    clock = Clock(np.array([50]), np.array([5.0]), None, 10, losses=[1, 2, 3, 4, 5])
    Warmup(epochs, after=Watching()).factor(clock)
    assert given[-1] == seen


def test_steps_of_optimal_are_an_inverse_time():
    """The schedule that scikit-learn starts with, from its source's number t0."""
    from sklearn.linear_model import SGDClassifier

    from skgd import GDClassifier

    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 4))
    y = X @ [1.0, -1.0, 0.5, 0.0] > 0.3
    alpha, order = 0.01, {"shuffle": False, "max_iter": 4, "tol": None}
    typical = math.sqrt(1.0 / math.sqrt(alpha))
    # Of the hinge loss, whose slope is never above 1.
    t0 = 1.0 / (typical * alpha)
    theirs = SGDClassifier("hinge", alpha=alpha, learning_rate="optimal", **order)
    ours = GDClassifier(
        "hinge",
        solver="sgd",
        alpha=alpha,
        lr=1.0 / (alpha * t0),
        lr_schedule=InverseTime(decay=1.0 / t0),
        **order,
    )
    np.testing.assert_allclose(ours.fit(X, y).coef_, theirs.fit(X, y).coef_, rtol=1e-9)
