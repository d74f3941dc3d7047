"""Loops are found once for each kind of rows."""

import numpy as np
from binding import bound_to
from scipy import sparse

X, Y = np.arange(12.0).reshape(6, 2), np.zeros((6, 1))


def test_rows_of_one_kind_share_their_loops():
    one, other = bound_to(X, Y), bound_to(2.0 * X, Y)
    assert one.loops is other.loops
    assert one.loops.any_rule is other.loops.any_rule
    for different in (
        bound_to(X.astype(np.float32), Y),
        bound_to(X, np.zeros((6, 2))),
        bound_to(sparse.csr_array(X), Y),
    ):
        assert different.loops is not one.loops


def test_rules_are_compiled_apart():
    loops = bound_to(sparse.csr_array(X), Y).loops
    assert loops.any_rule is not loops.saga
