"""Losses, rules, activations and schedules that users write, in estimators.

What they raise reaches the caller, what they read is of today, and what is wrong with
them is said before anything is trained. The checks by themselves: ``test_testing.py``.
"""

import math
import os
import subprocess
import sys
import textwrap

import numba
import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone

from skgd import MLPGD, GDClassifier, GDRegressor
from skgd.activations import Activation
from skgd.losses import Loss
from skgd.optimizers import Adam, Optimizer
from skgd.schedules import Schedule, Warmup

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = X @ [1.0, -2.0, 0.5] + 3.0


class Limited(Loss):
    smooth = True
    curvature = 1.0

    def __init__(self, limit=5.0):
        self.limit = limit

    def parameters(self):
        return (self.limit,)

    @staticmethod
    def value_and_derivative(y, z, p):
        if abs(z) > p[0]:
            raise RuntimeError("a score beyond the limit")
        return 0.5 * (z - y) ** 2, z - y


class UntilUpdate(Optimizer):
    state_names = ("buffer",)
    scalar_names = ("updates",)

    def __init__(self, last=5):
        self.last = last

    def parameters(self):
        return (self.last,)

    @staticmethod
    def update(theta, grad, state, lr, t, p, scalars, step_sizes):
        scalars[0] += 1.0
        for j in range(theta.size):
            state[0, j] += grad[j]
            theta[j] -= lr * grad[j]
            step_sizes[j] = lr
        if scalars[0] > p[0]:
            raise KeyError("no more updates")


class Narrow(Activation):
    def value(self, z):
        return np.tanh(z)

    @staticmethod
    def apply(z, slope, p):
        for i in range(z.size):
            if z[i] > 4.5:
                raise ArithmeticError("a wide unit")
            z[i] = math.tanh(z[i])
            slope[i] = 1.0 - z[i] * z[i]


SOLVERS = pytest.mark.parametrize(
    "solver",
    [
        {"solver": "batch"},
        {"solver": "sgd"},
        {"solver": "minibatch", "batch_size": 7},
        {"solver": "minibatch", "batch_size": 7, "average": True},
        {"solver": "sgd", "optimizer": "adam"},
        {"solver": "sgd", "optimizer": "saga"},
    ],
    ids=str,
)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@SOLVERS
def test_an_exception_of_a_loss_reaches_the_user(solver, dtype):
    model = GDRegressor(Limited(), lr=0.3, tol=None, max_iter=50, **solver)
    with pytest.raises(RuntimeError, match="beyond the limit") as caught:
        model.fit(X.astype(dtype), 10.0 * Y)
    assert "Limited.value_and_derivative" in caught.value.__notes__[0]


def test_an_exception_of_a_loss_reaches_the_user_of_lr_auto():
    with pytest.raises(RuntimeError, match="beyond the limit"):
        GDRegressor(Limited()).fit(X, 10.0 * Y)


def test_an_exception_of_a_loss_reaches_the_user_of_a_stream():
    from skgd.data import from_arrays

    model = GDRegressor(Limited(), lr=0.3, max_iter=5)
    with pytest.raises(RuntimeError, match="beyond the limit"):
        model.fit_batches(from_arrays(X, 10.0 * Y))
    model.partial_fit(X, Y / 10.0)
    before = model.coef_.copy()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="beyond the limit"):
            model.partial_fit(1e3 * X, Y)
    np.testing.assert_array_equal(model.coef_, before)
    model.partial_fit(X, Y / 10.0)


def test_an_exception_of_a_loss_reaches_the_user_of_csr_and_of_several_outputs():
    model = GDRegressor(Limited(), lr=0.3, max_iter=5)
    with pytest.raises(RuntimeError, match="beyond the limit"):
        model.fit(sparse.csr_matrix(X), 10.0 * Y)
    with pytest.raises(RuntimeError, match="beyond the limit"):
        model.fit(X, np.column_stack([10.0 * Y, Y]))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "solver", [{"solver": "batch"}, {"solver": "sgd"}, {"average": True}], ids=str
)
def test_an_exception_of_a_rule_reaches_the_user(solver, dtype):
    model = GDRegressor(optimizer=UntilUpdate(20), lr=0.01, tol=None, max_iter=50)
    model.set_params(**solver)
    with pytest.raises(KeyError, match="no more updates") as caught:
        model.fit(X.astype(dtype), Y)
    assert "UntilUpdate.update" in caught.value.__notes__[0]
    assert not hasattr(model, "coef_")


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_an_exception_of_an_activation_reaches_the_user(dtype):
    model = MLPGD(loss="squared_error", hidden_layer_sizes=(5,), activation=Narrow())
    model.set_params(standardize=False)
    with pytest.raises(ArithmeticError, match="a wide unit"):
        model.fit(100.0 * X.astype(dtype), Y)


