"""Activations against finite differences, and training's form against predict's."""

import numba
import numpy as np
import pytest
import reference_network
from numpy.testing import assert_allclose

from skgd._kernels import compiling, user_code
from skgd.activations import ACTIVATIONS, ELU, LeakyReLU, get_activation

OBJECTS = [cls() for cls in ACTIVATIONS.values()] + [LeakyReLU(0.3), ELU(0.5)]
AWAY_FROM_KINKS = np.r_[np.linspace(-6, -0.01, 40), np.linspace(0.01, 6, 40)]


@pytest.mark.parametrize("activation", OBJECTS, ids=repr)
def test_derivative_is_that_of_the_value(activation):
    z, h = AWAY_FROM_KINKS, 1e-6
    numeric = (activation.value(z + h) - activation.value(z - h)) / (2 * h)
    assert_allclose(activation.derivative(z), numeric, atol=1e-8)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_is_its_formula(name):
    value, slope = reference_network.formula_of(name)(AWAY_FROM_KINKS)
    activation = get_activation(name)
    assert_allclose(activation.value(AWAY_FROM_KINKS), value, atol=1e-14)
    assert_allclose(activation.derivative(AWAY_FROM_KINKS), slope, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("activation", OBJECTS, ids=repr)
def test_training_and_prediction_agree(activation, dtype):
    z = np.r_[AWAY_FROM_KINKS, 0.0, -800.0, 800.0].astype(dtype)
    expected = activation.value(z.copy())
    assert expected.dtype == dtype
    element = compiling.numba_type(dtype)
    signature = user_code.activation_signature(element)
    # Without the cache, where the package keeps the form that is called by address.
    apply = numba.njit(signature, **compiling.OPTIONS)(type(activation).apply)
    values, slope = z.copy(), np.full_like(z, np.nan)
    apply(values, slope, np.array(activation.parameters(), dtype=float))
    eps = np.finfo(dtype).eps
    assert_allclose(values, expected, rtol=8 * eps, atol=8 * eps)
    assert_allclose(slope, activation.derivative(z), rtol=32 * eps, atol=8 * eps)


@pytest.mark.parametrize("activation", OBJECTS, ids=repr)
def test_nan_stays_nan(activation):
    # Else a diverged network would look healthy.
    flat, slope = np.array([np.nan]), np.empty(1)
    activation.apply(flat, slope, np.array(activation.parameters(), dtype=float))
    assert np.isnan(flat[0])


def test_unknown_name_lists_the_known():
    with pytest.raises(ValueError, match="'swash' is unknown; choose one of 'identity"):
        get_activation("swash")
