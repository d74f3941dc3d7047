"""Data of the timing suites, and peers that may not be installed.

Raw tables are in ``_tables.py``, exact minima in ``_problems.py``.
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


def fewer(n_rows, quick):
    """The number of rows, in a quick run a fiftieth of it, but at least 640."""
    return max(640, n_rows // 50) if quick else n_rows


def dense(n_rows, n_features, dtype=np.float64, n_classes=2, seed=0):
    """Standard normal features and classes that a linear model predicts roughly."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, n_features), dtype=dtype)
    scores = X @ rng.standard_normal((n_features, n_classes), dtype=dtype)
    scores += np.sqrt(n_features) * rng.standard_normal(scores.shape)
    return X, scores.argmax(axis=1)


def text_like(
    n_rows,
    n_features,
    n_classes=2,
    dtype=np.float64,
    seed=0,
    words=(30, 100),
    uniform=False,
):
    """CSR rows of so many words, of unit length, frequent ones first or all alike.

    A word that is drawn twice counts once, so there are somewhat fewer nonzeros.
    """
    rng = np.random.default_rng(seed)
    counts = rng.integers(words[0], words[1] + 1, n_rows)
    ends = np.concatenate([[0], np.cumsum(counts)])
    if uniform:
        columns = rng.integers(0, n_features, ends[-1], dtype=np.int32)
    else:
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
