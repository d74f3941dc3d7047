"""Rules with state and streams on sparse rows, against slow loops over all weights."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.special import expit
from sklearn.base import clone
from sparse_rows import random_csr

from skgd import GDClassifier, GDRegressor
from skgd.optimizers import FTRL, AdaGrad, Adam, AdamW, RMSProp


def rows(n=120, d=60, seed=0):
    """Sparse rows with empty rows, empty columns and explicit zeros."""
    rng = np.random.default_rng(seed)
    X = random_csr(rng, n, d, density=0.05)
    X.data[:] = rng.normal(size=X.nnz)
    X.data[::17] = 0.0
    return X, rng


def targets(X, rng, n_outputs=1):
    coef = rng.normal(size=(X.shape[1], n_outputs))
    y = X @ coef + 0.3 * rng.normal(size=(X.shape[0], n_outputs)) + 0.5
    return y[:, 0] if n_outputs == 1 else y


@pytest.mark.parametrize("batch_size", [1, 7])
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize(
    "rule",
    [
        {"optimizer": "adagrad"},
        {"optimizer": AdaGrad(initial_accumulator_value=0.2)},
        {"optimizer": "rmsprop"},
        {"optimizer": RMSProp(rho=0.5, epsilon=1e-3), "lr_schedule": "cosine"},
        {"optimizer": RMSProp(momentum=0.5), "penalty": "l2", "alpha": 0.05},
        {"optimizer": RMSProp(centered=True)},
        {"optimizer": Adam(amsgrad=True), "penalty": "l2", "alpha": 0.05},
        {"optimizer": "adam", "average": 5},
        {"optimizer": "momentum"},
        {"optimizer": "momentum", "penalty": "l2", "alpha": 0.05},
        {"optimizer": "nesterov"},
        {"optimizer": "nesterov", "penalty": "l2", "alpha": 0.05},
        {"optimizer": FTRL(l1=0.05, l2=0.3)},
        {"optimizer": "ftrl", "penalty": "l1", "alpha": 2e-3},
        {"optimizer": FTRL(beta=0.0), "penalty": "elasticnet", "alpha": 1e-2},
        {"optimizer": "momentum", "lr_schedule": "cosine"},
        {"optimizer": "ftrl", "lr_schedule": "exponential"},
        {"optimizer": "adagrad", "lr_schedule": "exponential"},
        {"optimizer": "momentum", "average": 5},
        {"optimizer": "momentum", "penalty": "l1", "alpha": 0.01},
    ],
    ids=str,
)
def test_rules_take_the_steps_of_dense_rows(rule, n_outputs, batch_size):
    X, rng = rows()
    y = targets(X, rng, n_outputs)
    weights = rng.integers(1, 4, X.shape[0])
    lr = 0.01 if rule["optimizer"] in ("momentum", "nesterov") else 0.05
    model = GDRegressor(
        lr=lr, batch_size=batch_size, max_iter=4, tol=None, random_state=0, **rule
    )
    wide = clone(model).fit(X, y, weights)
    dense = clone(model).fit(X.toarray(), y, weights)
    assert_allclose(wide.coef_, dense.coef_, rtol=1e-9, atol=1e-12)
    assert_allclose(wide.intercept_, dense.intercept_, rtol=1e-9, atol=1e-12)
    assert_allclose(wide.loss_curve_, dense.loss_curve_, rtol=1e-9)


def test_adagrad_follows_the_penalty_as_a_flow():
    X, rng = rows()
    y = targets(X, rng)
    lr, alpha, ratio = 0.3, 0.02, 0.4
    model = GDRegressor(
        lr=lr,
        solver="sgd",
        optimizer="adagrad",
        penalty="elasticnet",
        alpha=alpha,
        l1_ratio=ratio,
        max_iter=1,
        tol=None,
        shuffle=False,
    ).fit(X, y)
    l1, l2 = alpha * ratio, alpha * (1 - ratio)
    w, total = np.zeros(X.shape[1]), np.zeros(X.shape[1])
    b, b_total = 0.0, 0.0
    for x, target in zip(X.toarray(), y, strict=True):
        slope = x @ w + b - target
        total += (slope * x) ** 2
        length = lr / (np.sqrt(total) + 1e-10)
        w -= length * slope * x
        decay = np.exp(-l2 * length)
        w = np.sign(w) * np.maximum(np.abs(w) * decay - l1 / l2 * (1 - decay), 0)
        b_total += slope**2
        b -= lr * slope / (np.sqrt(b_total) + 1e-10)
    assert_allclose(model.coef_, w, rtol=1e-9, atol=1e-12)
    assert_allclose(model.intercept_, b, rtol=1e-9)


def test_a_weight_without_a_gradient_flows_at_the_pace_of_its_penalty():
    """AdaGrad's sum is zero there: it is divided by the gradient of the penalty."""
    X = sparse.csr_matrix(np.array([[1.0, 0.0], [1.0, 0.0]]))
    lr, alpha = 0.1, 0.02
    model = GDRegressor(
        lr=lr,
        solver="sgd",
        optimizer="adagrad",
        penalty="l2",
        alpha=alpha,
        max_iter=1,
        tol=None,
        shuffle=False,
    ).fit(X, np.zeros(2), coef_init=np.array([1.0, 3.0]))
    expected = 3.0 * np.exp(-alpha * 2 * lr / (alpha * 3.0 + 1e-10))
    assert_allclose(model.coef_[1], expected, rtol=1e-9)


