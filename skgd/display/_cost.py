"""The objective of a fitted estimator as a function of all its weights, and planes.

The estimator's own compiled objective is evaluated; nothing is trained or drawn.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.utils import check_random_state

from skgd._linear.model import LinearModel
from skgd._linear.plan import Asked
from skgd.callbacks import flat_weights
from skgd.display._path import with_weights


class CostFunction:
    """F(weights) over given rows, penalty included.

    Parameters
    ----------
    estimator : fitted estimator of skgd
    X, y : array-like
        The rows.
    """

    def __init__(self, estimator, X, y):
        self.estimator = estimator
        if hasattr(estimator, "coefs_"):
            # A network evaluates its objective at whatever weights it has.
            self._value = lambda point: with_weights(estimator, point).gradient(X, y)[0]
            return
        X, y = estimator._checked_data(X, y, reset=False)
        X = X.astype(np.float64, copy=False)
        task, loss = estimator._task, estimator._loss
        rows = estimator._weighted_rows(X, y, None, task, loss).with_mean_weight_one()
        # In the raw coordinates, whatever those of training were.
        self._model = LinearModel(
            X.shape[1], task.n_outputs, X.dtype, estimator.fit_intercept
        )
        asked = Asked(estimator, task, loss, X.shape[1])
        self.bound = asked.objective(self._model).bind(rows)
        self._value = self._linear_value

    @property
    def fitted_point(self):
        """The weights of the estimator as one vector."""
        return flat_weights(vars(self.estimator))

    def __call__(self, points):
        """F at each of the points, an array of shape (n_points, n_weights)."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.array([self._value(point) for point in points])

    def _linear_value(self, point):
        moved = with_weights(self.estimator, point)
        theta = self._model.theta(
            np.atleast_2d(moved.coef_), np.ravel(moved.intercept_)
        )
        return self.bound.value(theta)


@dataclass(frozen=True)
class Plane:
    """Two directions through a point in the space of weights.

    Attributes
    ----------
    origin : array of shape (n_weights,)
    directions : array of shape (2, n_weights)
    labels : tuple of str
        Names of the two coordinates.
    """

    origin: np.ndarray
    directions: np.ndarray
    labels: tuple

    def coordinates(self, points):
        """Where points, projected at right angles, lie in the plane."""
        return (points - self.origin) @ np.linalg.pinv(self.directions)

    def points(self, x, y):
        """Weights at coordinates x and y, arrays of shape (n,)."""
        return self.origin + np.column_stack([x, y]) @ self.directions


def choose_plane(estimator, centre, points, parameters, directions, random_state):
    """The plane that the arguments of a cost surface ask for.

    Parameters
    ----------
    estimator : fitted estimator
    centre : array of shape (n_weights,)
        Where the other weights are held.
    points : list of array of shape (n_points, n_weights)
        Paths; may be empty.
    parameters, directions, random_state : object
        As in CostSurfaceDisplay.from_estimators.

    Returns
    -------
    Plane
    """
    is_network = hasattr(estimator, "coefs_")
    if parameters is not None and (is_network or directions is not None):
        raise ValueError(
            "parameters names two weights of a linear model; networks, and the "
            "argument directions, show two directions instead: leave out parameters."
        )
    if directions not in (None, "path", "random"):
        raise ValueError(f"directions must be 'path' or 'random', got {directions!r}.")
    if directions == "path" and not points:
        raise ValueError("directions='path' needs path=True.")
    if directions is None and not is_network:
        return parameter_plane(estimator, centre, parameters)
    if directions == "path" or (directions is None and points):
        return path_plane(centre, points)
    return random_plane(estimator, centre, check_random_state(random_state))


