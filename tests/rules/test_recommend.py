import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.asserts import rows
from tests.rules import rule_reference as reference

from kmad.rules import association_rules

ITEMS = "abcdef"
BASKET = st.sets(st.sampled_from(ITEMS)).map(sorted)
BASKETS = st.lists(BASKET, min_size=1, max_size=12)
GROCERIES = [["bread", "butter", "jam"], ["bread", "butter"], ["bread", "tea"], ["bread", "butter", "tea"], ["tea"]]


def pairs(rules):
    return [(rule.antecedent, rule.consequent) for rule in rules]


def in_order_of_rank(rules, by):
    """Numbers of the rules by score, support, shortness and place; those without a score are left out."""
    score = rules.measure(by)
    ranked = [r for r in range(len(rules)) if not np.isnan(score[r])]
    return sorted(ranked, key=lambda r: (-score[r], -rules.support[r], len(rules[r].antecedent), r))


@given(
    BASKETS,
    BASKET,
    st.integers(1, 4),
    st.sampled_from(["confidence", "lift", "conviction", "leverage"]),
    st.sampled_from(["max", "sum"]),
)
def test_recommendation_equals_brute_force(baskets, basket, n, by, combine):
    rules = association_rules(reference.itemsets_of(baskets), min_confidence=0.3)
    expected = reference.offers(pairs(rules), basket, rules.measure(by), combine)
    found = rules.recommend(basket, n=n, by=by, combine=combine)
    assert len(found) == min(n, len(expected))
    assert len({item for item, _, _ in found}) == len(found)
    for item, score, _ in found:
        assert score == pytest.approx(expected[item], rel=1e-12)
    best = sorted(expected.values(), reverse=True)[: len(found)]
    assert [score for _, score, _ in found] == pytest.approx(best, rel=1e-12)


@given(BASKETS, BASKET, st.sampled_from(["confidence", "lift", "fisher_p"]), st.sampled_from(["max", "sum"]))
def test_recommendation_names_the_best_rule(baskets, basket, by, combine):
    rules = association_rules(reference.itemsets_of(baskets), min_confidence=0.3)
    order = in_order_of_rank(rules, by)
    held = set(basket)
    offers = rules.recommend(basket, n=len(ITEMS), by=by, combine=combine)
    for item, _, rule in offers:
        applying = [r for r in order if rules[r].antecedent <= held and item in rules[r].consequent]
        assert rule == applying[0]
    assert not held & {item for item, _, _ in offers}
    if combine == "max":
        # Items of one rule stand in the order of the items, all others in that of their rules.
        labels = rules.itemsets.labels.tolist()
        places = [(order.index(rule), labels.index(item)) for item, _, rule in offers]
        assert places == sorted(places)


def test_recommendation_of_the_groceries():
    rules = association_rules(reference.itemsets_of(GROCERIES), min_confidence=0.3, max_consequent=1)
    # Of the four with bread three hold butter, two tea, one jam.
    assert [(item, score) for item, score, _ in rules.recommend(["bread"])] == [("butter", 0.75), ("tea", 0.5)]
    # Bread alone speaks louder for tea than bread and butter do for jam.
    assert [item for item, _, _ in rules.recommend(["bread", "butter"])] == ["tea", "jam"]
    first = rules.recommend({"bread"}, n=1, by="lift")[0]
    assert first.score == rules.lift[first.rule]
    assert rules[first.rule].antecedent == {"bread"}


def test_recommendation_ignores_what_no_rule_knows():
    rules = association_rules(reference.itemsets_of(GROCERIES, min_count=2), min_confidence=0.3)
    assert rules.recommend(["bread", "wine", "bread"]) == rules.recommend(["bread"])
    assert rules.recommend(["wine"]) == rules.recommend([]) == []
    assert rules.recommend(["jam"]) == []
    assert rules.recommend(["bread", "butter", "tea"]) == []


def test_recommendation_leaves_out_rules_without_a_score(monkeypatch):
    rules = association_rules(reference.itemsets_of(GROCERIES), min_confidence=0.3)
    score = np.where(rules.lift > 1, rules.lift, np.nan)
    monkeypatch.setitem(rules._measured, "lift", score)
    offered = [rule for _, _, rule in rules.recommend(["bread"], by="lift", n=9)]
    assert offered
    assert not np.isnan(score[offered]).any()


@pytest.mark.parametrize("combine", ["max", "sum"])
def test_recommendations_are_the_same_for_any_number_of_threads(combine, monkeypatch):
    monkeypatch.setattr("kmad.rules._recommend.CHUNK_BASKETS", 16)
    rng = np.random.default_rng(0)
    baskets = [np.flatnonzero(row).tolist() for row in rng.random((rows(300, 40), 8)) < 0.4]
    itemsets = reference.itemsets_of(baskets)
    one, four = (
        association_rules(itemsets, min_confidence=0.2, n_jobs=n_jobs).recommend_many(baskets, n=3, combine=combine)
        for n_jobs in (1, 4)
    )
    for name in ("items", "scores", "rules"):
        np.testing.assert_array_equal(getattr(one, name), getattr(four, name))
    rules = association_rules(itemsets, min_confidence=0.2)
    assert len(four) == len(baskets)
    assert list(four) == [rules.recommend(basket, n=3, combine=combine) for basket in baskets]
    # The order of a basket's items does not matter, nor how often each is named.
    turned = [basket[::-1] + basket for basket in baskets]
    assert list(rules.recommend_many(turned, n=3, combine=combine)) == list(four)


