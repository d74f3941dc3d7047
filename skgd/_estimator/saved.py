"""The state of an estimator as plain data, for pickle, skops and later versions.

Files hold arrays, numbers, strings, lists, tuples and dictionaries. No class of this
package but that of the estimator is named in them, so that all others may move or
change. An object becomes a dictionary: under `KIND` the name of its class in a
registry, beside it what it holds. Objects of classes that users wrote stay what they
are.
"""

from collections.abc import Callable
from zlib import crc32

import numpy as np

from skgd import penalties
from skgd._registry import SAVED
from skgd._version import __version__
from skgd.activations import ACTIVATIONS
from skgd.losses import LOSSES
from skgd.optimizers import OPTIMIZERS
from skgd.schedules import SCHEDULES

# The form of the files. A later one comes with a step from the one before it in
# `UPGRADES`; files of a form that does not exist yet are refused.
FORMAT = 1

# callable(state) -> state in the next form, by the form that it reads.
UPGRADES: dict[int, Callable[[dict], dict]] = {}

# Where a dictionary says what it stands for; no attribute has this name.
KIND = "skgd"

# Under these names a state says who wrote it, and in which form.
VERSION, FORMAT_OF_STATE = "_skgd_version", "_skgd_format"

# Arrays of so many numbers or more are compared with the others, and with a constant.
LARGE = 64

# Classes whose objects are made of hyper-parameters, by what they are and their names.
COMPONENTS = {
    "activation": ACTIVATIONS,
    "loss": LOSSES,
    "optimizer": OPTIMIZERS,
    "penalty": {
        name: one
        for name, one in vars(penalties).items()
        if isinstance(one, type) and issubclass(one, penalties.Penalty)
    },
    "schedule": SCHEDULES,
}


def to_state(attributes):
    """Attributes of an estimator as plain data, with the version that wrote them.

    Parameters
    ----------
    attributes : dict

    Returns
    -------
    dict
    """
    seen = {}
    state = {name: _plain(value, seen) for name, value in attributes.items()}
    return state | {VERSION: __version__, FORMAT_OF_STATE: FORMAT}


def from_state(state, name):
    """Attributes of an estimator from what `to_state` wrote, now or in the past.

    Parameters
    ----------
    state : dict
    name : str
        The class of the estimator, for messages.

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        For the state of a fitted estimator that a later version wrote, or one of
        before there was a form.
    """
    attributes = dict(state)
    writer = attributes.pop(VERSION, None)
    form = attributes.pop(FORMAT_OF_STATE, None)
    is_fitted = any(one.endswith("_") or one == "_state" for one in attributes)
    if form is None and is_fitted:
        raise ValueError(
            f"This {name} was saved by a version of skgd before 0.2, whose files "
            f"{__version__} cannot read. Load it with that version, and fit it again "
            "with this one."
        )
    if form is not None and form > FORMAT:
        raise ValueError(
            f"This {name} was saved by skgd {writer}, and this is {__version__}, which "
            "does not know the form of its files: install that version or a later one "
            "to load it."
        )
    for step in range(form or FORMAT, FORMAT):
        attributes = UPGRADES[step](attributes)
    seen = set()
    return {name: _restored(value, seen) for name, value in attributes.items()}


def _plain(value, seen):
    """`value` as plain data; `seen` holds the arrays written so far, by content."""
    if isinstance(value, np.ndarray):
        return _plain_array(value, seen)
    cls = type(value)
    if cls in (list, tuple):
        return cls(_plain(part, seen) for part in value)
    if cls is dict:
        return {name: _plain(part, seen) for name, part in value.items()}
    if isinstance(value, np.dtype) and value.names is None:
        return {KIND: "dtype", "name": value.str}
    if isinstance(value, np.random.Generator):
        return {KIND: "random stream", "state": value.bit_generator.state}
    if isinstance(value, type):
        for kind, registry in COMPONENTS.items():
            name = _name_of(value, registry)
            if name is not None:
                return {KIND: f"class of {kind}", "name": name}
        name = _name_of(value, SAVED)
        return value if name is None else {KIND: "class", "name": name}
    for kind, registry in COMPONENTS.items():
        name = _name_of(cls, registry)
        if name is not None and vars(value).keys() == value.get_params(False).keys():
            parts = _plain(vars(value), seen)
            return {KIND: kind, "name": name, "parameters": parts}
    name = _name_of(cls, SAVED)
    if name is None:
        return value
    return {KIND: name} | {key: _plain(part, seen) for key, part in vars(value).items()}


def _name_of(cls, registry):
    for name, one in registry.items():
        if one is cls:
            return name
    return None


def _plain_array(array, seen):
    """An array once, however often it occurs; one of equal numbers as one of them."""
    plain = array.dtype.kind in "fiub" and array.flags.c_contiguous
    # A masked array is more than its numbers.
    plain &= type(array) is np.ndarray
    if array.size < LARGE or not plain:
        return array
    # As whole numbers, to which zeros of two signs are different and NaN are equal.
    bits = array.reshape(-1).view(np.uint8).reshape(array.size, -1)
    if (bits[0] == bits[-1]).all() and (bits == bits[0]).all():
        first = array.reshape(-1)[:1].copy()
        return {KIND: "constant", "shape": array.shape, "value": first}
    key = array.shape, array.dtype.str, crc32(bits)
    for other in seen.setdefault(key, []):
        if other is array or other.tobytes() == array.tobytes():
            return other
    seen[key].append(array)
    return array


def _restored(value, seen):
    """What `_plain` was given; arrays that occur again are copies of their own."""
    if isinstance(value, np.ndarray):
        if id(value) in seen:
            return value.copy()
        seen.add(id(value))
        return value
    cls = type(value)
    if cls in (list, tuple):
        return cls(_restored(part, seen) for part in value)
    if cls is not dict:
        return value
    kind = value.get(KIND)
    if not isinstance(kind, str):
        return {name: _restored(part, seen) for name, part in value.items()}
    if kind == "constant":
        return np.full(tuple(value["shape"]), value["value"][0])
    if kind == "dtype":
        return np.dtype(value["name"])
    if kind == "random stream":
        return _random_stream(value["state"])
    if kind == "class":
        return SAVED[value["name"]]
    if kind.startswith("class of "):
        return COMPONENTS[kind.removeprefix("class of ")][value["name"]]
    if kind in COMPONENTS:
        parameters = _restored(value["parameters"], seen)
        return COMPONENTS[kind][value["name"]](**parameters)
    restored = object.__new__(SAVED[kind])
    parts = {name: part for name, part in value.items() if name != KIND}
    vars(restored).update({name: _restored(part, seen) for name, part in parts.items()})
    return restored


# The random streams that NumPy has, by the name in their state.
STREAMS = {
    cls.__name__: cls
    for cls in (
        np.random.MT19937,
        np.random.PCG64,
        np.random.PCG64DXSM,
        np.random.Philox,
        np.random.SFC64,
    )
}


def _random_stream(state):
    # The seed is nothing: the state takes its place.
    bits = STREAMS[state["bit_generator"]](0)
    bits.state = state
    return np.random.Generator(bits)
