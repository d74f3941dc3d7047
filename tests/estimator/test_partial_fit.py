"""The short way of `partial_fit` against the usual one; streams that stop and go on."""

import os
import pickle
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rules import ANY_GRADIENT
from sklearn.base import clone

from skgd import MLPGD, DivergenceWarning, GDClassifier, GDRegressor
from skgd._linear.prepared_update import Quick
from skgd.losses import Huber
from skgd.optimizers import Adam
from skgd.schedules import SCHEDULES, Plateau, Warmup

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def table(n=40, dtype=np.float64):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 4))
    return X.astype(dtype), X @ [1.0, -2.0, 0.5, 0.0] + rng.normal(size=n)


def stream(model, X, y, size, short):
    """Feed a model chunk by chunk, by the short way or by the usual one."""
    first = {} if isinstance(model, GDRegressor) else {"classes": np.unique(y)}
    taken = 0
    for start in range(0, len(y), size):
        if not short:
            vars(model).pop("_quick", None)
        before = vars(model).get("_quick")
        part = slice(start, start + size)
        model.partial_fit(X[part], y[part], **first)
        taken += before is not None and vars(model).get("_quick") is before
    expected = len(y) // size - 1 if short else 0
    # Coordinates of lr="auto" are made anew now and then, which takes the usual way.
    assert taken == expected or (model.lr == "auto" and 0.5 * expected < taken)
    return model


def compare(model, X, y, size):
    quick = stream(clone(model), X, y, size, short=True)
    usual = stream(clone(model), X, y, size, short=False)
    for name in ("theta", "vectors", "scalars", "step_sizes", "base", "average"):
        one, other = getattr(quick._state, name), getattr(usual._state, name)
        assert one.tobytes() == other.tobytes(), name
        assert one.dtype == other.dtype
    assert quick.coef_.tobytes() == usual.coef_.tobytes()
    assert (quick.t_, quick.n_iter_) == (usual.t_, usual.n_iter_)
    assert quick._state.epoch == usual._state.epoch
    assert quick.stop_reason_ == usual.stop_reason_
    assert quick.lr_ == usual.lr_
    assert set(vars(quick)) == set(vars(usual)) | {"_quick"}
    for name in ("epoch", "step", "lr"):
        assert quick.history_[name].tolist() == usual.history_[name].tolist()
    assert quick.history_["loss"] == pytest.approx(usual.history_["loss"])
    assert quick.best_loss_ == pytest.approx(usual.best_loss_)


# ---- the same update -----------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    cls=st.sampled_from([GDRegressor, GDClassifier]),
    n_classes=st.sampled_from([2, 3]),
    labels=st.sampled_from([int, str, bool]),
    dtype=st.sampled_from([np.float64, np.float32]),
    size=st.sampled_from([1, 2, 8]),
    parameters=st.fixed_dictionaries(
        {
            "optimizer": st.sampled_from(ANY_GRADIENT),
            "penalty": st.sampled_from([None, "l2", "l1", "elasticnet"]),
            "average": st.sampled_from([False, True, 5]),
            "clip_norm": st.sampled_from([None, 0.5]),
            "lr_schedule": st.sampled_from(list(SCHEDULES)),
            "fit_intercept": st.booleans(),
        }
    ),
)
def test_the_short_way_makes_the_same_update(
    cls, n_classes, labels, dtype, size, parameters
):
    X, y = table(dtype=dtype)
    if cls is GDClassifier:
        n_classes = 2 if labels is bool else n_classes
        y = np.digitize(y, [0.0] if n_classes == 2 else [-1.0, 1.0]).astype(labels)
    model = cls(lr=0.01, batch_size=8, alpha=0.05, **parameters)
    compare(model, X, y, size)


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("penalty", [None, "l2", "l1"])
@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
def test_automatic_coordinates_move_alike(cls, penalty, size):
    X, y = table(300)
    y = (y > 0).astype(int) if cls is GDClassifier else 1e3 * y + 1e4
    model = cls(penalty=penalty, alpha=0.05, batch_size=size)
    compare(model, 100.0 * X + 7.0, y, size)


@pytest.mark.parametrize("loss", ["huber", "absolute_error", "poisson", Huber(2.0)])
def test_other_losses(loss):
    X, y = table()
    compare(GDRegressor(loss, lr=0.01), X, np.abs(y), 1)


def test_several_targets():
    X, y = table()
    compare(GDRegressor(lr=0.01), X, np.stack([y, -y], axis=1), 1)


def test_lists_of_targets():
    X, y = table()
    model = GDRegressor(lr=0.01)
    for i in range(len(y)):
        model.partial_fit(X[[i]], [y[i]])
    np.testing.assert_array_equal(
        model.coef_, stream(GDRegressor(lr=0.01), X, y, 1, False).coef_
    )


