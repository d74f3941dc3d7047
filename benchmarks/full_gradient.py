"""The full gradient of dense rows, against a loop that does nothing but read them.

The reading loop is the bound: no gradient can be had without looking at every number.
"""

import numba
import numpy as np

from benchmarks._command import alone
from benchmarks._peers import dense, fewer
from benchmarks._report import Table
from benchmarks._timing import interleaved, medians
from skgd._input.rows import Rows
from skgd._linear.model import LinearModel
from skgd._training.objective import Objective
from skgd.losses import LogLoss, SquaredError


@numba.njit(fastmath=True, nogil=True)
def read(values):
    """Sum of all numbers, at the speed of memory."""
    total = values.dtype.type(0)
    for i in range(values.shape[0]):
        total += values[i]
    return total


def bound_objective(X, y, loss, standardised):
    """The objective over X in raw or in centred and scaled coordinates."""
    d = X.shape[1]
    coordinates = (np.zeros(d), np.ones(d)) if standardised else (None, None)
    model = LinearModel(d, 1, X.dtype, True, *coordinates)
    nothing = np.empty(0)
    targets = np.where(y == 1, 1.0, -1.0)[:, None]
    objective = Objective(model, loss, False, nothing, nothing)
    return objective.bind(Rows.of(X, y, targets)), np.zeros(model.size, X.dtype)


def run(repeats=5, quick=False):
    """All tables of this suite."""
    rows = []
    n = fewer(200_000, quick)
    for dtype in (np.float64, np.float32):
        X, y = dense(n, 100, dtype)
        t = y.astype(dtype)
        w = np.zeros(X.shape[1], dtype)
        tasks = {
            "read": lambda X=X: read(X.reshape(-1)),
            "NumPy, two passes": lambda X=X, t=t, w=w: X.T @ (X @ w - t),
        }
        for loss in (SquaredError(), LogLoss()):
            for standardised in (False, True):
                bound, theta = bound_objective(X, y, loss, standardised)
                name = type(loss).__name__ + (", standardised" if standardised else "")
                tasks[name] = lambda b=bound, theta=theta: b.loss_and_gradient(theta)
        found = medians(interleaved(tasks, 2 * repeats))
        for name, seconds in found.items():
            rows.append(
                {
                    "work": f"{n:,} × 100, {np.dtype(dtype).name}",
                    "what": name,
                    "ms": 1e3 * seconds,
                    "passes": seconds / found["read"],
                }
            )
    note = "In units of one pass that only reads; the target is 1.5."
    return [Table("Full gradient", rows, note)]


if __name__ == "__main__":
    alone(run, __doc__)
