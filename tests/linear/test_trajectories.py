"""Every update as the formulas say: against scikit-learn and a plain NumPy loop.

With a float rate nothing is hidden, so coefficients agree to rounding, step by step.
"""

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose
from rules import OPTIMIZERS
from scipy import sparse
from sklearn.datasets import make_classification, make_regression
from sklearn.linear_model import Perceptron, SGDClassifier, SGDRegressor

from skgd import GDClassifier, GDRegressor, losses, schedules

CLOSE = {"rtol": 1e-10, "atol": 1e-10}

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# ---- scikit-learn --------------------------------------------------------------------


def settings(n_epochs):
    """Of a plain run, for both sides."""
    return {"max_iter": n_epochs, "tol": None, "shuffle": False}


REGRESSION_LOSSES = {
    "squared_error": "squared_error",
    "huber": losses.Huber(epsilon=0.1),
    "epsilon_insensitive": "epsilon_insensitive",
    "squared_epsilon_insensitive": "squared_epsilon_insensitive",
}


@pytest.mark.parametrize("is_sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("penalty", [None, "l2"])
@pytest.mark.parametrize("loss", REGRESSION_LOSSES)
def test_sgd_regressor(loss, penalty, is_sparse):
    X, y = make_regression(60, 5, noise=3.0, random_state=0)
    y /= 50
    if is_sparse:
        X[np.abs(X) < 0.5] = 0.0
        X = sparse.csr_matrix(X)
    rival = SGDRegressor(
        loss=loss,
        penalty=penalty,
        alpha=0.01,
        learning_rate="constant",
        eta0=0.01,
        **settings(7),
    )
    if is_sparse:
        # For sparse input the intercept of SGDRegressor learns at a hundredth of the
        # rate, so only models without one are comparable.
        rival.set_params(fit_intercept=False)
    rival.fit(X, y)
    model = GDRegressor(
        REGRESSION_LOSSES[loss],
        solver="sgd",
        penalty=penalty,
        alpha=0.01,
        lr=0.01,
        fit_intercept=not is_sparse,
        **settings(7),
    ).fit(X, y)
    assert_allclose(model.coef_, rival.coef_, **CLOSE)
    assert_allclose(model.intercept_, rival.intercept_, **CLOSE)
    assert model.t_ == rival.t_ - 1  # theirs is the number of the next update


CLASSIFICATION_LOSSES = (
    "log_loss",
    "hinge",
    "squared_hinge",
    "modified_huber",
    "perceptron",
    "squared_error",
)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("loss", CLASSIFICATION_LOSSES)
def test_sgd_classifier(loss, n_classes):
    """Binary always; several classes for the losses that train one against the rest."""
    X, y = make_classification(
        80, 6, n_informative=4, n_classes=n_classes, random_state=1
    )
    common = {"penalty": "l2", "alpha": 0.01, **settings(5)}
    model = GDClassifier(loss, solver="sgd", lr=0.01, **common).fit(X, y)
    if loss == "log_loss" and n_classes > 2:
        # Softmax there: see the plain loop below. One against the rest is not that.
        assert not np.allclose(
            model.coef_,
            SGDClassifier("log_loss", learning_rate="constant", eta0=0.01, **common)
            .fit(X, y)
            .coef_,
            rtol=1e-3,
        )
        return
    rival = SGDClassifier(loss, learning_rate="constant", eta0=0.01, **common).fit(X, y)
    assert_allclose(model.coef_, rival.coef_, **CLOSE)
    assert_allclose(model.intercept_, rival.intercept_, **CLOSE)
    assert_allclose(model.decision_function(X), rival.decision_function(X), **CLOSE)
    assert (model.predict(X) == rival.predict(X)).all()


@pytest.mark.parametrize(
    "n_classes, class_weight", [(2, None), (4, None), (2, "balanced")]
)
def test_perceptron(n_classes, class_weight):
    """With more classes, `Perceptron` weights only the class of its own output."""
    X, y = make_classification(
        100, 5, n_informative=4, n_redundant=0, n_classes=n_classes, random_state=2
    )
    rival = Perceptron(class_weight=class_weight, **settings(6)).fit(X, y)
    model = GDClassifier(
        "perceptron",
        solver="sgd",
        lr=1.0,
        penalty=None,
        class_weight=class_weight,
        **settings(6),
    ).fit(X, y)
    # "balanced" weights have mean 1 over the rows, so scaling them changes nothing.
    assert_allclose(model.coef_, rival.coef_, **CLOSE)
    assert_allclose(model.intercept_, rival.intercept_, **CLOSE)


def test_averaging_of_sgd_regressor():
    X, y = make_regression(50, 4, noise=3.0, random_state=3)
    common = {"penalty": "l2", "alpha": 0.01, "average": 20, **settings(3)}
    rival = SGDRegressor(learning_rate="constant", eta0=0.001, **common).fit(X, y)
    model = GDRegressor(solver="sgd", lr=0.001, **common).fit(X, y)
    assert_allclose(model.coef_, rival.coef_, rtol=1e-9)
    assert_allclose(model.intercept_, rival.intercept_, rtol=1e-9)


def test_inverse_scaling_of_sgd_regressor():
    X, y = make_regression(50, 4, noise=3.0, random_state=3)
    common = {"penalty": "l2", "alpha": 0.01, **settings(4)}
    rival = SGDRegressor(
        learning_rate="invscaling", eta0=0.01, power_t=0.25, **common
    ).fit(X, y)
    model = GDRegressor(
        solver="sgd", lr=0.01, lr_schedule=schedules.InverseScaling(0.25), **common
    ).fit(X, y)
    assert_allclose(model.coef_, rival.coef_, **CLOSE)


# ---- one algorithm -------------------------------------------------------------------


@pytest.mark.parametrize("is_sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("optimizer", ["gd", "momentum", "adam"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_three_solvers_are_one_algorithm(n_classes, optimizer, is_sparse):
    X, y = make_classification(
        70, 6, n_informative=4, n_classes=n_classes, random_state=4
    )
    X = sparse.csr_array(X) if is_sparse else X

    def coefficients(**kind):
        model = GDClassifier(
            lr=0.03,
            optimizer=optimizer,
            penalty="elasticnet",
            alpha=0.01,
            average=5,
            random_state=7,
            max_iter=4,
            tol=None,
            **kind,
        ).fit(X, y)
        return np.append(model.coef_, model.intercept_)

    one = coefficients(solver="minibatch", batch_size=1)
    assert_allclose(coefficients(solver="sgd"), one, **CLOSE)
    every = coefficients(solver="minibatch", batch_size=70)
    assert_allclose(coefficients(solver="batch"), every, **CLOSE)
    more = coefficients(solver="minibatch", batch_size=1000)
    assert_allclose(coefficients(solver="batch"), more, **CLOSE)
    assert not np.allclose(one, every, rtol=1e-3)


# ---- the plain loop ------------------------------------------------------------------

N_ROWS, N_FEATURES, N_OUTPUTS = 23, 4, 3
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N_ROWS, N_FEATURES)) * (RNG.random((N_ROWS, N_FEATURES)) < 0.6)
WEIGHTS = RNG.choice([0.0, 0.5, 1.0, 3.0], N_ROWS)
REAL = RNG.normal(size=(N_ROWS, N_OUTPUTS)) + 1
LABELS = np.arange(N_ROWS) % N_OUTPUTS
ONE_HOT = np.eye(N_OUTPUTS)[LABELS]
SIGN = np.where(LABELS == 0, -1.0, 1.0)[:, None]

