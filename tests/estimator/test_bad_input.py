"""What cannot be used is refused, with words that help, and nothing is lost by it."""

import pickle
import re

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_classification, make_regression
from sklearn.exceptions import NotFittedError
from sklearn.utils._param_validation import (
    InvalidParameterError,
    validate_parameter_constraints,
)

from skgd import MLPGD, GDClassifier, GDRegressor
from skgd.activations import ACTIVATIONS
from skgd.losses import LOSSES, Hinge, Huber
from skgd.optimizers import OPTIMIZERS, Adam, Momentum
from skgd.schedules import SCHEDULES, Cosine, Step

ESTIMATORS = [GDRegressor, GDClassifier]
EITHER = pytest.mark.parametrize("cls", ESTIMATORS)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def problem(cls, n=40):
    make = make_regression if cls is GDRegressor else make_classification
    return make(n, 5, n_informative=3, random_state=0)


def stream(cls):
    """An estimator that has seen a chunk, and what is needed to see the next."""
    X, y = problem(cls)
    model = cls(optimizer="momentum", lr=0.01, average=True, random_state=0)
    return model.partial_fit(X, y, **first_call(cls)), X, y


def first_call(cls):
    return {} if cls is GDRegressor else {"classes": [0, 1]}


def refuses(model, error, match, X, y, **arguments):
    """`partial_fit` raises and leaves the estimator as it was, to the bit."""
    before = pickle.dumps(model)
    with pytest.raises(error, match=match):
        model.partial_fit(X, y, **arguments)
    assert pickle.dumps(model) == before


# ---- parameters ----------------------------------------------------------------------

WRONG = {
    "loss": ["no such loss", 1],
    "solver": ["lbfgs", None],
    "batch_size": [0, -1, 2.5, "all"],
    "lr": [0, 0.0, -1.0, "fast", None],
    "lr_schedule": ["no such schedule", 3],
    "optimizer": ["no such rule", 3],
    "alpha": [-1.0, None],
    "max_iter": [-1, 2.5],
    "tol": [-1e-3, "small"],
    "n_iter_no_change": [0, 2.5, -np.inf],
    "early_stopping": ["yes"],
    "validation_fraction": [0.0, 1.0, -0.1],
    "scoring": [1],
    "average": [0.5, -1],
    "clip_norm": [0.0, -1.0],
    "shuffle": ["yes"],
    "random_state": ["today", -1.5],
    "warm_start": ["yes"],
    "verbose": [-1, "loud"],
    "penalty": ["no such penalty", 1],
    "l1_ratio": [-0.1, 1.1],
    "fit_intercept": ["yes"],
    "n_jobs": [1.5, "many"],
    "half_life": [0, -1.0, np.inf, np.nan, "long"],
}

# Of the classifier alone; class weights are tested below.
OF_CLASSES = {"class_weight", "on_new_class"}


@EITHER
def test_every_parameter_is_covered(cls):
    covered = set(WRONG) | (OF_CLASSES if cls is GDClassifier else set())
    assert covered == set(cls._parameter_constraints) == set(cls().get_params())


@pytest.mark.parametrize("value", ["append", None, True])
def test_wrong_answers_to_new_classes(value):
    X, y = problem(GDClassifier)
    model = GDClassifier(on_new_class=value)
    for method in (model.fit, model.partial_fit):
        with pytest.raises(InvalidParameterError, match="'on_new_class' parameter"):
            method(X, y)


@EITHER
@pytest.mark.parametrize(
    "name, value", [(name, value) for name in WRONG for value in WRONG[name]]
)
def test_wrong_parameters(cls, name, value):
    """At fit, not before."""
    X, y = problem(cls)
    model = cls().set_params(**{name: value})
    for method in (model.fit, model.partial_fit):
        with pytest.raises(
            InvalidParameterError, match=f"'{name}' parameter of {cls.__name__}"
        ):
            method(X, y)


