"""``python -m skgd warmup``: compile ahead of time, for images and first users."""

import argparse
import os
import sys
import time
import warnings

ESTIMATORS = ("GDRegressor", "GDClassifier", "MLPGD")


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
    options = parser.parse_args(arguments)
    if options.cache_dir is not None:
        os.environ["SKGD_CACHE_DIR"] = os.path.abspath(options.cache_dir)
    return _warm_up(options.estimator or ESTIMATORS, options.sparse, options.float32)


def _warm_up(names, with_csr, with_float32):
    import numpy as np
    from scipy import sparse

    import skgd
    from skgd._kernels import cache

    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    y = (X[:, 0] > 0).astype(int)
    dtypes = [np.float64, np.float32] if with_float32 else [np.float64]
    layouts = [np.asarray, sparse.csr_array] if with_csr else [np.asarray]
    for name in names:
        cls = getattr(skgd, name)
        started = time.perf_counter()
        for dtype in dtypes:
            for layout in layouts:
                table = layout(X.astype(dtype))
                _train(cls, table, y, name)
        seconds = time.perf_counter() - started
        print(f"{name}: ready after {seconds:.1f} s", flush=True)
    if cache.failures:
        print(f"Not all could be kept on disk: {cache.failures[0]}.", file=sys.stderr)
        return 1
    kept = [folder for folder in cache.folders() if os.path.isdir(folder)]
    print(f"Compiled code is kept in {kept[0]}.", flush=True)
    return 0


def _train(cls, X, y, name):
    first = {} if name == "GDRegressor" else {"classes": [0, 1]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cls(max_iter=2).fit(X, y)
        # A rate of one's own takes other loops than lr="auto".
        for lr in ("auto", 0.01):
            model = cls(lr=lr, max_iter=2)
            model.partial_fit(X, y, **first).partial_fit(X[:1], y[:1])
            cls(lr=lr, max_iter=2, batch_size=32).fit(X, y)


if __name__ == "__main__":
    sys.exit(main())
