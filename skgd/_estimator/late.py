"""Fitted attributes that are made when somebody looks at them.

A call of ``partial_fit`` with one row takes less time than the attributes that it
leaves: arrays of the history, coefficients in the units of the features. So the call
leaves what they are made of, and reading one of them, ``vars`` and pickling make them.
To whoever looks they have always been there.
"""

from typing import Any


class _Bare:
    """Has nothing but the dict of its instances, which is found through it."""


_DICT = vars(_Bare)["__dict__"]

# The attributes that are there already, by name: the dict itself, nothing made.
attributes_of = _DICT.__get__

# Under which name the attributes hold what the late ones are made of.
LATE = "_late"


def _all_attributes(estimator):
    # Again if another thread has learnt meanwhile.
    while True:
        attributes = attributes_of(estimator)
        late = attributes.get(LATE)
        if late is None:
            return attributes
        late.show(attributes)


# For the body of a class: its instances have all attributes there. Each class of a
# hierarchy brings a dict of its own, so that it must be the first that does.
late_dict: Any = property(_all_attributes, _DICT.__set__)


class LateAttributes(_Bare):
    """Makes late attributes when they are asked for by name."""

    def __getattr__(self, name: str) -> Any:
        # Python asks here for what it has not found.
        attributes = attributes_of(self)
        late = attributes.get(LATE)
        if late is not None and name in late.names:
            return late.show(attributes, name)
        # The error that brought us here, with its reason.
        return object.__getattribute__(self, name)


def may_be_late(cls):
    """Whether ``vars`` of the instances of a class makes what is late.

    Not where a class without `late_dict` stands in front of the one that has it.
    """
    first = next(base for base in cls.__mro__ if "__dict__" in vars(base))
    return vars(first)["__dict__"] is late_dict


def replace_attributes(estimator, attributes):
    """Other attributes than before, in one step of the interpreter."""
    _DICT.__set__(estimator, attributes)
