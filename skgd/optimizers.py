"""Update rules: how a gradient moves the flat parameter vector, each rule once.

No learning-rate schedule, penalty, clipping or averaging: the training loop adds them.
"""

import inspect
import math
import warnings
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval

from skgd._registry import Registry, did_you_mean

OPTIMIZERS = Registry()

_FRACTION = [Interval(Real, 0, 1, closed="left")]
_POSITIVE = [Interval(Real, 0, None, closed="neither")]
_NON_NEGATIVE = [Interval(Real, 0, None, closed="left")]


class Optimizer(BaseEstimator):
    """Base of all update rules: hyper-parameters and one pure function on arrays.

    A rule is never changed by training.  What it remembers between updates lives in
    arrays that the caller keeps, so that a fit can be stopped, pickled and resumed.
    A new rule is a subclass with `update`, `parameters` and the attributes below.

    Attributes
    ----------
    state_names : tuple of str
        Vectors of the size of theta kept between updates, the rows of `state`.
    scalar_names : tuple of str
        Numbers kept between updates, the entries of `scalars`.
    sums : tuple of str
        Those of both that only grow, from zero. With a `half_life` the caller
        multiplies them by what is left of old rows before each update, as often as they
        are named.
    origins : tuple of str
        Vectors that are points theta has come from. With a `half_life` they move
        towards theta by what is forgotten.
    auto_lr : float or None
        The rate of ``lr="auto"`` where features, and the target of a regression, are
        standardised.  None where it is computed from the data instead.  Each is the
        best of 0.001, 0.003, 0.01, ..., 10 on ten tables of linear and logistic
        regression, by the geometric mean of what is left of the objective after 1000
        full batches, 20 epochs of 64 rows a batch, or 5 epochs of single rows.
    decoupled : bool
        Whether the rule shrinks the weights by `weight_decay` apart from the gradient.
    finds_rate : bool
        Whether the rule finds the length of its steps itself, `lr` being a factor on
        it. The history then shows the length, not the factor.
    searches : bool
        Whether steps are judged by the objective. False for every update rule.
    normalises : bool
        Whether each entry of the gradient is divided by its own size, so that an entry
        of nothing but rounding error makes a step too.
    keeps_derivatives : bool
        Whether the rule is given changes of derivatives since a row's last visit
        instead of gradients, for which a table of derivatives is kept.
    proximal : bool
        Whether the rule takes the penalties into its own formula. Then the last two of
        its vectors are the l1 and l2 strength of each entry and update, -1 for entries
        that no penalty concerns, and the answer is never a mean, which has no zeros.
    row_step : str or None
        Name of the closed form of the length of a row's step, for a loop that knows
        rows, their losses and their squared lengths; `lr` is a constant in it. None
        for rules that know a gradient and nothing else.
    weight_decay : float
        Before each update the caller multiplies every penalised entry of theta by
        ``1 - lr * weight_decay``.  The rule cannot: it does not know the intercepts.
    """

    state_names: tuple[str, ...] = ()
    scalar_names: tuple[str, ...] = ()
    sums: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    auto_lr: float | None = None
    decoupled: bool = False
    weight_decay: float = 0.0
    finds_rate: bool = False
    searches: bool = False
    normalises: bool = False
    keeps_derivatives: bool = False
    proximal: bool = False
    row_step: str | None = None
    _parameter_constraints: ClassVar[dict] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = vars(cls)
        if callable(own.get("hyperparameters")) and "parameters" not in own:
            warnings.warn(
                f"{cls.__name__}.hyperparameters is now called parameters, as of "
                "losses and activations: rename the method.",
                FutureWarning,
                stacklevel=2,
            )
            cls.parameters = own["hyperparameters"]  # type: ignore[method-assign]

    @property
    def needs_rows(self) -> bool:
        """Whether the rule is for rows of a linear model, not for any gradient."""
        return self.keeps_derivatives or self.row_step is not None

    def parameters(self) -> tuple[float, ...]:
        """Return the numbers that `update` reads from `p`, a tuple of floats."""
        return ()

    def initial_scalars(self) -> tuple[float, ...]:
        """Return the value of `scalars` before the first update, a tuple of floats."""
        return (0.0,) * len(self.scalar_names)

    def least_scalars(self) -> tuple[float, ...]:
        """Return what `scalars` do not fall below where they are forgotten."""
        return (0.0,) * len(self.scalar_names)

    def start(
        self, n: int, dtype: DTypeLike = np.float64
    ) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[Any]]:
        """Return the arrays of a run over `n` parameters, before its first update.

        Parameters
        ----------
        n : int
            Size of theta.
        dtype : numpy float dtype, default=numpy.float64
            Type of theta.

        Returns
        -------
        state : ndarray of shape (len(state_names), n)
        scalars : ndarray of shape (len(scalar_names),), always float64
        step_sizes : ndarray of shape (n,)

        Examples
        --------
        >>> from skgd.optimizers import Momentum
        >>> state, scalars, step_sizes = Momentum().start(3)
        >>> state
        array([[0., 0., 0.]])
        """
        state = np.zeros((len(self.state_names), n), dtype=dtype)
        scalars = np.array(self.initial_scalars(), dtype=np.float64)
        return state, scalars, np.zeros(n, dtype=dtype)

    def stepper(self, theta: NDArray[Any], lr: float) -> Any:
        """Return an object that moves `theta` by gradients of yours, compiled.

        For training loops of your own, on gradients that come from anywhere.

        Parameters
        ----------
        theta : float32 or float64 ndarray of shape (n,)
            The parameters, moved in place.
        lr : float
            Learning rate; the attribute `lr` of the object may be set between steps.

        Returns
        -------
        object with ``step(gradient)``
            Makes one update and returns `theta`; `t` counts them. Decoupled decay
            shrinks every entry.

        Raises
        ------
        TypeError
            If `theta` is no float array of one dimension.
        ValueError
            For a rule that needs rows, one of your own whose `update` is missing or no
            static method, and a gradient of another size.

        Examples
        --------
        >>> import numpy as np
        >>> from skgd.optimizers import Momentum
        >>> theta = np.array([1.0, -2.0])
        >>> stepper = Momentum().stepper(theta, lr=0.1)
        >>> for _ in range(2):
        ...     print(stepper.step([0.5, -4.0]))
        [ 0.95 -1.6 ]
        [ 0.855 -0.84 ]
        """
        from skgd._kernels.stepping import RuleStepper

        self._validate_params()
        found = inspect.getattr_static(type(self), "update")
        missing = type(self).update is Optimizer.update and not self.keeps_derivatives
        if missing or not isinstance(found, staticmethod):
            raise ValueError(
                f"{type(self).__name__} needs an update of its own, a static method."
            )
        return RuleStepper(self, theta, lr)

    def points(self, state: NDArray[Any]) -> list[NDArray[Any]]:
        """Rows of `state` that are points of theta's space, as a list of arrays.

        They move along when the coordinates of theta change between two calls of
        ``partial_fit``; other rows are kept as they are.
        """
        return []

    @staticmethod
    def update(
        theta: NDArray[Any],
        grad: NDArray[Any],
        state: NDArray[Any],
        lr: float,
        t: int,
        p: NDArray[np.float64],
        scalars: NDArray[np.float64],
        step_sizes: NDArray[Any],
    ) -> None:
        """Move `theta` by one update, in place.

        The code runs interpreted and compiled alike, hence plain loops, `math` alone,
        and numbers cast to the type of theta, so that float32 stays float32.

        Parameters
        ----------
        theta, grad : ndarray of shape (n,)
            Parameters, and the gradient there.  All arrays but `scalars` and `p` have
            the dtype of theta.
        state : ndarray of shape (len(state_names), n)
            What the rule remembers for each parameter.
        lr : float
            Learning rate of this update.
        t : int
            Number of this update, from 1.
        p : sequence of float
            The result of `parameters`.
        scalars : ndarray of shape (len(scalar_names),)
            Numbers the rule remembers.
        step_sizes : ndarray of shape (n,)
            Filled with the step that a constant gradient of size g would settle at,
            divided by g, for each parameter.  An l1 penalty needs this length for its
            soft threshold to stop at the right place.
        """
        raise NotImplementedError


