import numpy as np
import pytest
from numpy.testing import assert_allclose
from tests.asserts import rows

from kmad.value._elementary import exp, log_growth

N = rows(20_000, 1_000)


def test_exponential_is_that_of_numpy():
    powers = np.linspace(-690, 690, N)
    assert_allclose([exp(power) for power in powers], np.exp(powers), rtol=6e-16)
    small = np.linspace(-1e-8, 1e-8, 101)
    assert_allclose([exp(power) for power in small], np.exp(small), rtol=2.3e-16)


@pytest.mark.parametrize(("power", "bound"), [(1e9, 690.0), (-1e9, -690.0), (np.inf, 690.0), (-np.inf, -690.0)])
def test_exponential_is_bounded(power, bound):
    assert exp(power) == exp(bound)
    assert np.isfinite(exp(power))
    assert exp(power) > 0


@pytest.mark.parametrize("start", [1.0, 1.5, 1.999, 3e-5, 7e6])
def test_logarithm_of_growth_is_that_of_numpy(start):
    for ratios in (np.exp(np.linspace(-650, 650, N)), np.linspace(0, 3, N)):
        grown = [log_growth(ratio * start, start) for ratio in ratios]
        assert_allclose(grown, np.log1p(ratios * start / start), rtol=6e-16)
    assert log_growth(0.0, start) == 0.0
