import datetime as dt
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmad.value._log import read_log, read_time

MAKERS = {
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "pyarrow": pa.table,
    "arrays": lambda columns: {name: np.asarray(column) for name, column in columns.items()},
}
each_kind = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
DAYS = ["2025-03-30", "2025-01-01", "2025-03-30"]
TIMES = np.array(DAYS, "datetime64[us]")


def read(table, amount=None):
    return read_log(table, customer="who", date="when", amount=amount)


def log_of(make, **columns):
    return make({"who": [1, 2, 3], "when": TIMES, **columns})


@each_kind
@pytest.mark.parametrize(
    "when",
    [
        TIMES,
        TIMES.astype("datetime64[ms]"),
        TIMES.astype("datetime64[ns]"),
        DAYS,
        [" 20250330", "2025-W01-3", "2025-03-30T00:00"],
        [dt.date.fromisoformat(day) for day in DAYS],
        [dt.datetime.fromisoformat(day) for day in DAYS],
    ],
    ids=["us", "ms", "ns", "text", "other text", "dates", "datetimes"],
)
def test_dates_of_any_kind_are_the_same_times(make, when):
    log = read(log_of(make, when=when))
    assert log.time.astype("datetime64[us]").tolist() == TIMES.tolist()
    assert log.zone is None


def test_dates_as_categories_are_text():
    for table in (
        pd.DataFrame({"who": [1, 2, 3], "when": pd.Categorical(DAYS)}),
        pl.DataFrame({"who": [1, 2, 3], "when": pl.Series(DAYS, dtype=pl.Categorical)}),
    ):
        assert read(table).time.tolist() == TIMES.tolist()


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_times_with_a_zone_are_those_of_its_clocks(kind):
    utc = pd.Series(["2025-03-30 03:30", "2025-07-01 01:00", "2025-12-31 23:00"]).astype("datetime64[us]")
    there = utc.dt.tz_localize("UTC").dt.tz_convert("America/New_York")
    frame = pd.DataFrame({"who": [1, 2, 3], "when": there})
    table = {"pandas": frame, "polars": pl.from_pandas(frame), "pyarrow": pa.Table.from_pandas(frame)}[kind]
    log = read(table)
    assert str(log.zone) == "America/New_York"
    assert np.datetime_as_string(log.time, "m").tolist() == ["2025-03-29T23:30", "2025-06-30T21:00", "2025-12-31T18:00"]


def test_times_with_an_offset_are_those_of_its_clocks():
    when = pa.array([0], pa.timestamp("s", tz="+05:30"))
    log = read(pa.table({"who": [1], "when": when}))
    assert np.datetime_as_string(log.time, "m").tolist() == ["1970-01-01T05:30"]
    assert log.zone == dt.timezone(dt.timedelta(hours=5.5))


def test_text_with_an_offset_is_turned_to_utc():
    log = read({"who": [1, 1], "when": ["2025-01-01T23:30-05:00", "2025-01-01T23:30"]})
    assert np.datetime_as_string(log.time, "m").tolist() == ["2025-01-02T04:30", "2025-01-01T23:30"]


@pytest.mark.parametrize(
    ("value", "zone", "expected"),
    [
        ("2025-03-30", None, "2025-03-30T00:00"),
        (dt.date(2025, 3, 30), "Asia/Tokyo", "2025-03-30T00:00"),
        (dt.datetime.fromisoformat("2025-03-30T08:00"), None, "2025-03-30T08:00"),
        (np.datetime64("2025-03"), None, "2025-03-01T00:00"),
        (pd.Timestamp("2025-03-30 12:00"), None, "2025-03-30T12:00"),
        (dt.datetime(2025, 3, 30, 20, tzinfo=dt.UTC), None, "2025-03-30T20:00"),
        (dt.datetime(2025, 3, 30, 20, tzinfo=dt.UTC), "Asia/Tokyo", "2025-03-31T05:00"),
        (dt.datetime(2025, 3, 30, 20, tzinfo=ZoneInfo("Asia/Tokyo")), "UTC", "2025-03-30T11:00"),
    ],
    ids=str,
)
def test_one_time_is_read_as_clocks_of_the_zone_show_it(value, zone, expected):
    assert np.datetime_as_string(read_time("end", value, zone and ZoneInfo(zone)), "m") == expected


@pytest.mark.parametrize("value", ["soon", 20250330, np.datetime64("NaT"), pd.NaT, None], ids=str)
def test_one_time_that_is_none_is_an_error(value):
    with pytest.raises(ValueError, match=r"end must be a date such as '2025-12-31'; got "):
        read_time("end", value)