class SlowRule:
    """Adam or RMSProp of weights that wait for their features, one by one.

    The flow of the penalty in the update that touches a feature waits, too, but where
    the weights decay besides.
    """

    def __init__(self, rule, n, l1, l2):
        self.rule, self.l1, self.l2 = rule, l1, l2
        self.m, self.v, self.w = np.zeros(n), np.zeros(n), np.zeros(n)
        self.since = np.zeros(n)
        self.owed = np.zeros(n)
        self.decays = getattr(rule, "weight_decay", 0.0) > 0.0
        self.t = 0

    def flow(self, j, length):
        rule, own = self.rule, self.l1 + self.l2 * abs(self.w[j])
        v = self.v[j]
        if isinstance(rule, Adam):
            v = v / (1 - rule.beta_2**self.t)
        size = np.sqrt(max(v, own**2)) + rule.epsilon
        self.w[j] = shrunk(self.w[j], self.l1, self.l2, length / size)

    def step(self, gradient, touched, lr):
        rule = self.rule
        self.t += 1
        for j in np.flatnonzero(touched):
            g = gradient[j]
            if isinstance(rule, Adam):
                self.w[j] *= 1 - lr * rule.weight_decay
                self.m[j] = rule.beta_1 * self.m[j] + (1 - rule.beta_1) * g
                self.v[j] = rule.beta_2 * self.v[j] + (1 - rule.beta_2) * g**2
                m = self.m[j] / (1 - rule.beta_1**self.t)
                v = self.v[j] / (1 - rule.beta_2**self.t)
            else:
                self.v[j] = rule.rho * self.v[j] + (1 - rule.rho) * g**2
                m, v = g, self.v[j]
            self.w[j] -= lr * m / (np.sqrt(v) + rule.epsilon)
            self.since[j] = 0.0
            if self.decays:
                self.flow(j, lr)
            else:
                self.owed[j] = lr

    def catch_up(self, asked, lr):
        """What happened to the features since they were touched."""
        for j in np.flatnonzero(asked):
            waited = self.since[j]
            if isinstance(self.rule, Adam):
                self.w[j] *= (1 - lr * self.rule.weight_decay) ** waited
            length = self.owed[j] + waited * lr
            if length:
                self.flow(j, length)
            self.owed[j] = 0.0
            if isinstance(self.rule, RMSProp):
                self.v[j] *= self.rule.rho**waited
            self.since[j] = 0.0


