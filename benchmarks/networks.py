"""Held-out loss of networks with their defaults, and without one ingredient of them.

MLPGD on raw numbers and one-hot columns against scikit-learn's networks on scaled
columns and targets, its boosted trees and its linear models; ``--peers`` has RealMLP
and TabM beside them, where pytabkit is installed, and ``--ablation`` replaces one
choice of the defaults after the other. How fast networks are is in ``mlp.py``.
"""

import importlib.util
import json
from contextlib import contextmanager, nullcontext
from pathlib import Path
from time import process_time

import numpy as np
from sklearn import datasets
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks._command import alone
from benchmarks._report import Table
from benchmarks._tables import load
from skgd import MLPGD
from skgd._network import coordinates
from skgd._network.automatic import automatic_alpha

# Rows of a table that are looked at, and the share of them that judges.
MOST_ROWS = 2400
HELD_OUT = 0.27

# Splits by which the defaults were chosen; others judge.
CHOSEN_BY = 3

# A difference in R2 or log loss that counts as one, and one that would be a failure.
SAME = 0.002
BAD = 0.03

# An R2 below this counts as this: one table must not decide the mean.
LEAST_R2 = -1.0
LEAST_PROBABILITY = 1e-7

# Where scores of peers, which do not change, are kept between runs.
KEPT = Path(__file__).parent / "results" / "networks-peers.json"

LOSS = {"regression": "squared_error", "classification": "log_loss"}


def generated():
    """Name -> (task, function returning X and y) of tables with known troubles."""

    def wide(rng):
        factors = rng.normal(size=(120, 5))
        X = factors @ rng.normal(size=(5, 2000)) + 0.3 * rng.normal(size=(120, 2000))
        return X, factors[:, 0] + 0.3 * rng.normal(size=120)

    def heavy(rng):
        X = np.exp(2 * rng.normal(size=(1000, 8)))
        signal = np.log(X[:, 0]) * np.tanh(np.log(X[:, 1]))
        return X, signal + 0.5 * rng.normal(size=1000)

    def noise(rng):
        X = rng.normal(size=(300, 20))
        return X, X[:, 0] + 1.5 * rng.normal(size=300) > 0

    def levels(rng):
        X = np.eye(150)[rng.integers(0, 150, 1500) * rng.integers(0, 2, 1500)]
        y = X @ rng.normal(size=150) + rng.logistic(size=1500) > 0
        return np.c_[X, rng.normal(size=(1500, 3))], y

    def friedman(rng):
        return datasets.make_friedman1(500, 10, noise=1.0, random_state=0)

    def moons(rng):
        return datasets.make_moons(400, noise=0.3, random_state=0)

    kinds = {
        "regression": {"wide": wide, "heavy tails": heavy, "friedman": friedman},
        "classification": {
            "mostly noise": noise,
            "rare levels": levels,
            "moons": moons,
        },
    }
    return {
        name: (task, lambda make=make: make(np.random.default_rng(0)))
        for task, group in kinds.items()
        for name, make in group.items()
    }


