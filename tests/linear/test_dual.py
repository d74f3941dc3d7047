"""Fits of sparse rows under ``lr="auto"``: exact minima, certificates, odd rows."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import QuantileRegressor
from sklearn.svm import SVC

from skgd import GDClassifier, GDRegressor
from skgd.losses import get_loss

SMOOTH_REGRESSION = ["squared_error", "huber", "squared_epsilon_insensitive"]
SMOOTH_CLASSIFICATION = ["log_loss", "squared_hinge", "modified_huber", "squared_error"]
PENALTIES = [
    ("l2", 1e-2),
    ("l2", 1e-4),
    ("l2", 1e-6),
    ("l1", 1e-2),
    ("l1", 1e-3),
    ("elasticnet", 1e-3),
    (None, 0.0),
]


def text(n=800, d=120, length=8, seed=0):
    """Counts of words with Zipf's frequencies, the rows of norm one."""
    rng = np.random.default_rng(seed)
    frequency = 1.0 / np.arange(1, d + 1)
    words = rng.choice(d, (n, length), p=frequency / frequency.sum())
    X = sparse.csr_matrix(
        (np.ones(n * length), words.ravel(), np.arange(0, n * length + 1, length)),
        shape=(n, d),
    )
    X.sum_duplicates()
    norms = np.sqrt(X.multiply(X).sum(axis=1)).A1
    return sparse.csr_matrix(sparse.diags(1.0 / norms) @ X), rng


def regression(**kwargs):
    X, rng = text(**kwargs)
    y = X @ rng.normal(scale=3.0, size=X.shape[1]) + 4.0 + rng.normal(size=X.shape[0])
    return X, y


def classification(n_classes=2, **kwargs):
    X, rng = text(**kwargs)
    scores = X @ rng.normal(scale=3.0, size=(X.shape[1], n_classes))
    return X, (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)


def objective(model, X, y, weights=None):
    """F of a fitted model, written out."""
    weights = np.ones(len(y)) if weights is None else weights / np.mean(weights)
    coef, intercept = np.atleast_2d(model.coef_), model.intercept_
    scores = X @ coef.T + intercept
    if hasattr(model, "classes_"):
        index = np.searchsorted(model.classes_, y)
        if len(model.classes_) > 2 and model.loss == "log_loss":
            from scipy.special import logsumexp

            losses = logsumexp(scores, axis=1) - scores[np.arange(len(y)), index]
            return np.mean(weights * losses) + penalty(model, coef)
        n_outputs = scores.shape[1]
        signs = np.where(index[:, None] == np.arange(n_outputs), 1.0, -1.0)
        if n_outputs == 1:
            signs = 2.0 * index[:, None] - 1.0
        targets, task = signs, "classification"
    else:
        targets, task = np.asarray(y, float).reshape(len(y), -1), "regression"
    losses = get_loss(model.loss, task).value(targets, scores).sum(axis=1)
    return np.mean(weights * losses) + penalty(model, coef)


def penalty(model, coef):
    if model.penalty is None:
        return 0.0
    share = {"l2": 0.0, "l1": 1.0, "elasticnet": model.l1_ratio}[model.penalty]
    squares, sizes = np.sum(coef**2), np.abs(coef).sum()
    return model.alpha * ((1 - share) / 2 * squares + share * sizes)


def exact(model, X, y, weights=None):
    """Minimum of the smooth objective of one output, by L-BFGS-B on w = p - q."""
    n, d = X.shape
    weights = np.ones(n) if weights is None else weights / np.mean(weights)
    task = "classification" if hasattr(model, "classes_") else "regression"
    targets = y if task == "regression" else np.where(y == model.classes_[1], 1.0, -1.0)
    loss = get_loss(model.loss, task)
    share = {"l2": 0.0, "l1": 1.0, "elasticnet": model.l1_ratio, None: 0.0}
    alpha = model.alpha if model.penalty else 0.0
    l1, l2 = alpha * share[model.penalty], alpha * (1 - share[model.penalty])

    def function(theta):
        p, q, b = theta[:d], theta[d : 2 * d], theta[-1]
        w = p - q
        z = X @ w + b
        value = np.mean(weights * VALUES[loss](targets, z)) + 0.5 * l2 * w @ w
        slope = weights * SLOPES[loss](targets, z) / n
        gradient = X.T @ slope + l2 * w
        return (
            value + l1 * (p.sum() + q.sum()),
            np.concatenate([gradient + l1, l1 - gradient, [slope.sum()]]),
        )

    VALUES = {loss: fast_value(loss)}
    SLOPES = {loss: fast_slope(loss)}
    bounds = [(0, None)] * (2 * d) + [(None, None)]
    result = minimize(
        function,
        np.zeros(2 * d + 1),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": 20000, "maxfun": 40000, "ftol": 1e-15, "gtol": 1e-10},
    )
    return result.fun


