"""A call that trains ends, or leaves the estimator as it was, to the last bit."""

import linecache
import pickle
import re
import sys
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

import skgd
from skgd import MLPGD, DivergenceWarning, GDClassifier, GDRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

PACKAGE = str(Path(skgd.__file__).parent)
rng = np.random.default_rng(0)
X = rng.normal(size=(24, 3))
Y = X @ [1.0, -2.0, 0.5] + rng.normal(size=24)

# What a schedule, a scorer and a callback raise, and after how many more calls. Not a
# part of them, or they would be pickled with the estimator.
FUSE = {"calls": None, "error": RuntimeError("blown")}


def burn():
    if FUSE["calls"] is not None:
        FUSE["calls"] -= 1
        if FUSE["calls"] < 0:
            raise FUSE["error"]


def schedule(step, epoch):
    burn()
    return 1.0


def scorer(estimator, X, y, sample_weight=None):
    burn()
    return float(np.sum(estimator.predict(X) == y))


class Callback:
    """scikit-learn's protocol, as far as it is called."""

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context, **others):
        pass

    def on_fit_task_end(self, estimator, context, **others):
        burn()


def regressor(**parameters):
    return GDRegressor(max_iter=3, tol=None, random_state=0, **parameters)


def classifier(**parameters):
    return GDClassifier(max_iter=3, tol=None, random_state=0, **parameters)


def network(**parameters):
    parameters = {"hidden_layer_sizes": (3,), "dropout": 0.3} | parameters
    return MLPGD(max_iter=3, tol=None, random_state=0, **parameters)


MODELS = {
    "plain": lambda: regressor(lr=0.01),
    "automatic": lambda: regressor(solver="sgd"),
    "secant": lambda: regressor(solver="batch"),
    "poisson": lambda: regressor(loss="poisson", lr=0.01, optimizer="adam"),
    "dowg": lambda: regressor(optimizer="dowg", average=True),
    "classes": lambda: classifier(lr=0.01, average=5, lr_schedule="cosine"),
    "momentum": lambda: classifier(optimizer="momentum", penalty="l1"),
    "network": lambda: network(),
    "raw network": lambda: network(loss="squared_error", standardize=False, lr=0.01),
}


def is_classifier(model):
    return isinstance(model, GDClassifier) or (
        isinstance(model, MLPGD) and model.loss == "log_loss"
    )


def rows(model, layout="dense", shift=0):
    """Rows for a model; `shift` gives others."""
    y = np.roll(Y, shift)
    y = (y > 0).astype(int) if is_classifier(model) else np.abs(y)
    moved = np.roll(X, shift, axis=0)
    return (sparse.csr_array(moved) if layout == "csr" else moved), y


def train(model, method, X, y, **others):
    if method == "fit_batches":
        return model.fit_batches([(X, y, *others.values())], n_ahead=0)
    if method == "partial_fit" and is_classifier(model):
        others["classes"] = [0, 1]
    return getattr(model, method)(X, y, **others)


METHODS = ["fit", "partial_fit", "fit_batches"]


# ---- calls that are refused, by name -------------------------------------------------
# Each changes what it needs of the model, and returns the call to make.


def more_columns_and_few_weights(model, method, X, y):
    wide = sparse.csr_array(np.ones((len(y), 50)))
    return lambda: train(model, method, wide, y, sample_weight=np.ones(3))


def not_a_number(model, method, X, y):
    X = np.where(np.arange(X.shape[1]) == 1, np.nan, 1.0) * np.ones((len(y), 1))
    return lambda: train(model, method, X, y)


def negative_weights(model, method, X, y):
    return lambda: train(model, method, X, y, sample_weight=-np.ones(len(y)))


def labels_of_another_kind(model, method, X, y):
    if not is_classifier(model):
        y = np.stack([y, y, np.full(len(y), np.nan)], axis=1)
        return lambda: train(model, method, X, y)
    return lambda: train(model, method, X, np.linspace(0.1, 0.7, len(y)))


def out_of_range(model, method, X, y):
    if is_classifier(model):
        return lambda: train(model, method, X, y + 0.5)
    model.set_params(loss="gamma")
    return lambda: train(model, method, X, -y - 1.0)


def wrong_parameter(model, method, X, y):
    model.set_params(lr=-1.0)
    return lambda: train(model, method, X, y)


def schedule_that_fails(model, method, X, y):
    model.set_params(lr_schedule=schedule, lr=0.01)
    return blown(lambda: train(model, method, X, y), 0)


def schedule_that_fails_late(model, method, X, y):
    model.set_params(lr_schedule=schedule, lr=0.01, solver="sgd")
    late = 0 if method == "partial_fit" else 2
    return blown(lambda: train(model, method, X, y), late)


