"""The check of a loss."""

import math

import numpy as np

from skgd.losses import CLASSIFICATION, REGRESSION, Loss
from skgd.testing._common import (
    MISTAKES,
    STEP,
    TOLERANCE,
    check_instance,
    check_static,
    checked_parameters,
    fault,
    is_number,
    outside,
    too_short,
)

METHOD = "value_and_derivative"

# Round scores, where kinks like to be, and others.
SCORES = np.unique(np.r_[np.linspace(-4.0, 4.0, 17), np.linspace(-3.9, 3.9, 14)])

# Halvings of an interval in which the slope may jump.
HALVINGS = 30


def check_loss(loss):
    """Check a loss: that it is what it says, and what training relies on.

    Parameters
    ----------
    loss : skgd.losses.Loss
        An object, with the constants it is to be checked for.

    Raises
    ------
    ValueError
        If `value_and_derivative` does not return two numbers; if the derivative is not
        that of the value; if a tangent lies above the loss, unless it declares
        ``convex = False``; if the slope jumps under ``smooth = True`` or grows faster
        than `curvature`; if a score of nan has a loss that is not nan; if it reads
        entries of `p` that `parameters` does not return; if `probability`,
        `inverse_link` or `best_constant` return something else than they should.

    See Also
    --------
    skgd.losses.Loss : What a loss consists of.

    Notes
    -----
    Targets and scores between -4 and 4 are tried, those targets that `check_target`
    accepts. A pair for which the loss raises an exception of its own is left out.

    Examples
    --------
    >>> from skgd.losses import Huber, Loss
    >>> from skgd.testing import check_loss
    >>> check_loss(Huber(epsilon=2.0))
    >>> class HalfSquare(Loss):
    ...     @staticmethod
    ...     def value_and_derivative(y, z, p):
    ...         return 0.5 * (z - y) ** 2, y - z
    >>> check_loss(HalfSquare())
    Traceback (most recent call last):
        ...
    ValueError: HalfSquare.value_and_derivative: the derivative is not that of the ...
    """
    check_instance(loss, Loss)
    _check_attributes(loss)
    check_static(loss, METHOD, ("y", "z", "p"))
    p = checked_parameters(loss, METHOD)
    curves = [_Curve(loss, y, p) for y in _targets(loss)]
    if not any(curve.z.size for curve in curves):
        raise curves[0].raised
    for curve in curves:
        if curve.z.size > 1:
            _check_curve(loss, curve)
    _check_nan(loss, curves[0].y, p)
    _check_predictions(loss)
    _check_best_constant(loss, np.array([curve.y for curve in curves]))


def _check_attributes(loss):
    tasks = loss.tasks
    if isinstance(tasks, str) or not set(tasks) or set(tasks) - TASKS:
        raise fault(
            loss,
            "tasks",
            "must be a set with 'regression', 'classification' or both, got "
            f"{tasks!r}.",
        )
    c = loss.curvature
    if c is not None and not (is_number(c) and 0.0 < c < math.inf):
        raise fault(loss, "curvature", f"must be a number above 0 or None, got {c!r}.")
    if c is not None and not loss.smooth:
        raise fault(
            loss,
            "curvature",
            "bounds the slope's growth, which a loss with smooth = False does not "
            "have: set smooth = True, or curvature = None.",
        )


TASKS = REGRESSION | CLASSIFICATION


def _targets(loss):
    """Targets that the loss accepts."""
    if "regression" not in loss.tasks:
        return [-1.0, 1.0]
    accepted = []
    for y in (0.5, -2.5, -1.0, 0.0, 1.0, 3.0):
        try:
            loss.check_target(np.array([y]))
        except ValueError:
            continue
        accepted.append(y)
    if not accepted:
        raise fault(loss, "check_target", "refuses each of -2.5, -1, 0, 0.5, 1 and 3.")
    return accepted


class _Curve:
    """A loss as a function of z, for one y: where it can be evaluated."""

    def __init__(self, loss, y, p):
        self.loss, self.y, self.p = loss, y, p
        self.raised = None
        found = [(z, self.at(z)) for z in SCORES]
        found = [(z, pair) for z, pair in found if pair is not None]
        self.z = np.array([z for z, _ in found])
        self.value = np.array([pair[0] for _, pair in found])
        self.slope = np.array([pair[1] for _, pair in found])

    def at(self, z):
        """(value, derivative), or None where the loss raises what its author meant."""
        loss, y, p = self.loss, self.y, self.p
        z = float(z)

        def call(others):
            return type(loss).value_and_derivative(y, z, others.get("p", p))

        try:
            pair = call({})
        except IndexError as error:
            source = f"parameters() returns {p.size} numbers: return all that are read."
            arrays = {"p": (p, source, "entries")}
            raise too_short(call, loss, METHOD, error, arrays) from error
        except MISTAKES as error:
            raise fault(loss, METHOD, f"raised {error!r} for y={y}, z={z}.") from error
        except Exception as error:
            self.raised = error
            return None
        if (
            not isinstance(pair, tuple)
            or len(pair) != 2
            or not all(is_number(x) for x in pair)
        ):
            raise fault(
                loss,
                METHOD,
                "must return two numbers, the loss and its derivative in z, but "
                f"returned {pair!r} for y={y}, z={z}.",
            )
        return float(pair[0]), float(pair[1])