@OPTIMIZERS.named("gd")
class GD(Optimizer):
    """Gradient descent, the plain rule.

    ::

        theta = theta - lr g

    Notes
    -----
    Source: Cauchy (1847), Méthode générale pour la résolution des systèmes d'équations
    simultanées.  PyTorch: ``SGD``.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.optimizers import GD
    >>> theta, grad, rule = np.array([1.0, -2.0]), np.array([0.5, -4.0]), GD()
    >>> state, scalars, step_sizes = rule.start(2)
    >>> rule.update(theta, grad, state, 0.1, 1, rule.parameters(), scalars, step_sizes)
    >>> theta
    array([ 0.95, -1.6 ])
    """

    @staticmethod
    def update(theta, grad, state, lr, t, p, scalars, step_sizes):
        rate = theta.dtype.type(lr)
        for j in range(theta.size):
            theta[j] -= rate * grad[j]
            step_sizes[j] = rate


@OPTIMIZERS.named("momentum")
class Momentum(Optimizer):
    """Gradient descent with momentum, the heavy ball.

    The buffer b starts at 0, so that the first update is plain gradient descent.

    ::

        b = momentum b + g
        theta = theta - lr b

    A lasting gradient is amplified by ``1 / (1 - momentum)``: the rate that suits `GD`
    is too large here by up to that factor.

    Parameters
    ----------
    momentum : float in [0, 1), default=0.9
        Share of the last step's direction that is kept.  0 is gradient descent; 0.9
        remembers about ten updates and is the customary choice.

    Notes
    -----
    Source: Polyak (1964), Some methods of speeding up the convergence of iteration
    methods.  PyTorch: ``SGD(momentum=...)`` with ``dampening=0``.  Keras multiplies g
    by the rate before it enters the buffer, which differs once the rate changes.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.optimizers import Momentum
    >>> theta, grad, rule = np.array([1.0, -2.0]), np.array([0.5, -4.0]), Momentum()
    >>> state, scalars, step_sizes = rule.start(2)
    >>> for t in (1, 2):
    ...     rule.update(theta, grad, state, 0.1, t, (0.9,), scalars, step_sizes)
    ...     print(theta)
    [ 0.95 -1.6 ]
    [ 0.855 -0.84 ]
    """

    state_names = ("momentum_buffer",)
    _parameter_constraints: ClassVar[dict] = {"momentum": _FRACTION}

    def __init__(self, momentum: float = 0.9) -> None:
        self.momentum = momentum

    def parameters(self):
        return (float(self.momentum),)

    @staticmethod
    def update(theta, grad, state, lr, t, p, scalars, step_sizes):
        real = theta.dtype.type
        rate, momentum, steady = real(lr), real(p[0]), real(lr / (1.0 - p[0]))
        buffer = state[0]
        for j in range(theta.size):
            buffer[j] = momentum * buffer[j] + grad[j]
            theta[j] -= rate * buffer[j]
            step_sizes[j] = steady


@OPTIMIZERS.named("nesterov")
class Nesterov(Momentum):
    """Nesterov's accelerated gradient: momentum that looks one step ahead.

    The buffer b starts at 0.

    ::

        b = momentum b + g
        theta = theta - lr (g + momentum b)

    Here theta is the point looked ahead to, the one at which the gradient is taken.

    Parameters
    ----------
    momentum : float in [0, 1), default=0.9
        Share of the last step's direction that is kept.

    Notes
    -----
    Source: Nesterov (1983), A method of solving a convex programming problem with
    convergence rate O(1/k²); in this form Sutskever, Martens, Dahl and Hinton (2013),
    On the importance of initialization and momentum in deep learning.  PyTorch:
    ``SGD(momentum=..., nesterov=True)``.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.optimizers import Nesterov
    >>> theta, grad, rule = np.array([1.0, -2.0]), np.array([0.5, -4.0]), Nesterov()
    >>> state, scalars, step_sizes = rule.start(2)
    >>> rule.update(theta, grad, state, 0.1, 1, rule.parameters(), scalars, step_sizes)
    >>> theta
    array([ 0.905, -1.24 ])
    """

    @staticmethod
    def update(theta, grad, state, lr, t, p, scalars, step_sizes):
        real = theta.dtype.type
        rate, momentum, steady = real(lr), real(p[0]), real(lr / (1.0 - p[0]))
        buffer = state[0]
        for j in range(theta.size):
            buffer[j] = momentum * buffer[j] + grad[j]
            theta[j] -= rate * (grad[j] + momentum * buffer[j])
            step_sizes[j] = steady


