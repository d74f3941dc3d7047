"""`fit_batches` against `fit` on the same rows, and what it says of bad streams."""

import gc
import pickle
import sqlite3
import threading
import time
import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rules import ANY_GRADIENT
from scipy import sparse
from sklearn.base import clone
from sklearn.callback import ScoringMonitor
from sklearn.linear_model import Ridge

from skgd import MLPGD, DivergenceWarning, GDClassifier, GDRegressor
from skgd._stream.blocks import recut
from skgd._stream.epochs import shuffled
from skgd._stream.prefetch import read_ahead
from skgd.data import from_arrays
from skgd.schedules import SCHEDULES

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SOLVERS = ("batch", "minibatch", "sgd")
DENSE_OR_CSR = pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
ESTIMATORS = pytest.mark.parametrize("cls", [GDRegressor, GDClassifier, MLPGD])


def table(n=2500, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4)) * [1, 3, 0.1, 10] + [0, 5, 0, -20]
    X[rng.random(X.shape) < 0.3] = 0.0
    y = X @ [1, -0.5, 4, 0.1] + rng.normal(size=n)
    return X, y


def problem(cls, n=2500):
    X, y = table(n)
    if cls is not GDRegressor:
        y = np.array(["a", "b", "c"])[np.digitize(y, np.quantile(y, [0.4, 0.7]))]
    return X, y


def batches(X, y, sizes, *more):
    """A list of batches whose sizes go round and round."""
    cut, start = [], 0
    while start < len(y):
        for size in sizes:
            part = slice(start, start + size)
            cut.append((X[part], y[part], *(array[part] for array in more)))
            start += size
    return [batch for batch in cut if len(batch[1])]


def weights_of(model):
    if hasattr(model, "coefs_"):
        return np.concatenate([a.ravel() for a in (*model.coefs_, *model.intercepts_)])
    return np.concatenate([model.coef_.ravel(), model.intercept_])


def small(cls, **parameters):
    """An estimator that is quick to train."""
    if cls is MLPGD:
        # The members of an ensemble see the rows in orders of their own in `fit` alone.
        parameters = {"hidden_layer_sizes": (5,), "n_ensemble": 1} | parameters
    return cls(**({"max_iter": 3, "tol": None, "random_state": 0} | parameters))


# ---- the same as fit -----------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ANY_GRADIENT)
@pytest.mark.parametrize("solver", ["minibatch", "sgd"])
@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
@DENSE_OR_CSR
def test_any_chunks_equal_one_epoch(cls, solver, optimizer, container):
    """To the bit, wherever the chunks end."""
    X, y = problem(cls, 300)
    model = small(
        cls,
        solver=solver,
        batch_size=7,
        lr=0.001,
        optimizer=optimizer,
        penalty="elasticnet",
        shuffle=False,
        max_iter=1,
    )
    whole = clone(model).fit(container(X), y)
    stream = batches(container(X), y, [1, 50, 13, 64])
    model.fit_batches(stream, classes=None if cls is GDRegressor else np.unique(y))
    assert weights_of(model).tobytes() == weights_of(whole).tobytes()
    assert model.t_ == whole.t_


@pytest.mark.parametrize("lr", ["auto", 1e-4])
@pytest.mark.parametrize("solver", SOLVERS)
@ESTIMATORS
@DENSE_OR_CSR
def test_several_epochs_are_those_of_fit(cls, solver, lr, container):
    """Shuffled too, because these rows fit into the window."""
    X, y = problem(cls)
    model = small(cls, solver=solver, lr=lr)
    whole = clone(model).fit(container(X), y)
    model.fit_batches(batches(container(X), y, [100, 1, 999]))
    np.testing.assert_allclose(weights_of(model), weights_of(whole), 1e-9, 1e-12)
    for name in ("loss", "lr", "epoch", "step"):
        np.testing.assert_allclose(model.history_[name], whole.history_[name], 1e-9)


