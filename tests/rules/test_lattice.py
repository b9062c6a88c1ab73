from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.rules import rule_reference as reference

from kmad._threads import Threads
from kmad.rules import Itemsets, _lattice
from kmad.rules._lattice import build_lattice, draw_signs, even_chunks, find

BASKETS = st.lists(st.sets(st.sampled_from("abcdef")).map(sorted), min_size=1, max_size=12)


def build(itemsets):
    with Threads(1) as threads:
        return build_lattice(itemsets, even_chunks(itemsets), threads)


@given(BASKETS)
def test_lattice_links_every_set_with_those_of_one_item_less(baskets):
    itemsets = reference.itemsets_of(baskets)
    lattice = build(itemsets)
    for i in range(len(itemsets)):
        for t in range(itemsets.offsets[i], itemsets.offsets[i + 1]):
            rest = itemsets.itemset(i) - {itemsets.labels[itemsets.items[t]]}
            found = itemsets.itemset(lattice.below[t]) if lattice.below[t] >= 0 else frozenset()
            assert found == rest


@given(BASKETS, st.sets(st.sampled_from("abcdef"), min_size=1))
def test_lattice_finds_the_sets_that_are_there(baskets, wanted):
    itemsets = reference.itemsets_of(baskets)
    lattice = build(itemsets)
    labels = itemsets.labels.tolist()
    if wanted <= set(labels):
        sign = np.bitwise_xor.reduce([lattice.signs[labels.index(item)] for item in wanted])
        i = find(lattice.table, sign)
        assert (i >= 0) == (wanted in itemsets)
        assert i < 0 or itemsets.itemset(i) == wanted


@given(BASKETS)
def test_chunks_cover_the_sets_once(baskets):
    itemsets = reference.itemsets_of(baskets)
    with pytest.MonkeyPatch.context() as patch:
        for most in (1, 7, 100, 10**6):
            patch.setattr(_lattice, "CHUNK_SUBSETS", most)
            chunks = even_chunks(itemsets)
            assert chunks[0][0] == 0
            assert chunks[-1][1] == len(itemsets)
            assert all(before[1] == after[0] for before, after in pairwise(chunks))


def test_signs_that_do_not_tell_sets_apart_are_drawn_again(monkeypatch):
    seeds = []

    def draw(n_items, seed):
        seeds.append(seed)
        # Three items whose signs cancel: the pair of two looks like the third.
        return np.array([1, 2, 3], np.uint64) << np.uint64(40) if seed == 0 else draw_signs(n_items, seed)

    monkeypatch.setattr(_lattice, "draw_signs", draw)
    itemsets = reference.itemsets_of(["abc"])
    lattice = build(itemsets)
    assert seeds == [0, 1]
    assert lattice.below.tolist() == [-1, -1, -1, 1, 0, 2, 0, 2, 1, 5, 4, 3]


def test_set_of_the_same_sign_is_not_taken_for_one_that_is_missing(monkeypatch):
    # Of {a, b} the subset {b} is missing, and {c} looks like it.
    monkeypatch.setattr(_lattice, "draw_signs", lambda *_: np.array([1, 2, 2], np.uint64) << np.uint64(40))
    itemsets = Itemsets(items=[0, 2, 0, 1], offsets=[0, 1, 2, 4], counts=[2, 2, 1], labels="abc", n_baskets=3)
    with pytest.raises(ValueError, match="must hold every subset"):
        build(itemsets)
