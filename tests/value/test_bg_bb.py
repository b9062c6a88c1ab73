import numpy as np
import pytest
from tests.value import latent
from tests.value.purchases import assert_derivatives, assert_predictions

from kmad import BGBB
from kmad._threads import Threads
from kmad.value._bg_bb import _middles

# Donations of 1996 to 2001 by those who first gave in 1995: years given in, the last of them, donors
# (Fader, Hardie and Shang 2010, table 2).
DONORS = [(6, 6, 1203), (5, 6, 728), (4, 6, 512), (3, 6, 357), (2, 6, 234), (1, 6, 129), (5, 5, 335), (4, 5, 284)]
DONORS += [(3, 5, 225), (2, 5, 173), (1, 5, 119), (4, 4, 240), (3, 4, 181), (2, 4, 155), (1, 4, 78), (3, 3, 322)]
DONORS += [(2, 3, 255), (1, 3, 129), (2, 2, 613), (1, 2, 277), (1, 1, 1091), (0, 0, 3464)]
CELLS = np.array([(x, recency, 6) for x, recency, _ in DONORS], float)
N_DONORS = np.array([n for *_, n in DONORS], float)

FITTED = {"alpha": 1.203528, "beta": 0.7497260, "gamma": 0.6567808, "delta": 2.783796}
ROUNDED = {"alpha": 1.20, "beta": 0.75, "gamma": 0.66, "delta": 2.78}
SMOOTH = {"alpha": 1.2, "beta": 0.9, "gamma": 0.8, "delta": 2.8}
CUSTOMERS = [(0, 0, 6), (3, 4, 6), (6, 6, 6), (1, 1, 9), (0, 0, 0)]


@pytest.fixture(scope="module")
def donations():
    return BGBB().fit(CELLS, sample_weight=N_DONORS)


