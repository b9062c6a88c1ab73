import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from tests.asserts import rows

from kmad import BGBB, BGNBD, MBGNBD, GammaGamma, ParetoNBD, customer_summary, early_warning, lifecycle_value
from kmad.datasets import make_lifecycles

# Near the published fits of the CDNOW sample, whose s and a are below 1: the mean lifetime is infinite.
PARETO = ParetoNBD.from_params(r=0.553, alpha=10.578, s=0.606, beta=11.669)
BG = BGNBD.from_params(r=0.243, alpha=4.414, a=0.793, b=2.426)
MBG = MBGNBD.from_params(r=0.525, alpha=6.183, a=0.891, b=1.614)
SPEND = GammaGamma.from_params(p=6.25, q=3.74, gamma=15.44)
MODELS = {"Pareto/NBD": PARETO, "BG/NBD": BG, "MBG/NBD": MBG}
each_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
MAKERS = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table, "arrays": dict}

SUMMARY = {
    "customer": np.array(["ann", "bob", "cat", "dan", "eve", "fay"]),
    "frequency": np.array([2, 0, 26, 5, 1, 0]),
    "recency": np.array([30.43, 0.0, 30.86, 5.0, 38.0, 0.0]),
    "T": np.array([38.86, 38.86, 31.0, 38.0, 38.0, 0.0]),
    "monetary_value": np.array([22.35, 0.0, 35.0, 80.0, 0.0, 0.0]),
    "total": np.array([74.02, 10.0, 900.0, 500.0, 30.0, 5.0]),
}
UNCERTAIN = ("anticipated_length", "probability_alive", "current_value", "potential_value", "lifecycle_value")


def customers_of(summary):
    return np.column_stack([summary[name] for name in ("frequency", "recency", "T")])


def value_of(summary=SUMMARY, *, model=PARETO, spend_model=SPEND, **options):
    options = {"unit": "week", "horizon": 52, "discount_rate": 0.1, **options}
    return lifecycle_value(summary, model=model, spend_model=spend_model, **options)


def integral(function, start, stop):
    """By Gaussian quadrature in pieces that grow, as the functions change fastest near 0."""
    u, w = np.polynomial.legendre.leggauss(20)
    edges = start + (stop - start) * np.concatenate([[0.0], np.geomspace(1e-6, 1, 15)])
    low, width = edges[:-1, None], np.diff(edges)[:, None]
    values = function((low + width * (u + 1) / 2).ravel())
    return (width * w / 2).ravel() @ values


@each_model
@pytest.mark.parametrize(("horizon", "rate"), [(52, 0.1), (520, 0.15), (5, 3.0), (52, 0.0)])
def test_values_are_the_integrals_of_the_model(model, horizon, rate):
    value = value_of(model=model, horizon=horizon, discount_rate=rate, present=2)
    force = np.log1p(rate) * 7 / 365.25
    for i, customer in enumerate(customers_of(SUMMARY)):

        def discounted_rate(t, customer=customer):
            # The slope of the expected purchases, from both sides.
            step = 1e-5 * (t + 1e-3)
            many = np.tile(customer, (len(t), 1))
            ahead, behind = (model.expected_purchases(times, many) for times in (t + step, t - np.minimum(step, t)))
            return np.exp(-force * t) * (ahead - behind) / (step + np.minimum(step, t))

        def alive(t, customer=customer):
            return model.probability_alive(np.tile(customer, (len(t), 1)), t)

        spend = value["expected_spend"][i]
        assert_allclose(value["current_value"][i], spend * integral(discounted_rate, 0.0, 2.0), rtol=1e-5)
        assert_allclose(value["potential_value"][i], spend * integral(discounted_rate, 2.0, horizon), rtol=1e-5)
        assert_allclose(value["anticipated_length"][i], integral(alive, 0.0, horizon), rtol=1e-6)


@each_model
def test_discounted_length_is_the_integral_of_the_model(model):
    force = np.log1p(0.2) * 7 / 365.25
    for horizon, stop in ((52, 52.0), (np.inf, 40 / force)):
        value = value_of(model=model, horizon=horizon, discount_rate=0.2, length="discounted")
        for i, customer in enumerate(customers_of(SUMMARY)):

            def alive(t, customer=customer):
                return np.exp(-force * t) * model.probability_alive(np.tile(customer, (len(t), 1)), t)

            assert_allclose(value["anticipated_length"][i], integral(alive, 0.0, stop), rtol=1e-5)


