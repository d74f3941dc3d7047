"""Looking inside: gradients and activations of fitted models, and recorded updates."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skgd import MLPGD, GDClassifier, GDRegressor
from skgd._descent.function import central_differences
from skgd.callbacks import Callback, StepRecorder

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
RNG = np.random.default_rng(3)
X = RNG.normal(size=(30, 4))
Y = X @ [1.0, -2.0, 0.0, 0.5] + RNG.normal(size=30)
TARGETS = {
    "regression": Y,
    "two targets": np.column_stack([Y, Y**2]),
    "two classes": np.where(Y > 0, "b", "a"),
    "three classes": np.digitize(Y, [-1.0, 1.0]),
}


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("penalty", [None, "l2", "elasticnet"])
@pytest.mark.parametrize("target", list(TARGETS))
def test_gradient_is_that_of_the_objective(target, penalty, fit_intercept):
    y = TARGETS[target]
    kind = GDClassifier if "classes" in target else GDRegressor
    model = kind(
        penalty=penalty, alpha=0.3, max_iter=2, fit_intercept=fit_intercept
    ).fit(X, y)
    weights = RNG.uniform(0.5, 2.0, size=30)
    loss, coef, intercept = model.gradient(X, y, weights)
    shape, n = model.coef_.shape, model.coef_.size

    def value(theta):
        model.coef_ = theta[:n].reshape(shape)
        model.intercept_ = theta[n:]
        return model.gradient(X, y, weights)[0]

    start = np.concatenate([model.coef_.ravel(), model.intercept_])
    slopes = central_differences(value, start)
    assert_allclose(coef.ravel(), slopes[:n], rtol=1e-5, atol=1e-7)
    assert coef.shape == shape
    if fit_intercept:
        assert_allclose(intercept, slopes[n:], rtol=1e-5, atol=1e-7)
    else:
        assert_array_equal(intercept, 0.0)
    assert_allclose(value(start), loss)


def test_gradient_of_sparse_and_single_precision_rows():
    model = GDRegressor(max_iter=2, batch_size=8).fit(X, Y)
    expected = model.gradient(X, Y)
    for rows, tol in ((sparse.csr_array(X), 1e-10), (X.astype(np.float32), 1e-3)):
        loss, coef, intercept = model.gradient(rows, Y)
        assert_allclose(loss, expected[0], rtol=tol)
        assert_allclose(coef, expected[1], atol=tol)
        assert_allclose(intercept, expected[2], atol=tol)


def test_a_step_down_the_gradient_is_the_step_of_fit():
    model = GDRegressor(solver="batch", lr=0.1, max_iter=1, tol=None)
    model.fit(X, Y)
    before = model.coef_.copy()
    step = 0.1 * model.gradient(X, Y)[1]
    model.set_params(warm_start=True).fit(X, Y)
    assert_allclose(model.coef_, before - step, rtol=1e-12)


@pytest.mark.parametrize("rows", [X, sparse.csr_array(X)], ids=["dense", "sparse"])
def test_activations_are_the_forward_pass(rows):
    model = MLPGD((5, 3), activation=["tanh", "relu"], n_ensemble=1, max_iter=2).fit(
        rows, TARGETS["three classes"]
    )
    given, first, second, scores = model.activations(rows)
    assert given.shape == X.shape
    assert_allclose(first, np.tanh(X @ model.coefs_[0] + model.intercepts_[0]))
    hidden = np.maximum(first @ model.coefs_[1] + model.intercepts_[1], 0)
    assert_allclose(second, hidden)
    assert_allclose(scores, model.decision_function(rows))


@pytest.mark.parametrize("kind", [GDRegressor, MLPGD])
def test_recorder_has_the_loss_of_each_update(kind):
    keywords = {"loss": "squared_error"}
    keywords |= {"hidden_layer_sizes": ()} if kind is MLPGD else {}
    keywords |= {"standardize": False, "alpha": 0.0} if kind is MLPGD else {}
    recorder = StepRecorder()
    model = kind(
        batch_size=7,
        lr=0.05,
        max_iter=3,
        tol=None,
        shuffle=False,
        optimizer="gd",
        **keywords,
    )
    model.set_callbacks(recorder).fit(X, Y)
    assert recorder.steps == list(range(16))  # 5 batches of 30 rows, 3 epochs
    assert np.isnan(recorder.losses[0])
    assert (np.diff(recorder.seconds) >= 0).all()
    assert recorder.path.shape == (16, 5)
    batches = [slice(i, i + 7) for i in range(0, 30, 7)] * 3
    for step, rows in enumerate(batches, 1):
        *coef, intercept = recorder.path[step - 1]
        residual = X[rows] @ coef + intercept - Y[rows]
        assert_allclose(recorder.losses[step], 0.5 * np.mean(residual**2), rtol=1e-9)
    sizes = np.array([7, 7, 7, 7, 2])
    means = np.reshape(recorder.losses[1:], (3, 5)) @ sizes / 30
    assert_allclose(means, model.history_["loss"], rtol=1e-9)


def test_recorder_of_whole_batches_and_without_weights():
    recorder = StepRecorder(weights=False)
    model = GDRegressor(solver="batch", lr=0.1, max_iter=5, tol=None)
    model.set_callbacks(recorder).fit(X, Y)
    assert recorder.steps == [0, 1, 2, 3, 4, 5] and recorder.weights == []
    assert_allclose(recorder.losses[1:], model.history_["loss"])


def test_recording_changes_no_bit():
    model = GDClassifier(batch_size=4, lr=0.1, max_iter=3, tol=None, random_state=0)
    plain = model.fit(X, TARGETS["two classes"]).coef_.copy()
    model.set_callbacks(StepRecorder()).fit(X, TARGETS["two classes"])
    assert_array_equal(model.coef_, plain)


def test_a_callback_with_on_step_alone():
    seen = []

    class Watcher(Callback):
        def on_step(self, estimator, step, attributes):
            seen.append(step)

    model = GDRegressor(batch_size=10, lr=0.1, max_iter=2, tol=None)
    model.set_callbacks(Watcher()).fit(X, Y)
    assert seen == list(range(7))
