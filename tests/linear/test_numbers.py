"""Small problems worked out digit by digit, to the digits given.

A rate on a sum of squares over n rows is 2n times larger here, where the loss is half
the mean square; one on a mean of squares is 2 times larger.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import Perceptron

from skgd import DivergenceWarning, GDClassifier, GDRegressor
from skgd.losses import LogLoss
from skgd.optimizers import Momentum

# Weight and height of three animals.
X = np.array([[0.5], [2.3], [2.9]])
Y = np.array([1.4, 1.9, 3.2])
N = len(Y)
LEAST_SQUARES = np.array([0.948718, 0.641026])  # intercept, slope


def path(model, X, y, n_epochs, coef, intercept):
    """(intercept, slope) at the start and after each epoch."""
    model.set_params(max_iter=1, tol=None, warm_start=True, penalty=None)
    points = [(intercept, coef)]
    init = {"coef_init": [coef], "intercept_init": [intercept]}
    for _ in range(n_epochs):
        model.fit(X, y, **init)
        points.append((model.intercept_[0], model.coef_[0]))
        init = {}
    return np.array(points)


def sum_of_squares(points):
    return np.array([np.sum((Y - b - w * X[:, 0]) ** 2) for b, w in points])


def fit(model, coef, intercept):
    """(intercept, slope) after all epochs of one fit."""
    model.set_params(tol=None, penalty=None)
    model.fit(X, Y, coef_init=[coef], intercept_init=[intercept])
    return np.array([model.intercept_[0], model.coef_[0]])


def test_intercept_alone():
    """The slope stays at 0.64 because the feature is not shown."""
    model = GDRegressor(solver="batch", lr=0.1 * 2 * N)
    target = Y - 0.64 * X[:, 0]
    points = path(model, np.zeros((N, 1)), target, 7, 0.0, 0.0)
    intercepts = points[:, 0]
    expected = [0, 0.5704, 0.79856, 0.889824, 0.9263296, 0.940932, 0.946773, 0.949109]
    assert_allclose(intercepts[:5], expected[:5], rtol=0, atol=5e-8)
    assert_allclose(intercepts[5:], expected[5:], rtol=0, atol=5e-7)
    slopes = np.diff(intercepts)[:4] / -0.1
    assert_allclose(slopes, [-5.704, -2.2816, -0.91264, -0.365056], rtol=0, atol=5e-7)
    points[:, 1] = 0.64
    assert_allclose(
        sum_of_squares(points[:4]),
        [3.15592, 0.878427, 0.514028, 0.455724],
        rtol=0,
        atol=5e-7,
    )
    # The curve of the fit is half the mean of the squares.
    model = GDRegressor(solver="batch", lr=0.1 * 2 * N, max_iter=4, tol=None)
    model.fit(np.zeros((N, 1)), target)
    assert_allclose(
        2 * N * np.array(model.loss_curve_),
        [3.15592, 0.878427, 0.514028, 0.455724],
        rtol=0,
        atol=5e-7,
    )


def test_intercept_and_slope():
    model = GDRegressor(solver="batch", lr=0.01 * 2 * N)
    points = path(model, X, Y, 4, 1.0, 0.0)
    assert_allclose((points[0] - points[1]) / 0.01, [-1.6, -0.8], rtol=0, atol=1e-12)
    assert_allclose(
        points[1:],
        [
            (0.016, 1.008),
            (0.030128, 1.011944),
            (0.042959, 1.013177),
            (0.054879, 1.012603),
        ],
        rtol=0,
        atol=5e-7,
    )


@pytest.mark.parametrize(
    "n_epochs, expected",
    [
        (10, (0.117256, 0.994420)),
        (100, (0.653348, 0.766870)),
        (1000, (0.948708, 0.641030)),
        (5000, LEAST_SQUARES),
    ],
)
def test_intercept_and_slope_after_many_epochs(n_epochs, expected):
    model = GDRegressor(solver="batch", lr=0.01 * 2 * N, max_iter=n_epochs)
    point = fit(model, 1.0, 0.0)
    assert_allclose(point, expected, rtol=0, atol=5e-7)
    if n_epochs == 5000:
        assert_allclose(sum_of_squares([point]), 0.444615, rtol=0, atol=5e-7)


def test_the_step_falls_below_a_thousandth_far_from_the_optimum():
    model = GDRegressor(solver="batch", lr=0.01 * 2 * N)
    points = path(model, X, Y, 210, 1.0, 0.0)
    steps = np.abs(np.diff(points, axis=0)).max(axis=1)
    # steps[k] leads from point k to point k + 1.
    k = np.flatnonzero(steps <= 0.001)[0]
    assert k == 206
    assert_allclose(points[k], (0.861, 0.678), rtol=0, atol=5e-4)


def test_a_rate_above_the_stable_one_warns_and_names_it():
    """2/L with L = 32.757040 on the sum of squares is 0.061056 * 2n here."""
    model = GDRegressor(solver="batch", lr=0.1 * 2 * N, max_iter=1000, tol=None)
    with pytest.warns(DivergenceWarning, match=r"lr=0\.6") as caught:
        model.fit(X, Y, coef_init=[1.0], intercept_init=[0.0])
    assert model.stop_reason_ == "diverged"
    assert np.isfinite(model.score(X, Y))
    message = str(caught[0].message)
    stable = float(message.split("stable below about lr=")[1].split(". ")[0])
    # An estimate from below; two digits are printed.
    assert 0.9 * 0.061056 * 2 * N < stable <= 0.061056 * 2 * N * 1.01


@pytest.mark.parametrize("share", [0.99, 1.01])
def test_the_stable_rate_is_where_divergence_begins(share):
    rate = share * 0.061056 * 2 * N
    model = GDRegressor(solver="batch", lr=rate, max_iter=3000, tol=None)
    if share < 1:
        point = fit(model, 1.0, 0.0)
        assert_allclose(point, LEAST_SQUARES, rtol=0, atol=1e-5)
    else:
        with pytest.warns(DivergenceWarning):
            fit(model, 1.0, 0.0)


def test_one_row_per_step():
    """Rate 0.01 on the squared residual, the rows in order."""
    expected = [
        (0.018, 1.009),
        (0.009226, 0.9888198),
        (0.0156899316, 1.0075652016),
    ]
    for n_rows in (1, 2, 3):
        model = GDRegressor(
            solver="sgd", lr=0.02, shuffle=False, max_iter=1, tol=None, penalty=None
        )
        model.fit(X[:n_rows], Y[:n_rows], coef_init=[1.0], intercept_init=[0.0])
        point = (model.intercept_[0], model.coef_[0])
        assert_allclose(point, expected[n_rows - 1], rtol=0, atol=5e-11)


# Best plain rate and best momentum on that problem, from its eigenvalues.
SMALL, LARGE = 1.142960, 32.757040
BEST_PLAIN = 2 / (SMALL + LARGE)
BEST_RATE = (2 / (SMALL**0.5 + LARGE**0.5)) ** 2
BEST_MOMENTUM = ((LARGE**0.5 - SMALL**0.5) / (LARGE**0.5 + SMALL**0.5)) ** 2


@pytest.mark.parametrize(
    "optimizer, rate, errors",
    [
        ("gd", BEST_PLAIN, (0.946, 0.715, 0.505, 0.251, 0.0621, 0.0154)),
        (
            Momentum(BEST_MOMENTUM),
            BEST_RATE,
            (0.916, 0.398, 0.0974, 0.00392, 3.8e-6, 2.9e-9),
        ),
    ],
    ids=["plain", "momentum"],
)
def test_momentum_gets_there_sooner(optimizer, rate, errors):
    design = np.column_stack([np.ones(N), X])
    assert_allclose(
        np.linalg.eigvalsh(2 * design.T @ design), [SMALL, LARGE], rtol=0, atol=5e-7
    )
    optimum = np.linalg.lstsq(design, Y)[0]
    assert_allclose(optimum, LEAST_SQUARES, rtol=0, atol=5e-7)
    model = GDRegressor(solver="batch", lr=rate * 2 * N, optimizer=optimizer)
    points = path(model, X, Y, 60, 1.0, 0.0)
    found = np.linalg.norm(points - optimum, axis=1)[[1, 5, 10, 20, 40, 60]]
    digits = [float(f"{value:.3g}") for value in found]
    # The figures have three digits, the last two of the second row have two.
    assert_allclose(digits, errors, rtol=2e-2 if rate == BEST_RATE else 2e-3)


def test_slope_alone():
    x = np.arange(-30, 30)[:, None] / 10
    model = GDRegressor(solver="batch", lr=0.2, fit_intercept=False)
    points = path(model, x, -3 * x[:, 0], 4, -10.0, 0.0)
    slopes = points[:, 1]
    assert_allclose(
        slopes, [-10, -5.797667, -4.118134, -3.446881, -3.178603], rtol=0, atol=5e-7
    )
    errors = [np.mean((w * x[:, 0] + 3 * x[:, 0]) ** 2) for w in slopes]
    expected = [147.081667, 23.493861, 3.752755, 0.599441, 0.095751]
    assert_allclose(errors, expected, rtol=0, atol=5e-7)
    model = GDRegressor(
        solver="batch", lr=0.2, fit_intercept=False, max_iter=5, tol=None
    )
    model.fit(x, -3 * x[:, 0], coef_init=[-10.0])
    assert_allclose(2 * np.array(model.loss_curve_), expected, rtol=0, atol=5e-7)


@pytest.mark.parametrize(
    "labels, probabilities, total",
    [
        ((1, 1, 0), (0.8, 0.7, 0.1), 0.685179),
        ((1, 0, 1, 1), (0.4, 0.6, 0.1, 0.5), 4.828314),
    ],
)
def test_cross_entropy(labels, probabilities, total):
    labels, probabilities = np.array(labels), np.array(probabilities)
    scores = np.log(probabilities / (1 - probabilities))
    found = LogLoss().value(2 * labels - 1, scores).sum()
    assert_allclose(found, total, rtol=0, atol=5e-7)
    # And as the objective of a fit that starts at these scores.
    model = GDClassifier(solver="batch", lr=1e-3, max_iter=1, tol=None, penalty=None)
    model.fit(np.diag(scores), labels, coef_init=np.ones(len(scores)))
    assert_allclose(len(labels) * model.loss_curve_[0], total, rtol=0, atol=5e-7)


def test_perceptron_learns_the_and_gate():
    X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    y = np.array([0, 0, 0, 1])
    model = GDClassifier(
        loss="perceptron", solver="sgd", lr=1, penalty=None, shuffle=False, tol=None
    )
    model.set_params(max_iter=100).fit(X, y)
    assert model.coef_.tolist() == [[3, 2]]
    assert model.intercept_.tolist() == [-4]
    rival = Perceptron(shuffle=False, tol=None, max_iter=100).fit(X, y)
    assert (model.coef_ == rival.coef_).all()
    assert model.intercept_ == rival.intercept_
    assert model.predict(X).tolist() == y.tolist()
