"""What a call of a linear estimator means, and that it is looked up in one place."""

import numpy as np
import pytest

from skgd import GDRegressor
from skgd._input.rows import Rows
from skgd._input.targets import Regression
from skgd._linear.automatic import SEARCHING
from skgd._linear.plan import Asked, linear_plan
from skgd.losses import get_loss
from skgd.penalties import L1, L2, Box
from skgd.schedules import Constant


def data(n=100, d=3):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    return X, X @ [1.0, 0.1, 0.1] + rng.normal(size=n)


def plan_of(model, n=100, **others):
    X, y = data(n)
    task, loss = Regression(y), get_loss(model.loss, "regression")
    rows = Rows.of(X, y, task.encode(y, "fit"))
    return linear_plan(model, task, loss, rows, **others)


@pytest.mark.parametrize("solver", ["batch", "minibatch", "sgd"])
@pytest.mark.parametrize("net", [L1, L2])
def test_strengths_of_features_under_the_automatic_rate(net, solver):
    """The same as an elastic net of columns in other units, which has one strength."""
    X, y = data()
    c = np.array([1.0, 4.0, 0.25])
    unit = c if net is L1 else np.sqrt(c)
    given = GDRegressor(penalty=net(weights=c), alpha=0.05, solver=solver, tol=1e-9)
    plain = GDRegressor(penalty=net(), alpha=0.05, solver=solver, tol=1e-9)
    settings = {"max_iter": 3000, "n_iter_no_change": 50, "random_state": 0}
    given.set_params(**settings).fit(X, y)
    plain.set_params(**settings).fit(X / unit, y)
    np.testing.assert_allclose(given.coef_, plain.coef_ / unit, atol=1e-2)


def test_asked_has_what_the_parameters_say():
    y = data()[1]
    model = GDRegressor(penalty="elasticnet", alpha=2.0, l1_ratio=0.25)
    asked = Asked(model, Regression(y), get_loss("squared_error", "regression"), 3)
    assert (asked.l1, asked.l2) == (0.5, 1.5)
    assert asked.is_elastic_net and asked.step_is_free and asked.automatic
    assert type(asked.optimizer) in SEARCHING and type(asked.schedule) is Constant
    model.set_params(penalty=Box(0.0, 1.0))
    asked = Asked(model, Regression(y), get_loss("squared_error", "regression"), 3)
    assert not asked.is_elastic_net and (asked.l1, asked.l2) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("parameters", "rows"),
    [
        ({"solver": "batch", "lr": 0.1}, 100),
        ({"solver": "sgd", "lr": 0.1}, 1),
        ({"solver": "minibatch", "lr": 0.1}, 64),
        ({"solver": "minibatch", "lr": 0.1, "batch_size": 10}, 10),
        ({"solver": "minibatch"}, 100),
        ({"solver": "minibatch", "batch_size": 10}, 10),
    ],
)
def test_rows_for_each_update(parameters, rows):
    assert plan_of(GDRegressor(**parameters)).batch_size == rows
    if parameters["solver"] == "minibatch":
        streamed = plan_of(GDRegressor(**parameters), streaming=True)
        auto = 64 if "lr" in parameters else 1
        assert streamed.batch_size == parameters.get("batch_size", auto)
