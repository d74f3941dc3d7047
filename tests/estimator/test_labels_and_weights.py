"""Labels that were not there before, weights of classes and of rows.

What is refused, in whose words, and what is done with the rest.
"""

import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skgd import MLPGD, GDClassifier, GDRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 3))
Y = np.array(["a", "b", "c"])[np.arange(90) % 3]
TWO = np.where(X[:, 0] > 0, "a", "b")

CLASSIFIERS = {
    "GDClassifier": GDClassifier(max_iter=3, tol=None, random_state=0),
    "MLPGD": MLPGD(hidden_layer_sizes=(3,), max_iter=3, tol=None, random_state=0),
}
classifiers = pytest.mark.parametrize("name", CLASSIFIERS)


def learn(model, call, y, weights=None):
    """Call one of the ways to learn from X."""
    if call == "fit":
        return model.fit(X, y, sample_weight=weights)
    if call == "fit_batches":
        return model.fit_batches([(X, y) if weights is None else (X, y, weights)])
    classes = {"classes": ["a", "b"]} if y is TWO else {}
    return model.partial_fit(X, y, sample_weight=weights, **classes)


def classifier(name, **parameters):
    return clone(CLASSIFIERS[name]).set_params(**parameters)


# ---- class weights -------------------------------------------------------------------


@classifiers
@pytest.mark.parametrize("weight", [-1, -0.5, np.nan, np.inf, "heavy", None, True])
@pytest.mark.parametrize("call", ["fit", "partial_fit", "fit_batches"])
def test_weights_of_classes_that_are_none(name, weight, call):
    model = classifier(name, class_weight={"a": weight, "b": 1})
    with pytest.raises(ValueError, match=r"class 'a' the weight .*not negative"):
        learn(model, call, TWO)


@classifiers
def test_weights_of_unknown_classes(name):
    with pytest.raises(ValueError, match="names class 'B', but not 'b'"):
        classifier(name, class_weight={"a": 2, "B": 1}).fit(X, TWO)
    # Cross-validation may leave a class out.
    all_of_them = classifier(name, class_weight={"a": 2, "b": 1, "c": 5}).fit(X, TWO)
    those = classifier(name, class_weight={"a": 2, "b": 1}).fit(X, TWO)
    assert_allclose(all_of_them.predict_proba(X), those.predict_proba(X))
    # A class without a weight weighs 1.
    classifier(name, class_weight={"a": 2}).fit(X, TWO)


@classifiers
def test_rows_of_weight_zero_count_for_nothing_in_balanced_weights(name):
    weights = np.where((Y == "a") & (np.arange(90) > 20), 0.0, 1.0)
    model = classifier(name, class_weight="balanced", shuffle=False, lr=0.01)
    one = clone(model).fit(X, Y, sample_weight=weights)
    other = clone(model).fit(X[weights > 0], Y[weights > 0])
    assert_allclose(one.predict_proba(X), other.predict_proba(X), rtol=1e-9)


# ---- weights of rows -----------------------------------------------------------------


@pytest.mark.parametrize("call", ["fit", "partial_fit", "fit_batches"])
@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier, MLPGD])
def test_weights_whose_sum_overflows(cls, call):
    model, y = cls(max_iter=2), TWO
    if cls is GDRegressor:
        y = X[:, 0]
    weights = np.full(90, 1e308)
    with pytest.raises(ValueError, match=r"sample_weight is as large as 1e\+308"):
        learn(model, call, y, weights)


@classifiers
def test_products_of_weights_that_overflow(name):
    model = classifier(name, class_weight={"a": 1e200, "b": 1})
    with pytest.raises(ValueError, match="sample_weight times class_weight"):
        model.fit(X, TWO, sample_weight=np.full(90, 1e200))


@pytest.mark.parametrize("unit", [1e-300, 1e-100, 1e100, 1e300])
@pytest.mark.parametrize("cls", [GDRegressor, MLPGD])
def test_units_of_weights_do_not_matter(cls, unit):
    y = X[:, 0] if cls is GDRegressor else TWO
    weights = RNG.uniform(1, 2, 90)
    model = cls(max_iter=3, tol=None, random_state=0, lr=0.01)
    one = clone(model).fit(X, y, sample_weight=weights)
    other = clone(model).fit(X, y, sample_weight=unit * weights)
    score = "predict" if cls is GDRegressor else "predict_proba"
    assert_allclose(getattr(one, score)(X), getattr(other, score)(X), rtol=1e-9)


@pytest.mark.parametrize("call", ["partial_fit", "fit_batches"])
@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier, MLPGD])
def test_weights_of_a_stream_whose_products_overflow(cls, call):
    """They would put infinite means into the coordinates of lr="auto", for good."""
    model, y = cls(max_iter=2), X[:, 0] if cls is GDRegressor else TWO
    learn(model, call, y, None)
    before = pickle.dumps(model)
    for heavy in (1e308, 1e151):
        weights = np.ones(90)
        weights[3] = heavy
        with pytest.raises(ValueError, match=r"A weight of 1e\+\d+.*constant"):
            learn(model, call, y, weights)
        assert pickle.dumps(model) == before