@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("batch_size", [1, 7])
@pytest.mark.parametrize("l1_ratio", [None, 0.0, 1.0, 0.4])
@pytest.mark.parametrize(
    "rule",
    [
        RMSProp(),
        RMSProp(rho=0.7, epsilon=1e-3),
        Adam(),
        Adam(beta_1=0.0, beta_2=0.9, epsilon=1e-3),
        AdamW(weight_decay=0.3),
    ],
    ids=str,
)
def test_weights_wait_for_their_features(rule, l1_ratio, batch_size, n_outputs):
    X, rng = rows()
    y = targets(X, rng, n_outputs)
    lr, alpha = 0.05, 0.02
    model = GDRegressor(
        lr=lr,
        batch_size=batch_size,
        optimizer=rule,
        penalty=None if l1_ratio is None else "elasticnet",
        alpha=alpha,
        l1_ratio=l1_ratio or 0.0,
        max_iter=2,
        tol=None,
        shuffle=False,
    ).fit(X, y)
    l1 = l2 = 0.0
    if l1_ratio is not None:
        l1, l2 = alpha * l1_ratio, alpha * (1 - l1_ratio)
    n, d = X.shape
    dense, y = X.toarray(), np.reshape(y, (n, -1))
    named = np.zeros(dense.shape, dtype=bool)
    named[np.repeat(np.arange(n), np.diff(X.indptr)), X.indices] = True
    for k in range(n_outputs):
        weights = SlowRule(rule, d, l1, l2)
        intercept = SlowRule(clone(rule), 1, 0.0, 0.0)
        if isinstance(rule, AdamW):
            intercept.rule.weight_decay = 0.0
        for _ in range(2):
            for start in range(0, n, batch_size):
                batch = slice(start, start + batch_size)
                touched = named[batch].any(axis=0)
                weights.catch_up(touched, lr)
                residual = dense[batch] @ weights.w + intercept.w - y[batch, k]
                weights.since[~touched] += 1
                weights.step(dense[batch].T @ residual / len(residual), touched, lr)
                intercept.step([residual.mean()], [True], lr)
        weights.catch_up(np.ones(d, dtype=bool), lr)
        coef = np.atleast_2d(model.coef_)[k]
        assert_allclose(coef, weights.w, rtol=1e-9, atol=1e-12)
        assert_allclose(np.ravel(model.intercept_)[k], intercept.w[0], rtol=1e-9)


def test_ftrl_is_that_of_the_paper():
    X, rng = rows()
    y = (targets(X, rng) > 0.5).astype(int)
    lr, beta, l1, l2 = 0.4, 0.7, 0.2, 0.5
    model = GDClassifier(
        lr=lr,
        solver="sgd",
        optimizer=FTRL(beta=beta, l1=l1, l2=l2),
        penalty=None,
        max_iter=1,
        tol=None,
        shuffle=False,
    ).fit(X, y)
    d = X.shape[1]
    A = np.column_stack([X.toarray(), np.ones(len(y))])
    z, n = np.zeros(d + 1), np.zeros(d + 1)
    own1, own2 = np.append(np.full(d, l1), 0.0), np.append(np.full(d, l2), 0.0)

    def weights():
        w = -(z - np.sign(z) * own1) / ((beta + np.sqrt(n)) / lr + own2)
        return np.where(np.abs(z) <= own1, 0.0, w)

    for x, label in zip(A, y, strict=True):
        w = weights()
        g = (expit(x @ w) - label) * x
        z += g - (np.sqrt(n + g**2) - np.sqrt(n)) / lr * w
        n += g**2
    assert_allclose(model.coef_[0], weights()[:-1], rtol=1e-9, atol=1e-14)
    assert_allclose(model.intercept_[0], weights()[-1], rtol=1e-9)
    assert (model.coef_ == 0.0).any()


def test_ftrl_goes_on_from_given_weights():
    X, rng = rows()
    y = targets(X, rng)
    start = {"coef_init": rng.normal(size=X.shape[1]), "intercept_init": [1.0]}
    model = GDRegressor(optimizer=FTRL(l2=0.1), lr=0.1, solver="sgd", max_iter=2)
    model.set_params(tol=None, random_state=0)
    wide = clone(model).fit(X, y, **start)
    dense = clone(model).fit(X.toarray(), y, **start)
    assert_allclose(wide.coef_, dense.coef_, rtol=1e-9, atol=1e-12)


