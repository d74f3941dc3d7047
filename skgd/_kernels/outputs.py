"""From raw scores to loss and its derivative, for a block of rows.

Each function turns the scores (rows, outputs) in place into s_i * dloss/dz and returns
the weighted sum of losses. The scalar losses themselves live in ``skgd/losses.py``.
"""

import math

from .pointers import call_float_pair


def separable(targets, weights, order, start, stop, loss, p, scores):
    """One scalar loss for each output; the loss of a row is their sum.

    With one target column and several outputs the target is a class index, coded as
    +1 for its own output and -1 for the others: one-vs-rest in one pass.
    """
    n_outputs = scores.shape[1]
    one_vs_rest = targets.shape[1] < n_outputs
    total = 0.0
    for r in range(stop - start):
        i = order[start + r]
        weight = weights[i]
        for k in range(n_outputs):
            if one_vs_rest:
                target = 1.0 if targets[i, 0] == k else -1.0
            else:
                target = targets[i, k]
            value, derivative = call_float_pair(loss, target, scores[r, k], p)
            total += weight * value
            scores[r, k] = weight * derivative
    return total


def softmax(targets, weights, order, start, stop, loss, p, scores):
    """Cross-entropy of the softmax: log(sum_k exp z_k) - z_y, gradient p_k - [k = y].

    `loss` and `p` are not used: the loss is a function of a whole row of scores.
    """
    n_outputs = scores.shape[1]
    total = 0.0
    for r in range(stop - start):
        i = order[start + r]
        weight = weights[i]
        label = int(targets[i, 0])
        highest = scores[r, 0]
        for k in range(1, n_outputs):
            highest = max(highest, scores[r, k])
        label_score = scores[r, label] - highest
        normaliser = 0.0
        for k in range(n_outputs):
            e = math.exp(scores[r, k] - highest)
            scores[r, k] = e
            normaliser += e
        total += weight * (math.log(normaliser) - label_score)
        factor = weight / normaliser
        for k in range(n_outputs):
            scores[r, k] *= factor
        scores[r, label] -= weight
    return total