@pytest.mark.parametrize("optimizer", ["gd", "nesterov", "adam"])
@pytest.mark.parametrize("penalty", ["l2", "elasticnet"])
def test_full_gradients_stop_where_fit_stops(optimizer, penalty):
    X, y = problem(GDClassifier, 12_000)
    # The search of a table has a second opinion on its end, which that of a stream has
    # not: with a tolerance they may end after different numbers of passes.
    tol = None if optimizer == "gd" else 1e-4
    model = GDClassifier(
        solver="batch", optimizer=optimizer, penalty=penalty, max_iter=20, tol=tol
    )
    whole = clone(model).fit(X, y)
    model.fit_batches(from_arrays(X, y, batch_size=5000))
    np.testing.assert_allclose(model.coef_, whole.coef_, 1e-9, 1e-12)
    assert (model.n_iter_, model.stop_reason_) == (whole.n_iter_, whole.stop_reason_)


def test_batch_finds_the_optimum():
    X, y = table()
    n = len(y)
    model = GDRegressor(solver="batch", penalty="l2", alpha=0.1, tol=1e-14)
    model.fit_batches(from_arrays(X, y, batch_size=300))
    exact = Ridge(0.1 * n).fit(X, y)
    np.testing.assert_allclose(model.coef_, exact.coef_, 1e-6)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("cls", [GDRegressor, MLPGD])
def test_schedules_see_the_same_clock(cls, schedule):
    X, y = problem(cls)
    model = small(cls, lr=1e-4, lr_schedule=schedule)
    whole = clone(model).fit(X, y)
    model.fit_batches(batches(X, y, [77]))
    np.testing.assert_allclose(weights_of(model), weights_of(whole), 1e-9, 1e-12)
    np.testing.assert_allclose(model.history_["lr"], whole.history_["lr"])


@pytest.mark.parametrize("lr", ["auto", 1e-3])
@pytest.mark.parametrize("class_weight", [None, "balanced", {"a": 2.0, "b": 0.5}])
def test_weights_are_scaled_as_in_fit(lr, class_weight):
    X, y = problem(GDClassifier)
    weights = np.random.default_rng(1).integers(0, 4, len(y)) * 10.0
    model = small(GDClassifier, lr=lr, class_weight=class_weight)
    whole = clone(model).fit(X, y, weights)
    model.fit_batches(batches(X, y, [100, 7], weights))
    np.testing.assert_allclose(model.coef_, whole.coef_, 1e-9, 1e-12)


def test_rows_of_weight_zero_are_not_there():
    X, y = table()
    keep = np.arange(len(y)) % 3 > 0
    model = small(GDRegressor, lr=1e-4, solver="sgd")
    gone = clone(model).fit_batches(batches(X[keep], y[keep], [90]))
    model.fit_batches(batches(X, y, [50], keep * 1.0))
    np.testing.assert_array_equal(model.coef_, gone.coef_)


@settings(max_examples=15, deadline=None)
@given(
    cls=st.sampled_from([GDRegressor, GDClassifier, MLPGD]),
    solver=st.sampled_from(SOLVERS),
    lr=st.sampled_from(["auto", 1e-4]),
    container=st.sampled_from([np.asarray, sparse.csr_array]),
    sizes=st.lists(st.integers(1, 1500), min_size=1, max_size=4),
    shuffle_rows=st.sampled_from(["auto", 10]),
    n_ahead=st.integers(0, 3),
)
def test_chunking_does_not_matter(
    cls, solver, lr, container, sizes, shuffle_rows, n_ahead
):
    """To the bit, the history included."""
    X, y = problem(cls, 1100)
    X = container(X)
    model = small(cls, solver=solver, lr=lr, max_iter=2)
    options = {"shuffle_rows": shuffle_rows, "n_ahead": n_ahead}
    one = clone(model).fit_batches([(X, y)], **options)
    many = clone(model).fit_batches(batches(X, y, sizes), **options)
    assert weights_of(many).tobytes() == weights_of(one).tobytes()
    assert many.history_["loss"].tolist() == one.history_["loss"].tolist()


def test_single_precision_is_kept():
    X, y = table()
    X = X.astype(np.float32)
    model = small(GDRegressor, lr=1e-4)
    whole = clone(model).fit(X, y)
    model.fit_batches(batches(X, y, [100]))
    assert model.coef_.dtype == np.float32
    np.testing.assert_array_equal(model.coef_, whole.coef_)


