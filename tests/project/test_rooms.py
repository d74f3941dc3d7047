"""Which folder may import which: from the top down, one way only."""

import ast
from pathlib import Path

import pytest

import skgd

PACKAGE = Path(skgd.__file__).parent

# From the bottom up. A module may import from its own room and from those above it in
# this list; those of one line may not import each other.
FLOORS = [
    {"_kernels", "_registry", "_version"},
    {"losses", "optimizers", "schedules", "activations", "penalties"},
    {"testing", "callbacks"},
    {"_input"},
    {"_training", "_export"},
    {"_stream"},
    {"_cluster"},
    {"_estimator", "data"},
    {"_linear", "_network", "_descent", "pipeline"},
    {"_selection"},
    {"__init__"},
    {"dask", "display", "export", "ray", "_warmup"},
    {"__main__"},
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def room(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(path):
    """Rooms of the package that a module imports, wherever it does so."""
    parts = ("skgd", *path.relative_to(PACKAGE).with_suffix("").parts)
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(parts[: -node.level]) if node.level else []
            base += [node.module] if node.module else []
            base = ".".join(base)
            names = [f"{base}.{alias.name}" for alias in node.names]
        for name in names:
            first, *rest = name.split(".")
            if first == "skgd" and rest:
                yield rest[0] if rest[0] in FLOOR else "__init__"


MODULES = sorted(PACKAGE.rglob("*.py"))


def test_every_module_has_a_floor():
    assert {room(path) for path in MODULES} == set(FLOOR)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down(path):
    here = room(path)
    for other in imported(path):
        assert other == here or FLOOR[other] < FLOOR[here], (here, other)


KERNELS = sorted(
    path.stem for path in (PACKAGE / "_kernels").glob("*.py") if path.stem[0] != "_"
)


@pytest.mark.parametrize("name", KERNELS)
def test_every_kernel_file_has_a_test_file(name):
    folder = Path(__file__).parents[1] / "kernels"
    # A constant, which the sums are cut by.
    tested_in = {"shards": "sums"}.get(name, name)
    assert (folder / f"test_{tested_in}.py").exists()
