"""The compiled loops over rows of one kind, each found once and then at hand.

A kind of rows is the type of the data that kernels read, and the type of theta.
"""

from functools import cached_property

from . import compiling
from .compiling import address, kernel, remembered


class Loops:
    """Callables from Python, compiled when they are first asked for.

    Parameters
    ----------
    data_type : numba type
        Of the data that a model binds.
    element : numba type
        Of theta.
    """

    def __init__(self, data_type, element):
        self.types = data_type, element
        self.element = element

    @cached_property
    def sum_rows(self):
        """Sum of losses, and of their gradients."""
        from . import epoch

        return kernel(epoch.sum_rows, epoch.sum_signature(*self.types))

    @cached_property
    def shard_sums(self):
        """The same shard by shard, for threads."""
        from . import epoch

        return kernel(epoch.shard_sums, epoch.shard_signature(*self.types))

    @cached_property
    def add_shards(self):
        """Adds up what `shard_sums` left."""
        from . import epoch

        return kernel(epoch.add_shards, epoch.add_signature(self.element))

    @cached_property
    def any_rule(self):
        """Updates by any rule, at a cost of all parameters."""
        from . import epoch

        return kernel(epoch.run_epoch, epoch.epoch_signature(*self.types))

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
    def free_nonzeros(self):
        """DoWG on sparse rows."""
        from . import csr_free

        return kernel(csr_free.run_epoch, csr_free.free_signature(*self.types))

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

    def _output(self, name):
        from . import outputs

        signature = compiling.output_signature(self.element)
        return address(getattr(outputs, name), signature)


@remembered
def loops_over(data_type, element):
    """The `Loops` of a kind of rows."""
    return Loops(data_type, element)
