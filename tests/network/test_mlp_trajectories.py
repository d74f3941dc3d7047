"""Training of a network, update by update, against slow NumPy and against PyTorch.

Also everything that must not change the updates: blocks, chunks, threads, pickling.
"""

import pickle
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import reference
import reference_network
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from skgd import MLPGD, optimizers
from skgd.activations import ACTIVATIONS

RNG = np.random.default_rng(0)
N, D = 23, 4
X = RNG.normal(size=(N, D))
X[RNG.random(X.shape) < 0.4] = 0.0
LABELS = RNG.integers(0, 3, size=N)
REAL = RNG.normal(size=(N, 2)) + X[:, :2]
WEIGHTS = RNG.integers(0, 3, size=N) + 0.0
HIDDEN = (5, 3)


def start(n_outputs, hidden=HIDDEN):
    """Weights and intercepts to start from, all at random."""
    rng = np.random.default_rng(1)
    widths = (D, *hidden, n_outputs)
    shapes = list(pairwise(widths))
    coefs = [rng.normal(size=shape) / np.sqrt(shape[0]) for shape in shapes]
    return coefs, [0.1 * rng.normal(size=shape[1]) for shape in shapes]


def model_of(**parameters):
    settings = {
        "hidden_layer_sizes": HIDDEN,
        "standardize": False,
        "lr": 0.05,
        "optimizer": "gd",
        "alpha": 0.0,
        "batch_size": 5,
        "max_iter": 2,
        "tol": None,
        "shuffle": False,
        "random_state": 0,
    }
    return MLPGD(**(settings | parameters))


def fit(model, given, y, **kwargs):
    n_outputs = 3 if y is LABELS else 2
    coefs, intercepts = start(n_outputs, model.hidden_layer_sizes)
    return model.fit(given, y, coefs_init=coefs, intercepts_init=intercepts, **kwargs)


def slow(y, rule, **parameters):
    if y is LABELS:
        targets, loss, n_outputs = np.eye(3)[y], reference.softmax_cross_entropy, 3
    else:
        targets, loss, n_outputs = y, reference.squared_error, 2
    settings = {"activation": "relu", "batch_size": 5, "lr": 0.05, "n_epochs": 2}
    return reference_network.train(
        X, targets, loss, *start(n_outputs), rule=rule, **(settings | parameters)
    )


def assert_same(model, expected, atol=1e-10):
    coefs, intercepts, losses = expected
    for got, want in zip(model.coefs_, coefs, strict=True):
        assert_allclose(got, want, atol=atol)
    for got, want in zip(model.intercepts_, intercepts, strict=True):
        assert_allclose(got, want, atol=atol)
    assert_allclose(model.loss_curve_, losses, atol=atol)


SPARSE = pytest.mark.parametrize(
    "given", [X, sparse.csr_array(X)], ids=["dense", "csr"]
)


@SPARSE
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    ("y", "loss"), [(LABELS, "log_loss"), (REAL, "squared_error")], ids=["log", "mse"]
)
def test_epochs_are_those_of_the_slow_network(y, loss, activation, given):
    model = fit(
        model_of(loss=loss, activation=activation, alpha=0.01),
        given,
        y,
        sample_weight=WEIGHTS,
    )
    assert_same(
        model,
        slow(y, reference.Gd(), activation=activation, l2=0.01, weights=WEIGHTS),
    )


@SPARSE
@pytest.mark.parametrize(
    ("rule", "formula"),
    [
        ("momentum", reference.Momentum),
        ("nesterov", partial(reference.Momentum, nesterov=True)),
        ("adam", reference.Adam),
        ("nadam", reference.NAdam),
    ],
    ids=["momentum", "nesterov", "adam", "nadam"],
)
def test_rules_see_the_whole_network(rule, formula, given):
    model = fit(model_of(optimizer=rule, alpha=0.01), given, LABELS)
    assert_same(model, slow(LABELS, formula(), l2=0.01))


@SPARSE
@pytest.mark.parametrize(
    ("solver", "batch_size"), [("batch", N), ("sgd", 1), ("minibatch", 7)]
)
def test_solvers_differ_in_rows_per_update_only(solver, batch_size, given):
    model = fit(
        model_of(solver=solver, batch_size=7, alpha=0.1, clip_norm=0.5), given, LABELS
    )
    assert_same(
        model,
        slow(LABELS, reference.Gd(), batch_size=batch_size, l2=0.1, clip_norm=0.5),
    )


