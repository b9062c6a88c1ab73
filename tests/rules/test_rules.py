import pickle
from collections import Counter
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.asserts import rows
from tests.rules import rule_reference as reference

from kmad.rules import Itemsets, Rules, apriori, association_rules
from kmad.rules._lattice import CHUNK_SUBSETS
from kmad.rules._measures import MEASURES, TABLE
from kmad.rules._significance import ALTERNATIVES
from kmad.rules._thresholds import as_double

ITEMS = "abcdef"
BASKETS = st.lists(st.sets(st.sampled_from(ITEMS)).map(sorted), min_size=1, max_size=12)
# Thresholds that confidences are often exactly at, as people write them.
THRESHOLDS = st.sampled_from([0, 0.1, 0.25, 0.3, 1 / 3, 0.5, 0.6, 2 / 3, 5 / 7, 0.75, 0.8, 0.9, 1])
GROCERIES = [
    ["bread", "butter", "jam"],
    ["bread", "butter"],
    ["bread", "tea"],
    ["butter", "jam", "bread"],
    ["tea"],
    ["tea", "milk"],
    ["bread", "butter", "milk"],
]


def random_baskets(n, n_items, seed=0, mean=5):
    """Baskets whose items have very different frequencies."""
    rng = np.random.default_rng(seed)
    chance = np.minimum(0.95, mean / n_items * 2 * rng.random(n_items))
    return [np.flatnonzero(row).tolist() for row in rng.random((n, n_items)) < chance]


def pairs(rules):
    return [(rule.antecedent, rule.consequent) for rule in rules]


def as_fraction(threshold):
    """The number that the threshold is the nearest float of, of those with a small denominator."""
    return Fraction(threshold).limit_denominator(100)


@pytest.fixture(scope="module")
def itemsets():
    return reference.itemsets_of(GROCERIES)


@given(BASKETS, st.integers(1, 3), THRESHOLDS)
def test_rules_equal_brute_force(baskets, min_count, threshold):
    itemsets = reference.itemsets_of(baskets, min_count)
    rules = association_rules(itemsets, min_confidence=threshold)
    found = pairs(rules)
    assert len(found) == len(set(found)) == len(rules)
    assert set(found) == reference.rules_of(baskets, min_count, as_fraction(threshold))
    for antecedent, consequent, union in zip(rules.antecedent, rules.consequent, rules.union, strict=True):
        x, y, z = (itemsets.itemset(i) for i in (antecedent, consequent, union))
        assert x | y == z
        assert not x & y


@pytest.mark.parametrize("denominator", range(2, 40))
def test_rules_exactly_at_the_threshold_are_kept(denominator):
    for numerator in range(1, denominator):
        counts = [denominator, denominator, numerator]
        itemsets = Itemsets(items=[0, 1, 0, 1], offsets=[0, 1, 2, 4], counts=counts, labels="ab", n_baskets=97)
        threshold = numerator / denominator
        assert len(association_rules(itemsets, min_confidence=threshold)) == 2
        assert len(association_rules(itemsets, min_confidence=np.nextafter(threshold, 1))) == 0


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.longdouble, Fraction])
def test_thresholds_of_any_precision_keep_rules_that_are_at_them(kind):
    for denominator in (3, 7, 10, 97):
        for numerator in range(denominator):
            counts = [denominator, denominator, max(1, numerator)]
            itemsets = Itemsets(items=[0, 1, 0, 1], offsets=[0, 1, 2, 4], counts=counts, labels="ab", n_baskets=100)
            threshold = kind(numerator / denominator)
            if kind is Fraction:
                threshold = Fraction(numerator, denominator)
            assert len(association_rules(itemsets, min_confidence=threshold)) == 2
            options = {"metric": "jaccard", "min_threshold": 0}
            jaccard = association_rules(itemsets, **options).jaccard[0]
            options["min_threshold"] = kind(jaccard)
            assert len(association_rules(itemsets, **options)) == 2
    assert len(association_rules(itemsets, min_confidence=1, metric="lift", min_threshold=-np.float32(np.inf))) == 0


def test_thresholds_of_single_precision_leave_out_what_is_below():
    assert as_double(np.float32(0)) == 0
    for threshold in np.random.default_rng(0).random(200, np.float32):
        least = as_double(threshold)
        assert np.float32(least) >= threshold > np.float32(np.nextafter(least, -1))


