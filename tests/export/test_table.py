"""Standard errors equal those of statsmodels."""

import copy
import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skgd import MLPGD, GDClassifier, GDClassifierCV, GDRegressor
from skgd.export import coefficient_table

sm = pytest.importorskip("statsmodels.api")

N, D = 800, 4
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, D)) * [1, 10, 0.1, 100] + [0, 5, 0, -300]
ETA = X @ [0.5, -0.05, 3, 0.002] + 0.4
TIGHT = {"solver": "batch", "tol": 1e-14, "penalty": None, "max_iter": 3000}
CASES = {
    "normal": (GDRegressor(**TIGHT), ETA + RNG.normal(size=N)),
    "binomial": (GDClassifier(**TIGHT), (ETA + RNG.logistic(size=N) > 0).astype(int)),
    "poisson": (GDRegressor("poisson", **TIGHT), RNG.poisson(np.exp(ETA / 2))),
    "gamma": (GDRegressor("gamma", **TIGHT), RNG.gamma(2.0, np.exp(ETA / 2))),
}
PEERS = {
    "normal": lambda y, Z: sm.OLS(y, Z),
    "binomial": lambda y, Z: sm.Logit(y, Z),
    "poisson": lambda y, Z: sm.Poisson(y, Z),
    "gamma": lambda y, Z: sm.GLM(
        y, Z, family=sm.families.Gamma(sm.families.links.Log())
    ),
}


def peer(name, y, Z, cov):
    options = {} if name == "normal" else {"tol": 1e-14, "maxiter": 500}
    if name in ("binomial", "poisson"):
        options |= {"disp": 0, "method": "newton"}
    return PEERS[name](y, Z).fit(cov_type=cov, **options)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("cov", ["nonrobust", "HC0", "HC1"])
@pytest.mark.parametrize("name", CASES)
def test_against_statsmodels(name, cov):
    model, y = CASES[name]
    model.fit(X, y)
    # The sums at the estimate of statsmodels, so that only the errors are compared.
    result = peer(name, y, sm.add_constant(X), cov)
    table = coefficient_table(model, X, y, cov=cov)
    np.testing.assert_allclose(table["coef"], result.params, rtol=1e-5)
    at = np.asarray(result.params)
    model.coef_ = at[1:].reshape(np.shape(model.coef_))
    model.intercept_ = np.array([at[0]])
    table = coefficient_table(model, X, y, cov=cov)
    if name != "normal" and cov == "HC1":
        # statsmodels makes no correction for few rows there.
        share = np.sqrt(N / (N - D - 1))
        np.testing.assert_allclose(table["std_err"], share * result.bse, rtol=1e-8)
        return
    np.testing.assert_allclose(table["std_err"], result.bse, rtol=1e-8)
    np.testing.assert_allclose(table["z"], result.tvalues, rtol=1e-8)
    if name != "normal":
        np.testing.assert_allclose(
            table[["low", "high"]], result.conf_int(), rtol=1e-7, atol=1e-12
        )
        np.testing.assert_allclose(table["p"], result.pvalues, rtol=1e-5, atol=1e-300)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("cov", ["nonrobust", "HC0"])
@pytest.mark.parametrize("name", CASES)
def test_far_from_the_minimum(name, cov):
    """What a coefficient is away, in the standard errors that the table says."""
    model, y = CASES[name]
    best = clone(model).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        error = coefficient_table(best, X, y, cov=cov)["std_err"].to_numpy()
    off = copy.deepcopy(best)
    off.coef_ = best.coef_ + 0.2 * error[2] * np.eye(D)[1].reshape(best.coef_.shape)
    with pytest.warns(
        ConvergenceWarning, match=r"is 0\.(19|2|21) standard errors away"
    ):
        coefficient_table(off, X, y, cov=cov)
    off.coef_ = best.coef_ + 0.02 * (off.coef_ - best.coef_)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        coefficient_table(off, X, y, cov=cov)


def test_the_sandwich_by_hand():
    model, y = CASES["gamma"]
    model.fit(X, y)
    Z = np.column_stack([np.ones(N), X])
    z = X @ model.coef_ + model.intercept_
    g = 1 - y / np.exp(z)
    bread = np.linalg.inv(Z.T @ ((y / np.exp(z))[:, None] * Z))
    covariance = bread @ (Z.T @ (g[:, None] ** 2 * Z)) @ bread
    table = coefficient_table(model, X, y, cov="HC0")
    np.testing.assert_allclose(
        table["std_err"], np.sqrt(np.diag(covariance)), rtol=1e-8
    )


