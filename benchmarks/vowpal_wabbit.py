"""Seconds of one epoch, one row per update, against Vowpal Wabbit.

Twice: examples parsed beforehand and learnt one by one from Python, and its own loop
over a cache file, which a second thread reads. scikit-learn is in ``epochs.py``.
"""

import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from scipy import sparse

from benchmarks._command import alone
from benchmarks._fits import skgd_fit
from benchmarks._peers import dense, fewer, optional, text_like
from benchmarks._report import Table
from benchmarks._timing import per_epoch
from skgd import GDClassifier

# The plain rule at a constant rate, as ours; and its default, which adapts the rate of
# every feature and normalises by its largest value.
RULES = {"--sgd": "--sgd --power_t 0 -l 0.001", "defaults": ""}


def lines(X, y):
    """The rows in the text format of Vowpal Wabbit."""
    X = sparse.csr_matrix(X)
    for i, label in enumerate(np.where(y == 1, 1, -1)):
        part = slice(X.indptr[i], X.indptr[i + 1])
        pairs = zip(X.indices[part], X.data[part], strict=True)
        yield f"{label} | " + " ".join(f"{j}:{x:.8g}" for j, x in pairs)


def learn_each(module, arguments, texts):
    """callable(n_epochs) that learns examples parsed once, one call for each."""
    # An example belongs to the workspace that parsed it, so all fits go on in one.
    workspace = module.Workspace(arguments)
    examples = [workspace.parse(text) for text in texts]

    def fit(n_epochs):
        learn = workspace.learn
        for _ in range(n_epochs):
            for example in examples:
                learn(example)

    return fit


def passes(module, arguments, path):
    """callable(n_epochs) that makes passes over the cache of a file of rows."""

    def fit(n_epochs):
        # The first of all passes makes the cache, the others only read it.
        module.Workspace(
            f"{arguments} --data {path} --cache_file {path}.cache "
            f"--passes {n_epochs} --holdout_off"
        ).finish()

    return fit


def rows_of(module, work, X, y, repeats, folder):
    """Every rule and way next to ours on a table."""
    texts = list(lines(X, y))
    path = Path(folder) / f"{work.split()[0]}.txt"
    path.write_text("\n".join(texts) + "\n")
    # Room for every column without collisions.
    bits = max(18, int(np.ceil(np.log2(X.shape[1]))) + 1)
    common = f"--loss_function logistic --quiet --bit_precision {bits}"
    parameters = {"solver": "sgd", "penalty": None, "shuffle": False, "lr": 1e-3}
    ours = {
        np.dtype(dtype).name: skgd_fit(GDClassifier, X.astype(dtype), y, **parameters)
        for dtype in (np.float32, np.float64)
    }
    rows = []
    for rule, arguments in RULES.items():
        arguments = f"{common} {arguments}"
        ways = {
            "learn": partial(learn_each, module, arguments, texts),
            "cache, two threads": partial(passes, module, arguments, path),
        }
        for way, make in ways.items():
            fits = {"peer": make(), **ours}
            seconds = per_epoch(fits, 1, 16, repeats)
            row = {"work": work, "peer": f"{rule}, {way}"}
            row["peer, ms"] = 1e3 * seconds["peer"]
            for dtype in ours:
                row[f"skgd {dtype}, ms"] = 1e3 * seconds[dtype]
                row[f"times faster, {dtype}"] = seconds["peer"] / seconds[dtype]
            rows.append(row)
    return rows


def run(repeats=5, quick=False):
    """All tables of this suite."""
    title = "One row per update, against Vowpal Wabbit"
    module = optional("vowpalwabbit")
    if module is None:
        return [Table(title, [], missing=["vowpalwabbit"])]
    n = fewer(20_000, quick)
    tables = {
        f"CSR {n:,} × 50,000": text_like(n, 50_000),
        f"dense {n:,} × 100": dense(n, 100),
    }
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for work, (X, y) in tables.items():
            rows += rows_of(module, work, X, y, repeats, folder)
    note = (
        "Logistic loss, no penalty, rows in the given order; its weights are always "
        "float32. Writing and parsing the text, and making the cache, are "
        "left out. `learn` is one call from Python for each example, parsed "
        "beforehand; in passes over the cache a second thread decodes the examples."
    )
    return [Table(title, rows, note)]


if __name__ == "__main__":
    alone(run, __doc__)