def fast_value(loss):
    name = type(loss).__name__
    return {
        "SquaredError": lambda y, z: 0.5 * (z - y) ** 2,
        "Huber": lambda y, z: np.where(
            abs(z - y) <= 1.35, 0.5 * (z - y) ** 2, 1.35 * abs(z - y) - 0.5 * 1.35**2
        ),
        "SquaredEpsilonInsensitive": lambda y, z: np.maximum(abs(z - y) - 0.1, 0) ** 2,
        "LogLoss": lambda y, z: np.logaddexp(0, -y * z),
        "SquaredHinge": lambda y, z: np.maximum(1 - y * z, 0) ** 2,
        "ModifiedHuber": lambda y, z: np.where(
            y * z >= -1, np.maximum(1 - y * z, 0) ** 2, -4 * y * z
        ),
    }[name]


def fast_slope(loss):
    name = type(loss).__name__
    return {
        "SquaredError": lambda y, z: z - y,
        "Huber": lambda y, z: np.clip(z - y, -1.35, 1.35),
        "SquaredEpsilonInsensitive": lambda y, z: (
            2 * np.sign(z - y) * np.maximum(abs(z - y) - 0.1, 0)
        ),
        "LogLoss": lambda y, z: -y / (1 + np.exp(np.clip(y * z, -500, 500))),
        "SquaredHinge": lambda y, z: -2 * y * np.maximum(1 - y * z, 0),
        "ModifiedHuber": lambda y, z: np.where(
            y * z >= -1, -2 * y * np.maximum(1 - y * z, 0), -4 * y
        ),
    }[name]


def share_left(model, X, y, best, weights=None):
    """(F - F*)/(F0 - F*), F0 the objective of the best constant."""
    return (objective(model, X, y, weights) - best) / (
        objective(constant(model, X, y, weights), X, y, weights) - best
    )