@pytest.mark.parametrize("tiny", [5e-324, 1e-310])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("optimizer", ["gd", "adam", "dowg"])
@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier, MLPGD])
def test_weights_without_digits_count_as_zeros(cls, optimizer, form, tiny):
    """As those of a kernel that underflows, far from its centre."""
    model = cls(optimizer=optimizer, random_state=0)
    y = X[:, 0] if cls is GDRegressor else TWO
    classes = {} if cls is GDRegressor else {"classes": np.unique(y)}
    other = clone(model)
    with pytest.warns(UserWarning, match="no model to predict with"):
        model.partial_fit(form(X[:1]), y[:1], sample_weight=[tiny], **classes)
    for i in range(1, 9):
        weight = tiny if i in (4, 5) else 0.5 * i
        model.partial_fit(form(X[[i]]), y[[i]], sample_weight=[weight], **classes)
        if weight > tiny:
            other.partial_fit(form(X[[i]]), y[[i]], sample_weight=[weight], **classes)
    assert model.t_ == other.t_
    assert_allclose(model._state.theta, other._state.theta, rtol=1e-12)
    assert np.isfinite(model._state.theta).all()


# ---- labels that were not there before -----------------------------------------------


@classifiers
def test_new_labels_are_refused_in_the_words_of_the_call(name):
    model = classifier(name, warm_start=True).fit(X, TWO)
    with pytest.raises(ValueError, match=r"\['c'\].*warm_start=False") as error:
        model.fit(X, Y)
    assert "partial_fit" not in str(error.value)
    with pytest.raises(ValueError, match=r"\['c'\].*first call of partial_fit"):
        model.partial_fit(X, Y)
    with pytest.raises(ValueError, match=r"\['c'\].*to validate on") as error:
        model.fit(X, TWO, X_val=X, y_val=Y)
    assert "partial_fit" not in str(error.value)
    model.set_params(warm_start=False)
    with pytest.raises(ValueError, match=r"\['c'\].*fit_batches\(") as error:
        model.fit_batches([(X, TWO), (X, Y)], classes=["a", "b"])
    assert "partial_fit" not in str(error.value)
    if name == "MLPGD":
        with pytest.raises(ValueError, match=r"\['c'\].*fitted with"):
            model.gradient(X, Y)


# ---- dense and sparse chunks ---------------------------------------------------------


@pytest.mark.parametrize("first", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("cls", [GDRegressor, MLPGD])
@pytest.mark.parametrize("lr", [0.01, "auto"])
def test_chunks_of_two_kinds(cls, first, lr):
    """In partial_fit either will do; a stream cannot be cut into blocks of both."""
    second = sparse.csr_array if first is np.asarray else np.asarray
    y = X[:, 0]
    model = cls(loss="squared_error", lr=lr, random_state=0)
    if cls is MLPGD:
        model.set_params(hidden_layer_sizes=(3,))
    mixed, plain = clone(model), clone(model)
    for k, kind in enumerate((first, second, first)):
        rows = slice(30 * k, 30 * k + 30)
        mixed.partial_fit(kind(X[rows]), y[rows])
        plain.partial_fit(first(X[rows]), y[rows])
    if lr != "auto":
        assert_allclose(mixed.predict(X), plain.predict(X), rtol=1e-9)
    assert np.isfinite(mixed.predict(X)).all()
    with pytest.raises(ValueError, match="in the first batch and is"):
        model.fit_batches([(first(X), y), (second(X), y)])


# ---- losses with a range -------------------------------------------------------------


@pytest.mark.parametrize("loss", ["poisson", "gamma"])
@pytest.mark.parametrize("cls", [GDRegressor, MLPGD])
def test_tags_say_which_targets_a_loss_takes(cls, loss):
    assert cls(loss=loss).__sklearn_tags__().target_tags.positive_only
    assert not cls(loss="squared_error").__sklearn_tags__().target_tags.positive_only
    assert not GDRegressor("unknown").__sklearn_tags__().target_tags.positive_only
    # Several targets are taken all the same.
    y = np.exp(X[:, :2])
    assert cls(loss=loss, max_iter=2).fit(X, y).predict(X).shape == (90, 2)


@pytest.mark.parametrize("call", ["fit", "fit_batches"])
@classifiers
def test_a_class_of_weight_zero_has_no_balanced_weight(name, call):
    model = classifier(name, class_weight="balanced", shuffle=False, lr=0.01)
    weights = np.where(Y == "c", 0.0, 1.0)

    def train(model):
        if call == "fit":
            return model.fit(X, Y, sample_weight=weights)
        return model.fit_batches([(X, Y, weights)])

    by_hand = clone(model).set_params(class_weight={"a": 1.0, "b": 1.0, "c": 7.0})
    train(model)
    train(by_hand)
    assert_allclose(model.predict_proba(X), by_hand.predict_proba(X), rtol=1e-9)


@pytest.mark.parametrize("estimator", [GDClassifier(max_iter=2), MLPGD(max_iter=2)])
def test_quantities_among_labels_are_told(estimator):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 2)), rng.integers(0, 200, 300)
    with pytest.warns(UserWarning, match="different whole numbers in 300 rows"):
        clone(estimator).fit(X, y)
    labels = np.repeat(np.arange(15), 20)
    for few in (labels, labels.astype(str)):
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            warnings.simplefilter("ignore", ConvergenceWarning)
            clone(estimator).fit(X, few)
