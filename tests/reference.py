"""A slow, obvious training loop in NumPy, to compare every compiled path with.

Written from the formulas in the documentation, sharing no code with the package. Row by
row, parameter vectors as (features + 1, outputs) matrices with the intercepts last.
"""

import numpy as np

# ---- losses: (y, z) -> (value, derivative), elementwise ------------------------------


def squared_error(y, z):
    return 0.5 * (z - y) ** 2, z - y


def huber(y, z, epsilon=1.35):
    r = z - y
    small = np.abs(r) <= epsilon
    value = np.where(small, 0.5 * r**2, epsilon * np.abs(r) - 0.5 * epsilon**2)
    return value, np.where(small, r, epsilon * np.sign(r))


def absolute_error(y, z):
    return np.abs(z - y), np.sign(z - y)


def epsilon_insensitive(y, z, epsilon=0.1):
    excess = np.maximum(np.abs(z - y) - epsilon, 0)
    return excess, np.sign(z - y) * (excess > 0)


def squared_epsilon_insensitive(y, z, epsilon=0.1):
    excess = np.maximum(np.abs(z - y) - epsilon, 0)
    return excess**2, 2 * excess * np.sign(z - y)


def quantile(y, z, q=0.5):
    r = z - y
    value = np.where(r < 0, -q * r, (1 - q) * r)
    return value, np.where(r < 0, -q, np.where(r > 0, 1 - q, 0.0))


def poisson(y, z):
    return np.exp(z) - y * z, np.exp(z) - y


def gamma(y, z):
    return z + y * np.exp(-z), 1 - y * np.exp(-z)


def tweedie(y, z, power=1.5):
    mean = np.exp(z)
    value = mean ** (2 - power) / (2 - power) - y * mean ** (1 - power) / (1 - power)
    return value, mean ** (2 - power) - y * mean ** (1 - power)


def log_loss(y, z):
    return np.log1p(np.exp(-y * z)), -y / (1 + np.exp(y * z))


def perceptron(y, z):
    return np.maximum(0, -y * z), np.where(y * z <= 0, -y, 0.0)


def hinge(y, z):
    return np.maximum(0, 1 - y * z), np.where(y * z <= 1, -y, 0.0)


def squared_hinge(y, z):
    short = np.maximum(0, 1 - y * z)
    return short**2, -2 * y * short


def modified_huber(y, z):
    short = np.maximum(0, 1 - y * z)
    gross = y * z < -1
    return np.where(gross, -4 * y * z, short**2), np.where(
        gross, -4 * y, -2 * y * short
    )


def softmax_cross_entropy(one_hot, z):
    """Of one row; the value is shared out among the outputs."""
    p = np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)
    return -one_hot * np.log(p), p - one_hot


# ---- update rules: step(g, lr, t) -> (displacement, length per unit of gradient) -----


class Gd:
    def step(self, g, lr, t):
        return -lr * g, np.full_like(g, lr)


class Momentum:
    def __init__(self, momentum=0.9, nesterov=False):
        self.momentum, self.nesterov, self.b = momentum, nesterov, 0.0

    def step(self, g, lr, t):
        self.b = self.momentum * self.b + g
        direction = g + self.momentum * self.b if self.nesterov else self.b
        return -lr * direction, np.full_like(g, lr / (1 - self.momentum))


class AdaGrad:
    total = 0.0

    def step(self, g, lr, t):
        self.total = self.total + g**2
        length = lr / (np.sqrt(self.total) + 1e-10)
        return -length * g, length


class RmsProp:
    def __init__(self, rho=0.99, momentum=0.0, centered=False):
        self.rho, self.momentum, self.centered = rho, momentum, centered
        self.v = self.a = self.b = 0.0

    def step(self, g, lr, t):
        self.v = self.rho * self.v + (1 - self.rho) * g**2
        self.a = self.rho * self.a + (1 - self.rho) * g
        variance = self.v - self.a**2 if self.centered else self.v
        unit = 1 / (np.sqrt(np.maximum(variance, 0)) + 1e-8)
        self.b = self.momentum * self.b + unit * g
        return -lr * self.b, lr * unit / (1 - self.momentum)


class AdaDelta:
    v = u = 0.0

    def step(self, g, lr, t):
        self.v = 0.9 * self.v + 0.1 * g**2
        ratio = np.sqrt(self.u + 1e-6) / np.sqrt(self.v + 1e-6)
        self.u = 0.9 * self.u + 0.1 * (ratio * g) ** 2
        return -lr * ratio * g, lr * ratio


class Adam:
    def __init__(self, beta_2=0.999, amsgrad=False, weight_decay=0.0):
        self.beta_2, self.amsgrad, self.weight_decay = beta_2, amsgrad, weight_decay
        self.m = self.v = self.highest = 0.0

    def step(self, g, lr, t):
        self.m = 0.9 * self.m + 0.1 * g
        self.v = self.beta_2 * self.v + (1 - self.beta_2) * g**2
        self.highest = np.maximum(self.highest, self.v)
        h = self.highest if self.amsgrad else self.v
        length = lr / (np.sqrt(h / (1 - self.beta_2**t)) + 1e-8)
        return -length * self.m / (1 - 0.9**t), length


