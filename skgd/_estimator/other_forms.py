"""What a fitted estimator can become: scikit-learn's own, ONNX.

How is the matter of ``skgd/_export/``.
"""

import copy
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike
from sklearn.utils.validation import check_is_fitted


class OtherForms:
    """Methods of fitted estimators that return them in another form."""

    def _without_training(self) -> dict[str, Any]:
        """The attributes of `compact`, to copy."""
        raise NotImplementedError

    def compact(self) -> Self:
        """A copy without what training needs to go on: for files that only predict.

        A pickle of it is about as large as its coefficients. All fitted attributes
        are there, and all methods that do not train work.

        Returns
        -------
        estimator
            Of the same class and parameters, sharing no array. Its `fit` starts anew;
            `partial_fit`, and `fit` with ``warm_start=True``, raise a ValueError,
            because they would forget without a word what was learnt.

        Raises
        ------
        sklearn.exceptions.NotFittedError

        Examples
        --------
        >>> import pickle
        >>> from sklearn.datasets import load_digits
        >>> from skgd import GDClassifier
        >>> X, y = load_digits(return_X_y=True)
        >>> model = GDClassifier().fit(X, y)
        >>> len(pickle.dumps(model)) > len(pickle.dumps(model.compact()))
        True
        """
        check_is_fitted(self)
        other = object.__new__(type(self))
        vars(other).update(copy.deepcopy(self._without_training()))
        return other

    def to_sklearn(self) -> Any:
        """The fitted estimator of scikit-learn that predicts the same.

        Whoever loads it needs scikit-learn only. For pipelines and ensembles there is
        :func:`skgd.export.to_sklearn`.

        Returns
        -------
        estimator
            `LogisticRegression` for log_loss, `SGDClassifier` for losses of margins,
            `LinearRegression`, `PoissonRegressor`, `GammaRegressor`, `MLPClassifier`,
            `MLPRegressor`; of an ensemble of networks `VotingClassifier` or
            `VotingRegressor`. Labels and predicted numbers are the same to the bit,
            those of an ensemble to rounding, and probabilities to 2e-16.

        Raises
        ------
        ValueError
            Where scikit-learn has no such estimator, for example for other activations
            than identity, logistic, tanh and relu.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skgd import GDClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> GDClassifier().fit(X, y).to_sklearn()
        LogisticRegression()
        """
        from skgd._export.twins import twin

        return twin(self)

    def to_onnx(self, *, dtype: DTypeLike = np.float32, opset: int = 18) -> Any:
        """The fitted estimator as an ONNX model, for runtimes without Python.

        Needs the extra "onnx". The input is "X", of shape (n_samples, n_features). A
        regressor has the output "variable", of shape (n_samples, n_targets), a
        classifier "label" and "probabilities", of shape (n_samples, n_classes), which
        hold the scores where the loss has no probabilities: names and shapes of
        skl2onnx.

        Parameters
        ----------
        dtype : {numpy.float32, numpy.float64}, default=numpy.float32
            Precision of the input and of all arithmetic.
        opset : int, default=18
            Version of the operators; 18 is the oldest possible.

        Returns
        -------
        onnx.ModelProto

        Raises
        ------
        ValueError
            For activations and links of your own, and for GELU in float64, which
            onnxruntime does not have.
        ImportError
            Without the package onnx.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skgd import GDClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> model = GDClassifier().fit(X, y).to_onnx()  # doctest: +SKIP
        """
        from skgd._export.onnx_model import onnx_model

        return onnx_model(self, dtype, opset)
