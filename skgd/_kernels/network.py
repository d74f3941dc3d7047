"""Sum of gradients of a feed-forward network over a block of rows, dense and CSR.

Forward pass, dropout and backpropagation on preallocated buffers. Activations and
losses come as addresses; sizes come as numbers: one compilation serves every network.
Members of an ensemble, whose parameters lie one after the other in theta, take turns.
"""

from typing import NamedTuple

import numba
import numpy as np
from numba import types

from .compiling import (
    FLOAT,
    INDEX,
    INNER,
    VECTOR,
    matrix,
    read_only,
    remembered,
    vector,
)
from .pointers import call_float, call_nothing
from .records import record
from .shuffling import GOLDEN, mixed

# To pass an array costs more than what most helpers do with it.
INLINED = INNER | {"forceinline": True}

# Rows of `layout`, one column for each layer, the input being layer 0: its width, where
# it starts in the buffers, and where the weights and the intercepts that lead to it
# start in theta.
WIDTH, BUFFER, WEIGHTS, INTERCEPTS = 0, 1, 2, 3

# The upper 53 bits of a random number, as one in [0, 1).
UNUSED_BITS = np.uint64(11)
TO_UNIT = 2.0**-53

# Numbers that pass through intercepts and activation in one go: 16 kB, so that the
# second finds them in the first-level cache.
CHUNK = 2048


class Layers(NamedTuple):
    """What the layers of a network work on.

    Attributes
    ----------
    layout : int64 array of shape (4, n_layers)
        Sizes and places, in one member; see ``WIDTH`` and the following.
    activations : int64 array of shape (n_hidden,)
        Addresses.
    constants : float64 array of shape (n_hidden, any)
        Parameters of the activations.
    values, slopes, deltas : arrays
        For the rows of a block: what the layers give, the slopes of their activations,
        and the derivatives of the loss.
    scratch : array of shape (n_parameters of a member,)
        For a gradient.
    apart : bool
        Whether each member of an ensemble has its share of the rows, one after the
        other, and not all of them.
    fit_intercept : bool
        Whether the intercepts move.
    drops : bool
        Whether any units are dropped.
    dropout : float64 array of shape (n_hidden,)
        Share of the units of each hidden layer that a row does without.
    stream : uint64 array of shape (2,)
        Seed of the random numbers, and rows trained on.
    """

    layout: object
    activations: object
    constants: object
    values: object
    slopes: object
    deltas: object
    scratch: object
    apart: bool
    fit_intercept: bool
    drops: bool
    dropout: object
    stream: object


class Units(NamedTuple):
    """The units of the scores: y is z * scale + shift, and dy/dz is `gain`.

    Each of shape (n_outputs,).
    """

    shift: object
    scale: object
    gain: object


class DenseInput(NamedTuple):
    """Dense rows for a network; the first fields as of ``linear.OneOutput``.

    Attributes
    ----------
    X, vector, step : array, array, int
    mean, scale : arrays of shape (n_features,)
    block : int
        Rows handled at a time.
    units : Units
    layers : Layers
    """

    X: object
    vector: object
    step: int
    mean: object
    scale: object
    block: int
    units: tuple
    layers: tuple


class SparseInput(NamedTuple):
    """CSR rows for a network; see `DenseInput`.

    Attributes
    ----------
    values, columns, pointers : arrays
        Entries, their features, and where those of each row begin.
    """

    values: object
    columns: object
    pointers: object
    mean: object
    scale: object
    block: int
    units: tuple
    layers: tuple


@remembered
def _shared_types(element):
    """Types of the fields that `DenseInput` and `SparseInput` end with."""
    numbers = vector(element)
    layers = record(
        Layers,
        layout=matrix(INDEX),
        activations=vector(INDEX),
        constants=matrix(FLOAT),
        values=numbers,
        slopes=numbers,
        deltas=numbers,
        scratch=numbers,
        apart=types.boolean,
        fit_intercept=types.boolean,
        drops=types.boolean,
        dropout=VECTOR,
        stream=vector(types.uint64),
    )
    units = record(Units, shift=numbers, scale=numbers, gain=numbers)
    return {
        "mean": numbers,
        "scale": numbers,
        "block": INDEX,
        "units": units,
        "layers": layers,
    }


@remembered
def dense_type(element):
    """The type of `DenseInput` in a precision."""
    return record(
        DenseInput,
        X=read_only(element, 2),
        vector=read_only(element, 1, "C"),
        step=INDEX,
        **_shared_types(element),
    )


