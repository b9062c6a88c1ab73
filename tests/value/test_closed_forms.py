import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from tests.value.test_summary import LINES, NAMES, START, table_of

from kmad import customer_summary, historical_value, retention_value

RATES = st.floats(0, 1)
DISCOUNTS = st.floats(0.01, 1)
# r / (1 + d - r) for retention rates down and discount rates of 10, 12, 14 and 16 % across.
MULTIPLES = {
    0.6: [1.20, 1.15, 1.11, 1.07],
    0.7: [1.75, 1.67, 1.59, 1.52],
    0.8: [2.67, 2.50, 2.35, 2.22],
    0.9: [4.50, 4.09, 3.75, 3.46],
}


def test_retention_value_has_the_known_multiples():
    rates = np.array(list(MULTIPLES))[:, None]
    value = retention_value(1.0, retention_rate=rates, discount_rate=[0.10, 0.12, 0.14, 0.16])
    assert_allclose(value, list(MULTIPLES.values()), atol=0.005)


@given(margin=st.floats(-100, 100), r=RATES, d=DISCOUNTS)
def test_retention_value_is_the_sum_of_the_payments(margin, r, d):
    kept = (r / (1 + d)) ** np.arange(3000)
    streams = {"now": margin * kept, "next": margin * kept / (1 + d), "if_retained": margin * kept * r / (1 + d)}
    for first_payment, payments in streams.items():
        value = retention_value(margin, retention_rate=r, discount_rate=d, first_payment=first_payment)
        assert_allclose(value, payments.sum(), rtol=1e-9, atol=1e-12)


@given(r=RATES, d=DISCOUNTS, more=st.floats(0, 1))
def test_retention_value_rises_with_margin_and_retention_and_falls_with_the_discount(r, d, more):
    def value(margin, rate, discount):
        return retention_value(margin, retention_rate=rate, discount_rate=discount)

    base = value(10.0, r, d)
    assert value(10.0 + more, r, d) >= base
    assert value(10.0, r + more * (1 - r), d) >= base * (1 - 1e-12)
    assert value(10.0, r, d + more) <= base


def test_retention_value_of_a_tiny_discount_is_the_limit_of_none():
    none = retention_value(10.0, retention_rate=0.8, discount_rate=0.0)
    assert_allclose(retention_value(10.0, retention_rate=0.8, discount_rate=1e-9), none, rtol=1e-8)
    assert_allclose(none, 40.0)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"margin": "much"}, TypeError, "margin must be a number or an array of numbers; got 'much'"),
        ({"margin": [1.0, np.nan]}, ValueError, "margin must be finite"),
        ({"retention_rate": 1.01}, ValueError, "retention_rate must lie between 0 and 1; got 1.01"),
        ({"retention_rate": [0.5, -0.1]}, ValueError, "retention_rate must lie between 0 and 1"),
        ({"discount_rate": -0.1}, ValueError, "discount_rate must be 0 or more; got -0.1"),
        ({"retention_rate": 1, "discount_rate": 0}, ValueError, "discount_rate must be above 0 where .* infinite"),
        ({"first_payment": "never"}, ValueError, "first_payment must be one of 'if_retained', 'next', 'now'; got 'nev"),
    ],
    ids=str,
)
def test_retention_value_rejects_a_wrong_argument(changed, error, message):
    arguments = {"margin": 1.0, "retention_rate": 0.5, "discount_rate": 0.1, **changed}
    with pytest.raises(error, match=message):
        retention_value(arguments.pop("margin"), **arguments)


@given(lines=LINES, rate=st.floats(0, 2))
def test_historical_value_compounds_each_line(lines, rate):
    lines = [*lines, ("d", START, 100)]
    end = max(day for _, day, _ in lines)
    table = table_of(lines)
    past = historical_value(table, **NAMES, margin=0.5, discount_rate=rate)
    summary = customer_summary(table, **NAMES, margin=0.5, unit="day")
    assert past["customer"].tolist() == summary["customer"].tolist()
    for customer, value in zip(past["customer"], past["historical_value"], strict=True):
        worth = [
            cents / 200 * (1 + rate) ** ((end - day).days / 365.25) for who, day, cents in lines if who == customer
        ]
        assert_allclose(value, sum(worth), rtol=1e-9, atol=1e-9)


@given(lines=LINES)
def test_historical_value_without_interest_is_the_total(lines):
    table = table_of([*lines, ("d", START, 100)])
    past = historical_value(table, **NAMES)
    assert_allclose(past["historical_value"], customer_summary(table, **NAMES, unit="day")["total"], atol=1e-12)


def test_historical_value_ends_with_the_end():
    table = table_of([("a", START, 100), ("a", START + dt.timedelta(1), 100)], pd.DataFrame)
    past = historical_value(table, **NAMES, discount_rate=0.1, end=START)
    assert isinstance(past, pd.DataFrame)
    assert past["historical_value"].tolist() == [1.0]
    with pytest.raises(ValueError, match="end must not lie before the first line"):
        historical_value(table, **NAMES, end=START - dt.timedelta(1))
    with pytest.raises(ValueError, match="margin must lie between 0 and inf"):
        historical_value(table, **NAMES, margin=-1)