CUSTOMERS = {
    "dense numbers": [7, 5, 7],
    "far numbers": [-(2**60), 2**62, 0],
    "text": ["bob", "ann", "bob"],
    "reals": [0.5, -1.0, 0.5],
    "flags": [True, False, True],
    "small numbers": np.array([200, 3, 200], np.uint8),
    "small numbers on both sides": np.array([100, -100, 100], np.int8),
    "largest numbers": np.array([2**64 - 1, 2**64 - 3, 2**64 - 1], np.uint64),
}


@each_kind
@pytest.mark.parametrize("who", CUSTOMERS.values(), ids=CUSTOMERS)
def test_customers_are_numbered_in_their_order(make, who):
    log = read(log_of(make, who=who))
    names = np.asarray(who)
    assert log.code.dtype == np.int64
    assert log.n_codes > log.code.max()
    assert np.array_equal(np.argsort(names, kind="stable"), np.argsort(log.code, kind="stable"))
    assert np.array_equal(names[:, None] == names, log.code[:, None] == log.code)
    shown = log.beside(np.unique(log.code), {"n": np.zeros(len(np.unique(names)))})
    assert np.asarray(shown["customer"]).tolist() == np.unique(names).tolist()


@given(
    st.lists(st.text(st.sampled_from("abÿĀ\U0001f600 "), max_size=34), min_size=1, max_size=12), st.sampled_from("<>")
)
def test_texts_are_numbered_as_numpy_sorts_them(names, order):
    who = np.array(names, f"{order}U{34 if len(max(names, key=len)) > 32 else 32}")
    twice = np.repeat(who, 2)[::2]
    log = read({"who": twice, "when": np.zeros(len(who), "datetime64[D]")})
    customers, code = np.unique(who, return_inverse=True)
    assert log.n_codes == len(customers)
    np.testing.assert_array_equal(log.code, code)


def test_customers_as_categories_keep_their_dtype():
    for table in (
        pd.DataFrame({"who": pd.Categorical(["b", "a", "b"]), "when": TIMES}, index=[9, 8, 7]),
        pl.DataFrame({"who": pl.Series(["b", "a", "b"], dtype=pl.Categorical), "when": TIMES}),
        pl.DataFrame({"who": pl.Series(["b", "a", "b"], dtype=pl.Enum(["a", "b"])), "when": TIMES}),
    ):
        log = read(table)
        assert log.code.tolist() == [1, 0, 1]
        shown = log.beside(np.array([0, 1]), {"n": np.array([1, 2])})
        assert list(shown["customer"]) == ["a", "b"]
        assert shown["customer"].dtype == table["who"].dtype


def test_nullable_customers_without_nulls_are_customers():
    table = pd.DataFrame({"who": pd.array([3, 1, 3], "Int64"), "when": TIMES})
    assert read(table).code.tolist() == [2, 0, 2]


MISSING = {
    "text": ["a", None, None],
    "reals": [1.0, np.nan, np.nan],
    "times": np.array([0, "NaT", "NaT"], "datetime64[us]"),
}


@each_kind
@pytest.mark.parametrize("who", MISSING.values(), ids=MISSING)
def test_missing_customer_is_an_error_that_says_where(make, who):
    with pytest.raises(ValueError, match=r"column 'who' has 2 missing values, the first in row 1\. Drop those lines"):
        read(log_of(make, who=who))


@each_kind
def test_missing_date_is_an_error_that_says_where(make):
    with pytest.raises(ValueError, match="column 'when' has 1 missing values, the first in row 2"):
        read(log_of(make, when=np.array([*DAYS[:2], "NaT"], "datetime64[us]")))


@pytest.mark.parametrize("gap", [pd.NaT, np.datetime64("NaT")], ids=["pandas", "numpy"])
@pytest.mark.parametrize("make", [pd.DataFrame, MAKERS["arrays"]], ids=["pandas", "arrays"])
def test_missing_date_among_objects_is_an_error_that_says_where(make, gap):
    when = np.array([dt.date(2025, 3, 30), gap, gap], object)
    with pytest.raises(ValueError, match=r"column 'when' has 2 missing values, the first in row 1\. Fill them"):
        read(log_of(make, when=when))


