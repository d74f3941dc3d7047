"""Plain steps on dense rows that are read in pieces, against the loop over batches."""

import numpy as np
from sklearn.base import clone

from skgd import GDClassifier


def check_steps_in_pieces(n_classes, n_features, penalty):
    """Rows in pieces take the steps of the general loop, and may be cut anywhere."""
    rng = np.random.default_rng(n_features)
    X = rng.standard_normal((70, n_features))
    y = rng.integers(0, n_classes, len(X))
    model = GDClassifier(
        solver="sgd",
        lr=0.1 / n_features,
        penalty=penalty,
        alpha=0.01,
        l1_ratio=0.5,
        max_iter=3,
        tol=None,
        random_state=0,
    )
    fast = clone(model).fit(X, y)
    # Columns side by side are left to the loop over batches.
    general = clone(model).fit(np.asfortranarray(X), y)
    np.testing.assert_allclose(fast.coef_, general.coef_, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(fast.intercept_, general.intercept_, rtol=1e-9)
    np.testing.assert_allclose(fast.loss_curve_, general.loss_curve_, rtol=1e-12)
    # Cut anywhere, the arithmetic stays the same.
    model.set_params(shuffle=False, max_iter=1, penalty=None)
    whole = clone(model).fit(X, y)
    for part in (slice(0, 1), slice(1, 8), slice(8, 70)):
        model.partial_fit(X[part], y[part], classes=np.unique(y))
    np.testing.assert_array_equal(whole.coef_, model.coef_)
