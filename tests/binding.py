"""Objectives bound to small tables, as the tests of kernels want them."""

import numpy as np

from skgd._input.rows import Rows
from skgd._linear.model import LinearModel
from skgd._training.objective import Objective
from skgd.losses import SquaredError


def bound_to(X, targets, loss=None, *, softmax=False, outputs=None, l1=0.0, l2=0.0):
    """A linear objective over rows.

    Parameters
    ----------
    X : array or CSR matrix of shape (n_rows, n_features)
    targets : float64 array of shape (n_rows, n_targets)
    loss : Loss, default=SquaredError()
    softmax : bool
    outputs : int, optional
        By default as many as there are targets.
    l1, l2 : float
        Strengths of penalties.

    Returns
    -------
    BoundObjective
    """
    outputs = targets.shape[1] if outputs is None else outputs
    model = LinearModel(X.shape[1], outputs, X.dtype, True)
    strengths = model.penalty_weights(l1, l2)
    objective = Objective(model, loss or SquaredError(), softmax, *strengths)
    return objective.bind(Rows.of(X, targets, np.asarray(targets)))
