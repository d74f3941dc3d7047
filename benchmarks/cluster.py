"""`skgd.dask` on one machine: time of a pass next to `fit`, and whether fits agree.

The workers are processes with one thread each, on the cores that `fit` has as well:
what is measured is the price of asking, not what more machines would bring.
"""

import importlib.util
import logging
import statistics
import time
from functools import partial

import numpy as np
from scipy import sparse

from benchmarks._command import alone
from benchmarks._report import Table
from skgd import GDRegressor

# Partitions of every table; and passes of a fit of plain steps, less those of a short
# one, so that what comes before the first pass drops out.
N_PARTS = 16
N_PASSES, N_FIRST = 32, 2

WORKERS = (1, 2)

STEPS = {"solver": "batch", "optimizer": "gd", "lr": 1e-3, "tol": None}


def dense(n_rows, n_columns, number):
    """A partition of a table with correlated columns of several scales: X and y."""
    rng = np.random.default_rng([n_columns, number])
    X = rng.standard_normal((n_rows, n_columns)) + rng.standard_normal((n_rows, 1))
    X *= np.linspace(0.5, 2.0, n_columns)
    y = X @ np.cos(np.arange(n_columns)) + rng.standard_normal(n_rows)
    return X, y


def csr(n_rows, n_columns, number, n_each=36):
    """A partition of a sparse table: X and y."""
    rng = np.random.default_rng([n_columns, number])
    indices = rng.integers(0, n_columns, n_rows * n_each)
    values = rng.standard_normal(indices.size)
    starts = np.arange(0, indices.size + 1, n_each)
    X = sparse.csr_array((values, indices, starts), shape=(n_rows, n_columns))
    X.sum_duplicates()
    y = X @ np.cos(np.arange(n_columns)) + rng.standard_normal(n_rows)
    return X, y


def part_of(make, n_rows, n_columns, number, which):
    """X or y of a partition."""
    return make(n_rows // N_PARTS, n_columns, number)[which]


def seconds(model, *data):
    """How long a fit takes."""
    start = time.perf_counter()
    model.fit(*data)
    return time.perf_counter() - start


def per_pass(model, data, repeats):
    """Median seconds of one pass over the rows."""
    found = []
    for _ in range(repeats + 1):
        long, short = (
            seconds(model.set_params(**STEPS, max_iter=n), *data)
            for n in (N_PASSES, N_FIRST)
        )
        found.append((long - short) / (N_PASSES - N_FIRST))
    # The first round compiles, and starts what sleeps.
    return statistics.median(found[1:])


def measured(name, make, n_rows, n_columns, clients, repeats):
    """The line of one table."""
    import dask

    from skgd.dask import DaskGDRegressor

    local = [make(n_rows // N_PARTS, n_columns, k) for k in range(N_PARTS)]
    stack = sparse.vstack if sparse.issparse(local[0][0]) else np.concatenate
    data = stack([X for X, _ in local]), np.concatenate([y for _, y in local])
    del local
    part = dask.delayed(partial(part_of, make, n_rows, n_columns), pure=True)
    parts = [[part(k, which) for k in range(N_PARTS)] for which in (0, 1)]
    model = GDRegressor(alpha=1e-3, solver="batch").fit(*data)
    row = {
        "table": name,
        "fit, ms a pass": 1e3 * per_pass(GDRegressor(alpha=1e-3), data, repeats),
    }
    found = []
    for client in clients:
        n_workers = len(client.nthreads())
        held = client.persist([*parts[0], *parts[1]])
        held = held[:N_PARTS], held[N_PARTS:]
        one = DaskGDRegressor(alpha=1e-3, client=client)
        row[f"{n_workers} workers, ms a pass"] = 1e3 * per_pass(one, held, repeats)
        found.append(DaskGDRegressor(alpha=1e-3, client=client).fit(*held))
        del held
    largest = np.abs(model.coef_).max()
    row["passes of lr='auto': fit, Dask"] = f"{model.n_iter_}, {found[0].n_iter_}"
    row["difference of coef_, relative"] = max(
        float(np.abs(one.coef_ - model.coef_).max() / largest) for one in found
    )
    bits = {one.coef_.tobytes() + one.intercept_.tobytes() for one in found}
    row["same bits for 1 and 2 workers"] = "yes" if len(bits) == 1 else "no"
    return row


def run(repeats=5, quick=False):
    """The table of this suite."""
    title = "A pass over the rows: fit, and DaskGDRegressor on local workers"
    if not importlib.util.find_spec("distributed"):
        return [Table(title, [], missing=["distributed"])]
    from distributed import Client, LocalCluster

    tables = [("dense 20,000 × 20", dense, 20_000, 20)]
    if not quick:
        tables += [
            ("dense 1,000,000 × 20", dense, 1_000_000, 20),
            ("dense 100,000 × 1,000", dense, 100_000, 1000),
            ("CSR 100,000 × 50,000", csr, 100_000, 50_000),
        ]
    options = {
        "threads_per_worker": 1,
        "dashboard_address": None,
        "silence_logs": logging.ERROR,
    }
    clusters = [LocalCluster(n_workers=n, **options) for n in WORKERS]
    clients = [Client(cluster, set_as_default=False) for cluster in clusters]
    try:
        rows = [measured(*table, clients, repeats) for table in tables]
    finally:
        for client, cluster in zip(clients, clusters, strict=True):
            client.close()
            cluster.close()
    note = f"{N_PARTS} partitions, persisted; plain steps of a given rate."
    return [Table(title, rows, note)]


if __name__ == "__main__":
    alone(run, __doc__)
