"""Candidates that begin between the answers of others end where they would alone."""

from types import SimpleNamespace

import numpy as np
import pytest
from candidates import SMOOTH, binary, with_others_held_out
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold

from skgd import GDClassifierCV
from skgd._selection import waves
from skgd._selection.panel import Panel

GRID = np.geomspace(1e-3, 1.0, 11)


def folds(X):
    return list(KFold(3, shuffle=True, random_state=0).split(X))


@pytest.fixture
def always(monkeypatch):
    """Waves for small tables, too."""
    monkeypatch.setattr(waves, "PRODUCTS", 0)


@pytest.mark.parametrize("n", [8, 9, 10, 11, 12, 20, 31])
def test_each_candidate_is_in_one_wave_and_the_ends_in_the_first(always, n):
    l2 = np.random.default_rng(n).permutation(np.geomspace(1e-4, 1.0, n))
    found = waves.waves(np.zeros(n), l2, 1)
    assert sorted(np.concatenate(found)) == list(range(n))
    assert {l2.argmin(), l2.argmax()} <= set(found[0])
    assert len(found) == 3 and max(map(len, found)) <= n // 2 + 1


@pytest.mark.parametrize(
    ("l1", "l2"),
    [
        (np.zeros(7), np.geomspace(1, 2, 7)),
        (np.full(20, 0.1), np.geomspace(1, 2, 20)),
        (np.zeros(20), np.linspace(0.0, 1.0, 20)),
    ],
)
def test_few_candidates_l1_and_no_penalty_at_all_go_together(always, l1, l2):
    (all_of_them,) = waves.waves(l1, l2, 1)
    np.testing.assert_array_equal(all_of_them, np.arange(len(l2)))


def test_small_tables_go_together():
    l2 = np.geomspace(1, 2, 20)
    assert len(waves.waves(np.zeros(20), l2, 1000)) == 1
    assert len(waves.waves(np.zeros(20), l2, 1_000_000)) == 3


def test_what_is_linear_in_the_logarithm_is_met():
    def answers(l2):
        slopes = np.arange(1.0, 7.0).reshape(2, 1, 3)
        return slopes * np.log(l2)[:, None] + slopes[:, :, ::-1]

    def panel(l2):
        return SimpleNamespace(l2=l2, answers_of_outputs=lambda: answers(l2))

    known = [panel(np.array([1.0, 1e-3])), panel(np.array([0.1, 0.1]))]
    wanted = np.array([0.5, 1e-3, 0.02, 0.1])
    start = waves.between(known, wanted)
    np.testing.assert_allclose(start, answers(wanted).reshape(8, 3))


@pytest.mark.parametrize(("cls", "table", "asked"), SMOOTH)
def test_a_model_is_the_one_of_a_fit_alone(always, cls, table, asked):
    X, y = table()
    cv = folds(X)
    kw = {"tol": 0.0, "max_iter": 20_000, **asked}
    together = cls(alphas=GRID, cv=cv, **kw).fit(X, y)
    for i in (0, 2, 5, 10):
        alone = cls(alphas=[together.alphas_[i]], cv=cv, **kw).fit(X, y)
        np.testing.assert_allclose(
            together.coefs_paths_[:, i], alone.coefs_paths_[:, 0], atol=1e-8
        )


@pytest.mark.parametrize(("cls", "table", "asked"), SMOOTH)
def test_a_fold_never_sees_the_targets_held_out(always, cls, table, asked):
    X, y = table()
    cv = folds(X)
    other = with_others_held_out(y, cv[1][1])
    before, after = (cls(alphas=GRID, cv=cv, **asked).fit(X, t) for t in (y, other))
    np.testing.assert_array_equal(after.coefs_paths_[1], before.coefs_paths_[1])
    assert (after.coefs_paths_[0] != before.coefs_paths_[0]).any()


def test_the_passes_of_all_waves_count(always):
    X, y = binary()
    with pytest.warns(ConvergenceWarning, match="max_iter=4 passes"):
        model = GDClassifierCV(alphas=GRID, max_iter=4).fit(X, y)
    assert model.n_passes_ == 4
    assert np.isfinite(model.coefs_paths_).all()


def test_half_of_the_work(monkeypatch):
    X, y = load_digits(return_X_y=True)
    work = []
    begin = Panel.begin

    def counted(self):
        begin(self)
        work.append(len(self._values))

    monkeypatch.setattr(Panel, "begin", counted)
    sums = []
    for products in (0, np.inf):
        monkeypatch.setattr(waves, "PRODUCTS", products)
        work.clear()
        model = GDClassifierCV(alphas=np.geomspace(1e-4, 1.0, 20), cv=3, tol=1e-5)
        sums.append((model.fit(X / 16.0, y).scores_, sum(work)))
    (there, few), (here, many) = sums
    np.testing.assert_allclose(there, here, rtol=1e-2)
    assert few < 0.6 * many