def constant(model, X, y, weights=None):
    """The best constant, as a fit that all features are kept from."""
    empty = sparse.csr_matrix(X.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        settings = {"solver": "batch", "tol": 0.0, "max_iter": 500}
        fitted = type(model)(**(model.get_params() | settings))
        return fitted.fit(empty.toarray(), y, weights)


@pytest.mark.parametrize("penalty, alpha", PENALTIES)
@pytest.mark.parametrize("loss", SMOOTH_REGRESSION)
def test_minima_of_regression(loss, penalty, alpha):
    X, y = regression()
    model = GDRegressor(loss, penalty=penalty, alpha=alpha, random_state=0).fit(X, y)
    best = exact(model, X, y)
    left = share_left(model, X, y, best)
    assert left < 3e-4
    assert model.stop_reason_ == "converged"
    if model.gap_kind_ == "bound":
        assert left <= model.gap_ * (1 + 1e-6) + 1e-9


@pytest.mark.parametrize("penalty, alpha", PENALTIES[:-1])
@pytest.mark.parametrize("loss", SMOOTH_CLASSIFICATION)
def test_minima_of_classification(loss, penalty, alpha):
    X, y = classification()
    model = GDClassifier(loss, penalty=penalty, alpha=alpha, random_state=0).fit(X, y)
    best = exact(model, X, y)
    left = share_left(model, X, y, best)
    assert left < 3e-4
    assert model.stop_reason_ == "converged"
    if model.gap_kind_ == "bound":
        assert left <= model.gap_ * (1 + 1e-6) + 1e-9


@pytest.mark.parametrize("alpha", [1e-2, 1e-3, 1e-4])
def test_minima_of_hinge(alpha):
    X, y = classification()
    model = GDClassifier("hinge", alpha=alpha, random_state=0).fit(X, y)
    svm = SVC(kernel="linear", C=1 / (alpha * len(y)), tol=1e-8).fit(X.toarray(), y)
    margins = (2 * y - 1) * svm.decision_function(X.toarray())
    best = np.maximum(1 - margins, 0).mean() + alpha / 2 * np.sum(svm.coef_**2)
    assert share_left(model, X, y, best) < 1e-3


@pytest.mark.parametrize("loss", ["absolute_error", "quantile"])
def test_minima_of_absolute_errors(loss):
    X, y = regression(n=300, d=40)
    model = GDRegressor(loss, penalty="l1", alpha=1e-2, random_state=0).fit(X, y)
    # The absolute error is twice the loss of the median.
    factor = 2.0 if loss == "absolute_error" else 1.0
    solver = QuantileRegressor(quantile=0.5, alpha=1e-2 / factor).fit(X.toarray(), y)
    best = factor * (
        0.5 * np.abs(y - solver.predict(X.toarray())).mean()
        + 1e-2 / factor * np.abs(solver.coef_).sum()
    )
    assert share_left(model, X, y, best) < 1e-3


# ---- softmax, several outputs, weights, precision ------------------------------------


@pytest.mark.parametrize("penalty, alpha", [("l2", 1e-2), ("l2", 1e-5), ("l1", 1e-3)])
def test_minima_of_the_softmax(penalty, alpha):
    X, y = classification(4)
    model = GDClassifier(penalty=penalty, alpha=alpha, random_state=0).fit(X, y)
    assert model.stop_reason_ == "converged"
    # Full gradients of dense rows to the last digits.
    exact = GDClassifier(
        penalty=penalty, alpha=alpha, solver="batch", tol=None, max_iter=1500
    ).fit(X.toarray(), y)
    best = objective(exact, X, y)
    assert share_left(model, X, y, best) < 3e-4


def test_one_class_against_the_rest_and_several_targets():
    X, y = classification(3)
    model = GDClassifier("squared_hinge", alpha=1e-4, random_state=0).fit(X, y)
    for k in range(3):
        one = GDClassifier("squared_hinge", alpha=1e-4).fit(X, y == k)
        left = abs(objective(one, X, y == k) - objective(_output(model, k), X, y == k))
        assert left < 1e-3
    X, targets = regression()
    both = np.column_stack([targets, 100.0 * targets[::-1]])
    model = GDRegressor(random_state=0, tol=1e-7).fit(X, both)
    for k in range(2):
        one = GDRegressor(random_state=0, tol=1e-7).fit(X, both[:, k])
        np.testing.assert_allclose(
            model.predict(X)[:, k], one.predict(X), atol=2e-2 * both[:, k].std()
        )


@pytest.mark.parametrize(
    "loss, alpha",
    [
        ("log_loss", 1e-3),
        ("log_loss", 1e-4),
        ("squared_hinge", 1e-3),
        ("squared_hinge", 1e-4),
        ("hinge", 1e-4),
    ],
)
def test_several_classes_and_an_intercept_are_certified(loss, alpha):
    X, y = classification(4)
    weights = np.random.default_rng(0).integers(0, 4, len(y))
    model = GDClassifier(loss, alpha=alpha, random_state=0).fit(X, y, weights)
    assert model.gap_kind_ == "bound"
    far = GDClassifier(loss, alpha=alpha, tol=1e-6, max_iter=3000)
    # What the best fit lacks is at most what the bound of the other says.
    far.set_params(random_state=1).fit(X, y, weights)
    gained = objective(model, X, y, weights) - objective(far, X, y, weights)
    empty = sparse.csr_matrix(X.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        constant = GDClassifier(loss, penalty=None, max_iter=2000, tol=1e-9)
        constant.fit(empty, y, weights)
    left = objective(constant, X, y, weights) - objective(far, X, y, weights)
    assert gained <= model.gap_ * left * (1 + 1e-6) + 1e-9


def test_several_targets_and_an_intercept_are_certified():
    X, targets = regression()
    both = np.column_stack([targets, 100.0 * targets[::-1]])
    model = GDRegressor(penalty="l2", alpha=1e-3, random_state=0).fit(X, both)
    assert model.gap_kind_ == "bound"
    far = GDRegressor(penalty="l2", alpha=1e-3, tol=1e-9, max_iter=3000)
    best = objective(far.fit(X, both), X, both)
    left = 0.5 * np.sum(both.var(axis=0)) - best
    assert objective(model, X, both) - best <= model.gap_ * left * (1 + 1e-6)


def _output(model, k):
    """One class of a model of several, as a model of two."""
    one = GDClassifier(**model.get_params())
    one.classes_ = np.array([False, True])
    one.coef_, one.intercept_ = model.coef_[k : k + 1], model.intercept_[k : k + 1]
    return one


def test_weights_are_repetitions():
    X, y = classification()
    weights = np.random.default_rng(1).integers(0, 4, len(y))
    index = np.repeat(np.arange(len(y)), weights)
    model = GDClassifier(alpha=1e-3, tol=1e-9, random_state=0)
    weighted = model.fit(X, y, weights).decision_function(X)
    repeated = model.fit(X[index], y[index]).decision_function(X)
    np.testing.assert_allclose(weighted, repeated, atol=1e-3)


def test_single_precision_and_wide_indices():
    X, y = classification()
    double = GDClassifier(random_state=0).fit(X, y)
    single = GDClassifier(random_state=0).fit(X.astype(np.float32), y)
    assert single.coef_.dtype == np.float32
    np.testing.assert_allclose(single.coef_, double.coef_, rtol=1e-3, atol=1e-4)
    wide = sparse.csr_array(X)
    wide.indices, wide.indptr = wide.indices.astype("i8"), wide.indptr.astype("i8")
    same = GDClassifier(random_state=0).fit(wide, y)
    np.testing.assert_array_equal(same.coef_, double.coef_)


def test_duplicates_zeros_and_the_order_of_columns_do_not_matter():
    X, y = classification()
    rng = np.random.default_rng(0)
    data, columns, pointers = [], [], [0]
    for i in range(X.shape[0]):
        row = X[[i]].tocoo()
        halves = np.concatenate([0.25 * row.data, 0.75 * row.data, [0.0]])
        where = np.concatenate([row.col, row.col, [int(rng.integers(X.shape[1]))]])
        mixed = rng.permutation(len(where))
        data.append(halves[mixed])
        columns.append(where[mixed])
        pointers.append(pointers[-1] + len(where))
    messy = sparse.csr_matrix(
        (np.concatenate(data), np.concatenate(columns), pointers), shape=X.shape
    )
    given = messy.copy()
    model = GDClassifier(random_state=0, tol=1e-8, alpha=1e-3)
    np.testing.assert_allclose(
        model.fit(messy, y).decision_function(X),
        model.fit(X, y).decision_function(X),
        atol=1e-3,
    )
    np.testing.assert_array_equal(messy.data, given.data)


def test_empty_rows_and_columns():
    X, y = classification()
    wide = sparse.hstack([X, sparse.csr_matrix((len(y), 5))], format="csr")
    tall = sparse.vstack([wide, sparse.csr_matrix((7, wide.shape[1]))], format="csr")
    model = GDClassifier(random_state=0).fit(tall, np.append(y, [0] * 7))
    assert model.stop_reason_ == "converged"
    assert not model.coef_[0, -5:].any()
    nothing = sparse.csr_matrix((50, 3))
    empty = GDRegressor(random_state=0).fit(nothing, np.arange(50.0))
    np.testing.assert_allclose(empty.predict(nothing), 24.5, atol=0.2)


# ---- hard tables ---------------------------------------------------------------------


def test_rare_levels_with_large_effects():
    rng = np.random.default_rng(0)
    n, k = 6000, 200
    p = 1 / np.arange(1, k + 1) ** 1.3
    g = rng.choice(k, n, p=p / p.sum())
    effect = 10 * rng.normal(size=k)
    effect += 60 * (np.bincount(g, minlength=k) <= 2)
    X = sparse.csr_matrix((np.ones(n), g, np.arange(n + 1)), shape=(n, k))
    y = 15 + effect[g] + rng.normal(size=n)
    means = np.bincount(g, y, k) / np.maximum(np.bincount(g, minlength=k), 1)
    best = 0.5 * np.mean((y - means[g]) ** 2)
    for solver in ("minibatch", "sgd"):
        model = GDRegressor(solver=solver, random_state=0).fit(X, y)
        assert share_left(model, X, y, best) < 1e-3


@pytest.mark.parametrize("alpha", [1e-3, 1e-5])
def test_few_positives(alpha):
    X, rng = text(n=3000, d=200)
    z = X @ rng.normal(scale=3.0, size=200)
    y = (z + rng.logistic(size=3000) > np.quantile(z, 0.99)).astype(int)
    model = GDClassifier(alpha=alpha, random_state=0).fit(X, y)
    assert share_left(model, X, y, exact(model, X, y)) < 1e-3


def test_row_norms_over_four_decades():
    X, y = classification()
    scale = 10.0 ** np.random.default_rng(0).uniform(-2, 2, X.shape[0])
    X = sparse.csr_matrix(sparse.diags(scale) @ X)
    model = GDClassifier(alpha=1e-4, random_state=0).fit(X, y)
    assert share_left(model, X, y, exact(model, X, y)) < 1e-3


def test_one_column_far_from_zero_is_left_to_the_search():
    X, y = regression()
    years = 2019.0 + np.arange(len(y)) % 5
    X = sparse.hstack([sparse.csr_matrix(years[:, None]), X], format="csr")
    model = GDRegressor(random_state=0).fit(X, y)
    plain = GDRegressor(random_state=0).fit(X.toarray(), y)
    assert model.score(X, y) > plain.score(X.toarray(), y) - 0.02


# ---- the run -------------------------------------------------------------------------


def test_same_seed_same_bits_and_other_seeds_other_orders():
    X, y = classification()
    model = GDClassifier(random_state=3)
    first, again = model.fit(X, y).coef_, model.fit(X, y).coef_
    np.testing.assert_array_equal(first, again)
    assert (GDClassifier(random_state=4).fit(X, y).coef_ != first).any()


def test_a_warm_start_at_the_minimum_stays_there():
    X, y = classification()
    model = GDClassifier(alpha=1e-2, random_state=0, tol=1e-8).fit(X, y)
    start = {"coef_init": model.coef_, "intercept_init": model.intercept_}
    near = GDClassifier(alpha=1e-2, random_state=1, tol=1e-6).fit(X, y, **start)
    cold = GDClassifier(alpha=1e-2, random_state=1, tol=1e-6).fit(X, y)
    assert near.n_iter_ <= cold.n_iter_
    np.testing.assert_allclose(near.coef_, model.coef_, atol=1e-3)
    model.set_params(warm_start=True)
    assert model.fit(X, y).n_iter_ <= 3


def test_history_gap_and_validation():
    X, y = classification()
    model = GDClassifier(random_state=0).fit(X, y)
    n = model.n_iter_
    assert all(len(column) == n for column in model.history_.values())
    assert 0 <= model.gap_ <= model._tolerance()
    assert model.gap_kind_ in ("bound", "estimate")
    stopped = GDClassifier(random_state=0, early_stopping=True).fit(X, y)
    assert stopped.stop_reason_ in ("converged", "early_stopping")
    assert len(stopped.validation_scores_) == stopped.n_iter_
    with pytest.warns(ConvergenceWarning, match="best constant"):
        GDClassifier(random_state=0, max_iter=2, tol=1e-9).fit(X, y)
    # Other rules know no gap, and forget that of an earlier fit.
    assert model.set_params(lr=0.1).fit(X, y).gap_ is None


@pytest.mark.parametrize("alpha", [1e-2, 1e-4])
def test_a_stream_is_certified_too(alpha):
    X, y = classification(n=2000)
    batches = [(X[i : i + 300], y[i : i + 300]) for i in range(0, 2000, 300)]
    model = GDClassifier(alpha=alpha, random_state=0)
    model.fit_batches(batches, shuffle_rows=512)
    assert model.stop_reason_ == "converged"
    assert share_left(model, X, y, exact(model, X, y)) < 1e-3


def test_the_search_takes_over():
    from skgd._training import dual

    X, y = regression(n=60, d=400)
    model = GDRegressor(penalty="l1", alpha=1e-2, random_state=0, tol=1e-6)
    most = dual.MOST_PASSES
    try:
        dual.MOST_PASSES = 3
        handed = model.fit(X, y)
    finally:
        dual.MOST_PASSES = most
    assert handed.n_iter_ > 3
    reached = objective(handed, X, y)
    alone = GDRegressor(penalty="l1", alpha=1e-2, solver="batch", tol=1e-9).fit(X, y)
    assert reached < objective(alone, X, y) * (1 + 1e-4)


def test_a_stream_goes_on_after_a_fit_and_a_fit_after_a_stream():
    X, y = classification(n=2000)
    model = GDClassifier(random_state=0, alpha=1e-3).fit(X, y)
    reached = objective(model, X, y)
    for start in range(0, 2000, 100):
        model.partial_fit(X[start : start + 100], y[start : start + 100])
    left = objective(constant(model, X, y), X, y)
    assert objective(model, X, y) - reached < 0.1 * (left - reached)
    # DoWG has coordinates of its own, and hands its weights over in them.
    model.set_params(optimizer="dowg").partial_fit(X[:100], y[:100])
    model.set_params(optimizer="gd", warm_start=True).fit(X, y)
    assert objective(model, X, y) - reached < 1e-3 * (left - reached)
