"""The constructor parameters: default, constraint and documentation, each once.

``with_parameters`` turns such tables into ``__init__``, ``_parameter_constraints``,
the validation by them and the Parameters section of a class.
"""

import inspect
import math
import textwrap
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, NamedTuple, TypeVar

from sklearn.utils._param_validation import (
    Interval,
    InvalidParameterError,
    Options,
    StrOptions,
    validate_parameter_constraints,
)

from skgd._estimator.habits import keyword_hint, value_hint
from skgd.activations import ACTIVATIONS, Activation
from skgd.losses import LOSSES, Loss
from skgd.optimizers import OPTIMIZERS, Optimizer
from skgd.penalties import PENALTIES, Penalty
from skgd.schedules import SCHEDULES, Schedule


class Parameter(NamedTuple):
    """One constructor parameter.

    Attributes
    ----------
    default : object
        Its default value.
    constraints : list
        What scikit-learn's parameter validation accepts.
    kind : str
        The type as written in the docstring.
    text : str
        Its documentation.
    """

    default: object
    constraints: list
    kind: str
    text: str


class Choices(StrOptions):
    """Strings that a message lists in the order given, not in that of a set."""

    def __init__(self, *names):
        self.names = list(names)
        super().__init__(set(names))

    def __str__(self):
        return "a str among " + _names(self.names)


class Names(Choices):
    """Names of a registry, in its order; those it understands besides are accepted.

    Parameters
    ----------
    registry : skgd._registry.Registry
    names : list of str, optional
        Those of them that are meant; all by default.
    """

    def __init__(self, registry, names=None):
        self.registry = registry
        super().__init__(*(registry if names is None else names))

    def is_satisfied_by(self, val):
        return self.registry.canonical(val) in self.names


def _names(registry):
    return "{" + ", ".join(f"'{name}'" for name in registry) + "}"


_POSITIVE = Interval(Real, 0, None, closed="neither")
_NON_NEGATIVE = Interval(Real, 0, None, closed="left")
_AT_LEAST_ONE = Interval(Integral, 1, None, closed="left")
_COUNT = Interval(Integral, 0, None, closed="left")

SOLVER_BATCH = {
    "solver": Parameter(
        "minibatch",
        [Choices("batch", "minibatch", "sgd")],
        "{'batch', 'minibatch', 'sgd'}",
        """How many rows make one update: all of them, `batch_size`, or one. They are
        one algorithm: 'minibatch' with `batch_size=1` is 'sgd', and with `batch_size`
        equal to the number of rows it is 'batch'.""",
    ),
    "batch_size": Parameter(
        "auto",
        [StrOptions({"auto"}), _AT_LEAST_ONE],
        "'auto' or int",
        """Rows per update of `solver="minibatch"`; the other solvers ignore it. 'auto'
        is min(64, n_rows): large enough for the work of an update to outweigh its
        bookkeeping, small enough for many updates per epoch. For a linear model with
        `lr="auto"` a table of up to 1,024 rows is one batch, and one of up to 16,384
        rows where a search along full gradients finds the step: plain descent, unless
        the loss has kinks and is not one of this package, or Nesterov's on a smooth
        loss. Plain descent goes over to that search on larger tables, too, after two
        epochs, or at once under an l1 penalty; CSR rows are taken one by one. So are
        the rows of `partial_fit` with `lr="auto"`, unless they are CSR and the
        optimizer is not plain descent: a row of a stream is met once, and a pass in
        single rows learns what takes many in batches. A number keeps to batches of that
        size. The last batch of an epoch may be smaller and is averaged over its own
        size.""",
    ),
}