class NAdam:
    m = v = 0.0
    product = 1.0

    def step(self, g, lr, t):
        mu = 0.9 * (1 - 0.5 * 0.96 ** (t * 4e-3))
        following = 0.9 * (1 - 0.5 * 0.96 ** ((t + 1) * 4e-3))
        self.product *= mu
        self.m = 0.9 * self.m + 0.1 * g
        self.v = 0.999 * self.v + 0.001 * g**2
        share = (1 - mu) / (1 - self.product)
        share_m = following / (1 - self.product * following)
        length = lr / (np.sqrt(self.v / (1 - 0.999**t)) + 1e-8)
        # A constant gradient g makes m = (1 - 0.9^t) g.
        return -length * (share * g + share_m * self.m), length * (
            share + share_m * (1 - 0.9**t)
        )


class AdaMax:
    m = u = 0.0

    def step(self, g, lr, t):
        self.m = 0.9 * self.m + 0.1 * g
        self.u = np.maximum(0.999 * self.u, np.abs(g) + 1e-8)
        return -lr / (1 - 0.9**t) * self.m / self.u, lr / self.u


# ---- the loop ------------------------------------------------------------------------


def train(
    X,
    targets,
    loss,
    *,
    batch_size,
    lr,
    n_epochs,
    rule,
    factor=lambda step, epoch: 1.0,
    l1=0.0,
    l2=0.0,
    visits=None,
    full_batch=None,
    weights=None,
    start=None,
    fit_intercept=True,
    average=False,
    clip_norm=None,
    prox=None,
):
    """Train on the rows in order.

    Parameters
    ----------
    X : array (rows, features)
    targets : array (rows, outputs)
    loss : callable(targets, scores) -> (values, derivatives)
    rule : object with step(gradient, lr, t)
    visits : list of int arrays, optional
        The rows of each epoch, as of the calls of partial_fit; their weights are then
        taken as given. By default all rows in each of `n_epochs`, the weights scaled
        to mean 1.
    full_batch : bool, optional
        Whether objectives are those before the update; by default where an epoch makes
        one update.
    factor : callable(step, epoch) -> float, `epoch` with its fraction
    start : array (features + 1, outputs)
    prox : callable(coef, lengths) -> coef, each of shape (outputs, features)
        Proximal step of another penalty than l1 and l2, whose value is left out of
        the losses.

    Returns
    -------
    coef : array (outputs, features)
    intercept : array (outputs,)
    losses : list of float
        Objective of each epoch: the loss of each row just before its update, and the
        penalty after the last one; both before the update for full batches.
    """
    X, targets = np.asarray(X, float), np.asarray(targets, float)
    weights = np.ones(len(X)) if weights is None else np.asarray(weights, float)
    if visits is None:
        visits = [np.flatnonzero(weights)] * n_epochs
        weights = weights / weights[visits[0]].mean()
    Z = np.column_stack([X, np.full(len(X), float(fit_intercept))])
    theta = np.zeros((Z.shape[1], targets.shape[1])) if start is None else start.copy()
    penalised = np.ones_like(theta)
    penalised[-1] = 0.0
    mean, n_averaged, t, losses = theta.copy(), 0, 0, []

    def penalty():
        w = theta[:-1]
        return 0.5 * l2 * np.sum(w**2) + l1 * np.sum(np.abs(w))

    for epoch, rows in enumerate(visits):
        n_steps = -(-len(rows) // batch_size)
        total, at_start = 0.0, penalty()
        for k in range(n_steps):
            batch = rows[k * batch_size : (k + 1) * batch_size]
            gradient = np.zeros_like(theta)
            for i in batch:
                values, derivatives = loss(targets[i], Z[i] @ theta)
                total += weights[i] * values.sum()
                gradient += weights[i] * np.outer(Z[i], derivatives)
            gradient = gradient / len(batch) + l2 * penalised * theta
            if clip_norm is not None:
                norm = np.linalg.norm(gradient)
                gradient *= clip_norm / norm if norm > clip_norm else 1.0
            rate = lr * factor(t, epoch + k / n_steps)
            t += 1
            theta -= rate * getattr(rule, "weight_decay", 0.0) * penalised * theta
            displacement, length = rule.step(gradient, rate, t)
            theta += displacement
            threshold = length * l1 * penalised
            theta = np.sign(theta) * np.maximum(np.abs(theta) - threshold, 0.0)
            if prox is not None:
                theta[:-1] = prox(theta[:-1].T, length[:-1].T).T
            if average and t >= int(average):
                n_averaged += 1
                mean = mean + (theta - mean) / n_averaged
        first = n_steps == 1 if full_batch is None else full_batch
        losses.append(total / len(rows) + (at_start if first else penalty()))
    answer = mean if n_averaged else theta
    return answer[:-1].T, answer[-1], losses