# Name: (estimator, y, targets, loss of the estimator, loss of the plain loop).
OUTPUTS = {
    "one": (GDRegressor, REAL[:, 0], REAL[:, :1], "huber", reference.huber),
    "many": (GDRegressor, REAL, REAL, "squared_error", reference.squared_error),
    "binary": (GDClassifier, LABELS > 0, SIGN, "log_loss", reference.log_loss),
    "one-vs-rest": (
        GDClassifier,
        LABELS,
        2 * ONE_HOT - 1,
        "squared_hinge",
        reference.squared_hinge,
    ),
    "softmax": (
        GDClassifier,
        LABELS,
        ONE_HOT,
        "log_loss",
        reference.softmax_cross_entropy,
    ),
}
SOLVERS = {"sgd": 1, "minibatch": 5, "batch": N_ROWS}


def compare(
    output,
    solver,
    is_sparse,
    *,
    estimator_loss=None,
    loss=None,
    optimizer="gd",
    lr=0.05,
    lr_schedule="constant",
    factor=lambda step, epoch: 1.0,
    penalty=None,
    alpha=0.0,
    l1_ratio=0.3,
    fit_intercept=True,
    average=False,
    clip_norm=None,
    n_epochs=3,
    dtype=np.float64,
):
    """Train both ways from the same start; the coefficients must agree."""
    cls, y, targets, default_loss, plain_loss = OUTPUTS[output]
    rule, plain_rule = OPTIMIZERS[optimizer]
    start = np.random.default_rng(1).normal(size=(N_FEATURES + 1, targets.shape[1]))
    start[-1] *= fit_intercept
    model = cls(
        estimator_loss or default_loss,
        solver=solver,
        batch_size=SOLVERS[solver],
        lr=lr,
        lr_schedule=lr_schedule,
        optimizer=rule,
        penalty=penalty,
        alpha=alpha,
        l1_ratio=l1_ratio,
        fit_intercept=fit_intercept,
        average=average,
        clip_norm=clip_norm,
        **settings(n_epochs),
    )
    share = {None: 0.0, "l2": 0.0, "l1": 1.0, "elasticnet": l1_ratio}[penalty]
    strength = 0.0 if penalty is None else alpha
    model.fit(
        sparse.csr_array(X) if is_sparse else X,
        y,
        sample_weight=WEIGHTS,
        coef_init=start[:-1].T,
        intercept_init=start[-1],
    )
    coef, intercept, objective = reference.train(
        X,
        targets,
        loss or plain_loss,
        batch_size=SOLVERS[solver],
        lr=lr,
        n_epochs=n_epochs,
        rule=plain_rule(),
        factor=factor,
        l1=strength * share,
        l2=strength * (1 - share),
        weights=WEIGHTS,
        start=start,
        fit_intercept=fit_intercept,
        average=average,
        clip_norm=clip_norm,
    )
    assert not np.allclose(coef, start[:-1].T, rtol=1e-3)
    assert_allclose(np.atleast_2d(model.coef_), coef, **CLOSE)
    assert_allclose(model.intercept_, intercept, **CLOSE)
    assert_allclose(model.loss_curve_, objective, **CLOSE)
    assert ((np.atleast_2d(model.coef_) == 0) == (coef == 0)).all()
    return model


