"""Fitted estimators in other forms; nothing here knows an estimator class."""
