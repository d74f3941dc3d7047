"""`sparsify` and `densify`: the same model with its weights in another form."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import SGDClassifier

from skgd import GDClassifier, GDRegressor
from skgd.export import to_sklearn

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 8)) * (RNG.random((60, 8)) < 0.5)
Y = X[:, 0] - 2 * X[:, 1] + 0.1 * RNG.normal(size=60)
L1 = {"penalty": "l1", "alpha": 0.05, "random_state": 0}
CASES = {
    "number": (GDRegressor(**L1), Y),
    "numbers": (GDRegressor(**L1), np.column_stack([Y, -Y])),
    "two classes": (GDClassifier(**L1), Y > 0),
    "three classes": (GDClassifier(**L1), np.digitize(Y, [-1, 1])),
}


@pytest.fixture(params=CASES)
def pair(request):
    model, y = CASES[request.param]
    return model.fit(X, y), pickle.loads(pickle.dumps(model)).sparsify(), y


@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_array, sparse.csr_matrix])
def test_answers_are_the_same(pair, layout):
    dense, thin, y = pair
    assert sparse.issparse(thin.coef_) and thin.coef_.nnz < dense.coef_.size
    rows = layout(X)
    assert_allclose(thin.predict(rows), dense.predict(rows))
    assert_allclose(thin.predict(rows[:1]), dense.predict(rows[:1]))
    if hasattr(dense, "predict_proba"):
        assert_allclose(thin.predict_proba(rows), dense.predict_proba(rows))
    assert thin.score(rows, y) == pytest.approx(dense.score(rows, y))
    for one, other in zip(thin.gradient(X, y), dense.gradient(X, y), strict=True):
        assert_allclose(np.ravel(one), np.ravel(other))


def test_there_and_back_again(pair):
    dense, thin, _ = pair
    assert thin.sparsify() is thin
    for way in (thin, pickle.loads(pickle.dumps(thin)), thin.compact()):
        assert sparse.issparse(way.coef_)
        assert_array_equal(way.densify().coef_, dense.coef_)
    assert_array_equal(thin.densify().densify().coef_, dense.coef_)


def test_training_goes_on_from_sparse_weights(pair):
    dense, thin, y = pair
    assert_array_equal(thin.partial_fit(X, y).coef_, dense.partial_fit(X, y).coef_)
    thin.sparsify().set_params(warm_start=True)
    dense.set_params(warm_start=True)
    assert_array_equal(thin.fit(X, y).coef_, dense.fit(X, y).coef_)


def test_a_twin_of_scikit_learn_has_dense_weights(pair):
    dense, thin, _ = pair
    assert_array_equal(to_sklearn(thin).coef_, to_sklearn(dense).coef_)
    assert_array_equal(to_sklearn(thin).predict(X), to_sklearn(dense).predict(X))


def test_form_is_that_of_scikit_learn():
    ours = GDClassifier(**L1).fit(X, Y > 0).sparsify()
    theirs = SGDClassifier(penalty="l1").fit(X, Y > 0).sparsify()
    assert type(ours.coef_) is sparse.csr_array
    assert ours.coef_.shape == theirs.coef_.shape


def test_a_model_without_weights_says_so():
    for method in ("sparsify", "densify"):
        with pytest.raises(NotFittedError):
            getattr(GDRegressor(), method)()