def test_the_first_batch_decides_the_precision():
    X, y = table(300)
    stream = [(X[:100].astype(np.float32), y[:100]), (X[100:], y[100:])]
    model = small(GDRegressor, lr=1e-4).fit_batches(stream)
    whole = small(GDRegressor, lr=1e-4).fit(X.astype(np.float32), y)
    np.testing.assert_array_equal(model.coef_, whole.coef_)


def test_several_targets_and_labels():
    X, y = table()
    Y = np.stack([y, -y], axis=1)
    model = small(GDRegressor, lr=1e-4).fit_batches(batches(X, Y, [99]))
    np.testing.assert_array_equal(
        model.coef_, small(GDRegressor, lr=1e-4).fit(X, Y).coef_
    )
    labels = (Y > 0).astype(int)
    net = small(MLPGD).fit_batches(batches(X, labels, [99]))
    assert net.predict(X).shape == labels.shape


def test_validation_rows_stop_and_restore():
    X, y = table()
    X_val, y_val = table(200, seed=1)
    model = small(GDRegressor, lr=1e-3, tol=1e-3, max_iter=50, n_iter_no_change=3)
    whole = clone(model).fit(X, y, X_val=X_val, y_val=y_val)
    model.fit_batches(batches(X, y, [300]), X_val=X_val, y_val=y_val)
    assert model.stop_reason_ == whole.stop_reason_ == "early_stopping"
    assert model.best_epoch_ == whole.best_epoch_
    np.testing.assert_allclose(model.coef_, whole.coef_, 1e-9)


@pytest.mark.parametrize("lr", ["auto", 1e-4])
@pytest.mark.parametrize("cls", [GDRegressor, MLPGD])
def test_warm_starts_go_on(cls, lr):
    X, y = problem(cls)
    stream = batches(X, y, [300])
    model = small(cls, lr=lr, optimizer="adam", average=5, lr_schedule="constant")
    if cls is MLPGD and lr == "auto":
        pytest.skip("its rate falls to zero at max_iter")
    whole = clone(model).set_params(max_iter=4).fit_batches(stream)
    model.set_params(max_iter=2, warm_start=True)
    for _ in range(2):
        model = pickle.loads(pickle.dumps(model.fit_batches(stream)))
    assert weights_of(model).tobytes() == weights_of(whole).tobytes()


def test_a_stream_goes_on_where_fit_stopped():
    X, y = table()
    model = small(GDRegressor, lr=1e-4, optimizer="adam", warm_start=True)
    whole = clone(model).set_params(max_iter=6).fit(X, y)
    model.fit(X, y).fit_batches(batches(X, y, [100]))
    np.testing.assert_array_equal(model.coef_, whole.coef_)


def test_callbacks_see_the_epochs_and_the_first_rows():
    class Monitor:
        def __init__(self):
            self.seen = []

        def setup(self, estimator, context):
            pass

        def teardown(self, estimator, context):
            self.seen.append("teardown")

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context, *, X, fitted_estimator=None):
            self.seen.append((context.task_name, X.shape))
            return len(self.seen) == 2

    X, y = table()
    monitor = Monitor()
    model = small(GDRegressor, lr=1e-4, max_iter=9)
    scores = ScoringMonitor(scoring="r2")
    model.set_callbacks(monitor, scores).fit_batches(batches(X, y, [100]))
    assert monitor.seen == [("epoch", X.shape)] * 2 + [("fit", X.shape), "teardown"]
    assert model.stop_reason_ == "callback"


def test_divergence_names_the_rate():
    X, y = table()
    with pytest.warns(DivergenceWarning, match="stable below about lr=") as caught:
        small(GDRegressor, lr=10.0).fit_batches(batches(X, y, [100]))
    assert caught[0].filename == __file__


# ---- what a stream may be ------------------------------------------------------------