def test_rules_at_the_threshold_of_an_improvement_are_kept():
    baskets = [["x", "y"]] * 5 + [["x"]] * 5 + [["y"]] * 3 + [[]] * 7
    for weight in (1, 2.0**-400):
        itemsets = apriori(baskets, min_support=2.0**-60, sample_weight=np.full(20, weight))
        rules = association_rules(itemsets, min_confidence=0.5)
        assert sorted(rules.improvement) == [0.1, 0.125]
        for least in (0.1, np.float32(0.1), Fraction(1, 10)):
            assert len(rules.prune_redundant(min_improvement=least)) == 2
        assert len(rules.prune_redundant(min_improvement=0.11)) == 1


def test_rules_at_the_threshold_of_a_metric_are_kept():
    baskets = [["x", "y"]] * 3 + [["x"]] * 7 + [["y"]] * 2 + [[]] * 8
    assert len(association_rules(apriori(baskets, min_support=1), metric="kulczynski", min_threshold=0.45)) == 2
    baskets = [["x", "y"]] * 2 + [["x"]] * 2 + [[]] * 6
    assert len(association_rules(apriori(baskets, min_support=1), metric="chi_square", min_threshold=3.75)) == 2


def test_limits_may_be_larger_than_any_integer_of_numpy(itemsets):
    rules = association_rules(itemsets, min_confidence=0.3)
    most = dict.fromkeys(("max_antecedent", "max_consequent", "max_rules"), 10**30)
    assert pairs(association_rules(itemsets, min_confidence=0.3, **most)) == pairs(rules)
    assert len(association_rules(itemsets, min_confidence=0.3, min_antecedent=10**30)) == 0
    for adjust in ("bonferroni", "holm", "fdr"):
        for n_tests in (10**30, 10**400):
            assert (rules.p_values(adjust=adjust, n_tests=n_tests) == 1).all()


@given(BASKETS, st.data())
def test_rules_fit_the_limits_and_templates(baskets, data):
    present = sorted({item for basket in baskets for item in basket})
    items = st.lists(st.sampled_from(present), max_size=2) if present else st.just([])
    template = st.one_of(st.none(), items, st.dictionaries(st.sampled_from(["contains", "only", "without"]), items))
    antecedent, consequent = data.draw(template), data.draw(template)
    least, most = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    most_consequent = data.draw(st.integers(1, 3))

    def fits(part, template):
        wanted = template if isinstance(template, dict) else {"contains": template or []}
        only = wanted.get("only")
        return (
            set(wanted.get("contains", [])) <= part
            and (only is None or part <= set(only))
            and not part & set(wanted.get("without", []))
        )

    expected = [
        (x, y)
        for x, y in reference.rules_of(baskets, 1, Fraction(1, 2))
        if least <= len(x) <= most and len(y) <= most_consequent and fits(x, antecedent) and fits(y, consequent)
    ]
    itemsets = reference.itemsets_of(baskets)
    limits = {"min_antecedent": least, "max_antecedent": most, "max_consequent": most_consequent}
    rules = association_rules(itemsets, min_confidence=0.5, antecedent=antecedent, consequent=consequent, **limits)
    assert Counter(pairs(rules)) == Counter(expected)
    # Filtering afterwards comes to the same.
    every = association_rules(itemsets, min_confidence=0.5, **limits)
    assert pairs(every.filter(antecedent=antecedent, consequent=consequent)) == pairs(rules)


def test_item_that_may_be_in_neither_part_is_in_no_rule(itemsets):
    nowhere = {"without": ["bread"]}
    rules = association_rules(itemsets, min_confidence=0.1, antecedent=nowhere, consequent=nowhere)
    expected = [
        pair for pair in pairs(association_rules(itemsets, min_confidence=0.1)) if "bread" not in pair[0] | pair[1]
    ]
    assert pairs(rules) == expected
    assert len(rules) > 0


@given(BASKETS)
def test_measures_of_rules_equal_their_definitions(baskets):
    rules = association_rules(reference.itemsets_of(baskets), min_confidence=0.4)
    expected = [reference.measures(baskets, *pair) for pair in pairs(rules)]
    for name in MEASURES:
        np.testing.assert_allclose(rules.measure(name), [e[name] for e in expected], rtol=1e-12, atol=1e-14)


