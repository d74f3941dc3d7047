"""skgd.display: the data behind every picture, its artists, and its manners.

How the pictures look was judged by eye; here it is what they show that counts.
"""

import io
import re
import subprocess
import sys
import warnings
from inspect import signature

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

import skgd.display
from skgd import MLPGD, GDClassifier, GDRegressor
from skgd._descent.function import central_differences
from skgd.display import (
    CoefficientPathDisplay,
    CostSurfaceDisplay,
    DescentDisplay,
    FitDisplay,
    FunctionDisplay,
    GraphDisplay,
    LearningRateDisplay,
    LossCurveDisplay,
    MomentumRateDisplay,
    NetworkDisplay,
    ScheduleDisplay,
    animate,
    lr_range_test,
)
from skgd.display._cost import CostFunction, random_plane
from skgd.display._path import walk
from skgd.display._stage import Stage
from skgd.display.learning_rate import valley
from skgd.display.momentum_rate import convergence_factor
from skgd.schedules import Cosine, Step

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

# Three heights by weight, and the start (intercept 0, slope 1).
X3 = np.array([[0.5], [2.3], [2.9]])
Y3 = np.array([1.4, 1.9, 3.2])
START = {"coef_init": [1.0], "intercept_init": [0.0]}


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return scale(X), y


def regressor(**parameters):
    return GDRegressor(**{"lr": 0.06, "tol": None, "random_state": 0} | parameters)


# ---------------------------------------------------------------- the path walked


def test_path_of_the_three_points_by_batch():
    # Rate 0.01 on the sum of squares is 0.06 on half the mean of three.
    model = regressor(solver="batch", max_iter=100)
    display = CostSurfaceDisplay.from_estimator(model, X3, Y3, fit_params=START)
    path = display.paths[0]
    assert display.labels == ("intercept", "weight")
    assert len(path) == 101
    assert_allclose(
        path[:5],
        [
            (0.0, 1.0),
            (0.016, 1.008),
            (0.030128, 1.011944),
            (0.042959, 1.013177),
            (0.054879, 1.012603),
        ],
        atol=5e-7,
    )
    assert_allclose(path[10], (0.117256, 0.994420), atol=5e-7)
    assert_allclose(path[100], (0.653348, 0.766870), atol=5e-7)
    # Sum of squared residuals at the start: 1.06; the objective is 1/6 of it.
    assert_allclose(display.path_costs[0][0], 1.06 / 6)
    assert not hasattr(model, "coef_")


def test_path_of_the_three_points_by_sgd():
    # Rate 0.01 on the squared residual is 0.02 on half of it.
    model = regressor(solver="sgd", lr=0.02, shuffle=False, max_iter=1)
    display = CostSurfaceDisplay.from_estimator(model, X3, Y3, fit_params=START)
    assert_allclose(
        display.paths[0],
        [
            (0.0, 1.0),
            (0.018, 1.009),
            (0.009226, 0.9888198),
            (0.0156899316, 1.0075652016),
        ],
        atol=1e-9,
    )


@pytest.mark.parametrize("lr", [0.05, "auto"])
@pytest.mark.parametrize("optimizer", ["gd", "adam"])
@pytest.mark.parametrize("solver", ["batch", "minibatch", "sgd"])
def test_watching_changes_nothing(solver, optimizer, lr, cancer):
    X, y = cancer[0][:90], cancer[1][:90]
    model = GDClassifier(
        solver=solver, optimizer=optimizer, batch_size=16, lr=lr, max_iter=3, tol=None
    )
    model.set_params(random_state=0, lr_schedule="cosine")
    walked = walk(model, X, y)
    alone = clone(model).fit(X, y)
    assert_array_equal(walked.estimator.coef_, alone.coef_)
    assert_array_equal(walked.points[-1, :-1], alone.coef_[0])
    assert_array_equal(walked.estimator.history_["loss"], alone.history_["loss"])
    updates = {"batch": 3, "minibatch": 18, "sgd": 270}[solver]
    assert_array_equal(walked.steps, np.arange(updates + 1))


def test_path_ends_where_it_stops_being_finite():
    # The largest stable rate is 0.3663 here.
    model = regressor(solver="batch", lr=1e60, max_iter=50)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        walked = walk(model, X3, Y3)
    assert np.isfinite(walked.points).all()
    assert walked.estimator.stop_reason_ == "diverged"


def test_max_steps_ends_training():
    walked = walk(regressor(solver="sgd", max_iter=1000), X3, Y3, max_steps=7)
    assert_array_equal(walked.steps, np.arange(8))
    assert walked.estimator.n_iter_ == 3


def test_estimator_at_a_point_predicts_with_its_weights():
    walked = walk(regressor(solver="batch", max_iter=5), X3, Y3, **START)
    assert_allclose(walked.estimator_at(0).predict(X3), X3[:, 0])
    assert_array_equal(walked.estimator_at(5).predict(X3), walked.estimator.predict(X3))


# ---------------------------------------------------------------- the cost surface


def test_surface_is_the_objective():
    model = regressor(solver="batch", penalty="elasticnet", alpha=0.3, max_iter=5)
    display = CostSurfaceDisplay.from_estimator(
        model, X3, Y3, xlim=(-1, 1), ylim=(0, 2), grid_resolution=5
    )
    assert display.cost.shape == (5, 5)
    b, w = display.x[3], display.y[1]
    residuals = b + w * X3[:, 0] - Y3
    penalty = 0.3 * (0.85 / 2 * w**2 + 0.15 * abs(w))
    assert_allclose(display.cost[1, 3], 0.5 * np.mean(residuals**2) + penalty)