def _check_curve(loss, curve):
    y, z, value, slope = curve.y, curve.z, curve.value, curve.slope
    finite = np.isfinite(value) & np.isfinite(slope)
    if not finite.all():
        at = np.argmin(finite)
        raise fault(
            loss,
            f"{METHOD}",
            f"returned {value[at]}, {slope[at]} for y={y}, z={z[at]}; both must be "
            "finite.",
        )
    beside = [[curve.at(x + h) for x in z] for h in (-STEP, STEP)]
    known = np.array(
        [a is not None and b is not None for a, b in zip(*beside, strict=False)]
    )
    low, high = (np.array([(x or (0.0,))[0] for x in one]) for one in beside)
    wrong = known & outside(slope, value, low, high)
    if wrong.any():
        at = np.argmax(wrong)
        numeric = (high[at] - low[at]) / (2.0 * STEP)
        raise fault(
            loss,
            f"{METHOD}:",
            f"the derivative is not that of the value. For y={y}, z={z[at]:.4g} it "
            f"returned {slope[at]:.6g}; differences of the value give {numeric:.6g}.",
        )
    if loss.convex:
        _check_convex(loss, curve)
    if loss.smooth:
        _check_smooth(loss, curve)
    if loss.curvature is not None:
        growth = np.diff(slope) / np.diff(z)
        at = np.argmax(growth)
        if growth[at] > loss.curvature * (1.0 + TOLERANCE) + TOLERANCE:
            raise fault(
                loss,
                "curvature",
                f"is {loss.curvature}, but for y={y} and z from {z[at]:.4g} to "
                f"{z[at + 1]:.4g} the derivative grows by {growth[at]:.6g} per unit. "
                "Give a bound that holds for all y and z, or None.",
            )


def _check_convex(loss, curve):
    y, z, value, slope = curve.y, curve.z, curve.value, curve.slope
    tangent = value[:, None] + slope[:, None] * (z[None, :] - z[:, None])
    above = tangent - value[None, :] > TOLERANCE * (1.0 + np.abs(tangent))
    if above.any():
        i, j = np.argwhere(above)[0]
        raise fault(
            loss,
            f"{METHOD}:",
            f"the tangent at z={z[i]:.4g} lies above the loss at z={z[j]:.4g} (y={y}): "
            "the loss is not convex. If that is meant, declare convex = False and do "
            "not expect the minimum to be found.",
        )


def _check_smooth(loss, curve):
    """The slope does not jump where it changes most between two scores."""
    z, slope = curve.z, curve.slope
    at = np.argmax(np.abs(np.diff(slope)))
    (low, high), (left, right) = z[at : at + 2], slope[at : at + 2]
    change = abs(right - left)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        pair = curve.at(middle)
        if pair is None:
            return
        if abs(pair[1] - left) > abs(right - pair[1]):
            high, right = middle, pair[1]
        else:
            low, left = middle, pair[1]
    jump = abs(right - left)
    if jump > 1e-3 * (1.0 + change):
        raise fault(
            loss,
            "smooth",
            f"is True, but the derivative jumps by {jump:.4g} at z={low:.6g} for "
            f"y={curve.y}: set smooth = False.",
        )


def _check_nan(loss, y, p):
    try:
        value, _ = type(loss).value_and_derivative(y, math.nan, p)
    except Exception:
        return
    if not math.isnan(value):
        raise fault(
            loss,
            METHOD,
            f"returned a loss of {value} for a score of nan, which makes a model that "
            "has diverged look well: a score of nan must have a loss of nan. Begin "
            "with comparisons that nan fails, or return abs(residual) in the last "
            "branch.",
        )


def _check_predictions(loss):
    for dtype in (np.float64, np.float32):
        z = np.linspace(-3.0, 3.0, 6).astype(dtype).reshape(2, 3)
        predicted = loss.inverse_link(z.copy())
        if np.shape(predicted) != z.shape or not np.isfinite(predicted).all():
            raise fault(
                loss,
                "inverse_link",
                "must return finite predictions, one for each score.",
            )
        if loss.identity_link and not np.array_equal(predicted, z):
            raise fault(
                loss,
                "inverse_link",
                "changes the scores: declare identity_link = False.",
            )
        if not loss.probabilities:
            continue
        share = np.asarray(loss.probability(z.copy()))
        if share.shape != z.shape or not ((share >= 0.0) & (share <= 1.0)).all():
            raise fault(
                loss, "probability", "must return one number in [0, 1] for each score."
            )


def _check_best_constant(loss, targets):
    """It is a number, and if it is not the base's, the minimum."""
    y = np.repeat(targets, np.arange(1, targets.size + 1))
    try:
        best = loss.best_constant(y)
    except MISTAKES as error:
        raise fault(loss, "best_constant", f"raised {error!r}.") from error
    except Exception:  # what its author meant
        return
    if not is_number(best) or not math.isfinite(best):
        raise fault(
            loss,
            "best_constant",
            f"must return a finite number, but returned {best!r}.",
        )
    if not loss.convex or type(loss).best_constant is Loss.best_constant:
        return
    step = 1e-3 * max(1.0, abs(best))
    low, high = (loss.gradient(y, best + h).sum() for h in (-step, step))
    slack = TOLERANCE * y.size
    if low > slack or high < -slack:
        raise fault(
            loss,
            "best_constant",
            f"returned {best:.6g} for y={y.tolist()}, where the loss is not lowest: "
            f"its derivative is {low:.4g} just below and {high:.4g} just above.",
        )
