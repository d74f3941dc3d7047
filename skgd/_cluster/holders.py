"""Holders of groups in other processes: how they answer, and what their loss means."""

import pickle
import traceback

# Losses in a row, without an answer in between, that are put up with.
MOST_LOSSES = 10


def answer(shards, method, arguments):
    """What a holder says: (answer, None), or (None, error).

    Errors are answers, so that none is retried. Whatever else goes wrong with a call is
    then the matter of the cluster.
    """
    try:
        return getattr(shards, method)(*arguments), None
    except Exception as error:
        return None, sendable(error)


def sendable(error):
    """An error that the client can read."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        text = "".join(traceback.format_exception(error))
        return RuntimeError(f"On a worker:\n{text}")
    return error


def check_losses(n_losses, where):
    """RuntimeError after too many losses in a row."""
    if n_losses > MOST_LOSSES:
        raise RuntimeError(
            f"{n_losses} workers were lost in a row in {where!r}, with no answer in "
            "between. Workers that run out of memory are killed and started again: "
            "give them more, or use more of them."
        )


def check_same(answer, known):
    """ValueError if groups that were made again answer otherwise than before."""
    if any(answer[key] != known[key] for key in answer):
        raise ValueError(
            "A partition of a lost worker was made again and holds other rows than "
            "before: it must be made of the same rows each time. Seed what is random "
            "in it, or keep copies (of a Dask collection by client.replicate)."
        )