def test_cost_function_agrees_with_history(cancer):
    X, y = cancer
    model = GDClassifier(solver="batch", lr=0.1, max_iter=4, tol=None, alpha=0.01)
    walked = walk(model, X, y)
    costs = CostFunction(walked.estimator, X, y)(walked.points)
    assert_allclose(costs[:-1], walked.estimator.loss_curve_)


def test_cost_function_of_several_classes_with_weights():
    X, y = load_iris(return_X_y=True)
    y = y[10:]
    model = GDClassifier(solver="batch", lr=0.01, max_iter=4, tol=None)
    model.set_params(class_weight="balanced")
    walked = walk(model, X[10:], y)
    costs = CostFunction(walked.estimator, X[10:], y)(walked.points)
    assert_allclose(costs[:-1], walked.estimator.loss_curve_)


def test_section_holds_the_other_weights():
    X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    model = GDRegressor(solver="batch", max_iter=50, tol=None)
    display = CostSurfaceDisplay.from_estimator(
        model, X, y, parameters=("bmi", "bp"), grid_resolution=3
    )
    assert display.labels == ("weight of bmi", "weight of bp")
    fitted = clone(model).fit(X, y)
    assert_allclose(display.paths[0][-1], fitted.coef_[[2, 3]])
    moved = fitted.coef_.copy()
    moved[[2, 3]] = display.x[0], display.y[2]
    residuals = X.to_numpy() @ moved + fitted.intercept_ - y.to_numpy()
    assert_allclose(display.cost[2, 0], 0.5 * np.mean(residuals**2))


def test_output_and_column_numbers():
    X, y = load_iris(return_X_y=True)
    model = GDClassifier(solver="batch", max_iter=5, tol=None)
    display = CostSurfaceDisplay.from_estimator(
        model, X, y, parameters=((1, 2), (2, "intercept")), grid_resolution=3
    )
    fitted = clone(model).fit(X, y)
    expected = fitted.coef_[1, 2], fitted.intercept_[2]
    assert_allclose(display.paths[0][-1], expected)
    assert display.labels == ("weight 2 of output 1", "intercept of output 2")


def test_several_solvers_share_a_surface():
    models = {
        solver: regressor(solver=solver, batch_size=2, max_iter=20)
        for solver in ("batch", "minibatch", "sgd")
    }
    display = CostSurfaceDisplay.from_estimators(models, X3, Y3, fit_params=START)
    assert display.names == ["batch", "minibatch", "sgd"]
    assert [len(path) for path in display.paths] == [21, 41, 61]
    assert len(display.path_lines_) == 3
    for line, path in zip(display.path_lines_, display.paths, strict=True):
        assert_array_equal(line.get_xydata(), path)
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == display.names


def test_rates_get_panels_and_divergence_stays_outside():
    display = CostSurfaceDisplay.from_learning_rates(
        regressor(solver="batch", max_iter=25), X3, Y3, lrs=[0.01, 0.3, 0.5],
        fit_params=START,
    )  # fmt: skip
    assert [ax.get_title() for ax in display.axes_] == [
        "lr = 0.01",
        "lr = 0.3",
        "lr = 0.5",
    ]
    assert display.path_costs[2][-1] > 100 * display.path_costs[2][0]
    assert display.x[-1] < 3 and display.y[-1] < 3


def test_fitted_estimator_without_path():
    model = regressor(solver="batch", max_iter=20).fit(X3, Y3)
    display = CostSurfaceDisplay.from_estimator(model, X3, Y3, path=False)
    assert display.paths == []
    middle = (display.x[0] + display.x[-1]) / 2, (display.y[0] + display.y[-1]) / 2
    assert_allclose(middle, (model.intercept_[0], model.coef_[0]))
    with pytest.raises(NotFittedError):
        CostSurfaceDisplay.from_estimator(regressor(), X3, Y3, path=False)


def test_surface_in_three_dimensions():
    model = regressor(solver="batch", max_iter=5)
    display = CostSurfaceDisplay.from_estimator(
        model, X3, Y3, kind="surface", fit_params=START
    )
    assert display.ax_.name == "3d"
    x, y, height = display.path_lines_[0].get_data_3d()
    assert_array_equal(np.column_stack([x, y]), display.paths[0])
    assert (height > display.path_costs[0]).all()


def test_random_directions_are_filter_normalised():
    class Network:
        coefs_ = (np.arange(1.0, 13.0).reshape(4, 3), np.ones((3, 1)))

    point = np.ones(12 + 3 + 3 + 1)
    plane = random_plane(Network, point, np.random.RandomState(0))
    hidden = plane.directions[:, :12].reshape(2, 4, 3)
    norms = np.linalg.norm(Network.coefs_[0], axis=0)
    assert_allclose(np.linalg.norm(hidden, axis=1), [norms, norms])
    assert_array_equal(plane.directions[:, 15:], 0.0)