RATE = {
    "lr": Parameter(
        "auto",
        [StrOptions({"auto"}), _POSITIVE],
        "'auto' or float",
        """Learning rate. A float is the textbook step on the features as given, nothing
        hidden. 'auto' picks the step from the data and takes it in centred and scaled
        coordinates, or, for plain descent on CSR rows with no `batch_size` named,
        implicitly, row by row, without a rate; what is minimised, and the meaning of
        the coefficients, stay the same. The rate used is in `lr_`.""",
    ),
    "lr_schedule": Parameter(
        "constant",
        [Names(SCHEDULES), Schedule, callable],
        _names(SCHEDULES) + ", a schedule object or callable(step, epoch) -> factor",
        """The factor that multiplies `lr` as training goes on. Each class of
        `skgd.schedules` says whether it counts steps (updates) or epochs. In
        `partial_fit` each call counts as one epoch.""",
    ),
    "optimizer": Parameter(
        "gd",
        [Names(OPTIMIZERS), Optimizer],
        _names(OPTIMIZERS) + " or an optimizer object",
        """The rule that turns a gradient into an update; see `skgd.optimizers`.""",
    ),
}

STOPPING = {
    "max_iter": Parameter(
        1000,
        [_COUNT],
        "int",
        """The largest number of epochs. An epoch is one pass over the training rows.
        0 keeps the weights of the start, those given or drawn, to look at or to go on
        from. `partial_fit` always makes one pass.""",
    ),
    "tol": Parameter(
        "auto",
        [_NON_NEGATIVE, StrOptions({"auto"}), None],
        "'auto', float or None",
        """What may be missing at the end. The search along full gradients of
        `lr="auto"` stops when the objective is known to be that close to its minimum,
        as a share of what the best constant leaves to gain; see `gap_`. Otherwise
        training stops when `n_iter_no_change` epochs together have not brought the
        objective below its best value by more than `tol` times the objective at
        the start. Relative, so that the units of y do not matter. With `early_stopping`
        or validation rows, those are watched instead. 'auto' is 1e-4, but for a float
        `lr` 5e-3, so that the slow ones of a grid of rates end early: the thousandth
        for each of five epochs that `SGDRegressor` and `SGDClassifier` have. For
        classes it is 7e-3, as a share of log(2), where a log loss starts. None runs all
        epochs, or until a search ends in rounding errors.
        """,
    ),
    "n_iter_no_change": Parameter(
        5,
        [_AT_LEAST_ONE, Options(Real, {math.inf})],
        "int or inf",
        """Epochs without improvement before training stops; inf never stops for that,
        as ``tol=None``. A search along full gradients knows its end and does not count
        them.""",
    ),
    "early_stopping": Parameter(
        False,
        ["boolean"],
        "bool",
        """Hold out `validation_fraction` of the rows (stratified by class in
        classification, by the rarest label of each row where there are several), stop
        when `scoring` on them no longer improves, and restore the weights of the best
        epoch. Passing `X_val` and `y_val` to `fit` does the same on
        rows of your own. With `warm_start` the same rows are held out as long as X, y,
        the weights and the fraction are the same.""",
    ),
    "validation_fraction": Parameter(
        0.1,
        [Interval(Real, 0, 1, closed="neither")],
        "float",
        """Share of the rows held out by `early_stopping`.""",
    ),
    "scoring": Parameter(
        "loss",
        [str, callable],
        "'loss', str or callable",
        """What early stopping watches: 'loss' is the mean loss of the held-out rows
        (lower is better), anything else a scorer as in `GridSearchCV` (higher is
        better): the name of one, or ``callable(estimator, X, y)``, which is handed rows
        of X as it was passed, data frames included. Weights of the rows go to scorers
        that take `sample_weight`. A score of NaN is an error.""",
    ),
}

GRADIENT = {
    "alpha": Parameter(
        1e-4,
        [_NON_NEGATIVE],
        "float",
        """Strength of the penalty. The objective is a mean over rows, so `alpha` does
        not depend on the number of rows or on `batch_size`.""",
    ),
    "average": Parameter(
        False,
        ["boolean", _AT_LEAST_ONE],
        "bool or int",
        """Return the mean of the weights after each update (Polyak and Juditsky, 1992)
        instead of the last ones: from the first update on (True) or from that update
        on (int).""",
    ),
    "clip_norm": Parameter(
        None,
        [_POSITIVE, None],
        "float or None",
        """Shrink the gradient of every update, penalty included, to at most this
        Euclidean norm over all parameters together (Pascanu et al., 2013).""",
    ),
}

