"""A model that was saved is the model: by pickle, by skops, by another version."""

import copy
import json
import pickle
import subprocess
import sys
from pathlib import Path

import fits
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skgd
from skgd import MLPGD, GDClassifier, GDClassifierCV, GDRegressor, GDRegressorCV
from skgd._estimator import saved
from skgd.export import skops_trusted_types
from skgd.losses import Huber, Loss
from skgd.pipeline import make_streaming_pipeline

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:y holds:UserWarning"),
]

CASES = {name: case for name, *case in fits.cases()}
STATES = {name: case for name, *case in fits.states()}


def by_pickle(model):
    return pickle.loads(pickle.dumps(model))


def by_skops(model):
    io = pytest.importorskip("skops.io")
    return io.loads(io.dumps(model), trusted=skops_trusted_types())


WAYS = {"pickle": by_pickle, "skops": by_skops, "deepcopy": copy.deepcopy}


def same(model, other, X):
    expected, found = fits.answers(model, X), fits.answers(other, X)
    assert expected.keys() == found.keys()
    for name, answer in expected.items():
        assert answer.dtype == found[name].dtype
        np.testing.assert_array_equal(answer, found[name])


def coefficients(model):
    parts = getattr(model, "coefs_", None) or [model.coef_]
    return b"".join(part.tobytes() for part in parts)


@pytest.mark.parametrize("name", CASES)
def test_round_trips(name):
    model = fits.fitted(*CASES[name])
    X, y = CASES[name][1:]
    for way in (by_pickle, by_skops):
        other = way(model)
        same(model, other, X)
        assert other.get_params().keys() == model.get_params().keys()
        assert other.n_iter_ == model.n_iter_
        for column, values in model.history_.items():
            np.testing.assert_array_equal(other.history_[column], values)
        same(copy.deepcopy(model).partial_fit(X, y), other.partial_fit(X, y), X)


@pytest.mark.parametrize("how", ["fit", "partial_fit"])
@pytest.mark.parametrize("name", STATES)
def test_training_goes_on(name, how):
    """By partial_fit and by a warm start, as if the model had never been away."""
    estimator, X, y = STATES[name]
    if how == "partial_fit" and name in ("saga",):
        pytest.skip("saga needs all rows")
    model = fits.fitted(estimator, X, y, how)
    model.set_params(early_stopping=False)
    for way in WAYS.values():
        here, there = copy.deepcopy(model), way(model)
        same(here, there, X)
        if name != "saga":
            here.partial_fit(X[:50], y[:50])
            there.partial_fit(X[:50], y[:50])
        assert coefficients(here) == coefficients(there)
        here.set_params(warm_start=True).fit(X, y)
        there.set_params(warm_start=True).fit(X, y)
        assert coefficients(here) == coefficients(there)
        assert here.t_ == there.t_


@pytest.mark.parametrize("name", ["few rows", "adagrad, sparse", "dropout"])
def test_deepcopy_is_what_never_left(name):
    """The other tests compare with a copy; this one with the very same object."""
    estimator, X, y = STATES[name]
    model = fits.fitted(estimator, X, y, "partial_fit")
    other = by_pickle(model)
    model.partial_fit(X, y)
    assert coefficients(model) == coefficients(other.partial_fit(X, y))


PLAIN = (
    str,
    int,
    float,
    bool,
    type(None),
    np.ndarray,
    np.number,
    np.bool_,
)


def what_is_not_plain(value):
    if type(value) is dict:
        for part in value.values():
            yield from what_is_not_plain(part)
    elif type(value) in (list, tuple):
        for part in value:
            yield from what_is_not_plain(part)
    elif not isinstance(value, PLAIN) or (
        isinstance(value, np.ndarray) and value.dtype.hasobject
    ):
        yield value