def no_memory(model, method, X, y):
    model.set_params(lr_schedule=schedule, lr=0.01)
    return blown(lambda: train(model, method, X, y), 0, MemoryError())


def ctrl_c(model, method, X, y):
    model.set_params(lr_schedule=schedule, lr=0.01, solver="minibatch")
    return blown(lambda: train(model, method, X, y), 0, KeyboardInterrupt())


def callback_that_fails(model, method, X, y):
    if method == "partial_fit":  # which has no tasks
        return wrong_parameter(model, method, X, y)
    model.set_callbacks(Callback())
    return blown(lambda: train(model, method, X, y), 1)


def scorer_that_fails(model, method, X, y):
    if method == "partial_fit":
        return wrong_parameter(model, method, X, y)
    model.set_params(scoring=scorer)
    validation = {"X_val": X, "y_val": y}
    if method == "fit":
        return blown(lambda: model.fit(X, y, **validation), 1)
    return blown(lambda: model.fit_batches([(X, y)], **validation), 1)


def iterator_that_fails(model, method, X, y):
    if method != "fit_batches":
        return not_a_number(model, method, X, y)

    def batches():
        yield X, y
        burn()
        yield X, y

    return blown(lambda: model.fit_batches(batches), 1)


def warning_as_error(model, method, X, y):
    model.set_params(lr=1e300, lr_schedule="constant", solver="minibatch")
    model.set_params(optimizer="gd", clip_norm=None)
    big = X * 1e200

    def call():
        with warnings.catch_warnings():
            warnings.simplefilter("error", DivergenceWarning)
            train(model, method, big, y)

    return call


def blown(call, calls, error=None):
    def with_fuse():
        FUSE.update(calls=calls, error=error or RuntimeError("blown"))
        try:
            call()
        finally:
            FUSE["calls"] = None

    return with_fuse


EXPECTED = (
    ValueError,  # of the package and of scikit-learn
    RuntimeError,
    MemoryError,
    KeyboardInterrupt,
    DivergenceWarning,
)

REFUSED = [
    more_columns_and_few_weights,
    not_a_number,
    negative_weights,
    labels_of_another_kind,
    out_of_range,
    wrong_parameter,
    schedule_that_fails,
    schedule_that_fails_late,
    no_memory,
    ctrl_c,
    callback_that_fails,
    scorer_that_fails,
    iterator_that_fails,
    warning_as_error,
]


def refuse(model, bad, method, layout="dense"):
    """Make a bad call; the model must be what it was, then its parameters as well."""
    parameters = model.get_params(deep=False)
    call = bad(model, method, *rows(model, layout, shift=5))
    before, attributes = pickle.dumps(model), dict(vars(model))
    with pytest.raises(EXPECTED):
        call()
    assert pickle.dumps(model) == before
    assert list(vars(model)) == list(attributes)
    assert all(vars(model)[name] is value for name, value in attributes.items())
    model.set_callbacks()
    model.set_params(**parameters)


def bits(model):
    """All that a model is, without the clock and what is prepared for the next call."""
    return canonical(model.__getstate__())


def canonical(part):
    """Equal for equal contents, whoever shares an object with whom."""
    if isinstance(part, np.ndarray):
        return str(part.dtype), part.shape, part.tobytes()
    if isinstance(part, np.random.Generator):
        return str(part.bit_generator.state)
    if isinstance(part, dict):
        return [
            (key, canonical(value))
            for key, value in sorted(part.items(), key=lambda item: str(item[0]))
            if key != "seconds"
        ]
    if isinstance(part, (list, tuple)):
        return [canonical(one) for one in part]
    if hasattr(part, "__dict__") and not callable(part):
        return type(part).__name__, canonical(vars(part))
    return repr(part)


# ---- each kind -----------------------------------------------------------------------


@pytest.mark.parametrize("bad", REFUSED)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["plain", "classes", "network"])
def test_a_refused_call_changes_nothing(name, method, bad):
    new, trained = MODELS[name](), MODELS[name]().set_params(warm_start=True)
    train(trained, "partial_fit", *rows(trained))
    untouched = pickle.loads(pickle.dumps(trained))
    refuse(new, bad, method)
    assert not hasattr(new, "n_features_in_")
    refuse(trained, bad, method)
    for again in ("fit", "partial_fit", "fit_batches"):
        train(trained, again, *rows(trained, shift=2))
        train(untouched, again, *rows(untouched, shift=2))
        assert bits(trained) == bits(untouched)


@pytest.mark.parametrize("columns", [["a", "b"], ["c", "b", "a"]])
@pytest.mark.parametrize("method", METHODS)
def test_feature_names_stay(method, columns):
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(X, columns=["a", "b", "c"])
    model = regressor(lr=0.01).fit(table, Y)
    other = pandas.DataFrame(X[:, : len(columns)], columns=columns)
    with pytest.raises(ValueError, match=r"inconsistent numbers|sample_weight|names"):
        train(model, method, other, Y, sample_weight=np.ones(3))
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    assert model.n_features_in_ == 3
    assert model.predict(table).shape == Y.shape


