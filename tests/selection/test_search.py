"""All strengths and folds in one descent: each model is the one of a fit alone."""

import exact
import numpy as np
import pytest
from candidates import (
    ALPHAS,
    CASES,
    SMOOTH,
    binary,
    diabetes,
    two_targets,
    with_others_held_out,
)
from scipy import sparse
from sklearn.datasets import make_regression
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
)
from sklearn.model_selection import KFold, ShuffleSplit, cross_val_score

from skgd import GDClassifier, GDClassifierCV, GDRegressor, GDRegressorCV


def folds(X, n_splits=4):
    return list(KFold(n_splits, shuffle=True, random_state=0).split(X))


class Exact:
    """The logistic loss under an l1 penalty."""

    def __init__(self, alpha):
        self.alpha = alpha

    def fit(self, X, y):
        y = 2.0 * y[:, None] - 1.0
        self.coef_, self.intercept_ = exact.minimum("log_loss", X, y, l1=self.alpha)
        return self


def exact_model(asked, alpha, n_rows):
    """An estimator of the same objective that shares no code."""
    penalty = asked.get("penalty", "l2")
    loss = asked.get("loss")
    if loss == "log_loss" and penalty == "l1":
        return Exact(alpha)
    if loss == "log_loss":
        return LogisticRegression(
            C=1.0 / (alpha * n_rows), solver="newton-cholesky", tol=1e-14, max_iter=1000
        )
    if loss == "poisson":
        return PoissonRegressor(
            alpha=alpha, tol=1e-14, solver="newton-cholesky", max_iter=1000
        )
    if penalty == "l2":
        return Ridge(alpha=alpha * n_rows)
    if penalty == "l1":
        return Lasso(alpha=alpha, tol=1e-15, max_iter=1_000_000)
    return ElasticNet(alpha=alpha, l1_ratio=0.5, tol=1e-15, max_iter=1_000_000)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize(("cls", "table", "asked"), CASES)
def test_every_model_of_a_fold_is_that_of_an_exact_solver(cls, table, asked, form):
    X, y = table()
    cv = folds(X)
    model = cls(alphas=ALPHAS, cv=cv, tol=0.0, max_iter=20_000, **asked)
    model.fit(form(X), y)
    for k, (train, _) in enumerate(cv):
        for i, alpha in enumerate(ALPHAS):
            other = exact_model(asked, alpha, len(train)).fit(X[train], y[train])
            coef, intercept = other.coef_, other.intercept_
            if asked.get("loss") == "log_loss" and len(np.unique(y)) == 2:
                coef, intercept = coef[0], intercept[0]
            np.testing.assert_allclose(model.coefs_paths_[k, i], coef, atol=1e-6)
            if np.unique(y).size != 3:  # a softmax has a free constant
                found = model.intercepts_paths_[k, i]
                np.testing.assert_allclose(found, intercept, atol=1e-6)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(("cls", "table", "asked"), SMOOTH)
def test_the_gradient_vanishes_at_every_model(cls, table, asked, fit_intercept):
    X, y = table()
    cv = folds(X)
    asked = {**asked, "fit_intercept": fit_intercept}
    model = cls(alphas=ALPHAS, cv=cv, tol=0.0, max_iter=20_000, **asked).fit(X, y)
    plain = model._plain_class(penalty="l2", **asked)
    for k, (train, _) in enumerate(cv):
        for i, alpha in enumerate(ALPHAS):
            plain.set_params(alpha=alpha).fit(X[train], y[train])
            plain.coef_ = np.reshape(model.coefs_paths_[k, i], plain.coef_.shape)
            plain.intercept_ = np.atleast_1d(model.intercepts_paths_[k, i])
            _, *gradients = plain.gradient(X[train], y[train])
            for gradient in gradients:
                np.testing.assert_allclose(gradient, 0.0, atol=1e-8)


