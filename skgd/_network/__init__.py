"""Networks: estimator, layers, coordinates and automatic choices."""