@given(BASKETS, st.integers(1, 2))
def test_improvement_equals_brute_force(baskets, min_count):
    rules = association_rules(reference.itemsets_of(baskets, min_count), min_confidence=0)
    expected = [reference.improvement(baskets, *pair) for pair in pairs(rules)]
    np.testing.assert_array_equal(rules.improvement, [float(value) for value in expected])
    kept = [pair for pair, value in zip(pairs(rules), expected, strict=True) if value > 0]
    assert pairs(rules.prune_redundant()) == kept


@given(BASKETS)
def test_pruned_rules_have_no_simpler_rule_as_good(baskets):
    rules = association_rules(reference.itemsets_of(baskets), min_confidence=0.5)
    confidence = dict(zip(pairs(rules), rules.confidence, strict=True))
    for antecedent, consequent in pairs(rules.prune_redundant()):
        for (smaller, same), other in confidence.items():
            if same == consequent and smaller < antecedent:
                assert other < confidence[antecedent, consequent]


@given(BASKETS, st.sampled_from(["lift", "leverage", "improvement", "conviction"]), st.floats(-1, 3))
def test_metric_keeps_the_rules_that_reach_it(baskets, metric, threshold):
    itemsets = reference.itemsets_of(baskets)
    every = association_rules(itemsets, min_confidence=0)
    wanted = every[every.measure(metric) >= threshold]
    assert pairs(association_rules(itemsets, metric=metric, min_threshold=threshold)) == pairs(wanted)
    confident = wanted[wanted.confidence >= 0.5]
    found = association_rules(itemsets, min_confidence=0.5, metric=metric, min_threshold=threshold)
    assert pairs(found) == pairs(confident)


def test_rules_have_a_documented_order():
    rules = association_rules(reference.itemsets_of([["a", "b", "c"]]), min_confidence=0)
    consequents = ["".join(sorted(consequent)) for _, consequent in pairs(rules)]
    assert consequents == ["a", "b", "a", "c", "b", "c", "a", "ab", "ac", "b", "bc", "c"]


@pytest.mark.parametrize("metric", [{}, {"metric": "lift", "min_threshold": 1.01}])
def test_rules_are_the_same_for_any_number_of_threads(metric):
    baskets = random_baskets(rows(400, 40), rows(14, 9), mean=rows(7, 5))
    itemsets = reference.itemsets_of(baskets, 3)
    one = association_rules(itemsets, min_confidence=0.3, n_jobs=1, **metric)
    many = association_rules(itemsets, min_confidence=0.3, n_jobs=4, **metric)
    assert len(one) > 1000
    for name in ("antecedent", "consequent", "union"):
        np.testing.assert_array_equal(getattr(one, name), getattr(many, name))
    np.testing.assert_array_equal(one.improvement, many.improvement)
    np.testing.assert_array_equal(one.fisher_p, many.fisher_p)


def test_chunks_of_sets_cover_them_and_do_not_depend_on_threads(itemsets, monkeypatch):
    whole = association_rules(itemsets, min_confidence=0)
    for least in (1, 3, 10, 1000):
        monkeypatch.setattr("kmad.rules._lattice.CHUNK_SUBSETS", least)
        assert pairs(association_rules(itemsets, min_confidence=0)) == pairs(whole)
        few = association_rules(itemsets, metric="lift", min_threshold=1)
        assert pairs(few) == pairs(whole[whole.lift >= 1])
    assert CHUNK_SUBSETS > 1000


@given(BASKETS, st.permutations(ITEMS))
def test_rules_do_not_depend_on_the_names_of_items(baskets, names):
    renamed = dict(zip(ITEMS, names, strict=True))
    others = [[renamed[item] for item in basket] for basket in baskets]
    rules = association_rules(reference.itemsets_of(baskets), min_confidence=0.5)
    expected = {tuple(frozenset(renamed[item] for item in part) for part in pair) for pair in pairs(rules)}
    assert set(pairs(association_rules(reference.itemsets_of(others), min_confidence=0.5))) == expected