@remembered
def sparse_type(element, index):
    """The type of `SparseInput` in a precision, with columns of an integer type."""
    return record(
        SparseInput,
        values=read_only(element, 1, "C"),
        columns=read_only(index, 1, "C"),
        pointers=read_only(index, 1, "C"),
        **_shared_types(element),
    )


@numba.njit(**INLINED)
def _uniform(seed, n):
    """The n-th number of the stream `seed`, in [0, 1)."""
    return np.float64(mixed(seed + n * GOLDEN) >> UNUSED_BITS) * TO_UNIT


@numba.njit(**INLINED)
def _rows_of(buffer, layout, layer, m):
    """The first m rows of a layer, as a contiguous matrix."""
    width = layout[WIDTH, layer]
    start = layout[BUFFER, layer]
    return buffer[start : start + m * width].reshape((m, width))


@numba.njit(**INLINED)
def _flat_of(buffer, layout, layer, m):
    start = layout[BUFFER, layer]
    return buffer[start : start + m * layout[WIDTH, layer]]


@numba.njit(**INLINED)
def _weights_of(theta, layout, layer):
    """The weights between a layer and the one before it: (fan in, fan out)."""
    fan_in = layout[WIDTH, layer - 1]
    fan_out = layout[WIDTH, layer]
    start = layout[WEIGHTS, layer]
    return theta[start : start + fan_in * fan_out].reshape((fan_in, fan_out))


@numba.njit(**INLINED)
def _intercepts_of(theta, layout, layer):
    start = layout[INTERCEPTS, layer]
    return theta[start : start + layout[WIDTH, layer]]


@numba.njit(**INLINED)
def _add_intercepts(z, intercepts, first, stop):
    for r in range(first, stop):
        for k in range(z.shape[1]):
            z[r, k] += intercepts[k]


@numba.njit(**INLINED)
def _drop(values, slopes, share, seed, first):
    """Set a random share of the units to zero and enlarge the others to match.

    `first` numbers the first entry, so that every entry of every row that was ever
    trained on has a number of its own, however the rows are cut into batches.
    """
    keep = values.dtype.type(1.0 / (1.0 - share))
    for i in range(values.shape[0]):
        factor = keep
        if _uniform(seed, first + np.uint64(i)) < share:
            factor = values.dtype.type(0.0)
        values[i] *= factor
        slopes[i] *= factor


