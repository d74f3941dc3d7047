"""What a second thread brings: sums over all rows, and searches.

The one suite that uses more than one thread.
"""

import os

from joblib import parallel_config
from sklearn.model_selection import GridSearchCV

from benchmarks._command import alone
from benchmarks._fits import skgd_fit
from benchmarks._peers import dense, fewer
from benchmarks._report import Table
from benchmarks._timing import interleaved, medians, per_epoch
from skgd import GDClassifier


def run(repeats=5, quick=False):
    """All tables of this suite."""
    n_jobs = min(2, os.cpu_count())
    n = fewer(400_000, quick)
    X, y = dense(n, 100)
    fits = {
        jobs: skgd_fit(GDClassifier, X, y, solver="batch", lr=0.1, n_jobs=jobs)
        for jobs in (1, n_jobs)
    }
    rows = [_row(f"batch, {n:,} × 100", per_epoch(fits, 2, 22, repeats), n_jobs)]
    n = fewer(50_000, quick)
    X, y = dense(n, 50)
    model = GDClassifier(
        solver="minibatch", lr=0.01, max_iter=20, tol=None, random_state=0
    )

    def search(jobs):
        with parallel_config("threading", n_jobs=jobs):
            GridSearchCV(model, {"alpha": [0.0, 1e-4, 1e-3, 1e-2]}, cv=2).fit(X, y)

    tasks = {jobs: lambda jobs=jobs: search(jobs) for jobs in (1, n_jobs)}
    found = medians(interleaved(tasks, repeats))
    rows.append(_row(f"GridSearchCV in threads, {n:,} × 50", found, n_jobs))
    return [Table("Threads", rows, "Target: 1.7 times on two cores.")]


def _row(work, seconds, n_jobs):
    return {
        "work": work,
        "one thread, ms": 1e3 * seconds[1],
        "two threads, ms": 1e3 * seconds[n_jobs],
        "times faster": seconds[1] / seconds[n_jobs],
    }


if __name__ == "__main__":
    alone(run, __doc__)
