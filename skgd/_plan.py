"""From constructor parameters to the parts of a training run.

The one place that decides which objective, rule, rate and kind of epoch a call means.
"""

from dataclasses import dataclass

from skgd._epochs import Batches, FullBatch, Stepper, epoch_rates
from skgd._full_gradient import FullGradientDescent
from skgd._objective import Objective
from skgd._state import Averaging
# Gradients between the moving point and its mean (Defazio et al., 2024).
SCHEDULE_FREE = Averaging(start=1, interpolation=0.9)


@dataclass
class Plan:
    """The parts of one training run.

    Attributes
    ----------
    objective : Objective
    optimizer : Optimizer or FullGradientDescent
    schedule : Schedule
    solver : {'batch', 'minibatch', 'sgd'}
    batch_size : int
        Rows per update.
    lr : float
        Base learning rate.
    averaging : Averaging
        Which mean of the parameters is the answer.
    clip_norm : float or None
    shuffle : bool
    """

    objective: Objective
    optimizer: object
    schedule: object
    solver: str
    batch_size: int
    lr: float
    averaging: Averaging
    clip_norm: float | None
    shuffle: bool

    @property
    def model(self):
        return self.objective.model

    def bind(self, rows):
        """The objective over the training rows."""
        block_rows = min(self.batch_size, self.model.block_rows)
        if self.solver != "batch" and hasattr(rows.X, "indptr"):
            block_rows = self.batch_size
        return self.objective.bind(rows, block_rows)

    def epoch(self, bound, horizon, on_step=None):
        """One pass over the bound rows, ready to run.

        Parameters
        ----------
        bound : BoundObjective
        horizon : float or None
            Epochs the whole run may take, for the schedules that end with it.
        on_step : callable(state), optional
            Called after each update within an epoch.
        """
        if isinstance(self.optimizer, FullGradientDescent):
            return self.optimizer.on(bound)
        stepper = Stepper(self.objective, self.optimizer, self.clip_norm)

        def rates(state, n_steps):
            return epoch_rates(state, self.lr, self.schedule, n_steps, horizon)

        if self.solver == "batch":
            return FullBatch(bound, stepper, rates)
        return Batches(bound, stepper, rates, self.batch_size, self.shuffle, on_step)


def rows_per_update(solver, batch_size, n_rows, auto):
    """How many rows make one update."""
    if solver == "batch":
        return n_rows
    if solver == "sgd":
        return 1
    return min(auto if batch_size == "auto" else batch_size, n_rows)