RUNNING = {
    "shuffle": Parameter(
        True,
        ["boolean"],
        "bool",
        """Visit the rows in a new random order each epoch. `partial_fit` never
        shuffles.""",
    ),
    "random_state": Parameter(
        None,
        ["random_state"],
        "int, RandomState instance or None",
        """Seed of the shuffling and of the validation split. The same int gives the
        same coefficients to the bit.""",
    ),
    "warm_start": Parameter(
        False,
        ["boolean"],
        "bool",
        """Let `fit` continue from the previous call, optimizer state, schedule and
        random stream included, instead of starting afresh. What cannot be changed in a
        model that is there, such as `fit_intercept`, must be what it was.""",
    ),
    "verbose": Parameter(
        0,
        ["verbose"],
        "int",
        """1 prints a line for about twenty epochs of a fit, 2 for every epoch.""",
    ),
}

LINEAR = {
    "penalty": Parameter(
        None,
        [Choices(*PENALTIES), Penalty, None],
        _names(PENALTIES) + ", a penalty object or None",
        """The term added to the mean loss: `alpha` times ||w||^2/2, ||w||_1, or their
        mixture. The intercept is never penalised. The l1 part is a proximal step, which
        gives exact zeros. An object of `skgd.penalties` has weights for each feature,
        or is a penalty of another kind, such as bounds on the coefficients or groups
        of features; those train by proximal steps, under `lr="auto"` along full
        gradients where these find the step (see `batch_size`).""",
    ),
    "l1_ratio": Parameter(
        0.15,
        [Interval(Real, 0, 1, closed="both"), None],
        "float or None",
        """Share of the l1 part in 'elasticnet': 0 is 'l2', 1 is 'l1'. Other penalties,
        and objects, do not look at it, and may have None.""",
    ),
    "fit_intercept": Parameter(
        True,
        ["boolean"],
        "bool",
        """Whether the model has an intercept.""",
    ),
    "n_jobs": Parameter(
        None,
        [Integral, None],
        "int or None",
        """Threads that share the rows where a gradient of all of them is taken, that
        is with `solver="batch"`, on large tables. The result is the same for any
        number. None is 1, -1 all processors, as in scikit-learn; updates of few rows
        are made one after the other.""",
    ),
}

NETWORK = {
    "hidden_layer_sizes": Parameter(
        (100,),
        ["array-like", _AT_LEAST_ONE],
        "tuple of int, or int",
        """Units of each hidden layer. () is the linear model.""",
    ),
    "activation": Parameter(
        "relu",
        [Names(ACTIVATIONS), Activation, list, tuple],
        _names(ACTIVATIONS) + ", an activation object or a list of them",
        """What the hidden units make of their input; see `skgd.activations`. A list
        holds one for each hidden layer.""",
    ),
    "dropout": Parameter(
        0.0,
        [Interval(Real, 0, 1, closed="left"), "array-like"],
        "float or list of float",
        """Share of the hidden units that a training row does without, drawn anew for
        each row and update; the others are enlarged to match, so that `predict` uses
        the weights as they are (Srivastava et al., 2014). A list holds one share for
        each hidden layer.""",
    ),
    "standardize": Parameter(
        True,
        ["boolean"],
        "bool",
        """Train on columns of mean 0 and variance 1, and on targets of mean 0 and
        variance 1 where the prediction is the score itself; under a loss that bounds
        the pull of outliers by the median and 1.48 times the median distance from it.
        A column with an entry more than 8 standard deviations from its mean and most
        entries equal, such as a rare level, is scaled by an eighth of that distance.
        One whose entries differ may reach 50; and where its standard deviation s is
        more than 4 times that of a normal column with its quartiles, q, as under a long
        tail, it is scaled by the geometric mean of s and 4 q. With d > 128 columns all
        are made d/128 times smaller. The scaling is folded into the first and the
        last layer: `coefs_` and `intercepts_` act on X as given. Sparse input stays
        sparse. `partial_fit` goes by the rows seen so far: what the network sees of a
        row changes with them, and what it has learnt stays; quartiles are those of the
        `fit` before it, if there was one. Without intercepts
        columns and targets are not centred: the root mean square takes the place of
        the deviation.""",
    ),
    "fit_intercept": Parameter(
        True,
        ["boolean"],
        "bool",
        """Whether units and scores have intercepts that are learnt. Without, they stay
        what they are at the start: zero, or what `fit` is given as
        `intercepts_init`.""",
    ),
}

