"""The models of one fold: which rows they see, and their sums over them.

All candidates of a fold are columns of one matrix: a product with a block of rows gives
the scores of all, another one their gradients. A fold is a weight for each row. Folds
share blocks, but no product, so that the bits of one say nothing of another's rows.
"""

import numpy as np

from skgd._selection.searches import Searches


class Problem:
    """What all models of a search have in common.

    Parameters
    ----------
    model : LinearModel
        Of one candidate, in centred and scaled coordinates.
    loss : Loss
    softmax : bool
    curvature : float
        Of the loss.
    tol : float or None
    second_moments : array or None
        Of the rows in the coordinates of the model.
    folds : bool
        Whether blocks are of rows as they are given, so that the coordinates go into
        the parameters: what is sparse is not centred.
    """

    def __init__(
        self, model, loss, softmax, curvature, tol, second_moments=None, folds=False
    ):
        from skgd._kernels import columns, compiling, user_code
        from skgd._kernels.outputs import LOGISTIC
        from skgd.losses import LogLoss

        self.model, self.loss, self.softmax = model, loss, softmax
        self.curvature, self.tol, self.folds = curvature, tol, folds
        self.second_moments = second_moments
        self.width = model.n_outputs if softmax else 1
        self.n_searches_each = 1 if softmax else model.n_outputs
        element = compiling.numba_type(model.dtype)
        self.check = None
        if softmax:
            signature = columns.softmax_signature(element)
            self._softmax = compiling.kernel(columns.softmax, signature)
            return
        written = type(loss).value_and_derivative
        if written is LogLoss.value_and_derivative:
            self._loss, self._p = LOGISTIC, np.empty(0)
        else:
            self._loss, self._p, self.check = user_code.loss(loss)
        signature = columns.separable_signature(element)
        self._separable = compiling.kernel(columns.separable, signature)

    def coded(self, targets):
        """Targets as the kernels want them: labels, or a column for each output."""
        if self.softmax:
            return targets[:, 0].astype(np.int64)
        if targets.shape[1] < self.model.n_outputs:
            return np.where(targets == np.arange(self.model.n_outputs), 1.0, -1.0)
        return targets

    def derive(self, targets, outputs, weights, scores, values):
        """Scores become weighted derivatives, and losses are added to `values`."""
        if self.softmax:
            self._softmax(targets, weights, scores, values)
        else:
            self._separable(
                self._loss, self._p, targets, outputs, weights, scores, values
            )

    def raise_noted(self):
        """Raise what a user's loss raised in compiled code."""
        if self.check is not None:
            self.check(self._p)


