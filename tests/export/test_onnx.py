"""ONNX models in onnxruntime predict what the originals predict."""

import numpy as np
import pytest
from sklearn.base import is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_classification, make_multilabel_classification
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skgd import MLPGD, GDClassifier, GDClassifierCV, GDRegressor, GDRegressorCV
from skgd.activations import ACTIVATIONS, Activation
from skgd.losses import LOSSES, Loss, loss_names

pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SHORT = {"max_iter": 15, "random_state": 0}
TOLERANCE = {np.float32: 2e-5, np.float64: 1e-12}


def run(model, X, dtype):
    session = runtime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"X": X.astype(dtype)}), strict=True))


def classes(n_classes, labels=None):
    X, y = make_classification(
        120, 6, n_informative=4, n_classes=n_classes, random_state=0
    )
    return X, y if labels is None else np.asarray(labels)[y]


def same_classifier(model, X, dtype):
    out = run(model.to_onnx(dtype=dtype), X, dtype)
    X = X.astype(dtype)
    near = np.abs(model.decision_function(X)) < 1e-4
    clear = ~(near.any(axis=1) if near.ndim == 2 else near)
    np.testing.assert_array_equal(out["label"][clear], model.predict(X)[clear])
    if hasattr(model, "predict_proba"):
        expected = model.predict_proba(X)
    else:
        expected = model.decision_function(X)
        if expected.ndim == 1:
            expected = np.column_stack([-expected, expected])
    assert out["probabilities"].shape == expected.shape
    np.testing.assert_allclose(
        out["probabilities"], expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype]
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss", loss_names("classification"))
@pytest.mark.parametrize("kind", ["binary", "three", "strings"])
def test_linear_classifiers(loss, kind, dtype):
    X, y = classes(
        2 if kind == "binary" else 3, list("abc") if kind == "strings" else None
    )
    same_classifier(GDClassifier(loss, **SHORT).fit(X, y), X, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss", loss_names("regression"))
@pytest.mark.parametrize("n_targets", [1, 2])
def test_linear_regressors(loss, n_targets, dtype):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 5))
    y = np.exp(X @ rng.normal(size=(5, n_targets)) / 3)
    model = GDRegressor(loss, **SHORT).fit(X, y[:, 0] if n_targets == 1 else y)
    out = run(model.to_onnx(dtype=dtype), X, dtype)["variable"]
    assert out.shape == (100, n_targets)
    expected = model.predict(X.astype(dtype)).reshape(out.shape)
    tolerance = TOLERANCE[dtype]
    np.testing.assert_allclose(out, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(activation, dtype):
    X, y = classes(3)
    model = MLPGD(
        hidden_layer_sizes=(6, 4), activation=activation, max_iter=3, random_state=0
    ).fit(X, y)
    if activation == "gelu" and dtype is np.float64:
        with pytest.raises(ValueError, match="float32"):
            model.to_onnx(dtype=dtype)
        return
    same_classifier(model, X, dtype)


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_of_networks(loss):
    X, y = classes(2)
    model = MLPGD(loss=loss, hidden_layer_sizes=(4,), max_iter=3, random_state=0)
    if loss in loss_names("regression"):
        y = y + 1.0
    model.fit(X, y)
    if hasattr(model, "classes_"):
        same_classifier(model, X, np.float64)
    else:
        out = run(model.to_onnx(dtype=np.float64), X, np.float64)["variable"]
        np.testing.assert_allclose(out[:, 0], model.predict(X), rtol=1e-12)


def test_multilabel():
    X, y = make_multilabel_classification(100, 5, random_state=0)
    model = MLPGD(hidden_layer_sizes=(6,), max_iter=3, random_state=0).fit(X, y)
    same_classifier(model, X, np.float64)


@pytest.mark.parametrize("dtype", ["O", "U1", "f8", "u1", "?"])
def test_labels(dtype):
    """Numbers of any type are int64, as skl2onnx has them; all else are strings."""
    words = dtype in ("O", "U1")
    X, y = classes(2, np.array(list("ab") if words else [0, 1], dtype))
    model = GDClassifier(**SHORT).fit(X, y)
    label = run(model.to_onnx(dtype=np.float64), X, np.float64)["label"]
    assert label.dtype == (object if words else np.int64)
    np.testing.assert_array_equal(label, model.predict(X))


def test_what_cannot_be_written():
    class Cube(Activation):
        def value(self, z):
            return z**3

        @staticmethod
        def apply(z, slope, p):
            for i in range(z.size):
                slope[i] = 3 * z[i] ** 2
                z[i] = z[i] ** 3

    class Softplus(Loss):
        identity_link = False
        smooth = True

        @staticmethod
        def value_and_derivative(y, z, p):
            return 0.5 * (z - y) ** 2, z - y

        def inverse_link(self, z):
            return np.logaddexp(0.0, z)

    X, y = classes(2)
    model = MLPGD(hidden_layer_sizes=(2,), activation=Cube(), max_iter=1).fit(X, y)
    with pytest.raises(ValueError, match="Cube"):
        model.to_onnx()
    model = GDRegressor(Softplus(), lr=1e-3, max_iter=1).fit(X, y)
    with pytest.raises(ValueError, match="Softplus"):
        model.to_onnx()
    model = GDClassifier(**SHORT).fit(X, y)
    for dtype in (np.int64, np.float16, "double precision"):
        with pytest.raises(ValueError, match="float32 or float64"):
            model.to_onnx(dtype=dtype)
    for opset in (9, 999, "18", 18.5, True):
        with pytest.raises(ValueError, match="at least 18, and at most"):
            model.to_onnx(opset=opset)


@pytest.mark.parametrize(
    "estimator",
    [
        GDClassifier(),
        MLPGD(max_iter=3),
        MLPGD(max_iter=3, n_ensemble=2),
        GDRegressor(),
        GDClassifierCV(alphas=[0.1, 0.01]),
        GDRegressorCV(alphas=[0.1, 0.01]),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_pipelines_through_skl2onnx(estimator):
    skl2onnx = pytest.importorskip("skl2onnx")
    pd = pytest.importorskip("pandas")
    from skgd.export import register_skl2onnx

    register_skl2onnx()
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "size": rng.normal(size=80).astype(np.float32),
            "price": rng.normal(size=80).astype(np.float32),
            "town": rng.choice(["here", "there", "nowhere"], 80),
        }
    )
    y = (X["size"] + (X["town"] == "here") > 0.3).to_numpy()
    y = y.astype(float) if is_regressor(estimator) else np.where(y, "p", "n")
    columns = ColumnTransformer(
        [("n", StandardScaler(), ["size", "price"]), ("c", OneHotEncoder(), ["town"])]
    )
    model = make_pipeline(columns, estimator).fit(X, y)
    options = None
    if hasattr(model, "classes_"):
        options = {id(model): {"zipmap": False}}
    converted = skl2onnx.to_onnx(model, X[:1], options=options, target_opset=18)
    session = runtime.InferenceSession(
        converted.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    inputs = {name: X[[name]].to_numpy() for name in X}
    inputs["town"] = inputs["town"].astype(object)
    out = session.run(None, inputs)
    if hasattr(model, "classes_"):
        np.testing.assert_array_equal(out[0], model.predict(X))
        np.testing.assert_allclose(out[1], model.predict_proba(X), atol=1e-5)
    else:
        np.testing.assert_allclose(out[0].ravel(), model.predict(X), atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["classes", "labels", "scores", "calibrated"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_outputs_of_skl2onnx(kind, dtype):
    """Types and shapes as declared, scores where they are asked for."""
    skl2onnx = pytest.importorskip("skl2onnx")
    from skgd.export import register_skl2onnx

    register_skl2onnx()
    X, y = classes(3)
    X = X.astype(dtype)
    if kind == "labels":
        y = np.column_stack([y == 0, y == 1, X[:, 0] > 0]).astype(int)
    for network in (False, True):
        if kind == "labels" and not network:
            continue
        model = MLPGD((4,), max_iter=3) if network else GDClassifier(**SHORT)
        if kind == "calibrated":
            model = CalibratedClassifierCV(model, cv=2)
        model = make_pipeline(StandardScaler(), model).fit(X, y)
        options = {id(model): {"zipmap": False}}
        expected = model.predict_proba(X)
        if kind == "scores":
            options[id(model[-1])] = {"raw_scores": True}
            expected = model.decision_function(X)
        converted = skl2onnx.to_onnx(model, X[:1], options=options, target_opset=18)
        out = run(converted, X, dtype)
        assert out["probabilities"].dtype == dtype
        tolerance = 1e-4 if dtype is np.float32 else 1e-6
        np.testing.assert_allclose(out["probabilities"], expected, atol=tolerance)
        np.testing.assert_array_equal(out["label"], model.predict(X))
        for output, name in zip(converted.graph.output, out, strict=True):
            dimensions = output.type.tensor_type.shape.dim
            assert len(dimensions) == out[name].ndim
