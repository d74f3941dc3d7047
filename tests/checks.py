"""What the tests with scikit-learn's estimator checks share."""

import inspect
import re

WEIGHT_EQUIVALENCE = dict.fromkeys(
    (
        "check_sample_weight_equivalence_on_dense_data",
        "check_sample_weight_equivalence_on_sparse_data",
    ),
    "one step with weight 2 differs from two steps",
)

# Checks that scikit-learn runs on its own estimators but does not yield to others.
OPTIONAL = (
    "check_param_validation",
    "check_dataframe_column_names_consistency",
    "check_inplace_ensure_writeable",
    "check_estimators_data_not_an_array",
)


def documented(text, section):
    """Names under a numpydoc heading, in order."""
    pattern = rf"^{section}\n-+\n(.*?)(?=^\S[^\n]*\n-+$|\Z)"
    found = re.search(pattern, inspect.cleandoc(text), re.MULTILINE | re.DOTALL)
    names = re.findall(r"^(\w[\w, ]*?)(?: :.*)?$", found[1], re.MULTILINE)
    return [name for entry in names for name in entry.split(", ")]
