"""Fits of a number of epochs, and one row of a table that compares two of them.

For the suites that time epochs: ours, scikit-learn's, and loops of eager PyTorch.
"""

from benchmarks._timing import per_epoch


def skgd_fit(cls, X, y, **parameters):
    """callable(n_epochs) that fits an estimator of this package."""
    parameters = {"lr": 1e-3, "tol": None, "random_state": 0} | parameters

    def fit(n_epochs):
        return cls(max_iter=n_epochs, **parameters).fit(X, y)

    return fit


def sgd_fit(cls, X, y, **parameters):
    """callable(n_epochs) that fits one of scikit-learn's SGD estimators."""
    parameters = {
        "learning_rate": "constant",
        "eta0": 1e-3,
        "tol": None,
        "random_state": 0,
    } | parameters

    def fit(n_epochs):
        return cls(max_iter=n_epochs, **parameters).fit(X, y)

    return fit


def torch_fit(layers, rule, loss, X, y, batch_size):
    """callable(n_epochs) that trains in PyTorch, on tensors made beforehand.

    Parameters
    ----------
    layers : callable() -> list of torch.nn.Module
    rule : callable(parameters) -> torch.optim.Optimizer
    loss : callable(scores, targets) -> tensor
    X, y : ndarray
        As rows of scores are compared with them.
    batch_size : int
    """
    import torch

    inputs, targets = torch.from_numpy(X), torch.from_numpy(y)

    def fit(n_epochs):
        torch.set_num_threads(1)
        torch.manual_seed(0)
        network = torch.nn.Sequential(*layers()).to(inputs.dtype)
        updates = rule(network.parameters())
        for _ in range(n_epochs):
            for batch in torch.randperm(len(inputs)).split(batch_size):
                updates.zero_grad()
                loss(network(inputs[batch]), targets[batch]).backward()
                updates.step()
        return network

    return fit


def comparison(work, fits, target=None, **options):
    """One row of a table: the first fit is the peer, the second ours.

    Parameters
    ----------
    work : str
    fits : dict of str to callable(n_epochs)
    target : float, default=None
        How many times faster ours is meant to be.
    **options
        Of `_timing.per_epoch`.

    Returns
    -------
    dict
    """
    (peer, theirs), (_, ours) = per_epoch(fits, **options).items()
    row = {
        "work": work,
        "peer": peer,
        "peer, ms": 1e3 * theirs,
        "skgd, ms": 1e3 * ours,
        "times faster": theirs / ours,
    }
    return row | ({} if target is None else {"target": target})
