"""MLPGD against MLPClassifier/MLPRegressor and eager PyTorch, all in one run.

    python benchmarks/mlp.py speed              # time per epoch
    python benchmarks/mlp.py scores [tables.py] # held-out score and time of whole fits
    python benchmarks/mlp.py limits             # what limiting BLAS threads costs

`tables.py` is a module of further tables, see ``_tables.py``. Times are processor time
of one thread each, taken in turns, after compilation.
"""

import sys
import time
import warnings
from functools import partial
from itertools import pairwise

import numpy as np
from _tables import load
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from skgd import MLPGD

# Features, hidden units, rows per update, rows, and the ratio asked for: against
# MLPClassifier, against PyTorch.
SPEED = [
    (64, (16,), 8, 2000, 15.0, 5.0),
    (64, (16,), 32, 4000, 15.0, 5.0),
    (64, (100,), 32, 4000, 6.0, 1.0),
    (64, (100,), 200, 8000, 2.5, 1.0),
    (784, (512, 512), 200, 4000, 1.2, 1.0),
]
N_CLASSES = 10
LR = 1e-3
REPEATS = 5


def rows(n, d, dtype):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    return X.astype(dtype), (X @ rng.normal(size=(d, N_CLASSES))).argmax(axis=1)


def epochs_of_skgd(X, y, hidden, batch_size, n):
    MLPGD(
        hidden_layer_sizes=hidden,
        batch_size=batch_size,
        lr=LR,
        max_iter=n,
        tol=None,
        standardize=False,
        random_state=0,
    ).fit(X, y)


def epochs_of_sklearn(X, y, hidden, batch_size, n):
    MLPClassifier(
        hidden,
        batch_size=batch_size,
        learning_rate_init=LR,
        max_iter=n,
        tol=0.0,
        n_iter_no_change=n + 1,
        random_state=0,
    ).fit(X, y)


def epochs_of_torch(X, y, hidden, batch_size, n):
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    widths = (X.shape[1], *hidden, N_CLASSES)
    layers = []
    for fan_in, fan_out in pairwise(widths):
        layers += [torch.nn.Linear(fan_in, fan_out), torch.nn.ReLU()]
    network = torch.nn.Sequential(*layers[:-1])
    inputs, targets = torch.from_numpy(X), torch.from_numpy(y)
    network.to(inputs.dtype)
    rule = torch.optim.Adam(network.parameters(), lr=LR)
    for _ in range(n):
        order = torch.randperm(len(X))
        for batch in order.split(batch_size):
            rule.zero_grad()
            scores = network(inputs[batch])
            torch.nn.functional.cross_entropy(scores, targets[batch]).backward()
            rule.step()


def seconds(work):
    started = time.process_time()
    work()
    return time.process_time() - started


def per_epoch(epochs, case, n):
    """Least of several differences between n + 1 epochs and 1: set-up cancels."""
    epochs(*case, 1)
    return min(
        (seconds(partial(epochs, *case, n + 1)) - seconds(partial(epochs, *case, 1)))
        / n
        for _ in range(REPEATS)
    )


def speed():
    peers = {"skgd": epochs_of_skgd, "sklearn": epochs_of_sklearn}
    try:
        import torch  # noqa: F401

        peers["torch"] = epochs_of_torch
    except ImportError:
        print("PyTorch is not installed: left out")
    print("Microseconds per update of Adam, and how many times slower than skgd.")
    for dtype in (np.float64, np.float32):
        for d, hidden, batch_size, n, *asked in SPEED:
            case = (*rows(n, d, dtype), hidden, batch_size)
            n_epochs = 2 if max(hidden) > 200 else 10
            taken = {
                name: per_epoch(epochs, case, n_epochs)
                for name, epochs in peers.items()
            }
            per_update = 1e6 * batch_size / n
            shape = "-".join(map(str, (d, *hidden, N_CLASSES)))
            line = f"{np.dtype(dtype)} {shape:16} batch {batch_size:3}:"
            line += f" skgd {taken['skgd'] * per_update:8.1f}"
            for name, ratio in zip(list(taken)[1:], asked, strict=False):
                line += (
                    f"  {name} {taken[name] * per_update:8.1f}"
                    f" = {taken[name] / taken['skgd']:5.1f}x (asked {ratio:g}x)"
                )
            print(line, flush=True)


def splits(task, X, y, n_splits):
    kind = ShuffleSplit if task == "regression" else StratifiedShuffleSplit
    return kind(n_splits, test_size=0.25, random_state=0).split(X, y)


def compare(task, X, y):
    """Mean held-out score and seconds of both, over random splits."""
    n_splits = int(np.clip(40_000 // len(X), 2, 24))
    peer = MLPRegressor if task == "regression" else MLPClassifier
    loss = "squared_error" if task == "regression" else "log_loss"
    results = {"sklearn": [], "skgd": []}
    MLPGD(loss, max_iter=1).fit(X, y)  # compiles
    for seed, (train, test) in enumerate(splits(task, X, y, n_splits)):
        models = {
            "sklearn": make_pipeline(StandardScaler(), peer(random_state=seed)),
            "skgd": MLPGD(loss, random_state=seed),
        }
        for name, model in models.items():
            taken = seconds(partial(model.fit, X[train], y[train]))
            results[name].append((model.score(X[test], y[test]), taken))
    return {name: np.mean(pairs, axis=0) for name, pairs in results.items()}


def scores(path=None):
    warnings.filterwarnings("ignore")
    print("Held-out accuracy or R2 (at least -1) and seconds, both with defaults.")
    all_scores = []
    for name, (task, make) in load(path).items():
        X, y = make()
        result = compare(task, X, y)
        (theirs, their_time), (ours, our_time) = result["sklearn"], result["skgd"]
        all_scores.append((max(theirs, -1.0), max(ours, -1.0)))
        verdict = "" if ours >= theirs - 0.01 and our_time <= their_time / 3 else " <--"
        print(
            f"{name:14} n={len(X):6} sklearn {theirs:7.3f} skgd {ours:7.3f}"
            f"  difference {ours - theirs:+.3f}"
            f"  {their_time:7.3f} s, {our_time:7.3f} s: {their_time / our_time:5.1f}x"
            + verdict,
            flush=True,
        )
    theirs, ours = np.mean(all_scores, axis=0)
    print(f"mean           sklearn {theirs:.4f} skgd {ours:.4f}")


def limits():
    from skgd._mlp import one_blas_thread

    def enter():
        with one_blas_thread():
            pass

    enter()
    taken = min(seconds(lambda: [enter() for _ in range(100)]) for _ in range(5))
    X, y = rows(32, 10, np.float64)
    model = MLPGD(random_state=0).partial_fit(X, y, classes=np.arange(N_CLASSES))
    call = min(seconds(lambda: model.partial_fit(X, y)) for _ in range(50))
    print(f"limiting BLAS threads: {taken * 1e4:.0f} us")
    print(f"partial_fit of 32 rows with 10 features: {call * 1e6:.0f} us")


if __name__ == "__main__":
    command, *arguments = sys.argv[1:] or ["speed"]
    with threadpool_limits(1):
        {"speed": speed, "scores": scores, "limits": limits}[command](*arguments)
