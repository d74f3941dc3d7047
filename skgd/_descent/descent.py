"""gradient_descent: any function, by the rules, schedules and loop of the estimators.

Also `descend`, the same as a method of ``scipy.optimize.minimize``.
"""

import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import OptimizeResult
from sklearn.utils._param_validation import Interval, validate_params

from skgd._descent.function import BoundFunction
from skgd._input.validation import validate_given
from skgd._input.warnings import warn_user
from skgd._training.epochs import FullBatch, Stepper, epoch_rates
from skgd._training.full_gradient import AcceleratedDescent
from skgd._training.loop import DivergenceWarning, Limits, train
from skgd._training.secant import SecantDescent
from skgd._training.state import Averaging, State
from skgd.optimizers import GD, Nesterov, get_optimizer
from skgd.schedules import Constant, get_schedule

# Why a descent ended: the reason of the loop, SciPy's status, and a sentence.
ENDS = {
    "converged": (0, "The function is as close to a minimum as tol asks."),
    "rounding": (0, "The function is as close to a minimum as rounding allows."),
    "tol": (0, "The gradient is as small as tol asks."),
    "max_iter": (1, "The largest number of steps was made."),
    "diverged": (2, "The function rose without bound; the lowest point is returned."),
    "unbounded": (2, "The function falls without bound."),
    "callback": (3, "The callback asked to stop."),
}

# A value below minus this many times the scale at the start has no end.
BOTTOMLESS = 1e12


