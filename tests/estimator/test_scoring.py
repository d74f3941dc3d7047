"""``scoring=``: whatever scores in `GridSearchCV` scores here, on rows as given."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.metrics import (
    accuracy_score,
    make_scorer,
    max_error,
    mean_absolute_error,
    median_absolute_error,
    r2_score,
)
from sklearn.model_selection import GridSearchCV

from skgd import MLPGD, GDClassifier, GDRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4))
Y = X @ [1.0, -2.0, 0.5, 0.0] + RNG.normal(size=120)
LABELS = np.where(Y > 0, "yes", "no")
WEIGHTS = RNG.uniform(0.0, 3.0, 120)

ESTIMATORS = {
    "GDRegressor": GDRegressor(lr=0.05, random_state=0),
    "GDClassifier": GDClassifier(lr=0.05, random_state=0),
    "network regressor": MLPGD(
        loss="squared_error", hidden_layer_sizes=(3,), lr=0.01, random_state=0
    ),
    "network classifier": MLPGD(hidden_layer_sizes=(3,), lr=0.01, random_state=0),
}


def problem(name):
    model = clone(ESTIMATORS[name]).set_params(max_iter=3, tol=None)
    return model, Y if "egressor" in name else LABELS


def plain_function(estimator, X, y):
    return float(np.mean(estimator.predict(X) == np.asarray(y)))


def metric_without_weights(y, predicted):
    return float(np.mean(np.asarray(y) == predicted))


def metric_with_options(y, predicted, **options):
    return metric_without_weights(y, predicted)


def own_proba(y, proba):
    return -float(np.mean(np.abs((np.asarray(y) == "yes") - proba)))


SCORERS = {
    "GDRegressor": [
        "r2",
        "neg_median_absolute_error",
        "neg_max_error",
        make_scorer(max_error, greater_is_better=False),
        make_scorer(median_absolute_error, greater_is_better=False),
        lambda model, X, y: -float(np.abs(model.predict(X) - np.asarray(y)).max()),
    ],
    "GDClassifier": [
        "accuracy",
        "roc_auc",
        "neg_log_loss",
        make_scorer(accuracy_score),
        make_scorer(metric_without_weights),
        make_scorer(metric_with_options),
        make_scorer(own_proba, response_method="predict_proba"),
        plain_function,
        GDClassifier.score,
    ],
}
CASES = [
    (name, scoring)
    for name in ESTIMATORS
    for scoring in SCORERS["GDRegressor" if "egressor" in name else "GDClassifier"]
    if not (scoring is GDClassifier.score and name != "GDClassifier")
]


@pytest.mark.parametrize("name, scoring", CASES)
@pytest.mark.parametrize("weighted", [False, True])
def test_scorers_of_a_grid_search(name, scoring, weighted):
    model, y = problem(name)
    model.set_params(scoring=scoring)
    GridSearchCV(model, {"alpha": [1e-4]}, scoring=scoring, cv=2).fit(X, y)
    weights = WEIGHTS if weighted else None
    model.set_params(early_stopping=True, validation_fraction=0.4)
    model.fit(X, y, sample_weight=weights)
    assert len(model.validation_scores_) == 3
    assert model.best_validation_score_ == max(model.validation_scores_)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_weights_go_to_scorers_that_take_them(name):
    model, y = problem(name)
    seen = []

    def takes(estimator, X, y, sample_weight=None):
        seen.append(sample_weight)
        return 0.0

    model.set_params(scoring=takes)
    model.fit(X, y, X_val=X, y_val=y)
    assert seen == [None] * 3
    seen.clear()
    model.fit(X, y, X_val=X, y_val=y, sample_weight_val=WEIGHTS)
    for weights in seen:
        assert_array_equal(weights, WEIGHTS)


def test_a_scorer_may_be_told_not_to_take_weights():
    model, y = problem("GDRegressor")
    expected = {}
    with config_context(enable_metadata_routing=True):
        for request in (True, False):
            scorer = make_scorer(r2_score).set_score_request(sample_weight=request)
            model.set_params(scoring=scorer)
            model.fit(X, y, X_val=X, y_val=y, sample_weight_val=WEIGHTS)
            expected[request] = r2_score(
                y, model.predict(X), sample_weight=WEIGHTS if request else None
            )
            assert_allclose(model.best_validation_score_, expected[request])
    assert expected[True] != expected[False]


def test_scores_of_several_targets():
    y = np.column_stack([Y, -3 * Y])
    for model in (
        GDRegressor(lr=0.05, random_state=0),
        MLPGD(loss="squared_error", hidden_layer_sizes=(3,), random_state=0),
    ):
        model.set_params(max_iter=3, tol=None, scoring="neg_mean_absolute_error")
        model.fit(X[:80], y[:80], X_val=X[80:], y_val=y[80:])
        last = -mean_absolute_error(y[80:], model.predict(X[80:]))
        assert_allclose(model.best_validation_score_, last)


@pytest.mark.parametrize("library", [pd, pl], ids=["pandas", "polars"])
@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("how", ["early_stopping", "X_val", "fit_batches"])
def test_data_frames_stay_data_frames(name, how, library):
    """With their names and types, and the rows that were held out."""
    model, y = problem(name)
    table = pd.DataFrame(X, columns=list("abcd"))
    table["row"] = np.arange(120)
    model.set_params(lr=1e-5)
    if library is pl:
        table = pl.from_pandas(table)
    seen = []

    def scorer(estimator, X, y):
        seen.append((X, y))
        estimator.predict(X)
        return 1.0

    model.set_params(scoring=scorer)
    target = library.Series(y)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", category=RuntimeWarning)
        if how == "early_stopping":
            weights = np.where(np.arange(120) % 7 == 0, 0.0, 1.0)
            model.set_params(early_stopping=True)
            model.fit(table, target, sample_weight=weights)
        elif how == "X_val":
            model.fit(table, target, X_val=table[::3], y_val=target[::3])
        else:
            model.fit_batches([(table, target)], X_val=table[::3], y_val=target[::3])
    assert len(seen) == 3
    for rows, truth in seen:
        assert isinstance(rows, library.DataFrame)
        assert isinstance(truth, library.Series)
        assert list(rows.columns) == ["a", "b", "c", "d", "row"]
        assert rows["row"].dtype == table["row"].dtype
        index = np.asarray(rows["row"])
        assert_array_equal(np.asarray(rows["a"]), X[index, 0])
        assert_array_equal(np.asarray(truth), y[index])
        if how == "early_stopping":
            assert (index % 7 > 0).all()


@pytest.mark.parametrize(
    "container", [sparse.csr_array, sparse.coo_array, np.ndarray.tolist]
)
def test_other_features_can_be_scored_on(container):
    model, y = problem("GDRegressor")
    model.set_params(scoring="r2", early_stopping=True)
    model.fit(container(X), y.tolist())
    plain = clone(model).fit(X, y)
    assert_allclose(model.validation_scores_, plain.validation_scores_)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_score_of_nan_is_an_error_that_says_why(name):
    model, y = problem(name)
    model.set_params(scoring=lambda model, X, y: np.nan)
    with pytest.raises(ValueError, match=r"NaN on the 120 validation rows"):
        model.fit(X, y, X_val=X, y_val=y)
    with pytest.raises(ValueError, match=r"one number"):
        model.set_params(scoring=lambda model, X, y: {"a": 1.0}).fit(
            X, y, X_val=X, y_val=y
        )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
def test_one_validation_row_and_r2():
    model = GDRegressor(early_stopping=True, scoring="r2", random_state=0)
    with pytest.raises(ValueError, match=r"one validation row.*validation_fraction"):
        model.fit(X[:9], Y[:9])
    with pytest.raises(ValueError, match=r"NaN.*one class"):
        GDClassifier(scoring="roc_auc").fit(
            X, LABELS, X_val=X[LABELS == "no"], y_val=LABELS[LABELS == "no"]
        )


@pytest.mark.parametrize("name", ["GDClassifier", "network classifier"])
def test_a_split_that_cannot_be_made_names_the_label(name):
    model, _ = problem(name)
    model.set_params(early_stopping=True)
    y = np.array(["cat"] * 30 + ["dog"])
    with pytest.raises(ValueError, match=r"Class 'dog' has only one.*validation_frac"):
        model.fit(X[:31], y)
    weights = np.ones(40)
    weights[36:] = 0
    y = np.repeat([10, 20], [35, 5])
    with pytest.raises(ValueError, match=r"Class 20 has only one.*validation_fraction"):
        model.fit(X[:40], y, sample_weight=weights)
    y = np.repeat(["a", "b", "c"], 3)
    with pytest.raises(
        ValueError, match=r"validation_fraction=0.1 of 9 rows is 1.*3 classes"
    ):
        model.fit(X[:9], y)


def test_a_split_that_leaves_nothing_to_train_on():
    with pytest.raises(ValueError, match=r"validation_fraction=0.9 of 2 rows is 2"):
        GDRegressor(early_stopping=True, validation_fraction=0.9).fit(X[:2], Y[:2])


@pytest.mark.parametrize("name", ESTIMATORS)
def test_without_validation_there_are_no_scores(name):
    model, y = problem(name)
    model.fit(X, y, X_val=X, y_val=y)
    assert len(model.validation_scores_) == 3
    for _ in range(2):
        model.fit(X, y)
        assert model.validation_scores_ is None
        assert model.best_validation_score_ is None
        model.partial_fit(X, y)
    model.fit_batches([(X, y)])
    assert model.validation_scores_ is None
