"""Test, then train: against a slow loop, for any scorer, chunk and estimator."""

import warnings
from itertools import pairwise

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.metrics import (
    accuracy_score,
    get_scorer,
    log_loss,
    make_scorer,
    mean_absolute_error,
    r2_score,
)
from sklearn.preprocessing import StandardScaler

from skgd import GDClassifier, GDRegressor
from skgd.data import from_arrays, progressive_score
from skgd.pipeline import make_streaming_pipeline

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def table(n=700, k=None):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 4))
    y = X @ [1.0, -2.0, 3.0, 0.5] + rng.normal(size=n)
    return (X, y) if k is None else (X, np.digitize(y, np.quantile(y, [0.3, 0.7])))


def by_hand(model, X, y, chunk, method, classes=None):
    """What is said of each row before it is learnt from, from the second chunk."""
    said, start = [], 0
    keywords = {} if classes is None else {"classes": classes}
    for start in range(0, len(y), chunk):
        part = slice(start, start + chunk)
        if start:
            said.append(getattr(model, method)(X[part]))
        model.partial_fit(X[part], y[part], **keywords)
    return np.concatenate(said)


@pytest.mark.parametrize("chunk", [1, 32, 300])
@pytest.mark.parametrize("model", [GDRegressor(lr=0.01), SGDRegressor(random_state=0)])
def test_scores_of_chunks_as_they_come(chunk, model):
    X, y = table()
    said = by_hand(clone(model), X, y, chunk, "predict")
    whole = progressive_score(
        clone(model), from_arrays(X, y), scoring=["r2", "neg_mean_absolute_error"],
        batch_size=chunk,
    )  # fmt: skip
    batches = from_arrays(X, y, batch_size=chunk)
    single = progressive_score(clone(model), batches)
    np.testing.assert_array_equal(single.score, whole.score["r2"])
    edges = np.append(chunk, whole.rows) - chunk
    rows = y[chunk:]
    assert whole.rows[-1] == len(y) and (np.diff(edges)[:-1] >= 100).all()
    for i, (a, b) in enumerate(pairwise(edges)):
        assert whole.score["r2"][i] == pytest.approx(r2_score(rows[a:b], said[a:b]))
    error = -mean_absolute_error(rows, said)
    assert whole.mean_score["neg_mean_absolute_error"] == pytest.approx(error)
    assert whole.running_score["neg_mean_absolute_error"][-1] == pytest.approx(error)


def test_single_rows_are_learnt_from_one_by_one():
    X, y = table(k=3)
    one = GDClassifier(lr=0.1)
    said = by_hand(clone(one), X, y, 1, "predict", classes=[0, 1, 2])
    for stream in (list(zip(X, y, strict=True)), from_arrays(X, y, batch_size=1)):
        result = progressive_score(clone(one), stream, classes=[0, 1, 2])
        assert result.mean_score == pytest.approx(accuracy_score(y[1:], said))
    result = progressive_score(
        clone(one), from_arrays(X, y), classes=[0, 1, 2], batch_size=1, report_rows=1
    )
    np.testing.assert_array_equal(result.score, said == y[1:])


@pytest.mark.parametrize(
    "scoring",
    ["accuracy", "neg_log_loss", "neg_brier_score", "f1_macro", "roc_auc_ovr"],
)
@pytest.mark.parametrize("chunk", [1, 32, 300])
def test_any_scorer(scoring, chunk):
    X, y = table(k=3)
    model = GDClassifier(lr=0.1)
    result = progressive_score(
        model, from_arrays(X, y), scoring=scoring, classes=[0, 1, 2], batch_size=chunk,
        report_rows=10**6,
    )  # fmt: skip
    method = "predict_proba"
    proba = by_hand(GDClassifier(lr=0.1), X, y, chunk, method, classes=[0, 1, 2])

    class Said(GDClassifier):
        def predict_proba(self, X):
            return proba

        def predict(self, X):
            return proba.argmax(axis=1)

    said = Said().fit(X, y)
    expected = get_scorer(scoring)(said, X[chunk:], y[chunk:])
    assert result.score.tolist() == [pytest.approx(expected)]
    assert result.rows.tolist() == [len(y)]


def test_rows_that_lack_a_class_have_a_log_loss():
    X, y = table(k=3)
    order = np.argsort(y, kind="stable")
    result = progressive_score(
        GDClassifier(lr=0.1), from_arrays(X[order], y[order], batch_size=100),
        scoring="neg_log_loss", classes=[0, 1, 2],
    )  # fmt: skip
    assert np.isfinite(result.score).all()


