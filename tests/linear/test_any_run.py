"""Any run with a float rate makes the updates of the plain loop.

Hypothesis draws the table, how it lies in memory, the objective, the rule and how the
rows come; the loop of ``tests/reference.py`` says what must come of it.
"""

import warnings
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
import reference
import reference_network
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from rules import OPTIMIZERS
from scipy import sparse

from skgd import MLPGD, GDClassifier, GDRegressor
from skgd.data import from_arrays
from skgd.losses import LOSSES

# ---- what is drawn -------------------------------------------------------------------

MAX_ITER = 4

SCHEDULES = {
    "constant": lambda step, epoch: 1.0,
    "invscaling": lambda step, epoch: (step + 1) ** -0.5,
    "exponential": lambda step, epoch: 0.95**epoch,
    "cosine": lambda step, epoch: 0.5 * (1 + np.cos(np.pi * epoch / MAX_ITER)),
    "polynomial": lambda step, epoch: 1 - epoch / MAX_ITER,
}
LAYOUTS = (
    "C",
    "F",
    "read-only",
    "every other row",
    "some columns",
    "every other column",
    "upside down",
    "csr",
    "csr, 64-bit",
    "csr, unsorted",
    "csc",
)
CALLS = ("fit", "partial_fit", "fit_batches", "from_arrays")

# Rules that take steps in proportion to the gradient: others turn the rounding of a
# gradient of zero, as of balanced classes at the start, into a step in float32.
PROPORTIONAL = ("gd", "momentum", "nesterov")


def laid_out(X, layout):
    """The numbers of X, as an array or a matrix of another layout."""
    if layout == "F":
        return np.asfortranarray(X)
    if layout == "read-only":
        X = X.copy()
        X.flags.writeable = False
        return X
    if layout == "every other row":
        return np.repeat(X, 2, axis=0)[::2]
    if layout == "some columns":
        wide = np.full((X.shape[0], X.shape[1] + 3), 1e30, X.dtype)
        wide[:, 2:-1] = X
        return wide[:, 2:-1]
    if layout == "every other column":
        return np.repeat(X, 2, axis=1)[:, ::2]
    if layout == "upside down":
        return X[::-1].copy()[::-1]
    if layout == "csc":
        return sparse.csc_array(X)
    if layout.startswith("csr"):
        matrix = sparse.csr_array(X)
        if layout.endswith("64-bit"):
            matrix.indices = matrix.indices.astype(np.int64)
            matrix.indptr = matrix.indptr.astype(np.int64)
        elif layout.endswith("unsorted"):
            for start, stop in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True):
                matrix.indices[start:stop] = matrix.indices[start:stop][::-1].copy()
                matrix.data[start:stop] = matrix.data[start:stop][::-1].copy()
            matrix.has_sorted_indices = False
        return matrix
    return np.ascontiguousarray(X)


@dataclass
class Run:
    """One point of the space: a table and everything that is done with it."""

    seed: int
    n_rows: int
    n_features: int
    density: float
    dtype: type
    layout: str
    task: str
    loss: str
    penalty: str | None
    alpha: float
    l1_ratio: float
    fit_intercept: bool
    optimizer: str
    lr: float
    lr_schedule: str
    solver: str
    batch_size: int
    weighted: bool
    average: bool | int
    clip_norm: float | None
    call: str
    n_pieces: int

    def table(self):
        """X, y as given, targets as coded, and weights or None."""
        rng = np.random.default_rng(self.seed)
        X = rng.normal(size=(self.n_rows, self.n_features))
        X *= rng.random(X.shape) < self.density
        X = X.astype(self.dtype)
        weights = None
        if self.weighted:
            weights = rng.uniform(0.2, 3.0, self.n_rows)
            weights[rng.random(self.n_rows) < 0.3] = 0.0
            weights[rng.integers(self.n_rows)] = 1.0
        if self.task in ("one target", "targets"):
            y = rng.normal(size=(self.n_rows, 1 if self.task == "one target" else 3))
            if not LOSSES[self.loss].identity_link:
                y = np.abs(y) + 0.1
            return X, y[:, 0] if self.task == "one target" else y, y, weights
        n_classes = 2 if self.task == "two classes" else 3
        labels = np.r_[np.arange(n_classes), rng.integers(0, n_classes, self.n_rows)]
        labels = labels[: self.n_rows]
        one_hot = np.eye(n_classes)[labels]
        if n_classes == 2:
            return X, labels, 2 * one_hot[:, 1:] - 1, weights
        targets = one_hot if self.loss == "log_loss" else 2 * one_hot - 1
        return X, labels, targets, weights

    def pieces(self):
        """Where the table is cut, for calls that take it in pieces."""
        rng = np.random.default_rng(self.seed + 1)
        cuts = np.sort(rng.integers(0, self.n_rows + 1, self.n_pieces - 1))
        edges = [0, *cuts.tolist(), self.n_rows]
        return [slice(a, b) for a, b in pairwise(edges) if b > a]


