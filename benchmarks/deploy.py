"""Saved models: sizes of files, and a fresh process up to its first prediction.

Next to scikit-learn's model of the same kind, saved by pickle.
"""

import importlib.util
import pickle
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from benchmarks._command import alone
from benchmarks._report import Table
from skgd import MLPGD, GDClassifier

# Each reads the file sys.argv[1] and predicts the rows in sys.argv[2].
PICKLE = """
import pickle
with open(sys.argv[1], "rb") as file:
    model = pickle.load(file)
model.predict_proba(rows)
"""

SKOPS = """
import skops.io
from skgd.export import skops_trusted_types
model = skops.io.load(sys.argv[1], trusted=skops_trusted_types())
model.predict_proba(rows)
"""

ONNX = """
import onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1])
session.run(None, {"X": rows.astype("float32")})
"""

TIMED = """
import sys, time
import numpy as np
rows = np.load(sys.argv[2])
start = time.perf_counter()
{code}
print(time.perf_counter() - start)
"""


def problem(n_rows, n_columns):
    """Rows and labels that a plane separates, but for some noise."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, n_columns))
    z = X @ (rng.standard_normal(n_columns) / np.sqrt(n_columns))
    return X, (z + 0.3 * rng.standard_normal(n_rows) > 0).astype(int)


def files(ours, theirs):
    """(what, bytes, code that loads them) of every form of a model."""
    yield "pickle", pickle.dumps(ours), PICKLE
    yield "pickle of compact()", pickle.dumps(ours.compact()), PICKLE
    if importlib.util.find_spec("skops"):
        import skops.io

        yield "skops", skops.io.dumps(ours), SKOPS
        yield "skops of compact()", skops.io.dumps(ours.compact()), SKOPS
    yield "pickle of to_sklearn()", pickle.dumps(ours.to_sklearn()), PICKLE
    if importlib.util.find_spec("onnxruntime"):
        yield "ONNX, float32", ours.to_onnx().SerializeToString(), ONNX
    yield f"pickle of {type(theirs).__name__}", pickle.dumps(theirs), PICKLE


def measured(name, ours, theirs, X, y, repeats):
    """The table of a model: rounds of all forms in turn, and their medians."""
    ours.fit(X, y)
    theirs.fit(X, y)
    forms = list(files(ours, theirs))
    seconds = {what: [] for what, _, _ in forms}
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.npy"
        np.save(rows, X[:1])
        for what, content, _ in forms:
            (Path(folder) / what).write_bytes(content)
        for _ in range(repeats + 1):
            for what, _, code in forms:
                arguments = [str(Path(folder) / what), str(rows)]
                done = subprocess.run(
                    [sys.executable, "-c", TIMED.format(code=code), *arguments],
                    capture_output=True,
                    text=True,
                    check=True,
                )
                seconds[what].append(float(done.stdout))
    coefficients = sum(
        part.nbytes for part in getattr(ours, "coefs_", None) or [ours.coef_]
    )
    table = [
        {
            "form": what,
            "kB": len(content) / 1000,
            "seconds to the first prediction": statistics.median(seconds[what][1:]),
        }
        for what, content, _ in forms
    ]
    note = f"The coefficients take {coefficients / 1000:.0f} kB."
    return Table(name, table, note)


def run(repeats=5, quick=False):
    """All tables of this suite."""
    missing = [one for one in ("skops", "onnxruntime") if not _is_there(one)]
    short = {"max_iter": 20, "random_state": 0}
    tables = [
        measured(
            "GDClassifier, 30 columns",
            GDClassifier(**short),
            LogisticRegression(max_iter=20),
            *problem(500, 30),
            repeats,
        )
    ]
    if not quick:
        tables += [
            measured(
                "GDClassifier, 20,000 columns",
                GDClassifier(**short),
                LogisticRegression(max_iter=20),
                *problem(500, 20_000),
                repeats,
            ),
            measured(
                "MLPGD of 100 units, 30 columns",
                MLPGD((100,), n_ensemble=1, **short),
                MLPClassifier((100,), **short),
                *problem(500, 30),
                repeats,
            ),
        ]
    tables[0].missing = missing
    return tables


def _is_there(package):
    return importlib.util.find_spec(package) is not None


if __name__ == "__main__":
    alone(run, __doc__)
