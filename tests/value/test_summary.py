import datetime as dt
from fractions import Fraction

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.value import reference

from kmad import calibration_holdout, customer_summary, historical_value, moving_window_value
from kmad.value import _summary

START = dt.date(2024, 12, 28)
MAKERS = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table, "arrays": dict}
each_kind = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
NAMES = {"customer": "who", "date": "when", "amount": "paid"}
LENGTHS = {"day": Fraction(1), "week": Fraction(7), "month": Fraction("30.4375"), "year": Fraction("365.25")}
# Few customers, days and amounts: several lines a day, returns and sums of zero are common.
LINES = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.sampled_from([0, 1, 2, 3, 4, 9, 33, 400]).map(lambda days: START + dt.timedelta(days)),
        st.sampled_from([-3030, -1010, 0, 1, 1010, 2020]),
    ),
    min_size=1,
    max_size=20,
)
UNITS = st.sampled_from(list(LENGTHS))


def table_of(lines, make=dict):
    who, when, cents = zip(*lines, strict=True)
    return make({"who": np.array(who), "when": np.array(when, "datetime64[us]"), "paid": np.array(cents) / 100})


def columns_of(table):
    names = table if isinstance(table, dict) else nw.from_native(table).columns
    return {name: np.asarray(table[name]) for name in names}


def assert_same(first, second):
    first, second = columns_of(first), columns_of(second)
    assert list(first) == list(second)
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


# A log that holds this line has a customer to summarise.
BOUGHT = ("d", START, 100)


def summarise(lines, *, make=dict, unit="week", **options):
    return customer_summary(table_of(lines, make), **NAMES, unit=unit, **options)


@given(lines=LINES, n_jobs=st.sampled_from([1, 3]))
def test_summary_in_chunks_is_the_whole(lines, n_jobs):
    lines = [*lines, BOUGHT]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_summary, "CHUNK_LINES", 1)
        chunked = summarise(lines, n_jobs=n_jobs)
    assert_same(chunked, summarise(lines))


@given(lines=LINES, unit=UNITS, period=UNITS, offset=st.integers(0, 500))
def test_summary_equals_the_slow_one(lines, unit, period, offset):
    end = max(day for _, day, _ in lines) - dt.timedelta(offset)
    if end < min(day for _, day, _ in lines):
        end = max(day for _, day, _ in lines)
    expected = reference.summary_of(
        lines, period=period, last=reference.period_of(end, period), ratio=LENGTHS[period] / LENGTHS[unit]
    )
    if not expected:
        with pytest.raises(ValueError, match="transactions must hold a purchase"):
            summarise(lines, unit=unit, period=period, end=end)
        return
    summary = summarise(lines, unit=unit, period=period, end=end)
    assert len(summary["customer"]) == len(expected)
    for name in expected[0]:
        found = [row[name] for row in expected]
        if name == "customer":
            assert summary[name].tolist() == found
        else:
            np.testing.assert_allclose(summary[name], found, rtol=1e-12, atol=1e-12, err_msg=name)


@given(lines=LINES, random=st.randoms())
def test_summary_ignores_the_order_of_lines(lines, random):
    lines = [*lines, BOUGHT]
    assert_same(summarise(lines), summarise(random.sample(lines, len(lines))))


@given(lines=LINES, unit=UNITS, period=UNITS)
def test_summary_has_recency_between_nothing_and_age(lines, unit, period):
    summary = summarise([*lines, BOUGHT], unit=unit, period=period)
    assert (summary["recency"] >= 0).all()
    assert (summary["recency"] <= summary["T"]).all()
    assert (summary["frequency"] >= 0).all()
    assert ((summary["frequency"] > 0) == (summary["recency"] > 0)).all()
    assert (summary["n_purchases"] == summary["frequency"] + 1).all()
    assert (summary["monetary_value"] >= 0).all()
    assert (summary["returned"] >= 0).all()
    assert (summary["first"] <= summary["last"]).all()


