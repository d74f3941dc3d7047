"""What training asks of a penalty: value, proximal step, and what it declares."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator


class Penalty(BaseEstimator):
    """Base class: a penalty on the coefficients, value and proximal step.

    A new penalty is one subclass: set the class attributes, and write
    :meth:`parameters`, :meth:`value_at` and :meth:`prox_at`. Pass an instance as
    ``penalty=`` to use it; add a line to ``PENALTIES`` to give it a name. It holds
    hyper-parameters only; the strength is the `alpha` of the estimator.

    Attributes
    ----------
    separable : bool
        Whether the penalty is a sum over single coefficients. Otherwise it is a sum
        over the blocks of features that :meth:`blocks` names. Default: True.
    convex : bool
        Whether the penalty is convex, which ``lr="auto"`` needs. Default: True.
    smooth : bool
        Whether the penalty is differentiable. One that is not has exact zeros, or
        other values that a mean of points misses; training under ``lr="auto"`` then
        ends with a proximal step. Default: False, which is always safe.
    indicator : bool
        Whether the penalty is a constraint: 0 where the coefficients are allowed and
        infinite elsewhere. It adds nothing to the objective that is reported; the
        proximal step, which is the projection, keeps the coefficients inside, from
        the start. Default: False.

    Notes
    -----
    Penalties act on the coefficients of the features as given, also where training
    runs in scaled coordinates. Intercepts are never penalised.

    Examples
    --------
    A constraint that asks for coefficients of at least 1 in size, or 0, is a dozen
    lines (it is not convex, so `lr` must be a number):

    >>> import math
    >>> from skgd.penalties import Penalty
    >>> class Gap(Penalty):
    ...     convex = False
    ...     indicator = True
    ...
    ...     @staticmethod
    ...     def value_at(w, p):
    ...         return 0.0 if w == 0.0 or abs(w) >= 1.0 else math.inf
    ...
    ...     @staticmethod
    ...     def prox_at(w, step, p):
    ...         if abs(w) >= 1.0:
    ...             return w
    ...         if abs(w) <= 0.5:
    ...             return 0.0
    ...         return 1.0 if w > 0.0 else -1.0
    >>> Gap().prox([0.3, 0.7, -2.0], step=0.1)
    array([ 0.,  1., -2.])
    """

    separable = True
    convex = True
    smooth = False
    indicator = False
    _parameter_constraints: ClassVar[dict] = {}

    def elastic_net(
        self, alpha: float
    ) -> tuple[float | NDArray[np.float64], float | NDArray[np.float64]] | None:
        """Strengths (l1, l2) where the penalty is ``Σⱼ l1ⱼ |wⱼ| + ½ l2ⱼ wⱼ²``.

        Training then takes the l2 part as part of the gradient and the l1 part as a
        soft threshold, and may choose faster loops.

        Parameters
        ----------
        alpha : float
            The `alpha` of the estimator.

        Returns
        -------
        l1, l2 : float or array of shape (n_features,)
            An array where the strength differs between features. None (the default)
            if the penalty is of another kind.
        """
        return None

    def check(self, n_features: int) -> None:
        """Raise ValueError if a hyper-parameter does not fit the features.

        Parameters
        ----------
        n_features : int
            Number of features of X.
        """
        self.parameters(1.0, n_features)

    def blocks(self, n_features: int) -> NDArray[np.int64]:
        """For each feature the number of its block: 0, 1, ..., n_blocks - 1.

        Parameters
        ----------
        n_features : int
            Number of features of X.

        Returns
        -------
        int64 array of shape (n_features,)
            By default a block for each feature. Penalties that are not separable say
            which features belong together.
        """
        return np.arange(n_features)

    def parameters(self, alpha: float, n_features: int) -> NDArray[np.float64]:
        """Numbers that :meth:`value_at` and :meth:`prox_at` read, for each block.

        Parameters
        ----------
        alpha : float
            The `alpha` of the estimator: it must enter here, because nothing else
            multiplies the penalty.
        n_features : int
            Number of features of X.

        Returns
        -------
        float64 array of shape (n_blocks, n_numbers)
            Row b is the ``p`` of block b; for a separable penalty, of feature b. By
            default one number, `alpha`.
        """
        return np.full((self.blocks(n_features).max() + 1, 1), float(alpha))

    @staticmethod
    def value_at(w: Any, p: NDArray[np.float64]) -> float:
        """Value of the penalty of one coefficient, or of one block.

        The function runs as it stands under Python and compiled in the innermost
        loop of training, so it may use plain loops, scalars and :mod:`math` only, and
        must return a float in every branch.

        Parameters
        ----------
        w : float, or float64 array of shape (n_coefficients,)
            A coefficient; an array, all coefficients of the block, for penalties that
            are not separable. It must not be changed.
        p : float64 array of shape (n_numbers,)
            The row of :meth:`parameters`.

        Returns
        -------
        float
        """
        raise NotImplementedError("a penalty must define value_at(w, p)")

    @staticmethod
    def prox_at(w: Any, step: Any, p: NDArray[np.float64]) -> Any:
        """Proximal step: the u that minimises ½ (u - w)² / step + value(u).

        Under the same rules as :meth:`value_at`. With several outputs a block holds
        the coefficients of its features for all of them.

        Parameters
        ----------
        w : float, or float64 array of shape (n_coefficients,)
            A coefficient after the step down the gradient. An array, for penalties
            that are not separable, is changed in place.
        step : float ≥ 0, or float64 array of shape (n_coefficients,)
            Length of the step of each coefficient. They differ within a block where
            the features, or the steps of the optimizer, have different scales.
        p : float64 array of shape (n_numbers,)
            The row of :meth:`parameters`.

        Returns
        -------
        float, or None for penalties that are not separable
        """
        raise NotImplementedError("a penalty must define prox_at(w, step, p)")

    def value(self, coef: ArrayLike, alpha: float = 1.0) -> float:
        """Value of the penalty, without compilation.

        Parameters
        ----------
        coef : array-like of shape (n_features,) or (n_outputs, n_features)
            Coefficients in the shape of `coef_`.
        alpha : float, default=1.0
            Strength.

        Returns
        -------
        float
            inf where an indicator forbids the coefficients.

        Examples
        --------
        >>> from skgd.penalties import L1, Box
        >>> L1().value([1.0, -2.0], alpha=0.5)
        1.5
        >>> Box(low=0.0).value([1.0, -2.0])
        inf
        """
        W = np.atleast_2d(np.asarray(coef, dtype=np.float64))
        p = self.parameters(alpha, W.shape[1])
        if self.separable:
            return float(
                sum(self.value_at(w, p[j]) for row in W for j, w in _each(row))
            )
        block = self.blocks(W.shape[1])
        return float(
            sum(self.value_at(W.T[block == b].ravel(), p[b]) for b in range(len(p)))
        )

    def prox(
        self, coef: ArrayLike, step: ArrayLike, alpha: float = 1.0
    ) -> NDArray[np.float64]:
        """Proximal step of all coefficients, without compilation.

        Parameters
        ----------
        coef : array-like of shape (n_features,) or (n_outputs, n_features)
            Coefficients in the shape of `coef_`.
        step : float, or array-like that broadcasts to the shape of `coef`
            Length of the step, of each coefficient or of all.
        alpha : float, default=1.0
            Strength.

        Returns
        -------
        float64 array of the shape of `coef`

        Examples
        --------
        >>> from skgd.penalties import GroupLasso
        >>> GroupLasso([0, 0, 1], weights=[1, 1]).prox([3.0, 4.0, 0.5], step=1.0)
        array([2.4, 3.2, 0. ])
        """
        given = np.asarray(coef, dtype=np.float64)
        W = np.atleast_2d(given).copy()
        steps = np.broadcast_to(np.asarray(step, dtype=np.float64), W.shape)
        p = self.parameters(alpha, W.shape[1])
        if self.separable:
            for k, row in enumerate(W):
                for j, w in _each(row):
                    W[k, j] = self.prox_at(w, steps[k, j], p[j])
            return W.reshape(given.shape)
        block = self.blocks(W.shape[1])
        for b in range(len(p)):
            w = W.T[block == b].ravel()
            self.prox_at(w, steps.T[block == b].ravel(), p[b])
            W.T[block == b] = w.reshape(-1, len(W))
        return W.reshape(given.shape)

    def _strengths(self, alpha, weights, n, of="features"):
        """The strength of each of n features or groups: `alpha` times weight."""
        if weights is None:
            return np.full(n, float(alpha))
        weights = np.asarray(weights, dtype=np.float64)
        if weights.shape != (n,):
            raise ValueError(
                f"{type(self).__name__}(weights=...) has shape {weights.shape}; there "
                f"are {n} {of}, which need weights of shape ({n},)."
            )
        _check_weights(self, weights)
        return alpha * weights


def _each(row):
    return enumerate(row.tolist())


def _check_weights(penalty, weights):
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError(
            f"{type(penalty).__name__}(weights=...) must hold finite numbers of at "
            "least 0."
        )
