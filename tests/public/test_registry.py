"""A class is added in one place: everything finds it through its registry."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import skgd
from skgd._registry import Registry

ADDED = {
    "losses": '''

@LOSSES.named("log_cosh")
class LogCosh(Loss):
    """log(cosh(z - y)): smooth everywhere, linear for large residuals."""

    smooth = True
    curvature = 1.0

    @staticmethod
    def value_and_derivative(y, z, p):
        size = abs(z - y)
        value = size + math.log1p(math.exp(-2.0 * size)) - math.log(2.0)
        return value, math.tanh(z - y)
''',
    "optimizers": '''

@OPTIMIZERS.named("sign_descent")
class SignDescent(Optimizer):
    """Steps of one length, by the sign of the gradient."""

    @staticmethod
    def update(theta, grad, state, lr, t, p, scalars, step_sizes):
        for j in range(theta.size):
            theta[j] -= lr * np.sign(grad[j])
            step_sizes[j] = lr
''',
    "schedules": '''

@SCHEDULES.named("half_life")
class HalfLife(Schedule):
    """Halve the rate every hundred updates.  Unit: step."""

    def factor(self, clock):
        return 0.5 ** (np.asarray(clock.step) / 100.0)
''',
    "activations": '''

@ACTIVATIONS.named("square")
class Square(Activation):
    """a = z²."""

    def value(self, z):
        return z * z

    @staticmethod
    def apply(z, slope, p):
        for i in range(z.size):
            slope[i] = z.dtype.type(2.0) * z[i]
            z[i] *= z[i]
''',
}

SCRIPT = """
import sys
import skgd
from skgd import GDClassifier, GDRegressor, MLPGD
from skgd import activations, losses, optimizers, schedules
from skgd.testing import check_activation, check_loss, check_optimizer, check_schedule

check_loss(losses.get_loss("log_cosh", "regression"))
check_optimizer(optimizers.get_optimizer("sign_descent"))
check_schedule(schedules.get_schedule("half_life"))
check_activation(activations.get_activation("square"))
parts = {"optimizer": "sign_descent", "lr_schedule": "half_life"}
GDRegressor("log_cosh", **parts)._validate_params()
GDClassifier(**parts)._validate_params()
MLPGD(loss="log_cosh", activation="square", **parts)._validate_params()
for word in ("'log_cosh'", "'sign_descent'", "'half_life'"):
    assert word in GDRegressor.__doc__, word
assert "'square'" in MLPGD.__doc__
assert "'log_cosh'" not in GDClassifier.__doc__
assert "LogCosh" in losses.__all__ and "HalfLife" in schedules.__all__

sys.path.insert(0, DOCS)
import reference
for page, line in {
    "losses": "log(cosh(z - y)): smooth everywhere, linear for large residuals.",
    "optimizers": "skgd.optimizers.SignDescent",
    "schedules": ':class:`"half_life" <skgd.schedules.HalfLife>`',
    "activations": "skgd.activations.Square",
}.items():
    assert line in reference.page(page), page
print(skgd.__file__)
"""


def test_one_class_in_one_file_is_found_by_everything(tmp_path):
    package = Path(skgd.__file__).parent
    docs = package.parent / "docs" / "_ext"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(package, tmp_path / "skgd", ignore=ignored)
    for module, text in ADDED.items():
        file = tmp_path / "skgd" / f"{module}.py"
        before, end, after = file.read_text("utf-8").rpartition("\n\n\n__all__ = ")
        file.write_text(before + "\n" + text + end + after, "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.replace("DOCS", repr(str(docs)))],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path))


def test_a_name_is_given_once():
    registry = Registry()

    @registry.named("mine")
    class Mine:
        pass

    assert registry == {"mine": Mine}
    with pytest.raises(ValueError, match="'mine' stands for Mine already"):
        registry.named("mine")(Mine)
    assert registry.public("other", "Mine") == ["Mine", "other"]