paths = [
    pytest.mark.parametrize("is_sparse", [False, True], ids=["dense", "csr"]),
    pytest.mark.parametrize("solver", SOLVERS),
    pytest.mark.parametrize("output", OUTPUTS),
]


def on_every_path(test):
    for mark in paths:
        test = mark(test)
    return test


@on_every_path
@pytest.mark.parametrize("average", [False, True, 7])
@pytest.mark.parametrize("penalty", [None, "l2", "l1", "elasticnet"])
def test_penalties_and_averaging(output, solver, is_sparse, penalty, average):
    compare(output, solver, is_sparse, penalty=penalty, alpha=0.3, average=average)


@on_every_path
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizers(output, solver, is_sparse, optimizer):
    # On sparse rows these take penalties as a flow, and the moments of Adam wait for
    # their features; see test_csr_rules.py.
    few = is_sparse and solver != "batch"
    if few and optimizer in ("adam", "adamw"):
        pytest.skip("moments wait for their features")
    flows = few and optimizer in ("adagrad", "rmsprop")
    compare(
        output,
        solver,
        is_sparse,
        optimizer=optimizer,
        lr={"adadelta": 1.0, "momentum": 0.004, "nesterov": 0.01}.get(optimizer, 0.02),
        penalty=None if flows else "elasticnet",
        alpha=0.1,
    )


@on_every_path
@pytest.mark.parametrize("optimizer", ["gd", "adam"])
def test_clipping(output, solver, is_sparse, optimizer):
    """A bound that some gradients exceed and others do not."""
    clipped = compare(
        output,
        solver,
        is_sparse,
        optimizer=optimizer,
        clip_norm=1.0,
        penalty="l2",
        alpha=0.1,
    )
    free = compare(output, solver, is_sparse, optimizer=optimizer, clip_norm=1e9)
    assert not np.allclose(clipped.coef_, free.coef_)


