"""``lr="auto"`` and ``max_iter="auto"`` for networks: rates, their decay, epochs.

Decides numbers only; what a plan is made of is put together in ``training.py``.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from skgd._training.power_iteration import power_iteration
from skgd._training.state import Averaging
from skgd.optimizers import AdaGrad
from skgd.schedules import Schedule, rate_factors

# Rows of a batch where none is asked for.
BATCH_SIZE = 32

# The rules' own constants were found with batches of this size; how far the rate may go
# down and up with the square root of another one.
RATE_BATCH = 32
RATE_RANGE = (0.3, 3.0)

# Longer steps on the full gradient only drove the weights of small tables apart.
FULL_BATCH_FACTOR = 0.5

# Rules without a constant of their own: the longest plain step on standardised inputs
# and outputs, where the curvature allows it.
PLAIN_RATE = 0.1
CURVATURE_ROWS = 256
SINGLE_ROWS = 16
POWER_ITERATIONS = 10
TINY = np.finfo(np.float64).tiny

# Epochs of max_iter="auto". On eight raw tables and three toy problems more than 30
# began to fit the noise of the larger ones, and fewer than 2000 updates left the
# smaller ones unfinished, which 150 epochs or so are enough for.
EPOCHS = 30
UPDATES = 2000
MOST_EPOCHS = 150
FULL_BATCH_EPOCHS = 300

# The penalty of alpha="auto": PRIOR sqrt(columns) / rows^FALL, between the two others.
# See the experiment in docs/guide/networks.rst.
PRIOR = 6.7
FALL = 1.25
WEAKEST = 1e-4
STRONGEST = 0.03

# Of four members of an ensemble the last is held back less: where there is little noise
# the usual strength is too much for some tables, and a mean with one that is right for
# those loses little on the others. See the experiment, too.
MEMBER_STRENGTHS = (1.0, 1.0, 1.0, 0.25)

# Networks of n_ensemble="auto", and the weights they may have together and rows they
# may learn from: beyond, one takes a second or more, and more rows leave less to gain.
MEMBERS = 4
MOST_WEIGHTS = 200_000
MOST_ROWS = 10_000

# Calls of partial_fit after which the schedules that need an end have come to it.
STREAM_EPOCHS = 1000

# Weights of a network in a stream above which a row does not make an update of its own:
# the update of the weights would take longer than their gradient.
WEIGHTS_OF_A_ROW = 8192

# Gradients between the moving point and its mean (Defazio et al., 2024). Later points
# weigh more, as the fourth power of their number: of 0, 2, 4 and 8 it was the best on
# streams of 500 to 12,000 rows together, whose first points are far from the answer.
SCHEDULE_FREE = Averaging(start=1, power=4.0, interpolation=0.9)


class LinearDecay(Schedule):
    """A schedule times a straight line to zero at the end of the current call of fit.

    Parameters
    ----------
    schedule : Schedule
    first_epoch : int
        Epochs made before the call.
    """

    def __init__(self, schedule, first_epoch):
        self.schedule = schedule
        self.first_epoch = first_epoch

    def factor(self, clock):
        done = (np.asarray(clock.epoch) - self.first_epoch) / clock.horizon
        return rate_factors(self.schedule, clock) * np.maximum(1.0 - done, 0.0)


def automatic_epochs(solver, n_rows, batch_size):
    """Enough epochs for a network to learn, too few to learn the noise by heart."""
    if solver == "batch":
        return FULL_BATCH_EPOCHS
    n_updates = -(-n_rows // batch_size)
    return max(EPOCHS, min(MOST_EPOCHS, -(-UPDATES // n_updates)))


def stream_batch_size(n_weights):
    """Rows of a chunk that make an update, where nobody says how many.

    A row of a stream is met once, and more is learnt from each when it is alone.

    Parameters
    ----------
    n_weights : int
        Of one network.

    Returns
    -------
    int
    """
    return max(1, min(BATCH_SIZE, n_weights // WEIGHTS_OF_A_ROW))


def automatic_alpha(n_rows, n_features):
    """The strength of the penalty for a table of standardised rows.

    What is known before any row is seen, that the weights are small, counts as much as
    a fixed number of rows and so falls with 1/n in a mean over rows; on tables it falls
    somewhat faster, because more rows show finer structure. The more columns there are,
    the more weights can learn the noise.

    Parameters
    ----------
    n_rows : int or None
        None where nobody can know.
    n_features : int
        Columns that are not constant.

    Returns
    -------
    float
    """
    if n_rows is None:
        return WEAKEST
    strength = PRIOR * np.sqrt(n_features) / n_rows**FALL
    return float(min(max(strength, WEAKEST), STRONGEST))


def automatic_alphas(n_rows, n_features, n_members):
    """`automatic_alpha` of a network alone, and the strengths of an ensemble's."""
    alpha = automatic_alpha(n_rows, n_features)
    return alpha, member_strengths(alpha, n_members)


