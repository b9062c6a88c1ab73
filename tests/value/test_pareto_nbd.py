from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import nbinom, poisson
from tests.asserts import rows
from tests.value import latent
from tests.value.purchases import assert_derivatives, assert_predictions, draw_pareto

from kmad import ParetoNBD
from kmad._threads import Threads
from kmad.value._continuous import Rows
from kmad.value._pareto_nbd import _depth_nodes, _dropout_peak

CDNOW = {"r": 0.55339714, "alpha": 10.58019854, "s": 0.6060625, "beta": 11.65622367}
SMOOTH = {"r": 0.8, "alpha": 8.0, "s": 0.9, "beta": 20.0}
CUSTOMERS = [(0, 0.0, 20.0), (3, 10.0, 20.0), (3, 20.0, 20.0), (12, 15.0, 16.0), (1, 2.0, 30.0)]


def log_likelihood(customers, values):
    x, recency, T = np.array(customers, float).T
    evaluate = ParetoNBD()._likelihood(Rows(x, recency, T, np.ones(len(x))), Threads(1))
    return evaluate(np.log(values))


@pytest.mark.parametrize("values", [(0.8, 8.0, 0.9, 20.0), (0.8, 20.0, 0.9, 8.0), (1.5, 10.0, 2.0, 10.0)])
@pytest.mark.parametrize("customer", CUSTOMERS)
def test_log_likelihood_is_that_of_the_latent_customers(customer, values):
    twin = latent.ParetoNBD(*values).log_likelihood(*customer)
    np.testing.assert_allclose(log_likelihood([customer], values).value, twin, rtol=1e-6)


@pytest.mark.parametrize("customer", CUSTOMERS)
def test_predictions_are_those_of_the_latent_customers(customer):
    model, twin = ParetoNBD.from_params(**SMOOTH), latent.ParetoNBD(*SMOOTH.values())
    assert_predictions(model, twin, customer, horizon=7.0, rate=0.01, counts=(0, 1, 4, 30), rtol=1e-6)


@pytest.mark.parametrize(
    "values", [(0.8, 8.0, 0.9, 20.0), (0.8, 20.0, 0.9, 8.0), (0.3, 1e4, 1.7, 0.02), (5.0, 0.01, 0.2, 3e3), (1, 5, 1, 5)]
)
@pytest.mark.parametrize("customer", [*CUSTOMERS, (0, 0.0, 1e-6), (4, 19.9, 20.0)])
def test_probability_alive_is_that_of_the_integral(customer, values):
    (r, alpha, s, beta), (x, recency, T) = values, customer

    def odds(gap):
        y = recency + gap
        grown = (r + x) * np.log((alpha + T) / (alpha + y)) + s * np.log((beta + T) / (beta + y))
        return s / (beta + y) * np.exp(grown)

    edges = np.concatenate([[0], np.geomspace(1e-9, 1, 40)]) * (T - recency)
    exact = 1 / (1 + sum(quad(odds, *pair, epsabs=0, epsrel=1e-12)[0] for pair in pairwise(edges)))
    model = ParetoNBD.from_params(r=r, alpha=alpha, s=s, beta=beta)
    np.testing.assert_allclose(model.probability_alive([customer]), exact, rtol=1e-11)


def counted(n, horizon, s, length, purchases):
    """The probability of n purchases, which are `purchases(n, t)` likely until a dropout at t, by dropout at any t."""
    edges = np.log(horizon) + np.linspace(-60, 0, 1201)
    nodes, weights = np.polynomial.legendre.leggauss(12)
    time = np.exp(edges[:-1, None] + np.diff(edges)[:, None] * (1 + nodes) / 2)
    gone = purchases(n, time) * s * time / length * (1 + time / length) ** (-s - 1)
    return purchases(n, horizon) * (1 + horizon / length) ** -s + gone.sum(axis=0) @ weights / 2 * np.diff(edges)[0]


@pytest.mark.parametrize("n", [0, 1, 30])
@pytest.mark.parametrize("horizon", [1e-3, 1e4])
@pytest.mark.parametrize(
    "values", [(0.8, 8.0, 0.9, 20.0), (5.0, 0.01, 0.2, 3e3), (30.0, 2.0, 1e-3, 1.0), (2.0, 1e-4, 0.01, 1e4)]
)
def test_probability_of_purchases_is_that_of_the_integral(n, horizon, values):
    r, alpha, s, beta = values
    exact = counted(n, horizon, s, beta, lambda n, time: nbinom.pmf(n, r, alpha / (alpha + time)))
    found = ParetoNBD.from_params(r=r, alpha=alpha, s=s, beta=beta).probability_of_purchases(n, horizon)
    assert found == pytest.approx(exact, rel=1e-10, abs=1e-200)


@pytest.mark.parametrize("n", [0, 3, 1000])
def test_purchases_at_rates_that_are_alike_are_those_of_poisson(n):
    r, s, beta, rate, horizon = 1e14, 0.6, 12.0, 0.2, 1e4
    exact = counted(n, horizon, s, beta, lambda n, time: poisson.pmf(n, rate * time))
    found = ParetoNBD.from_params(r=r, alpha=r / rate, s=s, beta=beta).probability_of_purchases(n, horizon)
    assert found == pytest.approx(exact, rel=1e-10)