def test_infinite_horizon_is_the_discounted_expected_transactions():
    force = np.log1p(0.15) * 7 / 365.25
    value = value_of(horizon=np.inf, discount_rate=0.15, length="median")
    expected = PARETO.discounted_expected_purchases(customers_of(SUMMARY), discount_rate=force)
    assert_allclose(value["discounted_purchases"], expected, rtol=1e-9)
    far = value_of(horizon=20_000, discount_rate=0.15, length="median")
    assert_allclose(far["potential_value"], value["potential_value"], rtol=1e-3)


def test_median_length_is_the_published_one():
    value = value_of(length="median")
    _, _, s, beta = PARETO.params_.values()
    assert_allclose(value["anticipated_length"], (beta + SUMMARY["T"]) * (2 ** (1 / s) - 1), rtol=1e-10)
    assert_allclose(
        value_of(
            {name: column[:1] for name, column in SUMMARY.items()} | {"T": [38 + 6 / 7]},
            model=ParetoNBD.from_params(r=0.553277, alpha=10.577683, s=0.606240, beta=11.668733),
            length="median",
        )["anticipated_length"],
        107.99,
        atol=0.005,
    )


@each_model
def test_median_length_halves_the_survival(model):
    length = value_of(model=model, length="median")["anticipated_length"]
    assert_allclose(model.survival(length, customers_of(SUMMARY)), 0.5, rtol=1e-9)


def test_median_length_of_those_who_never_leave_is_infinite():
    forever = ParetoNBD.from_params(r=1.0, alpha=1.0, s=1e-12, beta=1.0)
    assert (value_of(model=forever, length="median")["anticipated_length"] == np.inf).all()
    new = {name: column[-1:] for name, column in SUMMARY.items()}
    assert_allclose(value_of(new, length="median")["anticipated_length"], 11.669 * (2 ** (1 / 0.606) - 1))


@each_model
def test_columns_are_those_of_the_models(model):
    value = value_of(model=model)
    customers = customers_of(SUMMARY)
    assert value["customer"].tolist() == SUMMARY["customer"].tolist()
    assert value["known_length"].tolist() == SUMMARY["T"].tolist()
    assert value["historical_value"].tolist() == SUMMARY["total"].tolist()
    assert_allclose(value["probability_alive"], model.probability_alive(customers))
    undiscounted = value_of(model=model, discount_rate=0)
    assert_allclose(undiscounted["discounted_purchases"], model.expected_purchases(52, customers))
    worth = value["historical_value"] + value["current_value"] + value["potential_value"]
    assert_allclose(value["lifecycle_value"], worth)
    expected = 6.25 * (15.44 + SUMMARY["frequency"] * SUMMARY["monetary_value"]) / (6.25 * SUMMARY["frequency"] + 2.74)
    assert_allclose(value["expected_spend"], expected)


def test_value_rises_with_the_spend_and_falls_with_the_discount():
    base = value_of()
    richer = value_of(SUMMARY | {"monetary_value": SUMMARY["monetary_value"] * 1.5})
    later = value_of(discount_rate=0.2)
    bought = SUMMARY["monetary_value"] > 0
    for name in ("current_value", "potential_value"):
        assert (richer[name][bought] > base[name][bought]).all()
        assert (later[name] < base[name]).all()


def test_tiny_discount_is_the_limit_of_none():
    for name, column in value_of(discount_rate=0).items():
        if name != "customer":
            assert_allclose(value_of(discount_rate=1e-9)[name], column, rtol=1e-6)


def test_unit_changes_nothing_but_the_scale_of_time():
    weeks = value_of(horizon="year", present="month")
    days = SUMMARY | {"recency": SUMMARY["recency"] * 7, "T": SUMMARY["T"] * 7}
    model = ParetoNBD.from_params(r=0.553, alpha=10.578 * 7, s=0.606, beta=11.669 * 7)
    value = value_of(days, unit="day", horizon=dt.timedelta(days=365.25), model=model)
    for name in weeks:
        if name in ("known_length", "anticipated_length"):
            assert_allclose(value[name], weeks[name] * 7)
        elif name != "customer":
            assert_allclose(value[name], weeks[name])


