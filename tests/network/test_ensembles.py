"""Ensembles: each member is a network alone, and together they predict their mean."""

import copy
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import (
    load_diabetes,
    load_digits,
    load_wine,
    make_multilabel_classification,
)
from sklearn.exceptions import NotFittedError
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

from skgd import MLPGD
from skgd._training.epochs import seed_of, shuffle_kernel
from skgd.callbacks import StepRecorder
from skgd.display import NetworkDisplay
from skgd.losses import Loss

X, Y = load_wine(return_X_y=True)
Z = StandardScaler().fit_transform(X)
NUMBERS = X @ np.linspace(-1.0, 1.0, X.shape[1]) + 1000.0
COUNTS = np.exp(load_diabetes().data[:178, 2] * 20)
INDICATORS = make_multilabel_classification(178, 4, n_classes=3, random_state=0)[1]
SPARSE = pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])

# Short runs of every kind of task.
TASKS = {
    "classes": ({}, Y),
    "two classes": ({}, Y > 0),
    "labels": ({}, INDICATORS),
    "margins": ({"loss": "hinge"}, Y),
    "numbers": ({"loss": "squared_error"}, NUMBERS),
    "targets": ({"loss": "squared_error"}, np.c_[NUMBERS, COUNTS]),
    "medians": ({"loss": "absolute_error"}, NUMBERS),
    "counts": ({"loss": "poisson"}, COUNTS),
}
ALL_TASKS = pytest.mark.parametrize("task", TASKS)


def ensemble(n=4, **parameters):
    settings = {"max_iter": 4, "tol": None, "random_state": 0} | parameters
    return MLPGD((7, 5), n_ensemble=n, **settings)


def of_task(task, n=4, **parameters):
    kind, y = TASKS[task]
    return ensemble(n, **kind, **parameters), y


def weights_of(model):
    return [*model.coefs_, *model.intercepts_]


def assert_same(model, other):
    for part, expected in zip(weights_of(model), weights_of(other), strict=True):
        assert_array_equal(part, expected)


def assert_close(model, other):
    """But for what the place in a vector register changes in the last digit."""
    for part, expected in zip(weights_of(model), weights_of(other), strict=True):
        assert_allclose(part, expected, rtol=1e-7, atol=1e-9)


# ---- each member is a network alone --------------------------------------------------


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"dropout": 0.3},
        {"dropout": [0.0, 0.5]},
        {"standardize": False, "lr": 0.01},
        {"fit_intercept": False},
        {"solver": "sgd", "max_iter": 1},
        {"solver": "batch"},
        {"optimizer": "momentum", "average": 3},
        {"optimizer": "gd"},
        {"optimizer": "adagrad"},
        {"early_stopping": True},
    ],
    ids=str,
)
@SPARSE
def test_the_first_member_is_the_network_of_the_same_seed(parameters, container):
    rows = container(X)
    model = ensemble(**parameters).fit(rows, Y)
    assert_close(model.members_[0], ensemble(1, **parameters).fit(rows, Y))


@ALL_TASKS
@pytest.mark.parametrize("alpha", ["auto", 0.03])
def test_members_are_networks_trained_from_their_starts(task, alpha):
    settings = {"standardize": False, "lr": 0.01, "alpha": alpha, "shuffle": False}
    model, y = of_task(task, **settings)
    starts = (
        of_task(
            task,
            **settings,
        )[0]
        .set_params(max_iter=0)
        .fit(Z, y)
        .members_
    )
    model.fit(Z, y)
    for start, member in zip(starts, model.members_, strict=True):
        settings["alpha"] = member.alpha_
        lone, _ = of_task(task, 1, **settings)
        lone.fit(Z, y, coefs_init=start.coefs_, intercepts_init=start.intercepts_)
        assert_close(member, lone)


def test_members_of_standardised_tables_are_networks_trained_from_their_starts():
    starts = ensemble(max_iter=0).fit(X, Y).members_
    model = ensemble(shuffle=False).fit(X, Y)
    assert [m.alpha_ for m in model.members_] == [0.03, 0.03, 0.03, 0.0075]
    assert model.alpha_ == 0.03
    for start, member in zip(starts, model.members_, strict=True):
        lone = ensemble(1, alpha=member.alpha_, shuffle=False)
        lone.fit(X, Y, coefs_init=start.coefs_, intercepts_init=start.intercepts_)
        assert_close(member, lone)


