"""Timing side by side: interleaved repeats, medians, ratios, time to a quality.

Every suite uses these, so that the figures of all of them mean the same. What is timed
lives in the suites, how it is shown in ``_report.py``.
"""

import math
import random
import statistics
from time import perf_counter as clock

# Iterations that a time to a quality is looked for at: no two further apart than 1.34
# times from six on, for the ratios of the times to mean something.
BUDGETS = (
    *(1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 32, 40, 50, 64, 80, 100),
    *(128, 160, 200, 256, 320, 400, 500, 640, 800, 1000),
)


def interleaved(tasks, repeats=5, warm_up=True):
    """Run every task once per round, so that drifts of the machine hit all alike.

    The order changes from round to round: caches are as the task before left them.

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
    names, chance = list(tasks), random.Random(0)
    for _ in range(repeats):
        chance.shuffle(names)
        for name in names:
            start = clock()
            tasks[name]()
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


def seconds_to(targets, methods, repeats=5, limit=3.0):
    """Median seconds of the shortest fit of each method that reaches each target.

    Parameters
    ----------
    targets : sequence of float
        Gaps to come within.
    methods : dict of str to (callable(budget), callable(model))
        A fit with a number of iterations, from nothing, and the gap of what it returns.
    repeats : int
    limit : float
        Seconds of one fit after which longer ones are not tried.

    Returns
    -------
    dict of (str, float) to float or None
        For each name and target, None where it was not reached.
    """
    budgets = {
        (name, target): budget
        for name, (fit, gap) in methods.items()
        for target, budget in _shortest(targets, fit, gap, limit).items()
    }
    # A budget that reaches several targets is timed once.
    runs = {(name, budget) for (name, _), budget in budgets.items() if budget}
    tasks = {
        (name, budget): lambda fit=methods[name][0], budget=budget: fit(budget)
        for name, budget in sorted(runs)
    }
    seconds = medians(interleaved(tasks, repeats, warm_up=False))
    return {key: seconds.get((key[0], budget)) for key, budget in budgets.items()}


def _shortest(targets, fit, gap, limit):
    """Target -> the first of the budgets that reaches it, or None."""
    found = dict.fromkeys(targets)
    fit(BUDGETS[0])  # compiles
    for budget in BUDGETS:
        start = clock()
        model = fit(budget)
        taken = clock() - start
        reached = gap(model)
        for target in targets:
            if found[target] is None and reached <= target:
                found[target] = budget
        if None not in found.values() or taken > limit:
            break
    return found


def exponent(sizes, seconds):
    """Slope of log(seconds) over log(size), by least squares.

    None where a time was too short to be told from the noise.
    """
    if min(seconds) <= 0.0:
        return None
    slope, _ = statistics.linear_regression(
        [math.log(size) for size in sizes], [math.log(value) for value in seconds]
    )
    return slope
