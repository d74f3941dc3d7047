"""Data of the timing suites, and peers that may not be installed.

Exact minima and raw tables live in ``_tables.py``.
"""

import importlib

import numpy as np
from scipy import sparse


def optional(name):
    """The module, or None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def dense(n_rows, n_features, dtype=np.float64, n_classes=2, seed=0):
    """Standard normal features and classes that a linear model predicts roughly."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, n_features), dtype=dtype)
    scores = X @ rng.standard_normal((n_features, n_classes), dtype=dtype)
    scores += np.sqrt(n_features) * rng.standard_normal(scores.shape)
    return X, scores.argmax(axis=1)


def text_like(n_rows, n_features, n_classes=2, dtype=np.float64, seed=0):
    """CSR rows of 30 to 100 nonzeros, frequent words first, of unit length."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(30, 101, n_rows)
    ends = np.concatenate([[0], np.cumsum(counts)])
    # Word k appears with a probability of about 1/k.
    columns = (n_features ** rng.random(ends[-1])).astype(np.int32) - 1
    values = rng.random(ends[-1])
    X = sparse.csr_matrix(
        (values, columns, ends.astype(np.int32)), (n_rows, n_features)
    )
    X.sum_duplicates()
    norms = np.sqrt(np.asarray(X.multiply(X).sum(axis=1)).ravel())
    X = sparse.csr_matrix(sparse.diags(1.0 / norms) @ X).astype(dtype)
    X.indices, X.indptr = X.indices.astype(np.int32), X.indptr.astype(np.int32)
    scores = X @ rng.standard_normal((n_features, n_classes))
    scores += 0.5 * rng.standard_normal(scores.shape)
    return X, scores.argmax(axis=1)