@OPTIMIZERS.named("adagrad")
class AdaGrad(Optimizer):
    """AdaGrad: a rate for each parameter that shrinks with the gradients it has seen.

    ::

        G = G + g²
        theta = theta - lr g / (√G + epsilon)

    Parameters
    ----------
    epsilon : float > 0, default=1e-10
        Keeps the division finite.  PyTorch: ``eps``.
    initial_accumulator_value : float >= 0, default=0.0
        What the sum G starts at, as in PyTorch.  At 0 the first step has the length
        ``lr`` however small the gradient is; Keras has 0.1.

    Notes
    -----
    ``lr="auto"`` is 0.1.  Source: Duchi, Hazan and Singer (2011), Adaptive subgradient
    methods for online learning and stochastic optimization.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.optimizers import AdaGrad
    >>> theta, grad, rule = np.array([1.0, -2.0]), np.array([0.5, -4.0]), AdaGrad()
    >>> state, scalars, step_sizes = rule.start(2)
    >>> rule.update(theta, grad, state, 0.1, 1, rule.parameters(), scalars, step_sizes)
    >>> theta
    array([ 0.9, -1.9])
    """

    state_names = ("sum",)
    sums = ("sum",)
    auto_lr = 0.1
    normalises = True
    _parameter_constraints: ClassVar[dict] = {
        "epsilon": _POSITIVE,
        "initial_accumulator_value": _NON_NEGATIVE,
    }

    def __init__(
        self, epsilon: float = 1e-10, initial_accumulator_value: float = 0.0
    ) -> None:
        self.epsilon = epsilon
        self.initial_accumulator_value = initial_accumulator_value

    def parameters(self):
        return (float(self.epsilon),)

    def start(self, n, dtype=np.float64):
        state, scalars, step_sizes = super().start(n, dtype)
        state[:] = self.initial_accumulator_value
        return state, scalars, step_sizes

    @staticmethod
    def update(theta, grad, state, lr, t, p, scalars, step_sizes):
        real = theta.dtype.type
        rate, epsilon = real(lr), real(p[0])
        total = state[0]
        for j in range(theta.size):
            total[j] += grad[j] * grad[j]
            step_sizes[j] = rate / (math.sqrt(total[j]) + epsilon)
            theta[j] -= step_sizes[j] * grad[j]


@OPTIMIZERS.named("rmsprop")
class RMSProp(Optimizer):
    """RMSProp: divide the gradient by a running root mean square of itself.

    All averages start at 0 and are not corrected for it, so the first steps are long,
    ``lr / √(1 - rho)``.

    ::

        v = rho v + (1 - rho) g²
        a = rho a + (1 - rho) g             if centered, else a = 0
        d = g / (√(v - a²) + epsilon)
        b = momentum b + d
        theta = theta - lr b

    Parameters
    ----------
    rho : float in [0, 1), default=0.99
        Memory of the averages, about ``1 / (1 - rho)`` updates.  PyTorch: ``alpha``,
        with this default; Keras has 0.9.
    epsilon : float > 0, default=1e-8
        Keeps the division finite, outside the root.  PyTorch: ``eps``.
    momentum : float in [0, 1), default=0.0
        Share of the last step's direction that is kept.
    centered : bool, default=False
        Divide by the running standard deviation instead.  A gradient that hardly varies
        then takes very long steps, up to ``lr / epsilon`` times the gradient.

    Notes
    -----
    ``lr="auto"`` is 0.003.  Rounding can bring v - a² below zero; it then counts as
    zero.  Source: Tieleman and Hinton (2012), Lecture 6.5 of Neural networks for
    machine learning; centred: Graves (2013), Generating sequences with recurrent neural
    networks.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.optimizers import RMSProp
    >>> theta, grad, rule = np.array([1.0, -2.0]), np.array([0.5, -4.0]), RMSProp()
    >>> state, scalars, step_sizes = rule.start(2)
    >>> rule.update(theta, grad, state, 0.01, 1, rule.parameters(), scalars, step_sizes)
    >>> theta.round(6)
    array([ 0.9, -1.9])
    """

    auto_lr = 0.003
    normalises = True
    _parameter_constraints: ClassVar[dict] = {
        "rho": _FRACTION,
        "epsilon": _POSITIVE,
        "momentum": _FRACTION,
        "centered": ["boolean"],
    }

    def __init__(
        self,
        rho: float = 0.99,
        epsilon: float = 1e-8,
        *,
        momentum: float = 0.0,
        centered: bool = False,
    ) -> None:
        self.rho = rho
        self.epsilon = epsilon
        self.momentum = momentum
        self.centered = centered

    @property
    def state_names(self):
        """Only the vectors that these hyper-parameters use."""
        names = ["square_avg"]
        if self.momentum > 0:
            names.append("momentum_buffer")
        if self.centered:
            names.append("grad_avg")
        return tuple(names)

    def parameters(self):
        return (
            float(self.rho),
            float(self.epsilon),
            float(self.momentum),
            float(self.centered),
        )

    @staticmethod
    def update(theta, grad, state, lr, t, p, scalars, step_sizes):
        real = theta.dtype.type
        rate, epsilon, momentum = real(lr), real(p[1]), real(p[2])
        new, zero, steady = real(1.0 - p[0]), real(0.0), real(lr / (1.0 - p[2]))
        square_avg = state[0]
        # step_sizes first holds the variance, then 1 / (its root + epsilon).
        for j in range(theta.size):
            square_avg[j] += new * (grad[j] * grad[j] - square_avg[j])
            step_sizes[j] = square_avg[j]
        if p[3] > 0.0:
            grad_avg = state[-1]
            for j in range(theta.size):
                grad_avg[j] += new * (grad[j] - grad_avg[j])
                step_sizes[j] = max(step_sizes[j] - grad_avg[j] * grad_avg[j], zero)
        for j in range(theta.size):
            step_sizes[j] = real(1.0) / (math.sqrt(step_sizes[j]) + epsilon)
        if p[2] > 0.0:
            buffer = state[1]
            for j in range(theta.size):
                buffer[j] = momentum * buffer[j] + step_sizes[j] * grad[j]
                theta[j] -= rate * buffer[j]
                step_sizes[j] *= steady
        else:
            for j in range(theta.size):
                step_sizes[j] *= rate
                theta[j] -= step_sizes[j] * grad[j]