def test_indices_are_checked_where_the_rehearsal_does_not_come():
    class Late(Optimizer):
        @staticmethod
        def update(theta, grad, state, lr, t, p, scalars, step_sizes):
            for j in range(theta.size):
                theta[j] -= lr * grad[j]
                step_sizes[j] = lr
                if t > 20:
                    theta[j + 1000] = 0.0

    model = GDRegressor(optimizer=Late(), lr=0.01, solver="sgd", max_iter=1, tol=None)
    with pytest.raises(
        IndexError, match=r"Late\.update reads or writes beyond the end"
    ):
        model.fit(X, Y)


def test_a_guarded_rule_makes_the_updates_of_ours():
    class Plain(Optimizer):
        @staticmethod
        def update(theta, grad, state, lr, t, p, scalars, step_sizes):
            if t < 0:
                raise ValueError("never")
            rate = theta.dtype.type(lr)
            for j in range(theta.size):
                theta[j] -= rate * grad[j]
                step_sizes[j] = rate

    settings = {"lr": 0.01, "max_iter": 3, "tol": None, "random_state": 0}
    for penalty in (None, "elasticnet"):
        ours = GDRegressor(penalty=penalty, **settings).fit(X, Y)
        theirs = GDRegressor(penalty=penalty, optimizer=Plain(), **settings).fit(X, Y)
        np.testing.assert_allclose(theirs.coef_, ours.coef_, rtol=1e-12)


def test_rules_are_told_apart_by_type():
    class GD(Optimizer):
        """The sign of the gradient alone."""

        @staticmethod
        def update(theta, grad, state, lr, t, p, scalars, step_sizes):
            for j in range(theta.size):
                theta[j] -= lr * np.sign(grad[j])
                step_sizes[j] = lr

    class SignDescent(GD):
        pass

    for solver in ("batch", "minibatch", "sgd"):
        settings = {"lr": 0.01, "solver": solver, "max_iter": 2, "tol": None}
        settings |= {"random_state": 0}
        theirs = GDRegressor(optimizer=GD(), **settings).fit(X, Y)
        same = GDRegressor(optimizer=SignDescent(), **settings).fit(X, Y)
        np.testing.assert_array_equal(theirs.coef_, same.coef_)
        ours = GDRegressor(optimizer="gd", **settings).fit(X, Y)
        assert not np.allclose(theirs.coef_, ours.coef_)


# ------------------------------------------------------------------ of today

FACTOR = 1.0


@numba.njit
def helper(residual):
    return 1.0 * residual


class WithConstant(Loss):
    @staticmethod
    def value_and_derivative(y, z, p):
        return 0.5 * FACTOR * (z - y) ** 2, FACTOR * (z - y)


class WithHelper(Loss):
    @staticmethod
    def value_and_derivative(y, z, p):
        slope = helper(z - y)
        return 0.5 * slope * (z - y), slope


def one_step(loss):
    model = GDRegressor(loss, lr=1e-3, solver="batch", max_iter=1, tol=None)
    return model.fit([[1.0], [3.0]], [1.0, 2.0]).coef_[0]


def test_a_constant_that_has_changed_is_seen(monkeypatch):
    first = one_step(WithConstant())
    monkeypatch.setitem(globals(), "FACTOR", 10.0)
    np.testing.assert_allclose(one_step(WithConstant()), 10.0 * first)


def test_a_helper_that_has_changed_is_seen(monkeypatch):
    first = one_step(WithHelper())
    monkeypatch.setitem(globals(), "helper", numba.njit(lambda r: 10.0 * r))
    np.testing.assert_allclose(one_step(WithHelper()), 10.0 * first)


def test_a_closure_that_has_changed_is_seen():
    def of(factor):
        class Scaled(Loss):
            @staticmethod
            def value_and_derivative(y, z, p):
                return 0.5 * factor * (z - y) ** 2, factor * (z - y)

            def again(self):
                nonlocal factor
                factor = 10.0

        return Scaled()

    loss = of(1.0)
    first = one_step(loss)
    loss.again()
    np.testing.assert_allclose(one_step(loss), 10.0 * first)
    np.testing.assert_allclose(one_step(of(2.0)), 2.0 * first)


def test_partial_fit_sees_a_constant_that_has_changed(monkeypatch):
    model = GDRegressor(WithConstant(), lr=0.1)
    other = clone(model)
    for one in (model, other):
        for _ in range(3):
            one.partial_fit([[1.0]], [1.0])
    monkeypatch.setitem(globals(), "FACTOR", 0.0)
    before = model.coef_.copy()
    model.partial_fit([[1.0]], [1.0])
    np.testing.assert_array_equal(model.coef_, before)


