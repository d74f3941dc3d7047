"""Keys of functions: what compiles to the same has the same one."""

import numpy as np

from skgd._kernels.fingerprint import fingerprint, value_key

FACTOR = 2.0


def helper(x):
    return FACTOR * x


def function(x):
    return helper(x) + 1.0


def test_a_key_changes_with_what_a_helper_reads(monkeypatch):
    before = fingerprint(function)
    assert fingerprint(function) == before
    monkeypatch.setitem(globals(), "FACTOR", 3.0)
    assert fingerprint(function) != before
    monkeypatch.setitem(globals(), "FACTOR", 2.0)
    assert fingerprint(function) == before


def test_values_are_known_by_what_they_hold():
    array = np.arange(3.0)
    key = value_key(array)
    array[1] = 7.0
    assert value_key(array) != key
    assert value_key(np.arange(3.0)) == key
    assert value_key(1) != value_key(1.0) != value_key(True)
    assert value_key([1, (2.0, "a")]) == value_key([1, (2.0, "a")])