@OPTIMIZERS.named("adadelta")
class AdaDelta(Optimizer):
    """AdaDelta: RMSProp whose rate is the running size of its own steps.

    Both averages start at 0, so that the first steps are tiny, about ``√epsilon``, and
    grow: epsilon sets the pace of the start.

    ::

        v = rho v + (1 - rho) g²
        d = g √(u + epsilon) / √(v + epsilon)
        u = rho u + (1 - rho) d²
        theta = theta - lr d

    Parameters
    ----------
    rho : float in [0, 1), default=0.9
        Memory of the averages, about ``1 / (1 - rho)`` updates.
    epsilon : float > 0, default=1e-6
        Inside the roots.  PyTorch: ``eps``.

    Notes
    -----
    ``lr="auto"`` is 1: the paper has no rate.  Source: Zeiler (2012), ADADELTA: an
    adaptive learning rate method.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.optimizers import AdaDelta
    >>> theta, grad, rule = np.array([1.0, -2.0]), np.array([0.5, -4.0]), AdaDelta()
    >>> state, scalars, step_sizes = rule.start(2)
    >>> rule.update(theta, grad, state, 1.0, 1, rule.parameters(), scalars, step_sizes)
    >>> theta.round(6)
    array([ 0.996838, -1.996838])
    """

    state_names = ("square_avg", "acc_delta")
    auto_lr = 1.0
    normalises = True
    _parameter_constraints: ClassVar[dict] = {"rho": _FRACTION, "epsilon": _POSITIVE}

    def __init__(self, rho: float = 0.9, epsilon: float = 1e-6) -> None:
        self.rho = rho
        self.epsilon = epsilon

    def parameters(self):
        return (float(self.rho), float(self.epsilon))

    @staticmethod
    def update(theta, grad, state, lr, t, p, scalars, step_sizes):
        real = theta.dtype.type
        rate, new, epsilon = real(lr), real(1.0 - p[0]), real(p[1])
        square_avg, acc_delta = state[0], state[1]
        for j in range(theta.size):
            square_avg[j] += new * (grad[j] * grad[j] - square_avg[j])
            ratio = math.sqrt((acc_delta[j] + epsilon) / (square_avg[j] + epsilon))
            delta = ratio * grad[j]
            acc_delta[j] += new * (delta * delta - acc_delta[j])
            theta[j] -= rate * delta
            step_sizes[j] = rate * ratio


@OPTIMIZERS.named("adam")
class Adam(Optimizer):
    """Adam: momentum and RMSProp, each corrected for its start at zero.

    ::

        m = beta_1 m + (1 - beta_1) g
        v = beta_2 v + (1 - beta_2) g²
        h = max(h, v)                       if amsgrad, else h = v
        theta = theta - lr m / (1 - beta_1^t) / (√(h / (1 - beta_2^t)) + epsilon)

    Parameters
    ----------
    beta_1 : float in [0, 1), default=0.9
        Memory of the mean gradient m.  PyTorch: ``betas[0]``.
    beta_2 : float in [0, 1), default=0.999
        Memory of the mean square v, about ``1 / (1 - beta_2)`` updates.  PyTorch:
        ``betas[1]``.
    epsilon : float > 0, default=1e-8
        Keeps the division finite, outside the root.  PyTorch: ``eps``; Keras has 1e-7.
    amsgrad : bool, default=False
        Never let the divisor shrink, which restores a guarantee for convex problems.

    Notes
    -----
    Linear models on CSR rows with a float `lr` move the moments of a weight when a row
    names its column, and not before, unless `amsgrad` asks for all: an update costs
    what its rows have nonzeros.  Penalties then act as a flow.

    ``lr="auto"`` is 0.01.  Source: Kingma and Ba (2015), Adam: a method for stochastic
    optimization, whose defaults these are; amsgrad: Reddi, Kale and Kumar (2018), On
    the convergence of Adam and beyond.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.optimizers import Adam
    >>> theta, grad, rule = np.array([1.0, -2.0]), np.array([0.5, -4.0]), Adam()
    >>> state, scalars, step_sizes = rule.start(2)
    >>> rule.update(theta, grad, state, 0.1, 1, rule.parameters(), scalars, step_sizes)
    >>> theta.round(6)
    array([ 0.9, -1.9])
    """

    auto_lr = 0.01
    normalises = True
    _parameter_constraints: ClassVar[dict] = {
        "beta_1": _FRACTION,
        "beta_2": _FRACTION,
        "epsilon": _POSITIVE,
        "amsgrad": ["boolean"],
    }

    def __init__(
        self,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        *,
        amsgrad: bool = False,
    ) -> None:
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.amsgrad = amsgrad

    @property
    def state_names(self):
        """Only the vectors that these hyper-parameters use."""
        highest = ("max_exp_avg_sq",) if self.amsgrad else ()
        return ("exp_avg", "exp_avg_sq", *highest)

    def parameters(self):
        return (
            float(self.beta_1),
            float(self.beta_2),
            float(self.epsilon),
            float(self.amsgrad),
        )

    @staticmethod
    def update(theta, grad, state, lr, t, p, scalars, step_sizes):
        real = theta.dtype.type
        new_1, new_2 = real(1.0 - p[0]), real(1.0 - p[1])
        # The correction of v moves from every entry into rate and epsilon.
        root = math.sqrt(1.0 - p[1] ** t)
        rate, epsilon = real(lr * root), real(p[2] * root)
        correction = real(1.0 / (1.0 - p[0] ** t))
        exp_avg, exp_avg_sq = state[0], state[1]
        amsgrad = p[3] > 0.0
        highest = state[-1]  # the row of exp_avg_sq itself unless amsgrad adds one
        for j in range(theta.size):
            exp_avg[j] += new_1 * (grad[j] - exp_avg[j])
            square = exp_avg_sq[j] + new_2 * (grad[j] * grad[j] - exp_avg_sq[j])
            exp_avg_sq[j] = square
            if amsgrad:
                square = max(highest[j], square)
                highest[j] = square
            step_sizes[j] = rate / (math.sqrt(square) + epsilon)
            theta[j] -= step_sizes[j] * (correction * exp_avg[j])


@OPTIMIZERS.named("adamw")
class AdamW(Adam):
    """Adam with weight decay that does not pass through the gradient.

    Every update is preceded, for weights but not for intercepts, by

    ::

        theta = theta (1 - lr weight_decay)

    and is `Adam`'s.  Unlike an l2 penalty, which Adam's division evens out, this
    shrinks all weights at the same pace.  It changes what is minimised in a way that
    depends on the rule, and is separate from the penalty of the estimator.

    Parameters
    ----------
    beta_1 : float in [0, 1), default=0.9
        As in `Adam`.
    beta_2 : float in [0, 1), default=0.999
        As in `Adam`.
    epsilon : float > 0, default=1e-8
        As in `Adam`.
    weight_decay : float >= 0, default=0.01
        Strength of the decay, PyTorch's default.  0 is `Adam`.
    amsgrad : bool, default=False
        As in `Adam`.

    Notes
    -----
    ``lr="auto"`` is 0.01.  As in PyTorch, the decay is multiplied by the rate and so
    follows its schedule.  Source: Loshchilov and Hutter (2019), Decoupled weight decay
    regularization.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.optimizers import AdamW
    >>> theta, grad, rule = np.array([1.0, -2.0]), np.array([0.5, -4.0]), AdamW()
    >>> state, scalars, step_sizes = rule.start(2)
    >>> theta *= 1 - 0.1 * rule.weight_decay
    >>> rule.update(theta, grad, state, 0.1, 1, rule.parameters(), scalars, step_sizes)
    >>> theta.round(6)
    array([ 0.899, -1.898])
    """

    decoupled = True
    _parameter_constraints: ClassVar[dict] = {
        **Adam._parameter_constraints,
        "weight_decay": _NON_NEGATIVE,
    }

    def __init__(
        self,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        *,
        weight_decay: float = 0.01,
        amsgrad: bool = False,
    ) -> None:
        super().__init__(beta_1, beta_2, epsilon, amsgrad=amsgrad)
        self.weight_decay = weight_decay