def test_plane_of_the_path_holds_a_flat_path():
    # Two features and no intercept: the path lies in a plane already.
    X, y = load_diabetes(return_X_y=True)
    model = GDRegressor(solver="batch", fit_intercept=False, max_iter=8, tol=None)
    display = CostSurfaceDisplay.from_estimator(
        model, X[:, 2:4], y, directions="path", grid_resolution=5
    )
    walked = walk(model, X[:, 2:4], y)
    lengths = np.linalg.norm(np.diff(walked.points, axis=0), axis=1)
    assert_allclose(
        np.linalg.norm(np.diff(display.paths[0], axis=0), axis=1), lengths, rtol=1e-6
    )


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"parameters": (0,)}, "pair"),
        ({"parameters": (0, 0)}, "differ"),
        ({"parameters": (0, 7)}, "1 features"),
        ({"parameters": ("age", 0)}, "no column"),
        ({"parameters": ((3, 0), 0)}, "1 outputs"),
        ({"directions": "both"}, "'path' or 'random'"),
        ({"directions": "random", "parameters": (0, 1)}, "leave out parameters"),
        ({"kind": "heap"}, "contour"),
    ],
)
def test_wrong_arguments_of_the_surface(arguments, message):
    with pytest.raises(ValueError, match=message):
        CostSurfaceDisplay.from_estimator(
            regressor(solver="batch", max_iter=2), X3, Y3, **arguments
        )


# ---------------------------------------------------------------- loss curves


def test_loss_curve_is_the_history():
    X, y = load_diabetes(return_X_y=True)
    model = GDRegressor(early_stopping=True, random_state=0).fit(X, y)
    display = LossCurveDisplay.from_estimator(model)
    (line,), (validation,) = display.lines_, display.validation_lines_
    assert_array_equal(line.get_ydata(), model.history_["training_loss"])
    assert_array_equal(validation.get_ydata(), model.history_["validation_loss"])
    (best,) = display.best_markers_
    assert best.get_xdata()[0] == model.best_epoch_
    assert best.get_ydata()[0] == min(model.history_["validation_loss"])


def test_loss_curves_of_several_overlaid(cancer):
    X, y = cancer
    models = [
        GDClassifier(solver=solver, lr=0.05, max_iter=5, tol=None).fit(X, y)
        for solver in ("batch", "minibatch")
    ]
    display = LossCurveDisplay.from_estimators(models, x="step", minimum=0.01)
    assert display.names == ["batch, lr=0.05", "minibatch, lr=0.05"]
    for model, line in zip(models, display.lines_, strict=True):
        assert_array_equal(line.get_xdata(), model.history_["step"])
        assert_allclose(line.get_ydata(), np.array(model.loss_curve_) - 0.01)
    assert display.plot(yscale="log").ax_.get_yscale() == "log"
    assert display.plot(yscale="linear").ax_.get_yscale() == "linear"


def test_equal_names_are_told_apart(cancer):
    X, y = cancer
    model = GDClassifier(max_iter=2, tol=None).fit(X, y)
    names = LossCurveDisplay.from_estimators([model, model]).names
    assert names == ["minibatch, lr=auto 1", "minibatch, lr=auto 2"]


def test_loss_curve_of_pipeline_and_search(cancer):
    X, y = cancer
    pipeline = make_pipeline(StandardScaler(), GDClassifier(max_iter=3, tol=None))
    search = GridSearchCV(pipeline, {"gdclassifier__alpha": [0.1]}, cv=2).fit(X, y)
    display = LossCurveDisplay.from_estimator(search, name="best")
    best = search.best_estimator_[-1]
    assert_array_equal(display.histories[0]["loss"], best.loss_curve_)
    assert display.ax_.get_title() == "best"


def test_loss_curve_needs_a_fit_and_a_known_axis(cancer):
    with pytest.raises(NotFittedError):
        LossCurveDisplay.from_estimator(GDRegressor())
    model = GDRegressor(max_iter=2, tol=None).fit(X3, Y3)
    with pytest.raises(ValueError, match="epoch"):
        LossCurveDisplay.from_estimator(model, x="iterations")


# ---------------------------------------------------------------- learning rates


def test_range_test_leaves_the_estimator_alone(cancer):
    X, y = cancer
    model = GDClassifier(random_state=np.random.RandomState(0)).fit(X, y)
    before = {name: repr(value) for name, value in vars(model).items()}
    lr_range_test(model, X, y)
    assert {name: repr(value) for name, value in vars(model).items()} == before


def test_range_test_sweeps_exponentially_and_suggests_a_good_rate():
    X, y = load_diabetes(return_X_y=True)
    X = scale(X)
    model = GDRegressor(solver="batch", random_state=0)
    test = lr_range_test(model, X, y, low=1e-6, high=10, n_steps=71)
    assert_allclose(np.diff(np.log10(test.lrs)), 0.1)
    assert_allclose(test.start, 0.5 * np.mean(y**2))
    # It ends in the explosion beyond 2 / L, and proposes less than that.
    largest = np.linalg.eigvalsh(np.cov(X.T, bias=True)).max()
    assert test.losses[-1] > 4 * test.losses.min()
    assert 0.01 < test.suggestion < 2 / largest
    fitted = clone(model).set_params(lr=test.suggestion, max_iter=2000, tol=None)
    exact = LinearRegression().fit(X, y)
    assert fitted.fit(X, y).score(X, y) > 0.99 * exact.score(X, y)


def test_range_test_replays_the_steps():
    test = lr_range_test(
        GDRegressor(solver="batch"), X3, Y3, low=0.001, high=0.1, n_steps=5
    )
    weights, rates = np.zeros(2), 0.001 * 100 ** (np.arange(5) / 4)
    design = np.column_stack([X3, np.ones(3)])
    for i, rate in enumerate(rates):
        weights -= rate * design.T @ (design @ weights - Y3) / 3
        assert_allclose(test.losses[i], 0.5 * np.mean((design @ weights - Y3) ** 2))
    assert_allclose(test.lrs, rates)