@pytest.mark.parametrize("batch_size", ["auto", 3])
@pytest.mark.parametrize("lr", [0.01, "auto"])
@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier, MLPGD])
def test_a_chunk_with_rows_of_weight_zero_prepares_no_shorter_updates(
    cls, lr, batch_size
):
    X, y = table(20)
    y = y if cls is GDRegressor else (y > 0).astype(int)
    classes = {} if cls is GDRegressor else {"classes": [0, 1]}
    settings = {"hidden_layer_sizes": (2,), "random_state": 0} if cls is MLPGD else {}
    settings["optimizer"] = "dowg"
    weighted = cls(lr=lr, batch_size=batch_size, **settings)
    without = clone(weighted)
    weights = np.array([1.0, 0.0, 0.0, 2.0])
    weighted.partial_fit(X[:4], y[:4], sample_weight=weights, **classes)
    without.partial_fit(X[[0, 3]], y[[0, 3]], sample_weight=weights[[0, 3]], **classes)
    for first in range(4, 20, 4):
        rows = slice(first, first + 4)
        weighted.partial_fit(X[rows], y[rows])
        without = pickle.loads(pickle.dumps(without)).partial_fit(X[rows], y[rows])
    assert weighted.t_ == without.t_
    for name in ("coefs_", "intercepts_") if cls is MLPGD else ("coef_", "intercept_"):
        for one, other in zip(
            getattr(weighted, name), getattr(without, name), strict=True
        ):
            np.testing.assert_allclose(one, other, rtol=1e-12)


def test_sgd_row_by_row_is_an_epoch_of_fit():
    X, y = table()
    model = GDRegressor(solver="sgd", lr=0.01, shuffle=False, max_iter=1, tol=None)
    whole = clone(model).fit(X, y)
    model = stream(model, X, y, 1, short=True)
    assert model.coef_.tobytes() == whole.coef_.tobytes()


def test_coefficients_handed_out_do_not_move():
    X, y = table()
    model = GDRegressor(lr=0.01).partial_fit(X[:1], y[:1])
    coef, saved = model.coef_, model.coef_.copy()
    state = model._state
    model.partial_fit(X[1:2], y[1:2])
    np.testing.assert_array_equal(coef, saved)
    assert state.step == 1 and model._state.step == 2


# ---- when the usual way must be taken ------------------------------------------------


def used(model, X, y, **given):
    """Whether a call would take the short way."""
    return vars(model)["_quick"].run(model, X, y, given.get("classes"))


@pytest.mark.parametrize(
    "change",
    [
        {"lr": 0.1},
        {"optimizer__beta_1": 0.5},
        {"lr_schedule__after__gamma": 0.3},
        {"loss__epsilon": 0.1},
        {"alpha": 2.0},
        {"clip_norm": 0.1},
        {"average": 3},
        {"early_stopping": True},
    ],
    ids=str,
)
def test_changed_parameters_are_noticed(change):
    X, y = table()
    model = GDRegressor(
        Huber(),
        lr=0.01,
        optimizer=Adam(),
        lr_schedule=Warmup(3, after=Plateau()),
        penalty="l2",
    ).partial_fit(X[:1], y[:1])
    assert used(model, X[1:2], y[1:2])
    model.set_params(**change)
    assert not used(model, X[1:2], y[1:2])


def test_a_fit_in_between_is_noticed():
    X, y = table()
    model = GDRegressor(lr=0.01, warm_start=True).partial_fit(X[:1], y[:1])
    quick = model._quick
    model.fit(X, y)
    assert not hasattr(model, "_quick")
    model.set_params(warm_start=False).fit(X, y)
    assert not quick.run(model, X[:1], y[:1], None)


def test_what_is_not_prepared():
    X, y = table()
    pd = pytest.importorskip("pandas")
    adam = GDRegressor(optimizer="adam")
    for model in (adam, GDRegressor(solver="batch")):
        assert not vars(model.partial_fit(X[:1], y[:1])).get("_quick")
    model = GDRegressor(lr=0.1).partial_fit(pd.DataFrame(X[:1]).add_prefix("x"), y[:1])
    with pytest.warns(UserWarning, match="feature names"):
        model.partial_fit(X[:1], y[:1])


BAD_ROWS = [
    (lambda X, y: (X * np.nan, y), "NaN"),
    (lambda X, y: (X * np.inf, y), "infinity"),
    (lambda X, y: (X[:, :3], y), "features"),
    (lambda X, y: (X, np.array(["z"])), "'z'.*classes="),
    (lambda X, y: (X, np.array([0.5])), "classes"),
    (lambda X, y: (X, y[:0]), "inconsistent|0 sample"),
    (lambda X, y: (X[0], y), "2D array"),
]


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize("lr", ["auto", 0.01])
@pytest.mark.parametrize(("bad", "match"), BAD_ROWS)
def test_a_refused_chunk_leaves_the_estimator_as_it_was(bad, match, lr, prepared):
    X, y = table()
    kind = np.array(["a", "b"])[(y > 0).astype(int)]
    model = GDClassifier(lr=lr)
    if prepared:
        for i in range(3):
            model.partial_fit(X[[i]], kind[[i]], classes=["a", "b"])
    elif match == "features":
        pytest.skip("the first chunk decides the width")
    before, saved = vars(model).copy(), pickle.dumps(model)
    with pytest.raises(ValueError, match=match):
        model.partial_fit(*bad(X[3:4], kind[3:4]), classes=["a", "b"])
    assert vars(model) == before
    assert pickle.dumps(model) == saved


