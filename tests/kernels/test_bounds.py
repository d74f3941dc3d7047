"""The kernels compiled anew with a look at every index.

Numba's bounds checks are part of the compiled code, so they need a process and a cache
of their own. They see every ``array[index]`` of a kernel, also of arrays that are
``borrowed``. They do not see where a ``part`` of a vector begins, because it is made by
address arithmetic, though they see what is read within it; nor prefetches, which touch
nothing, nor what BLAS does. In functions called by their address an IndexError cannot
reach the caller: Python reports it as one that nobody could raise, which pytest is told
to take for an error.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

# Reads the number behind the last one, called from Python and by its address.
BEYOND = """
import sys

import numpy as np
from numba import cfunc, njit

sys.unraisablehook = lambda error: print("by address:", error.exc_value)


@njit("f8(f8[::1])")
def beyond(p):
    return p[p.shape[0]]


@cfunc("f8(f8)")
def called(x):
    return beyond(np.zeros(3))


try:
    beyond(np.zeros(3))
except IndexError as error:
    print("called:", error)
called.ctypes(0.0)
"""


def checked(tmp_path, *command):
    """The finished process of Python with bounds checks."""
    environment = os.environ | {
        "NUMBA_BOUNDSCHECK": "1",
        "NUMBA_CACHE_DIR": str(tmp_path),
        "PYTHONPATH": os.pathsep.join([str(TESTS.parent), *sys.path]),
    }
    return subprocess.run(
        [sys.executable, *command],
        cwd=TESTS.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_an_index_beyond_the_end_is_noticed(tmp_path):
    output = checked(tmp_path, "-c", BEYOND).stdout
    for how in ("called", "by address"):
        assert f"{how}: index is out of bounds" in output


@pytest.mark.slow
def test_no_kernel_leaves_its_arrays(tmp_path):
    suites = [
        path
        for room in ("kernels", "training")
        for path in sorted((TESTS / room).glob("test_*.py"))
        # Those of the cache have processes and folders of their own.
        if path.name not in (Path(__file__).name, "test_cache.py")
    ]
    suites.append(TESTS / "input" / "test_boundary.py")
    done = checked(
        tmp_path,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-W",
        "error::pytest.PytestUnraisableExceptionWarning",
        *map(str, suites),
    )
    output = done.stdout + done.stderr
    assert "IndexError" not in output, output[-5000:]
    assert done.returncode == 0, output[-5000:]
