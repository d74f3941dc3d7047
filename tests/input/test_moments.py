"""Mean and variance of columns against NumPy in extended precision."""

import numpy as np
import pytest
from scipy import sparse

from skgd._input.moments import Moments

LAYOUTS = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "rows of a larger table": lambda X: np.repeat(X, 2, axis=0)[::2],
    "columns of a larger table": lambda X: np.hstack([X, X])[:, : X.shape[1]],
    "every other column": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "backwards": lambda X: X[::-1].copy()[::-1],
}


def table(n, n_features, dtype=np.float64, seed=0):
    """Columns of all scales and offsets, and weights, some of them zero."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, n_features)) * 10.0 ** rng.integers(-3, 4, n_features)
    X += rng.uniform(-50, 50, n_features)
    weights = rng.uniform(0, 3, n)
    weights[rng.random(n) < 0.2] = 0.0
    weights[0] = 1.0
    return X.astype(dtype), weights


def expected(X, weights):
    """The moments by their definition, in extended precision."""
    X, weights = X.astype(np.longdouble), weights.astype(np.longdouble)
    mean = weights @ X / weights.sum()
    return weights.sum(), mean, weights @ (X - mean) ** 2 / weights.sum()


def assert_moments(moments, X, weights):
    total, mean, variance = expected(X, weights)
    spread = float(np.sqrt(variance.max()))
    np.testing.assert_allclose(moments.weight, float(total), rtol=1e-13)
    np.testing.assert_allclose(
        moments.mean, mean.astype(float), rtol=1e-13, atol=1e-14 * spread
    )
    np.testing.assert_allclose(moments.variance, variance.astype(float), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n_features", [1, 3, 64, 65, 200])
@pytest.mark.parametrize("n", [1, 2, 31, 32, 33, 500])
def test_moments_are_those_of_the_definition(n, n_features, dtype):
    X, weights = table(n, n_features, dtype)
    empty = Moments.empty(n_features)
    assert_moments(empty.update(X, weights), X, weights)


def test_weights_may_be_one_number_for_all_rows():
    X, _ = table(100, 7)
    ones = np.broadcast_to(1.0, (100,))
    assert_moments(Moments.empty(7).update(X, ones), X, ones)


def test_rows_may_be_chosen_and_in_any_order():
    X, weights = table(300, 5)
    order = np.random.default_rng(0).permutation(300)[:170]
    moments = Moments.empty(5).update(X, weights, order)
    assert_moments(moments, X[order], weights[order])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n_features", [1, 9, 130])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_memory_layout_changes_no_bit(layout, n_features, dtype):
    X, weights = table(150, n_features, dtype)
    order = np.arange(0, 150, 2)
    other = LAYOUTS[layout](X)
    other.flags.writeable = False
    for rows in (None, order):
        plain = Moments.empty(n_features).update(X, weights, rows)
        moments = Moments.empty(n_features).update(other, weights, rows)
        assert moments.weight == plain.weight
        np.testing.assert_array_equal(moments.mean, plain.mean)
        np.testing.assert_array_equal(moments.variance, plain.variance)


def test_a_huge_offset_does_not_drown_the_spread():
    rng = np.random.default_rng(0)
    X = 1e8 + rng.standard_normal((5000, 3))
    weights = rng.uniform(0.5, 2, 5000)
    moments = Moments.empty(3).update(X, weights)
    _, mean, variance = expected(X, weights)
    np.testing.assert_allclose(moments.mean, mean.astype(float), rtol=1e-15)
    np.testing.assert_allclose(moments.variance, variance.astype(float), rtol=1e-12)


@pytest.mark.parametrize("size", [1, 7, 32, 100, 999])
def test_chunks_of_a_stream_add_up(size):
    X, weights = table(1000, 6)
    moments = Moments.empty(6)
    for start in range(0, len(X), size):
        part = slice(start, start + size)
        if weights[part].any():
            moments.update(X[part], weights[part])
    assert_moments(moments, X, weights)


def test_blocks_without_weight_are_left_out():
    X, weights = table(200, 4)
    weights[:64] = 0.0
    assert_moments(Moments.empty(4).update(X, weights), X, weights)
    X[:64] = 1e300
    assert_moments(Moments.empty(4).update(X, weights), X[64:], weights[64:])


def test_rows_seen_before_stay_as_they_are():
    X, weights = table(50, 4)
    first = Moments.empty(4).update(X, weights)
    mean, variance = first.mean, first.variance
    kept = mean.copy(), variance.copy()
    first.update(X + 1.0, weights)
    np.testing.assert_array_equal(mean, kept[0])
    np.testing.assert_array_equal(variance, kept[1])


@pytest.mark.parametrize("cuts", [[40], [1, 7, 90], [25, 26, 27, 60]])
def test_sparse_chunks_merge_to_the_moments_of_the_whole(cuts):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 4)) * (rng.random((100, 4)) < 0.5) + [0, 0, 3, 0]
    X[:50] += 2.0
    weights = rng.uniform(0.5, 2.0, 100)
    moments = Moments.empty(4)
    for part in np.split(np.arange(100), cuts):
        moments.update(sparse.csr_array(X[part]), weights[part])
    mean = np.average(X, axis=0, weights=weights)
    variance = np.average((X - mean) ** 2, axis=0, weights=weights)
    np.testing.assert_allclose(moments.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(moments.variance, variance, rtol=1e-12)


class Forgetting:
    """The moments of a stream that forgets, row by row and column by column."""

    def __init__(self, n_features, half_life):
        self.kept = 0.5 ** (1.0 / half_life)
        self.rows, self.weights = [], []
        self.low = [np.inf] * n_features
        self.high = [-np.inf] * n_features

    def see(self, X, weights):
        for x, weight in zip(X.astype(np.longdouble), weights, strict=True):
            if weight == 0.0:
                continue
            if self.rows:
                _, mean, _ = expected(np.array(self.rows), np.array(self.weights))
                nearer = np.sqrt(self.kept)
                self.low = mean + nearer * (self.low - mean)
                self.high = mean + nearer * (self.high - mean)
            self.low, self.high = np.minimum(self.low, x), np.maximum(self.high, x)
            self.weights = [*(self.kept * np.array(self.weights)), weight]
            self.rows.append(x)

    def moments(self):
        return expected(np.array(self.rows), np.array(self.weights))


def near(found, exact, rtol=1e-12):
    np.testing.assert_allclose(found, np.asarray(exact, float), rtol, atol=1e-13)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("half_life", [0.7, 3.0, 50.0])
@pytest.mark.parametrize("chunk", [1, 7, 40])
def test_old_rows_are_forgotten(chunk, half_life, dtype):
    X, weights = table(40, 5, dtype)
    slow, moments = Forgetting(5, half_life), Moments.empty(5)
    for start in range(0, 40, chunk):
        part = slice(start, start + chunk)
        if not weights[part].any():
            continue
        slow.see(X[part], weights[part])
        moments.update(X[part], weights[part], half_life=half_life)
        total, mean, variance = slow.moments()
        near(moments.weight, total)
        near(moments.mean, mean)
        near(moments.variance, variance, 1e-10)
        near(moments.low, slow.low)
        near(moments.high, slow.high)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_forgetting_does_not_depend_on_chunks_or_layout(layout):
    """Row by row, to the bit."""
    X, weights = table(100, 7)
    whole = Moments.empty(7).update(X, weights, half_life=9.0)
    pieces = Moments.empty(7)
    given = LAYOUTS[layout](X)
    for part in (slice(0, 1), slice(1, 34), slice(34, 100)):
        rows = np.flatnonzero(weights[part])
        pieces.update(given[part], weights[part], rows, half_life=9.0)
    for name in ("weight", "mean", "variance", "low", "high"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(pieces, name))


@pytest.mark.parametrize("chunk", [1, 30, 200])
def test_sparse_rows_are_forgotten_as_dense_ones(chunk):
    X, weights = table(200, 6)
    X[np.random.default_rng(1).random(X.shape) < 0.6] = 0.0
    weights[weights == 0.0] = 0.5
    dense, stream = Moments.empty(6), Moments.empty(6)
    for start in range(0, 200, chunk):
        part = slice(start, start + chunk)
        dense.update(X[part], weights[part], half_life=25.0)
        rows = sparse.csr_matrix(X[part])
        stream.update(rows, weights[part], half_life=25.0)
    near(stream.weight, dense.weight)
    near(stream.mean, dense.mean)
    near(stream.variance, dense.variance, 1e-9)
    if chunk == 1:
        near(stream.low, dense.low)
        near(stream.high, dense.high)
    # The range of a block is taken in whole.
    assert (stream.low <= dense.low + 1e-9).all()
    assert (stream.high >= dense.high - 1e-9).all()