@EITHER
def test_elastic_net_needs_its_share(cls):
    X, y = problem(cls)
    with pytest.raises(ValueError, match="needs the share of its l1 part, l1_ratio"):
        cls(penalty="elasticnet", l1_ratio=None).fit(X, y)
    ridge = [cls(penalty="l2", l1_ratio=ratio).fit(X, y) for ratio in (None, 0.15)]
    assert ridge[0].coef_.tobytes() == ridge[1].coef_.tobytes()


TEXT = np.array([[1, "red"], [2, "blue"], [3, "red"], [4, "4"]], dtype=object)


@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier, MLPGD])
@pytest.mark.parametrize("named", [True, False])
def test_text_in_x_names_column_and_encoder(cls, named):
    X = pd.DataFrame(TEXT, columns=["size", "colour"]) if named else TEXT
    y, column = [0, 1, 0, 1], "colour" if named else 1
    message = re.escape(f"column {column!r} of X holds 'red'. {cls.__name__} needs")
    with pytest.raises(ValueError, match=message + ".*OneHotEncoder"):
        cls().fit(X, y)
    model = cls(max_iter=1).fit([[1.0, 2.0], [2.0, 1.0], [0.0, 1.0], [1.0, 1.0]], y)
    with pytest.raises(ValueError, match=message):
        model.predict(TEXT) if not named else cls().partial_fit(X, y)
    # Numbers written as text are numbers, as elsewhere in scikit-learn.
    assert model.predict(np.array([["1", "2.5"]], dtype=object)).shape == (1,)


def test_text_in_y_is_not_blamed_on_x():
    with pytest.raises(ValueError, match="could not convert") as caught:
        GDRegressor().fit([[1.0], [2.0]], np.array(["a", "b"], dtype=object))
    assert "OneHotEncoder" not in str(caught.value)


@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier, MLPGD])
def test_defaults_are_valid(cls):
    """Fit relies on it: only what differs from the defaults is validated."""
    parameters = cls().get_params(deep=False)
    validate_parameter_constraints(cls._parameter_constraints, parameters, cls.__name__)


@pytest.mark.parametrize("registry", [ACTIVATIONS, LOSSES, OPTIMIZERS, SCHEDULES])
def test_parts_by_name_are_valid(registry):
    for part in registry.values():
        part()._validate_params()


@EITHER
@pytest.mark.parametrize(
    "name, part, wrong",
    [
        ("optimizer", Momentum(1.5), "momentum"),
        ("optimizer", Adam(beta_2=1.0), "beta_2"),
        ("lr_schedule", Step(step_size=0), "step_size"),
        ("lr_schedule", Cosine(min_factor=-1), "min_factor"),
    ],
    ids=str,
)
def test_wrong_parameters_of_a_part(cls, name, part, wrong):
    X, y = problem(cls)
    with pytest.raises(InvalidParameterError, match=f"'{wrong}'"):
        cls(**{name: part}, lr=0.01).fit(X, y)


def test_wrong_parameters_of_a_loss():
    X, y = problem(GDRegressor)
    with pytest.raises(InvalidParameterError, match="'epsilon'"):
        GDRegressor(Huber(epsilon=-1)).fit(X, y)


def test_a_loss_of_the_other_task():
    X, y = problem(GDRegressor)
    with pytest.raises(ValueError, match=r"'loss' parameter.*'huber'"):
        GDRegressor("hinge").fit(X, y)
    with pytest.raises(ValueError, match="not for regression; choose one of"):
        GDRegressor(Hinge()).fit(X, y)


@EITHER
def test_parameters_are_keywords(cls):
    cls("squared_error")
    with pytest.raises(TypeError, match=cls.__name__):
        cls("squared_error", "l2")
    with pytest.raises(TypeError, match="learning_rate"):
        cls(learning_rate=0.1)


def test_a_class_weight_that_is_none():
    X, y = problem(GDClassifier)
    with pytest.raises(InvalidParameterError, match="class_weight"):
        GDClassifier(class_weight="heavy").fit(X, y)
    with pytest.raises(ValueError, match=r"names class 7, but not 0.*\[0, 1\]"):
        GDClassifier(class_weight={7: 2.0}).fit(X, y)