@pytest.mark.parametrize("metric", [{}, {"metric": "lift", "min_threshold": 0}])
def test_rules_beyond_the_limit_are_refused(itemsets, metric):
    n_rules = len(association_rules(itemsets, min_confidence=0.1))
    assert len(association_rules(itemsets, min_confidence=0.1, max_rules=n_rules, **metric)) == n_rules
    with pytest.raises(ValueError, match=f"there are {n_rules} rules or more, above max_rules={n_rules - 1}: raise"):
        association_rules(itemsets, min_confidence=0.1, max_rules=n_rules - 1, **metric)


def test_default_confidence_is_that_of_mlxtend(itemsets):
    assert pairs(association_rules(itemsets)) == pairs(association_rules(itemsets, min_confidence=0.8))


def test_rules_of_fractional_weights_keep_the_threshold():
    # 0.1 + 0.2 is a little more than 0.3.
    itemsets = Itemsets(
        items=[0, 1, 0, 1], offsets=[0, 1, 2, 4], counts=[1.0, (0.1 + 0.2) / 0.3, 0.3 / 0.3], labels="ab", n_baskets=2.0
    )
    rules = association_rules(itemsets, min_confidence=1)
    assert pairs(rules) == [({"b"}, {"a"}), ({"a"}, {"b"})]
    assert rules.chi_square.shape == (2,)
    with pytest.raises(ValueError, match="fractional weights"):
        rules.fisher_p  # noqa: B018 - asking for it is what raises


def test_no_rules_do_no_harm(itemsets):
    none = association_rules(itemsets, min_confidence=0.9, antecedent=["tea"])
    assert len(none) == 0
    assert list(none) == []
    assert none.improvement.shape == none.fisher_p.shape == none.lift.shape == (0,)
    assert none.p_values(against="simpler").shape == (0,)
    assert len(none.sort()) == len(none.prune_redundant()) == len(none.significant(adjust="holm")) == 0
    assert len(none.filter(consequent=["tea"])) == 0
    assert none.recommend(["bread"]) == []
    for backend in ("pandas", "polars", "pyarrow"):
        frame = none.to_frame(backend=backend)
        assert frame.shape == (0, 14)


def test_no_itemsets_give_no_rules():
    nothing = Itemsets(items=[], offsets=[0], counts=[], labels=[], n_baskets=3)
    assert len(association_rules(nothing)) == 0
    assert len(association_rules(nothing, metric="lift", min_threshold=1)) == 0
    assert len(association_rules(nothing).filter(antecedent=[])) == 0


def test_rules_are_indexed(itemsets):
    rules = association_rules(itemsets, min_confidence=0.5)
    first = rules[0]
    assert first.antecedent == {"butter"}
    assert first.confidence == rules.confidence[0]
    assert rules[-1] == list(rules)[-1] == rules[len(rules) - 1]
    assert pairs(rules[:3]) == pairs(rules)[:3]
    assert pairs(rules[::-1]) == pairs(rules)[::-1]
    assert pairs(rules[np.array([2, 0])]) == [pairs(rules)[2], pairs(rules)[0]]
    assert (rules[rules.lift > 1].lift > 1).all()
    with pytest.raises(IndexError):
        rules[len(rules)]
    with pytest.raises(ValueError, match=r"one entry for each of \d+ rules; got the shape \(2,\)"):
        rules[np.array([True, False])]


def test_measures_are_attributes(itemsets):
    rules = association_rules(itemsets, min_confidence=0.5)
    assert rules.lift is rules.measure("lift")
    assert not rules.lift.flags.writeable
    assert {"lift", "improvement", "fisher_p"} <= set(dir(rules))
    assert not hasattr(rules, "lifts")
    with pytest.raises(ValueError, match=r"measure must be one of .*; got 'lifts'"):
        rules.measure("lifts")


def test_measures_that_were_computed_are_selected_along(itemsets):
    rules = association_rules(itemsets, min_confidence=0.3)
    improvement = rules.improvement
    chosen = rules[::2]
    np.testing.assert_array_equal(chosen.improvement, improvement[::2])
    np.testing.assert_array_equal(Rules(itemsets, *(p[::2] for p in parts_of(rules))).improvement, improvement[::2])


def parts_of(rules):
    return rules.antecedent, rules.consequent, rules.union