@numba.njit(**INLINED)
def _forward(network, theta, m, row, seed, intercepts):
    """From the products of input and first weights to the scores.

    Every activation leaves its value in `values` and its derivative in `slopes`.
    `row` is the number of the first row for dropout, or negative for none, and `seed`
    that of its masks; `intercepts` are those of the first layer.
    """
    layout, values, slopes = network.layout, network.values, network.slopes
    dropout = network.dropout
    last = layout.shape[1] - 1
    for layer in range(1, last + 1):
        z = _rows_of(values, layout, layer, m)
        if layer > 1:
            before = _rows_of(values, layout, layer - 1, m)
            np.dot(before, _weights_of(theta, layout, layer), z)
            intercepts = _intercepts_of(theta, layout, layer)
        if layer == last:
            _add_intercepts(z, intercepts, 0, m)
            break
        width = layout[WIDTH, layer]
        flat = _flat_of(values, layout, layer, m)
        slope = _flat_of(slopes, layout, layer, m)
        chunk = max(1, CHUNK // width)
        for r in range(0, m, chunk):
            stop = min(m, r + chunk)
            _add_intercepts(z, intercepts, r, stop)
            call_nothing(
                network.activations[layer - 1],
                flat[r * width : stop * width],
                slope[r * width : stop * width],
                network.constants[layer - 1],
            )
        if row >= 0 and dropout[layer - 1] > 0.0:
            # Layers get streams of their own: consecutive seeds are independent.
            _drop(
                flat,
                slope,
                dropout[layer - 1],
                seed + np.uint64(layer),
                np.uint64(row * layout[WIDTH, layer]),
            )


@numba.njit(**INLINED)
def _sum_columns(deltas, sums):
    for r in range(deltas.shape[0]):
        for k in range(deltas.shape[1]):
            sums[k] += deltas[r, k]


@numba.njit(**INLINED)
def _scale_and_sum_columns(deltas, slopes, sums):
    for r in range(deltas.shape[0]):
        for k in range(deltas.shape[1]):
            deltas[r, k] *= slopes[r, k]
            sums[k] += deltas[r, k]


@numba.njit(**INLINED)
def _backward(network, theta, gradient, m):
    """From the derivatives at the scores to those before the first activation.

    Writes the gradient of all layers but the first, whose input differs between dense
    and sparse rows, and adds to the intercepts' part.
    """
    layout, values = network.layout, network.values
    slopes, deltas = network.slopes, network.deltas
    last = layout.shape[1] - 1
    delta = _rows_of(deltas, layout, last, m)
    _sum_columns(delta, _intercepts_of(gradient, layout, last))
    for layer in range(last, 1, -1):
        before = _rows_of(values, layout, layer - 1, m)
        np.dot(before.T, delta, _weights_of(gradient, layout, layer))
        previous = _rows_of(deltas, layout, layer - 1, m)
        np.dot(delta, _weights_of(theta, layout, layer).T, previous)
        _scale_and_sum_columns(
            previous,
            _rows_of(slopes, layout, layer - 1, m),
            _intercepts_of(gradient, layout, layer - 1),
        )
        delta = previous


@numba.njit(**INLINED)
def _judge(network, units, rows, first, m, cost):
    """The scores in the units of y, and their loss; leaves derivatives in `deltas`."""
    shift, scale, gain = units
    layout = network.layout
    last = layout.shape[1] - 1
    z = _rows_of(network.values, layout, last, m)
    delta = _rows_of(network.deltas, layout, last, m)
    for r in range(m):
        for k in range(z.shape[1]):
            delta[r, k] = z[r, k] * scale[k] + shift[k]
    targets, weights, order = rows.targets, rows.weights, rows.order
    total = call_float(
        cost.output, targets, weights, order, first, first + m, cost, delta
    )
    for r in range(m):
        for k in range(z.shape[1]):
            delta[r, k] *= gain[k]
    return total


@numba.njit(**INLINED)
def _copy_rows(inputs, order, first, m, rows):
    """Standardised copies of the rows order[first : first + m].

    From the vector that holds them one after the other, if there is one: it can be read
    at full vector width.
    """
    X, vector, step, mean, scale = (
        inputs.X,
        inputs.vector,
        inputs.step,
        inputs.mean,
        inputs.scale,
    )
    n_features = X.shape[1]
    for r in range(m):
        i = order[first + r]
        row = rows[r]
        if vector.shape[0] > 0:
            given = vector[i * step : i * step + n_features]
            for j in range(n_features):
                row[j] = (given[j] - mean[j]) * scale[j]
        else:
            for j in range(n_features):
                row[j] = (X[i, j] - mean[j]) * scale[j]


@numba.njit(**INLINED)
def _pass(rows, start, first, m, cost, member, theta, gradient, intercepts):
    """Forward from the products with the first weights, and back to them.

    The gradients of the other weights go into `gradient` or, for all blocks of a call
    but the first one, into the scratch: products cannot add to what is there.
    """
    network = rows.data.layers
    scratch = network.scratch
    learns = gradient.shape[0] > 0
    row = -1
    if learns and network.drops:
        row = np.int64(network.stream[1]) + first - start
    # As many seeds as there are layers belong to each member.
    seed = network.stream[0] + np.uint64(member * network.layout.shape[1])
    _forward(network, theta, m, row, seed, intercepts)
    total = _judge(network, rows.data.units, rows, first, m, cost)
    if learns:
        if first > start:
            scratch[:] = 0.0
            _backward(network, theta, scratch, m)
        else:
            _backward(network, theta, gradient, m)
    return total


@numba.njit(**INLINED)
def _finish(network, gradient, n_rows):
    """Once a gradient is complete: intercepts that do not move have none.

    How many rows have been trained on is remembered where dropout asks for it.
    """
    if gradient.shape[0] == 0:
        return
    if not network.fit_intercept:
        size = network.scratch.shape[0]
        n_members = gradient.shape[0] // size
        members = gradient.reshape((n_members, size))
        members[:, network.layout[INTERCEPTS, 1] :] = 0.0
    if network.drops:
        network.stream[1] += np.uint64(n_rows)


@numba.njit(**INLINED)
def _add(gradient, scratch):
    for j in range(gradient.shape[0]):
        gradient[j] += scratch[j]


@numba.njit(**INLINED)
def _rows_of_member(network, n_members, n_rows):
    """How many of the rows are for a member, and how far its own are from the last's.

    That is 0 where all members see all of the rows.
    """
    if network.apart:
        return n_rows // n_members, n_rows // n_members
    return n_rows, 0


@numba.njit(**INLINED)
def _member_of(vector, member, size):
    """The part of a member of an ensemble; an empty gradient has none."""
    return vector[member * size : (member + 1) * size]


@numba.njit(**INLINED)
def _dense_member(rows, start, stop, cost, member, theta, gradient):
    """The sum of losses of one member, whose parameters `theta` are."""
    block, network = rows.data.block, rows.data.layers
    layout, values, scratch = network.layout, network.values, network.scratch
    learns = gradient.shape[0] > 0
    intercepts = _intercepts_of(theta, layout, 1)
    total = 0.0
    for first in range(start, stop, block):
        m = min(block, stop - first)
        given = _rows_of(values, layout, 0, m)
        _copy_rows(rows.data, rows.order, first, m, given)
        z = _rows_of(values, layout, 1, m)
        np.dot(given, _weights_of(theta, layout, 1), z)
        total += _pass(rows, start, first, m, cost, member, theta, gradient, intercepts)
        if not learns:
            continue
        delta = _rows_of(network.deltas, layout, 1, m)
        if first > start:
            np.dot(given.T, delta, _weights_of(scratch, layout, 1))
            _add(gradient, scratch)
        else:
            np.dot(given.T, delta, _weights_of(gradient, layout, 1))
    return total


@numba.njit(**INLINED)
def _first_products(data, order, first, coef, z):
    """Products of some rows and the first weights."""
    values, columns, pointers = data.values, data.columns, data.pointers
    for r in range(z.shape[0]):
        i = order[first + r]
        for k in range(z.shape[1]):
            z[r, k] = 0.0
        for q in range(pointers[i], pointers[i + 1]):
            j = columns[q]
            x = values[q] * data.scale[j]
            for k in range(z.shape[1]):
                z[r, k] += x * coef[j, k]


@numba.njit(**INLINED)
def _add_first_products(data, order, first, delta, coef_gradient):
    """Products of the transposed rows and their derivatives join the gradient."""
    values, columns, pointers = data.values, data.columns, data.pointers
    for r in range(delta.shape[0]):
        i = order[first + r]
        for q in range(pointers[i], pointers[i + 1]):
            j = columns[q]
            x = values[q] * data.scale[j]
            for k in range(delta.shape[1]):
                coef_gradient[j, k] += x * delta[r, k]


@numba.njit(**INLINED)
def _sparse_member(rows, start, stop, cost, member, theta, gradient):
    """As `_dense_member`. Rows are centred without touching their zeros:
    (x - mean) * scale @ W + b = (x * scale) @ W + (b - (mean * scale) @ W).
    """
    data, order, network = rows.data, rows.order, rows.data.layers
    mean, scale, block = data.mean, data.scale, data.block
    layout = network.layout
    n_features = layout[WIDTH, 0]
    width = layout[WIDTH, 1]
    learns = gradient.shape[0] > 0
    coef = _weights_of(theta, layout, 1)
    coef_gradient = _weights_of(gradient if learns else theta, layout, 1)
    offset = _intercepts_of(theta, layout, 1).copy()
    for j in range(n_features):
        shift = mean[j] * scale[j]
        if shift != 0.0:
            for k in range(width):
                offset[k] -= shift * coef[j, k]
    sums = np.zeros_like(offset)
    total = 0.0
    for first in range(start, stop, block):
        m = min(block, stop - first)
        z = _rows_of(network.values, layout, 1, m)
        _first_products(data, order, first, coef, z)
        total += _pass(rows, start, first, m, cost, member, theta, gradient, offset)
        if not learns:
            continue
        if first > start:
            _add(gradient, network.scratch)
        delta = _rows_of(network.deltas, layout, 1, m)
        _sum_columns(delta, sums)
        _add_first_products(data, order, first, delta, coef_gradient)
    if learns:
        for j in range(n_features):
            shift = mean[j] * scale[j]
            if shift != 0.0:
                for k in range(width):
                    coef_gradient[j, k] -= shift * sums[k]
    return total


def _block_of(member_sum, name):
    def block(rows, start, stop, cost, theta, gradient):
        """Adds to a `gradient` that is zero on entry; an empty one asks for the loss.

        The loss is the mean over the members of an ensemble; each gets its own
        gradient. Where each has rows of its own, it is the sum over all of them.
        """
        network = rows.data.layers
        size = network.scratch.shape[0]
        n_members = theta.shape[0] // size
        n_rows, apart = _rows_of_member(network, n_members, stop - start)
        total = 0.0
        for member in range(n_members):
            first = start + member * apart
            own = _member_of(theta, member, size)
            slopes = _member_of(gradient, member, size)
            total += member_sum(rows, first, first + n_rows, cost, member, own, slopes)
        _finish(network, gradient, n_rows)
        return total if apart > 0 else total / n_members

    block.__name__ = block.__qualname__ = name
    return block


dense_block = _block_of(_dense_member, "dense_block")
csr_block = _block_of(_sparse_member, "csr_block")
