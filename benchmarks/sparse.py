"""Wide sparse tables: default fits, epochs, full passes, single rows of a stream.

Generated text with Zipf's frequencies and topics, hashed text, and one-hot tables like
those of click logs. Peers with their defaults, and the gap each of them leaves.
"""

from functools import partial

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.svm import LinearSVC

from benchmarks._command import alone
from benchmarks._fits import comparison, sgd_fit, skgd_fit
from benchmarks._peers import fewer, optional
from benchmarks._report import Table
from benchmarks._timing import interleaved, medians
from skgd import GDClassifier
from skgd.optimizers import FTRL

# Strengths of the l2 penalty beside the mean loss.
ALPHAS = (1e-4, 1e-6)

# Gap of the fit that stands for the minimum.
EXACT = 1e-9


def zipf_text(n_rows, n_words, length, topics=20, seed=0):
    """Counts of words: half from all of them, half from the topic of the row."""
    rng = np.random.default_rng(seed)
    cumulative = np.cumsum(1.0 / np.arange(1, n_words + 1))
    cumulative /= cumulative[-1]
    words = np.searchsorted(cumulative, rng.random((n_rows, length)))
    topic = rng.integers(topics, size=n_rows)
    own = rng.random((n_rows, length)) < 0.5
    # A topic has an order of the frequencies of its own.
    words = np.where(own, (words * (2 * topic[:, None] + 3)) % n_words, words)
    X = _counts(words.astype(np.int32), n_words)
    mood = (
        rng.normal(size=n_words)
        + 0.5 * rng.normal(size=topics)[np.arange(n_words) % topics]
    )
    return X, _labels(TfidfTransformer().fit_transform(X) @ mood, rng)


def hashed(X, n_columns, seed=0):
    """The same rows with their columns hashed, as by the hashing trick."""
    rng = np.random.default_rng(seed)
    place = rng.integers(n_columns, size=X.shape[1]).astype(np.int32)
    hashed = sparse.csr_matrix(
        (X.data, place[X.indices], X.indptr), shape=(X.shape[0], n_columns)
    )
    hashed.sum_duplicates()
    return hashed


def click_log(n_rows, levels=(50, 500, 5000, 20_000), seed=0):
    """One-hot categories with many rare levels, and one click in five."""
    rng = np.random.default_rng(seed)
    columns, scores, first = [], np.zeros(n_rows), 0
    for n_levels in levels:
        frequency = 1.0 / np.arange(1, n_levels + 1) ** 1.2
        level = rng.choice(n_levels, n_rows, p=frequency / frequency.sum())
        scores += rng.normal(size=n_levels)[level]
        columns.append(first + level)
        first += n_levels
    X = _counts(np.column_stack(columns).astype(np.int32), first)
    noisy = scores + rng.logistic(size=n_rows)
    return X, (noisy > np.quantile(noisy, 0.8)).astype(int)


def _counts(columns, n_columns):
    n_rows, length = columns.shape
    ends = np.arange(0, n_rows * length + 1, length, dtype=np.int32)
    data = np.ones(n_rows * length)
    X = sparse.csr_matrix((data, columns.ravel(), ends), shape=(n_rows, n_columns))
    X.sum_duplicates()
    return X


def _labels(scores, rng):
    noisy = scores + 0.5 * scores.std() * rng.normal(size=len(scores))
    return (noisy > np.median(noisy)).astype(int)


def tables_of_text(quick):
    """Name -> (X, y)."""
    counts, y = zipf_text(fewer(20_000, quick), 40_000, 80)
    text = TfidfTransformer().fit_transform(counts).tocsr()
    return {
        "tf-idf, 40,000 columns": (text, y),
        "counts, 40,000 columns": (counts, y),
        "tf-idf, hashed to 2^18": (hashed(text, 2**18), y),
        "one-hot clicks, 25,550 columns": click_log(fewer(100_000, quick)),
    }


def objective(model, X, y, alpha):
    """F of a logistic model of two classes."""
    coef = model.coef_.ravel()
    signs = np.where(y == model.classes_[1], 1.0, -1.0)
    margins = signs * (X @ coef + model.intercept_[0])
    return np.logaddexp(0.0, -margins).mean() + 0.5 * alpha * coef @ coef


