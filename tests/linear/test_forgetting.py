"""Streams that forget: `half_life` against loops written from its documentation."""

import math
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import SGDRegressor
from sklearn.preprocessing import StandardScaler

from skgd import GDClassifier, GDRegressor

HALF_LIVES = [5.0, 60.0]


def turning(n=3000, n_features=4, turns=2.0, seed=0):
    """Rows whose first two coefficients turn."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, n_features))
    angle = 2.0 * np.pi * turns * np.arange(n) / n
    coef = np.ones((n, n_features))
    coef[:, 0], coef[:, 1] = 3.0 * np.cos(angle), 3.0 * np.sin(angle)
    return X, (coef * X).sum(axis=1) + 0.1 * rng.normal(size=n)


def streamed(model, X, y, chunk, weights=None, **keywords):
    for start in range(0, len(y), chunk):
        part = slice(start, start + chunk)
        if weights is not None:
            keywords["sample_weight"] = weights[part]
        model.partial_fit(X[part], y[part], **keywords)
    return model


# ---- the loop under lr="auto" --------------------------------------------------------


class SlowStream:
    """Squared error under ``lr="auto"``, one dense row after the other."""

    def __init__(self, half_life, refresh=1.1):
        self.kept = 0.5 ** (1.0 / half_life)
        self.refresh = refresh
        self.t = 0

    def see(self, x, y, s):
        """The moments with one more row, which makes the others older."""
        before = (
            (0.0, np.zeros_like(x), np.zeros_like(x), 0.0, 0.0, None, None)
            if self.t == 0
            else self.moments
        )
        weight, mean, variance, y_mean, y_variance, low, high = before
        if self.t:
            nearer = math.sqrt(self.kept)
            low = np.minimum(mean + nearer * (low - mean), x)
            high = np.maximum(mean + nearer * (high - mean), x)
        else:
            low, high = x, x
        old, weight = self.kept * weight, self.kept * weight + s

        def merged(mean, variance, new):
            centre = (old * mean + s * new) / weight
            spread = old * (variance + (mean - centre) ** 2) + s * (new - centre) ** 2
            return centre, spread / weight

        mean, variance = merged(mean, variance, x)
        y_mean, y_variance = merged(y_mean, y_variance, y)
        self.moments = weight, mean, variance, y_mean, y_variance, low, high

    def make_coordinates(self):
        weight, mean, variance, _, y_variance, low, high = self.moments
        reach = np.maximum(high - mean, mean - low)
        spread = np.maximum(variance, reach**2 / 64)
        varies = variance > (1e-12 * mean) ** 2
        self.scale = np.zeros_like(mean)
        self.scale[varies] = 1.0 / np.sqrt(spread[varies])
        self.mean, self.known = mean, weight
        norm = 1.0 + np.sum(variance * self.scale**2)
        self.longest = 1.0 / norm
        self.least = (1e-2 * (np.sqrt(y_variance) or 1.0)) ** 2

    def coefficients(self, point):
        coef = point[:-1] * self.scale
        return coef, point[-1] - self.mean @ coef

    def from_coefficients(self, coef, intercept):
        scaled = np.divide(
            coef, self.scale, out=np.zeros_like(coef), where=self.scale > 0
        )
        return np.append(scaled, intercept + self.mean @ coef)

    def learn(self, x, y, s=1.0):
        self.see(x, y, s)
        weight, _, _, _, _, low, high = self.moments
        if self.t == 0:
            self.make_coordinates()
            start = np.zeros(x.size + 1)
            start[-1] = y
            self.z = self.mean_of_z = self.origin = start
            self.distance, self.squares = self.least, 0.0
        else:
            self.known *= self.kept
            reach = np.maximum(high - self.mean, self.mean - low) * self.scale
            if weight > self.refresh * self.known or reach.max() > 16.0:
                points = [self.z, self.mean_of_z, self.origin]
                raw = [self.coefficients(point) for point in points]
                self.make_coordinates()
                points = [self.from_coefficients(*one) for one in raw]
                self.z, self.mean_of_z, self.origin = points
        self.t += 1
        row = np.append((x - self.mean) * self.scale, 1.0)
        at = self.z + 0.8 * (self.mean_of_z - self.z)
        # A row whose longest step would take off more than twice its error weighs less.
        s *= min(1.0, 2.0 / (self.longest * (row @ row)))
        gradient = s * (row @ at - y) * row
        if self.t > 1:
            self.origin = self.z + self.kept * (self.origin - self.z)
            # Once as gradients, once with the distances that weigh them.
            self.squares *= self.kept**2
            self.distance = max(self.kept * self.distance, self.least)
        self.distance = max(self.distance, np.sum((self.z - self.origin) ** 2))
        self.squares += self.distance * np.sum(gradient**2)
        if self.squares > 0.0:
            length = self.distance / math.sqrt(self.squares)
            self.z = self.z - min(length, self.longest) * gradient
        share = (1.0 - self.kept) / (1.0 - self.kept**self.t)
        self.mean_of_z = self.mean_of_z + share * (self.z - self.mean_of_z)
        return self.coefficients(self.mean_of_z)


@pytest.mark.parametrize("half_life", [20.0, 200.0])
def test_single_rows_under_auto_are_the_slow_loop(half_life):
    X, y = turning(400)
    # Scales and means that move, and rows that weigh.
    X *= np.linspace(1.0, 30.0, 400)[:, None]
    X += np.linspace(0.0, 50.0, 400)[:, None]
    y = y + np.linspace(0.0, 9.0, 400)
    weights = np.random.default_rng(1).uniform(0.5, 2.0, 400)
    slow, model = SlowStream(half_life), GDRegressor(half_life=half_life)
    for i in range(400):
        coef, intercept = slow.learn(X[i], y[i], weights[i])
        rows = slice(i, i + 1)
        model.partial_fit(X[rows], y[rows], sample_weight=weights[rows])
        assert_allclose(model.coef_, coef, rtol=1e-6, atol=1e-9)
        assert_allclose(model.intercept_, intercept, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("half_life", [None, 50.0, 400.0])
def test_chunks_agree_with_rows(kind, half_life):
    """Coordinates and the spread of targets are those of whole calls."""
    X, y = turning()
    found = []
    for chunk in (1, 32):
        model = GDRegressor(half_life=half_life)
        for start in range(0, len(y), chunk):
            rows = slice(start, start + chunk)
            model.partial_fit(kind(X[rows]), y[rows])
        found.append(model.coef_)
    assert_allclose(*found, atol=0.15)


@pytest.mark.parametrize("average", [False, 5])
@pytest.mark.parametrize("half_life", [None, *HALF_LIVES])
def test_chunks_are_their_rows(half_life, average):
    """Under a float rate, and for classes of CSR rows, to the bit."""
    X, y = turning(200)
    X[np.abs(X) < 0.5] = 0.0
    settings = {"half_life": half_life, "average": average, "solver": "sgd"}
    for kind in (np.asarray, sparse.csr_matrix):
        found = [
            streamed(GDRegressor(lr=0.01, **settings), kind(X), y, chunk)
            for chunk in (1, 8, 200)
        ]
        for model in found[1:]:
            assert_array_equal(model.coef_, found[0].coef_)
    if not average:
        rows = sparse.csr_matrix(X)
        # An intercept would start from the classes of the first call.
        settings = {"half_life": half_life, "fit_intercept": False}
        models = [GDClassifier(**settings) for _ in range(3)]
        for model, chunk in zip(models, (1, 8, 200), strict=True):
            streamed(model, rows, (y > 0).astype(int), chunk, classes=[0, 1])
            assert_array_equal(model.coef_, models[0].coef_)


@pytest.mark.parametrize("losses", ["squared_error", "absolute_error"])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_coefficients_that_turn(kind, losses):
    """Forgetting follows them, as far as a running ridge that forgets as fast."""
    X, y = turning()
    error = {}
    for half_life in (None, 60.0):
        model = GDRegressor(loss=losses, half_life=half_life)
        errors = []
        for i in range(len(y)):
            row = kind(X[i : i + 1])
            if i:
                errors.append(abs(model.predict(row)[0] - y[i]))
            model.partial_fit(row, y[i : i + 1])
        error[half_life] = np.mean(errors[300:])
    kept, A, b, ridge = 0.5 ** (1 / 60.0), np.eye(4), np.zeros(4), []
    for i in range(len(y)):
        ridge.append(abs(X[i] @ np.linalg.solve(A, b) - y[i]))
        A, b = kept * A + np.outer(X[i], X[i]), kept * b + X[i] * y[i]
    assert error[60.0] < 0.6 * error[None]
    assert error[60.0] < 1.5 * np.mean(ridge[300:])


@pytest.mark.parametrize("cause", ["scale", "mean", "target"])
def test_columns_that_move(cause):
    """After a jump, a few half-lives are enough to be as good as before."""
    X, y = turning(4000, turns=0.0)
    late = np.arange(4000)[:, None] >= 2000
    X_seen = {"scale": X * np.where(late, 1e3, 1.0), "mean": X + 40.0 * late}
    X_seen = X_seen.get(cause, X)
    if cause == "target":
        y = y + 100.0 * late[:, 0]
    error = {}
    for half_life in (None, 100.0):
        model = streamed(GDRegressor(half_life=half_life), X_seen[:3000], y[:3000], 10)
        error[half_life] = np.abs(model.predict(X_seen[3000:]) - y[3000:]).mean()
    assert error[100.0] < 0.2
    assert error[None] > 2.0 * error[100.0]


# ---- sparse rows ---------------------------------------------------------------------


class SlowSparseStream:
    """Squared error under ``lr="auto"`` on sparse rows, feature by feature."""

    def __init__(self, half_life):
        self.half_life = half_life
        self.t = self.weight = self.mean = self.variance = 0.0
        self.w, self.G, self.s, self.last = {}, {}, {}, {}
        self.b = self.G_b = 0.0

    def left(self, n):
        return 0.5 ** (n / self.half_life)

    def learn(self, row, y, h):
        old, self.weight = self.left(1) * self.weight, self.left(1) * self.weight + h
        mean = (old * self.mean + h * y) / self.weight
        spread = old * (self.variance + (self.mean - mean) ** 2) + h * (y - mean) ** 2
        self.mean, self.variance = mean, spread / self.weight
        eta = 0.5 * (math.sqrt(self.variance) or 1.0)
        if self.t == 0:
            self.b = y
        z = self.b
        for j, x in row.items():
            if j not in self.w:
                self.w[j], self.G[j], self.s[j] = 0.0, 0.0, abs(x)
            else:
                age = self.t - self.last[j]
                if abs(x) > 2.0 * self.s[j]:
                    self.w[j] *= self.s[j] / abs(x)
                self.s[j] = max(math.sqrt(self.left(age)) * self.s[j], abs(x))
                self.G[j] *= self.left(age)
            self.last[j] = self.t
            z += self.w[j] * x
        g = z - y
        self.G_b = self.left(1) * self.G_b + h * g**2
        for j, x in row.items():
            self.G[j] += h * (g * x) ** 2
        if g == 0.0:
            self.t += 1
            return
        D = {j: eta / (self.s[j] * math.sqrt(self.G[j])) for j in row}
        D_b = eta / math.sqrt(self.G_b)
        q = D_b + sum(D[j] * x**2 for j, x in row.items())
        u = (z + q * h * y) / (1.0 + q * h)
        for j, x in row.items():
            self.w[j] -= h * (u - y) * D[j] * x
        self.b -= h * (u - y) * D_b
        self.t += 1


@pytest.mark.parametrize("half_life", [4.0, 100.0])
def test_single_sparse_rows_under_auto_are_the_slow_loop(half_life):
    rng = np.random.default_rng(2)
    X = sparse.random(300, 12, 0.2, "csr", random_state=3, data_rvs=rng.standard_normal)
    # A scale that grows, one that falls, and a column that is rare.
    X = (X @ sparse.diags(10.0 ** np.arange(-3.0, 9.0) / 1e3)).tolil()
    X[150:, 0] *= 1e4
    X[150:, 1] /= 1e4
    X[np.arange(300) % 97 > 0, 2] = 0.0
    X = sparse.csr_matrix(X)
    y, weights = rng.normal(size=300) + 5.0, rng.uniform(0.5, 3.0, 300)
    slow, model = SlowSparseStream(half_life), GDRegressor(half_life=half_life)
    for i in range(300):
        row = X[i]
        slow.learn(
            dict(zip(row.indices.tolist(), row.data, strict=True)), y[i], weights[i]
        )
        model.partial_fit(row, y[i : i + 1], sample_weight=weights[i : i + 1])
        if i % 13 and i < 290:
            # Most updates are made in place.
            continue
        coef = np.array([slow.w.get(j, 0.0) for j in range(12)])
        assert_allclose(model.coef_, coef, rtol=1e-5, atol=1e-12)
        assert_allclose(model.intercept_, slow.b, rtol=1e-5)


# ---- float rates ---------------------------------------------------------------------


@pytest.mark.parametrize("start", [1, 7])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("half_life", HALF_LIVES)
def test_the_mean_of_a_float_rate_forgets(half_life, kind, start):
    """It is that of the weights after each update, as far as they are remembered."""
    X, y = turning(120)
    settings = {"lr": 0.02, "solver": "minibatch", "batch_size": 4}
    path, last = [], GDRegressor(**settings)
    model = GDRegressor(**settings, average=start, half_life=half_life)
    for first in range(0, 120, 4):
        rows = slice(first, first + 4)
        last.partial_fit(kind(X[rows]), y[rows])
        path.append(np.append(last.coef_, last.intercept_))
        model.partial_fit(kind(X[rows]), y[rows])
    points = path[start - 1 :]
    left = 0.5 ** (4.0 * np.arange(len(points))[::-1] / half_life)
    mean = np.average(points, axis=0, weights=left)
    assert_allclose(model.coef_, mean[:-1], rtol=1e-9)
    assert_allclose(model.intercept_, mean[-1:], rtol=1e-9)


def test_a_float_rate_without_a_mean_has_nothing_to_forget():
    X, y = turning(60)
    for kind in (np.asarray, sparse.csr_matrix):
        one, other = (
            streamed(GDRegressor(lr=0.01, half_life=half_life), kind(X), y, 7)
            for half_life in (None, 3.0)
        )
        assert_array_equal(one.coef_, other.coef_)


# ---- where it stands -----------------------------------------------------------------


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_fit_forgets_nothing(kind):
    X, y = turning(300)
    one, other = (
        GDRegressor(half_life=half_life, random_state=0).fit(kind(X), y)
        for half_life in (None, 3.0)
    )
    assert_array_equal(one.coef_, other.coef_)
    batches = [(kind(X[:150]), y[:150]), (kind(X[150:]), y[150:])]
    one, other = (
        GDRegressor(half_life=half_life, random_state=0).fit_batches(batches)
        for half_life in (None, 3.0)
    )
    assert_array_equal(one.coef_, other.coef_)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("before", ["fit", "stream"])
def test_what_was_learnt_without_forgetting_is_forgotten(before, kind):
    """Many rows of before hold the stream up no longer than a few half-lives."""
    X, y = turning(6000, turns=0.0)
    model = GDRegressor(random_state=0)
    if before == "fit":
        model.fit(kind(X[:5000]), y[:5000])
    else:
        streamed(model, kind(X[:5000]), y[:5000], 100)
    model.set_params(half_life=50.0)
    streamed(model, kind(X[5000:]), -y[5000:], 1)
    assert_allclose(model.coef_, [-3.0, 0.0, -1.0, -1.0], atol=0.15)
    weight = model._model.seen.targets.weight
    assert weight < 1.0 / (1.0 - 0.5 ** (1 / 50.0))


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_streams_that_forget_survive_pickling(kind):
    X, y = turning(200)
    whole, pieces = GDRegressor(half_life=30.0), GDRegressor(half_life=30.0)
    streamed(whole, kind(X), y, 1)
    for i in range(200):
        pieces.partial_fit(kind(X[i : i + 1]), y[i : i + 1])
        if i % 23 == 0:
            pieces = pickle.loads(pickle.dumps(pieces))
    assert_allclose(pieces.coef_, whole.coef_, rtol=1e-12)
    assert clone(pieces).half_life == 30.0
    assert pieces.compact().predict(X[:3]).shape == (3,)


@pytest.mark.parametrize("value", [0, -1.0, np.inf, np.nan, "10"])
def test_values_that_are_no_half_life(value):
    X, y = turning(20)
    with pytest.raises((ValueError, TypeError), match="half_life"):
        GDRegressor(half_life=value).partial_fit(X, y)
    model = GDRegressor().partial_fit(X, y)
    with pytest.raises((ValueError, TypeError), match="half_life"):
        model.set_params(half_life=value).partial_fit(X, y)


def test_sums_of_which_nothing_can_be_forgotten():
    X, y = turning(20)
    with pytest.raises(ValueError, match="ftrl"):
        GDRegressor(optimizer="ftrl", half_life=5).partial_fit(X, y)
    GDRegressor(optimizer="ftrl", half_life=5).fit(X, y)


def test_a_half_life_set_late_is_minded_by_the_next_row():
    """Prepared updates are prepared anew."""
    X, y = turning(300)
    for kind in (np.asarray, sparse.csr_matrix):
        model = streamed(GDRegressor(), kind(X[:100]), y[:100], 1)
        other = pickle.loads(pickle.dumps(model))
        for one, half_life in ((model, None), (other, 10.0)):
            one.set_params(half_life=half_life)
            streamed(one, kind(X[100:]), y[100:], 1)
        assert np.abs(model.coef_ - other.coef_).max() > 0.01


def test_a_refused_row_ages_nothing():
    X, y = turning(100)
    for kind in (np.asarray, sparse.csr_matrix):
        one, other = GDRegressor(half_life=9.0), GDRegressor(half_life=9.0)
        for i in range(100):
            one.partial_fit(kind(X[i : i + 1]), y[i : i + 1])
            other.partial_fit(kind(X[i : i + 1]), y[i : i + 1])
            bad = X[i : i + 1].copy()
            bad[0, 1] = np.nan
            with pytest.raises(ValueError, match="NaN"):
                other.partial_fit(kind(bad), y[i : i + 1])
            other.partial_fit(kind(X[:1]), y[:1], sample_weight=[0.0])
        assert_allclose(one.coef_, other.coef_, rtol=1e-9)


@pytest.mark.parametrize("name", ["adagrad", "adam", "momentum", "dowg", "rmsprop"])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_every_rule_follows_coefficients_that_turn(name, kind):
    X, y = turning(4000)
    error = {}
    for half_life in (None, 100.0):
        model, errors = GDRegressor(optimizer=name, half_life=half_life), []
        for start in range(0, 4000, 4):
            rows = slice(start, start + 4)
            if start:
                errors.append(np.abs(model.predict(kind(X[rows])) - y[rows]).mean())
            model.partial_fit(kind(X[rows]), y[rows])
        error[half_life] = np.mean(errors[200:])
    # The means of rules with a rate of their own mind late points most as it is.
    share = 1.0 if name in ("adam", "rmsprop") else 0.7
    assert error[100.0] < share * error[None]


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("loss", ["log_loss", "hinge"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_classes_that_turn(n_classes, loss, kind):
    X, _ = turning(3000)
    angle = 4.0 * np.pi * np.arange(3000) / 3000
    z = X[:, 0] * np.cos(angle) + X[:, 1] * np.sin(angle)
    y = np.digitize(z, [0.0] if n_classes == 2 else [-0.5, 0.5])
    right = {}
    for half_life in (None, 60.0):
        model, hits = GDClassifier(loss=loss, half_life=half_life), []
        for i in range(3000):
            row = kind(X[i : i + 1])
            if i:
                hits.append(model.predict(row)[0] == y[i])
            model.partial_fit(row, y[i : i + 1], classes=np.unique(y))
        right[half_life] = np.mean(hits[300:])
    assert right[60.0] > right[None] + 0.1


@pytest.mark.slow
def test_as_good_as_scaled_sgd_of_the_best_rate():
    """On coefficients that turn, against the peer's best of several constant rates."""
    X, y = turning()
    scale = 10.0 ** np.arange(4) + 0.0 * X
    found = []
    for eta in (0.003, 0.01, 0.03, 0.1):
        scaler = StandardScaler()
        peer = SGDRegressor(learning_rate="constant", eta0=eta, alpha=0.0)
        errors = []
        for i in range(3000):
            row = (X * scale)[i : i + 1]
            if i:
                errors.append(abs(peer.predict(scaler.transform(row))[0] - y[i]))
            row = scaler.partial_fit(row).transform(row)
            peer.partial_fit(row, y[i : i + 1])
        found.append(np.mean(errors[300:]))
    model, errors = GDRegressor(half_life=30.0), []
    for i in range(3000):
        row = (X * scale)[i : i + 1]
        if i:
            errors.append(abs(model.predict(row)[0] - y[i]))
        model.partial_fit(row, y[i : i + 1])
    assert np.mean(errors[300:]) < 1.1 * min(found)
