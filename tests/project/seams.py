"""For mypy, not for running: each class of the package fits the seam it stands at."""

from __future__ import annotations

from skgd._input import targets
from skgd._linear.model import LinearModel
from skgd._network.model import Network
from skgd._stream.epochs import StreamedBatches, StreamObjective
from skgd._training import protocols
from skgd._training.epochs import Batches, FullBatch
from skgd._training.objective import BoundObjective
from skgd._training.state import State
from skgd.losses import Loss
from skgd.optimizers import Optimizer
from skgd.penalties import Penalty


def seams(
    linear: LinearModel,
    network: Network,
    loss: Loss,
    rule: Optimizer,
    penalty: Penalty,
    regression: targets.Regression,
    classification: targets.Classification,
    multilabel: targets.Multilabel,
    state: State,
    full: FullBatch,
    batches: Batches,
    streamed: StreamedBatches,
    table: BoundObjective,
    stream: StreamObjective,
) -> None:
    """Each assignment is an error of mypy if something is missing."""
    models: list[protocols.Model] = [linear, network]
    a_loss: protocols.Loss = loss
    a_rule: protocols.Rule = rule
    a_penalty: protocols.Penalty = penalty
    tasks: list[protocols.Task] = [regression, classification, multilabel]
    a_state: protocols.State = state
    epochs: list[protocols.Epoch] = [full, batches, streamed]
    objectives: list[protocols.ObjectiveOverRows] = [table, stream]
    del models, a_loss, a_rule, a_penalty, tasks, a_state, epochs, objectives