def test_nothing_of_a_user_is_kept_on_disk(tmp_path):
    (tmp_path / "own.py").write_text(
        textwrap.dedent("""
        import os
        from skgd.losses import Loss
        from own_helper import square
        FACTOR = float(os.environ["FACTOR"])
        class Own(Loss):
            @staticmethod
            def value_and_derivative(y, z, p):
                return 0.5 * FACTOR * square(z - y), FACTOR * (z - y)
        """)
    )
    (tmp_path / "own_helper.py").write_text(
        "import numba\n@numba.njit\ndef square(r):\n    return r * r\n"
    )
    code = """if True:
        from skgd import GDRegressor
        from own import Own
        model = GDRegressor(Own(), lr=1e-3, solver="batch", max_iter=1, tol=None)
        print(model.fit([[1.0], [3.0]], [1.0, 2.0]).coef_[0])
    """
    answers = []
    for factor in ("1", "10"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"FACTOR": factor},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        answers.append(float(done.stdout))
    np.testing.assert_allclose(answers[1], 10.0 * answers[0])
    assert not list(tmp_path.rglob("*.nbi"))


# ------------------------------------------------------------------ rehearsed


class WrongSlope(Loss):
    @staticmethod
    def value_and_derivative(y, z, p):
        return (z - y) ** 2, z - y


class NoState(Optimizer):
    @staticmethod
    def update(theta, grad, state, lr, t, p, scalars, step_sizes):
        for j in range(theta.size):
            state[1, j] = grad[j]
            theta[j] -= lr * state[1, j]
            step_sizes[j] = lr


class WrongActivation(Activation):
    def value(self, z):
        return z * z

    @staticmethod
    def apply(z, slope, p):
        for i in range(z.size):
            slope[i] = 1.0


class Negative(Schedule):
    def factor(self, clock):
        return 1.0 - np.asarray(clock.step)


