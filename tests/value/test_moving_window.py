import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from tests.value import reference
from tests.value.test_summary import LINES, NAMES, START, table_of

from kmad import customer_summary, moving_window_value, retention_value

DAY = dt.timedelta(1)


def value_of(lines, make=dict, **options):
    options = {"window": 2 * DAY, "discount_rate": 0.1, **options}
    return moving_window_value(table_of(lines, make), **NAMES, **options)


@given(lines=LINES, days=st.integers(1, 40), later=st.integers(0, 9))
def test_values_are_those_of_the_windows(lines, days, later):
    lines = [*lines, ("d", START, 100)]
    end = max(day for _, day, _ in lines) + later * DAY
    n_followed, n_retained = reference.retained_of(lines, days=days, end=end)
    options = {"window": days * DAY, "end": end, "margin": 0.5}
    if not n_followed:
        with pytest.raises(ValueError, match="window must fit into the log at least twice"):
            value_of(lines, **options)
        return
    value = value_of(lines, **options)
    rate = n_retained / n_followed
    summary = customer_summary(table_of(lines), **NAMES, unit="day", margin=0.5)
    assert value["customer"].tolist() == summary["customer"].tolist()
    assert_allclose(value["historical_value"], summary["total"], atol=1e-12)
    assert_allclose(value["retention_rate"], rate)
    discount = 1.1 ** (days / 365.25) - 1
    for i, customer in enumerate(value["customer"]):
        recent = sum(cents for who, day, cents in lines if who == customer and (end - day).days < days) / 200
        assert_allclose(value["current_value"][i], recent, atol=1e-12)
        expected = retention_value(max(recent, 0), retention_rate=rate, discount_rate=discount)
        assert_allclose(value["potential_value"][i], expected, atol=1e-12)
    assert_allclose(value["lifecycle_value"], value["historical_value"] + value["potential_value"])


def test_retention_rate_may_be_given():
    lines = [("a", START, 100)]
    value = value_of(lines, make=pl.DataFrame, retention_rate=0.5, window="year")
    assert isinstance(value, pl.DataFrame)
    assert value["retention_rate"].to_list() == [0.5]
    assert_allclose(value["potential_value"], 0.5 / 0.6)
    assert value_of(lines, retention_rate=1.0)["potential_value"] > 1000


def test_log_that_is_too_short_is_an_error():
    with pytest.raises(ValueError, match=r"it fits in 1 times\. Take a shorter window, or give retention_rate"):
        value_of([("a", START, 100), ("a", START + DAY, 100)])


def test_window_whose_customers_nothing_follows_is_an_error():
    lines = [("a", START, -100), ("a", START + 9 * DAY, 100)]
    with pytest.raises(ValueError, match="with purchases in a window that another follows; it fits in 5 times"):
        value_of(lines)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"window": dt.timedelta(hours=12)}, ValueError, "window must be at least a day"),
        ({"window": 7}, TypeError, "window must be 'day'"),
        ({"discount_rate": -0.1}, ValueError, "discount_rate must be a rate a year"),
        ({"margin": np.inf}, ValueError, "margin must lie between 0 and inf"),
        ({"retention_rate": 1.1}, ValueError, "retention_rate must lie between 0 and 1; got 1.1"),
        ({"retention_rate": 1.0, "discount_rate": 0}, ValueError, "discount_rate must be above 0 where"),
    ],
    ids=str,
)
def test_wrong_argument_is_an_error(options, error, message):
    with pytest.raises(error, match=message):
        value_of([("a", START, 100)], **options)
