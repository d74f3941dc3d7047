"""scikit-learn's twins predict what the originals predict."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification, make_multilabel_classification
from sklearn.ensemble import StackingClassifier, VotingClassifier, VotingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import (
    GammaRegressor,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    SGDClassifier,
)
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skgd import MLPGD, GDClassifier, GDClassifierCV, GDRegressor, GDRegressorCV
from skgd.export import to_sklearn
from skgd.losses import loss_names
from skgd.pipeline import make_streaming_pipeline

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
SHORT = {"max_iter": 20, "random_state": 0}


def classes(n_classes, labels=None, dtype=np.float64):
    X, y = make_classification(
        120, 6, n_informative=4, n_classes=n_classes, random_state=0
    )
    if labels is not None:
        y = np.asarray(labels)[y]
    return X.astype(dtype), y


def numbers(n_targets, dtype=np.float64):
    X = RNG.normal(size=(120, 6))
    y = np.exp(X @ RNG.normal(size=(6, n_targets)) / 3)
    return X.astype(dtype), y[:, 0] if n_targets == 1 else y


def same_classifier(model, X):
    other = model.to_sklearn()
    assert type(other).__module__.startswith("sklearn.")
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    np.testing.assert_array_equal(other.classes_, model.classes_)
    if hasattr(model, "predict_proba"):
        np.testing.assert_allclose(
            other.predict_proba(X), model.predict_proba(X), rtol=0, atol=3e-16
        )
    return other


@pytest.mark.parametrize("loss", loss_names("classification"))
@pytest.mark.parametrize("labels", [None, ["b", "a", "c"]])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_linear_classifiers(loss, labels, n_classes):
    X, y = classes(n_classes, labels)
    model = GDClassifier(loss, **SHORT).fit(X, y)
    other = same_classifier(model, X)
    np.testing.assert_array_equal(
        other.decision_function(X), model.decision_function(X)
    )
    assert isinstance(other, LogisticRegression) == (loss == "log_loss")


@pytest.mark.parametrize("loss", loss_names("regression"))
@pytest.mark.parametrize("layout", ["dense", "csr", "float32"])
def test_linear_regressors(loss, layout):
    X, y = numbers(1, np.float32 if layout == "float32" else np.float64)
    if layout == "csr":
        X = sparse.csr_array(X)
    model = GDRegressor(loss, **SHORT).fit(X, y)
    other = model.to_sklearn()
    predicted = other.predict(X)
    if layout == "float32" and not model._loss.identity_link:
        # scikit-learn raises e to the score in double precision there.
        np.testing.assert_allclose(predicted, model.predict(X), rtol=1e-6)
    else:
        np.testing.assert_array_equal(predicted, model.predict(X))


def test_several_targets():
    X, y = numbers(3)
    model = GDRegressor(**SHORT).fit(X, y)
    other = model.to_sklearn()
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    with pytest.raises(ValueError, match="3: use to_onnx"):
        GDRegressor("poisson", **SHORT).fit(X, y).to_sklearn()


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("hidden", [(), (5,), (5, 4)])
@pytest.mark.parametrize("kind", ["binary", "strings", "three", "multilabel"])
def test_network_classifiers(activation, hidden, kind):
    if kind == "multilabel":
        X, y = make_multilabel_classification(100, 5, random_state=0)
    else:
        n_classes = 3 if kind == "three" else 2
        X, y = classes(n_classes, ["x", "y"] if kind == "strings" else None)
    settings = {"n_ensemble": 1, "max_iter": 5, "random_state": 0}
    model = MLPGD(hidden, activation=activation, **settings).fit(X, y)
    same_classifier(model, X)


@pytest.mark.parametrize(
    "loss", ["squared_error", "huber", "absolute_error", "poisson"]
)
@pytest.mark.parametrize("n_targets", [1, 2])
def test_network_regressors(loss, n_targets):
    X, y = numbers(n_targets)
    settings = {"n_ensemble": 1, "max_iter": 5, "random_state": 0}
    model = MLPGD((5,), loss=loss, **settings).fit(X, y)
    np.testing.assert_array_equal(model.to_sklearn().predict(X), model.predict(X))


@pytest.mark.parametrize("kind", ["binary", "strings", "three"])
def test_the_mean_of_several_classifiers(kind):
    X, y = classes(
        3 if kind == "three" else 2, ["x", "y"] if kind == "strings" else None
    )
    model = MLPGD((5,), max_iter=5, random_state=0).fit(X, y)
    assert len(model.members_) == 4
    other = same_classifier(model, X)
    assert isinstance(other, VotingClassifier)
    assert other.n_features_in_ == 6
    assert clone(other).fit(X, y).predict(X).shape == y.shape


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_the_mean_of_several_regressors(loss):
    X, y = numbers(1)
    model = MLPGD((5,), loss=loss, max_iter=5, random_state=0).fit(X, y)
    other = model.to_sklearn()
    assert isinstance(other, VotingRegressor)
    np.testing.assert_allclose(other.predict(X), model.predict(X), rtol=1e-12)
    assert clone(other).fit(X, y).predict(X).shape == y.shape


def test_means_that_scikit_learn_does_not_have():
    X, y = numbers(2)
    model = MLPGD((5,), loss="squared_error", max_iter=5, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="this ensemble has 2"):
        model.to_sklearn()


@pytest.mark.parametrize("activation", ["leaky_relu", "elu", "gelu", "silu"])
def test_activations_that_scikit_learn_does_not_have(activation):
    X, y = classes(2)
    model = MLPGD(hidden_layer_sizes=(5,), activation=activation, max_iter=2).fit(X, y)
    with pytest.raises(ValueError, match="to_onnx"):
        model.to_sklearn()


def test_networks_that_scikit_learn_does_not_have():
    X, y = classes(2)
    with pytest.raises(ValueError, match="Hinge: use to_onnx"):
        MLPGD(loss="hinge", hidden_layer_sizes=(5,), max_iter=2).fit(X, y).to_sklearn()
    X, y = numbers(1)
    with pytest.raises(ValueError, match="Gamma: use to_onnx"):
        MLPGD(loss="gamma", hidden_layer_sizes=(5,), max_iter=2).fit(X, y).to_sklearn()


def test_names_of_features_are_kept():
    pd = pytest.importorskip("pandas")
    X, y = classes(2)
    X = pd.DataFrame(X, columns=list("abcdef"))
    other = GDClassifier(**SHORT).fit(X, y).to_sklearn()
    assert other.feature_names_in_.tolist() == list("abcdef")
    assert other.predict(X).shape == (120,)


def test_the_copy_shares_nothing():
    X, y = classes(2)
    model = GDClassifier(**SHORT).fit(X, y)
    other = model.to_sklearn()
    other.coef_[:] = 0
    assert model.coef_.any()


def test_not_fitted():
    with pytest.raises(NotFittedError):
        GDClassifier().to_sklearn()
    with pytest.raises(NotFittedError):
        to_sklearn(make_pipeline(StandardScaler(), GDClassifier()))


def test_inside_other_estimators():
    X, y = classes(3)
    pipeline = make_pipeline(StandardScaler(), GDClassifier(**SHORT))
    models = [
        pipeline,
        StackingClassifier([("a", pipeline), ("b", MLPGD(max_iter=3))], cv=2),
        OneVsRestClassifier(GDClassifier(**SHORT)),
        GridSearchCV(pipeline, {"gdclassifier__alpha": [1e-3, 1e-2]}, cv=2),
        make_pipeline(StandardScaler(), GDClassifierCV(alphas=[1e-3, 1e-2], cv=2)),
    ]
    for model in models:
        model.fit(X, y)
        other = to_sklearn(model)
        np.testing.assert_array_equal(other.predict(X), model.predict(X))
        np.testing.assert_allclose(
            other.predict_proba(X), model.predict_proba(X), atol=1e-15
        )
        assert not list(parts_of_ours(other))
        assert list(parts_of_ours(model))


def test_inside_a_voting_regressor():
    X, y = numbers(1)
    model = VotingRegressor([("a", GDRegressor(**SHORT)), ("b", LinearRegression())])
    other = to_sklearn(model.fit(X, y))
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    assert isinstance(other.named_estimators_["a"], LinearRegression)


def test_members_that_are_no_estimators():
    """The classifiers that calibration keeps have no parameters to look into."""
    X, y = classes(3)
    model = CalibratedClassifierCV(GDClassifier("hinge", **SHORT), cv=2).fit(X, y)
    other = to_sklearn(model)
    np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))
    assert not list(parts_of_ours(other))


def test_candidates_of_a_search():
    X, y = classes(2)
    candidates = [GDClassifier(**SHORT), MLPGD((3,), max_iter=3)]
    pipeline = Pipeline([("scale", StandardScaler()), ("model", GDClassifier())])
    search = GridSearchCV(pipeline, {"model": candidates}, cv=2).fit(X, y)
    other = to_sklearn(search)
    np.testing.assert_array_equal(other.predict(X), search.predict(X))
    kinds = [type(one) for one in other.cv_results_["param_model"]]
    assert kinds == [LogisticRegression, MLPClassifier]
    assert not list(parts_of_ours(other))
    other.fit(X, y)
    # One that scikit-learn does not have is no matter of the best estimator.
    candidates[1].set_params(activation="silu", max_iter=1)
    with pytest.raises(ValueError, match="SiLU"):
        to_sklearn(search)


def test_a_streaming_pipeline_becomes_a_pipeline():
    X, y = classes(3)
    model = make_streaming_pipeline(StandardScaler(), GDClassifier(**SHORT)).fit(X, y)
    for one in (model, OneVsRestClassifier(model).fit(X, y)):
        other = to_sklearn(one)
        np.testing.assert_array_equal(other.predict(X), one.predict(X))
        assert not list(parts_of_ours(other))
    other = to_sklearn(model)
    assert type(other) is Pipeline
    assert other[0] is not model[0]


def test_whoever_loads_it_needs_scikit_learn_only(tmp_path):
    """Templates included: in a process where this package cannot be imported."""
    X, y = classes(3)
    model = StackingClassifier(
        [("a", GDClassifier(**SHORT)), ("b", MLPGD((4,), max_iter=3))],
        final_estimator=GDClassifierCV(alphas=[1e-3, 1e-2], cv=2),
        cv=2,
    ).fit(X, y)
    path = tmp_path / "model.pickle"
    path.write_bytes(pickle.dumps(to_sklearn(model)))
    np.save(tmp_path / "X.npy", X)
    code = """
