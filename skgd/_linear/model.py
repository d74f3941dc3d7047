"""The linear model as the training loop sees it: theta, coordinates and kernels.

How theta moves is not decided here, nor what the scores mean.
"""

import copy

import numpy as np
from scipy import sparse

from skgd._input.boundary import check_sizes
from skgd._input.moments import exceeds_rounding
from skgd._input.rows import as_vector
from skgd._registry import SAVED

# Rows handled at a time by the kernels: many enough for the call of a loss on all of
# them to be cheap, few enough for the second-level cache to hold them.
BLOCK_ROWS = 256
BLOCK_BYTES = 1 << 18

# The same for rows that are read where they lie, twice each: half of the first-level
# cache, the other half being for rows on their way.
FIRST_CACHE_BYTES = 1 << 14

# A stream's coordinates are made anew when it has this many times their rows.
REFRESH = 1.1

# And, where old rows are forgotten, when an entry is so many units of its column away:
# columns that were still for a long time have small units. It is no more than 8 when
# the coordinates are made.
TOO_FAR = 16.0


@SAVED.named("linear model")
class LinearModel:
    """Scores z = W^T ((x - mean) * scale) + b, with theta = (W row by row, b).

    Parameters
    ----------
    n_features, n_outputs : int
    dtype : float32 or float64
        Precision of theta and of X.
    fit_intercept : bool
    mean, scale : arrays of shape (n_features,) or None
        The coordinates in which the steps are taken. None stands for 0 and 1.
    moments : Moments or None
        Of the rows that the coordinates come from.
    seen : Seen or None
        What a stream has shown so far, beyond the rows of `moments`.

    Attributes
    ----------
    n_given : int
        Features of the rows as they came, where columns without an entry are left out.
    n_weights, size : int
        Entries of theta without the intercepts, and with them.
    raw : bool
        Whether theta holds the coefficients of the features as given.
    multiplies_matrices : bool
        Whether the kernels call BLAS.
    block_rows : int
        Rows handled at a time by the kernels.
    """

    def __init__(
        self,
        n_features,
        n_outputs,
        dtype,
        fit_intercept,
        mean=None,
        scale=None,
        moments=None,
        seen=None,
    ):
        self.n_features = self.n_given = n_features
        self.n_outputs = n_outputs
        self.dtype = np.dtype(dtype)
        self.fit_intercept = fit_intercept
        self.mean = None if mean is None else mean.astype(self.dtype, copy=False)
        self.scale = None if scale is None else scale.astype(self.dtype)
        self.moments = moments
        self.seen = seen
        self.n_weights = n_features * n_outputs
        self.size = self.n_weights + n_outputs
        self.raw = mean is None and scale is None
        self.multiplies_matrices = n_outputs > 1
        room = BLOCK_BYTES // (n_features * self.dtype.itemsize)
        self.block_rows = min(max(room, 16), BLOCK_ROWS)

    is_linear = True
    n_members = 1

    # No function of a user is called but the loss.
    may_raise = False

    # Steps are taken down the objective itself, not down a multiple of it.
    unit = 1.0

    def _rows_in_first_cache(self):
        room = FIRST_CACHE_BYTES // (self.n_features * self.dtype.itemsize)
        # The kernel takes four rows at a time, and losses a multiple of that.
        whole = 16 if room >= 16 else 4
        return min(max(room // whole * whole, whole), BLOCK_ROWS)

    def with_outputs(self, n_outputs):
        """The same coordinates with another number of outputs."""
        return LinearModel(
            self.n_features,
            n_outputs,
            self.dtype,
            self.fit_intercept,
            self.mean,
            self.scale,
        )

    def with_scores(self, n_outputs):
        """The same coordinates and rows seen, with another number of outputs."""
        model = copy.copy(self)
        model.n_outputs = n_outputs
        model.n_weights = self.n_features * n_outputs
        model.size = model.n_weights + n_outputs
        model.multiplies_matrices = n_outputs > 1
        return model

    def constant(self, scores):
        """Parameters of scores that are the same for all rows."""
        theta = np.zeros(self.size, self.dtype)
        theta[self.n_weights :] = scores
        return theta

    def from_outputs(self, vector, model, source, factor, fresh):
        """A vector like theta of this model, from one of a model with other outputs.

        Parameters
        ----------
        vector : array of shape (model.size,)
        model : LinearModel
        source : int array of shape (n_outputs,)
            The output of the other model; -1 for none.
        factor : array of shape (n_outputs,)
        fresh : array of shape (size,)
            The entries of outputs that come from none.

        Returns
        -------
        array of shape (size,), of the type of `fresh`
        """
        made = fresh.copy()
        old = vector.reshape(-1, model.n_outputs)
        known = source >= 0
        made.reshape(-1, self.n_outputs)[:, known] = (
            old[:, source[known]] * factor[known]
        )
        return made

    def in_units_of_features(self):
        """The model without centring and scale."""
        return LinearModel(
            self.n_features, self.n_outputs, self.dtype, self.fit_intercept
        )

    def on_columns(self, columns):
        """The model of these columns alone."""
        mean, scale = (
            None if part is None else part[columns] for part in (self.mean, self.scale)
        )
        model = LinearModel(
            columns.size, self.n_outputs, self.dtype, self.fit_intercept, mean, scale
        )
        model.n_given = self.n_given
        return model

    def folded(self, theta):
        """Parameters of `in_units_of_features` with the same scores as theta."""
        n, k = self.n_weights, self.n_outputs
        folded = theta.copy()
        if self.scale is not None:
            folded[:n].reshape(-1, k)[:] *= self.scale[:, None]
        if self.mean is not None:
            coef = folded[:n].reshape(-1, k).astype(np.float64)
            folded[n:] -= self.mean.astype(np.float64) @ coef
        return folded

    def unfolded(self, gradient):
        """The gradient of theta, from that of `folded` parameters; in place."""
        n, k = self.n_weights, self.n_outputs
        coef = gradient[:n].reshape(-1, k)
        if self.mean is not None:
            coef -= self.mean[:, None] * gradient[n:]
        if self.scale is not None:
            coef *= self.scale[:, None]
        return gradient

    def penalty_weights(self, l1, l2):
        """Per-parameter l1 and l2 weights: of the raw coefficients, in theta's units.

        Empty where there is no such penalty; zero for the intercepts. Both may differ
        between the features.
        """
        l1, l2 = (self._per_weight(strength) for strength in (l1, l2))
        scale = np.ones(self.n_features) if self.scale is None else self.scale
        per_weight = np.repeat(scale.astype(np.float64), self.n_outputs)
        intercepts = np.zeros(self.n_outputs)
        return (
            np.concatenate([l1 * per_weight, intercepts])
            if np.any(l1)
            else np.empty(0),
            np.concatenate([l2 * per_weight**2, intercepts]),
        )

    def _per_weight(self, strength):
        """A number as it is; one for each feature as one for each weight."""
        return np.repeat(strength, self.n_outputs) if np.ndim(strength) else strength

    def penalised(self):
        """1 for weights, 0 for intercepts."""
        return np.repeat([1.0, 0.0], [self.n_weights, self.n_outputs])

    def theta(self, coef, intercept):
        """Parameters for raw coefficients (outputs, features) and intercepts."""
        coef = np.asarray(coef, dtype=np.float64).T
        intercept = np.array(intercept, dtype=np.float64)
        if self.mean is not None:
            intercept = intercept + self.mean.astype(np.float64) @ coef
        if self.scale is not None:
            scale = self.scale.astype(np.float64)
            # A constant column has scale 0: its weight cannot be seen, and stays out.
            coef = np.divide(
                coef, scale[:, None], out=np.zeros_like(coef), where=scale[:, None] > 0
            )
        return np.concatenate([coef.ravel(), intercept.ravel()]).astype(self.dtype)

    def exact_coefficients(self, theta):
        """Raw coefficients (outputs, features) and intercepts, in double precision."""
        theta = theta.astype(np.float64)
        coef = theta[: self.n_weights].reshape(self.n_features, self.n_outputs)
        intercept = theta[self.n_weights :]
        if self.scale is not None:
            coef = coef * self.scale.astype(np.float64, copy=False)[:, None]
        if self.mean is not None:
            intercept = intercept - self.mean.astype(np.float64, copy=False) @ coef
        return coef.T, intercept

    def coefficients(self, theta):
        """Raw coefficients (outputs, features) and intercepts (outputs,) of theta."""
        if self.raw:
            coef = theta[: self.n_weights].reshape(self.n_features, self.n_outputs)
            return (
                np.array(coef.T, self.dtype, order="C"),
                theta[self.n_weights :].astype(self.dtype),
            )
        coef, intercept = self.exact_coefficients(theta)
        return (
            np.ascontiguousarray(coef, dtype=self.dtype),
            intercept.astype(self.dtype),
        )

    def attributes(self, theta, is_flat):
        """The fitted attributes that hold theta, by name.

        `is_flat` says that there is one output, which has no axis.
        """
        coef, intercept = self.coefficients(theta)
        return {"coef_": coef[0] if is_flat else coef, "intercept_": intercept}

    def to_train(self):
        """The model itself: training moves nothing in it."""
        return self

    def to_predict(self):
        """What predictions need of the model: nothing but the coefficients."""
        return None

    def having_seen(self, seen, left=1.0):
        """The same coordinates, with more rows seen.

        `left` is what these leave of the weight of the rows of `moments`.
        """
        model = copy.copy(self)
        model.seen = seen
        if left != 1.0 and model.moments is not None:
            model.moments = model.moments.reduced(left)
        return model

    def reduced(self, share):
        """As if all rows seen had had this share of their weight."""
        if self.seen is None:
            return self
        return self.having_seen(self.seen.reduced(share), share)

    def is_out_of_date(self, seen, forgets):
        """Whether the coordinates are to be made anew from all rows seen.

        When there are a tenth more rows than they come from, as far as these are
        remembered; and at once where old rows are forgotten and a column reaches much
        further than it did.
        """
        if seen.features.weight > REFRESH * self.moments.weight:
            return True
        return forgets and self.reaches_too_far(seen.features)

    def reaches_too_far(self, moments):
        """Whether an entry of a column is too many units away from the mean."""
        mean = 0.0 if self.mean is None else self.mean
        reach = moments.reach(mean) * self.scale
        return bool(reach.max(initial=0.0) > TOO_FAR)

    def leaves_out(self, moments):
        """Whether a column that varies was constant when the coordinates were made."""
        varies = exceeds_rounding(moments.variance, moments.mean)
        return bool(varies[self.scale == 0.0].any())

    def translated(self, theta, model):
        """`theta`, which another model of the same features holds, in these units."""
        if self.scale is model.scale:
            return theta
        return self.theta(*model.exact_coefficients(theta))

    def _check_coordinates(self):
        """ValueError unless mean and scale are those of all features."""
        n = self.n_features
        if self.mean is not None:
            # What is centred is scaled, if only by ones.
            scale = np.empty(0) if self.scale is None else self.scale
            check_sizes("the coordinates", mean=(self.mean, n), scale=(scale, n))
        elif self.scale is not None:
            check_sizes("the coordinates", scale=(self.scale, n))

    def bind(self, X, block_rows):
        """What compiled loops work on, and these loops.

        Parameters
        ----------
        X : array or CSR matrix
        block_rows : int
            Rows handled at a time.

        Returns
        -------
        data : tuple
            In the order of the fields of a record of ``_kernels/linear.py``.
        loops : skgd._kernels.loops.Loops
        """
        from skgd._kernels import linear, loops

        self._check_coordinates()
        bias = self.dtype.type(self.fit_intercept)
        nothing = np.empty(0, self.dtype)
        scale = nothing if self.scale is None else self.scale
        if sparse.issparse(X):
            data = linear.SparseRows(
                values=X.data,
                columns=X.indices,
                pointers=X.indptr.astype(X.indices.dtype, copy=False),
                mean=nothing if self.mean is None else self.mean,
                scale=scale,
                bias=bias,
                scores=np.empty((block_rows, self.n_outputs), self.dtype),
            )
            return tuple(data), loops.sparse(self.dtype, X.indices.dtype)
        several = self.n_outputs > 1
        n_rows = block_rows if several else self._rows_in_first_cache()
        # One more for one output, for the weights of scaled features.
        buffer_rows = n_rows if several else n_rows + 1
        vector, step = as_vector(X)
        data = linear.OneOutput(
            X=X,
            vector=vector,
            step=step,
            mean=np.zeros(self.n_features, self.dtype)
            if self.mean is None
            else self.mean,
            scale=scale,
            bias=bias,
            buffer=np.empty((buffer_rows, self.n_features), self.dtype),
            scores=np.empty((n_rows, self.n_outputs), self.dtype),
        )
        return tuple(data), loops.dense(self.dtype, min(self.n_outputs, 2))

    def bound_to(self, X, data):
        """`data` of an earlier `bind` to dense rows, with other dense rows in it."""
        _, _, _, *others = data
        return (X, *as_vector(X), *others)
