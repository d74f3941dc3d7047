"""Choosing by cross-validation, beside scikit-learn's ways to do it.

The strength of a penalty: twenty of them and five folds for everybody, the same grid
and the same folds, on standardised columns. `passes` is how often the rows are read.
And `GridSearchCV` over twenty candidates of `lr` and `batch_size`, next to as many of
`SGDClassifier`, which has no batches.
"""

import warnings

import numpy as np
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.linear_model import (
    LassoCV,
    LogisticRegressionCV,
    Ridge,
    SGDClassifier,
)
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.preprocessing import scale

from benchmarks._command import alone
from benchmarks._report import Table
from benchmarks._timing import interleaved, medians
from skgd import GDClassifier, GDClassifierCV, GDRegressor, GDRegressorCV

N_FOLDS = 5
GRID = np.geomspace(1.0, 1e-5, 20)

# Seconds beyond which a way is run once and not five times.
LONG = 20.0


def dense(n, d):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d)) @ (
        np.eye(d) + rng.standard_normal((d, d)) / np.sqrt(d)
    )
    w = rng.standard_normal(d) / np.sqrt(d)
    return scale(X), X @ w / 2.0


def classes(n, d):
    X, score = dense(n, d)
    noise = np.random.default_rng(1).logistic(size=n)
    return X, (score + noise > 0).astype(int)


def numbers(n, d):
    X, score = dense(n, d)
    return X, score + np.random.default_rng(1).standard_normal(n)


def text(n, d):
    """Rows of about a hundred words, rare ones in most columns."""
    rng = np.random.default_rng(0)
    columns = (d * rng.random((n, 100)) ** 4).astype(int)
    rows = np.repeat(np.arange(n), 100)
    X = sparse.csr_array((np.ones(rows.size), (rows, columns.ravel())), shape=(n, d))
    X.sum_duplicates()
    X.data = np.log1p(X.data) / 10.0
    score = X @ rng.standard_normal(d)
    return X, (score + 0.3 * rng.logistic(size=n) > 0).astype(int)


def bundled(load):
    X, y = load(return_X_y=True)
    return scale(X), y


def ways_for_classes(X, y):
    cv = StratifiedKFold(N_FOLDS)
    n_trained = X.shape[0] * (N_FOLDS - 1) / N_FOLDS
    Cs = 1.0 / (GRID * n_trained)
    return {
        "GDClassifierCV": GDClassifierCV(alphas=GRID, cv=cv),
        "LogisticRegressionCV": LogisticRegressionCV(
            Cs=Cs,
            cv=cv,
            l1_ratios=(0.0,),
            scoring="neg_log_loss",
            max_iter=1000,
            use_legacy_attributes=False,
        ),
        "GridSearchCV of GDClassifier": GridSearchCV(
            GDClassifier(), {"alpha": GRID}, cv=cv, scoring="neg_log_loss"
        ),
    }


def ways_for_ridge(X, y):
    cv = KFold(N_FOLDS)
    n_trained = X.shape[0] * (N_FOLDS - 1) / N_FOLDS
    return {
        "GDRegressorCV": GDRegressorCV(alphas=GRID, cv=cv),
        "GridSearchCV of Ridge": GridSearchCV(
            Ridge(), {"alpha": GRID * n_trained}, cv=cv
        ),
        "GridSearchCV of GDRegressor": GridSearchCV(
            GDRegressor(penalty="l2"), {"alpha": GRID}, cv=cv
        ),
    }


def ways_for_lasso(X, y):
    cv = KFold(N_FOLDS)
    return {
        "GDRegressorCV": GDRegressorCV(penalty="l1", alphas=20, cv=cv),
        "LassoCV": LassoCV(alphas=20, cv=cv),
    }


def cases(quick):
    n, many, words = (4000, 8000, 5000) if quick else (100_000, 200_000, 50_000)
    documents = 2000 if quick else 20_000
    return [
        ("breast cancer, logistic", lambda: bundled(load_breast_cancer), True),
        ("digits, logistic", lambda: bundled(load_digits), True),
        (f"{n} x 30, logistic", lambda: classes(n, 30), True),
        (f"{many} x 50, logistic", lambda: classes(many, 50), True),
        (f"CSR {documents} x {words}, logistic", lambda: text(documents, words), True),
        ("diabetes, ridge", lambda: bundled(load_diabetes), ways_for_ridge),
        (f"{n} x 30, ridge", lambda: numbers(n, 30), ways_for_ridge),
        ("diabetes, lasso", lambda: bundled(load_diabetes), ways_for_lasso),
        (f"{n} x 30, lasso", lambda: numbers(n, 30), ways_for_lasso),
    ]


