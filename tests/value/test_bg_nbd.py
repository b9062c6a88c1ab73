import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.value import latent
from tests.value.purchases import assert_derivatives, assert_predictions, draw_bg

from kmad import BGNBD, MBGNBD
from kmad._threads import Threads
from kmad.value import _bg_nbd
from kmad.value._continuous import Rows

FITTED = {"r": 0.2425967, "alpha": 4.413659, "a": 0.7929869, "b": 2.426164}
ROUNDED = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
SMOOTH = {"r": 0.8, "alpha": 8.0, "a": 0.9, "b": 2.5}
CUSTOMERS = [(0, 0.0, 20.0), (3, 10.0, 20.0), (3, 20.0, 20.0), (12, 15.0, 16.0), (1, 2.0, 30.0)]
MODELS = [(BGNBD, latent.BGNBD), (MBGNBD, latent.MBGNBD)]


def curve_of(cls, customers, values):
    x, recency, T = np.array(customers, float).T
    return cls()._likelihood(Rows(x, recency, T, np.ones(len(x))), Threads(1))(np.log(values))


@pytest.mark.parametrize(("cls", "twin"), MODELS)
@pytest.mark.parametrize("values", [(0.8, 8.0, 0.9, 2.5), (2.0, 10.0, 3.0, 1.5)])
@pytest.mark.parametrize("customer", CUSTOMERS)
def test_log_likelihood_is_that_of_the_latent_customers(cls, twin, customer, values):
    expected = twin(*values).log_likelihood(*customer)
    np.testing.assert_allclose(curve_of(cls, [customer], values).value, expected, rtol=1e-9)


@pytest.mark.parametrize(("cls", "twin"), MODELS)
@pytest.mark.parametrize("customer", CUSTOMERS)
def test_predictions_are_those_of_the_latent_customers(cls, twin, customer):
    model, grid = cls.from_params(**SMOOTH), twin(*SMOOTH.values())
    assert_predictions(model, grid, customer, horizon=7.0, rate=0.05, counts=(0, 1, 4, 30), rtol=1e-7)


@pytest.mark.parametrize("cls", [BGNBD, MBGNBD])
@pytest.mark.parametrize("values", [(0.8, 2.0, 0.9, 5.0), (30.0, 5.0, 0.1, 0.2), (0.1, 2.0, 40.0, 90.0)])
def test_likelihood_has_its_derivatives(cls, values):
    x, recency, T = np.array([*CUSTOMERS, (60, 3.0, 9.0), (0, 0.0, 0.0)], float).T
    evaluate = cls()._likelihood(Rows(x, recency, T, np.arange(1.0, 8.0)), Threads(1))
    assert_derivatives(evaluate, np.log(values))


@pytest.mark.parametrize(
    ("customer", "published", "exact"),
    [
        ((0, 0, 40), -0.59947382, -0.5994738182),
        ((200, 38, 40), 100.7957, 100.795693093),
    ],
)
def test_published_likelihoods_of_single_customers(customer, published, exact):
    value = curve_of(BGNBD, [customer], (0.25, 4.0, 0.8, 2.5)).value
    assert value == pytest.approx(published, abs=5e-5)
    assert value == pytest.approx(exact, abs=5e-10)


def test_published_expectations_of_the_cdnow_customers():
    model = BGNBD.from_params(**FITTED)
    assert model.expected_purchases(52) == pytest.approx(1.444004, abs=5e-7)
    known = [[26, 216 / 7, 31]]
    np.testing.assert_allclose(model.expected_purchases(52, known), 25.75659, atol=5e-6)
    np.testing.assert_allclose(model.probability_alive(known), 0.9688523, atol=5e-8)


def test_published_increase_of_frequency_that_lowers_what_is_expected():
    expected = BGNBD.from_params(**FITTED).expected_purchases(52, [[x, 20, 39] for x in (10, 15, 20, 25)])
    np.testing.assert_allclose(expected, [0.3474606, 0.04283391, 0.004158973, 0.0003583685], rtol=2e-7)


def test_published_expectations_of_new_customers():
    model = BGNBD.from_params(**ROUNDED)
    times = np.array([0.1429, 1, 3, 31.8571, 32, 78])
    found = model.expected_purchases(times)
    exact = [0.0078283, 0.0532679, 0.1508652, 1.0419961, 1.0452433, 1.8605191]
    np.testing.assert_allclose(found, exact, atol=6e-8)
    np.testing.assert_allclose(found, [0.0078, 0.0532, 0.1506, 1.0405, 1.0437, 1.8576], atol=3e-3)
    np.testing.assert_allclose(model.expected_purchases(39, [[2, 30.43, 38.86]]), 1.22602817, atol=5e-9)


def test_published_probabilities_of_purchases():
    model = BGNBD.from_params(**ROUNDED)
    assert model.probability_of_purchases(10, 2) == pytest.approx(1.07869e-07, abs=5e-13)
    assert model.probability_of_purchases(0, 39) == pytest.approx(0.5737864, abs=5e-8)
    expected = [0.0019995214, 0.0015170236, 0.0011633150, 0.0009003148, 0.0007023638]
    expected += [0.0005517902, 0.0004361913, 0.0003467171, 0.0002769613, 0.0002222260]
    found = [model.probability_of_purchases(n, 30) for n in range(11, 21)]
    np.testing.assert_allclose(found, expected, atol=6e-11)