@pytest.mark.parametrize(
    "estimator, message",
    [
        (GDRegressor(WrongSlope()), "WrongSlope.value_and_derivative: the derivative"),
        (MLPGD(loss=WrongSlope()), "WrongSlope.value_and_derivative: the derivative"),
        (GDRegressor(optimizer=NoState()), "NoState.update reads .* state_names"),
        (GDClassifier(optimizer=NoState()), "NoState.update reads .* state_names"),
        (MLPGD(optimizer=NoState()), "NoState.update reads .* state_names"),
        (MLPGD(activation=WrongActivation()), "WrongActivation.apply makes"),
        (
            MLPGD(hidden_layer_sizes=(3, 3), activation=["relu", WrongActivation()]),
            "WrongActivation",
        ),
        (GDRegressor(lr_schedule=Negative(), lr=0.1), "Negative.factor must return"),
        (GDRegressor(lr_schedule=Warmup(after=Negative())), "Negative.factor must"),
        (MLPGD(lr_schedule=Negative()), "Negative.factor must return"),
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["fit", "partial_fit", "fit_batches"])
def test_estimators_refuse_what_is_wrong(estimator, message, method):
    if isinstance(estimator, GDClassifier) or (
        isinstance(estimator, MLPGD) and estimator.loss == "log_loss"
    ):
        y, classes = (Y > 3.0).astype(int), {"classes": [0, 1]}
    else:
        y, classes = Y, {}
    model = clone(estimator)
    data = ([(X, y)],) if method == "fit_batches" else (X, y)
    others = {} if method == "fit" else classes
    with pytest.raises(ValueError, match=message):
        getattr(model, method)(*data, **others)
    assert not hasattr(model, "t_")


def test_a_class_is_rehearsed_once_and_again_when_it_changes(monkeypatch):
    from skgd.testing import rehearsal

    seen = []
    checks = dict.fromkeys(rehearsal.CHECKS, seen.append)
    monkeypatch.setattr(rehearsal, "CHECKS", checks)
    monkeypatch.setattr(rehearsal, "_passed", set())
    for part in (Limited(), Limited(), Limited(6.0), Limited(6.0)):
        rehearsal.rehearse(part)
    assert len(seen) == 2
    monkeypatch.setattr(Limited, "smooth", False)
    rehearsal.rehearse(Limited())
    assert len(seen) == 3


def test_our_own_classes_are_not_rehearsed(monkeypatch):
    from skgd.losses import Huber
    from skgd.testing import rehearsal

    monkeypatch.setattr(rehearsal, "CHECKS", {Loss: lambda part: 1 / 0})
    monkeypatch.setattr(rehearsal, "_passed", set())
    rehearsal.rehearse(Huber())
    with pytest.raises(ZeroDivisionError):
        rehearsal.rehearse(WithConstant())


def test_a_factor_that_turns_wrong_late_is_an_error():
    class Late(Schedule):
        def factor(self, clock):
            return np.where(np.asarray(clock.step) < 100, 1.0, -1.0)

    model = GDRegressor(lr=0.01, lr_schedule=Late(), solver="sgd", max_iter=5)
    with pytest.raises(ValueError, match=r"Late\.factor must .* -1\.0 at step 100"):
        model.fit(X, Y)


class NotCompiled(Loss):
    @staticmethod
    def value_and_derivative(y, z, p):
        size = math.dist([z], [y])
        return 0.5 * size * size, z - y


class Importing(Loss):
    @staticmethod
    def value_and_derivative(y, z, p):
        import math as module

        return 0.5 * module.pow(z - y, 2.0), z - y


class CompiledHelper(Loss):
    @staticmethod
    def value_and_derivative(y, z, p):
        return python_helper(z - y), z - y


def python_helper(residual):
    return sum([0.5 * residual * residual, *[]], start=float("0"))


@pytest.mark.parametrize(
    "loss", [NotCompiled(), CompiledHelper(), Importing()], ids=repr
)
def test_what_cannot_be_compiled_is_named(loss):
    name = type(loss).__name__
    model = GDRegressor(loss, lr=0.1, solver="batch", max_iter=1, tol=None)
    with pytest.raises(ValueError, match=f"{name}.value_and_derivative runs in Python"):
        model.fit(X, Y)


# ------------------------------------------------------------------ everywhere


class Gentle(Loss):
    """Half the squared error of both tasks, with a constant."""

    tasks = frozenset({"regression", "classification"})
    smooth = True
    curvature = 2.0

    def __init__(self, factor=1.5):
        self.factor = factor

    def parameters(self):
        return (self.factor,)

    @staticmethod
    def value_and_derivative(y, z, p):
        return 0.5 * p[0] * (z - y) ** 2, p[0] * (z - y)


class Remembering(Optimizer):
    state_names = ("buffer",)
    scalar_names = ("updates",)
    auto_lr = 0.003

    @staticmethod
    def update(theta, grad, state, lr, t, p, scalars, step_sizes):
        scalars[0] += 1.0
        rate = theta.dtype.type(lr)
        half = theta.dtype.type(0.5)
        for j in range(theta.size):
            state[0, j] = half * state[0, j] + grad[j]
            theta[j] -= rate * state[0, j]
            step_sizes[j] = rate + rate


class OwnAdam(Adam):
    """A rule of the package under constants of its own, without `beta_1`."""

    def __init__(self, memory=0.8):
        super().__init__(beta_1=memory)
        self.memory = memory


class Slower(Schedule):
    def factor(self, clock):
        return 1.0 / (1.0 + np.asarray(clock.epoch))


class Soft(Activation):
    def value(self, z):
        return z / (1 + np.abs(z))

    @staticmethod
    def apply(z, slope, p):
        one = z.dtype.type(1.0)
        for i in range(z.size):
            share = one / (one + abs(z[i]))
            slope[i] = share * share
            z[i] *= share


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("lr", ["auto", 0.001])
@pytest.mark.parametrize(
    "layout", ["dense", pytest.param("float32", marks=pytest.mark.slow), "csr"]
)
@pytest.mark.parametrize(
    "solver", [pytest.param("batch", marks=pytest.mark.slow), "sgd"]
)
@pytest.mark.parametrize(
    "cls", [GDRegressor, GDClassifier, pytest.param(MLPGD, marks=pytest.mark.slow)]
)
def test_user_classes_train_everywhere(cls, solver, layout, lr):
    data = {"dense": X, "float32": X.astype(np.float32), "csr": sparse.csr_array(X)}
    y = (Y > 3.0).astype(int) if cls is GDClassifier else Y
    model = cls(loss=Gentle(), optimizer=Remembering(), lr_schedule=Slower(), lr=lr)
    model.set_params(solver=solver, max_iter=2, tol=None, random_state=0)
    if cls is MLPGD:
        model.set_params(activation=Soft(), hidden_layer_sizes=(3,))
    model.fit(data[layout], y)
    assert np.isfinite(model.predict(data[layout])).all()
    for _ in range(3):
        model.partial_fit(data[layout][:20], y[:20])
    assert np.isfinite(model.predict(data[layout])).all()


def test_a_rule_of_ours_with_other_parameters_trains_a_network_on_a_stream():
    model = MLPGD(loss="squared_error", optimizer=OwnAdam(), hidden_layer_sizes=(3,))
    for _ in range(3):
        model.partial_fit(X, Y)
    assert np.isfinite(model.predict(X)).all()