def test_other_forms_of_the_same_rows():
    model, y = CASES["binomial"]
    model.fit(X, y)
    expected = coefficient_table(model, X, y, cov="HC1")
    batches = [(X[i : i + 100], y[i : i + 100]) for i in range(0, N, 100)]
    for table in (
        coefficient_table(model, batches, cov="HC1"),
        coefficient_table(model, sparse.csr_array(X), y, cov="HC1"),
        coefficient_table(model, X, y, np.ones(N), cov="HC1"),
    ):
        np.testing.assert_allclose(table, expected, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("cov", ["nonrobust", "HC0", "HC1"])
@pytest.mark.parametrize("name", CASES)
def test_a_weight_is_a_number_of_rows(name, cov):
    model, y = CASES[name]
    times = np.random.default_rng(1).integers(0, 4, N)
    model.fit(X, y, sample_weight=times)
    weighted = coefficient_table(model, X, y, times, cov=cov)
    rows = np.repeat(np.arange(N), times)
    repeated = coefficient_table(model, X[rows], y[rows], cov=cov)
    np.testing.assert_allclose(weighted, repeated, rtol=1e-9, atol=1e-12)
    batches = [
        (X[i : i + 90], y[i : i + 90], times[i : i + 90]) for i in range(0, N, 90)
    ]
    streamed = coefficient_table(model, batches, cov=cov)
    np.testing.assert_allclose(streamed, weighted, rtol=1e-9, atol=1e-12)


def test_where_there_are_no_standard_errors():
    y = CASES["normal"][1]
    twice = np.column_stack([X, X[:, 0] - X[:, 1]])
    constant = np.column_stack([X, np.ones(N)])
    for table in (twice, constant):
        model = GDRegressor(**TIGHT | {"tol": 1e-6}).fit(table, y)
        with pytest.raises(ValueError, match="linearly dependent"):
            coefficient_table(model, table, y)
    model = GDRegressor(**TIGHT).fit(X, y)
    with pytest.raises(ValueError, match="more rows"):
        coefficient_table(model, X[:5], y[:5])
    with pytest.raises(ValueError, match="only once"):
        coefficient_table(model, iter([(X, y)]))
    with pytest.raises(ValueError, match="negative"):
        coefficient_table(model, X, y, -np.ones(N))
    # A constant column is fine where there is no intercept.
    model = GDRegressor(fit_intercept=False, **TIGHT).fit(constant, y)
    table = coefficient_table(model, constant, y)
    expected = sm.OLS(y, constant).fit().bse
    np.testing.assert_allclose(table["std_err"], expected, rtol=1e-6)


def test_without_intercept():
    y = ETA + np.sin(ETA * 9)
    model = GDRegressor(fit_intercept=False, **TIGHT).fit(X, y)
    table = coefficient_table(model, X, y)
    np.testing.assert_allclose(table["std_err"], sm.OLS(y, X).fit().bse, rtol=1e-6)
    assert table.index.tolist() == ["x0", "x1", "x2", "x3"]


def test_refused():
    _, y = CASES["binomial"]
    cases = [
        (GDClassifier(), "penalty=None"),
        (GDClassifier("hinge", penalty=None), "Hinge"),
        (GDClassifier("squared_error", penalty=None), "no likelihood of classes"),
        (GDRegressor("huber"), "Huber"),
    ]
    for model, message in cases:
        model.fit(X, y)
        with pytest.raises(ValueError, match=message):
            coefficient_table(model, X, y)
    for model in (MLPGD(max_iter=1), GDClassifierCV(alphas=[0.1, 0.01], cv=2)):
        with pytest.raises(ValueError, match=f"got {type(model).__name__}"):
            coefficient_table(model.fit(X, y), X, y)
    model = GDRegressor().fit(X, np.column_stack([y, y]))
    with pytest.raises(ValueError, match="one output"):
        coefficient_table(model, X, y)
    model = GDRegressor().fit(X, y)
    with pytest.raises(ValueError, match="cov must be"):
        coefficient_table(model, X, y, cov="HC9")
    with pytest.raises(ValueError, match="sample_weight has shape"):
        coefficient_table(model, X, y, np.ones(3))
