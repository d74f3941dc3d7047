"""Passive-aggressive steps beside scikit-learn's, and beside a slow loop of their own.

Where there are several outputs or rows in an update, scikit-learn has no counterpart.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.linear_model import SGDClassifier, SGDRegressor

from skgd import MLPGD, GDClassifier, GDRegressor
from skgd.losses import EpsilonInsensitive
from skgd.optimizers import PA1, PA2
from skgd.pipeline import make_streaming_pipeline
from skgd.schedules import Step

PLAIN = {"shuffle": False, "penalty": None, "max_iter": 3, "tol": None}
RULES = "pa1", "pa2"
LAYOUTS = np.asarray, sparse.csr_matrix


def table(n=40, d=5, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * (rng.random((n, d)) < 0.7)
    y = X @ rng.normal(size=d) + 0.3 * rng.normal(size=n)
    weights = rng.uniform(0.5, 1.5, size=n)
    return X, y, weights / weights.mean()


def length(rule, C, loss, squares):
    """The closed form; a row without features has a step of C, or of 2 C loss."""
    if rule == "pa2":
        return loss / (squares + 0.5 / C)
    return C if loss >= C * squares else loss / squares


def slow_loop(
    rule, X, Y, C, *, derivatives, size=1, epochs=3, alpha=0.0, bias=1.0, factors=None
):
    """Mean steps of `size` rows at a time, one output after the other."""
    W, b = np.zeros((X.shape[1], Y.shape[1])), np.zeros(Y.shape[1])
    for epoch in range(epochs):
        factor = 1.0 if factors is None else factors[epoch]
        for start in range(0, len(X), size):
            batch = slice(start, start + size)
            step, shift = np.zeros_like(W), np.zeros_like(b)
            for x, row in zip(X[batch], Y[batch], strict=True):
                for k, target in enumerate(row):
                    loss, slope = derivatives(target, x @ W[:, k] + b[k])
                    if slope:
                        tau = length(rule, C, loss, x @ x) * slope
                        step[:, k] += tau * x
                        shift[k] += tau
            n = len(X[batch])
            W = W - factor * (step / n + C * alpha * W)
            b = b - factor * bias * shift / n
    return W, b


def hinge(y, z):
    return max(0.0, 1 - y * z), -y if y * z <= 1 else 0.0


def tube(y, z):
    r = z - y
    return max(0.0, abs(r) - 0.1), np.sign(r) if abs(r) > 0.1 else 0.0


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("C", [0.01, 0.3, 5.0])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_classifier_is_that_of_scikit_learn(rule, layout, C, dtype):
    X, y, weights = table()
    X, y = layout(X.astype(dtype)), (y > 0).astype(int)
    theirs = SGDClassifier("hinge", learning_rate=rule, eta0=C, **PLAIN)
    # Its intercept moves by a hundredth on sparse rows.
    intercept = layout is np.asarray
    theirs.set_params(fit_intercept=intercept).fit(X, y, sample_weight=weights)
    ours = GDClassifier("hinge", solver="sgd", optimizer=rule, lr=C, **PLAIN)
    ours.set_params(fit_intercept=intercept).fit(X, y, sample_weight=weights)
    rtol = 1e-9 if dtype == np.float64 else 2e-4
    assert_allclose(ours.coef_, theirs.coef_, rtol=rtol, atol=rtol)
    assert_allclose(ours.intercept_, theirs.intercept_, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("C", [0.01, 0.3, 5.0])
def test_regressor_is_that_of_scikit_learn(rule, layout, C):
    X, y, _ = table()
    # Steps that are hardly bounded overshoot by what the intercept moves.
    intercept = layout is np.asarray and C < 1
    settings = PLAIN | {"fit_intercept": intercept}
    theirs = SGDRegressor(
        "epsilon_insensitive", epsilon=0.1, learning_rate=rule, eta0=C, **settings
    ).fit(layout(X), y)
    ours = GDRegressor(
        EpsilonInsensitive(0.1), solver="sgd", optimizer=rule, lr=C, **settings
    ).fit(layout(X), y)
    assert_allclose(ours.coef_, theirs.coef_, rtol=1e-9, atol=1e-12)
    assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("average", [True, 7])
def test_average_and_penalty_are_those_of_scikit_learn(rule, average):
    X, y, _ = table()
    y = (y > 0).astype(int)
    settings = PLAIN | {"penalty": "l2", "alpha": 0.01, "average": average}
    theirs = SGDClassifier("hinge", learning_rate=rule, eta0=0.5, **settings)
    ours = GDClassifier("hinge", solver="sgd", optimizer=rule, lr=0.5, **settings)
    assert_allclose(ours.fit(X, y).coef_, theirs.fit(X, y).coef_, rtol=1e-9)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [1, 7])
@pytest.mark.parametrize("alpha", [0.0, 0.02])
def test_several_classes_and_rows(rule, layout, size, alpha):
    X, y, _ = table(n=60)
    labels = np.digitize(y, [-1, 1])
    ours = GDClassifier(
        "hinge",
        solver="minibatch",
        batch_size=size,
        optimizer=rule,
        lr=0.4,
        **PLAIN | {"penalty": "l2", "alpha": alpha},
    ).fit(layout(X), labels)
    Y = np.where(labels[:, None] == np.arange(3), 1.0, -1.0)
    W, b = slow_loop(rule, X, Y, 0.4, derivatives=hinge, size=size, alpha=alpha)
    assert_allclose(ours.coef_, W.T, rtol=1e-9, atol=1e-12)
    assert_allclose(ours.intercept_, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_several_targets_and_a_schedule(rule, layout):
    X, y, _ = table()
    Y = np.column_stack([y, -2 * y + 1])
    ours = GDRegressor(
        "epsilon_insensitive",
        solver="sgd",
        optimizer=rule,
        lr=0.4,
        lr_schedule=Step(step_size=1, gamma=0.5),
        **PLAIN,
    ).fit(layout(X), Y)
    W, b = slow_loop(rule, X, Y, 0.4, derivatives=tube, factors=[1, 0.5, 0.25])
    assert_allclose(ours.coef_, W.T, rtol=1e-9, atol=1e-12)
    assert_allclose(ours.intercept_, b, rtol=1e-9, atol=1e-12)
    assert_allclose(ours.history_["lr"], [0.4, 0.2, 0.1])


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_streams_and_calls_are_the_same(rule, layout):
    X, y, _ = table()
    X, y = layout(X), (y > 0).astype(int)

    def make():
        return GDClassifier(
            "hinge", solver="sgd", optimizer=rule, lr=0.3, **PLAIN | {"max_iter": 1}
        )

    fitted = make().fit(X, y)
    single, streamed = make(), make()
    for i in range(len(y)):
        single.partial_fit(X[i : i + 1], y[i : i + 1], classes=[0, 1])
    streamed.fit_batches(lambda: iter([(X[:9], y[:9]), (X[9:], y[9:])]))
    in_a_pipeline = make_streaming_pipeline(make()).fit_batches([(X, y)])
    for model in (single, streamed, in_a_pipeline[-1]):
        assert_array_equal(model.coef_, fitted.coef_)
        assert_array_equal(model.intercept_, fitted.intercept_)


def test_stored_duplicates_are_one_entry():
    X = sparse.csr_matrix(
        (np.array([1.0, 2.0, 1.0]), np.array([0, 0, 1]), np.array([0, 2, 3]))
    )
    models = [
        GDClassifier("hinge", solver="sgd", optimizer="pa1", lr=9.0, **PLAIN).fit(
            rows, [0, 1]
        )
        for rows in (X, X.toarray())
    ]
    assert_allclose(models[0].coef_, models[1].coef_)


def test_a_row_without_features_moves_the_intercept_by_c():
    X, y = np.zeros((1, 2)), [1.0]
    for rule, moved in ((PA1(), 0.3), (PA2(), 2 * 0.3 * 0.9)):
        model = GDRegressor(
            "epsilon_insensitive",
            solver="sgd",
            optimizer=rule,
            lr=0.3,
            **PLAIN | {"max_iter": 1},
        ).fit(X, y)
        assert model.intercept_ == pytest.approx(moved)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_where_they_cannot_be_used(rule, layout):
    X, y, _ = table()
    X, labels = layout(X), (y > 0).astype(int)

    def hinge_with(**others):
        return GDClassifier(**{"loss": "hinge", "optimizer": rule, "lr": 1.0, **others})

    with pytest.raises(ValueError, match=f"'{rule}' makes a step for each row"):
        hinge_with(solver="batch").fit(X, labels)
    with pytest.raises(ValueError, match="lr is C"):
        hinge_with(lr="auto").fit(X, labels)
    with pytest.raises(ValueError, match="lr is C"):
        hinge_with(lr="auto").partial_fit(X, labels, classes=[0, 1])
    with pytest.raises(ValueError, match="got SquaredHinge"):
        hinge_with(loss="squared_hinge").fit(X, labels)
    with pytest.raises(ValueError, match="got LogLoss"):
        hinge_with(loss="log_loss").fit(X, np.arange(40) % 3)
    with pytest.raises(ValueError, match="got SquaredError"):
        GDRegressor(optimizer=rule, lr=1.0).fit(X, y)
    with pytest.raises(ValueError, match="of a linear model"):
        MLPGD(optimizer=rule, lr=1.0, loss="squared_error").fit(X, y)
