"""Scores, slopes and the Fenchel inequality of a block of rows.

For every row, every score z and every slope u that the loss can have,
l(z) + l*(u) - u z >= 0. Sums over rows, and proofs, are made elsewhere.
"""

import numpy as np
from scipy.special import log_softmax, xlogy

from skgd.losses import SquaredError


class SeparableLoss:
    """One loss for each output.

    Targets of one column for several outputs are classes, one against the rest.

    Parameters
    ----------
    bound : BoundObjective
    width : float, or array of shape (outputs,), default=None
        Kinks are rounded off over scores of this distance per unit of slope: u moves
        linearly from the slope below to the one above (Nesterov, 2005).
    """

    # Slopes have all their digits.
    offset = 0.0

    # The problem at whose point the loss was last evaluated.
    looked_at = None

    def __init__(self, bound, width=None):
        from skgd._kernels import compiling, elementwise

        self.loss = bound.objective.loss
        self.n_outputs = self.n_groups = bound.objective.model.n_outputs
        self.width = width
        self.piecewise_linear = width is None and bool(self.loss.kinks(np.ones(1)))
        self.quadratic = type(self.loss) is SquaredError
        self._address, self._p = bound.loss, bound.loss_p
        self._losses = compiling.kernel(elementwise.losses, elementwise.signature())

    def coded(self, targets):
        """Targets of each output."""
        if targets.shape[1] < self.n_outputs:
            return np.where(targets == np.arange(self.n_outputs), 1.0, -1.0)
        return np.ascontiguousarray(targets, dtype=np.float64)

    def look(self, targets, z):
        """Evaluate the loss at scores of shape (rows, outputs)."""
        y = self.coded(targets)
        if self.loss.of_residual:
            y, z = np.zeros_like(z), z - y
        z = np.ascontiguousarray(z)
        values, slopes = np.empty_like(z), np.empty_like(z)
        self._losses(
            self._address,
            self._p,
            y.reshape(-1),
            z.reshape(-1),
            values.reshape(-1),
            slopes.reshape(-1),
        )
        self.y, self.z, self.values = y, z, values
        self.low, self.high = self.loss.slopes(y)
        if self.width is not None:
            slopes, self.bends = self._rounded()
        else:
            self.bends = self.loss.curvature_at(y, z)
        self.slopes = self.within(slopes)

    def _rounded(self):
        slopes, bends = np.zeros_like(self.z), np.zeros_like(self.z)
        for position, below, above in self.loss.kinks(self.y):
            # At the kink itself half-way between the slopes on both sides.
            raw = 0.5 * (below + above) + (self.z - position) / self.width
            slopes += np.clip(raw, below, above)
            bends += ((raw > below) & (raw < above)) / self.width
        return slopes, bends

    def distance_to_kinks(self):
        """The smallest width that takes in each score."""
        nearest = np.full(self.z.shape, np.inf)
        for position, below, above in self.loss.kinks(self.y):
            distance = np.abs(self.z - position) / (0.5 * (above - below))
            nearest = np.minimum(nearest, distance)
        return nearest

    def curve(self, V):
        """Second derivative times a change of the scores."""
        return self.bends * V

    def hessians(self, block, weights, columns):
        """One Gram matrix for each output."""
        bends = weights[:, None] * self.bends
        found = []
        for k in range(self.n_outputs):
            if k and np.array_equal(bends[:, k], bends[:, 0]):
                found.append(found[0])
            else:
                found.append(block.gram(bends[:, k], columns))
        return np.array(found)

    def hessians_at_once(self, Z, weights):
        """The Gram matrix of all columns of a dense block, of one output."""
        return (Z * (weights * self.bends[:, 0])[:, None]).T @ Z

    def within(self, u):
        """The nearest slopes that the loss has."""
        if self.quadratic:
            return u
        return np.clip(u, self.low, self.high)

    def shrink(self, u):
        """The largest factor, at most 1, that brings all rows of an output there."""
        if self.quadratic:
            return np.ones(self.n_outputs)
        room = np.where(u > 0.0, self.high / u, self.low / u)
        room = np.where(u == 0.0, np.inf, room)
        return np.minimum(room.min(axis=0, initial=1.0), 1.0)

    def tallies(self, weights, u):
        """What ``balanced`` needs to know of all rows: positive and negative sums."""
        weighted = weights[:, None] * u
        up, down = np.maximum(weighted, 0.0), np.minimum(weighted, 0.0)
        return np.array([up.sum(axis=0), down.sum(axis=0)])

    @staticmethod
    def balanced(u, tallies):
        """Slopes of weighted sum zero: those of the heavier sign are made smaller."""
        up, down = tallies[0], -tallies[1]
        lesser = np.minimum(up, down)
        shares = [np.where(x > 0.0, lesser / x, 1.0) for x in (up, down)]
        return np.where(u > 0.0, u * shares[0], u * shares[1])

    def distance(self, u):
        """l(z) + l*(u) - u z of each row and output, and the sizes of its terms."""
        conjugate, product = self.loss.conjugate(self.y, u), u * self.z
        sizes = np.abs(self.values) + np.abs(conjugate) + np.abs(product)
        return np.maximum(self.values + conjugate - product, 0.0), sizes

    def at_rest(self):
        """l*(0), which is -min l."""
        return self.loss.conjugate(self.y, np.zeros_like(self.z))

    def row_values(self):
        """Losses of shape (rows, groups)."""
        return self.values


