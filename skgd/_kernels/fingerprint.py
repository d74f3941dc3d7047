"""What compilation freezes in a function: its code, constants and helpers, as a key.

Two equal keys stand for functions that compile to the same. Nothing is compiled here.
"""

import dis
from types import BuiltinFunctionType, CodeType, ModuleType

import numpy as np

# Objects that a key knows by their identity, so that no other object can take it.
_KNOWN = {}

# How far a key follows helpers of helpers, and whose functions it does not look into.
DEPTH = 4
LIBRARIES = frozenset({"numpy", "scipy", "numba", "math", "sklearn", "builtins"})

# Built-in functions that raise nothing when they are compiled.
ARITHMETIC = frozenset({"abs", "bool", "float", "int", "len", "max", "min", "range"})


def python_function(function):
    """The function as it was written, also if a decorator of Numba is around it."""
    return getattr(function, "py_func", function)


def fingerprint(function, depth=DEPTH):
    """Key of a function: itself, its code, and the values of the names that it reads.

    Parameters
    ----------
    function : function or dispatcher of Numba
    depth : int
        How far to follow helpers that call helpers.

    Returns
    -------
    tuple, hashable
    """
    plain = python_function(function)
    code = getattr(plain, "__code__", None)
    library = str(getattr(plain, "__module__", "")).partition(".")[0] in LIBRARIES
    if code is None or library or depth == 0:
        return ("object", _identity(function))
    cells = [cell.cell_contents for cell in plain.__closure__ or () if _is_set(cell)]
    names = tuple(
        (name, value_key(value, depth - 1)) for name, value in _read(plain, code)
    )
    return (
        _identity(function),
        _identity(code),
        value_key(plain.__defaults__, depth - 1),
        value_key(cells, depth - 1),
        names,
    )


def value_key(value, depth=DEPTH):
    """Key of a value: of numbers, arrays and functions what they hold, else identity.

    Parameters
    ----------
    value : object
    depth : int
        How far to look into containers and helpers.

    Returns
    -------
    tuple, hashable
    """
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        return type(value), repr(value)
    if isinstance(value, np.generic):
        return type(value), value.tobytes()
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return value.dtype.str, value.shape, value.tobytes()
    if depth > 0:
        if isinstance(value, (list, tuple)):
            items = tuple(value_key(item, depth - 1) for item in value)
            return type(value), items
        if isinstance(value, dict):
            pairs = ((k, value_key(v, depth - 1)) for k, v in value.items())
            return dict, tuple((value_key(k, depth - 1), v) for k, v in pairs)
        if isinstance(value, (staticmethod, classmethod)):
            return fingerprint(value.__func__, depth - 1)
        if hasattr(python_function(value), "__code__"):
            return fingerprint(value, depth - 1)
        if hasattr(value, "get_params") and not isinstance(value, type):
            return type(value), value_key(value.get_params(deep=False), depth - 1)
    return ("object", _identity(value))


def _identity(value):
    _KNOWN[id(value)] = value
    return id(value)


def _is_set(cell):
    try:
        cell.cell_contents  # noqa: B018  empty cells raise
    except ValueError:
        return False
    return True


def _codes(code):
    """A code object and those of the functions written inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _read(function, code):
    """(name, value) of the globals that a function reads, `module.name` included."""
    for part in _codes(code):
        for name in part.co_names:
            if name not in function.__globals__:
                continue
            value = function.__globals__[name]
            yield name, value
            if isinstance(value, ModuleType):
                for attribute in part.co_names:
                    if hasattr(value, attribute):
                        yield f"{name}.{attribute}", getattr(value, attribute)


def raises_by_itself(function):
    """Whether a function has `raise` or `assert` in it, or calls what might."""
    code = getattr(function, "__code__", None)
    if code is None or function.__closure__:
        return True
    if any(name.startswith(("RAISE", "LOAD_ASS")) for name, _ in _operations(code)):
        return True
    return not all(_is_harmless(value) for _, value in _read(function, code))


def may_raise(function):
    """Whether a function, once compiled with checks of its indices, could raise.

    Never False where it could: only for plain arithmetic of numbers.
    """
    if raises_by_itself(function):
        return True
    code = function.__code__
    for name, symbol in _operations(code):
        if "SUBSCR" in name or symbol == "[]" or name.startswith("IMPORT"):
            return True
    known = {name.rpartition(".")[2] for name, _ in _read(function, code)}
    return not all(set(part.co_names) <= known | ARITHMETIC for part in _codes(code))


def _operations(code):
    """(name, symbol) of the instructions of a function."""
    for part in _codes(code):
        for instruction in dis.get_instructions(part):
            yield instruction.opname, instruction.argrepr


def _is_harmless(value):
    """Whether to call, or to look at, a global value cannot raise an exception."""
    if isinstance(value, BuiltinFunctionType):
        return value.__module__ == "math"
    return isinstance(value, (ModuleType, int, float, np.generic, np.ufunc))
