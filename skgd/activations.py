"""Activations of a network's hidden units, each once: value, derivative, first weights.

No layers, no backpropagation: the kernels apply these to whole buffers.
"""

import math
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erf, expit
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval

from skgd._registry import Registry, did_you_mean

ACTIVATIONS = Registry(sigmoid="logistic", linear="identity", swish="silu")

_SQRT_HALF = math.sqrt(0.5)
_NORMAL_DENSITY = 1.0 / math.sqrt(2.0 * math.pi)


class Activation(BaseEstimator):
    """Base of all activations a = f(z), applied to each unit of a hidden layer.

    A new activation is a subclass with `apply` and `value`. Pass an instance as
    ``activation=`` to use it.

    Attributes
    ----------
    rectifies : bool
        Whether about half of the units are silent at the start. Their weights are then
        drawn twice as large in variance (He et al., 2015) so that the signal keeps its
        size from layer to layer; otherwise as Glorot and Bengio (2010). Default: False.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.activations import Activation
    >>> class Square(Activation):
    ...     def value(self, z):
    ...         return z * z
    ...
    ...     @staticmethod
    ...     def apply(z, slope, p):
    ...         for i in range(z.size):
    ...             slope[i] = 2.0 * z[i]
    ...             z[i] *= z[i]
    >>> Square().value(np.array([1.0, 3.0]))
    array([1., 9.])
    >>> Square().derivative(np.array([1.0, 3.0]))
    array([2., 6.])
    """

    rectifies = False
    _parameter_constraints: ClassVar[dict] = {}

    def parameters(self) -> tuple[float, ...]:
        """Return the numbers that `apply` reads from `p`, a tuple of floats."""
        return ()

    def value(self, z: ArrayLike) -> NDArray[Any]:
        """f(z) in NumPy, as `predict` uses it.

        Parameters
        ----------
        z : array

        Returns
        -------
        array of the shape and dtype of z
        """
        raise NotImplementedError("an activation must define value(z)")

    @staticmethod
    def apply(z: NDArray[Any], slope: NDArray[Any], p: NDArray[np.float64]) -> None:
        """Replace z by f(z) and fill `slope` with f'(z), as training uses it.

        Runs as it stands under Python and compiled: plain loops and `math` alone.

        Parameters
        ----------
        z, slope : arrays of shape (n,)
        p : float64 array
            The numbers from `parameters`.
        """
        raise NotImplementedError("an activation must define apply(z, slope, p)")

    def derivative(self, z: ArrayLike) -> NDArray[Any]:
        """f'(z), without compilation.

        Parameters
        ----------
        z : array

        Returns
        -------
        float64 array of the shape of z
        """
        flat = np.array(z, dtype=np.float64).ravel()
        slope = np.empty_like(flat)
        self.apply(flat, slope, np.array(self.parameters(), dtype=np.float64))
        return slope.reshape(np.shape(z))


@ACTIVATIONS.named("identity")
class Identity(Activation):
    """a = z: the network stays a linear model.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.activations import Identity
    >>> Identity().value(np.array([-1.0, 2.0]))
    array([-1.,  2.])
    """

    def value(self, z):
        return z

    @staticmethod
    def apply(z, slope, p):
        for i in range(z.size):
            slope[i] = 1.0


@ACTIVATIONS.named("logistic")
class Logistic(Activation):
    """a = 1 / (1 + exp(-z)), between 0 and 1; derivative a (1 - a).

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.activations import Logistic
    >>> Logistic().value(np.array([0.0, 1000.0]))
    array([0.5, 1. ])
    """

    def value(self, z):
        return expit(z)

    @staticmethod
    def apply(z, slope, p):
        one = z.dtype.type(1.0)
        for i in range(z.size):
            # The exponential of a number below zero cannot overflow.
            decay = math.exp(-abs(z[i]))
            small = decay / (one + decay)
            slope[i] = small * (one - small)
            z[i] = small if z[i] < 0.0 else one - small


