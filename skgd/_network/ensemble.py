"""What the members of an ensemble say together: the mean of their predictions.

How they are trained, all in one run, is the matter of ``model.py`` and of the kernels.
"""

import numpy as np
from scipy.special import log_expit, log_softmax

from skgd.losses import LogLoss

# Where a link is looked at to know it.
AT = np.array([-1.0, 0.0, 1.0])


def members_of(coefs, intercepts):
    """Weights and intercepts of each member, of arrays whose first axis they are.

    Parameters
    ----------
    coefs : list of arrays of shape (fan_in, fan_out) or (n_members, fan_in, fan_out)
    intercepts : list of arrays of shape (fan_out,) or (n_members, fan_out)

    Returns
    -------
    list of (coefs, intercepts)
        Views; of a network alone the arrays themselves.
    """
    if not is_ensemble(coefs):
        return [(coefs, intercepts)]
    return [
        ([W[member] for W in coefs], [b[member] for b in intercepts])
        for member in range(len(coefs[0]))
    ]


def is_ensemble(coefs):
    """Whether the weights of layers are those of several networks."""
    return coefs[0].ndim == 3


def averaged(task, loss):
    """What of the members' scores is averaged.

    Probabilities of "log_loss" and predictions with a log link. Where there are none,
    for the other losses of classes and a link of a user, the scores are.

    Parameters
    ----------
    task : a task of ``skgd._input.targets``
    loss : Loss

    Returns
    -------
    {'exponential', 'softmax', 'logistic', 'score'}
    """
    if task.name == "regression":
        is_log = not loss.identity_link
        is_log = is_log and np.allclose(loss.inverse_link(AT), np.exp(AT))
        return "exponential" if is_log else "score"
    if type(loss) is not LogLoss:
        return "score"
    return "softmax" if task.n_targets == 1 and task.n_outputs > 1 else "logistic"


def together(scores, kind):
    """The scores whose prediction is the mean of the members' predictions.

    Parameters
    ----------
    scores : array of shape (n_members, n_rows, n_outputs)
    kind : str
        `averaged`.

    Returns
    -------
    array of shape (n_rows, n_outputs)
    """
    if kind == "score":
        return scores.mean(axis=0)
    if kind == "exponential":
        return _log_of_mean(scores)
    if kind == "softmax":
        return _log_of_mean(log_softmax(scores, axis=2))
    return _log_of_mean(log_expit(scores)) - _log_of_mean(log_expit(-scores))


def _log_of_mean(logarithms):
    """The logarithm of the mean over the first axis, without overflow."""
    highest = logarithms.max(axis=0)
    # Where all are minus infinity, so is their mean.
    highest[~np.isfinite(highest)] = 0.0
    with np.errstate(divide="ignore"):
        return highest + np.log(np.exp(logarithms - highest).mean(axis=0))
