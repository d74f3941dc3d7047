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


def has_log_link(loss):
    """Whether predictions are exponentials of the scores."""
    return not loss.identity_link and np.allclose(loss.inverse_link(AT), np.exp(AT))


def together(scores, task, loss):
    """The scores whose prediction is the mean of the members' predictions.

    Probabilities of "log_loss" and predictions with a log link are averaged; where
    there are none, for the other losses of classes and for a link of a user, the scores
    are.

    Parameters
    ----------
    scores : array of shape (n_members, n_rows, n_outputs)
    task : a task of ``skgd._input.targets``
    loss : Loss

    Returns
    -------
    array of shape (n_rows, n_outputs)
    """
    if task.name == "regression":
        return _log_of_mean(scores) if has_log_link(loss) else scores.mean(axis=0)
    if type(loss) is not LogLoss:
        return scores.mean(axis=0)
    if task.n_targets == 1 and scores.shape[2] > 1:
        return _log_of_mean(log_softmax(scores, axis=2))
    return _log_of_mean(log_expit(scores)) - _log_of_mean(log_expit(-scores))


def _log_of_mean(logarithms):
    """The logarithm of the mean over the first axis, without overflow."""
    highest = logarithms.max(axis=0)
    # Where all are minus infinity, so is their mean.
    finite = np.where(np.isfinite(highest), highest, 0.0).astype(highest.dtype)
    with np.errstate(divide="ignore"):
        return finite + np.log(np.exp(logarithms - finite).mean(axis=0))