@OPTIMIZERS.named("nadam")
class NAdam(Optimizer):
    """NAdam: Adam with Nesterov's look ahead.

    The product M starts at 1; m and v at 0.

    ::

        mu   = beta_1 (1 - 0.96^(t momentum_decay) / 2)
        next = beta_1 (1 - 0.96^((t + 1) momentum_decay) / 2)
        M = M mu
        m = beta_1 m + (1 - beta_1) g
        v = beta_2 v + (1 - beta_2) g²
        n = g (1 - mu) / (1 - M) + m next / (1 - M next)
        theta = theta - lr n / (√(v / (1 - beta_2^t)) + epsilon)

    Parameters
    ----------
    beta_1 : float in [0, 1), default=0.9
        Memory of the mean gradient m.  PyTorch: ``betas[0]``.
    beta_2 : float in [0, 1), default=0.999
        Memory of the mean square v.  PyTorch: ``betas[1]``.
    epsilon : float > 0, default=1e-8
        Keeps the division finite, outside the root.  PyTorch: ``eps``.
    momentum_decay : float >= 0, default=4e-3
        How fast mu grows from ``beta_1 / 2`` to ``beta_1``: half way after some 4200
        updates.  The author's value.

    Notes
    -----
    ``lr="auto"`` is 0.01.  Source: Dozat (2016), Incorporating Nesterov momentum into
    Adam.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.optimizers import NAdam
    >>> theta, grad, rule = np.array([1.0, -2.0]), np.array([0.5, -4.0]), NAdam()
    >>> state, scalars, step_sizes = rule.start(2)
    >>> rule.update(theta, grad, state, 0.1, 1, rule.parameters(), scalars, step_sizes)
    >>> theta.round(6)
    array([ 0.894355, -1.894355])
    """

    state_names = ("exp_avg", "exp_avg_sq")
    scalar_names = ("mu_product",)
    auto_lr = 0.01
    normalises = True
    _parameter_constraints: ClassVar[dict] = {
        "beta_1": _FRACTION,
        "beta_2": _FRACTION,
        "epsilon": _POSITIVE,
        "momentum_decay": _NON_NEGATIVE,
    }

    def __init__(
        self,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        *,
        momentum_decay: float = 4e-3,
    ) -> None:
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.momentum_decay = momentum_decay

    def parameters(self):
        return (
            float(self.beta_1),
            float(self.beta_2),
            float(self.epsilon),
            float(self.momentum_decay),
        )

    def initial_scalars(self):
        return (1.0,)

    @staticmethod
    def update(theta, grad, state, lr, t, p, scalars, step_sizes):
        real = theta.dtype.type
        new_1, new_2 = real(1.0 - p[0]), real(1.0 - p[1])
        root = math.sqrt(1.0 - p[1] ** t)
        mu = p[0] * (1.0 - 0.5 * 0.96 ** (t * p[3]))
        mu_next = p[0] * (1.0 - 0.5 * 0.96 ** ((t + 1) * p[3]))
        scalars[0] *= mu
        share_g = (1.0 - mu) / (1.0 - scalars[0])
        share_m = mu_next / (1.0 - scalars[0] * mu_next)
        # After t equal gradients m is (1 - beta_1^t) g, hence the step per gradient.
        steady = real(lr * root * (share_g + share_m * (1.0 - p[0] ** t)))
        epsilon = real(p[2] * root)
        rate_g, rate_m = real(lr * root * share_g), real(lr * root * share_m)
        exp_avg, exp_avg_sq = state[0], state[1]
        for j in range(theta.size):
            exp_avg[j] += new_1 * (grad[j] - exp_avg[j])
            exp_avg_sq[j] += new_2 * (grad[j] * grad[j] - exp_avg_sq[j])
        for j in range(theta.size):
            scale = real(1.0) / (math.sqrt(exp_avg_sq[j]) + epsilon)
            theta[j] -= scale * (rate_g * grad[j] + rate_m * exp_avg[j])
            step_sizes[j] = scale * steady


@OPTIMIZERS.named("adamax")
class AdaMax(Optimizer):
    """AdaMax: Adam with a decaying maximum in place of the root mean square.

    ::

        m = beta_1 m + (1 - beta_1) g
        u = max(beta_2 u, |g| + epsilon)
        theta = theta - lr m / ((1 - beta_1^t) u)

    Parameters
    ----------
    beta_1 : float in [0, 1), default=0.9
        Memory of the mean gradient m.  PyTorch: ``betas[0]``.
    beta_2 : float in [0, 1), default=0.999
        Decay of the maximum.  PyTorch: ``betas[1]``.
    epsilon : float > 0, default=1e-8
        Keeps the division finite.  PyTorch: ``eps``.

    Notes
    -----
    ``lr="auto"`` is 0.03.  Source: Kingma and Ba (2015), Adam: a method for stochastic
    optimization, section 7.1, which has no epsilon.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.optimizers import AdaMax
    >>> theta, grad, rule = np.array([1.0, -2.0]), np.array([0.5, -4.0]), AdaMax()
    >>> state, scalars, step_sizes = rule.start(2)
    >>> rule.update(theta, grad, state, 0.1, 1, rule.parameters(), scalars, step_sizes)
    >>> theta.round(6)
    array([ 0.9, -1.9])
    """

    state_names = ("exp_avg", "exp_inf")
    auto_lr = 0.03
    normalises = True
    _parameter_constraints: ClassVar[dict] = {
        "beta_1": _FRACTION,
        "beta_2": _FRACTION,
        "epsilon": _POSITIVE,
    }

    def __init__(
        self, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8
    ) -> None:
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def parameters(self):
        return (float(self.beta_1), float(self.beta_2), float(self.epsilon))

    @staticmethod
    def update(theta, grad, state, lr, t, p, scalars, step_sizes):
        real = theta.dtype.type
        new, beta_2, epsilon = real(1.0 - p[0]), real(p[1]), real(p[2])
        rate, correction = real(lr), real(1.0 / (1.0 - p[0] ** t))
        exp_avg, exp_inf = state[0], state[1]
        for j in range(theta.size):
            exp_avg[j] += new * (grad[j] - exp_avg[j])
            exp_inf[j] = max(beta_2 * exp_inf[j], abs(grad[j]) + epsilon)
        for j in range(theta.size):
            step_sizes[j] = rate / exp_inf[j]
            theta[j] -= step_sizes[j] * (correction * exp_avg[j])


