"""Columns with long tails, whose middle a standard deviation would press flat."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone

from skgd import MLPGD
from skgd._input.rows import Rows
from skgd._network import coordinates
from skgd._network.quartiles import MOST_ROWS, middle_spread

NETWORK = MLPGD((3,), loss="squared_error", max_iter=1, tol=None, random_state=0)


def columns(n, seed=0):
    """A normal one, a long tail, a rare level, a constant, one with many zeros."""
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n, 5))
    Z[:, 1] = np.exp(3 * Z[:, 1])
    Z[:, 2] = rng.random(n) < 0.03
    Z[:, 3] = 2.0
    Z[:, 4] *= rng.random(n) < 0.6
    return Z


def rows_of(X, weights=None):
    y = np.zeros((len(X), 1)) if weights is None else np.zeros((len(weights), 1))
    return Rows.of(X, y, y, weights)


def spread_by_a_loop(X, weights):
    found = []
    for x in X.T:
        order = np.argsort(x)
        ends = []
        for share in (0.25, 0.75):
            total = 0.0
            for i in order:
                total += weights[i]
                if total >= share * weights.sum() * (1 - 1e-9):
                    ends.append(x[i])
                    break
        found.append((ends[1] - ends[0]) / 1.3489795003921634)
    return found


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("n", [1, 4, 37, 200])
def test_the_spread_of_the_middle_half(container, n):
    X = columns(n)
    weights = np.random.default_rng(1).uniform(0.1, 3.0, n)
    given = container(X)
    expected = spread_by_a_loop(X, weights)
    assert_allclose(middle_spread(rows_of(given, weights)), expected)
    ones = np.ones(n)
    expected = spread_by_a_loop(X, ones)
    # The weights of a fit are divided by their mean, which rounds.
    assert_allclose(middle_spread(rows_of(given, ones / 3)), expected)


def test_a_row_of_weight_two_is_two_rows():
    X = columns(40)
    weights = np.random.default_rng(2).integers(1, 4, 40)
    twice = middle_spread(rows_of(np.repeat(X, weights, axis=0)))
    assert_array_equal(middle_spread(rows_of(X, weights / weights.mean())), twice)


def test_of_many_rows_a_part_spread_over_all_of_them():
    X = columns(5 * MOST_ROWS)
    X[: MOST_ROWS + 1] = 0.0
    spread = middle_spread(rows_of(X))
    every = middle_spread(rows_of(X[::8].copy()))
    assert_array_equal(spread, every)
    assert spread[0] == pytest.approx(0.7, abs=0.05)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_scales_are_those_of_the_documentation(container):
    X = columns(1000)
    X[3, 4] = 300.0
    model = clone(NETWORK).fit(container(X), X[:, 0])
    c = model._model.coordinates
    deviation, reach = X.std(axis=0), np.abs(X - X.mean(axis=0)).max(axis=0)
    middle = np.array(spread_by_a_loop(X, np.ones(1000)))
    assert deviation[1] > 4 * middle[1]
    assert deviation[4] > 4 * middle[4]
    tail = [np.sqrt(4 * middle[k] * deviation[k]) for k in (1, 4)]
    assert reach[4] / tail[1] > 50.0
    expected = [
        deviation[0],
        max(tail[0], reach[1] / 50.0),
        max(deviation[2], reach[2] / 8.0),
        np.inf,
        reach[4] / 50.0,
    ]
    assert_allclose(1.0 / c.scale[[0, 1, 2, 4]], np.delete(expected, 3), rtol=1e-9)
    assert c.scale[3] == 0.0


def test_units_and_offsets_of_columns_with_tails_do_not_matter():
    X, new = columns(400), columns(50, seed=1)
    model = clone(NETWORK).set_params(max_iter=5)
    expected = model.fit(X, X[:, 1]).predict(new)
    units, offsets = np.array([1.0, 1e-3, 1e4, 1.0, 7.0]), np.arange(5.0)
    model.fit(X * units + offsets, X[:, 1])
    assert_allclose(model.predict(new * units + offsets), expected, rtol=1e-6)


def test_without_intercepts_an_offset_is_no_tail():
    X = 1000.0 + columns(300)[:, :1]
    model = clone(NETWORK).set_params(fit_intercept=False).fit(X, X[:, 0])
    assert_allclose(model._model.coordinates.scale, 1 / np.sqrt(np.mean(X**2)))


@pytest.mark.parametrize("n", [500, 3 * MOST_ROWS])
def test_batches_have_the_scales_of_the_table(n):
    X = columns(n)
    y = X[:, 0] + np.log(X[:, 1])
    model = clone(NETWORK).fit(X, y)
    batches = [(X[k : k + 400], y[k : k + 400]) for k in range(0, n, 400)]
    streamed = clone(NETWORK).fit_batches(batches)
    assert_allclose(
        streamed._model.coordinates.scale, model._model.coordinates.scale, rtol=1e-12
    )


def test_a_stream_after_a_fit_keeps_to_its_tails():
    X, later = columns(500), columns(20, seed=3)
    model = clone(NETWORK).fit(X, X[:, 0])
    before = model._model.scaling.middle
    spread = 1.0 / model._model.coordinates.scale[1]
    for row in later:
        model.partial_fit(row[None], row[:1])
    assert_array_equal(model._model.scaling.middle, before)
    # Not that of the standard deviation, as of a stream from the start.
    assert 1.0 / model._model.coordinates.scale[1] == pytest.approx(spread, rel=0.2)
    assert model._model.coordinates.scale[1] > 2.0 / np.r_[X, later][:, 1].std()


@pytest.mark.parametrize("seed", [0, 1])
def test_what_lies_within_the_middle_is_learnt(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    X = np.exp(2 * rng.normal(size=(1600, 3)))
    y = np.tanh(np.log(X[:, 0])) + 0.1 * rng.normal(size=1600)
    X, y, new, y_new = X[:800], y[:800], X[800:], y[800:]
    usual = (new < 10.0).all(axis=1)
    new, y_new = new[usual], y_new[usual]
    model = MLPGD(loss="squared_error", random_state=0)
    score = model.fit(X, y).score(new, y_new)
    monkeypatch.setattr(coordinates, "LONG_TAIL", np.inf)
    monkeypatch.setattr(coordinates, "LONGEST_TAIL", coordinates.LONGEST_REACH)
    flat = clone(model).fit(X, y).score(new, y_new)
    assert score > flat + 0.03
