"""Fitted attributes that are made when somebody looks at them.

A call of ``partial_fit`` with one row takes less time than the attributes that it
leaves: arrays of the history, coefficients in the units of the features. So the call
leaves what they are made of, and reading one of them, ``vars`` and pickling make them.
To whoever looks they have always been there.
"""

from typing import TYPE_CHECKING, Any


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


class Late:
    """One late attribute, in the body of a class: made when it is asked for by name.

    Python looks into the dict of the instance first, so that it comes here only where
    the attribute is not there, or not yet.
    """

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        attributes = attributes_of(instance)
        late = attributes.get(LATE)
        if late is not None and self.name in late.names:
            return late.show(attributes, self.name)
        if self.name in attributes:
            # Another thread has made it since Python looked.
            return attributes[self.name]
        raise AttributeError(
            f"{type(instance).__name__!r} object has no attribute {self.name!r}",
            name=self.name,
            obj=instance,
        )


class LateAttributes(_Bare):
    """What a call leaves besides the weights, whatever the model; see `REPORT`."""

    _state = Late()
    _model = Late()
    n_iter_ = Late()
    t_ = Late()
    lr_ = Late()
    history_ = Late()
    loss_curve_ = Late()
    best_loss_ = Late()
    best_epoch_ = Late()
    stop_reason_ = Late()
    _calls = Late()

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Whatever training leaves."""


# The names of what a call leaves besides the weights.
REPORT = tuple(
    name for name, value in vars(LateAttributes).items() if type(value) is Late
)


def may_be_late(cls):
    """Whether ``vars`` of the instances of a class makes what is late.

    Not where a class without `late_dict` stands in front of the one that has it.
    """
    first = next(base for base in cls.__mro__ if "__dict__" in vars(base))
    return vars(first)["__dict__"] is late_dict


def replace_attributes(estimator, attributes):
    """Other attributes than before, in one step of the interpreter."""
    _DICT.__set__(estimator, attributes)
