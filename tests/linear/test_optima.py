"""Full batches reach the optima that exact solvers find.

The objective is compared to a relative 1e-6, on standardised columns; where both sides
have the same parameters, so are those.
"""

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.linear_model import (
    ElasticNet,
    GammaRegressor,
    HuberRegressor,
    Lasso,
    LogisticRegression,
    PoissonRegressor,
    QuantileRegressor,
    Ridge,
    RidgeClassifier,
    TweedieRegressor,
)
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC, LinearSVR

from skgd import GDClassifier, GDRegressor, losses, schedules


def standardised(load):
    X, y = load(return_X_y=True)
    return StandardScaler().fit_transform(X), y


DIABETES = standardised(load_diabetes)
CANCER = standardised(load_breast_cancer)
WINE = standardised(load_wine)
WEIGHTS = np.random.default_rng(0).integers(0, 4, 569).astype(float)


def objective(model, loss, X, targets, weights=None, l1=0.0, l2=0.0):
    """F of a fitted model, ours or not, in plain NumPy."""
    coef = np.atleast_2d(model.coef_)
    values = loss(targets, X @ coef.T + model.intercept_)[0].sum(axis=1)
    penalty = 0.5 * l2 * np.sum(coef**2) + l1 * np.sum(np.abs(coef))
    return np.average(values, weights=weights) + penalty


def agree(model, exact, *arguments, parameters=1e-4, **penalty):
    """Same objective, and parameters no farther apart than flat optima allow."""
    found = objective(model, *arguments, **penalty)
    best = objective(exact, *arguments, **penalty)
    assert found <= best + 1e-6 * abs(best)
    # If ours were much lower, the other side would not be an oracle.
    assert_allclose(found, best, rtol=1e-5)
    if parameters:
        size = np.abs(exact.coef_).max()
        coef = np.reshape(model.coef_, np.shape(exact.coef_))
        assert_allclose(coef, exact.coef_, rtol=0, atol=parameters * size)


LONG = {"solver": "batch", "max_iter": 20_000, "tol": 1e-13, "n_iter_no_change": 20}


