"""The search along full gradients: right minima, a true gap, the same in all units."""

import warnings

import numpy as np
import pytest
import reference
from scipy import optimize, sparse
from sklearn.datasets import load_diabetes, load_iris, load_wine, make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    GammaRegressor,
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    QuantileRegressor,
    Ridge,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skgd import GDClassifier, GDRegressor
from skgd._input.moments import Moments
from skgd._input.rows import Rows
from skgd._linear.evidence import second_moments
from skgd._linear.model import LinearModel
from skgd.data import from_arrays
from skgd.losses import (
    AbsoluteError,
    EpsilonInsensitive,
    Hinge,
    Huber,
    Loss,
    Quantile,
)

# The estimate of a gap can be a little too small.
CLOSE = 2e-4


def linear_programme(X, y, low, high, epsilon=0.0, weights=None, margins=False):
    """Minimum of mean s max(low r, high r), by HiGHS; r = z - y, or 1 - y z."""
    n, d = X.shape
    s = np.ones(n) if weights is None else weights
    A = np.column_stack([X, np.ones(n)])
    cost = np.concatenate([np.zeros(d + 1), high * s, -low * s]) / s.sum()
    sides = [sparse.eye(n), -sparse.eye(n)]
    if margins:
        # 1 - y z = above - below
        equal, right = sparse.hstack([y[:, None] * A, *sides]), np.ones(n)
    else:
        # z + within - above + below = y, |within| <= epsilon
        equal, right = sparse.hstack([A, -sides[0], -sides[1], sides[0]]), y
        cost = np.concatenate([cost, np.zeros(n)])
    bounds = [(None, None)] * (d + 1) + [(0, None)] * (2 * n)
    if not margins:
        bounds += [(-epsilon, epsilon)] * n
    found = optimize.linprog(
        cost, A_eq=equal.tocsr(), b_eq=right, bounds=bounds, method="highs"
    )
    assert found.success
    return found.fun


def kinked_gap(model, X, y, loss, slopes, weights=None, epsilon=0.0):
    """(F - F*)/(F0 - F*) of a fitted regressor without penalty."""
    value = lambda z: np.average(loss.value(y, z), weights=weights)  # noqa: E731
    best = linear_programme(X, y, *slopes, epsilon, weights)
    constant = value(np.full(len(y), loss.best_constant(y, weights)))
    return (value(model.predict(X)) - best) / (constant - best)


KINKED = [
    (AbsoluteError(), (-1.0, 1.0), 0.0),
    (Quantile(0.1), (-0.1, 0.9), 0.0),
    (Quantile(0.9), (-0.9, 0.1), 0.0),
    (EpsilonInsensitive(30.0), (-1.0, 1.0), 30.0),
]


@pytest.mark.parametrize("loss, slopes, epsilon", KINKED, ids=lambda v: str(v))
@pytest.mark.parametrize("weighted", [False, True])
def test_losses_with_kinks_reach_the_linear_programme(loss, slopes, epsilon, weighted):
    X, y = load_diabetes(return_X_y=True, scaled=False)
    weights = np.random.default_rng(0).integers(1, 4, len(y)) if weighted else None
    model = GDRegressor(loss).fit(X, y, weights)
    gap = kinked_gap(model, X, y, loss, slopes, weights, epsilon)
    assert -1e-9 < gap < CLOSE
    assert model.stop_reason_ == "converged"
    assert model.gap_ <= 1e-4
    if model.gap_kind_ == "bound":
        assert gap <= model.gap_ + 1e-12


@pytest.mark.parametrize("loss, slopes, epsilon", KINKED[:2], ids=lambda v: str(v))
def test_a_small_tolerance_sharpens_the_kink(loss, slopes, epsilon):
    X, y = make_regression(400, 5, noise=5.0, random_state=1)
    model = GDRegressor(loss, tol=1e-9).fit(X, y)
    assert kinked_gap(model, X, y, loss, slopes) < 1e-7
    without = GDRegressor(loss, tol=None).fit(X, y)
    assert without.stop_reason_ == "rounding"
    assert kinked_gap(without, X, y, loss, slopes) < 1e-8


