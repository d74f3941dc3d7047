"""When training stops, which weights it leaves behind and what it says about it."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.datasets import (
    load_diabetes,
    make_classification,
    make_friedman1,
    make_regression,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV

from skgd import MLPGD, DivergenceWarning, GDClassifier, GDRegressor
from skgd.losses import LogLoss, SquaredError
from skgd.optimizers import Momentum
from skgd.schedules import Plateau

SOLVERS = ("batch", "minibatch", "sgd")
quiet = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def regression(n=120):
    X, y = make_regression(n, 6, noise=30.0, random_state=0)
    return X, y / 50


def classes(n=150, n_classes=3):
    return make_classification(
        n, 6, n_informative=4, n_classes=n_classes, flip_y=0.3, random_state=0
    )


def problem(model):
    return regression() if isinstance(model, GDRegressor) else classes()


# ---- tol -----------------------------------------------------------------------------


def epochs_by_hand(curve, margin, patience):
    """Epochs until the value to beat has stood for `patience` of them."""
    to_beat, waited = np.inf, 0
    for n, value in enumerate(curve, start=1):
        if value < to_beat - margin:
            to_beat, waited = value, 0
        else:
            waited += 1
        if waited >= patience:
            return n
    return None


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("patience", [1, 3, 8])
@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
def test_tol(cls, patience, solver):
    model = cls(
        solver=solver,
        lr=0.02,
        tol=1e-3,
        n_iter_no_change=patience,
        max_iter=500,
        random_state=0,
    )
    X, y = problem(model)
    model.fit(X, y)
    assert model.stop_reason_ == "tol"
    # At zero, where it starts, the objective is that of the best that knows nothing.
    start = np.mean(y**2) / 2 if cls is GDRegressor else np.log(3)
    everything = clone(model).set_params(tol=None, max_iter=model.n_iter_ + 5)
    curve = everything.fit(X, y).loss_curve_
    assert model.n_iter_ == epochs_by_hand(curve, 1e-3 * start, patience)
    assert model.loss_curve_ == curve[: model.n_iter_]


def test_no_tol_runs_all_epochs():
    X, y = regression()
    model = GDRegressor(solver="batch", lr=1e-9, tol=None, max_iter=30)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, y)
    assert model.n_iter_ == 30
    assert model.stop_reason_ == "max_iter"


@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
@pytest.mark.parametrize("lr", ["auto", 0.01])
def test_too_few_epochs_warn(cls, lr):
    # A parabola is at its minimum after two passes of the search.
    loss = {"loss": "huber"} if cls is GDRegressor else {}
    model = cls(max_iter=2, lr=lr, **loss)
    X, y = problem(model)
    match = "max_iter=2.*[Rr]aise max_iter"
    with pytest.warns(ConvergenceWarning, match=match) as caught:
        model.fit(X, y)
    assert caught[0].filename == __file__
    assert model.stop_reason_ == "max_iter"


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_units_of_y_do_not_matter_to_tol(solver):
    X, y = regression()
    model = GDRegressor(solver=solver, lr=0.01, random_state=0)
    one = clone(model).fit(X, y)
    large = clone(model).fit(X, 1024.0 * y)
    assert one.n_iter_ == large.n_iter_
    assert (1024.0 * one.coef_ == large.coef_).all()


# ---- history -------------------------------------------------------------------------


@quiet
@pytest.mark.parametrize("solver, per_epoch", [("batch", 1), ("sgd", 150)])
def test_history(solver, per_epoch):
    X, y = classes()
    model = GDClassifier(solver=solver, lr=0.01, max_iter=4, tol=None).fit(X, y)
    history = model.history_
    assert list(history) == ["epoch", "step", "loss", "lr", "seconds"]
    assert history["epoch"].tolist() == [1, 2, 3, 4]
    assert history["step"].tolist() == [per_epoch * k for k in (1, 2, 3, 4)]
    assert history["lr"].tolist() == [0.01] * 4
    assert (np.diff(history["seconds"]) >= 0).all()
    assert model.loss_curve_ == history["loss"].tolist()
    assert model.best_loss_ == min(model.loss_curve_)
    assert model.best_epoch_ == 1 + np.argmin(model.loss_curve_)
    assert (model.n_iter_, model.t_, model.lr_) == (4, 4 * per_epoch, 0.01)
    assert model.validation_scores_ is None
    assert model.best_validation_score_ is None
    model.partial_fit(X, y)
    assert model.t_ == 5 * per_epoch
    assert model.history_["epoch"].tolist() == [5]


@quiet
def test_history_of_validation():
    X, y = classes()
    model = GDClassifier(max_iter=3, tol=None, early_stopping=True, scoring="accuracy")
    history = model.fit(X, y).history_
    assert {len(column) for column in history.values()} == {3}
    assert model.validation_scores_ == history["validation_score"].tolist()
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert model.best_epoch_ == 1 + np.argmax(model.validation_scores_)


@quiet
def test_plateau_looks_at_the_objective():
    X, y = regression()
    schedule = Plateau(gamma=0.5, patience=0, threshold=0.05)
    model = GDRegressor(
        solver="batch", lr=0.1, lr_schedule=schedule, max_iter=40, tol=None
    ).fit(X, y)
    factors = model.history_["lr"] / 0.1
    assert_allclose(factors, schedule.preview(40, losses=model.loss_curve_))
    assert factors[0] == 1 and factors[-1] < 0.3


# ---- validation ----------------------------------------------------------------------


def rise_and_fall(cls):
    """A rule that overshoots, so that the best epoch is neither first nor last."""
    return cls(
        solver="batch",
        optimizer=Momentum(0.97),
        lr=0.1,
        max_iter=60,
        tol=0.0,
        n_iter_no_change=6,
    )


@quiet
@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
@pytest.mark.parametrize("average", [False, 3])
def test_the_best_weights_come_back(cls, average):
    """Equal to the bit to training on the same rows for `best_epoch_` epochs."""
    model = rise_and_fall(cls).set_params(average=average)
    X, y = problem(model)
    train, held_out = np.arange(len(y)) % 4 > 0, np.arange(len(y)) % 4 == 0
    model.fit(X[train], y[train], X_val=X[held_out], y_val=y[held_out])
    assert model.stop_reason_ == "early_stopping"
    assert 1 < model.best_epoch_ < model.n_iter_
    plain = rise_and_fall(cls).set_params(
        max_iter=model.best_epoch_, tol=None, average=average
    )
    plain.fit(X[train], y[train])
    assert model.coef_.tobytes() == plain.coef_.tobytes()
    assert model.intercept_.tobytes() == plain.intercept_.tobytes()
    # And not those of the end.
    plain.set_params(max_iter=model.n_iter_).fit(X[train], y[train])
    assert (model.coef_ != plain.coef_).any()
    # What is reported is what they score.
    curve = model.history_["validation_loss"]
    assert np.argmin(curve) + 1 == model.best_epoch_
    assert_allclose(-np.array(model.validation_scores_), curve)
    assert_allclose(model.best_validation_score_, -curve.min())
    if cls is GDRegressor:
        loss = SquaredError().value(y[held_out], model.predict(X[held_out])).mean()
    else:
        rows = np.arange(held_out.sum())
        proba = model.predict_log_proba(X[held_out])
        loss = -proba[rows, y[held_out]].mean()
    assert_allclose(curve.min(), loss)


@quiet
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
def test_held_out_rows_are_not_trained_on(cls, solver):
    """Spoiling them alters the scores, not the path."""
    model = cls(
        solver=solver,
        lr=0.01,
        max_iter=5,
        tol=None,
        early_stopping=True,
        validation_fraction=0.25,
        random_state=0,
        shuffle=False,
    )
    X, y = problem(model)
    model.fit(X, y)
    # Rows that make no difference to the loss curve are those held out.
    silent = []
    for i in range(len(y)):
        spoilt = X.copy()
        spoilt[i] += 1.0
        if clone(model).fit(spoilt, y).loss_curve_ == model.loss_curve_:
            silent.append(i)
    assert len(silent) == np.ceil(0.25 * len(y))
    kept = np.setdiff1d(np.arange(len(y)), silent)
    plain = clone(model).set_params(early_stopping=False)
    plain.fit(X[kept], y[kept])
    assert plain.loss_curve_ == model.loss_curve_
    by_hand = clone(plain).fit(X[kept], y[kept], X_val=X[silent], y_val=y[silent])
    assert by_hand.coef_.tobytes() == model.coef_.tobytes()
    assert by_hand.validation_scores_ == model.validation_scores_
    if cls is GDClassifier:
        shares = np.bincount(y[silent]) / len(silent)
        assert_allclose(shares, np.bincount(y) / len(y), atol=1.5 / len(silent))


@quiet
@pytest.mark.parametrize(
    "scoring, score",
    [
        ("r2", r2_score),
        (lambda model, X, y, sample_weight=None: -model.coef_[0], None),
    ],
    ids=["name", "function"],
)
def test_scoring(scoring, score):
    X, y = regression()
    train, held_out = slice(0, 80), slice(80, None)
    weights = np.linspace(0, 1, 40)
    model = GDRegressor(scoring=scoring, lr=0.01, max_iter=4, tol=None, shuffle=False)
    model.fit(
        X[train],
        y[train],
        X_val=X[held_out],
        y_val=y[held_out],
        sample_weight_val=weights,
    )
    expected = []
    for n in range(1, 5):
        plain = clone(model).set_params(max_iter=n).fit(X[train], y[train])
        if score is None:
            expected.append(scoring(plain, X, y))
        else:
            predicted = plain.predict(X[held_out])
            expected.append(score(y[held_out], predicted, sample_weight=weights))
    assert_allclose(model.validation_scores_, expected)
    assert model.best_epoch_ == 1 + np.argmax(expected)


@quiet
def test_scoring_of_labels():
    X, y = classes()
    labels = np.array(["u", "v", "w"])[y]
    model = GDClassifier(scoring="accuracy", max_iter=3, tol=None, random_state=0)
    model.fit(X[:100], labels[:100], X_val=X[100:], y_val=labels[100:])
    score = accuracy_score(labels[100:], model.predict(X[100:]))
    assert_allclose(model.best_validation_score_, score)


@quiet
def test_validation_weights():
    """A weight of 2 counts as two rows, of 0 as none."""
    X, y = classes()
    weights = np.arange(50) % 3
    rows = 100 + np.repeat(np.arange(50), weights)
    model = GDClassifier(lr=0.05, max_iter=5, tol=None, shuffle=False)
    one = clone(model).fit(
        X[:100], y[:100], X_val=X[100:], y_val=y[100:], sample_weight_val=weights
    )
    other = clone(model).fit(X[:100], y[:100], X_val=X[rows], y_val=y[rows])
    assert_allclose(one.validation_scores_, other.validation_scores_, rtol=1e-12)


# ---- warm start ----------------------------------------------------------------------


@quiet
def test_without_warm_start_every_fit_is_the_first():
    X, y = regression()
    model = GDRegressor(optimizer="adam", lr=0.1, max_iter=3, tol=None, random_state=1)
    first = model.fit(X, y).coef_
    assert (model.fit(X, y).coef_ == first).all()
    model.fit(X[:, :3], y)
    assert model.n_features_in_ == 3


@quiet
@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
def test_a_warm_start_may_change_the_rest(cls):
    """Rate, penalty, averaging and rule, from the weights reached."""
    model = cls(lr=0.01, max_iter=2, tol=None, warm_start=True, random_state=0)
    X, y = problem(model)
    coef = model.fit(X, y).coef_
    model.set_params(lr=1e-300, penalty="l1", average=True).fit(X, y)
    assert_allclose(model.coef_, coef, rtol=1e-12)
    for optimizer in ("momentum", "nesterov", "adagrad", "adam", "nadam", "adamw"):
        model.set_params(optimizer=optimizer, average=False, lr=1e-300).fit(X, y)
        assert_allclose(model.coef_, coef, rtol=1e-12)


@quiet
def test_a_warm_start_with_another_rule_starts_its_memory_afresh():
    X, y = regression()
    model = GDRegressor(
        optimizer="adagrad", lr=0.1, max_iter=3, tol=None, shuffle=False
    )
    model.set_params(warm_start=True).fit(X, y)
    fresh = clone(model).set_params(optimizer="momentum", lr=0.01, max_iter=1)
    fresh.fit(X, y, coef_init=model.coef_, intercept_init=model.intercept_)
    model.set_params(optimizer="momentum", lr=0.01, max_iter=1).fit(X, y)
    assert_allclose(model.coef_, fresh.coef_, rtol=1e-12)


@quiet
def test_a_warm_start_with_new_weights():
    X, y = regression()
    model = GDRegressor(max_iter=2, lr=0.01, tol=None, warm_start=True, shuffle=False)
    model.fit(X, y)
    again = clone(model).fit(X, y, coef_init=np.ones(6))
    model.fit(X, y, coef_init=np.ones(6), intercept_init=0.0)
    assert_allclose(model.coef_, again.coef_, rtol=1e-12)


@quiet
def test_a_warm_start_refuses_other_classes():
    X, y = classes()
    model = GDClassifier(max_iter=2, warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match=r"\[3\]"):
        model.fit(X, y + 1)


# ---- divergence ----------------------------------------------------------------------


@pytest.mark.parametrize("solver", SOLVERS)
def test_raw_features_times_a_thousand(solver):
    """Where `SGDRegressor` returns an R² of -1e20 without a word."""
    X, y = load_diabetes(return_X_y=True, scaled=False)
    X = X * 1000
    model = GDRegressor(solver=solver, lr=0.01, random_state=0)
    with pytest.warns(DivergenceWarning) as caught:
        model.fit(X, y)
    warning = caught[0]
    assert issubclass(warning.category, ConvergenceWarning)
    assert warning.filename == __file__
    message = str(warning.message)
    assert "epoch 1 with lr=0.01" in message or "epoch 2 with lr=0.01" in message
    assert "lr='auto'" in message and "StandardScaler" in message
    assert model.stop_reason_ == "diverged"
    assert np.isfinite(model.score(X, y))
    assert np.isfinite(model.coef_).all()
    # The rate it names is one that works.
    stable = float(message.split("stable below about lr=")[1].split(". ")[0])
    assert 0 < stable < 0.01
    model.set_params(lr=0.9 * stable, max_iter=20, tol=None).fit(X, y)
    assert model.stop_reason_ == "max_iter"
    rows = len(y) if solver == "batch" else 64 if solver == "minibatch" else 1
    if rows == len(y):
        Z = np.column_stack([X, np.ones(len(y))])
        largest = np.linalg.eigvalsh(Z.T @ Z / len(y))[-1]
        assert 0.9 * 2 / largest < stable <= 1.01 * 2 / largest


@pytest.mark.parametrize("scale", [1, 1000])
@pytest.mark.parametrize("solver", SOLVERS)
def test_raw_features_with_an_automatic_rate(solver, scale):
    X, y = load_diabetes(return_X_y=True, scaled=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DivergenceWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = GDRegressor(solver=solver, random_state=0).fit(scale * X, y)
    assert model.stop_reason_ != "diverged"
    assert model.score(scale * X, y) > 0.45


@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("lr", [1e3, 1e100, 1e300])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_divergence_leaves_numbers(cls, solver, lr, dtype):
    model = cls(
        "squared_error", solver=solver, lr=lr, max_iter=50, tol=None, random_state=0
    )
    X, y = problem(model)
    X = X.astype(dtype)
    with pytest.warns(DivergenceWarning):
        model.fit(X, y)
    assert model.stop_reason_ == "diverged"
    assert np.isfinite(model.coef_).all()
    assert np.isfinite(model.score(X, y))
    assert np.isfinite(list(model.loss_curve_)).all()


def test_divergence_keeps_the_best_weights():
    """Of the epoch before the objective began to grow, as a plain run leaves them."""
    X, y = regression()
    schedule = lambda step, epoch: 1.0 if step < 5 else 1e4  # noqa: E731
    model = GDRegressor(
        solver="batch", lr=0.1, lr_schedule=schedule, tol=None, max_iter=100
    )
    with pytest.warns(DivergenceWarning):
        model.fit(X, y)
    plain = clone(model).set_params(max_iter=5).fit(X, y)
    assert (model.coef_ == plain.coef_).all()


def test_a_search_over_rates_survives():
    X, y = regression()
    search = GridSearchCV(
        GDRegressor(solver="batch", max_iter=50, tol=None),
        {"lr": [0.1, 1e3, 1e300]},
        cv=3,
    )
    with pytest.warns(DivergenceWarning):
        search.fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_params_ == {"lr": 0.1}


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_stream_that_diverges_goes_on(solver):
    """A chunk that blows up is taken back, with a warning, and the next one counts."""
    X, y = regression()
    model = GDRegressor(solver=solver, optimizer="momentum", lr=0.001)
    before = model.partial_fit(X, y).coef_.copy()
    with pytest.warns(DivergenceWarning):
        model.partial_fit(1e200 * X, y)
    assert model.stop_reason_ == "diverged"
    assert (model.coef_ == before).all()
    model.partial_fit(X, y)
    assert np.isfinite(model.coef_).all()
    assert (model.coef_ != before).any()


# ---- no epoch, no end ----------------------------------------------------------------


@pytest.mark.parametrize("lr", ["auto", 0.01])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize(
    "model",
    [GDRegressor(), GDClassifier(), MLPGD(hidden_layer_sizes=(3,))],
    ids=lambda model: type(model).__name__,
)
def test_no_epoch_keeps_the_start(model, early_stopping, solver, lr):
    X, y = problem(model)
    model = clone(model).set_params(
        max_iter=0,
        early_stopping=early_stopping,
        solver=solver,
        lr=lr,
        random_state=0,
        warm_start=True,
    )
    init = {}
    if isinstance(model, GDRegressor):
        init = {"coef_init": np.arange(6.0), "intercept_init": 2.0}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, y, **init)
    assert model.n_iter_ == model.t_ == 0
    assert model.stop_reason_ == "max_iter"
    assert all(len(column) == 0 for column in model.history_.values())
    assert {"epoch", "loss"} <= model.history_.keys()
    if init:
        assert_allclose(model.coef_, np.arange(6.0), atol=1e-12)
        assert_allclose(model.intercept_, 2.0, atol=1e-12)
        assert_allclose(model.predict(X), X @ np.arange(6.0) + 2.0, atol=1e-10)
    # What follows is what would have come without looking.
    goes_on = clone(model).set_params(max_iter=3, tol=None).fit(X, y, **init)
    model.set_params(max_iter=3, tol=None).fit(X, y)
    assert model.n_iter_ == goes_on.n_iter_ == 3
    first = model.coefs_[0] if isinstance(model, MLPGD) else model.coef_
    other = goes_on.coefs_[0] if isinstance(model, MLPGD) else goes_on.coef_
    if lr != "auto":
        assert_allclose(first, other, rtol=1e-9)


@quiet
@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
def test_endless_patience_is_no_tolerance(cls):
    X, y = regression() if cls is GDRegressor else classes()
    settings = {"lr": 0.05, "max_iter": 60, "random_state": 0}
    patient = cls(n_iter_no_change=np.inf, tol=1.0, **settings).fit(X, y)
    plain = cls(tol=None, **settings).fit(X, y)
    assert patient.n_iter_ == 60
    assert patient.coef_.tobytes() == plain.coef_.tobytes()


# ---- verbose -------------------------------------------------------------------------


@quiet
def test_silence(capsys):
    X, y = regression()
    GDRegressor(max_iter=3).fit(X, y)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


@quiet
@pytest.mark.parametrize("verbose, lines", [(1, 21), (2, 100)])
def test_verbose(capsys, verbose, lines):
    X, y = classes()
    model = GDClassifier(
        verbose=verbose,
        lr=0.01,
        max_iter=100,
        tol=None,
        early_stopping=True,
        scoring="accuracy",
    ).fit(X, y)
    *epochs, last = capsys.readouterr().out.splitlines()
    assert last == "Stopped after 100 epochs: max_iter."
    assert len(epochs) == lines
    words = epochs[-1].split()
    assert words[:3] == ["epoch", "100", "loss"]
    assert float(words[3]) == pytest.approx(model.loss_curve_[-1], rel=1e-5)
    assert "lr 0.01" in epochs[-1]
    score = epochs[-1].split("validation score ")[1].split()[0]
    assert float(score) == pytest.approx(model.validation_scores_[-1], rel=1e-5)


@quiet
def test_nothing_is_printed_by_a_stream(capsys):
    X, y = regression()
    GDRegressor(lr=0.01).partial_fit(X, y)
    assert capsys.readouterr().out == ""


def test_losses_of_the_package_are_the_objective():
    """The first value of the curve is the loss at the start."""
    X, y = classes(n_classes=2)
    model = GDClassifier(solver="batch", lr=1e-9, tol=None, max_iter=1, alpha=0.0)
    coef, intercept = np.arange(6.0), 0.5
    model.fit(X, y, coef_init=coef, intercept_init=intercept)
    loss = LogLoss().value(2 * y - 1, X @ coef + intercept).mean()
    assert_allclose(model.loss_curve_, [loss], rtol=1e-12)


@pytest.mark.parametrize("lr, solver", [(1e-9, "batch"), (10.0, "sgd")])
def test_no_progress_is_not_success(lr, solver):
    """A rate so small that nothing moves, or so large that all is noise."""
    X, y = make_friedman1(500, random_state=0)
    model = GDRegressor(loss="huber", lr=lr, solver=solver, random_state=0)
    with pytest.warns(ConvergenceWarning, match="worse than a constant|diverged"):
        model.fit(X, y + 100)