def slow_stream(X, y, weights, spread, start, l1, l2):
    """Implicit normalised AdaGrad for half the squared error, all columns each row."""
    d = X.shape[1]
    w, G, s, mark = np.zeros(d), np.zeros(d), np.zeros(d), np.zeros(d)
    b, Gb, eta = start, 0.0, 0.5 * spread
    for t, (x, target, h) in enumerate(zip(X.toarray(), y, weights, strict=True)):
        for j in np.flatnonzero(x):
            if w[j] and G[j]:
                length = (t - mark[j]) * eta / (s[j] * math.sqrt(G[j]))
                w[j] = shrunk(w[j], l1, l2, length)
            mark[j] = t
            if abs(x[j]) > s[j]:
                w[j] *= s[j] / abs(x[j])
                s[j] = abs(x[j])
        z = x @ w + b
        g = z - target
        there = x != 0
        G[there] += h * (g * x[there]) ** 2
        Gb += h * g * g
        D = np.zeros(d)
        D[there] = eta / (s[there] * np.sqrt(G[there]))
        Q = (x * x * D).sum() + eta / math.sqrt(Gb)
        move = h * g / (1 + h * Q)
        w -= D * x * move
        b -= eta / math.sqrt(Gb) * move
    for j in range(d):
        if w[j] and G[j]:
            length = (len(y) - mark[j]) * eta / (s[j] * math.sqrt(G[j]))
            w[j] = shrunk(w[j], l1, l2, length)
    return w, b


def shrunk(w, l1, l2, length):
    decay = math.exp(-l2 * length)
    lost = l1 / l2 * (1 - decay) if l2 else l1 * length
    return math.copysign(max(abs(w) * decay - lost, 0.0), w)


@pytest.mark.parametrize("penalty", [None, ("l2", 0.0, 0.1), ("l1", 0.1, 0.0)], ids=str)
def test_stream_takes_implicit_steps(penalty):
    X, rng = rows()
    y = targets(X, rng)
    weights = rng.integers(1, 5, len(y)).astype(float)
    name, l1, l2 = penalty or (None, 0.0, 0.0)
    model = GDRegressor(penalty=name, alpha=l1 + l2)
    model.partial_fit(X, y, sample_weight=weights)
    mean = np.average(y, weights=weights)
    spread = math.sqrt(np.average((y - mean) ** 2, weights=weights))
    w, b = slow_stream(X, y, weights, spread, mean, l1, l2)
    assert_allclose(model.coef_, w, rtol=1e-6, atol=1e-9)
    assert_allclose(model.intercept_, b, rtol=1e-6)


def test_a_weight_of_a_million_does_not_explode():
    X, rng = rows()
    y = targets(X, rng)
    weights = np.ones(len(y))
    weights[50] = 1e6
    model = GDRegressor().partial_fit(X, y, sample_weight=weights)
    assert np.abs(model.predict(X)).max() < 10 * np.abs(y).max()


def test_columns_may_grow_and_come_late():
    X, rng = rows(400, 30)
    y = targets(X, rng)
    X = X.tolil()
    X[300:, 29] = 1.0
    X[350:, 28] = 1e6
    X = sparse.csr_array(X)
    y[300:] += 3.0
    model = GDRegressor()
    for start in range(0, 400, 10):
        model.partial_fit(X[start : start + 10], y[start : start + 10])
    assert np.isfinite(model.coef_).all()
    assert np.abs(model.predict(X) - y)[320:].mean() < np.abs(y[320:] - y.mean()).mean()


def test_rare_levels_in_a_stream():
    rng = np.random.default_rng(0)
    n, k = 6000, 200
    p = 1 / np.arange(1, k + 1) ** 1.3
    g = rng.choice(k, n, p=p / p.sum())
    effect = 10 * rng.normal(size=k)
    X = sparse.csr_array((np.ones(n), g, np.arange(n + 1)), shape=(n, k))
    y = 15 + effect[g] + rng.normal(size=n)
    model = GDRegressor()
    for start in range(0, n, 500):
        model.partial_fit(X[start : start + 500], y[start : start + 500])
    assert model.score(X, y) > 0.9


@pytest.mark.parametrize("loss", ["log_loss", "hinge", "squared_hinge", "perceptron"])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_streams_of_classes(loss, n_classes):
    X, rng = rows(3000, 40)
    scores = X @ rng.normal(scale=5.0, size=(40, n_classes))
    y = scores.argmax(axis=1)
    model = GDClassifier(loss)
    for start in range(0, 3000, 100):
        model.partial_fit(
            X[start : start + 100], y[start : start + 100], classes=range(n_classes)
        )
    prior = np.bincount(y).max() / len(y)
    assert model.score(X, y) > prior + 0.5 * (1 - prior)