def test_members_differ_and_do_not_depend_on_their_number():
    few, many = ensemble(2).fit(X, Y), ensemble(5).fit(X, Y)
    for member, same in zip(few.members_, many.members_[:2], strict=True):
        assert_close(member, same)
    firsts = [member.coefs_[0] for member in many.members_]
    for k, W in enumerate(firsts):
        for other in firsts[:k]:
            assert np.abs(W - other).max() > 1e-3


@pytest.mark.parametrize("batch_size", [32, 50, 178, 1])
@SPARSE
def test_each_member_sees_the_rows_in_an_order_of_its_own(batch_size, container):
    settings = {"standardize": False, "lr": 1e-3, "alpha": 0.01, "dropout": 0.0}
    settings |= {"max_iter": 1, "batch_size": batch_size}
    rows = container(Z)
    before = ensemble(3, **settings | {"max_iter": 0}).fit(rows, Y)
    seed = copy.deepcopy(before._state.rng).bit_generator.random_raw()
    model = ensemble(3, **settings).fit(rows, Y)
    orders = []
    for k, (start, member) in enumerate(
        zip(before.members_, model.members_, strict=True)
    ):
        order = np.arange(len(X))
        shuffle_kernel()(order, seed_of(seed, k))
        orders.append(order)
        lone = ensemble(1, **settings, shuffle=False)
        init = {"coefs_init": start.coefs_, "intercepts_init": start.intercepts_}
        assert_close(member, lone.fit(rows[order], Y[order], **init))
    for order in orders[1:]:
        assert np.mean(order == orders[0]) < 0.1
        assert_array_equal(np.sort(order), np.arange(len(X)))


def test_steps_that_are_watched_are_the_same():
    recorder = StepRecorder()
    watched = ensemble(3, dropout=0.2).set_callbacks(recorder).fit(X, Y)
    assert_same(watched, ensemble(3, dropout=0.2).fit(X, Y))
    assert len(recorder.steps) == watched.t_ + 1


def test_the_loss_of_an_epoch_is_the_mean_over_members():
    settings = {"lr": 1e-300, "max_iter": 1, "alpha": 0.01}
    model = ensemble(3, **settings).fit(X, Y)
    losses = [m.gradient(X, Y)[0] for m in model.members_]
    assert_allclose(model.history_["loss"], np.mean(losses), rtol=1e-9)


def test_masks_of_members_differ():
    # From one start, without shuffling: nothing else can make members differ.
    start = ensemble(1, max_iter=0).fit(X, Y)
    model = ensemble(3, dropout=0.5, shuffle=False, alpha=0.01).fit(
        X,
        Y,
        coefs_init=[np.stack(3 * [W]) for W in start.coefs_],
        intercepts_init=[np.stack(3 * [b]) for b in start.intercepts_],
    )
    first, second, third = (member.coefs_[0] for member in model.members_)
    for one, other in ((first, second), (first, third), (second, third)):
        assert np.abs(one - other).max() > 1e-6


@SPARSE
def test_streams_of_the_first_member(container):
    model, lone = ensemble(3), ensemble(1)
    rng = np.random.default_rng(0)
    for k in range(40):
        chosen = rng.integers(0, len(X), 1 if k % 2 else 5)
        rows, labels = container(X[chosen]), Y[chosen]
        for one in (model, lone):
            one.partial_fit(rows, labels, classes=[0, 1, 2])
    assert_close(model.members_[0], lone)
    assert model.coefs_[0].shape == (3, 13, 7)


def test_prepared_updates_are_the_usual_ones():
    quick, usual = ensemble(3, alpha=0.1), ensemble(3, alpha=0.1)
    for row, label in zip(X[:30], Y, strict=False):
        quick.partial_fit([row], [label], classes=[0, 1, 2])
        usual.partial_fit([row], [label], classes=[0, 1, 2])
        vars(usual).pop("_quick", None)
    assert "_quick" in vars(quick)
    assert_same(quick, usual)
    assert_allclose(quick.history_["loss"], usual.history_["loss"], rtol=1e-12)


