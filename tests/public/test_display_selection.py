"""Pictures of searches: what they show is what the search found."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import scale

from skgd import GDClassifier, GDClassifierCV, GDRegressor, GDRegressorCV, path
from skgd.display import CoefficientPathDisplay, GridDisplay, ValidationPathDisplay

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def diabetes():
    return load_diabetes(return_X_y=True, as_frame=True)


@pytest.fixture(scope="module")
def searched():
    X, y = diabetes()
    return GDRegressorCV(penalty="elasticnet", l1_ratio=[0.2, 1.0], alphas=6).fit(X, y)


# ---- scores along the strengths ------------------------------------------------------


def test_a_validation_path_shows_folds_mean_and_error():
    X, y = diabetes()
    model = GDRegressorCV(alphas=7, cv=4).fit(X, y)
    display = ValidationPathDisplay.from_estimator(model)
    assert len(display.fold_lines_) == 4
    for line, scores in zip(display.fold_lines_, model.scores_, strict=True):
        assert_array_equal(line.get_xdata(), model.alphas_)
        assert_array_equal(line.get_ydata(), scores)
    mean = model.scores_.mean(axis=0)
    assert_allclose(display.mean_line_.get_ydata(), mean)
    error = model.scores_.std(axis=0, ddof=1) / 2.0
    heights = display.error_band_.get_paths()[0].vertices[:, 1]
    assert_allclose(
        [heights.min(), heights.max()], [(mean - error).min(), (mean + error).max()]
    )
    assert_array_equal(display.chosen_line_.get_xdata(), model.alpha_)
    assert display.ax_.get_xscale() == "log"


def test_of_several_l1_ratios_the_chosen_one_is_shown(searched):
    display = ValidationPathDisplay.from_estimator(searched)
    chosen = [0.2, 1.0].index(searched.l1_ratio_)
    assert_array_equal(display.scores, searched.scores_[chosen])
    assert_array_equal(display.alphas, searched.alphas_[chosen])


def test_a_validation_path_needs_a_search():
    with pytest.raises(NotFittedError):
        ValidationPathDisplay.from_estimator(GDRegressorCV())


# ---- coefficients along the strengths ------------------------------------------------


def test_a_coefficient_path_has_a_line_for_each_feature():
    X, y = diabetes()
    found = path(X, y, alphas=5)
    display = CoefficientPathDisplay.from_path(found, chosen=found.alphas[2])
    lines = {line.get_label(): line for line in display.ax_.get_lines()}
    for j, name in enumerate(X.columns):
        assert_array_equal(lines[name].get_xdata(), found.alphas)
        assert_array_equal(lines[name].get_ydata(), found.coefs[:, j])
    scaled = CoefficientPathDisplay.from_path(found, scaled=True)
    line = next(one for one in scaled.ax_.get_lines() if one.get_label() == "bmi")
    assert_allclose(line.get_ydata(), found.coefs[:, 2] * X["bmi"].std(ddof=0))


# ---- two parameters ------------------------------------------------------------------


def test_a_grid_shows_the_mean_score_of_each_pair():
    X, y = diabetes()
    rates, sizes = [0.1, 0.001, 0.01], [32, 4]
    search = GridSearchCV(
        GDRegressor(max_iter=3, tol=None, random_state=0),
        {"lr": rates, "batch_size": sizes},
        cv=3,
    ).fit(X, y)
    display = GridDisplay.from_search(search, x="lr", y="batch_size")
    assert display.x_values == sorted(rates) and display.y_values == sorted(sizes)
    results = search.cv_results_
    for asked, score in zip(results["params"], results["mean_test_score"], strict=True):
        row = display.y_values.index(asked["batch_size"])
        assert display.scores[row, display.x_values.index(asked["lr"])] == score
    row, column = display.best_
    assert display.y_values[row] == search.best_params_["batch_size"]
    assert display.x_values[column] == search.best_params_["lr"]
    assert_array_equal(display.image_.get_array(), display.scores)
    written = [text.get_text() for text in display.ax_.texts]
    assert written == [f"{score:.3g}" for score in display.scores.ravel()]


def test_of_other_parameters_the_best_is_shown():
    X, y = load_breast_cancer(return_X_y=True)
    grid = {
        "alpha": [1e-3, 1.0],
        "penalty": ["l1", "l2"],
        "fit_intercept": [True, False],
    }
    search = GridSearchCV(GDClassifier(), grid, cv=3).fit(scale(X), y)
    display = GridDisplay.from_search(search, x="alpha", y="penalty")
    assert display.scores.shape == (2, 2)
    assert display.scores.max() == search.best_score_


def test_a_search_over_strengths_and_shares_is_a_grid(searched):
    display = GridDisplay.from_search(searched, x="alpha", y="l1_ratio")
    assert display.y_values == [0.2, 1.0]
    assert np.nanmax(display.scores) == searched.best_score_


def test_a_parameter_that_was_not_tried_is_named(searched):
    with pytest.raises(ValueError, match=r"'lr'.*\['alpha', 'l1_ratio'\]"):
        GridDisplay.from_search(searched, x="lr", y="alpha")
    with pytest.raises(NotFittedError):
        GridDisplay.from_search(GDClassifierCV(), x="alpha", y="l1_ratio")