@SPARSE
@pytest.mark.parametrize("solver", ["batch", "minibatch"])
@pytest.mark.parametrize("dropout", [0.3, (0.0, 0.4), (0.5, 0.2)])
def test_dropout_is_that_of_the_documented_stream(dropout, solver, given):
    model = model_of(solver=solver, dropout=dropout, max_iter=3)
    fit(model, given, LABELS)
    seed = int(model._model.stream[0])
    assert model._model.stream[1] == 3 * N
    expected = slow(
        LABELS,
        reference.Gd(),
        batch_size=N if solver == "batch" else 5,
        n_epochs=3,
        dropout=dropout,
        seed=seed,
    )
    assert_same(model, expected)


def test_dropout_keeps_the_expected_share():
    draws = np.array([reference_network.uniform(12345, n) for n in range(20_000)])
    assert_allclose(draws.mean(), 0.5, atol=0.01)
    assert_allclose(np.mean(draws < 0.3), 0.3, atol=0.01)
    assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 0.02


# ---- PyTorch -------------------------------------------------------------------------

# Our rule, torch.optim's name and arguments, rate.
RULES = [
    ("gd", "SGD", {}, 0.1),
    (optimizers.Momentum(0.9), "SGD", {"momentum": 0.9}, 0.05),
    (optimizers.Nesterov(0.9), "SGD", {"momentum": 0.9, "nesterov": True}, 0.05),
    ("adam", "Adam", {}, 0.01),
    (optimizers.AdamW(weight_decay=0.1), None, {}, 0.01),
    ("nadam", "NAdam", {}, 0.01),
    ("adamax", "Adamax", {}, 0.01),
    ("adagrad", "Adagrad", {}, 0.05),
    ("rmsprop", "RMSprop", {}, 0.003),
]
TORCH_ACTIVATIONS = {
    "identity": "Identity",
    "logistic": "Sigmoid",
    "tanh": "Tanh",
    "relu": "ReLU",
    "leaky_relu": "LeakyReLU",
    "elu": "ELU",
    "gelu": "GELU",
    "silu": "SiLU",
    "mish": "Mish",
}


@pytest.fixture
def torch():
    torch = pytest.importorskip("torch")
    previous = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield torch
    torch.set_default_dtype(previous)


def torch_training(torch, y, activation, name, arguments, lr, n_updates, alpha):
    """PyTorch's own training of the same network on the same batches."""
    coefs, intercepts = start(3 if y is LABELS else 2)
    layers = []
    for W, b in zip(coefs, intercepts, strict=True):
        linear = torch.nn.Linear(*W.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(W.T))
            linear.bias.copy_(torch.from_numpy(b))
        layers += [linear, getattr(torch.nn, TORCH_ACTIVATIONS[activation])()]
    network = torch.nn.Sequential(*layers[:-1])
    weights = [p for p in network.parameters() if p.ndim == 2]
    biases = [p for p in network.parameters() if p.ndim == 1]
    if name is None:
        groups = [
            {"params": weights, "weight_decay": 0.1},
            {"params": biases, "weight_decay": 0.0},
        ]
        rule = torch.optim.AdamW(groups, lr=lr)
    else:
        rule = getattr(torch.optim, name)([*weights, *biases], lr=lr, **arguments)
    inputs, targets = torch.from_numpy(X), torch.from_numpy(y)
    for update in range(n_updates):
        batch = np.arange(N)[5 * (update % 5) : 5 * (update % 5) + 5]
        scores = network(inputs[batch])
        if y is LABELS:
            loss = torch.nn.functional.cross_entropy(scores, targets[batch])
        else:
            loss = 0.5 * ((scores - targets[batch]) ** 2).sum(dim=1).mean()
        loss = loss + 0.5 * alpha * sum((W**2).sum() for W in weights)
        rule.zero_grad()
        loss.backward()
        rule.step()
    return (
        [W.detach().numpy().T for W in weights],
        [b.detach().numpy() for b in biases],
    )


def assert_is_torch(torch, y, loss, activation, rule, name, arguments, lr):
    model = fit(
        model_of(
            loss=loss,
            activation=activation,
            optimizer=rule,
            lr=lr,
            alpha=0.01,
            max_iter=4,
        ),
        X,
        y,
    )
    assert model.t_ == 20
    coefs, intercepts = torch_training(
        torch, y, activation, name, arguments, lr, 20, 0.01
    )
    for got, want in zip(model.coefs_, coefs, strict=True):
        assert_allclose(got, want, atol=1e-8)
    for got, want in zip(model.intercepts_, intercepts, strict=True):
        assert_allclose(got, want, atol=1e-8)