@pytest.mark.parametrize("customer", CUSTOMERS)
def test_log_likelihood_is_that_of_the_latent_customers(customer):
    model, twin = BGBB(), latent.BGBB(*SMOOTH.values())
    problem = model._problem([customer], np.ones, Threads(1))
    value = problem.evaluate(np.log(list(SMOOTH.values()))).value
    np.testing.assert_allclose(value, twin.log_likelihood(*customer), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("customer", CUSTOMERS)
def test_predictions_are_those_of_the_latent_customers(customer):
    model, twin = BGBB.from_params(**SMOOTH), latent.BGBB(*SMOOTH.values())
    assert_predictions(model, twin, customer, horizon=4, rate=0.1, counts=range(6), rtol=1e-9)


def test_likelihood_has_its_derivatives():
    problem = BGBB()._problem([*CUSTOMERS, (0, 0, 6)], lambda n: np.arange(1.0, n + 1), Threads(1))
    for values in [(0.8, 2.0, 0.9, 5.0), (30.0, 5.0, 0.1, 0.2), (0.1, 2.0, 40.0, 90.0)]:
        assert_derivatives(problem.evaluate, np.log(values))


@pytest.mark.parametrize("values", [(1.2, 0.9, 0.8, 2.8), (1e4, 1e-4, 0.1, 30.0), (0.1, 2.0, 1e7, 1e9)])
def test_likelihood_of_many_is_that_of_each_alone(values):
    # Alone a row shares no sums with others. Together some of 12 periods share the first 8, and four terms follow.
    customers = [(x, recency, T) for T in (3, 8, 12, 40) for recency in (0, 2, 3, 7, 9, 31, 40) for x in (0, 2, 5)]
    customers = [row for row in customers if row[0] <= row[1] <= row[2] and (row[0] > 0) == (row[1] > 0)]

    def curve(rows):
        return BGBB()._problem(rows, np.ones, Threads(1)).evaluate(np.log(values))

    whole, each = curve(customers), [curve([row]) for row in customers]
    for name in whole._fields:
        np.testing.assert_allclose(
            getattr(whole, name), sum(getattr(one, name) for one in each), rtol=1e-10, atol=1e-13
        )


def test_rows_share_all_but_some_sums():
    most = 256
    recency, T = np.array([(recency, T) for T in range(most + 1) for recency in range(T + 1)]).T
    middle = _middles(recency, T)
    assert np.all(np.where(recency < T, (recency < middle) & (middle <= T), middle == T))
    spans = [T[middle == m].max() - recency[middle == m].min() for m in np.unique(middle)]
    # Row by row they are n**3 / 6 terms.
    assert sum(spans) <= most * (np.log2(most) + 2)
    np.testing.assert_array_equal(_middles(np.arange(9), np.full(9, 8)), 8)


def test_published_fit_of_the_donations(donations):
    assert donations.n_customers_ == 11_104
    assert donations.log_likelihood_ == pytest.approx(-33225.5812755, abs=5e-6)
    assert donations.log_likelihood_ > -33225.58128
    assert donations.boundary_ is None
    for name, value in FITTED.items():
        assert donations.params_[name] == pytest.approx(value, rel=2e-4)
    np.testing.assert_allclose(list(donations.params_.values()), [1.204, 0.750, 0.657, 2.783], atol=6e-4)


def test_published_expectations_of_the_donations(donations):
    model = BGBB.from_params(**FITTED)
    expected = [0.4985, 0.9233, 1.2969, 1.6323, 1.9381, 2.2202, 2.4826, 2.7285, 2.9603, 3.1798, 3.3887]
    np.testing.assert_allclose(donations.expected_purchases(np.arange(1, 12)), expected, atol=6e-5)
    assert model.expected_purchases(10) == pytest.approx(3.179805, abs=2e-6)
    np.testing.assert_allclose(model.expected_purchases(10, [[0, 0, 6], [4, 5, 6]]), [0.1302169, 3.627858], atol=6e-7)
    total = N_DONORS @ model.expected_purchases(5, CELLS)
    assert total == pytest.approx(12883.9650, abs=6e-4)
    assert total == pytest.approx(12884.2, abs=0.5)


def test_published_frequencies_of_the_donations():
    found = BGBB.from_params(**FITTED).frequency_distribution(6, T=np.full(11_104, 6.0))
    np.testing.assert_allclose(found[[0, 6]], [3454.9, 1253.1], atol=0.06)
    assert found.sum() == pytest.approx(11_104)


def test_published_probabilities_alive_in_the_next_year():
    alive = BGBB.from_params(**FITTED).probability_alive([[0, 0, 6], [2, 4, 6], [6, 6, 6]], later=1)
    np.testing.assert_allclose(alive, [0.11, 0.59, 0.93], atol=6e-3)
    np.testing.assert_allclose(alive, [0.1081335, 0.5896448, 0.9304300], atol=6e-8)
    assert BGBB.from_params(**ROUNDED).probability_alive([[3, 4, 6]], 1)[0] == pytest.approx(0.4383439, abs=6e-8)


def test_published_discounted_purchases():
    model = BGBB.from_params(**FITTED)
    customers = [[0, 0, 6], [2, 4, 6], [4, 5, 6], [6, 6, 6]]
    found = model.discounted_expected_purchases(customers, discount_rate=0.1)
    np.testing.assert_allclose(found, [0.1147508, 1.6655525, 3.1969709, 5.9097386], atol=6e-8)
    customers = [[3, 4, 6], *[[x, 6, 6] for x in range(1, 7)]]
    found = BGBB.from_params(**ROUNDED).discounted_expected_purchases(customers, discount_rate=0.1)
    expected = [1.6213792, 1.8020448, 2.6211561, 3.4402673, 4.2593786, 5.0784899, 5.8976012]
    np.testing.assert_allclose(found, expected, atol=6e-8)


def test_published_tracking_of_the_donations():
    model = BGBB.from_params(**FITTED)
    yearly = 11_104 * np.diff(model.expected_purchases(np.arange(12)))
    expected = [5535.833, 4717.059, 4147.621, 3724.665, 3395.888, 3131.647]
    expected += [2913.778, 2730.482, 2573.731, 2437.854, 2318.727]
    np.testing.assert_allclose(yearly, expected, atol=6e-3)


def test_horizons_may_differ_between_customers():
    model = BGBB.from_params(**FITTED)
    customers = [[0, 0, 6], [2, 4, 6], [6, 6, 6]]
    for ask in (model.expected_purchases, model.survival, lambda h, c: model.probability_of_purchases(2, h, c)):
        each = [ask(horizon, [customer])[0] for horizon, customer in zip([1, 5, 3], customers, strict=True)]
        np.testing.assert_allclose(ask([1, 5, 3], customers), each, rtol=1e-12)


@pytest.mark.parametrize("shape", [1e-3, 1.0, 1e5])
def test_nothing_overflows(shape):
    customers = [(0, 0, 2000), (1, 1, 2000), (2000, 2000, 2000), (5, 1500, 2000)]
    model = BGBB.from_params(alpha=shape, beta=1 / shape, gamma=shape, delta=1 / shape)
    for probability in (model.probability_alive(customers), model.survival(50, customers)):
        assert ((probability >= 0) & (probability <= 1 + 1e-12)).all()
    for expected in (
        model.expected_purchases(50, customers),
        model.discounted_expected_purchases(customers, discount_rate=1e-6),
    ):
        assert np.isfinite(expected).all()


def test_fit_finds_the_highest_of_several_maxima():
    # 180 never bought; the others bought every time until they left, so that certain purchases are a maximum too.
    cells = [(0, 0, 12), (1, 1, 12), (2, 2, 12), (4, 4, 12), (8, 8, 12), (12, 12, 12)]
    model = BGBB().fit(cells, sample_weight=[180, 10, 10, 10, 10, 80])
    assert model.boundary_ == "all or nothing: alpha and beta fall to 0; a customer buys always or never"
    assert model.log_likelihood_ == pytest.approx(-363.633267, abs=2e-5)
    np.testing.assert_allclose([model.params_[name] for name in ("gamma", "delta")], [0.1939, 0.9158], rtol=3e-3)


def test_fit_at_a_limit_says_so():
    rng = np.random.default_rng(3)
    bought = rng.random((500, 8)) < rng.beta(2, 3, 500)[:, None]
    last = np.where(bought.any(axis=1), 8 - np.argmax(bought[:, ::-1], axis=1), 0)
    model = BGBB().fit(np.column_stack([bought.sum(axis=1), last, np.full(500, 8)]))
    assert model.converged_
    assert model.boundary_ == "no dropout: gamma / delta falls to 0"
    assert np.isnan(model.standard_errors_["gamma"])
    for name, value in {"alpha": 2.0, "beta": 3.0}.items():
        assert abs(model.params_[name] - value) < 4 * model.standard_errors_[name]