STREAM = {
    "half_life": Parameter(
        None,
        [Interval(Real, 0, None, closed="neither"), None],
        "float or None",
        """Rows of `partial_fit` after which what a row has left behind counts half, for
        streams whose rows change: of the moments that standardise columns and targets
        and of their largest entries, of the mean of the weights that is the answer
        (`average`, and that of ``lr="auto"``), and under ``lr="auto"`` of the squared
        gradients that shorten the steps of plain descent, of "dowg" and of "adagrad".
        None forgets nothing. Each row that counts makes those before it older by one,
        whatever its weight, also within a call. A float `lr` is a pace of forgetting by
        itself, and rules with rates of decay, such as "adam", keep those. `fit` and
        `fit_batches` forget nothing: their rows are of one time. When `partial_fit`
        goes on from there, it takes them for as many rows of a stream. "ftrl", whose
        weights are made of sums over all rows, is refused.""",
    ),
}


NEW_CLASSES = {
    "on_new_class": Parameter(
        "error",
        [Choices("error", "extend")],
        "{'error', 'extend'}",
        """What `partial_fit` does about a label that is none of `classes_`: refuse it,
        or add a class. The new class gets an output of its own, with weights of zero
        and, if there are intercepts, the constant score of a class as frequent as the
        others; what was learnt of these stays, and so do their probabilities relative
        to each other (in each network of an ensemble). Means of the weights begin anew
        from there. The single score z of two classes becomes -z/2 and z/2 when a third
        one comes, under losses of single classes -z and z. `classes` need not be named
        in the first call then, which may have a single class, and later calls may name
        more. Only of `partial_fit` and labels; `fit` and `fit_batches` know theirs from
        the start.""",
    ),
}


CLASS_WEIGHT = {
    "class_weight": Parameter(
        None,
        [StrOptions({"balanced"}), dict, None],
        "dict, 'balanced' or None",
        """Weights of the classes, multiplied into the sample weights: {label: weight},
        or 'balanced' for n_rows / (n_classes * count). `partial_fit` takes a dict
        only, because it does not see the counts.""",
    )
}


NETWORK_TRAINING = {
    "n_ensemble": Parameter(
        "auto",
        [StrOptions({"auto"}), _AT_LEAST_ONE],
        "'auto' or int",
        """Networks that are trained side by side and predict the mean of their
        predictions: of probabilities under "log_loss", of numbers in regression, of
        scores under other losses of classes. Each has first weights of its own and, in
        `fit`, an order of its own to see the rows in. 4 take three to four times as
        long as one and predict better on most tables; see the guide. 'auto' is 4 where
        everything is left to the network: ``lr="auto"``, ``alpha="auto"`` and
        ``standardize=True``, in `fit` and `fit_batches`, as long as four have at most
        200,000 weights and 10,000 rows to learn from. It is 1 in all other cases: with
        a rate or a penalty of your own, in a stream that `partial_fit` begins, for
        large networks, many rows, and no hidden layers. The first is the
        network that the same `random_state` gives alone, if that makes as many epochs.
        Under ``alpha="auto"`` every fourth has a quarter of the strength of the others.
        `coefs_` and `intercepts_` have an axis for the members in front where there is
        more than one, and `members_` are the networks one by one. `history_` and early
        stopping go by the mean of their losses, and `clip_norm` bounds the root mean
        square of the norms of their gradients.""",
    ),
    "alpha": GRADIENT["alpha"]._replace(
        default="auto",
        constraints=[StrOptions({"auto"}), *GRADIENT["alpha"].constraints],
        kind="'auto' or float",
        text="""Strength of the penalty, on the weights for standardised rows with
        ``standardize=True``. The objective is a mean over rows, so a float does not
        depend on the number of rows or on `batch_size`. 'auto' is
        6.7 sqrt(n_features) / n_rows^1.25, constant columns not counted, but at most
        0.03 and at least 1e-4: the fewer rows there are to learn from, and the more
        columns to learn noise from, the more it is needed. It is 1e-4 with
        ``standardize=False`` and in `partial_fit`, which does not know how many rows
        will come. The strength used is in `alpha_`.""",
    ),
    "batch_size": SOLVER_BATCH["batch_size"]._replace(
        text="""Rows per update of `solver="minibatch"`; the other solvers ignore it.
        'auto' is min(32, n_rows): of the usual sizes the one that learnt most per pass.
        In `partial_fit` under ``lr="auto"`` rows make updates one by one, because a row
        of a stream is met once; in networks of w >= 16,384 weights, whose update takes
        longer than the gradient of a row, min(32, w // 8192) do so together.
        The last batch of an epoch may be smaller and is averaged over its own size."""
    ),
    "lr": RATE["lr"]._replace(
        text="""Learning rate. A float is the textbook step, on standardised inputs and
        outputs with `standardize=True`. 'auto' goes by the optimizer and the batch size
        and falls to zero in the course of `max_iter` epochs; see Notes. The rate at the
        start is in `lr_`."""
    ),
    "max_iter": Parameter(
        "auto",
        [StrOptions({"auto"}), _COUNT],
        "'auto' or int",
        """The largest number of epochs, over which the rate of ``lr="auto"`` falls to
        zero: more of them fit the training rows more closely, which is not always
        better. 'auto' is 30, or as many as make 2000 updates of a small table, but at
        most 150; 300 for `solver="batch"`. `partial_fit` always makes one pass, and
        schedules that need an end reach it after 1000 calls for 'auto'.""",
    ),
}