@pytest.mark.parametrize("make", [pd.DataFrame, MAKERS["arrays"]], ids=["pandas", "arrays"])
def test_objects_of_numpy_are_dates(make):
    # Two resolutions, and a date beyond the last nanosecond.
    when = np.empty(3, object)
    when[:] = [np.datetime64("2025-03-30T08:30", "ns"), np.datetime64("2700-01-01"), dt.date(2025, 1, 1)]
    expected = [dt.datetime(2025, 3, 30, 8, 30), dt.datetime(2700, 1, 1), dt.datetime(2025, 1, 1)]  # noqa: DTZ001
    assert read(log_of(make, when=when)).time.tolist() == expected


def test_customers_that_cannot_be_sorted_are_an_error():
    for table in (
        {"who": np.array(["a", 1], object), "when": DAYS[:2]},
        pd.DataFrame({"who": [{1}, {2}], "when": DAYS[:2]}),
        pa.table({"who": pa.array([[1], [2]]), "when": DAYS[:2]}),
    ):
        with pytest.raises(TypeError, match="customers that can be sorted; column 'who': "):
            read(table)


@each_kind
@pytest.mark.parametrize(
    "when", [["2025-01-01", "soon", "2025"], ["2025-01-01", "soon", "soon"]], ids=["once", "twice"]
)
def test_text_that_is_no_date_is_an_error_that_says_where(make, when):
    with pytest.raises(ValueError, match=r"dates such as .* in column 'when'; got 'soon' in row 1\."):
        read(log_of(make, when=when))


@each_kind
def test_numbers_are_no_dates(make):
    with pytest.raises(TypeError, match=r"transactions must have dates in column 'when'; it is of dtype .*nt64"):
        read(log_of(make, when=[20250330, 20250331, 20250401]))


def test_dtype_that_holds_no_dates_is_named_as_the_table_does():
    when = pd.PeriodIndex(["2025-01-01", "2025-01-02"], freq="D")
    with pytest.raises(TypeError, match=r"dates in column 'when'; it is of dtype period\[D\]\."):
        read(pd.DataFrame({"who": [1, 2], "when": when}))


def test_objects_that_are_no_dates_are_an_error():
    with pytest.raises(ValueError, match=r"got 3 in row 1\."):
        read({"who": [1, 2], "when": np.array(["2025-01-01", 3], object)})


@each_kind
def test_amounts_are_finite_numbers(make):
    assert read(log_of(make, paid=[1, 2, -3]), "paid").amount.tolist() == [1.0, 2.0, -3.0]
    assert read(log_of(make)).amount.tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(ValueError, match=r"column 'paid' has 1 missing or infinite values.*the first in row 1\."):
        read(log_of(make, paid=[1.0, np.inf, 2.0]), "paid")
    with pytest.raises(ValueError, match=r"transactions must have num.* 'paid'"):
        read(log_of(make, paid=["much", "more", "most"]), "paid")


def test_decimal_amounts_are_numbers():
    paid = [Decimal("1.25"), Decimal("-2.50"), Decimal("3.75")]
    for make in (pd.DataFrame, pl.DataFrame, pa.table, MAKERS["arrays"]):
        assert read(log_of(make, paid=paid), "paid").amount.tolist() == [1.25, -2.5, 3.75]


@each_kind
def test_column_that_is_not_there_is_an_error_that_names_those_that_are(make):
    with pytest.raises(ValueError, match=r"transactions must have a column 'paid'; its columns are 'who', 'when'\."):
        read(log_of(make), "paid")


def test_table_of_no_kind_is_an_error():
    with pytest.raises(TypeError, match="a pandas, polars or pyarrow table or a mapping of arrays; got list"):
        read([1, 2, 3])
    with pytest.raises(TypeError, match="transactions must be in memory; got a lazy LazyFrame"):
        read(pl.LazyFrame({"who": [1], "when": DAYS[:1]}))
    with pytest.raises(ValueError, match="its columns are none"):
        read({})


def test_arrays_of_different_lengths_are_an_error():
    with pytest.raises(ValueError, match=r"one dimension and one length; got the shapes \[\(2,\), \(1,\)\]"):
        read({"who": [1, 2], "when": DAYS[:1]})
    with pytest.raises(ValueError, match="one dimension and one length"):
        read({"who": [[1, 2]], "when": [DAYS[:2]]})


@each_kind
def test_log_without_lines_is_an_error(make):
    with pytest.raises(ValueError, match="transactions must have at least one line; it has none"):
        read(make({"who": np.array([], np.int64), "when": np.array([], "datetime64[us]")}))
