"""A search over strengths on a stream: the models of the same folds in memory."""

import numpy as np
import pytest
from candidates import ALPHAS, CASES, SMOOTH, binary, diabetes, with_others_held_out
from scipy import sparse

from skgd import GDClassifierCV, GDRegressorCV
from skgd._selection.streams import fold_of
from skgd.data import from_arrays

STREAMED = [case for case in CASES + SMOOTH if "class_weight" not in case[2]]


def the_same_folds(n_rows, n_folds):
    fold = fold_of(np.arange(n_rows), n_folds)
    return [
        (np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(n_folds)
    ]


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize(("cls", "table", "asked"), STREAMED)
def test_a_stream_gives_the_models_of_its_folds_in_memory(cls, table, asked, form):
    X, y = table()
    kw = {"alphas": ALPHAS, "tol": 0.0, "max_iter": 20_000, **asked}
    weights = np.random.default_rng(0).uniform(0.5, 2.0, len(X))
    memory = cls(cv=the_same_folds(len(X), 3), **kw).fit(form(X), y, weights)
    parts = np.array_split(np.arange(len(X)), 7)
    batches = [(form(X)[part], y[part], weights[part]) for part in parts]
    stream = cls(cv=3, **kw).fit_batches(batches)
    np.testing.assert_allclose(stream.coefs_paths_, memory.coefs_paths_, atol=1e-7)
    np.testing.assert_allclose(stream.scores_, memory.scores_, rtol=1e-7, atol=1e-9)
    assert stream.alpha_ == memory.alpha_
    np.testing.assert_allclose(stream.coef_, memory.coef_, atol=1e-5)


@pytest.mark.parametrize(
    ("cls", "table"), [(GDClassifierCV, binary), (GDRegressorCV, diabetes)]
)
def test_a_fold_of_a_stream_never_sees_the_targets_held_out(cls, table):
    X, y = table()
    held_out = fold_of(np.arange(len(X)), 4) == 2
    other = with_others_held_out(y, held_out)
    before, after = (
        cls(alphas=ALPHAS, cv=4).fit_batches(from_arrays(X, t)) for t in (y, other)
    )
    np.testing.assert_array_equal(after.coefs_paths_[2], before.coefs_paths_[2])
    assert (after.coefs_paths_[0] != before.coefs_paths_[0]).any()


def test_a_long_stream_is_read_a_few_times():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60_000, 5))
    y = (X[:, 0] + rng.logistic(size=len(X)) > 0).astype(int)
    read = []

    def batches():
        read.append(1)
        yield from from_arrays(X, y, batch_size=10_000)

    model = GDClassifierCV(alphas=20).fit_batches(batches)
    # Labels, the first batches, the survey, the descent, the scores, and the last fit.
    assert len(read) < 30
    assert model.n_passes_ <= 10
    memory = GDClassifierCV(alphas=model.alphas_, cv=the_same_folds(len(X), 5))
    memory.fit(X, y)
    np.testing.assert_allclose(model.scores_, memory.scores_, rtol=1e-3)
    more = GDClassifierCV(alphas=80).fit_batches(batches)
    assert more.n_passes_ <= model.n_passes_ + 2


def test_folds_are_spread_over_a_stream():
    for n_folds in (2, 3, 4, 5, 8, 10):
        fold = fold_of(np.arange(10_000), n_folds)
        for step in (1, 2, 4, 5, 8, 16):
            counts = np.bincount(fold[::step], minlength=n_folds)
            expected = len(fold[::step]) / n_folds
            assert abs(counts - expected).max() <= 5 + 0.02 * expected


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        ({"cv": [(np.arange(5), np.arange(5))]}, "cv=.* needs all rows at once"),
        ({"cv": 1}, "cv"),
        ({"scoring": "accuracy"}, "scoring='accuracy' needs all rows"),
        ({"class_weight": "balanced"}, "Pass a dict"),
        ({"loss": "hinge"}, "loss='hinge' has kinks"),
    ],
)
def test_what_a_stream_cannot_do_is_named(asked, match):
    X, y = binary()
    with pytest.raises(ValueError, match=match):
        GDClassifierCV(**asked).fit_batches(from_arrays(X, y))


def test_a_stream_that_can_be_read_once_is_refused():
    X, y = binary()
    with pytest.raises(ValueError, match="read only once"):
        GDClassifierCV().fit_batches(iter([(X, y)]))


def test_weights_of_classes_as_a_dict():
    X, y = binary()
    kw = {"alphas": ALPHAS, "tol": 0.0, "class_weight": {0: 3.0, 1: 1.0}}
    memory = GDClassifierCV(cv=the_same_folds(len(X), 3), **kw).fit(X, y)
    stream = GDClassifierCV(cv=3, **kw).fit_batches(from_arrays(X, y))
    np.testing.assert_allclose(stream.coefs_paths_, memory.coefs_paths_, atol=1e-8)
    np.testing.assert_allclose(stream.scores_, memory.scores_, rtol=1e-8)


def test_a_fold_without_a_class_is_named():
    X, y = binary()
    y = y.copy()
    y[:] = 0
    y[fold_of(np.arange(len(y)), 5) == 3] = 1
    with pytest.raises(ValueError, match=r"Fold 3 .* class 1 is missing"):
        GDClassifierCV().fit_batches(from_arrays(X, y))
