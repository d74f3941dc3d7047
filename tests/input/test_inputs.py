"""Every way to pass the same numbers gives the same model, and leaves them alone."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sparse_rows import random_csr

from skgd import GDClassifier, GDRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_diabetes(return_X_y=True)
X = np.where(np.abs(X) < 0.02, 0.0, X)
NAMES = [f"column {j}" for j in range(X.shape[1])]


def memory_map(array, folder):
    path = folder / "array.npy"
    np.save(path, array)
    return np.load(path, mmap_mode="r")


def wide(matrix):
    """With 64-bit indices, as matrices with more than 2^31 entries have."""
    matrix.indices = matrix.indices.astype(np.int64)
    matrix.indptr = matrix.indptr.astype(np.int64)
    return matrix


def frozen(matrix):
    for part in (matrix.data, matrix.indices, matrix.indptr):
        part.flags.writeable = False
    return matrix


DENSE = {
    "C": lambda X, folder: np.ascontiguousarray(X),
    "F": lambda X, folder: np.asfortranarray(X),
    "slices": lambda X, folder: np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3],
    "backwards": lambda X, folder: X[::-1, ::-1].copy()[::-1, ::-1],
    "memory map": memory_map,
    "F memory map": lambda X, folder: memory_map(np.asfortranarray(X), folder),
    "pandas": lambda X, folder: pd.DataFrame(X, columns=NAMES),
    "polars": lambda X, folder: pl.DataFrame(X, schema=NAMES),
    "lists": lambda X, folder: X.tolist(),
}
SPARSE = {
    "csr_array": lambda X, folder: sparse.csr_array(X),
    "csr_matrix": lambda X, folder: sparse.csr_matrix(X),
    "64-bit indices": lambda X, folder: wide(sparse.csr_array(X)),
    "read-only": lambda X, folder: frozen(sparse.csr_array(X)),
    "csc": lambda X, folder: sparse.csc_array(X),
    "coo": lambda X, folder: sparse.coo_array(X),
}


def copy_of(data):
    if sparse.issparse(data):
        return data.copy()
    return data.clone() if isinstance(data, pl.DataFrame) else np.array(data)


def same(data, copy):
    if sparse.issparse(data):
        return (data.indices == copy.indices).all() and (data.data == copy.data).all()
    return (np.asarray(data) == np.asarray(copy)).all()


@pytest.mark.parametrize("solver", ["batch", "minibatch", "sgd"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", [*DENSE, *SPARSE])
def test_containers(kind, dtype, solver, tmp_path):
    if kind in ("lists", "polars"):
        dtype = np.float64  # which is what scikit-learn makes of them
    convert, plain = (
        (DENSE[kind], np.array)
        if kind in DENSE
        else (SPARSE[kind], lambda X: sparse.csr_array(X))
    )
    data = X.astype(dtype)
    model = GDRegressor(
        solver=solver, lr=0.5, penalty="l2", max_iter=4, tol=None, random_state=0
    )
    expected = clone(model).fit(plain(data), Y)
    given = convert(data, tmp_path)
    before = copy_of(given) if kind not in ("coo", "csc") else None
    fitted = clone(model).fit(given, Y)
    # Rows that lie together in memory have kernels of their own: equal to rounding.
    precise = {"rtol": 1000 * np.finfo(dtype).eps}
    assert_allclose(fitted.coef_, expected.coef_, **precise)
    assert fitted.coef_.dtype == dtype
    assert_allclose(fitted.predict(given), expected.predict(plain(data)), **precise)
    stream = clone(model).partial_fit(given, Y)
    again = clone(model).partial_fit(plain(data), Y)
    assert_allclose(stream.coef_, again.coef_, **precise)
    if before is not None:
        assert same(given, before)


def test_nothing_is_written_to():
    """Not to X, y, weights or starting values: all of them read-only."""
    weights = np.linspace(1, 2, len(Y))
    start = np.ones(10)
    frozen_arrays = [X.copy(), Y.copy(), weights, start]
    for array in frozen_arrays:
        array.flags.writeable = False
    data, target, weights, start = frozen_arrays
    for lr in ("auto", 0.1):
        model = GDRegressor(lr=lr, max_iter=3, tol=None, penalty="l1")
        model.fit(data, target, weights, coef_init=start)
        model.partial_fit(data, target, sample_weight=weights)
        assert (start == 1).all()
        assert (data == X).all()


@pytest.mark.parametrize("dtype", [np.int64, np.int8, bool])
def test_whole_numbers_become_doubles(dtype):
    data = (X * 100).astype(dtype)
    model = GDRegressor(max_iter=3, tol=None, random_state=0)
    ours = clone(model).fit(data, Y)
    assert ours.coef_.dtype == np.float64
    assert (ours.coef_ == clone(model).fit(data.astype(float), Y).coef_).all()


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_column_names(frame):
    data = frame(dict(zip(NAMES, X.T, strict=True)))
    model = GDRegressor(max_iter=3, tol=None).fit(data, Y)
    assert model.feature_names_in_.tolist() == NAMES
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(data[NAMES[::-1]])


@pytest.mark.parametrize("dtype", [np.int32, np.float32, np.float64, object])
def test_targets_of_any_type(dtype):
    model = GDRegressor(max_iter=3, tol=None, random_state=0)
    given = clone(model).fit(X, Y.astype(dtype)).coef_
    assert_allclose(given, clone(model).fit(X, Y).coef_, rtol=1e-12)
    series = clone(model).fit(X, pd.Series(Y)).coef_
    assert_allclose(series, given, rtol=1e-12)


@pytest.mark.parametrize(
    "labels",
    [
        [0, 1, 2],
        [-5, 7, 9],
        ["a", "b", "c"],
        [1.0, 2.0, 3.0],
        np.array(["a", "b", "c"], dtype=object),
    ],
    ids=str,
)
def test_labels_of_any_type(labels):
    digits, y = load_digits(n_class=3, return_X_y=True)
    labels = np.asarray(labels)
    model = GDClassifier(max_iter=5, tol=None, random_state=0)
    fitted = clone(model).fit(digits, labels[y])
    assert fitted.classes_.tolist() == labels.tolist()
    assert (
        fitted.predict(digits) == labels[clone(model).fit(digits, y).predict(digits)]
    ).all()
    proba = fitted.predict_proba(digits)
    assert (labels[proba.argmax(axis=1)] == fitted.predict(digits)).all()
    assert_allclose(proba.sum(axis=1), 1)
    assert_allclose(np.exp(fitted.predict_log_proba(digits)), proba)


def test_binary_labels():
    digits, y = load_digits(n_class=2, return_X_y=True)
    model = GDClassifier(max_iter=20, tol=None, random_state=0).fit(digits, y == 1)
    assert model.classes_.dtype == bool
    assert model.coef_.shape == (1, 64) and model.intercept_.shape == (1,)
    assert model.decision_function(digits).shape == y.shape
    assert ((model.decision_function(digits) > 0) == model.predict(digits)).all()
    assert model.predict_proba(digits).shape == (len(y), 2)


@pytest.mark.parametrize(
    "loss, has",
    [
        ("log_loss", True),
        ("modified_huber", True),
        ("hinge", False),
        ("perceptron", False),
        ("squared_error", False),
    ],
)
def test_probabilities_only_where_the_loss_has_them(loss, has):
    model = GDClassifier(loss)
    assert hasattr(model, "predict_proba") == has
    assert hasattr(model, "predict_log_proba") == has


def test_very_sure_probabilities_are_numbers():
    digits, y = load_digits(n_class=3, return_X_y=True)
    model = GDClassifier(max_iter=2, tol=None).fit(digits, y)
    model.coef_ = model.coef_ * 1e6
    proba = model.predict_proba(digits)
    assert np.isfinite(proba).all()
    assert_allclose(proba.sum(axis=1), 1)
    assert not np.isnan(model.predict_log_proba(digits)).any()


@pytest.mark.parametrize("shape", [(1,), (3,), (2, 2)])
def test_starting_values(shape):
    """In the shapes of the fitted attributes; wrong shapes are named."""
    digits, y = load_digits(n_class=4, return_X_y=True)
    first = GDClassifier(max_iter=3, tol=None, lr=1e-4, random_state=0).fit(digits, y)
    model = GDClassifier(max_iter=1, tol=None, lr=1e-300)
    model.fit(digits, y, coef_init=first.coef_, intercept_init=first.intercept_)
    assert (model.coef_ == first.coef_).all()
    assert (model.intercept_ == first.intercept_).all()
    with pytest.raises(ValueError, match=r"intercept_init has shape .* \(4,\)"):
        model.fit(digits, y, intercept_init=np.zeros(shape).ravel()[:3])
    with pytest.raises(ValueError, match=r"coef_init has shape .* \(4, 64\)"):
        model.fit(digits, y, coef_init=np.zeros(shape))
    with pytest.raises(ValueError, match="coef_init contains NaN"):
        model.fit(digits, y, coef_init=np.full((4, 64), np.nan))


def test_pipeline_and_grid_search():
    pipeline = make_pipeline(StandardScaler(), GDRegressor(random_state=0))
    search = GridSearchCV(
        pipeline,
        {"gdregressor__lr": [0.001, 0.1, 1e6], "gdregressor__batch_size": [8, 64]},
        cv=3,
    ).fit(X, Y)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert search.best_params_["gdregressor__lr"] != 1e6
    assert search.best_score_ > 0.4
    encoded = make_pipeline(OneHotEncoder(), GDClassifier(max_iter=20))
    digits, y = load_digits(return_X_y=True)
    assert encoded.fit(digits, y).score(digits, y) > 0.95


def test_sparse_input_stays_sparse():
    """A billion entries as an array, two thousand as a matrix."""
    n, p = 1000, 10**6
    matrix = random_csr(np.random.default_rng(0), n, p, density=2e-6)
    y = np.asarray(matrix.sum(axis=1)).ravel()
    for lr in ("auto", 0.1):
        model = GDRegressor(lr=lr, max_iter=2, tol=None).fit(matrix, y)
        assert model.predict(matrix).shape == (n,)