def test_sort_orders_by_the_measures_in_turn(itemsets):
    rules = association_rules(itemsets, min_confidence=0.3)
    by = rules.sort(["confidence", "support"])
    keys = list(zip(by.confidence, by.support, strict=True))
    assert keys == sorted(keys, reverse=True)
    rising = rules.sort("lift", descending=False)
    assert (np.diff(rising.lift) >= 0).all()
    assert Counter(pairs(rising)) == Counter(pairs(rules))
    # Equal rules keep their order.
    constant = rules.sort("representativity")
    assert pairs(constant) == pairs(rules)


def test_significant_keeps_the_small_p_values():
    rules = association_rules(reference.itemsets_of(GROCERIES * 5), min_confidence=0.3)
    p = rules.p_values(adjust="fdr", n_tests=100)
    np.testing.assert_allclose(rules.p_values(adjust="bonferroni", n_tests=1000), np.minimum(1, 1000 * rules.fisher_p))
    level = np.median(p)
    assert 0 < level < 1
    assert pairs(rules.significant(level, adjust="fdr", n_tests=100)) == pairs(rules[p <= level])
    options = {"method": "chi-square", "against": "simpler", "alternative": "two-sided"}
    others = rules.p_values(**options)
    assert pairs(rules.significant(0.3, **options)) == pairs(rules[others <= 0.3])
    assert 0 < len(rules.significant(0.3, **options)) < len(rules)


TABLES = [("pandas", pd.DataFrame), ("polars", pl.DataFrame), ("pyarrow", pa.Table)]


@given(BASKETS, st.sampled_from(ALTERNATIVES))
def test_p_values_against_simpler_rules_are_those_among_their_baskets(baskets, alternative):
    rules = association_rules(reference.itemsets_of(baskets), min_confidence=0.4)
    expected = []
    for antecedent, consequent in pairs(rules):
        tests = []
        for item in antecedent:
            among = [basket for basket in baskets if antecedent - {item} <= set(basket)]
            both, y = reference.count(among, antecedent | consequent), reference.count(among, consequent)
            tests.append(reference.fisher(both, reference.count(among, antecedent), y, len(among), alternative))
        expected.append(max(tests))
    found = rules.p_values(against="simpler", alternative=alternative)
    np.testing.assert_allclose(found, expected, rtol=1e-11)
    single = rules.itemsets.lengths[rules.antecedent] == 1
    np.testing.assert_array_equal(found[single], rules.p_values(alternative=alternative)[single])


@pytest.mark.parametrize(("backend", "kind"), TABLES)
def test_table_is_of_the_kind_of_the_baskets(backend, kind):
    rules = association_rules(reference.itemsets_of(GROCERIES, backend=backend), min_confidence=0.5)
    table = rules.to_frame()
    assert isinstance(table, kind)
    columns = table.column_names if backend == "pyarrow" else list(table.columns)
    assert columns == ["antecedents", "consequents", *TABLE.values()]
    read = [set(part) for part in (table["antecedents"].to_pylist() if backend == "pyarrow" else table["antecedents"])]
    assert read == [antecedent for antecedent, _ in pairs(rules)]
    np.testing.assert_array_equal(np.asarray(table["antecedent support"]), rules.antecedent_support)
    chosen = rules.to_frame(["lift", "improvement", "antecedent_support"], backend="pandas")
    assert list(chosen.columns) == ["antecedents", "consequents", "lift", "improvement", "antecedent support"]
    assert all(isinstance(part, frozenset) for part in chosen["consequents"])


def test_table_of_a_kind_that_cannot_be_had_is_an_error(itemsets, monkeypatch):
    rules = association_rules(itemsets)
    for has_table in (itemsets, rules, rules.recommend_many([])):
        with pytest.raises(ValueError, match="backend must be one of 'pandas', 'polars', 'pyarrow'; got 'excel'"):
            has_table.to_frame(backend="excel")
        with monkeypatch.context() as patched:
            patched.setattr("kmad._frames.find_spec", lambda _: None)
            with pytest.raises(ImportError, match="a table needs pandas, which is not installed: install it, or give"):
                has_table.to_frame()


