from collections import defaultdict
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmad.value import monthly_summary

START = np.datetime64("2025-01-01T00:00:00")
# Few customers, times and amounts: ties, returns and sums of zero are common.
LINES = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.sampled_from([0, 1, 24, 24 * 29, 24 * 31, 24 * 400]),
        st.sampled_from([-3030, -1010, 0, 1, 1010, 2020]),
    ),
    min_size=1,
    max_size=12,
)


def summarise(lines):
    customer, hours, cents = zip(*lines, strict=True)
    date = START + np.round(np.array(hours) * 3600).astype("timedelta64[s]")
    return monthly_summary(np.array(customer), date=date, amount=np.array(cents) / 100)


def summarise_slowly(lines):
    """Sum every transaction on its own, in exact cents."""
    hours = [hour for _, hour, _ in lines]
    months = max(Fraction(1), Fraction(max(hours) - min(hours)) / 24 / Fraction("30.4375"))
    transactions = defaultdict(lambda: defaultdict(int))
    for customer, hour, cents in lines:
        transactions[customer][hour] += cents
    rows = {
        customer: (
            float(sum(sums.values()) / 100 / months),
            float(sum(cents > 0 for cents in sums.values()) / months),
        )
        for customer, sums in sorted(transactions.items())
        if sum(sums.values()) > 0
    }
    return rows, float(months), len(transactions) - len(rows)


@given(lines=LINES)
def test_summary_equals_the_slow_one(lines):
    rows, months, n_left_out = summarise_slowly(lines)
    summary = summarise(lines)
    assert summary.customer.tolist() == list(rows)
    assert summary.data.shape == (len(rows), 2)
    assert summary.data.ravel() == pytest.approx(np.ravel(list(rows.values())))
    assert summary.months == pytest.approx(months)
    assert summary.n_left_out == n_left_out


@given(lines=LINES, random=st.randoms())
def test_summary_ignores_the_order_of_lines(lines, random):
    shuffled = random.sample(lines, len(lines))
    first, second = summarise(lines), summarise(shuffled)
    assert np.array_equal(first.customer, second.customer)
    assert np.array_equal(first.data, second.data)


@given(lines=LINES)
def test_summary_is_positive(lines):
    assert (summarise(lines).data > 0).all()


def test_summary_counts_lines_of_one_time_as_one_transaction():
    summary = summarise([("a", 0, 100), ("a", 0, 200), ("a", 1, 300)])
    assert summary.data.tolist() == [[6.0, 2.0]]


def test_summary_counts_no_return_as_a_transaction():
    summary = summarise([("a", 0, 500), ("a", 1, -200), ("b", 0, 100), ("b", 0, -100), ("b", 2, 300)])
    assert summary.data.tolist() == [[3.0, 1.0], [3.0, 1.0]]


def test_summary_leaves_out_what_is_returned_whole():
    # 10.1 + 20.2 - 30.3 is not 0 in floats.
    summary = summarise([("a", 0, 1010), ("a", 1, 2020), ("a", 2, -3030), ("b", 0, 1)])
    assert summary.customer.tolist() == ["b"]
    assert summary.n_left_out == 1


def test_summary_window_is_that_of_all_customers():
    summary = summarise([("a", 0, 100), ("b", 2 * 24 * 30.4375, 100), ("c", 1, -100)])
    assert summary.months == 2
    assert summary.data.tolist() == [[0.5, 0.5], [0.5, 0.5]]
