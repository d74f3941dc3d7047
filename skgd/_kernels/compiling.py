"""Compiling plain functions: signatures, machine addresses, options.

Every function is compiled once for each float type it is used with and kept on disk
where that works (``cache.py``). What the functions compute lives elsewhere.
"""

import functools
import logging
import time
from types import FunctionType
from zlib import crc32

import numba
import numpy as np
from numba import types

from skgd._kernels import cache
from skgd._kernels.fingerprint import fingerprint, python_function

if numba.config.DISABLE_JIT:
    raise RuntimeError(
        "skgd trains with compiled code, which NUMBA_DISABLE_JIT forbids: unset it to "
        "fit a model. Models that are fitted predict without."
    )

# Sums may be reordered (SIMD) and products fused, but infinities and NaN keep their
# meaning: divergence is detected by looking for them.
FAST_MATH = frozenset({"reassoc", "contract", "nsz", "arcp"})
OPTIONS = {"fastmath": set(FAST_MATH), "error_model": "numpy"}

# Of functions that compiled code alone calls. The entrances for Python and C, which
# Numba adds to others, take a sixth of the time to compile; without them a call from
# Python would end the process: tests have `entrances.py`.
INNER = OPTIONS | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

FLOAT = types.float64
INDEX = types.int64
VECTOR = types.Array(FLOAT, 1, "C")


def remembered(function):
    """Call `function` once for each combination of the very same arguments.

    By identity: to hash a type of Numba takes longer than many an update.
    """
    results = {}

    @functools.wraps(function)
    def from_memory(*arguments):
        key = tuple(map(id, arguments))
        if key not in results:
            # With the arguments, so that no other object gets their identity.
            results[key] = function(*arguments), arguments
        return results[key][0]

    return from_memory


@functools.cache
def numba_type(dtype):
    """Numba's name of a NumPy scalar type."""
    return numba.from_dtype(np.dtype(dtype))


@functools.cache
def vector(element):
    return types.Array(element, 1, "C")


@functools.cache
def matrix(element):
    return types.Array(element, 2, "C")


def read_only(element, ndim, layout="A"):
    """Any stride and read-only, so that C, F, slices and memory maps share a kernel."""
    return types.Array(element, ndim, layout, readonly=True)


# An address is valid as long as its compiled library lives.
_KEPT_ALIVE = []


PACKAGE = __name__.partition(".")[0]


def is_foreign(function):
    """Whether a function was written outside this package: by a user."""
    module = getattr(python_function(function), "__module__", None) or ""
    return module.partition(".")[0] != PACKAGE


def renamed(function, name):
    """A copy of a function under another name; the original's is for its author."""
    function = python_function(function)
    copy = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__qualname__, copy.__module__ = name, function.__module__
    return copy


def _compiled(compiler, kind, function, signature, **options):
    """`function` with cache files of its own for each signature.

    Numba keeps the signatures of a function in files with running numbers, so that two
    processes which compile different ones at the same time overwrite each other's. And
    it looks at the date of the function's own source only: files of an older version
    would call today's functions with yesterday's arguments.

    Functions of users are not kept: their constants and helpers may be others tomorrow,
    and no file tells.
    """
    keep = not is_foreign(function)
    key = crc32(str(signature).encode(), cache.version() or 0)
    # As a function of C and one of Python it is compiled to different calls.
    copy = renamed(function, f"{function.__name__}-{kind}-{key:08x}")
    start = time.perf_counter()
    compiled = compiler(copy, signature, options | OPTIONS, keep=keep)
    if keep:
        _tell_of_waiting(time.perf_counter() - start)
    return compiled


# Seconds spent here by this process, and what the user has been told.
_waited = 0.0
_told = set()
PATIENCE = 2.0


def _tell_of_waiting(seconds):
    """One line for those who wonder why the first fit on a machine takes so long."""
    global _waited
    _waited += seconds
    lost = bool(cache.failures)
    if _waited <= PATIENCE or lost in _told or True in _told:
        return
    _told.add(lost)
    message = "skgd: compiling for this processor; the result is kept on disk, so that "
    message += "later fits start at once."
    if lost:
        message = (
            "skgd: compiling for this processor; the result could not be kept on disk "
            f"({cache.failures[-1]}), so that every process compiles anew. Set "
            "SKGD_CACHE_DIR to a folder with space that can be written to."
        )
    logging.getLogger("skgd").warning(message)


@remembered
@functools.cache
def _own_address(function, signature):
    pointer = _compiled(cache.compiled_callback, "cfunc", function, signature)
    _KEPT_ALIVE.append(pointer)
    return pointer.address


# Addresses of the functions of users, by all that was compiled into them.
_FOREIGN = {}


def address(function, signature):
    """Machine address of `function` compiled for `signature`, callable from kernels.

    A function of a user is compiled again when a constant or a helper that it names
    has changed.
    """
    if not is_foreign(function):
        return _own_address(function, signature)
    key = fingerprint(function), signature
    if key not in _FOREIGN:
        pointer = _compiled(cache.compiled_callback, "cfunc", function, signature)
        _KEPT_ALIVE.append(pointer)
        _FOREIGN[key] = pointer.address
    return _FOREIGN[key]


@remembered
@functools.cache
def kernel(function, signature):
    """`function` compiled for `signature`, callable from Python, without the GIL."""
    options = {"nogil": True, "no_cfunc_wrapper": True}
    return _compiled(cache.compiled_function, "njit", function, signature, **options)
