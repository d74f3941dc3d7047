"""The objective of a linear model on a table, and its exact minimum.

Least squares and logistic regression with an l2 or an l1 penalty on the raw
coefficients, none on the intercept. Tables are in ``_tables.py``; no timing here.
"""

from dataclasses import dataclass

import numba
import numpy as np
from scipy.special import logsumexp, softmax

ALPHA = 1e-4


@dataclass
class Problem:
    """F = mean loss + l2/2 |w|^2 + l1 |w|_1 on a table.

    Attributes
    ----------
    task : {"regression", "binary", "multiclass"}
        Half the squared error, or the logistic loss, of a softmax for more classes.
    l2 : float, default=None
        By default that of GDRegressor or GDClassifier.
    l1 : float
        Only without `l2`, and not for more than two classes.
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
    l2: float | None = None
    l1: float = 0.0

    def __post_init__(self):
        self.X = np.ascontiguousarray(self.X, dtype=float)
        if self.l2 is None:
            self.l2 = 0.0 if self.task == "regression" else ALPHA
        self.mean, self.std = self.X.mean(0), self.X.std(0)
        self.std[self.std <= 1e-12 * np.abs(self.mean)] = np.inf
        Z = (self.X - self.mean) / self.std
        eigenvalues = np.linalg.eigvalsh(Z.T @ Z / len(Z))
        kept = eigenvalues[eigenvalues > 1e-10 * eigenvalues[-1]]
        self.condition = kept[-1] / kept[0]
        if self.task == "regression":
            self.start = 0.5 * np.var(self.y)
        else:
            self.codes = np.unique(self.y, return_inverse=True)[1]
            share = np.bincount(self.codes) / len(self.codes)
            self.start = -np.sum(share * np.log(share))
        if self.task == "regression" and not self.l1:
            coef, intercept = self._least_squares(Z)
        else:
            coef, intercept = self._newton(Z)
        raw = coef / self.std[:, None]
        self.solution = raw.T, intercept - self.mean @ raw
        self.best = self.value(*self.solution)
        self.best_score = self.score(*self.solution)

    def value(self, coef, intercept):
        """F."""
        coef = np.atleast_2d(coef)
        scores = self.X @ coef.T + intercept
        penalty = 0.5 * self.l2 * np.sum(coef**2) + self.l1 * np.abs(coef).sum()
        return self._loss(scores) + penalty

    def gap(self, coef, intercept):
        """(F - F*) / (F0 - F*)."""
        return (self.value(coef, intercept) - self.best) / (self.start - self.best)

    def score(self, coef, intercept):
        """R2 or accuracy."""
        z = self.X @ np.atleast_2d(coef).T + intercept
        if self.task == "regression":
            return 1.0 - np.mean((z[:, 0] - self.y) ** 2) / np.var(self.y)
        chosen = (z[:, 0] > 0).astype(int) if z.shape[1] == 1 else z.argmax(1)
        return np.mean(chosen == self.codes)

    def _loss(self, z):
        if self.task == "regression":
            return 0.5 * np.mean((z[:, 0] - self.y) ** 2)
        z = _with_reference(z)
        return np.mean(logsumexp(z, axis=1) - z[np.arange(len(z)), self.codes])

    def _derivatives(self, z):
        """First derivatives in the scores, and callable(a, b) for the second ones."""
        if self.task == "regression":
            return z - self.y[:, None], lambda a, b: np.ones(len(z))
        columns = z.shape[1]
        P = softmax(_with_reference(z), axis=1)
        target = np.eye(P.shape[1])[self.codes]
        first = (P - target)[:, -columns:]
        P = P[:, -columns:]
        return first, lambda a, b: P[:, a] * ((a == b) - P[:, b])

    def _least_squares(self, Z):
        A, t = Z / np.sqrt(len(Z)), (self.y - self.y.mean()) / np.sqrt(len(Z))
        if self.l2:
            A = np.vstack([A, np.diag(np.sqrt(self.l2) / self.std)])
            t = np.append(t, np.zeros(Z.shape[1]))
        w = np.linalg.lstsq(A, t, rcond=1e-10)[0]
        return w[:, None], np.array([self.y.mean()])

    def _newton(self, Z, iterations=200):
        """Damped Newton steps, with the l1 norm as it is, in scaled coordinates."""
        n, d = Z.shape
        columns = 1 if self.task != "multiclass" else self.codes.max() + 1
        A = np.hstack([Z, np.ones((n, 1))])
        ridge = np.append(self.l2 / self.std**2, 0.0)[:, None]
        lasso = np.append(self.l1 / self.std, 0.0)[:, None]

        def value(W):
            penalty = 0.5 * np.sum(ridge * W**2) + np.sum(lasso * np.abs(W))
            return self._loss(A @ W) + penalty

        W = np.zeros((d + 1, columns))
        current = value(W)
        for _ in range(iterations):
            first, second = self._derivatives(A @ W)
            gradient = A.T @ first / n + ridge * W
            H = np.zeros(((d + 1) * columns, (d + 1) * columns))
            for a in range(columns):
                for b in range(a, columns):
                    block = (A * second(a, b)[:, None]).T @ A / n
                    H[a::columns, b::columns] = H[b::columns, a::columns] = block
            H[np.diag_indices_from(H)] += np.repeat(ridge, columns)
            H[np.diag_indices_from(H)] += 1e-13 * np.trace(H) / len(H)
            if self.l1:
                step = _l1_step(H, gradient[:, 0], W[:, 0], lasso[:, 0])[:, None]
            else:
                step = -np.linalg.solve(H, gradient.ravel()).reshape(W.shape)
            decrease = np.sum(lasso * (np.abs(W) - np.abs(W + step)))
            decrease -= np.sum(gradient * step)
            length = 1.0
            while value(W + length * step) > current - 1e-4 * length * decrease:
                length /= 2
                if length < 1e-10:
                    return W[:-1], W[-1]
            W = W + length * step
            current = value(W)
            if decrease < 1e-14 * max(1.0, abs(current)):
                break
        return W[:-1], W[-1]


def _with_reference(z):
    """Scores of all classes: with two of them that of the first is zero."""
    return np.hstack([np.zeros_like(z), z]) if z.shape[1] == 1 else z


@numba.njit
def _l1_step(H, gradient, w, l1, sweeps=100_000):
    """Minimise g'd + d'Hd/2 + sum l1 |w + d| over d, by coordinate descent."""
    step = np.zeros_like(w)
    slope = gradient.copy()
    for _ in range(sweeps):
        largest = 0.0
        for j in range(len(w)):
            if H[j, j] <= 0.0:
                continue
            old = w[j] + step[j]
            new = old - slope[j] / H[j, j]
            new = np.sign(new) * max(0.0, abs(new) - l1[j] / H[j, j])
            if new != old:
                step[j] += new - old
                slope += (new - old) * H[j]
                largest = max(largest, H[j, j] * (new - old) ** 2)
        if largest <= 1e-24 * len(w):
            break
    return step