@given(order=st.permutations(range(6)))
def test_order_of_the_rows_changes_nothing(order):
    order = np.array(order)
    value, shuffled = value_of(), value_of({name: column[order] for name, column in SUMMARY.items()})
    for name, column in value.items():
        np.testing.assert_array_equal(shuffled[name], column[order])


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_value_is_of_the_kind_that_came_in(make):
    table = make(SUMMARY)
    value = value_of(table)
    assert type(value) is type(table)
    for name, column in value_of().items():
        assert np.asarray(value[name]).tolist() == column.tolist()


def test_value_leaves_table_and_models_unchanged():
    table = pd.DataFrame(SUMMARY, index=[7, 7, 1, 2, 3, 4])
    before = table.copy(deep=True)
    model = MBGNBD()
    assert value_of(table, model=model).index.tolist() == [0, 1, 2, 3, 4, 5]
    pd.testing.assert_frame_equal(table, before)
    assert not hasattr(model, "params_")


@pytest.fixture(scope="module")
def generated():
    log = make_lifecycles(rows(300, 60))
    return customer_summary(log._asdict(), customer="customer", date="date", amount="amount", unit="week")


@pytest.fixture(scope="module")
def fitted(generated):
    """The models of the generated customers: without the jit their fit takes seconds."""
    spends = np.column_stack([generated["frequency"], generated["monetary_value"]])
    return {
        "model": ParetoNBD().fit(customers_of(generated)),
        "spend_model": GammaGamma().fit(spends[spends[:, 0] > 0]),
    }


def test_models_are_fitted_where_they_are_not(generated, fitted):
    whole = value_of(generated, model=None, spend_model=None)
    by_hand = value_of(generated, **fitted)
    for name in whole:
        np.testing.assert_array_equal(whole[name], by_hand[name])
    other = value_of(generated, model=MBGNBD(), spend_model=GammaGamma())
    assert not np.array_equal(other["probability_alive"], whole["probability_alive"])


def test_fit_without_dropout_is_told():
    # Everybody bought just now.
    rng = np.random.default_rng(0)
    x = rng.poisson(rng.gamma(1.0, 4.0, 60)) + 1
    loyal = {name: np.resize(column, 60) for name, column in SUMMARY.items()}
    loyal |= {"frequency": x, "recency": np.full(60, 39.9), "T": np.full(60, 40.0)}
    with pytest.warns(UserWarning, match="ParetoNBD finds that nobody leaves: all count as alive") as caught:
        value = value_of(loyal, model=None)
    assert caught[0].filename == __file__
    assert value["probability_alive"].min() > 0.999
    with pytest.warns(UserWarning, match="MBGNBD finds that nobody leaves"):
        early_warning(loyal, unit="week", horizon="year", model=MBGNBD(), spend_model=SPEND)


def test_default_model_doubts_one_time_buyers(generated, fitted):
    once = (generated["frequency"] == 0) & (generated["T"] > 26)
    assert value_of(generated, **fitted)["probability_alive"][once].max() < 1
    assert (value_of(generated, model=BGNBD(), spend_model=None)["probability_alive"][once] == 1).all()


def test_amounts_of_nothing_are_left_out_of_the_fit(generated):
    free = {name: column.copy() for name, column in generated.items()}
    free["monetary_value"][np.argmax(free["frequency"] > 0)] = 0.0
    value = value_of(free, spend_model=None)
    assert np.isfinite(value["expected_spend"]).all()


def test_draws_enclose_the_fit(generated, fitted, monkeypatch):
    options = {**fitted, "n_draws": rows(40, 20), "random_state": 0}
    value = value_of(generated, **options, level=0.8)
    for name in UNCERTAIN:
        low, high = value[f"{name}_low"], value[f"{name}_high"]
        assert (low <= high).all()
        assert np.mean((low <= value[name]) & (value[name] <= high)) > 0.9
    wider = value_of(generated, **options, level=0.95)
    assert (wider["potential_value_high"] >= value["potential_value_high"]).all()
    assert (wider["potential_value_low"] <= value["potential_value_low"]).all()
    monkeypatch.setattr("kmad.value._lifecycle.BLOCK_ROWS", 37)
    again = value_of(generated, **options, level=0.8)
    for name in value:
        np.testing.assert_array_equal(again[name], value[name])
    assert set(value) - set(value_of()) == {f"{name}_{end}" for name in UNCERTAIN for end in ("low", "high")}


