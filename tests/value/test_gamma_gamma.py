import numpy as np
import pytest
from tests.value import latent
from tests.value.purchases import assert_derivatives

from kmad import GammaGamma
from kmad._threads import Threads
from kmad.value._gamma_gamma import _likelihood

CDNOW = {"p": 6.25, "q": 3.74, "gamma": 15.44}


def draw_spend(n, rng, *, p=6.0, q=4.0, gamma=60.0):
    x = rng.poisson(1.5, n).astype(float)
    rate = rng.gamma(q, 1 / gamma, n)
    spent = rng.gamma(np.maximum(p * x, 1)) / rate
    return np.column_stack([x, np.where(x > 0, spent / np.maximum(x, 1), np.nan)])


def curve_of(customers, values):
    x, amount = np.array(customers, float).T
    curve = _likelihood(x, np.log(x * amount), np.ones(len(x)), Threads(1))(np.log(list(values)))
    return curve, curve.value - np.log(amount).sum()


@pytest.mark.parametrize("customer", [(1, 3.0), (4, 20.0), (30, 35.0)])
def test_log_likelihood_is_that_of_the_latent_customers(customer):
    _, value = curve_of([customer], CDNOW.values())
    assert value == pytest.approx(latent.GammaGamma(*CDNOW.values()).log_likelihood(*customer), rel=1e-8)


@pytest.mark.parametrize("customer", [(0, 0.0), (1, 3.0), (4, 20.0), (30, 35.0)])
def test_expected_spend_is_that_of_the_latent_customers(customer):
    model, twin = GammaGamma.from_params(**CDNOW), latent.GammaGamma(*CDNOW.values())
    np.testing.assert_allclose(model.expected_spend([customer]), twin.expected_spend(*customer), rtol=1e-8)


def test_published_mean_spend_of_the_cdnow_customers():
    assert GammaGamma.from_params(**CDNOW).expected_spend() == pytest.approx(35.2190, abs=6e-5)


def test_published_spend_of_the_first_cdnow_customers():
    model = GammaGamma.from_params(p=6.249572, q=3.744224, gamma=15.443520)
    spend = model.expected_spend([[2, 22.345], [1, 11.77], [0, 0.0]])
    np.testing.assert_allclose(spend, [24.65, 18.91, 35.17], atol=0.1)


def test_likelihood_has_its_derivatives():
    x, amount = np.array([(1, 3.0), (4, 20.0), (30, 35.0), (2, 1e-3), (2, 1e6)]).T
    evaluate = _likelihood(x, np.log(x * amount), np.arange(1.0, 6.0), Threads(1))
    for values in [(6.0, 4.0, 60.0), (0.3, 0.9, 1e-3), (40.0, 90.0, 5e3)]:
        assert_derivatives(evaluate, np.log(values))


def test_fit_recovers_the_parameters():
    model = GammaGamma().fit(draw_spend(8_000, np.random.default_rng(0)))
    assert model.boundary_ is None
    for name, value in {"p": 6.0, "q": 4.0, "gamma": 60.0}.items():
        assert abs(model.params_[name] - value) < 4 * model.standard_errors_[name]


def test_fit_does_not_depend_on_the_unit_of_money():
    rows = draw_spend(500, np.random.default_rng(1))
    model, cents = GammaGamma().fit(rows), GammaGamma().fit(rows * [1, 100])
    n = (rows[:, 0] > 0).sum()
    assert cents.n_customers_ == n
    assert cents.log_likelihood_ == pytest.approx(model.log_likelihood_ - n * np.log(100), rel=1e-12)
    for name, factor in {"p": 1, "q": 1, "gamma": 100}.items():
        assert cents.params_[name] == pytest.approx(factor * model.params_[name], rel=1e-7)


def test_customers_without_repeat_purchases_say_nothing():
    rows = draw_spend(500, np.random.default_rng(2))
    some = rows[rows[:, 0] > 0]
    assert GammaGamma().fit(rows).params_ == GammaGamma().fit(some).params_
    weighted = GammaGamma().fit(rows, sample_weight=(rows[:, 0] > 0).astype(float))
    assert weighted.params_ == GammaGamma().fit(some).params_


def test_mean_spend_of_new_customers_may_be_infinite():
    model = GammaGamma.from_params(p=0.5, q=0.4, gamma=10.0)
    assert model.expected_spend() == np.inf
    np.testing.assert_array_equal(np.isinf(model.expected_spend([[0, 0], [1, 5.0], [2, 5.0]])), [True, True, False])


@pytest.mark.parametrize("meaning", ["homogeneous customers", "constant spend"])
def test_fit_at_a_limit_says_so(meaning):
    rng = np.random.default_rng(3)
    x = rng.integers(1, 6, 2_000).astype(float)
    mean = rng.gamma(5 * x) / (5 * x) if meaning == "homogeneous customers" else 1 / rng.gamma(4, 1, 2_000)
    model = GammaGamma().fit(np.column_stack([x, mean]))
    assert model.converged_
    assert model.boundary_.startswith(meaning)
    assert model.expected_spend() == pytest.approx(mean.mean(), rel=0.05)


def test_data_without_a_repeat_purchase_are_refused():
    with pytest.raises(ValueError, match="summary must have a row with a frequency above 0"):
        GammaGamma().fit([[0, np.nan], [0, 0]])