@pytest.mark.parametrize("convert", [np.float32, sparse.csr_array])
def test_kinks_in_single_precision_and_on_csr(convert):
    X, y = make_regression(400, 5, noise=5.0, random_state=1)
    model = GDRegressor("absolute_error").fit(convert(X), y)
    assert kinked_gap(model, X, y, AbsoluteError(), (-1, 1)) < 2 * CLOSE


def test_a_stream_is_searched_like_its_table():
    X, y = make_regression(3000, 5, noise=5.0, random_state=2)
    for loss in ("absolute_error", "huber", "squared_error"):
        model = GDRegressor(loss, solver="batch")
        whole = model.fit(X, y).coef_
        model.fit_batches(from_arrays(X, y, batch_size=700))
        np.testing.assert_allclose(model.coef_, whole, rtol=1e-2)
        assert model.stop_reason_ == "converged" and model.gap_ <= 1e-4


@pytest.mark.parametrize(
    "loss", [AbsoluteError(), Quantile(0.3), EpsilonInsensitive(0.5), Hinge()]
)
def test_the_residual_form_is_the_loss(loss):
    rng = np.random.default_rng(0)
    low, high = loss.residual_slopes()
    p = np.array(loss.parameters())
    for y, z in rng.normal(size=(200, 2)):
        y = np.sign(y) if isinstance(loss, Hinge) else y
        residual, side = loss.residual(y, z, p)
        value, derivative = loss.value_and_derivative(y, z, p)
        assert value == pytest.approx(max(low * residual, high * residual), abs=1e-15)
        slope = high if residual > 0 else low
        assert derivative == pytest.approx(slope * side, abs=1e-15)


# ---- search that stopped while backtracking ------------------------------------------


@pytest.mark.parametrize("loss", ["huber", Huber(0.1), "absolute_error"])
def test_rejected_trials_are_no_lack_of_progress(loss):
    X, y = make_regression(1000, 10, noise=0.1, random_state=42)
    best = np.abs(QuantileRegressor(quantile=0.5, alpha=0).fit(X, y).predict(X) - y)
    model = GDRegressor(loss, n_iter_no_change=1, tol=1e-8).fit(X, y)
    assert np.abs(model.predict(X) - y).mean() < 1.01 * best.mean()
    assert model.stop_reason_ == "converged"


@pytest.mark.parametrize("share", [0.02, 0.1])
def test_hinge_leaves_the_constant(share):
    rng = np.random.default_rng(0)
    n, k = 600, int(600 * share)
    y = np.repeat([1, 0], [k, n - k])
    X = rng.normal(size=(n, 4))
    X[y == 1] += 2.5 * np.array([1, 0, -1, 0])
    model = GDClassifier("hinge", penalty=None).fit(X, y)
    signs = 2.0 * y - 1
    value = Hinge().value(signs, model.decision_function(X)).mean()
    best = linear_programme(X, signs, 0.0, 1.0, margins=True)
    constant = Hinge().value(signs, -1.0).mean()
    assert (value - best) / (constant - best) < CLOSE
    assert model.score(X, y) > np.mean(y == 0) + share / 4


def test_hinge_of_three_classes_is_three_searches():
    X, y = load_iris(return_X_y=True)
    model = GDClassifier("hinge", penalty=None).fit(X, y)
    assert model.gap_ <= 1e-4 and model.gap_kind_ == "bound"
    scores = model.decision_function(X)
    for k in range(3):
        signs = np.where(y == k, 1.0, -1.0)
        best = linear_programme(X, signs, 0.0, 1.0, margins=True)
        constant = Hinge().value(signs, -1.0).mean()
        value = Hinge().value(signs, scores[:, k]).mean()
        assert (value - best) / (constant - best) <= model.gap_