@pytest.mark.parametrize("n", [0, 1, 1000, 1_000_000])
def test_nodes_of_the_time_of_dropout_are_a_bounded_number(n):
    r, s, rate, length = np.meshgrid(10.0 ** np.arange(-3, 13, 3), [1e-3, 1.0, 1e6], [1e-6, 1.0, 1e6], [1e-3, 1.0, 1e6])
    for each in zip(*(a.ravel() for a in (r, s, rate, length)), strict=True):
        shape, s, rate, length = map(np.array, each)
        depth = _dropout_peak(n, shape, shape / rate, float(s), length, np.array(1e3)).depth
        assert len(_depth_nodes(float(depth))[0]) < 300


def test_published_expectations_of_the_cdnow_customers():
    model = ParetoNBD.from_params(**CDNOW)
    assert model.expected_purchases(52) == pytest.approx(1.473434, rel=1e-3)
    assert model.expected_purchases(52) == pytest.approx(1.4731127, abs=5e-8)
    known = [[26, 216 / 7, 31]]
    np.testing.assert_allclose(model.expected_purchases(52, known), 25.4541832, atol=5e-8)
    np.testing.assert_allclose(model.expected_purchases(52, known), 25.45647, rtol=1e-3)
    np.testing.assert_allclose(model.probability_alive(known), 0.9978734, atol=5e-7)
    np.testing.assert_allclose(model.probability_alive([[0, 0, 39]]), 0.2941633, atol=5e-8)


def test_published_increase_of_frequency_that_lowers_what_is_expected():
    customers = [[x, 20, 39] for x in (10, 15, 20, 25)]
    expected = ParetoNBD.from_params(**CDNOW).expected_purchases(52, customers)
    np.testing.assert_allclose(expected, [0.7059673, 0.1441878, 0.0224993, 0.0030918], atol=5e-8)
    np.testing.assert_allclose(expected, [0.7062289, 0.1442396, 0.02250658, 0.00309267], rtol=1e-3)


def test_converged_parameters_of_the_cdnow_customers():
    model = ParetoNBD.from_params(r=0.553277, alpha=10.577683, s=0.606240, beta=11.668733)
    assert model.expected_purchases(52) == pytest.approx(1.4734342, abs=5e-7)
    known = [[26, 216 / 7, 31], *[[x, 20, 39] for x in (10, 15, 20, 25)]]
    expected = [25.4551842, 0.7058885, 0.1441508, 0.0224902, 0.0030901]
    np.testing.assert_allclose(model.expected_purchases(52, known), expected, rtol=1e-5, atol=6e-8)
    # Half of those who are alive at T = 38.857 are so 107.99 weeks later.
    assert model.survival(107.99, [[2, 30.0, 38.857]])[0] == pytest.approx(0.5, abs=1e-5)


def test_published_customers_of_many_purchases():
    model = ParetoNBD.from_params(r=0.55, alpha=10.58, s=0.61, beta=11.67)
    expected = model.expected_purchases(10, [[132, 200, 200], [133, 200, 200]])
    np.testing.assert_allclose(expected, [6.2060517889632418, 6.2528722475748113], rtol=1e-12)


def test_published_discounted_purchases():
    model = ParetoNBD.from_params(r=0.5629966, alpha=12.5590370, s=0.4081095, beta=10.5148048)
    customers = [[7, 35, 77.86], *[[x, 30, 77.86] for x in range(1, 11)]]
    expected = [1.86418333, 2.19915545, 2.84353441, 2.86712839, 2.44541008, 1.84050192]
    expected += [1.26241647, 0.80961812, 0.49480362, 0.29202470, 0.16792751]
    found = model.discounted_expected_purchases(customers, discount_rate=0.0027)
    np.testing.assert_allclose(found, expected, atol=6e-9)


def test_published_customers_that_once_were_not_a_number():
    model = ParetoNBD.from_params(r=0.5143, alpha=2.8845, s=0.2856, beta=14.1087)
    customers = [(221, 724 / 7, 725 / 7), (254, 680 / 7, 681 / 7), (161, 663 / 7, 98), (204, 690 / 7, 696 / 7)]
    expected = [0.999596061655, 0.999558199790, 0.749486413014, 0.994255039710]
    np.testing.assert_allclose(model.probability_alive(customers), expected, rtol=1e-10)


def test_published_customers_that_overflowed():
    values = 10.465, 0.00798565181, 3.0516, 2.820
    # From the closed form with hypergeometric functions of 60 digits.
    for customer, expected in [
        ((400, 5, 6), 1323.1889309678),
        ((500, 1, 37), 2594.4044546228),
        ((500, 4, 37), 1888.8212497389),
    ]:
        assert log_likelihood([customer], values).value == pytest.approx(expected, abs=5e-10)
    model = ParetoNBD.from_params(**dict(zip(ParetoNBD.parameters, values, strict=True)))
    np.testing.assert_allclose(model.probability_alive([(40, 5, 6)]), 0.0018851281873608512, rtol=1e-11)