@pytest.mark.parametrize("how", ["fit", "partial_fit"])
@pytest.mark.parametrize("name", STATES | {"huber": None})
def test_the_state_is_plain(name, how):
    if name == "huber":
        case = GDRegressor(Huber(2.0), **fits.SHORT), fits.X, fits.COUNTS
    else:
        case = STATES[name]
    if how == "partial_fit" and name == "saga":
        pytest.skip("saga needs all rows")
    state = fits.fitted(*case, how).set_params(warm_start=True).__getstate__()
    assert list(what_is_not_plain(state)) == []
    assert state["_skgd_version"] == skgd.__version__


class Mine(Loss):
    identity_link = True
    smooth = True

    @staticmethod
    def value_and_derivative(y, z, p):
        return 0.5 * (z - y) ** 2, z - y


def test_a_class_of_the_users_is_named():
    io = pytest.importorskip("skops.io")
    model = GDRegressor(Mine(), lr=0.01, max_iter=1, tol=None).fit(fits.X, fits.COUNTS)
    state = model.__getstate__()
    assert {type(value) for value in what_is_not_plain(state)} == {Mine}
    same(model, by_pickle(model), fits.X)
    untrusted = set(io.get_untrusted_types(data=io.dumps(model)))
    assert untrusted - set(skops_trusted_types()) == {f"{__name__}.Mine"}


def test_skops_asks_for_public_names_only():
    io = pytest.importorskip("skops.io")
    steps = StandardScaler(), GDClassifier(random_state=np.random.RandomState(0))
    for model in (make_pipeline(*steps), make_streaming_pipeline(*steps)):
        model.fit(fits.X, fits.LABELS)
        data = io.dumps(model)
        asked = io.get_untrusted_types(data=data)
        assert set(asked) <= set(skops_trusted_types())
        same(model, io.loads(data, trusted=asked), fits.X)
    assert asked == ["skgd.GDClassifier", "skgd.pipeline.StreamingPipeline"]
    for name in skops_trusted_types():
        assert "._" not in name