@pytest.mark.parametrize("outliers", [1e2, 1e6])
def test_gross_outliers_do_not_blind_robust_losses(outliers):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 3))
    y = X @ [3, -2, 1.0] + 7 + 0.1 * rng.normal(size=500)
    y[::10] += outliers
    exact = QuantileRegressor(quantile=0.5, alpha=0).fit(X, y)
    model = GDRegressor("absolute_error").fit(X, y)
    np.testing.assert_allclose(model.coef_, exact.coef_, atol=0.01)
    np.testing.assert_allclose(
        GDRegressor("huber").fit(X, y).coef_, [3, -2, 1], atol=0.1
    )


# ---- units ---------------------------------------------------------------------------


def test_a_target_does_not_feel_the_units_of_another():
    X, y = load_diabetes(return_X_y=True, scaled=False)
    other = 1e6 * np.roll(y, 100)
    for loss in ("squared_error", "absolute_error", Huber(10.0)):
        alone = GDRegressor(loss).fit(X, y)
        both = GDRegressor(loss).fit(X, np.column_stack([y, other]))
        np.testing.assert_allclose(both.predict(X)[:, 0], alone.predict(X), rtol=1e-4)
        second = GDRegressor(loss).fit(X, other)
        # Scores of two outputs are rounded otherwise than those of one, which the
        # sharpest kinks feel.
        assert abs(both.n_iter_ - max(alone.n_iter_, second.n_iter_)) <= 2


@pytest.mark.parametrize("loss", ["gamma", "poisson"])
def test_log_links_in_every_unit_of_y(loss):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 5))
    y = np.exp(X @ [1, 0.5, -0.5, 0.2, 0] + 8) * rng.gamma(20, 1 / 20, 2000)
    exact = {"gamma": GammaRegressor, "poisson": PoissonRegressor}[loss](
        alpha=0, solver="newton-cholesky", tol=1e-10
    ).fit(X, y)
    passes = set()
    for unit in (1e-9, 1.0, 1e6):
        model = GDRegressor(loss, tol=1e-6).fit(X, y * unit)
        np.testing.assert_allclose(model.coef_, exact.coef_, atol=5e-3)
        passes.add(model.n_iter_)
        assert model.stop_reason_ == "converged"
    assert max(passes) <= min(passes) + 1


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
def test_units_and_offsets_of_columns_change_nothing(loss):
    X, y = make_regression(300, 4, noise=10.0, random_state=3)
    rng = np.random.default_rng(3)
    plain = GDRegressor(loss).fit(X, y)
    scales = 10.0 ** rng.uniform(-6, 6, 4)
    moved = (X + 1000 * rng.uniform(-1, 1, 4)) * scales
    model = GDRegressor(loss).fit(moved, y)
    np.testing.assert_allclose(model.predict(moved), plain.predict(X), atol=0.02)
    assert abs(model.n_iter_ - plain.n_iter_) <= 2
    assert model.gap_ <= 1e-4


# ---- columns that are hard to tell apart ---------------------------------------------


@pytest.mark.parametrize("offset", [10, 2000])
@pytest.mark.parametrize("parameters", [{}, {"tol": None}, {"tol": 0}])
def test_copies_of_columns_do_not_drift(offset, parameters):
    rng = np.random.default_rng(0)
    B = rng.normal(size=(400, 4))
    y = B @ [1, 2, 3, 4.0] + rng.normal(size=400)
    X = B * 5 + offset
    X = np.column_stack([X, X[:, :2] * 2.54, X[:, 2] * 1.8 + 32])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = GDRegressor(**parameters).fit(X, y)
    best = np.mean((LinearRegression().fit(X, y).predict(X) - y) ** 2)
    assert np.mean((model.predict(X) - y) ** 2) <= best * (1 + 1e-9)
    assert np.abs(model.coef_).max() < 1.0
    if parameters:
        # With a tolerance of zero, a bound of the size of rounding is one to end with.
        ends = {"rounding"} if parameters["tol"] is None else {"rounding", "converged"}
        assert model.stop_reason_ in ends


