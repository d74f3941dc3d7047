"""How a network is trained: its task, first weights, coordinates, rates and epochs.

The loop is that of all estimators. What the user sees is in ``estimator.py``, the
layers are in ``model.py``, the numbers of ``lr="auto"`` in ``automatic.py``.
"""

from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import ClassifierTags, RegressorTags
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import column_or_1d

from skgd._estimator.base import BaseGD
from skgd._estimator.causes import (
    extreme_columns,
    extreme_targets,
    warn_of_unusable,
)
from skgd._estimator.late import Late
from skgd._input.columns import usable_moments
from skgd._input.moments import exceeds_rounding
from skgd._input.targets import Classification, Multilabel, Regression
from skgd._input.validation import check_start, validate_given, validated
from skgd._input.warnings import warn_user
from skgd._network.automatic import (
    BATCH_SIZE,
    SCHEDULE_FREE,
    STREAM_EPOCHS,
    LinearDecay,
    automatic_alphas,
    automatic_epochs,
    automatic_members,
    automatic_rate,
    largest_curvature,
    member_strengths,
    stream_batch_size,
)
from skgd._network.coordinates import Coordinates, Scaling
from skgd._network.ensemble import members_of
from skgd._network.model import Network
from skgd._network.prepared_update import prepared
from skgd._network.quartiles import middle_spread
from skgd._training.objective import Objective, best_constants
from skgd._training.plan import Plan, rows_per_update
from skgd._training.state import Averaging
from skgd._training.threads import OneBlasThread
from skgd.activations import get_activation
from skgd.losses import LOSSES, get_loss
from skgd.optimizers import Adam, get_optimizer
from skgd.schedules import get_schedule

# What to do about targets that are no classes.
LOSS_OF_NUMBERS = 'set loss="squared_error" to make this a regressor'

# A run that ends closer to the best constant, in units of the loss, has learnt nothing.
LEAST_GAIN = 1e-3


def is_classifier(estimator):
    """Whether the loss makes the network a classifier."""
    return _task_name(estimator.loss) == "classification"


def _task_name(loss):
    """What the loss is for; regression for those that could serve either."""
    if isinstance(loss, str):
        loss = LOSSES.get(loss)
    tasks = getattr(loss, "tasks", ("classification",))
    return "regression" if "regression" in tasks else "classification"


def _check_range(y, dtype):
    """ValueError for targets that are no numbers in the precision of the scores."""
    if dtype != np.float32:
        return
    largest = float(np.abs(y).max(initial=0.0))
    if largest > np.finfo(np.float32).max:
        raise ValueError(
            f"y reaches {largest:.2g}, more than the float32 of X can hold, in which "
            "predictions are made: pass X as float64, or divide y by a constant."
        )