def test_other_classes_are_refused():
    X, y = table()
    model = GDClassifier(lr=0.1)
    model.partial_fit(X[:1], [0], classes=[0, 1])
    for classes in ([0, 2], [0, 1, 2], np.array([0, 2]), ["0", "1"]):
        with pytest.raises(ValueError, match="differ from those of the first"):
            model.partial_fit(X[:1], [0], classes=classes)
    with pytest.raises(ValueError, match=r"Poisson.*\[0, inf\)"):
        stream(GDRegressor("poisson", lr=0.1), X, np.where(y < 1, 1, -1), 1, True)


def test_divergence_is_noticed():
    X, y = table()
    model = GDRegressor(lr=1e200)
    with pytest.warns(DivergenceWarning):
        stream(model, X[:9], y[:9], 1, short=False)
    assert np.isfinite(model.coef_).all()


def test_the_first_chunk_decides_the_precision():
    X, y = table()
    for lr in ("auto", 0.1):
        model = GDRegressor(lr=lr).partial_fit(X[:9].astype(np.float32), y[:9])
        model.partial_fit(X[9:], y[9:])
        assert model.coef_.dtype == np.float32


# ---- nothing grows, nothing is lost --------------------------------------------------


@pytest.mark.parametrize("lr", ["auto", 0.01])
def test_memory_does_not_grow_with_the_stream(lr):
    X, y = table()
    model = GDRegressor(lr=lr)
    sizes = []
    for _ in range(3):
        for i in range(40):
            model.partial_fit(X[[i]], y[[i]])
        sizes.append(len(pickle.dumps(model)))
    assert sizes[2] - sizes[1] < 50
    assert not any(isinstance(value, Quick) for value in model.__getstate__().values())


def test_schedules_that_look_back_keep_what_they_need():
    X, y = table()
    model = GDRegressor(lr=1e-12, lr_schedule=Plateau(patience=3, gamma=0.5))
    for _ in range(12):
        model.partial_fit(X[:1], y[:1])
    assert model.history_["lr"][0] < 1e-12


CHILD = """
    import pickle, sys, pathlib, os, time
    import numpy as np
    from skgd import GDClassifier

    checkpoint, chunks = pathlib.Path(sys.argv[1]), np.load(sys.argv[2])
    X, y = chunks["X"], chunks["y"]
    if checkpoint.exists():
        model, done = pickle.loads(checkpoint.read_bytes())
    else:
        model = GDClassifier(
            lr={lr}, optimizer="adam", average=True, lr_schedule="invscaling"
        )
        done = 0
    for start in range(done, len(y), 10):
        part = slice(start, start + 10)
        model.partial_fit(X[part], y[part], classes=[0, 1, 2])
        fresh = checkpoint.with_suffix(".new")
        fresh.write_bytes(pickle.dumps((model, start + 10)))
        os.replace(fresh, checkpoint)
        print(start, flush=True)
        time.sleep(0.002)
    print(model.coef_.tobytes().hex())
"""


@pytest.mark.parametrize(
    "lr", [0.01, pytest.param("'auto'", marks=pytest.mark.slow)], ids=["float", "auto"]
)
def test_a_killed_process_loses_only_the_chunk_in_flight(tmp_path, lr):
    X, y = table(400)
    y = np.digitize(y, [-1, 1])
    np.savez(tmp_path / "chunks.npz", X=X, y=y)
    script = tmp_path / "child.py"
    script.write_text(textwrap.dedent(CHILD).format(lr=lr))

    def run(checkpoint, kill_after=None):
        child = subprocess.Popen(
            [sys.executable, script, checkpoint, tmp_path / "chunks.npz"],
            stdout=subprocess.PIPE,
            text=True,
        )
        with child:
            lines = []
            for line in child.stdout:
                lines.append(line.strip())
                if len(lines) == kill_after:
                    os.kill(child.pid, signal.SIGKILL)
        return child.returncode, lines

    _, straight = run(tmp_path / "straight.pickle")
    code, first = run(tmp_path / "killed.pickle", kill_after=15)
    assert code == -signal.SIGKILL and len(first) < 40
    code, second = run(tmp_path / "killed.pickle")
    assert code == 0 and int(second[0]) > 0
    assert second[-1] == straight[-1]
