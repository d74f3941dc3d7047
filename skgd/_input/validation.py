"""Checks of what users pass in that scikit-learn does not make for us."""

import numpy as np
from sklearn.utils.validation import _check_sample_weight, validate_data

from skgd._input.numbers import FLOATS, NUMBERS
from skgd._input.plain import is_finite
from skgd._input.sparse import sound
from skgd._input.targets import DISCRETE, Classification
from skgd.testing.rehearsal import rehearse

# Weights of streams, which are taken as given: products of larger ones with data
# overflow, and smaller ones have lost their digits.
LARGEST_WEIGHT = 1e150
SMALLEST_WEIGHT = float(np.finfo(np.float64).tiny)

# Array libraries whose conversion to NumPy would silently download or compute.
_FOREIGN = {
    "dask": "fit the estimators of skgd.dask, which leave it where it is, or call "
    ".compute() on it",
    "torch": "pass X.numpy(force=True)",
    "jax": "pass numpy.asarray(X)",
    "jaxlib": "pass numpy.asarray(X)",
    "cupy": "pass X.get()",
    "cudf": "pass X.to_pandas()",
    "tensorflow": "pass X.numpy()",
}


def refuse_foreign(**arrays):
    """TypeError for arrays that live elsewhere, naming what to do.

    Parameters
    ----------
    **arrays : object
        Values by the name under which the user passed them.
    """
    for name, value in arrays.items():
        module = type(value).__module__.partition(".")[0]
        if module in _FOREIGN:
            raise TypeError(
                f"{name} is a {module} {type(value).__name__}; skgd works on NumPy "
                "arrays, SciPy CSR matrices and data frames, and does not copy data "
                f"from elsewhere behind your back: {_FOREIGN[module]}."
            )


def validated(estimator, X, y="no_validation", *, reset, remedy=None, **checks):
    """X, and y if it is given, as the estimators train on them.

    Parameters
    ----------
    estimator : BaseGD
        Whose `n_features_in_` and `feature_names_in_` are set or compared with.
    X, y : array-like
    reset : bool
        Whether to set them.
    remedy : str, optional
        What to do about y that holds no labels, where it must.
    **checks : object
        Further arguments of scikit-learn's ``validate_data``.

    Returns
    -------
    X : array or CSR matrix of float64 or float32
    y : array
        Only if it is given.

    Raises
    ------
    ValueError
        As scikit-learn's; for text in X it names the column and the encoder.
    TypeError
        As `refuse_foreign`.
    """
    refuse_foreign(X=X, y=y)
    if not (isinstance(y, np.ndarray) and are_plain(X, y)):
        checked = _looked_at(estimator, X, y, reset, checks)
    elif reset:
        # All that is kept of a plain array.
        estimator.n_features_in_ = X.shape[1]
        if hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_
        checked = X, y
    else:
        checked = validate_data(estimator, X, y, reset=False, skip_check_array=True)
    if remedy is not None and not are_labels(checked[1]):
        Classification.check(checked[1], remedy)
    return checked


def are_labels(y):
    """Whether nothing but labels can be in y, whatever its numbers."""
    return isinstance(y, np.ndarray) and y.ndim == 1 and y.dtype.kind in DISCRETE


def _looked_at(estimator, X, y, reset, checks):
    """`validated` where the data take a closer look, with arguments of it."""
    checks |= {"accept_sparse": "csr", "dtype": FLOATS, "reset": reset}
    try:
        checked = validate_data(estimator, sound(X), y, **checks)
        if isinstance(checked, tuple):
            _check_numbers(checked[1], checks.get("y_numeric", False))
            return _native(checked[0]), checked[1]
        return _native(checked)
    except np.exceptions.DTypePromotionError as error:
        raise _with_name(error, X) from None
    except OverflowError as error:
        raise ValueError(f"X or y holds a number that is too large: {error}.") from None
    except ValueError as error:
        found = _text(X) if "could not convert string" in str(error) else None
        if found is None:
            raise
        column, value = found
        raise ValueError(
            f"could not convert string to float: column {column!r} of X holds "
            f"{value!r}. {type(estimator).__name__} needs numbers: put "
            f"make_column_transformer((OneHotEncoder(handle_unknown='ignore'), "
            f"[{column!r}]), remainder='passthrough') before it, in a pipeline."
        ) from None


def _native(X):
    """X with its bytes in the order of this machine, which frames may lack."""
    if X.dtype.isnative:
        return X
    return X.astype(X.dtype.newbyteorder("="))