def member_strengths(strength, n_members):
    """The strengths of the members of an ensemble, by that of a network alone.

    Parameters
    ----------
    strength : float
        `automatic_alpha`.
    n_members : int

    Returns
    -------
    array of shape (n_members,)
    """
    return strength * np.resize(MEMBER_STRENGTHS, n_members)


def automatic_members(widths, n_rows):
    """Networks that are trained side by side where nobody says how many.

    Parameters
    ----------
    widths : tuple of int
        Units of each layer.
    n_rows : int or None
        None where nobody can know.

    Returns
    -------
    int
    """
    weights = sum(a * b for a, b in pairwise(widths))
    if len(widths) == 2 or n_rows is None or n_rows > MOST_ROWS:
        # Without hidden layers all members would be the same.
        return 1
    return MEMBERS if MEMBERS * weights <= MOST_WEIGHTS else 1


def automatic_rate(optimizer, solver, batch_size, n_hidden, curvature):
    """The base rate for the batch size asked for.

    Not for that of the last rows of a small table: that would make weights differ from
    copies.

    Parameters
    ----------
    optimizer : Optimizer
    solver : {'batch', 'minibatch', 'sgd'}
    batch_size : 'auto' or int
    n_hidden : int
        Hidden layers. Steps of AdaGrad in all of them add up, and its first ones are
        the longest, so that they are made shorter; Adam and RMSProp, whose steps find
        their size, did worse on tables with shorter ones, and for plain steps the
        curvature tells.
    curvature : callable() -> float
        `largest_curvature`, asked for only where it is needed.

    Returns
    -------
    float
    """
    size = {"auto": BATCH_SIZE}.get(batch_size, batch_size)
    factor = float(np.clip(np.sqrt(size / RATE_BATCH), *RATE_RANGE))
    factor = {"batch": FULL_BATCH_FACTOR, "sgd": RATE_RANGE[0]}.get(solver, factor)
    if isinstance(optimizer, AdaGrad):
        factor /= max(1, n_hidden)
    if optimizer.auto_lr is not None:
        return optimizer.auto_lr * factor
    step = min(PLAIN_RATE * factor, 1.0 / max(curvature(), TINY))
    return step * (1.0 - getattr(optimizer, "momentum", 0.0))


def largest_curvature(objective, rows, output, batch_size):
    """Curvature that a step of `batch_size` rows meets at random weights.

    That of many rows, and 1/batch_size of that of the worst of a few single rows: the
    expected smoothness of Gower et al. (2019). The weights are not those of the run but
    drawn alike, from a stream of their own.

    Parameters
    ----------
    objective : Objective
        Of a network.
    rows : Rows
    output : array of shape (n_outputs,)
        Intercepts of the scores.
    batch_size : int

    Returns
    -------
    float
    """
    rng = np.random.default_rng(0)
    # Of one member of an ensemble, which are all alike.
    model = objective.model.alone()
    objective = replace(objective, model=model, l2=objective.l2[: model.size])
    theta = model.start(rng, output)

    def over(order):
        bound = objective.bind(rows.in_order(order))
        return _largest_eigenvalue(bound, theta, rng)

    order = rows.order
    curvature = over(order[:: -(-order.size // CURVATURE_ROWS)].copy())
    if batch_size < order.size:
        single = order[:: -(-order.size // SINGLE_ROWS)]
        curvature += max(over(single[[k]]) for k in range(single.size)) / batch_size
    return curvature


def _largest_eigenvalue(bound, theta, rng):
    """Of the Hessian at theta, by power iteration on differences of gradients."""
    length = np.finfo(theta.dtype).eps ** (1 / 3) * np.linalg.norm(theta)

    def product(vector, norm):
        step = vector * (length / max(norm, TINY))
        ahead, behind = (
            bound.gradient((theta + sign * step).astype(theta.dtype))[1]
            for sign in (1.0, -1.0)
        )
        change = ahead - behind
        return change, float(np.linalg.norm(change)) / (2.0 * length)

    start = rng.standard_normal(theta.size)
    return power_iteration(product, start, POWER_ITERATIONS)
