"""Whether fits end at the minimum, know it, and do not go on for long after it.

For every problem and tolerance the true gap (F - F*)/(F0 - F*), next to what the
estimator says of it, passes and time; the same for scikit-learn's solvers with their
own stopping rules, on scaled columns. The problems, and exact minima, are in
``_convex.py``.
"""

import statistics
import time
import warnings

from sklearn.base import clone
from sklearn.linear_model import (
    ElasticNet,
    GammaRegressor,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    QuantileRegressor,
)
from sklearn.svm import LinearSVC, LinearSVR

from benchmarks._command import alone
from benchmarks._convex import Convex, problems
from benchmarks._report import Table
from benchmarks._tables import load

TOLERANCES = (1e-3, 1e-4, 1e-6)
SOLVERS = ("auto", "batch")
PASSES = 1000

# A fit is short of the minimum beyond this many tolerances.
SHORT = 10.0

# A gap below it is rounding of F.
ROUNDING = 1e-11


def peer(problem, tol):
    """scikit-learn's estimator of the same objective, or None."""
    n, alpha = problem.X.shape[0], problem.l1 + problem.l2
    if problem.loss == "squared_error":
        if not alpha:
            return LinearRegression()
        ratio = problem.l1 / alpha
        return ElasticNet(alpha=alpha, l1_ratio=ratio, tol=tol, max_iter=10_000)
    if problem.loss == "log_loss":
        strength = 1.0 / (n * alpha) if alpha else float("inf")
        solver = "saga" if problem.l1 else "lbfgs"
        ratio = 1.0 if problem.l1 else 0.0
        return LogisticRegression(
            C=strength, l1_ratio=ratio, solver=solver, tol=tol, max_iter=1000
        )
    if problem.loss in ("absolute_error", "quantile") and not problem.l2:
        q = problem.parameters.get("quantile", 0.5)
        # The pinball loss at 1/2 is half the absolute error.
        half = 0.5 if problem.loss == "absolute_error" else 1.0
        return QuantileRegressor(quantile=q, alpha=half * problem.l1)
    if problem.loss == "epsilon_insensitive" and problem.l2:
        return LinearSVR(
            epsilon=0.1,
            C=1.0 / (n * problem.l2),
            tol=tol,
            max_iter=10_000,
            intercept_scaling=1000.0,
        )
    if problem.loss in ("hinge", "squared_hinge") and problem.l2:
        return LinearSVC(
            loss=problem.loss,
            C=1.0 / (n * problem.l2),
            tol=tol,
            max_iter=10_000,
            intercept_scaling=1000.0,
        )
    if problem.loss in ("poisson", "gamma"):
        cls = PoissonRegressor if problem.loss == "poisson" else GammaRegressor
        return cls(alpha=problem.l2, tol=tol, max_iter=1000)
    return None


def timed(model, X, y, repeats):
    """The fitted estimator, seconds of the median fit, and names of its warnings."""
    seconds = []
    for _ in range(repeats):
        fresh = clone(model)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            start = time.perf_counter()
            fresh.fit(X, y)
            seconds.append(time.perf_counter() - start)
    names = sorted({warning.category.__name__ for warning in caught})
    return fresh, statistics.median(seconds), ", ".join(names)


def passes_of_oracle(problem, model, tol):
    """Passes of this fit after which the gap was below `tol` for the first time."""
    left = problem.start - problem.best
    for k, loss in enumerate(model.history_["loss"]):
        if (loss - problem.best) / left <= tol:
            return k + 1
    return None


def fits(problem, repeats):
    """Rows of our fits of a problem, one for each tolerance and solver."""
    rows = []
    for tol in TOLERANCES:
        for solver in SOLVERS:
            settings = {} if solver == "auto" else {"solver": solver}
            model = problem.estimator(tol=tol, max_iter=PASSES, **settings)
            try:
                model, seconds, caught = timed(model, problem.X, problem.y, repeats)
            except Exception as error:
                rows.append(_row(problem, tol, solver) | {"warnings": repr(error)})
                continue
            passes = model.n_iter_
            oracle = passes_of_oracle(problem, model, tol)
            rows.append(
                _row(problem, tol, solver)
                | {
                    "gap": problem.gap(model),
                    "gap_": getattr(model, "gap_", None),
                    "kind": getattr(model, "gap_kind_", ""),
                    "passes": passes,
                    "oracle": oracle,
                    "ms": 1e3 * seconds,
                    "stop": model.stop_reason_,
                    "warnings": caught,
                }
            )
    return rows


def peer_fits(problem, repeats):
    """Rows of scikit-learn's fits on scaled columns."""
    if peer(problem, TOLERANCES[0]) is None:
        return []
    scaled = problem.scaled()
    rows = []
    for tol in TOLERANCES:
        model = peer(scaled, tol)
        model, seconds, caught = timed(model, scaled.X, scaled.y, repeats)
        rows.append(
            _row(problem, tol, type(model).__name__)
            | {"gap": scaled.gap(model), "ms": 1e3 * seconds, "warnings": caught}
        )
    return rows


def _row(problem, tol, solver):
    size = " × ".join(f"{k:,}" for k in problem.X.shape)
    return {"problem": problem.name, "size": size, "tol": tol, "solver": solver}


def summary(rows):
    """One row for each tolerance and method: what came of all problems."""
    found = []
    ours = {name: name for name in SOLVERS}
    groups = {}
    for row in rows:
        method = ours.get(row["solver"], "scikit-learn, scaled")
        groups.setdefault((row["tol"], method), []).append(row)
    for (tol, method), group in groups.items():
        done = [row for row in group if "gap" in row]
        limit = max(SHORT * tol, ROUNDING)
        short = [row for row in done if not row["gap"] <= limit]
        certified = [row for row in done if row.get("kind") == "bound"]
        ratios = [row["passes"] / row["oracle"] for row in done if row.get("oracle")]
        found.append(
            {
                "tol": tol,
                "method": method,
                "problems": len(group),
                "failed": len(group) - len(done),
                "gap above tol": sum(
                    not row["gap"] <= max(tol, ROUNDING) for row in done
                ),
                "above 10 tol": len(short),
                "of these silent": sum(not row["warnings"] for row in short),
                "certified": len(certified),
                "bound below the gap": sum(
                    row["gap_"] < row["gap"] - ROUNDING for row in certified
                ),
                "passes / oracle": statistics.median(ratios) if ratios else None,
                "ms": statistics.median(row["ms"] for row in done) if done else None,
            }
        )
    return found


def further(path):
    """Problems on the tables of a module: its task's usual loss."""
    if path is None:
        return
    known = set(load())
    for name, (task, make) in load(path).items():
        if name in known:
            continue
        X, y = make()
        if task == "regression":
            yield Convex(f"{name} squared", "squared_error", X, y)
        else:
            yield Convex(f"{name} log_loss", "log_loss", X, y, 1e-4)


def run(repeats=5, quick=False, tables=None):
    """All tables of this suite."""
    chosen = [*problems(quick), *further(tables)]
    rows = []
    for problem in chosen:
        rows += fits(problem, repeats)
        rows += peer_fits(problem, repeats)
    note = (
        "gap is (F - F*)/(F0 - F*) with F* exact and F0 at the best constant; gap_ and "
        "kind what the fit says of it. oracle: passes after which the gap of the same "
        "fit was below tol. Peers on scaled columns, by their own objective."
    )
    return [
        Table("Certificate: all problems", rows, note),
        Table("Certificate: summary", summary(rows)),
    ]


if __name__ == "__main__":
    alone(run, __doc__)