@validate_params(
    {
        "fun": [callable],
        "jac": [callable, "boolean", None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left"), None],
        "clip_norm": [Interval(Real, 0, None, closed="neither"), None],
        "callback": [callable, None],
    },
    prefer_skip_nested_validation=True,
)
def gradient_descent(
    fun: Callable[..., Any],
    x0: ArrayLike,
    *,
    jac: Callable[..., Any] | bool | None = None,
    optimizer: Any = "gd",
    lr: Any = "auto",
    lr_schedule: Any = "constant",
    max_iter: int = 1000,
    tol: float | None = 1e-10,
    clip_norm: float | None = None,
    callback: Callable[..., Any] | None = None,
) -> OptimizeResult:
    """Minimise a function by gradient descent, and keep the path.

    The rules, schedules and steps are those that train the estimators.

    Parameters
    ----------
    fun : callable(x) -> float
        The function. x has the shape of `x0`: a number if that is one. With
        ``jac=True`` it returns the value and the gradient.
    x0 : float or array-like
        Where to start.
    jac : callable(x) -> array, True or None, default=None
        The gradient, such as ``jax.grad(fun)``. None computes it from values of `fun`:
        by a complex step, exact to rounding, where this agrees with central
        differences, else by these.
    optimizer : str or Optimizer, default="gd"
        The update rule, as in the estimators. Not "saga", which needs rows.
    lr : float or "auto", default="auto"
        Learning rate. A float is the textbook step. "auto" searches: for "gd" along
        secant directions, for "nesterov" by backtracking; rules that normalise the
        gradient take their usual rate, and "momentum" needs a float.
    lr_schedule : str, Schedule or callable(step, epoch), default="constant"
        Factor on a float `lr`, as in the estimators. A step is an epoch.
    max_iter : int, default=1000
        Steps at most; with a search, points looked at.
    tol : float or None, default=1e-10
        What may be missing at the end, as a share of what has been gained from the
        start. The search of "gd" knows it from the curvature that it sees; other runs
        stop when the square of the gradient, to which what a step gains is
        proportional, is below `tol` times what it was at `x0`. None makes all steps.
    clip_norm : float or None, default=None
        Shrink longer gradients to this Euclidean norm.
    callback : callable(result), default=None
        Called after each step with an `OptimizeResult` of `x`, `fun`, `nit` and `lr`.
        It stops the descent by returning True or raising StopIteration.

    Returns
    -------
    scipy.optimize.OptimizeResult
        With SciPy's `x`, `fun`, `jac` (the gradient at x), `nit` (steps), `nfev`,
        `njev`, `success`, `status` and `message`, and

        path : array of shape (nit + 1, \\*x.shape)
            The start, and the point after each step. After a divergence it is longer
            than the way to `x`, and shows where the descent went.
        history : dict of str to array
            One entry for each point of the path: `step`, `fun`, `lr` (of the step that
            led there, NaN at the start) and `seconds`.

    Warns
    -----
    DivergenceWarning
        If the function grows to a million times its scale at the start, or is no longer
        finite. `x` is then the lowest point that was seen, and `success` is False.

    Raises
    ------
    ValueError
        If `x0` is empty, or the function is not finite there, or does not return a
        single number.

    Notes
    -----
    A function has no rows, so there is no batch size and nothing is random.

    Examples
    --------
    >>> from skgd import gradient_descent
    >>> result = gradient_descent(lambda x: (x - 3) ** 2, -2.0, lr=0.1, max_iter=3)
    >>> result.path
    array([-2.  , -1.  , -0.2 ,  0.44])
    >>> round(gradient_descent(lambda x: (x - 3) ** 2, -2.0).x, 6)
    3.0

    Of several variables, with its gradient:

    >>> f = lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
    >>> gradient_descent(f, [-1.2, 1.0]).x.round(3)
    array([1., 1.])
    """
    start = np.array(x0, dtype=np.float64)
    if not start.size:
        raise ValueError(f"x0 is empty, shape {start.shape}: nothing can move.")
    bound = BoundFunction(fun, jac or None, start.shape)
    theta = start.ravel()
    value, slope = bound.gradient(theta)
    if not (math.isfinite(value) and np.isfinite(slope).all()):
        raise ValueError(
            f"The function or its gradient is not finite at x0: {value}, {slope}."
        )
    length = float(np.linalg.norm(slope))
    scale = abs(value) + length * max(1.0, float(np.linalg.norm(theta)))
    rule, schedule = get_optimizer(optimizer), get_schedule(lr_schedule)
    validate_given(rule, optimizer)
    validate_given(schedule, lr_schedule)
    rule, lr = _rule_and_rate(rule, schedule, lr, length, tol, theta)
    trace = _Trace(bound, theta, value, callback)
    trace.lowest = -BOTTOMLESS * scale
    kind = Averaging(start=1) if rule.searches else Averaging()
    state = State.start(theta.copy(), rule, kind, None)
    if rule.searches:
        epoch = rule.on(bound)
        trace.epoch = epoch
    else:

        def rates(state, n_steps):
            return epoch_rates(
                state, n_steps, lr=lr, schedule=schedule, horizon=max_iter
            )

        epoch = FullBatch(bound, Stepper(bound.objective, rule, clip_norm), rates)
    if rule.searches and clip_norm is not None:
        raise ValueError("clip_norm needs a learning rate: set lr to a float.")
    if not isinstance(rule, SecantDescent):
        trace.smallest = -1.0 if tol is None else math.sqrt(tol) * length
    report = train(epoch, state, Limits(max_iter, None, 1, scale), on_epoch=trace)
    reason = trace.end or report.stop_reason
    x = state.answer().copy()
    if reason == "diverged":
        warn_user(_divergence(trace, rule, lr, schedule), DivergenceWarning)
    result = trace.result(x)
    result.status, result.message = ENDS[reason]
    result.success = result.status == 0
    return result


def descend(
    fun: Callable[..., Any],
    x0: ArrayLike,
    args: tuple[Any, ...] = (),
    jac: Any = None,
    hess: Any = None,
    hessp: Any = None,
    bounds: Any = None,
    constraints: Any = (),
    callback: Callable[..., Any] | None = None,
    **options: Any,
) -> OptimizeResult:
    """`gradient_descent` as a method of ``scipy.optimize.minimize``.

    Parameters
    ----------
    fun, x0, args, jac, callback : object
        As `minimize` hands them on.
    hess, hessp : object
        Not used by methods of first order, as in SciPy's own.
    bounds, constraints : object
        Must be absent.
    **options : dict
        Keywords of `gradient_descent`, from ``options=`` of `minimize`.

    Returns
    -------
    scipy.optimize.OptimizeResult

    Raises
    ------
    ValueError
        If there are bounds or constraints.

    Examples
    --------
    >>> from scipy.optimize import minimize, rosen, rosen_der
    >>> from skgd import descend
    >>> result = minimize(rosen, [-1.2, 1.0], jac=rosen_der, method=descend,
    ...                   options={"optimizer": "momentum", "lr": 1e-3,
    ...                            "max_iter": 3000})
    >>> result.x.round(1)
    array([1., 1.])
    """
    if bounds is not None or (constraints is not None and len(constraints)):
        raise ValueError("descend takes neither bounds nor constraints.")

    def of_x(function):
        return (lambda x: function(x, *args)) if args else function

    jac = of_x(jac) if callable(jac) else jac
    return gradient_descent(of_x(fun), x0, jac=jac, callback=callback, **options)


class _Trace:
    """Follows the loop and keeps the path; called after each step."""

    def __init__(self, bound, theta, value, callback):
        self.bound = bound
        self.callback = callback
        self.epoch = None
        self.smallest, self.lowest, self.end = -1.0, -math.inf, None
        self.points, self.values = [theta.copy()], [value]
        self.lrs, self.seconds = [math.nan], [0.0]

    def __call__(self, state, report):
        point = state.answer()
        if self.epoch is not None and np.array_equal(point, self.points[-1]):
            # A search looked at a point and did not go there.
            return False
        self.points.append(point.copy())
        loss = report["loss"][-1]
        # A search knows the value where it arrives, a plain step where it set out.
        if self.epoch is not None:
            self.values.append(loss)
        else:
            self.values[-1] = loss
            self.values.append(None)
        self.lrs.append(report["lr"][-1])
        self.seconds.append(report["seconds"][-1])
        if self.bound.steepness <= self.smallest:
            self.end = "tol"
        elif loss < self.lowest:
            self.end = "unbounded"
        if self.callback is None:
            return self.end is not None
        self._complete()
        seen = OptimizeResult(
            x=_shown(self.bound, self.points[-1]),
            fun=self.values[-1],
            nit=len(self.points) - 1,
            lr=self.lrs[-1],
        )
        try:
            stops = bool(self.callback(seen))
        except StopIteration:
            stops = True
        return stops or self.end is not None

    def _complete(self):
        if self.values[-1] is None:
            with np.errstate(over="ignore", invalid="ignore"):
                self.values[-1] = self.bound.value(self.points[-1])

    def result(self, x):
        """What was found, without the reason why it ended."""
        self._complete()
        bound = self.bound
        value, slope = bound.gradient(x)
        points = np.array(self.points).reshape(-1, *bound.shape)
        return OptimizeResult(
            x=_shown(bound, x),
            fun=value,
            jac=_shown(bound, slope),
            nit=len(self.points) - 1,
            nfev=bound.nfev,
            njev=bound.njev,
            path=points,
            history={
                "step": np.arange(len(self.points)),
                "fun": np.array(self.values, dtype=np.float64),
                "lr": np.array(self.lrs),
                "seconds": np.array(self.seconds),
            },
        )


def _shown(bound, vector):
    """A vector in the shape of x, a plain float for the shape ()."""
    point = bound.point(vector)
    return point if bound.shape else float(point)


def _rule_and_rate(rule, schedule, lr, length, tol, theta):
    """The rule, or the search in its place, and the rate as a float."""
    if rule.needs_rows:
        raise ValueError(
            f"{type(rule).__name__} learns from single rows, and a function has none; "
            "choose another optimizer."
        )
    if not (isinstance(lr, str) and lr == "auto"):
        if isinstance(lr, bool) or not isinstance(lr, Real) or not 0 < lr < math.inf:
            raise ValueError(f"lr must be 'auto' or a float above 0, got {lr!r}.")
        return rule, float(lr)
    if rule.finds_rate:
        return rule, 1.0
    if rule.auto_lr is not None:
        return rule, rule.auto_lr
    if type(rule) not in (GD, Nesterov):
        raise ValueError(
            f"lr='auto' has no rate for {type(rule).__name__}: set lr to a float, or "
            "use optimizer='gd' or 'nesterov', which search for one."
        )
    if type(schedule) is not Constant:
        raise ValueError(
            "A search for the step follows no schedule: set lr to a float."
        )
    # The first move has length 1.
    first = 1.0 / length if length else 1.0
    if type(rule) is Nesterov:
        return AcceleratedDescent(first), first
    return SecantDescent(first, tol=tol, constant=theta.copy()), first


def _divergence(trace, rule, lr, schedule):
    """What to say after a divergence, with the rate that had been stable."""
    text = f"The descent diverged in step {len(trace.points)}"
    if rule.searches:
        return f"{text}: the function falls or rises without bound."
    text += f" with lr={lr:g}; "
    limit = None
    if type(rule) is GD and type(schedule) is Constant and len(trace.points) > 1:
        limit = _stable_rate(trace.bound, *trace.points[:2])
    if limit is None:
        return text + "the lowest point is kept. Lower lr."
    return (
        f"{text}it is stable below about lr={limit:.2g} near x0. The lowest point is "
        "kept."
    )


def _stable_rate(bound, before, after):
    """2 / curvature along the first move."""
    move = after - before
    change = bound.gradient(after)[1] - bound.gradient(before)[1]
    bent, size = float(move @ change), float(move @ move)
    if not (math.isfinite(bent) and bent > 0.0 and size > 0.0):
        return None
    return 2.0 * size / bent
