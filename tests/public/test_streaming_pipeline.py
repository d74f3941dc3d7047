"""Pipelines on streams: the same as on tables, and which steps they take."""

import pickle

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import PCA, IncrementalPCA
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    Normalizer,
    PolynomialFeatures,
    StandardScaler,
)

from skgd import MLPGD, GDClassifier, GDRegressor
from skgd.data import from_arrays, progressive_score
from skgd.pipeline import StreamingPipeline, make_streaming_pipeline

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def table(n=1000):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 6)) @ rng.normal(size=(6, 6)) + rng.normal(size=6)
    return X, X @ rng.normal(size=6) + rng.normal(size=n)


def fast(cls=GDRegressor, **parameters):
    return cls(**({"lr": 0.01, "max_iter": 3, "tol": None} | parameters))


# ---- fit_batches ---------------------------------------------------------------------


@pytest.mark.parametrize("lr", ["auto", 0.01])
@pytest.mark.parametrize(
    "steps",
    [
        [StandardScaler()],
        [StandardScaler(), IncrementalPCA(n_components=3)],
        [IncrementalPCA(batch_size=64), Normalizer(), MaxAbsScaler()],
        [IncrementalPCA()],
        ["passthrough", FunctionTransformer(np.square), StandardScaler()],
        [],
    ],
    ids=str,
)
@pytest.mark.parametrize("n", [990, 1001])
def test_the_streamed_pipeline_is_that_of_one_table(steps, lr, n):
    X, y = table(n)
    model = make_streaming_pipeline(*map(clone_step, steps), fast(lr=lr, shuffle=False))
    whole = make_pipeline(*map(clone_step, steps), fast(lr=lr, shuffle=False)).fit(X, y)
    model.fit_batches(from_arrays(X, y, batch_size=77))
    np.testing.assert_allclose(model.predict(X), whole.predict(X), 1e-8)


def clone_step(step):
    return step if isinstance(step, str) else clone(step)


def test_sparse_features():
    X, y = table()
    X = sparse.csr_array(np.where(X > 0, X, 0))
    model = make_streaming_pipeline(MaxAbsScaler(), fast())
    whole = make_pipeline(MaxAbsScaler(), fast()).set_params(
        gdregressor__random_state=0
    )
    model.set_params(gdregressor__random_state=0)
    model.fit_batches(from_arrays(X, y, batch_size=77))
    np.testing.assert_allclose(model.predict(X), whole.fit(X, y).predict(X), 1e-9)


def test_names_and_frames_reach_the_steps():
    pd = pytest.importorskip("pandas")
    X, y = table()
    frame = pd.DataFrame(X, columns=list("abcdef")).assign(y=y)
    model = make_streaming_pipeline(StandardScaler(), fast())
    model.set_output(transform="pandas")
    stream = [frame[:400], frame[400:]]
    model.fit_batches(stream, target="y")
    assert model.feature_names_in_.tolist() == list("abcdef")
    assert model[-1].feature_names_in_.tolist() == list("abcdef")


def test_refitting_starts_afresh():
    X, y = table()
    model = make_streaming_pipeline(StandardScaler(), fast(random_state=0))
    once = clone(model).fit_batches([(X, y)])
    twice = clone(model).fit_batches([(X * 5, y)]).fit_batches([(X, y)])
    np.testing.assert_array_equal(once.predict(X), twice.predict(X))


def test_weights_validation_and_classes_reach_the_last_step():
    X, y = table()
    labels = y > 0
    weights = np.arange(len(y)) % 2
    model = make_streaming_pipeline(
        StandardScaler(), fast(GDClassifier, max_iter=50, tol=1e-3)
    )
    model.fit_batches(
        from_arrays(X, labels, weights, batch_size=100),
        classes=[False, True],
        X_val=X,
        y_val=labels,
    )
    assert len(model[-1].validation_scores_) == model[-1].n_iter_
    assert model[0].n_samples_seen_ == len(y)


def test_a_network_at_the_end():
    X, y = table()
    model = make_streaming_pipeline(
        StandardScaler(), fast(MLPGD, loss="squared_error", hidden_layer_sizes=(4,))
    )
    assert model.fit_batches(from_arrays(X, y)).predict(X).shape == y.shape


class Tasks:
    """Notes the tasks of an estimator and of those inside it."""

    max_propagation_depth = None

    def __init__(self):
        self.names = []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        self.names.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.names.append(context.task_name)

    def on_fit_task_end(self, estimator, context):
        return False


def test_callbacks_of_the_pipeline_hear_of_it():
    X, y = table()
    tasks = Tasks()
    model = make_streaming_pipeline(StandardScaler(), fast()).set_callbacks(tasks)
    model.fit_batches(from_arrays(X, y))
    assert tasks.names[0] == "fit" and tasks.names[-1] == "teardown"
    assert tasks.names.count("epoch") == 3


def test_streams_that_can_be_read_once():
    X, y = table()
    with pytest.raises(ValueError, match="only once, and step 'standardscaler'"):
        make_streaming_pipeline(StandardScaler(), fast()).fit_batches(iter([(X, y)]))
    model = make_streaming_pipeline(Normalizer(), fast(max_iter=1))
    model.fit_batches(iter([(X, y)]))
    with pytest.raises(ValueError, match="only once, and max_iter=3"):
        make_streaming_pipeline(Normalizer(), fast()).fit_batches(iter([(X, y)]))


