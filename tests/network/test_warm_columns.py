"""A warm start learns of columns and targets that were constant before."""

import numpy as np
import pytest
from scipy import sparse

from skgd import MLPGD


def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    return X, X @ [1.0, 2.0, -1.0] + 3.0


def network():
    return MLPGD((8,), loss="squared_error", warm_start=True, random_state=0)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("case", ["one row", "a column", "the targets"])
def test_what_was_constant_is_learnt(case, form):
    X, y = rows()
    first, targets, weights = X.copy(), y.copy(), None
    if case == "one row":
        weights = np.zeros(len(y))
        weights[0] = 1.0
    elif case == "a column":
        first[:, 1] = 5.0
    else:
        targets[:] = 2.0
    model = network().fit(form(first), targets, sample_weight=weights)
    assert network().fit(form(X), y).score(form(X), y) > 0.98
    assert model.fit(form(X), y).score(form(X), y) > 0.98


def test_what_varied_keeps_its_coordinates():
    X, y = rows()
    first = X.copy()
    first[:, 1] = 5.0
    model = network().fit(first, y)
    before = model._model.coordinates
    after = model.fit(3.0 * X + 1.0, y)._model.coordinates
    np.testing.assert_array_equal(after.mean[[0, 2]], before.mean[[0, 2]])
    np.testing.assert_array_equal(after.scale[[0, 2]], before.scale[[0, 2]])
    assert before.scale[1] == 0.0 < after.scale[1]


def test_columns_that_wake_under_classes():
    X, y = rows()
    labels = (y > 3.0).astype(int)
    first = X.copy()
    first[:, 1] = 5.0
    model = MLPGD((8,), warm_start=True, random_state=0).fit(first, labels)
    assert model.fit(X, labels).score(X, labels) > 0.95