SELECTION = {
    "penalty": Parameter(
        "l2",
        [StrOptions(set(PENALTIES))],
        _names(PENALTIES),
        """The term added to the mean loss: a strength, which is to be found, times
        ||w||^2/2, ||w||_1, or their mixture. The intercept is never penalised.""",
    ),
    "alphas": Parameter(
        20,
        [_AT_LEAST_ONE, "array-like"],
        "int or array-like of float",
        """The strengths to choose from, in any order. An int makes as many, evenly
        spaced on a logarithmic scale, from the largest that makes sense downwards. For
        an l1 part that is the smallest at which all coefficients are zero, as in
        `LassoCV`, and the last is a thousandth of it. For 'l2' it is the curvature of
        the loss times the number of columns times their typical (geometric mean)
        variance, which is where the penalty rules, and the last is a millionth of it:
        with columns in very different units, standardise them first.""",
    ),
    "l1_ratio": Parameter(
        0.15,
        [Interval(Real, 0, 1, closed="both"), "array-like"],
        "float or array-like of float",
        """Share of the l1 part in 'elasticnet', or several shares to choose from: 0 is
        'l2', 1 is 'l1'. Other penalties do not look at it.""",
    ),
    "cv": Parameter(
        None,
        ["cv_object"],
        "int, splitter, iterable or None",
        """The folds: a number, a splitter of scikit-learn, or pairs of training and
        test rows. None is 5. Numbers mean folds stratified by class for a
        classifier.""",
    ),
    "scoring": Parameter(
        "loss",
        [str, callable],
        "'loss', str or callable",
        """What the candidates are compared by: 'loss' is minus the mean loss of the
        held-out rows, without the penalty, anything else a scorer as in
        `GridSearchCV`. Higher is better.""",
    ),
    "refit": Parameter(
        "best",
        [StrOptions({"best", "one_standard_error"})],
        "{'best', 'one_standard_error'}",
        """Which strength is chosen, and fitted to all rows: the one with the best mean
        score, or the strongest whose mean score is within one standard error of that
        (Breiman et al., 1984). Of equal ones the strongest.""",
    ),
    "fit_intercept": LINEAR["fit_intercept"],
    "max_iter": STOPPING["max_iter"]._replace(
        text="""The largest number of passes over the rows, for all candidates and folds
        together."""
    ),
    "tol": STOPPING["tol"]._replace(
        default=1e-4,
        constraints=[_NON_NEGATIVE, None],
        kind="float or None",
        text="""What may be missing at the end: a search stops when its objective is
        that close to its minimum, as a share of what the best constant leaves to gain.
        None, like 0, lets it go on until it ends in rounding errors.""",
    ),
    "n_jobs": LINEAR["n_jobs"]._replace(
        text="""Threads that share the folds. The result is the same for any number.
        None is 1, -1 all processors, as in scikit-learn."""
    ),
    "random_state": RUNNING["random_state"]._replace(
        text="""Seed of the shuffling in the fit to all rows; the folds are shuffled by
        their splitter. The same int gives the same coefficients to the bit."""
    ),
}