def test_an_error_leaves_the_pipeline_as_it_was():
    X, y = table()
    model = make_streaming_pipeline(StandardScaler(), fast()).fit(X, y)
    before, steps = model.predict(X), model.steps
    with pytest.raises(ValueError, match="NaN"):
        model.fit_batches([(2 * X, y), (X, y * np.nan)])
    assert model.steps is steps
    np.testing.assert_array_equal(model.predict(X), before)


# ---- partial_fit ---------------------------------------------------------------------


def test_each_step_does_what_it_can():
    X, y = table()
    frozen = FrozenEstimator(StandardScaler().fit(X + 1))
    fitted = PCA(3).fit(X)
    model = make_streaming_pipeline(
        frozen, fitted, FunctionTransformer(np.tanh), StandardScaler(), fast()
    )
    mean = frozen.mean_.copy()
    expected = clone(model)
    Z = np.tanh(fitted.transform(frozen.transform(X)))
    scaler, last = StandardScaler(), fast()
    for part in np.array_split(np.arange(len(y)), 7):
        model.partial_fit(X[part], y[part])
        last.partial_fit(scaler.partial_fit(Z[part]).transform(Z[part]), y[part])
    np.testing.assert_array_equal(frozen.mean_, mean)
    np.testing.assert_array_equal(model[-1].coef_, last.coef_)
    assert isinstance(expected, StreamingPipeline)


@pytest.mark.parametrize("method", ["partial_fit", "fit_batches"])
def test_other_steps_are_refused_by_name(method):
    X, y = table()
    model = StreamingPipeline([("more", PolynomialFeatures()), ("end", fast())])
    arguments = (X, y) if method == "partial_fit" else ([(X, y)],)
    with pytest.raises(TypeError, match=r"'more' \(PolynomialFeatures\).*partial_fit"):
        getattr(model, method)(*arguments)


def test_a_refused_chunk_leaves_every_step_as_it_was():
    X, y = table()
    model = make_streaming_pipeline(StandardScaler(), fast()).partial_fit(X, y)
    before = pickle.dumps(model)
    with pytest.raises(ValueError, match="NaN"):
        model.partial_fit(X, y * np.nan)
    assert pickle.dumps(pickle.loads(before)) == pickle.dumps(
        pickle.loads(pickle.dumps(model))
    )
    assert model[0].n_samples_seen_ == len(y)


def test_an_empty_batch_changes_nothing():
    X, y = table()
    model = make_streaming_pipeline(StandardScaler(), fast()).partial_fit(X, y)
    before = model.predict(X)
    model.partial_fit(X[:0], y[:0])
    np.testing.assert_array_equal(model.predict(X), before)


def test_methods_follow_the_last_step():
    assert hasattr(make_streaming_pipeline(SGDClassifier()), "partial_fit")
    assert not hasattr(make_streaming_pipeline(SGDClassifier()), "fit_batches")
    assert not hasattr(make_streaming_pipeline(StandardScaler(), PCA()), "partial_fit")


def test_pipelines_in_pipelines():
    X, y = table()
    inner = make_streaming_pipeline(StandardScaler(), IncrementalPCA(2))
    model = make_streaming_pipeline(inner, fast()).partial_fit(X, y)
    assert model[-1].n_features_in_ == 2


# ---- text ----------------------------------------------------------------------------

GROUPS = {
    "sci.space": "orbit launch nasa shuttle moon rocket satellite mission",
    "rec.autos": "car engine wheel dealer brakes speed honda road",
    "talk.politics": "government law vote president rights congress tax policy",
}
COMMON = "the a of to and in is it that for you on with as this have from but not"


def posts(n, seed=0):
    """Texts of random words, some of them typical of the group."""
    rng = np.random.default_rng(seed)
    for _ in range(n):
        size = 20
        group = rng.choice(list(GROUPS), size=size)
        yield (
            [
                " ".join(
                    rng.permutation(
                        [
                            *rng.choice(COMMON.split(), 30),
                            *rng.choice(GROUPS[name].split(), 4),
                        ]
                    )
                )
                for name in group
            ],
            group,
        )


def test_a_stream_of_text():
    model = make_streaming_pipeline(
        HashingVectorizer(n_features=2**14), GDClassifier(lr=2.0, batch_size=1)
    )
    result = progressive_score(model, posts(40), classes=sorted(GROUPS), report_rows=1)
    assert result.score[-10:].mean() > 0.95
    assert result.running_score[-1] == pytest.approx(result.mean_score)
    assert model[-1].classes_.tolist() == sorted(GROUPS)
    before = model[-1].coef_.copy()
    with pytest.raises(ValueError, match=r"'sci\.med'.*classes="):
        model.partial_fit(["doctor medicine"], ["sci.med"])
    np.testing.assert_array_equal(model[-1].coef_, before)


def test_epochs_over_text():
    model = make_streaming_pipeline(
        HashingVectorizer(n_features=2**12), GDClassifier(max_iter=5, random_state=0)
    )
    model.fit_batches(lambda: posts(20))
    texts, groups = next(posts(1, seed=1))
    assert np.mean(model.predict(texts) == groups) > 0.9
