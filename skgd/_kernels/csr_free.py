"""DoWG steps with an interpolated mean on CSR rows, at a cost of the nonzeros only.

The updates of ``epoch.run_epoch`` with the rule ``dowg`` and gradients between the
moving point z and its mean x, without touching the weights of absent features. The
penalty is a proximal step of z instead of a part of the gradient.
"""

import math

import numba
import numpy as np

from .compiling import OPTIONS
from .elementary import is_finite
from .memory import borrowed
from .outputs import sum_of_losses

# Below it exp(-x) is 1 - x + x^2/2, to rounding.
TINY_PULL = 1e-5


@numba.njit(**OPTIONS, forceinline=True)
def _catch_up(z, x, initial, j, gap, elapsed, passed, l1, l2):
    """Bring feature j up to date after `gap` updates that did not touch it.

    Without a penalty z stands still, and the mean of t points, the last `gap` of them
    at z, is z + (x - z) (t - gap)/t. A penalty pulls z towards zero,
    dz = -(l2 z + l1 sign z) dS, S the sum of the steps; the mean of an exponential is
    exact, that of its stop at zero taken as the mean of the ends.

    Returns the change of the squared distance of z from where it began.
    """
    change = 0.0
    for k in range(z.shape[1]):
        old = z[j, k]
        between = old
        if old != 0.0 and (l1 > 0.0 or l2 > 0.0):
            pull = l2 * passed
            if pull < TINY_PULL:
                decay, span = 1.0 - pull * (1.0 - 0.5 * pull), 1.0 - 0.5 * pull
            else:
                decay = math.exp(-pull)
                span = (1.0 - decay) / pull
            size = abs(old) * decay - l1 * passed * span
            new = math.copysign(max(size, 0.0), old)
            z[j, k] = new
            between = old * span if l1 == 0.0 else 0.5 * (old + new)
            change += (new - initial[j, k]) ** 2 - (old - initial[j, k]) ** 2
        x[j, k] = between + (x[j, k] - between) * ((elapsed - gap) / elapsed)
    return change


