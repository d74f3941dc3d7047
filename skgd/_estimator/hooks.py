"""What an estimator tells the shared training: every method that subclasses provide.

``BaseGD`` and ``skgd._stream.fit_batches`` know a model through these methods only. The
ones that are not required have a default in ``BaseGD``.
"""

from typing import Protocol


class Hooks(Protocol):
    """The methods of ``BaseGD`` that a subclass provides or may replace.

    In the order in which `fit` comes to them. `task` is one of
    ``skgd._input.targets``, `loss` a ``skgd.losses.Loss``, `rows` are
    ``skgd._input.rows.Rows``, `model` is a ``LinearModel`` or a ``Network``, `theta` a
    vector of its parameters, `plan` a ``skgd._training.plan.Plan``, `bound` the
    objective over the rows, `rng` a ``numpy.random.Generator``.
    """

    def _checked_data(self, X, y, reset):
        """X and y as scikit-learn validates them. Required.

        `reset` says whether these rows decide the number and the names of features.
        Only what is wrong with the values of y may be asked here; whether the task
        knows them is asked later.
        """

    def _first_data(self, X, y):
        """The first X and y, as of `_checked_data`, and their task. Required."""

    def _new_task(self, y, classes):
        """What y means: a task for the first y seen. Required.

        `classes` are all labels there will ever be, or None if y has them all.
        """

    def _fixed_parameters(self, task):
        """Parameters that cannot change in a model that is there: a dict by name.

        The values are compared with those of the call that made the model, so that two
        ways to write the same are no change: ``{"hidden_layer_sizes": [100]}``.
        """

    def _plan(self, task, loss, rows, model, rng, streaming):
        """The parts of a run over `rows`: objective, rule, rate, batches. Required.

        `model` is that of an earlier call, to go on with, or None for a new one; it may
        be moved. A plan of a new one holds its parameters before the first update,
        for which random numbers are drawn from `rng`; and any plan holds
        `_fixed_parameters`. `streaming` says that the run is a call of
        ``partial_fit``, which is to go on with other rows.
        """

    def _set_start(self, plan, state, init):
        """Move the state of an earlier call to the user's starting values."""

    def _with_init(self, model, theta, name, value):
        """`theta` with a user's starting value. Required.

        `name` is the argument of `fit` that held the value.
        """

    def _measures_rows(self):
        """Whether a run starts from moments of the rows.

        If so, a stream is read once before the first epoch.
        """

    def _most_epochs(self, n_rows):
        """Epochs that a run over so many rows may take; None rows are a stream."""

    def _theta_shown(self):
        """Parameters that the fitted attributes hold. Required.

        Where they are those of the state to the bit, a file holds them once.
        """

    def _scores(self, X):
        """Raw scores of checked features, one column for each output. Required."""

    def _scores_of_each(self, X):
        """The scores of each network of an ensemble, a list; by default `_scores`."""

    def _prepare_next(self, plan, bound, horizon):
        """Prepare calls of ``partial_fit`` like the last one, where that pays."""

    def _ends_as_planned(self):
        """Whether the rate is made to arrive at zero in the last epoch.

        Then a run that takes all its epochs is no reason for a warning.
        """

    def _constant(self, plan, rows):
        """Parameters of the best constant, or None where that says nothing.

        A run that ends above it has made no progress.
        """

    def _measure_gap(self, report, plan, state, bound):
        """Tell the report how far from the minimum a run ended that did not ask.

        A run that was to find its rate, and to stop by a tolerance.
        """

    def _warn_if_stuck(self, plan, task, state, bound):
        """Warn about a run that looks converged and has learnt nothing."""

    def _warn_if_far(self, report, plan, tol):
        """Warn about a search that ended far from the minimum, by its own gap."""

    def _stable_rate(self, plan, bound):
        """The largest rate at which plain steps are stable, or None if unknown."""

    def _remedy(self, plan, bound):
        """A sentence: what to do about a rate that has failed. Required."""