def test_rows_that_have_no_score_are_told_and_left_out():
    X, y = table(k=3)
    y = (y > 0).astype(int)
    order = np.concatenate([np.flatnonzero(y == 1)[:200], np.arange(len(y))])
    model = GDClassifier(lr=0.1)
    with pytest.warns(UndefinedMetricWarning):
        result = progressive_score(
            model, from_arrays(X[order], y[order], batch_size=100),
            scoring={"auc": "roc_auc", "right": "accuracy"}, classes=[0, 1],
        )  # fmt: skip
    bad = np.isnan(result.score["auc"])
    assert 0 < bad.sum() < bad.size
    sizes = np.diff([100, *result.rows])
    mean = np.average(result.score["auc"][~bad], weights=sizes[~bad])
    assert result.mean_score["auc"] == pytest.approx(mean)
    assert np.isfinite(result.score["right"]).all()


def test_a_window_scores_the_last_rows_together():
    X, y = table()
    model = GDRegressor(lr=0.01)
    result = progressive_score(
        clone(model), from_arrays(X, y), batch_size=32, window=150, scoring="r2"
    )
    said = by_hand(clone(model), X, y, 32, "predict")
    for rows, running in zip(result.rows, result.running_score, strict=True):
        last = slice(max(0, rows - 32 - 150), rows - 32)
        assert running == pytest.approx(r2_score(y[32:][last], said[last]))


@pytest.mark.parametrize("half_life", [10.0, 200.0])
@pytest.mark.parametrize("chunk", [1, 32])
def test_a_fading_mean_forgets(half_life, chunk):
    X, y = table(k=3)
    result = progressive_score(
        GDClassifier(lr=0.1), from_arrays(X, y), classes=[0, 1, 2], batch_size=chunk,
        half_life=half_life, report_rows=1,
    )  # fmt: skip
    # Row by row, with the score of its entry.
    sizes = np.diff([chunk, *result.rows])
    scores = np.repeat(result.score, sizes)
    for i, rows in enumerate(result.rows):
        seen = scores[: rows - chunk]
        weights = 0.5 ** (np.arange(len(seen))[::-1] / half_life)
        mean = np.average(seen, weights=weights)
        assert result.running_score[i] == pytest.approx(mean)
    plain = progressive_score(
        GDClassifier(lr=0.1), from_arrays(X, y), classes=[0, 1, 2], batch_size=chunk
    )
    assert result.mean_score == pytest.approx(plain.mean_score)


def test_several_estimators_side_by_side():
    X, y = table(k=3)
    models = {"gd": GDClassifier(lr=0.1), "sgd": SGDClassifier(random_state=0)}
    stream = from_arrays(X, y, np.arange(len(y)) % 3 + 1.0, batch_size=64)
    alone = {
        name: progressive_score(clone(one), stream, classes=[0, 1, 2])
        for name, one in models.items()
    }
    both = progressive_score(models, stream, classes=[0, 1, 2])
    listed = progressive_score(
        [clone(one) for one in models.values()], stream, classes=[0, 1, 2]
    )
    assert list(listed) == ["gdclassifier", "sgdclassifier"]
    for name, other in zip(both, listed, strict=True):
        np.testing.assert_array_equal(both[name].score, alone[name].score)
        np.testing.assert_array_equal(both[name].score, listed[other].score)
    # A stream that can be read once is read once.
    once = progressive_score(
        [clone(one) for one in models.values()], iter(list(stream)), classes=[0, 1, 2]
    )
    np.testing.assert_array_equal(once.gdclassifier.score, both.gd.score)


def test_weights_count_in_the_scores():
    X, y = table(k=3)
    weights = np.where(y == 0, 5.0, 1.0)
    model = GDClassifier(lr=0.1)
    stream = from_arrays(X, y, weights, batch_size=50)
    result = progressive_score(
        model, stream, classes=[0, 1, 2], scoring="neg_log_loss", report_rows=10**6
    )
    other, said = GDClassifier(lr=0.1), []
    for A, b, w in stream:
        if said or hasattr(other, "classes_"):
            said.append(other.predict_proba(A))
        other.partial_fit(A, b, sample_weight=w, classes=[0, 1, 2])
    loss = log_loss(y[50:], np.concatenate(said), sample_weight=weights[50:])
    assert -result.mean_score == pytest.approx(loss)


def test_scorers_of_any_making():
    X, y = table()

    def biased(estimator, X, y):
        return float(np.mean(estimator.predict(X) - y) + X.shape[0])

    stream = from_arrays(X, y, batch_size=60)
    result = progressive_score(GDRegressor(lr=0.01), stream, scoring=biased)
    assert (np.abs(result.score - 120) < 20)[:-1].all()
    median = make_scorer(lambda y, z: float(np.median(np.abs(y - z))))
    assert progressive_score(GDRegressor(), stream, scoring=median).mean_score > 0

    def looks_elsewhere(estimator, X, y):
        return float(estimator.predict(X[:2]).sum())

    with pytest.raises(TypeError, match=r"make_scorer"):
        progressive_score(GDRegressor(), stream, scoring=looks_elsewhere)


