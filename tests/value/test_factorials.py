import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import digamma, gammaln, polygamma

from kmad.value._factorials import RisingFactorials, log_rising


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