@pytest.mark.parametrize("is_sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("alpha", [1e-3, 0.1])
def test_ridge(alpha, is_sparse):
    X, y = DIABETES
    weights = WEIGHTS[: len(y)]
    exact = Ridge(alpha=alpha * weights.sum()).fit(X, y, weights)
    data = sparse.csr_array(X) if is_sparse else X
    model = GDRegressor(penalty="l2", alpha=alpha, **LONG).fit(data, y, weights)
    agree(model, exact, reference.squared_error, X, y[:, None], weights, l2=alpha)
    assert_allclose(model.intercept_, exact.intercept_, rtol=1e-6)


def test_ridge_with_several_targets():
    X, y = DIABETES
    Y = np.column_stack([y, np.log(y), X @ np.arange(10.0)])
    exact = Ridge(alpha=0.1 * len(y)).fit(X, Y)
    model = GDRegressor(penalty="l2", alpha=0.1, **LONG).fit(X, Y)
    assert model.coef_.shape == (3, 10)
    agree(model, exact, reference.squared_error, X, Y, l2=0.1)


@pytest.mark.parametrize("is_sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("l1_ratio", [0.3, 1.0])
@pytest.mark.parametrize("alpha", [1.0, 10.0])
def test_elastic_net(alpha, l1_ratio, is_sparse):
    X, y = DIABETES
    cls = {0.3: lambda **k: ElasticNet(l1_ratio=0.3, **k), 1.0: Lasso}[l1_ratio]
    exact = cls(alpha=alpha, tol=1e-12, max_iter=100_000).fit(X, y)
    data = sparse.csr_array(X) if is_sparse else X
    model = GDRegressor(
        penalty="l1" if l1_ratio == 1 else "elasticnet",
        l1_ratio=l1_ratio,
        alpha=alpha,
        **LONG,
    ).fit(data, y)
    agree(
        model,
        exact,
        reference.squared_error,
        X,
        y[:, None],
        l1=alpha * l1_ratio,
        l2=alpha * (1 - l1_ratio),
    )
    assert ((model.coef_ == 0) == (exact.coef_ == 0)).all()
    if alpha == 10.0 and l1_ratio == 1:
        assert (exact.coef_ == 0).any()


@pytest.mark.parametrize("is_sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("alpha", [1e-2, 0.1])
def test_logistic_regression(alpha, is_sparse):
    X, y = CANCER
    exact = LogisticRegression(
        C=1 / (alpha * WEIGHTS.sum()), solver="newton-cholesky", tol=1e-12
    ).fit(X, y, WEIGHTS)
    data = sparse.csr_array(X) if is_sparse else X
    model = GDClassifier(alpha=alpha, **LONG).fit(data, y, WEIGHTS)
    signs = 2.0 * y[:, None] - 1
    agree(model, exact, reference.log_loss, X, signs, WEIGHTS, l2=alpha)
    assert_allclose(model.predict_proba(X), exact.predict_proba(X), atol=1e-4)
    assert_allclose(model.predict_log_proba(X), np.log(model.predict_proba(X)))


def test_balanced_logistic_regression():
    """Class weights alter the mean of the weights, hence C."""
    X, y = CANCER
    exact = LogisticRegression(
        C=1 / (0.01 * len(y)),
        class_weight="balanced",
        solver="newton-cholesky",
        tol=1e-12,
    ).fit(X, y)
    model = GDClassifier(alpha=0.01, class_weight="balanced", **LONG).fit(X, y)
    factors = len(y) / (2 * np.bincount(y))
    agree(
        model,
        exact,
        reference.log_loss,
        X,
        2.0 * y[:, None] - 1,
        factors[y],
        l2=0.01,
    )
    by_hand = GDClassifier(
        alpha=0.01, class_weight=dict(enumerate(factors)), **LONG
    ).fit(X, y)
    assert_allclose(by_hand.coef_, model.coef_, rtol=1e-6)


@pytest.mark.parametrize("is_sparse", [False, True], ids=["dense", "csr"])
def test_multinomial_logistic_regression(is_sparse):
    X, y = WINE
    exact = LogisticRegression(C=1 / (0.01 * len(y)), tol=1e-12, max_iter=10_000)
    exact.fit(X, y)
    data = sparse.csr_array(X) if is_sparse else X
    model = GDClassifier(alpha=0.01, **LONG).fit(data, y)
    one_hot = np.eye(3)[y]
    agree(
        model,
        exact,
        lambda t, z: (-t * (z - np.log(np.exp(z).sum(1, keepdims=True))),),
        X,
        one_hot,
        l2=0.01,
    )
    assert_allclose(model.predict_proba(X), exact.predict_proba(X), atol=1e-4)


def test_logistic_regression_with_an_l1_penalty():
    X, y = CANCER
    exact = LogisticRegression(
        C=1 / (0.03 * len(y)), l1_ratio=1, solver="saga", tol=1e-10, max_iter=100_000
    ).fit(X, y)
    model = GDClassifier(penalty="l1", alpha=0.03, **LONG).fit(X, y)
    agree(model, exact, reference.log_loss, X, 2.0 * y[:, None] - 1, l1=0.03)
    assert ((model.coef_ == 0) == (exact.coef_ == 0)).all()
    assert 0 < (exact.coef_ == 0).sum() < 30


@pytest.mark.parametrize(
    "loss, cls", [("poisson", PoissonRegressor), ("gamma", GammaRegressor)]
)
def test_log_links(loss, cls):
    X, y = DIABETES
    y = y / 100
    exact = cls(alpha=0.01, solver="newton-cholesky", tol=1e-10).fit(X, y)
    model = GDRegressor(loss, penalty="l2", alpha=0.01, **LONG).fit(X, y)
    agree(model, exact, vars(reference)[loss], X, y[:, None], l2=0.01)
    assert_allclose(model.predict(X), exact.predict(X), rtol=1e-4)


@pytest.mark.parametrize("power", [1.2, 1.5, 1.9])
def test_tweedie(power):
    X, y = DIABETES
    y = np.maximum(y / 100 - 1.0, 0.0)
    assert 0.2 < (y == 0).mean() < 0.8
    exact = TweedieRegressor(
        power=power, link="log", alpha=0.01, solver="newton-cholesky", tol=1e-10
    ).fit(X, y)
    loss = losses.Tweedie(power)
    model = GDRegressor(loss, penalty="l2", alpha=0.01, **LONG).fit(X, y)

    def formula(y, z):
        return reference.tweedie(y, z, power)

    agree(model, exact, formula, X, y[:, None], l2=0.01)
    assert_allclose(model.predict(X), exact.predict(X), rtol=1e-4)


def test_huber():
    """With the scale that `HuberRegressor` found, the rest of it is our objective."""
    X, y = DIABETES
    exact = HuberRegressor(alpha=1.0, tol=1e-10, max_iter=10_000).fit(X, y)
    alpha, epsilon = exact.scale_ / len(y), 1.35 * exact.scale_
    model = GDRegressor(
        losses.Huber(epsilon=epsilon), penalty="l2", alpha=alpha, **LONG
    ).fit(X, y)

    def loss(y, z):
        return reference.huber(y, z, epsilon)

    agree(model, exact, loss, X, y[:, None], l2=alpha)


@pytest.mark.parametrize("q", [0.2, 0.5])
def test_quantile(q):
    """A loss with kinks: the rate must fall, geometrically for one this sharp."""
    X, y = DIABETES
    y = (y - y.mean()) / y.std()
    exact = QuantileRegressor(quantile=q, alpha=0.01).fit(X, y)
    model = GDRegressor(
        losses.Quantile(q),
        penalty="l1",
        alpha=0.01,
        solver="batch",
        optimizer="momentum",
        lr=0.05,
        lr_schedule=schedules.Exponential(gamma=0.9995),
        max_iter=30_000,
        tol=None,
    ).fit(X, y)

    def loss(y, z):
        return reference.quantile(y, z, q)

    agree(model, exact, loss, X, y[:, None], l1=0.01, parameters=1e-3)
    zeros = exact.coef_ == 0
    assert (np.abs(model.coef_[zeros]) < 1e-4).all()


def test_ridge_classifier():
    X, y = CANCER
    exact = RidgeClassifier(alpha=0.1 * len(y)).fit(X, y)
    model = GDClassifier("squared_error", alpha=0.1, **LONG).fit(X, y)
    agree(model, exact, reference.squared_error, X, 2.0 * y[:, None] - 1, l2=0.1)


def test_squared_hinge():
    X, y = CANCER
    exact = LinearSVC(
        C=1 / (0.1 * len(y)), fit_intercept=False, tol=1e-10, max_iter=100_000
    ).fit(X, y)
    model = GDClassifier("squared_hinge", alpha=0.1, fit_intercept=False, **LONG).fit(
        X, y
    )
    agree(model, exact, reference.squared_hinge, X, 2.0 * y[:, None] - 1, l2=0.1)


def test_squared_epsilon_insensitive():
    X, y = DIABETES
    y = (y - y.mean()) / y.std()
    exact = LinearSVR(
        loss="squared_epsilon_insensitive",
        epsilon=0.3,
        C=1 / (0.1 * len(y)),
        fit_intercept=False,
        tol=1e-10,
        max_iter=100_000,
    ).fit(X, y)
    model = GDRegressor(
        losses.SquaredEpsilonInsensitive(0.3),
        penalty="l2",
        alpha=0.1,
        fit_intercept=False,
        **LONG,
    ).fit(X, y)

    def loss(y, z):
        return reference.squared_epsilon_insensitive(y, z, 0.3)

    agree(model, exact, loss, X, y[:, None], l2=0.1)


@pytest.mark.parametrize(
    "optimizer, lr", [("momentum", 0.01), ("nesterov", 0.01), ("adam", 0.1)]
)
def test_other_rules_reach_the_same_optimum(optimizer, lr):
    X, y = DIABETES
    exact = ElasticNet(alpha=3.0, l1_ratio=0.5, tol=1e-12).fit(X, y)
    model = GDRegressor(
        penalty="elasticnet",
        alpha=3.0,
        l1_ratio=0.5,
        optimizer=optimizer,
        lr=lr,
        solver="batch",
        max_iter=5000,
        tol=None,
    ).fit(X, y)
    agree(model, exact, reference.squared_error, X, y[:, None], l1=1.5, l2=1.5)
    assert ((model.coef_ == 0) == (exact.coef_ == 0)).all()