def parameter_plane(estimator, point, parameters):
    """The plane of two weights, with the others held at those of `point`.

    Parameters
    ----------
    estimator : fitted linear estimator
    point : array of shape (n_weights,)
    parameters : pair of int, str or tuple, or None
        Column number, column name, "intercept", or (output, any of these). None means
        intercept and weight where there is one feature, else the first two features.

    Returns
    -------
    Plane
    """
    if (
        parameters is None
        and estimator.n_features_in_ == 1
        and not (estimator.fit_intercept)
    ):
        raise ValueError(
            "One weight has a curve, not a surface: use DescentDisplay, or name two "
            "parameters."
        )
    if parameters is None:
        single = estimator.n_features_in_ == 1 and estimator.fit_intercept
        parameters = ("intercept", 0) if single else (0, 1)
    if isinstance(parameters, (str, int)) or len(parameters) != 2:
        raise ValueError(f"parameters must be a pair, got {parameters!r}.")
    positions, labels = zip(
        *(_position(estimator, parameter) for parameter in parameters), strict=True
    )
    if positions[0] == positions[1]:
        raise ValueError(f"parameters must differ, got {parameters!r}.")
    origin = point.copy()
    origin[list(positions)] = 0.0
    directions = np.zeros((2, point.size))
    directions[[0, 1], list(positions)] = 1.0
    return Plane(origin, directions, labels)


def _position(estimator, parameter):
    """Place in the flat vector of weights, and a label, of one parameter."""
    n_outputs = np.ravel(estimator.intercept_).size
    output, name = parameter if isinstance(parameter, tuple) else (0, parameter)
    if not 0 <= output < n_outputs:
        raise ValueError(f"There are {n_outputs} outputs; {parameter!r} names none.")
    suffix = f" of output {output}" if n_outputs > 1 else ""
    n_features = estimator.n_features_in_
    if name == "intercept":
        return n_outputs * n_features + output, "intercept" + suffix
    names = list(getattr(estimator, "feature_names_in_", []))
    if isinstance(name, str):
        if name not in names:
            raise ValueError(
                f"{name!r} is no column; choose 'intercept', a column number, or one "
                f"of {names}."
            )
        name = names.index(name)
    if not 0 <= name < n_features:
        raise ValueError(f"There are {n_features} features; {name!r} is none of them.")
    label = f"weight of {names[name]}" if names else f"weight {name}"
    if n_features == 1 and not names:
        label = "weight"
    return output * n_features + name, label + suffix


def path_plane(point, paths):
    """The plane through `point` in which the paths vary most.

    The first two principal components of all points of the paths, seen from `point`
    (Li et al., 2018, "Visualizing the loss landscape of neural nets", section 7).
    """
    seen = np.vstack(paths) - point
    _, spread, directions = np.linalg.svd(seen, full_matrices=False)
    shares = spread**2 / max(np.sum(spread**2), np.finfo(float).tiny)
    labels = tuple(
        f"component {i + 1} of the path ({share:.0%})"
        for i, share in enumerate(shares[:2])
    )
    return Plane(point, directions[:2], labels)


def random_plane(estimator, point, rng):
    """A random plane through `point`, normalised filter by filter.

    The weights into each unit of a random direction get the norm of the weights into
    that unit of the network, and its intercepts stay as they are (Li et al., 2018,
    section 4), so that the scale of a layer does not decide how flat the picture looks.
    """
    arrays = getattr(estimator, "coefs_", None)
    arrays = [np.atleast_2d(estimator.coef_).T] if arrays is None else arrays
    directions = []
    for _ in range(2):
        parts = []
        for weights in arrays:
            part = rng.standard_normal(weights.shape)
            # The members of an ensemble come first.
            norms = np.linalg.norm(weights, axis=-2, keepdims=True)
            part *= norms / np.linalg.norm(part, axis=-2, keepdims=True)
            parts.append((part if hasattr(estimator, "coefs_") else part.T).ravel())
        direction = np.concatenate(parts)
        directions.append(np.pad(direction, (0, point.size - direction.size)))
    labels = ("random direction 1", "random direction 2")
    return Plane(point, np.array(directions), labels)
