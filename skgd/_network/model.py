"""The network as the training loop sees it: theta, coordinates, first weights, kernels.

How theta moves is not decided here, nor what the scores mean.
"""

import copy
from dataclasses import replace

import numpy as np
from scipy import sparse
from sklearn.utils.extmath import safe_sparse_dot

from skgd._input.boundary import check_sizes
from skgd._input.rows import as_vector
from skgd._network.coordinates import Coordinates
from skgd._registry import SAVED

# Rows handled at a time by the kernels: enough for matrix products at full speed, few
# enough for the activations of a hundred units to stay in the second-level cache.
BLOCK_ROWS = 256


@SAVED.named("network")
class Network:
    """Scores a_L * spread + shift of layers a_l = f_l(a_{l-1} W_l + b_l).

    The input is a_0 = (x - mean) * scale, the last f_l the identity, and theta holds
    the weights of all layers, each (fan in, fan out) row by row, then the intercepts.
    Of an ensemble it holds those of one member after the other; the loss is the mean of
    theirs, and gradients are those of their sum, so that each learns as if alone.

    Parameters
    ----------
    widths : tuple of int
        Units of each layer: features, hidden units, outputs.
    activations : list of Activation
        One for each hidden layer.
    dropout : float or tuple of float
        Share of the hidden units that each training row does without, for all layers or
        for each.
    dtype : float32 or float64
        Precision of theta and of X.
    coordinates : skgd._network.coordinates.Coordinates
    fit_intercept : bool
        Without, all intercepts are and stay zero.
    n_members : int
        Networks of these layers.
    """

    block_rows = BLOCK_ROWS
    is_linear = False
    multiplies_matrices = True

    # No short cut for CSR rows applies: every weight moves in every update.
    raw = False

    # Of a network that was saved before there was a choice.
    fit_intercept = True
    n_members = 1

    def __init__(
        self,
        widths,
        activations,
        dropout,
        dtype,
        coordinates,
        fit_intercept=True,
        n_members=1,
    ):
        self.widths = tuple(int(width) for width in widths)
        self.activations = activations
        self.dropout = dropout
        self.dtype = np.dtype(dtype)
        self.coordinates = coordinates.rounded(self.dtype)
        self.unit = self.coordinates.unit / n_members
        self.fit_intercept = fit_intercept
        self.n_members = n_members
        self.n_features, self.n_outputs = self.widths[0], self.widths[-1]
        self.shapes = list(zip(self.widths[:-1], self.widths[1:], strict=True))
        self.n_weights = sum(fan_in * fan_out for fan_in, fan_out in self.shapes)
        self.size = n_members * self.member_size
        # Whether an activation is a user's, which may raise exceptions; see `bind`.
        self.may_raise = False
        # What is measured of the data on the way, and kept with the network.
        self.scaling = self.curvature = self.alpha = None
        # Seed of the dropout masks and number of rows trained on; moved by the kernel.
        self.stream = np.zeros(2, np.uint64)

    @property
    def member_size(self):
        """Entries of theta that belong to one member."""
        return self.n_weights + sum(self.widths[1:])

    @property
    def lead(self):
        """The first axes of weights and intercepts: that of the members, if any."""
        return () if self.n_members == 1 else (self.n_members,)

    def moved(self, coordinates):
        """The same network, random stream included, in other coordinates."""
        network = self._like_this(self.dropout, self.dtype, coordinates)
        network.stream, network.curvature = self.stream, self.curvature
        return network

    def to_train(self):
        """The same network, with a random stream of its own for training to move."""
        network = copy.copy(self)
        network.stream = self.stream.copy()
        return network

    def to_predict(self):
        """The same network, without what was measured of the rows."""
        network = copy.copy(self)
        network.scaling = network.curvature = network.alpha = None
        return network

    def with_scores(self, n_outputs):
        """The same hidden layers and rows seen, with another number of outputs."""
        c, zeros, ones = self.coordinates, np.zeros(n_outputs), np.ones(n_outputs)
        network = Network(
            (*self.widths[:-1], n_outputs),
            self.activations,
            self.dropout,
            self.dtype,
            replace(c, shift=zeros, spread=ones, measure=ones),
            self.fit_intercept,
            self.n_members,
        )
        network.scaling, network.curvature = self.scaling, self.curvature
        network.alpha, network.stream = self.alpha, self.stream
        return network

    def constant(self, scores):
        """Parameters of scores that are the same for all rows, of each member."""
        theta = np.zeros(self.size, self.dtype)
        _, intercepts = self.split(theta)
        intercepts[-1][...] = scores
        return theta

    def from_outputs(self, vector, model, source, factor, fresh):
        """A vector like theta, from one of a network with other outputs.

        As ``LinearModel.from_outputs``; what belongs to hidden units stays.
        """
        made, known = fresh.copy(), source >= 0
        last = len(self.shapes) - 1
        both = zip(self.split(made), model.split(vector), strict=True)
        for new_parts, old_parts in both:
            for layer, old in enumerate(old_parts):
                if layer < last:
                    new_parts[layer][:] = old
            old = old_parts[last][..., source[known]]
            new_parts[last][..., known] = old * factor[known]
        return made

    def reduced(self, share):
        """As if all rows seen had had this share of their weight."""
        if self.scaling is None:
            return self
        network = copy.copy(self)
        network.scaling = self.scaling.reduced(share)
        return network

    def in_units_of_features(self, dtype):
        """The same layers with raw weights as parameters, for evaluation."""
        measure = self.coordinates.measure
        raw = Coordinates.raw(self.widths[0], self.n_outputs, measure)
        return self._like_this(0.0, dtype, raw)

    def alone(self):
        """One member, for evaluation."""
        return self._like_this(0.0, self.dtype, self.coordinates, 1)

    def _like_this(self, dropout, dtype, coordinates, n_members=None):
        return Network(
            self.widths,
            self.activations,
            dropout,
            dtype,
            coordinates,
            self.fit_intercept,
            self.n_members if n_members is None else n_members,
        )

    # ---- theta -----------------------------------------------------------------

    def penalised(self):
        """1 for weights, 0 for intercepts."""
        n_intercepts = self.member_size - self.n_weights
        of_member = np.repeat([1.0, 0.0], [self.n_weights, n_intercepts])
        return np.tile(of_member, self.n_members)

    def penalty_weights(self, l1, l2):
        """Per-parameter l1 and l2 weights; empty where there is no such penalty.

        `l2` may be the strength of each member.
        """
        penalised = self.penalised()
        strengths = np.broadcast_to(l2, self.n_members)
        return (
            l1 * penalised if l1 else np.empty(0),
            np.repeat(strengths, self.member_size) * penalised,
        )

    def split(self, theta):
        """Views of the weights and intercepts of each layer, the members one axis."""
        weights, intercepts = [], []
        start, end = 0, self.n_weights
        theta = theta.reshape(*self.lead, self.member_size)
        for fan_in, fan_out in self.shapes:
            stop = start + fan_in * fan_out
            part = theta[..., start:stop]
            weights.append(part.reshape(*self.lead, fan_in, fan_out))
            intercepts.append(theta[..., end : end + fan_out])
            start, end = stop, end + fan_out
        return weights, intercepts

    def _flat(self, weights, intercepts):
        """Theta of the weights and intercepts of each layer, as `split` gives them."""
        parts = [part.reshape(*self.lead, -1) for part in (*weights, *intercepts)]
        return np.concatenate(parts, axis=-1).ravel()

    def start(self, rng, output):
        """Random weights and intercepts, but `output` for the intercepts of the scores.

        Half of all rectified units are silent, so the weights that lead to them are
        normal with variance 2 / fan in (He et al., 2015); the others are uniform with
        variance 2 / (fan in + fan out) (Glorot and Bengio, 2010). Hidden intercepts
        are uniform up to 1 / sqrt(fan in): from zero, the kinks of all units would
        start at the mean of the data.

        The first member of an ensemble is what `rng` gives a network alone. The others
        are drawn from streams whose seeds a copy of it gives.
        """
        if self.n_members == 1:
            return self._start_alone(rng, output)
        network = self.alone()
        seeds = copy.deepcopy(rng).integers(2**63, size=self.n_members - 1)
        streams = [rng, *(np.random.default_rng(seed) for seed in seeds)]
        return np.concatenate([network._start_alone(one, output) for one in streams])

    def _start_alone(self, rng, output):
        theta = np.zeros(self.size)
        weights, intercepts = self.split(theta)
        for layer, W in enumerate(weights):
            fan_in, fan_out = W.shape
            hidden = layer < len(self.activations)
            if hidden and self.activations[layer].rectifies:
                W[:] = rng.normal(0.0, np.sqrt(2.0 / fan_in), W.shape)
            else:
                bound = np.sqrt(6.0 / (fan_in + fan_out))
                W[:] = rng.uniform(-bound, bound, W.shape)
            if hidden and self.fit_intercept:
                bound = 1.0 / np.sqrt(fan_in)
                intercepts[layer][:] = rng.uniform(-bound, bound, fan_out)
        c = self.coordinates
        intercepts[-1][:] = (output - c.shift) / c.spread
        return theta.astype(self.dtype)

    def seed_dropout(self, rng):
        """Start the stream of dropout masks."""
        self.stream[:] = rng.integers(2**63), 0

    # ---- raw coefficients --------------------------------------------------------

    def theta(self, coefs, intercepts):
        """Parameters for raw weights and intercepts; constant columns get zeros."""
        c = self.coordinates
        coefs = [np.array(W, dtype=np.float64) for W in coefs]
        intercepts = [np.array(b, dtype=np.float64) for b in intercepts]
        intercepts[0] += c.mean @ coefs[0]
        seen = c.scale > 0
        coefs[0][..., seen, :] /= c.scale[seen, None]
        coefs[0][..., ~seen, :] = 0.0
        coefs[-1] /= c.spread
        intercepts[-1] = (intercepts[-1] - c.shift) / c.spread
        return self._flat(coefs, intercepts).astype(self.dtype)

    def raw_layers(self, theta):
        """Raw weights and intercepts of theta, in double precision."""
        c = self.coordinates
        weights, intercepts = self.split(theta.astype(np.float64))
        weights[0] *= c.scale[:, None]
        intercepts[0] -= c.mean @ weights[0]
        weights[-1] *= c.spread
        intercepts[-1] *= c.spread
        intercepts[-1] += c.shift
        return weights, intercepts

    def coefficients(self, theta):
        """Raw weights (fan in, fan out) and intercepts of each layer."""
        weights, intercepts = self.raw_layers(theta)
        return (
            [W.astype(self.dtype) for W in weights],
            [b.astype(self.dtype) for b in intercepts],
        )

    def attributes(self, theta, is_flat):
        """The fitted attributes that hold theta, by name; as ``LinearModel``."""
        coefs, intercepts = self.coefficients(theta)
        return {
            "coefs_": coefs,
            "intercepts_": intercepts,
            "n_layers_": len(self.widths),
            "n_outputs_": self.n_outputs,
            "alpha_": self.alpha,
            "_model": self,
        }

    def layers(self, X, coefs, intercepts):
        """Values of the hidden layers and scores, one after the other, of raw weights.

        For evaluation: without dropout, and of one member.
        """
        a = safe_sparse_dot(X, coefs[0], dense_output=True)
        a += intercepts[0]
        layers = zip(self.activations, coefs[1:], intercepts[1:], strict=True)
        for activation, W, b in layers:
            a = activation.value(a)
            yield a
            a = a @ W
            a += b
        yield a

    def translated(self, theta, previous):
        """Parameters to go on with after those of the network `previous`: the same.

        What was learnt for standardised rows holds for rows standardised otherwise.
        Weights that kept the function of the rows as given would grow with the spread
        of a column, without bound where that was small at first.
        """
        return theta

    def raw_penalty_weights(self, l2):
        """l2 weights of the raw coefficients that equal those of theta.

        `l2` may be the strength of each member.
        """
        c = self.coordinates
        weights, _ = self.split(self.unit * self.penalty_weights(0.0, l2)[1])
        weights[0] *= np.divide(
            1.0, c.scale**2, out=np.zeros_like(c.scale), where=c.scale > 0
        )[:, None]
        weights[-1] /= c.spread**2
        return weights

    # ---- kernels -----------------------------------------------------------------

    def measured(self, rows):
        """The rows with their targets in the units in which the loss compares them."""
        measure = self.coordinates.measure
        return rows if (measure == 1.0).all() else rows.measured_by(measure)

    def bind(self, X, block_rows):
        """What compiled loops work on, and these loops; as ``LinearModel.bind``."""
        from skgd._kernels import loops, network

        c = self.coordinates
        block_rows = min(block_rows, BLOCK_ROWS)
        is_csr = sparse.issparse(X)
        check_sizes(
            "the coordinates",
            mean=(c.mean, self.n_features),
            scale=(c.scale, self.n_features),
            shift=(c.shift, self.n_outputs),
            spread=(c.spread, self.n_outputs),
        )
        shift, spread = c.shift / c.measure, c.spread / c.measure
        units = network.Units(shift=shift, scale=spread, gain=spread / c.unit)
        shared = {
            "mean": c.mean.astype(self.dtype),
            "scale": c.scale.astype(self.dtype),
            "block": block_rows,
            "units": tuple(part.astype(self.dtype) for part in units),
            "layers": tuple(self._layers(block_rows, is_csr)),
        }
        if is_csr:
            pointers = X.indptr.astype(X.indices.dtype, copy=False)
            data = network.SparseInput(
                values=X.data, columns=X.indices, pointers=pointers, **shared
            )
            return tuple(data), loops.sparse_network(self.dtype, X.indices.dtype)
        vector, step = as_vector(X)
        data = network.DenseInput(X=X, vector=vector, step=step, **shared)
        return tuple(data), loops.dense_network(self.dtype)

    def with_rows_apart(self, data):
        """What `bind` gave, for updates in which each member has rows of its own.

        The loss is the mean over all of these, so that each counts for as many.
        """
        from skgd._kernels import network

        *others, units, layers = data
        units, layers = network.Units(*units), network.Layers(*layers)
        gain = (self.n_members * units.gain).astype(self.dtype)
        units, layers = units._replace(gain=gain), layers._replace(apart=True)
        return (*others, tuple(units), tuple(layers))

    def raise_noted(self, data):
        """Raise what a user's activation raised in compiled code, if one did."""
        from skgd._kernels import compiling, network, user_code

        *_, layers = data
        constants = network.Layers(*layers).constants
        for f, row in zip(self.activations, constants, strict=True):
            if compiling.is_foreign(type(f).apply):
                user_code.activation(f, row.size, self.dtype).check(row)

    def _layers(self, block_rows, is_csr):
        """Sizes, activations and buffers for the kernels."""
        from skgd._kernels import user_code
        from skgd._kernels.network import CHUNK, Layers

        widths = np.array(self.widths)
        # CSR rows are not copied, so their layer takes no room.
        copied = np.r_[not is_csr, np.ones(len(widths) - 1, bool)]
        taken = block_rows * widths * copied
        sizes = widths[:-1] * widths[1:]
        layout = np.stack(
            [
                widths,
                np.r_[0, np.cumsum(taken)[:-1]],
                np.r_[0, 0, np.cumsum(sizes)[:-1]],
                np.r_[0, self.n_weights + np.r_[0, np.cumsum(widths[1:-1])]],
            ]
        ).astype(np.int64)
        callees = [
            user_code.activation(f, max(CHUNK, width), self.dtype)
            for f, width in zip(self.activations, self.widths[1:-1], strict=True)
        ]
        self.may_raise = any(callee.check is not None for callee in callees)
        most = max((callee.p.size for callee in callees), default=0)
        constants = np.zeros((len(callees), most))
        for row, callee in zip(constants, callees, strict=True):
            row[: callee.p.size] = callee.p
        values, slopes, deltas = (np.empty(taken.sum(), self.dtype) for _ in range(3))
        dropout = np.array(np.broadcast_to(self.dropout, len(callees)), dtype=float)
        return Layers(
            layout=layout,
            activations=np.array([one.address for one in callees], dtype=np.int64),
            constants=constants,
            values=values,
            slopes=slopes,
            deltas=deltas,
            scratch=np.empty(self.member_size, self.dtype),
            apart=False,
            fit_intercept=self.fit_intercept,
            drops=bool(dropout.any()),
            dropout=dropout,
            stream=self.stream,
        )
