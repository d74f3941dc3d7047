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


class Holding:
    """An engine over holders that may be lost at any time; see ``engine.Engine``.

    What is lost is placed anew and asked again. A subclass says how groups are placed,
    how a question travels, and what its answers are.

    Parameters
    ----------
    groups : list
        What each group is made of.
    """

    def __init__(self, groups):
        self._groups = groups
        self.n_groups = len(groups)
        self._holders = []
        self._known = []
        self._n_losses = 0

    def setup(self, method, *arguments):
        """Ask all holders, and later those who take the place of lost ones."""
        found = self.map(method, *arguments)
        self._known.append((method, arguments, found))
        return found

    def map(self, method, *arguments, group=None):
        """The answers of all holders, however many are lost on the way."""
        wanted = set(range(self.n_groups)) if group is None else {group}
        message = self._dumped(method, arguments)
        found = {}
        while wanted:
            missing = wanted.difference(*(h.numbers for h in self._holders))
            if missing:
                self._place(sorted(missing))
            asked = [h for h in self._holders if h.numbers & wanted]
            for holder, said in self._answers(asked, message):
                if said is None:
                    self._lose(holder, method)
                else:
                    found |= said
                    wanted -= holder.numbers
                    self._n_losses = 0
        return found

    def _lose(self, holder, where):
        """Do without a holder, if it was one already."""
        if holder in self._holders:
            self._holders.remove(holder)
        self._count_loss(where)

    def _count_loss(self, where):
        self._n_losses += 1
        check_losses(self._n_losses, where)

    def _ask_what_is_known(self, holder):
        """Have a new holder prepare what all were asked to; whether it is still there.

        Its answers are compared with those of the holders before it.
        """
        for method, arguments, known in self._known:
            ((_, said),) = self._answers([holder], self._dumped(method, arguments))
            if said is None:
                return False
            check_same(said, known)
        return True

    def _dumped(self, method, arguments):
        """A question as bytes."""
        raise NotImplementedError

    def _answers(self, holders, message):
        """(holder, answer) one after the other; the answer of a lost one is None."""
        raise NotImplementedError

    def _place(self, missing):
        """Have all missing groups held, and the holders ready for questions."""
        raise NotImplementedError


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