def test_rules_survive_pickling(itemsets):
    rules = association_rules(itemsets, min_confidence=0.5)
    rules.recommend(["bread"])
    again = pickle.loads(pickle.dumps(rules))  # noqa: S301 - written the moment before
    assert pairs(again) == pairs(rules)
    np.testing.assert_array_equal(again.improvement, rules.improvement)
    assert repr(again) == repr(rules) == f"<Rules: {len(rules)} among 5 items, in 7 baskets>"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"min_confidence": 1.5}, ValueError, "min_confidence must be at most 1; got 1.5"),
        ({"min_confidence": -0.1}, ValueError, "min_confidence must be a finite number of at least 0; got -0.1"),
        ({"min_confidence": "half"}, TypeError, "min_confidence must be a number; got 'half'"),
        ({"metric": "lift"}, ValueError, "together; got metric without min_threshold"),
        ({"min_threshold": 1}, ValueError, "together; got min_threshold without metric"),
        ({"metric": "lifts", "min_threshold": 1}, ValueError, "metric must be one of .*; got 'lifts'"),
        ({"metric": "fisher_p", "min_threshold": 1}, ValueError, "metric must be one of .*; got 'fisher_p'"),
        ({"metric": "lift", "min_threshold": np.nan}, ValueError, "min_threshold must be"),
        ({"min_antecedent": 0}, ValueError, "min_antecedent must be at least 1; got 0"),
        ({"max_antecedent": 1.5}, TypeError, "max_antecedent must be an integer; got 1.5"),
        ({"max_rules": -1}, ValueError, "max_rules must be at least 0; got -1"),
        ({"max_consequent": 0}, ValueError, "max_consequent must be at least 1; got 0"),
        ({"antecedent": "bread"}, TypeError, r"antecedent must hold coll.*; got 'bread'.*write \['bread'\]"),
        ({"consequent": {"with": ["bread"]}}, ValueError, "consequent must have the keys .* alone; got 'with'"),
        ({"consequent": {"only": 3}}, TypeError, "consequent must hold collections of items; got 3"),
        ({"consequent": [["bread"]]}, TypeError, r"consequent must hold .* hashable items; got \['bread'\] in one"),
        ({"consequent": ["wine"]}, ValueError, "consequent must hold items that stand in a basket; 'wine' does not"),
    ],
)
def test_wrong_arguments_are_named(itemsets, options, error, message):
    with pytest.raises(error, match=message):
        association_rules(itemsets, **options)


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("p_values", {"against": "chance"}, "against must be one of 'independence', 'simpler'; got 'chance'"),
        ("p_values", {"method": "t"}, "method must be one of 'fisher', 'chi-square'; got 't'"),
        ("p_values", {"alternative": "less"}, "alternative must be one of 'greater', 'two-sided'; got 'less'"),
        ("p_values", {"adjust": "sidak"}, "adjust must be one of 'none', 'bonferroni', 'holm', 'fdr'; got 'sidak'"),
        ("p_values", {"n_tests": 1}, "n_tests must be at least"),
        ("significant", {"alpha": 0}, "alpha must lie between 0 and 1"),
        ("prune_redundant", {"min_improvement": -1}, "min_improvement must be"),
        ("sort", {"by": "size"}, "measure must be one of .*; got 'size'"),
        ("sort", {"by": []}, r"by must name at least one measure; got \[\]"),
    ],
)
def test_wrong_arguments_of_methods_are_named(itemsets, method, arguments, message):
    rules = association_rules(itemsets)
    with pytest.raises(ValueError, match=message):
        getattr(rules, method)(**arguments)


def test_itemsets_must_be_whole(itemsets):
    with pytest.raises(TypeError, match="itemsets must be the Itemsets that apriori returns; got list"):
        association_rules(list(itemsets))
    for kind in ("closed", "maximal"):
        with pytest.raises(ValueError, match=f"of the kind 'frequent'.*got '{kind}'"):
            association_rules(reference.itemsets_of(GROCERIES, kind=kind))
    with pytest.raises(ValueError, match=r"must hold every subset of theirs.*is missing"):
        association_rules(itemsets[itemsets.lengths > 1])
    for i in np.flatnonzero(itemsets.lengths < itemsets.lengths.max()):
        if any(itemsets.itemset(i) < other for other, _ in itemsets):
            with pytest.raises(ValueError, match=r"must hold every subset of theirs"):
                association_rules(itemsets[np.arange(len(itemsets)) != i])


def test_itemsets_must_differ():
    twice = Itemsets(items=[0, 1, 0], offsets=[0, 1, 2, 3], counts=[3, 2, 3], labels="ab", n_baskets=4)
    with pytest.raises(ValueError, match=r"itemsets must differ; \{'a'\} is there twice"):
        association_rules(twice)