def test_prepared_updates_of_counts_are_the_usual_ones():
    quick, usual = (ensemble(2, loss="poisson") for _ in range(2))
    for row, count in zip(X[:30], COUNTS, strict=False):
        quick.partial_fit([row], [count])
        usual.partial_fit([row], [count])
        vars(usual).pop("_quick", None)
    assert_same(quick, usual)


def test_streams_from_files_are_fits():
    batches = [(X[k : k + 30], Y[k : k + 30]) for k in range(0, len(X), 30)]
    model = ensemble(3, shuffle=False).fit_batches(batches)
    assert_close(model, ensemble(3, shuffle=False).fit(X, Y))


def test_warm_start_goes_on():
    settings = {"lr": 0.01, "warm_start": True}
    twice = ensemble(3, **settings, dropout=0.2, max_iter=2).fit(X, Y).fit(X, Y)
    assert_same(twice, ensemble(3, **settings, dropout=0.2, max_iter=4).fit(X, Y))


def test_clipping_goes_by_the_root_mean_square_over_members():
    # Members that are alike are clipped as one of them alone.
    start = ensemble(1, max_iter=0).fit(X, Y)
    settings = {"clip_norm": 0.1, "alpha": 0.01, "optimizer": "gd", "shuffle": False}
    lone = ensemble(1, **settings).fit(X, Y)
    free = ensemble(1, **settings | {"clip_norm": None}).fit(X, Y)
    model = ensemble(3, **settings).fit(
        X,
        Y,
        coefs_init=[np.stack(3 * [W]) for W in start.coefs_],
        intercepts_init=[np.stack(3 * [b]) for b in start.intercepts_],
    )
    for member in model.members_:
        assert_allclose(member.coefs_[0], lone.coefs_[0], rtol=1e-6)
    assert np.abs(lone.coefs_[0] - free.coefs_[0]).max() > 1e-5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_and_seeds(dtype):
    rows = X.astype(dtype)
    model = ensemble().fit(rows, Y)
    assert all(part.dtype == dtype for part in weights_of(model))
    assert model.predict_proba(rows).dtype == dtype
    assert_same(model, ensemble().fit(rows, Y))


def test_weights_equal_repetition():
    counts = np.random.default_rng(0).integers(0, 3, len(X))
    settings = {"solver": "batch", "alpha": 0.01}
    weighted = ensemble(3, **settings).fit(X, Y, sample_weight=counts)
    repeated = ensemble(3, **settings).fit(X.repeat(counts, axis=0), Y.repeat(counts))
    assert_close(weighted, repeated)


# ---- the gradient --------------------------------------------------------------------


@ALL_TASKS
@SPARSE
@pytest.mark.parametrize("alpha", ["auto", 0.3])
def test_gradients_are_those_of_differences(task, container, alpha):
    model, y = of_task(task, 4, activation="tanh", alpha=alpha)
    rows, weights = container(X), np.arange(len(X)) % 3 + 1.0
    model.fit(rows, y)
    loss, coefs, intercepts = model.gradient(rows, y, weights)
    members = [
        member.set_params(alpha=member.alpha_).gradient(rows, y, weights)[0]
        for member in model.members_
    ]
    assert_allclose(loss, np.mean(members), rtol=1e-12)
    rng = np.random.default_rng(0)
    for part, slopes in zip(weights_of(model), [*coefs, *intercepts], strict=True):
        assert part.shape == slopes.shape
        for _ in range(4):
            at = tuple(rng.integers(0, part.shape))
            kept, length = part[at], 1e-5 * max(1e-3, abs(part[at]))
            values = []
            for sign in (1.0, -1.0):
                part[at] = kept + sign * length
                values.append(model.gradient(rows, y, weights)[0])
            part[at] = kept
            difference = (values[0] - values[1]) / (2.0 * length)
            size = 1e-9 * abs(loss) / length
            assert_allclose(slopes[at], difference, rtol=1e-4, atol=size)


# ---- together ------------------------------------------------------------------------


