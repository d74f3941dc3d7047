"""A function of one's own as the training loop sees an objective, and its gradient.

Where no gradient is given it is computed here from values of the function.
"""

import warnings

import numpy as np
from numpy.exceptions import ComplexWarning

from skgd._training.objective import Objective

# A complex step is so short that its square is rounding, and loses no digits by it.
COMPLEX_STEP = 1e-30

# How far a complex step may be from central differences before it is given up.
AGREEMENT = {"rtol": 1e-4, "atol": 1e-6}


class Space:
    """The space of the points, as the loop sees a model: nothing but its size."""

    dtype = np.dtype(np.float64)
    is_linear, unit, n_outputs, mean = False, 1.0, 1, None

    def __init__(self, size):
        self.size = size

    def penalised(self):
        """All entries are alike, should a rule shrink them."""
        return np.ones(self.size)


class AnyLoss:
    """What is known of a function of which nothing is known."""

    least, curvature, identity_link, smooth = None, None, True, True

    def residual_slopes(self):
        """None: no kinks to round off."""


class BoundFunction:
    """A function with its gradient, in place of an objective over rows.

    Parameters
    ----------
    fun : callable(x) -> float, or -> (float, gradient) if `jac` is True
    jac : callable(x) -> gradient, True or None
        None computes the gradient from values of `fun`.
    shape : tuple of int
        Of x.

    Attributes
    ----------
    nfev, njev : int
        Calls of `fun` and evaluations of the gradient so far.
    steepness : float
        Euclidean norm of the last gradient.
    """

    n_rows = 1
    # No rows in memory, nor elsewhere.
    whole = None

    def __init__(self, fun, jac, shape):
        self.fun, self.jac, self.shape = fun, jac, shape
        size = int(np.prod(shape, dtype=int))
        self.objective = Objective(
            Space(size), AnyLoss(), False, np.empty(0), np.zeros(size)
        )
        self.nfev = self.njev = 0
        self.steepness = np.inf
        self.computed = None

    def point(self, theta):
        """A copy of theta in the shape of x; a number for the shape ()."""
        return theta.reshape(self.shape).copy()[()]

    def value(self, theta):
        """The function at theta; infinite where it overflows."""
        self.nfev += 1
        try:
            value = self.fun(self.point(theta))
        except OverflowError:
            return np.inf
        return as_number(value[0] if self.jac is True else value)

    def gradient(self, theta):
        """The function and its gradient at theta."""
        if self.jac is True:
            self.nfev += 1
            try:
                value, gradient = self.fun(self.point(theta))
            except OverflowError:
                return np.inf, np.full(theta.size, np.nan)
            value = as_number(value)
        else:
            value = self.value(theta)
            if not np.isfinite(value):
                return value, np.full(theta.size, np.nan)
            gradient = self._slopes(theta)
        self.njev += 1
        gradient = np.array(gradient, dtype=np.float64).ravel()
        if gradient.size != theta.size:
            raise ValueError(
                f"The gradient has {gradient.size} entries, x has {theta.size}."
            )
        self.steepness = float(np.linalg.norm(gradient))
        return value, gradient

    loss_and_gradient = gradient

    def _slopes(self, theta):
        if self.jac is not None:
            return self.jac(self.point(theta))
        if self.computed is None:
            self.computed = numeric_gradient(self._raw, theta)
        return self.computed(self._raw, theta)

    def _raw(self, theta):
        self.nfev += 1
        value = np.asarray(self.fun(self.point(theta)))
        return value.reshape(())[()] if value.size == 1 else as_number(value)


def as_number(value):
    """A value of the function as a float.

    Raises
    ------
    ValueError
        If it is more than one number.
    """
    value = np.asarray(value)
    if value.size != 1:
        raise ValueError(
            f"fun must return one number, but it returned an array of shape "
            f"{value.shape}. Descend its sum or its mean."
        )
    return float(value.reshape(()))


def complex_step(fun, theta):
    """Gradient of a function that takes complex numbers, exact to rounding.

    f(x + ih) = f(x) + ih f'(x) + O(h^2), without a difference of two near numbers
    (Squire and Trapp, 1998).
    """
    slopes = np.empty(theta.size)
    for j in range(theta.size):
        moved = theta.astype(np.complex128)
        moved[j] += 1j * COMPLEX_STEP
        slopes[j] = np.imag(fun(moved)) / COMPLEX_STEP
    return slopes


def central_differences(fun, theta):
    """Gradient from two values for each entry, to about ten digits."""
    steps = np.cbrt(np.finfo(np.float64).eps) * np.maximum(1.0, np.abs(theta))
    slopes = np.empty(theta.size)
    for j, step in enumerate(steps):
        above, below = theta.copy(), theta.copy()
        above[j] += step
        below[j] -= step
        rise = np.real(fun(above)) - np.real(fun(below))
        slopes[j] = rise / (above[j] - below[j])
    return slopes


def numeric_gradient(fun, theta):
    """The way to compute gradients of `fun`: the complex step if it is right.

    `abs`, `max`, and comparisons take no complex numbers, or take them and forget the
    imaginary part; hence the look at central differences at theta and beside it.
    """
    beside = theta + 0.01 * (1.0 + np.abs(theta)) * np.cos(np.arange(theta.size) + 1.0)
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("error", ComplexWarning)
            agree = all(
                np.allclose(
                    complex_step(fun, x), central_differences(fun, x), **AGREEMENT
                )
                for x in (theta, beside)
            )
    except Exception:
        # Whatever a function does when it meets a complex number.
        agree = False
    return complex_step if agree else central_differences
