"""Streams to be tested and then learnt from: real ones that river ships, made ones.

A stream is (X, y) in the order of its rows; y is of floats for a regression. Seeds make
others of the same kind.
"""

import numpy as np
from scipy import sparse

from benchmarks._peers import optional

# Of those that river has: all that are small enough to be inside of it and have
# nothing but numbers.
RIVER = ("Phishing", "Bananas", "ImageSegments", "TrumpApproval", "ChickWeights")


def of_river(name):
    """A stream that river ships."""
    from river import datasets

    rows, y = zip(*getattr(datasets, name)(), strict=True)
    names = sorted(rows[0])
    X = np.array([[float(row[one]) for one in names] for row in rows])
    y = np.array(y)
    is_real = y.dtype.kind == "f" or name == "ChickWeights"
    return X, y.astype(float) if is_real else np.unique(y, return_inverse=True)[1]


def _labels(rng, scores):
    return (rng.random(scores.size) < 1.0 / (1.0 + np.exp(-scores))).astype(int)


def _targets(rng, scores):
    return 50.0 + 10.0 * (scores + 0.5 * rng.normal(size=scores.size))


def _columns(rng, n_rows, n_columns):
    """Normal columns in units that differ by powers of ten, with offsets.

    None has a unit below one, in which the penalty of a classifier would weigh on its
    coefficient: peers are penalised behind a scaler, if at all.
    """
    X = rng.normal(size=(n_rows, n_columns))
    units = 10.0 ** rng.integers(0, 7, n_columns)
    return X, X * units + units * rng.normal(size=n_columns)


def stationary(rng, n_rows):
    """Ten columns in different units, and what they say does not change."""
    X, shown = _columns(rng, n_rows, 10)
    return shown, X @ rng.normal(size=10)


def drifting(rng, n_rows):
    """What the columns say turns round once in two thousand rows."""
    X, shown = _columns(rng, n_rows, 6)
    first, second = rng.normal(size=(2, 6))
    angle = np.arange(n_rows) * (2.0 * np.pi / 2000)
    scores = X @ first * np.cos(angle) + X @ second * np.sin(angle)
    return shown, scores


def rare_columns(rng, n_rows):
    """Five columns, and thirty that are zero in ninety-eight of a hundred rows."""
    X = rng.normal(size=(n_rows, 35))
    X[:, 5:] = rng.random((n_rows, 30)) < 0.02
    weights = np.concatenate([rng.normal(size=5), 3.0 * rng.normal(size=30)])
    return X, X @ weights


def heavy_tails(rng, n_rows):
    """Student's t with two degrees of freedom in each column."""
    X = rng.standard_t(2.0, size=(n_rows, 8))
    return X, X @ rng.normal(size=8)


GENERATED = {
    "stationary": stationary,
    "drifting": drifting,
    "rare columns": rare_columns,
    "heavy tails": heavy_tails,
}


def generated(name, classes, n_rows, seed):
    """A made stream of two classes or of real targets."""
    rng = np.random.default_rng(seed)
    X, scores = GENERATED[name](rng, n_rows)
    return X, (_labels if classes else _targets)(rng, scores)


# ---- sparse --------------------------------------------------------------------------


def _csr(columns, values, ends, n_columns):
    X = sparse.csr_matrix((values, columns, ends), (len(ends) - 1, n_columns))
    X.sum_duplicates()
    return X


def _words(rng, n_rows, n_words, length=(20, 60), topics=20):
    """Numbers of words of texts, word k with a chance of about 1/k, and topics.

    A third of the words of a text are those of its topic.
    """
    counts = rng.integers(*length, n_rows)
    ends = np.concatenate([[0], np.cumsum(counts)])
    words = (n_words ** rng.random(ends[-1])).astype(np.int64) - 1
    topic = np.repeat(rng.integers(0, topics, n_rows), counts)
    of_topic = rng.random(ends[-1]) < 1 / 3
    shifted = (words * 7919 + topic * 104_729) % n_words
    return np.where(of_topic, shifted, words), ends


def _text(rng, n_rows, n_words):
    words, ends = _words(rng, n_rows, n_words)
    return _csr(words, np.ones(words.size), ends, n_words)


def _scores(rng, X, size):
    """Scores by weights of all columns, of a standard deviation of `size`."""
    scores = X @ rng.standard_normal(X.shape[1])
    return size * (scores - scores.mean()) / scores.std()


def _unit_rows(X):
    norms = np.sqrt(np.asarray(X.multiply(X).sum(axis=1)).ravel())
    return sparse.csr_matrix(sparse.diags(1.0 / np.maximum(norms, 1e-300)) @ X)


def hashed_text(rng, n_rows):
    """Words hashed into 2**18 columns, rows of length one."""
    X = _unit_rows(_text(rng, n_rows, 1 << 18))
    return X, _scores(rng, X, 4.0)


def tfidf_text(rng, n_rows):
    """Words weighed by how rare they are, rows of length one."""
    X = _text(rng, n_rows, 30_000)
    frequency = np.bincount(X.indices, minlength=X.shape[1])
    X.data *= np.log((1.0 + n_rows) / (1.0 + frequency))[X.indices] + 1.0
    X = _unit_rows(X)
    return X, _scores(rng, X, 4.0)


def counts(rng, n_rows):
    """How often each word stands in a text."""
    X = _text(rng, n_rows, 30_000)
    return X, _scores(rng, X, 3.0)


def _levels(rng, n_rows, n_columns, n_levels):
    """Levels of categories, of which most are rare."""
    levels = (n_levels ** rng.random((n_rows, n_columns))).astype(np.int64) - 1
    return levels + n_levels * np.arange(n_columns)


def one_hot(rng, n_rows):
    """Ten categories of two thousand levels each, most of them rare."""
    columns = _levels(rng, n_rows, 10, 2000)
    ends = np.arange(0, columns.size + 1, 10)
    X = _csr(columns.ravel(), np.ones(columns.size), ends, 20_000)
    return X, _scores(rng, X, 2.0)


def interactions(rng, n_rows):
    """Six categories and all their pairs, hashed into 2**18 columns."""
    levels = _levels(rng, n_rows, 6, 300)
    pairs = [
        levels[:, i] * 2_654_435_761 + levels[:, j] * 40_503 + i * 97 + j
        for i in range(6)
        for j in range(i)
    ]
    columns = np.column_stack([levels * 7_368_787, *pairs]) % (1 << 18)
    ends = np.arange(0, columns.size + 1, columns.shape[1])
    X = _csr(columns.ravel(), np.ones(columns.size), ends, 1 << 18)
    return X, _scores(rng, X, 2.0)


SPARSE = {
    "hashed text": hashed_text,
    "one-hot, rare levels": one_hot,
    "tf-idf text": tfidf_text,
    "counts": counts,
    "hashed interactions": interactions,
}


def sparse_stream(name, n_rows, seed):
    """A stream of CSR rows of two classes."""
    rng = np.random.default_rng(seed)
    X, scores = SPARSE[name](rng, n_rows)
    return X, _labels(rng, scores)


def real_streams():
    """Name -> stream, of those that river ships; none where it is not installed."""
    if not optional("river"):
        return {}
    return {name: of_river(name) for name in RIVER}