@ALL_TASKS
@SPARSE
def test_predictions_are_the_mean_of_the_members(task, container):
    model, y = of_task(task)
    rows = container(X)
    model.fit(rows, y)
    if "loss" not in TASKS[task][0]:
        members = [m.predict_proba(rows) for m in model.members_]
        assert_allclose(model.predict_proba(rows), np.mean(members, axis=0), rtol=1e-9)
        members = model.predict_proba(rows)
        expected = members > 0.5 if task == "labels" else members.argmax(axis=1)
        assert_array_equal(model.predict(rows), expected)
    elif task == "margins":
        members = [m.decision_function(rows) for m in model.members_]
        scores = model.decision_function(rows)
        assert_allclose(scores, np.mean(members, axis=0), rtol=1e-9, atol=1e-12)
        assert_array_equal(model.predict(rows), scores.argmax(axis=1))
    else:
        members = [m.predict(rows) for m in model.members_]
        assert_allclose(model.predict(rows), np.mean(members, axis=0), rtol=1e-9)


def test_a_link_of_a_user_has_the_mean_of_the_scores():
    class Square(Loss):
        tasks = ("regression",)
        identity_link = False
        convex = False
        smooth = True

        @staticmethod
        def value_and_derivative(y, z, p):
            error = z * z - y
            return 0.5 * error * error, 2.0 * z * error

        def inverse_link(self, z):
            return z * z

        def best_constant(self, y, sample_weight=None):
            return float(np.sqrt(np.average(y, weights=sample_weight)))

    model = ensemble(3, loss=Square()).fit(X, COUNTS)
    scores = [np.sqrt(m.predict(X)) for m in model.members_]
    signs = [np.sign(m.activations(X)[-1][:, 0]) for m in model.members_]
    mean = np.mean(np.multiply(signs, scores), axis=0)
    assert_allclose(model.predict(X), mean**2, rtol=1e-9)


def test_sure_members_do_not_overflow():
    model = ensemble(2).fit(X, Y)
    model.coefs_[-1] *= 1e4
    probabilities = model.predict_proba(X)
    expected = np.mean([m.predict_proba(X) for m in model.members_], axis=0)
    assert_allclose(probabilities, expected, atol=1e-12)
    model = ensemble(2).fit(X, Y > 0)
    model.coefs_[-1] *= 1e5
    assert np.isfinite(model.decision_function(X)).all()
    expected = np.mean([m.predict_proba(X) for m in model.members_], axis=0)
    assert_allclose(model.predict_proba(X), expected, atol=1e-12)


def test_blocks_of_rows_predict_as_all():
    model = ensemble(3, max_iter=1).fit(X, Y)
    rows = np.tile(X, (200, 1))
    assert_allclose(
        model.predict_proba(rows), np.tile(model.predict_proba(X), (200, 1)), rtol=1e-9
    )


def test_validation_watches_the_mean_of_the_losses():
    model = ensemble(3, max_iter=6).fit(X[::2], Y[::2], X_val=X[1::2], y_val=Y[1::2])
    losses = [log_loss(Y[1::2], m.predict_proba(X[1::2])) for m in model.members_]
    best = model.history_["validation_loss"][model.best_epoch_ - 1]
    assert_allclose(best, np.mean(losses), rtol=1e-6)
    assert_allclose(best, model.history_["validation_loss"].min())


def test_an_ensemble_is_better_than_its_members():
    rows, digits = load_digits(return_X_y=True)
    model = MLPGD(n_ensemble=4, max_iter=10, random_state=0)
    model.fit(rows[:900], digits[:900])
    members = [m.predict_proba(rows[900:]) for m in model.members_]
    losses = [log_loss(digits[900:], p) for p in members]
    # The logarithm is concave, whatever the data.
    assert log_loss(digits[900:], model.predict_proba(rows[900:])) < np.mean(losses)


# ---- files, other forms, refusals ----------------------------------------------------


