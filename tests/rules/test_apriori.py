import logging
import os
import threading
import time
from collections import defaultdict
from fractions import Fraction
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.asserts import rows
from tests.rules.reference import frequent_sets, mine

from kmad import Itemsets, apriori, association_rules
from kmad._threads import Threads
from kmad.rules import _branches, _database, _memory, _merging, _miner, _order, _reports, _work
from kmad.rules._apriori import least_count, whole_weights
from kmad.rules._database import build_database
from kmad.rules._miner import Miner
from kmad.rules._readers import read_baskets
from kmad.rules._reports import Reports

KINDS = ["frequent", "closed", "maximal"]
ITEMS = st.integers(0, 7)
# Baskets of few items are counted in rows, of many intersected in words; repeats merge into one row.
SOME = st.lists(st.lists(ITEMS, max_size=8), max_size=12)
MANY = st.lists(st.sets(ITEMS, min_size=5).map(list), max_size=8)
BASKETS = st.one_of(SOME, MANY, st.tuples(SOME, MANY).map(lambda pair: pair[0] + 3 * pair[1]))


def found(itemsets):
    """The sets and their counts, after a look at the order."""
    assert itemsets.offsets[0] == 0
    assert itemsets.offsets[-1] == len(itemsets.items)
    keys = [tuple(itemsets.items[a:b].tolist()) for a, b in zip(itemsets.offsets, itemsets.offsets[1:], strict=False)]
    assert all(list(key) == sorted(set(key)) for key in keys)
    assert keys == sorted(set(keys), key=lambda key: (len(key), key))
    return {itemsets.itemset(i): count for i, count in enumerate(itemsets.counts.tolist())}


def arrays(itemsets):
    return itemsets.items.tobytes(), itemsets.offsets.tobytes(), itemsets.counts.tobytes(), itemsets.labels.tolist()


def draw_baskets(n, n_items, mean, seed=0):
    """Baskets in which some items come often and some go together."""
    rng = np.random.default_rng(seed)
    share = rng.dirichlet(np.full(n_items, 0.5))
    return [
        sorted(set(rng.choice(n_items, size=min(n_items, 1 + rng.poisson(mean)), p=share).tolist())) for _ in range(n)
    ]


@given(BASKETS, st.integers(1, 8), st.sampled_from(KINDS))
def test_apriori_equals_brute_force(baskets, least, kind):
    assert found(apriori(baskets, min_support=least, kind=kind)) == mine(baskets, least, kind=kind)


@given(BASKETS, st.integers(1, 6), st.sampled_from(KINDS), st.integers(1, 3), st.integers(0, 3))
def test_apriori_keeps_to_lengths(baskets, least, kind, min_len, more):
    itemsets = apriori(baskets, min_support=least, kind=kind, min_len=min_len, max_len=min_len + more)
    assert found(itemsets) == mine(baskets, least, kind=kind, min_len=min_len, max_len=min_len + more)


@given(BASKETS, st.sampled_from(KINDS), st.sampled_from([1, 0.25, 2.0**-40]), st.data())
def test_apriori_counts_weights(baskets, kind, unit, data):
    weights = data.draw(st.lists(st.integers(0, 70), min_size=len(baskets), max_size=len(baskets)).filter(any))
    least = data.draw(st.integers(1, max(1, sum(weights))))
    weights = [w * unit for w in weights]
    share = Fraction(least * unit) / Fraction(sum(weights))
    itemsets = apriori(baskets, min_support=float(share) if share < 1 else 1.0, kind=kind, sample_weight=weights)
    assert itemsets.n_baskets == sum(weights)
    assert found(itemsets) == mine(baskets, least * unit if share < 1 else sum(weights), kind=kind, weights=weights)


@given(BASKETS, st.sampled_from(KINDS), st.lists(st.integers(1, 8), min_size=8, max_size=8))
def test_apriori_takes_a_support_for_each_item(baskets, kind, least):
    least = dict(enumerate(least))
    assert found(apriori(baskets, min_support=least, kind=kind)) == mine(baskets, least, kind=kind)


