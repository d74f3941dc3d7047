"""Tables for the benchmarks, their objective, and its exact minimum.

Raw tables that ship with scikit-learn, synthetic ones with the troubles of real data,
and any further tables from a module named on the command line. No timing here.
"""

import importlib.util
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, log_softmax, logsumexp, softmax
from sklearn import datasets

ALPHA = 1e-4


def _bundled(loader, **kwargs):
    return lambda: loader(return_X_y=True, **kwargs)


def _synthetic(kind, task, n=5000, d=20, seed=0):
    """Columns of scales 10^U(-3, 3) with offsets, correlations or heavy tails."""

    def make():
        rng = np.random.default_rng(seed)
        Z = rng.standard_normal((n, d))
        if kind == "correlated":
            Z = Z + 5.0 * rng.standard_normal((n, 1))
        if kind == "lognormal":
            Z = np.exp(1.5 * Z)
        if kind == "rare":
            Z[:, : d // 2] = rng.random((n, d // 2)) < 0.002
        signal = ((Z - Z.mean(0)) / Z.std(0)) @ rng.standard_normal(d)
        offset = 5.0 if kind == "offset" else 0.0
        X = (Z + offset * Z.std(0)) * 10.0 ** rng.uniform(-3, 3, d)
        noise = rng.standard_normal(n)
        if task == "regression":
            return X, 1000.0 * (signal + noise) + 5e4
        return X, (signal + noise > 0).astype(int)

    return make


REGRESSION = {
    "diabetes": _bundled(datasets.load_diabetes, scaled=False),
    **{
        f"{kind}-r": _synthetic(kind, "regression")
        for kind in ("offset", "correlated", "lognormal", "rare")
    },
}
BINARY = {
    "cancer": _bundled(datasets.load_breast_cancer),
    **{
        f"{kind}-c": _synthetic(kind, "classification")
        for kind in ("offset", "correlated", "lognormal", "rare")
    },
}
MULTICLASS = {
    "wine": _bundled(datasets.load_wine),
    "digits": _bundled(datasets.load_digits),
    "iris": _bundled(datasets.load_iris),
}


def load(path=None):
    """Name -> (task, loader) for the bundled tables and those of the module `path`.

    The module defines REGRESSION, BINARY and MULTICLASS, each name -> function
    returning (X, y).
    """
    groups = {"regression": REGRESSION, "binary": BINARY, "multiclass": MULTICLASS}
    tables = {
        name: (task, make)
        for task, group in groups.items()
        for name, make in group.items()
    }
    if path is not None:
        spec = importlib.util.spec_from_file_location("tables", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for task in groups:
            for name, make in getattr(module, task.upper()).items():
                tables[name] = (task, make)
    return tables


@dataclass
class Problem:
    """The default objective of GDRegressor or GDClassifier on a table.

    Attributes
    ----------
    best, start : float
        F*, and F at the best constant.
    condition : float
        Condition of the features in centred and scaled coordinates.
    best_score : float
        R2 or accuracy at the minimum.
    """

    task: str
    X: np.ndarray
    y: np.ndarray

    def __post_init__(self):
        self.X = np.ascontiguousarray(self.X, dtype=float)
        self.mean, self.std = self.X.mean(0), self.X.std(0)
        self.std[self.std <= 1e-12 * np.abs(self.mean)] = np.inf
        Z = (self.X - self.mean) / self.std
        eigenvalues = np.linalg.eigvalsh(Z.T @ Z / len(Z))
        kept = eigenvalues[eigenvalues > 1e-10 * eigenvalues[-1]]
        self.condition = kept[-1] / kept[0]
        if self.task == "regression":
            w = np.linalg.lstsq(Z, self.y - self.y.mean(), rcond=1e-10)[0]
            self._solution = w[:, None], np.array([self.y.mean()])
            self.start = 0.5 * np.var(self.y)
        else:
            self.codes = np.unique(self.y, return_inverse=True)[1]
            share = np.bincount(self.codes) / len(self.codes)
            self.start = -np.sum(share * np.log(share))
            self._solution = _newton(Z, self.codes, self.std)
        coef, intercept = self._solution
        raw = coef / self.std[:, None]
        self.solution = raw.T, intercept - self.mean @ raw
        self.best = self.value(*self.solution)
        self.best_score = self.score(*self.solution)

    def _scores(self, coef, intercept):
        return self.X @ np.atleast_2d(coef).T + intercept

    def value(self, coef, intercept):
        """F, with the penalty on the raw coefficients."""
        z = self._scores(coef, intercept)
        if self.task == "regression":
            return 0.5 * np.mean((z[:, 0] - self.y) ** 2)
        penalty = 0.5 * ALPHA * np.sum(np.square(coef))
        if z.shape[1] == 1:
            z = np.hstack([np.zeros_like(z), z])
        rows = np.arange(len(z))
        return np.mean(logsumexp(z, axis=1) - z[rows, self.codes]) + penalty

    def gap(self, coef, intercept):
        """(F - F*) / (F0 - F*)."""
        return (self.value(coef, intercept) - self.best) / (self.start - self.best)

    def score(self, coef, intercept):
        z = self._scores(coef, intercept)
        if self.task == "regression":
            return 1.0 - np.mean((z[:, 0] - self.y) ** 2) / np.var(self.y)
        chosen = (z[:, 0] > 0).astype(int) if z.shape[1] == 1 else z.argmax(1)
        return np.mean(chosen == self.codes)


def _newton(Z, codes, std, iterations=200):
    """Damped Newton for (multinomial) logistic regression in scaled coordinates."""
    n, d = Z.shape
    k = codes.max() + 1
    columns = 1 if k == 2 else k
    A = np.hstack([Z, np.ones((n, 1))])
    ridge = np.append(ALPHA / std**2, 0.0)
    W = np.zeros((d + 1, columns))
    target = np.eye(k)[codes][:, -columns:]

    def value(W):
        z = A @ W
        if columns == 1:
            loss = np.logaddexp(0, z[:, 0]) - codes * z[:, 0]
        else:
            loss = -log_softmax(z, axis=1)[np.arange(n), codes]
        return loss.mean() + 0.5 * np.sum(ridge[:, None] * W**2)

    current = value(W)
    for _ in range(iterations):
        z = A @ W
        P = expit(z) if columns == 1 else softmax(z, axis=1)
        gradient = A.T @ (P - target) / n + ridge[:, None] * W
        H = np.zeros(((d + 1) * columns, (d + 1) * columns))
        for a in range(columns):
            for b in range(columns):
                weight = P[:, a] * ((a == b) - P[:, b])
                block = (A * weight[:, None]).T @ A / n
                if a == b:
                    block = block + np.diag(ridge)
                H[a::columns, b::columns] = block
        H[np.diag_indices_from(H)] += 1e-13 * np.trace(H) / len(H)
        step = np.linalg.solve(H, gradient.ravel()).reshape(W.shape)
        slope, length = np.sum(gradient * step), 1.0
        while value(W - length * step) > current - 1e-4 * length * slope:
            length /= 2
            if length < 1e-10:
                return W[:-1], W[-1]
        W = W - length * step
        current = value(W)
        if slope < 1e-14 * max(1.0, abs(current)):
            break
    return W[:-1], W[-1]