@each_kind
def test_summary_is_of_the_kind_that_came_in(make):
    lines = [("b", START, 100), ("a", START, 200), ("b", START + dt.timedelta(7), 300)]
    table = table_of(lines, make)
    summary = customer_summary(table, **NAMES, unit="week")
    assert type(summary) is type(table)
    assert_same(summary, summarise(lines))
    assert columns_of(summary)["customer"].tolist() == ["a", "b"]


def test_summary_leaves_the_table_unchanged():
    lines = [("b", START, 100), ("a", START, 200), ("b", START + dt.timedelta(7), 300)]
    table = table_of(lines, pd.DataFrame).set_index(pd.Index([5, 3, 5]))
    before = table.copy(deep=True)
    summary = customer_summary(table, **NAMES, unit="week")
    pd.testing.assert_frame_equal(table, before)
    assert summary.index.tolist() == [0, 1]
    arrays = table_of(lines)
    for array in arrays.values():
        array.flags.writeable = False
    customer_summary(arrays, **NAMES, unit="week")


def test_summary_counts_purchases_of_one_day_once():
    lines = [("a", START, 100), ("a", START, 200), ("a", START + dt.timedelta(1), 400)]
    summary = summarise(lines, unit="day")
    assert summary["frequency"].tolist() == [1]
    assert summary["monetary_value"].tolist() == [4.0]
    assert summary["total"].tolist() == [7.0]
    assert summarise(lines, unit="day", period="week")["frequency"].tolist() == [0]


def test_summary_weeks_begin_on_monday():
    sunday, monday = dt.date(2025, 1, 5), dt.date(2025, 1, 6)
    lines = [("a", sunday, 100), ("a", monday, 100), ("b", sunday - dt.timedelta(6), 100), ("b", sunday, 100)]
    summary = summarise(lines, period="week")
    assert summary["frequency"].tolist() == [1, 0]
    assert summary["last"].astype("datetime64[D]").tolist() == [monday, sunday - dt.timedelta(6)]


def test_summary_months_are_whole_when_counted_in_months():
    lines = [("a", dt.date(2025, 1, 31), 100), ("a", dt.date(2025, 2, 1), 100), ("a", dt.date(2025, 12, 1), 100)]
    summary = summarise(lines, unit="month", period="month", end="2026-02-28")
    assert (summary["frequency"].tolist(), summary["recency"].tolist(), summary["T"].tolist()) == ([2], [11.0], [13.0])


def test_summary_counts_hours_when_asked():
    times = np.array(["2025-01-01T00:10", "2025-01-01T00:50", "2025-01-01T05:00"], "datetime64[ns]")
    hour = np.timedelta64(1, "h")
    summary = customer_summary({"who": [1, 1, 1], "when": times}, customer="who", date="when", unit=hour, period=hour)
    assert (summary["frequency"].tolist(), summary["recency"].tolist()) == ([1], [5.0])
    assert summary["last"].tolist() == [dt.datetime.fromisoformat("2025-01-01T05:00")]


def test_summary_of_a_return_lowers_the_total_alone():
    lines = [("a", START, 1000), ("a", START + dt.timedelta(7), 500), ("a", START + dt.timedelta(14), -300)]
    summary = summarise(lines, margin=0.5)
    assert summary["frequency"].tolist() == [1]
    assert summary["recency"].tolist() == [1.0]
    assert summary["monetary_value"].tolist() == [2.5]
    assert summary["total"].tolist() == [6.0]
    assert summary["returned"].tolist() == [1.5]


def test_summary_counts_what_was_bought_for_nothing_but_not_what_cancels():
    week = dt.timedelta(7)
    gift = [("a", START, 500), ("a", START + week, 0)]
    # 10.1 + 20.2 - 30.3 is not 0 in floats.
    cancelled = [("b", START, 500), *(("b", START + week, cents) for cents in (1010, 2020, -3030))]
    summary = summarise([*gift, *cancelled])
    assert summary["frequency"].tolist() == [1, 0]
    assert summary["monetary_value"].tolist() == [0.0, 0.0]
    assert summary["returned"].tolist() == [0.0, 0.0]