def test_range_test_refuses_what_cannot_work():
    X, y = load_diabetes(return_X_y=True, scaled=False)
    with pytest.raises(ValueError, match="Lower `low`"):
        lr_range_test(GDRegressor(solver="batch"), X, y, low=1.0)
    with pytest.raises(ValueError, match="below high"):
        lr_range_test(GDRegressor(), X, y, low=1.0, high=0.1)


def test_valley_is_in_the_fall():
    losses = np.concatenate([np.ones(40), np.linspace(1, 0, 30), np.linspace(0, 9, 10)])
    assert 50 < valley(losses) < 60


def test_learning_rate_display(cancer):
    display = LearningRateDisplay.from_estimator(GDClassifier(), *cancer)
    assert_array_equal(display.line_.get_xdata(), display.lrs)
    assert_array_equal(display.line_.get_ydata(), display.losses)
    assert display.suggestion_line_.get_xdata()[0] == display.suggestion


# ---------------------------------------------------------------- schedules


def test_schedules_are_their_previews():
    display = ScheduleDisplay.from_schedules(
        ["cosine", ("steps", Step(step_size=5)), lambda step, epoch: 0.5],
        n_epochs=10,
        steps_per_epoch=4,
        lr=0.2,
    )
    assert display.names == ["cosine", "steps", "<lambda>"]
    assert_allclose(display.rates[0], 0.2 * Cosine().preview(10, 4))
    assert_allclose(display.rates[2], 0.1)
    assert_array_equal(display.epochs[0], np.arange(40) / 4)
    assert_array_equal(display.lines_[1].get_ydata(), display.rates[1])
    assert ScheduleDisplay.from_schedules("step").names == ["step"]


def test_schedule_of_an_estimator():
    model = GDRegressor(lr=0.01, lr_schedule="exponential", max_iter=7, tol=None)
    model.fit(X3, Y3)
    display = ScheduleDisplay.from_estimator(model)
    assert_array_equal(display.rates[0], model.history_["lr"])
    assert display.names == ["exponential"]


# ---------------------------------------------------------------- coefficients


def test_coefficient_path():
    X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    model = GDRegressor(solver="batch", max_iter=30, tol=None)
    display = CoefficientPathDisplay.from_estimator(model, X, y)
    fitted = clone(model).fit(X, y)
    assert_array_equal(display.coefficients[-1], fitted.coef_)
    assert display.names == list(X.columns)
    scaled = CoefficientPathDisplay.from_estimator(model, X, y, scaled=True)
    assert_allclose(scaled.coefficients[-1], fitted.coef_ * X.std(ddof=0))
    assert_array_equal(scaled.lines_[2].get_ydata(), scaled.coefficients[:, 2])


def test_coefficient_path_of_several_classes():
    X, y = load_iris(return_X_y=True)
    display = CoefficientPathDisplay.from_estimator(
        GDClassifier(max_iter=2, tol=None), X, y
    )
    assert display.coefficients.shape[1] == 12
    assert display.names[4] == "1: 0"


# ---------------------------------------------------------------- momentum


def test_momentum_numbers_of_the_three_points():
    design = np.column_stack([np.ones(3), X3])
    low, high = np.linalg.eigvalsh(2 * design.T @ design)
    display = MomentumRateDisplay.from_eigenvalues([low, high])
    assert_allclose(display.best_plain, (0.058997, 0.932569), atol=5e-7)
    assert_allclose(display.best, (0.086697, 0.469516, 0.685212), atol=5e-7)
    # The map has its lowest point there.
    i, j = np.unravel_index(display.factors.argmin(), display.factors.shape)
    assert abs(display.momenta[i] - display.best[1]) < 0.02
    assert abs(display.lrs[j] - display.best[0]) < 0.004


def test_momentum_of_an_estimator_is_in_its_rates():
    model = regressor(solver="batch", max_iter=5).fit(X3, Y3)
    display = MomentumRateDisplay.from_estimator(model, X3, Y3)
    # The sum of squares is six times the objective.
    assert_allclose(display.best_plain[0], 6 * 0.058997, rtol=1e-5)
    assert_allclose(display.best[2], 0.685212, atol=5e-7)


def test_convergence_factor_is_the_spectral_radius():
    for step in (0.1, 0.9, 1.7, 2.5):
        for momentum in (0.0, 0.3, 0.9):
            update = [[momentum, 1.0], [-step * momentum, 1.0 - step]]
            radius = np.abs(np.linalg.eigvals(update)).max()
            found = convergence_factor(np.array(step), np.array(momentum))
            assert_allclose(found, radius, atol=1e-7)


def test_momentum_refuses_flat_directions():
    with pytest.raises(ValueError, match="above 0"):
        MomentumRateDisplay.from_eigenvalues([0.0, 1.0])


# ---------------------------------------------------------------- fits


def test_line_at_every_step():
    model = regressor(solver="batch", max_iter=9)
    display = FitDisplay.from_estimator(model, X3, Y3, fit_params=START)
    assert_array_equal(display.steps, np.arange(10))
    assert_allclose(display.responses[0], display.grid[0])
    assert_allclose(display.responses[1], 0.016 + 1.008 * display.grid[0])
    assert len(display.lines_) <= 6


def test_boundary_is_where_the_score_changes_sign():
    X, y = load_iris(return_X_y=True)
    X, y = X[:100, [0, 2]], np.array(["red", "blue"])[y[:100]]
    model = GDClassifier(random_state=0, max_iter=5, tol=None)
    display = FitDisplay.from_estimator(model, X, y, grid_resolution=9)
    fitted = clone(model).fit(X, y)
    corner = [[display.grid[0][0], display.grid[1][-1]]]
    expected = fitted.decision_function(corner)[0]
    assert_allclose(display.responses[-1][-1, 0], expected)
    assert display.labels == ["feature 0", "feature 1", "blue", "red"]