def tables_of(path, quick):
    """Name -> (task, loader) for all tables, those of the module `path` included.

    Besides what ``_tables.load`` reads, the module may define MIXED_REGRESSION and
    MIXED_CLASSES, whose loaders return data frames: text becomes one-hot columns and
    gaps the median.
    """
    found = {
        name: ("regression" if task == "regression" else "classification", make)
        for name, (task, make) in load(path, quick).items()
    }
    found |= {} if quick else generated()
    if path is not None:
        spec = importlib.util.spec_from_file_location("mixed_tables", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for task, attribute in (
            ("regression", "MIXED_REGRESSION"),
            ("classification", "MIXED_CLASSES"),
        ):
            for name, make in getattr(module, attribute, {}).items():
                found[name] = task, make
    return found


def encoded(X, y, frame=False):
    """A data frame as numbers, or as one of numbers and categories."""
    import pandas as pd

    X = X.copy()
    for column in X.columns:
        if pd.api.types.is_numeric_dtype(X[column]):
            median = X[column].median()
            X[column] = X[column].astype(float).fillna(median).fillna(0.0)
        elif frame:
            X[column] = X[column].astype(str).astype("category")
    if frame:
        return X, np.asarray(y)
    X = np.nan_to_num(pd.get_dummies(X, dtype=float).to_numpy(float))
    return X, np.asarray(y)


def split(task, make, seed, frame=False):
    """Training and held-out rows: X, X_new, y, y_new; X a data frame if it is to be."""
    X, y = make()
    if hasattr(X, "columns"):
        X, y = encoded(X, y, frame)
    else:
        X, y = np.asarray(X, float), np.asarray(y)
    if frame:
        import pandas as pd

        X = pd.DataFrame(X)
        X.columns = X.columns.astype(str)
    if len(X) > MOST_ROWS:
        rows = np.random.default_rng(0).permutation(len(X))[:MOST_ROWS]
        X, y = X.iloc[rows] if frame else X[rows], y[rows]
    labels = None
    if task == "regression":
        y = y.astype(float)
    else:
        y = np.unique(y, return_inverse=True)[1]
        common = np.isin(y, np.flatnonzero(np.bincount(y) >= 2))
        X, y = X[common], y[common]
        labels = y = np.unique(y, return_inverse=True)[1]
    return train_test_split(
        X, y, test_size=HELD_OUT, random_state=seed, stratify=labels
    )


def judged(task, model, X, y):
    """(R2 or minus log loss, accuracy or None, calibration error or None)."""
    if task == "regression":
        return max(LEAST_R2, r2_score(y, model.predict(X))), None, None
    p = np.clip(model.predict_proba(X), LEAST_PROBABILITY, 1.0)
    sure = p.max(axis=1)
    right = model.classes_[p.argmax(axis=1)] == y
    bins = np.minimum((sure * 10).astype(int), 9)
    gaps = np.bincount(bins, sure - right, 10)
    error = np.abs(gaps).sum() / len(y)
    loss = -log_loss(y, p / p.sum(axis=1, keepdims=True), labels=model.classes_)
    return loss, accuracy_score(y, model.classes_[p.argmax(axis=1)]), error


def peers(task):
    """Name -> estimator with its defaults, on scaled columns where that matters."""

    def scaled(model):
        return make_pipeline(StandardScaler(), model)

    if task == "classification":
        return {
            "MLPClassifier": scaled(MLPClassifier(random_state=0)),
            "MLP, early stopping": scaled(
                MLPClassifier(early_stopping=True, random_state=0)
            ),
            "HistGradientBoosting": HistGradientBoostingClassifier(random_state=0),
            "linear": scaled(LogisticRegression(max_iter=1000)),
        }

    def scaled_target(model):
        return scaled(TransformedTargetRegressor(model, transformer=StandardScaler()))

    return {
        "MLPRegressor": scaled_target(MLPRegressor(random_state=0)),
        "MLP, early stopping": scaled_target(
            MLPRegressor(early_stopping=True, random_state=0)
        ),
        "HistGradientBoosting": HistGradientBoostingRegressor(random_state=0),
        "linear": scaled(RidgeCV(np.logspace(-3, 4, 15))),
    }


# What scikit-learn's network is called in the summary, for either task.
REFERENCE = "MLP*"

ONE = "n_ensemble=1"


def ours(task):
    """Name -> network: the defaults, and a network alone."""
    fixed = {"loss": LOSS[task], "random_state": 0}
    return {"default": MLPGD(**fixed), ONE: MLPGD(n_ensemble=1, **fixed)}


def of_pytabkit(task):
    """Name -> the best published networks for tables, in PyTorch; empty without it."""
    if importlib.util.find_spec("pytabkit") is None:
        return {}
    import pytabkit

    kind = "Regressor" if task == "regression" else "Classifier"
    names = {"RealMLP-TD-S": "RealMLP_TD_S_", "TabM": "TabM_D_"}
    fixed = {"device": "cpu", "random_state": 0, "n_threads": 1}
    return {n: getattr(pytabkit, start + kind)(**fixed) for n, start in names.items()}


@contextmanager
def replaced(constant, value):
    """A constant of ``skgd._network.coordinates`` with another value for a while."""
    kept = getattr(coordinates, constant)
    setattr(coordinates, constant, value)
    try:
        yield
    finally:
        setattr(coordinates, constant, kept)


def ablations(task, n, d):
    """(ingredient, network that lacks it or has another, context of its fit).

    Below the default they are of one network, where differences cost a quarter.
    """

    def network(*sizes, n_ensemble=1, **parameters):
        fixed = {"loss": LOSS[task], "n_ensemble": n_ensemble, "random_state": 0}
        return MLPGD(*sizes, **fixed, **parameters)

    auto = automatic_alpha(n, d)
    default = MLPGD(loss=LOSS[task], random_state=0)
    yield "**the default**", default, nullcontext()
    yield ONE, network(), nullcontext()
    for what, parameters in {
        "alpha: 1e-4": {"alpha": 1e-4},
        "alpha: 1e-2": {"alpha": 1e-2},
        "alpha: 6/n, without columns": {"alpha": float(np.clip(6 / n, 1e-4, 0.03))},
        "alpha: half of it": {"alpha": auto / 2},
        "alpha: twice of it": {"alpha": auto * 2},
        "scales: none, standardize=False": {"standardize": False},
    }.items():
        yield what, network(**parameters), nullcontext()
    yield (
        "scales: no entry is brought within 8",
        network(),
        replaced("LONGEST_REACH", np.inf),
    )
    yield (
        "scales: the standard deviation, whatever the tail",
        network(),
        replaced("LONG_TAIL", np.inf),
    )
    yield (
        "scales: wide tables are not made smaller",
        network(),
        replaced("MANY_COLUMNS", np.inf),
    )
    yield (
        "targets: standard deviation with outliers, too",
        network(),
        replaced("MOST_USUAL", np.inf),
    )
    for what, parameters in {
        "rate: cosine instead of a line": {"lr": 0.01, "lr_schedule": "cosine"},
        "rate: constant": {"lr": 0.01},
        "rule: Nesterov's instead of Adam": {"optimizer": "nesterov"},
        "rule: RMSProp": {"optimizer": "rmsprop"},
        "batches of 16": {"batch_size": 16},
        "batches of 64": {"batch_size": 64},
        "epochs: 30, however few updates": {"max_iter": 30},
        "epochs: 15": {"max_iter": 15},
        "epochs: 60": {"max_iter": 60},
        "activation: tanh": {"activation": "tanh"},
        "activation: silu": {"activation": "silu"},
        "activation: gelu": {"activation": "gelu"},
        "dropout: 0.1": {"dropout": 0.1},
        "average from update 400 on": {"average": 400},
        "early stopping": {"early_stopping": True},
    }.items():
        yield what, network(**parameters), nullcontext()
    yield "units: 32", network((32,)), nullcontext()
    yield "units: 400", network((400,)), nullcontext()
    yield "layers: two of 100", network((100, 100)), nullcontext()
    equal = network(n_ensemble=4, alpha=auto)
    yield "n_ensemble=4, one strength for all", equal, nullcontext()


def measured(task, model, parts, context=None):
    """What `judged` says, and the seconds of the fit."""
    X, X_new, y, y_new = parts
    started = process_time()
    with context or nullcontext():
        model.fit(X, y)
    seconds = process_time() - started
    return (*judged(task, model, X_new, y_new), seconds)


def summary(results, kinds, reference):
    """One row for each method: how it compares with the reference over the tables."""
    methods = list(dict.fromkeys(name for one in results.values() for name in one))
    ranks = {name: [] for name in methods}
    for one in results.values():
        scores = np.array([one[name][0] for name in one])
        for name, (score, *_) in one.items():
            ranks[name].append(1 + np.sum(scores > score))
    rows = []
    for method in methods:
        differences = {
            table: one[method][0] - one[reference][0] for table, one in results.items()
        }
        by_task = {
            task: [differences[table] for table in differences if kinds[table] == task]
            for task in LOSS
        }
        values = np.array(list(differences.values()))
        worst = min(differences, key=differences.get)
        found = [one[method] for one in results.values()]
        right = [share for _, share, _, _ in found if share is not None]
        calibration = [error for _, _, error, _ in found if error is not None]
        rows.append(
            {
                "network": method,
                "R²": f"{np.mean(by_task['regression']):+.3f}",
                "log loss": f"{-np.mean(by_task['classification']):+.3f}",
                "accuracy": f"{np.mean(right):.3f}",
                "calibration error": f"{np.mean(calibration):.3f}",
                "no worse": f"{np.sum(values >= -SAME)} of {len(values)}",
                "worse by 0.03": int(np.sum(values < -BAD)),
                "worst": f"{differences[worst]:+.3f} ({worst})",
                "mean rank": f"{np.mean(ranks[method]):.1f}",
                "seconds": sum(seconds for *_, seconds in found),
            }
        )
    return rows


def mean_of(found):
    """Means over the splits, column by column; None where there is nothing."""
    columns = zip(*found, strict=True)
    return tuple(None if c[0] is None else float(np.mean(c)) for c in columns)


def held_out(seeds, quick, tables, methods, kinds_of_peers=(peers,)):
    """What methods reach on all tables, means over splits.

    Parameters
    ----------
    seeds : sequence of int
        Of the splits of each table.
    quick : bool
        Whether one table of each task will do.
    tables : str or None
        A module of further tables.
    methods : callable(task, n, d) -> iterable of (name, network, context)
    kinds_of_peers : sequence of callable(task) -> dict of name to estimator
        Those of `of_pytabkit` see data frames.

    Returns
    -------
    results : dict of table to dict of method to `measured`
        Those of peers, which do not change, are kept between runs.
    kinds : dict of table to task
    shapes : dict of table to (rows trained on, columns)
    """
    kept = json.loads(KEPT.read_text()) if KEPT.exists() and not quick else {}
    results, kinds, shapes = {}, {}, {}
    for name, (task, make) in tables_of(tables, quick).items():
        kinds[name] = task
        found = {}
        for seed in seeds:
            parts = split(task, make, seed)
            shapes[name] = parts[0].shape
            if not found:
                MLPGD((2,), loss=LOSS[task], max_iter=1).fit(parts[0], parts[2])
            for method, model, context in methods(task, *parts[0].shape):
                measure = measured(task, model, parts, context)
                found.setdefault(method, []).append(measure)
            for kind in kinds_of_peers:
                if kind is of_pytabkit:
                    parts = split(task, make, seed, frame=True)
                else:
                    parts = split(task, make, seed)
                for peer, model in kind(task).items():
                    key = f"{name}/{peer}/{seed}"
                    if key not in kept:
                        kept[key] = measured(task, model, parts)
                    alike = peer in ("MLPClassifier", "MLPRegressor")
                    method = REFERENCE if alike else peer
                    found.setdefault(method, []).append(kept[key])
        results[name] = {method: mean_of(values) for method, values in found.items()}
        if not quick:
            KEPT.parent.mkdir(exist_ok=True)
            KEPT.write_text(json.dumps(kept))
    return results, kinds, shapes


AGAINST = (
    "R² and log loss are differences from scikit-learn's network (R²: higher is "
    f"better, log loss: lower is better); no worse: by no more than {SAME}."
)


def judging(repeats):
    """Seeds of splits that no default was chosen by."""
    return range(CHOSEN_BY, CHOSEN_BY + repeats)


def run(repeats=5, quick=False, tables=None):
    """All tables of this suite; `repeats` is the number of splits of each table."""

    def methods(task, n, d):
        for name, model in ours(task).items():
            yield name, model, nullcontext()

    results, kinds, shapes = held_out(judging(repeats), quick, tables, methods)
    names = ("default", ONE, REFERENCE, "MLP, early stopping")
    names += ("HistGradientBoosting", "linear")
    shown = []
    for name, found in results.items():
        row = {"table": name, "rows": shapes[name][0], "columns": shapes[name][1]}
        row["measure"] = "R²" if kinds[name] == "regression" else "−log loss"
        shown.append(row | {method: found[method][0] for method in names})
    note = (
        f"Held out: {HELD_OUT:.0%} of at most {MOST_ROWS:,} rows, {repeats} splits. "
        "Ours on raw numbers and one-hot columns; scikit-learn's networks and linear "
        "models on scaled columns (and targets)."
    )
    return [
        Table("Networks with their defaults", shown, note),
        Table(
            "Networks with their defaults, all tables",
            summary(results, kinds, REFERENCE),
            AGAINST + (" In a quick run one table of each task." if quick else ""),
        ),
    ]


def run_peers(repeats=2, quick=False, tables=None):
    """RealMLP and TabM beside the default."""
    if not of_pytabkit("regression"):
        missing = ["pytabkit (RealMLP, TabM)"]
        return [Table("Networks for tables in PyTorch", [], missing=missing)]

    def methods(task, n, d):
        for name, model in ours(task).items():
            yield name, model, nullcontext()

    seeds, both = judging(repeats), (of_pytabkit, peers)
    results, kinds, _ = held_out(seeds, quick, tables, methods, both)
    only = ("default", ONE, *of_pytabkit("regression"), REFERENCE, *PEERS)
    results = {t: {name: one[name] for name in only} for t, one in results.items()}
    note = (
        f"{len(results)} tables, {repeats} splits; RealMLP and TabM see categories as "
        "categories. " + AGAINST
    )
    rows = summary(results, kinds, REFERENCE)
    return [Table("Networks for tables in PyTorch", rows, note)]


def run_ablation(repeats=3, quick=False, tables=None):
    """Replace one choice of the defaults after the other."""
    results, kinds, _ = held_out(range(repeats), quick, tables, ablations)
    only = [name for name in next(iter(results.values())) if name not in PEERS]
    results = {t: {name: one[name] for name in only} for t, one in results.items()}
    return [
        Table(
            "Networks: the default without one of its choices",
            summary(results, kinds, REFERENCE),
            f"{len(results)} tables, {repeats} splits. " + AGAINST,
        )
    ]


# Beside the reference, in the first table only.
PEERS = ("MLP, early stopping", "HistGradientBoosting", "linear")


if __name__ == "__main__":
    alone(run, __doc__, ablation=run_ablation, peers=run_peers)