def run_epoch(
    data,
    targets,
    weights,
    order,
    batch_size,
    output,
    loss,
    loss_p,
    theta,
    base,
    average,
    initial,
    memory,
    longest,
    l1,
    l2,
    interpolation,
    rates,
    t,
):
    """Updates over the rows of `order`; returns the sum of losses and their number.

    theta, base and average hold y = z + beta (x - z), z and x; they are up to date for
    all features on entry and on return. `memory` is that of the rule: the largest
    squared distance of z from `initial`, and the weighted sum of squared gradients;
    `longest` caps the steps.
    """
    data, targets, weights = borrowed(data), borrowed(targets), borrowed(weights)
    order, loss_p, theta = borrowed(order), borrowed(loss_p), borrowed(theta)
    base, average, initial = borrowed(base), borrowed(average), borrowed(initial)
    memory, l1, l2, rates = (
        borrowed(memory),
        borrowed(l1),
        borrowed(l2),
        borrowed(rates),
    )
    values, columns, pointers, _, scale, bias, scores = data
    n_outputs = scores.shape[1]
    n_features = theta.shape[0] // n_outputs - 1
    n_weights = n_features * n_outputs
    y = theta[:n_weights].reshape((n_features, n_outputs))
    z = base[:n_weights].reshape((n_features, n_outputs))
    x = average[:n_weights].reshape((n_features, n_outputs))
    z0 = initial[:n_weights].reshape((n_features, n_outputs))
    gradient = np.zeros((n_features, n_outputs))
    slope = np.zeros(n_outputs)
    scaled = scale.shape[0] > 0
    # Of each feature: the last update that touched it, the sum of steps by then.
    last = np.full(n_features, t)
    steps_then = np.zeros(n_features)
    touched = np.empty(n_features, np.int64)
    steps = 0.0
    distance = 0.0
    for j in range(theta.shape[0]):
        distance += (base[j] - initial[j]) ** 2
    n = order.shape[0]
    total = 0.0
    n_updates = 0
    for start in range(0, n, batch_size):
        stop = min(n, start + batch_size)
        now = t + n_updates
        n_touched = 0
        for r in range(stop - start):
            i = order[start + r]
            for k in range(n_outputs):
                scores[r, k] = bias * theta[n_weights + k]
            for q in range(pointers[i], pointers[i + 1]):
                j = columns[q]
                if last[j] <= now:
                    if last[j] < now:
                        penalty1 = l1[j * n_outputs] if l1.shape[0] > 0 else 0.0
                        distance += _catch_up(
                            z,
                            x,
                            z0,
                            j,
                            now - last[j],
                            now,
                            steps - steps_then[j],
                            penalty1,
                            l2[j * n_outputs],
                        )
                    for k in range(n_outputs):
                        y[j, k] = z[j, k] + (x[j, k] - z[j, k]) * interpolation
                        gradient[j, k] = 0.0
                    # Counted as touched by the coming update.
                    last[j] = now + 1
                    touched[n_touched] = j
                    n_touched += 1
                value = values[q] * scale[j] if scaled else values[q]
                for k in range(n_outputs):
                    scores[r, k] += value * y[j, k]
        loss_sum = sum_of_losses(
            output, targets, weights, order, start, stop, loss, loss_p, scores
        )
        total += loss_sum
        if not is_finite(loss_sum):
            break
        slope[:] = 0.0
        inverse = 1.0 / (stop - start)
        for r in range(stop - start):
            i = order[start + r]
            for k in range(n_outputs):
                slope[k] += bias * inverse * scores[r, k]
            for q in range(pointers[i], pointers[i + 1]):
                j = columns[q]
                value = inverse * (values[q] * scale[j] if scaled else values[q])
                for k in range(n_outputs):
                    gradient[j, k] += value * scores[r, k]
        squares = 0.0
        for k in range(n_outputs):
            squares += slope[k] ** 2
        for m in range(n_touched):
            j = touched[m]
            for k in range(n_outputs):
                squares += gradient[j, k] ** 2
        memory[0] = max(memory[0], distance)
        memory[1] += memory[0] * squares
        length = 0.0
        if memory[1] > 0.0:
            length = memory[0] / math.sqrt(memory[1])
            length = rates[n_updates] * min(length, longest)
        weight = 1.0 / (now + 1)
        for k in range(n_outputs):
            j = n_weights + k
            old = base[j] - initial[j]
            base[j] -= length * slope[k]
            distance += (base[j] - initial[j]) ** 2 - old**2
            average[j] += (base[j] - average[j]) * weight
            theta[j] = base[j] + (average[j] - base[j]) * interpolation
        for m in range(n_touched):
            j = touched[m]
            penalty1 = l1[j * n_outputs] if l1.shape[0] > 0 else 0.0
            for k in range(n_outputs):
                old = z[j, k] - z0[j, k]
                moved = z[j, k] - length * gradient[j, k]
                # Proximal step of both penalties.
                size = max(abs(moved) - length * penalty1, 0.0)
                size /= 1.0 + length * l2[j * n_outputs]
                z[j, k] = math.copysign(size, moved)
                distance += (z[j, k] - z0[j, k]) ** 2 - old**2
                x[j, k] += (z[j, k] - x[j, k]) * weight
            steps_then[j] = steps + length
        steps += length
        n_updates += 1
    now = t + n_updates
    for j in range(n_features):
        if last[j] < now:
            penalty1 = l1[j * n_outputs] if l1.shape[0] > 0 else 0.0
            _catch_up(
                z,
                x,
                z0,
                j,
                now - last[j],
                now,
                steps - steps_then[j],
                penalty1,
                l2[j * n_outputs],
            )
        for k in range(n_outputs):
            y[j, k] = z[j, k] + (x[j, k] - z[j, k]) * interpolation
    return total, n_updates
