"""Losses ℓ(y, z) of one target y and one raw score z = wᵀx + b, each written once.

Not here: softmax over a row of scores, the mean over rows, penalties, compilation.
"""

import math
from contextlib import suppress
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import expit, xlogy
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval

from skgd._registry import Registry, did_you_mean

LOSSES = Registry(
    mse="squared_error",
    mean_squared_error="squared_error",
    mae="absolute_error",
    mean_absolute_error="absolute_error",
    cross_entropy="log_loss",
    binary_cross_entropy="log_loss",
)

REGRESSION = frozenset({"regression"})
CLASSIFICATION = frozenset({"classification"})

# Beyond this exponent the log-link losses follow their tangent.  exp(350) is about
# 1e152: far above any mean worth fitting, and its square, which the norm of the
# gradient needs, is still a finite float64.
EXPONENT_LIMIT = 350.0
EXP_AT_LIMIT = math.exp(EXPONENT_LIMIT)


class Loss(BaseEstimator):
    """Base class: what training, prediction and the tests ask of a loss.

    A new loss is one subclass: set the class attributes, write
    :meth:`value_and_derivative`, and override the other methods where their
    defaults do not fit.  Pass an instance as ``loss=`` to use it.

    Attributes
    ----------
    tasks : frozenset of {"regression", "classification"}
        Where the loss makes sense.  For classification y is coded -1 and +1.
        Default: regression.
    smooth : bool
        Whether ℓ is continuously differentiable in z, so that rules which rely on
        a shrinking gradient apply.  Default: False, which is always safe.
    curvature : float or None
        A constant c with d²ℓ/dz² ≤ c for all y and z.  None (the default) when
        there is none: the loss has kinks, or its curvature is unbounded.
    probabilities : bool
        Whether :meth:`probability` is defined.  Default: False.
    softmax : bool
        Whether more than two classes are trained with the cross-entropy of the
        softmax instead of one against the rest.  Default: False.
    identity_link : bool
        Whether predictions are the raw scores, in the units of y.  Default: True.
    convex : bool
        Whether every tangent lies below the loss, as the methods that look for the
        minimum assume.  Declare False for a loss that is not: training then goes down
        to some stationary point, and :func:`skgd.testing.check_loss` does not object.
        Default: True.
    least : float or None
        A value below which ℓ never falls, and which it reaches or approaches.  A
        model whose mean loss is that low needs no other proof of being near the
        minimum.  None, the default, if there is none or nobody has said.
    trivial_minimum : bool
        Whether w = 0 minimises the loss without having learnt anything, so that a
        search for lower values leads there.  Default: False.
    of_residual : bool
        Whether ℓ(y, z) = ℓ(0, z - y).  Sums of such losses keep their digits when y
        is far from zero.  Default: False, which is always right.

    Examples
    --------
    >>> import math
    >>> from skgd.losses import Loss
    >>> class LogCosh(Loss):
    ...     smooth = True
    ...     curvature = 1.0
    ...
    ...     @staticmethod
    ...     def value_and_derivative(y, z, p):
    ...         size = abs(z - y)
    ...         value = size + math.log1p(math.exp(-2.0 * size)) - math.log(2.0)
    ...         return value, math.tanh(z - y)
    >>> LogCosh().gradient([1.0, 2.0], [1.0, 50.0])
    array([0., 1.])
    >>> round(LogCosh().best_constant([0.0, 1.0, 5.0]), 3)
    1.175
    """

    tasks: frozenset[str] = REGRESSION
    smooth: bool = False
    curvature: float | None = None
    probabilities: bool = False
    softmax: bool = False
    identity_link: bool = True
    convex: bool = True
    least: float | None = None
    trivial_minimum: bool = False
    of_residual: bool = False
    _parameter_constraints: ClassVar[dict] = {}

    def parameters(self) -> tuple[float, ...]:
        """Hyper-parameters as numbers for :meth:`value_and_derivative`.

        Returns
        -------
        tuple of float
            Entries of the float64 array ``p``, in a fixed order.  Default: none.
        """
        return ()

    @staticmethod
    def value_and_derivative(
        y: float, z: float, p: NDArray[np.float64]
    ) -> tuple[float, float]:
        """Return ℓ(y, z) and dℓ/dz for one row.

        The function runs as it stands under Python and compiled in the innermost
        loop of training, so it may use scalars and :mod:`math` only, must return
        two floats in every branch, and must not let ``math.exp`` overflow (an
        exception in Python, inf when compiled).  A z of nan must give a value of
        nan, or a diverged model looks like a perfect one.

        Parameters
        ----------
        y : float
            Target; -1.0 or +1.0 for classification.
        z : float
            Raw score.
        p : float64 array
            The numbers from :meth:`parameters`.

        Returns
        -------
        value, derivative : float, float
        """
        raise NotImplementedError("a loss must define value_and_derivative(y, z, p)")

    def residual_slopes(self) -> tuple[float, float] | None:
        """The slopes on both sides of the kink of a loss that has one.

        Such a loss is ℓ = max(low r, high r) of a residual r(y, z), see
        :meth:`residual`.  A search along full gradients rounds the kink off, and
        sharpens it until the answer is that of ℓ (Nesterov, "Smooth minimization of
        non-smooth functions", 2005).

        Returns
        -------
        (low, high) : tuple of float, or None
            low ≤ 0 ≤ high.  None, the default, for losses without this form.
        """
        return None

    @staticmethod
    def residual(y: float, z: float, p: NDArray[Any]) -> tuple[float, float]:
        """Return r(y, z) and dr/dz, for losses with :meth:`residual_slopes`.

        Written as :meth:`value_and_derivative`, and compiled like it.

        Parameters
        ----------
        y, z : float
            Target and raw score.
        p : float64 array
            The numbers from :meth:`parameters`, and others after them.

        Returns
        -------
        r, derivative : float, float
        """
        raise NotImplementedError("a loss with residual_slopes defines residual")

    def value(self, y: ArrayLike, z: ArrayLike) -> NDArray[Any]:
        """Elementwise ℓ(y, z), without compilation.

        Parameters
        ----------
        y, z : array-like
            Targets and raw scores of broadcastable shapes.

        Returns
        -------
        float64 array of the broadcast shape
        """
        return self._evaluate(y, z)[0]

    def gradient(self, y: ArrayLike, z: ArrayLike) -> NDArray[np.float64]:
        """Elementwise dℓ/dz, without compilation; arguments as :meth:`value`.

        Parameters
        ----------
        y, z : array-like
            Targets and raw scores of broadcastable shapes.

        Returns
        -------
        float64 array of the broadcast shape
        """
        return self._evaluate(y, z)[1]

    def _evaluate(self, y, z):
        p = np.asarray(self.parameters(), dtype=np.float64)
        pair = np.frompyfunc(lambda y, z: self.value_and_derivative(y, z, p), 2, 2)
        # Overflow to inf is the right answer here, and the compiled one is silent.
        with np.errstate(over="ignore", invalid="ignore"):
            values = pair(np.asarray(y, np.float64), np.asarray(z, np.float64))
        return tuple(np.asarray(v, dtype=np.float64) for v in values)

    def inverse_link(self, z: NDArray[Any]) -> NDArray[Any]:
        """Prediction of a regressor from its raw score; by default z itself.

        Parameters
        ----------
        z : array
            Raw scores.

        Returns
        -------
        array of the shape and dtype of z
        """
        return z

    def check_target(self, y: NDArray[Any]) -> None:
        """Raise ValueError when y leaves the range of the loss; by default, never.

        Parameters
        ----------
        y : array
            Targets, finite.

        Raises
        ------
        ValueError
            Naming the range and the offending value.
        """

    def best_constant(
        self, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Score z that minimises Σᵢ sᵢ ℓ(yᵢ, z): the best model without features.

        This default finds where the derivative of the sum changes sign, which is
        the minimum for every convex loss.  It evaluates the loss in Python once
        per distinct target and trial score: override it where a formula exists.

        Parameters
        ----------
        y : array-like of shape (n,)
            Targets; -1 and +1 for classification.
        sample_weight : array-like of shape (n,), default=None
            Weights s ≥ 0, not all zero.  None means 1 for each row.

        Returns
        -------
        float
            Always finite; 0.0, which prefers nothing, if no minimum is found.
        """
        y, weight = _weighted(y, sample_weight)
        targets, group = np.unique(y, return_inverse=True)
        mass = np.bincount(group, weights=weight)

        def slope(z):
            return float(mass @ self.gradient(targets, z))

        low, high = min(targets[0], 0.0), max(targets[-1], 0.0)
        stride = max(high - low, 1.0)
        # Six doublings search 63 times the range of y: a minimum farther out is
        # one at infinity (a class is missing) for all practical purposes.
        for _ in range(7):
            if slope(low) <= 0.0 <= slope(high):
                return _sign_change(slope, low, high)
            low, high, stride = low - stride, high + stride, 2.0 * stride
        return 0.0

    def conjugate(self, y: Any, u: Any) -> NDArray[Any]:
        """Convex conjugate ℓ*(y, u) = sup_z (u z - ℓ(y, z)), elementwise.

        With it a model can be proven to be near its minimum; without it the distance
        is estimated.  Whoever defines it defines :meth:`slopes`, and
        :meth:`curvature_at` or :meth:`kinks`, too.

        Parameters
        ----------
        y, u : arrays
            Targets, and slopes, of broadcastable shapes.

        Returns
        -------
        float64 array of the broadcast shape
            inf for slopes that the loss nowhere has, not even in the limit.

        Raises
        ------
        NotImplementedError
            If the loss does not define it, which is the default.

        References
        ----------
        R. T. Rockafellar, "Convex Analysis" (1970).

        Examples
        --------
        >>> from skgd.losses import Hinge
        >>> Hinge().conjugate([1.0, 1.0, 1.0], [-1.0, -0.5, 0.5])
        array([-1. , -0.5,  inf])
        """
        raise NotImplementedError(f"{type(self).__name__} defines no conjugate")

    def slopes(self, y: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Bounds of dℓ/dz over all z, where ℓ* is finite.

        Parameters
        ----------
        y : array
            Targets.

        Returns
        -------
        low, high : float64 arrays of the shape of y
            low ≤ 0 ≤ high; -inf or inf where there is no bound, as by default.
        """
        y = np.asarray(y, dtype=np.float64)
        return np.full(y.shape, -np.inf), np.full(y.shape, np.inf)

    def curvature_at(self, y: Any, z: Any) -> NDArray[Any]:
        """d²ℓ/dz², elementwise; one of the two one-sided values where ℓ' bends.

        Parameters
        ----------
        y, z : arrays
            Targets and raw scores of broadcastable shapes.

        Returns
        -------
        float64 array of the broadcast shape
            By default zero, as between the kinks of a piecewise linear loss.
        """
        return np.zeros(np.broadcast(y, z).shape)

    def kinks(self, y: Any) -> list[tuple[Any, Any, Any]]:
        """Where the slope of a piecewise linear loss jumps.

        Parameters
        ----------
        y : array
            Targets.

        Returns
        -------
        list of (position, below, above)
            Arrays of the shape of y.  The slope of ℓ at z is the sum over the kinks of
            `below` for z < position and `above` for z > position.  Empty, the default,
            for losses that are not piecewise linear.
        """
        return []

    def probability(self, z: NDArray[Any]) -> NDArray[Any]:
        """P(y = +1 | z), elementwise, for losses with ``probabilities`` set.

        Parameters
        ----------
        z : array
            Raw scores.

        Returns
        -------
        array of the shape and dtype of z

        Raises
        ------
        NotImplementedError
            If the loss does not estimate probabilities.
        """
        raise NotImplementedError(f"{type(self).__name__} has no probabilities")

    def predict_proba(self, z: NDArray[Any]) -> NDArray[np.float64]:
        """Class probabilities from the scores of one or of several binary models.

        Parameters
        ----------
        z : array of shape (n,) or (n, n_classes)
            Scores of the second of two classes, or one-vs-rest scores.

        Returns
        -------
        array of shape (n, 2) or (n, n_classes)
            Rows sum to one.  One-vs-rest estimates are divided by their sum; a row
            that no class claims (all zero) gets equal probabilities.

        Notes
        -----
        Two classes use P(-1 | z) = P(+1 | -z), true of every loss of the margin
        y z and more exact than 1 - P for large z.  Several classes: Zadrozny and
        Elkan, "Transforming classifier scores into accurate multiclass
        probability estimates" (2002).

        Examples
        --------
        >>> import numpy as np
        >>> from skgd.losses import ModifiedHuber
        >>> ModifiedHuber().predict_proba(np.array([0.5, -3.0]))
        array([[0.25, 0.75],
               [1.  , 0.  ]])
        >>> ModifiedHuber().predict_proba(np.array([[1.0, 0.0, -1.0], [-2, -2, -2]]))
        array([[0.66666667, 0.33333333, 0.        ],
               [0.33333333, 0.33333333, 0.33333333]])
        """
        z = np.asarray(z)
        if z.ndim == 1:
            is_float = z.dtype == np.float64 or z.dtype == np.float32
            dtype = z.dtype if is_float else np.result_type(z.dtype, np.float32)
            both = np.empty((z.size, 2), dtype)
            both[:, 0], both[:, 1] = self.probability(-z), self.probability(z)
            return both
        claim = self.probability(z)
        total = claim.sum(axis=1, keepdims=True)
        claim = np.where(total == 0, np.ones_like(claim), claim)
        return claim / claim.sum(axis=1, keepdims=True)


# ---------------------------------------------------------------- regression


@LOSSES.named("squared_error")
class SquaredError(Loss):
    """Half the squared error: ℓ(y, z) = ½ (z - y)², dℓ/dz = z - y.

    The best constant is the weighted mean.  For classification it is applied to
    y = ±1 (least-squares classifier).

    Notes
    -----
    Curvature c = 1: d²ℓ/dz² = 1 everywhere.

    References
    ----------
    A.-M. Legendre, "Nouvelles méthodes pour la détermination des orbites des
    comètes" (1805).

    Examples
    --------
    >>> from skgd.losses import SquaredError
    >>> SquaredError().value([1.0, 2.0], [4.0, 2.0])
    array([4.5, 0. ])
    """

    least = 0.0
    tasks = REGRESSION | CLASSIFICATION
    of_residual = True
    smooth = True
    curvature = 1.0

    @staticmethod
    def value_and_derivative(y, z, p):
        residual = z - y
        return 0.5 * residual * residual, residual

    def best_constant(self, y, sample_weight=None):
        return _weighted_mean(y, sample_weight)

    def conjugate(self, y: Any, u: Any) -> NDArray[Any]:
        return np.multiply(u, np.multiply(0.5, u) + y)

    def curvature_at(self, y: Any, z: Any) -> NDArray[Any]:
        return np.ones(np.broadcast(y, z).shape)


@LOSSES.named("huber")
class Huber(Loss):
    """Half squared error for small residuals, absolute error for large ones.

    With r = z - y: ``ℓ(y, z) = ½ r² for |r| ≤ ε, else ε |r| - ½ ε²``;
    dℓ/dz = r clipped to [-ε, ε].  An outlier pulls no harder than a residual of ε.

    Parameters
    ----------
    epsilon : float > 0, default=1.35
        Residual at which the loss turns linear, in units of y.  1.35 keeps 95 % of
        the efficiency of least squares when the errors are normal with standard
        deviation 1, so scale y, or ε, to the size of the errors.

    Notes
    -----
    Curvature c = 1: d²ℓ/dz² is 1 inside and 0 outside.  There is no estimated
    scale as in ``HuberRegressor``; the loss is that of ``SGDRegressor``.

    References
    ----------
    P. J. Huber, "Robust estimation of a location parameter" (1964).

    Examples
    --------
    >>> from skgd.losses import Huber
    >>> Huber(epsilon=1.0).gradient([0.0, 0.0], [0.5, 10.0])
    array([0.5, 1. ])
    """

    least = 0.0
    of_residual = True
    smooth = True
    curvature = 1.0
    _parameter_constraints: ClassVar[dict] = {
        "epsilon": [Interval(Real, 0, None, closed="neither")]
    }

    def __init__(self, epsilon: float = 1.35) -> None:
        self.epsilon = epsilon

    def parameters(self):
        return (float(self.epsilon),)

    @staticmethod
    def value_and_derivative(y, z, p):
        # One product covers the three pieces: branches on noise are slow to predict.
        residual = z - y
        clipped = min(max(residual, -p[0]), p[0])
        return clipped * (residual - 0.5 * clipped), clipped

    def best_constant(self, y, sample_weight=None):
        y, weight = _weighted(y, sample_weight)

        def slope(z):
            return float(weight @ np.clip(z - y, -self.epsilon, self.epsilon))

        return _sign_change(slope, y.min(), y.max())

    def conjugate(self, y: Any, u: Any) -> NDArray[Any]:
        value = np.multiply(u, np.multiply(0.5, u) + y)
        return np.where(np.abs(u) <= self.epsilon, value, np.inf)

    def slopes(self, y: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        return _constant_slopes(y, -self.epsilon, self.epsilon)

    def curvature_at(self, y: Any, z: Any) -> NDArray[Any]:
        return (np.abs(np.subtract(z, y)) <= self.epsilon).astype(np.float64)


@LOSSES.named("absolute_error")
class AbsoluteError(Loss):
    """Absolute error: ``ℓ(y, z) = |z - y|``, dℓ/dz = sign(z - y).

    The best constant is the weighted median.

    Notes
    -----
    No curvature bound: the slope jumps from -1 to 1 at z = y, where 0 is returned,
    so that a row fitted exactly causes no update.

    References
    ----------
    F. Y. Edgeworth, "On observations relating to several quantities" (1887).

    Examples
    --------
    >>> from skgd.losses import AbsoluteError
    >>> AbsoluteError().gradient([1.0, 1.0, 1.0], [-4.0, 1.0, 2.0])
    array([-1.,  0.,  1.])
    """

    least = 0.0
    of_residual = True

    @staticmethod
    def value_and_derivative(y, z, p):
        residual = z - y
        if residual > 0.0:
            return residual, 1.0
        if residual < 0.0:
            return -residual, -1.0
        return abs(residual), 0.0

    def residual_slopes(self) -> tuple[float, float] | None:
        return -1.0, 1.0

    @staticmethod
    def residual(y: float, z: float, p: NDArray[Any]) -> tuple[float, float]:
        return z - y, 1.0

    def best_constant(self, y, sample_weight=None):
        return _weighted_quantile(*_weighted(y, sample_weight), 0.5)

    def conjugate(self, y: Any, u: Any) -> NDArray[Any]:
        return np.where(np.abs(u) <= 1.0, np.multiply(u, y), np.inf)

    def slopes(self, y: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        return _constant_slopes(y, -1.0, 1.0)

    def kinks(self, y: Any) -> list[tuple[Any, Any, Any]]:
        return [(np.asarray(y, dtype=np.float64), *self.slopes(y))]


@LOSSES.named("quantile")
class Quantile(Loss):
    """Pinball loss, whose minimiser is a quantile of y given x.

    ℓ(y, z) = q (y - z) for z ≤ y, else (1 - q) (z - y);
    dℓ/dz = -q for z < y, 1 - q for z > y.  The best constant is the weighted
    quantile.

    Parameters
    ----------
    quantile : float in (0, 1), default=0.5
        The quantile q.  0.5 is the median, where ℓ is half the absolute error.

    Notes
    -----
    No curvature bound: the slope jumps at z = y, where 0 is returned, so that a
    row fitted exactly causes no update.  Same sign and scale as
    ``QuantileRegressor`` and :func:`sklearn.metrics.mean_pinball_loss`.

    References
    ----------
    R. Koenker and G. Bassett, "Regression quantiles" (1978).

    Examples
    --------
    >>> from skgd.losses import Quantile
    >>> Quantile(quantile=0.75).value([1.0, 1.0], [0.0, 2.0])
    array([0.75, 0.25])
    """

    least = 0.0
    of_residual = True
    _parameter_constraints: ClassVar[dict] = {
        "quantile": [Interval(Real, 0, 1, closed="neither")]
    }

    def __init__(self, quantile: float = 0.5) -> None:
        self.quantile = quantile

    def parameters(self):
        return (float(self.quantile),)

    @staticmethod
    def value_and_derivative(y, z, p):
        quantile = p[0]
        residual = z - y
        if residual > 0.0:
            return (1.0 - quantile) * residual, 1.0 - quantile
        if residual < 0.0:
            return -quantile * residual, -quantile
        return abs(residual), 0.0

    def residual_slopes(self) -> tuple[float, float] | None:
        return -float(self.quantile), 1.0 - float(self.quantile)

    @staticmethod
    def residual(y: float, z: float, p: NDArray[Any]) -> tuple[float, float]:
        return z - y, 1.0

    def best_constant(self, y, sample_weight=None):
        return _weighted_quantile(*_weighted(y, sample_weight), self.quantile)

    def conjugate(self, y: Any, u: Any) -> NDArray[Any]:
        q, u = self.quantile, np.asarray(u)
        return np.where((u >= -q) & (u <= 1.0 - q), u * y, np.inf)

    def slopes(self, y: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        return _constant_slopes(y, -self.quantile, 1.0 - self.quantile)

    def kinks(self, y: Any) -> list[tuple[Any, Any, Any]]:
        return [(np.asarray(y, dtype=np.float64), *self.slopes(y))]


@LOSSES.named("epsilon_insensitive")
class EpsilonInsensitive(Loss):
    """Absolute error beyond a tube that costs nothing.

    With r = z - y: ``ℓ(y, z) = max(0, |r| - ε)``, and
    ``dℓ/dz = sign(r) for |r| > ε, else 0``.
    The loss of support vector regression.

    Parameters
    ----------
    epsilon : float ≥ 0, default=0.1
        Half the width of the tube, in units of y.  0.1 as in ``SGDRegressor`` and
        ``SVR``; 0 gives the absolute error.

    Notes
    -----
    No curvature bound: the slope jumps at ``|r| = ε``.

    References
    ----------
    V. N. Vapnik, "The Nature of Statistical Learning Theory" (1995).

    Examples
    --------
    >>> from skgd.losses import EpsilonInsensitive
    >>> EpsilonInsensitive(epsilon=0.5).value([0.0, 0.0], [0.25, -2.0])
    array([0. , 1.5])
    """

    least = 0.0
    of_residual = True
    _parameter_constraints: ClassVar[dict] = {
        "epsilon": [Interval(Real, 0, None, closed="left")]
    }

    def __init__(self, epsilon: float = 0.1) -> None:
        self.epsilon = epsilon

    def parameters(self):
        return (float(self.epsilon),)

    @staticmethod
    def value_and_derivative(y, z, p):
        residual = z - y
        excess = abs(residual) - p[0]
        if excess <= 0.0:
            return 0.0, 0.0
        return excess, math.copysign(1.0, residual)

    def residual_slopes(self) -> tuple[float, float] | None:
        return 0.0, 1.0

    @staticmethod
    def residual(y: float, z: float, p: NDArray[Any]) -> tuple[float, float]:
        residual = z - y
        return abs(residual) - p[0], math.copysign(1.0, residual)

    def best_constant(self, y, sample_weight=None):
        y, weight = _weighted(y, sample_weight)
        # max(0, |r| - ε) = ½ (|r - ε| + |r + ε|) - ε: absolute error to both edges.
        edges = np.concatenate([y - self.epsilon, y + self.epsilon])
        return _weighted_quantile(edges, np.concatenate([weight, weight]), 0.5)

    def conjugate(self, y: Any, u: Any) -> NDArray[Any]:
        size = np.abs(u)
        return np.where(size <= 1.0, np.multiply(u, y) + self.epsilon * size, np.inf)

    def slopes(self, y: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        return _constant_slopes(y, -1.0, 1.0)

    def kinks(self, y: Any) -> list[tuple[Any, Any, Any]]:
        y = np.asarray(y, dtype=np.float64)
        return [
            (y - self.epsilon, *_constant_slopes(y, -1.0, 0.0)),
            (y + self.epsilon, *_constant_slopes(y, 0.0, 1.0)),
        ]


@LOSSES.named("squared_epsilon_insensitive")
class SquaredEpsilonInsensitive(Loss):
    """Squared error beyond a tube that costs nothing.

    With r = z - y: ``ℓ(y, z) = max(0, |r| - ε)²``, and
    ``dℓ/dz = 2 sign(r) max(0, |r| - ε)``.
    There is no factor ½, as in ``SGDRegressor``.

    Parameters
    ----------
    epsilon : float ≥ 0, default=0.1
        Half the width of the tube, in units of y.  0.1 as in ``SGDRegressor``; 0
        gives the squared error, twice :class:`SquaredError`.

    Notes
    -----
    Curvature c = 2: d²ℓ/dz² is 0 inside the tube and 2 outside.

    References
    ----------
    C.-H. Ho and C.-J. Lin, "Large-scale linear support vector regression" (2012).

    Examples
    --------
    >>> from skgd.losses import SquaredEpsilonInsensitive
    >>> SquaredEpsilonInsensitive(epsilon=0.5).gradient([0.0, 0.0], [0.25, -2.0])
    array([ 0., -3.])
    """

    least = 0.0
    of_residual = True
    smooth = True
    curvature = 2.0
    _parameter_constraints: ClassVar[dict] = {
        "epsilon": [Interval(Real, 0, None, closed="left")]
    }

    def __init__(self, epsilon: float = 0.1) -> None:
        self.epsilon = epsilon

    def parameters(self):
        return (float(self.epsilon),)

    @staticmethod
    def value_and_derivative(y, z, p):
        residual = z - y
        excess = abs(residual) - p[0]
        if excess <= 0.0:
            return 0.0, 0.0
        return excess * excess, math.copysign(2.0 * excess, residual)

    def best_constant(self, y, sample_weight=None):
        y, weight = _weighted(y, sample_weight)

        def slope(z):
            residual = z - y
            excess = np.maximum(np.abs(residual) - self.epsilon, 0.0)
            return float(weight @ np.copysign(excess, residual))

        return _sign_change(slope, y.min(), y.max())

    def conjugate(self, y: Any, u: Any) -> NDArray[Any]:
        size = np.abs(u)
        return size * (0.25 * size + self.epsilon) + np.multiply(u, y)

    def curvature_at(self, y: Any, z: Any) -> NDArray[Any]:
        return 2.0 * (np.abs(np.subtract(z, y)) > self.epsilon)


@LOSSES.named("poisson")
class Poisson(Loss):
    """Half the Poisson deviance with log link, for counts and frequencies.

    ℓ(y, z) = exp(z) - y z, dℓ/dz = exp(z) - y; the prediction is exp(z), and y ≥ 0.
    Dropped from half the deviance: y log(y) - y, which does not involve z.  The
    best constant is the logarithm of the weighted mean; if every y is 0, that of
    ½ / Σᵢ sᵢ, the estimate under Jeffreys' prior.

    Notes
    -----
    No curvature bound: d²ℓ/dz² = exp(z).  For z > 350 the exponential is replaced
    by its tangent, which stays convex and finite.

    References
    ----------
    P. McCullagh and J. A. Nelder, "Generalized Linear Models" (1989).

    Examples
    --------
    >>> from skgd.losses import Poisson
    >>> Poisson().gradient([0.0, 3.0], [0.0, 0.0])
    array([ 1., -2.])
    """

    smooth = True
    identity_link = False

    @staticmethod
    def value_and_derivative(y, z, p):
        if z > EXPONENT_LIMIT:
            slope = EXP_AT_LIMIT - y
            return EXP_AT_LIMIT * (1.0 - EXPONENT_LIMIT) + slope * z, slope
        mean = math.exp(z)
        return mean - y * z, mean - y

    def inverse_link(self, z):
        return np.exp(z)

    def check_target(self, y):
        if np.any(np.asarray(y) < 0):
            raise ValueError(
                f"{type(self).__name__} needs y in [0, inf), "
                f"but the smallest y is {np.min(y)}."
            )

    def best_constant(self, y, sample_weight=None):
        y, weight = _weighted(y, sample_weight)
        return math.log((float(weight @ y) or 0.5) / float(weight.sum()))

    def conjugate(self, y: Any, u: Any) -> NDArray[Any]:
        mean = np.add(u, y)
        inside = (mean >= 0.0) & (mean <= EXP_AT_LIMIT)
        mean = np.where(inside, mean, 0.0)
        return np.where(inside, xlogy(mean, mean) - mean, np.inf)

    def slopes(self, y: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        y = np.asarray(y, dtype=np.float64)
        return -y, EXP_AT_LIMIT - y

    def curvature_at(self, y: Any, z: Any) -> NDArray[Any]:
        z = np.broadcast_to(z, np.broadcast(y, z).shape)
        return np.where(z > EXPONENT_LIMIT, 0.0, np.exp(np.minimum(z, EXPONENT_LIMIT)))


@LOSSES.named("gamma")
class Gamma(Loss):
    """Half the gamma deviance with log link, for positive, skewed y.

    ℓ(y, z) = z + y exp(-z), dℓ/dz = 1 - y exp(-z); the prediction is exp(z), and
    y > 0.  Dropped from half the deviance: -log(y) - 1, which does not involve z.
    The best constant is the logarithm of the weighted mean.

    Notes
    -----
    No curvature bound: d²ℓ/dz² = y exp(-z).  For z < -350 the exponential is
    replaced by its tangent, which stays convex and finite.

    References
    ----------
    P. McCullagh and J. A. Nelder, "Generalized Linear Models" (1989).

    Examples
    --------
    >>> from skgd.losses import Gamma
    >>> Gamma().gradient([1.0, 3.0], [0.0, 0.0])
    array([ 0., -2.])
    """

    smooth = True
    identity_link = False

    @staticmethod
    def value_and_derivative(y, z, p):
        if z < -EXPONENT_LIMIT:
            steepness = y * EXP_AT_LIMIT
            slope = 1.0 - steepness
            return steepness * (1.0 - EXPONENT_LIMIT) + slope * z, slope
        ratio = y * math.exp(-z)
        return z + ratio, 1.0 - ratio

    def inverse_link(self, z):
        return np.exp(z)

    def check_target(self, y):
        if np.any(np.asarray(y) <= 0):
            raise ValueError(
                f"{type(self).__name__} needs y in (0, inf), "
                f"but the smallest y is {np.min(y)}."
            )

    def best_constant(self, y, sample_weight=None):
        return math.log(_weighted_mean(y, sample_weight))

    def conjugate(self, y: Any, u: Any) -> NDArray[Any]:
        ratio = np.subtract(1.0, u)
        y, ratio = np.broadcast_arrays(np.asarray(y, dtype=np.float64), ratio)
        inside = (ratio >= 0.0) & (ratio <= y * EXP_AT_LIMIT)
        ratio = np.where(inside, ratio, 0.0)
        return np.where(inside, xlogy(ratio, ratio / y) - ratio, np.inf)

    def slopes(self, y: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        y = np.asarray(y, dtype=np.float64)
        return 1.0 - y * EXP_AT_LIMIT, np.ones(y.shape)

    def curvature_at(self, y: Any, z: Any) -> NDArray[Any]:
        ratio = y * np.exp(-np.maximum(z, -EXPONENT_LIMIT))
        return np.where(np.less(z, -EXPONENT_LIMIT), 0.0, ratio)


@LOSSES.named("tweedie")
class Tweedie(Poisson):
    """Half the Tweedie deviance with log link, for amounts of which many are zero.

    With 1 < p < 2: ``ℓ(y, z) = exp((2 - p) z) / (2 - p) + y exp((1 - p) z) / (p - 1)``,
    dℓ/dz = exp((2 - p) z) - y exp((1 - p) z); the prediction is exp(z), and y ≥ 0.
    Dropped from half the deviance: y^(2 - p) / ((1 - p) (2 - p)), which does not
    involve z.  The best constant is that of :class:`Poisson`.

    Parameters
    ----------
    power : float in (1, 2), default=1.5
        The variance of y is taken to grow as its mean to this power p, as that of a
        Poisson number of gamma amounts does: claims, rain, sales of a day.  Close to 1
        the loss is :class:`Poisson`'s, close to 2 :class:`Gamma`'s, up to what does not
        involve z.  1.5 is between the two; claims of insurers are fitted with 1.5 to
        1.9.

    Notes
    -----
    No curvature bound.  An exponent beyond 350 is replaced by its tangent, which stays
    convex and finite.  Same loss and `power` as ``TweedieRegressor``, whose default is
    0, the squared error.

    References
    ----------
    M. C. K. Tweedie, "An index which distinguishes between some important exponential
    families" (1984).  B. Jørgensen and M. C. P. de Souza, "Fitting Tweedie's compound
    Poisson model to insurance claims data" (1994).

    Examples
    --------
    >>> from skgd.losses import Tweedie
    >>> Tweedie().gradient([0.0, 3.0], [0.0, 0.0])
    array([ 1., -2.])
    """

    _parameter_constraints: ClassVar[dict] = {
        "power": [Interval(Real, 1, 2, closed="neither")]
    }

    def __init__(self, power=1.5):
        self.power = power

    def parameters(self):
        return (float(self.power),)

    @staticmethod
    def value_and_derivative(y, z, p):
        rising, falling = 2.0 - p[0], p[0] - 1.0
        up, down = rising * z, -falling * z
        # Written so that a z of nan takes the branches without a tangent.
        if up > EXPONENT_LIMIT:
            growth, value = EXP_AT_LIMIT, EXP_AT_LIMIT * (1.0 + up - EXPONENT_LIMIT)
        else:
            growth = math.exp(up)
            value = growth
        value /= rising
        if down > EXPONENT_LIMIT:
            decay = y * EXP_AT_LIMIT
            value += decay * (1.0 + down - EXPONENT_LIMIT) / falling
        else:
            decay = y * math.exp(down)
            value += decay / falling
        return value, growth - decay


# ------------------------------------------------------------ classification


@LOSSES.named("log_loss")
class LogLoss(Loss):
    """Binary cross-entropy of logistic regression, y = ±1.

    ℓ(y, z) = log(1 + exp(-y z)), dℓ/dz = -y / (1 + exp(y z)); the probability of
    +1 is 1 / (1 + exp(-z)).  The best constant is the log-odds; if one class is
    absent, the log-odds with half a row added to each (Jeffreys' prior), a finite
    score that grows with the evidence.

    Notes
    -----
    Curvature c = ¼: d²ℓ/dz² = P (1 - P) with P the probability of +1, largest at
    P = ½.

    References
    ----------
    D. R. Cox, "The regression analysis of binary sequences" (1958).  Half a row:
    H. Jeffreys, "An invariant form for the prior probability in estimation
    problems" (1946).

    Examples
    --------
    >>> from skgd.losses import LogLoss
    >>> LogLoss().value([1, -1, 1], [0.0, 0.0, -1000.0]).round(4)
    array([6.931e-01, 6.931e-01, 1.000e+03])
    >>> round(LogLoss().best_constant([1, 1, 1, -1]), 4)
    1.0986
    """

    least = 0.0
    tasks = CLASSIFICATION
    smooth = True
    curvature = 0.25
    probabilities = True
    softmax = True

    @staticmethod
    def value_and_derivative(y, z, p):
        # One exponential, of a number ≤ 0, serves both results and cannot overflow.
        margin = y * z
        decay = math.exp(-abs(margin))
        error = (decay if margin > 0.0 else 1.0) / (1.0 + decay)
        return max(-margin, 0.0) + math.log1p(decay), -y * error

    def probability(self, z):
        return expit(z)

    def best_constant(self, y, sample_weight=None):
        y, weight = _weighted(y, sample_weight)
        above = y > 0
        positive, negative = float(weight[above].sum()), float(weight[~above].sum())
        if positive == 0.0 or negative == 0.0:
            positive, negative = positive + 0.5, negative + 0.5
        return math.log(positive) - math.log(negative)

    def conjugate(self, y: Any, u: Any) -> NDArray[Any]:
        v = -np.multiply(y, u)
        inside = (v >= 0.0) & (v <= 1.0)
        v = np.where(inside, v, 0.0)
        return np.where(inside, xlogy(v, v) + xlogy(1.0 - v, 1.0 - v), np.inf)

    def slopes(self, y: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        return _margin_slopes(y, 1.0)

    def curvature_at(self, y: Any, z: Any) -> NDArray[Any]:
        z = np.broadcast_to(z, np.broadcast(y, z).shape)
        return expit(z) * expit(-z)


@LOSSES.named("perceptron")
class Perceptron(Loss):
    """Loss of Rosenblatt's rule, y = ±1: ℓ(y, z) = max(0, -y z).

    dℓ/dz = -y for y z ≤ 0, else 0.  A score of exactly 0 counts as an error, as in
    ``sklearn.linear_model.Perceptron``; without that the rule could not leave the
    zero vector.  The best constant is 0, where the loss vanishes.

    Notes
    -----
    No curvature bound: the slope jumps at y z = 0.

    References
    ----------
    F. Rosenblatt, "The perceptron: a probabilistic model for information storage
    and organization in the brain" (1958).

    Examples
    --------
    >>> from skgd.losses import Perceptron
    >>> Perceptron().gradient([1, 1, -1], [0.0, 2.0, 2.0])
    array([-1.,  0.,  1.])
    """

    least = 0.0
    tasks = CLASSIFICATION
    trivial_minimum = True

    @staticmethod
    def value_and_derivative(y, z, p):
        margin = y * z
        if margin > 0.0:
            return 0.0, 0.0
        return 0.0 - margin, -y

    def best_constant(self, y, sample_weight=None):
        return 0.0

    def conjugate(self, y: Any, u: Any) -> NDArray[Any]:
        v = -np.multiply(y, u)
        return np.where((v >= 0.0) & (v <= 1.0), 0.0, np.inf)

    def slopes(self, y: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        return _margin_slopes(y, 1.0)

    def kinks(self, y: Any) -> list[tuple[Any, Any, Any]]:
        return [(np.zeros(np.shape(y)), *self.slopes(y))]


@LOSSES.named("hinge")
class Hinge(Loss):
    """Loss of the linear support vector machine, y = ±1: ℓ(y, z) = max(0, 1 - y z).

    dℓ/dz = -y for y z ≤ 1, else 0 (as ``SGDClassifier``, the margin 1 itself still
    updates).  The best constant is +1 or -1, the heavier class, and 0 for a tie.

    Notes
    -----
    No curvature bound: the slope jumps at y z = 1.

    References
    ----------
    C. Cortes and V. Vapnik, "Support-vector networks" (1995).

    Examples
    --------
    >>> from skgd.losses import Hinge
    >>> Hinge().value([1, 1, -1], [0.25, 3.0, 1.0])
    array([0.75, 0.  , 2.  ])
    """

    least = 0.0
    tasks = CLASSIFICATION

    @staticmethod
    def value_and_derivative(y, z, p):
        margin = y * z
        if margin > 1.0:
            return 0.0, 0.0
        return 1.0 - margin, -y

    def residual_slopes(self) -> tuple[float, float] | None:
        return 0.0, 1.0

    @staticmethod
    def residual(y: float, z: float, p: NDArray[Any]) -> tuple[float, float]:
        return 1.0 - y * z, -y

    def best_constant(self, y, sample_weight=None):
        return float(np.sign(_weighted_mean(y, sample_weight)))

    def conjugate(self, y: Any, u: Any) -> NDArray[Any]:
        v = -np.multiply(y, u)
        return np.where((v >= 0.0) & (v <= 1.0), -v, np.inf)

    def slopes(self, y: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        return _margin_slopes(y, 1.0)

    def kinks(self, y: Any) -> list[tuple[Any, Any, Any]]:
        return [(np.asarray(y, dtype=np.float64), *self.slopes(y))]


@LOSSES.named("squared_hinge")
class SquaredHinge(Loss):
    """Squared hinge, y = ±1: ℓ(y, z) = max(0, 1 - y z)², without a factor ½.

    dℓ/dz = -2 y max(0, 1 - y z).  The best constant is the weighted mean of y.

    Notes
    -----
    Curvature c = 2: d²ℓ/dz² is 2 for y z < 1, else 0.

    References
    ----------
    K.-W. Chang, C.-J. Hsieh and C.-J. Lin, "Coordinate descent method for
    large-scale L2-loss linear support vector machines" (2008).

    Examples
    --------
    >>> from skgd.losses import SquaredHinge
    >>> SquaredHinge().value([1, 1, -1], [0.5, 3.0, 1.0])
    array([0.25, 0.  , 4.  ])
    """

    least = 0.0
    tasks = CLASSIFICATION
    smooth = True
    curvature = 2.0

    @staticmethod
    def value_and_derivative(y, z, p):
        shortfall = 1.0 - y * z
        if shortfall <= 0.0:
            return 0.0, 0.0
        return shortfall * shortfall, -2.0 * y * shortfall

    def best_constant(self, y, sample_weight=None):
        return _weighted_mean(y, sample_weight)

    def conjugate(self, y: Any, u: Any) -> NDArray[Any]:
        v = -np.multiply(y, u)
        return np.where(v >= 0.0, v * (0.25 * v - 1.0), np.inf)

    def slopes(self, y: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        return _margin_slopes(y, np.inf)

    def curvature_at(self, y: Any, z: Any) -> NDArray[Any]:
        return 2.0 * (np.multiply(y, z) < 1.0)


@LOSSES.named("modified_huber")
class ModifiedHuber(Loss):
    """Squared hinge that turns linear for gross errors, y = ±1.

    ℓ(y, z) = max(0, 1 - y z)² for y z ≥ -1, else -4 y z;
    dℓ/dz = -2 y max(0, 1 - y z) for y z ≥ -1, else -4 y.  The best constant is the
    weighted mean of y.

    Notes
    -----
    Curvature c = 2: d²ℓ/dz² is 2 for -1 < y z < 1, else 0.

    The score that minimises the expected loss is 2 P - 1 with P the probability of
    +1, hence the estimate P = (1 + clip(z, -1, 1)) / 2, that of ``SGDClassifier``.

    References
    ----------
    T. Zhang, "Solving large scale linear prediction problems using stochastic
    gradient descent algorithms" (2004).

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.losses import ModifiedHuber
    >>> ModifiedHuber().value([1, 1, 1], [0.5, -1.0, -5.0])
    array([ 0.25,  4.  , 20.  ])
    >>> ModifiedHuber().probability(np.array([-2.0, 0.0, 0.5]))
    array([0.  , 0.5 , 0.75])
    """

    least = 0.0
    tasks = CLASSIFICATION
    smooth = True
    curvature = 2.0
    probabilities = True

    @staticmethod
    def value_and_derivative(y, z, p):
        # Twice Huber's loss of the shortfall, bent at 2: one product, no branches.
        shortfall = max(1.0 - y * z, 0.0)
        clipped = min(shortfall, 2.0)
        return clipped * (2.0 * shortfall - clipped), -2.0 * y * clipped

    def probability(self, z):
        return (np.clip(z, -1.0, 1.0) + 1.0) / 2.0

    def best_constant(self, y, sample_weight=None):
        return _weighted_mean(y, sample_weight)

    def conjugate(self, y: Any, u: Any) -> NDArray[Any]:
        v = -np.multiply(y, u)
        return np.where((v >= 0.0) & (v <= 4.0), v * (0.25 * v - 1.0), np.inf)

    def slopes(self, y: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        return _margin_slopes(y, 4.0)

    def curvature_at(self, y: Any, z: Any) -> NDArray[Any]:
        return 2.0 * (np.abs(np.multiply(y, z)) < 1.0)


def loss_names(task: str) -> list[str]:
    """Names of the losses for one task, in the order of the registry.

    Parameters
    ----------
    task : {"regression", "classification"}

    Returns
    -------
    list of str

    Examples
    --------
    >>> from skgd.losses import loss_names
    >>> loss_names("classification")[:3]
    ['squared_error', 'log_loss', 'perceptron']
    """
    return [name for name, loss in LOSSES.items() if task in loss.tasks]


def get_loss(loss: str | Loss, task: str) -> Loss:
    """Loss object for what the user passed as ``loss=``.

    Parameters
    ----------
    loss : str or Loss
        A name, for the loss with its defaults, or an instance, returned as it is.
        "mse", "mae" and "cross_entropy" are understood, too.
    task : {"regression", "classification"}
        What it is to be used for.

    Returns
    -------
    Loss

    Raises
    ------
    ValueError
        If the name is unknown, the object is not an instance of :class:`Loss`, or
        the loss is not meant for the task.  The message lists the valid names.

    Examples
    --------
    >>> from skgd.losses import Huber, get_loss
    >>> get_loss("huber", "regression")
    Huber()
    >>> get_loss(Huber(epsilon=2.0), "regression")
    Huber(epsilon=2.0)
    >>> get_loss("hinge", "regression")
    Traceback (most recent call last):
        ...
    ValueError: loss='hinge' is not for regression; choose one of 'squared_error',...
    """
    found: Loss | None = None
    if isinstance(loss, Loss):
        found = loss
    elif isinstance(loss, str):
        with suppress(KeyError):
            found = LOSSES[loss]()
    if found is not None and task in found.tasks:
        return found
    problem = "is unknown" if found is None else f"is not for {task}"
    names = ", ".join(repr(name) for name in loss_names(task))
    near = did_you_mean(str(loss), loss_names(task)) if found is None else ""
    raise ValueError(
        f"loss={loss!r} {problem}; choose one of {names}, or pass an instance of "
        f"skgd.losses.Loss whose tasks include {task!r}.{near}"
    )


# ------------------------------------------------- helpers for best constants


def _weighted(y, sample_weight):
    """Return y and its weights as float64 in one piece, without weights of zero."""
    y = np.asarray(y, dtype=np.float64)
    if sample_weight is None:
        return y, np.ones_like(y)
    weight = np.asarray(sample_weight, dtype=np.float64)
    counts = weight > 0
    if counts.all():
        return np.ascontiguousarray(y), np.ascontiguousarray(weight)
    return y[counts], weight[counts]


def _weighted_mean(y, sample_weight):
    y, weight = _weighted(y, sample_weight)
    return float((y * weight).sum() / weight.sum())


def _weighted_quantile(y, weight, q):
    """Middle of the minimisers of the weighted pinball loss."""
    order = np.argsort(y, kind="stable")
    y, below = y[order], np.cumsum(weight[order])
    # Tolerate the rounding of the sum, so that weights of 2, of 2/3 and doubled
    # rows all meet the same tie, and split it.
    target, slack = q * below[-1], 1e-12 * below[-1]
    first = np.searchsorted(below, target - slack)
    last = np.searchsorted(below, target + slack, side="right")
    return float(0.5 * (y[first] + y[min(last, len(y) - 1)]))


def _sign_change(slope, low, high):
    """Where the nondecreasing function slope passes zero in [low, high]."""
    at_low, at_high = slope(low), slope(high)
    if at_low == at_high == 0.0:  # a flat bottom: its middle
        return float(0.5 * (low + high))
    if at_low >= 0.0:
        return float(low)
    if at_high <= 0.0:
        return float(high)
    precision = np.finfo(np.float64).eps
    return float(
        brentq(
            slope,
            low,
            high,
            xtol=precision * (high - low),
            rtol=4 * precision,
            maxiter=1000,
        )
    )


# ------------------------------------------------------- helpers for conjugates


def _constant_slopes(y, low, high):
    """The same bounds for every target."""
    return np.full(np.shape(y), float(low)), np.full(np.shape(y), float(high))


def _margin_slopes(y, steepest):
    """Bounds of the slope of a loss that falls with the margin, at most so steeply."""
    positive = np.asarray(y) > 0
    return np.where(positive, -steepest, 0.0), np.where(positive, 0.0, steepest)


__all__ = LOSSES.public(
    "LOSSES",
    "Loss",
    "get_loss",
    "loss_names",
)
