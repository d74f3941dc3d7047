"""The way of X through the package: files visited, and changes of file, in one fit.

Run as ``python -m benchmarks.walk``; ``--steps`` prints every change. Each fit is made
once before it is watched, so that compiling and imports are not counted. What an epoch
adds is counted apart, as the difference between fits of three epochs and of two.

A change of file is a call from a function of one file of ``skgd`` to a function of
another, or the return from it; what lies between, of other packages, is not looked at.
"""

import argparse
import sys
import warnings
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np

import skgd
from skgd import MLPGD, GDClassifier

PACKAGE = str(Path(skgd.__file__).parent) + "/"


class Walk:
    """Watches Python's calls and returns.

    Attributes
    ----------
    files : Counter
        How often each file was entered.
    steps : list of (from, to, function)
        The changes of file, in order.
    """

    def __init__(self):
        self.files = Counter()
        self.steps = []
        self._here = None

    def watch(self, call):
        """Run `call` and note where it goes."""
        sys.setprofile(self._event)
        try:
            call()
        finally:
            sys.setprofile(None)
        return self

    def _event(self, frame, event, argument):
        if event == "return":
            frame = frame.f_back
            while frame is not None and not _is_ours(frame):
                frame = frame.f_back
        elif event != "call" or not _is_ours(frame):
            return
        if frame is None:
            return
        file = frame.f_code.co_filename[len(PACKAGE) :]
        if file == self._here:
            return
        self.files[file] += 1
        if self._here is not None:
            self.steps.append((self._here, file, frame.f_code.co_name))
        self._here = file


def _is_ours(frame):
    return frame.f_code.co_filename.startswith(PACKAGE)


def fits():
    """The fits to watch: name and callable(max_iter)."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 10))
    y = (X[:, 0] + rng.normal(size=2000) > 0).astype(int)

    def fit(cls, method="fit", **parameters):
        def run(max_iter):
            model = cls(max_iter=max_iter, tol=None, random_state=0, **parameters)
            if method == "fit":
                return model.fit(X, y)
            return model.fit_batches([(X, y)], n_ahead=0)

        return run

    return {
        "GDClassifier(lr=0.01).fit": fit(GDClassifier, lr=0.01),
        "GDClassifier().fit": fit(GDClassifier),
        "MLPGD().fit": fit(MLPGD, hidden_layer_sizes=(5,)),
        "GDClassifier(lr=0.01).fit_batches": fit(GDClassifier, "fit_batches", lr=0.01),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", action="store_true", help="print every change")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{'':36}{'files':>6}{'changes':>9}{'for each epoch':>16}")
    for name, fit in fits().items():
        fit(1)
        one, two, three = (Walk().watch(partial(fit, n)) for n in (1, 2, 3))
        each = len(three.steps) - len(two.steps)
        print(f"{name:36}{len(one.files):>6}{len(one.steps):>9}{each:>16}")
        if arguments.steps:
            for origin, target, function in one.steps:
                print(f"    {origin:34} -> {target:34} {function}")


if __name__ == "__main__":
    main()