@ALL_TASKS
def test_files_and_copies_predict_the_same(task):
    model, y = of_task(task)
    expected = model.fit(X, y).predict(X)
    for other in (
        pickle.loads(pickle.dumps(model)),
        model.compact(),
        pickle.loads(pickle.dumps(model.compact())),
    ):
        assert_array_equal(other.predict(X), expected)
        assert_same(other, model)
    restored = pickle.loads(pickle.dumps(model.members_))
    for member, same in zip(model.members_, restored, strict=True):
        assert_array_equal(member.predict(X), same.predict(X))
        assert member.n_ensemble == 1
    # A file goes on where the model would.
    restored = pickle.loads(pickle.dumps(model)).partial_fit(X, y)
    assert_same(restored, model.partial_fit(X, y))


def test_members_share_nothing():
    model = ensemble(2).fit(X, Y)
    before = model.predict_proba(X)
    for member in model.members_:
        member.coefs_[0][:] = 0.0
    assert_array_equal(model.predict_proba(X), before)
    with pytest.raises(ValueError, match="compact"):
        model.members_[0].partial_fit(X, Y)


def test_one_alone_has_no_members():
    # Which would have members, which would have members.
    model = ensemble(1).fit(X, Y)
    assert not hasattr(model, "members_")
    assert not hasattr(ensemble(2).fit(X, Y).members_[0], "members_")
    with pytest.raises(AttributeError, match="n_ensemble=2 or more"):
        _ = model.members_
    with pytest.raises(NotFittedError):
        _ = ensemble(2).members_
    assert model.coefs_[0].shape == (13, 7)


@ALL_TASKS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_onnx(task, dtype):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    model, y = of_task(task, 3)
    model.fit(X, y)
    session = runtime.InferenceSession(
        model.to_onnx(dtype=dtype).SerializeToString(),
        providers=["CPUExecutionProvider"],
    )
    first, *others = session.run(None, {"X": X.astype(dtype)})
    tolerance = 1e-3 if dtype == np.float32 else 1e-9
    if not hasattr(model, "classes_"):
        expected = model.predict(X).reshape(len(X), -1)
        assert_allclose(first, expected, rtol=tolerance)
        return
    assert np.mean(first == model.predict(X)) > 0.99
    ask = getattr(model, "predict_proba", None) or model.decision_function
    assert_allclose(others[0], ask(X), rtol=tolerance, atol=tolerance)


def test_what_is_of_one_network_is_refused_by_name():
    model = ensemble(2).fit(X, Y)
    refused = [
        lambda: model.activations(X),
        lambda: NetworkDisplay.from_estimator(model, X[:1]),
    ]
    for call in refused:
        with pytest.raises(ValueError, match="members_"):
            call()
    member = model.members_[1]
    assert_array_equal(member.to_sklearn().predict(X), member.predict(X))
    assert [a.shape for a in member.activations(X)] == [
        (178, 13),
        (178, 7),
        (178, 5),
        (178, 3),
    ]


@pytest.mark.parametrize("n", [0, 1.5, "4", None])
def test_numbers_of_members_that_are_none(n):
    with pytest.raises(ValueError, match="n_ensemble"):
        ensemble(n).fit(X, Y)


# ---- dropout of each layer -----------------------------------------------------------


def test_equal_shares_are_one_share():
    same = ensemble(1, dropout=[0.3, 0.3]).fit(X, Y)
    assert_same(same, ensemble(1, dropout=0.3).fit(X, Y))
    other = ensemble(1, dropout=(0.3, 0.0)).fit(X, Y)
    assert np.abs(other.coefs_[0] - same.coefs_[0]).max() > 1e-6


def test_equal_shares_are_no_change():
    model = ensemble(1, dropout=[0.3, 0.3], warm_start=True).fit(X, Y)
    model.set_params(dropout=0.3).fit(X, Y)
    with pytest.raises(ValueError, match="dropout was changed"):
        model.set_params(dropout=[0.3, 0.2]).fit(X, Y)


@pytest.mark.parametrize(
    ("dropout", "message"),
    [
        ([0.1], "dropout has 1 entries for 2"),
        ([0.1, 1.0], r"shares in \[0, 1\)"),
        ([0.1, -0.1], r"shares in \[0, 1\)"),
        ([0.1, "a"], r"shares in \[0, 1\)"),
        (1.0, "'dropout' parameter"),
    ],
)
def test_shares_that_are_none(dropout, message):
    with pytest.raises(ValueError, match=message):
        ensemble(1, dropout=dropout).fit(X, Y)
