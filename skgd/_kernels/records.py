"""Tuples with names: what belongs together goes into compiled code together.

A record is a ``NamedTuple`` on the side of the names and a `Record` on that of the
types. Python passes plain tuples in the order of the fields: Numba takes five times as
long to recognise a tuple that has names, which an update of one row would feel. Inside
compiled code the names cost nothing.
"""

from typing import NamedTuple

from numba import types
from numba.core.typeconv import Conversion
from numba.extending import models, register_model

from .compiling import FLOAT, INDEX, VECTOR, matrix, read_only, remembered, vector


class Record(types.NamedTuple):
    """The type of a named tuple, for which a plain tuple of its parts will do."""

    def can_convert_from(self, typingctx, other):
        """How well another type will do, or None."""
        if not isinstance(other, types.BaseTuple):
            return None
        parts = types.Tuple(list(other)), types.Tuple(self.types)
        conversion = typingctx.can_convert(*parts)
        return None if conversion is None else max(conversion, Conversion.safe)


register_model(Record)(models.TupleModel)


def record(cls, **members):
    """The type of a named tuple.

    Parameters
    ----------
    cls : subclass of NamedTuple
    **members : numba types
        Of its fields, in their order.

    Returns
    -------
    Record
    """
    if tuple(members) != cls._fields:
        raise TypeError(f"{cls.__name__} has the fields {', '.join(cls._fields)}.")
    return Record(list(members.values()), cls)


TARGETS = read_only(FLOAT, 2)
WEIGHTS = read_only(FLOAT, 1)
ORDER = read_only(INDEX, 1, "C")
RATES = read_only(FLOAT, 1)
TABLE = matrix(FLOAT)


class Rows(NamedTuple):
    """The rows that a loop visits.

    Attributes
    ----------
    data : record
        What a model made of X, and the buffers that its kernels work in.
    targets : array of shape (n_rows, n_targets)
    weights : array of shape (n_rows,)
    order : int64 array
        The numbers of the rows, in the order of the visits.
    """

    data: tuple
    targets: object
    weights: object
    order: object


@remembered
def rows_of(data_type):
    """The type of `Rows` with data of a type."""
    return record(Rows, data=data_type, targets=TARGETS, weights=WEIGHTS, order=ORDER)


class Cost(NamedTuple):
    """How scores become losses and their derivatives.

    Attributes
    ----------
    output : int
        Address, or number, of what goes through the scores of some rows; see
        ``outputs.py``.
    loss : int
        Address, or number, of the loss of one score.
    p : float64 array
        The parameters of the loss.
    table : float64 array of shape (n_rows, any)
        What the output keeps of each row, if it keeps something.
    """

    output: int
    loss: int
    p: object
    table: object


COST = record(Cost, output=types.intp, loss=types.intp, p=VECTOR, table=TABLE)


class Average(NamedTuple):
    """The mean of theta beside the path.

    Attributes
    ----------
    average : array of shape (n_parameters,) or (0,)
        The mean after each update; empty if none is asked for.
    start : int
        The first update that counts.
    """

    average: object
    start: int


class Strengths(NamedTuple):
    """The same l1 and l2 weight for every coefficient."""

    l1: float
    l2: float


STRENGTHS = record(Strengths, l1=FLOAT, l2=FLOAT)


@remembered
def average_type(element):
    """The type of `Average` in a precision."""
    return record(Average, average=vector(element), start=INDEX)
