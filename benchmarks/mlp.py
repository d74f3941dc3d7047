"""MLPGD against MLPClassifier, MLPRegressor and eager PyTorch.

Time of an update, held-out score and time of whole fits with defaults, and what
limiting BLAS threads costs. Linear models are in ``minibatches.py``.
"""

from itertools import pairwise
from time import process_time

import numpy as np
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks._command import alone
from benchmarks._fits import skgd_fit, torch_fit
from benchmarks._peers import dense, fewer, optional
from benchmarks._report import Table
from benchmarks._tables import load
from benchmarks._timing import interleaved, medians, per_epoch
from skgd import MLPGD
from skgd._training.threads import one_blas_thread

# Features, hidden units, rows per update, rows, and the ratio asked for: against
# MLPClassifier, against PyTorch.
SPEED = (
    (64, (16,), 8, 2000, 15.0, 5.0),
    (64, (16,), 32, 4000, 15.0, 5.0),
    (64, (100,), 32, 4000, 6.0, 1.0),
    (64, (100,), 200, 8000, 2.5, 1.0),
    (784, (512, 512), 200, 4000, 1.2, 1.0),
)
N_CLASSES = 10
LR = 1e-3


def sklearn_fit(X, y, hidden, batch_size):
    """callable(n_epochs) that fits MLPClassifier, by Adam."""

    def fit(n_epochs):
        return MLPClassifier(
            hidden,
            batch_size=batch_size,
            learning_rate_init=LR,
            max_iter=n_epochs,
            tol=0.0,
            n_iter_no_change=n_epochs + 1,
            random_state=0,
        ).fit(X, y)

    return fit


def torch_network(X, y, hidden, batch_size):
    """callable(n_epochs) that trains the same network in PyTorch."""
    import torch

    def layers():
        found = []
        for fan_in, fan_out in pairwise((X.shape[1], *hidden, N_CLASSES)):
            found += [torch.nn.Linear(fan_in, fan_out), torch.nn.ReLU()]
        return found[:-1]

    return torch_fit(
        layers,
        lambda parameters: torch.optim.Adam(parameters, lr=LR),
        torch.nn.functional.cross_entropy,
        X,
        y,
        batch_size,
    )


def speed(repeats, quick):
    """Microseconds per update of Adam."""
    torch = optional("torch")
    rows = []
    for dtype in (np.float64, np.float32):
        for d, hidden, batch_size, n, asked, asked_of_torch in SPEED:
            # Networks this wide hardly notice what the epochs are subtracted for.
            n_epochs = 2 if max(hidden) > 200 or quick else 10
            n = fewer(n, quick)
            X, y = dense(n, d, dtype, N_CLASSES)
            parameters = {"hidden_layer_sizes": hidden, "batch_size": batch_size}
            fits = {
                "skgd": skgd_fit(MLPGD, X, y, lr=LR, standardize=False, **parameters),
                "MLPClassifier": sklearn_fit(X, y, hidden, batch_size),
            }
            if torch is not None:
                fits["PyTorch"] = torch_network(X, y, hidden, batch_size)
            seconds = per_epoch(fits, 1, n_epochs + 1, repeats)
            n_updates = -(-n // batch_size)
            row = {
                "network": "-".join(map(str, (d, *hidden, N_CLASSES))),
                "batch": batch_size,
                "dtype": np.dtype(dtype).name,
            }
            row |= {f"{name}, us": 1e6 * s / n_updates for name, s in seconds.items()}
            targets = {"MLPClassifier": asked, "PyTorch": asked_of_torch}
            for name in list(fits)[1:]:
                row[f"times faster than {name}"] = seconds[name] / seconds["skgd"]
                row[f"target, {name}"] = targets[name]
            rows.append(row)
    missing = [] if torch else ["torch"]
    return Table("Networks: an update of Adam", rows, "Random order.", missing)


def splits(task, X, y, n_splits):
    """Random splits of three quarters and a quarter."""
    kind = ShuffleSplit if task == "regression" else StratifiedShuffleSplit
    return kind(n_splits, test_size=0.25, random_state=0).split(X, y)


def compare(task, X, y, n_splits):
    """Mean held-out score and seconds of both, over random splits."""
    peer = MLPRegressor if task == "regression" else MLPClassifier
    loss = "squared_error" if task == "regression" else "log_loss"
    results = {"sklearn": [], "skgd": []}
    MLPGD(loss=loss, max_iter=1).fit(X, y)  # compiles
    for seed, (train, test) in enumerate(splits(task, X, y, n_splits)):
        models = {
            "sklearn": make_pipeline(StandardScaler(), peer(random_state=seed)),
            "skgd": MLPGD(loss=loss, random_state=seed),
        }
        for name, model in models.items():
            # Of the processor: these fits are too long to repeat for a median.
            start = process_time()
            model.fit(X[train], y[train])
            taken = process_time() - start
            results[name].append((model.score(X[test], y[test]), taken))
    return {name: np.mean(pairs, axis=0) for name, pairs in results.items()}


def scores(quick, tables):
    """Whole fits with defaults."""
    rows = []
    for name, (task, make) in load(tables, quick).items():
        X, y = make()
        n_splits = 1 if quick else int(np.clip(40_000 // len(X), 2, 24))
        found = compare(task, X, y, n_splits)
        (theirs, their_time), (ours, our_time) = found["sklearn"], found["skgd"]
        rows.append(
            {
                "table": name,
                "rows": f"{len(X):,}",
                "MLP*, score": max(theirs, -1.0),
                "MLPGD, score": max(ours, -1.0),
                "difference": max(ours, -1.0) - max(theirs, -1.0),
                "MLP*, s": their_time,
                "MLPGD, s": our_time,
                "times faster": their_time / our_time,
            }
        )
    mean = {"table": "mean", "rows": ""}
    for column in ("MLP*, score", "MLPGD, score", "difference"):
        mean[column] = float(np.mean([row[column] for row in rows]))
    note = (
        "Held-out accuracy or R2, at least -1, over random splits, and processor time "
        "of a fit. MLPClassifier and MLPRegressor get standardised columns."
    )
    return Table("Networks: whole fits with defaults", [*rows, mean], note)


def limits(repeats):
    """What limiting BLAS to one thread costs, next to a call that needs it."""
    X, y = dense(32, 10, n_classes=N_CLASSES)
    model = MLPGD(random_state=0).partial_fit(X, y, classes=np.arange(N_CLASSES))

    def enter():
        for _ in range(100):
            with one_blas_thread():
                pass

    def learn():
        for _ in range(100):
            model.partial_fit(X, y)

    tasks = {"limiting BLAS threads": enter, "partial_fit of 32 × 10": learn}
    found = medians(interleaved(tasks, repeats))
    return Table(
        "Networks: limiting BLAS threads",
        [{"what": name, "us": 1e4 * seconds} for name, seconds in found.items()],
    )


def run(repeats=5, quick=False, tables=None):
    """All tables of this suite."""
    return [speed(repeats, quick), scores(quick, tables), limits(repeats)]


if __name__ == "__main__":
    alone(run, __doc__)
