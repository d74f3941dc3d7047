"""GDRegressorCV, GDClassifierCV and path: what is asked, chosen and kept."""

import numpy as np
import pytest
import sklearn
from candidates import ALPHAS, binary, counts, diabetes, three_classes
from checks import WEIGHT_EQUIVALENCE
from sklearn.base import clone
from sklearn.datasets import (
    load_digits,
    load_wine,
    make_classification,
    make_regression,
)
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import (
    ElasticNetCV,
    LassoCV,
    LogisticRegressionCV,
    RidgeCV,
    lasso_path,
)
from sklearn.metrics import make_scorer, mean_absolute_error
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    PredefinedSplit,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from sklearn.utils.estimator_checks import parametrize_with_checks

from skgd import GDClassifier, GDClassifierCV, GDRegressor, GDRegressorCV, path

UNUSUAL = [
    GDRegressorCV(loss="poisson", penalty="elasticnet", l1_ratio=[0.5, 1.0]),
    GDClassifierCV(loss="squared_hinge", penalty="l1", alphas=5),
]


def expected_failures(estimator):
    """Those that ask for more digits than `tol` does; see the test of weights below."""
    if (estimator.loss, estimator.penalty) in {(e.loss, e.penalty) for e in UNUSUAL}:
        return dict.fromkeys(WEIGHT_EQUIVALENCE, "both are minima within tol")
    return {}


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([GDRegressorCV(), GDClassifierCV()])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(UNUSUAL, expected_failed_checks=expected_failures)
def test_more_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("model", UNUSUAL, ids=lambda model: model.loss)
def test_a_weight_is_a_number_of_rows(model):
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(15, 30))
    y = rng.integers(1, 4 if model.loss == "poisson" else 3, 15)
    weights = rng.integers(0, 5, 15)
    rows = np.repeat(np.arange(15), weights)
    # Folds of the same rows, whatever their numbers are.
    groups = np.arange(15) % 3
    folds = [
        (np.flatnonzero(groups != k), np.flatnonzero(groups == k)) for k in range(3)
    ]
    repeated = [tuple(np.flatnonzero(np.isin(rows, part)) for part in f) for f in folds]
    model = clone(model).set_params(tol=1e-14, max_iter=10_000)
    weighted = clone(model).set_params(cv=folds).fit(X, y, sample_weight=weights)
    plain = clone(model).set_params(cv=repeated).fit(X[rows], y[rows])
    np.testing.assert_allclose(weighted.alphas_, plain.alphas_, rtol=1e-12)
    np.testing.assert_allclose(weighted.scores_, plain.scores_, atol=1e-5)
    assert weighted.alpha_ == pytest.approx(plain.alpha_, rel=1e-12)
    np.testing.assert_allclose(weighted.predict(X), plain.predict(X), atol=1e-5)


def wine():
    X, y = load_wine(return_X_y=True)
    return scale(X), y


def noisy():
    X, y = make_regression(200, 30, n_informative=5, noise=50.0, random_state=0)
    return scale(X), y


def wide():
    X, y = make_regression(80, 60, n_informative=8, noise=30.0, random_state=1)
    return scale(X), y


def hard():
    X, y = make_classification(300, 15, flip_y=0.2, random_state=0)
    return scale(X), y


def few_digits():
    X, y = load_digits(n_class=4, return_X_y=True)
    return scale(X[::3]), y[::3]


REGRESSIONS = [diabetes, counts, noisy, wide, lambda: wine()]
CLASSES = [binary, three_classes, wine, hard, few_digits]
CV = KFold(5, shuffle=True, random_state=0)


@pytest.mark.parametrize("table", CLASSES)
def test_the_choice_is_that_of_logistic_regression_cv(table):
    X, y = table()
    cv = StratifiedKFold(5, shuffle=True, random_state=0)
    grid = np.geomspace(1.0, 1e-4, 9)
    # scikit-learn's strength is a sum over rows: the folds have to be of one size.
    n = len(y) - len(y) % 5
    X, y = X[:n], y[:n]
    ours = GDClassifierCV(alphas=grid, cv=cv, tol=1e-8, scoring="neg_log_loss")
    ours.fit(X, y)
    theirs = LogisticRegressionCV(
        Cs=1.0 / (grid * 0.8 * n),
        cv=cv,
        scoring="neg_log_loss",
        solver="newton-cholesky",
        tol=1e-10,
        l1_ratios=(0.0,),
        use_legacy_attributes=False,
    ).fit(X, y)
    np.testing.assert_allclose(ours.alpha_, 1.0 / (theirs.C_ * 0.8 * n))


