"""Exact minima of small convex problems, by methods that share no code with skgd.

F(w, b) = sum_i s_i l(y_i, x_i'w + b) / sum_i s_i + l2/2 |w|^2 + l1 |w|_1. Least squares
are factorised; absolute, quantile, epsilon-insensitive and hinge losses are linear
programmes, or support vector machines under l2; everything else is brought close by
L-BFGS-B on the positive and negative parts of the weights, and to the end by Newton
steps in the weights that are not zero.

Every function returns a point: the value there is never below the minimum, so that a
lower bound above it is wrong however well the point was found.
"""

import numpy as np
import reference
from scipy import sparse
from scipy.optimize import linprog, minimize
from scipy.special import expit, softmax
from sklearn.linear_model import ElasticNet
from sklearn.svm import SVC, SVR

# ---- losses: (y, z) -> (value, first derivative, second derivative) ------------------

EPSILON = {"epsilon_insensitive": 0.1, "squared_epsilon_insensitive": 0.1}


def second(name, y, z, **parameters):
    """Second derivative of a smooth loss."""
    m = y * z
    if name == "squared_error":
        return np.ones_like(m)
    if name == "huber":
        return (np.abs(z - y) <= parameters.get("epsilon", 1.35)).astype(float)
    if name == "squared_epsilon_insensitive":
        return 2.0 * (np.abs(z - y) > parameters.get("epsilon", 0.1))
    if name == "log_loss":
        return expit(z) * expit(-z)
    if name == "squared_hinge":
        return 2.0 * (m < 1.0)
    if name == "modified_huber":
        return 2.0 * (np.abs(m) < 1.0)
    if name == "poisson":
        return np.exp(z)
    if name == "gamma":
        return y * np.exp(-z)
    return np.zeros_like(m)


def evaluate(name, y, z, **parameters):
    """Value, first and second derivative; softmax for name "softmax", y one-hot."""
    with np.errstate(over="ignore", invalid="ignore"):
        if name == "softmax":
            top = z.max(axis=1, keepdims=True)
            total = np.log(np.exp(z - top).sum(axis=1, keepdims=True)) + top
            return (total - z)[y > 0], softmax(z, axis=1) - y, None
        if name == "log_loss":
            return np.logaddexp(0.0, -y * z), -y * expit(-y * z), second(name, y, z)
        value, slope = vars(reference)[name](y, z, **parameters)
        return value, slope, second(name, y, z, **parameters)


def objective(
    name, X, y, coef, intercept, *, l1=0.0, l2=0.0, weights=None, **parameters
):
    """F of coefficients (outputs, features); y (rows, outputs), one-hot for softmax."""
    X = X.toarray() if sparse.issparse(X) else np.asarray(X, float)
    s = np.ones(len(X)) if weights is None else weights
    coef = np.atleast_2d(coef)
    values = evaluate(name, y, X @ coef.T + intercept, **parameters)[0]
    values = values if values.ndim == 1 else values.sum(axis=1)
    penalty = 0.5 * l2 * np.sum(coef**2) + l1 * np.abs(coef).sum()
    return s @ values / s.sum() + penalty


def minimum(
    name, X, y, *, l1=0.0, l2=0.0, weights=None, fit_intercept=True, **parameters
):
    """A point of smallest F.

    Parameters
    ----------
    name : str
        Of a loss in ``reference.py``, or "softmax".
    X : array or sparse matrix of shape (n, p)
    y : array of shape (n, outputs)
        -1 and 1 for classes, one-hot for "softmax".
    weights : array of shape (n,), default=None

    Returns
    -------
    coef : array of shape (outputs, p)
    intercept : array of shape (outputs,)
    """
    X = X.toarray() if sparse.issparse(X) else np.asarray(X, float)
    s = np.ones(len(X)) if weights is None else np.asarray(weights, float)
    X, y, s = X[s > 0], np.asarray(y, float)[s > 0], s[s > 0]
    s = s / s.sum()
    # In scaled columns, which keeps the solvers out of trouble with units.
    mean = s @ X if fit_intercept else np.zeros(X.shape[1])
    size = np.sqrt(s @ (X - mean) ** 2)
    flat = size <= 1e-12 * np.abs(s @ X)
    unit = np.where(flat, 0.0, 1.0 / np.where(flat, 1.0, size))
    Z = (X - mean) * unit
    problem = _Problem(
        name, Z, y, s, l1 * unit, l2 * unit**2, fit_intercept, parameters
    )
    W = problem.solve()
    coef = (W[:-1] * unit[:, None]).T
    return coef, W[-1] - coef @ mean