def test_another_process(tmp_path):
    model = GDClassifier(random_state=0).fit(fits.X, fits.LABELS)
    path = tmp_path / "model.pickle"
    path.write_bytes(pickle.dumps(model))
    np.save(tmp_path / "X.npy", fits.X)
    code = """
import pickle, sys
import numpy as np
with open(sys.argv[1], "rb") as file:
    model = pickle.load(file)
print(model.predict_proba(np.load(sys.argv[2])).tobytes().hex())
assert "numba" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), str(tmp_path / "X.npy")],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(skgd.__file__).parents[1],
    )
    assert done.stdout.strip() == model.predict_proba(fits.X).tobytes().hex()


# ------------------------------------------------------------------------------ size

WIDE = np.random.default_rng(0).normal(size=(60, 5000))
SIDES = (WIDE[:, 0] > 0).astype(int)


def size(model):
    return len(pickle.dumps(model))


def test_the_search_is_forgotten():
    """Fifty pairs of moves and gradients were a hundred times the coefficients."""
    model = GDClassifier(random_state=0, max_iter=30).fit(WIDE, SIDES)
    assert model._state.vectors.size == 0
    # Coefficients, theta, and of each column five moments and coordinates.
    assert size(model) < 7 * model.coef_.nbytes + 5000


@pytest.mark.parametrize(
    "model",
    [
        GDClassifier(random_state=0, max_iter=5),
        GDRegressor(random_state=0, max_iter=5),
        GDClassifier(lr=1e-4, max_iter=5, optimizer="adagrad", tol=None),
    ],
)
def test_compact_is_the_size_of_its_coefficients(model):
    model = model.fit(WIDE, SIDES)
    assert size(model.compact()) < model.coef_.nbytes + 5000


def test_steps_of_few_rows_are_the_size_of_their_coefficients():
    model = GDClassifier(lr=1e-4, max_iter=2, tol=None).fit(WIDE, SIDES)
    assert size(model) < 1.05 * model.coef_.nbytes + 5000


def test_derivatives_of_rows_are_forgotten_unless_a_warm_start_may_ask():
    model = GDClassifier(optimizer="saga", solver="sgd", **fits.STEPS)
    model.fit(fits.X, fits.LABELS)
    assert model._state.derivatives.size == 0
    model.set_params(warm_start=True).fit(fits.X, fits.LABELS)
    assert model._state.derivatives.size


# --------------------------------------------------------------------------- compact


@pytest.mark.parametrize("name", ["duals", "average", "dropout", "raw network", "box"])
def test_compact(name):
    estimator, X, y = STATES[name]
    model = fits.fitted(estimator, X, y)
    other = model.compact()
    same(model, other, X)
    same(other, by_pickle(other), X)
    for mine, theirs in zip(model.gradient(X, y), other.gradient(X, y), strict=True):
        np.testing.assert_equal(mine, theirs)
    assert other.history_.keys() == model.history_.keys()
    for part, copied in zip(arrays(model), arrays(other), strict=False):
        assert not np.shares_memory(part, copied)
    again = other.compact()
    same(model, again, X)


def arrays(model):
    return getattr(model, "coefs_", None) or [model.coef_, model.intercept_]


@pytest.mark.parametrize("name", ["duals", "dropout", "box"])
def test_a_compact_model_does_not_forget_without_a_word(name):
    estimator, X, y = STATES[name]
    other = by_pickle(fits.fitted(estimator, X, y).compact())
    before = coefficients(other)
    calls = [
        lambda: other.partial_fit(X, y),
        lambda: other.set_params(warm_start=True).fit(X, y),
        lambda: other.fit_batches([(X, y)]),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r"made by compact\(\)"):
            call()
        assert coefficients(other) == before
    other.set_params(warm_start=False).fit(X, y)
    expected = fits.fitted(estimator, X, y)
    assert coefficients(other) == coefficients(expected)
    assert coefficients(other.partial_fit(X, y)) == coefficients(
        expected.partial_fit(X, y)
    )


@pytest.mark.parametrize("estimator", [GDClassifier(), GDClassifierCV()])
def test_compact_needs_a_fit(estimator):
    with pytest.raises(NotFittedError):
        estimator.compact()


# ------------------------------------------------------- searches over many strengths


SEARCHES = {
    "classes": (GDClassifierCV(alphas=[0.1, 1e-3], cv=2), fits.LABELS),
    "object": (GDRegressorCV(Huber(2.0), alphas=[0.1, 1e-3], cv=2), fits.COUNTS),
    "long grid": (GDRegressorCV(alphas=np.geomspace(1, 1e-6, 70), cv=2), fits.COUNTS),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_over_strengths(name):
    """All of it comes back, the masked parameters of its results included."""
    estimator, y = SEARCHES[name]
    model = clone(estimator).fit(fits.X, y)
    assert model.__getstate__()["_skgd_version"] == skgd.__version__
    for way in WAYS.values():
        other = way(model)
        same(model, other, fits.X)
        assert repr(other.get_params()) == repr(model.get_params())
        np.testing.assert_array_equal(other.coefs_paths_, model.coefs_paths_)
        alphas = other.cv_results_["param_alpha"]
        assert isinstance(alphas, np.ma.MaskedArray)
        np.testing.assert_array_equal(alphas, model.cv_results_["param_alpha"])
        before, after = model.best_estimator_, other.best_estimator_
        same(
            copy.deepcopy(before).partial_fit(fits.X, y),
            after.partial_fit(fits.X, y),
            fits.X,
        )


@pytest.mark.parametrize("name", SEARCHES)
def test_a_compact_search_over_strengths(name):
    estimator, y = SEARCHES[name]
    model = clone(estimator).fit(fits.X, y)
    other = model.compact()
    same(model, other, fits.X)
    same(model, by_pickle(other), fits.X)
    assert size(other) < size(model)
    assert other.alpha_ == model.alpha_
    with pytest.raises(ValueError, match=r"made by compact\(\)"):
        other.best_estimator_.partial_fit(fits.X, y)
    assert coefficients(other.fit(fits.X, y)) == coefficients(model)


# -------------------------------------------------------------------------- versions

LIBRARY = Path(__file__).parent / "saved"


def saved_models():
    return sorted(LIBRARY.glob("*/*.pickle"))


def test_there_is_a_library():
    names = {path.stem for path in saved_models()}
    assert {"classifier", "regressor", "stream", "network"} <= names


@pytest.mark.parametrize(
    "path", saved_models(), ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_models_of_all_versions_are_read(path):
    """Written by ``python tests/export/save_models.py``, once for each release."""
    model = pickle.loads(path.read_bytes())
    expected = json.loads(path.with_suffix(".json").read_text("utf-8"))
    X = np.array(expected["X"], expected["dtype"])
    for name, answer in expected["answers"].items():
        found = getattr(model, name)(X)
        if np.asarray(answer).dtype.kind == "f":
            np.testing.assert_allclose(found, answer, rtol=1e-5, atol=1e-6)
        else:
            np.testing.assert_array_equal(found, answer)
    if path.stem == "compact":
        return
    # And it goes on to train.
    updates = model.t_
    model.partial_fit(X, model.predict(X))
    assert model.t_ > updates
    assert all(np.isfinite(part).all() for part in arrays(model))


def test_what_a_later_version_wrote_is_refused():
    model = GDRegressor().fit(fits.X, fits.COUNTS)
    state = model.__getstate__() | {"_skgd_version": "9.9", "_skgd_format": 99}
    with pytest.raises(ValueError, match=r"saved by skgd 9\.9, and this is"):
        GDRegressor.__new__(GDRegressor).__setstate__(state)


def test_what_an_early_version_wrote_is_refused():
    model = GDRegressor().fit(fits.X, fits.COUNTS)
    state = dict(vars(model))
    with pytest.raises(ValueError, match=r"before 0\.2"):
        GDRegressor.__new__(GDRegressor).__setstate__(state)
    unfitted = GDRegressor.__new__(GDRegressor)
    unfitted.__setstate__(vars(GDRegressor(alpha=3.0)))
    assert unfitted.alpha == 3.0


@pytest.mark.parametrize("estimator", [GDRegressor, GDClassifier, MLPGD])
def test_parameters_of_later_versions_have_their_defaults(estimator):
    X, y = fits.X, fits.X[:, 0] > 0
    model = estimator(max_iter=2, tol=None).fit(X, y)
    state = model.__getstate__()
    del state["fit_intercept"]
    older = estimator.__new__(estimator)
    older.__setstate__(state)
    assert older.get_params() == model.get_params()
    same(older.partial_fit(X, y), model.partial_fit(X, y), X)


def test_an_older_form_is_brought_up_to_date(monkeypatch):
    """The next form would rename something; its step is called with the older state."""
    model = GDRegressor(alpha=0.5).fit(fits.X, fits.COUNTS)
    state = model.__getstate__()
    state["strength"] = state.pop("alpha")

    def step(attributes):
        attributes["alpha"] = attributes.pop("strength")
        return attributes

    monkeypatch.setattr(saved, "FORMAT", saved.FORMAT + 1)
    monkeypatch.setitem(saved.UPGRADES, saved.FORMAT - 1, step)
    other = GDRegressor.__new__(GDRegressor)
    other.__setstate__(state)
    assert other.alpha == 0.5
    same(model, other, fits.X)


def test_parameters_survive():
    """Objects of the package as parameters, with what they were given."""
    models = [
        GDClassifier(optimizer=skgd.optimizers.Adam(amsgrad=True)),
        GDRegressor(penalty=skgd.penalties.ElasticNet(0.3), loss=Huber(1.7)),
        GDRegressor(lr_schedule=skgd.schedules.Step(3)),
        MLPGD(activation=skgd.activations.LeakyReLU(0.3), lr=0.25),
        GDClassifier(class_weight={0: 1.0, 1: 2.5}),
    ]
    for model in models:
        for way in WAYS.values():
            assert repr(way(model)) == repr(model)
