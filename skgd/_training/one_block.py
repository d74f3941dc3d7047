"""Arrays that lie in one block of memory, so that one copy is a copy of them all."""

import numpy as np

from skgd._training.state import State

# Each array begins where a line of the cache does, seen from the first.
LINE = 64

# The arrays of a state that an update moves.
MOVED = "theta", "vectors", "scalars", "step_sizes", "base", "average"


class OneBlock:
    """Copies of arrays, which stay where they are while their numbers change.

    Parameters
    ----------
    arrays : dict of str to array
        What there is to be room for.

    Attributes
    ----------
    views : dict of str to array
        By name; those without numbers in them lie somewhere else.
    """

    def __init__(self, arrays):
        starts, end = {}, 0
        for name, array in arrays.items():
            starts[name] = end
            end += -(-array.nbytes // LINE) * LINE
        self._bytes = np.zeros(end, np.uint8)
        self._parts = {
            name: (start, start + arrays[name].nbytes)
            for name, start in starts.items()
            if arrays[name].nbytes
        }
        self._kinds = {name: (a.dtype, a.shape) for name, a in arrays.items()}
        self.views = self._views(self._bytes)
        self.load(arrays)

    def _views(self, block):
        views = {}
        for name, (dtype, shape) in self._kinds.items():
            if name in self._parts:
                start, stop = self._parts[name]
                views[name] = block[start:stop].view(dtype).reshape(shape)
            else:
                views[name] = np.empty(shape, dtype)
        return views

    def load(self, arrays):
        """Take over numbers; False, with nothing done, if some do not fit."""
        for name, kind in self._kinds.items():
            if (arrays[name].dtype, arrays[name].shape) != kind:
                return False
        for name, view in self.views.items():
            view[...] = arrays[name]
        return True

    def copy(self):
        """All numbers as they are now: for `restore` and `arrays_of`."""
        return self._bytes.copy()

    def restore(self, numbers):
        """Be as at a `copy`."""
        self._bytes[:] = numbers

    def arrays_of(self, numbers):
        """The arrays of a `copy`, by name, each with memory of its own."""
        return {name: view.copy() for name, view in self._views(numbers).items()}

    def array_of(self, numbers, name):
        """One of the arrays of a `copy`, in its memory."""
        start, stop = self._parts[name]
        return numbers[start:stop].view(self._kinds[name][0])


def moved_by_updates(state):
    """The arrays of a state that updates move, by name."""
    return {name: getattr(state, name) for name in MOVED}


def with_arrays(state, arrays, **counters):
    """A state like another, with other arrays and counters."""
    made = object.__new__(State)
    moved = {name: arrays[name] for name in MOVED}
    vars(made).update(vars(state), **moved, **counters)
    return made