@st.composite
def runs(draw, layouts=LAYOUTS, calls=CALLS):
    task = draw(st.sampled_from(["one target", "targets", "two classes", "classes"]))
    kind = "regression" if "target" in task else "classification"
    losses = [name for name, loss in LOSSES.items() if kind in loss.tasks]
    optimizer = draw(st.sampled_from(list(OPTIMIZERS)))
    # Numbers with many digits, so that no score hits a kink of a loss by design.
    lr = draw(st.floats(0.3, 1.0)) * {
        "adadelta": 1.0,
        "momentum": 0.005,
        "nesterov": 0.01,
        "rmsprop-centred": 0.01,
    }.get(optimizer, 0.03)
    return Run(
        seed=draw(st.integers(0, 2**32 - 2)),
        n_rows=draw(st.integers(3, 40)),
        n_features=draw(st.integers(1, 9) | st.sampled_from([17, 40])),
        density=draw(st.sampled_from([0.1, 0.5, 1.0])),
        dtype=draw(st.sampled_from([np.float64, np.float64, np.float32])),
        layout=draw(st.sampled_from(layouts)),
        task=task,
        loss=draw(st.sampled_from(losses)),
        penalty=draw(st.sampled_from([None, "l2", "l1", "elasticnet"])),
        alpha=draw(st.floats(1e-3, 0.5)),
        l1_ratio=draw(st.floats(0.1, 0.9)),
        fit_intercept=draw(st.booleans()),
        optimizer=optimizer,
        lr=lr,
        lr_schedule=draw(st.sampled_from(list(SCHEDULES))),
        solver=draw(st.sampled_from(["batch", "minibatch", "sgd"])),
        batch_size=draw(st.integers(1, 12) | st.just(100)),
        weighted=draw(st.booleans()),
        average=draw(st.sampled_from([False, True, 5])),
        clip_norm=draw(st.sampled_from([None, None, 0.5])),
        call=draw(st.sampled_from(calls)),
        n_pieces=draw(st.integers(1, MAX_ITER)),
    )


# ---- both ways -----------------------------------------------------------------------


def estimator(run):
    cls = GDRegressor if "target" in run.task else GDClassifier
    return cls(
        run.loss,
        solver=run.solver,
        batch_size=run.batch_size,
        lr=run.lr,
        lr_schedule=run.lr_schedule,
        optimizer=OPTIMIZERS[run.optimizer][0],
        penalty=run.penalty,
        alpha=run.alpha,
        l1_ratio=run.l1_ratio,
        fit_intercept=run.fit_intercept,
        average=run.average,
        clip_norm=run.clip_norm,
        max_iter=MAX_ITER,
        tol=None,
        shuffle=False,
    )