@pytest.mark.parametrize("table", REGRESSIONS)
def test_the_choice_is_that_of_ridge_cv(table):
    X, y = table()
    n = len(y) - len(y) % 5
    X, y = X[:n], y[:n]
    grid = np.geomspace(10.0, 1e-5, 13)
    ours = GDRegressorCV(alphas=grid, cv=CV, tol=0.0).fit(X, y)
    theirs = RidgeCV(grid * 0.8 * n, cv=CV, scoring="neg_mean_squared_error")
    np.testing.assert_allclose(ours.alpha_, theirs.fit(X, y).alpha_ / (0.8 * n))
    # The loss is half the squared error.
    np.testing.assert_allclose(-2.0 * ours.best_score_, -theirs.best_score_, rtol=1e-6)


@pytest.mark.parametrize("table", REGRESSIONS)
def test_the_choice_is_that_of_lasso_cv(table):
    X, y = table()
    theirs = LassoCV(alphas=30, cv=CV, tol=1e-8, max_iter=100_000).fit(X, y)
    ours = GDRegressorCV(penalty="l1", alphas=30, cv=CV, tol=0.0, max_iter=20_000).fit(
        X, y
    )
    np.testing.assert_allclose(ours.alphas_, theirs.alphas_, rtol=1e-6)
    np.testing.assert_allclose(ours.alpha_, theirs.alpha_, rtol=1e-6)
    np.testing.assert_allclose(-2.0 * ours.scores_.T, theirs.mse_path_, rtol=1e-4)


@pytest.mark.parametrize("table", REGRESSIONS)
def test_the_choice_is_that_of_elastic_net_cv(table):
    X, y = table()
    asked = {"l1_ratio": [0.3, 0.9], "alphas": 15, "cv": CV}
    theirs = ElasticNetCV(**asked, tol=1e-8, max_iter=100_000).fit(X, y)
    ours = GDRegressorCV(penalty="elasticnet", tol=1e-9, **asked).fit(X, y)
    np.testing.assert_allclose(ours.alphas_, theirs.alphas_, rtol=1e-6)
    np.testing.assert_allclose(ours.alpha_, theirs.alpha_, rtol=1e-6)
    assert ours.l1_ratio_ == theirs.l1_ratio_
    assert ours.scores_.shape == (2, 5, 15)
    assert ours.coefs_paths_.shape == (2, 5, 15, X.shape[1])


def test_results_are_those_of_a_grid_search():
    X, y = diabetes()
    ours = GDRegressorCV(alphas=ALPHAS, scoring="r2", tol=1e-10).fit(X, y)
    plain = GDRegressor(penalty="l2", tol=1e-10)
    theirs = GridSearchCV(plain, {"alpha": ALPHAS}, scoring="r2").fit(X, y)
    for key, values in ours.cv_results_.items():
        if key == "params":
            assert values == theirs.cv_results_[key]
        else:
            np.testing.assert_allclose(values, theirs.cv_results_[key], atol=1e-5)
    assert ours.best_index_ == theirs.best_index_
    assert ours.alpha_ == theirs.best_params_["alpha"]


def test_strengths_are_sorted_and_counted_once():
    X, y = diabetes()
    model = GDRegressorCV(alphas=[0.01, 1.0, 0.1, 0.01]).fit(X, y)
    np.testing.assert_array_equal(model.alphas_, [1.0, 0.1, 0.01])
    assert model.scores_.shape == (5, 3)
    other = GDRegressorCV(alphas=[1.0, 0.1, 0.01]).fit(X, y)
    np.testing.assert_array_equal(model.scores_, other.scores_)


def test_the_strongest_within_one_standard_error():
    X, y = noisy()
    best = GDRegressorCV(penalty="l1").fit(X, y)
    sparse = GDRegressorCV(penalty="l1", refit="one_standard_error").fit(X, y)
    mean = best.scores_.mean(axis=0)
    top = mean.argmax()
    error = best.scores_[:, top].std(ddof=1) / np.sqrt(5)
    assert sparse.alpha_ == best.alphas_[mean >= mean[top] - error].max()
    assert best.alpha_ == best.alphas_[top] < sparse.alpha_
    assert 0 < (sparse.coef_ != 0).sum() < (best.coef_ != 0).sum()


def test_one_fold_has_no_standard_error():
    X, y = diabetes()
    split = PredefinedSplit([-1] * 300 + [0] * (len(y) - 300))
    model = GDRegressorCV(cv=split, refit="one_standard_error")
    with pytest.raises(ValueError, match="at least two folds"):
        model.fit(X, y)