@on_every_path
def test_without_intercept(output, solver, is_sparse):
    model = compare(
        output, solver, is_sparse, fit_intercept=False, penalty="l1", alpha=0.1
    )
    assert (model.intercept_ == 0).all()


SCHEDULES = {
    "invscaling": lambda step, epoch: (step + 1) ** -0.5,
    "exponential": lambda step, epoch: 0.95**epoch,
    "step": (schedules.Step(2, gamma=0.5), lambda step, epoch: 0.5 ** (epoch // 2)),
    "cosine": lambda step, epoch: 0.5 * (1 + np.cos(np.pi * epoch / 4)),
    "polynomial": lambda step, epoch: 1 - epoch / 4,
    "warmup": (
        schedules.Warmup(steps=3, start_factor=0.25),
        lambda step, epoch: min(1.0, 0.25 + 0.75 * step / 3),
    ),
    "callable": (
        lambda step, epoch: 1 / (1 + step + 10 * epoch),
        lambda step, epoch: 1 / (1 + step + 10 * int(epoch)),
    ),
}


@pytest.mark.parametrize("is_sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(solver, is_sparse, name):
    entry = SCHEDULES[name]
    schedule, factor = entry if isinstance(entry, tuple) else (name, entry)
    model = compare(
        "one",
        solver,
        is_sparse,
        lr_schedule=schedule,
        factor=factor,
        penalty="elasticnet",
        alpha=0.1,
        n_epochs=4,
    )
    last_step = model.t_ - 1
    per_epoch = model.t_ // 4
    last_epoch = 3 + (per_epoch - 1) / per_epoch
    assert model.lr_ == 0.05
    assert_allclose(model.history_["lr"][-1], 0.05 * factor(last_step, last_epoch))


def formula_of(name):
    """(y, z) -> (value, derivative): of ``reference.py``, or else the loss's own code.

    The latter compares the compiled loops with the loss in plain Python.
    """
    own = losses.LOSSES[name]()
    return vars(reference).get(name, lambda y, z: (own.value(y, z), own.gradient(y, z)))


@pytest.mark.parametrize("is_sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", losses.LOSSES)
def test_losses(name, solver, is_sparse, monkeypatch):
    loss = losses.LOSSES[name]
    if "classification" in loss.tasks:
        compare("binary", solver, is_sparse, estimator_loss=name, loss=formula_of(name))
    if "regression" in loss.tasks:
        positive = np.abs(REAL) + 0.1
        entry = (GDRegressor, positive, positive, name, formula_of(name))
        monkeypatch.setitem(OUTPUTS, "positive", entry)
        compare("positive", solver, is_sparse, lr=0.01)


@pytest.mark.parametrize(
    "estimator_loss, loss",
    [
        (losses.Huber(0.3), lambda y, z: reference.huber(y, z, 0.3)),
        (losses.Quantile(0.8), lambda y, z: reference.quantile(y, z, 0.8)),
        (
            losses.EpsilonInsensitive(0.5),
            lambda y, z: reference.epsilon_insensitive(y, z, 0.5),
        ),
    ],
    ids=["huber", "quantile", "epsilon"],
)
def test_constants_of_a_loss_reach_the_kernels(estimator_loss, loss):
    compare("one", "sgd", False, estimator_loss=estimator_loss, loss=loss)


@pytest.mark.parametrize("penalty", ["l2", "elasticnet", "l1"])
@pytest.mark.parametrize("solver, n_epochs", [("sgd", 40), ("minibatch", 170)])
@pytest.mark.parametrize("alpha", [12.0, 30.0], ids=["strong", "overshooting"])
def test_strong_penalties_on_sparse_rows(solver, n_epochs, alpha, penalty):
    """The common factor of the weights underflows, or changes sign, unless minded."""
    compare(
        "one", solver, True, penalty=penalty, alpha=alpha, lr=0.06, n_epochs=n_epochs
    )
