"""Rows of a Ray cluster as lists of parts; nothing is brought to the client."""

import ray


def is_collection(value):
    """Whether a value is a dataset of Ray, or a list of references."""
    if isinstance(value, (list, tuple)):
        return len(value) > 0 and all(isinstance(part, ray.ObjectRef) for part in value)
    return hasattr(value, "to_pandas_refs")


def partitions(X, y, sample_weight):
    """Parts of rows: a list of (X, y, sample_weight) of references.

    Parameters
    ----------
    X : list of ObjectRef, or Dataset
    y, sample_weight : list of ObjectRef, or names of columns of a dataset
        `sample_weight` may be None.

    Returns
    -------
    list of tuple (ObjectRef, ObjectRef, ObjectRef or None)

    Raises
    ------
    TypeError
        For values that are nothing of this kind.
    ValueError
        For different numbers of parts.
    """
    if not is_collection(X):
        raise TypeError(
            f"X is a {type(X).__name__}, and estimators of skgd.ray are fitted on "
            "lists of references or datasets of Ray: use the estimator without Ray for "
            "rows in memory."
        )
    if isinstance(X, (list, tuple)):
        lists = [list(X)]
        for name, value in (("y", y), ("sample_weight", sample_weight)):
            lists.append(_references(value, name, len(X)))
        return list(zip(*lists, strict=True))
    for name, value in (("y", y), ("sample_weight", sample_weight)):
        named = isinstance(value, str) or (value is None and name != "y")
        if not named:
            raise TypeError(
                f"X is a dataset and {name} a {type(value).__name__}: pass the name of "
                "its column."
            )
    take = ray.remote(_columns).options(num_returns=2 if sample_weight is None else 3)
    parts = [take.remote(table, y, sample_weight) for table in X.to_pandas_refs()]
    return [tuple(part) if len(part) == 3 else (*part, None) for part in parts]


def features(X):
    """The parts of X alone: a list of references."""
    if isinstance(X, (list, tuple)):
        return list(X)
    return X.to_pandas_refs()


def _references(value, name, n):
    if value is None and name == "sample_weight":
        return [None] * n
    if not isinstance(value, (list, tuple)) or not is_collection(value):
        raise TypeError(
            f"X is a list of references and {name} a {type(value).__name__}: pass a "
            "list of references, one for each of X."
        )
    if len(value) != n:
        raise ValueError(f"X has {n} parts and {name} has {len(value)}.")
    return list(value)


def _columns(table, y, sample_weight):
    """Features, and the columns of y and of the weights, of a part of a dataset."""
    taken = [y] if sample_weight is None else [y, sample_weight]
    return [table.drop(columns=taken), *(table[name] for name in taken)]
