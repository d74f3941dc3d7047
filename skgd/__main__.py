"""``python -m skgd warmup``: compile ahead of time, for images and first users."""

import argparse
import os
import sys

from skgd._warmup import ESTIMATORS, warm_up


def main(arguments=None):
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m skgd", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    warmup = commands.add_parser(
        "warmup",
        help="compile what fits need, and keep it on disk",
        description=(
            "Compiles the kernels that fits with default parameters need, for this "
            "processor, and keeps them on disk, so that the first fit of a service "
            "starts at once. Run it while an image is built, on a processor like those "
            "it will run on."
        ),
    )
    warmup.add_argument(
        "--cache-dir",
        help="folder to keep the code in; set SKGD_CACHE_DIR to it at run time "
        "(default: SKGD_CACHE_DIR, NUMBA_CACHE_DIR, or beside the package)",
    )
    warmup.add_argument(
        "--estimator",
        action="append",
        choices=ESTIMATORS,
        help="only for this one; may be given several times",
    )
    warmup.add_argument("--sparse", action="store_true", help="for CSR matrices, too")
    warmup.add_argument(
        "--float32", action="store_true", help="for single precision, too"
    )
    warmup.add_argument(
        "--several-outputs",
        action="store_true",
        help="for more than two classes and several targets, too",
    )
    warmup.add_argument(
        "--jobs",
        type=int,
        default=len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count() or 1,
        metavar="N",
        help="processes that compile at the same time (default: one for each CPU)",
    )
    options = parser.parse_args(arguments)
    if options.jobs < 1:
        parser.error(f"--jobs must be 1 or more, not {options.jobs}")
    if options.cache_dir is not None:
        os.environ["SKGD_CACHE_DIR"] = os.path.abspath(options.cache_dir)
    return warm_up(
        options.estimator or ESTIMATORS,
        ["float64", "float32"] if options.float32 else ["float64"],
        ["dense", "csr"] if options.sparse else ["dense"],
        [1, 2] if options.several_outputs else [1],
        options.jobs,
    )


if __name__ == "__main__":
    sys.exit(main())
