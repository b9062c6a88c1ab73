import numpy as np
import pytest
from numpy.testing import assert_allclose

from kmad.datasets import SEGMENT_MEANS, SEGMENT_SIZES, make_baskets, make_customers, make_lifecycles, make_purchases

SIZES = [31, 152, 542, 2031, 93]


def test_customers_have_the_published_sizes():
    customers = make_customers()
    assert customers.data.shape == (2849, 2)
    assert customers.data.dtype == np.float64
    assert customers.target.dtype == np.int32
    assert customers.feature_names == ("monthly_amount", "monthly_transactions")
    assert np.bincount(customers.target).tolist() == SIZES


@pytest.mark.parametrize("n_customers", [1, 2, 30, 100, 2848, 2850, 5698])
def test_customers_sizes_are_proportional(n_customers):
    sizes = np.bincount(make_customers(n_customers).target, minlength=5)
    assert sizes.sum() == n_customers
    assert (np.abs(sizes - n_customers * np.array(SIZES) / 2849) < 1).all()


def test_customers_sizes_of_twice_as_many_are_doubled():
    assert np.bincount(make_customers(5698).target).tolist() == [2 * size for size in SIZES]


def test_customers_have_the_published_means_in_expectation():
    n_customers, spread = 200_000, 0.3
    customers = make_customers(n_customers, spread=spread)
    expected = [(139729, 2813), (48261, 595), (19392, 1579), (3710, 961), (301, 248)]
    for segment, mean in enumerate(expected):
        data = customers.data[customers.target == segment]
        standard_error = np.sqrt(np.expm1(spread**2) / len(data))
        assert data.mean(axis=0) == pytest.approx(mean, rel=4 * standard_error)
        assert np.log(data).std(axis=0) == pytest.approx(spread, rel=4 / np.sqrt(2 * len(data)))


def test_customers_without_spread_stand_at_the_means():
    customers = make_customers(100, spread=0)
    assert customers.data == pytest.approx(SEGMENT_MEANS[customers.target])


def test_customers_are_in_random_order():
    changes = np.count_nonzero(np.diff(make_customers().target))
    assert changes > len(SEGMENT_SIZES) * 100


@pytest.mark.parametrize("make", [make_customers, make_lifecycles, make_purchases])
def test_datasets_depend_on_the_seed_alone(make):
    first, again, other = make(50), make(50, random_state=np.random.default_rng(0)), make(50, random_state=1)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_purchases_are_in_the_window_and_in_order():
    log = make_purchases(200, months=2)
    start = np.datetime64("2025-01-01")
    assert log.date.min() >= start
    assert log.date.max() < start + np.timedelta64(round(2 * 30.4375 * 86_400), "s")
    assert (np.diff(log.date) >= np.timedelta64(0, "s")).all()
    assert log.customer.min() >= 0
    assert log.customer.max() < len(log.target) == 200


def test_purchases_have_the_customers_means_in_expectation():
    log = make_purchases(2849, months=6, share=0.01)
    customers = log.target.size
    amount = np.bincount(log.customer, log.amount, customers) / 6
    purchases = np.bincount(log.customer, minlength=customers) / 6
    for segment, (mean_amount, mean_transactions) in enumerate(SEGMENT_MEANS):
        of_segment = log.target == segment
        assert amount[of_segment].mean() == pytest.approx(mean_amount, rel=0.2)
        assert purchases[of_segment].mean() == pytest.approx(0.01 * mean_transactions, rel=0.2)


def test_purchases_are_money():
    amount = make_purchases(100, share=1, months=0.1).amount
    assert amount.min() >= 0.01
    assert np.array_equal(amount, amount.round(2))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n_customers": 0}, ValueError, "n_customers must be at least 1; got 0"),
        ({"n_customers": 2.0}, TypeError, "n_customers must be an integer; got 2.0"),
        ({"spread": -0.1}, ValueError, "spread must be .* at least 0; got -0.1"),
        ({"spread": np.nan}, ValueError, "spread must be .* at least 0; got nan"),
        ({"spread": "wide"}, TypeError, "spread must be a number; got 'wide'"),
    ],
)
@pytest.mark.parametrize("make", [make_customers, make_purchases])
def test_datasets_name_the_bad_argument(make, arguments, error, message):
    with pytest.raises(error, match=message):
        make(**arguments)


@pytest.mark.parametrize("name", ["months", "share"])
@pytest.mark.parametrize("value", [0, -1, np.inf])
def test_purchases_name_the_bad_argument(name, value):
    with pytest.raises(ValueError, match=f"{name} must lie between 0 and inf, both excluded; got {value}"):
        make_purchases(**{name: value})