def test_recommendations_take_every_kind_of_baskets():
    rules = association_rules(reference.itemsets_of(GROCERIES), min_confidence=0.3)
    baskets = [["bread"], ["wine", "tea"], [], ["butter", "jam"]]
    expected = [rules.recommend(basket) for basket in baskets]
    assert list(rules.recommend_many(baskets)) == expected
    items = ["wine", *rules.itemsets.labels.tolist()]
    one_hot = np.array([[item in basket for item in items] for basket in baskets])
    assert list(rules.recommend_many(pd.DataFrame(one_hot, columns=items))) == expected
    long = [(number, item) for number, basket in zip("wxyz", baskets, strict=True) for item in basket]
    for library in (pd, pl):
        table = library.DataFrame({"who": [who for who, _ in long], "what": [what for _, what in long]})
        found = rules.recommend_many(table, basket="who", item="what")
        assert list(found) == [offers for offers in expected if offers]
        assert isinstance(found.to_frame(), library.DataFrame)
        assert found.to_frame()["basket"].to_list()[:2] == ["w", "w"]
        assert found.to_frame()["item"].to_list() == [item for offers in expected for item, _, _ in offers]


def test_recommendations_take_columns_of_any_name():
    rules = association_rules(reference.itemsets_of(GROCERIES), min_confidence=0.3)
    found = rules.recommend_many(pd.DataFrame({0: [7, 7, 8], 1: ["bread", "jam", "tea"]}), basket=0, item=1)
    assert list(found) == [rules.recommend(["bread", "jam"]), rules.recommend(["tea"])]
    assert set(found.to_frame()["basket"]) == {7, 8}


def test_recommendation_of_any_number_gives_all():
    rules = association_rules(reference.itemsets_of(GROCERIES), min_confidence=0.3)
    assert rules.recommend(["bread"], n=10**30) == rules.recommend(["bread"], n=10**12) == rules.recommend(["bread"])
    none = association_rules(reference.itemsets_of([[]]))
    assert none.recommend(["bread"], n=10**30) == []


def test_recommendations_have_room_for_as_many_as_asked(monkeypatch):
    rules = association_rules(reference.itemsets_of(GROCERIES), min_confidence=0.3)
    assert rules.recommend_many([["bread"], []], n=9).items.shape == (2, 9)
    message = r"n=1,000,000,000,000 items for each of 2 baskets take 40,000,000,000,000 bytes, more than half"
    monkeypatch.setattr("kmad.rules._recommend.memory_at_hand", lambda: 79 * 10**12)
    with pytest.raises(ValueError, match=message):
        rules.recommend_many([["bread"], []], n=10**12)
    with pytest.raises(ValueError, match="items for each of 0 baskets take"):
        rules.recommend_many([], n=10**30)
    with pytest.raises(ValueError, match="n must be at least 1; got 0"):
        rules.recommend_many([], n=0)
    monkeypatch.setattr("kmad.rules._recommend.FEW_BYTES", 100)
    assert rules.recommend_many([["bread"], []], n=9).items.shape == (2, 9)


def test_recommendations_become_a_table():
    rules = association_rules(reference.itemsets_of(GROCERIES), min_confidence=0.3)
    found = rules.recommend_many([["bread"], ["wine"], ["jam"]], n=2)
    assert repr(found) == "<Recommendations: 4 for 3 baskets>"
    table = found.to_frame()
    assert list(table.columns) == ["basket", "item", "score", "rule"]
    assert table["basket"].tolist() == [0, 0, 2, 2]
    assert table["item"].tolist() == [item for offers in found for item, _, _ in offers]
    np.testing.assert_array_equal(table["score"], rules.confidence[table["rule"]])
    assert found.to_frame(backend="pyarrow").num_rows == 4
    assert rules.recommend_many([]).to_frame().shape == (0, 4)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"basket": "bread"}, TypeError, "basket must be a collection of items; got 'bread', a str"),
        ({"basket": 3}, TypeError, "basket must be a collection of items; got 3, a int"),
        ({"basket": [["bread"]]}, TypeError, "basket must hold hashable items; unhashable .* recommend_many"),
        ({"n": 0}, ValueError, "n must be at least 1; got 0"),
        ({"by": "size"}, ValueError, "by must be one of .*; got 'size'"),
        ({"combine": "mean"}, ValueError, "combine must be one of 'max', 'sum'; got 'mean'"),
    ],
)
def test_wrong_arguments_are_named(arguments, error, message):
    rules = association_rules(reference.itemsets_of(GROCERIES))
    with pytest.raises(error, match=message):
        rules.recommend(**{"basket": ["bread"], **arguments})