def test_columns_whose_difference_matters():
    rng = np.random.default_rng(0)
    start = 1.55e9 + rng.uniform(0, 31 * 86400, 3000)
    length = rng.gamma(2, 300, 3000)
    X = np.column_stack([start, start + length])
    fare = 2.5 + 0.01 * length + 0.5 * rng.normal(size=3000)
    S = StandardScaler().fit_transform(X)
    exact = LogisticRegression(C=np.inf, max_iter=10**4).fit(S, fare > 8)
    model = GDClassifier(alpha=0).fit(X, fare > 8)
    assert model.score(X, fare > 8) >= exact.score(S, fare > 8) - 0.005
    line = GDRegressor().fit(X, fare)
    assert line.score(X, fare) > LinearRegression().fit(S, fare).score(S, fare) - 1e-3


@pytest.mark.parametrize("loss", ["log_loss", "hinge", "squared_hinge"])
def test_wide_correlated_tables(loss):
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(160, 5))
    X = Z @ rng.normal(size=(5, 2000)) + rng.normal(size=(160, 2000))
    y = Z[:, 0] + 0.3 * rng.normal(size=160) > 0
    model = GDClassifier(loss).fit(X[:80], y[:80])
    assert model.score(X[80:], y[80:]) > 0.85
    assert model.gap_ <= 1e-4


# ---- l1 ------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.1, 0.5])
def test_more_columns_than_rows_under_l1(alpha):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 1000))
    X[:, 5:10] = X[:, :5] + 0.01 * rng.normal(size=(60, 5))
    y = X[:, :6] @ [5, -4, 3, 2, -2, 1] + 0.3 * rng.normal(size=60)
    exact = Lasso(alpha=alpha, tol=1e-10, max_iter=10**6).fit(X, y)

    def value(model):
        residual = y - model.predict(X)
        return 0.5 * np.mean(residual**2) + alpha * np.abs(model.coef_).sum()

    model = GDRegressor(penalty="l1", alpha=alpha).fit(X, y)
    constant = 0.5 * np.var(y)
    assert (value(model) - value(exact)) / (constant - value(exact)) < CLOSE
    assert np.sum(model.coef_ != 0) < 2 * np.sum(exact.coef_ != 0) + 10


def test_zero_is_the_answer_to_a_strong_l1_penalty():
    X, y = load_diabetes(return_X_y=True, scaled=False)
    model = GDRegressor(penalty="l1", alpha=1e6).fit(X, y)
    np.testing.assert_array_equal(model.coef_, 0.0)
    assert (model.stop_reason_, model.gap_) == ("converged", 0.0)


# ---- the gap -------------------------------------------------------------------------


def test_the_bound_is_above_the_truth():
    X, y = load_diabetes(return_X_y=True, scaled=False)
    for alpha in (0.0, 0.1, 10.0):
        for max_iter in (2, 5, 1000):
            model = GDRegressor(penalty="l2", alpha=alpha, max_iter=max_iter)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(X, y)
            exact = Ridge(alpha * len(y), solver="svd").fit(X, y)

            def value(m, alpha=alpha):
                return 0.5 * np.mean((m.predict(X) - y) ** 2) + 0.5 * alpha * np.sum(
                    m.coef_**2
                )

            best, constant = value(exact), 0.5 * np.var(y)
            truth = (value(model) - best) / (constant - best)
            if model.gap_kind_ == "bound":
                assert truth <= model.gap_ + 1e-12
            if max_iter == 1000:
                assert model.gap_kind_ == "bound" and model.gap_ <= 1e-4


def test_what_has_no_gap_says_so():
    X, y = load_diabetes(return_X_y=True, scaled=False)
    for parameters in ({"lr": 1e-9}, {"solver": "sgd"}, {"batch_size": 32}):
        model = GDRegressor(random_state=0, max_iter=3, tol=None, **parameters)
        model.fit(X, y)
        assert model.gap_ is None and model.gap_kind_ is None
        assert "gap" not in model.history_
    model = GDRegressor().partial_fit(X, y)
    assert model.gap_ is None
    model.fit(X, y)
    assert len(model.history_["gap"]) == model.n_iter_
    assert model.history_["gap"][-1] == model.gap_


