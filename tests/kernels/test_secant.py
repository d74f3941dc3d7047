"""The compiled secant descent against dense matrices and exact minima."""

import pickle

import numpy as np
import pytest
from entrances import entrance
from scipy.interpolate import CubicHermiteSpline
from scipy.special import expit
from sklearn.linear_model import Lasso, LinearRegression

from skgd import GDRegressor
from skgd._kernels import compiling, secant

NOTHING = np.empty(0)


class Dense:
    """The descent with H as a matrix, made anew from the pairs at every step.

    The line search is that of Lewis and Overton with cubic interpolation, by the book.
    """

    def __init__(self, first_step, n_pairs):
        self.first_step = first_step
        self.n_pairs = n_pairs
        self.pairs = []
        self.values = []

    def learn(self, s, y):
        d = self.diagonal * (s @ y) / np.sum(self.diagonal * s**2)
        d = d + y**2 / (s @ y) - (d * s) ** 2 / np.sum(d * s**2)
        self.diagonal = np.clip(d, y @ y / (s @ y) / 1e3, y @ y / (s @ y) * 1e3)
        self.pairs = [*self.pairs, (s, y)][-self.n_pairs :]

    def inverse(self):
        H = np.diag(1.0 / self.diagonal)
        for s, y in self.pairs:
            V = np.eye(len(s)) - np.outer(s, y) / (s @ y)
            H = V @ H @ V.T + np.outer(s, s) / (s @ y)
        return H

    def next(self, trial, value, gradient):
        """The next trial."""
        if not self.values:
            self.diagonal = np.full(len(trial), 1 / self.first_step)
            self.move_to(trial, value, gradient)
            return self.point + self.step * self.direction
        slope, start = gradient @ self.direction, self.gradient @ self.direction
        low, low_value, low_slope = self.low
        if value > self.values[-1] + 1e-4 * self.step * start:
            self.high, self.rejected = self.step, self.rejected + 1
            width = self.high - low
            if self.rejected < 6:
                cubic = CubicHermiteSpline(
                    [low, self.high], [low_value, value], [low_slope, slope]
                )
                steps = np.linspace(low + 0.1 * width, self.high - 0.1 * width, 200_001)
                self.step = steps[cubic(steps).argmin()]
            else:
                self.step = low + 0.5 * width
        elif slope < 0.9 * start:
            self.low, self.rejected = (self.step, value, slope), self.rejected + 1
            if np.isinf(self.high):
                zero = self.step * start / (start - slope) if slope > start else np.inf
                self.step = np.clip(zero, 2 * self.step, 10 * self.step)
            else:
                self.step = (self.step + self.high) / 2
        else:
            self.learn(trial - self.point, gradient - self.gradient)
            self.move_to(trial, value, gradient)
        return self.point + self.step * self.direction

    def move_to(self, point, value, gradient):
        self.point, self.gradient = point, gradient
        self.values.append(value)
        self.direction = -self.inverse() @ gradient
        self.low, self.high = (0.0, value, gradient @ self.direction), np.inf
        self.step, self.rejected = 1.0, 0


