"""Training on a memory map larger than what may be kept: memory and speed.

    python -m benchmarks.out_of_core [--gigabytes 8] [--folder /tmp] [--epochs 3]

Each run is a process of its own. It finds the growth of anonymous memory (RssAnon of
/proc/self/status, Linux only), rows per second, and the speed as a share of what
reading the same file takes, by ``read`` into one buffer and by summing the map.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from benchmarks._report import Table

N_FEATURES = 100
CHUNK = 100_000

# Of the suite; the file is kept, and may be larger, only by the command line.
GIGABYTES = 2.0
QUICK_GIGABYTES = 0.02

# Seconds between looks at the memory.
LOOK = 0.01

RUNS = [
    (task, solver, lr)
    for task in ("regression", "classification")
    for solver in ("batch", "minibatch", "sgd")
    for lr in ("float", "auto")
]


def generate(folder, gigabytes):
    """X.npy, y.npy and labels.npy in `folder`, unless they are there."""
    n = int(gigabytes * 1e9 / (8 * N_FEATURES))
    path = folder / f"X-{n}.npy"
    if path.exists():
        return path
    rng = np.random.default_rng(0)
    coef = rng.standard_normal(N_FEATURES)
    files = {
        name: np.lib.format.open_memmap(folder / f"{name}-{n}.new", "w+", dtype, shape)
        for name, dtype, shape in (
            ("X", np.float64, (n, N_FEATURES)),
            ("y", np.float64, (n,)),
            ("labels", np.int64, (n,)),
        )
    }
    for start in range(0, n, CHUNK):
        part = slice(start, min(n, start + CHUNK))
        X = rng.standard_normal((part.stop - start, N_FEATURES))
        y = X @ coef + 5.0 * rng.standard_normal(len(X))
        files["X"][part], files["y"][part], files["labels"][part] = X, y, y > 0
    for name, file in files.items():
        file.flush()
        (folder / f"{name}-{n}.new").rename(folder / f"{name}-{n}.npy")
    return path


def storage_speeds(path):
    """Bytes per second of two ways to read the whole file, after one to warm up."""
    X = np.load(path, mmap_mode="r")
    buffer = bytearray(8 * 2**20)

    def read():
        with open(path, "rb", buffering=0) as file:
            while file.readinto(buffer):
                pass

    def add():
        for start in range(0, len(X), CHUNK // 10):
            X[start : start + CHUNK // 10].sum()

    speeds = {}
    for name, task in (("read", read), ("sum", add)):
        task()
        start = time.perf_counter()
        task()
        speeds[name] = X.nbytes / (time.perf_counter() - start)
    return speeds


class Memory(threading.Thread):
    """Highest anonymous memory while running, in bytes."""

    def __init__(self):
        super().__init__(daemon=True)
        self.first = self.peak = self._now()
        self.done = threading.Event()

    @staticmethod
    def _now():
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return 1024 * int(line.split()[1])
        raise OSError("/proc/self/status has no RssAnon: this needs Linux.")

    def run(self):
        while not self.done.wait(LOOK):
            self.peak = max(self.peak, self._now())


def one_run(path, task, solver, lr, epochs):
    """Train in this process; figures as a dict."""
    from skgd import GDClassifier, GDRegressor
    from skgd.data import from_arrays

    cls = GDRegressor if task == "regression" else GDClassifier
    model = cls(
        solver=solver,
        lr="auto" if lr == "auto" else 1e-4,
        max_iter=epochs,
        tol=None,
        shuffle=False,
        random_state=0,
    )
    # Imports and compilation are not what is measured.
    rng = np.random.default_rng(0)
    small = rng.standard_normal((2000, N_FEATURES)), rng.integers(0, 2, 2000)
    model.fit_batches([small])
    X = np.load(path, mmap_mode="r")
    name = "y" if task == "regression" else "labels"
    y = np.load(path.with_name(path.name.replace("X", name)), mmap_mode="r")
    memory = Memory()
    memory.start()
    start = time.perf_counter()
    if task == "regression":
        model.fit_batches(from_arrays(X, y))
    else:
        model.fit_batches(from_arrays(X, y), classes=[0, 1])
    seconds = time.perf_counter() - start
    memory.done.set()
    memory.join()
    in_epochs = np.diff(model.history_["seconds"], prepend=0.0)
    return {
        "seconds": seconds,
        "epoch": float(np.median(in_epochs)),
        "grown": memory.peak - memory.first,
        "score": float(model.score(X[:CHUNK], y[:CHUNK])),
    }


def every_run(path, epochs, runs=RUNS):
    """The table, each of the runs in a process of its own."""
    X = np.load(path, mmap_mode="r")
    speeds = storage_speeds(path)
    rows = []
    for run in runs:
        command = [sys.executable, "-m", "benchmarks.out_of_core", "--file", str(path)]
        command += ["--epochs", str(epochs), "--run", *run]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(run)}: {done.stderr}")
        found = json.loads(done.stdout)
        rate = len(X) / found["epoch"]
        rows.append(
            dict(zip(("task", "solver", "lr"), run, strict=True))
            | {
                "anonymous MB": found["grown"] / 1e6,
                "Mrows/s": rate / 1e6,
                "of read": rate * X.nbytes / len(X) / speeds["read"],
                "of sum": rate * X.nbytes / len(X) / speeds["sum"],
                "seconds in all": found["seconds"],
                "score": found["score"],
            }
        )
    note = (
        f"{len(X):,} rows of {N_FEATURES} columns, {X.nbytes / 1e9:.2g} GB. Reading "
        f"the file: {speeds['read'] / 1e9:.2f} GB/s by read, {speeds['sum'] / 1e9:.2f} "
        "GB/s by summing the map, both after it was read once: from memory, as far as "
        "it fits there. Speeds are those of a median epoch."
    )
    return Table("Out of core", rows, note)


def run(repeats=5, quick=False):
    """All tables of this suite, on a file that is removed at the end."""
    runs = RUNS[::5] if quick else RUNS
    with tempfile.TemporaryDirectory() as folder:
        path = generate(Path(folder), QUICK_GIGABYTES if quick else GIGABYTES)
        return [every_run(path, max(2, min(repeats, 3)), runs)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=8.0)
    folder = Path(tempfile.gettempdir()) / "skgd-out-of-core"
    parser.add_argument("--folder", type=Path, default=folder)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="as in the suite")
    # One run of one process.
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        print(json.dumps(one_run(options.file, *options.run, options.epochs)))
        return
    if options.quick:
        print(run(quick=True)[0].markdown())
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    path = generate(options.folder, options.gigabytes)
    print(every_run(path, options.epochs).markdown())


if __name__ == "__main__":
    main()
