import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.rules import rule_reference as reference

from kmad.rules._measures import MEASURES, TABLE, Counts
from kmad.rules._rules import ALL_MEASURES

PARTS = (frozenset("x"), frozenset("y"))


def baskets_of(xy, x_alone, y_alone, neither):
    return [["x", "y"]] * xy + [["x"]] * x_alone + [["y"]] * y_alone + [["z"]] * neither


def measured(name, xy, x_alone, y_alone, neither):
    n = xy + x_alone + y_alone + neither
    counts = Counts(np.array([float(xy)]), np.array([xy + x_alone + 0.0]), np.array([xy + y_alone + 0.0]), float(n))
    return MEASURES[name](counts)


@given(st.integers(1, 5), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))
def test_measure_equals_its_definition_on_baskets(xy, x_alone, y_alone, neither):
    expected = reference.measures(baskets_of(xy, x_alone, y_alone, neither), *PARTS)
    assert expected.keys() == MEASURES.keys()
    for name, value in expected.items():
        found = measured(name, xy, x_alone, y_alone, neither)
        assert found.shape == (1,), name
        assert found.dtype == np.float64, name
        # Information is a difference of entropies in the twin, a sum of logarithms here.
        assert found[0] == pytest.approx(value, rel=1e-12, abs=1e-14), name


@pytest.mark.parametrize("name", MEASURES)
def test_measure_of_no_rules_is_empty(name):
    none = np.empty(0)
    assert MEASURES[name](Counts(none, none, none, 7.0)).shape == (0,)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lift", 1),
        ("leverage", 0),
        ("zhangs_metric", 0),
        ("certainty", 0),
        ("added_value", 0),
        ("confidence_difference", 0),
        ("relative_risk", 1),
        ("odds_ratio", 1),
        ("yules_q", 0),
        ("yules_y", 0),
        ("phi", 0),
        ("chi_square", 0),
        ("kappa", 0),
        ("collective_strength", 1),
        ("implication_index", 0),
        ("gini", 0),
        ("j_measure", 0),
        ("mutual_information", 0),
        ("conviction", 1),
    ],
)
def test_measure_of_independent_parts_is_that_of_independence(name, value):
    assert measured(name, 6, 2, 9, 3)[0] == pytest.approx(value, abs=1e-15)
    # A part that is in every basket is independent of any other; conviction follows mlxtend there.
    if name != "conviction":
        assert measured(name, 3, 0, 4, 0)[0] == pytest.approx(value, abs=1e-15)
        assert measured(name, 3, 4, 0, 0)[0] == pytest.approx(value, abs=1e-15)
        assert measured(name, 3, 0, 0, 0)[0] == pytest.approx(value, abs=1e-15)


@pytest.mark.parametrize("name", ["conviction", "sebag", "odds_ratio", "relative_risk"])
def test_measure_of_a_perfect_rule_is_infinite(name):
    assert measured(name, 3, 0, 0, 5)[0] == np.inf


def test_measures_keep_their_digits_where_counts_are_large():
    n = 90_000_000
    # One basket more than independence has.
    found = measured("leverage", n // 4 + 1, n // 4 - 1, n // 4 - 1, n // 4 + 1)[0]
    assert found == pytest.approx(1 / n, rel=1e-12)


def of_counts(name, *counts):
    xy, x, y, n = np.array(counts, np.float64).T
    return MEASURES[name](Counts(xy, x, y, n))


@pytest.mark.parametrize("scale", [1.0, 2.0**-300, 2.0**200])
def test_measures_at_a_threshold_reach_it(scale):
    assert of_counts("kulczynski", np.multiply((3, 10, 5, 20), scale)) == 0.45
    assert of_counts("chi_square", np.multiply((2, 4, 2, 10), scale)) == 3.75 * scale
    counts = [
        (xy, x, y, n)
        for n in range(1, 13)
        for x in range(1, n + 1)
        for y in range(1, n + 1)
        for xy in range(max(1, x + y - n), min(x, y) + 1)
    ]
    exact = [Fraction(xy * (x + y), 2 * x * y) for xy, x, y, _ in counts]
    np.testing.assert_array_equal(of_counts("kulczynski", *np.multiply(counts, scale)), list(map(float, exact)))
    exact = [
        Fraction(n * (xy * n - x * y) ** 2, x * y * (n - x) * (n - y)) if n > max(x, y) else 0 for xy, x, y, n in counts
    ]
    found = of_counts("chi_square", *np.multiply(counts, scale))
    np.testing.assert_array_equal(found / scale, list(map(float, exact)))
    exact = [Fraction(2 * (xy * n - x * y) ** 2, n**2 * x * (n - x)) if n > x else 0 for xy, x, y, n in counts]
    np.testing.assert_array_equal(of_counts("gini", *np.multiply(counts, scale)), list(map(float, exact)))


def test_measures_of_many_baskets_are_near_the_exact_ones():
    rng = np.random.default_rng(0)
    x, y = rng.integers(1, 10**8, (2, 1000))
    n = 10**8 + rng.integers(0, 10**6, 1000)
    xy = rng.integers(np.maximum(1, x + y - n), np.minimum(x, y) + 1)
    counts = np.stack([xy, x, y, n], axis=1).tolist()
    exact = [float(Fraction(xy * (x + y), 2 * x * y)) for xy, x, y, _ in counts]
    np.testing.assert_allclose(of_counts("kulczynski", *counts), exact, rtol=1e-15)
    exact = [float(Fraction(n * (xy * n - x * y) ** 2, x * y * (n - x) * (n - y))) for xy, x, y, n in counts]
    np.testing.assert_allclose(of_counts("chi_square", *counts), exact, rtol=1e-12)


def test_parts_in_every_one_of_many_baskets_say_nothing_of_each_other():
    # The square of so many is rounded in one way, and in another where it is a product.
    for n in (242_001_510, 268_001_430):
        assert measured("collective_strength", n, 0, 0, 0)[0] == 1


def test_table_has_the_columns_of_mlxtend():
    assert list(TABLE.values()) == [
        "antecedent support",
        "consequent support",
        "support",
        "confidence",
        "lift",
        "representativity",
        "leverage",
        "conviction",
        "zhangs_metric",
        "jaccard",
        "certainty",
        "kulczynski",
    ]


def test_guide_lists_every_measure():
    page = (Path(__file__).parents[2] / "docs" / "guide" / "rules.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE) == list(ALL_MEASURES)
