import sys

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from tests.rules import rule_reference as reference

from kmad.rules import RulesDisplay, association_rules

BASKETS = [
    ["bread", "butter", "jam"],
    ["bread", "butter"],
    ["bread", "tea"],
    ["butter", "jam"],
    ["tea"],
    ["tea", "milk"],
]


@pytest.fixture(autouse=True)
def _own_figures():
    with mpl.rc_context({"backend": "agg"}):
        yield
    plt.close("all")


@pytest.fixture
def rules():
    return association_rules(reference.itemsets_of(BASKETS), min_confidence=0.4)


def test_display_shows_a_point_for_each_rule(rules):
    display = RulesDisplay.from_rules(rules)
    shown = display.scatter_.get_offsets()
    order = np.argsort(rules.lift, kind="stable")
    np.testing.assert_array_equal(shown, np.column_stack([rules.support, rules.confidence])[order])
    np.testing.assert_array_equal(display.scatter_.get_array(), rules.lift[order])
    assert display.ax_.get_xlabel() == "support"
    assert display.ax_.get_ylabel() == "confidence"
    assert [ax.get_ylabel() for ax in display.figure_.axes] == ["confidence", "lift"]
    display.figure_.canvas.draw()


def test_display_shows_the_measures_asked_for(rules):
    _, ax = plt.subplots()
    display = RulesDisplay.from_rules(rules, x="zhangs_metric", y="lift", shade="improvement", ax=ax, s=3, cmap="magma")
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert ax.get_xlabel() == "zhangs metric"
    assert display.scatter_.get_cmap().name == "magma"
    np.testing.assert_array_equal(display.scatter_.get_sizes(), [3])
    np.testing.assert_array_equal(display.scatter_.get_array(), np.sort(rules.improvement))
    # The same once more, elsewhere.
    assert display.plot().ax_ is not ax


def test_display_bounds_infinite_shades(rules):
    assert np.isinf(rules.conviction).any()
    shade = RulesDisplay.from_rules(rules, shade="conviction").scatter_.get_array()
    assert shade.max() == rules.conviction[np.isfinite(rules.conviction)].max()
    endless = rules[np.isinf(rules.conviction)]
    display = RulesDisplay.from_rules(endless, shade="conviction")
    assert len(display.scatter_.get_offsets()) == len(endless)
    assert np.isfinite(display.scatter_.get_array()).all()
    display.figure_.canvas.draw()


def test_display_of_no_rules_is_empty(rules):
    display = RulesDisplay.from_rules(rules[:0])
    assert len(display.scatter_.get_offsets()) == 0
    display.figure_.canvas.draw()


def test_display_of_many_rules_is_made_of_pixels(rules):
    few = RulesDisplay.from_rules(rules)
    many = RulesDisplay.from_rules(rules[np.zeros(6000, int)])
    assert not few.scatter_.get_rasterized()
    assert many.scatter_.get_rasterized()


def test_display_needs_matplotlib(rules, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pictures need matplotlib: pip install \"kmad\[plot\]\""):
        RulesDisplay.from_rules(rules)


def test_display_names_a_wrong_measure(rules):
    with pytest.raises(ValueError, match=r"measure must be one of .*; got 'size'"):
        RulesDisplay.from_rules(rules, y="size")
