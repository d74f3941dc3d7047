"""What a second thread brings: sums over all rows, and searches.

The one suite that uses more than one thread. Reading alone shows how much faster two
threads can be where memory is the bound.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from joblib import parallel_config
from sklearn.model_selection import GridSearchCV

from benchmarks._command import alone
from benchmarks._fits import skgd_fit
from benchmarks._peers import dense, fewer
from benchmarks._report import Table
from benchmarks._timing import interleaved, medians, per_epoch
from benchmarks.full_gradient import read
from skgd import GDClassifier


def reading(X, n_jobs, repeats):
    """Median seconds of reading a table with one thread, and with `n_jobs`."""
    values = X.reshape(-1)
    with ThreadPoolExecutor(n_jobs) as pool:
        tasks = {
            jobs: lambda jobs=jobs: list(pool.map(read, np.array_split(values, jobs)))
            for jobs in (1, n_jobs)
        }
        return medians(interleaved(tasks, 4 * repeats))


def run(repeats=5, quick=False):
    """All tables of this suite."""
    n_jobs = min(2, os.cpu_count())
    rows = []
    # The second one fits into a cache.
    for n in (fewer(400_000, quick), fewer(40_000, quick)):
        X, y = dense(n, 100)
        fits = {
            jobs: skgd_fit(GDClassifier, X, y, solver="batch", lr=0.1, n_jobs=jobs)
            for jobs in (1, n_jobs)
        }
        many = 2 + 8_000_000 // n
        found = per_epoch(fits, 2, many, repeats)
        rows.append(_row(f"batch, {n:,} × 100", found, n_jobs))
        rows.append(_row(f"reading {n:,} × 100", reading(X, n_jobs, repeats), n_jobs))
    n = fewer(50_000, quick)
    X, y = dense(n, 50)
    model = GDClassifier(
        solver="minibatch", lr=0.01, max_iter=20, tol=None, random_state=0
    )

    def search(jobs):
        with parallel_config("threading", n_jobs=jobs):
            # The final fit of the best candidate has nothing beside it to share.
            candidates = {"alpha": [0.0, 1e-4, 1e-3, 1e-2]}
            GridSearchCV(model, candidates, cv=2, refit=False).fit(X, y)

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
