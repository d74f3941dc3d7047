"""The seams of training as types: what each part may ask of the others, no more.

A class need not inherit from these; mypy checks that those of the package fit (see the
end), so a new model, task or epoch is complete when it is accepted here.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

Floats = NDArray[np.floating[Any]]
Doubles = NDArray[np.float64]


class Model(Protocol):
    """Maps a flat theta to scores, and knows the coordinates theta lives in."""

    dtype: np.dtype[Any]

    @property
    def n_outputs(self) -> int:
        """Scores of a row."""

    @property
    def is_linear(self) -> bool:
        """Whether scores are linear in the features."""

    @property
    def unit(self) -> float:
        """What the objective is multiplied by in the coordinates of theta."""

    @property
    def size(self) -> int:
        """Entries of theta."""

    @property
    def block_rows(self) -> int:
        """Rows that the kernels handle at a time."""

    @property
    def multiplies_matrices(self) -> bool:
        """Whether the kernels call BLAS."""

    def to_train(self) -> Any:
        """The model, or a copy of what training would move in it."""

    def penalised(self) -> Doubles:
        """1 for weights, 0 for intercepts."""

    @property
    def may_raise(self) -> bool:
        """Whether it calls functions of users in compiled code."""

    def bind(self, X: Any, block_rows: int) -> tuple[tuple[Any, ...], Any]:
        """What compiled loops work on, and these loops."""

    def translated(self, theta: Floats, model: Any) -> Floats:
        """`theta`, which another model of the same features holds, in these units."""


class Loss(Protocol):
    """One loss of a target and a score; see `skgd.losses.Loss`."""

    @property
    def smooth(self) -> bool:
        """Whether the derivative is continuous."""

    @property
    def curvature(self) -> float | None:
        """Bound of the second derivative."""

    @property
    def softmax(self) -> bool:
        """Whether several classes are trained by cross-entropy."""

    @property
    def trivial_minimum(self) -> bool:
        """Whether zero weights are a minimum."""

    @property
    def identity_link(self) -> bool:
        """Whether predictions are the scores."""

    def parameters(self) -> tuple[float, ...]:
        """Constants for the compiled function."""

    @staticmethod
    def value_and_derivative(y: Any, z: Any, p: Any) -> Any:
        """Value and slope for one row."""

    def gradient(self, y: ArrayLike, z: ArrayLike) -> Doubles:
        """Slopes of many rows, without compilation."""

    def best_constant(self, y: Any, sample_weight: Any = None) -> float:
        """The best score without features."""

    def check_target(self, y: Any) -> None:
        """Raise an error for a target that the loss cannot use."""


class Rule(Protocol):
    """How a gradient moves theta; see `skgd.optimizers.Optimizer`."""

    @property
    def finds_rate(self) -> bool:
        """Whether it finds the length of its steps itself."""

    @property
    def searches(self) -> bool:
        """Whether steps are judged by the objective."""

    @property
    def normalises(self) -> bool:
        """Whether gradients are divided by their size."""

    @property
    def keeps_derivatives(self) -> bool:
        """Whether it is given changes of derivatives."""

    @property
    def row_step(self) -> str | None:
        """Name of the closed form of the steps of rows, if there is one."""

    def start(self, n: int, dtype: DTypeLike) -> tuple[Floats, Doubles, Floats]:
        """Vectors, scalars and step lengths before the first update."""


class Penalty(Protocol):
    """A penalty on raw coefficients; see `skgd.penalties.Penalty`."""

    separable: bool
    convex: bool
    smooth: bool
    indicator: bool

    def elastic_net(self, alpha: float) -> tuple[Any, Any] | None:
        """Strengths (l1, l2), for a penalty that is nothing else."""

    def check(self, n_features: int) -> None:
        """Raise an error for hyper-parameters that do not fit the features."""

    def blocks(self, n_features: int) -> NDArray[np.int64]:
        """The block of each feature."""

    def parameters(self, alpha: float, n_features: int) -> Doubles:
        """Numbers for each block."""

    @staticmethod
    def value_at(w: Any, p: Any) -> Any:
        """Value at one coefficient, or one block."""

    @staticmethod
    def prox_at(w: Any, step: Any, p: Any) -> Any:
        """Proximal step of one coefficient, or one block."""


class Task(Protocol):
    """What y means: numbers or classes, and how they become targets of the loss."""

    @property
    def name(self) -> str:
        """Either "regression" or "classification"."""

    @property
    def n_outputs(self) -> int:
        """Scores of a row."""

    @property
    def n_targets(self) -> int:
        """Targets of a row."""

    @property
    def classes(self) -> NDArray[Any] | None:
        """All labels, sorted; None for numbers."""

    def encode(self, y: Any) -> Doubles:
        """Targets of shape (n_rows, n_targets)."""


class State(Protocol):
    """What moves: theta and all that is remembered between updates."""

    theta: Floats
    step: int

    def answer(self) -> Floats:
        """The parameters to predict with."""


class Epoch(Protocol):
    """One pass over the rows."""

    def run(self, state: Any) -> tuple[float, float]:
        """Move the state; returns (objective, rate), not finite if it failed."""


class ObjectiveOverRows(Protocol):
    """F and its gradient over given rows, in memory or on a stream."""

    @property
    def in_memory(self) -> bool:
        """Whether an evaluation takes no longer than the arithmetic."""

    @property
    def whole(self) -> Any:
        """The objective over all rows, if they are in memory here, or None."""

    def sum_over_rows(self, function: Any, every: int) -> Any:
        """Sum of a function of rows and their order; None where that costs too much."""

    @property
    def n_rows(self) -> int | None:
        """Rows; None if they have not been counted."""

    def value(self, theta: Floats) -> float:
        """F(theta)."""

    def value_of_sample(self, theta: Floats) -> float:
        """F(theta) over rows from all over: enough of them to tell good from bad."""

    def value_of_all(self, theta: Floats) -> float:
        """F(theta) over all rows, where they can be read again."""

    def mean_loss(self, theta: Floats) -> float:
        """F(theta) without the penalty."""

    def loss_and_gradient(self, theta: Floats) -> tuple[float, Doubles]:
        """Sums of losses and of gradients, without the penalty."""

    def gradient(self, theta: Floats) -> tuple[float, Doubles]:
        """F(theta) and the gradient of its smooth part."""

    @property
    def many_updates(self) -> Any:
        """The class of the epochs of many updates over such rows.

        ``Batches`` of ``_training/epochs.py``, or one with its arguments.
        """