def held_by(log, products):
    """Whether each basket holds the products."""
    n_baskets = log.basket.max() + 1
    held = [np.bincount(log.basket[log.item == product], minlength=n_baskets) > 0 for product in products]
    return np.logical_and.reduce(held)


def test_baskets_are_in_order_and_hold_each_product_once():
    log = make_baskets(2000)
    assert log.basket.dtype == np.int64
    assert (np.diff(log.basket) >= 0).all()
    assert 0 <= log.basket.min() <= log.basket.max() < 2000
    assert len(set(zip(log.basket.tolist(), log.item.tolist(), strict=True))) == len(log.basket)
    assert len(np.unique(log.item)) == 116


def test_baskets_follow_the_planted_rules():
    n_baskets = 200_000
    log = make_baskets(n_baskets)
    assert len(log.rules) == 6
    for antecedent, consequent, confidence in log.rules:
        having = held_by(log, antecedent)
        following = held_by(log, antecedent + consequent)
        error = np.sqrt(confidence * (1 - confidence) / having.sum())
        assert following.sum() / having.sum() == pytest.approx(confidence, abs=4 * error)


def test_baskets_hold_the_other_products_independently():
    n_baskets = 200_000
    log = make_baskets(n_baskets)
    first, second = held_by(log, ["red mug"]).sum(), held_by(log, ["blue mug"]).sum()
    both = held_by(log, ["red mug", "blue mug"]).sum()
    assert first / n_baskets == pytest.approx(0.2, rel=0.02)
    assert second / n_baskets == pytest.approx(0.2 / np.sqrt(2), rel=0.02)
    assert both / n_baskets == pytest.approx(first * second / n_baskets**2, rel=0.04)


def test_baskets_depend_on_the_seed_alone():
    first, again, other = (make_baskets(50, random_state=seed) for seed in (0, np.random.default_rng(0), 1))
    assert first.rules == again.rules == other.rules
    assert first.basket.tolist() == again.basket.tolist() != other.basket.tolist()
    assert first.item.tolist() == again.item.tolist() != other.item.tolist()


@pytest.mark.parametrize(
    ("n_baskets", "error", "rule"), [(0, ValueError, "at least 1"), (2.5, TypeError, "an integer")]
)
def test_baskets_need_a_number(n_baskets, error, rule):
    with pytest.raises(error, match=f"n_baskets must be {rule}; got {n_baskets}"):
        make_baskets(n_baskets)


def test_lifecycles_begin_with_a_purchase_in_the_first_half():
    log = make_lifecycles(500, weeks=52, random_state=1)
    assert (np.diff(log.date) >= np.timedelta64(0)).all()
    assert np.array_equal(np.unique(log.customer), np.arange(500))
    born = np.full(500, log.date.max())
    np.minimum.at(born, log.customer, log.date)
    half = np.datetime64("2025-01-01T00:00:00") + np.timedelta64(26 * 7, "D")
    assert born.min() >= np.datetime64("2025-01-01T00:00:00")
    assert born.max() < half
    assert log.date.max() < half + np.timedelta64(26 * 7, "D")
    assert log.amount.min() >= 0.01


def test_lifecycles_have_the_rates_lives_and_amounts_of_their_kind():
    log = make_lifecycles(40_000, random_state=2)
    shares = np.bincount(log.target) / len(log.target)
    assert_allclose(shares, [0.6, 0.3, 0.1], atol=0.01)
    # Someone who comes at b, uniform over the first half, is active in the end with probability E[exp(-(104 - b) / m)].
    mean = np.array([60.0, 250.0, 150.0])
    stays = (np.exp(-52 / mean) - np.exp(-104 / mean)) * mean / 52
    active = np.bincount(log.target, log.active) / np.bincount(log.target)
    assert_allclose(active, stays, atol=0.02)
    amount = np.bincount(log.target[log.customer], log.amount) / np.bincount(log.target[log.customer])
    assert_allclose(amount, [25, 40, 300], rtol=0.03)
    # The expected life within the log, times the rate, and the first purchase.
    b = np.linspace(0, 52, 1001)[:, None]
    life = np.trapezoid(mean * -np.expm1(-(104 - b) / mean), b, axis=0) / 52
    per_customer = np.bincount(log.target[log.customer]) / np.bincount(log.target)
    assert_allclose(per_customer, 1 + life * [0.04, 0.4, 0.15], rtol=0.02)


def test_lifecycles_reject_wrong_arguments():
    with pytest.raises(ValueError, match="n_customers must be at least 1"):
        make_lifecycles(0)
    with pytest.raises(ValueError, match="weeks must lie between 0 and inf"):
        make_lifecycles(10, weeks=0)
