import numpy as np
import pytest
from tests.value import latent
from tests.value.purchases import assert_derivatives, assert_predictions

from kmad import ShiftedBetaGeometric

# Per cent of the customers left after each year (Fader and Hardie 2007); the first seven are fitted.
HIGH_END = [100, 86.9, 74.3, 65.3, 59.3, 55.1, 51.7, 49.1]
REGULAR = [100, 63.1, 46.8, 38.2, 32.6, 28.9, 26.2, 24.1]
SMOOTH = {"alpha": 0.9, "beta": 2.5}


def fit_per_thousand(percent):
    return ShiftedBetaGeometric().fit_survivors(10 * np.array(percent))


@pytest.mark.parametrize(
    ("percent", "rounded", "exact", "log_likelihood"),
    [
        (HIGH_END, (0.668, 3.806), (0.6680884, 3.8060954), -1611.158),
        (REGULAR, (0.704, 1.182), (0.7040773, 1.1820430), -1680.265),
    ],
)
def test_published_fit_of_the_retention_curves(percent, rounded, exact, log_likelihood):
    model = fit_per_thousand(percent)
    np.testing.assert_allclose(list(model.params_.values()), rounded, atol=6e-4)
    np.testing.assert_allclose(list(model.params_.values()), exact, atol=6e-7)
    assert model.log_likelihood_ == pytest.approx(log_likelihood, abs=6e-4)
    assert model.n_customers_ == pytest.approx(1000)
    assert model.boundary_ is None


@pytest.mark.parametrize(
    ("percent", "expected"), [(HIGH_END, [46.0, 43.6, 41.4, 39.5, 37.8]), (REGULAR, [22.0, 20.4, 19.1, 18.0, 17.0])]
)
def test_published_projection_of_the_retention_curves(percent, expected):
    np.testing.assert_allclose(100 * fit_per_thousand(percent).survival(np.arange(8, 13)), expected, atol=0.06)


def test_published_likelihood_at_given_parameters():
    renewals = np.arange(1.0, 8.0)
    rows = np.column_stack([[*renewals, 7.0], [1.0] * 7 + [0.0]])
    weight = [*-np.diff(HIGH_END), HIGH_END[-1]]
    problem = ShiftedBetaGeometric()._problem(rows, lambda _: np.array(weight), None)
    assert problem.evaluate(np.zeros(2)).value / 100 == pytest.approx(-2.115, abs=6e-4)


def test_published_residual_lifetimes():
    def lifetimes(alpha, beta, periods):
        model = ShiftedBetaGeometric.from_params(alpha=alpha, beta=beta)
        return model.discounted_residual_lifetime([[n - 1, 0] for n in periods], discount_rate=0.1)

    np.testing.assert_allclose(lifetimes(0.668, 3.806, [8]), 7.52995, atol=6e-6)
    np.testing.assert_allclose(lifetimes(3.80, 15.20, range(1, 6)), [3.31, 3.45, 3.59, 3.72, 3.84], atol=6e-3)
    expected = [7.671, 9.455, 9.851, 10.056, 10.189]
    np.testing.assert_allclose(lifetimes(0.067, 0.267, range(1, 6)), expected, atol=6e-4)
    np.testing.assert_allclose(expected, [7.68, 9.46, 9.86, 10.06, 10.19], atol=0.02)


def test_published_fit_of_several_cohorts():
    cohort = [10_000, 8_000, 6_480, 5_307, 4_391]
    model = ShiftedBetaGeometric().fit_survivors([cohort[:n] for n in (5, 4, 3, 2)])
    np.testing.assert_allclose(list(model.params_.values()), [3.80, 15.19], atol=0.02)


@pytest.mark.parametrize("customer", [(0, 0), (5, 0), (3, 1), (1, 1)])
def test_predictions_are_those_of_the_latent_customers(customer):
    model, twin = ShiftedBetaGeometric.from_params(**SMOOTH), latent.ShiftedBetaGeometric(*SMOOTH.values())
    problem = model._problem([customer], lambda _: np.empty(0), None)
    value = problem.evaluate(np.log(list(SMOOTH.values()))).value
    np.testing.assert_allclose(value, twin.log_likelihood(*customer), rtol=1e-9, atol=1e-14)
    assert_predictions(model, twin, customer, horizon=4, rate=0.1, counts=range(6), rtol=1e-9)


def test_retention_rate_is_the_ratio_of_survivals():
    model = ShiftedBetaGeometric.from_params(**SMOOTH)
    survival = model.survival(np.arange(6))
    np.testing.assert_allclose(model.retention_rate(np.arange(1, 6)), survival[1:] / survival[:-1], rtol=1e-12)
    assert model.retention_rate(1) == pytest.approx(2.5 / 3.4)


def test_likelihood_has_its_derivatives():
    problem = ShiftedBetaGeometric()._problem([(3, 1), (5, 0), (0, 0)], lambda n: np.arange(1.0, 1 + n), None)
    for values in [(0.8, 2.0), (30.0, 50.0)]:
        assert_derivatives(problem.evaluate, np.log(values))


def test_rows_of_customers_fit_as_their_survivors():
    rows = [(1, 1)] * 30 + [(2, 1)] * 10 + [(3, 1)] * 5 + [(3, 0)] * 55
    by_rows, by_survivors = ShiftedBetaGeometric().fit(rows), ShiftedBetaGeometric().fit_survivors([100, 70, 60, 55])
    for name, value in by_survivors.params_.items():
        assert by_rows.params_[name] == pytest.approx(value, rel=1e-9)
    assert by_rows.log_likelihood_ == pytest.approx(by_survivors.log_likelihood_)


@pytest.mark.parametrize(
    ("survivors", "meaning"),
    [
        ([100, 100, 100], "no churn"),
        ([100, 0], "certain churn"),
        ([1000, 800, 640, 512], "homogeneous churn"),
        ([100, 50, 50, 50], "all or nothing"),
    ],
)
def test_fit_at_a_limit_says_so(survivors, meaning):
    model = ShiftedBetaGeometric().fit_survivors(survivors)
    assert model.converged_
    assert model.boundary_.startswith(meaning)
    observed = np.array(survivors[1:]) / survivors[0]
    np.testing.assert_allclose(model.survival(np.arange(1, len(survivors))), observed, atol=1e-5)


@pytest.mark.parametrize(
    ("survivors", "error", "message"),
    [
        ([100], ValueError, "two numbers or more"),
        ([100, 110], ValueError, "never rise"),
        ([100, np.nan], ValueError, "never rise"),
        ([10, -1], ValueError, "from 0 up"),
        ("many", TypeError, "survivors must be numbers"),
        ([[100, 90], [100]], ValueError, "two numbers or more"),
    ],
)
def test_survivors_that_cannot_be_are_refused(survivors, error, message):
    with pytest.raises(error, match=message):
        ShiftedBetaGeometric().fit_survivors(survivors)


def test_renewals_are_counted_from_one():
    with pytest.raises(ValueError, match="renewal must be 1 or more"):
        ShiftedBetaGeometric.from_params(**SMOOTH).retention_rate([0, 1])