def test_what_the_user_passed_may_move():
    stream = np.random.RandomState(0)
    model = regressor(lr=0.01).set_params(random_state=stream)
    model.set_params(lr_schedule=schedule)
    with pytest.raises(RuntimeError):
        blown(lambda: model.fit(X, Y), 1)()
    assert stream.randint(2**31) != np.random.RandomState(0).randint(2**31)
    assert not hasattr(model, "_state")


# ---- random sequences ----------------------------------------------------------------

good = st.tuples(st.sampled_from(METHODS), st.integers(0, 23))
changes = st.sampled_from(
    [
        {"alpha": 0.1},
        {"lr": 0.02},
        {"warm_start": True},
        {"warm_start": False},
        {"shuffle": False},
        {"early_stopping": True, "validation_fraction": 0.3},
        {"batch_size": 5},
        {"clip_norm": 1.0},
    ]
)
bad = st.tuples(st.sampled_from(REFUSED), st.sampled_from(METHODS))
steps = st.lists(st.one_of(good, changes, bad), min_size=2, max_size=6)


def check_sequence(name, layout, steps):
    model, without = MODELS[name](), MODELS[name]()
    for step in steps:
        if isinstance(step, dict):
            model.set_params(**step)
            without.set_params(**step)
        elif callable(step[0]):
            refuse(model, *step, layout)
        else:
            method, shift = step
            outcomes = []
            for one in (model, without):
                before = pickle.dumps(one)
                try:
                    train(one, method, *rows(one, layout, shift))
                    outcomes.append("trained")
                except ValueError as error:  # partial_fit under early_stopping
                    outcomes.append(str(error))
                    assert pickle.dumps(one) == before
            assert outcomes[0] == outcomes[1]
        assert bits(model) == bits(without)


SEQUENCES = {
    "name": st.sampled_from(list(MODELS)),
    "layout": st.sampled_from(["dense", "csr"]),
    "steps": steps,
}
ANY_SPEED = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}


@settings(max_examples=25, **ANY_SPEED)
@given(**SEQUENCES)
def test_sequences(name, layout, steps):
    check_sequence(name, layout, steps)


@pytest.mark.slow
@settings(max_examples=2000, **ANY_SPEED)
@given(**SEQUENCES)
def test_many_sequences(name, layout, steps):
    check_sequence(name, layout, steps)


# ---- Ctrl-C between any two lines ----------------------------------------------------


def is_lock(frame):
    """Whether the line takes or gives back a lock.

    Python handles no signal between the end of such a block and the release of the
    lock, where a trace function is called all the same.
    """
    text = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
    return bool(re.match(r"\s*with [\w.]*_lock:", text, re.IGNORECASE))


def interrupted_at(line, call):
    """Run `call`, raising KeyboardInterrupt at the given line of the package.

    Returns whether there was such a line.
    """
    seen = 0

    def trace(frame, event, argument):
        nonlocal seen
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        if "transaction.py" in frame.f_code.co_filename:
            # The press is to come within the call.
            return None
        if event == "line" and not is_lock(frame):
            seen += 1
            if seen == line:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except KeyboardInterrupt:
        assert seen >= line
    finally:
        sys.settrace(before)
    return seen >= line


@pytest.mark.parametrize(
    "make, short",
    [
        (lambda: regressor(lr=0.01), True),
        (lambda: regressor(optimizer="dowg"), True),
        (lambda: classifier(lr=0.01, average=True), True),
        (lambda: classifier(lr=0.01, average=True), False),
        (lambda: network(), False),
    ],
    ids=["plain", "dowg", "average", "average, usual way", "network"],
)
def test_ctrl_c_at_any_line_of_partial_fit(make, short):
    model = make()
    for i in range(2):
        train(model, "partial_fit", *(part[i : i + 1] for part in rows(model)))
    start = pickle.dumps(model)
    quick = vars(model).pop("_quick", None)
    if short:
        model._quick = quick
    else:
        quick = None
    X, y = (part[3:4] for part in rows(model))
    train(model, "partial_fit", X, y)
    after = bits(model)
    line, outcomes = 1, []
    while True:
        model = pickle.loads(start)
        before = bits(model)
        if quick is not None:  # which is not pickled: let it serve this copy
            quick.task, quick.values = model._task, list(model.get_params().values())
            model._quick, quick.model = quick, model._model
        if not interrupted_at(line, partial(train, model, "partial_fit", X, y)):
            break
        outcomes.append(bits(model))
        line += 1
    assert line > 20
    assert bits(model) == after
    assert all(outcome in (before, after) for outcome in outcomes)