@ACTIVATIONS.named("tanh")
class Tanh(Activation):
    """a = tanh(z), between -1 and 1; derivative 1 - a².

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.activations import Tanh
    >>> Tanh().value(np.array([0.0, 1000.0]))
    array([0., 1.])
    """

    def value(self, z):
        return np.tanh(z)

    @staticmethod
    def apply(z, slope, p):
        one = z.dtype.type(1.0)
        for i in range(z.size):
            z[i] = math.tanh(z[i])
            slope[i] = one - z[i] * z[i]


@ACTIVATIONS.named("relu")
class ReLU(Activation):
    """a = max(0, z); derivative 1 for z > 0, else 0.

    Notes
    -----
    Source: Nair and Hinton (2010), Rectified linear units improve restricted Boltzmann
    machines.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.activations import ReLU
    >>> ReLU().value(np.array([-1.0, 2.0]))
    array([0., 2.])
    """

    rectifies = True

    def value(self, z):
        return np.maximum(z, 0)

    @staticmethod
    def apply(z, slope, p):
        one, zero = z.dtype.type(1.0), z.dtype.type(0.0)
        for i in range(z.size):
            # Multiplied, so that nan stays nan.
            slope[i] = zero if z[i] <= zero else one
            z[i] *= slope[i]


@ACTIVATIONS.named("leaky_relu")
class LeakyReLU(Activation):
    """a = z for z > 0, else negative_slope z, so that no unit falls silent for good.

    Parameters
    ----------
    negative_slope : float >= 0, default=0.01
        Slope below zero, as in PyTorch.

    Notes
    -----
    Source: Maas, Hannun and Ng (2013), Rectifier nonlinearities improve neural network
    acoustic models.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.activations import LeakyReLU
    >>> LeakyReLU(0.1).value(np.array([-1.0, 2.0]))
    array([-0.1,  2. ])
    """

    rectifies = True
    _parameter_constraints: ClassVar[dict] = {
        "negative_slope": [Interval(Real, 0, None, closed="left")]
    }

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def parameters(self):
        return (float(self.negative_slope),)

    def value(self, z):
        return np.where(z > 0, z, z * z.dtype.type(self.negative_slope))

    @staticmethod
    def apply(z, slope, p):
        one, zero, low = z.dtype.type(1.0), z.dtype.type(0.0), z.dtype.type(p[0])
        for i in range(z.size):
            slope[i] = low if z[i] <= zero else one
            z[i] *= slope[i]


@ACTIVATIONS.named("elu")
class ELU(Activation):
    """a = z for z > 0, else alpha (exp(z) - 1), which levels off at -alpha.

    Parameters
    ----------
    alpha : float > 0, default=1.0
        The level. 1 makes the slope continuous.

    Notes
    -----
    Source: Clevert, Unterthiner and Hochreiter (2016), Fast and accurate deep network
    learning by exponential linear units.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.activations import ELU
    >>> ELU().value(np.array([-1000.0, 2.0]))
    array([-1.,  2.])
    """

    rectifies = True
    _parameter_constraints: ClassVar[dict] = {
        "alpha": [Interval(Real, 0, None, closed="neither")]
    }

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def parameters(self):
        return (float(self.alpha),)

    def value(self, z):
        below = z.dtype.type(self.alpha) * np.expm1(np.minimum(z, 0))
        return np.where(z > 0, z, below)

    @staticmethod
    def apply(z, slope, p):
        one, zero, alpha = z.dtype.type(1.0), z.dtype.type(0.0), z.dtype.type(p[0])
        for i in range(z.size):
            if z[i] > zero:
                slope[i] = one
            else:
                z[i] = alpha * math.expm1(z[i])
                slope[i] = z[i] + alpha