# What a search over strengths leaves, besides the attributes of the plain estimator.
SELECTION_ATTRIBUTES = """
alpha_ : float
    The strength chosen.
l1_ratio_ : float
    Its share of the l1 part: 0 for 'l2', 1 for 'l1'.
alphas_ : array of shape (n_alphas,) or (n_l1_ratios, n_alphas)
    The strengths tried, in descending order; a row for each of several `l1_ratio`.
scores_ : array of shape (n_folds, n_alphas) or (n_l1_ratios, n_folds, n_alphas)
    Score of each on the rows held out in each fold; higher is better.
coefs_paths_ : array of shape (n_folds, n_alphas[, n_outputs], n_features)
    Coefficients on the training rows of each fold, in units of the features; with
    several `l1_ratio` these are the first axis. Regressors of one target and
    classifiers of two classes have no axis of outputs.
intercepts_paths_ : array of shape (n_folds, n_alphas[, n_outputs])
    Their constant terms.
cv_results_ : dict of arrays
    As in `GridSearchCV`, an entry for each candidate, one l1_ratio after the other:
    `params`, `param_alpha`, `param_l1_ratio` if there are several, scores of each
    split, their mean, standard deviation and rank. There are no times, because all
    candidates are fitted together.
n_passes_ : int
    How often the rows were read to fit all candidates; the fit to all rows, which is
    that of the plain estimator, is not counted (see `n_iter_`).
n_splits_ : int
    Number of folds.
best_estimator_ : GDRegressor or GDClassifier
    The plain estimator fitted to all rows. Its fitted attributes are those of this
    estimator, too.
"""


def loss_parameter(default, names):
    """The parameter `loss`, which every estimator offers with its own choices."""
    example = " An object sets its constants: `Huber(epsilon=2)`."
    if "huber" not in names:
        example = " An object may be of a class of yours."
    return {
        "loss": Parameter(
            default,
            [Names(LOSSES, names), Loss],
            _names(names) + " or a loss object",
            "What is minimised; see `skgd.losses` for the formulas." + example,
        )
    }


# Name, kind and text of the fitted attributes that all estimators have.
ATTRIBUTES = """
n_features_in_ : int
    Number of features.
feature_names_in_ : array of shape (n_features,)
    Column names, where X had them.
n_iter_ : int
    Epochs made in the last call.
t_ : int
    Updates made since the first call.
lr_ : float
    The base learning rate used, before the schedule; under `lr="auto"` the last
    length of a step that a method found by itself, in its own coordinates.
history_ : dict of str to array
    One entry per epoch of the last call in each array, ready for
    ``pandas.DataFrame``: `epoch` and `step` (made so far), `loss` (the objective; with
    several updates per epoch, the loss of each row just before its update), `lr` (the
    last rate), `seconds`, and `validation_loss` and `validation_score` where there is
    validation. With a search along full gradients also `gap`, what was known of `gap_`
    after each epoch, NaN where nothing was.
calls_ : dict of str to array
    One entry in each array for each of the last calls of `partial_fit`, a thousand at
    most: `step`, `loss` (of the rows of the call just before their updates, and the
    penalty after them; without it where few CSR rows cost only what they have entries),
    `lr` and `seconds`. Not there after `fit`, and neither saved nor copied.
loss_curve_ : list of float
    ``history_["loss"]``.
best_loss_ : float
    Its minimum.
best_epoch_ : int
    Epoch, from 1, of the lowest objective, or of the best validation score.
stop_reason_ : str
    "converged" (`lr="auto"` came as close to the minimum as `tol` asks), "rounding" (it
    came as close as the precision allows), "tol" (no further improvement),
    "early_stopping", "max_iter", "diverged", "callback", or "interrupted" after a
    Ctrl-C in a single fit, whose weights are kept. In loops and searches of many fits
    `KeyboardInterrupt` is raised instead.
validation_scores_ : list of float or None
    Score of the held-out rows after each epoch, higher is better; minus the loss for
    ``scoring="loss"``. None without validation.
best_validation_score_ : float or None
    Its maximum. None without validation.
"""

