"""Tables for the suites that need data of every kind.

Raw tables that ship with scikit-learn, synthetic ones with the troubles of real data,
larger ones, and any further tables from a module named on the command line. Objectives
and their minima are in ``_problems.py``, plain random data in ``_peers.py``.
"""

import importlib.util

import numpy as np
from sklearn import datasets

from benchmarks._peers import dense, fewer


def _bundled(loader, **kwargs):
    return lambda: loader(return_X_y=True, **kwargs)


def _synthetic(kind, task, n=5000, d=20, seed=0):
    """Columns of scales 10^U(-3, 3) with offsets, correlations or heavy tails."""

    def make():
        rng = np.random.default_rng(seed)
        Z = rng.standard_normal((n, d))
        if kind == "correlated":
            Z = Z + 5.0 * rng.standard_normal((n, 1))
        if kind == "lognormal":
            Z = np.exp(1.5 * Z)
        if kind == "rare":
            Z[:, : d // 2] = rng.random((n, d // 2)) < 0.002
        signal = ((Z - Z.mean(0)) / Z.std(0)) @ rng.standard_normal(d)
        offset = 5.0 if kind == "offset" else 0.0
        X = (Z + offset * Z.std(0)) * 10.0 ** rng.uniform(-3, 3, d)
        noise = rng.standard_normal(n)
        if task == "regression":
            return X, 1000.0 * (signal + noise) + 5e4
        return X, (signal + noise > 0).astype(int)

    return make


REGRESSION = {
    "diabetes": _bundled(datasets.load_diabetes, scaled=False),
    **{
        f"{kind}-r": _synthetic(kind, "regression")
        for kind in ("offset", "correlated", "lognormal", "rare")
    },
}
BINARY = {
    "cancer": _bundled(datasets.load_breast_cancer),
    **{
        f"{kind}-c": _synthetic(kind, "classification")
        for kind in ("offset", "correlated", "lognormal", "rare")
    },
}
MULTICLASS = {
    "wine": _bundled(datasets.load_wine),
    "digits": _bundled(datasets.load_digits),
    "iris": _bundled(datasets.load_iris),
}


# Name -> (task, function of the number of rows, rows).
LARGE = {
    "well conditioned, large": ("binary", lambda n: dense(n, 30), 100_000),
    "correlated, large": (
        "binary",
        lambda n: _synthetic("correlated", "classification", n, 30)(),
        100_000,
    ),
    "300 columns": (
        "regression",
        lambda n: _synthetic("plain", "regression", n, 300)(),
        20_000,
    ),
    "correlated, 300 columns": (
        "regression",
        lambda n: _synthetic("correlated", "regression", n, 300)(),
        20_000,
    ),
    "10 classes": ("multiclass", lambda n: dense(n, 50, n_classes=10), 20_000),
}


def load(path=None, quick=False):
    """Name -> (task, loader) for the bundled tables and those of the module `path`.

    Parameters
    ----------
    path : str, default=None
        A module that defines REGRESSION, BINARY and MULTICLASS, each name -> function
        returning (X, y).
    quick : bool
        Whether one table of each task will do.
    """
    tables = {}
    groups = {"regression": REGRESSION, "binary": BINARY, "multiclass": MULTICLASS}
    for task, group in groups.items():
        for name in list(group)[: 1 if quick else None]:
            tables[name] = (task, group[name])
    if path is not None:
        spec = importlib.util.spec_from_file_location("tables", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for task in groups:
            for name, make in getattr(module, task.upper()).items():
                tables[name] = (task, make)
    return tables


def large(quick=False):
    """Name -> (task, loader) for synthetic tables of more rows or columns."""
    return {
        name: (task, lambda make=make, n=n: make(fewer(n, quick)))
        for name, (task, make, n) in LARGE.items()
    }
