"""Weights of classes: what counts, and what does not."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.base import clone

from skgd import MLPGD, GDClassifier
from skgd._input.targets import Classification

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize("n_classes", [2, 3])
def test_balanced_weights_give_all_classes_the_same_sum(n_classes):
    rng = np.random.default_rng(0)
    share = np.array([7, 2, 1])[:n_classes]
    y = rng.choice(n_classes, 50, p=share / share.sum())
    weights = rng.uniform(0.5, 2.0, 50) * (rng.random(50) < 0.6)
    task = Classification(np.arange(n_classes))
    factors = task.class_weights("balanced", task.encode(y), weights)
    sums = np.bincount(y, weights * factors)
    assert_allclose(sums, weights.sum() / n_classes)


def test_a_class_whose_rows_weigh_nothing_is_no_class():
    y = np.array([0, 0, 0, 1, 2, 2])
    weights = np.array([1.0, 2.0, 0.0, 3.0, 0.0, 0.0])
    task = Classification(np.arange(3))
    factors = task.class_weights("balanced", task.encode(y), weights)
    # Two classes of weight 3 are in balance; the third needs only a finite number.
    assert_allclose(factors[:4], 1.0)
    assert np.isfinite(factors).all()


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize(
    "model",
    [
        GDClassifier(lr=0.1, max_iter=3, tol=None, shuffle=False),
        MLPGD(hidden_layer_sizes=(3,), lr=0.01, max_iter=3, tol=None, shuffle=False),
    ],
    ids=["linear", "network"],
)
def test_rows_of_weight_zero_are_not_counted(model, container):
    # A third of class 0 and all of class 2 weigh nothing.
    rng = np.random.default_rng(1)
    X = rng.standard_normal((90, 4))
    y = np.repeat([0, 1, 2, 3], [40, 15, 5, 30])
    order = rng.permutation(90)
    y = y[order]
    weights = np.where(y == 2, 0.0, 1.0)
    weights[np.flatnonzero(y == 0)[::3]] = 0.0
    model = clone(model).set_params(class_weight="balanced", random_state=0)
    known = {c: weights.sum() / (3 * weights[y == c].sum()) for c in (0, 1, 3)}
    balanced = clone(model).fit(container(X), y, weights)
    by_hand = clone(model).set_params(class_weight=known)
    by_hand.fit(container(X), y, weights)
    scores = balanced.decision_function(X)
    assert np.isfinite(scores).all()
    assert_allclose(scores, by_hand.decision_function(X), rtol=1e-9, atol=1e-12)
