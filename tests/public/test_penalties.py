"""Each penalty by itself: its value, its proximal step, what it says when misused."""

import numpy as np
import pytest
from sklearn.base import clone

import skgd.penalties
from skgd.penalties import (
    L1,
    L2,
    MCP,
    PENALTIES,
    SCAD,
    Box,
    ElasticNet,
    GroupLasso,
    Penalty,
    get_penalty,
    penalty_strengths,
)

GROUPS = [0, 1, 1, 0, 2, 1]
SEPARABLE = [
    L1(),
    L1(weights=[0.0, 1.0, 2.0, 3.0, 0.5, 1.0]),
    L2(),
    L2(weights=[0.0, 1.0, 2.0, 3.0, 0.5, 1.0]),
    ElasticNet(0.4),
    Box(),
    Box(-0.5, [0.1, 0.2, 0.3, 1.0, 2.0, np.inf]),
    MCP(),
    MCP(gamma=0.3, weights=[0.0, 1.0, 2.0, 3.0, 0.5, 1.0]),
    SCAD(),
    SCAD(a=2.1, weights=[0.0, 1.0, 2.0, 3.0, 0.5, 1.0]),
]
ALL = [*SEPARABLE, GroupLasso(GROUPS), GroupLasso(list("abbacb"), [0.0, 1.0, 2.0])]


def names(penalty):
    return repr(penalty).replace(" ", "").replace("\n", "")


def test_every_class_is_looked_at_here():
    public = [getattr(skgd.penalties, name) for name in skgd.penalties.__all__]
    classes = {one for one in public if isinstance(one, type)} - {Penalty}
    assert classes == {type(penalty) for penalty in ALL}
    assert set(PENALTIES.values()) <= classes


@pytest.mark.parametrize("penalty", SEPARABLE, ids=names)
@pytest.mark.parametrize("step", [1e-3, 0.2, 1.0, 4.0])
def test_step_is_the_minimum_over_a_grid(penalty, step):
    rng = np.random.default_rng(0)
    coef = rng.normal(size=(4, 6)) * [[0.3], [1], [3], [5]]
    moved = penalty.prox(coef, step, alpha=0.7)
    p = penalty.parameters(0.7, 6)
    for (i, j), w in np.ndenumerate(coef):

        def objective(u, w=w, p=p[j]):
            return 0.5 * (u - w) ** 2 / step + penalty.value_at(u, p)

        u = moved[i, j]
        reached = objective(u)
        near = np.linspace(u - 0.01, u + 0.01, 101)
        assert all(
            reached <= objective(v) + 1e-12
            for v in (0.0, w, *np.linspace(-10.0, 10.0, 301), *near)
        )


@pytest.mark.parametrize("scale", [0.0, 1.0, 6.0])
def test_group_step_is_the_minimum_with_unequal_steps(scale):
    rng = np.random.default_rng(1)
    penalty = GroupLasso(GROUPS, weights=[1.0, 2.0, 0.5])
    for _ in range(20):
        coef = rng.normal(size=(2, 6))
        steps = np.exp(scale * rng.normal(size=(2, 6)))

        moved = penalty.prox(coef, steps, 0.3)
        # Zero is a subgradient of the convex objective, for each group.
        for g, c in enumerate(0.3 * np.array([1.0, 2.0, 0.5])):
            inside = np.array(GROUPS) == g
            u, w, s = moved[:, inside], coef[:, inside], steps[:, inside]
            if not u.any():
                assert np.linalg.norm(w / s) <= c * (1 + 1e-12)
            else:
                slope = (u - w) / s + c * u / np.linalg.norm(u)
                np.testing.assert_allclose(slope, 0, atol=1e-9 * np.abs(w / s).max())


def test_group_step_of_length_zero_moves_nothing():
    moved = GroupLasso([0, 0, 0]).prox([3.0, 4.0, 1.0], [0.0, 0.0, 0.0], 10.0)
    np.testing.assert_array_equal(moved, [3.0, 4.0, 1.0])
    moved = GroupLasso([0, 0], [1]).prox([3.0, 4.0], [0.0, 1.0], 10.0)
    assert moved[0] == 3.0
    # (u - 4) + 10 u / ||u|| = 0
    assert moved[1] - 4 + 10 * moved[1] / np.hypot(*moved) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("penalty", ALL, ids=names)
