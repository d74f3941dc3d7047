"""Sum of gradients of a feed-forward network over a block of rows, dense and CSR.

Forward pass, dropout and backpropagation on preallocated buffers. Activations and
losses come as addresses; sizes come as numbers: one compilation serves every network.
"""

import numba
import numpy as np

from .compiling import OPTIONS
from .pointers import call_float, call_nothing
from .shuffling import GOLDEN, mixed

# To pass an array costs more than what most helpers do with it.
INLINED = OPTIONS | {"forceinline": True}

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
def _forward(network, theta, m, row, intercepts):
    """From the products of input and first weights to the scores.

    Every activation leaves its value in `values` and its derivative in `slopes`.
    `row` is the number of the first row for dropout, or negative for none;
    `intercepts` are those of the first layer.
    """
    layout, activations, activation_p, values, slopes, _, _, dropout, stream = network
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
                activations[layer - 1],
                flat[r * width : stop * width],
                slope[r * width : stop * width],
                activation_p[layer - 1],
            )
        if row >= 0:
            # Layers get streams of their own: consecutive seeds are independent.
            _drop(
                flat,
                slope,
                dropout,
                stream[0] + np.uint64(layer),
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
    layout, _, _, values, slopes, deltas, _, _, _ = network
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
def _judge(network, answer, targets, weights, order, first, m, output, loss, p):
    """The scores in the units of y, and their loss; leaves derivatives in `deltas`."""
    layout, _, _, values, _, deltas, _, _, _ = network
    shift, scale, gain = answer
    last = layout.shape[1] - 1
    z = _rows_of(values, layout, last, m)
    delta = _rows_of(deltas, layout, last, m)
    for r in range(m):
        for k in range(z.shape[1]):
            delta[r, k] = z[r, k] * scale[k] + shift[k]
    total = call_float(
        output, targets, weights, order, first, first + m, loss, p, delta
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
    X, vector, step, mean, scale = inputs
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


def dense_block(
    data, targets, weights, order, start, stop, output, loss, p, theta, gradient
):
    """Adds to a `gradient` that is zero on entry; an empty one asks for the loss."""
    inputs, block, answer, network = data
    layout, _, _, values, _, deltas, scratch, dropout, stream = network
    learns = gradient.shape[0] > 0
    drops = learns and dropout > 0.0
    total = 0.0
    for first in range(start, stop, block):
        m = min(block, stop - first)
        rows = _rows_of(values, layout, 0, m)
        _copy_rows(inputs, order, first, m, rows)
        z = _rows_of(values, layout, 1, m)
        np.dot(rows, _weights_of(theta, layout, 1), z)
        row = np.int64(stream[1]) + first - start if drops else -1
        _forward(network, theta, m, row, _intercepts_of(theta, layout, 1))
        total += _judge(
            network, answer, targets, weights, order, first, m, output, loss, p
        )
        if not learns:
            continue
        # Products cannot add to what is there, so later blocks take a detour.
        part = gradient
        if first > start:
            scratch[:] = 0.0
            part = scratch
        _backward(network, theta, part, m)
        delta = _rows_of(deltas, layout, 1, m)
        np.dot(rows.T, delta, _weights_of(part, layout, 1))
        if first > start:
            for j in range(gradient.shape[0]):
                gradient[j] += scratch[j]
    if drops:
        stream[1] += np.uint64(stop - start)
    return total


def csr_block(
    data, targets, weights, order, start, stop, output, loss, p, theta, gradient
):
    """As `dense_block`. Rows are centred without touching their zeros:
    (x - mean) * scale @ W + b = (x * scale) @ W + (b - (mean * scale) @ W).
    """
    entries, columns, pointers, mean, scale, block, answer, network = data
    layout, _, _, values, _, deltas, scratch, dropout, stream = network
    n_features = layout[WIDTH, 0]
    width = layout[WIDTH, 1]
    learns = gradient.shape[0] > 0
    drops = learns and dropout > 0.0
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
        z = _rows_of(values, layout, 1, m)
        for r in range(m):
            i = order[first + r]
            for k in range(width):
                z[r, k] = 0.0
            for q in range(pointers[i], pointers[i + 1]):
                j = columns[q]
                x = entries[q] * scale[j]
                for k in range(width):
                    z[r, k] += x * coef[j, k]
        row = np.int64(stream[1]) + first - start if drops else -1
        _forward(network, theta, m, row, offset)
        total += _judge(
            network, answer, targets, weights, order, first, m, output, loss, p
        )
        if not learns:
            continue
        part = gradient
        if first > start:
            scratch[:] = 0.0
            part = scratch
        _backward(network, theta, part, m)
        if first > start:
            for j in range(gradient.shape[0]):
                gradient[j] += scratch[j]
        delta = _rows_of(deltas, layout, 1, m)
        _sum_columns(delta, sums)
        for r in range(m):
            i = order[first + r]
            for q in range(pointers[i], pointers[i + 1]):
                j = columns[q]
                x = entries[q] * scale[j]
                for k in range(width):
                    coef_gradient[j, k] += x * delta[r, k]
    if learns:
        for j in range(n_features):
            shift = mean[j] * scale[j]
            if shift != 0.0:
                for k in range(width):
                    coef_gradient[j, k] -= shift * sums[k]
    if drops:
        stream[1] += np.uint64(stop - start)
    return total