class Panel:
    """The searches of one fold.

    Parameters
    ----------
    problem : Problem
    l1, l2 : float64 arrays of shape (n_candidates,)
        Strengths of their penalties. Either all have an l1 part, or none.
    weights : float64 array of shape (n_rows,), or anything with ``[rows]``
        Of the rows, as a block of them names them; zero for those held out.
    constant : float64 array of shape (n_outputs,)
        Scores of the best constant.
    n_searches_in_all : int
    start : float64 array of shape (n_searches, n_parameters), optional
        Where the searches begin, instead of the best constant.
    copies : dict, optional
        For copies of the rows with a weight, which are made in the first pass, by the
        first row of a block. Panels of the same weights may share it.
    """

    parabolic = False

    def __init__(
        self,
        problem,
        l1,
        l2,
        weights,
        constant,
        n_searches_in_all,
        start=None,
        copies=None,
    ):
        model = self.model = problem.model
        self.problem = problem
        self.weights = weights
        self.copies = copies
        self.constant = constant
        self.l2 = l2
        self.n_candidates = len(l2)
        each = problem.n_searches_each
        # Candidates together: their columns of one output are neighbours.
        self.outputs = np.repeat(np.arange(each), self.n_candidates)
        scale = np.ones(model.n_features) if model.scale is None else model.scale
        scale = scale.astype(np.float64)
        self.live = scale > 0.0
        if start is None:
            start = self._at_constant()
        self.searches = Searches(
            start,
            problem.width,
            np.outer(np.tile(l1, each), scale),
            np.outer(np.tile(l2, each), scale**2),
            curvature=problem.curvature,
            tol=problem.tol,
            dtype=model.dtype,
            parabolic=self.parabolic,
            identity_link=problem.loss.identity_link,
            least=problem.loss.least,
            fit_intercept=model.fit_intercept,
            second_moments=problem.second_moments,
            n_searches_in_all=n_searches_in_all,
        )

    def _at_constant(self):
        """The best constant as parameters of each search."""
        model, width = self.model, self.problem.width
        start = np.zeros((len(self.outputs), (model.n_features + 1) * width))
        offset = np.broadcast_to(self.constant, (model.n_outputs,))
        if not self.problem.softmax:
            offset = np.repeat(offset, self.n_candidates)[:, None]
        start[:, -width:] = offset
        return start

    def answers_of_outputs(self):
        """The best points, (n_searches / n_candidates, n_candidates, n_parameters)."""
        answers = self.searches.answers
        return answers.reshape(-1, self.n_candidates, answers.shape[1])

    def measure_constant(self, targets):
        """Tell the searches the mean loss of the best constant.

        Without it they take the first point they see for that. `targets` are as
        ``Problem.coded`` gives them.
        """
        self.searches.constant_value = self.constant_losses(targets, self.weights)

    def constant_losses(self, targets, weights):
        """Mean loss of the best constant, of each search.

        `targets` are as ``Problem.coded`` gives them.
        """
        problem, n_outputs = self.problem, self.model.n_outputs
        constant = np.broadcast_to(self.constant, (n_outputs,))
        scores = np.empty((len(targets), n_outputs), self.model.dtype)
        scores[:] = constant
        values = np.zeros(problem.n_searches_each)
        problem.derive(targets, np.arange(n_outputs), weights, scores, values)
        return np.repeat(values / weights.sum(), self.n_candidates)

    @property
    def goes_on(self):
        return self.searches.active.size > 0

    def begin(self):
        """Prepare the sums of a pass."""
        model, width = self.model, self.problem.width
        theta = self.searches.theta
        n = len(theta)
        by_class = theta.reshape(n, model.n_features + 1, width).transpose(1, 2, 0)
        W = by_class[:-1].reshape(model.n_features, width * n)
        b = by_class[-1].reshape(-1)
        if self.problem.folds:
            if model.scale is not None:
                W = model.scale[:, None].astype(np.float64) * W
            if model.mean is not None:
                b = b - model.mean.astype(np.float64) @ W
        self._W = np.ascontiguousarray(W, dtype=model.dtype)
        self._b = b.astype(model.dtype)
        self._outputs = np.ascontiguousarray(self.outputs[self.searches.active])
        self._total, self._values = 0.0, np.zeros(n)
        self._gradient = np.zeros((model.n_features + 1, width * n))

    def add(self, block, targets, rows):
        """Add a block of rows to the sums.

        Parameters
        ----------
        block : a block of ``table.py``
        targets : array
            As ``Problem.coded`` gives them.
        rows : slice
            Which of the rows they are, for `weights`.
        """
        weights = self.weights[rows]
        if self.copies is not None:
            if rows.start not in self.copies:
                seen = np.flatnonzero(weights)
                copies = block.only(seen), targets[seen], weights[seen]
                self.copies[rows.start] = copies
            block, targets, weights = self.copies[rows.start]
        if not weights.any():
            return
        self._total += float(weights.sum())
        scores = block.scores(self._W, self._b)
        self.problem.derive(targets, self._outputs, weights, scores, self._values)
        block.add_gradient(scores, self._gradient)

    def end(self):
        """Take a step with the sums of a pass."""
        self.searches.take(self._values / self._total, self.gradients())

    def gradients(self):
        """Of the mean loss, (n_active, n_parameters), from the sums of a pass."""
        self.problem.raise_noted()
        n, width, model = len(self._values), self.problem.width, self.model
        weights = self._gradient[:-1]
        if self.problem.folds and model.mean is not None:
            weights -= np.outer(model.mean, self._gradient[-1])
        if self.problem.folds and model.scale is not None:
            weights *= model.scale[:, None]
        gradients = self._gradient.reshape(-1, width, n).transpose(2, 0, 1)
        return gradients.reshape(n, -1) / self._total

    def parameters(self):
        """Coefficients and intercepts of the features as given, in double precision.

        Returns
        -------
        coef : float64 array of shape (n_candidates, n_outputs, n_features)
        intercept : float64 array of shape (n_candidates, n_outputs)
        """
        return raw_parameters(
            self.model, self.searches.answers, self.n_candidates, self.problem.softmax
        )

    def finished(self):
        """Which candidates came to their end, with all their outputs."""
        ended = self.searches.reasons.reshape(-1, self.n_candidates) != 0
        return ended.all(axis=0)


def raw_parameters(model, theta, n_candidates, softmax):
    """Of the features as given, from the answers of searches."""
    shape = model.n_features + 1, model.n_outputs
    if softmax:
        theta = theta.reshape(n_candidates, *shape)
    else:
        theta = theta.reshape(model.n_outputs, n_candidates, shape[0])
        theta = theta.transpose(1, 2, 0)
    found = [model.exact_coefficients(one.ravel()) for one in theta]
    coef, intercept = zip(*found, strict=True)
    return np.array(coef), np.array(intercept)
