"""`skgd.dask` on one machine: time of a pass next to `fit`, and whether fits agree.

The workers are processes with one thread each, on the cores that `fit` has as well:
what is measured is the price of asking, not what more machines would bring. Beside it
the bytes of the questions and answers of a pass, and other packages on Dask arrays.
"""

import importlib.util
import json
import logging
import pickle
import resource
import statistics
import tempfile
import time
import warnings
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

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


@contextmanager
def traffic():
    """Counts the bytes of questions and answers: {method: [passes, down, up]}."""
    from skgd.dask._engine import Cluster

    counts, answers = {}, Cluster._answers

    def counted(self, holders, message):
        method, _ = pickle.loads(message)
        count = counts.setdefault(method, [0, 0, 0])
        count[0] += 1
        for holder, said in answers(self, holders, message):
            count[1] += len(message)
            count[2] += len(pickle.dumps(said, pickle.HIGHEST_PROTOCOL))
            yield holder, said

    Cluster._answers = counted
    try:
        yield counts
    finally:
        Cluster._answers = answers


def moved(model, data):
    """Thousands of bytes that one pass moves to all workers and back."""
    with traffic() as counts:
        model.set_params(**STEPS, max_iter=N_FIRST).fit(*data)
    n, down, up = counts["sums"]
    return down / n / 1e3, up / n / 1e3


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
        noun = "worker" if n_workers == 1 else "workers"
        held = client.persist([*parts[0], *parts[1]])
        held = held[:N_PARTS], held[N_PARTS:]
        one = DaskGDRegressor(alpha=1e-3, client=client)
        row[f"{n_workers} {noun}, ms a pass"] = 1e3 * per_pass(one, held, repeats)
        down, up = moved(one, held)
        row[f"{n_workers} {noun}, kB down and up"] = f"{down:.1f}, {up:.1f}"
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


def write_part(folder, n_rows, n_columns, number):
    """A file of a table in Parquet."""
    import pandas as pd

    X, y = dense(n_rows, n_columns, number)
    frame = pd.DataFrame(X, columns=[f"x{k}" for k in range(n_columns)]).assign(y=y)
    frame.to_parquet(Path(folder) / f"part-{number:03}.parquet")