def logistic_peers(X, y, alpha):
    """Name -> callable() that fits."""
    cost = 1.0 / (alpha * len(y))
    peers = {
        "skgd": GDClassifier(alpha=alpha, random_state=0),
        "SGDClassifier": SGDClassifier("log_loss", alpha=alpha, random_state=0),
        "lbfgs": LogisticRegression(C=cost),
        "liblinear": LogisticRegression(C=cost, solver="liblinear"),
    }
    snapml = optional("snapml")
    if snapml is not None:
        peers["snapml"] = snapml.LogisticRegression(
            regularizer=1.0 / cost, fit_intercept=True
        )
    return {name: lambda model=model: model.fit(X, y) for name, model in peers.items()}


def default_fits(repeats, quick):
    """Time and gap of default fits of the log loss."""
    rows = []
    for name, (X, y) in tables_of_text(quick).items():
        share = y.mean()
        constant = -share * np.log(share) - (1 - share) * np.log(1 - share)
        for alpha in ALPHAS:
            exact = GDClassifier(alpha=alpha, tol=EXACT, random_state=0).fit(X, y)
            fits = logistic_peers(X, y, alpha)
            models = {peer: fit() for peer, fit in fits.items()}
            reached = {
                peer: objective(model, X, y, alpha)
                for peer, model in models.items()
                if hasattr(model, "coef_") and np.ndim(model.coef_)
            }
            best = min(objective(exact, X, y, alpha), *reached.values())
            seconds = medians(interleaved(fits, repeats, warm_up=False))
            rows += [
                {
                    "table": name,
                    "alpha": alpha,
                    "method": peer,
                    "ms": 1e3 * seconds[peer],
                    "gap": (reached[peer] - best) / (constant - best)
                    if peer in reached
                    else None,
                    "of SGDClassifier's time": seconds[peer] / seconds["SGDClassifier"],
                }
                for peer in fits
            ]
    note = (
        "The gap is (F - F*)/(F0 - F*), F0 the objective of the best constant. "
        "liblinear penalises the intercept and cannot reach zero."
    )
    missing = [] if optional("snapml") else ["snapml"]
    return Table("Default fits, log loss", rows, note, missing)


def hinge_fits(repeats, quick):
    """Time and accuracy of support vector machines."""
    rows = []
    for name, (X, y) in tables_of_text(quick).items():
        half = X.shape[0] // 2
        fits = {
            "skgd": GDClassifier("hinge", random_state=0),
            "SGDClassifier": SGDClassifier("hinge", random_state=0),
            "LinearSVC": LinearSVC(C=1e4 / half, loss="hinge", random_state=0),
        }
        tasks = {
            peer: lambda model=model, X=X, y=y, half=half: model.fit(X[:half], y[:half])
            for peer, model in fits.items()
        }
        seconds = medians(interleaved(tasks, repeats))
        rows += [
            {
                "table": name,
                "method": peer,
                "ms": 1e3 * seconds[peer],
                "accuracy": model.score(X[half:], y[half:]),
            }
            for peer, model in fits.items()
        ]
    return Table("Hinge, alpha=1e-4, half of the rows held out", rows)


def epochs(repeats, quick):
    """Seconds of one epoch of 40 nonzeros a row against SGDClassifier's."""
    n, d = fewer(100_000, quick), 50_000
    X, y = zipf_text(n, d, 40)
    theirs = sgd_fit(SGDClassifier, X, y, loss="log_loss", penalty=None)
    plain = {"solver": "sgd", "penalty": None}
    penalised = {"penalty": "l2", "alpha": 1e-4}
    ours = {
        "plain steps": ({"lr": 0.01}, 1 / 0.7),
        'lr="auto"': ({"lr": "auto", "tol": None}, 1 / 1.3),
        "AdaGrad": ({"optimizer": "adagrad", "lr": 0.1}, 1 / 1.5),
        "FTRL": ({"optimizer": FTRL(), "lr": 0.1}, 1 / 1.5),
        "momentum": ({"optimizer": "momentum", "lr": 0.001}, 1 / 2.5),
        "RMSProp": ({"optimizer": "rmsprop", "lr": 0.001}, 1 / 2.5),
        "Adam": ({"optimizer": "adam", "lr": 0.001}, 1 / 2.5),
        "AdaGrad, l2": ({"optimizer": "adagrad", "lr": 0.1, **penalised}, 1 / 1.5),
        "Adam, l2": ({"optimizer": "adam", "lr": 0.001, **penalised}, 1 / 2.5),
    }
    rows = [
        comparison(
            name,
            {
                "SGDClassifier": theirs,
                "skgd": skgd_fit(GDClassifier, X, y, **plain | kind),
            },
            target,
            repeats=repeats,
        )
        for name, (kind, target) in ours.items()
    ]
    return Table(f"One epoch, single rows, {n:,} × {d:,}", rows)