class SoftmaxLoss:
    """Cross-entropy of the softmax over a row of scores.

    Slopes u of a row are q - e_y, q in the simplex, and l*(u) = sum q log q.
    """

    n_groups = 1
    piecewise_linear = quadratic = False
    width = looked_at = None

    def __init__(self, bound):
        self.n_outputs = bound.objective.model.n_outputs

    def look(self, targets, z):
        """Evaluate the loss at scores of shape (rows, outputs)."""
        self.label = np.zeros_like(z)
        self.rows = np.arange(len(z)), targets[:, 0].astype(int)
        self.label[self.rows] = 1.0
        self.log_p = log_softmax(z, axis=1)
        self.p = np.exp(self.log_p)
        self.slopes = self.p - self.label
        # What was subtracted, of which the slopes carry the rounding.
        self.offset = self.label

    def curve(self, V):
        """Second derivative times a change of the scores: (diag p - p p')V."""
        weighted = self.p * V
        return weighted - self.p * weighted.sum(axis=1, keepdims=True)

    def hessians(self, block, weights, columns):
        """One matrix for all outputs, weights of a feature next to each other."""
        K = self.n_outputs
        found = None
        for a in range(K):
            for b in range(a, K):
                share = (a == b) - self.p[:, b]
                part = block.gram(weights * self.p[:, a] * np.abs(share), columns)
                if found is None:
                    found = np.empty((len(part), K, len(part), K))
                found[:, a, :, b] = found[:, b, :, a] = part if a == b else -part
        return found.reshape(1, len(part) * K, len(part) * K)

    def hessians_at_once(self, Z, weights):
        """The matrix of all columns of a dense block; rounds more than the other."""
        d, K = Z.shape[1], self.n_outputs
        parts = (Z[:, :, None] * self.p[:, None, :]).reshape(len(Z), d * K)
        weighted = parts * weights[:, None]
        H = -(weighted.T @ parts).reshape(d, K, d, K)
        same = (Z.T @ weighted).reshape(d, d, K)
        for k in range(K):
            H[:, k, :, k] += same[:, :, k]
        return H

    def within(self, u):
        """Slopes nearby that the loss has."""
        q = np.maximum(u + self.label, 0.0)
        return q / q.sum(axis=1, keepdims=True) - self.label

    def shrink(self, u):
        """The largest factor, at most 1, that brings all rows there: 0 or 1."""
        return np.array([float((u + self.label).min(initial=0.0) >= 0.0)])

    def tallies(self, weights, u):
        """What ``balanced`` needs to know of all rows: sums of u and of q."""
        return np.array([weights @ u, weights @ (u + self.label)])

    def balanced(self, u, tallies):
        """Slopes of weighted sums zero: classes with too much give to the others."""
        sums, masses = tallies
        q = u + self.label
        given = np.where(sums > 0.0, sums / masses, 0.0)
        wanted = np.maximum(-sums, 0.0)
        if wanted.sum() > 0.0:
            moved = (q * given).sum(axis=1, keepdims=True)
            q = q * (1.0 - given) + moved * (wanted / wanted.sum())
        return q - self.label

    def distance(self, u):
        """l(z) + l*(u) - u'z, the divergence of q from p, and the sizes of terms."""
        q = u + self.label
        entropy, cross = xlogy(q, q).sum(axis=1), (q * self.log_p).sum(axis=1)
        return np.maximum(entropy - cross, 0.0)[:, None], (1.0 - entropy - cross)[
            :, None
        ]

    def at_rest(self):
        """l*(0), which is -min l = 0."""
        return np.zeros((len(self.p), 1))

    def row_values(self):
        """Losses of shape (rows, groups)."""
        return -self.log_p[self.rows][:, None]
