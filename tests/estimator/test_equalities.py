"""Things that must not matter: storage, precision, how weights and chunks are given.

Bit for bit where the same sums are made in the same order, else to rounding.
"""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joblib import Parallel, delayed
from numpy.testing import assert_allclose
from rules import ANY_GRADIENT
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_classification, make_regression

from skgd import GDClassifier, GDRegressor
from skgd.optimizers import OPTIMIZERS, Adam
from skgd.schedules import SCHEDULES

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SOLVERS = ("batch", "minibatch", "sgd")
DENSE_OR_CSR = pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])


def regression(n=60, seed=0):
    X, y = make_regression(n, 6, noise=1.0, random_state=seed)
    X[np.abs(X) < 0.3] = 0.0
    return X, y / 50


def classes(n=60, n_classes=3, seed=0):
    # Of different sizes, so that no gradient at the start is rounding alone, which the
    # adaptive rules would blow up.
    X, y = make_classification(
        n,
        6,
        n_informative=4,
        n_classes=n_classes,
        weights=[0.5, 0.3, 0.2][:n_classes],
        random_state=seed,
    )
    X[np.abs(X) < 0.3] = 0.0
    return X, y


def problem(model, **kwargs):
    make = regression if isinstance(model, GDRegressor) else classes
    return make(**kwargs)


def parameters(model):
    return np.append(model.coef_, model.intercept_)


def bits(model):
    """Everything that two equal fits must share."""
    history = {k: v for k, v in model.history_.items() if k != "seconds"}
    values = [model.coef_, model.intercept_, *history.values()]
    return b"".join(np.asarray(value).tobytes() for value in values)


# ---- storage and precision -----------------------------------------------------------

KINDS = (
    {},
    {"penalty": "elasticnet", "alpha": 0.01, "average": 3},
    {"optimizer": "adam", "lr": 0.05, "penalty": "l1", "alpha": 0.01},
    {"lr": 0.02, "penalty": "l2", "alpha": 0.1},
    {"lr": 0.02, "penalty": "l1", "alpha": 0.01, "lr_schedule": "exponential"},
)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
def test_sparse_equals_dense(cls, solver, kind):
    if not kind and solver != "batch":
        # Sparse rows have a method of their own; without one they take these steps.
        kind = {"optimizer": "dowg"}
    if kind.get("optimizer") == "adam" and solver == "sgd":
        # The moments of Adam wait for their columns; with this option they do not.
        kind = kind | {"optimizer": Adam(amsgrad=True)}
    model = cls(solver=solver, max_iter=5, tol=None, random_state=0, **kind)
    X, y = problem(model)
    dense = clone(model).fit(X, y)
    csr = clone(model).fit(sparse.csr_array(X), y)
    assert_allclose(parameters(csr), parameters(dense), rtol=1e-8, atol=1e-10)
    assert_allclose(csr.loss_curve_, dense.loss_curve_, rtol=1e-8)
    method = "predict" if cls is GDRegressor else "predict_proba"
    assert_allclose(
        getattr(csr, method)(sparse.csr_matrix(X)),
        getattr(csr, method)(X),
        rtol=1e-10,
        atol=1e-14,
    )


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
@DENSE_OR_CSR
def test_single_precision_is_kept_and_agrees(cls, solver, kind, container):
    model = cls(solver=solver, max_iter=5, tol=None, random_state=0, **kind)
    X, y = problem(model)
    X = X.astype(np.float32)
    single = clone(model).fit(container(X), y)
    double = clone(model).fit(container(X.astype(np.float64)), y)
    assert single.coef_.dtype == single.intercept_.dtype == np.float32
    assert (
        single.decision_function(X).dtype == np.float32
        if (cls is GDClassifier)
        else single.predict(X).dtype == np.float32
    )
    assert double.coef_.dtype == double.intercept_.dtype == np.float64
    size = np.abs(parameters(double)).max()
    assert_allclose(parameters(single), parameters(double), rtol=0, atol=1e-4 * size)


@pytest.mark.parametrize("solver", SOLVERS)
def test_several_targets_are_as_many_fits(solver):
    X, y = regression()
    Y = np.column_stack([y, 1 - 2 * y, X[:, 0]])
    model = GDRegressor(
        "huber", solver=solver, lr=0.05, penalty="elasticnet", random_state=0
    ).set_params(max_iter=4, tol=None)
    together = clone(model).fit(X, Y)
    assert together.predict(X).shape == Y.shape
    for k in range(3):
        alone = clone(model).fit(X, Y[:, k])
        assert_allclose(together.coef_[k], alone.coef_, rtol=1e-10, atol=1e-14)
        assert_allclose(together.predict(X)[:, k], alone.predict(X), atol=1e-12)