class OwnScore(SGDRegressor):
    def score(self, X, y, sample_weight=None):
        return -float(np.mean(np.abs(self.coef_).sum() + 0 * y))


def test_a_score_of_its_own_is_taken_batch_by_batch():
    X, y = table()
    model = OwnScore(random_state=0)
    result = progressive_score(
        model, from_arrays(X, y, batch_size=50), report_rows=1, window=100
    )
    other, scores = OwnScore(random_state=0), []
    for start in range(0, len(y), 50):
        part = slice(start, start + 50)
        if start:
            scores.append(other.score(X[part], y[part]))
        other.partial_fit(X[part], y[part])
    np.testing.assert_allclose(result.score, scores)
    np.testing.assert_allclose(
        result.running_score[1:], np.add(scores[1:], scores[:-1]) / 2
    )


@pytest.mark.parametrize("container", ["csr", "coo", "pandas", "polars", "list"])
def test_rows_of_any_container(container):
    X, y = table(k=3)
    model = make_streaming_pipeline(
        StandardScaler(with_mean=False), GDClassifier(lr=0.1)
    )
    plain = progressive_score(
        clone(model), from_arrays(X, y, batch_size=30), classes=[0, 1, 2]
    )
    if container in ("csr", "coo"):
        rows = getattr(sparse, f"{container}_array")(X)
    elif container == "list":
        rows = X.tolist()
    else:
        module = pytest.importorskip(container)
        rows = module.DataFrame({name: X[:, i] for i, name in enumerate("abcd")})
    result = progressive_score(
        clone(model), [(rows, y)], batch_size=30, classes=[0, 1, 2]
    )
    np.testing.assert_allclose(result.score, plain.score)


def test_one_batch_says_why_there_is_no_score():
    X, y = table()
    with pytest.warns(UndefinedMetricWarning, match=r"one batch, of 700.*batch_size"):
        result = progressive_score(GDRegressor(), [(X, y)])
    assert np.isnan(result.mean_score) and result.score.size == 0
    with pytest.warns(UndefinedMetricWarning, match=r"no rows"):
        progressive_score(GDRegressor(), [])
    with warnings.catch_warnings():
        warnings.simplefilter("error", UndefinedMetricWarning)
        model = GDRegressor().fit(X, y)
        assert progressive_score(model, [(X, y)]).mean_score > 0.5
        assert progressive_score(GDRegressor(), [(X, y)], batch_size=50).mean_score < 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_size": 0},
        {"report_rows": 0},
        {"report_rows": 1.5},
        {"window": -1},
        {"half_life": 0.0},
        {"half_life": "long"},
        {"window": 5, "half_life": 5.0},
        {"scoring": []},
        {"scoring": "no such score"},
    ],
    ids=str,
)
def test_wrong_arguments(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        progressive_score(GDRegressor(), [table()], **wrong)


def test_the_display():
    plt = pytest.importorskip("matplotlib.pyplot")
    from skgd.display import ProgressiveDisplay

    X, y = table(k=3)
    models = {"a": GDClassifier(lr=0.1), "b": GDClassifier()}
    scoring = ["accuracy", "neg_log_loss"]
    result = progressive_score(
        models, from_arrays(X, y), scoring=scoring, classes=[0, 1, 2], batch_size=10
    )
    display = ProgressiveDisplay.from_result(result, scoring="neg_log_loss")
    for line, points, one in zip(
        display.lines_, display.points_, result.values(), strict=True
    ):
        expected = one.running_score["neg_log_loss"]
        np.testing.assert_array_equal(line.get_ydata(), expected)
        np.testing.assert_array_equal(points.get_ydata(), one.score["neg_log_loss"])
        np.testing.assert_array_equal(line.get_xdata(), one.rows)
    assert display.ax_.get_ylabel() == "neg log loss"
    low, high = display.ax_.get_ylim()
    assert all(
        low < one.running_score["neg_log_loss"][-1] < high for one in result.values()
    )
    assert ProgressiveDisplay.from_result(result).scorer == "accuracy"
    alone = ProgressiveDisplay.from_result(result.a, name="model", points=False)
    assert alone.points_ == [] and alone.ax_.get_title() == "model"
    with pytest.raises(ValueError, match="scoring must be one of"):
        ProgressiveDisplay.from_result(result, scoring="r2")
    plt.close("all")