@pytest.mark.parametrize("values", [(0.8, 2.0, 0.9, 5.0), (0.8, 5.0, 0.9, 2.0), (3.0, 2.0, 0.3, 2.0), (40.0, 9, 50, 3)])
def test_likelihood_has_its_derivatives(values):
    x, recency, T = np.array([*CUSTOMERS, (60, 3.0, 9.0), (0, 0.0, 0.0)], float).T
    evaluate = ParetoNBD()._likelihood(Rows(x, recency, T, np.arange(1.0, 8.0)), Threads(1))
    assert_derivatives(evaluate, np.log(values))


@given(st.floats(-1e-7, 1e-7))
def test_expected_purchases_are_smooth_around_s_of_1(shift):
    twin = latent.ParetoNBD(0.8, 8.0, 1.0, 20.0)
    model = ParetoNBD.from_params(r=0.8, alpha=8.0, s=1.0 + shift, beta=20.0)
    assert model.expected_purchases(30.0) == pytest.approx(twin.ahead(twin.purchases(30.0), 0, 0.0, 0.0), rel=1e-6)


def test_alpha_of_beta_is_no_special_case():
    near = [ParetoNBD.from_params(r=0.8, alpha=10.0 + shift, s=0.9, beta=10.0) for shift in (-1e-9, 0.0, 1e-9)]
    alive = [model.probability_alive([(3, 10.0, 20.0)])[0] for model in near]
    np.testing.assert_allclose(alive, alive[1], rtol=1e-9)


def test_customer_who_bought_just_now_is_alive():
    model = ParetoNBD.from_params(**CDNOW)
    np.testing.assert_array_equal(model.probability_alive([(3, 20.0, 20.0), (0, 0.0, 0.0)]), 1.0)


@pytest.mark.parametrize("beta", [1e-6, 1e-2, 1.0, 1e3, 1e9])
@pytest.mark.parametrize("alpha", [1e-6, 1e-2, 1.0, 1e3, 1e9])
@pytest.mark.parametrize("shape", [1e-3, 1.0, 1e4])
def test_nothing_overflows(alpha, beta, shape):
    customers = [(0, 0.0, 1e4), (5_000, 9e3, 1e4), (5_000, 1e-3, 1e4), (1, 1e4, 1e4)]
    curve = log_likelihood(customers, (shape, alpha, 1 / shape, beta))
    assert np.isfinite([curve.value, *curve.gradient, *curve.hessian.ravel()]).all()
    model = ParetoNBD.from_params(r=shape, alpha=alpha, s=1 / shape, beta=beta)
    for probability in (
        model.probability_alive(customers),
        model.survival(100.0, customers),
        model.probability_of_purchases(2, 100.0, customers),
    ):
        assert ((probability >= 0) & (probability <= 1 + 1e-12)).all()
    expected = model.expected_purchases(100.0, customers)
    discounted = model.discounted_expected_purchases(customers, discount_rate=0.01)
    assert np.isfinite(expected).all()
    assert np.isfinite(discounted).all()
    assert (expected >= 0).all()
    assert (discounted >= 0).all()


def test_probabilities_of_purchases_add_up():
    model = ParetoNBD.from_params(**SMOOTH)
    for customers in (None, [(3, 10.0, 20.0)]):
        counts = [np.atleast_1d(model.probability_of_purchases(n, 30.0, customers))[0] for n in range(200)]
        assert sum(counts) == pytest.approx(1.0, abs=1e-10)
        mean = np.atleast_1d(model.expected_purchases(30.0, customers))[0]
        assert np.arange(200) @ counts == pytest.approx(mean, rel=1e-9)


def test_fit_recovers_the_parameters():
    model = ParetoNBD().fit(draw_pareto(rows(4_000, 500), np.random.default_rng(0)))
    assert model.converged_
    assert model.boundary_ is None
    for name, value in SMOOTH.items():
        assert abs(model.params_[name] - value) < 4 * model.standard_errors_[name]


def test_customers_who_leave_at_once_or_never_are_a_limit():
    rng = np.random.default_rng(0)
    stays = rng.random(300) < 0.6
    x = rng.poisson(rng.gamma(1, 1 / 5, 300) * 40) * stays
    recency = np.where(x > 0, np.ceil(40 * rng.random(300) ** (1 / np.maximum(x, 1))), 0.0)
    model = ParetoNBD().fit(np.column_stack([x, recency, np.full(300, 40.0)]))
    assert model.converged_
    assert model.boundary_.startswith("all or nothing")
    assert np.isnan([model.standard_errors_["s"], model.standard_errors_["beta"]]).all()
    # Those who are left after a week are there to stay.
    assert model.survival(1.0) == pytest.approx(0.6, abs=0.1)
    assert model.survival(50.0, [(20, 49.0, 50.0)])[0] > 0.95
