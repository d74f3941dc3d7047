"""Arrays that do not fit together never reach compiled code, which checks no bounds."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone

from skgd import MLPGD, GDClassifier, GDRegressor
from skgd._input.moments import Moments
from skgd._input.rows import Rows
from skgd._linear.model import LinearModel
from skgd._network.coordinates import Coordinates
from skgd._network.model import Network
from skgd._training.epochs import FullBatch, Stepper
from skgd._training.fast_paths import epoch_kernel
from skgd._training.objective import Objective
from skgd._training.secant import SecantDescent
from skgd._training.state import Averaging, State
from skgd.activations import get_activation
from skgd.losses import LogLoss, SquaredError
from skgd.optimizers import GD, SAGA, Adam, DoWG

N_ROWS, N_FEATURES = 12, 5


def rows(container=np.asarray, n_outputs=1, n_features=N_FEATURES, dtype=np.float64):
    rng = np.random.default_rng(0)
    X = container(rng.standard_normal((N_ROWS, n_features)).astype(dtype))
    targets = rng.standard_normal((N_ROWS, n_outputs))
    return Rows.of(X, targets, targets)


def linear(n_outputs=1, dtype=np.float64, **coordinates):
    model = LinearModel(N_FEATURES, n_outputs, dtype, True, **coordinates)
    return Objective(model, SquaredError(), False, *model.penalty_weights(0.0, 0.1))


def network(n_outputs=1):
    raw = Coordinates.raw(N_FEATURES, n_outputs)
    widths = (N_FEATURES, 3, n_outputs)
    model = Network(widths, [get_activation("tanh")], 0.0, np.float64, raw)
    return Objective(model, SquaredError(), False, *model.penalty_weights(0.0, 0.1))


def full_batch(bound, stepper, batch_size):
    epoch = FullBatch(bound, stepper, lambda state, n: np.full(n, 0.01))
    return lambda state, order, rates: epoch.run(state)


def secant(bound, stepper, batch_size):
    epoch = SecantDescent(0.1).on(bound)
    return lambda state, order, rates: epoch.run(state)


MEAN = Averaging(1)
BETWEEN = Averaging(1, 0.0, 0.8)
CSR = sparse.csr_array

# (objective, container, rule, kind of mean, rows of a batch, epoch)
RUNS = {
    "one row": (linear, np.asarray, GD(), MEAN, 1, epoch_kernel),
    "one row, outputs": (lambda: linear(3), np.asarray, GD(), Averaging(), 1, None),
    "batches": (linear, np.asarray, Adam(), MEAN, 4, None),
    "batches, outputs": (lambda: linear(3), np.asarray, DoWG(), BETWEEN, 4, None),
    "columns": (linear, np.asfortranarray, GD(), MEAN, 1, None),
    "sparse": (linear, CSR, GD(), MEAN, 4, None),
    "sparse, outputs": (lambda: linear(3), CSR, GD(), MEAN, 1, None),
    "sparse, any rule": (linear, CSR, Adam(), MEAN, 4, None),
    "sparse, free": (linear, CSR, DoWG(), BETWEEN, 4, None),
    "table of derivatives": (linear, np.asarray, SAGA(), MEAN, 4, None),
    "network": (network, np.asarray, Adam(), BETWEEN, 4, None),
    "sparse network": (network, CSR, Adam(), MEAN, 4, None),
    "full batch": (linear, np.asarray, Adam(), MEAN, N_ROWS, full_batch),
    "secant": (linear, np.asarray, SecantDescent(0.1), MEAN, N_ROWS, secant),
}


def run_of(name):
    """(epoch, state, order, rates), ready to run."""
    make, container, rule, kind, batch_size, way = RUNS[name]
    objective = make()
    model = objective.model
    bound = objective.bind(rows(container, model.n_outputs))
    stepper = None
    if way is not secant:
        stepper = Stepper(objective, rule, None)
    rng = np.random.default_rng(1)
    state = State.start(rng.standard_normal(model.size), rule, kind, rng)
    epoch = (way or epoch_kernel)(bound, stepper, batch_size)
    return epoch, state, bound.rows.order, np.full(-(-N_ROWS // batch_size), 1e-3)


def longer(array):
    return np.concatenate([array, array[..., :1]], axis=-1)


def shorter(array):
    return array[..., :-1].copy()


def of_other_type(array):
    other = {np.float64: np.float32, np.float32: np.float64}[array.dtype.type]
    return array.astype(other)


def spread_out(array):
    return np.repeat(array, 2, axis=-1)[..., ::2]


SIZES, FORMS = (longer, shorter), (of_other_type, spread_out)


@pytest.mark.parametrize("name", RUNS)
def test_runs_as_they_should_be(name):
    epoch, state, order, rates = run_of(name)
    epoch(state, order, rates)
    assert state.is_finite()


PARTS = ("theta", "vectors", "scalars", "step_sizes", "base", "average")


def changed(state, part, change):
    """Whether the state now has an array of another size or form."""
    array = getattr(state, part)
    if array.size:
        setattr(state, part, change(array))
    elif change is longer:
        setattr(state, part, np.zeros((3,) * array.ndim, array.dtype))
    return array.size or change is longer


@pytest.mark.parametrize("change", SIZES)
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", RUNS)
def test_state_of_another_size(name, part, change):
    epoch, state, order, rates = run_of(name)
    before = state.theta.copy() if part != "theta" else change(state.theta)
    if changed(state, part, change):
        with pytest.raises(ValueError, match="do not fit together"):
            epoch(state, order, rates)
        np.testing.assert_array_equal(state.theta, before)


@pytest.mark.parametrize("change", FORMS)
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", RUNS)
def test_state_of_another_form(name, part, change):
    epoch, state, order, rates = run_of(name)
    again, twin, _, _ = run_of(name)
    changed(state, part, change)
    # Refused, or taken for what it says.
    try:
        epoch(state, order, rates)
    except (TypeError, ValueError):
        return
    again(twin, order, rates)
    np.testing.assert_allclose(state.theta, twin.theta, rtol=1e-5)


@pytest.mark.parametrize("change", SIZES)
@pytest.mark.parametrize("part", ["kept", "caught_up", "factors", "moved"])
def test_sparse_weights_of_another_size(part, change):
    epoch, state, order, rates = run_of("sparse")
    epoch(state, order, rates)
    state.step += len(rates)
    array = getattr(state.lazy, part)
    setattr(state.lazy, part, change(array) if array.size else np.zeros(2))
    if part in ("caught_up", "moved"):
        # They are made anew.
        epoch(state, order, rates)
        assert state.is_finite()
    else:
        with pytest.raises(ValueError, match=part):
            epoch(state, order, rates)


@pytest.mark.parametrize("name", [n for n, run in RUNS.items() if run[-1] is None])
def test_a_rate_for_each_update(name):
    epoch, state, order, rates = run_of(name)
    with pytest.raises(ValueError, match="rates"):
        epoch(state, order, rates[:-1])
    with pytest.raises(ValueError, match="rates"):
        epoch(state, np.concatenate([order, order]), rates)
    with pytest.raises(TypeError):
        epoch(state, order.astype(np.int32), rates)


@pytest.mark.parametrize("strength", ["l1", "l2"])
def test_penalties_of_another_size(strength):
    objective = linear()
    wrong = replace(objective, **{strength: np.ones(3)})
    with pytest.raises(ValueError, match=strength):
        Stepper(wrong, GD(), None)


@pytest.mark.parametrize("container", [np.asarray, CSR])
@pytest.mark.parametrize("make", [linear, network])
def test_rows_of_another_width_or_type(make, container):
    objective = make()
    for n_features in (N_FEATURES - 1, N_FEATURES + 1):
        with pytest.raises(ValueError, match="features"):
            objective.bind(rows(container, n_features=n_features))
    with pytest.raises(ValueError, match="float32"):
        objective.bind(rows(container, dtype=np.float32))
    for n_outputs in (2, 3):
        with pytest.raises(ValueError, match="targets"):
            objective.bind(rows(container, n_outputs))


@pytest.mark.parametrize("container", [np.asarray, CSR])
@pytest.mark.parametrize("make", [linear, network])
def test_sums_over_other_rows_and_parameters(make, container):
    bound = make().bind(rows(container))
    n = bound.objective.model.size
    for size in (n - 1, n + 1, 0):
        with pytest.raises(ValueError, match="theta"):
            bound.gradient(np.zeros(size))
    with pytest.raises(ValueError, match="gradient"):
        bound.add_to(np.zeros(n - 1), np.zeros(n))
    for wrong in (N_ROWS, -1, 2**40):
        with pytest.raises(ValueError, match=f"Row {wrong}"):
            bound.mean_loss(np.zeros(n), np.array([0, wrong]))


@pytest.mark.parametrize("label", [-1.0, 3.0, np.nan, 1e300])
@pytest.mark.parametrize("make", [linear, network])
def test_classes_beyond_the_outputs(make, label):
    objective = replace(make(3), loss=LogLoss(), softmax=True)
    labels = np.arange(float(N_ROWS))[:, None] % 3
    X = rows().X
    objective.bind(Rows.of(X, labels, labels))
    labels[4] = label
    with pytest.raises(ValueError, match="number the 3 outputs"):
        objective.bind(Rows.of(X, labels, labels))


@pytest.mark.parametrize("size", [N_FEATURES - 1, N_FEATURES + 1, 0])
@pytest.mark.parametrize("container", [np.asarray, CSR])
def test_coordinates_of_another_size(container, size):
    fits, wrong = np.ones(N_FEATURES), np.ones(size)
    for mean, scale in ((wrong, fits), (fits, wrong), (None, wrong), (fits, None)):
        with pytest.raises(ValueError, match="coordinates"):
            linear(mean=mean, scale=scale).bind(rows(container))


@pytest.mark.parametrize("name", ["mean", "scale", "shift", "spread"])
def test_coordinates_of_a_network_of_another_size(name):
    objective = network()
    model = objective.model
    model.coordinates = replace(model.coordinates, **{name: np.ones(9)})
    with pytest.raises(ValueError, match=name):
        objective.bind(rows())


@pytest.mark.parametrize("part", ["indptr", "indices", "data"])
@pytest.mark.parametrize("make", [linear, network])
def test_sparse_arrays_of_another_length(make, part):
    given = rows(CSR)
    setattr(given.X, part, getattr(given.X, part)[:-1])
    with pytest.raises(ValueError, match=r"indptr|indices"):
        make().bind(given)


def test_rows_that_contradict_each_other():
    X, y = np.zeros((4, 2)), np.zeros((4, 1))
    ones = np.ones(4)
    for targets, weights in (
        (y[:3], ones),
        (y, ones[:3]),
        (y[:, 0], ones),
        (y, np.ones((4, 1))),
    ):
        with pytest.raises(ValueError, match="rows do not fit together"):
            Rows(X, targets, weights, np.arange(4), y)
    for order in ([0, 4], [-1], [2**62], [0.0], np.zeros((2, 2), int), [0] * 5 + [9]):
        with pytest.raises(ValueError, match=r"Row|Numbers of rows"):
            Rows.of(X, y, y).in_order(np.asarray(order))
    with pytest.raises(ValueError, match="order"):
        Rows(X, y, ones, np.arange(3), y, as_they_came=True)


def test_rows_in_place_of_others():
    old = rows()
    fresh = old.replaced_by(old.X + 1.0, old.targets + 1.0)
    assert fresh.order is old.order
    assert fresh.weights is old.weights
    np.testing.assert_array_equal(fresh.y, old.targets + 1.0)
    for X, targets in ((old.X[1:], old.targets), (old.X, old.targets[1:])):
        with pytest.raises(ValueError, match="shapes"):
            old.replaced_by(X, targets)


@pytest.mark.parametrize("container", [np.asarray, CSR])
def test_moments_of_other_columns(container):
    seen = Moments.empty(N_FEATURES - 1)
    with pytest.raises(ValueError, match="mean"):
        Moments.of(rows(container), seen)
    moments = Moments.empty(N_FEATURES)
    X = rows(container).X
    with pytest.raises(ValueError, match="weights"):
        moments.update(X, np.ones(N_ROWS - 1))
    with pytest.raises(ValueError, match="Row 12"):
        moments.update(X, np.ones(N_ROWS), np.array([12]))


ESTIMATORS = {
    "float rate": GDRegressor(lr=0.01),
    "auto": GDRegressor(),
    "classes": GDClassifier(lr=0.01, average=True),
    "several classes": GDClassifier(),
    "adam": GDClassifier(lr=0.01, optimizer="adam"),
    "network": MLPGD(loss="squared_error", hidden_layer_sizes=(3,), lr=0.01),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("container", [np.asarray, CSR])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimators_whose_parameters_are_of_another_width(name, container):
    # As after a fit of a wider table that was refused half way, or a damaged pickle.
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 4))
    y = {"several classes": np.arange(30) % 3}.get(name, np.arange(30) % 2)
    kwargs = {} if name in ("float rate", "auto", "network") else {"classes": set(y)}
    kwargs = {key: sorted(value) for key, value in kwargs.items()}
    model = clone(ESTIMATORS[name])
    for _ in range(3):
        model.partial_fit(container(X), y, **kwargs)
    wide = container(np.column_stack([X, X]))
    model.n_features_in_ = 8
    with pytest.raises(ValueError, match=r"features|fit together"):
        model.partial_fit(wide, y)
    with pytest.raises(ValueError, match=r"8|mismatch|dimension"):
        model.predict(wide)
    model.n_features_in_ = 4
    model.partial_fit(container(X), y)
    if name in ("float rate", "auto"):
        assert model._quick.still_holds(model)
    model._state.theta = np.append(model._state.theta, 1.0)
    with pytest.raises(ValueError, match=r"fit together|reshape|broadcast|size"):
        model.partial_fit(container(X), y)