@ACTIVATIONS.named("gelu")
class GELU(Activation):
    """a = z Phi(z), Phi the normal distribution function (exact, not approximated).

    Notes
    -----
    Derivative Phi(z) + z phi(z). Source: Hendrycks and Gimpel (2016), Gaussian error
    linear units.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.activations import GELU
    >>> GELU().value(np.array([0.0, 1.0])).round(4)
    array([0.    , 0.8413])
    """

    rectifies = True

    def value(self, z):
        half = z.dtype.type(0.5)
        return half * z * (1 + erf(z * z.dtype.type(_SQRT_HALF)))

    @staticmethod
    def apply(z, slope, p):
        one, half = z.dtype.type(1.0), z.dtype.type(0.5)
        root, peak = z.dtype.type(_SQRT_HALF), z.dtype.type(_NORMAL_DENSITY)
        for i in range(z.size):
            share = half * (one + math.erf(z[i] * root))
            slope[i] = share + z[i] * peak * math.exp(-half * z[i] * z[i])
            z[i] *= share


@ACTIVATIONS.named("silu")
class SiLU(Activation):
    """a = z / (1 + exp(-z)), also called swish.

    Notes
    -----
    Derivative s (1 + z (1 - s)) with s = 1 / (1 + exp(-z)). Source: Elfwing, Uchibe and
    Doya (2018), Sigmoid-weighted linear units for neural network function approximation
    in reinforcement learning.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.activations import SiLU
    >>> SiLU().value(np.array([0.0, 1.0])).round(4)
    array([0.    , 0.7311])
    """

    rectifies = True

    def value(self, z):
        return z * expit(z)

    @staticmethod
    def apply(z, slope, p):
        one = z.dtype.type(1.0)
        for i in range(z.size):
            decay = math.exp(-abs(z[i]))
            share = decay / (one + decay)
            if z[i] >= 0.0:
                share = one - share
            slope[i] = share * (one + z[i] * (one - share))
            z[i] *= share


@ACTIVATIONS.named("mish")
class Mish(Activation):
    """a = z tanh(log(1 + exp(z))), smooth, with a small dip below zero.

    Notes
    -----
    Derivative t + z (1 - t²) s with t = tanh(log(1 + exp(z))) and
    s = 1 / (1 + exp(-z)). Source: Misra (2020), Mish: a self regularized non-monotonic
    activation function. PyTorch: ``Mish``.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.activations import Mish
    >>> Mish().value(np.array([0.0, 1.0])).round(4)
    array([0.    , 0.8651])
    """

    rectifies = True

    def value(self, z):
        return z * np.tanh(np.logaddexp(z.dtype.type(0.0), z))

    @staticmethod
    def apply(z, slope, p):
        one, two = z.dtype.type(1.0), z.dtype.type(2.0)
        for i in range(z.size):
            # tanh(log(1 + e^z)) = (e^2z + 2 e^z) / (e^2z + 2 e^z + 2), divided by e^2z
            # above zero: no exponential of a positive number.
            decay = math.exp(-abs(z[i]))
            share = decay / (one + decay)
            if z[i] >= 0.0:
                share = one - share
                part, rest = one + two * decay, two * decay * decay
            else:
                part, rest = decay * (decay + two), two
            t = part / (part + rest)
            # 1 - t², without the difference of two numbers close to one.
            slope[i] = t + z[i] * share * (rest / (part + rest)) * (one + t)
            z[i] *= t


def get_activation(activation: str | Activation) -> Activation:
    """Activation object for what the user passed as ``activation=``.

    Parameters
    ----------
    activation : str or Activation
        A name, for the activation with its defaults, or an instance. "sigmoid" is
        "logistic", "linear" is "identity", and "swish" is "silu".

    Returns
    -------
    Activation

    Raises
    ------
    ValueError
        If the name is unknown.

    Examples
    --------
    >>> from skgd.activations import get_activation
    >>> get_activation("elu")
    ELU()
    """
    if isinstance(activation, Activation):
        return activation
    try:
        kind = ACTIVATIONS[activation]
    except (KeyError, TypeError):
        names = ", ".join(repr(name) for name in ACTIVATIONS)
        raise ValueError(
            f"activation={activation!r} is unknown; choose one of {names}, or pass an "
            "instance of skgd.activations.Activation."
            + did_you_mean(str(activation), ACTIVATIONS)
        ) from None
    return kind()


__all__ = ACTIVATIONS.public(
    "ACTIVATIONS",
    "Activation",
    "get_activation",
)
