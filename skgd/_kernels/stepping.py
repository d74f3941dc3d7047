"""A rule alone, compiled: steps of parameters by gradients that come from elsewhere."""

import math

import numpy as np

from . import compiling, epoch, update, user_code
from .proximal import NO_PROX


class RuleStepper:
    """Moves a vector by gradients; see ``Optimizer.stepper``.

    Parameters
    ----------
    rule : skgd.optimizers.Optimizer
    theta : float array of shape (n,)
        Moved in place.
    lr : float

    Attributes
    ----------
    theta : array of shape (n,)
    lr : float
        May be set between two steps.
    t : int
        Steps made.
    """

    def __init__(self, rule, theta, lr):
        is_flat = isinstance(theta, np.ndarray) and theta.ndim == 1
        if not (is_flat and theta.dtype in (np.float32, np.float64)):
            raise TypeError(
                "theta must be a float32 or float64 array of one dimension: it is "
                "moved in place. theta.ravel() shares the memory of a matrix."
            )
        if not (theta.flags.c_contiguous and theta.flags.writeable):
            raise ValueError("theta must be contiguous and writeable.")
        if rule.needs_rows:
            raise ValueError(
                f"{type(rule).__name__} needs to know of which row a gradient is."
            )
        element = compiling.numba_type(theta.dtype)
        self.theta, self.lr, self.t = theta, lr, 0
        self._step = compiling.kernel(epoch.single_step, epoch.step_signature(element))
        address, p, self._check = user_code.rule(rule, theta.size, theta.dtype)
        vectors, scalars, step_sizes = rule.start(theta.size, theta.dtype)
        if rule.proximal:
            # No penalty concerns any entry.
            vectors[-2:] = -1.0
        decay = np.full(
            theta.size if rule.weight_decay else 0, rule.weight_decay, float
        )
        nothing = np.empty(0)
        penalties = update.Penalties(
            l1=nothing, l2=np.zeros(theta.size), decay=decay, prox=NO_PROX
        )
        averaging = update.Averaging(
            base=theta[:0].copy(),
            average=theta[:0].copy(),
            start=0,
            power=0.0,
            interpolation=0.0,
            half_life=math.inf,
        )
        rule = update.Rule(
            update=address,
            p=p,
            vectors=vectors,
            scalars=scalars,
            step_sizes=step_sizes,
            forgotten=np.empty(0),
        )
        self._p = p
        self._update = (tuple(rule), tuple(penalties), tuple(averaging), math.inf)

    def step(self, gradient):
        """Make one update of `theta`, in place.

        Parameters
        ----------
        gradient : array-like of shape (n,)

        Returns
        -------
        theta : array of shape (n,)
        """
        gradient = np.array(gradient, dtype=self.theta.dtype).ravel()
        if gradient.size != self.theta.size:
            raise ValueError(
                f"The gradient has {gradient.size} entries, theta {self.theta.size}."
            )
        self.t += 1
        self._step(
            self.theta,
            gradient,
            1,
            self._update,
            float(self.lr),
            self.t,
        )
        if self._check is not None:
            self._check(self._p)
        return self.theta
