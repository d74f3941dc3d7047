"""Linear models: estimators, coordinates and automatic choices."""
