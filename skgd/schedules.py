"""Learning-rate schedules: the factor that multiplies `lr` at each update, each once.

No training happens here, and no state is kept: a factor is a function of a clock.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

from skgd._registry import Registry, did_you_mean

SCHEDULES = Registry()

_POSITIVE = [Interval(Real, 0, None, closed="neither")]
_SHARE = [Interval(Real, 0, 1, closed="both")]
_DECAY = [Interval(Real, 0, 1, closed="right")]
_COUNT = [Interval(Integral, 1, None, closed="left")]
_EPOCHS = [*_POSITIVE, None]


@dataclass(frozen=True)
class Clock:
    """Where training stands at each of some updates.

    Parameters
    ----------
    step : ndarray of int
        Updates made before.
    epoch : ndarray of float, same shape
        Epochs finished, and the share of the current one that is done.
    horizon : float or None, default=None
        Epochs that training will take at most, `max_iter`.  None if nobody knows, as in
        `partial_fit`.
    steps_per_epoch : int, default=1
        Updates in an epoch.
    losses : sequence of float, default=()
        Objective of each finished epoch.
    """

    step: np.ndarray
    epoch: np.ndarray
    horizon: float | None = None
    steps_per_epoch: int = 1
    losses: Sequence[float] = ()


class Schedule(BaseEstimator):
    """Base of all schedules: hyper-parameters, and `factor`, a function of the clock.

    A new schedule is a subclass with `factor`.
    """

    _parameter_constraints: ClassVar[dict] = {}

    # Whether `factor` looks at the objectives of earlier epochs.
    watches_losses = False

    def factor(self, clock: Clock) -> Any:
        """Return what multiplies the learning rate.

        Parameters
        ----------
        clock : Clock
            Of one update or, faster, of many.

        Returns
        -------
        ndarray of float64, of the shape of ``clock.step``
            Finite and not negative.

        Raises
        ------
        ValueError
            If the schedule needs the end of training and nobody knows it.
        """
        raise NotImplementedError

    def preview(
        self, n_epochs: int, steps_per_epoch: int = 1, losses: Any = ()
    ) -> NDArray[np.float64]:
        """Return the factor of every update of a run, to look at or plot.

        Parameters
        ----------
        n_epochs : int
            Length of the run, also its horizon.
        steps_per_epoch : int, default=1
            Updates in an epoch.
        losses : sequence of float, default=()
            Objective of each epoch, for the schedules that look at it.

        Returns
        -------
        ndarray of shape (n_epochs * steps_per_epoch,)

        Examples
        --------
        >>> from skgd.schedules import Polynomial
        >>> Polynomial().preview(4)
        array([1.  , 0.75, 0.5 , 0.25])
        """
        self._validate_params()
        step = np.arange(n_epochs * steps_per_epoch)
        epoch = step // steps_per_epoch + step % steps_per_epoch / steps_per_epoch
        return self.factor(Clock(step, epoch, n_epochs, steps_per_epoch, losses)).copy()


def rate_factors(schedule, clock):
    """As `checked_factors`, at no cost for the schedules of this module."""
    if type(schedule).__module__ != __name__:
        return checked_factors(schedule, clock)
    return np.broadcast_to(schedule.factor(clock), np.shape(clock.step))


def checked_factors(schedule, clock):
    """The factors of a schedule, or ValueError if no rate can be made of them.

    Parameters
    ----------
    schedule : Schedule
    clock : Clock

    Returns
    -------
    ndarray of float64, of the shape of ``clock.step``
    """
    name, shape = type(schedule).__name__, np.shape(clock.step)
    given = schedule.factor(clock)
    try:
        factors = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name}.factor must return numbers, one for each entry of clock.step, but "
            f"returned {given!r}."
        ) from error
    if factors.shape not in ((), shape):
        raise ValueError(
            f"{name}.factor returned an array of shape {factors.shape} for {shape} "
            "updates; it must have the shape of clock.step."
        )
    # NaN fails both comparisons.
    if factors.size and not (factors.min() >= 0.0 and factors.max() < math.inf):
        wrong = np.broadcast_to(~((factors >= 0.0) & (factors < math.inf)), shape)
        at = np.argmax(wrong)
        raise ValueError(
            f"{name}.factor must return finite numbers that are not negative, but "
            f"returned {np.broadcast_to(factors, shape).flat[at]} at step "
            f"{np.asarray(clock.step).flat[at]}."
        )
    return np.broadcast_to(factors, shape)


def _share_done(schedule, clock):
    """Share of the way to the end of training, from 0 to 1."""
    end = clock.horizon if schedule.epochs is None else schedule.epochs
    if end is None:
        name = type(schedule).__name__
        raise ValueError(
            f"{name} must know when training ends, and partial_fit does not say: set "
            f"the number of epochs, {name}(epochs=...)."
        )
    epoch = np.asarray(clock.epoch, dtype=float)
    return np.minimum(epoch / end, 1.0) if end > 0 else np.ones(epoch.shape)


def _cosine(start, end, share):
    """Half a cosine wave from `start` to `end`."""
    return end + (start - end) * 0.5 * (1.0 + np.cos(np.pi * share))


@SCHEDULES.named("constant")
class Constant(Schedule):
    """The same rate throughout.

    ::

        factor = 1

    Examples
    --------
    >>> from skgd.schedules import Constant
    >>> Constant().preview(3)
    array([1., 1., 1.])
    """

    def factor(self, clock):
        return np.broadcast_to(1.0, np.shape(clock.step))


@SCHEDULES.named("invscaling")
class InverseScaling(Schedule):
    """A power of the number of the update.  Unit: step.

    ::

        factor = 1 / (step + 1)^power

    Parameters
    ----------
    power : float > 0, default=0.5
        Above 0.5 and up to 1, stochastic gradient descent converges for any convex
        objective.  At 0.5 the mean of its weights does, and the start is faster.

    Notes
    -----
    Source: Robbins and Monro (1951), A stochastic approximation method.  scikit-learn:
    ``learning_rate="invscaling", power_t=power``; the default is 0.25 in
    ``SGDRegressor``, 0.5 in ``MLPRegressor``.

    Examples
    --------
    >>> from skgd.schedules import InverseScaling
    >>> InverseScaling(power=1.0).preview(4).round(3)
    array([1.   , 0.5  , 0.333, 0.25 ])
    """

    _parameter_constraints: ClassVar[dict] = {"power": _POSITIVE}

    def __init__(self, power: float = 0.5) -> None:
        self.power = power

    def factor(self, clock):
        return (np.asarray(clock.step) + 1.0) ** -self.power


@SCHEDULES.named("inverse_time")
class InverseTime(Schedule):
    """Fall as one over the time, at first slowly.  Unit: step.

    ::

        factor = 1 / (1 + decay step)

    Parameters
    ----------
    decay : float > 0, default=1e-4
        The rate has halved after ``1 / decay`` updates.  For an objective with
        ``alpha/2 ||w||²`` the classic choice is ``decay = lr alpha``.

    Notes
    -----
    Source: Bottou (2012), Stochastic gradient descent tricks.  scikit-learn's
    ``learning_rate="optimal"`` is ``1 / (alpha (t_0 + step))``: here ``lr = 1 / (alpha
    t_0)`` and ``decay = 1 / t_0``.  Keras: ``InverseTimeDecay(lr, decay_steps=1,
    decay_rate=decay)``.

    Examples
    --------
    >>> from skgd.schedules import InverseTime
    >>> InverseTime(decay=0.5).preview(3).round(3)
    array([1.   , 0.667, 0.5  ])
    """

    _parameter_constraints: ClassVar[dict] = {"decay": _POSITIVE}

    def __init__(self, decay: float = 1e-4) -> None:
        self.decay = decay

    def factor(self, clock):
        return 1.0 / (1.0 + self.decay * np.asarray(clock.step))


@SCHEDULES.named("step")
class Step(Schedule):
    """Drop the rate every so many epochs.  Unit: epoch.

    ::

        factor = gamma ^ floor(epoch / step_size)

    Parameters
    ----------
    step_size : int >= 1, default=30
        Epochs between two drops.
    gamma : float in (0, 1], default=0.1
        Factor of a drop.

    Notes
    -----
    PyTorch: ``StepLR``, advanced once an epoch; it has no default for `step_size`.

    Examples
    --------
    >>> from skgd.schedules import Step
    >>> Step(step_size=2, gamma=0.5).preview(5)
    array([1.  , 1.  , 0.5 , 0.5 , 0.25])
    """

    _parameter_constraints: ClassVar[dict] = {"step_size": _COUNT, "gamma": _DECAY}

    def __init__(self, step_size: float = 30, gamma: float = 0.1) -> None:
        self.step_size = step_size
        self.gamma = gamma

    def factor(self, clock):
        return float(self.gamma) ** (np.floor(clock.epoch) // self.step_size)


@SCHEDULES.named("multistep")
class MultiStep(Schedule):
    """Drop the rate at given epochs.  Unit: epoch.

    ::

        factor = gamma ^ (number of milestones <= epoch)

    Parameters
    ----------
    milestones : array-like of numbers > 0, default=(30, 60, 80)
        Epochs at which the rate drops, in any order; one given twice drops it twice.
    gamma : float in (0, 1], default=0.1
        Factor of a drop.

    Notes
    -----
    PyTorch: ``MultiStepLR``, advanced once an epoch.  The default milestones are those
    of Goyal et al. (2017), Accurate, large minibatch SGD, for runs of 90 epochs.

    Examples
    --------
    >>> from skgd.schedules import MultiStep
    >>> MultiStep(milestones=[1, 3], gamma=0.5).preview(5)
    array([1.  , 0.5 , 0.5 , 0.25, 0.25])
    """

    _parameter_constraints: ClassVar[dict] = {
        "milestones": ["array-like"],
        "gamma": _DECAY,
    }

    def __init__(
        self, milestones: Sequence[float] = (30, 60, 80), gamma: float = 0.1
    ) -> None:
        self.milestones = milestones
        self.gamma = gamma

    def factor(self, clock):
        milestones = np.sort(np.asarray(self.milestones, dtype=float))
        if milestones.ndim != 1 or not np.all(milestones > 0):
            raise ValueError(
                f"milestones must be positive epochs, got {self.milestones!r}."
            )
        passed = np.searchsorted(milestones, clock.epoch, side="right")
        return float(self.gamma) ** passed


@SCHEDULES.named("exponential")
class Exponential(Schedule):
    """Multiply the rate by the same number over every epoch.  Unit: epoch.

    The decay runs on inside an epoch, without a jump at its end.

    ::

        factor = gamma ^ epoch

    Parameters
    ----------
    gamma : float in (0, 1], default=0.95
        Factor of one epoch.  At 0.95 the rate falls tenfold in 45 epochs.

    Notes
    -----
    Equal to PyTorch's ``ExponentialLR``, advanced once an epoch, where epochs begin.

    Examples
    --------
    >>> from skgd.schedules import Exponential
    >>> Exponential(gamma=0.25).preview(2, steps_per_epoch=2)
    array([1.   , 0.5  , 0.25 , 0.125])
    """

    _parameter_constraints: ClassVar[dict] = {"gamma": _DECAY}

    def __init__(self, gamma: float = 0.95) -> None:
        self.gamma = gamma

    def factor(self, clock):
        return float(self.gamma) ** np.asarray(clock.epoch)


@SCHEDULES.named("polynomial")
class Polynomial(Schedule):
    """Fall to the end of training as a power; by default a straight line.  Unit: epoch.

    ::

        factor = min_factor + (1 - min_factor) (1 - min(epoch / end, 1))^power

    Parameters
    ----------
    power : float > 0, default=1.0
        1 is linear; more falls early, less falls late.
    min_factor : float in [0, 1], default=0.0
        Factor at the end, kept from there on.
    epochs : float > 0 or None, default=None
        The end.  None: `max_iter`.

    Raises
    ------
    ValueError
        In `factor`, if `epochs` is None and the clock has no horizon.

    Notes
    -----
    PyTorch: ``PolynomialLR(total_iters=epochs)`` for ``min_factor=0``.

    Examples
    --------
    >>> from skgd.schedules import Polynomial
    >>> Polynomial(power=2.0, epochs=4).preview(6)
    array([1.    , 0.5625, 0.25  , 0.0625, 0.    , 0.    ])
    """

    _parameter_constraints: ClassVar[dict] = {
        "power": _POSITIVE,
        "min_factor": _SHARE,
        "epochs": _EPOCHS,
    }

    def __init__(
        self, power: float = 1.0, min_factor: float = 0.0, epochs: Any = None
    ) -> None:
        self.power = power
        self.min_factor = min_factor
        self.epochs = epochs

    def factor(self, clock):
        left = (1.0 - _share_done(self, clock)) ** self.power
        return self.min_factor + (1.0 - self.min_factor) * left


@SCHEDULES.named("cosine")
class Cosine(Schedule):
    """Fall to the end of training as half a cosine wave.  Unit: epoch.

    ::

        share = min(epoch / end, 1)
        factor = min_factor + (1 - min_factor) (1 + cos(π share)) / 2

    Parameters
    ----------
    min_factor : float in [0, 1], default=0.0
        Factor at the end, kept from there on.
    epochs : float > 0 or None, default=None
        The end.  None: `max_iter`.

    Raises
    ------
    ValueError
        In `factor`, if `epochs` is None and the clock has no horizon.

    Notes
    -----
    Source: Loshchilov and Hutter (2017), SGDR: stochastic gradient descent with warm
    restarts, without restarts.  PyTorch: ``CosineAnnealingLR(T_max=epochs)``, which
    rises again after the end.

    Examples
    --------
    >>> from skgd.schedules import Cosine
    >>> Cosine().preview(4).round(3)
    array([1.   , 0.854, 0.5  , 0.146])
    """

    _parameter_constraints: ClassVar[dict] = {"min_factor": _SHARE, "epochs": _EPOCHS}

    def __init__(self, min_factor: float = 0.0, epochs: Any = None) -> None:
        self.min_factor = min_factor
        self.epochs = epochs

    def factor(self, clock):
        return _cosine(1.0, self.min_factor, _share_done(self, clock))


@SCHEDULES.named("cosine_restarts")
class CosineRestarts(Schedule):
    """Fall as a cosine, start again from the top, each time longer.  Unit: epoch.

    Cycle number i takes ``period * multiplier^i`` epochs, and in it

    ::

        share = (epoch - start of the cycle) / length of the cycle
        factor = min_factor + (1 - min_factor) (1 + cos(π share)) / 2

    Parameters
    ----------
    period : float > 0, default=10
        Epochs of the first cycle.
    multiplier : float >= 1, default=2
        Growth of the cycles.
    min_factor : float in [0, 1], default=0.0
        Factor just before a restart.

    Notes
    -----
    Source: Loshchilov and Hutter (2017), SGDR: stochastic gradient descent with warm
    restarts, whose defaults these are.  PyTorch:
    ``CosineAnnealingWarmRestarts(T_0=period, T_mult=multiplier)``.

    Examples
    --------
    >>> from skgd.schedules import CosineRestarts
    >>> CosineRestarts(period=2).preview(6).round(3)
    array([1.   , 0.5  , 1.   , 0.854, 0.5  , 0.146])
    """

    _parameter_constraints: ClassVar[dict] = {
        "period": _POSITIVE,
        "multiplier": [Interval(Real, 1, None, closed="left")],
        "min_factor": _SHARE,
    }

    def __init__(
        self, period: float = 10, multiplier: float = 2, min_factor: float = 0.0
    ) -> None:
        self.period = period
        self.multiplier = multiplier
        self.min_factor = min_factor

    def factor(self, clock):
        epoch = np.asarray(clock.epoch, dtype=float)
        if self.multiplier == 1:
            return _cosine(1.0, self.min_factor, epoch % self.period / self.period)
        starts, length = [0.0], float(self.period)
        while starts[-1] + length <= epoch.max(initial=0.0):
            starts.append(starts[-1] + length)
            length *= self.multiplier
        starts = np.array(starts)
        cycle = np.searchsorted(starts, epoch, side="right") - 1
        lengths = self.period * float(self.multiplier) ** np.arange(starts.size)
        share = (epoch - starts[cycle]) / lengths[cycle]
        return _cosine(1.0, self.min_factor, share)


@SCHEDULES.named("onecycle")
class OneCycle(Schedule):
    """Warm up to `lr`, then fall almost to nothing, once.  Unit: epoch.

    Here `lr` is the highest rate.  Both ways are half cosine waves: from `start_factor`
    to 1 in the first `warmup_fraction` of training, from 1 to `end_factor` in the rest.

    Parameters
    ----------
    warmup_fraction : float in (0, 1), default=0.3
        Share of training in which the rate rises.
    start_factor : float in [0, 1], default=1/25
        Factor of the first update.
    end_factor : float in [0, 1], default=4e-6
        Factor at the end, kept from there on.
    epochs : float > 0 or None, default=None
        The end.  None: `max_iter`.

    Raises
    ------
    ValueError
        In `factor`, if `epochs` is None and the clock has no horizon.

    Notes
    -----
    Source: Smith and Topin (2019), Super-convergence: very fast training of neural
    networks using large learning rates.  PyTorch: ``OneCycleLR(max_lr=lr, pct_start=
    warmup_fraction, div_factor=1/start_factor, final_div_factor=start_factor/
    end_factor, cycle_momentum=False)``, whose defaults these are; it reaches the top
    and the end one update earlier.  The momentum is left alone.

    Examples
    --------
    >>> from skgd.schedules import OneCycle
    >>> OneCycle(warmup_fraction=0.5).preview(4).round(3)
    array([0.04, 0.52, 1.  , 0.5 ])
    """

    _parameter_constraints: ClassVar[dict] = {
        "warmup_fraction": [Interval(Real, 0, 1, closed="neither")],
        "start_factor": _SHARE,
        "end_factor": _SHARE,
        "epochs": _EPOCHS,
    }

    def __init__(
        self,
        warmup_fraction: float = 0.3,
        start_factor: float = 1 / 25,
        end_factor: float = 4e-6,
        epochs: Any = None,
    ) -> None:
        self.warmup_fraction = warmup_fraction
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.epochs = epochs

    def factor(self, clock):
        share, top = _share_done(self, clock), self.warmup_fraction
        return np.where(
            share < top,
            _cosine(self.start_factor, 1.0, share / top),
            _cosine(1.0, self.end_factor, (share - top) / (1.0 - top)),
        )


@SCHEDULES.named("cyclic")
class Cyclic(Schedule):
    """Swing in straight lines between a low rate and `lr`.  Unit: epoch.

    Here `lr` is the highest rate.  A cycle starts low, and its top is in the middle or
    where `rise` says.

    ::

        cycle = floor(epoch / period)
        share = epoch / period - cycle
        height = min(share / rise, (1 - share) / (1 - rise))
        factor = min_factor + (1 - min_factor) height scale

    Parameters
    ----------
    period : float > 0, default=8
        Epochs of a cycle, up and down.
    mode : {"triangular", "triangular2", "exp_range"}, default="triangular"
        The scale: 1, ``2^-cycle``, or ``gamma^epoch``.
    min_factor : float in [0, 1], default=1/6
        Lowest factor.
    gamma : float in (0, 1], default=0.97
        Factor of one epoch under ``mode="exp_range"``; other modes ignore it.
    rise : float in (0, 1), default=0.5
        Share of a cycle in which the rate rises.

    Notes
    -----
    Source: Smith (2017), Cyclical learning rates for training neural networks; the
    defaults are those of its experiment on CIFAR-10, counted in epochs.  PyTorch:
    ``CyclicLR(base_lr=min_factor * lr, max_lr=lr, step_size_up=rise * period *
    steps_per_epoch, step_size_down=(1 - rise) * period * steps_per_epoch,
    cycle_momentum=False)``, whose `gamma` is that of one update.

    Examples
    --------
    >>> from skgd.schedules import Cyclic
    >>> Cyclic(period=4, mode="triangular2", min_factor=0.0).preview(8)
    array([0.  , 0.5 , 1.  , 0.5 , 0.  , 0.25, 0.5 , 0.25])
    """

    _parameter_constraints: ClassVar[dict] = {
        "period": _POSITIVE,
        "mode": [StrOptions({"triangular", "triangular2", "exp_range"})],
        "min_factor": _SHARE,
        "gamma": _DECAY,
        "rise": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(
        self,
        period: float = 8,
        mode: str = "triangular",
        min_factor: float = 1 / 6,
        gamma: float = 0.97,
        rise: float = 0.5,
    ) -> None:
        self.period = period
        self.mode = mode
        self.min_factor = min_factor
        self.gamma = gamma
        self.rise = rise

    def factor(self, clock):
        epoch = np.asarray(clock.epoch, dtype=float)
        cycle = np.floor(epoch / self.period)
        share = epoch / self.period - cycle
        height = np.minimum(share / self.rise, (1.0 - share) / (1.0 - self.rise))
        scale = {
            "triangular": lambda: 1.0,
            "triangular2": lambda: 0.5**cycle,
            "exp_range": lambda: float(self.gamma) ** epoch,
        }[self.mode]()
        return self.min_factor + (1.0 - self.min_factor) * height * scale


@SCHEDULES.named("sawtooth")
class Sawtooth(Schedule):
    """Fall in a straight line, start again from the top, and again.  Unit: epoch.

    ::

        share = epoch / period - floor(epoch / period)
        factor = min_factor + (1 - min_factor) (1 - share)

    Parameters
    ----------
    period : float > 0, default=10
        Epochs of a tooth, from one restart to the next.  As `CosineRestarts` begins.
    min_factor : float in [0, 1], default=0.0
        Factor just before a restart.

    Notes
    -----
    Restarts as in `CosineRestarts`, with the straight line of `Polynomial` between
    them and teeth of equal length.  The weights are best at the end of a tooth: let
    `max_iter` be a multiple of `period`.  Source: Smith (2017), Cyclical learning
    rates for training neural networks, of which this is half a triangle.

    Examples
    --------
    >>> from skgd.schedules import Sawtooth
    >>> Sawtooth(period=2).preview(4, steps_per_epoch=2)
    array([1.  , 0.75, 0.5 , 0.25, 1.  , 0.75, 0.5 , 0.25])
    """

    _parameter_constraints: ClassVar[dict] = {
        "period": _POSITIVE,
        "min_factor": _SHARE,
    }

    def __init__(self, period=10, min_factor=0.0):
        self.period = period
        self.min_factor = min_factor

    def factor(self, clock):
        share = np.asarray(clock.epoch, dtype=float) / self.period % 1.0
        return self.min_factor + (1.0 - self.min_factor) * (1.0 - share)


@SCHEDULES.named("plateau")
class Plateau(Schedule):
    """Drop the rate when the objective stops improving.  Unit: epoch.

    An epoch is good if its objective is lower than that of the last good one by more
    than `threshold` of its size.  After more than `patience` bad epochs in a row the
    rate drops, and counting starts anew, once `cooldown` further epochs have passed.

    ::

        factor = max(gamma ^ (number of drops), min_factor)

    Parameters
    ----------
    gamma : float in (0, 1], default=0.1
        Factor of a drop.  PyTorch: ``factor``.
    patience : int >= 0, default=2
        Bad epochs that are forgiven: the drop follows the bad epoch number
        ``patience + 1``.  Keep it below `n_iter_no_change`, or training stops first;
        PyTorch's default of 10 would not be.
    threshold : float in [0, 1), default=1e-4
        Least improvement, as a share of the objective.
    min_factor : float in [0, 1], default=0.0
        Lowest factor.
    cooldown : int >= 0, default=0
        Epochs after a drop that are not counted as bad.

    Notes
    -----
    scikit-learn's ``learning_rate="adaptive"`` is ``gamma=0.2`` with a patience of
    ``n_iter_no_change - 1``, and ends below a rate of 1e-6.  PyTorch:
    ``ReduceLROnPlateau``; Keras drops one epoch earlier.  For a negative
    objective PyTorch counts a slight worsening as good; here improving always means
    getting lower.  Nothing is remembered: the drops are counted from the objectives of
    all epochs each time.

    Examples
    --------
    >>> from skgd.schedules import Plateau
    >>> Plateau(patience=1, gamma=0.5).preview(6, losses=[3.0, 2.0, 2.0, 2.0, 2.0, 1.0])
    array([1. , 1. , 1. , 1. , 0.5, 0.5])
    """

    _parameter_constraints: ClassVar[dict] = {
        "gamma": _DECAY,
        "patience": [Interval(Integral, 0, None, closed="left")],
        "threshold": [Interval(Real, 0, 1, closed="left")],
        "min_factor": _SHARE,
        "cooldown": [Interval(Integral, 0, None, closed="left")],
    }

    watches_losses = True

    def __init__(
        self,
        gamma: float = 0.1,
        patience: int = 2,
        threshold: float = 1e-4,
        min_factor: float = 0.0,
        cooldown: int = 0,
    ) -> None:
        self.gamma = gamma
        self.patience = patience
        self.threshold = threshold
        self.min_factor = min_factor
        self.cooldown = cooldown

    def factor(self, clock):
        drops = self._drops(clock.losses)
        finished = np.floor(clock.epoch).astype(int)
        drops = drops[np.minimum(finished, drops.size - 1)]
        return np.maximum(float(self.gamma) ** drops, self.min_factor)

    def _drops(self, losses):
        """Return the number of drops after 0, 1, 2, ... epochs."""
        drops = np.zeros(len(losses) + 1, dtype=int)
        goal, n_bad, rest = math.inf, 0, 0
        for i, loss in enumerate(losses, start=1):
            if loss < goal:
                goal, n_bad = loss - self.threshold * abs(loss), 0
            else:
                n_bad = 0 if rest else n_bad + 1
            rest = max(rest - 1, 0)
            if n_bad > self.patience:
                drops[i], n_bad, rest = 1, 0, self.cooldown
        return np.cumsum(drops)


@SCHEDULES.named("warmup")
class Warmup(Schedule):
    """Rise to `lr` in a straight line, then follow another schedule.

    The unit is the epoch, or the step where `steps` is given.

    ::

        share = epoch / epochs              or step / steps
        factor = start_factor + (1 - start_factor) share        while share < 1

    The schedule that follows sees a clock that starts when the warm-up is over: its
    steps, epochs and objectives count from there, and its horizon is what is left.

    Parameters
    ----------
    epochs : float > 0, default=5
        Length of the warm-up, unless `steps` is given.
    steps : int >= 1 or None, default=None
        Length of the warm-up in updates, in place of `epochs`.
    start_factor : float in [0, 1], default=0.1
        Factor of the first update.  With 0 it does nothing.
    after : str, Schedule or callable, default="constant"
        What follows.

    Raises
    ------
    ValueError
        In `factor`, if `after` names no schedule, and for the reasons of that schedule.

    Notes
    -----
    Source: Goyal et al. (2017), Accurate, large minibatch SGD: training ImageNet in 1
    hour, for the 5 epochs.  PyTorch: ``SequentialLR`` of ``LinearLR`` and another.

    Examples
    --------
    >>> from skgd.schedules import Cosine, Warmup
    >>> Warmup(epochs=2, start_factor=0.5, after=Cosine()).preview(6).round(3)
    array([0.5  , 0.75 , 1.   , 0.854, 0.5  , 0.146])
    """

    _parameter_constraints: ClassVar[dict] = {
        "epochs": _POSITIVE,
        "steps": [*_COUNT, None],
        "start_factor": _SHARE,
        "after": [str, Schedule, callable],
    }

    def __init__(
        self,
        epochs: Any = 5,
        *,
        steps: Any = None,
        start_factor: float = 0.1,
        after: Schedule | str = "constant",
    ) -> None:
        self.epochs = epochs
        self.steps = steps
        self.start_factor = start_factor
        self.after = after

    @property
    def watches_losses(self):
        """As the schedule that comes after."""
        return get_schedule(self.after).watches_losses

    def _validate_params(self):
        super()._validate_params()
        get_schedule(self.after)._validate_params()

    def factor(self, clock):
        step, epoch = np.asarray(clock.step), np.asarray(clock.epoch, dtype=float)
        if self.steps is None:
            epochs = self.epochs
            # Rounded first: 0.1 epochs of 30 updates are 3.0000000000000004 updates.
            steps = math.ceil(round(epochs * clock.steps_per_epoch, 6))
            share = np.asarray(epoch / epochs)
        else:
            steps, epochs = self.steps, self.steps / clock.steps_per_epoch
            share = np.asarray(step / steps)
        rise = self.start_factor + (1.0 - self.start_factor) * share
        factor, late = np.asarray(rise), share >= 1.0
        # Asked even if no update is late yet, so that what it lacks is said at once.
        # In partial_fit epochs differ in length, so that a clock could start below 0.
        rest = replace(
            clock,
            step=np.maximum(step[late] - steps, 0),
            epoch=np.maximum(epoch[late] - epochs, 0.0),
            horizon=None if clock.horizon is None else clock.horizon - epochs,
            losses=clock.losses[math.ceil(epochs) :],
        )
        factor[late] = rate_factors(get_schedule(self.after), rest)
        return factor


class FromCallable(Schedule):
    """A schedule from a function.

    Parameters
    ----------
    function : callable(step, epoch) -> float
        Given the number of updates made before and the number of epochs finished, both
        ints, returns the factor.

    Raises
    ------
    ValueError
        In `factor`, if the function returns something infinite, negative or not a
        number.

    Examples
    --------
    >>> from skgd.schedules import FromCallable
    >>> FromCallable(lambda step, epoch: 0.5**epoch).preview(2, steps_per_epoch=2)
    array([1. , 1. , 0.5, 0.5])
    """

    _parameter_constraints: ClassVar[dict] = {"function": [callable]}

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def factor(self, clock):
        epochs = np.floor(clock.epoch).astype(int).ravel().tolist()
        steps = np.ravel(clock.step).tolist()
        factors = [self._one(*when) for when in zip(steps, epochs, strict=True)]
        return np.array(factors, dtype=float).reshape(np.shape(clock.step))

    def _one(self, step, epoch):
        answer = self.function(step, epoch)
        try:
            factor = float(answer)
        except (TypeError, ValueError):
            factor = math.nan
        if not 0.0 <= factor < math.inf:
            raise ValueError(
                "The learning-rate schedule must return a finite number that is not "
                f"negative, but returned {answer!r} at step {step} (epoch {epoch})."
            )
        return factor


def get_schedule(schedule: str | Schedule | Callable[..., Any]) -> Schedule:
    """Return the schedule that a user named, gave or wrote as a function.

    Parameters
    ----------
    schedule : str, Schedule or callable(step, epoch) -> float
        A key of `SCHEDULES`, for the schedule with its defaults, a schedule, or a
        function for `FromCallable`.

    Returns
    -------
    Schedule
        The object given, or a new one.

    Raises
    ------
    ValueError
        If no schedule has that name.
    TypeError
        If it is none of these.

    Examples
    --------
    >>> from skgd.schedules import get_schedule
    >>> get_schedule("cosine").preview(2)
    array([1. , 0.5])
    """
    if isinstance(schedule, Schedule):
        return schedule
    if isinstance(schedule, str):
        try:
            kind = SCHEDULES[schedule]
        except KeyError:
            names = ", ".join(repr(name) for name in SCHEDULES)
            raise ValueError(
                f"Unknown schedule {schedule!r}; choose one of {names}."
                + did_you_mean(schedule, SCHEDULES)
            ) from None
        return kind()
    if callable(schedule) and not isinstance(schedule, type):
        return FromCallable(schedule)
    raise TypeError(
        "A schedule must be a string, an instance of skgd.schedules.Schedule or a "
        f"function of (step, epoch), got {schedule!r}."
    )


__all__ = SCHEDULES.public(
    "SCHEDULES",
    "Clock",
    "FromCallable",
    "Schedule",
    "get_schedule",
)