# ---- weights -------------------------------------------------------------------------


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 99),
    name=st.sampled_from(["gd", "momentum", "adam", "rmsprop"]),
    penalty=st.sampled_from([None, "l2", "l1"]),
    average=st.booleans(),
    is_sparse=st.booleans(),
    task=st.sampled_from([GDRegressor, GDClassifier]),
)
def test_weights_equal_repetition(seed, name, penalty, average, is_sparse, task):
    model = task(
        solver="batch",
        optimizer=name,
        lr=0.02,
        penalty=penalty,
        alpha=0.01,
        average=average,
        max_iter=8,
        tol=None,
    )
    X, y = problem(model, n=30, seed=seed)
    weights = np.random.default_rng(seed).integers(0, 4, len(y))
    repeated = np.repeat(np.arange(len(y)), weights)
    container = sparse.csr_array if is_sparse else np.asarray
    weighted = clone(model).fit(container(X), y, sample_weight=weights)
    copies = clone(model).fit(container(X[repeated]), y[repeated])
    assert_allclose(parameters(weighted), parameters(copies), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "poisson"])
def test_weights_equal_repetition_with_an_automatic_rate(loss):
    """Start, coordinates and rate, too, see a weight of 2 as two rows."""
    X, y = regression()
    y = y - y.min() if loss == "poisson" else y
    weights = np.random.default_rng(0).integers(0, 4, len(y))
    repeated = np.repeat(np.arange(len(y)), weights)
    model = GDRegressor(loss, solver="batch", max_iter=20, tol=None)
    weighted = clone(model).fit(X, y, sample_weight=weights)
    copies = clone(model).fit(X[repeated], y[repeated])
    assert_allclose(parameters(weighted), parameters(copies), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("lr", ["auto", 0.02])
@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
def test_scaling_all_weights_changes_nothing(cls, lr, solver):
    model = cls(solver=solver, lr=lr, max_iter=5, tol=None, random_state=0)
    X, y = problem(model)
    weights = np.random.default_rng(1).random(len(y))
    one = clone(model).fit(X, y, sample_weight=weights)
    other = clone(model).fit(X, y, sample_weight=1024 * weights)
    assert bits(one) == bits(other)
    # A constant is as good as no weights at all.
    some = clone(model).fit(X, y, sample_weight=np.full(len(y), 7.0))
    assert_allclose(parameters(some), parameters(clone(model).fit(X, y)), rtol=1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("lr", ["auto", 0.02])
@DENSE_OR_CSR
def test_rows_of_weight_zero_are_not_there(lr, solver, container):
    X, y = regression()
    there = np.arange(len(y)) % 3 > 0
    X[~there] *= 1e6
    y[~there] = -1e6
    model = GDRegressor(solver=solver, lr=lr, max_iter=5, tol=None, shuffle=False)
    weighted = clone(model).fit(container(X), y, sample_weight=there)
    removed = clone(model).fit(container(X[there]), y[there])
    assert_allclose(parameters(weighted), parameters(removed), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("loss", ["log_loss", "hinge"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_class_weights_multiply_sample_weights(n_classes, loss):
    X, y = classes(n_classes=n_classes)
    factors = np.array([0.5, 2.0, 3.0])[:n_classes]
    weights = np.random.default_rng(0).random(len(y))
    model = GDClassifier(loss, solver="sgd", lr=0.1, max_iter=3, tol=None)
    model.set_params(random_state=0)
    labels = np.array(["u", "v", "w"])[y]
    by_class = clone(model).set_params(
        class_weight=dict(zip("uvw"[:n_classes], factors, strict=True))
    )
    by_class.fit(X, labels, sample_weight=weights)
    by_row = clone(model).fit(X, labels, sample_weight=weights * factors[y])
    assert bits(by_class) == bits(by_row)
    balanced = clone(model).set_params(class_weight="balanced").fit(X, labels)
    by_row = clone(model).fit(
        X, labels, sample_weight=(len(y) / (n_classes * np.bincount(y)))[y]
    )
    assert bits(balanced) == bits(by_row)


def test_weights_are_used_as_given_in_a_stream():
    """Their mean over all calls cannot be known: twice the weight, twice the step."""
    X, y = regression()
    model = GDRegressor(lr=0.01, solver="batch")
    single = clone(model).partial_fit(X, y)
    double = clone(model).partial_fit(X, y, sample_weight=np.full(len(y), 2.0))
    assert_allclose(parameters(double), 2 * parameters(single), rtol=1e-12)


# ---- randomness ----------------------------------------------------------------------


def random_fits(estimator):
    X, y = problem(estimator)
    return bits(clone(estimator).fit(X, y))


@pytest.mark.parametrize("backend", ["threading", "loky"])
@pytest.mark.parametrize("lr", ["auto", 0.02])
def test_same_seed_same_bits_wherever_it_runs(lr, backend):
    models = [
        cls(solver=solver, lr=lr, max_iter=4, tol=None, early_stopping=stop)
        for cls in (GDRegressor, GDClassifier)
        for solver in SOLVERS
        for stop in (False, True)
    ]
    models = [model.set_params(random_state=3) for model in models]
    here = [random_fits(model) for model in models]
    assert here == [random_fits(model) for model in models]
    there = Parallel(n_jobs=2, backend=backend)(
        delayed(random_fits)(model) for model in models * 2
    )
    assert here * 2 == there


@pytest.mark.parametrize("solver", ["minibatch", "sgd"])
def test_other_seed_other_order(solver):
    X, y = regression()
    model = GDRegressor(solver=solver, batch_size=7, lr=0.05, max_iter=2, tol=None)

    def fitted(**changes):
        return parameters(clone(model).set_params(**changes).fit(X, y))

    assert (fitted(random_state=1) != fitted(random_state=2)).any()
    assert (fitted(random_state=1) != fitted(shuffle=False)).any()
    assert (fitted(shuffle=False) == fitted(shuffle=False, random_state=9)).all()
    seeded = np.random.RandomState(4), np.random.RandomState(4)
    assert (fitted(random_state=seeded[0]) == fitted(random_state=seeded[1])).all()


@DENSE_OR_CSR
def test_an_epoch_visits_each_row_once(container):
    """Far below its targets the absolute error sums the rows, in whatever order."""
    X, _ = regression()
    y = np.full(len(X), 1e6)
    model = GDRegressor("absolute_error", solver="sgd", lr=1.0, tol=None)
    model.set_params(random_state=0, max_iter=3).fit(container(X), y)
    assert_allclose(model.coef_, 3 * X.sum(axis=0), rtol=1e-12)
    assert model.intercept_ == 3 * len(X)


def test_epochs_differ_in_order():
    X, y = regression(20)
    model = GDRegressor(solver="sgd", lr=0.1, max_iter=1, tol=None, random_state=0)
    first = model.fit(X, y)._state
    again = np.random.default_rng(0)
    before = first.rng.bit_generator.state
    assert before != again.bit_generator.state
    # The same start and rows with the stream where the first epoch left it.
    zero = np.zeros(6)
    one = parameters(clone(model).fit(X, y, coef_init=zero, intercept_init=0.0))
    model.set_params(warm_start=True)
    two = parameters(model.fit(X, y, coef_init=zero, intercept_init=0.0))
    assert (one != two).any()


# ---- streams -------------------------------------------------------------------------

STREAM = st.fixed_dictionaries(
    {
        "optimizer": st.sampled_from(ANY_GRADIENT),
        "penalty": st.sampled_from([None, "l2", "l1", "elasticnet"]),
        "average": st.sampled_from([False, True, 5]),
        "clip_norm": st.sampled_from([None, 0.5]),
        "lr_schedule": st.sampled_from(["constant", "invscaling"]),
    }
)


def in_chunks(model, X, y, ends, container, copy=lambda model: model, **first):
    start = 0
    for end in [*ends, len(y)]:
        model.partial_fit(container(X[start:end]), y[start:end], **first)
        model = copy(model)
        start = end
    return model


def check_chunks(model, ends, container):
    X, y = problem(model)
    first = {} if isinstance(model, GDRegressor) else {"classes": np.unique(y)}
    whole = clone(model).fit(container(X), y)
    chunked = in_chunks(clone(model), X, y, ends, container, **first)
    assert chunked.coef_.tobytes() == whole.coef_.tobytes()
    assert chunked.intercept_.tobytes() == whole.intercept_.tobytes()
    assert chunked.t_ == whole.t_


@pytest.mark.parametrize("optimizer", ANY_GRADIENT)
@pytest.mark.parametrize("solver", ["minibatch", "sgd"])
@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
@DENSE_OR_CSR
def test_chunks_equal_one_epoch(cls, solver, optimizer, container):
    """To the bit, where chunks end on batch ends."""
    model = cls(
        solver=solver,
        batch_size=5,
        lr=0.01,
        optimizer=optimizer,
        penalty="l2",
        shuffle=False,
        max_iter=1,
        tol=None,
    )
    check_chunks(model, [5, 20, 25, 40], container)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    kind=STREAM,
    cls=st.sampled_from([GDRegressor, GDClassifier]),
    container=st.sampled_from([np.asarray, sparse.csr_array]),
    batch_size=st.sampled_from([1, 4, 60]),
    cuts=st.sets(st.integers(1, 14)),
)
def test_chunking_does_not_matter(kind, cls, container, batch_size, cuts):
    model = cls(
        batch_size=batch_size,
        lr=0.01,
        alpha=0.05,
        shuffle=False,
        max_iter=1,
        tol=None,
        **kind,
    )
    ends = sorted(4 * cut for cut in cuts) if batch_size < 60 else []
    check_chunks(model, ends, container)


@pytest.mark.parametrize("lr", ["auto", 0.01])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("optimizer", ANY_GRADIENT)
@DENSE_OR_CSR
def test_pickling_in_mid_stream_changes_nothing(optimizer, solver, lr, container):
    model = GDRegressor(
        solver=solver,
        batch_size=7,
        lr=lr,
        optimizer=optimizer,
        penalty="elasticnet",
        average=9,
        lr_schedule="invscaling",
        random_state=0,
    )
    X, y = regression()
    ends = [10, 13, 14, 40]
    straight = in_chunks(clone(model), X, y, ends, container)
    interrupted = in_chunks(
        clone(model), X, y, ends, container, lambda m: pickle.loads(pickle.dumps(m))
    )
    assert bits(straight) == bits(interrupted)
    assert straight.t_ == interrupted.t_


# Two epochs three times are not six to them.
FOLLOW_MAX_ITER = ("cosine", "polynomial", "onecycle")


@pytest.mark.parametrize("lr", ["auto", 0.02])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    "lr_schedule", [name for name in SCHEDULES if name not in FOLLOW_MAX_ITER]
)
def test_warm_starts_go_on_as_if_never_stopped(lr_schedule, solver, lr):
    """Optimizer, schedule, averaging and random stream, also through a pickle."""
    X, y = classes()
    model = GDClassifier(
        solver=solver,
        batch_size=7,
        lr=lr,
        lr_schedule=lr_schedule,
        optimizer="momentum" if lr != "auto" else "adam",
        average=8,
        tol=None,
        random_state=5,
    )
    whole = clone(model).set_params(max_iter=6).fit(X, y)
    model.set_params(max_iter=2, warm_start=True)
    for _ in range(3):
        model = pickle.loads(pickle.dumps(model.fit(X, y)))
    assert model.coef_.tobytes() == whole.coef_.tobytes()
    assert model.t_ == whole.t_
    assert model.history_["epoch"].tolist() == [5, 6]


@pytest.mark.parametrize("lr", ["auto", 0.02])
def test_a_fit_can_be_continued_by_a_stream(lr):
    """fit, then partial_fit, is fit for one more epoch in the order of the rows."""
    X, y = regression()
    model = GDRegressor(
        lr=lr, batch_size=10, optimizer="adam", shuffle=False, tol=None, average=True
    )
    whole = clone(model).set_params(max_iter=4).fit(X, y)
    continued = clone(model).set_params(max_iter=3).fit(X, y).partial_fit(X, y)
    assert_allclose(parameters(continued), parameters(whole), rtol=1e-10)
    assert continued.t_ == whole.t_


@pytest.mark.parametrize("solver", SOLVERS)
def test_units_of_the_features_do_not_matter_under_an_automatic_rate(solver):
    """Without a penalty: scaling and shifting columns leaves the predictions."""
    X, y = regression()
    other = X * 10.0 ** np.arange(-3, 3) + np.array([0, 5, -100, 3, 1e3, 1e4])
    model = GDRegressor(solver=solver, max_iter=20, tol=None, random_state=0)
    one = clone(model).fit(X, y).predict(X)
    two = clone(model).fit(other, y).predict(other)
    assert_allclose(two, one, rtol=0, atol=1e-6 * np.std(y))


def test_units_of_the_target_do_not_matter_under_an_automatic_rate():
    X, y = regression()
    model = GDRegressor(solver="batch", max_iter=20, tol=None)
    one = clone(model).fit(X, y).predict(X)
    two = clone(model).fit(X, 1e4 * y + 1e6).predict(X)
    assert_allclose((two - 1e6) / 1e4, one, rtol=0, atol=1e-6 * np.std(y))


def test_clones_and_searches_see_the_parts():
    model = GDRegressor(optimizer=OPTIMIZERS["momentum"](0.5))
    copy = clone(model).set_params(optimizer__momentum=0.7)
    assert (model.optimizer.momentum, copy.optimizer.momentum) == (0.5, 0.7)
    X, y = regression()
    before = repr(copy.get_params())
    copy.fit(X, y)
    assert repr(copy.get_params()) == before