# Of the linear models alone.
LINEAR_ATTRIBUTES = """
gap_ : float or None
    How far the objective can be above its minimum, as a share of what the best constant
    leaves to gain: 0 is the minimum, 1 the constant. The largest over independent
    outputs. Known after fits with ``lr="auto"``, where a search along full gradients,
    implicit steps with duals on CSR rows or, after updates of few rows, a last look at
    all rows says so. None with validation, a schedule, averaging, or ``tol=None`` for
    updates of few rows, and in `partial_fit`. A fit that ends above 10 `tol` warns.
gap_kind_ : {'bound', 'estimate'} or None
    Whether `gap_` is proven, by a lower bound of the minimum, or what the curvature
    seen along the way promises.
"""

SHARED = SOLVER_BATCH | RATE | GRADIENT | STOPPING | RUNNING

# Of estimators whose rows are spread over the workers of a cluster.
# What parameters are where rows are spread over a cluster, if they are something else.
FAR = {
    "solver": SOLVER_BATCH["solver"]._replace(
        default="batch",
        text="""How many rows make one update: all of them, or `batch_size`. 'batch' is
        the solver for clusters: one question to each worker for each pass.
        'minibatch' asks all workers for their share of every batch, a few milliseconds
        each time, so that it pays for batches of 10,000 rows or more and needs a
        `batch_size`. 'sgd' is refused.""",
    ),
    "batch_size": SOLVER_BATCH["batch_size"]._replace(
        text="""Rows per update of `solver="minibatch"`, which has no 'auto' here;
        'batch' ignores it. Every group of partitions gives its share, drawn without
        replacement within an epoch, so that batches differ by a row for each group.""",
    ),
    "n_jobs": LINEAR["n_jobs"]._replace(
        text="""Threads of each worker that add up rows, at most as many as it has; None
        and -1 are all of them. The result is the same for any number.""",
    ),
}


def far_parameters(cls: Any) -> dict:
    """The parameters of an estimator as its twin for clusters has them.

    Parameters
    ----------
    cls : class made by `with_parameters`

    Returns
    -------
    dict of str to Parameter
        In the order of the signature, with the defaults of the class.
    """
    table = cls._parameter_table
    return {name: FAR.get(name, entry) for name, entry in table.items()}


def with_parameters(
    table: dict, attributes: str = ATTRIBUTES, **defaults
) -> Callable[[type], type]:
    """Give a class its constructor, constraints and documentation from `table`.

    Parameters
    ----------
    table : dict of str to Parameter
        In the order of the signature. The first may be passed by position.
    attributes : str
        Documentation of the fitted attributes that are no parameters.
    **defaults : object
        Defaults that differ from the table's for this class.

    Returns
    -------
    callable
        The class decorator.
    """
    table = {
        name: entry._replace(default=defaults.get(name, entry.default))
        for name, entry in table.items()
    }

    def decorate(cls):
        cls._parameter_table = table
        cls.__init__ = _constructor(table, cls)
        cls._validate_params = _validation(table)
        cls._parameter_constraints = {
            name: entry.constraints for name, entry in table.items()
        }
        if cls.__doc__:
            cls.__doc__ = (
                inspect.cleandoc(cls.__doc__)
                .replace("{parameters}", _documentation(table))
                .replace("{attributes}", attributes.strip())
            )
        return cls

    return decorate


Method = TypeVar("Method", bound=Callable[..., Any])