@OPTIMIZERS.named("radam")
class RAdam(Optimizer):
    """Rectified Adam: Adam that trusts its divisor only when it has seen enough.

    The mean square v of a few gradients varies too much to divide by. Its degrees of
    freedom r say when it can be trusted, and how far.

    ::

        m = beta_1 m + (1 - beta_1) g
        v = beta_2 v + (1 - beta_2) g²
        R = 2 / (1 - beta_2) - 1
        r = R - 2 t beta_2^t / (1 - beta_2^t)
        c = √((r - 4) (r - 2) R / ((R - 4) (R - 2) r))
        d = c √(1 - beta_2^t) / (√v + epsilon)    if r > 5, else d = 1
        theta = theta - lr d m / (1 - beta_1^t)

    With the default beta_2 the first five updates are of the second kind: momentum,
    whose steps grow with the gradient. Under ``lr="auto"``, which knows no units of the
    gradient, a linear model makes no step in them.

    Parameters
    ----------
    beta_1 : float in [0, 1), default=0.9
        Memory of the mean gradient m.  PyTorch: ``betas[0]``.
    beta_2 : float in [0, 1), default=0.999
        Memory of the mean square v.  PyTorch: ``betas[1]``.  Below 2/3 it never sees
        enough.
    epsilon : float > 0, default=1e-8
        Keeps the division finite, outside the root.  PyTorch: ``eps``.
    degenerated_to_sgd : bool, default=True
        Whether updates of the second kind are made, as in PyTorch.  Otherwise the rule
        waits until it has seen enough.

    Notes
    -----
    ``lr="auto"`` is 0.03.  Source: Liu, Jiang, He, Chen, Liu, Gao and Han (2020), On
    the variance of the adaptive learning rate and beyond.  PyTorch: ``RAdam``, whose
    defaults these are.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.optimizers import RAdam
    >>> theta, grad, rule = np.array([1.0, -2.0]), np.array([0.5, -4.0]), RAdam()
    >>> state, scalars, step_sizes = rule.start(2)
    >>> rule.update(theta, grad, state, 0.1, 1, rule.parameters(), scalars, step_sizes)
    >>> theta.round(6)
    array([ 0.95, -1.6 ])
    """

    state_names = ("exp_avg", "exp_avg_sq")
    auto_lr = 0.03
    normalises = True
    _parameter_constraints: ClassVar[dict] = {
        "beta_1": _FRACTION,
        "beta_2": _FRACTION,
        "epsilon": _POSITIVE,
        "degenerated_to_sgd": ["boolean"],
    }

    def __init__(self, beta_1=0.9, beta_2=0.999, epsilon=1e-8, degenerated_to_sgd=True):
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.degenerated_to_sgd = degenerated_to_sgd

    def parameters(self):
        return (
            float(self.beta_1),
            float(self.beta_2),
            float(self.epsilon),
            float(self.degenerated_to_sgd),
        )

    @staticmethod
    def update(theta, grad, state, lr, t, p, scalars, step_sizes):
        real = theta.dtype.type
        new_1, new_2, epsilon = real(1.0 - p[0]), real(1.0 - p[1]), real(p[2])
        correction = real(1.0 / (1.0 - p[0] ** t))
        seen = 1.0 - p[1] ** t
        most = 2.0 / (1.0 - p[1]) - 1.0
        freedom = most - 2.0 * t * (1.0 - seen) / seen
        rectified = freedom > 5.0
        rate = real(lr) if p[3] > 0.0 else real(0.0)
        if rectified:
            ratio = (freedom - 4.0) * (freedom - 2.0) * most
            ratio /= (most - 4.0) * (most - 2.0) * freedom
            rate = real(lr * math.sqrt(seen * ratio))
        exp_avg, exp_avg_sq = state[0], state[1]
        for j in range(theta.size):
            exp_avg[j] += new_1 * (grad[j] - exp_avg[j])
            exp_avg_sq[j] += new_2 * (grad[j] * grad[j] - exp_avg_sq[j])
            step_sizes[j] = rate
            if rectified:
                step_sizes[j] = rate / (math.sqrt(exp_avg_sq[j]) + epsilon)
            theta[j] -= step_sizes[j] * (correction * exp_avg[j])


@OPTIMIZERS.named("lion")
class Lion(Optimizer):
    """Lion: steps of one length, by the sign of a mean gradient.

    The mean m starts at 0.

    ::

        c = beta_1 m + (1 - beta_1) g
        theta = theta - lr sign(c)
        m = beta_2 m + (1 - beta_2) g

    Every weight moves by `lr` in every update, so the rate must fall for the weights to
    settle: combine it with a schedule, or with averaging.

    Parameters
    ----------
    beta_1 : float in [0, 1), default=0.9
        Share of the mean gradient in the direction of a step.
    beta_2 : float in [0, 1), default=0.99
        Memory of the mean gradient m.
    weight_decay : float >= 0, default=0.0
        Before every update weights, but not intercepts, are multiplied by
        ``1 - lr weight_decay``, as in `AdamW`.

    Notes
    -----
    ``lr="auto"`` is 0.003.  One vector is kept, where Adam keeps two.  Source: Chen,
    Liang, Huang, Real, Wang, Liu, Pham, Dong, Luong, Hsieh, Lu and Le (2023), Symbolic
    discovery of optimization algorithms, whose defaults these are.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.optimizers import Lion
    >>> theta, grad, rule = np.array([1.0, -2.0]), np.array([0.5, -4.0]), Lion()
    >>> state, scalars, step_sizes = rule.start(2)
    >>> rule.update(theta, grad, state, 0.1, 1, rule.parameters(), scalars, step_sizes)
    >>> theta
    array([ 0.9, -1.9])
    """

    state_names = ("exp_avg",)
    auto_lr = 0.003
    decoupled = True
    normalises = True
    _parameter_constraints: ClassVar[dict] = {
        "beta_1": _FRACTION,
        "beta_2": _FRACTION,
        "weight_decay": _NON_NEGATIVE,
    }

    def __init__(self, beta_1=0.9, beta_2=0.99, *, weight_decay=0.0):
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.weight_decay = weight_decay

    def parameters(self):
        return (float(self.beta_1), float(self.beta_2))

    @staticmethod
    def update(theta, grad, state, lr, t, p, scalars, step_sizes):
        real = theta.dtype.type
        rate, new_1, new_2 = real(lr), real(1.0 - p[0]), real(1.0 - p[1])
        # After t equal gradients g the direction is this share of g.
        steady = real(lr * (1.0 - p[0] * p[1] ** (t - 1)))
        zero, tiny = real(0.0), real(1e-12)
        exp_avg = state[0]
        for j in range(theta.size):
            mean = exp_avg[j] + new_1 * (grad[j] - exp_avg[j])
            if mean > zero:
                theta[j] -= rate
            elif mean < zero:
                theta[j] += rate
            else:
                theta[j] -= rate * mean  # 0, and nan stays nan
            step_sizes[j] = steady / max(abs(mean), tiny)
            exp_avg[j] += new_2 * (grad[j] - exp_avg[j])


