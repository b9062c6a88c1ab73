import datetime as dt
import re

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from kmad import KMad
from kmad._frames import check_numeric_table, choose_backend, make_table

DAYS = [dt.date(2025, 1, day) for day in (1, 2, 3)]
MAKERS = {"pandas": pd.DataFrame, "polars": lambda columns: pl.DataFrame(columns, strict=False), "pyarrow": pa.table}
each_kind = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def raised(table, error=ValueError):
    with pytest.raises(error) as caught:
        check_numeric_table("X", table)
    return str(caught.value)


@each_kind
@pytest.mark.parametrize(
    "column", [[1, 2, 3], [0.5, -1.0, 1e300], [True, False, True], np.array([1, 2, 3], np.uint8)], ids=str
)
def test_table_of_finite_numbers_passes(make, column):
    assert check_numeric_table("X", make({"amount": column, "n": [1.0, 2.0, 3.0]})) is None


@each_kind
@pytest.mark.parametrize("column", [DAYS, np.array(DAYS, "datetime64[us]")], ids=["date", "time"])
def test_table_with_dates_names_the_column(make, column):
    message = raised(make({"amount": [1.0, 2.0, 3.0], "since": column}))
    assert re.match("X must (have numeric columns|hold finite numbers); column 'since' ", message)


@each_kind
def test_table_with_text_names_the_column(make):
    message = raised(make({"amount": [1.0, 2.0], "name": ["ann", "bob"]}))
    # Before its third version pandas held text as objects.
    assert message in {
        "X must have numeric columns; column 'name' is of dtype String. Drop it, or turn it into numbers first.",
        "X must hold finite numbers; column 'name' has 'ann' in row 0.",
    }


def test_table_with_categories_names_the_dtype():
    table = pd.DataFrame({"kind": pd.Categorical(["a", "b"])})
    assert raised(table).startswith("X must have numeric columns; column 'kind' is of dtype Categorical.")


@each_kind
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf], ids=str)
def test_table_with_a_number_that_is_not_finite_names_column_and_row(make, value):
    message = raised(make({"n": [1.0, 2.0, 3.0, 4.0], "amount": [1.0, 2.0, value, value]}))
    assert message == (
        "X must hold finite numbers; column 'amount' has 2 missing or infinite values (NaN, null or inf), "
        "the first in row 2. Fill them, or drop those rows."
    )


@pytest.mark.parametrize("values", [[7, None, 9], [7.5, None, 9.0], [True, None, False]], ids=["int", "float", "bool"])
@pytest.mark.parametrize("kind", MAKERS)
def test_table_with_a_null_names_column_and_row(kind, values):
    nullable = {int: "Int64", float: "Float64", bool: "boolean"}[type(values[0])]
    table = MAKERS[kind]({"n": [1, 2, 3], "age": pd.array(values, nullable) if kind == "pandas" else values})
    assert "column 'age' has 1 missing or infinite values (NaN, null or inf), the first in row 1." in raised(table)


def test_table_of_objects_is_read_value_by_value():
    def table(*values):
        return pd.DataFrame({"amount": pd.Series(values, dtype=object)})

    assert check_numeric_table("X", table(1, 2.5, np.float32(3), np.True_)) is None
    assert raised(table(1, "much", 2)) == "X must hold finite numbers; column 'amount' has 'much' in row 1."
    assert raised(table(1, 2, None)) == "X must hold finite numbers; column 'amount' has None in row 2."
    assert raised(table(np.inf, 2)) == "X must hold finite numbers; column 'amount' has inf in row 0."


def test_table_with_a_name_twice_is_a_value_error():
    table = pd.DataFrame([[1.0, 2.0], [3.0, 4.0]], columns=["a", "a"])
    assert re.search("unique column names.*'a'", raised(table), flags=re.DOTALL)


def test_table_without_names_gives_the_number_of_the_column():
    assert "column 1 has 1 missing" in raised(pd.DataFrame([[1.0, np.nan]]))


def test_lazy_table_is_a_type_error():
    message = raised(pl.LazyFrame({"a": [1.0]}), TypeError)
    assert message == "X must be in memory; got a lazy LazyFrame: collect it first."


OTHERS = [np.array([[np.nan]]), [["a"]], ((1,),), "text", None, 3, pd.Series([np.nan])]


@pytest.mark.parametrize("other", OTHERS, ids=lambda other: type(other).__name__)
def test_anything_but_a_table_passes(other):
    assert check_numeric_table("X", other) is None


@pytest.mark.parametrize(
    ("asked", "given", "chosen"),
    [("polars", "pyarrow", "polars"), (None, "pyarrow", "pyarrow"), ("pandas", None, "pandas"), (None, None, "pandas")],
)
def test_backend_is_the_one_asked_for_or_that_of_what_was_given(asked, given, chosen):
    backend = choose_backend(asked, given)
    assert backend == chosen
    table = make_table({"name": ["ann", "bob"], "amount": np.array([1.5, 2.0])}, backend)
    assert type(table) is type(MAKERS[chosen]({"a": [1]}))
    assert nw.from_native(table)["amount"].to_list() == [1.5, 2.0]


def test_backend_that_cannot_be_had_is_an_error():
    with pytest.raises(ValueError, match="backend must be one of 'pandas', 'polars', 'pyarrow'; got 'numpy'"):
        choose_backend("numpy", "pandas")
    with pytest.raises(ImportError, match="a table needs modin_of_nobody, which is not installed: install it, or"):
        choose_backend(None, "modin_of_nobody")


@each_kind
def test_fit_names_column_and_row_of_a_table(make):
    with pytest.raises(ValueError, match=r"X must hold finite numbers; column 'amount' .* the first in row 1\."):
        KMad().fit(make({"n": [1.0, 2.0, 3.0], "amount": [1.0, np.nan, 2.0]}))
    model = KMad().fit(make({"n": [1.0, 2.0, 3.0], "amount": [1.0, 5.0, 2.0]}))
    with pytest.raises(ValueError, match="column 'amount'"):
        model.predict(make({"n": [1.0], "amount": ["much"]}))
