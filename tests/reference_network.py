"""A slow, obvious neural network in NumPy: forward and backward, one row at a time.

Written from the formulas in the documentation, sharing no code with the package. Losses
and update rules are those of ``reference.py``.
"""

import math

import numpy as np

# ---- activations: z -> (value, derivative), elementwise ------------------------------


def _sigmoid(z):
    return 1 / (1 + np.exp(-z))


def _normal_distribution(z):
    return np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in np.ravel(z)]).reshape(
        np.shape(z)
    )


ACTIVATIONS = {
    "identity": lambda z: (z, np.ones_like(z)),
    "logistic": lambda z: (_sigmoid(z), _sigmoid(z) * (1 - _sigmoid(z))),
    "tanh": lambda z: (np.tanh(z), 1 / np.cosh(z) ** 2),
    "relu": lambda z: (np.where(z > 0, z, 0.0), np.where(z > 0, 1.0, 0.0)),
    "leaky_relu": lambda z: (
        np.where(z > 0, z, 0.01 * z),
        np.where(z > 0, 1.0, 0.01),
    ),
    "elu": lambda z: (
        np.where(z > 0, z, np.exp(np.minimum(z, 0)) - 1),
        np.where(z > 0, 1.0, np.exp(np.minimum(z, 0))),
    ),
    "gelu": lambda z: (
        z * _normal_distribution(z),
        _normal_distribution(z) + z * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi),
    ),
    "silu": lambda z: (
        z * _sigmoid(z),
        _sigmoid(z) * (1 + z * (1 - _sigmoid(z))),
    ),
    "mish": lambda z: (
        z * np.tanh(np.log1p(np.exp(z))),
        np.tanh(np.log1p(np.exp(z)))
        + z * _sigmoid(z) / np.cosh(np.log1p(np.exp(z))) ** 2,
    ),
}


def formula_of(name):
    """The function z -> (value, derivative): as here, or else of the activation itself.

    The latter compares the compiled network with the activation in plain Python.
    """
    from skgd.activations import get_activation

    own = get_activation(name)
    return ACTIVATIONS.get(name, lambda z: (own.value(z), own.derivative(z)))


# ---- dropout: the documented counter-based stream ------------------------------------

_MASK = 2**64 - 1


def uniform(seed, n):
    """The n-th number of splitmix64 from `seed`, in [0, 1), in exact integers."""
    z = (seed + n * 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((z ^ (z >> 31)) >> 11) * 2.0**-53


def mask(share, seed, layer, row, width):
    """Factors of one hidden layer for the `row`-th row ever trained on."""
    draws = [uniform(seed + layer, row * width + k) for k in range(width)]
    return np.array([0.0 if u < share else 1 / (1 - share) for u in draws])


# ---- the network ---------------------------------------------------------------------


def forward(coefs, intercepts, x, activation, masks=None):
    """Inputs of each layer, derivatives of each hidden layer, and the scores."""
    inputs, slopes, a = [], [], x
    for layer, (W, b) in enumerate(zip(coefs, intercepts, strict=True)):
        inputs.append(a)
        z = np.array(
            [sum(a[j] * W[j, k] for j in range(len(a))) for k in range(len(b))]
        )
        z = z + b
        if layer == len(coefs) - 1:
            return inputs, slopes, z
        a, slope = formula_of(activation)(z)
        factor = 1.0 if masks is None else masks[layer]
        a, slope = a * factor, slope * factor
        slopes.append(slope)
    raise AssertionError("no layers")


def row_gradient(coefs, intercepts, x, target, loss, activation, masks=None):
    """Loss of one row, and its gradient for each weight matrix and intercept."""
    inputs, slopes, z = forward(coefs, intercepts, x, activation, masks)
    values, delta = loss(target, z)
    coef_gradients, intercept_gradients = [], []
    for layer in reversed(range(len(coefs))):
        coef_gradients.insert(0, np.outer(inputs[layer], delta))
        intercept_gradients.insert(0, delta)
        if layer:
            delta = (coefs[layer] @ delta) * slopes[layer - 1]
    return values.sum(), coef_gradients, intercept_gradients


def train(
    X,
    targets,
    loss,
    coefs,
    intercepts,
    *,
    activation,
    batch_size,
    lr,
    n_epochs,
    rule,
    l2=0.0,
    weights=None,
    clip_norm=None,
    dropout=0.0,
    seed=None,
):
    """Train on the rows in order.

    `rule` is an object with step(gradient, lr, t) on the flat parameters.

    Returns
    -------
    coefs, intercepts : lists of arrays
    losses : list of float
        Of each epoch: the loss of each row just before its update, and the penalty at
        the end; both before the update for full batches.
    """
    weights = np.ones(len(X)) if weights is None else np.asarray(weights, float)
    rows = np.flatnonzero(weights)
    weights = weights / weights[rows].mean()
    coefs = [W.copy() for W in coefs]
    intercepts = [b.copy() for b in intercepts]
    t = seen = 0
    shares = np.broadcast_to(dropout, len(coefs) - 1)
    losses = []

    def penalty():
        return 0.5 * l2 * sum(np.sum(W**2) for W in coefs)

    n_steps = -(-len(rows) // batch_size)
    for _ in range(n_epochs):
        total, at_start = 0.0, penalty()
        for k in range(n_steps):
            batch = rows[k * batch_size : (k + 1) * batch_size]
            gradients = [np.zeros_like(p) for p in (*coefs, *intercepts)]
            for i in batch:
                masks = None
                if any(shares):
                    masks = [
                        mask(share, seed, layer + 1, seen, len(b))
                        for layer, (share, b) in enumerate(
                            zip(shares, intercepts[:-1], strict=True)
                        )
                    ]
                seen += 1
                value, dW, db = row_gradient(
                    coefs, intercepts, X[i], targets[i], loss, activation, masks
                )
                total += weights[i] * value
                for G, d in zip(gradients, (*dW, *db), strict=True):
                    G += weights[i] * d
            for layer, G in enumerate(gradients):
                G /= len(batch)
                if layer < len(coefs):
                    G += l2 * coefs[layer]
            flat = np.concatenate([G.ravel() for G in gradients])
            if clip_norm is not None and np.linalg.norm(flat) > clip_norm:
                flat *= clip_norm / np.linalg.norm(flat)
            t += 1
            displacement, _ = rule.step(flat, lr, t)
            for p in (*coefs, *intercepts):
                p += displacement[: p.size].reshape(p.shape)
                displacement = displacement[p.size :]
        losses.append(total / len(rows) + (at_start if n_steps == 1 else penalty()))
    return coefs, intercepts, losses