import pickle, sys
import numpy as np
sys.modules["skgd"] = None
with open(sys.argv[1], "rb") as file:
    model = pickle.load(file)
print(model.predict(np.load(sys.argv[2])).tolist())
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), str(tmp_path / "X.npy")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(model.predict(X).tolist())


@pytest.mark.parametrize(
    "estimator, expected",
    [
        (GDClassifier(), LogisticRegression()),
        (GDClassifier("hinge", alpha=0.1), SGDClassifier(alpha=0.1)),
        (GDClassifierCV(), LogisticRegression()),
        (GDRegressor(), LinearRegression()),
        (GDRegressor("poisson", alpha=0.1), PoissonRegressor(alpha=0.1)),
        (GDRegressorCV("gamma"), GammaRegressor(alpha=1e-4)),
        (MLPGD((3, 2), activation="tanh"), MLPClassifier((3, 2), activation="tanh")),
        (MLPGD(loss="squared_error", alpha="auto"), MLPRegressor()),
    ],
)
def test_templates(estimator, expected):
    model = FrozenEstimator(LinearRegression().fit([[0.0], [1.0]], [0, 1]))
    model.template = estimator
    other = to_sklearn(model).template
    assert repr(other) == repr(expected)


@pytest.mark.parametrize("dtype", ["O", "U1", "f8", "u1", "?"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_labels_keep_their_type(n_classes, dtype):
    if dtype == "?" and n_classes == 3:
        pytest.skip("two truth values")
    labels = list("abc") if dtype in ("O", "U1") else [0, 1, 2]
    X, y = classes(n_classes, np.array(labels[:n_classes], dtype))
    for model in (GDClassifier(**SHORT), MLPGD((3,), max_iter=3)):
        other = same_classifier(model.fit(X, y), X)
        assert other.predict(X).dtype == model.predict(X).dtype == y.dtype


def parts_of_ours(value, seen=None):
    """Every object of this package within a model."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return
    seen.add(id(value))
    if type(value).__module__.partition(".")[0] == "skgd":
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from parts_of_ours(part, seen)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from parts_of_ours(part, seen)
    elif isinstance(value, np.ndarray) and value.dtype.kind == "O":
        for part in np.asarray(value).ravel():
            yield from parts_of_ours(part, seen)
    elif hasattr(value, "__dict__") and not isinstance(value, type):
        yield from parts_of_ours(vars(value), seen)
