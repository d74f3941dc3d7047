"""From raw scores to losses and derivatives, with the losses of each output kept apart.

An output function like those of ``outputs.py``, for searches that need more than the
sum: one search for each output, and losses with kinks, which are smoothed.
"""

from .outputs import target_of, value_and_derivative
from .pointers import call_float_pair

# What is recorded: the loss that is descended, the loss itself, and how much the loss
# exceeds u r, with u the derivative of the smoothed loss and r the residual.
SMOOTHED, EXACT, SLACK = range(3)
FIGURES = 3


def recorded(targets, weights, order, start, stop, cost, scores):
    """As ``separable``, and the sums of each output over these rows in a table in `p`.

    A loss with a kink is max(low r, high r), r its residual at the score. Rounded off
    within a distance, it is l_mu = u r - mu u^2/2 with u = r/mu clipped to [low, high]
    (Nesterov, 2005). The loss is then the address of what gives r and dr/dz.

    The parameters of the loss are followed by low, high and mu of each output; where mu
    is zero the loss is taken as it is. The table of the cost holds (rows, outputs times
    figures). A block writes into the line of its first row, which no other block begins
    with: so threads do not meet, and the sum of the table does not depend on them.
    """
    loss, p = cost.loss, cost.p
    n_outputs = scores.shape[1]
    ends = p.shape[0] - 3 * n_outputs
    line = cost.table[order[start]]
    total = 0.0
    for k in range(n_outputs):
        low, high, mu = p[ends + 3 * k], p[ends + 3 * k + 1], p[ends + 3 * k + 2]
        smoothed, exact, slack = 0.0, 0.0, 0.0
        for r in range(stop - start):
            i = order[start + r]
            weight = weights[i]
            target = target_of(targets, i, k, n_outputs)
            z = scores[r, k]
            if mu > 0.0:
                residual, side = call_float_pair(loss, target, z, p)
                u = min(max(residual / mu, low), high)
                value = u * residual - 0.5 * mu * u * u
                largest = max(low * residual, high * residual)
                exact += weight * largest
                slack += weight * (largest - u * residual)
                derivative = u * side
            else:
                value, derivative = value_and_derivative(loss, target, z, p)
            smoothed += weight * value
            scores[r, k] = weight * derivative
        line[FIGURES * k + SMOOTHED] = smoothed
        line[FIGURES * k + EXACT] = exact
        line[FIGURES * k + SLACK] = slack
        total += smoothed
    return total
