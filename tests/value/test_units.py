import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.value import reference

from kmad.value._units import days_of, force_of_interest, in_units, period_of, start_of

PERIODS = ["day", "week", "month", "year", dt.timedelta(days=7), np.timedelta64(36, "h")]
DATES = st.dates(dt.date(1900, 1, 1), dt.date(2100, 12, 31))
RESOLUTIONS = st.sampled_from(["s", "ms", "us", "ns"])


@pytest.mark.parametrize(
    ("unit", "days"),
    [
        ("day", 1),
        ("week", 7),
        ("month", 30.4375),
        ("year", 365.25),
        (dt.timedelta(hours=6), 0.25),
        (np.timedelta64(2, "W"), 14),
        (np.timedelta64(36, "h"), 1.5),
        (np.timedelta64(86400 * 10**9, "ns"), 1),
        (np.timedelta64(1500, "ns"), 1.5e-6 / 86400),
    ],
)
def test_unit_has_a_length_in_days(unit, days):
    assert days_of("unit", unit) == days


@pytest.mark.parametrize(
    ("unit", "error", "message"),
    [
        ("weeks", ValueError, r"unit must be 'day', 'week', 'month', 'year' or a timedelta; got 'weeks'\."),
        (7, TypeError, r"unit must be 'day', .* or a timedelta; got 7\."),
        (None, TypeError, "got None"),
        (dt.timedelta(0), ValueError, r"unit must be longer than nothing"),
        (np.timedelta64(-1, "D"), ValueError, r"unit must be longer than nothing"),
        (np.timedelta64(1, "M"), ValueError, r"unit must be a timedelta of fixed length; got .*'M'"),
        (np.timedelta64("NaT", "D"), ValueError, "fixed length"),
        (np.timedelta64(3), ValueError, "fixed length"),
    ],
    ids=str,
)
def test_unit_without_a_length_is_an_error(unit, error, message):
    with pytest.raises(error, match=message):
        days_of("unit", unit)


def test_duration_is_a_number_of_units():
    assert in_units("horizon", 52, "week") == 52
    assert in_units("horizon", "year", "month") == 12
    assert in_units("horizon", dt.timedelta(days=14), "week") == 2
    assert in_units("horizon", np.inf, "week") == np.inf


@pytest.mark.parametrize("duration", [0, -1.5, np.nan])
def test_duration_of_nothing_is_an_error(duration):
    with pytest.raises(ValueError, match=f"horizon must be above 0; got {duration}"):
        in_units("horizon", duration, "week")


@pytest.mark.parametrize("duration", [True, None])
def test_duration_of_no_kind_is_an_error(duration):
    with pytest.raises(TypeError, match=f"horizon must be 'day', .* got {duration}"):
        in_units("horizon", duration, "week")


def test_force_of_interest_compounds_to_the_rate_a_year():
    for unit in ("day", "week", "month", "year", dt.timedelta(days=90)):
        per_unit = force_of_interest("discount_rate", 0.1, unit)
        assert np.exp(per_unit * 365.25 / days_of("unit", unit)) == pytest.approx(1.1)
    assert force_of_interest("discount_rate", 0, "week") == 0


@pytest.mark.parametrize("rate", [-0.01, np.inf, np.nan])
def test_rate_out_of_range_is_an_error(rate):
    with pytest.raises(ValueError, match="discount_rate must be a rate a year of 0 or more"):
        force_of_interest("discount_rate", rate, "week")


def test_rate_that_is_no_number_is_an_error():
    with pytest.raises(TypeError, match="discount_rate must be a number, the rate a year; got '10 %'"):
        force_of_interest("discount_rate", "10 %", "week")


@given(day=DATES, resolution=RESOLUTIONS, period=st.sampled_from(PERIODS[:-1]))
def test_period_is_that_of_the_calendar(day, resolution, period):
    time = np.array([day, dt.datetime.combine(day, dt.time(23, 59, 59))], f"datetime64[{resolution}]")
    assert period_of(time, period).tolist() == [reference.period_of(day, period)] * 2


@given(seconds=st.integers(-(10**9), 10**9), period=st.sampled_from(PERIODS))
def test_start_is_the_first_time_of_its_period(seconds, period):
    time = np.array([np.datetime64(seconds, "s")])
    index = period_of(time, period)
    start = start_of(index, period)
    assert (start <= time).all()
    assert (period_of(start, period) == index).all()
    assert (period_of(start - np.timedelta64(1, "s"), period) == index - 1).all()
