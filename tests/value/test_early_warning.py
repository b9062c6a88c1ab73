import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose
from tests.asserts import rows

from kmad import BGBB, BGNBD, GammaGamma, ParetoNBD, customer_summary, early_warning
from kmad.datasets import make_lifecycles

MODEL = ParetoNBD.from_params(r=0.553, alpha=10.578, s=0.606, beta=11.669)
SPEND = GammaGamma.from_params(p=6.25, q=3.74, gamma=15.44)
MAKERS = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table, "arrays": dict}
NOW = {
    "customer": np.array(["bob", "ann", "cat", "dan"]),
    "frequency": np.array([20, 2, 0, 0]),
    "recency": np.array([30.0, 30.0, 0.0, 0.0]),
    "T": np.array([39.0, 39.0, 39.0, 1.0]),
    "monetary_value": np.array([35.0, 20.0, 0.0, 0.0]),
}
# The same eight weeks before: dan was not yet there.
BEFORE = {
    "customer": np.array(["cat", "ann", "bob"]),
    "frequency": np.array([0, 2, 20]),
    "recency": np.array([0.0, 30.0, 30.0]),
    "T": np.array([31.0, 31.0, 31.0]),
}
LOG = {"customer": "customer", "date": "date", "amount": "amount", "unit": "week"}


def warn(summary=NOW, earlier=None, **options):
    options = {"unit": "week", "horizon": 26, "model": MODEL, "spend_model": SPEND, **options}
    return early_warning(summary, earlier, **options)


def customers_of(summary):
    return np.column_stack([summary[name] for name in ("frequency", "recency", "T")])


def test_gap_probability_is_that_of_the_gamma_mixture():
    warning = warn()
    assert warning["gap"].tolist() == [9.0, 9.0, 39.0, 1.0]
    rng = np.random.default_rng(0)
    for i, (x, recency, T) in enumerate(customers_of(NOW)):
        rate = rng.gamma(0.553 + x, 1 / (10.578 + recency), 200_000)
        assert_allclose(warning["gap_probability"][i], np.exp(-rate * (T - recency)).mean(), atol=0.004)
    assert warning["flagged"].tolist() == [True, False, False, False]
    assert warn(level=0.9)["flagged"].tolist() == [True, True, True, False]


def test_gaps_of_those_who_stay_are_flagged_at_the_level():
    rng = np.random.default_rng(1)
    n, x = 20_000, 3
    rate = rng.gamma(2.0, 0.1, n)
    recency = rng.gamma(x, 1 / rate)
    summary = {
        "customer": np.arange(n),
        "frequency": np.full(n, x),
        "recency": recency,
        "T": recency + rng.exponential(1 / rate),
    }
    model = ParetoNBD.from_params(r=2.0, alpha=10.0, s=1.0, beta=1.0)
    probability = np.sort(warn(summary, model=model)["gap_probability"])
    # The whole next gap as the time that passed: the probabilities are then uniform.
    assert_allclose(probability, (np.arange(n) + 0.5) / n, atol=0.015)
    assert_allclose(warn(summary, model=model, level=0.1)["flagged"].mean(), 0.1, atol=0.01)


def test_expectations_are_those_of_the_model():
    warning = warn(earlier=BEFORE)
    assert_allclose(warning["expected_purchases"], MODEL.expected_purchases(26, customers_of(NOW)))
    assert_allclose(warning["probability_alive"], MODEL.probability_alive(customers_of(NOW)))
    before = MODEL.expected_purchases(26, customers_of(BEFORE))
    assert_allclose(warning["expected_before"], [before[2], before[1], before[0], np.nan])
    assert_allclose(warning["change"], warning["expected_purchases"] - warning["expected_before"])
    assert (warning["change"][:3] < 0).all()
    assert set(warn(earlier=BEFORE)) - set(warn()) == {"expected_before", "change"}


def test_value_at_risk_is_what_may_be_lost_already():
    warning = warn()
    spend = SPEND.expected_spend(np.column_stack([NOW["frequency"], NOW["monetary_value"]]))
    expected = warning["expected_purchases"] * spend * (1 - warning["probability_alive"])
    assert_allclose(warning["value_at_risk"], expected)
    assert "value_at_risk" not in warn({name: NOW[name] for name in NOW if name != "monetary_value"})


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_warning_is_of_the_kind_that_came_in(make):
    table = make(NOW)
    warning = warn(table, make(BEFORE))
    assert type(warning) is type(table)
    for name, column in warn(earlier=BEFORE).items():
        np.testing.assert_array_equal(np.asarray(warning[name]), column)


def test_warning_finds_who_left_in_a_log():
    log = make_lifecycles(rows(400, 150))
    now = customer_summary(log._asdict(), **LOG)
    before = customer_summary(log._asdict(), **LOG, end="2026-10-01")
    warning = early_warning(now, before, unit="week", horizon="year")
    regular = (now["frequency"] > 5) & ~np.isnan(warning["change"])
    left = ~log.active[now["customer"]]
    assert warning["flagged"][regular & left].mean() > 0.5
    assert warning["flagged"][regular & ~left].mean() < 0.1
    assert warning["change"][regular & left].mean() < warning["change"][regular & ~left].mean()


def test_model_may_be_another_one():
    summary = customer_summary(make_lifecycles(200)._asdict(), **LOG)
    warning = warn(summary, model=BGNBD(), spend_model=None)
    model = BGNBD().fit(customers_of(summary))
    np.testing.assert_array_equal(warning["probability_alive"], model.probability_alive(customers_of(summary)))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"unit": None}, TypeError, "unit must be 'day'"),
        ({"horizon": np.inf}, ValueError, "horizon must lie between 0 and inf"),
        ({"level": 0}, ValueError, "level must lie between 0 and 1"),
        ({"model": BGBB()}, TypeError, "model must be a ParetoNBD, BGNBD or MBGNBD"),
        ({"spend_model": 3}, TypeError, "spend_model must be a GammaGamma or None; got 3"),
        ({"earlier": {"customer": ["a"]}}, ValueError, "earlier must have a column 'frequency'"),
    ],
    ids=str,
)
def test_wrong_argument_is_an_error(options, error, message):
    with pytest.raises(error, match=message):
        warn(**options)


def test_customer_twice_in_the_earlier_summary_is_an_error():
    twice = BEFORE | {"customer": np.array(["ann", "ann", "bob"])}
    with pytest.raises(ValueError, match=r"earlier must have each customer once; it has ann more than once\."):
        warn(earlier=twice)


@pytest.mark.parametrize(
    ("mine", "others"),
    [
        (["ann", None], ["ann", "bob"]),
        (["ann", "bob"], ["ann", None]),
        (["ann", "bob"], [1, 2]),
        ([1, 2], ["ann", "bob"]),
    ],
    ids=str,
)
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_customers_that_cannot_be_compared_are_an_error(make, mine, others):
    columns = {name: column[:2] for name, column in NOW.items()}
    message = r"^earlier must have a column 'customer' that can be compared with that of summary: .* nothing missing\."
    with pytest.raises(TypeError, match=message):
        warn(make(columns | {"customer": mine}), make(columns | {"customer": others}))
