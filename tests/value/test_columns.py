import numpy as np
import pandas as pd
import polars as pl
import pytest
from narwhals.exceptions import DuplicateError

from kmad import BGBB, BGNBD, GammaGamma, ShiftedBetaGeometric
from kmad.value._columns import read_purchases

GOOD = {"frequency": [2.0, 0.0], "recency": [3.0, 0.0], "T": [5.0, 4.0]}


def test_columns_are_found_by_name():
    table = pd.DataFrame({"T": [5, 4], "customer": ["a", "b"], "recency": [3.0, 0.0], "frequency": [2, 0]})
    for found, expected in zip(read_purchases("summary", table), GOOD.values(), strict=True):
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("typed", ["float64", "Float64", "float32", "int64", "bool"])
def test_columns_of_every_kind_of_number_are_read(typed):
    table = pd.DataFrame({"frequency": [1, 0], "recency": [1, 0], "T": [1, 1]}).astype(typed)
    before = table.copy()
    for found, expected in zip(read_purchases("summary", table), ([1, 0], [1, 0], [1, 1]), strict=True):
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, expected)
    pd.testing.assert_frame_equal(table, before)


def test_a_column_that_is_there_twice_is_refused():
    table = pd.DataFrame(np.ones((2, 4)), columns=["frequency", "recency", "T", "T"])
    with pytest.raises(DuplicateError, match="T"):
        read_purchases("summary", table)


def test_recency_that_rounding_put_after_the_age_is_the_age():
    _, recency, T = read_purchases("summary", [[1, 10 * (1 + 1e-12), 10.0]])
    assert recency == T == 10.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"T": [np.inf, 4.0]}, "summary must have a finite T; got .*T inf in row 0"),
        ({"T": [5.0, np.nan]}, "summary must have a finite T; got .* in row 1"),
        ({"recency": [6.0, 0.0]}, "recency from 0 to T; got frequency 2, recency 6, T 5 in row 0, and 1 such rows"),
        ({"recency": [-1.0, 0.0]}, "recency from 0 to T"),
        ({"recency": [np.nan, 0.0]}, "recency from 0 to T"),
        ({"frequency": [1.5, 0.0]}, "frequency that is a whole number from 0"),
        ({"frequency": [-1.0, 0.0]}, "frequency that is a whole number from 0"),
        ({"frequency": [1e9, 0.0]}, "frequency that is a whole number from 0 to 16,777,216"),
        ({"frequency": [0.0, 0.0]}, "a recency of 0 where the frequency is 0"),
    ],
)
def test_rows_that_cannot_be_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        BGNBD().fit(pl.DataFrame({**GOOD, **changes}))
    with pytest.raises(ValueError, match=message.replace("summary", "customers")):
        BGNBD.from_params(r=1, alpha=1, a=1, b=1).probability_alive({**GOOD, **changes})


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        (pd.DataFrame({"frequency": [1], "T": [2]}), ValueError, "summary must have a column 'recency'"),
        ({**GOOD, "T": np.array(["a", "b"])}, TypeError, "summary must have numbers in the column 'T'"),
        (pl.DataFrame({**GOOD, "T": ["a", "b"]}), TypeError, "summary must have numbers in the column 'T'"),
        (pl.DataFrame(GOOD).lazy(), TypeError, "summary must be in memory"),
        ([[1, 2]], ValueError, r"summary must have the 3 columns .*; got the shape \(1, 2\)"),
        ([1, 2, 3], ValueError, r"got the shape \(3,\)"),
        ([["a", "b", "c"]], TypeError, "summary must be a table or an array of numbers"),
        (np.empty((0, 3)), ValueError, "summary must have at least one row"),
        (5, TypeError, "summary must be"),
    ],
)
def test_tables_that_cannot_be_are_refused(table, error, message):
    with pytest.raises(error, match=message):
        BGNBD().fit(table)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((1, 1, 2.5), "T that is a whole number"),
        ((1, 0.5, 2), "recency that is a whole number"),
        ((0.5, 1, 2), "frequency that is a whole number"),
        ((1, 3, 2), "recency of at most T"),
        ((2, 1, 2), "frequency of at most the recency"),
        ((0, 1, 2), "recency of 0 where the frequency is 0"),
    ],
)
def test_periods_that_cannot_be_are_named(row, message):
    with pytest.raises(ValueError, match=message):
        BGBB().fit([row])


@pytest.mark.parametrize(
    ("row", "message"),
    [((1.5, 0), "T that is a whole number"), ((1, 2), "churned of 0 or 1"), ((0, 1), "T of at least 1 where churned")],
)
def test_contracts_that_cannot_be_are_named(row, message):
    with pytest.raises(ValueError, match=message):
        ShiftedBetaGeometric().fit([row])


@pytest.mark.parametrize("row", [(1, 0.0), (1, -5.0), (1, np.nan), (1, np.inf)])
def test_amounts_that_cannot_be_are_named(row):
    with pytest.raises(ValueError, match="a finite monetary_value above 0 where the frequency is above 0"):
        GammaGamma().fit([row])
    with pytest.raises(ValueError, match="customers must have a finite monetary_value above 0"):
        GammaGamma.from_params(p=6.25, q=3.74, gamma=15.44).expected_spend([row])


def test_amount_of_customers_without_purchases_does_not_matter():
    model = GammaGamma.from_params(p=6.25, q=3.74, gamma=15.44)
    spend = model.expected_spend([(0, np.nan), (0, 0.0), (0, -3.0)])
    np.testing.assert_array_equal(spend, model.expected_spend())
