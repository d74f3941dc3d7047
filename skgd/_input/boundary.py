"""The last look at arrays before compiled code indexes them.

Compiled loops check no bounds: an array that is shorter than the others would be read,
or written, beyond its end. Types, dimensions and memory order are checked by Numba at
every call, because each kernel is compiled for one signature; how long the arrays must
be is checked here, so that a mismatch is an exception whatever led to it. All checks
but those of the numbers of rows and classes take the same short time for any size. That
targets, weights and numbers of rows go with X is for ``Rows`` to see, as they are made.
"""

import numpy as np
from scipy import sparse


def check_sizes(whole, **arrays):
    """ValueError unless arrays have the sizes that go with each other.

    Parameters
    ----------
    whole : str
        What the arrays belong to, for the message.
    **arrays : tuple (array, size, ...)
        By name: an array, and the sizes that it may have.
    """
    for name, (array, *sizes) in arrays.items():
        if array.size not in sizes:
            refuse(whole, name, array.shape, " or ".join(map(str, sizes)))


def refuse(whole, name, found, expected):
    """ValueError for an array of another shape than expected."""
    raise ValueError(
        f"The arrays of {whole} do not fit together: {name} has shape {found}, "
        f"expected {expected}. They belong to data or parameters of another shape; "
        "call fit anew."
    )


def check_order(order, n_rows):
    """ValueError unless `order` holds numbers of rows."""
    if order.dtype != np.int64 or order.ndim != 1:
        raise ValueError(
            f"Numbers of rows must be a vector of int64, got {order.ndim} dimensions "
            f"of {order.dtype}."
        )
    # As numbers without a sign the negative ones are the largest.
    if order.size and int(order.view(np.uint64).max()) >= n_rows:
        wrong = order[(order < 0) | (order >= n_rows)][0]
        raise ValueError(f"Row {wrong} is asked for; there are {n_rows} rows.")


def check_model(model, rows, softmax):
    """ValueError unless rows are such as a model's kernels read.

    Parameters
    ----------
    model : LinearModel or Network
    rows : Rows
    softmax : bool
        Whether targets are the numbers of outputs, which are used as such.
    """
    X, targets = rows.X, rows.targets
    if X.shape[1] != model.n_features:
        raise ValueError(
            f"X has {X.shape[1]} features, but the parameters are those of "
            f"{model.n_features}."
        )
    if X.dtype != model.dtype:
        raise ValueError(f"X is {X.dtype}, but the parameters are {model.dtype}.")
    if targets.shape[1] not in (1, model.n_outputs):
        expected = f"({len(targets)}, {model.n_outputs})"
        refuse("the rows", "targets", targets.shape, expected)
    if softmax and targets.size:
        _check_classes(targets, model.n_outputs)
    if sparse.issparse(X):
        _check_csr(X)


def _check_classes(targets, n_outputs):
    # A comparison with NaN is false.
    if not (targets.min() >= 0 and targets.max() < n_outputs):
        raise ValueError(
            f"Targets must number the {n_outputs} outputs from 0, but range from "
            f"{targets.min()} to {targets.max()}."
        )


def _check_csr(X):
    """That the arrays of a CSR matrix are as long as each other says."""
    n_entries = int(X.indptr[-1]) if X.indptr.size else 0
    if X.indptr.shape != (X.shape[0] + 1,):
        refuse("X", "indptr", X.indptr.shape, (X.shape[0] + 1,))
    if X.indices.shape != X.data.shape or X.data.size < n_entries:
        expected = f"as data {X.data.shape} and at least ({n_entries},)"
        refuse("X", "indices", X.indices.shape, expected)


def check_state(state, n, n_vectors, n_scalars):
    """ValueError unless the arrays of a state belong to `n` parameters.

    Parameters
    ----------
    state : State
    n : int
        Size of theta.
    n_vectors, n_scalars : int
        What the update rule keeps.
    """
    if (
        state.theta.size == n
        and state.vectors.shape == (n_vectors, n)
        and state.scalars.size == n_scalars
        and state.step_sizes.size == n
        and (state.base.size == n or state.base.size == 0)
        and (state.average.size == n or state.average.size == 0)
    ):
        return
    check_sizes(
        "the state",
        theta=(state.theta, n),
        vectors=(state.vectors, n_vectors * n),
        scalars=(state.scalars, n_scalars),
        step_sizes=(state.step_sizes, n),
        base=(state.base, 0, n),
        average=(state.average, 0, n),
    )
    refuse("the state", "vectors", state.vectors.shape, (n_vectors, n))


def check_updates(state, n, n_vectors, n_scalars, order, rates, batch_size):
    """ValueError unless the state is sound and there is a rate for each update."""
    check_state(state, n, n_vectors, n_scalars)
    if order.size > batch_size * rates.size or batch_size < 1:
        expected = f"({-(-order.size // max(batch_size, 1))},)"
        refuse("the updates", "rates", rates.shape, expected)