class _Problem:
    """In scaled columns, each with its penalties; W is (features + 1, outputs)."""

    def __init__(self, name, Z, y, s, l1, l2, fit_intercept, parameters):
        self.name, self.y, self.s, self.parameters = name, y, s, parameters
        self.A = np.column_stack([Z, np.full(len(Z), float(fit_intercept))])
        self.l1, self.l2 = np.append(l1, 0.0), np.append(l2, 0.0)
        self.fit_intercept = fit_intercept

    def solve(self):
        if self.name == "softmax":
            return self.by_newton(self.y)
        columns = [self.column(y[:, None]) for y in self.y.T]
        return np.hstack(columns)

    def column(self, y):
        has_l1, has_l2 = self.l1.any(), self.l2.any()
        candidates = []
        if self.name == "squared_error":
            one = self.by_coordinates(y) if has_l1 else self.by_least_squares(y)
            candidates.append(one)
        elif self.name in (
            "absolute_error",
            "quantile",
            "epsilon_insensitive",
            "hinge",
        ):
            if not has_l2:
                return self.by_linear_programme(y)
            if not has_l1 and self.name != "quantile":
                candidates.append(self.by_support_vectors(y))
            candidates.append(self.by_smoothing(y))
        else:
            candidates.append(self.by_newton(y))
        return min(candidates, key=lambda W: self.value(W, y))

    def value(self, W, y):
        return self.sums(W, y)[0] + np.sum(self.l1[:, None] * np.abs(W))

    def sums(self, W, y, width=0.0):
        """Smooth part of F, gradient, and what the Hessian is made of."""
        z = self.A @ W
        if width:
            value, slope, bend = rounded(self.name, y, z, width, **self.parameters)
            # A step must not be endless where no row is at a kink.
            bend = np.maximum(bend, 1e-6 / width)
        else:
            value, slope, bend = evaluate(self.name, y, z, **self.parameters)
        value = value if value.ndim == 1 else value.sum(axis=1)
        ridge = self.l2[:, None] * W
        gradient = self.A.T @ (self.s[:, None] * slope) + ridge
        return self.s @ value + 0.5 * np.sum(W * ridge), gradient, slope, bend

    def hessian(self, y, slope, bend):
        A, s = self.A, self.s
        if self.name != "softmax":
            return (A * (s * bend[:, 0])[:, None]).T @ A + np.diag(self.l2)
        P = slope + y
        q, K = A.shape[1], y.shape[1]
        H = np.zeros((q, K, q, K))
        for a in range(K):
            for b in range(K):
                weight = s * P[:, a] * ((a == b) - P[:, b])
                H[:, a, :, b] = (A * weight[:, None]).T @ A
        return H.reshape(q * K, q * K) + np.diag(np.repeat(self.l2, K))

    def by_least_squares(self, y):
        root = np.sqrt(self.s)
        A = np.vstack([self.A * root[:, None], np.diag(np.sqrt(self.l2))])
        # The mean first: units and offsets of y must not cost digits.
        centre = float(self.s @ y[:, 0]) if self.fit_intercept else 0.0
        t = np.append((y[:, 0] - centre) * root, np.zeros(len(self.l2)))
        W = np.linalg.lstsq(A, t, rcond=1e-14)[0][:, None]
        W[-1] += centre
        return W

    def by_coordinates(self, y):
        """In columns of one penalty: (Z/l1) (l1 w), for l1 and l2 in one proportion."""
        spread = y.std() or 1.0
        live = self.l1 > 0
        unit = np.where(live, 1.0 / np.where(live, self.l1, 1.0), 0.0)[:-1]
        # l2_j = l2 unit_j^2 and l1_j = l1 unit_j.
        ridge = np.max(self.l2[:-1] * unit**2, initial=0.0)
        top = 1.0 / np.abs(unit).max()
        unit, lasso, ridge = unit * top, top, ridge * top**2
        model = ElasticNet(
            alpha=lasso / spread + ridge,
            l1_ratio=(lasso / spread) / (lasso / spread + ridge),
            fit_intercept=self.fit_intercept,
            tol=1e-14,
            max_iter=200_000,
        )
        model.fit(self.A[:, :-1] * unit, y[:, 0] / spread, self.s * len(self.s))
        W = np.append(model.coef_ * unit, model.intercept_) * spread
        return self.polished(W[:, None], y)

    def by_linear_programme(self, y):
        A, s, q = self.A, self.s, self.A.shape[1]
        t = y[:, 0]
        n = len(t)
        scale = max(np.abs(t - np.median(t)).max(), 1e-300)
        centre = np.median(t) if self.fit_intercept else 0.0
        if self.name == "hinge":
            scale, centre = 1.0, 0.0
        t = (t - centre) / scale
        eye = sparse.identity(n)
        # w = v - v', losses e >= 0 above each of the straight lines.
        if self.name == "hinge":
            lines = [(-t[:, None] * A, -1.0 + 0.0 * t)]
        else:
            tube = self.parameters.get("epsilon", 0.1) / scale
            up, down = {
                "absolute_error": (1.0, 1.0),
                "epsilon_insensitive": (1.0, 1.0),
                "quantile": (
                    1.0 - self.parameters.get("q", 0.5),
                    self.parameters.get("q", 0.5),
                ),
            }[self.name]
            tube = tube if self.name == "epsilon_insensitive" else 0.0
            lines = [(up * A, up * (t + tube)), (-down * A, -down * (t - tube))]
        left = sparse.vstack(
            [
                sparse.hstack([sparse.csr_array(M), sparse.csr_array(-M), -eye])
                for M, _ in lines
            ]
        )
        right = np.concatenate([b for _, b in lines])
        cost = np.concatenate([self.l1, self.l1, s])
        found = linprog(
            cost,
            left,
            right,
            method="highs-ds",
            options={
                "primal_feasibility_tolerance": 1e-10,
                "dual_feasibility_tolerance": 1e-10,
            },
        )
        W = (found.x[:q] - found.x[q : 2 * q])[:, None] * scale
        W[-1] += centre
        return W

    def by_support_vectors(self, y):
        """Kernel machines on columns of one penalty."""
        live = self.l2 > 0
        unit = np.where(live, 1.0 / np.sqrt(np.where(live, self.l2, 1.0)), 0.0)[:-1]
        X = self.A[:, :-1] * unit
        kernel = X @ X.T
        weights = self.s * len(self.s)
        settings = {"kernel": "precomputed", "C": 1.0 / len(self.s), "tol": 1e-10}
        # Without an end it would look for digits that rounding has taken.
        settings["max_iter"] = 100_000
        if not self.fit_intercept:
            return self.by_smoothing(y)
        if self.name == "hinge":
            model = SVC(**settings).fit(kernel, y[:, 0], weights)
        else:
            tube = self.parameters.get("epsilon", 0.1)
            tube = tube if self.name == "epsilon_insensitive" else 0.0
            model = SVR(epsilon=tube, **settings).fit(kernel, y[:, 0], weights)
        w = X[model.support_].T @ model.dual_coef_.ravel() * unit
        return np.append(w, model.intercept_)[:, None]

    def by_smoothing(self, y):
        """Newton steps on the loss with kinks rounded off, ever less."""
        spread = (
            1.0 if self.name == "hinge" else (np.abs(y - np.median(y)).max() or 1.0)
        )
        W = np.zeros((self.A.shape[1], 1))
        if self.fit_intercept and self.name != "hinge":
            W[-1] = np.median(y)
        for power in range(1, 11):
            W = self.by_newton(y, W, spread * 10.0**-power)
        return W

    def by_newton(self, y, start=None, width=0.0):
        q, K = self.A.shape[1], y.shape[1]
        W = np.zeros((q, K)) if start is None else start
        if start is None and self.fit_intercept and self.name in ("poisson", "gamma"):
            W[-1] = np.log(self.s @ y)
        elif start is None and self.fit_intercept and self.name != "softmax":
            W[-1] = self.s @ y
        if self.l1.any() or self.name == "huber":
            # Far from all rows the loss of Huber has no curvature to go by.
            W = self.by_parts(W, y, width)
        return self.polished(W, y, width)

    def by_parts(self, W, y, width):
        shape = W.shape

        def both(v):
            up, down = v.reshape(2, *shape)
            value, gradient, *_ = self.sums(up - down, y, width)
            value += np.sum(self.l1[:, None] * (up + down))
            l1 = self.l1[:, None]
            return value, np.stack([gradient + l1, l1 - gradient]).ravel()

        start = np.stack([np.maximum(W, 0), np.maximum(-W, 0)]).ravel()
        options = {"maxiter": 20_000, "maxfun": 50_000, "ftol": 1e-16, "gtol": 1e-13}
        found = minimize(
            both,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=[(0, None)] * start.size,
            options=options | {"maxcor": 30},
        )
        up, down = found.x.reshape(2, *shape)
        return up - down

    def polished(self, W, y, width=0.0, iterations=100):
        """Damped Newton steps in the weights that are not zero."""
        l1 = np.repeat(self.l1[:, None], W.shape[1], axis=1)
        moved = ((l1 == 0) | (W != 0)).ravel()

        def norm(W):
            return np.sum(l1 * np.abs(W))

        for _ in range(iterations):
            value, gradient, slope, bend = self.sums(W, y, width)
            value += norm(W)
            gradient = (gradient + l1 * np.sign(W)).ravel()[moved]
            H = self.hessian(y, slope, bend)[np.ix_(moved, moved)]
            scale = 1.0 / np.sqrt(np.where(np.diag(H) > 0, np.diag(H), 1.0))
            eigenvalues, V = np.linalg.eigh(H * scale[:, None] * scale)
            eigenvalues = np.maximum(eigenvalues, 1e-13 * max(eigenvalues[-1], 1e-300))
            step = np.zeros(W.size)
            step[moved] = -scale * (V @ ((V.T @ (scale * gradient)) / eigenvalues))
            step = step.reshape(W.shape)
            length, slope_along = 1.0, float(gradient @ step.ravel()[moved])
            while length > 1e-12:
                trial = W + length * step
                reached = self.sums(trial, y, width)[0] + norm(trial)
                if reached <= value + 1e-4 * length * slope_along:
                    break
                length /= 2
            else:
                return W
            W = trial
            if value - reached <= 1e-16 * abs(value):
                return W
        return W


def rounded(name, y, z, width, **parameters):
    """A loss with kinks, made smooth over `width`: value, slope, curvature."""
    if name == "hinge":
        r = 1.0 - y * z
        low, high, outer = 0.0, 1.0, -y
    else:
        r = z - y
        low, high = {
            "absolute_error": (-1.0, 1.0),
            "quantile": (-parameters.get("q", 0.5), 1.0 - parameters.get("q", 0.5)),
            "epsilon_insensitive": (0.0, 1.0),
        }[name]
        outer = 1.0
        if name == "epsilon_insensitive":
            outer = np.sign(r)
            r = np.abs(r) - parameters.get("epsilon", 0.1)
    u = np.clip(r / width, low, high)
    bend = ((r / width > low) & (r / width < high)) / width
    return u * r - 0.5 * width * u * u, outer * u, bend