@given(BASKETS.filter(bool), st.sampled_from(KINDS))
def test_integer_weights_equal_repeated_baskets(baskets, kind):
    weights = [1 + i % 3 for i in range(len(baskets))]
    repeated = [basket for basket, w in zip(baskets, weights, strict=True) for _ in range(w)]
    weighted = apriori(baskets, min_support=0.3, kind=kind, sample_weight=weights)
    assert arrays(weighted) == arrays(apriori(repeated, min_support=0.3, kind=kind))
    assert weighted.counts.dtype == np.int64


@given(BASKETS, st.integers(1, 6))
def test_support_is_anti_monotone(baskets, least):
    counts = found(apriori(baskets, min_support=least))
    for items, count in counts.items():
        assert all(counts[items - {item}] >= count for item in items if len(items) > 1)


@given(BASKETS.filter(bool))
def test_repeated_baskets_keep_supports(baskets):
    once, thrice = (apriori(baskets * n, min_support=0.4) for n in (1, 3))
    assert once.support.tolist() == thrice.support.tolist()
    assert once.items.tolist() == thrice.items.tolist()


@given(BASKETS, st.randoms(use_true_random=False), st.integers(1, 5), st.sampled_from(KINDS))
def test_order_of_baskets_changes_only_the_order_of_sets(baskets, random, least, kind):
    shuffled = [random.sample(basket, len(basket)) for basket in random.sample(baskets, len(baskets))]
    one, other = (apriori(b, min_support=least, kind=kind) for b in (baskets, shuffled))
    assert found(one) == found(other)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(3000, 60, 6), (1500, 300, 5)])
def test_threads_change_nothing(monkeypatch, kind, shape):
    monkeypatch.setattr(_miner, "ALONE", 10_000)
    monkeypatch.setattr(_miner, "BUDGET", 20_000)
    monkeypatch.setattr(_order, "FEW_SETS", 10)
    n, n_items, mean = shape
    baskets = draw_baskets(rows(n, 150), n_items, mean)
    support = rows(0.004, 0.03)
    one, *others = (apriori(baskets, min_support=support, kind=kind, n_jobs=n_jobs) for n_jobs in (1, 2, 5))
    assert len(one) > rows(300, 30)
    for other in others:
        assert arrays(one) == arrays(other)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dense", [True, False])
def test_pieces_buffers_and_tables_change_nothing(monkeypatch, kind, dense):
    if dense:
        baskets = draw_baskets(rows(600, 60), 12, 7) + 2 * [list(range(3, 11))] + [list(range(9))]
        support = 4 if kind != "frequent" else 8
    else:
        # Few rows for each of many pairs: counted row by row.
        baskets = draw_baskets(rows(400, 120), 90, 2) + 3 * [[1, 2, 3, 4]]
        support = 2
    usual = arrays(apriori(baskets, min_support=support, kind=kind))
    weighted = arrays(apriori(baskets, min_support=support, kind=kind, sample_weight=np.ones(len(baskets))))
    assert usual == weighted
    # The least of everything: arrays that must grow, a pause after every step, no merging, no table of pairs.
    for module, *names in ((_miner, "ALONE", "BUDGET"), (_work, "FEWEST_NODES", "FEWEST_LISTS", "FEWEST_WORDS")):
        for name in names:
            monkeypatch.setattr(module, name, 1)
    monkeypatch.setattr(_merging, "DISTINCT", 0.0)
    # Which array grows where depends on what threads hand on: one alone goes all ways every time.
    for n_jobs in (1, 2):
        assert arrays(apriori(baskets, min_support=support, kind=kind, n_jobs=n_jobs)) == usual
    for module, name, value in [
        (_database, "MOST_PAIRS", 0),
        (_merging, "DISTINCT", 1.0),
        (_database, "WORD_BITS", 0),
        (_database, "CHUNK_ITEMS", 20),
        (_order, "WORD_BITS", 0),
        (_order, "KEY_BITS", 16),
    ]:
        monkeypatch.setattr(module, name, value)
        assert arrays(apriori(baskets, min_support=support, kind=kind, n_jobs=1)) == usual


@pytest.mark.parametrize("weighted", [False, True])
def test_chunks_of_rows_and_second_tables_of_pairs_change_nothing(monkeypatch, weighted):
    baskets = draw_baskets(rows(2000, 200), 80, 5)
    weights = np.arange(len(baskets)) % 4 if weighted else None
    usual = arrays(apriori(baskets, min_support=5, sample_weight=weights))
    for name in ("CHUNK_ITEMS", "CHUNK_ITEMS_EACH", "PAIRS_WORK", "PAIRS_EACH"):
        monkeypatch.setattr(_database, name, 1)
    for n_jobs in (1, 2):
        assert arrays(apriori(baskets, min_support=5, sample_weight=weights, n_jobs=n_jobs)) == usual