# What the docstrings of methods share, by the name in braces that stands for it.
METHODS = {
    "rows": """
        X : {array-like, CSR matrix} of shape (n_samples, n_features)
            Features.
        """,
    "rows to fit": """
        X : {array-like, CSR matrix} of shape (n_samples, n_features)
            Features. float32 stays float32; sparse input stays sparse.
        """,
    "weights to fit": """
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights. They are scaled to mean 1, and rows of weight zero
            are dropped first, so scaling all of them changes nothing.
        """,
    "rows to judge by": """
        X_val, y_val, sample_weight_val : array-like, default=None
            Rows to judge the weights by, as in `early_stopping`, without taking any
            from X.
        """,
    "fitted": """
        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For input the loss, the task or the model cannot use.
        TypeError
            For arrays of other libraries, which would have to be downloaded first.
        """,
    "one pass": """
        Make one pass over the rows, in the order given.

        ``solver="batch"`` makes one update from all rows of the call, "minibatch" one
        for each `batch_size` rows, "sgd" one for each row.
        """,
    "weights of a pass": """
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, used as given: their mean over all calls cannot be
            known. A call in which all are zero changes nothing.
        """,
    "updated": """
        Returns
        -------
        self : object
            The updated estimator.
        """,
    "scores of classes": """
        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_classes)
            For two classes, positive for ``classes_[1]``.
        """,
    "probabilities": """
        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        array of shape (n_samples, n_classes)
            In the order of `classes_`.
        """,
}


def documented(method: Method) -> Method:
    """Put the texts of `METHODS` into the docstring of a method.

    Before any other decorator, which would copy the docstring.
    """
    text = inspect.cleandoc(method.__doc__ or "")
    for name, shared in METHODS.items():
        text = text.replace(f"{{{name}}}", inspect.cleandoc(shared))
    method.__doc__ = text
    return method


def _constructor(table, cls):
    kinds = [inspect.Parameter.POSITIONAL_OR_KEYWORD]
    kinds += [inspect.Parameter.KEYWORD_ONLY] * (len(table) - 1)
    signature = inspect.Signature(
        [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
        + [
            inspect.Parameter(name, kind, default=entry.default)
            for kind, (name, entry) in zip(kinds, table.items(), strict=True)
        ]
    )

    defaults = {name: entry.default for name, entry in table.items()}

    def constructor(self, *args, **kwargs):
        if args or not kwargs.keys() <= defaults.keys():
            try:
                bound = signature.bind(self, *args, **kwargs)
            except TypeError as error:
                unknown = [name for name in kwargs if name not in defaults]
                hint = keyword_hint(unknown[0], defaults) if unknown else ""
                raise TypeError(f"{cls.__name__}() {error}{hint}") from None
            _, *given = bound.arguments.items()
            kwargs = dict(given)
        for name, value in (defaults | kwargs).items():
            setattr(self, name, value)

    constructor.__name__ = "__init__"
    constructor.__signature__ = signature
    constructor.__qualname__ = f"{cls.__qualname__}.__init__"
    constructor.__module__ = cls.__module__
    return constructor


def _validation(table):
    defaults = {name: entry.default for name, entry in table.items()}
    nothing = object()

    def _validate_params(self):
        """As scikit-learn does, but for what was left at its default.

        To validate all parameters takes as long as many a pass over a small table.
        """
        given = {
            name: value
            for name, value in self.get_params(deep=False).items()
            if value is not defaults.get(name, nothing)
        }
        try:
            validate_parameter_constraints(
                self._parameter_constraints, given, type(self).__name__
            )
        except InvalidParameterError as error:
            # One parameter is wrong, and the message names it.
            wrong = (name for name in given if f"'{name}' parameter" in str(error))
            hint = "".join(value_hint(name, given[name]) for name in wrong)
            if not hint:
                raise
            raise InvalidParameterError(f"{error}{hint}") from None

    return _validate_params


def _documentation(table):
    entries = []
    for name, entry in table.items():
        text = inspect.cleandoc(entry.text)
        kind = (
            entry.kind
            if "default" in entry.kind
            else (f"{entry.kind}, default={entry.default!r}")
        )
        entries.append(f"{name} : {kind}\n" + textwrap.indent(text, "    "))
    return "\n\n".join(entries)