# ---- X and y -------------------------------------------------------------------------


@EITHER
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_numbers_that_are_none(cls, value, container):
    model, X, y = stream(cls)
    spoilt = X.copy()
    spoilt[3, 2] = value
    word = "NaN" if np.isnan(value) else "infinity"
    with pytest.raises(ValueError, match=f"Input X contains {word}"):
        clone(model).fit(container(spoilt), y)
    refuses(model, ValueError, f"Input X contains {word}", container(spoilt), y)
    with pytest.raises(ValueError, match=f"Input X contains {word}"):
        model.predict(container(spoilt))


@EITHER
def test_targets_that_are_no_numbers(cls):
    model, X, y = stream(cls)
    spoilt = y.astype(float)
    spoilt[3] = np.nan
    refuses(model, ValueError, "NaN", X, spoilt)
    with pytest.raises(ValueError, match="NaN"):
        clone(model).fit(X, spoilt)


@EITHER
def test_words_for_features(cls):
    model, X, y = stream(cls)
    words = X.astype(object)
    words[0, 0] = "seven"
    refuses(model, ValueError, "could not convert string to float", words, y)
    with pytest.raises(ValueError, match="could not convert string to float"):
        clone(model).fit(words, y)


@EITHER
def test_another_width(cls):
    model, X, y = stream(cls)
    message = "X has 4 features, but .* is expecting 5 features"
    refuses(model, ValueError, message, X[:, :4], y)
    with pytest.raises(ValueError, match=message):
        model.predict(X[:, :4])


@EITHER
def test_lengths_that_differ(cls):
    model, X, y = stream(cls)
    refuses(model, ValueError, "inconsistent numbers of samples", X, y[:-1])


def test_another_number_of_targets():
    X, y = problem(GDRegressor)
    model = GDRegressor(lr=0.01).partial_fit(X, np.column_stack([y, y]))
    three = np.column_stack([y, y, y])
    refuses(model, ValueError, "y has 3 columns, but .* with 2", X, three)
    refuses(model, ValueError, "y has 1 columns, but .* with 2", X, y)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_regression_target_for_a_classifier(method):
    X, y = problem(GDRegressor)
    message = r"looks like a regression target.*use GDRegressor"
    with pytest.raises(ValueError, match=message):
        getattr(GDClassifier(), method)(X, y)


@EITHER
def test_one_class_or_none(cls):
    X, _ = problem(cls)
    if cls is GDClassifier:
        with pytest.raises(ValueError, match=r"at least 2 classes.*only one class"):
            cls().fit(X, np.zeros(len(X)))
    with pytest.raises(ValueError, match="0 sample"):
        cls().fit(X[:0], [])


@pytest.mark.parametrize(
    "loss, spoilt, message",
    [
        ("poisson", -1.0, r"Poisson needs y in \[0, inf\).*smallest y is -1\.0"),
        ("gamma", 0.0, r"Gamma needs y in \(0, inf\).*smallest y is 0\.0"),
    ],
)
def test_targets_outside_the_range_of_a_loss(loss, spoilt, message):
    X, y = problem(GDRegressor)
    y = np.abs(y) + 1
    model = GDRegressor(loss, lr=1e-6).partial_fit(X, y)
    y[5] = spoilt
    with pytest.raises(ValueError, match=message):
        clone(model).fit(X, y)
    refuses(model, ValueError, message, X, y)
    # A row of weight zero is not there.
    weights = np.ones(len(y))
    weights[5] = 0
    model.partial_fit(X, y, sample_weight=weights)


# ---- classes of a stream -------------------------------------------------------------


def test_classes_must_be_named_first():
    """Unless the first chunk is the whole story, later labels are refused by name."""
    X, y = problem(GDClassifier)
    model = GDClassifier(lr=0.01).partial_fit(X, y, classes=[0, 1, 2])
    assert model.coef_.shape == (3, 5)
    other = np.where(y == 0, 5, y)
    refuses(model, ValueError, r"\[5\].*first call.*classes=\[0, 1, 2, 5\]", X, other)