def test_a_zero_step_changes_only_what_is_forbidden(penalty):
    coef = np.random.default_rng(0).normal(size=(3, 6))
    moved = penalty.prox(coef, 0.0)
    if penalty.indicator:
        assert penalty.value(moved) == 0.0
        coef[(moved != coef)] = moved[moved != coef]
    np.testing.assert_allclose(moved, coef, rtol=1e-14)


@pytest.mark.parametrize("penalty", ALL, ids=names)
def test_convex_as_declared(penalty):
    rng = np.random.default_rng(0)
    rises = []
    for _ in range(300):
        a, b = (penalty.prox(3 * rng.normal(size=6), 0.0) for _ in range(2))
        middle = penalty.value((a + b) / 2, 1.3)
        rises.append(
            middle - (penalty.value(a, 1.3) + penalty.value(b, 1.3)) / 2 <= 1e-9
        )
    assert all(rises) == penalty.convex


@pytest.mark.parametrize("penalty", ALL, ids=names)
def test_smooth_as_declared(penalty):
    if penalty.indicator:
        # Not even finite beyond its ends.
        assert not penalty.smooth
        return
    slopes = [
        (penalty.value(h * np.ones(6)) - penalty.value(np.zeros(6))) / h
        for h in (1e-7, -1e-7)
    ]
    assert (abs(slopes[0] - slopes[1]) < 1e-5) == penalty.smooth


@pytest.mark.parametrize("penalty", ALL, ids=names)
def test_outputs_and_shapes(penalty):
    coef = np.random.default_rng(0).normal(size=(2, 6))
    assert penalty.prox(coef, 0.1).shape == (2, 6)
    assert penalty.prox(coef[0], 0.1).shape == (6,)
    if penalty.separable:
        np.testing.assert_array_equal(
            penalty.prox(coef, 0.1), [penalty.prox(row, 0.1) for row in coef]
        )
        assert penalty.value(coef) == pytest.approx(sum(map(penalty.value, coef)))


@pytest.mark.parametrize("penalty", ALL, ids=names)
def test_clone_and_constraints(penalty):
    assert repr(clone(penalty)) == repr(penalty)
    penalty._validate_params()
    assert set(penalty._parameter_constraints) == set(penalty.get_params())


@pytest.mark.parametrize("penalty", ALL, ids=names)
def test_elastic_nets_are_what_they_declare(penalty):
    strengths = penalty.elastic_net(0.7)
    if strengths is None:
        return
    l1, l2 = strengths
    w = np.random.default_rng(0).normal(size=6)
    value = np.sum(l1 * np.abs(w) + 0.5 * l2 * w**2)
    assert penalty.value(w, 0.7) == pytest.approx(value)


def test_names():
    assert isinstance(get_penalty("l1"), L1)
    assert get_penalty("elasticnet", 0.3).l1_ratio == 0.3
    assert get_penalty(None) is None
    box = Box()
    assert get_penalty(box) is box
    assert penalty_strengths(box, 1.0) == (0.0, 0.0)
    assert penalty_strengths(ElasticNet(0.25), 2.0) == (0.5, 1.5)


@pytest.mark.parametrize(
    "penalty, message",
    [
        (L1([1.0]), "weights=...\\) has shape \\(1,\\); there are 6 features"),
        (L2([1.0, -1, 1, 1, 1, 1]), "at least 0"),
        (ElasticNet(0.5, [np.nan] * 6), "finite"),
        (MCP(weights=np.ones((6, 1))), "6 features"),
        (SCAD(weights=np.ones(7)), "6 features"),
        (Box([0, 1]), "low=...\\) has shape \\(2,\\)"),
        (Box(0, np.zeros((1, 6))), "high=...\\) has shape"),
        (Box(1, 0), "low <= high"),
        (Box(np.nan), "low <= high"),
        (Box(np.inf), "finite number"),
        (GroupLasso([0, 1]), "groups=...\\) has shape \\(2,\\)"),
        (GroupLasso(GROUPS, [1, 2]), "there are 3 groups"),
    ],
    ids=lambda value: names(value) if isinstance(value, Penalty) else "",
)
def test_what_does_not_fit_the_features(penalty, message):
    with pytest.raises(ValueError, match=message):
        penalty.check(6)