@pytest.mark.parametrize("weight", [2**30, 2**31, 2**45])
def test_weights_may_be_larger_than_what_a_table_of_pairs_holds(weight):
    baskets = [["a", "b"], ["a", "b", "c"], ["b", "c"]]
    weights = [weight, weight - 1, 1]
    expected = {"a": 2 * weight - 1, "b": 2 * weight, "c": weight, "ab": 2 * weight - 1, "bc": weight}
    sets = found(apriori(baskets, min_support=weight, sample_weight=weights))
    assert sets == {frozenset(items): count for items, count in expected.items()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weighted", [False, True])
def test_columns_and_lists_give_the_same_sets(monkeypatch, kind, weighted):
    baskets = draw_baskets(rows(1500, 200), 90, 4)
    X = np.zeros((len(baskets), 90), order="F", dtype=bool)
    for i, basket in enumerate(baskets):
        X[i, basket] = True
    weights = np.arange(len(baskets)) % 3 if weighted else None
    expected = found(apriori(baskets, min_support=4, kind=kind, sample_weight=weights))
    sparse = pd.DataFrame({j: pd.arrays.SparseArray(X[:, j], fill_value=False) for j in range(90)})
    monkeypatch.setattr(_database, "WORD_BITS", 0)
    monkeypatch.setattr(_database, "CHUNK_ITEMS_EACH", 1)
    # The chunks of rows of the default, and as many as there may be.
    for size in (_database.CHUNK_ITEMS, 1):
        monkeypatch.setattr(_database, "CHUNK_ITEMS", size)
        for columns in (X, sparse):
            for n_jobs in (1, 2):
                given = {"min_support": 4, "kind": kind, "sample_weight": weights, "n_jobs": n_jobs}
                assert found(apriori(columns, **given)) == expected


@pytest.mark.parametrize("n_items", [57, 58, 62, 63])
def test_words_hold_rows_of_as_many_items_as_they_have_bits(n_items):
    # The lengths of the last rows and sets that words hold, and of the first that they do not.
    baskets = [[i for i in range(n_items) if i != j] for j in (0, 7, n_items - 1)] + [[0, n_items - 1]]
    expected = {
        frozenset(items): 3 * sum(set(items) <= set(basket) for basket in baskets)
        for k in (1, 2)
        for items in combinations(range(n_items), k)
    }
    assert found(apriori(3 * baskets, min_support=3, max_len=2)) == expected


def test_a_search_ends_where_another_one_has_failed():
    baskets = [["a", "b"], ["a", "b"]]
    read = read_baskets(baskets, None, None, Threads(1))
    counts = np.array([2, 2])
    database, _ = build_database(read, np.empty(0, np.int64), counts, counts, Threads(1))
    miner = Miner(database, "frequent", None, None, Reports(0), Threads(1))
    miner._error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        miner.run()


def test_words_grow_where_pairs_of_items_are_counted_row_by_row(monkeypatch):
    # The rarest item comes first, in few rows with many partners of which three at a time go together.
    groups = [[f"{name}{g}" for name in "abc"] for g in range(10)]
    baskets = [["rare", *items] for group in groups for items in (group, group, *([item] for item in group))]
    baskets += [[item] for group in groups for item in group for _ in range(50)]
    usual = arrays(apriori(baskets, min_support=2, n_jobs=1))
    monkeypatch.setattr(_work, "FEWEST_WORDS", 1)
    assert arrays(apriori(baskets, min_support=2, n_jobs=1)) == usual


def test_maximal_sets_of_several_supports_where_pairs_are_counted_row_by_row():
    # Three items of a group are together too seldom for their own supports, but not for the lowest of all.
    groups = [[f"{name}{g}" for name in "abc"] for g in range(10)]
    baskets = [["x"]] + [["rare", *items] for a, b, c in groups for items in (3 * [[a, b], [b, c]] + 2 * [[a, b, c]])]
    baskets += [[item] for group in groups for item in group for _ in range(90)]
    supports = defaultdict(lambda: 3, x=1)
    frequent = found(apriori(baskets, min_support=supports))
    maximal = {items: n for items, n in frequent.items() if not any(items < more for more in frequent)}
    assert found(apriori(baskets, min_support=supports, kind="maximal")) == maximal
    assert maximal[frozenset({"rare", "a0", "b0"})] == 5


@pytest.mark.parametrize("kind", KINDS)
def test_many_equal_baskets_take_the_way_of_words(kind):
    rng = np.random.default_rng(1)
    parts = [rng.permutation(9)[: rng.integers(6, 9)].tolist() for _ in range(rows(80, 20))]
    baskets = [part for part in parts for _ in range(rng.integers(1, 40))]
    assert found(apriori(baskets, min_support=0.2, kind=kind)) == mine(baskets, -(-len(baskets) // 5), kind=kind)


def test_an_item_in_every_basket_is_found():
    # PyFIM 6.28 leaves such an item out.
    assert found(apriori([["a", "b"], ["a"], ["a", "c"]], min_support=2)) == {frozenset("a"): 3}


@pytest.mark.parametrize("n", [25, 100, 9835, 88162])
@given(data=st.data())
def test_a_share_keeps_a_count_that_equals_it(n, data):
    count = data.draw(st.integers(1, n))
    assert least_count(count / n, n, Fraction(1)) == count


def test_seven_of_a_hundred_baskets_are_enough():
    # 0.07 * 100 is 7.000000000000001.
    itemsets = apriori([["a"]] * 7 + [["b"]] * 93, min_support=0.07)
    assert itemsets[{"a"}] == 0.07


def test_one_is_a_count_and_one_point_nought_a_share():
    baskets = [["a", "b"], ["a"]]
    assert len(apriori(baskets, min_support=1)) == 3
    assert len(apriori(baskets, min_support=1.0)) == 1
    assert len(apriori(baskets, min_support=3)) == 0


def test_one_and_one_point_nought_differ_in_a_mapping():
    baskets = [["a", "b"], ["a", "b"], ["a"], ["a"]]
    for least in ({"a": 1.0, "b": 1}, {"b": 1, "a": 1.0}, {"a": Fraction(1), "b": np.int64(1)}):
        assert set(found(apriori(baskets, min_support=least))) == set(map(frozenset, ["a", "b", "ab"]))
    assert set(found(apriori(baskets, min_support={"a": 1, "b": 1.0}))) == set(map(frozenset, ["a", "ab"]))


def test_a_fraction_is_a_share_taken_exactly():
    assert len(apriori([["a"], ["b"], ["c"]], min_support=Fraction(1, 3))) == 3
    assert found(apriori([["a"], ["a"], ["c"]], min_support=Fraction(2, 3))) == {frozenset("a"): 2}
    assert len(apriori([["a"], ["a"], ["c"]], min_support=Fraction(2, 3) + Fraction(1, 10**30))) == 0
    assert least_count(Fraction(1), 7, Fraction(1)) == 7
    assert least_count(Fraction(1, 10**400), 7, Fraction(1)) == least_count(Fraction(1, 2), 0, Fraction(1)) == 1
    for support in (Fraction(0), Fraction(10**400), 1 + Fraction(1, 10**30)):
        with pytest.raises(ValueError, match=r"min_support must lie above 0 and up to 1.0"):
            apriori([["a"]], min_support=support)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.longdouble])
def test_a_share_of_any_precision_keeps_a_count_that_equals_it(kind):
    for total in (10, 49, 100, 1000):
        for count in range(1, total):
            share = kind(count / total)
            least = least_count(share, total, Fraction(1))
            assert least <= count
            assert kind(least / total) >= share > kind((least - 1) / total)
    # Three tenths of many baskets are less than np.float32(0.3) by more than one of them.
    assert least_count(kind(0.3), 10**9, Fraction(1)) <= 3 * 10**8


def test_lengths_may_be_larger_than_any_integer_of_numpy():
    baskets = [["a", "b"], ["a"]]
    assert len(apriori(baskets, min_support=1, max_len=10**30, max_itemsets=10**30)) == 3
    assert len(apriori(baskets, min_support=1, min_len=10**30)) == 0
    assert len(apriori(baskets, min_support=1, min_len=10**30, max_len=10**31)) == 0
    assert len(apriori(baskets, min_support=10**30)) == 0


@pytest.mark.parametrize("alone", [1, 2, 5, 20])
def test_items_of_one_basket_each_are_found_once(monkeypatch, alone):
    monkeypatch.setattr(_miner, "ALONE", alone)
    assert found(apriori([[i] for i in range(60)], min_support=1)) == {frozenset([i]): 1 for i in range(60)}


def test_sets_found_are_counted_in_few_places(monkeypatch):
    # They are added up at every pause, of which there are the more the more items there are.
    monkeypatch.setattr(_miner, "ALONE", 1)
    monkeypatch.setattr(_miner, "BUDGET", 1)
    places = []
    check = Miner._check

    def look(miner, first):
        places.append(len(miner._found))
        check(miner, first)

    monkeypatch.setattr(Miner, "_check", look)
    itemsets = apriori([[i] for i in range(1000)], min_support=1)
    assert found(itemsets) == {frozenset([i]): 1 for i in range(1000)}
    assert len(places) > 100
    assert max(places) <= _miner.PIECES + 3


def test_a_defaultdict_gives_the_others_theirs():
    baskets = [["caviar", "bread"], ["bread"], ["bread", "milk"], ["milk", "tea"]]
    least = defaultdict(lambda: 0.5, caviar=1)
    assert found(apriori(baskets, min_support=least)) == frequent_sets(
        baskets, {"caviar": 1, "bread": 2, "milk": 2, "tea": 2}
    )


def test_nothing_in_nothing_out():
    for baskets in ([], [[]], [[], []]):
        itemsets = apriori(baskets, min_support=0.5)
        assert len(itemsets) == 0
        assert itemsets.n_baskets == len(baskets)
        assert itemsets.support.shape == (0,)
    assert found(apriori([["a"]], min_support=1.0)) == {frozenset("a"): 1}


@given(st.lists(st.integers(1, 1000), min_size=2, max_size=8), st.sampled_from([3, 7, 10, 1000]))
def test_a_support_keeps_the_fractional_weight_that_has_it(numerators, denominator):
    weights = [numerator / denominator for numerator in numerators]
    baskets = [[i] for i in range(len(weights))]
    for items, support in apriori(baskets, min_support=1e-9, sample_weight=weights):
        assert items in apriori(baskets, min_support=support, sample_weight=weights)
        assert items not in apriori(baskets, min_support=support * (1 + 1e-11), sample_weight=weights)


def test_a_count_keeps_fractional_weights_that_add_up_to_it():
    # Ten times 0.7 is 6.9999999999999996, and of 0.1, 0.7 and 0.2 eight tenths are 0.79999999999999998.
    assert {"a"} in apriori([["a"]] * 10 + [["b"]], min_support=7, sample_weight=[0.7] * 11)
    assert {"a"} in apriori([["a"], ["a"], ["b"]], min_support=0.8, sample_weight=[0.1, 0.7, 0.2])
    assert {"a"} in apriori([["a"], ["b"]], min_support=Fraction(7, 10), sample_weight=[0.7, 0.3])


def test_weights_of_any_size_are_exact():
    weights, total, unit = whole_weights([0.5, 1.5, 0.25], 3)
    assert (weights.tolist(), total, unit) == ([2, 6, 1], 9, Fraction(1, 4))
    weights, total, unit = whole_weights([1e-300, 3e-300], 2)
    assert total * unit == pytest.approx(4e-300, rel=1e-15)
    weights, total, unit = whole_weights([0.1, 1e-30], 2)
    assert weights[1] == 0
    with pytest.raises(ValueError, match=r"sample_weight must have a sum below 2\^60; got"):
        whole_weights([2.0**60, 1.0], 2)


def test_too_many_itemsets_are_an_error():
    baskets = [list(range(40))] * 2 + [list(range(1, 41))]
    message = (
        r"more than max_itemsets=5,000 sets are frequent at min_support=2. Raise min_support, set max_len, "
        r'ask for kind="closed" or "maximal", or raise max_itemsets.'
    )
    with pytest.raises(ValueError, match=message):
        apriori(baskets, min_support=2, max_itemsets=5000)
    assert len(apriori(baskets, min_support=2, kind="closed", max_itemsets=5000)) == 2
    assert len(apriori(baskets, min_support=2, max_len=2, max_itemsets=5000)) == 40 + 40 * 39 // 2


def test_the_memory_at_hand_sets_the_limit(monkeypatch):
    monkeypatch.setattr(_miner, "FEW_SETS", 100)
    monkeypatch.setattr(_memory, "memory_at_hand", lambda: 800 * _memory.BYTES_PER_SET)
    with pytest.raises(ValueError, match="more than max_itemsets=400 sets"):
        apriori([list(range(9))] * 2, min_support=2)
    assert len(apriori([list(range(8))] * 2, min_support=2)) == 255


@pytest.mark.parametrize(
    ("files", "pages", "expected"),
    [
        ({"/proc/meminfo": "MemTotal: 9 kB\nMemAvailable:  7 kB\n"}, None, 7 * 1024),
        ({"/proc/meminfo": "MemAvailable: 7 kB\n", "/sys/fs/cgroup/memory.max": "4096\n"}, None, 4096),
        ({"/proc/meminfo": "MemAvailable: 7 kB\n", "/sys/fs/cgroup/memory.max": "max\n"}, None, 7 * 1024),
        ({}, {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 10}, 20480),
        ({}, None, _memory.CAUTIOUS),
    ],
)
def test_memory_is_read_where_the_system_tells(monkeypatch, files, pages, expected):
    def read_text(path, encoding):
        assert encoding == "ascii"
        if str(path) not in files:
            raise FileNotFoundError(path)
        return files[str(path)]

    def sysconf(name):
        if pages is None:
            raise ValueError(name)
        return pages[name]

    monkeypatch.setattr(_memory.Path, "read_text", read_text)
    monkeypatch.setattr(os, "sysconf", sysconf, raising=False)
    assert _memory.memory_at_hand() == expected


def test_an_interrupt_stops_every_thread(monkeypatch):
    monkeypatch.setattr(_miner, "ALONE", 1)
    monkeypatch.setattr(_miner, "BUDGET", 1)
    searches = []

    def search(*arguments):
        searches.append(threading.get_ident())
        if len(searches) == 20:
            raise KeyboardInterrupt
        return _branches.search(*arguments)

    monkeypatch.setattr(_miner, "search", search)
    with pytest.raises(KeyboardInterrupt):
        apriori(draw_baskets(200, 30, 8), min_support=2, n_jobs=2)
    assert len(searches) < 40


@pytest.mark.parametrize("handled", [True, False])
def test_verbose_tells_the_progress(monkeypatch, caplog, capsys, handled):
    monkeypatch.setattr(_reports, "EVERY", -1.0)
    if not handled:
        monkeypatch.setattr(logging.getLogger("kmad"), "propagate", False)
    with caplog.at_level(logging.INFO, "kmad"):
        apriori([["a", "b"], ["a"]], min_support=1, verbose=1)
    text = caplog.text if handled else capsys.readouterr().err
    assert "apriori: 2 baskets of 2 different items" in text
    assert "itemsets so far" in text
    assert "apriori: 3 frequent itemsets" in text


@pytest.mark.parametrize("metric", [None, "lift"])
def test_association_rules_tells_the_progress(monkeypatch, caplog, metric):
    itemsets = apriori([["a", "b"], ["a"]], min_support=1)
    threshold = {} if metric is None else {"metric": metric, "min_threshold": 0}
    with caplog.at_level(logging.INFO, "kmad"):
        association_rules(itemsets, min_confidence=0, **threshold)
        assert not caplog.text
        association_rules(itemsets, min_confidence=0, **threshold, verbose=1)
        assert "rules counted up to itemset" not in caplog.text
        monkeypatch.setattr(_reports, "EVERY", -1.0)
        association_rules(itemsets, min_confidence=0, **threshold, verbose=1)
    assert "association_rules: 3 itemsets have all their subsets" in caplog.text
    assert "association_rules: rules counted up to itemset 3 of 3" in caplog.text
    assert "association_rules: rules written up to itemset 3 of 3" in caplog.text
    assert "association_rules: 2 rules" in caplog.text


def test_apriori_is_silent_unless_asked(caplog, capsys):
    with caplog.at_level(logging.INFO, "kmad"):
        apriori([["a", "b"], ["a"]], min_support=1)
    assert not caplog.text
    assert capsys.readouterr().err == ""


def test_bad_arguments_are_named_before_long_work():
    baskets = [["a"]]
    for error, message, arguments in [
        (
            ValueError,
            "min_support must lie above 0 and up to 1.0 as a share, or be an integer; got 0.0",
            {"min_support": 0.0},
        ),
        (
            ValueError,
            "min_support must lie above 0 and up to 1.0 as a share, or be an integer; got 2.5",
            {"min_support": 2.5},
        ),
        (
            ValueError,
            "min_support must lie above 0 and up to 1.0 as a share, or be an integer; got nan",
            {"min_support": np.nan},
        ),
        (ValueError, "min_support must be at least 1 as a count; got 0", {"min_support": 0}),
        (
            TypeError,
            "min_support must be a share of the baskets, a count or a mapping; got True",
            {"min_support": True},
        ),
        (
            TypeError,
            "min_support must be a share of the baskets, a count or a mapping; got '1 %'",
            {"min_support": "1 %"},
        ),
        (ValueError, r"min_support\['a'\] must be at least 1 as a count; got -1", {"min_support": {"a": -1}}),
        (TypeError, r"min_support\['a'\] must be a number; got", {"min_support": {"a": {}}}),
        (ValueError, "min_support must give a support for every item; 'a' has none", {"min_support": {"b": 1}}),
        (TypeError, "min_len must be an integer; got 1.5", {"min_len": 1.5}),
        (ValueError, "max_len must be at least 1; got 0", {"max_len": 0}),
        (ValueError, "max_len must be at least min_len=3; got 2", {"min_len": 3, "max_len": 2}),
        (ValueError, "kind must be one of 'frequent', 'closed', 'maximal'; got 'all'", {"kind": "all"}),
        (ValueError, "max_itemsets must be at least 1; got 0", {"max_itemsets": 0}),
        (ValueError, "n_jobs must not be 0; got 0", {"n_jobs": 0}),
        (TypeError, "n_jobs must be an integer; got 1.5", {"n_jobs": 1.5}),
        (ValueError, "verbose must be at least 0; got -1", {"verbose": -1}),
        (ValueError, "sample_weight must be zero or more; got -1.0 at row 0", {"sample_weight": [-1]}),
        (ValueError, "sample_weight must have one entry for each of the 1 rows", {"sample_weight": [1, 2]}),
    ]:
        with pytest.raises(error, match=message):
            apriori(baskets, **{"min_support": 1, **arguments})
    assert isinstance(apriori(baskets, min_support=1, n_jobs=None), Itemsets)


def test_every_frequent_set_has_its_subsets():
    itemsets = apriori(draw_baskets(rows(500, 50), 20, 5), min_support=0.05)
    start = time.monotonic()
    for items, support in itemsets:
        assert all(itemsets[part] >= support for k in range(1, len(items)) for part in combinations(items, k))
    assert time.monotonic() - start < 60


def test_work_is_given_back_only_when_done_with(monkeypatch):
    class Taken(list):
        """Takes what is given back as another thread might, at once."""

        def append(self, work):
            super().append(work)
            work.state[:] = 1

    baskets = draw_baskets(rows(300, 60), 12, 5)
    usual = arrays(apriori(baskets, min_support=4))
    start = _miner.Miner.__init__

    def start_with_taken(miner, *arguments):
        start(miner, *arguments)
        miner._idle = Taken()

    monkeypatch.setattr(_miner.Miner, "__init__", start_with_taken)
    monkeypatch.setattr(_miner, "ALONE", 1)
    assert arrays(apriori(baskets, min_support=4)) == usual


def test_max_len_one_and_two_stop_in_time():
    baskets = draw_baskets(rows(400, 80), 20, 3)
    for kind in KINDS:
        for max_len in (1, 2):
            expected = found(apriori(baskets, min_support=3, kind=kind))
            itemsets = apriori(baskets, min_support=3, kind=kind, max_len=max_len)
            assert found(itemsets) == {items: n for items, n in expected.items() if len(items) <= max_len}


@pytest.mark.parametrize("kind", KINDS)
def test_short_baskets_of_many_supports_equal_brute_force(kind):
    for seed in range(rows(20, 4)):
        baskets = draw_baskets(40, 10, 2, seed)
        least = dict(enumerate(np.random.default_rng(seed).integers(1, 7, 10).tolist()))
        assert found(apriori(baskets, min_support=least, kind=kind)) == mine(baskets, least, kind=kind)