def test_summary_leaves_out_who_only_returned():
    summary = summarise([("a", START, -500), ("b", START, 500), ("c", START, 100), ("c", START, -100)])
    assert summary["customer"].tolist() == ["b"]


@pytest.mark.parametrize(
    "lines", [[("a", START, -500)], [("a", START, 500), ("a", START, -500)]], ids=["return", "nil"]
)
def test_log_without_a_purchase_is_an_error(lines):
    for value in (
        lambda: summarise(lines),
        lambda: historical_value(table_of(lines), **NAMES),
        lambda: moving_window_value(table_of(lines), **NAMES, window="month", discount_rate=0.1),
    ):
        with pytest.raises(ValueError, match="transactions must hold a purchase, an amount of 0 or more"):
            value()


def test_summary_without_amounts_has_no_money():
    table = table_of([("a", START, -100), ("a", START + dt.timedelta(7), 0)])
    summary = customer_summary(table, customer="who", date="when", unit="week")
    money = {"monetary_value", "total", "returned"}
    assert set(summarise([("a", START, 1)])) - set(summary) == money
    assert summary["frequency"].tolist() == [1]


def test_summary_tells_clockwork_from_bursts():
    days = {"clock": [0, 7, 14, 21, 28], "burst": [0, 1, 2, 3, 90], "twice": [0, 7]}
    lines = [(who, START + dt.timedelta(day), 100) for who, found in days.items() for day in found]
    summary = summarise(lines)
    burst, clock, twice = summary["interval_cv"]
    assert clock == 0
    assert burst == pytest.approx(np.std([1, 1, 1, 87], ddof=1) / 22.5)
    assert np.isnan(twice)


def test_summary_of_random_times_is_near_one():
    rng = np.random.default_rng(0)
    when = np.datetime64("2020-01-01") + (np.cumsum(rng.exponential(30, 4000)) * 86400).astype("timedelta64[s]")
    table = {"who": np.zeros(4000, np.int64), "when": when}
    summary = customer_summary(table, customer="who", date="when", unit="day", period=dt.timedelta(seconds=1))
    assert summary["interval_cv"][0] == pytest.approx(1, abs=0.05)


@each_kind
def test_end_leaves_out_later_lines(make):
    lines = [("a", START, 100), ("a", START + dt.timedelta(10), 200), ("b", START + dt.timedelta(11), 300)]
    cut = START + dt.timedelta(10)
    whole = columns_of(summarise(lines[:2], make=make, end=cut))
    assert columns_of(summarise(lines, make=make, end=cut))["T"].tolist() == whole["T"].tolist()
    assert columns_of(summarise(lines, make=make, end=cut))["total"].tolist() == [3.0]
    later = columns_of(summarise(lines, make=make, unit="day", end=START + dt.timedelta(100)))
    assert later["T"].tolist() == [100.0, 89.0]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"unit": "fortnight"}, ValueError, "unit must be 'day'"),
        ({"unit": 7}, TypeError, "unit must be 'day'"),
        ({"period": "quarter"}, ValueError, "period must be 'day'"),
        ({"margin": 0}, ValueError, "margin must lie between 0 and inf"),
        ({"margin": "much"}, TypeError, "margin must be a number"),
        ({"end": "2024-12-27"}, ValueError, "end must not lie before the first line, of 2024-12-28.*got 2024-12-27"),
        ({"end": "yesterday"}, ValueError, "end must be a date"),
        ({"n_jobs": 0}, ValueError, "n_jobs must not be 0; got 0"),
        ({"n_jobs": 1.5}, TypeError, "n_jobs must be an integer; got 1.5"),
        ({"n_jobs": "x"}, TypeError, "n_jobs must be an integer; got 'x'"),
    ],
    ids=str,
)
def test_summary_rejects_a_wrong_argument(options, error, message):
    lines = [("a", START, 100), ("a", START + dt.timedelta(1), 100)]
    with pytest.raises(error, match=message):
        summarise(lines, **options)
    with pytest.raises(error, match=message):
        calibration_holdout(table_of(lines), **NAMES, **{"unit": "week", "split": START, **options})


