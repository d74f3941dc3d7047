"""Moments of two sets of rows as those of both, for compiled and other code alike."""


def merged(share, mean, variance, added_mean, added_variance):
    """Mean and variance of all rows, a share of which has been added.

    The update of Chan, Golub and LeVeque (1983), for numbers or arrays.
    """
    delta = added_mean - mean
    variance = (
        (1.0 - share) * variance
        + share * added_variance
        + share * (1.0 - share) * delta**2
    )
    return mean + share * delta, variance