def test_published_probabilities_alive():
    alive = BGNBD.from_params(**ROUNDED).probability_alive([[x, 30, 39] for x in (5, 6, 7, 8)])
    np.testing.assert_allclose(alive, [0.7056268, 0.6870911, 0.6638662, 0.6365456], atol=6e-8)


def test_customer_of_no_repeat_purchase_where_a_and_b_are_small():
    model = BGNBD.from_params(r=0.11, alpha=2.24, a=0.31, b=0.50)
    np.testing.assert_allclose(model.expected_purchases(30, [[0, 0, 1]]), 0.564588615532785, rtol=1e-12)


@given(st.floats(-1e-7, 1e-7))
def test_expected_purchases_are_smooth_around_a_of_1(shift):
    grid = latent.BGNBD(0.8, 8.0, 1.0, 2.5)
    model = BGNBD.from_params(r=0.8, alpha=8.0, a=1.0 + shift, b=2.5)
    assert model.expected_purchases(30.0) == pytest.approx(grid.ahead(grid.purchases(30.0), 0, 0.0, 0.0), rel=1e-6)


def test_one_time_buyers_are_alive_in_one_model_and_not_in_the_other():
    customers = [[0, 0.0, 5.0], [0, 0.0, 500.0]]
    np.testing.assert_array_equal(BGNBD.from_params(**SMOOTH).probability_alive(customers), 1.0)
    early, late = MBGNBD.from_params(**SMOOTH).probability_alive(customers)
    assert 0 < late < early < SMOOTH["b"] / (SMOOTH["a"] + SMOOTH["b"])


@pytest.mark.parametrize("cls", [BGNBD, MBGNBD])
def test_recency_that_rounding_put_after_the_age_counts_as_the_age(cls):
    model = cls.from_params(**SMOOTH)
    after, at = model.probability_alive([[3, 10 * (1 + 1e-12), 10.0], [3, 10.0, 10.0]])
    assert after == at


@pytest.mark.parametrize("cls", [BGNBD, MBGNBD])
@pytest.mark.parametrize("alpha", [1e-6, 1.0, 1e9])
@pytest.mark.parametrize("shape", [1e-3, 1.0, 1e4])
def test_nothing_overflows(cls, alpha, shape):
    customers = [(0, 0.0, 1e4), (5_000, 9e3, 1e4), (5_000, 1e-3, 1e4), (1, 1e4, 1e4)]
    curve = curve_of(cls, customers, (shape, alpha, 1 / shape, shape))
    assert np.isfinite([curve.value, *curve.gradient, *curve.hessian.ravel()]).all()
    model = cls.from_params(r=shape, alpha=alpha, a=1 / shape, b=shape)
    for probability in (
        model.probability_alive(customers),
        model.survival(100.0, customers),
        model.probability_of_purchases(2, 100.0, customers),
    ):
        assert ((probability >= 0) & (probability <= 1 + 1e-12)).all()
    for expected in (
        model.expected_purchases(100.0, customers),
        model.discounted_expected_purchases(customers, discount_rate=0.01),
    ):
        assert np.isfinite(expected).all()
        assert (expected >= 0).all()


@pytest.mark.parametrize("cls", [BGNBD, MBGNBD])
def test_many_customers_are_each_as_one_where_rates_are_nearly_alike(cls):
    # Spans are so short that the mean falls to 0 long before the first node of a table.
    model = cls.from_params(r=6.5e7, alpha=1.95e9, a=66, b=268)
    some = np.array([(0, 0, 100.0), (3, 50, 100.0), (3, 50, 60.0)])
    many = np.repeat(some, 200, axis=0)
    for predict in (
        lambda customers: model.survival(30.0, customers),
        lambda customers: model.probability_alive(customers, later=30.0),
        lambda customers: model.expected_purchases(30.0, customers),
    ):
        each = np.concatenate([predict(some[i : i + 1]) for i in range(len(some))])
        assert (each > 0.1).all()
        np.testing.assert_allclose(predict(many), np.repeat(each, 200), rtol=1e-12)


@pytest.mark.parametrize("cls", [BGNBD, MBGNBD])
def test_probabilities_of_purchases_add_up(cls):
    model = cls.from_params(**SMOOTH)
    for customers in (None, [(3, 10.0, 20.0)]):
        counts = [np.atleast_1d(model.probability_of_purchases(n, 30.0, customers))[0] for n in range(200)]
        assert sum(counts) == pytest.approx(1.0, abs=1e-10)
        mean = np.atleast_1d(model.expected_purchases(30.0, customers))[0]
        assert np.arange(200) @ counts == pytest.approx(mean, rel=1e-9)


def test_wrong_customer_is_found_among_many(monkeypatch):
    monkeypatch.setattr(_bg_nbd, "BLOCK_SIZE", 64)
    customers = np.tile([3, 10.0, 20.0], (1000, 1))
    customers[900, 1] = 21.0
    with pytest.raises(ValueError, match=r"recency from 0 to T; got .* in row 900, and 1 such"):
        BGNBD.from_params(**SMOOTH).probability_alive(customers)


@pytest.mark.parametrize(("cls", "early"), [(BGNBD, False), (MBGNBD, True)])
def test_fit_recovers_the_parameters(cls, early):
    truth = {"r": 0.4, "alpha": 4.0, "a": 0.8, "b": 2.5}
    model = cls().fit(draw_bg(4_000, np.random.default_rng(1), **truth, early=early))
    assert model.converged_
    for name, value in truth.items():
        assert abs(model.params_[name] - value) < 4 * model.standard_errors_[name]