def peak_of_process():
    """Bytes that this process had in memory at most (Linux)."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def from_parquet(n_rows, n_columns, n_files, client):
    """The line of a table that two workers read from a disk."""
    import dask
    import dask.dataframe as dd

    from skgd.dask import DaskGDRegressor

    with tempfile.TemporaryDirectory() as folder:
        write = dask.delayed(write_part)
        files = [write(folder, n_rows // n_files, n_columns, k) for k in range(n_files)]
        client.compute(dask.delayed(len)(files)).result()
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        rows = dd.read_parquet(folder)
        model = DaskGDRegressor(alpha=1e-3, client=client)
        took = seconds(model, rows.drop(columns="y"), rows["y"])
        peaks = client.run(peak_of_process).values()
    return {
        "table": f"{n_rows:,} × {n_columns}",
        "GB of files": size / 1e9,
        "s, fit": took,
        "passes": model.n_iter_,
        "GB, peak of a worker": max(peaks) / 1e9,
        "largest error of coef_": float(
            np.abs(model.coef_ - np.cos(np.arange(n_columns))).max()
        ),
    }


def classes(n_rows, n_columns, number, which):
    """X or the labels of a partition, of which a line tells three of four."""
    X, z = dense(n_rows, n_columns, number)
    if which == 0:
        return X
    noise = np.random.default_rng([1, number]).logistic(size=n_rows)
    return (z / 5 + noise > 0).astype(int)


def dask_ml(solver, client, X, y):
    """Coefficients and intercept."""
    from dask_ml.linear_model import LogisticRegression

    # It penalises always: so little that it does not count.
    model = LogisticRegression(solver=solver, C=1e9).fit(X, y)
    return np.ravel(model.coef_), float(np.ravel(model.intercept_)[0])


def xgboost(client, X, y):
    """Coefficients and intercept of a hundred rounds of the linear booster."""
    from xgboost import dask as xgb

    options = {"booster": "gblinear", "objective": "binary:logistic", "lambda": 0.0}
    table = xgb.DaskDMatrix(client, X, y)
    found = xgb.train(client, options | {"nthread": 1}, table, num_boost_round=100)
    parts = json.loads(found["booster"].get_dump(dump_format="json")[0])
    return np.array(parts["weight"]), float(parts["bias"][0])


def ours(client, X, y):
    """Coefficients and intercept."""
    from skgd.dask import DaskGDClassifier

    model = DaskGDClassifier(penalty=None, client=client).fit(X, y)
    return model.coef_[0], float(model.intercept_[0])


def peers(n_rows, n_columns, client, repeats):
    """Lines of logistic regression without penalty on persisted Dask arrays."""
    import dask
    import dask.array as da

    each = n_rows // N_PARTS
    part = dask.delayed(partial(classes, each, n_columns), pure=True)
    X, y = (
        da.concatenate(
            [da.from_delayed(part(k, which), shape, dtype) for k in range(N_PARTS)]
        )
        for which, shape, dtype in ((0, (each, n_columns), float), (1, (each,), int))
    )
    X, y = client.persist([X, y])
    everything = client.gather(client.compute([X, y]))
    best = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10)
    best.fit(*everything)
    least = log_loss(everything[1], best.predict_proba(everything[0]))
    methods = {"skgd.dask": ours}
    if importlib.util.find_spec("dask_ml"):
        for solver in ("lbfgs", "newton", "admm", "gradient_descent"):
            methods[f"dask-ml {version('dask-ml')}, {solver}"] = partial(
                dask_ml, solver
            )
    if importlib.util.find_spec("xgboost"):
        methods[f"xgboost {version('xgboost')}, gblinear"] = xgboost
    for name, method in methods.items():
        took = []
        try:
            for _ in range(repeats + 1):
                start = time.perf_counter()
                with (
                    warnings.catch_warnings(),
                    client.as_current(),
                    dask.config.set(scheduler=client.get),
                ):
                    warnings.simplefilter("ignore")
                    coef, intercept = method(client, X, y)
                took.append(time.perf_counter() - start)
        except Exception as error:
            text = str(error).strip().splitlines() or [""]
            yield {"package": name, "s": f"{type(error).__name__}: {text[0]}"}
            continue
        z = everything[0] @ coef + intercept
        loss = float(np.mean(np.logaddexp(0.0, np.where(everything[1] == 1, -z, z))))
        yield {
            "package": name,
            "s": statistics.median(took[1:]),
            "log loss above the least": loss - least,
        }


def run(repeats=5, quick=False):
    """The tables of this suite."""
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
        n_rows_of_peers = 20_000 if quick else 1_000_000
        others = list(peers(n_rows_of_peers, 20, clients[-1], max(1, repeats // 3)))
    finally:
        for client, cluster in zip(clients, clusters, strict=True):
            client.close()
            cluster.close()
    n_rows, n_files = (200_000, 4) if quick else (20_000_000, 40)
    # In workers that have held nothing else.
    with (
        LocalCluster(n_workers=2, **options) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        files = [from_parquet(n_rows, 20, n_files, client)]
    note = f"{N_PARTS} partitions, persisted; plain steps of a given rate."
    about = "Two workers; the files are written before, and are in the page cache."
    return [
        Table(title, rows, note),
        Table(
            f"Logistic regression on a Dask array of {n_rows_of_peers:,} × 20",
            others,
            "Two workers, no penalty, default settings otherwise; median seconds.",
            missing=[
                package
                for package in ("dask_ml", "xgboost")
                if not importlib.util.find_spec(package)
            ],
        ),
        Table("From Parquet, through dask.dataframe", files, about),
    ]


if __name__ == "__main__":
    alone(run, __doc__)