@OPTIMIZERS.named("dowg")
class DoWG(Optimizer):
    """Distance over weighted gradients: a step that finds its own length.

    With x0 the starting point, and r2 and v sums that only grow,

        r2 = max(r2, ||theta - x0||^2)
        v = v + r2 ||g||^2
        theta = theta - lr min(r2 / sqrt(v), longest) g

    The step grows with the distance travelled until it is long enough, and then shrinks
    as 1/sqrt(t). No constant of the problem is needed, smooth or not, so `lr` stays 1;
    the theory is for the mean of the points, so combine it with averaging. In a stream
    with a `half_life` the sums are forgotten and x0 follows theta at that pace, so that
    steps are as long as what moved of late asks for.

    Parameters
    ----------
    initial_distance : float > 0, default=1e-2
        First guess of the distance to the optimum; under ``lr="auto"`` in units of the
        standard deviation of real targets. Far too small costs updates, and may look
        like no progress at all; far too large can cost the whole run.
    longest : float > 0, default=inf
        No step is longer than this times the gradient. Where the curvature is bounded,
        a cap keeps the growth from overshooting.

    References
    ----------
    A. Khaled, K. Mishchenko and C. Jin, "DoWG unleashed: an efficient universal
    parameter-free gradient descent method" (2023).

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.optimizers import DoWG
    >>> rule, theta = DoWG(initial_distance=0.1), np.array([1.0])
    >>> state, scalars, step_sizes = rule.start(1)
    >>> rule.update(theta, theta.copy(), state, 1.0, 1, rule.parameters(), scalars,
    ...             step_sizes)
    >>> theta.round(3)
    array([0.9])
    """

    state_names = ("initial",)
    scalar_names = ("squared_distance", "weighted_squares")
    # Squared gradients are forgotten with the distances that weigh them, and once more.
    sums = ("squared_distance", "weighted_squares", "weighted_squares")
    origins = ("initial",)
    auto_lr = 1.0
    finds_rate = True
    _parameter_constraints: ClassVar[dict] = {
        "initial_distance": _POSITIVE,
        "longest": [Interval(Real, 0, None, closed="right")],
    }

    def __init__(
        self, initial_distance: float = 1e-2, longest: float = math.inf
    ) -> None:
        self.initial_distance = initial_distance
        self.longest = longest

    def points(self, state):
        return [state[0]]

    def parameters(self):
        return (float(self.initial_distance), float(self.longest))

    def least_scalars(self):
        return (float(self.initial_distance) ** 2, 0.0)

    @staticmethod
    def update(theta, grad, state, lr, t, p, scalars, step_sizes):
        initial = state[0]
        if t == 1:
            for j in range(theta.size):
                initial[j] = theta[j]
            scalars[0] = p[0] * p[0]
            scalars[1] = 0.0
        distance, squares = 0.0, 0.0
        for j in range(theta.size):
            distance += (theta[j] - initial[j]) * (theta[j] - initial[j])
            squares += grad[j] * grad[j]
        scalars[0] = max(scalars[0], distance)
        scalars[1] += scalars[0] * squares
        length = 0.0
        if scalars[1] > 0.0:
            length = lr * min(scalars[0] / math.sqrt(scalars[1]), p[1])
        real = theta.dtype.type
        for j in range(theta.size):
            step_sizes[j] = real(length)
            theta[j] -= real(length) * grad[j]


@OPTIMIZERS.named("ftrl")
class FTRL(Optimizer):
    """FTRL-Proximal: AdaGrad's rates, and weights that are exactly zero.

    The sums z and n start at 0. With a = `lr`,

    ::

        z = z + g - (√(n + g²) - √n) / a * theta
        n = n + g²
        theta = 0                                                if |z| <= L1
        theta = -(z - sign(z) L1) / ((beta + √n) / a + L2)       otherwise

    where L1 = l1 + t alpha_1 and L2 = l2 + t alpha_2 after t updates: the rule's own
    strengths count once, and the penalty of the estimator once for each update, as it
    does in the objective. Both stay exact where an entry has no gradient for many
    updates, so that an update of sparse rows costs what they have nonzeros. Intercepts
    are not penalised.

    Parameters
    ----------
    beta : float >= 0, default=1.0
        Keeps the first steps short: the rate of a new entry is lr / beta.
    l1 : float >= 0, default=0.0
        An entry stays zero until its sum z is larger than this. Unlike `alpha`, it
        fades as updates add up.
    l2 : float >= 0, default=0.0
        Added to the inverse of the rate.

    Notes
    -----
    ``lr="auto"`` is 0.1. Without penalties and with ``beta=0`` it takes the steps of
    `AdaGrad`. Source: McMahan et al. (2013), Ad click prediction: a view from the
    trenches; penalties in every update: McMahan (2011), Follow-the-regularized-leader
    and mirror descent.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.optimizers import FTRL
    >>> theta, grad, rule = np.zeros(2), np.array([0.5, -4.0]), FTRL(l1=1.0)
    >>> state, scalars, step_sizes = rule.start(2)
    >>> rule.update(theta, grad, state, 0.1, 1, rule.parameters(), scalars, step_sizes)
    >>> theta
    array([0.  , 0.06])
    """

    state_names = ("z", "sum", "l1", "l2")
    auto_lr = 0.1
    normalises = True
    proximal = True
    _parameter_constraints: ClassVar[dict] = {
        "beta": [Interval(Real, 0, None, closed="left")],
        "l1": [Interval(Real, 0, None, closed="left")],
        "l2": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, beta=1.0, l1=0.0, l2=0.0):
        self.beta = beta
        self.l1 = l1
        self.l2 = l2

    def parameters(self):
        return (float(self.beta), float(self.l1), float(self.l2))

    @staticmethod
    def update(theta, grad, state, lr, t, p, scalars, step_sizes):
        real = theta.dtype.type
        z, total = state[0], state[1]
        for j in range(theta.size):
            own1, own2, each1, each2 = p[1], p[2], state[2, j], state[3, j]
            if each1 < 0.0:
                own1, own2, each1, each2 = 0.0, 0.0, 0.0, 0.0
            g, w = grad[j], theta[j]
            if w != 0.0 and z[j] == 0.0 and total[j] == 0.0:
                # A start that the rule did not make.
                sign = 1.0 if w > 0.0 else -1.0
                z[j] = real(
                    -w * (p[0] / lr + own2 + (t - 1) * each2)
                    - sign * (own1 + (t - 1) * each1)
                )
            more = total[j] + g * g
            z[j] += real(g - (math.sqrt(more) - math.sqrt(total[j])) / lr * w)
            total[j] = more
            l1, l2 = own1 + t * each1, own2 + t * each2
            steepness = (p[0] + math.sqrt(more)) / lr + l2
            step_sizes[j] = real(1.0 / steepness) if steepness > 0.0 else real(0.0)
            if abs(z[j]) <= l1 or steepness == 0.0:
                theta[j] = real(0.0)
            else:
                sign = 1.0 if z[j] > 0.0 else -1.0
                theta[j] = real(-(z[j] - sign * l1) / steepness)