def test_long_fits_keep_some_steps():
    display = FitDisplay.from_estimator(regressor(solver="batch", max_iter=500), X3, Y3)
    assert len(display.steps) <= 60
    assert display.steps[0] == 0 and display.steps[-1] == 500
    display = FitDisplay.from_estimator(
        regressor(solver="batch", max_iter=500), X3, Y3, steps=[0, 7, 250]
    )
    assert_array_equal(display.steps, [0, 7, 250])


def test_fit_needs_few_features():
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match="4 columns"):
        FitDisplay.from_estimator(GDClassifier(), X, y)
    with pytest.raises(ValueError, match="2 columns"):
        FitDisplay.from_estimator(GDRegressor(), X[:, :2], y)


# ---------------------------------------------------------------- animation


@pytest.mark.parametrize("kind", ["contour", "surface"])
def test_animated_paths_grow(kind, tmp_path):
    display = CostSurfaceDisplay.from_estimator(
        regressor(solver="batch", max_iter=4), X3, Y3, fit_params=START, kind=kind
    )
    display.show_frame(2)
    (line,) = display.path_lines_
    x = line.get_data_3d()[0] if kind == "surface" else line.get_xdata()
    assert_array_equal(x, display.paths[0][:3, 0])
    animate(display, tmp_path / "path.gif", fps=5, dpi=40)
    from PIL import Image

    with Image.open(tmp_path / "path.gif") as movie:
        assert movie.n_frames == 5


def test_animated_line_as_a_page(tmp_path):
    display = FitDisplay.from_estimator(regressor(solver="batch", max_iter=3), X3, Y3)
    animate(display, tmp_path / "line.html", fps=5, max_frames=3, dpi=40)
    page = (tmp_path / "line.html").read_text(encoding="utf-8")
    assert page.count("data:image/png") == 3
    # No file and no server but itself.
    assert not re.search(r"(src|href)=.?http|font-awesome|fa fa-", page)
    assert_allclose(display.lines_[0].get_ydata(), display.responses[-1])


def test_animated_boundary(tmp_path):
    X, y = load_iris(return_X_y=True)
    model = GDClassifier(max_iter=2, tol=None)
    display = FitDisplay.from_estimator(model, X[:, 2:], y, grid_resolution=9)
    animate(display, tmp_path / "boundary.gif", max_frames=3, dpi=40)
    assert display.ax_.get_title() == f"{display.steps[-1]} updates"


def moving_displays():
    X, y = load_iris(return_X_y=True)
    line = {"solver": "batch", "max_iter": 5}
    paths = {"fit_params": START, "grid_resolution": 9}
    yield CostSurfaceDisplay.from_estimators(
        {"a": regressor(**line), "b": regressor(**line, lr=0.2)}, X3, Y3, **paths
    )
    yield CostSurfaceDisplay.from_estimator(
        regressor(**line), X3, Y3, kind="surface", **paths
    )
    yield FitDisplay.from_estimator(regressor(**line), X3, Y3)
    yield FitDisplay.from_estimator(
        GDClassifier(max_iter=5, tol=None), X[:, 2:], y, grid_resolution=9
    )
    for kind in ("contour", "surface"):
        yield DescentDisplay.from_estimator(regressor(**line), X3, Y3, **paths).plot(
            kind=kind
        )
    yield FunctionDisplay.from_descent(lambda x: x * x, 1.0, lr=0.1, max_iter=4)
    network = MLPGD((3,), n_ensemble=1, max_iter=5, random_state=0)
    yield NetworkDisplay.from_training(network, X, y, row=X[:1], max_steps=10)


