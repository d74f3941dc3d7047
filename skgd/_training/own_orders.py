"""An epoch of an ensemble whose members see the rows each in an order of its own.

Members that meet the same rows at the same time err alike, and their mean is the better
the less they do.
"""

import copy

import numpy as np

from skgd._training.epochs import Batches, random_bits


class OwnOrders(Batches):
    """As ``Batches``, shuffled; an update has `batch_size` rows for each member.

    Parameters
    ----------
    bound : skgd._training.objective.BoundObjective
        Of an ensemble.
    stepper : Stepper
    rates : callable(state, n_steps) -> array
    batch_size : int
    shuffle : bool
        True: an order that is not mixed is the same for all members.
    on_step : callable(state, loss), optional
    """

    def __init__(self, bound, stepper, rates, batch_size, shuffle, on_step=None):
        model = bound.objective.model
        own = copy.copy(bound)
        own.data = model.with_rows_apart(bound.data)
        n_members, n_rows = model.n_members, bound.rows.order.size
        super().__init__(own, stepper, rates, n_members * batch_size, shuffle, on_step)
        # The order is made here, before each epoch, of which none is made ahead.
        self.shuffle = False
        self._most = 1
        self.orders = np.empty((n_members, n_rows), np.int64)
        self.order = np.empty(n_members * n_rows, np.int64)
        self.rows_of_member = batch_size
        self.n_steps = -(-n_rows // batch_size)

    def run(self, state):
        self._mix(random_bits(state.rng))
        return super().run(state)

    def _mix(self, seed):
        """Shuffle for each member, the first as a network alone would be.

        The rows of an update lie side by side, those of one member after the other.
        """
        n_members, n_rows = self.orders.shape
        for member, order in enumerate(self.orders):
            order[:] = self.bound.rows.order
            self._shuffle(order, seed_of(seed, member))
        whole = n_rows - n_rows % self.rows_of_member
        updates = self.orders[:, :whole].reshape(n_members, -1, self.rows_of_member)
        self.order[: n_members * whole] = updates.swapaxes(0, 1).ravel()
        self.order[n_members * whole :] = self.orders[:, whole:].ravel()


def seed_of(seed, member):
    """The seed of a member's order, by that of the first."""
    if not member:
        return seed
    return int(np.random.SeedSequence((seed, member)).generate_state(1, np.uint64)[0])
