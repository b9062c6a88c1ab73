import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kmad.cluster._weights import worth_of

WEIGHTS = arrays(np.float64, st.integers(1, 20), elements=st.floats(1e-150, 1e200))


def test_no_weights_are_rows():
    assert len(worth_of(np.empty(0)).rows) == 0
    assert worth_of(np.empty(0)).unit == 1.0


@pytest.mark.parametrize("weight", [1.0, 0.1, 10.0, 1e300])
def test_equal_weights_are_rows(weight):
    worth = worth_of(np.full(7, weight))
    assert len(worth.rows) == 0
    assert worth.unit == weight


def test_whole_weights_are_counts():
    weights = np.array([1.0, 3.0, 200.0])
    assert worth_of(weights).rows is weights
    assert worth_of(weights).unit == 1.0
    assert worth_of(weights).counts
    assert not worth_of(weights / 2).counts


@given(weights=WEIGHTS, factor=st.sampled_from([0.25, 3.0]))
def test_shares_are_worth_what_knows_a_mean_as_well(weights, factor):
    weights[0] = 0.3
    worth = worth_of(weights)
    if len(worth.rows):
        assert worth.rows * worth.unit == pytest.approx(weights, rel=1e-9)
        assert worth.rows.sum() == pytest.approx((worth.rows**2).sum(), rel=1e-9)
        assert worth.rows.sum() <= len(weights) * (1 + 1e-9)
        assert worth_of(factor * weights).rows == pytest.approx(worth.rows, rel=1e-9)