def test_a_fit_that_ends_early_names_its_gap():
    X, y = load_wine(return_X_y=True)
    with pytest.warns(ConvergenceWarning, match=r"max_iter=4 .*above its minimum"):
        GDClassifier(max_iter=4).fit(X, y)
    separated = y == 0
    with pytest.warns(ConvergenceWarning, match="penalty='l2'"):
        GDClassifier(penalty=None, tol=1e-12, max_iter=20).fit(X, separated)


def test_separable_classes_without_a_penalty_end():
    """The infimum of the mean loss, zero, is the bound."""
    X, y = load_iris(return_X_y=True)
    model = GDClassifier(penalty=None).fit(X, y == 0)
    assert model.gap_kind_ == "bound" and model.gap_ <= 1e-4
    assert model.score(X, y == 0) == 1.0


def test_softmax_coefficients_are_centred():
    X, y = load_wine(return_X_y=True)
    for parameters in ({}, {"penalty": None, "max_iter": 30, "tol": None}):
        model = GDClassifier(**parameters).fit(X, y)
        size = np.abs(model.coef_).max(axis=0)
        assert (np.abs(model.coef_.sum(axis=0)) <= 1e-12 * size).all()


def test_sparse_softmax_reaches_its_minimum():
    for seed in range(6):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(60, 40)) * (rng.random((60, 40)) < 0.05)
        y = np.arange(60) % 3
        model = GDClassifier(penalty=None, solver="batch").fit(X, y)

        def loss(theta, X=X, y=y):
            W, b = theta[:120].reshape(3, 40), theta[120:]
            Z = X @ W.T + b
            P = np.exp(Z - Z.max(axis=1, keepdims=True))
            P /= P.sum(axis=1, keepdims=True)
            value = -np.log(P[np.arange(60), y]).mean()
            P[np.arange(60), y] -= 1
            return value, np.concatenate([(P.T @ X / 60).ravel(), P.mean(axis=0)])

        best = optimize.minimize(
            loss, np.zeros(123), jac=True, method="L-BFGS-B", options={"maxiter": 2000}
        ).fun
        reached = loss(np.concatenate([model.coef_.ravel(), model.intercept_]))[0]
        assert (reached - best) / (np.log(3) - best) < 1e-3


# ---- large tables and few rows -------------------------------------------------------


def levels(n, k, seed=0):
    """Two columns of Zipf levels, most of which occur once or twice, and y."""
    rng = np.random.default_rng(seed)
    p = 1 / np.arange(1, k + 1) ** 1.3
    g = rng.choice(k, (n, 2), p=p / p.sum())
    effects = 10 * rng.normal(size=(2, k))
    y = 15 + effects[0, g[:, 0]] + effects[1, g[:, 1]] + rng.normal(size=n)
    y += 60 * (np.bincount(g[:, 0], minlength=k)[g[:, 0]] <= 2)
    return OneHotEncoder().fit_transform(g), y


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"solver": "sgd"},
        {"batch_size": 32},
        {"batch_size": 32, "loss": "huber"},
        {"solver": "batch"},
        {"optimizer": "momentum", "batch_size": 64},
    ],
)
def test_rare_levels(parameters):
    X, y = levels(6000, 200)
    exact = Ridge(1e-3, solver="sparse_cg").fit(X, y).score(X, y)
    model = GDRegressor(random_state=0, **parameters)
    assert model.fit(X, y).score(X, y) > exact - 0.01
    dense = model.fit(X.toarray().astype(np.float32), y)
    assert dense.score(X, y) > exact - 0.01


def test_rare_levels_in_a_stream():
    X, y = levels(6000, 200)
    model = GDRegressor(random_state=0)
    model.fit_batches(
        [(X[i : i + 1000], y[i : i + 1000]) for i in range(0, 6000, 1000)]
    )
    assert model.score(X, y) > 0.98
    model = GDRegressor(random_state=0)
    for i in range(0, 6000, 500):
        model.partial_fit(X[i : i + 500], y[i : i + 500])
    assert model.score(X, y) > 0.9


