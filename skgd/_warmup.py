"""Compiling ahead of time: what fits with default parameters need.

The command line is ``__main__.py``; where the code is kept, ``_kernels/cache.py``.
"""

import multiprocessing
import os
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product

ESTIMATORS = ("GDRegressor", "GDClassifier", "MLPGD")

# Estimators that have nearly all of their code in common.
FAMILIES = (ESTIMATORS[:2], ESTIMATORS[2:])


def warm_up(names, dtypes, layouts, outputs, jobs):
    """Compile and keep what fits with default parameters need; returns the exit code.

    Parameters
    ----------
    names : list of str
        Estimators.
    dtypes : list of {'float64', 'float32'}
    layouts : list of {'dense', 'csr'}
    outputs : list of {1, 2}
        2 stands for any number of targets, and of classes above two.
    jobs : int
        Processes that compile at the same time.

    Returns
    -------
    int
        1 if something could not be kept, else 0.
    """
    families = [[name for name in names if name in family] for family in FAMILIES]
    families = [family for family in families if family]
    kinds = list(product(dtypes, layouts, families))
    jobs = min(jobs, len(kinds))
    if jobs == 1:
        found = [_compile(kind, outputs) for kind in kinds]
    else:
        # Processes, as Numba compiles one function at a time in each. All keep code in
        # the same folder, where every function has files of its own.
        anew = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(jobs, anew) as pool:
            found = list(pool.map(partial(_compile, outputs=outputs), kinds))
    failures = [failure for failures in found for failure in failures]
    if failures:
        print(f"Not all could be kept on disk: {failures[0]}.", file=sys.stderr)
        return 1
    from skgd._kernels import cache

    kept = [folder for folder in cache.folders() if os.path.isdir(folder)]
    print(f"Compiled code is kept in {kept[0]}.", flush=True)
    return 0


def _compile(kind, outputs):
    """Train models of a kind; returns why code was not kept."""
    import numpy as np
    from scipy import sparse

    import skgd
    from skgd._kernels import cache

    dtype, layout, names = kind
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    table = X.astype(dtype)
    table = sparse.csr_array(table) if layout == "csr" else table
    numbers = {1: X[:, 0], 2: X[:, :2]}
    labels = {1: np.digitize(X[:, 0], [0.0]), 2: np.digitize(X[:, 0], [-0.5, 0.5])}
    started = time.perf_counter()
    for name, n_outputs in product(names, outputs):
        y = numbers[n_outputs] if name == "GDRegressor" else labels[n_outputs]
        _train(getattr(skgd, name), table, y)
    seconds = time.perf_counter() - started
    what = f"{', '.join(names)} ({dtype}, {layout})"
    print(f"{what}: ready after {seconds:.1f} s", flush=True)
    return cache.failures


def _train(cls, X, y):
    first = {} if cls.__name__ == "GDRegressor" else {"classes": sorted({*y})}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cls(max_iter=2).fit(X, y)
        # A rate of one's own takes other loops than lr="auto".
        for lr in ("auto", 0.01):
            model = cls(lr=lr, max_iter=2)
            model.partial_fit(X, y, **first)
            # The second call of one row takes the way that the first has prepared.
            for i in range(2):
                model.partial_fit(X[i : i + 1], y[i : i + 1])
            cls(lr=lr, max_iter=2, batch_size=32).fit(X, y)