@pytest.mark.parametrize("number", range(8))
def test_frames_are_those_of_whole_drawings(number):
    """What stands still is drawn once; the picture is the same, but for the order."""
    display = list(moving_displays())[number]
    with Stage(display) as stage:
        display.show_frame(0)
        for frame in (0, display.n_frames // 2, display.n_frames - 1):
            stage.show(frame)
            quick = io.BytesIO()
            stage.savefig(quick, format="rgba", dpi=60)
            quick = np.frombuffer(quick.getvalue(), np.uint8).astype(int)
            stage.canvas.draw()
            whole = np.asarray(stage.canvas.buffer_rgba()).ravel().astype(int)
            far = np.abs(quick - whole) > 40
            assert far.mean() < 0.004
    assert display.figure_.get_layout_engine() is not None


def test_a_film_shows_itself_and_does_not_disturb_its_figure(tmp_path):
    display = FitDisplay.from_estimator(regressor(solver="batch", max_iter=3), X3, Y3)
    figure = display.figure_
    before = figure.canvas, figure.dpi, figure.get_layout_engine()
    film = animate(display, fps=5)
    page = film._repr_html_()
    assert page.count("data:image/png") == display.n_frames
    assert page is film._repr_html_()
    film.save(tmp_path / "line.gif", writer="pillow", dpi=30)
    assert (figure.canvas, figure.dpi, figure.get_layout_engine()) == before


def test_a_display_of_ones_own_moves(tmp_path):
    """With a figure, a number of frames, and `show_frame`."""
    from matplotlib.figure import Figure

    class Growing:
        def __init__(self):
            self.figure_, self.n_frames = Figure(layout="constrained"), 3
            self.ax = self.figure_.subplots()

        def show_frame(self, frame):
            self.ax.clear()
            self.ax.plot(range(frame + 2))

    animate(Growing(), tmp_path / "own.gif", dpi=30)
    from PIL import Image

    with Image.open(tmp_path / "own.gif") as film:
        assert film.n_frames == 3


def test_classes_keep_their_legend_where_no_boundary_is_in_sight():
    X, y = load_iris(return_X_y=True)
    model = GDClassifier(solver="batch", lr=1e-9, max_iter=1, tol=None)
    display = FitDisplay.from_estimator(model, X[:100, 2:], y[:100])
    display.show_frame(1)
    assert display.ax_.get_legend().get_title().get_text() == "class"


def test_a_film_as_mp4(tmp_path):
    from matplotlib.animation import FFMpegWriter

    if not FFMpegWriter.isAvailable():
        pytest.skip("no ffmpeg here")
    display = FunctionDisplay.from_descent(lambda x: x * x, 1.0, lr=0.1, max_iter=3)
    animate(display, tmp_path / "film.mp4", dpi=31)
    assert b"ftyp" in (tmp_path / "film.mp4").read_bytes()[:16]


def test_animate_refuses_what_does_not_move(tmp_path):
    with pytest.raises(TypeError, match="does not move"):
        animate(MomentumRateDisplay.from_eigenvalues())
    display = FitDisplay.from_estimator(regressor(solver="batch", max_iter=2), X3, Y3)
    with pytest.raises(ValueError, match=r"\.gif, \.html or \.mp4"):
        animate(display, tmp_path / "line.avi")


# ---------------------------------------------------------------- the convention

DISPLAYS = [
    getattr(skgd.display, name)
    for name in skgd.display.__all__
    if name.endswith("Display")
]


@pytest.mark.parametrize("display", DISPLAYS)
def test_constructor_takes_data_by_keyword_and_plots_nothing(display):
    import matplotlib.pyplot as plt

    parameters = list(signature(display).parameters.values())
    assert all(one.kind is one.KEYWORD_ONLY for one in parameters)
    data = {one.name: object() for one in parameters}
    made = display(**data)
    assert {name: getattr(made, name) for name in data} == data
    assert not plt.get_fignums()
    assert next(iter(signature(display.plot).parameters)) == "self"
    assert signature(display.plot).parameters["ax"].default is None


def test_plot_draws_where_it_is_told():
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots()
    model = regressor(solver="batch", max_iter=3).fit(X3, Y3)
    displays = [
        LossCurveDisplay.from_estimator(model, ax=ax),
        ScheduleDisplay.from_schedules("cosine", ax=ax),
        CoefficientPathDisplay.from_estimator(model, X3, Y3, ax=ax),
        CostSurfaceDisplay.from_estimator(model, X3, Y3, ax=ax),
        FitDisplay.from_estimator(model, X3, Y3, ax=ax),
        MomentumRateDisplay.from_eigenvalues(ax=ax),
    ]
    assert all(one.ax_ is ax and one.figure_ is figure for one in displays)
    assert plt.get_fignums() == [figure.number]


def test_line_kw_overrides_the_style():
    model = regressor(solver="batch", max_iter=3).fit(X3, Y3)
    display = LossCurveDisplay.from_estimator(model, line_kw={"c": "red", "lw": 5})
    assert display.lines_[0].get_color() == "red"
    assert display.lines_[0].get_linewidth() == 5


def test_matplotlib_is_asked_for_late_and_by_name():
    code = """
import sys
sys.modules["matplotlib"] = None
from skgd import GDRegressor
from skgd.display import LossCurveDisplay, MomentumRateDisplay
model = GDRegressor(max_iter=1, tol=None).fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])
for ask in (
    lambda: LossCurveDisplay.from_estimator(model),
    lambda: MomentumRateDisplay.from_eigenvalues(),
):
    try:
        ask()
    except ImportError as error:
        print(error)
"""
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    lines = answer.stdout.splitlines()
    assert len(lines) == 2
    assert all("pip install skgd[plot]" in line for line in lines)


# ---------------------------------------------------------------- networks


@pytest.fixture(scope="module")
def network():
    X, y = load_iris(return_X_y=True)
    model = MLPGD((4,), n_ensemble=1, max_iter=5, tol=None, random_state=0)
    return model, X, y


def test_path_of_a_network(network):
    model, X, y = network
    walked = walk(model, X, y)
    alone = clone(model).fit(X, y)
    assert_array_equal(walked.estimator.coefs_[0], alone.coefs_[0])
    last = walked.estimator_at(-1)
    assert_array_equal(last.coefs_[1], alone.coefs_[1])
    assert_array_equal(last.intercepts_[0], alone.intercepts_[0])
    assert len(walked.steps) == alone.t_ + 1


def test_surface_of_a_network(network):
    model, X, y = network
    display = CostSurfaceDisplay.from_estimator(model, X, y, grid_resolution=4)
    assert display.labels[0].startswith("component 1 of the path")
    fitted = clone(model).fit(X, y)
    assert_allclose(display.path_costs[0][-1], fitted.gradient(X, y)[0])
    # Seen from the end of training, which lies in the plane.
    assert_allclose(display.paths[0][-1], (0, 0), atol=1e-9)


def test_random_surface_of_a_fitted_network(network):
    model, X, y = network
    fitted = clone(model).fit(X, y)
    display = CostSurfaceDisplay.from_estimator(
        fitted, X, y, path=False, grid_resolution=3, xlim=(-1, 1), ylim=(-1, 1)
    )
    assert display.labels == ("random direction 1", "random direction 2")
    assert_allclose(display.cost[1, 1], fitted.gradient(X, y)[0])
    with pytest.raises(ValueError, match="leave out parameters"):
        CostSurfaceDisplay.from_estimator(fitted, X, y, path=False, parameters=(0, 1))


def test_boundary_of_a_network(network):
    model, X, y = network
    display = FitDisplay.from_estimator(model, X[:, 2:], y, grid_resolution=7)
    fitted = clone(model).fit(X[:, 2:], y)
    corner = [[display.grid[0][0], display.grid[1][0]]]
    assert display.responses[-1][0, 0] == fitted.predict(corner)[0]


def test_other_pictures_of_a_network(network):
    model, X, y = network
    test = lr_range_test(model, X, y, low=1e-4)
    assert 1e-3 < test.suggestion < 1
    with pytest.raises(ValueError, match="too many coefficients"):
        CoefficientPathDisplay.from_estimator(model, X, y)
    with pytest.raises(ValueError, match="linear model"):
        MomentumRateDisplay.from_estimator(clone(model).fit(X, y), X, y)


# ---- functions, descents, graphs and networks ----------------------------------


def test_function_display_of_the_parabola():
    display = FunctionDisplay.from_descent(
        lambda x: (x - 3) ** 2, -2.0, lr=0.1, max_iter=3
    )
    assert_allclose(display.points, [-2, -1, -0.2, 0.44])
    assert_allclose(display.heights, [25, 16, 10.24, 6.5536])
    assert_allclose(display.slopes, [-10, -8, -6.4, -5.12])
    for line, point, height, slope in zip(
        display.tangent_lines_,
        display.points,
        display.heights,
        display.slopes,
        strict=True,
    ):
        (x0, x1), (y0, y1) = line.get_data()
        assert (y1 - y0) / (x1 - x0) == pytest.approx(slope)
        assert (y0 + y1) / 2 == pytest.approx(height)
        assert (x0 + x1) / 2 == pytest.approx(point)
    display.show_frame(1)
    assert_allclose(display.path_line_.get_data(), [[-2, -1], [25, 16]])
    assert [line.get_visible() for line in display.tangent_lines_] == [
        False,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("kind", ["contour", "surface"])
def test_function_display_of_two_variables(kind):
    display = FunctionDisplay.from_descent(
        lambda w: w[0] * w[1] + w[0] ** 2 + w[1] ** 2,
        [1.0, 2.0],
        lr=0.1,
        max_iter=2,
        labels=["u", "v", "z"],
        grid_resolution=11,
        plot_kw={"kind": kind},
    )
    assert_allclose(display.slopes[0], [2 + 2, 1 + 4])
    assert_allclose(display.points[1], [0.6, 1.5])
    u, v = np.meshgrid(*display.grid)
    assert_allclose(display.values, u * v + u**2 + v**2, atol=1e-12)
    assert display.ax_.get_xlabel() == "u"
    display.show_frame(1)


def test_function_display_says_what_it_cannot_draw():
    with pytest.raises(ValueError, match="one or two variables"):
        FunctionDisplay.from_descent(lambda x: x @ x, np.ones(3), lr=0.1)


def test_descent_display_of_the_slope():
    X = np.arange(-3, 3, 0.1)[:, None]
    model = regressor(lr=0.2, max_iter=4, fit_intercept=False)
    display = DescentDisplay.from_estimator(
        model, X, -3 * X[:, 0], fit_params={"coef_init": [-10.0]}
    )
    assert_allclose(
        display.points.ravel(),
        [-10, -5.797667, -4.118134, -3.446881, -3.178603],
        atol=1e-6,
    )
    assert_allclose(
        2 * display.costs,
        [147.081667, 23.493861, 3.752755, 0.599441, 0.095751],
        atol=1e-6,
    )
    # The curve is the objective at each slope of its grid.
    (slopes,) = display.grid
    expected = [0.5 * np.mean((w + 3) ** 2 * X**2) for w in slopes]
    assert_allclose(display.cost, expected, rtol=1e-9)
    assert_allclose(display.lines[1], display.points[1, 0] * display.x)
    display.show_frame(2)
    assert "2 updates" in display.axes_[0].get_title()


@pytest.mark.parametrize("kind", ["contour", "surface"])
def test_descent_display_of_a_pipeline(kind):
    X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    model = make_pipeline(StandardScaler(), regressor(lr=0.5, max_iter=5))
    display = DescentDisplay.from_estimator(
        model, X[["bmi"]], y, kind=kind, grid_resolution=9
    )
    assert display.labels[0] == "bmi"
    z = StandardScaler().fit_transform(X[["bmi"]])[:, 0]
    intercepts, slopes = display.grid
    expected = [
        [0.5 * np.mean((b + w * z - y) ** 2) for b in intercepts] for w in slopes
    ]
    assert_allclose(display.cost, expected, rtol=1e-9)
    display.show_frame(3)


def test_descent_display_refuses_what_is_no_line():
    with pytest.raises(ValueError, match="one feature"):
        DescentDisplay.from_estimator(regressor(), np.ones((3, 2)), [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="Only for GDRegressor"):
        DescentDisplay.from_estimator(MLPGD(loss="squared_error"), X3, Y3)


def test_surface_of_a_pipeline_is_that_of_its_last_step():
    pipeline = make_pipeline(StandardScaler(), regressor(lr=0.5, max_iter=3))
    display = CostSurfaceDisplay.from_estimator(pipeline, X3, Y3, grid_resolution=5)
    Z = StandardScaler().fit_transform(X3)
    alone = CostSurfaceDisplay.from_estimator(
        regressor(lr=0.5, max_iter=3), Z, Y3, grid_resolution=5
    )
    assert_allclose(display.cost, alone.cost)
    assert_allclose(display.paths[0], alone.paths[0])


def test_surface_of_one_weight_names_the_display_of_a_curve():
    with pytest.raises(ValueError, match="DescentDisplay"):
        CostSurfaceDisplay.from_estimator(regressor(fit_intercept=False), X3, Y3)


def test_graph_of_the_course():
    display = GraphDisplay.from_expression("(w2 - 2 * w1) * w3", w1=3, w2=4, w3=5)
    assert display.value == -10
    assert display.derivatives == {"w1": -10.0, "w2": 5.0, "w3": -2.0}
    texts = {text.get_text() for text in display.texts_}
    assert {"w1\n3", "w2\n4", "w3\n5", "5", "−10", "−2"} <= texts
    loss = GraphDisplay.from_expression(
        "abs(10 - (w2 - 2 * w1) * w3)", w1=3, w2=4, w3=5
    )
    assert loss.value == 20
    after = loss.step(0.01)
    assert after.variables == pytest.approx({"w1": 2.9, "w2": 4.05, "w3": 4.98})
    assert after.value == pytest.approx(10 + 8.715)


@pytest.mark.parametrize(
    "expression",
    [
        "u * v + u ** 2",
        "u / v - v / u",
        "exp(u) * log(v) + sqrt(u)",
        "sin(u) * cos(v) - tanh(u * v)",
        "sigmoid(u - v) + relu(u) + relu(-v)",
        "u ** v",
        "-u + 3",
        "(u + v) * (u + v) * u",
        "2",
    ],
)
def test_graph_derivatives_are_differences(expression):
    def value(theta):
        return GraphDisplay.from_expression(
            expression, draw=False, u=theta[0], v=theta[1]
        ).value

    point = np.array([0.7, 1.6])
    display = GraphDisplay.from_expression(expression, draw=False, u=0.7, v=1.6)
    found = list(display.derivatives.values())
    assert_allclose(found, central_differences(value, point), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(
    "expression", ["u +", "u; v", "__import__('os')", "u.real", "[u]", "w", "f(u)"]
)
def test_graph_is_no_interpreter(expression):
    with pytest.raises(ValueError, match=r"formula|none of"):
        GraphDisplay.from_expression(expression, u=1.0)


def test_network_display():
    X, y = load_iris(return_X_y=True, as_frame=True)
    model = MLPGD((5,), n_ensemble=1, max_iter=3, random_state=0).fit(X, y)
    display = NetworkDisplay.from_estimator(model, X.iloc[:1])
    assert display.input_names == list(X.columns)
    assert display.output_names == ["0", "1", "2"]
    values = display.activations[0]
    assert_allclose(values[1], model.activations(X.iloc[:1])[1][0])
    assert_allclose(values[2], model.predict_proba(X.iloc[:1])[0])
    lines = display.ax_.collections[0]
    W = model.coefs_[0]
    assert_allclose(
        lines.get_linewidths(), 4.5 * np.abs(W).ravel() / np.abs(W).max(), rtol=1e-6
    )


def test_network_display_of_a_training():
    X, y = load_iris(return_X_y=True)
    model = make_pipeline(
        StandardScaler(),
        MLPGD((20,), n_ensemble=1, max_iter=3, random_state=0),
    )
    display = NetworkDisplay.from_training(model, X, y, max_steps=10)
    assert len(display.weights) == display.n_frames
    moved = display.weights[0][0] - display.weights[-1][0]
    assert np.abs(moved).max() > 0
    display.show_frame(0)
    assert display.ax_.get_title() == "0 updates"
    with pytest.raises(ValueError, match="Only an MLPGD"):
        NetworkDisplay.from_estimator(regressor().fit(X3, Y3))


@pytest.mark.parametrize("suffix", ["gif", "html"])
def test_the_new_displays_move(suffix, tmp_path):
    display = FunctionDisplay.from_descent(
        lambda x: (x - 3) ** 2, -2.0, lr=0.1, max_iter=2, grid_resolution=20
    )
    animate(display, tmp_path / f"film.{suffix}", dpi=30)
    assert (tmp_path / f"film.{suffix}").stat().st_size > 1000


def test_mp4_without_ffmpeg_says_so(tmp_path, monkeypatch):
    from matplotlib.animation import FFMpegWriter

    monkeypatch.setattr(FFMpegWriter, "isAvailable", classmethod(lambda cls: False))
    display = FunctionDisplay.from_descent(lambda x: x * x, 1.0, lr=0.1, max_iter=1)
    with pytest.raises(RuntimeError, match="ffmpeg"):
        animate(display, tmp_path / "film.mp4")


@pytest.mark.parametrize("kind", [CostSurfaceDisplay, DescentDisplay])
def test_a_weight_that_stays_has_room_around_it(kind):
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    # The column is centred: the intercept is at its best from the start.
    display = kind.from_estimator(GDRegressor(), X[["bmi"]], y, grid_resolution=5)
    x = display.x if kind is CostSurfaceDisplay else display.grid[0]
    assert x[0] < y.mean() < x[-1]
    assert np.ptp(x) > 50
    assert np.ptp(display.cost) > 1


def test_a_path_ends_where_the_fit_does():
    X, y = load_iris(return_X_y=True)
    model = GDClassifier(solver="batch", max_iter=5, tol=None)
    fitted = clone(model).fit(X, y)
    walked = walk(model, X, y)
    assert_array_equal(
        walked.points[-1], np.append(fitted.coef_.ravel(), fitted.intercept_)
    )