def logistic(n=60, d=7, seed=0):
    """An objective with its gradient, bent enough for some trials to fail."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) + 2.0 * rng.standard_normal((n, 1))
    y = np.sign(X @ rng.standard_normal(d) + rng.standard_normal(n))

    def evaluate(theta):
        margin = y * (X @ theta)
        value = np.logaddexp(0, -margin).mean() + 0.005 * theta @ theta
        return value, -X.T @ (y * expit(-margin)) / n + 0.01 * theta

    return evaluate


@pytest.mark.parametrize("first_step", [0.01, 4.0, 400.0])
@pytest.mark.parametrize("n_pairs", [1, 3, 50])
def test_the_path_is_that_of_dense_matrices(n_pairs, first_step):
    evaluate, d = logistic(), 7
    vectors = np.zeros((secant.FIRST_PAIR + 2 * n_pairs, d))
    scalars = np.zeros(len(secant.SCALARS))
    advance = compiling.kernel(secant.advance, secant.signature())
    newton = compiling.address(secant.newton, secant.direction_signature())
    workspace = np.empty(d), np.empty(d), np.empty(n_pairs)
    dense = Dense(first_step, n_pairs)
    trial, expected, steps = np.zeros(d), np.zeros(d), set()
    for _ in range(15):
        value, gradient = evaluate(trial)
        model = secant.Model(newton, NOTHING, False, 1e-13, first_step)
        given = (vectors, scalars), (trial, value, gradient), workspace
        advance(*given, tuple(model))
        expected = dense.next(expected, *evaluate(expected))
        # The cubic's minimum is looked for on a grid.
        np.testing.assert_allclose(trial, expected, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(vectors[0], dense.point, rtol=1e-3, atol=1e-5)
        steps.add(scalars[secant.STEP])
        trial = expected.copy()  # or small differences would add up
    # Or no trial was too long, or none too short.
    assert min(steps) < 1.0 if first_step > 1.0 else max(steps) > 1.0


def test_learnt_diagonal_stays_near_the_curvature_of_the_newest_pair():
    diagonal = np.array([1e-9, 1.0, 1e9])
    move, change = np.array([1.0, 1.0, 1.0]), np.array([0.2, 0.3, 0.5])
    entrance(secant._learn_diagonal)(diagonal, move, change)
    steepness = change @ change
    assert diagonal.min() >= steepness / 1e3 and diagonal.max() <= steepness * 1e3


def test_differences_of_rounding_size_are_judged_by_slopes():
    """A parabola far above zero, where all values are equal."""
    scalars = np.zeros(len(secant.SCALARS))
    scalars[[secant.STEP, secant.VALUE, secant.DECREMENT]] = 1.0, 1e10, 1.0
    scalars[secant.HIGH] = np.inf
    judge = entrance(secant._on_the_line)
    assert judge(scalars.copy(), 1e10, 0.0, 1e-13) == secant.TRIAL
    assert judge(scalars.copy(), 1e10, 1.0, 1e-13) == secant.SHORTER
    assert judge(scalars.copy(), 1e10, -0.95, 1e-13) == secant.LONGER
    assert judge(scalars.copy(), np.nan, 0.0, 1e-13) == secant.SHORTER


def ring(n=6, room=4, learnt=9, seed=1):
    """A diagonal and a ring of pairs of a random quadratic, and the matrix they make.

    The matrix is written down by the BFGS update.
    """
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((n, n))
    diagonal = rng.uniform(0.5, 2.0, n)
    moves, changes = np.empty((room, n)), np.empty((room, n))
    B = np.diag(diagonal)
    for k in range(learnt - room, learnt):
        s = rng.standard_normal(n)
        y = root @ root.T @ s
        moves[k % room], changes[k % room] = s / np.sqrt(s @ y), y / np.sqrt(s @ y)
        B = B + np.outer(y, y) / (s @ y) - np.outer(B @ s, B @ s) / (s @ B @ s)
    return diagonal, moves, changes, learnt, B


@pytest.mark.parametrize("room, learnt", [(4, 9), (5, 5), (4, 2)])
def test_the_matrix_of_the_pairs_is_the_bfgs_update(room, learnt):
    diagonal, moves, changes, learnt, B = ring(room=min(room, learnt), learnt=learnt)
    y, b = entrance(secant._secant_matrix)(
        diagonal, moves, changes, learnt, np.arange(6)
    )
    np.testing.assert_allclose(np.diag(diagonal) + y @ y.T - b @ b.T, B, atol=1e-9)


def test_both_recursions_stand_for_the_same_matrix():
    diagonal, moves, changes, learnt, B = ring()
    gradient, direction = np.random.default_rng(2).standard_normal(6), np.empty(6)
    shares = np.empty(len(moves))
    entrance(secant._newton)(
        gradient, diagonal, moves, changes, learnt, direction, shares
    )
    np.testing.assert_allclose(direction, -np.linalg.solve(B, gradient), atol=1e-9)


@pytest.mark.parametrize("strength", [0.0, 0.3, 100.0])
def test_the_proximal_direction_is_the_minimum_of_the_model(strength):
    diagonal, moves, changes, learnt, B = ring()
    rng = np.random.default_rng(3)
    point, gradient = rng.standard_normal(6), rng.standard_normal(6)
    point[:2] = 0.0
    l1 = np.full(6, strength)
    direction, best = np.empty(6), np.zeros(6)
    entrance(secant._proximal_newton)(
        point, gradient, diagonal, moves, changes, learnt, l1, direction
    )

    def model(d):
        return gradient @ d + 0.5 * d @ B @ d + l1 @ np.abs(point + d)

    step = 1.0 / np.linalg.eigvalsh(B)[-1]
    for _ in range(20_000):
        moved = point + best - step * (gradient + B @ best)
        moved = np.sign(moved) * np.maximum(np.abs(moved) - step * l1, 0.0)
        best = moved - point
    nothing = np.zeros(6)
    assert model(direction) - model(best) < 1e-5 * (model(nothing) - model(best))
    if strength == 100.0:
        np.testing.assert_array_equal(point + direction, 0.0)


def test_coordinates_without_a_say_stay_out():
    _, moves, _, learnt, _ = ring()
    moves[:, :3] = 0.0
    point, gradient, l1 = np.zeros(6), np.zeros(6), np.ones(6)
    point[1], gradient[2] = 0.5, -1.5
    found = entrance(secant._in_play)(point, gradient, l1, moves, learnt)
    np.testing.assert_array_equal(found, [1, 2, 3, 4, 5])


def correlated(n=200, d=6, seed=4):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) + 5.0 * rng.standard_normal((n, 1))
    return X, X @ rng.standard_normal(d) + rng.standard_normal(n)


def test_least_squares_ends_after_as_many_passes_as_columns():
    """As conjugate gradients do; one more pass for the start."""
    X, y = correlated()
    model = GDRegressor(solver="batch", tol=None, max_iter=8).fit(X, y)
    np.testing.assert_allclose(
        model.coef_, LinearRegression().fit(X, y).coef_, rtol=1e-6
    )


def test_the_objective_of_exact_steps_is_that_of_their_point():
    """It is computed from the line, not from the rows."""
    X, y = correlated(d=20)
    for n in (2, 3, 5, 10):
        model = GDRegressor(solver="batch", tol=None, max_iter=n).fit(X, y)
        value = 0.5 * np.mean((model.predict(X) - y) ** 2)
        np.testing.assert_allclose(model.history_["loss"][-1], value, rtol=1e-10)


def test_correlated_columns_under_l1_take_few_passes():
    X, y = correlated(500, 40)
    exact = Lasso(alpha=0.1, tol=1e-14, max_iter=10**6).fit(X, y)
    model = GDRegressor(
        solver="batch", penalty="l1", alpha=0.1, tol=None, max_iter=60
    ).fit(X, y)
    np.testing.assert_array_equal(model.coef_ != 0, exact.coef_ != 0)
    np.testing.assert_allclose(model.coef_, exact.coef_, atol=1e-6)


@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_state_is_plain_arrays(penalty):
    X, y = correlated()
    model = GDRegressor(solver="batch", penalty=penalty, tol=None, max_iter=5)
    copy = pickle.loads(pickle.dumps(model.set_params(warm_start=True).fit(X, y)))
    np.testing.assert_array_equal(copy._state.vectors, model._state.vectors)
    np.testing.assert_array_equal(copy.fit(X, y).coef_, model.fit(X, y).coef_)