@pytest.mark.parametrize("loss", ["poisson", "gamma"])
@pytest.mark.parametrize("solver", ["sgd", "minibatch"])
def test_single_rows_of_unbounded_curvature_do_not_diverge(loss, solver):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(150, 40))
        mean = np.exp(np.clip(X @ rng.normal(size=40) * 0.2, -3, 3))
        y = (
            rng.poisson(mean) + 0.0
            if loss == "poisson"
            else rng.gamma(1.0, mean) + 1e-9
        )
        model = GDRegressor(loss, solver=solver, batch_size=16, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X, y)
        assert model.stop_reason_ != "diverged"
        z = X @ model.coef_ + model.intercept_
        function = getattr(reference, loss)
        constant = np.log(y.mean())
        assert function(y, z)[0].mean() <= function(y, constant)[0].mean()


@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
def test_large_tables_start_with_few_rows_and_end_certified(cls):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 6)) + rng.normal(size=(20_000, 1))
    y = X @ np.arange(1.0, 7.0) + 3 * rng.normal(size=20_000)
    y = y > 0 if cls is GDClassifier else y
    model = cls(random_state=0).fit(X, y)
    assert model.history_["step"][1] == 2 * 313
    assert np.isnan(model.history_["gap"][:2]).all()
    assert model.stop_reason_ == "converged" and model.gap_ <= 1e-4
    whole = cls(solver="batch", tol=1e-9).fit(X, y)
    np.testing.assert_allclose(model.coef_, whole.coef_, rtol=0.03)
    # From where it is, a warm start goes on with the search alone.
    model.set_params(warm_start=True).fit(X, y)
    assert model.history_["step"][0] == model.history_["step"][-1] - model.n_iter_ + 1
    stream = cls(random_state=0).fit_batches(from_arrays(X, y, batch_size=3000))
    np.testing.assert_allclose(stream.coef_, whole.coef_, rtol=0.03)


def test_updates_that_came_to_nothing_are_dropped():
    """One row in a thousand is an outlier that throws every batch."""
    rng = np.random.default_rng(0)
    X = rng.standard_cauchy(size=(17_000, 3))
    y = rng.poisson(np.exp(np.clip(X @ [0.5, -0.2, 0.1], -5, 5))).astype(float)
    model = GDRegressor("poisson", random_state=0, max_iter=100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    z = X @ model.coef_ + model.intercept_
    constant = np.log(y.mean())
    assert (np.exp(z) - y * z).mean() < (np.exp(constant) - y * constant).mean()


def test_second_moments_of_some_rows_know_the_variances_of_all():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=40_000), np.arange(40_000) == 7])
    rows = Rows.of(X, X[:, 0], X[:, :1], None)
    moments = Moments.of(rows)
    scale = 1 / np.sqrt(moments.variance)
    model = LinearModel(2, 1, X.dtype, True, moments.mean, scale, moments)
    found = second_moments(model, rows)
    np.testing.assert_allclose(np.diag(found)[:2], 1.0, rtol=1e-10)


def test_a_loss_of_ones_own_is_searched_too():
    class LogCosh(Loss):
        smooth = True
        curvature = 1.0

        @staticmethod
        def value_and_derivative(y, z, p):
            size = abs(z - y)
            value = size + np.log1p(np.exp(-2.0 * size)) - np.log(2.0)
            return value, np.tanh(z - y)

    X, y = make_regression(300, 4, noise=10.0, random_state=3)
    model = GDRegressor(LogCosh()).fit(X, y)
    assert model.stop_reason_ == "converged" and model.gap_kind_ == "estimate"
    exact = make_pipeline(StandardScaler(), QuantileRegressor(alpha=0)).fit(X, y)
    np.testing.assert_allclose(model.predict(X), exact.predict(X), atol=5.0)