def test_unseen_classes_of_a_stream_without_names():
    X, y = problem(GDClassifier)
    labels = np.array(["ham", "spam"])[y]
    message = re.escape("classes=")
    model = GDClassifier(lr=0.01).partial_fit(X, labels, classes=["ham", "spam"])
    new = labels.astype(object)
    new[0] = "eggs"
    refuses(model, ValueError, rf"'eggs'.*{message}.*'eggs', 'ham', 'spam'", X, new)
    refuses(
        model,
        ValueError,
        "differ from those of the first call",
        X,
        labels,
        classes=["ham", "eggs"],
    )
    model.partial_fit(X, labels, classes=["spam", "ham"])


def test_balance_needs_all_of_y():
    X, y = problem(GDClassifier)
    model = GDClassifier(class_weight="balanced")
    with pytest.raises(ValueError, match="compute_class_weight"):
        model.partial_fit(X, y, classes=[0, 1])


# ---- weights -------------------------------------------------------------------------


@EITHER
def test_weights(cls):
    model, X, y = stream(cls)
    weights = np.ones(len(y))
    weights[0] = -1
    refuses(model, ValueError, "Negative values", X, y, sample_weight=weights)
    with pytest.raises(ValueError, match="Negative values"):
        clone(model).fit(X, y, sample_weight=weights)
    weights[0] = np.nan
    refuses(model, ValueError, "NaN", X, y, sample_weight=weights)
    refuses(model, ValueError, "shape|length", X, y, sample_weight=weights[1:])
    with pytest.raises(ValueError, match=r"weights are.*zero"):
        clone(model).fit(X, y, sample_weight=np.zeros(len(y)))


@EITHER
def test_a_chunk_that_weighs_nothing_is_no_call(cls):
    model, X, y = stream(cls)
    before = pickle.dumps(model)
    model.partial_fit(X, y, sample_weight=np.zeros(len(y)))
    assert pickle.dumps(model) == before


@EITHER
def test_a_first_chunk_that_weighs_nothing(cls):
    """Only the classes it names are kept."""
    model, X, y = stream(cls)
    first = clone(model).partial_fit(
        X, y, sample_weight=np.zeros(len(y)), **first_call(cls)
    )
    with pytest.raises(NotFittedError):
        first.predict(X)
    assert (first.partial_fit(X, y).coef_ == model.coef_).all()


def test_classes_named_with_a_first_chunk_that_weighs_nothing():
    X, y = problem(GDClassifier)
    model = GDClassifier(lr=0.01)
    model.partial_fit(X, y, classes=[0, 1, 2], sample_weight=np.zeros(len(y)))
    assert model.partial_fit(X, y).classes_.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="differ from those of the first call"):
        model.partial_fit(X, y, classes=[0, 1])


@EITHER
def test_an_empty_chunk_is_no_call(cls):
    model, X, y = stream(cls)
    before = pickle.dumps(model)
    for container in (np.asarray, sparse.csr_array):
        model.partial_fit(container(X[:0]), y[:0])
        assert pickle.dumps(model) == before


# ---- validation ----------------------------------------------------------------------


@EITHER
def test_validation_rows(cls):
    X, y = problem(cls)
    with pytest.raises(ValueError, match="X_val and y_val together"):
        cls().fit(X, y, X_val=X)
    with pytest.raises(ValueError, match="X_val and y_val together"):
        cls().fit(X, y, y_val=y)
    with pytest.raises(ValueError, match="X has 4 features"):
        cls().fit(X, y, X_val=X[:, :4], y_val=y)
    with pytest.raises(ValueError, match="zero"):
        cls().fit(X, y, X_val=X, y_val=y, sample_weight_val=np.zeros(len(y)))
    with pytest.raises(ValueError, match="early_stopping=False"):
        cls(early_stopping=True).partial_fit(X, y)