@pytest.mark.parametrize(("cls", "table", "asked"), CASES + SMOOTH)
def test_a_model_does_not_depend_on_who_shares_the_pass(cls, table, asked):
    X, y = table()
    cv = folds(X)
    kw = {"tol": 0.0, "max_iter": 20_000, **asked}
    together = cls(alphas=ALPHAS, cv=cv, **kw).fit(X, y)
    for k in (0, 2):
        for i, alpha in enumerate(ALPHAS):
            alone = cls(alphas=[alpha], cv=cv[k : k + 1], **kw).fit(X, y)
            np.testing.assert_allclose(
                together.coefs_paths_[k, i], alone.coefs_paths_[0, 0], atol=1e-8
            )


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize(("cls", "table", "asked"), CASES + SMOOTH)
def test_a_fold_never_sees_the_targets_held_out(cls, table, asked, form):
    X, y = table()
    cv = folds(X)
    other = with_others_held_out(y, cv[1][1])
    asked = {"alphas": ALPHAS, "cv": cv, **asked}
    before, after = (cls(**asked).fit(form(X), t) for t in (y, other))
    np.testing.assert_array_equal(after.coefs_paths_[1], before.coefs_paths_[1])
    np.testing.assert_array_equal(
        after.intercepts_paths_[1], before.intercepts_paths_[1]
    )
    assert (after.coefs_paths_[0] != before.coefs_paths_[0]).any()


def test_a_fold_of_a_large_table_never_sees_the_targets_held_out():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40_000, 5))
    y = (X[:, 0] + rng.logistic(size=len(X)) > 0).astype(int)
    cv = folds(X, 3)
    other = y.copy()
    other[cv[2][1]] = 1 - y[cv[2][1]]
    models = [GDClassifierCV(alphas=[0.1, 1e-4], cv=cv).fit(X, t) for t in (y, other)]
    first, second = (model.coefs_paths_ for model in models)
    np.testing.assert_array_equal(first[2], second[2])
    assert (first[0] != second[0]).any()