def run(repeats=5, quick=False):
    """Seconds of each way on each table.

    Parameters
    ----------
    repeats : int, default=5
        Rounds that count.
    quick : bool, default=False
        Small sizes.

    Returns
    -------
    list of Table
    """
    rows = []
    for name, make, ways in cases(quick):
        X, y = make()
        ways = ways_for_classes(X, y) if ways is True else ways(X, y)
        fits = {way: _fit(model, X, y) for way, model in ways.items()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            seconds = medians(_timed(fits, repeats))
        ours = next(iter(ways))
        for way, model in ways.items():
            passes = getattr(model, "n_passes_", "")
            ratio = seconds[way] / seconds[ours]
            rows.append(
                {
                    "table": name,
                    "way": way,
                    "seconds": f"{seconds[way]:.3f}",
                    "times ours": f"{ratio:.1f}",
                    "passes": passes,
                    "alpha": _chosen(model, X),
                }
            )
    growth = [_growth(n, quick) for n in (5, 20, 80)]
    bundles = {"breast cancer": load_breast_cancer, "digits": load_digits}
    grids = [
        row
        for name, load in list(bundles.items())[: 1 if quick else None]
        for row in _grids(name, *bundled(load), repeats)
    ]
    return [
        Table("20 strengths, 5 folds", rows),
        Table("more strengths", growth),
        Table("GridSearchCV of 20 candidates, 5 folds", grids),
    ]


def _grids(name, X, y, repeats):
    """Seconds and best score of grids of rates, with batches and without."""
    rates = [0.001, 0.003, 0.01, 0.03, 0.1]
    ways = {
        "GDClassifier, lr x batch_size": GridSearchCV(
            GDClassifier(random_state=0),
            {"lr": rates, "batch_size": [1, 16, 64, 256]},
            cv=N_FOLDS,
        ),
        "SGDClassifier, eta0 x alpha": GridSearchCV(
            SGDClassifier(loss="log_loss", learning_rate="constant", random_state=0),
            {"eta0": rates, "alpha": [1e-5, 1e-4, 1e-3, 1e-2]},
            cv=N_FOLDS,
        ),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seconds = medians(
            interleaved({way: _fit(grid, X, y) for way, grid in ways.items()}, repeats)
        )
    ours = next(iter(ways))
    return [
        {
            "table": name,
            "way": way,
            "seconds": f"{seconds[way]:.3f}",
            "times ours": f"{seconds[way] / seconds[ours]:.2f}",
            "best score": f"{grid.best_score_:.4f}",
        }
        for way, grid in ways.items()
    ]


def _fit(model, X, y):
    return lambda: model.fit(X, y)


def _timed(fits, repeats):
    """Long fits once, the others side by side."""
    first = interleaved(fits, 1, warm_up=False)
    short = {way: fit for way, fit in fits.items() if first[way][0] < LONG}
    return first | (interleaved(short, repeats, warm_up=False) if short else {})


def _chosen(model, X):
    """The strength in our units."""
    n_trained = X.shape[0] * (N_FOLDS - 1) / N_FOLDS
    if hasattr(model, "C_"):
        return f"{1.0 / (float(np.ravel(model.C_)[0]) * n_trained):.2g}"
    if hasattr(model, "best_params_"):
        alpha = model.best_params_["alpha"]
        return (
            f"{alpha / n_trained if isinstance(model.estimator, Ridge) else alpha:.2g}"
        )
    return f"{model.alpha_:.2g}"


def _growth(n_alphas, quick):
    X, y = classes(8000 if quick else 100_000, 30)
    model = GDClassifierCV(alphas=np.geomspace(1.0, 1e-5, n_alphas))
    (seconds,) = medians(interleaved({"": _fit(model, X, y)}, 1)).values()
    return {
        "strengths": n_alphas,
        "seconds": f"{seconds:.3f}",
        "passes": model.n_passes_,
    }


if __name__ == "__main__":
    alone(run, __doc__)