def full_passes(repeats, quick):
    """Seconds of one pass of full gradients against the two products in SciPy."""
    rows = []
    for name, (X, y) in tables_of_text(quick).items():
        weights, residuals = np.zeros(X.shape[1]), np.zeros(X.shape[0])

        def products(n, X=X, weights=weights, residuals=residuals):
            for _ in range(n):
                X @ weights
                X.T @ residuals

        for rate, target in ((0.1, 1.0), ("auto", 1 / 1.6)):
            ours = skgd_fit(GDClassifier, X, y, solver="batch", lr=rate)
            row = comparison(
                f"{name}, lr={rate}",
                {"X @ w and X.T @ r": products, "skgd": ours},
                target,
                few=2,
                many=12,
                repeats=repeats,
            )
            rows.append(row)
    return Table("One pass of full gradients", rows)


def streams(repeats, quick):
    """Milliseconds of calls of partial_fit with rows of 2^20 columns."""
    d, n = 2**20, 10 if quick else 30
    models = {
        "SGDClassifier": SGDClassifier("log_loss"),
        'skgd, lr="auto"': GDClassifier(),
        "skgd, lr=0.1": GDClassifier(lr=0.1),
        "skgd, lr=0.1, sgd": GDClassifier(lr=0.1, solver="sgd"),
        "skgd, AdaGrad": GDClassifier(lr=0.1, solver="sgd", optimizer="adagrad"),
    }
    sizes = (1, 100, 1000)
    seconds = {}
    for size in sizes:
        rng = np.random.default_rng(0)
        chunks = [
            (
                _counts(rng.integers(0, d, (size, 30)).astype(np.int32), d),
                rng.integers(0, 2, size),
            )
            for _ in range(n)
        ]

        def stream(model, chunks=chunks):
            for X, y in chunks:
                model.partial_fit(X, y, classes=[0, 1])

        fresh = {name: clone(model) for name, model in models.items()}
        tasks = {name: partial(stream, model) for name, model in fresh.items()}
        seconds[size] = medians(interleaved(tasks, repeats))
    return Table(
        "Rows of 2^20 columns, 30 nonzeros each, through partial_fit",
        [
            {"method": name}
            | {f"{size:,} rows, ms": 1e3 * seconds[size][name] / n for size in sizes}
            for name in models
        ],
    )


def growth(repeats, quick):
    """Seconds of an epoch as columns are added at the same number of nonzeros."""
    n, sizes = fewer(50_000, quick), (10**4, 10**5, 10**6)
    rows = []
    for d in sizes:
        rng = np.random.default_rng(0)
        X = _counts(rng.integers(0, d, (n, 30)).astype(np.int32), d)
        y = (X @ rng.normal(size=d) > 0).astype(int)
        fits = {
            'lr="auto"': skgd_fit(GDClassifier, X, y, lr="auto", tol=None),
            "plain steps": skgd_fit(GDClassifier, X, y, solver="sgd", lr=0.01),
        }
        tasks = {
            (name, many): lambda fit=fit, many=many: fit(many)
            for name, fit in fits.items()
            for many in (2, 6)
        }
        seconds = medians(interleaved(tasks, repeats))
        rows.append(
            {"columns": f"{d:,}"}
            | {
                f"{name}, ms": 1e3 * (seconds[name, 6] - seconds[name, 2]) / 4
                for name in fits
            }
        )
    return Table(f"One epoch of {n:,} rows with 30 nonzeros", rows)


def run(repeats=5, quick=False):
    """All tables of this suite."""
    return [
        default_fits(repeats, quick),
        hinge_fits(repeats, quick),
        epochs(repeats, quick),
        full_passes(repeats, quick),
        streams(repeats, quick),
        growth(repeats, quick),
    ]


if __name__ == "__main__":
    alone(run, __doc__)
