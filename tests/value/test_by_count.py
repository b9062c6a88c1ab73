import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from kmad.value._beta import beta_nodes, mean_fall, mean_power
from kmad.value._by_count import MeansByCount

COUNTS = np.array([0.0, 3.0, 40.0])


def draw(low, high, n=400):
    rng = np.random.default_rng(0)
    return rng.choice(COUNTS, n), np.concatenate([[low, high], rng.uniform(low, high, n - 2)])


def direct(mean, x, u):
    return np.array([mean(count, np.array([each]))[0] for count, each in zip(x, u, strict=True)])


@pytest.mark.parametrize("function", [mean_power, mean_fall])
@pytest.mark.parametrize(("a", "b", "power"), [(0.8, 2.4, 0.24), (0.05, 0.1, 3.0), (1.0, 30.0, 8.0), (6.0, 2.0, 1.5)])
def test_tables_say_what_the_means_are(function, a, b, power):
    def mean(count, u):
        return function(beta_nodes(a, b + count), power + count, np.expm1(u))

    x, u = draw(0.0, 2.9)
    means = MeansByCount(mean, x, 0.0, 2.9)
    assert means.width == 1
    assert_allclose(means(x, u), direct(mean, x, u), rtol=2e-13)


@given(st.floats(-20, 20), st.floats(0, 2))
def test_tables_reach_from_bound_to_bound(low, span):
    x, u = draw(low, low + span)
    means = MeansByCount(lambda count, u: 1 / (2 + count + np.exp(u)), x, low, low + span)
    assert means.width == 1
    assert_allclose(means(x, u), 1 / (2 + x + np.exp(u)), rtol=1e-13)


def test_what_is_too_sharp_to_tabulate_is_worked_out_row_by_row():
    def sharp(count, u):
        return np.exp(-count * 20 * u**2) + (count == 3) * np.abs(u - 0.5)

    x, u = draw(0.0, 0.9)
    found = MeansByCount(sharp, x, 0.0, 0.9)(x, u)
    assert_allclose(found[x == 0], 1.0, rtol=1e-15)
    assert_array_equal(found[x > 0], direct(sharp, x, u)[x > 0])


def test_piece_where_all_nodes_underflow_is_worked_out_row_by_row():
    def steep(count, u):
        return np.exp(-1e7 * (1 + count) * u)

    x, u = draw(0.0, 1e-7)
    means = MeansByCount(steep, x, 0.0, 1e-7)
    assert means.width == 1
    assert_array_equal(means(x, u), direct(steep, x, u))
    nothing = MeansByCount(lambda count, u: count * u * 0, x, 0.0, 1e-7)
    assert_array_equal(nothing(x, u), 0.0)


def test_few_rows_are_not_tabulated():
    asked = []

    def mean(count, u):
        asked.extend(u)
        return count + u

    x, u = draw(0.0, 2.9, n=40)
    means = MeansByCount(mean, x, 0.0, 2.9)
    assert means.width > 1
    assert_array_equal(means(x, u), x + u)
    assert sorted(asked) == sorted(u)