@pytest.mark.parametrize(("rule", "name", "arguments", "lr"), RULES, ids=str)
def test_twenty_updates_are_those_of_torch(torch, rule, name, arguments, lr):
    assert_is_torch(torch, LABELS, "log_loss", "relu", rule, name, arguments, lr)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    ("y", "loss"), [(LABELS, "log_loss"), (REAL, "squared_error")], ids=["log", "mse"]
)
def test_every_activation_is_that_of_torch(torch, y, loss, activation):
    assert_is_torch(torch, y, loss, activation, "adam", "Adam", {}, 0.01)


# ---- what must not change the updates ------------------------------------------------


def parameters_of(model):
    return np.concatenate([p.ravel() for p in (*model.coefs_, *model.intercepts_)])


ROWS = np.random.default_rng(5).normal(size=(3000, D)) + 1.0
CLASSES = (ROWS[:, 0] * ROWS[:, 1] > 1).astype(int)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("standardize", [False, True])
def test_same_seed_same_weights_to_the_bit(dropout, standardize):
    model = MLPGD(dropout=dropout, standardize=standardize, random_state=3, max_iter=3)
    first = parameters_of(clone(model).fit(ROWS, CLASSES))
    assert_array_equal(first, parameters_of(clone(model).fit(ROWS, CLASSES)))
    with threadpool_limits(1):
        assert_array_equal(first, parameters_of(clone(model).fit(ROWS, CLASSES)))
    other = clone(model).set_params(random_state=4).fit(ROWS, CLASSES)
    assert not np.allclose(first, parameters_of(other))


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_minibatch_of_all_rows_is_batch(dropout):
    # Also: blocks of 256 rows within a batch, and shards of 1024, add up to the same.
    settings = {
        "dropout": dropout,
        "lr": 0.1,
        "max_iter": 4,
        "hidden_layer_sizes": (7,),
    }
    batch = model_of(solver="batch", **settings).fit(ROWS, CLASSES)
    minibatch = model_of(batch_size=3000, **settings).fit(ROWS, CLASSES)
    assert_allclose(parameters_of(batch), parameters_of(minibatch), atol=1e-12)
    rows = sparse.csr_array(ROWS)
    csr = model_of(batch_size=3000, **settings).fit(rows, CLASSES)
    assert_allclose(parameters_of(csr), parameters_of(minibatch), atol=1e-12)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("rule", ["adam", "momentum"])
def test_chunks_are_one_pass_to_the_bit(rule, dropout):
    settings = {"optimizer": rule, "dropout": dropout, "batch_size": 10}
    whole = model_of(**settings, max_iter=1).fit(ROWS[:200], CLASSES[:200])
    parts = model_of(**settings)
    for chunk in (slice(0, 50), slice(50, 60), slice(60, 200)):
        parts.partial_fit(ROWS[chunk], CLASSES[chunk], classes=[0, 1])
        parts = pickle.loads(pickle.dumps(parts))
    assert_array_equal(parameters_of(whole), parameters_of(parts))


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_warm_start_goes_on_where_it_stopped(dropout):
    settings = {"dropout": dropout, "optimizer": "adam", "shuffle": True}
    whole = model_of(max_iter=4, **settings).fit(ROWS[:99], CLASSES[:99])
    parts = model_of(max_iter=2, warm_start=True, **settings)
    parts.fit(ROWS[:99], CLASSES[:99])
    parts = pickle.loads(pickle.dumps(parts)).fit(ROWS[:99], CLASSES[:99])
    assert_array_equal(parameters_of(whole), parameters_of(parts))
    assert parts.t_ == whole.t_


def test_zero_weights_are_absent_rows_and_two_are_copies():
    settings = {"batch_size": 64, "alpha": 0.01, "hidden_layer_sizes": (4,)}
    rows, y = ROWS[:20], CLASSES[:20]
    weights = np.arange(20) % 3
    weighted = model_of(**settings).fit(rows, y, sample_weight=weights)
    copies = model_of(**settings).fit(rows.repeat(weights, 0), y.repeat(weights))
    assert_allclose(parameters_of(weighted), parameters_of(copies), atol=1e-13)
    scaled = model_of(**settings).fit(rows, y, sample_weight=weights * 8.0)
    assert_array_equal(parameters_of(weighted), parameters_of(scaled))


def test_strided_and_read_only_rows():
    expected = parameters_of(model_of().fit(ROWS[:100], CLASSES[:100]))
    wide = np.repeat(ROWS[:100], 2, axis=1)[:, ::2]
    fortran = np.asfortranarray(ROWS[:100])
    frozen = ROWS[:100].copy()
    frozen.flags.writeable = False
    for rows in (wide, fortran, frozen):
        assert_array_equal(expected, parameters_of(model_of().fit(rows, CLASSES[:100])))
