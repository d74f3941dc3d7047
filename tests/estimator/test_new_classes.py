"""Classes that turn up in a stream: `on_new_class="extend"`."""

import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits

from skgd import MLPGD, GDClassifier
from skgd.losses import loss_names
from skgd.optimizers import OPTIMIZERS

DIGITS = load_digits(return_X_y=True)
RULES = sorted(set(OPTIMIZERS) - {"saga", "pa1", "pa2"})

# One way to train of each kind.
WAYS = {
    "auto": GDClassifier(),
    "float": GDClassifier(lr=0.01, solver="sgd"),
    "mean": GDClassifier(lr=0.01, average=True, solver="sgd"),
    "adam": GDClassifier(optimizer="adam", lr=0.01, batch_size=1),
    "auto adam": GDClassifier(optimizer="adam"),
    "penalty": GDClassifier(penalty="elasticnet", alpha=1e-3),
    "forgets": GDClassifier(half_life=50.0),
    "hinge": GDClassifier(loss="hinge"),
    "float hinge": GDClassifier(loss="hinge", lr=0.01, solver="sgd"),
    "network": MLPGD((5,), random_state=0),
    "float network": MLPGD((5,), random_state=0, lr=0.01, optimizer="momentum"),
    "ensemble": MLPGD((5,), n_ensemble=2, random_state=0),
    "network hinge": MLPGD((5,), random_state=0, loss="squared_hinge"),
}


def made(way, **parameters):
    return clone(WAYS[way]).set_params(on_new_class="extend", **parameters)


def table(n=120, n_classes=4, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5)) * [1.0, 3.0, 0.3, 1.0, 1.0] + 0.5
    X[np.abs(X) < 0.4] = 0.0
    y = (X @ rng.normal(size=(5, n_classes))).argmax(axis=1)
    return X, y


def learnt(model, X, y, chunk=1, **keywords):
    for start in range(0, len(y), chunk):
        rows = slice(start, start + chunk)
        model.partial_fit(X[rows], y[rows], **keywords)
    return model


def chances(model, X):
    """What of the probabilities the classes known have relative to each other."""
    if hasattr(model, "predict_proba"):
        return model.predict_proba(X)
    scores = model.decision_function(X)
    return np.column_stack([-scores, scores]) if scores.ndim == 1 else scores


def widened(model, classes, X, y):
    """A copy that knows more classes, and has not learnt of them."""
    other = pickle.loads(pickle.dumps(model))
    weights = np.zeros(len(y))
    return other.partial_fit(X, y, sample_weight=weights, classes=classes)


KINDS = {"dense": np.asarray, "csr": sparse.csr_matrix}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("known", [["b", "d"], ["b", "d", "f"]])
def test_what_is_known_of_the_others_stays(known, way, kind):
    """Named, but not yet learnt, a class leaves the others as they are."""
    form = KINDS[kind]
    X, y = table(n_classes=len(known))
    y = np.array(known)[y]
    model = learnt(made(way), form(X[:80]), y[:80], classes=known)
    new = ["a", "c", "g"]
    rows = form(X[80:])
    before = [chances(one, rows) for one in networks(model)]
    # Rows of no weight teach nothing, and the classes are known all the same.
    model = widened(model, new, rows, y[80:])
    assert_array_equal(model.classes_, sorted([*known, *new]))
    after = [chances(one, rows) for one in networks(model)]
    places = np.searchsorted(model.classes_, known)
    for was, is_now in zip(before, after, strict=True):
        assert_known_is_the_same(model, way, known, places, was, is_now)


def networks(model):
    """Those of an ensemble, or the model itself."""
    return getattr(model, "members_", [model])