def test_validation_rows_with_other_labels():
    X, y = problem(GDClassifier)
    with pytest.raises(ValueError, match=r"\[9\]"):
        GDClassifier().fit(X, y, X_val=X, y_val=np.where(y == 1, 9, y))


@EITHER
def test_too_few_rows_to_hold_any_out(cls):
    X, y = problem(cls)
    few = np.array([np.argmin(y), np.argmax(y)])
    with pytest.raises(ValueError, match=r"train|test|sample|class"):
        cls(early_stopping=True, validation_fraction=0.01).fit(X[few[:1]], y[few[:1]])


# ---- arrays of others ----------------------------------------------------------------


def foreign(module):
    """A stand-in for an array of a library that need not be installed."""
    kind = type("Tensor", (list,), {"__module__": f"{module}.core"})
    return kind([[1.0], [2.0]])


@EITHER
@pytest.mark.parametrize(
    "module, remedy",
    [
        ("dask", r"\.compute\(\)"),
        ("torch", "numpy"),
        ("cupy", "get"),
        ("jax", "numpy"),
        ("jaxlib", "numpy"),
        ("tensorflow", "numpy"),
        ("cudf", "to_pandas"),
    ],
)
def test_arrays_of_other_libraries(cls, module, remedy):
    model, X, y = stream(cls)
    message = f"is a {module} Tensor.*{remedy}"
    refuses(model, TypeError, f"X {message}", foreign(module), y)
    refuses(model, TypeError, f"y {message}", X, foreign(module))
    for arguments in ((foreign(module), y), (X, foreign(module))):
        with pytest.raises(TypeError, match=message):
            clone(model).fit(*arguments)
    with pytest.raises(TypeError, match=f"X_val {message}"):
        clone(model).fit(X, y, X_val=foreign(module), y_val=y)
    with pytest.raises(TypeError, match=f"X {message}"):
        model.predict(foreign(module))


def test_not_fitted_yet():
    with pytest.raises(NotFittedError):
        GDRegressor().predict([[1.0]])
    with pytest.raises(NotFittedError):
        GDClassifier().predict_proba([[1.0]])


def test_the_first_chunk_must_name_the_classes():
    model = GDClassifier()
    with pytest.raises(ValueError, match=r"classes=\[0, 1\]"):
        model.partial_fit([[0.0], [1.0]], [0, 1])
    assert not hasattr(model, "classes_")


@pytest.mark.parametrize("call", ["fit", "partial_fit"])
@pytest.mark.parametrize("cls", [GDRegressor, MLPGD])
@pytest.mark.parametrize("bad", [None, 10**400], ids=["None", "too large"])
def test_what_is_no_number_among_targets(cls, call, bad):
    X, y = np.arange(12.0).reshape(4, 3), np.array([1.0, 2.0, 3.0, 4.0], dtype=object)
    y[1] = bad
    model = cls() if cls is GDRegressor else cls(loss="squared_error")
    with pytest.raises(ValueError, match=r"number that is too large|y contains NaN"):
        getattr(model, call)(X, list(y))
    assert not hasattr(model, "n_features_in_")


@pytest.mark.parametrize("kind", ["date", "duration"])
@pytest.mark.parametrize("cls", [GDRegressor, MLPGD])
def test_dates_are_no_numbers(cls, kind):
    days = pd.Series(pd.date_range("2020", periods=6))
    if kind == "duration":
        days = days - days[0]
    X = pd.DataFrame({"a": np.arange(6.0), "b": days})
    model = cls() if cls is GDRegressor else cls(loss="squared_error")
    for call in (model.fit, model.partial_fit):
        with pytest.raises(TypeError, match=r"Column 'b' of X holds (date|time)"):
            call(X, np.arange(6.0))
        with pytest.raises(ValueError, match=r"y holds (date|time)"):
            call(X[["a"]], days)
    labels = GDClassifier().fit(X[["a"]], days.where(X["a"] < 3, days[5])).classes_
    assert labels.dtype == days.dtype
