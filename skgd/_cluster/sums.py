"""Sums over groups of rows that do not depend on where the groups are.

Groups are the leaves of a binary tree, and the sum of a node is that of its left half
plus that of its right half. Whoever holds all groups below a node adds them up and
hands on one sum instead of many; who adds which nodes makes no difference to the bits.
"""


def merged(nodes, n_groups):
    """Sums of as few nodes as possible.

    Parameters
    ----------
    nodes : dict of (level, index) to a tuple of numbers and arrays, or None
        Sums of nodes of the tree, none below another. Level 0 are the groups, and node
        `i` of a level has the halves `2 i` and `2 i + 1` of the level below. None is
        the sum of a group without rows. The arrays are used up.
    n_groups : int

    Returns
    -------
    dict of (level, index) to tuple or None
        One node if all groups were there.
    """
    nodes = dict(nodes)
    level, width = 0, n_groups
    while width > 1:
        for left in range(0, width, 2):
            halves = [
                (level, k)
                for k in (left, left + 1)
                if k < width and (level, k) in nodes
            ]
            if len(halves) == min(2, width - left):
                sums = [nodes.pop(half) for half in halves]
                nodes[level + 1, left // 2] = _added(sums)
        level, width = level + 1, -(-width // 2)
    return nodes


def _added(sums):
    known = [one for one in sums if one is not None]
    if len(known) < 2:
        return known[0] if known else None
    left, right = known
    for a, b in zip(left, right, strict=True):
        a += b
    return left
