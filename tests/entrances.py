"""Functions that compiled code alone calls, to be called from Python."""

import numba


def entrance(function):
    """A compiled function that calls `function`, which has no entrance of its own."""

    @numba.njit
    def called(*arguments):
        return function(*arguments)

    return called
