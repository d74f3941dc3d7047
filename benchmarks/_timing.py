"""Timing side by side: interleaved repeats, medians, ratios.

Every suite uses these, so that the figures of all of them mean the same. What is timed
lives in the suites, how it is shown in ``_report.py``.
"""

import math
import statistics
from time import perf_counter as clock


def interleaved(tasks, repeats=5, warm_up=True):
    """Run every task once per round, so that drifts of the machine hit all alike.

    Parameters
    ----------
    tasks : dict of str to callable
    repeats : int
        Rounds that count.
    warm_up : bool
        Whether to run each task once before: compilation, page faults, caches.

    Returns
    -------
    dict of str to list of float
        Seconds of each task in each round.
    """
    if warm_up:
        for task in tasks.values():
            task()
    seconds = {name: [] for name in tasks}
    for _ in range(repeats):
        for name, task in tasks.items():
            start = clock()
            task()
            seconds[name].append(clock() - start)
    return seconds


def medians(seconds):
    """Name -> median over the rounds."""
    return {name: statistics.median(values) for name, values in seconds.items()}


def per_epoch(fits, few=1, many=6, repeats=5):
    """Median seconds of one epoch of each fit, without what a fit does once.

    Parameters
    ----------
    fits : dict of str to callable(n_epochs)
    few, many : int
        The epoch is the difference of the runs of `many` and of `few` epochs, over
        their distance.
    repeats : int

    Returns
    -------
    dict of str to float
    """
    tasks = {}
    for name, fit in fits.items():
        tasks[name, few] = lambda fit=fit: fit(few)
        tasks[name, many] = lambda fit=fit: fit(many)
    seconds = interleaved(tasks, repeats)
    return {
        name: statistics.median(
            (long - short) / (many - few)
            for long, short in zip(seconds[name, many], seconds[name, few], strict=True)
        )
        for name in fits
    }


def exponent(sizes, seconds):
    """Slope of log(seconds) over log(size), by least squares."""
    slope, _ = statistics.linear_regression(
        [_log(size) for size in sizes], [_log(value) for value in seconds]
    )
    return slope


def _log(value):
    return math.log(value)