class Loader:
    """Batches by number, as the data sets of Keras and PyTorch give them."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index % len(self.items)]


@pytest.mark.parametrize(
    "wrap",
    [list, tuple, Loader, lambda items: lambda: iter(items)],
    ids=["list", "tuple", "loader", "function"],
)
def test_streams_that_can_be_read_again(wrap):
    X, y = table(300)
    items = batches(X, y, [100])
    model = small(GDRegressor, lr=1e-4).fit_batches(wrap(items))
    np.testing.assert_array_equal(
        model.coef_, small(GDRegressor, lr=1e-4).fit(X, y).coef_
    )


def test_iterators_are_refused_for_several_epochs():
    X, y = table(300)
    stream = batches(X, y, [100])
    with pytest.raises(ValueError, match=r"only once, and max_iter=3.*lambda"):
        small(GDRegressor, lr=1e-4).fit_batches(iter(stream))
    with pytest.raises(ValueError, match=r"only once, and a first pass.*float lr"):
        small(GDRegressor, max_iter=1).fit_batches(iter(stream))
    labelled = batches(X, y > 0, [100])
    with pytest.raises(ValueError, match=r"only once, and .*labels.*classes"):
        small(GDClassifier, max_iter=1, lr=0.1).fit_batches(iter(labelled))


@pytest.mark.parametrize("sizes", [[100], [20_000], [1, 4000]])
def test_one_epoch_of_an_iterator(sizes):
    X, y = problem(GDClassifier, 25_000)
    model = small(GDClassifier, lr=1e-4, max_iter=1, shuffle=False)
    whole = clone(model).fit(X, y)
    model.fit_batches(iter(batches(X, y, sizes)), classes=["a", "b", "c"])
    np.testing.assert_array_equal(model.coef_, whole.coef_)


def test_weights_of_an_iterator_are_used_as_given():
    X, y = table(300)
    weights = np.arange(300.0)
    model = small(GDRegressor, lr=1e-6, max_iter=1, shuffle=False)
    given = clone(model).partial_fit(X, y, sample_weight=weights)
    model.fit_batches(iter([(X, y, weights)]))
    np.testing.assert_array_equal(model.coef_, given.coef_)


def test_tables_with_the_target_in_them():
    pa = pytest.importorskip("pyarrow")
    X, y = table(300)
    names = ["a", "b", "c", "d"]
    frame = pd.DataFrame(X, columns=names).assign(kind=y)
    model = small(GDRegressor, lr=1e-4)
    whole = clone(model).fit(frame[names], y)
    arrow = pa.Table.from_pandas(frame)
    for stream in (
        lambda: (frame[i : i + 99] for i in range(0, 300, 99)),
        lambda: pl.from_pandas(frame).iter_slices(99),
        lambda: arrow.to_batches(max_chunksize=99),
        [arrow],
    ):
        fitted = clone(model).fit_batches(stream, target="kind")
        assert fitted.feature_names_in_.tolist() == names
        np.testing.assert_array_equal(fitted.coef_, whole.coef_)


def test_chunks_of_a_csv_file(tmp_path):
    X, y = problem(GDClassifier, 300)
    frame = pd.DataFrame(X).assign(kind=y)
    frame.to_csv(tmp_path / "table.csv", index=False)
    model = small(GDClassifier).fit_batches(
        lambda: pd.read_csv(tmp_path / "table.csv", chunksize=70), target="kind"
    )
    assert model.classes_.tolist() == ["a", "b", "c"]
    with pytest.raises(ValueError, match="TextFileReader can be read only once"):
        model.fit_batches(
            pd.read_csv(tmp_path / "table.csv", chunksize=70), target="kind"
        )


def test_empty_batches_are_skipped():
    X, y = table(300)
    nothing = (X[:0], y[:0])
    stream = [nothing, *batches(X, y, [100]), nothing]
    model = small(GDRegressor, lr=1e-4).fit_batches(stream)
    np.testing.assert_array_equal(
        model.coef_, small(GDRegressor, lr=1e-4).fit(X, y).coef_
    )


@pytest.mark.parametrize("stream", [[], [(np.empty((0, 2)), np.empty(0))], lambda: []])
def test_no_rows_at_all(stream):
    with pytest.raises(ValueError, match="no rows"):
        small(GDRegressor).fit_batches(stream)


@pytest.mark.parametrize("lr", ["auto", 1e-4])
def test_epochs_of_different_lengths(lr):
    X, y = table(300)
    items = batches(X, y, [100])
    exhausted = iter(items)
    model = small(GDRegressor, lr=lr)
    with pytest.raises(ValueError, match=r"yielded \d+ rows.*fresh iterator"):
        model.fit_batches(lambda: exhausted)
    lengths = iter([3, 3, 3, 2, 2, 2, 2])
    with pytest.raises(ValueError, match=r"yielded 200 rows.*300, as before"):
        model.fit_batches(lambda: items[: next(lengths)])


@pytest.mark.parametrize(
    ("stream", "error", "match"),
    [
        (3, TypeError, "batches must be an iterable"),
        (np.ones((5, 3)), ValueError, r"must yield \(X, y\).*use fit"),
        (pd.DataFrame(np.ones((5, 3))), ValueError, "target="),
        ([(np.ones((5, 3)), [1.0] * 4)], ValueError, "inconsistent numbers"),
        ([(np.full((2, 3), np.nan), [1.0, 2.0])], ValueError, "NaN"),
    ],
)
def test_streams_of_something_else(stream, error, match):
    with pytest.raises(error, match=match):
        small(GDRegressor).fit_batches(stream)


def test_target_without_tables():
    with pytest.raises(ValueError, match="names a column of tables"):
        small(GDRegressor).fit_batches([(np.ones((5, 3)), np.ones(5))], target="y")


@pytest.mark.parametrize("lr", ["auto", 1e-4])
@pytest.mark.parametrize(
    ("bad", "match"),
    [
        (lambda X, y: (X[:, :2], y), "features"),
        (lambda X, y: (X * np.nan, y), "NaN"),
        (lambda X, y: (X, np.full(len(y), "z")), "'z'.*classes="),
        (lambda X, y: (X, y, -np.ones(len(y))), "[Nn]egative"),
    ],
)
def test_a_bad_batch_leaves_the_estimator_as_it_was(bad, match, lr):
    X, y = problem(GDClassifier, 300)
    good = batches(X, y, [100])
    model = small(GDClassifier, lr=lr)
    before = vars(model).copy()
    stream = [*good, bad(X, y)]
    with pytest.raises(ValueError, match=match):
        model.fit_batches(stream, classes=["a", "b", "c"])
    assert vars(model) == before
    fitted = clone(model).fit(X, y)
    weights = fitted.coef_.copy()
    before = vars(fitted).copy()
    with pytest.raises(ValueError, match=match):
        fitted.set_params(warm_start=True).fit_batches(stream)
    assert vars(fitted) == before | {"warm_start": True}
    np.testing.assert_array_equal(fitted.coef_, weights)


def test_what_a_stream_cannot_do():
    X, y = table(100)
    stream = [(X, y)]
    with pytest.raises(ValueError, match=r"early_stopping.*X_val"):
        GDRegressor(early_stopping=True).fit_batches(stream)
    with pytest.raises(ValueError, match="saga"):
        GDRegressor(optimizer="saga").fit_batches(stream)
    with pytest.raises(ValueError, match="classes are for"):
        GDRegressor().fit_batches(stream, classes=[0, 1])
    with pytest.raises(ValueError, match="X_val and y_val together"):
        GDRegressor().fit_batches(stream, y_val=y)


# ---- shuffling -----------------------------------------------------------------------


def blocks_of(n, size):
    X = np.arange(n, dtype=float).reshape(-1, 1)
    rows = (GDRegressor()._weighted_rows(X, X, None, Identity, Identity),)
    return recut(rows, size)


class Identity:
    """A task and a loss that take anything."""

    @staticmethod
    def encode(y, where=""):
        return y

    @staticmethod
    def check_target(y):
        pass


@settings(max_examples=50, deadline=None)
@given(n=st.integers(1, 500), size=st.integers(1, 40), window=st.integers(1, 300))
def test_each_row_comes_once(n, size, window):
    rng = np.random.default_rng(0)
    seen = [r.X[r.order, 0] for r in shuffled(blocks_of(n, size), window, size, rng)]
    assert all(len(block) % size == 0 for block in seen[:-1])
    assert sorted(np.concatenate(seen)) == list(range(n))


def test_rows_move_by_about_the_window():
    rng = np.random.default_rng(0)
    parts = shuffled(blocks_of(100_000, 100), 10_000, 100, rng)
    seen = np.concatenate([r.X[r.order, 0] for r in parts])
    moved = np.abs(seen - np.arange(100_000))
    assert 2000 < moved.mean() < 10_000
    assert not (seen == np.arange(100_000)).mean() > 0.01


def test_epochs_differ_in_order():
    X, y = table(300)
    model = small(GDRegressor, lr=1e-4, solver="sgd", max_iter=1)
    stream = batches(X, y, [10])
    one = clone(model).fit_batches(stream, shuffle_rows=50)
    same = clone(model).fit_batches(stream, shuffle_rows=50)
    other = clone(model).set_params(random_state=1).fit_batches(stream, shuffle_rows=50)
    np.testing.assert_array_equal(one.coef_, same.coef_)
    assert (one.coef_ != other.coef_).any()


# ---- reading ahead -------------------------------------------------------------------


def readers():
    return threading.active_count()


def test_errors_of_the_source_come_through():
    X, y = table(300)

    def failing():
        yield X, y
        raise OSError("the disk is gone")

    before = readers()
    for n_ahead in (0, 2):
        with pytest.raises(OSError, match="the disk is gone"):
            small(GDRegressor).fit_batches(failing, n_ahead=n_ahead)
    assert readers() == before


@pytest.mark.parametrize("n_ahead", [0, 1, 5])
@pytest.mark.parametrize("stop", [0, 1, 3, 100])
def test_a_reader_ends_with_its_consumer(stop, n_ahead):
    closed = []

    def endless():
        try:
            yield from range(100)
        finally:
            closed.append(threading.current_thread())

    before = readers()
    items = read_ahead(endless(), n_ahead)
    taken = [item for _, item in zip(range(stop), items, strict=False)]
    items.close()
    assert taken == list(range(stop))
    assert readers() == before
    if stop or n_ahead == 0:
        gc.collect()
    assert len(closed) == (1 if stop else 0)


def test_reading_and_training_overlap():
    """The next item is being made while this one is in use."""
    made = []

    def items():
        for i in range(3):
            made.append(i)
            yield i

    ahead = read_ahead(items(), 1)
    next(ahead)
    deadline = time.monotonic() + 10
    while len(made) < 2 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert 1 in made
    ahead.close()


def test_sources_that_insist_on_their_thread(tmp_path):
    X, y = table(300)
    connection = sqlite3.connect(tmp_path / "rows.db")
    frame = pd.DataFrame(X, columns=list("abcd")).assign(y=y)
    frame.to_sql("rows", connection, index=False)

    def stream():
        return pd.read_sql("select * from rows", connection, chunksize=100)

    model = small(GDRegressor).fit_batches(stream, target="y", n_ahead=0)
    assert model.score(frame[list("abcd")], y) > 0.5
    with pytest.raises(Exception, match="thread"):
        model.fit_batches(stream, target="y")
    connection.close()


# ---- memory --------------------------------------------------------------------------


def peak_of(function):
    """Bytes that `function` allocates at most at a time."""
    function()  # compiled and imported
    gc.collect()
    tracemalloc.start()
    function()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("lr", ["auto", 1e-4])
def test_fit_does_not_copy_a_memory_map(tmp_path, lr, early_stopping, dtype):
    n, p = 20_000, 200
    rng = np.random.default_rng(0)
    np.save(tmp_path / "X.npy", rng.normal(size=(n, p)).astype(dtype))
    y = rng.normal(size=n)
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    for solver in ("batch", "minibatch"):
        model = small(GDRegressor, lr=lr, solver=solver, early_stopping=early_stopping)
        assert peak_of(lambda model=model: model.fit(X, y)) < 0.5 * X.nbytes


@pytest.mark.parametrize("lr", ["auto", 1e-4])
def test_a_stream_takes_little_memory(tmp_path, lr):
    n, p = 100_000, 200
    X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float64, (n, p))
    rng = np.random.default_rng(0)
    for start in range(0, n, 10_000):
        X[start : start + 10_000] = rng.normal(size=(10_000, p))
    y = rng.normal(size=n)
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    for solver in ("batch", "minibatch"):
        model = small(GDRegressor, lr=lr, solver=solver, shuffle=False, max_iter=2)
        peak = peak_of(lambda model=model: model.fit_batches(from_arrays(X, y)))
        assert peak < 0.5 * X.nbytes