@pytest.mark.parametrize("resolution", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize(
    "period", ["day", dt.timedelta(1), np.timedelta64(1, "D"), np.timedelta64(86400 * 10**9, "ns")]
)
def test_end_may_lie_beyond_the_last_nanosecond(resolution, period):
    table = table_of([("a", START, 100), ("b", START + dt.timedelta(4), 100)])
    table["when"] = table["when"].astype(f"datetime64[{resolution}]")
    end = dt.date(9999, 12, 31)
    summary = customer_summary(table, **NAMES, unit="day", period=period, end="9999-12-31")
    days = (end - START).days
    assert summary["T"].tolist() == [days, days - 4]
    for last in (end, np.datetime64(end), np.datetime64(end, "us")):
        both = calibration_holdout(table, **NAMES, unit="day", period=period, split=START + dt.timedelta(9), end=last)
        assert both["T_holdout"].tolist() == [days - 9.0] * 2
    with pytest.raises(ValueError, match=r"end must not lie before the first line, of 2024-12-28.*; got 1066-10-14"):
        customer_summary(table, **NAMES, unit="day", period=period, end="1066-10-14")
    assert historical_value(table, **NAMES, end=end)["historical_value"].tolist() == [1.0, 1.0]


@given(lines=LINES, cut=st.integers(0, 300))
def test_holdout_and_calibration_are_the_log_cut_in_two(lines, cut):
    lines = [BOUGHT, *lines, ("b", START + dt.timedelta(500), 100)]
    split = START + dt.timedelta(cut)
    both = calibration_holdout(table_of(lines), **NAMES, split=split, unit="day", margin=0.5)
    calibration = summarise(lines, unit="day", end=split, margin=0.5)
    assert_same({name: both[name] for name in calibration}, calibration)
    assert both["T_holdout"].tolist() == [500.0 - cut] * len(both["customer"])
    later = reference.occasions_of([line for line in lines if line[1] > split], "day")
    for i, customer in enumerate(both["customer"]):
        bought = [cents for cents in later.get(customer, {}).values() if cents >= 0]
        assert both["frequency_holdout"][i] == len(bought)
        assert both["monetary_value_holdout"][i] == pytest.approx(sum(bought) / 200 / max(1, len(bought)))


@each_kind
def test_holdout_is_of_the_kind_that_came_in(make):
    lines = [("a", START, 100), ("a", START + dt.timedelta(70), 100)]
    table = table_of(lines, make)
    both = calibration_holdout(table, customer="who", date="when", split="2025-01-31", unit="week", end="2025-03-14")
    assert type(both) is type(table)
    assert columns_of(both)["frequency_holdout"].tolist() == [1]
    assert columns_of(both)["T_holdout"].tolist() == [6.0]
    assert "monetary_value_holdout" not in columns_of(both)


def test_holdout_of_nothing_is_an_error():
    table = table_of([("a", START, 100), ("a", START + dt.timedelta(3), 100)])
    with pytest.raises(
        ValueError, match=r"split must lie at least one period before the end; got '2024-12-31', .*12-31"
    ):
        calibration_holdout(table, **NAMES, split="2024-12-31", unit="week")
    with pytest.raises(ValueError, match="split must not lie before the first line"):
        calibration_holdout(table, **NAMES, split="2024-12-01", unit="week")
    with pytest.raises(ValueError, match="split must be a date"):
        calibration_holdout(table, **NAMES, split=None, unit="week")
