"""Sparse matrices whose arrays contradict each other are refused; others are equal."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone

from skgd import MLPGD, GDClassifier, GDRegressor
from skgd._input.sparse import sound

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N_ROWS, N_FEATURES = 60, 7


def table(seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N_ROWS, N_FEATURES)) * (rng.random((N_ROWS, 7)) < 0.5)
    return X, X[:, 0] + rng.standard_normal(N_ROWS)


def tampered(X, kind=sparse.csr_array, **arrays):
    """A matrix whose arrays were replaced after it was made."""
    matrix = kind(X)
    for name, change in arrays.items():
        setattr(matrix, name, change(getattr(matrix, name).copy()))
    return matrix


def put(at, value):
    def change(array):
        array[at] = value
        return array

    return change


FAULTS = {
    "column beyond the last": ({"indices": put(3, N_FEATURES)}, "column 7 in indices"),
    "far column": ({"indices": put(-1, 2**30)}, "column 1073741824"),
    "negative column": ({"indices": put(0, -1)}, "column -1"),
    "numbered from 1": ({"indices": lambda a: a + 1}, "numbered from 0 to 6"),
    "foreign type, far": (
        {"indices": lambda a: put(2, 200)(a.astype(np.uint8))},
        "column 200",
    ),
    "unsigned, far": (
        {"indices": lambda a: put(2, 2**64 - 1)(a.astype(np.uint64))},
        "column 18446744073709551615",
    ),
    "decreasing pointers": ({"indptr": put(5, 200)}, "indptr decreases from 200"),
    "negative pointer": ({"indptr": put(1, -4)}, "indptr decreases from 0 to -4"),
    "first pointer": ({"indptr": put(0, 1)}, "begin with 0"),
    "last pointer": ({"indptr": put(-1, 10**6)}, "ends with 1000000"),
    "too few pointers": ({"indptr": lambda a: a[:-1]}, "expected \\(61,\\)"),
    "too many pointers": ({"indptr": lambda a: np.append(a, a[-1])}, "indptr has"),
    "short data": ({"data": lambda a: a[:-1]}, "data holds"),
    "short indices": ({"indices": lambda a: a[:-1]}, "data holds"),
    "no integers": ({"indices": lambda a: a.astype(float)}, "must be integers"),
    "a matrix": ({"indices": lambda a: a[:, None]}, "indices"),
    "a matrix of data": ({"data": lambda a: a[:, None]}, "data has 2 dimensions"),
    "a list": ({"indices": lambda a: a.tolist()}, "must be arrays, got ndarray and li"),
}


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csr_matrix])
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_named(fault, kind):
    arrays, message = FAULTS[fault]
    with pytest.raises(ValueError, match=f"sparse matrix X is malformed.*{message}"):
        sound(tampered(table()[0], kind, **arrays))


@pytest.mark.parametrize(
    "kind, arrays, message",
    [
        (sparse.csc_array, {"indices": put(0, N_ROWS)}, "row 60"),
        (sparse.csc_array, {"indptr": put(2, 10**6)}, "indptr decreases"),
        (sparse.bsr_array, {"indices": put(0, 99)}, "column of blocks 99"),
        (sparse.bsr_array, {"data": np.ravel}, "data has 1 dimensions, expected 3"),
    ],
)
def test_faults_of_other_formats(kind, arrays, message):
    with pytest.raises(ValueError, match=message):
        sound(tampered(table()[0], kind, **arrays))


@pytest.mark.parametrize("axis, wrong", [(0, N_ROWS), (1, N_FEATURES), (1, -1)])
def test_coordinates_outside(axis, wrong):
    matrix = sparse.coo_array(table()[0])
    matrix.coords[axis][5] = wrong
    with pytest.raises(ValueError, match=f"{['row', 'column'][axis]} {wrong}"):
        sound(matrix)


ESTIMATORS = {
    "regressor": GDRegressor(lr=0.01, max_iter=2, tol=None),
    "classifier": GDClassifier(lr=0.01, max_iter=2, tol=None),
    "network": MLPGD(
        loss="squared_error", hidden_layer_sizes=(3,), max_iter=2, tol=None
    ),
}


def methods(estimator, X, y):
    """Everything that reads rows, as callables of X."""
    fitted = clone(estimator).fit(X, y)
    classes = {"classes": np.unique(y)} if y.dtype == bool else {}

    def validated(bad):
        clone(estimator).fit(X, y, X_val=bad, y_val=y)

    def streamed(bad):
        clone(estimator).fit_batches([(X, y), (bad, y)])

    def first_streamed(bad):
        clone(estimator).fit_batches([(bad, y)])

    def begun(bad):
        clone(estimator).partial_fit(bad, y, **classes)

    def continued(bad):
        clone(fitted).partial_fit(X, y, **classes).partial_fit(bad, y)

    yield lambda bad: clone(estimator).fit(bad, y)
    yield from (validated, streamed, first_streamed, begun, continued, fitted.predict)
    if classes:
        yield from (fitted.decision_function, fitted.predict_proba)
    if hasattr(fitted, "gradient"):
        yield lambda bad: fitted.gradient(bad, y)


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize(
    "fault", ["far column", "negative column", "last pointer", "a matrix of data"]
)
def test_no_method_reads_a_malformed_matrix(fault, name):
    X, y = table()
    y = y > 0 if name == "classifier" else y
    bad = tampered(X, **FAULTS[fault][0])
    for method in methods(ESTIMATORS[name], sparse.csr_array(X), y):
        with pytest.raises(ValueError, match="malformed"):
            method(bad)


def repeated(X):
    """The same matrix with two entries for each, side by side, that add up to it."""
    once = sparse.csr_array(X)
    twice = sparse.csr_array(once.shape)
    twice.data = np.ravel(np.column_stack([once.data - 1e5, np.full(once.nnz, 1e5)]))
    twice.indices = np.repeat(once.indices, 2)
    twice.indptr = once.indptr * 2
    return twice


def apart(X):
    """The same with the second entries after all first ones of a row, unsorted."""
    once = sparse.csr_array(X)
    rows = [slice(*once.indptr[i : i + 2]) for i in range(len(X))]
    twice = sparse.csr_array(once.shape)
    first, second = 2.0 * once.data, -once.data
    twice.data = np.concatenate(
        [part for r in rows for part in (first[r][::-1], second[r])]
    )
    twice.indices = np.concatenate(
        [part for r in rows for part in (once.indices[r][::-1], once.indices[r])]
    )
    twice.indptr = once.indptr * 2
    return twice


def unsorted(X):
    once = sparse.csr_array(X)
    for i in range(len(X)):
        row = slice(*once.indptr[i : i + 2])
        once.data[row] = once.data[row][::-1]
        once.indices[row] = once.indices[row][::-1]
    return once


def with_zeros(X):
    """Zeros stored as well."""
    shape = X.shape
    indptr = np.arange(shape[0] + 1) * shape[1]
    indices = np.tile(np.arange(shape[1]), shape[0])
    return sparse.csr_array((X.ravel(), indices, indptr), shape=shape)


def unused_tail(X):
    """More entries than the pointers speak of, their columns out of range."""
    once = sparse.csr_array(X)
    once.data = np.append(once.data, [3.0, 4.0])
    once.indices = np.append(once.indices, [99, -5]).astype(np.int32)
    return once


def strided(X):
    return tampered(
        X,
        data=lambda a: np.repeat(a, 2)[::2],
        indices=lambda a: np.repeat(a, 2)[::2],
        indptr=lambda a: np.repeat(a, 2)[::2],
    )


VARIANTS = {
    "duplicates": repeated,
    "duplicates apart": apart,
    "unsorted": unsorted,
    "stored zeros": with_zeros,
    "unused tail": unused_tail,
    "strided": strided,
    "csc": sparse.csc_array,
    "coo": sparse.coo_array,
} | {
    str(np.dtype(kind)): lambda X, kind=kind: tampered(
        X, indices=lambda a: a.astype(kind), indptr=lambda a: a.astype(kind)
    )
    for kind in (np.int16, np.uint16, np.uint32, np.int64, np.uint64, ">i4")
}


@pytest.mark.parametrize("name", VARIANTS)
def test_other_ways_to_write_the_matrix_give_its_fits(name):
    X, y = table()
    matrix = VARIANTS[name](X)
    before = [
        vars(matrix)[k] for k in ("data", "indices", "indptr") if k in vars(matrix)
    ]
    copies = [array.copy() for array in before]
    result = sound(matrix)
    assert result.format == "csr"
    assert result.indices.dtype in (np.int32, np.int64)
    assert result.indptr.dtype == result.indices.dtype
    assert_allclose(result.toarray(), X, atol=1e-10)
    for estimator in (
        GDRegressor(random_state=0),
        GDRegressor(lr=0.02, solver="sgd", max_iter=3, tol=None, random_state=0),
        GDRegressor(optimizer="dowg", random_state=0),
        GDRegressor(optimizer="saga", random_state=0),
        MLPGD(
            loss="squared_error", hidden_layer_sizes=(3,), max_iter=3, random_state=0
        ),
    ):
        canonical = clone(estimator).fit(sparse.csr_array(X), y)
        fitted = clone(estimator).fit(matrix, y)
        assert_allclose(fitted.predict(matrix), canonical.predict(X), atol=1e-6)
    # What the user passed is as it was, down to the arrays themselves.
    after = [
        vars(matrix)[k] for k in ("data", "indices", "indptr") if k in vars(matrix)
    ]
    for old, copy, new in zip(before, copies, after, strict=True):
        assert new is old
        assert_array_equal(new, copy)


def test_a_sound_matrix_is_not_copied():
    for X in (sparse.csr_array(table()[0]), unsorted(table()[0])):
        assert sound(X) is X


def test_flags_of_arrays_replaced_since_are_not_believed():
    X, _ = table()
    matrix = sparse.csr_array(X)
    assert matrix.has_canonical_format
    twice = repeated(X)
    matrix.data, matrix.indices, matrix.indptr = twice.data, twice.indices, twice.indptr
    assert matrix.has_canonical_format
    assert sound(matrix).nnz == np.count_nonzero(X)


@pytest.mark.parametrize("shape", [(3, 0), (0, 4), (1, 1)])
def test_empty_matrices_are_left_to_scikit_learn(shape):
    matrix = sparse.csr_array(shape)
    assert sound(matrix).shape == shape