def test_draws_are_the_quantiles_of_the_drawn_models(generated, fitted):
    value = value_of(generated, **fitted, n_draws=5, random_state=3)
    rng = np.random.default_rng(3)
    drawn = [
        value_of(generated, model=one, spend_model=other)["potential_value"]
        for one, other in zip(fitted["model"].draw(5, rng), fitted["spend_model"].draw(5, rng), strict=True)
    ]
    assert_allclose(value["potential_value_low"], np.quantile(drawn, 0.05, axis=0))
    assert_allclose(value["potential_value_high"], np.quantile(drawn, 0.95, axis=0))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"unit": "fortnight"}, ValueError, "unit must be 'day'"),
        ({"horizon": 0}, ValueError, "horizon must be above 0"),
        ({"horizon": "decade"}, ValueError, "horizon must be 'day'"),
        ({"present": 52}, ValueError, "present must be shorter than the horizon; got 52 and 52"),
        ({"discount_rate": -0.1}, ValueError, "discount_rate must be a rate a year"),
        ({"horizon": np.inf, "discount_rate": 0}, ValueError, "discount_rate must be above 0 where the horizon is inf"),
        ({"horizon": np.inf}, ValueError, "length must be 'discounted' or 'median' where the horizon is infinite"),
        ({"length": "mean"}, ValueError, "length must be one of 'capped', 'discounted', 'median'; got 'mean'"),
        ({"n_draws": -1}, ValueError, "n_draws must be at least 0"),
        ({"level": 1}, ValueError, "level must lie between 0 and 1"),
        ({"model": BGBB()}, TypeError, r"model must be a ParetoNBD, BGNBD or MBGNBD; got BGBB\(\)"),
        ({"spend_model": PARETO}, TypeError, "spend_model must be a GammaGamma or None; got ParetoNBD"),
    ],
    ids=str,
)
def test_wrong_argument_is_an_error(options, error, message):
    with pytest.raises(error, match=message):
        value_of(**options)


def test_length_of_many_customers_is_that_of_one_where_rates_are_nearly_alike():
    model = MBGNBD.from_params(r=6.5e7, alpha=1.95e9, a=66, b=268)
    one = {name: column[3:4] for name, column in SUMMARY.items()}
    many = {name: np.repeat(column, 100) for name, column in one.items()}
    many["T"] = np.linspace(38, 60, 100)
    for length in ("capped", "median"):
        expected = value_of(one, model=model, length=length)["anticipated_length"]
        assert expected > 1
        assert_allclose(value_of(many, model=model, length=length)["anticipated_length"][0], expected[0], rtol=1e-12)


@pytest.mark.parametrize("spend_model", [None, GammaGamma()])
def test_spend_model_needs_a_repeat_purchase_that_brought_something(spend_model):
    nothing = np.zeros(6)
    once = SUMMARY | {"frequency": nothing, "recency": nothing, "monetary_value": nothing}
    with pytest.raises(ValueError, match=r"summary must have repeat .*; no customer bought again.* fitted spend_model"):
        value_of(once, spend_model=spend_model)
    with pytest.raises(ValueError, match="no customer bought again"):
        early_warning(once, unit="week", horizon="year", model=PARETO, spend_model=spend_model)
    with pytest.raises(ValueError, match="no repeat purchase brought anything"):
        value_of(SUMMARY | {"monetary_value": nothing}, spend_model=spend_model)
    with pytest.raises(ValueError, match="summary must have at least one row; got none"):
        value_of({name: column[:0] for name, column in SUMMARY.items()}, spend_model=spend_model)
    assert np.isfinite(value_of(once)["lifecycle_value"]).all()


def test_wrong_summary_is_an_error():
    with pytest.raises(ValueError, match="summary must have a column 'total'"):
        value_of({name: column for name, column in SUMMARY.items() if name != "total"})
    with pytest.raises(ValueError, match="recency from 0 to T"):
        value_of(SUMMARY | {"recency": SUMMARY["T"] + 1})
    with pytest.raises(ValueError, match="column 'T' has 6 missing or infinite values, the first in row 0"):
        value_of(SUMMARY | {"T": np.full(6, np.nan)})
    with pytest.raises(TypeError, match="summary must be a pandas, polars or pyarrow table"):
        value_of(customers_of(SUMMARY))
