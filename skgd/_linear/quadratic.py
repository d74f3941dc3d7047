"""The minimum of a quadratic model of some hundred weights, with l1 penalties."""

import numpy as np
from scipy.linalg import cho_factor, cho_solve, eigh

# Squared pivots of a matrix with unit diagonal below which its eigenvalues are looked
# at; eigenvalues below which a direction does not move the weights, and below which it
# is not even seen.
SMALLEST_PIVOT = 1e-4
SMALLEST_MOVED = 1e-12
SMALLEST_SEEN = 1e-15

# Share of the largest term to which pulls at the minimum are balanced.
BALANCED = 1e-10


class QuadraticModel:
    """g'd + d'Hd/2 + sum_j l1_j |w_j + d_j|, minimised over d = -c.

    Parameters
    ----------
    H : float64 array of shape (m, m)
        Positive semidefinite.
    g, w, l1 : float64 arrays of shape (m,)
        Gradient of the smooth part, weights, and penalties; an l1_j of zero leaves a
        weight free.

    Attributes
    ----------
    c : float64 array of shape (m,)
        Directions in which H is rounding are left out.

    Notes
    -----
    With penalties, a search over signs: solve for the weights that are not zero with
    their signs as they are, stop on the way where one reaches zero if that is best,
    let the weight go that pulls hardest against its penalty, and so on (Lee, Battle,
    Raina and Ng, "Efficient sparse coding algorithms", 2007).
    """

    def __init__(self, H, g, w, l1):
        self.H, self.g, self.w, self.l1 = H, g, w, l1
        self.signs = np.sign(w) * (l1 > 0.0)
        if l1.any():
            v = self._search()
            self.c = w - v
            self._moved = (self.signs != 0.0) | (l1 == 0.0)
            self._inverse = ScaledInverse(H[np.ix_(self._moved, self._moved)])
        else:
            self._moved = np.ones(len(w), dtype=bool)
            self._inverse = ScaledInverse(H)
            self.c = self._inverse(g)

    def solve(self, pulls):
        """What to add to c to bring pulls of the moved weights to their penalties.

        Parameters
        ----------
        pulls : float64 array of shape (m,)
            Those that are left: of the slopes and of the l2 penalty.
        """
        left = pulls + self.l1 * self.signs
        answer = np.zeros_like(pulls)
        answer[self._moved] = self._inverse(left[self._moved], SMALLEST_SEEN)
        return answer

    def _search(self):
        H, g, w, l1 = self.H, self.g, self.w, self.l1
        v = w.copy()
        scale = np.abs(g) + np.abs(H) @ np.abs(w) + l1
        newest = None
        for _ in range(4 * len(w) + 20):
            pulls = g + H @ (v - w)
            moved = (self.signs != 0.0) | (l1 == 0.0)
            left = (pulls + l1 * self.signs)[moved]
            step = np.zeros_like(v)
            step[moved] = -ScaledInverse(H[np.ix_(moved, moved)])(left)
            crossing = (l1 > 0.0) & ((v + step) * self.signs < 0.0)
            if crossing.any():
                length = self._best_length(v, step, pulls, crossing)
                reached = crossing & (v + length * step == 0.0)
                at_zero = np.where(crossing, -v / step, np.inf)
                reached |= at_zero == length
                v = np.where(reached, 0.0, v + length * step)
                self.signs = np.where(l1 > 0.0, np.sign(v), 0.0)
                if length == 0.0 and (newest is None or reached[newest]):
                    # Rounding: what was let go wants to come back at once.
                    return v
                continue
            v = v + step
            pulls = g + H @ (v - w)
            excess = np.where(self.signs == 0.0, np.abs(pulls) - l1, 0.0)
            excess = np.where(l1 > 0.0, excess, 0.0)
            hardest = int(np.argmax(excess))
            if excess[hardest] <= BALANCED * scale[hardest]:
                return v
            self.signs[hardest] = -np.sign(pulls[hardest])
            newest = hardest
        return v

    def _best_length(self, v, step, pulls, crossing):
        """Where the model is smallest: where a weight reaches zero, or at the end."""
        lengths = np.append(np.clip(-v[crossing] / step[crossing], 0.0, 1.0), 1.0)
        first, second = pulls @ step, step @ self.H @ step
        norms = np.abs(v + lengths[:, None] * step) @ self.l1
        values = lengths * first + 0.5 * lengths**2 * second + norms
        return float(lengths[np.argmin(values)])


class ScaledInverse:
    """H^-1 g, without the directions in which H is rounding.

    Parameters
    ----------
    H : float64 array of shape (m, m)
    """

    def __init__(self, H):
        diagonal = np.diag(H)
        self.scale = np.where(diagonal > 0.0, 1.0 / np.sqrt(diagonal), 0.0)
        H = H * self.scale[:, None] * self.scale
        self.factor = self.values = None
        if not np.isfinite(H).all() or not len(H):
            self.scale = np.zeros(len(H))
            self.values, self.vectors = np.ones(len(H)), np.eye(len(H))
            return
        try:
            factor = cho_factor(H, lower=True)
            if np.diag(factor[0]).min() > SMALLEST_PIVOT:
                self.factor = factor
                return
        except np.linalg.LinAlgError:
            pass
        self.values, self.vectors = eigh(H)

    def __call__(self, g, smallest=SMALLEST_MOVED):
        if self.factor is not None:
            return self.scale * cho_solve(self.factor, self.scale * g)
        kept = self.values > smallest * self.values.max(initial=0.0)
        if not kept.any():
            return np.zeros_like(g)
        V = self.vectors[:, kept]
        return self.scale * (V @ ((V.T @ (self.scale * g)) / self.values[kept]))
