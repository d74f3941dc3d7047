"""What users call says its types, and mypy agrees."""

import importlib
import inspect
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import skgd

ROOT = Path(__file__).parents[2]
MODULES = [
    "skgd",
    "skgd.activations",
    "skgd.callbacks",
    "skgd.dask",
    "skgd.data",
    "skgd.display",
    "skgd.losses",
    "skgd.optimizers",
    "skgd.penalties",
    "skgd.pipeline",
    "skgd.ray",
    "skgd.schedules",
]


# What some of them need that may not be there.
NEEDED = {"skgd.dask": "distributed", "skgd.ray": "ray"}

OWN = ("self", "cls")

# What estimators share is typed where they override it.
SHARED = "skgd._estimator.base"


def is_typed(function):
    signature = inspect.signature(function)
    parameters = [one for one in signature.parameters.values() if one.name not in OWN]
    return signature.return_annotation is not inspect.Signature.empty and all(
        one.annotation is not inspect.Parameter.empty for one in parameters
    )


def functions(cls):
    """Public methods of the package, by name, from the class up to its bases."""
    found = {}
    for base in cls.__mro__:
        if not base.__module__.startswith("skgd") or base.__module__ == SHARED:
            continue
        for name, member in vars(base).items():
            if isinstance(member, (staticmethod, classmethod)):
                member = member.__func__
            if inspect.isfunction(member) and not name.startswith("_"):
                found.setdefault(name, []).append(member)
    return found


@pytest.mark.parametrize("module", MODULES)
def test_public_functions_say_their_types(module):
    if module in NEEDED:
        pytest.importorskip(NEEDED[module])
    module = importlib.import_module(module)
    missing = []
    for name in module.__all__:
        one = getattr(module, name)
        if inspect.isfunction(one) and not is_typed(one):
            missing.append(name)
        if not inspect.isclass(one):
            continue
        for method, versions in functions(one).items():
            # What overrides a method has the types of the method.
            if not any(is_typed(version) for version in versions):
                missing.append(f"{name}.{method}")
    assert not missing


def test_the_package_is_marked_as_typed():
    assert (Path(skgd.__file__).parent / "py.typed").exists()


@pytest.mark.slow
@pytest.mark.skipif(find_spec("mypy") is None, reason="needs mypy")
def test_mypy_is_content(tmp_path):
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