@pytest.mark.parametrize(
    ("alphas", "match"),
    [
        ([], "at least one strength"),
        (0, "alphas"),
        ([1.0, -0.1], r"alphas holds -0\.1"),
        ([1.0, np.nan], "alphas holds nan"),
        ([np.inf], "alphas holds inf"),
        (0.5, "alphas"),
        ("many", "alphas"),
        (None, "alphas"),
        ([[1.0, 0.1]], r"shape \(1, 2\)"),
    ],
)
def test_strengths_that_are_none(alphas, match):
    X, y = diabetes()
    with pytest.raises(ValueError, match=match):
        GDRegressorCV(alphas=alphas).fit(X, y)


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        ({"loss": "hinge"}, "loss='hinge' has kinks.*GridSearchCV"),
        ({"loss": "perceptron"}, "has kinks"),
        ({"penalty": "elasticnet", "l1_ratio": [0.5, 1.5]}, r"l1_ratio holds 1\.5"),
        ({"penalty": "elasticnet", "l1_ratio": []}, "l1_ratio"),
        ({"penalty": None}, "penalty"),
        ({"refit": False}, "refit"),
        ({"scoring": "nonsense"}, "nonsense"),
    ],
)
def test_what_cannot_be_done_is_named(asked, match):
    X, y = binary()
    with pytest.raises(ValueError, match=match):
        GDClassifierCV(**asked).fit(X, y)


def test_a_fold_of_one_class_is_named():
    X, y = binary()
    order = np.argsort(y, kind="stable")
    with pytest.raises(ValueError, match=r"Fold 0 .* 1 of the 2 classes: class 1"):
        GDClassifierCV(cv=TimeSeriesSplit(3)).fit(X[order], y[order])


def test_a_fold_that_misses_one_of_three_classes_is_named():
    X, y = three_classes()
    with pytest.raises(ValueError, match=r"Fold 0 .* 2 of the 3 classes: class 0"):
        GDClassifierCV(cv=KFold(3)).fit(X, y)


def test_folds_without_rows_are_named():
    X, y = diabetes()
    everything = np.arange(len(y))
    with pytest.raises(ValueError, match="Fold 1 of cv holds out no rows"):
        GDRegressorCV(cv=[(everything, [0]), (everything, [])]).fit(X, y)
    with pytest.raises(ValueError, match="Fold 0 of cv has no rows of weight"):
        GDRegressorCV(cv=[([0, 1], everything)]).fit(X, y, everything > 5)
    with pytest.raises(ValueError, match="Fold 0 of cv names rows"):
        GDRegressorCV(cv=[([0, 10_000], everything)]).fit(X, y)
    with pytest.raises(ValueError, match="no folds"):
        GDRegressorCV(cv=iter([])).fit(X, y)


def test_a_score_of_nan_names_the_fold():
    X, y = diabetes()
    everything = np.arange(len(y))
    model = GDRegressorCV(cv=[(everything, [3])], scoring="r2")
    with pytest.raises(ValueError, match="NaN on the rows held out in fold 0"):
        model.fit(X, y)


def test_masks_and_negative_numbers_are_rows_as_well():
    X, y = diabetes()
    mask = np.arange(len(y)) < 300
    masks = GDRegressorCV(cv=[(mask, ~mask)]).fit(X, y)
    numbers = [(np.arange(300), np.arange(300, len(y)) - len(y))]
    np.testing.assert_array_equal(
        masks.scores_, GDRegressorCV(cv=numbers).fit(X, y).scores_
    )


def test_groups():
    X, y = diabetes()
    groups = np.arange(len(y)) % 7
    for cv in (GroupKFold(3), LeaveOneGroupOut()):
        model = GDRegressorCV(alphas=ALPHAS, cv=cv).fit(X, y, groups=groups)
        splits = list(cv.split(X, y, groups))
        other = GDRegressorCV(alphas=ALPHAS, cv=splits).fit(X, y)
        np.testing.assert_array_equal(model.scores_, other.scores_)
        with pytest.raises(ValueError, match="groups"):
            GDRegressorCV(alphas=ALPHAS, cv=cv).fit(X, y)
    with pytest.raises(TypeError, match="'nonsense'"):
        GDRegressorCV().fit(X, y, nonsense=1)


