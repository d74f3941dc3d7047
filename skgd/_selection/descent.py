"""The passes over the rows, until every search has come to its end."""

from concurrent.futures import ThreadPoolExecutor

from skgd._training.threads import OneBlasThread


def descend(panels, blocks, max_iter, n_jobs=1):
    """Run all searches of some panels in common passes.

    Parameters
    ----------
    panels : list of Panel
    blocks : iterable
        Of (block, targets, rows), to be gone through once for each pass.
    max_iter : int
        Passes at most.
    n_jobs : int
        Threads; each has its panels, so that the bits do not depend on their number.

    Returns
    -------
    n_passes : int
    """
    n_passes = 0
    n_groups = max(1, min(n_jobs, len(panels)))
    with OneBlasThread(), ThreadPoolExecutor(n_groups) as pool:
        while n_passes < max_iter:
            active = [panel for panel in panels if panel.goes_on]
            if not active:
                break
            n_passes += 1
            groups = [active[k::n_groups] for k in range(n_groups)]
            groups = [group for group in groups if group]
            if len(groups) == 1:
                _step(active, blocks)
            else:
                list(pool.map(_step, groups, [blocks] * len(groups)))
    return n_passes


def _step(panels, blocks):
    """A pass over all rows for some panels, and what each makes of its sums."""
    one_pass(panels, blocks)
    for panel in panels:
        panel.end()


def one_pass(panels, blocks):
    """The sums of some panels over all rows."""
    for panel in panels:
        panel.begin()
    for block, targets, rows in blocks:
        for panel in panels:
            panel.add(block, targets, rows)