@OPTIMIZERS.named("saga")
class SAGA(Optimizer):
    """Stochastic steps that converge like full gradients, from a table of derivatives.

    With d_i the last derivative of the loss of row i, and G the mean of d_i x_i over
    all n rows,

        g = mean over the batch of (d_i new - d_i) x_i
        theta = theta - lr (g + G + l2 theta)
        G = G + (b/n) g,    d_i = d_i new

    The noise of the step vanishes at the optimum, so a constant rate converges to it,
    linearly where the objective curves. Needs one number per row and output, linear
    models, and all rows at hand: it is not for ``solver="batch"`` or ``partial_fit``.

    References
    ----------
    A. Defazio, F. Bach and S. Lacoste-Julien, "SAGA: a fast incremental gradient method
    with support for non-strongly convex composite objectives" (2014). Batches and the
    rate 1/(3 L) of ``lr="auto"``: N. Gazagnadou, R. M. Gower and J. Salmon, "Optimal
    mini-batch and step sizes for SAGA" (2019).

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import GDRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = GDRegressor(solver="sgd", optimizer="saga", tol=1e-6, random_state=0)
    >>> round(model.fit(X, y).score(X, y), 3)
    0.518
    """

    state_names = ("mean_gradient",)
    keeps_derivatives = True


@OPTIMIZERS.named("pa1")
class PA1(GD):
    """Passive-aggressive I: each row's step is as long as its error asks for.

    For a row x with loss ℓ, which is left alone where ℓ = 0,

    ::

        length = min(C, ℓ / ||x||²)
        w = w - length dℓ/dz x

    Without the bound C, which is `lr`, the row would have no loss after its step, were
    it not for the intercept: it moves along, and is not counted in the squared length,
    as in scikit-learn. The smaller C, the less a wrong label harms. Updates from
    several rows are the mean of their steps; a schedule shortens the steps, not C.

    For linear models with ``solver="sgd"`` or ``"minibatch"``, `lr` a float, and the
    loss ``"hinge"`` of classes or ``"epsilon_insensitive"`` of numbers. A penalty
    shrinks the weights by ``C alpha`` at each update; none is customary.

    Notes
    -----
    Source: Crammer, Dekel, Keshet, Shalev-Shwartz and Singer (2006), Online
    passive-aggressive algorithms.  scikit-learn: ``SGDClassifier(loss="hinge",
    penalty=None, learning_rate="pa1", eta0=C)``, and ``PassiveAggressiveClassifier(C,
    loss="hinge")`` before its release 1.10.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd import GDClassifier
    >>> X, y = np.array([[3.0, 4.0], [1.0, 0.0]]), np.array([1, 0])
    >>> model = GDClassifier(
    ...     "hinge", solver="sgd", optimizer="pa1", lr=1.0, penalty=None,
    ...     fit_intercept=False, shuffle=False, max_iter=1, tol=None,
    ... )
    >>> model.fit(X[:1].repeat(2, axis=0), [1, 0]).coef_  # ℓ = 1, then 2; ||x||² = 25
    array([[-0.12, -0.16]])
    """

    row_step = "pa1"


@OPTIMIZERS.named("pa2")
class PA2(PA1):
    """Passive-aggressive II: steps that are shortened smoothly, not cut off.

    As `PA1`, with

    ::

        length = ℓ / (||x||² + 1 / (2 C))

    which is the least change of the weights plus C times the squared loss after it.

    Notes
    -----
    Source: Crammer, Dekel, Keshet, Shalev-Shwartz and Singer (2006), Online
    passive-aggressive algorithms.  scikit-learn: ``SGDClassifier(loss="hinge",
    penalty=None, learning_rate="pa2", eta0=C)``, and ``PassiveAggressiveClassifier(C,
    loss="squared_hinge")`` before its release 1.10.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd import GDRegressor
    >>> model = GDRegressor(
    ...     "epsilon_insensitive", solver="sgd", optimizer="pa2", lr=0.5,
    ...     fit_intercept=False, max_iter=1, tol=None,
    ... )
    >>> model.fit(np.array([[2.0]]), [1.1]).coef_  # (1.1 - 0.1) / (4 + 1) * 2
    array([0.4])
    """

    row_step = "pa2"


def get_optimizer(optimizer: str | Optimizer) -> Optimizer:
    """Return the update rule that a user named or gave.

    Parameters
    ----------
    optimizer : str or Optimizer
        A key of `OPTIMIZERS`, for the rule with its defaults, or a rule.

    Returns
    -------
    Optimizer
        The object given, or a new one.

    Raises
    ------
    ValueError
        If no rule has that name.
    TypeError
        If it is neither a string nor a rule.

    Examples
    --------
    >>> from skgd.optimizers import get_optimizer
    >>> get_optimizer("momentum").momentum
    0.9
    """
    if isinstance(optimizer, Optimizer):
        return optimizer
    if not isinstance(optimizer, str):
        raise TypeError(
            "optimizer must be a string or an instance of skgd.optimizers.Optimizer, "
            f"got {optimizer!r}."
        )
    try:
        kind = OPTIMIZERS[optimizer]
    except KeyError:
        names = ", ".join(repr(name) for name in OPTIMIZERS)
        raise ValueError(
            f"Unknown optimizer {optimizer!r}; choose one of {names}."
            + did_you_mean(optimizer, OPTIMIZERS)
        ) from None
    return kind()


__all__ = OPTIMIZERS.public(
    "OPTIMIZERS",
    "Optimizer",
    "get_optimizer",
)