def test_metadata_are_routed():
    X, y = diabetes()
    groups, weights = np.arange(len(y)) % 7, np.arange(len(y)) % 3 + 1.0
    splits = list(GroupKFold(3).split(X, y, groups))
    scorer = make_scorer(mean_absolute_error, greater_is_better=False)
    with sklearn.config_context(enable_metadata_routing=True):
        asked = {"alphas": ALPHAS, "cv": GroupKFold(3)}
        model = GDRegressorCV(**asked).fit(X, y, groups=groups)
        expected = GDRegressorCV(alphas=ALPHAS, cv=splits).fit(X, y)
        np.testing.assert_array_equal(model.scores_, expected.scores_)
        results = cross_validate(
            GDRegressorCV(**asked)
            .set_fit_request(sample_weight=True)
            .set_score_request(sample_weight=False),
            X,
            y,
            params={"groups": groups, "sample_weight": weights},
            cv=GroupKFold(2),
        )
        assert np.isfinite(results["test_score"]).all()
        weighted, plain = (
            GDRegressorCV(
                scoring=scorer.set_score_request(sample_weight=wants), **asked
            ).fit(X, y, weights, groups=groups)
            for wants in (True, False)
        )
        assert (weighted.scores_ != plain.scores_).all()
        np.testing.assert_array_equal(weighted.coefs_paths_, plain.coefs_paths_)


def test_scorers_are_handed_the_weights_of_held_out_rows():
    X, y = diabetes()
    weights = np.random.default_rng(0).uniform(0.1, 3.0, len(y))
    model = GDRegressorCV(
        alphas=[0.1], cv=CV, scoring="neg_mean_absolute_error", tol=1e-12
    ).fit(X, y, weights)
    for k, (train, test) in enumerate(CV.split(X)):
        plain = GDRegressor(penalty="l2", alpha=0.1, tol=1e-12)
        plain.fit(X[train], y[train], weights[train])
        error = mean_absolute_error(
            y[test], plain.predict(X[test]), sample_weight=weights[test]
        )
        np.testing.assert_allclose(model.scores_[k, 0], -error, rtol=1e-7)


def test_labels_of_any_kind_and_data_frames():
    pd = pytest.importorskip("pandas")
    X, y = three_classes()
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    frame = pd.DataFrame(X, columns=list("abcd"))
    model = GDClassifierCV(alphas=ALPHAS, scoring="accuracy").fit(frame, names)
    assert list(model.feature_names_in_) == list("abcd")
    assert set(model.predict(frame)) <= set(names)
    assert model.predict_proba(frame).shape == (150, 3)
    np.testing.assert_array_equal(
        model.predict_log_proba(frame), np.log(model.predict_proba(frame))
    )
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame.rename(columns={"a": "z"}))


def test_inside_a_pipeline_and_a_clone():
    X, y = binary()
    model = make_pipeline(StandardScaler(), GDClassifierCV(alphas=ALPHAS))
    assert clone(model).fit(X, y).score(X, y) > 0.9
    with pytest.raises(NotFittedError):
        clone(model)[-1].predict(X)


def test_a_failed_fit_leaves_the_estimator_as_it_was():
    X, y = binary()
    model = GDClassifierCV(alphas=ALPHAS).fit(X, y)
    before = vars(model).copy()
    with pytest.raises(ValueError, match="holds out"):
        model.set_params(cv=[([0, 100], [])]).fit(X, y)
    model.set_params(cv=None)
    assert vars(model) == before


def test_the_losses_with_and_without_probabilities():
    X, y = binary()
    assert hasattr(GDClassifierCV(), "predict_proba")
    assert not hasattr(GDClassifierCV(loss="squared_hinge"), "predict_proba")
    model = GDClassifierCV(alphas=ALPHAS).fit(X, y)
    plain = GDClassifier(alpha=model.alpha_).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), plain.predict_proba(X))
    np.testing.assert_array_equal(model.to_sklearn().predict(X), model.predict(X))


def test_the_path_is_that_of_lasso_path():
    X, y = diabetes()
    found = path(X, y, alphas=30, tol=0.0, max_iter=20_000)
    alphas, coefs, _ = lasso_path(X, y - y.mean(), alphas=found.alphas, tol=1e-13)
    np.testing.assert_allclose(found.alphas, alphas)
    np.testing.assert_allclose(found.coefs, coefs.T, atol=1e-5)
    np.testing.assert_array_equal(found.coefs != 0, coefs.T != 0)
    assert found.n_passes == 1


def test_the_path_of_classes():
    X, y = three_classes()
    found = path(X, y, loss="log_loss", penalty="l2", alphas=ALPHAS, tol=1e-10)
    assert found.coefs.shape == (4, 3, 4)
    np.testing.assert_array_equal(found.classes, [0, 1, 2])
    for alpha, coef in zip(found.alphas, found.coefs, strict=True):
        plain = GDClassifier(alpha=alpha, tol=1e-10).fit(X, y)
        np.testing.assert_allclose(coef, plain.coef_, atol=1e-4)
    with pytest.raises(ValueError, match="class_weight is for classes"):
        path(X, y, class_weight="balanced")
    with pytest.raises(ValueError, match="one l1_ratio"):
        path(X, y, penalty="elasticnet", l1_ratio=[0.1, 0.5])
