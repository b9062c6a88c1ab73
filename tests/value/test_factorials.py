import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betaln, digamma, gammaln, polygamma

from kmad.value._factorials import RisingFactorials, gamma_step, log_beta, log_rising


@given(st.lists(st.integers(0, 30), min_size=1, max_size=20), st.floats(0.01, 100))
def test_sums_are_those_of_gamma_functions(counts, v):
    n, weights = np.array(counts, float), np.arange(1.0, 1 + len(counts))
    found = RisingFactorials(n, weights)(v)
    np.testing.assert_allclose(found.value, weights @ (gammaln(v + n) - gammaln(v)), rtol=1e-9, atol=1e-9)
    first = weights @ (digamma(v + n) - digamma(v)) * v
    np.testing.assert_allclose(found.first, first, rtol=1e-9, atol=1e-9)
    second = first + weights @ (polygamma(1, v + n) - polygamma(1, v)) * v**2
    np.testing.assert_allclose(found.second, second, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("v", [1e-6, 0.3, 1e6])
def test_tables_are_sums_for_each_count(v):
    table = log_rising(v, 12)
    assert table.shape == (3, 13)
    for n in range(13):
        np.testing.assert_allclose(table[:, n], RisingFactorials(np.array([float(n)]), np.ones(1))(v), rtol=1e-12)


def test_nothing_is_lost_where_the_parameter_is_large():
    found = RisingFactorials(np.array([3.0]), np.ones(1))(1e14)
    assert found.value == pytest.approx(3 * np.log(1e14), rel=1e-15)
    assert found.second == pytest.approx(3e-14, rel=1e-2)


@pytest.mark.parametrize("z", [1e-3, 0.7, 31.9, 32.0, 1e3, 1e8, 1e14])
@pytest.mark.parametrize("n", [1, 2, 20])
def test_steps_of_the_gamma_function_are_sums(z, n):
    factors = z + np.arange(n)
    expected = np.log(factors).sum(), (1 / factors).sum(), -(1 / factors**2).sum()
    np.testing.assert_allclose(gamma_step(np.array(z), np.array(float(n))), expected, rtol=2e-13)
    # A step may be broken anywhere.
    parts = np.add(gamma_step(np.array(z), np.array(0.3)), gamma_step(np.array(z + 0.3), np.array(n - 0.3)))
    np.testing.assert_allclose(parts, expected, rtol=2e-11)


def test_beta_function_of_a_large_argument_keeps_its_digits():
    a, b = np.array([0.5, 2.5, 40.0, 7.0]), np.array([3.0, 2.5, 50.0, 1.0])
    np.testing.assert_allclose(log_beta(a, b), betaln(a, b), rtol=1e-13)
    np.testing.assert_allclose(log_beta(b, a), log_beta(a, b), rtol=1e-15)
    # B(2, b) is 1 / (b (b + 1)).
    np.testing.assert_allclose(log_beta(np.array(2.0), np.array(1e13)), -2 * np.log(1e13), rtol=1e-14)