def assert_known_is_the_same(model, way, known, places, before, after):
    assert after.shape == (40, len(known) + 3)
    if hasattr(model, "predict_proba"):
        assert_allclose(after.sum(axis=1), 1.0)
        share = after[:, places].sum(axis=1, keepdims=True)
        assert_allclose(after[:, places] / share, before, rtol=1e-5, atol=1e-9)
        # As probable as the others in the mean over these rows.
        if "hinge" not in way:
            logs = np.log(after).mean(axis=0)
            share = np.log(share).mean() - np.log(len(known))
            assert_allclose(logs[~np.isin(model.classes_, known)], share, rtol=1e-5)
    else:
        assert_allclose(after[:, places], before, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("first", [0, 1])
def test_one_class_is_the_first_of_two(first, way, kind):
    """A stream of one class knows of no other, and is the one told of both at first."""
    form = KINDS[kind]
    X, y = table(60, 2)
    y[:20] = first
    y[20] = 1 - first
    told, model = clone(WAYS[way]), made(way)
    learnt(told, form(X[:20]), y[:20], classes=[0, 1])
    learnt(model, form(X[:20]), y[:20])
    assert model.classes_.tolist() == [first]
    assert_array_equal(model.predict(form(X)), np.full(60, first))
    if hasattr(model, "predict_proba"):
        assert_array_equal(model.predict_proba(form(X)), np.ones((60, 1)))
        assert_array_equal(model.predict_log_proba(form(X)), np.zeros((60, 1)))
    learnt(told, form(X[20:]), y[20:])
    learnt(model, form(X[20:]), y[20:])
    assert model.classes_.tolist() == [0, 1]
    if first == 0 or way not in (
        "auto adam",
        "network",
        "ensemble",
        "float network",
        "network hinge",
    ):
        # But for starts that are not zero, whose signs are others.
        scores = told.decision_function(form(X))
        assert_allclose(model.decision_function(form(X)), scores, rtol=1e-7)
    hits, hits_of_told = (
        (one.predict(form(X[20:])) == y[20:]).mean() for one in (model, told)
    )
    assert hits > hits_of_told - 0.1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS)
def test_a_stream_that_names_nothing(way, kind):
    """Row by row from the first one, as right in the end as one told everything."""
    X, y = DIGITS
    X, y = X[:600], y[:600]
    keep = (y != 3) | (np.arange(600) > 300)
    X, y = KINDS[kind](X[keep] / 16.0), np.array([f"digit {k}" for k in y[keep]])
    model, told = made(way), clone(WAYS[way])
    chunk = 1 if kind == "dense" else 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        learnt(model, X, y, chunk)
        learnt(told, X, y, chunk, classes=np.unique(y))
    assert_array_equal(model.classes_, np.unique(y))
    # A network learns slowly from few single rows, and from a start of its own.
    slack = 0.15 if "network" in way or way == "ensemble" else 0.06
    assert model.score(X, y) > told.score(X, y) - slack
    if way == "network hinge":
        # Five hidden units, shaped by ten classes against the rest, learn a late one
        # slowly.
        return
    late = y == "digit 3"
    assert model.score(X[late], y[late]) > told.score(X[late], y[late]) - 0.15


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("lr", ["auto", 0.01])
def test_every_rule_goes_on(lr, rule, kind):
    X, y = table(150, 4)
    y[:50] %= 2
    X, y = KINDS[kind](X), y + 10
    model = GDClassifier(optimizer=rule, lr=lr, batch_size=1, on_new_class="extend")
    learnt(model, X, y)
    told = clone(model).set_params(on_new_class="error")
    learnt(told, X, y, classes=np.unique(y))
    right = [(one.predict(X[100:]) == y[100:]).mean() for one in (model, told)]
    assert right[0] > right[1] - 0.15
    assert model.coef_.shape == (4, 5)


@pytest.mark.parametrize("rule", ["momentum", "adam", "adagrad", "rmsprop", "nadam"])
@pytest.mark.parametrize("loss", ["log_loss", "hinge"])
def test_what_a_rule_remembers_follows_its_outputs(loss, rule):
    """Vectors of old classes are those of before, with the signs of their scores."""
    X, y = table(40, 2)
    parameters = {"loss": loss, "optimizer": rule, "lr": 0.01, "solver": "sgd"}
    model = GDClassifier(**parameters, on_new_class="extend")
    learnt(model, X, y + 1, classes=[1, 2])
    before = model._state.vectors.reshape(-1, 6)
    names = model._state.rule[1]
    vectors = widened(model, [0, 1, 2], X, y + 1)._state.vectors
    for vector, old, name in zip(vectors, before, names, strict=True):
        vector = vector.reshape(6, 3)
        sign = -1.0 if name in ("momentum_buffer", "exp_avg") else 1.0
        assert_array_equal(vector[:, 0], 0.0)
        assert_array_equal(vector[:, 1], sign * old)
        assert_array_equal(vector[:, 2], old)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS)
