"""The rows of a linear model, some at a time, in its coordinates, as float64.

With a last column of ones for the intercept. Products only; what they are for is not
known here.
"""

import numpy as np
from scipy import sparse

# Numbers of a block of dense rows: it is read several times and stays in the cache.
BLOCK_NUMBERS = 1 << 17
BLOCK_ROWS = 1 << 13

# Nonzeros of a block of sparse rows.
BLOCK_NONZEROS = 1 << 20

# Share of nonzeros from which columns of a sparse block are multiplied as dense ones.
DENSE_SHARE = 0.1


class DenseBlock:
    """Rows as a matrix Z of shape (rows, features + 1)."""

    def __init__(self, Z):
        self.Z = Z

    def scores(self, V):
        """Z V."""
        return self.Z @ V

    def pull(self, U):
        """Z'U."""
        return self.Z.T @ U

    def size(self, U):
        """|Z|'|U|: against it, rounding of ``pull`` is small."""
        return np.abs(self.Z).T @ np.abs(U)

    def gram(self, weight, columns):
        """Z'diag(weight) Z of some columns, for weights ≥ 0."""
        Z = self.Z if columns is None else self.Z[:, columns]
        root = Z * np.sqrt(weight)[:, None]
        return root.T @ root


class SparseBlock:
    """Rows as CSR, from which the means are subtracted in the products only.

    Parameters
    ----------
    X : CSR matrix of float64
    mean, scale : float64 arrays of shape (n_features,)
    bias : float
        1 with an intercept, 0 without.
    """

    def __init__(self, X, mean, scale, bias):
        self.X, self.mean, self.scale, self.bias = X, mean, scale, bias

    def scores(self, V):
        """Z V."""
        W = V[:-1] * self.scale[:, None]
        return self.X @ W + (self.bias * V[-1] - self.mean @ W)

    def pull(self, U):
        """Z'U."""
        total = U.sum(axis=0)
        weights = self.scale[:, None] * (self.X.T @ U - np.outer(self.mean, total))
        return np.vstack([weights, self.bias * total])

    def size(self, U):
        """A bound of |Z|'|U|: against it, rounding of ``pull`` is small."""
        U = np.abs(U)
        total = U.sum(axis=0)
        mass = abs(self.X).T @ U + np.outer(np.abs(self.mean), total)
        return np.vstack([self.scale[:, None] * mass, self.bias * total])

    def gram(self, weight, columns):
        """Z'diag(weight) Z of some columns, for weights ≥ 0."""
        n_features = self.X.shape[1]
        columns = np.arange(n_features + 1) if columns is None else columns
        features = columns[columns < n_features]
        X = self.X if len(features) == n_features else self.X[:, features]
        mean, scale = self.mean[features], self.scale[features]
        size = X.shape[0] * X.shape[1]
        if X.nnz > DENSE_SHARE * size:
            X = X.toarray()
            products = (X * weight[:, None]).T @ X
        else:
            weighted = sparse.csr_array(
                (X.data * np.repeat(weight, np.diff(X.indptr)), X.indices, X.indptr),
                shape=X.shape,
            )
            products = (weighted.T @ X).toarray()
        sums, total = X.T @ weight, weight.sum()
        # Z = (X - 1 m') S, so Z'DZ = S (X'DX - m v' - v m' + m m' 1'D1) S, v = X'D1.
        shifted = sums - mean * total
        products -= np.outer(mean, shifted) + np.outer(sums, mean)
        products *= scale[:, None] * scale
        if len(features) == len(columns):
            return products
        edge = self.bias * scale * shifted
        return np.block([[products, edge[:, None]], [edge[None, :], self.bias * total]])


class Table:
    """The rows that count, block by block, for several looks at them.

    Iterating gives what ``blocks`` gives; what fits into one block of dense rows is
    made once.

    Parameters
    ----------
    model : LinearModel
    rows : Rows

    Attributes
    ----------
    kept : bool
        Whether all rows are at hand as one block.
    hessians : float64 array or None
        Sums of second derivatives that do not depend on the weights, for who has them.
    """

    def __init__(self, model, rows):
        self.model, self.rows = model, rows
        values = rows.order.size * (model.n_features + 1)
        self.kept = not sparse.issparse(rows.X) and (
            values <= BLOCK_NUMBERS and rows.order.size <= BLOCK_ROWS
        )
        self.hessians = self._blocks = None

    def __iter__(self):
        if not self.kept:
            return blocks(self.model, self.rows)
        if self._blocks is None:
            self._blocks = list(blocks(self.model, self.rows))
        return iter(self._blocks)


def blocks(model, rows):
    """The rows that count, block by block.

    Parameters
    ----------
    model : LinearModel
    rows : Rows

    Yields
    ------
    block : DenseBlock or SparseBlock
        A dense one is overwritten by the next.
    targets : float64 array of shape (block rows, n_targets)
    weights : float64 array of shape (block rows,)
    """
    from skgd._kernels import compiling, elementwise

    d, X = model.n_features, rows.X
    mean = np.zeros(d) if model.mean is None else model.mean.astype(np.float64)
    scale = np.ones(d) if model.scale is None else model.scale.astype(np.float64)
    bias = float(model.fit_intercept)
    n = rows.order.size
    order = None if rows.as_they_came else np.sort(rows.order)
    is_sparse = sparse.issparse(X)
    if is_sparse:
        step = max(1, int(BLOCK_NONZEROS * X.shape[0] / max(X.nnz, 1)))
    else:
        step = min(max(BLOCK_NUMBERS // (d + 1), 64), BLOCK_ROWS)
        buffer = np.empty((min(step, n), d + 1))
        buffer[:, d] = bias
        element = compiling.numba_type(X.dtype)
        centre = compiling.kernel(
            elementwise.centre, elementwise.centre_signature(element)
        )
    for start in range(0, n, step):
        stop = min(start + step, n)
        chosen = slice(start, stop) if order is None else order[start:stop]
        part = X[chosen]
        if is_sparse:
            block = SparseBlock(
                sparse.csr_array(part).astype(np.float64, copy=False), mean, scale, bias
            )
        else:
            Z = buffer[: stop - start]
            centre(part, mean, scale, Z)
            block = DenseBlock(Z)
        yield block, rows.targets[chosen], rows.weights[chosen]