def are_plain(X, y):
    """Whether nothing is to be changed in rows and numbers as targets, or refused.

    ``validate_data`` takes a quarter of the time of a short fit to find that out.
    """
    return (
        type(X) is np.ndarray
        and type(y) is np.ndarray
        and X.ndim == 2
        and y.ndim == 1
        and X.dtype in FLOATS
        and y.dtype.kind in NUMBERS
        and y.dtype.isnative
        and y.itemsize <= 8
        and X.size > 0
        and len(X) == len(y)
        and is_finite(X)
        and (y.dtype.kind != "f" or is_finite(y))
    )


def _check_numbers(y, numeric):
    """ValueError for targets that look like numbers and are none.

    scikit-learn looks for NaN among objects before None becomes it, and takes dates for
    their nanoseconds.
    """
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise ValueError("Input y contains NaN or infinity, or None in its place.")
    if numeric and y.dtype.kind in "mM":
        raise ValueError(
            f"y holds {y.dtype}, which is no number: subtract a date and divide by a "
            "duration, such as (y - y.min()) / pandas.Timedelta(days=1)."
        )


def _with_name(error, X):
    """The error for a frame of numbers and dates, with the first column of these."""
    dtypes = getattr(X, "dtypes", None)
    for name, dtype in dtypes.items() if hasattr(dtypes, "items") else ():
        if getattr(dtype, "kind", "") in "mM":
            return TypeError(
                f"Column {name!r} of X holds {dtype}, which is no number: subtract a "
                "date and divide by a duration, or leave it out."
            )
    return error


def _text(X):
    """Name or number of the first column with text that is no number, and the text."""
    columns = getattr(X, "columns", None)
    table = np.asarray(X, dtype=object)
    if table.ndim != 2:
        return None
    for j, column in enumerate(table.T):
        for value in column:
            if isinstance(value, str) and not _is_number(value):
                return (j if columns is None else columns[j]), value
    return None


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def check_weights(sample_weight, X):
    """float64 weights of shape (n_rows,), or None.

    ValueError if one is negative or not finite, or if their sum is not.
    """
    if sample_weight is None:
        return None
    refuse_foreign(sample_weight=sample_weight)
    weights = _check_sample_weight(
        sample_weight,
        X,
        dtype=np.float64,
        ensure_non_negative=True,
        allow_all_zero_weights=True,
    )
    check_sum(weights, "sample_weight")
    return weights


def check_sum(weights, name):
    """ValueError if the sum of the weights overflows."""
    with np.errstate(over="ignore"):
        overflows = not np.isfinite(weights.sum())
    if overflows:
        raise ValueError(
            f"{name} is as large as {weights.max():.3g}, so that the sum over the rows "
            "overflows: divide by a constant; only ratios matter."
        )


def weights_as_given(weights):
    """Weights of a stream, which nobody can divide by their mean beforehand.

    Those below `SMALLEST_WEIGHT`, of which hardly a digit is left, count as zeros;
    ValueError for those above `LARGEST_WEIGHT`, whose products with X and y overflow.
    """
    if not weights.size:
        return weights
    largest = weights.max()
    if largest > LARGEST_WEIGHT:
        raise ValueError(
            f"A weight of {largest:.3g} (sample_weight times class_weight) overflows "
            f"when it multiplies X or y: a stream takes weights up to "
            f"{LARGEST_WEIGHT:.0e}. Divide all of them by a constant."
        )
    return np.where(weights < SMALLEST_WEIGHT, 0.0, weights)


def validate_given(part, given):
    """An error if the user gave an object that is wrong, or has a wrong parameter.

    Parameters
    ----------
    part : BaseEstimator
        A loss, optimizer, schedule or activation.
    given : object
        What the user passed for it; for a name, `part` has its defaults.
    """
    if part is given:
        part._validate_params()
        rehearse(part)


def check_start(values, shape, name):
    """Starting weights as an array of the right shape, or ValueError."""
    values = np.asarray(values, dtype=np.float64)
    size = int(np.prod(shape))
    if values.size != size or (values.ndim > 1 and values.shape != tuple(shape)):
        raise ValueError(f"{name} has shape {values.shape}; expected {tuple(shape)}.")
    if not np.isfinite(values).all():
        raise ValueError(f"{name} contains NaN or infinity.")
    return values.reshape(shape)