class NetworkGD(BaseGD):
    """A network as ``BaseGD`` wants it."""

    coefs_: Any = Late()
    intercepts_: Any = Late()

    def _checked_data(self, X, y, reset):
        X, y = validated(
            self,
            X,
            y,
            reset=reset,
            multi_output=True,
            y_numeric=not is_classifier(self),
            remedy=LOSS_OF_NUMBERS if is_classifier(self) else None,
        )
        if not is_classifier(self):
            _check_range(y, X.dtype)
            return X, self._as_tagged(y)
        if type_of_target(y) != "multilabel-indicator":
            y = column_or_1d(y, warn=True)
        return X, y

    def _first_data(self, X, y):
        X, y = self._checked_data(X, y, reset=True)
        return X, y, self._new_task(y, None)

    def _new_task(self, y, classes):
        if not is_classifier(self):
            return Regression(y)
        if y.ndim == 2:
            return Multilabel(y)
        if classes is not None:
            return Classification(np.unique(classes))
        remedy = 'set loss="squared_error" (or "poisson" for counts)'
        return Classification.of(y, remedy)

    def _layers_of_members(self):
        """Weights and intercepts of each network of an ensemble, layer by layer."""
        return [
            list(zip(coefs, intercepts, strict=True))
            for coefs, intercepts in members_of(self.coefs_, self.intercepts_)
        ]

    def _theta_shown(self):
        return self._model.theta(self.coefs_, self.intercepts_)

    def _fixed_parameters(self, task):
        activations = self._activations(len(self._hidden_layer_sizes()))
        return self._made_with_layers(activations, get_loss(self.loss, task.name))

    def _made_with_layers(self, activations, loss):
        """`_fixed_parameters` of a network with these functions."""
        hidden = self._hidden_layer_sizes()
        return {
            "hidden_layer_sizes": hidden,
            "activation": [type(one) for one in activations],
            "dropout": self._dropout(len(hidden)),
            "fit_intercept": bool(self.fit_intercept),
            "standardize": bool(self.standardize),
            "loss": type(loss),
            "n_ensemble": self.n_ensemble,
        }

    def _measures_rows(self):
        return self.standardize or self.lr == "auto"

    def _hidden_layer_sizes(self):
        sizes = np.atleast_1d(np.asarray(self.hidden_layer_sizes))
        if sizes.ndim > 1 or (
            sizes.size and (sizes.dtype.kind not in "iu" or sizes.min() < 1)
        ):
            raise ValueError(
                "hidden_layer_sizes must be a positive int or a sequence of them, got "
                f"{self.hidden_layer_sizes!r}."
            )
        return sizes.astype(int).tolist()

    def _activations(self, n_layers):
        given = self.activation
        if isinstance(given, (list, tuple)):
            if len(given) != n_layers:
                raise ValueError(
                    f"activation has {len(given)} entries for {n_layers} hidden layers."
                )
        else:
            given = [given] * n_layers
        activations = [get_activation(one) for one in given]
        for activation, one in zip(activations, given, strict=True):
            if activation is one:
                validate_given(activation, one)
        return activations

    def _dropout(self, n_layers):
        """The share of each hidden layer, or the one of all."""
        given = self.dropout
        if isinstance(given, Real):
            return float(given)
        shares = np.asarray(given, dtype=object).ravel()
        if len(shares) != n_layers:
            raise ValueError(
                f"dropout has {len(shares)} entries for {n_layers} hidden layers."
            )
        for share in shares:
            if not (isinstance(share, Real) and 0.0 <= share < 1.0):
                raise ValueError(
                    "The entries of dropout must be shares in [0, 1), got "
                    f"{self.dropout!r}."
                )
        first, *others = map(float, shares) if n_layers else (0.0,)
        return first if all(s == first for s in others) else (first, *others)

    def _plan(self, task, loss, rows, model, rng, streaming=False):
        optimizer = get_optimizer(self.optimizer)
        schedule = get_schedule(self.lr_schedule)
        given = self.loss, self.optimizer, self.lr_schedule
        for part, one in zip((loss, optimizer, schedule), given, strict=True):
            if part is one:
                validate_given(part, one)
        n_rows = len(rows)
        averaging = Averaging(start=int(self.average))
        lr, batch_size = self.lr, self.batch_size
        if lr == "auto":
            if not streaming:
                first = self._state.epoch if model is not None else 0
                schedule = LinearDecay(schedule, first)
            elif not self.average:
                averaging = self._stream_mean(model)
                parameters = optimizer.get_params()
                if isinstance(optimizer, Adam) and "beta_1" in parameters:
                    # Gradients between point and mean take the place of momentum.
                    parameters |= {"beta_1": 0.0}
                    optimizer = type(optimizer)(**parameters)
        is_new, known_rows = model is None, None if streaming else n_rows
        if is_new:
            model = self._new_network(task, loss, rows, known_rows)
        elif self.standardize:
            model = self._gone_on(model, rows, loss, streaming)
        strengths = self._penalise(model, known_rows)
        objective = self._objective(task, loss, model, strengths)
        if lr == "auto" and streaming and batch_size == "auto":
            batch_size = stream_batch_size(model.n_weights)
        n_together = self._rows_per_update(n_rows, batch_size)
        if lr == "auto":
            lr = automatic_rate(
                optimizer,
                self.solver,
                batch_size,
                len(model.activations),
                lambda: self._curvature(objective, rows, n_together),
            )
        return Plan(
            objective=objective,
            optimizer=optimizer,
            schedule=schedule,
            solver=self.solver,
            batch_size=n_together,
            lr=float(lr),
            averaging=averaging,
            clip_norm=self._longest_gradient(model),
            shuffle=self.shuffle,
            blas_threads=OneBlasThread,
            made_with=self._made_with_layers(model.activations, loss),
            theta=self._start(objective, rows, rng) if is_new else None,
        )

    def _start(self, objective, rows, rng):
        """Parameters of a new network before the first update."""
        model = objective.model
        theta = model.start(rng, self._best_constants(objective, rows))
        if np.any(model.dropout):
            model.seed_dropout(rng)
        return theta

    def _penalise(self, model, n_rows):
        """Strengths of the penalty for each member, and `alpha` of the network set.

        `n_rows` is None where nobody can know.
        """
        if self.alpha != "auto":
            model.alpha = float(self.alpha)
            return self._strengths(model.alpha, model.n_members)
        n_features = np.count_nonzero(model.coordinates.scale)
        model.alpha, strengths = automatic_alphas(
            n_rows if self.standardize else None, n_features, model.n_members
        )
        return strengths

    def _gone_on(self, model, rows, loss, streaming):
        """The network of an earlier call, in coordinates that suit these rows, too."""
        if streaming:
            return self._network_after(model, rows, loss)
        return model if model.scaling is None else self._awoken(model, rows, loss)

    def _strengths(self, strength, n_members):
        """The strength of the penalty of each member, by that of a network alone."""
        if self.alpha == "auto":
            return member_strengths(strength, n_members)
        return np.full(n_members, float(strength))

    def _longest_gradient(self, model):
        """`clip_norm` for the gradients of all members of an ensemble together."""
        if self.clip_norm is None:
            return None
        return float(self.clip_norm) * np.sqrt(model.n_members)

    def _stream_mean(self, model):
        """The mean that a stream goes on with, or a new one from the next update on."""
        if model is None:
            return SCHEDULE_FREE
        if self._state.averaging.interpolation:
            return self._state.averaging
        return replace(SCHEDULE_FREE, start=self._state.step + 1)

    def _rows_per_update(self, n_rows, batch_size):
        return rows_per_update(self.solver, batch_size, n_rows, BATCH_SIZE)

    def _most_epochs(self, n_rows):
        if self.max_iter != "auto":
            return self.max_iter
        if n_rows is None:
            return STREAM_EPOCHS
        batch_size = self._rows_per_update(n_rows, self.batch_size)
        return automatic_epochs(self.solver, n_rows, batch_size)

    def _objective(self, task, loss, model, alpha):
        exclusive = isinstance(task, Classification) and task.n_outputs > 1
        return Objective(
            model,
            loss,
            exclusive and loss.softmax,
            *model.penalty_weights(0.0, alpha),
            uniform=bool(np.ptp(alpha) == 0.0),
        )

    def _curvature(self, objective, rows, n_together):
        """Measured once for a network, and kept with it."""
        model = objective.model
        if model.curvature is None:
            constant = self._best_constants(objective, rows)
            model.curvature = largest_curvature(objective, rows, constant, n_together)
        return model.curvature

    def _best_constants(self, objective, rows):
        """Intercepts of the scores to start from."""
        if self.standardize and self.fit_intercept:
            model = objective.model
            best = best_constants(objective, model.measured(rows))
            return best * model.coordinates.measure
        return np.zeros(objective.model.n_outputs)

    def _new_network(self, task, loss, rows, n_rows):
        """A network for the first `rows`, of `n_rows`; None in a stream."""
        hidden = self._hidden_layer_sizes()
        n_features = rows.X.shape[1]
        if self.standardize:
            is_regression = task.name == "regression"
            n_targets = task.n_targets if is_regression else None
            scaling = self._scaling_of(rows, n_targets, n_rows is None)
            coordinates = self._coordinates(scaling, rows, loss, task.n_outputs)
        else:
            scaling = None
            coordinates = Coordinates.raw(n_features, task.n_outputs)
        widths = (n_features, *hidden, task.n_outputs)
        network = Network(
            widths,
            self._activations(len(hidden)),
            self._dropout(len(hidden)),
            rows.X.dtype,
            coordinates,
            bool(self.fit_intercept),
            self._n_members(widths, n_rows),
        )
        network.scaling = scaling
        return network

    def _scaling_of(self, rows, n_targets, streaming=False):
        """The scaling of a first call; `n_targets` is None for a classifier."""
        if streaming:
            return Scaling.of(rows, n_targets, self._half_life)
        return replace(Scaling.of(rows, n_targets), middle=middle_spread(rows))

    def _awoken(self, model, rows, loss):
        """The network of a warm start, whose coordinates leave out what was constant.

        Those of columns, and of targets, that vary in these rows and did not before;
        what the network has learnt of the others stays as it is.
        """
        targets, old = model.scaling.targets, model.coordinates
        varied = targets is None or bool(
            exceeds_rounding(targets.variance, targets.mean).all()
        )
        asleep = old.scale == 0.0
        if varied and not asleep.any():
            return model
        n_targets = None if targets is None else model.n_outputs
        scaling = self._scaling_of(rows, n_targets)
        new = self._coordinates(scaling, rows, loss, model.n_outputs)
        asleep &= new.scale > 0.0
        if varied and not asleep.any():
            return model
        fields = {
            "mean": np.where(asleep, new.mean, old.mean),
            "scale": np.where(asleep, new.scale, old.scale),
        }
        if not varied:
            names = "shift", "spread", "unit", "measure"
            fields |= {name: getattr(new, name) for name in names}
        network = model.moved(replace(old, **fields))
        network.scaling = scaling
        return network

    def _n_members(self, widths, n_rows):
        """Networks of an ensemble; `n_rows` is None where nobody can know."""
        if self.n_ensemble != "auto":
            return int(self.n_ensemble)
        if not (self.lr == "auto" and self.alpha == "auto" and self.standardize):
            # Who has chosen some of it means one network, as in a textbook.
            return 1
        return automatic_members(widths, n_rows)

    def _network_after(self, model, rows, loss):
        """The network in the coordinates of all rows seen, those of `rows` included."""
        scaling = model.scaling.updated(rows, self._half_life)
        network = model.moved(self._coordinates(scaling, rows, loss, model.n_outputs))
        network.scaling = scaling
        return network

    def _coordinates(self, scaling, rows, loss, n_outputs):
        """Coordinates from the columns that can be computed with."""
        moments, *unusable = usable_moments(scaling.features, rows, rows.X.dtype)
        if any(map(len, unusable)):
            warn_of_unusable(self, *unusable)
        scaling = replace(scaling, features=moments)
        return scaling.coordinates(loss, n_outputs, self.fit_intercept)

    def _with_init(self, model, theta, name, value):
        coefs, intercepts = model.raw_layers(theta)
        parts = coefs if name == "coefs_init" else intercepts
        if len(value) != len(parts):
            raise ValueError(
                f"{name} has {len(value)} entries; expected one for each of the "
                f"{len(parts)} layers."
            )
        for layer, part in enumerate(value):
            shape = parts[layer].shape
            if model.n_members > 1 and np.ndim(part) == len(shape) - 1:
                raise ValueError(
                    f"{name} is for one network, and this is an ensemble of "
                    f"{model.n_members}: set n_ensemble=1, or stack the starts of its "
                    "members along a first axis."
                )
            parts[layer] = check_start(part, shape, f"{name}[{layer}]")
        return model.theta(coefs, intercepts)

    def _prepare_next(self, plan, bound, horizon):
        self._quick = prepared(self, plan, bound, horizon)

    def _constant(self, plan, rows):
        targets = rows.visited_targets()
        if plan.objective.loss.trivial_minimum or (targets == targets[0]).all():
            # The constant is the answer, which a network comes close to at best.
            return None
        model = plan.objective.model
        theta = np.zeros(model.size, model.dtype)
        if not model.fit_intercept:
            return theta
        c = model.coordinates
        best = best_constants(plan.objective, rows) * c.measure
        _, intercepts = model.split(theta)
        intercepts[-1][...] = (best - c.shift) / c.spread
        return theta

    def _warn_if_stuck(self, plan, task, state, bound):
        """Also where a run ends at a constant, as if there were nothing to learn."""
        constant = self._constant(plan, bound.rows)
        if constant is None:
            return
        if self.lr != "auto" and self._is_worse(bound, state.answer(), [constant]):
            super()._warn_if_stuck(plan, task, state, bound)
            return
        value = bound.value_of_sample
        least, reached = value(constant), value(state.answer())
        # Where outliers make up most of a robust loss, its unit is the measure.
        size = abs(least)
        if self.standardize:
            size = min(size, plan.model.coordinates.unit)
        if reached < least - LEAST_GAIN * size:
            return
        cause = extreme_columns(self, bound.rows) or extreme_targets(task, bound.rows)
        if cause:
            super()._warn_if_stuck(plan, task, state, bound)
            return
        rate = "" if self.lr == "auto" else f"lr={plan.lr:.3g} is too small or large, "
        depth = len(plan.model.activations)
        layers = f"{depth} hidden layers pass on too little, " if depth > 2 else ""
        warn_user(
            "The network has learnt nothing: after training it predicts no better than "
            f"a constant, with an objective of {reached:.4g} against {least:.4g}. "
            f"Either {rate}{layers}alpha={plan.model.alpha:.3g} is too strong, or "
            "X says nothing about y.",
            ConvergenceWarning,
        )

    def _remedy(self, plan, bound):
        remedies = []
        if self.lr != "auto":
            remedies.append("lr='auto'")
        if not self.standardize:
            remedies.append("standardize=True")
        if not plan.optimizer.finds_rate:
            remedies.append(f"a smaller rate, for example lr={0.1 * plan.lr:.2g}")
        if self.clip_norm is None:
            remedies.append("clip_norm=1 where single batches do the damage")
        return f"Use {', or '.join(remedies or ['another optimizer'])}."

    def _ends_as_planned(self):
        return self.lr == "auto"

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        if is_classifier(self):
            tags.estimator_type = "classifier"
            tags.target_tags.multi_output = True
            tags.classifier_tags = ClassifierTags(multi_class=True, multi_label=True)
        else:
            tags.estimator_type = "regressor"
            tags.regressor_tags = RegressorTags()
            self._tag_targets(tags)
        return tags
