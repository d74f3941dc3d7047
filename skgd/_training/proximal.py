"""A penalty on raw coefficients as a compiled step on theta of a linear model.

Which penalty, and how its step is found, is decided in ``penalties/``; what is an
elastic net does not come here, because the kernels know its strengths.
"""

from functools import cached_property

import numpy as np


class Proximal:
    """A penalty bound to the coordinates of a linear model.

    Parameters
    ----------
    penalty : skgd.penalties.Penalty
    alpha : float
        Its strength.
    model : LinearModel
    """

    def __init__(self, penalty, alpha, model):
        self.penalty = penalty
        self.n_weights = model.n_weights
        n = model.n_features
        scale = np.ones(n) if model.scale is None else model.scale.astype(np.float64)
        table = np.ascontiguousarray(penalty.parameters(alpha, n), dtype=np.float64)
        blocks = penalty.blocks(n)
        if table.ndim != 2 or len(table) != np.max(blocks) + 1:
            raise ValueError(
                f"{type(penalty).__name__}.parameters() must return a row of numbers "
                f"for each of {np.max(blocks) + 1} features or blocks; its shape is "
                f"{table.shape}."
            )
        sizes = (model.n_outputs, n, *table.shape)
        starts = np.concatenate([[0], np.cumsum(np.bincount(blocks))])
        members = np.argsort(blocks, kind="stable")
        # The addresses come later: they take compiling.
        self._layout = np.concatenate([[0, 0], sizes, members, starts])
        workspace = np.zeros(2 * model.n_weights)
        self._numbers = np.concatenate([scale, table.ravel(), workspace])

    @cached_property
    def _data(self):
        from skgd._kernels import compiling, proximal

        cls = type(self.penalty)
        if cls.separable:
            step, value = (
                proximal.number_step_signature(),
                proximal.number_value_signature(),
            )
        else:
            step, value = (
                proximal.block_step_signature(),
                proximal.block_value_signature(),
            )
        self._layout[proximal.STEP] = compiling.address(cls.prox_at, step)
        self._layout[proximal.VALUE] = compiling.address(cls.value_at, value)
        return self._layout, self._numbers

    def arguments(self, element):
        """(address, whole numbers, numbers): what the compiled epoch is given."""
        from skgd._kernels import compiling, proximal

        function = self._choice(proximal.separable_step, proximal.blocks_step)
        step = compiling.address(function, proximal.step_signature(element))
        return (step, *self._data)

    def _choice(self, separable, blocks):
        return separable if self.penalty.separable else blocks

    def step(self, theta, length):
        """Where theta goes in a proximal step, in double precision.

        Parameters
        ----------
        theta : array of shape (n_parameters,)
        length : float

        Returns
        -------
        float64 array of shape (n_parameters,)
        """
        from skgd._kernels import compiling, proximal

        function = self._choice(proximal.separable_step, proximal.blocks_step)
        double = compiling.numba_type(np.float64)
        kernel = compiling.kernel(function, proximal.step_signature(double))
        moved = theta.astype(np.float64)
        kernel(moved, np.full(moved.size, float(length)), (0, *self._data))
        return moved

    def value(self, theta):
        """Value of the penalty; 0 for a constraint, which the steps keep.

        Parameters
        ----------
        theta : array of shape (n_parameters,)

        Returns
        -------
        float
        """
        if self.penalty.indicator:
            return 0.0
        from skgd._kernels import compiling, proximal

        function = self._choice(proximal.separable_value, proximal.blocks_value)
        kernel = compiling.kernel(function, proximal.value_signature())
        return kernel(theta.astype(np.float64), (0, *self._data))