def trained(run, X, y, weights):
    """The estimator after the run, and the rows of each epoch if they differ."""
    model = estimator(run)
    matrix = laid_out(X, run.layout)
    if run.call == "fit":
        return model.fit(matrix, y, sample_weight=weights), None
    if run.call == "from_arrays":
        if run.layout == "csc":
            matrix = sparse.csr_array(matrix)
        size = max(1, run.n_rows // run.n_pieces)
        return model.fit_batches(from_arrays(matrix, y, weights, batch_size=size)), None
    pieces = [
        (
            laid_out(X[rows], run.layout),
            y[rows],
            None if weights is None else weights[rows],
        )
        for rows in run.pieces()
    ]
    if run.call == "fit_batches":
        stream = [piece if piece[2] is not None else piece[:2] for piece in pieces]
        classes = None if "target" in run.task else np.unique(y)
        return model.fit_batches(stream, classes=classes), None
    visits = []
    for rows, (chunk, targets, some) in zip(run.pieces(), pieces, strict=True):
        classes = {} if "target" in run.task else {"classes": np.unique(y)}
        model.partial_fit(chunk, targets, sample_weight=some, **classes)
        index = np.arange(run.n_rows)[rows]
        index = index if some is None else index[some > 0]
        if index.size:
            visits.append(index)
    return model, visits


def plainly(run, X, targets, weights, visits):
    """(coefficients, intercepts, objectives) of the plain loop."""
    share = {"l1": 1.0, "elasticnet": run.l1_ratio}.get(run.penalty, 0.0)
    strength = 0.0 if run.penalty is None else run.alpha
    softmax = run.task == "classes" and run.loss == "log_loss"
    loss = reference.softmax_cross_entropy if softmax else vars(reference)[run.loss]
    return reference.train(
        X,
        targets,
        loss,
        batch_size={"batch": run.n_rows, "sgd": 1}.get(run.solver, run.batch_size),
        lr=run.lr,
        n_epochs=MAX_ITER,
        rule=OPTIMIZERS[run.optimizer][1](),
        factor=SCHEDULES[run.lr_schedule],
        l1=strength * share,
        l2=strength * (1 - share),
        weights=weights,
        fit_intercept=run.fit_intercept,
        average=run.average,
        clip_norm=run.clip_norm,
        visits=visits,
        full_batch=run.solver == "batch",
    )


def check(run):
    """The estimator and the plain loop agree on the run.

    Returns
    -------
    str
        "compared", or why there was nothing to compare.
    """
    X, y, targets, weights = run.table()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model, visits = trained(run, X, y, weights)
        with np.errstate(all="ignore"):
            coef, intercept, objectives = plainly(run, X, targets, weights, visits)
    if model.stop_reason_ == "diverged":
        # The best weights are back. That is right if the plain loop ended badly, too.
        assert not max(objectives) < min(objectives[0], np.inf) * 0.999
        assert np.isfinite(model.coef_).all()
        return "diverged"
    assert model.coef_.dtype == run.dtype
    exact = LOSSES[run.loss].smooth and run.optimizer in PROPORTIONAL
    if run.dtype is np.float32 and not exact:
        # Rounding decides on which side of a kink a score is.
        assert np.isfinite(model.coef_).all()
        return "float32 rounding"
    close = {"rtol": 1e-7, "atol": 1e-8}
    if run.dtype is np.float32:
        close = {"rtol": 1e-2, "atol": 2e-3}
    assert_allclose(np.atleast_2d(model.coef_), coef, **close)
    assert_allclose(model.intercept_, intercept, **close)
    if run.dtype is np.float64:
        assert_allclose(model.loss_curve_, objectives[-model.n_iter_ :], **close)
        assert_allclose(np.atleast_2d(model.coef_)[coef == 0], 0, atol=1e-12)
    return "compared"


def profile(n):
    """Settings for n examples, the same ones each time where they are few."""
    return settings(
        max_examples=n,
        deadline=None,
        derandomize=n < 1000,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@given(runs())
@profile(150)
def test_any_run(run):
    check(run)


@pytest.mark.slow
@given(runs())
@profile(20_000)
def test_very_many_runs(run):
    check(run)


# ---- networks ------------------------------------------------------------------------


@dataclass
class NetworkRun(Run):
    """A network instead of a linear model."""

    hidden: tuple
    activation: str


@st.composite
def network_runs(draw):
    run = draw(runs(calls=("fit",)))
    run.task = draw(
        st.sampled_from(["one target", "targets", "two classes", "classes"])
    )
    names = ["squared_error", "huber"] if "target" in run.task else ["log_loss"]
    run.loss = draw(st.sampled_from(names))
    hidden = draw(st.sampled_from([(), (1,), (5,), (3, 2), (2, 4, 3)]))
    activation = draw(st.sampled_from(["identity", "logistic", "tanh", "silu"]))
    return NetworkRun(**vars(run), hidden=hidden, activation=activation)


def check_network(run):
    """The network and the plain loop agree on the run."""
    X, y, targets, weights = run.table()
    rng = np.random.default_rng(run.seed)
    widths = (run.n_features, *run.hidden, targets.shape[1])
    shapes = list(pairwise(widths))
    coefs = [rng.normal(size=shape) / np.sqrt(shape[0]) for shape in shapes]
    intercepts = [rng.normal(size=shape[1]) for shape in shapes]
    model = MLPGD(
        hidden_layer_sizes=run.hidden,
        loss=run.loss,
        activation=run.activation,
        standardize=False,
        solver=run.solver,
        batch_size=run.batch_size,
        lr=run.lr,
        optimizer=OPTIMIZERS[run.optimizer][0],
        alpha=run.alpha,
        clip_norm=run.clip_norm,
        max_iter=MAX_ITER,
        tol=None,
        shuffle=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(
            laid_out(X, run.layout),
            y,
            sample_weight=weights,
            coefs_init=coefs,
            intercepts_init=intercepts,
        )
    softmax = run.task == "classes"
    loss = reference.softmax_cross_entropy if softmax else vars(reference)[run.loss]
    expected = reference_network.train(
        X,
        targets,
        loss,
        coefs,
        intercepts,
        activation=run.activation,
        batch_size={"batch": run.n_rows, "sgd": 1}.get(run.solver, run.batch_size),
        lr=run.lr,
        n_epochs=MAX_ITER,
        rule=OPTIMIZERS[run.optimizer][1](),
        l2=run.alpha,
        weights=weights,
        clip_norm=run.clip_norm,
    )
    if model.stop_reason_ == "diverged":
        return "diverged"
    close = {"rtol": 1e-7, "atol": 1e-8}
    if run.dtype is np.float32:
        close = {"rtol": 1e-2, "atol": 2e-3}
    for ours, theirs in zip(model.coefs_, expected[0], strict=True):
        assert ours.dtype == run.dtype
        assert_allclose(ours, theirs, **close)
    for ours, theirs in zip(model.intercepts_, expected[1], strict=True):
        assert_allclose(ours, theirs, **close)
    if run.dtype is np.float64 and (run.solver == "batch" or model.t_ > MAX_ITER):
        assert_allclose(model.loss_curve_, expected[2], **close)
    return "compared"


@given(network_runs())
@profile(60)
def test_any_run_of_a_network(run):
    if run.optimizer != "adamw":  # the plain loop of networks has no decay
        check_network(run)


@pytest.mark.slow
@given(network_runs())
@profile(5_000)
def test_very_many_runs_of_networks(run):
    if run.optimizer != "adamw":
        check_network(run)
