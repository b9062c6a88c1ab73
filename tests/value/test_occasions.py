from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.asserts import rows

from kmad.value import _occasions
from kmad.value._occasions import Occasions, gather_occasions, heap_sort

AMOUNTS = st.sampled_from([-30.3, -10.1, -0.0, 0.0, 10.1, 20.2, 0.1, 0.2, 0.3])
LINES = st.lists(st.tuples(st.integers(0, 3), st.integers(-2, 3), AMOUNTS), min_size=1, max_size=30)


def gather(lines):
    customer, period, amount = (np.array(column) for column in zip(*lines, strict=True))
    return gather_occasions(customer, 5, period, amount.astype(float))


@given(lines=LINES)
def test_occasions_are_the_sums_of_their_lines(lines):
    occasions = gather(lines)
    sums = {}
    for customer, period, amount in lines:
        sums.setdefault((customer, period), []).append(amount)
    expected = {key: sum(found) for key, found in sums.items() if abs(sum(found)) > 1e-9 or not any(found)}
    keys = list(zip(occasions.customer.tolist(), occasions.period.tolist(), strict=True))
    assert keys == sorted(expected)
    assert occasions.amount == pytest.approx([expected[key] for key in keys])


@given(lines=LINES, random=st.randoms())
def test_occasions_ignore_the_order_of_lines(lines, random):
    for first, second in zip(gather(lines), gather(random.sample(lines, len(lines))), strict=True):
        assert np.array_equal(first, second)


@given(lines=LINES, n_groups=st.integers(1, 6))
def test_occasions_are_the_same_by_groups_of_customers(lines, n_groups):
    straight = gather(lines)
    with patch.multiple(_occasions, MANY_CUSTOMERS=0, N_GROUPS=n_groups):
        by_groups = gather(lines)
    for first, second in zip(straight, by_groups, strict=True):
        assert np.array_equal(first, second)


@pytest.mark.parametrize("between", [0, 1, 1_000_000], ids=["one period", "many periods", "far periods"])
def test_occasions_ignore_the_order_of_many_lines_of_one_customer(between):
    rng = np.random.default_rng(0)
    n = rows(50_000, 1_000)
    period, amount = rng.integers(0, n // 3, n) * between, rng.normal(size=n)
    zeros = np.zeros(n, np.int64)
    once = gather_occasions(zeros, 1, period, amount)
    falling = np.lexsort((-amount, -period))
    for order in (rng.permutation(n), falling, falling[::-1]):
        again = gather_occasions(zeros, 1, period[order], amount[order])
        assert all(np.array_equal(a, b) for a, b in zip(once, again, strict=True))
    np.testing.assert_array_equal(once.period, np.unique(period))
    np.testing.assert_allclose(once.amount.sum(), amount.sum())


@given(
    when=arrays(np.int64, st.integers(0, 40), elements=st.integers(-3, 3)),
    start=st.integers(0, 3),
    data=st.data(),
)
def test_heap_sorts_by_period_and_then_by_amount(when, start, data):
    paid = data.draw(arrays(np.float64, len(when), elements=st.integers(-3, 3).map(float)))
    stop = max(start, len(when) - 2)
    expected_when, expected_paid = when.copy(), paid.copy()
    order = np.lexsort((paid[start:stop], when[start:stop]))
    expected_when[start:stop], expected_paid[start:stop] = when[start:stop][order], paid[start:stop][order]
    lines = np.column_stack([when, paid.view(np.int64)])
    heap_sort(lines, lines.view(np.float64), start, stop)
    assert np.array_equal(lines[:, 0], expected_when)
    assert np.array_equal(lines.view(np.float64)[:, 1], expected_paid)


def test_starts_are_those_of_the_customers():
    occasions = Occasions(np.array([2, 2, 5]), np.array([0, 1, 0]), np.array([1.0, -1.0, 0.0]))
    assert occasions.starts.tolist() == [0, 2]
    assert occasions.is_purchase.tolist() == [True, False, True]
    assert occasions.buyers.tolist() == [2, 5]
    none = occasions.where(np.zeros(3, bool))
    assert none.starts.tolist() == []
    with pytest.raises(ValueError, match="transactions must hold a purchase"):
        _ = none.buyers
