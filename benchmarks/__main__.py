"""All suites in one run: ``python -m benchmarks [--suites ...] [--quick] ...``.

One thread each: the limits are set before NumPy is imported. The suites are other
modules of this package, each with a ``run`` that returns tables. Results are written
after every suite; one that fails is reported and leaves the others alone.
"""

import argparse
import importlib
import os
import sys
import time
import traceback

THREAD_LIMITS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)

SUITES = (
    "full_gradient",
    "epochs",
    "minibatches",
    "sparse",
    "vowpal_wabbit",
    "mlp",
    "networks",
    "latency",
    "streams",
    "quality",
    "raw_tables",
    "certificate",
    "cv",
    "growth",
    "threads",
    "out_of_core",
    "startup",
    "deploy",
    "cluster",
)


def main():
    """Run the suites asked for, write what they found, return the exit code."""
    os.environ.update(dict.fromkeys(THREAD_LIMITS, "1"))
    from benchmarks import _command, _report

    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--suites", nargs="+", choices=SUITES, default=SUITES)
    _command.add_options(parser)
    parser.add_argument("--tables", help="module with further tables")
    parser.add_argument("--folder", help="of the results, benchmarks/results if full")
    options = parser.parse_args()
    # A quick run must not replace the results of a full one.
    default = "benchmarks/results" + ("/quick" if options.quick else "")
    results = []
    for name in options.suites:
        print(f"{name} ...", file=sys.stderr, end=" ", flush=True)
        start = time.perf_counter()
        result = _report.Suite(name)
        try:
            suite = importlib.import_module(f"benchmarks.{name}")
            result.tables = _command.tables_of(suite.run, options, options.tables)
        except Exception:
            result.error = traceback.format_exc()
        result.seconds = time.perf_counter() - start
        results.append(result)
        outcome = "failed after" if result.error else "done in"
        print(f"{outcome} {result.seconds:.0f} s", file=sys.stderr, flush=True)
        text = _report.write(results, options.folder or default, options.quick)
    print(text)
    failed = [result.name for result in results if result.error]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
