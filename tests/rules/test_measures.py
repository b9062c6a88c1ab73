import re
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
