"""The compiled loops over rows of one kind, each found once and then at hand.

A kind of rows is the type of the data that kernels read, and the type of theta.
"""

import functools
from functools import cached_property

from .compiling import address, kernel, numba_type


class Loops:
    """Callables from Python, compiled when they are first asked for.

    Parameters
    ----------
    data_type : numba type
        Of the data that a model binds.
    element : numba type
        Of theta.
    block : int
        Address of the sum of gradients over a block of rows; 0 where it is compiled in.
    """

    def __init__(self, data_type, element, block):
        self.types = data_type, element
        self.data_type = data_type
        self.element = element
        self.block = block

    @cached_property
    def sum_rows(self):
        """Sum of losses, and of their gradients."""
        from . import sums

        return kernel(sums.sum_rows, sums.sum_signature(*self.types))

    @cached_property
    def shard_sums(self):
        """The same shard by shard, for threads."""
        from . import sums

        return kernel(sums.shard_sums, sums.shard_signature(*self.types))

    @cached_property
    def add_shards(self):
        """Adds up what `shard_sums` left."""
        from . import sums

        return kernel(sums.add_shards, sums.add_signature(self.element))

    @cached_property
    def sums_of_wide_rows(self):
        """As `sum_rows`, for sparse rows of many features."""
        from . import csr_sums

        return kernel(csr_sums.sum_rows, csr_sums.sum_signature(*self.types))

    @cached_property
    def any_rule(self):
        """Passes of updates by any rule, at a cost of all parameters."""
        from . import epoch, update

        rule = update.rule_type(self.element)
        return kernel(epoch.run_epochs, epoch.epoch_signature(*self.types, rule))

    @cached_property
    def saga(self):
        """Passes of updates by SAGA."""
        from . import epoch, saga

        rule = saga.saga_type(self.element)
        return kernel(epoch.run_epochs, epoch.epoch_signature(*self.types, rule))

    @cached_property
    def single_rows(self):
        """Plain steps on single dense rows."""
        from . import dense_rows

        return kernel(dense_rows.run_epoch, dense_rows.rows_signature(*self.types))

    @cached_property
    def single_rows_of_outputs(self):
        """Plain steps on single dense rows, for several outputs."""
        from . import dense_outputs

        signature = dense_outputs.outputs_signature(*self.types)
        return kernel(dense_outputs.run_epoch, signature)

    @cached_property
    def nonzeros(self):
        """Plain steps on sparse rows."""
        from . import csr_lazy

        return kernel(csr_lazy.run_epoch, csr_lazy.lazy_signature(*self.types))

    def rule_of_nonzeros(self, number):
        """The rule with state of this number on sparse rows."""
        from . import csr_rules

        signature = csr_rules.epoch_signature(*self.types)
        return kernel(csr_rules.EPOCHS[number], signature)

    @cached_property
    def dowg_of_nonzeros(self):
        """DoWG on sparse rows."""
        from . import csr_dowg

        return kernel(csr_dowg.run_epoch, csr_dowg.dowg_signature(*self.types))

    @cached_property
    def softmax(self):
        """Address of the cross-entropy of a row of scores."""
        return self._output("softmax")

    @cached_property
    def separable(self):
        """Address of the sum of losses of a row of scores."""
        return self._output("separable")

    @cached_property
    def softmax_change(self):
        """As `softmax`, with the changes of the derivatives."""
        return self._output("softmax_change")

    @cached_property
    def separable_change(self):
        """As `separable`, with the changes of the derivatives."""
        return self._output("separable_change")

    @cached_property
    def pa1_steps(self):
        """As `separable`, with derivatives of passive-aggressive I."""
        return self._output("pa1_steps")

    @cached_property
    def pa2_steps(self):
        """As `separable`, with derivatives of passive-aggressive II."""
        return self._output("pa2_steps")

    def _output(self, name):
        from . import outputs

        signature = outputs.output_signature(self.element)
        return address(getattr(outputs, name), signature)


def _loops(function, data_type, dtype):
    """`Loops` of rows whose gradients an address sums up."""
    from . import blocks

    element = numba_type(dtype)
    block = address(function, blocks.block_signature(data_type, element))
    return Loops(data_type, element, block)


@functools.cache
def dense(dtype, n_outputs):
    """`Loops` over dense rows of a linear model in a precision.

    `n_outputs` may be cut to 2: for all numbers above 1 they are the same.
    """
    from . import linear

    element = numba_type(dtype)
    if n_outputs == 1:
        # Compiled into the loops: there is no address.
        return Loops(linear.dense_type(linear.OneOutput, element), element, 0)
    data_type = linear.dense_type(linear.SeveralOutputs, element)
    return _loops(linear.several_outputs_block, data_type, dtype)


@functools.cache
def sparse(dtype, index):
    """`Loops` over CSR rows of a linear model, with columns of an integer type."""
    from . import linear

    data_type = linear.sparse_type(numba_type(dtype), numba_type(index))
    return _loops(linear.csr_block, data_type, dtype)


@functools.cache
def dense_network(dtype):
    """`Loops` over dense rows of a network in a precision."""
    from . import network

    return _loops(network.dense_block, network.dense_type(numba_type(dtype)), dtype)


@functools.cache
def sparse_network(dtype, index):
    """`Loops` over CSR rows of a network, with columns of an integer type."""
    from . import network

    data_type = network.sparse_type(numba_type(dtype), numba_type(index))
    return _loops(network.csr_block, data_type, dtype)
