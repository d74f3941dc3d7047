"""What is imported when: nobody waits for a compiler who only wants to predict."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

from skgd import GDClassifier, GDRegressor


def run(code):
    """Output of `code` in a new interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


HEAVY = "[m for m in ('numba', 'llvmlite', 'matplotlib') if m in sys.modules]"


def test_importing_the_package():
    code = f"""
import sys, skgd, skgd.losses, skgd.optimizers, skgd.schedules
repr(skgd.GDRegressor(optimizer="adam"))
print({HEAVY})
"""
    assert run(code) == ["[]"]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
@pytest.mark.parametrize("lr", ["auto", 0.01])
def test_predicting_with_an_unpickled_model(cls, lr, tmp_path):
    X = np.random.default_rng(0).normal(size=(30, 3))
    y = (X[:, 0] > 0).astype(int)
    model = cls(max_iter=3, lr=lr, optimizer="adam", average=True).fit(X, y)
    method = "predict_proba" if cls is GDClassifier else "predict"
    (tmp_path / "model").write_bytes(pickle.dumps((model, X)))
    code = f"""
import pathlib, pickle, sys
model, X = pickle.loads(pathlib.Path({str(tmp_path / "model")!r}).read_bytes())
print(float(model.{method}(X).ravel()[0]).hex(), {HEAVY})
"""
    expected = float(getattr(model, method)(X).ravel()[0]).hex()
    assert run(code) == [expected, "[]"]


def test_a_fit_imports_the_kernels():
    """So that the tests above can fail."""
    code = f"""
import sys, skgd
skgd.GDRegressor(lr=0.1, max_iter=1, tol=None).fit([[0.0], [1.0]], [0.0, 1.0])
print({HEAVY})
"""
    assert "'numba'" in " ".join(run(code))


def test_public_names():
    import skgd

    for name in skgd.__all__:
        assert getattr(skgd, name).__doc__