def test_a_large_table_starts_on_a_sample_and_ends_at_the_minimum():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(40_000, 5)) @ rng.normal(size=(5, 5))
    y = (X[:, 0] + rng.logistic(size=len(X)) > 0).astype(int)
    cv = folds(X, 2)
    model = GDClassifierCV(alphas=[0.1, 1e-4], cv=cv, tol=1e-13).fit(X, y)
    for i, alpha in enumerate(model.alphas_):
        train = cv[0][0]
        other = LogisticRegression(
            C=1.0 / (alpha * len(train)), solver="newton-cholesky", tol=1e-12
        ).fit(X[train], y[train])
        np.testing.assert_allclose(
            model.coefs_paths_[0, i], other.coef_[0], rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize(
    ("cls", "table", "asked"), [case for case in CASES if case[1] is not two_targets]
)
def test_scores_are_those_of_cross_val_score(cls, table, asked):
    X, y = table()
    scoring = "neg_log_loss" if cls is GDClassifierCV else "r2"
    model = cls(alphas=ALPHAS, tol=0.0, max_iter=20_000, scoring=scoring, **asked).fit(
        X, y
    )
    asked = {"penalty": "l2", **asked}
    for i, alpha in enumerate(ALPHAS):
        plain = model._plain_class(alpha=alpha, tol=1e-12, **asked)
        scores = cross_val_score(plain, X, y, scoring=scoring)
        np.testing.assert_allclose(model.scores_[:, i], scores, atol=1e-6)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize(("cls", "table", "asked"), CASES + SMOOTH)
def test_the_loss_is_that_of_the_model_on_the_rows_held_out(cls, table, asked, form):
    X, y = table()
    cv = folds(X)
    model = cls(alphas=ALPHAS, cv=cv, **asked).fit(form(X), y)
    plain = model._plain_class(alpha=0.0, **asked)
    if asked.get("class_weight"):
        pytest.skip("The weights of the classes are those of the training rows.")
    for k, (train, test) in enumerate(cv):
        plain.fit(X[train], y[train])
        for i in range(len(ALPHAS)):
            plain.coef_ = np.reshape(model.coefs_paths_[k, i], plain.coef_.shape)
            plain.intercept_ = np.atleast_1d(model.intercepts_paths_[k, i])
            loss, *_ = plain.gradient(X[test], y[test])
            np.testing.assert_allclose(model.scores_[k, i], -loss, rtol=1e-9)


@pytest.mark.parametrize(("cls", "table", "asked"), CASES)
def test_the_model_of_all_rows_is_the_plain_estimator_to_the_bit(cls, table, asked):
    X, y = table()
    model = cls(alphas=ALPHAS, random_state=0, **asked).fit(X, y)
    plain = model._plain_class(
        alpha=model.alpha_, random_state=0, **{"penalty": "l2", **asked}
    ).fit(X, y)
    np.testing.assert_array_equal(model.coef_, plain.coef_)
    np.testing.assert_array_equal(model.predict(X), plain.predict(X))
    assert model.stop_reason_ == plain.stop_reason_
    assert model.gap_ == plain.gap_
    assert model.score(X, y) == plain.score(X, y)


@pytest.mark.parametrize(("cls", "table", "asked"), CASES + SMOOTH)
def test_any_number_of_threads_gives_the_same_bits(cls, table, asked):
    X, y = table()
    one, three = (
        cls(alphas=ALPHAS, n_jobs=n_jobs, **asked).fit(X, y) for n_jobs in (1, 3)
    )
    np.testing.assert_array_equal(one.coefs_paths_, three.coefs_paths_)
    assert one.n_passes_ == three.n_passes_


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize(("cls", "table", "asked"), CASES + SMOOTH)
def test_single_precision_comes_near_double(cls, table, asked, form):
    X, y = table()
    double = cls(alphas=ALPHAS, cv=folds(X), tol=1e-6, **asked).fit(form(X), y)
    X = X.astype(np.float32)
    single = cls(alphas=ALPHAS, cv=folds(X), tol=1e-6, **asked).fit(form(X), y)
    assert single.coef_.dtype == np.float32
    np.testing.assert_allclose(single.scores_, double.scores_, rtol=2e-4, atol=2e-4)
    np.testing.assert_allclose(
        single.coefs_paths_, double.coefs_paths_, rtol=2e-2, atol=2e-2
    )


@pytest.mark.parametrize(("cls", "table", "asked"), CASES + SMOOTH[:-1])
def test_a_row_of_weight_two_is_two_rows(cls, table, asked):
    X, y = table()
    weights = np.random.default_rng(0).integers(0, 3, len(X))
    twice = np.repeat(np.arange(len(X)), weights)
    cv = folds(X, 3)
    places = [np.isin(twice, test) for _, test in cv]
    repeated = [(np.flatnonzero(~p), np.flatnonzero(p)) for p in places]
    kw = {"alphas": ALPHAS, "tol": 0.0, "max_iter": 20_000, **asked}
    weighted = cls(cv=cv, **kw).fit(X, y, sample_weight=weights)
    rows = cls(cv=repeated, **kw).fit(X[twice], y[twice])
    np.testing.assert_allclose(weighted.coefs_paths_, rows.coefs_paths_, atol=1e-7)
    np.testing.assert_allclose(weighted.scores_, rows.scores_, atol=1e-8)
    assert weighted.alpha_ == rows.alpha_


def test_class_weights_are_those_of_the_rows_trained_on():
    X, y = binary()
    cv = folds(X)
    kw = {"alphas": ALPHAS, "tol": 0.0}
    model = GDClassifierCV(cv=cv, class_weight="balanced", **kw).fit(X, y)
    for k, (train, _) in enumerate(cv):
        other = LogisticRegression(
            C=1.0 / (0.01 * len(train)),
            class_weight="balanced",
            solver="newton-cholesky",
            tol=1e-14,
        ).fit(X[train], y[train])
        np.testing.assert_allclose(model.coefs_paths_[k, 2], other.coef_[0], atol=1e-7)
    plain = GDClassifier(alpha=model.alpha_, class_weight="balanced", tol=0.0)
    np.testing.assert_array_equal(model.coef_, plain.fit(X, y).coef_)


@pytest.mark.parametrize("penalty", ["l1", "elasticnet"])
def test_the_largest_strength_leaves_no_coefficient(penalty):
    for cls, table in ((GDRegressorCV, diabetes), (GDClassifierCV, binary)):
        X, y = table()
        model = cls(penalty=penalty, l1_ratio=0.5, alphas=5, tol=1e-8).fit(X, y)
        ratio = 1.0 if penalty == "l1" else 0.5
        for factor, none in ((1.0, True), (0.9, False)):
            plain = model._plain_class(
                penalty=penalty, l1_ratio=ratio, alpha=factor * model.alphas_[0]
            ).fit(X, y)
            assert not plain.coef_.any() if none else plain.coef_.any()
        np.testing.assert_allclose(model.alphas_[-1], 1e-3 * model.alphas_[0])


def test_groups_of_rows_in_any_folds():
    X, y = diabetes()
    for cv in (
        ShuffleSplit(3, test_size=0.3, random_state=0),
        ShuffleSplit(12, test_size=0.3, random_state=0),
    ):
        splits = list(cv.split(X))
        model = GDRegressorCV(alphas=ALPHAS, cv=cv, tol=0.0).fit(X, y)
        for k, (train, _) in enumerate(splits):
            other = Ridge(alpha=0.1 * len(train)).fit(X[train], y[train])
            np.testing.assert_allclose(model.coefs_paths_[k, 1], other.coef_, atol=1e-9)


def test_far_targets_and_columns_keep_their_digits():
    X, y = diabetes()
    X, y = X + 1e4, y + 1e6
    cv = folds(X)
    model = GDRegressorCV(alphas=ALPHAS, cv=cv, tol=0.0).fit(X, y)
    train, _ = cv[0]
    other = Ridge(alpha=0.01 * len(train)).fit(X[train], y[train])
    np.testing.assert_allclose(model.coefs_paths_[0, 2], other.coef_, rtol=1e-6)


def test_a_constant_column_gets_no_weight():
    X, y = binary()
    X = np.column_stack([X, np.full(len(X), 7.0)])
    model = GDClassifierCV(alphas=ALPHAS).fit(X, y)
    assert not model.coefs_paths_[..., -1].any()
    assert np.isfinite(model.scores_).all()


def test_few_passes():
    """The squared error reads the rows once, whatever is asked."""
    X, y = make_regression(300, 10, noise=1.0, random_state=0)
    for n in (2, 40):
        assert GDRegressorCV(alphas=n).fit(X, y).n_passes_ == 1
    X, y = binary()
    passes = [
        GDClassifierCV(alphas=np.geomspace(1, 1e-3, n)).fit(X, y) for n in (3, 30)
    ]
    assert passes[1].n_passes_ < 2 * passes[0].n_passes_


def test_an_unfinished_search_says_so():
    from sklearn.exceptions import ConvergenceWarning

    X, y = binary()
    with pytest.warns(ConvergenceWarning, match="max_iter=4 passes"):
        GDClassifierCV(alphas=ALPHAS, max_iter=4).fit(X, y)


def test_a_regressor_of_one_column_keeps_its_axis():
    X, y = diabetes()
    model = GDRegressorCV(alphas=ALPHAS).fit(X, y[:, None])
    assert model.coefs_paths_.shape == (5, 4, 1, 10)
    assert model.predict(X).shape == (len(X), 1)
    assert GDRegressor().fit(X, y[:, None]).coef_.shape == model.coef_.shape
