"""The course: each topic in at most ten lines of public names, with its numbers."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import Perceptron
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

import skgd
from skgd import MLPGD, GDClassifier, GDRegressor, gradient_descent
from skgd.callbacks import StepRecorder
from skgd.losses import LogLoss
from skgd.optimizers import Momentum
from skgd.pipeline import make_streaming_pipeline

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# Weight and height of three people.
WEIGHT = np.array([[0.5], [2.3], [2.9]])
HEIGHT = np.array([1.4, 1.9, 3.2])


@pytest.fixture
def display():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    yield skgd.display
    plt.close("all")


def test_parabola_derivative_and_steps(display):
    picture = display.FunctionDisplay.from_descent(
        lambda x: (x - 3) ** 2, -2.0, lr=0.1, max_iter=4
    )
    assert_allclose(picture.points, [-2, -1, -0.2, 0.44, 0.952])
    assert_allclose(picture.slopes, 2 * (picture.points - 3))


def test_too_small_good_too_large():
    def left(lr):
        path = gradient_descent(lambda x: (x - 3) ** 2, -2.0, lr=lr, max_iter=10).path
        return abs(path[-1] - 3)

    assert left(0.01) > 4 and left(0.3) < 1e-3
    with pytest.warns(skgd.DivergenceWarning, match="stable below about lr=1"):
        gradient_descent(lambda x: (x - 3) ** 2, -2.0, lr=1.1)


def test_other_functions_and_their_derivatives(display):
    square = display.FunctionDisplay.from_function(
        lambda x: x**2 + 2 * x + 1, xlim=(-4, 2), at=[-3, -1, 0, 1]
    )
    assert_allclose(square.slopes, [-4, 0, 2, 4], atol=1e-12)
    relu = display.FunctionDisplay.from_function(
        lambda x: np.maximum(0, x), xlim=(-3, 3), at=[-2, -1, 1, 2]
    )
    assert_allclose(relu.slopes, [0, 0, 1, 1])
    partial = display.FunctionDisplay.from_function(
        lambda w: w[0] * w[1] + w[0] ** 2, xlim=(-2, 2), ylim=(-2, 2), at=[(1, 2)]
    )
    assert_allclose(partial.slopes, [[2 + 2 * 1, 1]])


def test_forward_loss_backward_step(display):
    weights = {"w1": 3, "w2": 4, "w3": 5}
    graph = display.GraphDisplay.from_expression("(w2 - 2 * w1) * w3", **weights)
    assert graph.value == -10
    assert list(graph.derivatives.values()) == [-10, 5, -2]
    loss = display.GraphDisplay.from_expression(
        "abs(10 - (w2 - 2 * w1) * w3)", **weights
    )
    after = loss.step(0.01)
    assert_allclose(list(after.variables.values()), [2.9, 4.05, 4.98])
    assert after.value == pytest.approx(10 + 8.715)
    # The weights as the course writes them, with one decimal.
    course = display.GraphDisplay.from_expression(
        "(w2 - 2 * w1) * w3", w1=2.9, w2=4.1, w3=4.9
    )
    assert course.value == pytest.approx(-8.33)


def test_slope_only_line_and_cost(display):
    x = np.arange(-3, 3, 0.1)[:, None]
    model = GDRegressor(
        solver="batch", lr=2 * 0.1, max_iter=4, tol=None, fit_intercept=False
    )
    picture = display.DescentDisplay.from_estimator(
        model, x, -3 * x[:, 0], fit_params={"coef_init": [-10]}
    )
    slopes = [-10, -5.797667, -4.118134, -3.446881, -3.178603]
    costs = [147.081667, 23.493861, 3.752755, 0.599441, 0.095751]
    assert_allclose(picture.points[:, 0], slopes, atol=1e-6)
    assert_allclose(2 * picture.costs, costs, atol=1e-6)


def test_slope_and_intercept(display):
    model = GDRegressor(solver="batch", lr=6 * 0.01, max_iter=4, tol=None)
    start = {"coef_init": [1], "intercept_init": [0]}
    picture = display.DescentDisplay.from_estimator(
        model, WEIGHT, HEIGHT, fit_params=start, kind="surface"
    )
    path = [
        (0, 1),
        (0.016, 1.008),
        (0.030128, 1.011944),
        (0.042959, 1.013177),
        (0.054879, 1.012603),
    ]
    assert_allclose(picture.points, path, atol=1e-6)
    model.set_params(max_iter=1, lr=1e-300).fit(WEIGHT, HEIGHT, **start)
    _, slope, intercept = model.gradient(WEIGHT, HEIGHT)
    assert_allclose([6 * intercept[0], 6 * slope[0]], [-1.6, -0.8])


@pytest.mark.parametrize(("size", "per_epoch"), [(1, 442), (32, 14), (442, 1)])
def test_epochs_iterations_and_batch_size(size, per_epoch):
    X = np.random.default_rng(0).normal(size=(442, 2))
    recorder = StepRecorder()
    model = GDRegressor(batch_size=size, lr=0.01, max_iter=3, tol=None)
    model.set_callbacks(recorder).fit(X, X[:, 0])
    assert (model.n_iter_, model.t_) == (3, 3 * per_epoch)
    assert recorder.steps == list(range(3 * per_epoch + 1))


def test_cost_of_small_batches_fluctuates():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    y = X @ [1, 2, 3] + rng.normal(size=400)

    def rises(size):
        recorder = StepRecorder()
        model = GDRegressor(
            batch_size=size, lr=0.02, max_iter=20, tol=None, random_state=0
        )
        model.set_callbacks(recorder).fit(X, y)
        return np.mean(np.diff(recorder.losses[1:]) > 0)

    assert rises(400) == 0
    assert 0 < rises(40) <= rises(4) + 0.05
    assert rises(1) > 0.4


@pytest.mark.parametrize(
    ("gate", "right"), [([0, 0, 0, 1], 1), ([0, 1, 1, 1], 1), ([0, 1, 1, 0], 0)]
)
def test_perceptron_on_gates(gate, right):
    X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    model = GDClassifier(
        "perceptron",
        solver="sgd",
        lr=1,
        penalty=None,
        shuffle=False,
        tol=None,
        max_iter=30,
    ).fit(X, gate)
    assert (model.score(X, gate) == 1) == bool(right)
    if right:
        other = Perceptron(shuffle=False, tol=None, max_iter=30).fit(X, gate)
        assert_array_equal(model.coef_, other.coef_)
        assert_array_equal(model.intercept_, other.intercept_)


def test_a_hidden_layer_learns_xor():
    X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), [0, 1, 1, 0]
    model = MLPGD(
        hidden_layer_sizes=(4,),
        activation="tanh",
        alpha=0,
        max_iter=200,
        random_state=0,
    ).fit(X, y)
    assert model.score(X, y) == 1


def test_cross_entropy():
    def total(y, p):
        score = np.log(p) - np.log1p(-np.asarray(p))
        return LogLoss().value(np.where(y, 1.0, -1.0), score).sum()

    assert total([1, 1, 0], [0.8, 0.7, 0.1]) == pytest.approx(0.685179, abs=1e-6)
    p = [0.4, 0.6, 0.1, 0.5]
    assert total([1, 0, 1, 1], p) == pytest.approx(4.828314, abs=1e-6)


def test_feedforward_and_diagram(display):
    X = np.random.default_rng(0).normal(size=(50, 3))
    model = MLPGD(
        (4,), activation="sigmoid", n_ensemble=1, max_iter=5, random_state=0
    ).fit(X, X[:, 0] > 0)
    _, hidden, scores = model.activations(X)
    by_hand = 1 / (1 + np.exp(-(X @ model.coefs_[0] + model.intercepts_[0])))
    assert_allclose(hidden, by_hand)
    assert_allclose(scores, hidden @ model.coefs_[1] + model.intercepts_[1])
    picture = display.NetworkDisplay.from_estimator(model, X[:1])
    assert_allclose(picture.activations[0][1], hidden[0])
    assert_allclose(picture.activations[0][2], model.predict_proba(X[:1])[0, 1:])


def test_momentum_on_the_three_points():
    A = np.column_stack([np.ones(3), WEIGHT])
    best = np.linalg.lstsq(A, HEIGHT, rcond=None)[0]

    def errors(rule, lr):
        path = gradient_descent(
            lambda w: np.sum((A @ w - HEIGHT) ** 2),
            [0.0, 1.0],
            optimizer=rule,
            lr=lr,
            max_iter=60,
            tol=None,
        ).path
        return np.linalg.norm(path - best, axis=1)[[1, 5, 10, 20]]

    plain = errors("gd", 0.058997)
    assert_allclose(plain, [0.946, 0.715, 0.505, 0.251], atol=1e-3)
    heavy = errors(Momentum(0.469516), 0.086697)
    assert_allclose(heavy, [0.916, 0.398, 0.0974, 0.00392], atol=1e-3)


def test_a_dataset_with_transforms_is_a_stream_through_a_pipeline():
    rng = np.random.default_rng(0)
    X = rng.normal(3, 5, size=(120, 2))
    y = (X[:, 0] * X[:, 1] > 9).astype(int)

    class Pairs:
        """As of PyTorch: a length and numbered items."""

        def __len__(self):
            return len(X)

        def __getitem__(self, i):
            return X[i], y[i]

    def batches(dataset=Pairs(), size=25):  # noqa: B008
        for start in range(0, len(dataset), size):
            items = [dataset[i] for i in range(start, min(start + size, len(dataset)))]
            yield tuple(np.array(part) for part in zip(*items, strict=True))

    def steps():
        squares = PolynomialFeatures(2).fit(X[:1])
        model = GDClassifier(solver="batch", lr=0.5, max_iter=60, tol=None)
        return StandardScaler(), squares, model

    streamed = make_streaming_pipeline(*steps()).fit_batches(batches)
    whole = make_pipeline(*steps()).fit(X, y)
    assert_allclose(streamed[-1].coef_, whole[-1].coef_, rtol=1e-9)
    assert streamed.score(X, y) == whole.score(X, y) > 0.9
