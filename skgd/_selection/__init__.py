"""Many penalties and folds in one descent: cross-validation and paths."""
