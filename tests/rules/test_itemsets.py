import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from kmad import Itemsets


def some(**changes):
    arguments = {
        "items": [0, 1, 2, 0, 1, 0, 2],
        "offsets": [0, 1, 2, 3, 5, 7],
        "counts": [5, 4, 3, 4, 2],
        "labels": ["tea", ("a", 1), 7],
        "n_baskets": 8,
    }
    return Itemsets(**{**arguments, **changes})


SETS = [
    (frozenset({"tea"}), 0.625),
    (frozenset({("a", 1)}), 0.5),
    (frozenset({7}), 0.375),
    (frozenset({"tea", ("a", 1)}), 0.5),
    (frozenset({"tea", 7}), 0.25),
]


def test_itemsets_iterate_as_sets_and_supports():
    itemsets = some()
    assert list(itemsets) == SETS
    assert len(itemsets) == 5
    assert [itemsets.itemset(i) for i in (0, -1)] == [SETS[0][0], SETS[-1][0]]
    assert itemsets.support.tolist() == [support for _, support in SETS]
    assert itemsets.lengths.tolist() == [1, 1, 1, 2, 2]
    with pytest.raises(IndexError):
        itemsets.itemset(5)


def test_an_itemset_gives_its_support():
    itemsets = some()
    for items, support in SETS:
        for key in (items, list(items), tuple(items)[::-1], dict.fromkeys(items)):
            assert itemsets[key] == support
            assert key in itemsets
    for key in ([], ["coffee"], [("a", 1), 7], ["tea", ("a", 1), 7], ["tea", "coffee"]):
        assert key not in itemsets
        with pytest.raises(KeyError):
            _ = itemsets[key]


@pytest.mark.parametrize("key", ["tea", 0, None])
def test_a_key_that_is_no_set_is_refused(key):
    with pytest.raises(TypeError, match="an itemset is given as a set of items; got"):
        _ = some()[key]


def test_slices_and_masks_select():
    itemsets = some(kind="closed", backend="polars")
    for key in (slice(1, 4), slice(None, None, 2), slice(0, 0), itemsets.counts > 3, itemsets.lengths > 5):
        chosen = itemsets[key]
        which = np.arange(5)[key]
        assert list(chosen) == [SETS[i] for i in which]
        assert chosen.counts.tolist() == itemsets.counts[which].tolist()
        assert (chosen.kind, chosen.backend, chosen.n_baskets) == ("closed", "polars", 8)
        assert all(chosen[SETS[i][0]] == SETS[i][1] for i in which)
    for column in (pd.Series, pl.Series):
        assert list(itemsets[column(itemsets.counts > 3)]) == list(itemsets[itemsets.counts > 3])
    with pytest.raises(ValueError, match="a slice of itemsets must keep their order; got a step of -1"):
        _ = itemsets[::-1]
    with pytest.raises(ValueError, match="a mask must have one entry for each of 5 itemsets"):
        _ = itemsets[np.array([True])]


def test_arrays_are_read_only_and_the_givers_stay_writeable():
    items = np.array([0, 1, 2, 0, 1, 0, 2], np.int32)
    itemsets = some(items=items)
    for array in (itemsets.items, itemsets.offsets, itemsets.counts, itemsets.labels):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[1]
    assert items.flags.writeable
    assert (itemsets.items.dtype, itemsets.offsets.dtype, itemsets.counts.dtype) == (np.int32, np.int64, np.int64)
    assert some(counts=[0.5, 1, 1, 1, 1]).counts.dtype == np.float64


def test_a_table_is_of_the_kind_asked_for():
    names = {"labels": ["tea", "milk", "bread"]}
    frame = some(**names).to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert frame.columns.tolist() == ["itemsets", "support", "count"]
    assert frame["itemsets"].tolist()[3] == frozenset({"tea", "milk"})
    assert some(**names)[:0].to_frame()["itemsets"].dtype == object
    assert isinstance(some(**names, backend="polars").to_frame(), pl.DataFrame)
    table = some(**names, backend="polars").to_frame("pyarrow")
    assert isinstance(table, pa.Table)
    assert table["itemsets"].to_pylist() == [["tea"], ["milk"], ["bread"], ["tea", "milk"], ["tea", "bread"]]
    assert table["count"].to_pylist() == [5, 4, 3, 4, 2]


def test_itemsets_say_what_they_are():
    assert repr(some()) == "<Itemsets: 5 frequent of length 1 to 2, in 8 baskets>"
    assert repr(some()[:2]) == "<Itemsets: 2 frequent of length 1, in 8 baskets>"
    assert repr(some()[:0]) == "<Itemsets: 0 frequent, in 8 baskets>"


def test_itemsets_survive_pickling():
    assert list(pickle.loads(pickle.dumps(some()))) == SETS  # noqa: S301 - our own bytes
