"""All suites in one run: ``python -m benchmarks [--suites ...] [--folder ...]``.

One thread each: the limits are set before NumPy is imported. The suites are the other
modules of this package; those with a ``run`` give tables, the rest print their own.
"""

import argparse
import importlib
import os
import subprocess
import sys

THREAD_LIMITS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)

SUITES = ("full_gradient", "epochs", "threads", "growth", "startup")

# Scripts with a command line of their own.
SCRIPTS = {
    "raw_tables": (),
    "mlp": ("speed",),
    "latency": (),
}


def main():
    """Run the suites asked for and write what they found."""
    names = [*SUITES, *SCRIPTS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--suites", nargs="+", choices=names, default=names)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", default="benchmarks/results")
    arguments = parser.parse_args()
    os.environ.update(dict.fromkeys(THREAD_LIMITS, "1"))

    from benchmarks import _report

    tables = []
    for name in arguments.suites:
        print(f"running {name}", file=sys.stderr, flush=True)
        if name in SUITES:
            suite = importlib.import_module(f"benchmarks.{name}")
            tables += suite.run(arguments.repeats)
        else:
            tables.append(_printed(name, _report.Table))
        text = _report.write(tables, arguments.folder)
    print(text)


def _printed(name, table):
    """What a script of this package prints, as a note without a table."""
    command = [sys.executable, "-m", f"benchmarks.{name}", *SCRIPTS[name]]
    result = subprocess.run(command, capture_output=True, text=True)
    text = result.stdout if result.returncode == 0 else result.stderr[-2000:]
    return table(
        name, [], f"`python -m benchmarks.{name}`\n\n```\n{text.rstrip()}\n```"
    )


if __name__ == "__main__":
    main()
