"""Seconds before the first update: importing, the first fit, compilation.

Each figure is that of a new process.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from benchmarks._command import alone
from benchmarks._report import Table

FIT = """
import time, warnings
warnings.simplefilter("ignore")
import numpy as np
import skgd
X = np.random.default_rng(0).standard_normal((200, 5))
y = X[:, 0] {target}
start = time.perf_counter()
skgd.{name}(max_iter=3).fit(X, y)
first = time.perf_counter()
skgd.{name}(max_iter=3).fit(X, y)
print(first - start - (time.perf_counter() - first))
"""

ESTIMATORS = {"GDRegressor": "", "GDClassifier": "> 0", "MLPGD": "> 0"}


def imported(module):
    """Seconds that importing a module takes."""
    code = (
        "import time; start = time.perf_counter(); "
        f"import {module}; print(time.perf_counter() - start)"
    )
    return _printed(code)


def _printed(code, **environment):
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | environment,
        # Python looks into the working directory first.
        cwd=tempfile.gettempdir() if environment else None,
    )
    return float(result.stdout)


def run(repeats=5, quick=False):
    """All tables of this suite."""
    modules = ("sklearn.linear_model", "skgd")
    seconds = {module: [] for module in modules}
    for _ in range(repeats + 1):
        for module in modules:
            seconds[module].append(imported(module))
    base = statistics.median(seconds["sklearn.linear_model"][1:])
    rows = [
        {
            "what": f"import {module}",
            "seconds": statistics.median(values[1:]),
            "target": 1.1 * base if module == "skgd" else "",
        }
        for module, values in seconds.items()
    ]
    # Compilation takes its time whatever the table.
    for name in list(ESTIMATORS)[: 1 if quick else None]:
        target = ESTIMATORS[name]
        code = FIT.format(name=name, target=target)
        with tempfile.TemporaryDirectory() as folder:
            # Compiled code beside the package, and that of the user, would be found.
            package = Path(find_spec("skgd").origin).parent
            hidden = shutil.ignore_patterns("__pycache__")
            shutil.copytree(package, Path(folder) / "skgd", ignore=hidden)
            place = {"PYTHONPATH": folder, "SKGD_CACHE_DIR": f"{folder}/cache"}
            place |= {"XDG_CACHE_HOME": folder, "NUMBA_CACHE_DIR": ""}
            fresh = _printed(code, **place)
            cached = [_printed(code, **place) for _ in range(repeats)]
        rows.append(
            {"what": f"{name}, first fit ever", "seconds": fresh, "target": 8.0}
        )
        rows.append(
            {
                "what": f"{name}, first fit of a process",
                "seconds": statistics.median(cached),
                "target": 0.5,
            }
        )
    note = "A first fit is counted above the second one in the same process."
    return [Table("Start", rows, note)]


if __name__ == "__main__":
    alone(run, __doc__)
