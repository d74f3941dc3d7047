"""An objective whose losses are recorded output by output, kinks rounded off.

For searches that keep the outputs apart, and for losses with kinks. It evaluates; how
far the kinks are rounded off, and where to look, is decided elsewhere.
"""

from dataclasses import dataclass, field

import numpy as np

from skgd._training.objective import BoundObjective, Objective


@dataclass(frozen=True)
class RecordedObjective(Objective):
    """An objective of separate outputs that keeps figures of its last evaluation.

    Attributes
    ----------
    widths : float64 array of shape (n_outputs,)
        Distance over which the kink of each output's loss is rounded off, in units of
        its residual; zero where the loss is smooth. May be changed at any time.
    figures : float64 array of shape (n_outputs, 3)
        Sums over the rows, since they were last set to zero, of the loss descended, of
        the loss itself, and of its slack; see ``_kernels/recorded.py``.
    """

    widths: np.ndarray | None = None
    figures: np.ndarray | None = field(default=None, repr=False)

    @classmethod
    def of(cls, objective, widths):
        """`objective` with its outputs apart."""
        figures = np.zeros((widths.size, 3))
        return cls(**vars(objective), widths=widths, figures=figures)

    def over(self, rows, block_rows, n_jobs):
        """The objective over rows whose targets have been measured."""
        return RecordedRows(self, rows, block_rows, n_jobs)


class RecordedRows(BoundObjective):
    """A recorded objective over rows; see ``BoundObjective``."""

    def __init__(self, objective, rows, block_rows, n_jobs=1):
        from skgd._kernels import compiling, outputs, recorded, user_code

        super().__init__(objective, rows, block_rows, n_jobs)
        self.output = compiling.address(
            recorded.recorded, outputs.output_signature(self.element)
        )
        slopes = objective.loss.residual_slopes()
        if slopes is not None:
            self.loss = compiling.address(
                type(objective.loss).residual, user_code.loss_signature()
            )
        n_outputs = objective.model.n_outputs
        # Not a number in the lines that no block writes into.
        n_figures = n_outputs * recorded.FIGURES
        self.table = np.full((rows.targets.shape[0], n_figures), np.nan)
        ends = np.zeros((n_outputs, 3))
        ends[:, :2] = slopes or (0.0, 0.0)
        self.loss_p = np.concatenate([self.loss_p, ends.ravel()])
        self.cost = self.output, self.loss, self.loss_p, self.table
        self._written = None

    def add_to(self, gradient, theta):
        """As ``BoundObjective.add_to``; adds to the objective's figures, too."""
        n_ends = 3 * self.objective.model.n_outputs
        self.loss_p[-n_ends:].reshape(-1, 3)[:, 2] = self.objective.widths
        total = super().add_to(gradient, theta)
        if self._written is None:
            # Blocks begin at the same rows in every pass.
            self._written = np.nonzero(~np.isnan(self.table[:, 1]))[0]
        figures = self.objective.figures
        figures[:] += self.table[self._written].sum(axis=0).reshape(figures.shape)
        return total