def test_a_refused_chunk_adds_nothing(way, kind):
    form = KINDS[kind]
    X, y = table(60, 3)
    model = learnt(made(way), form(X[:40]), y[:40])
    before = pickle.dumps(model)
    bad = X[40:50].copy()
    bad[3, 2] = np.nan
    calls = [
        (form(bad), np.arange(10), {}, "NaN"),
        (form(X[40:43]), ["a", "b", "c"], {}, "another kind"),
        (form(X[40:43]), [7, 8, 9], {"classes": ["x"]}, "another kind"),
        (form(X[40:43]), [7, 8, 9], {"sample_weight": [1.0, -1.0, 1.0]}, "weight"),
        (form(X[40:43, :4]), [7, 8, 9], {}, "features"),
    ]
    for rows, labels, keywords, message in calls:
        with pytest.raises(ValueError, match=message):
            model.partial_fit(rows, labels, **keywords)
        assert pickle.dumps(model) == before
    # Labels of rows that do not count are no classes.
    model.partial_fit(form(X[40:43]), [0, 9, 1], sample_weight=[1.0, 0.0, 1.0])
    assert model.classes_.tolist() == [0, 1, 2]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS)
def test_extended_streams_survive_pickling(way, kind):
    X, y = table(90, 4)
    y[:30], y[30:60] = 1, y[30:60] % 2
    X = KINDS[kind](X)
    whole, pieces = made(way), made(way)
    for i in range(90):
        for model in (whole, pieces):
            model.partial_fit(X[i : i + 1], y[i : i + 1])
        if i % 7 == 0:
            pieces = pickle.loads(pickle.dumps(pieces))
    assert_allclose(
        pieces.decision_function(X), whole.decision_function(X), rtol=1e-9, atol=1e-12
    )


def test_weights_of_classes_that_come_late():
    X, y = table(90, 3)
    y[:40] %= 2
    weights = {0: 1.0, 1: 3.0, 2: 0.5}
    model = GDClassifier(on_new_class="extend", class_weight=weights, lr=0.01)
    other = GDClassifier(on_new_class="extend", lr=0.01)
    for start in range(0, 90, 10):
        rows = slice(start, start + 10)
        own = [weights[label] for label in y[rows].tolist()]
        model.partial_fit(X[rows], y[rows])
        other.partial_fit(X[rows], y[rows], sample_weight=own)
    assert_array_equal(model.coef_, other.coef_)
    model.set_params(class_weight="balanced")
    with pytest.raises(ValueError, match="balanced"):
        model.partial_fit(X[:5], [5, 5, 5, 5, 5])
    assert 5 not in model.classes_


def test_fit_and_then_a_new_class():
    X, y = table(400, 4)
    for way in ("auto", "hinge", "float", "network"):
        for known in (2, 3):
            seen = y < known
            model = made(way).fit(X[seen], y[seen])
            assert len(model.classes_) == known
            learnt(model, X, y, 10)
            assert model.classes_.tolist() == [0, 1, 2, 3]
            assert model.score(X[y >= known], y[y >= known]) > 0.4


def test_new_classes_are_refused_unless_asked_for():
    X, y = table(40, 3)
    model = learnt(GDClassifier(on_new_class="extend"), X, y)
    model.set_params(on_new_class="error")
    with pytest.raises(ValueError, match="Or let new ones join"):
        model.partial_fit(X[:1], [9])
    with pytest.raises(ValueError, match="name all classes"):
        GDClassifier().partial_fit(X, y)
    with pytest.raises(ValueError, match="on_new_class"):
        GDClassifier(on_new_class="add").partial_fit(X, y)


def test_where_there_are_no_labels():
    X, y = table(40, 3)
    model = MLPGD((3,), loss="squared_error", on_new_class="extend")
    with pytest.raises(ValueError, match="targets of a regression"):
        model.partial_fit(X, y.astype(float))
    model = MLPGD((3,), on_new_class="extend")
    with pytest.raises(ValueError, match="indicators"):
        model.partial_fit(X, np.eye(3, dtype=int)[y])


def test_a_first_call_without_a_row_that_counts():
    X, y = table(10, 3)
    model = GDClassifier(on_new_class="extend")
    with pytest.warns(UserWarning, match="no class is known"):
        model.partial_fit(X, y, sample_weight=np.zeros(10))
    assert not hasattr(model, "classes_")
    model.partial_fit(X, y)
    assert model.classes_.tolist() == np.unique(y).tolist()


@pytest.mark.parametrize("loss", loss_names("classification"))
def test_every_loss_of_classes(loss):
    X, y = table(200, 4)
    y[:60] = 2
    y[60:120] %= 2
    model = learnt(GDClassifier(loss=loss, on_new_class="extend"), X, y, 5)
    assert model.score(X[120:], y[120:]) > 0.5
