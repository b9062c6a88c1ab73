import gzip
import pickle
import subprocess
import sys
from codecs import BOM_UTF8

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

from kmad import apriori
from kmad._threads import Threads
from kmad.rules import _one_hot
from kmad.rules._baskets import by_basket
from kmad.rules._readers import number, read_baskets

BASKETS = [["milk", "bread"], ["bread", "tea", "bread"], ["milk"], ["tea", "milk", "bread"]]
NUMBERS = [[300, 7], [7, -2, 7], [300], [-2, 300, 7]]
SUPPORTS = {
    frozenset({"milk"}): 0.75,
    frozenset({"bread"}): 0.75,
    frozenset({"tea"}): 0.5,
    frozenset({"milk", "bread"}): 0.5,
    frozenset({"bread", "tea"}): 0.5,
}
ONE_HOT = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 0], [1, 1, 1]])
NAMES = ["milk", "bread", "tea"]


def supports(baskets, names=None, **columns):
    found = dict(apriori(baskets, min_support=0.5, **columns))
    if names is not None:
        found = {frozenset(names[item] for item in items): support for items, support in found.items()}
    return found


def long_columns(baskets):
    pairs = [(f"b{i}", item) for i, basket in enumerate(baskets) for item in basket]
    pairs = pairs[1::2] + pairs[::2]
    return {"basket": [pair[0] for pair in pairs], "item": [pair[1] for pair in pairs]}


@pytest.mark.parametrize(
    "convert",
    [
        list,
        tuple,
        lambda b: map(tuple, b),
        lambda b: [set(x) for x in b],
        lambda b: [np.array(x) for x in b],
        pd.Series,
        pl.Series,
        pa.array,
        lambda b: pa.table({"basket": b})["basket"],
        lambda b: np.array([*b, None], object)[:-1],
        lambda b: (iter(x) for x in b),
    ],
)
def test_lists_of_any_kind_are_baskets(convert):
    assert supports(convert(BASKETS)) == SUPPORTS


def test_integers_are_items_however_large():
    names = {300: "milk", 7: "bread", -2: "tea"}
    assert supports(NUMBERS, names) == SUPPORTS
    for far in (10**15, 10**25):
        moved = [[far if item == 300 else item for item in basket] for basket in NUMBERS]
        assert supports(moved, {**names, far: "milk"}) == SUPPORTS
    for kind in (tuple, np.array, iter):
        assert supports([kind(basket) for basket in NUMBERS], names) == SUPPORTS
    for far in (2**63 - 1, 2**63, 2**64 - 1):
        large = [[far if item == 300 else abs(item) for item in basket] for basket in NUMBERS]
        assert supports(large, {far: "milk", 7: "bread", 2: "tea"}) == SUPPORTS
    small = [[20 + item if item < 300 else 22 for item in basket] * 9 for basket in NUMBERS]
    assert supports(small, {22: "milk", 27: "bread", 18: "tea"}) == SUPPORTS
    assert supports([*small[:3], tuple(small[3])], {22: "milk", 27: "bread", 18: "tea"}) == SUPPORTS
    assert supports([small[0], [300] * 20], {22: 0, 27: 1, 300: 2}) == {frozenset({j}): 0.5 for j in range(3)} | {
        frozenset({0, 1}): 0.5
    }


def test_items_keep_their_names_and_order():
    assert read_baskets(BASKETS, None, None, Threads(1)).labels == NAMES
    assert read_baskets(NUMBERS, None, None, Threads(1)).labels == [300, 7, -2]
    assert read_baskets([[True, False]] * 20, None, None, Threads(1)).labels == [True, False]
    assert read_baskets([[True, False] * 9], None, None, Threads(1)).labels[0] is True
    assert read_baskets([[(1, 2), "a", 1.5]], None, None, Threads(1)).labels == [(1, 2), "a", 1.5]


def test_numbers_follow_first_appearance():
    for factor in (1, 10**12):
        numbers, labels = number(np.array([5, 3, 5, -9, 3]) * factor)
        assert numbers.tolist() == [0, 1, 0, 2, 1]
        assert labels.tolist() == [5 * factor, 3 * factor, -9 * factor]
    assert [array.tolist() for array in number(np.empty(0, np.int64))] == [[], []]
    read = by_basket(read_baskets([[5, 3, 5], [], [9, 3]], None, None, Threads(1)))
    assert (read.items.tolist(), read.offsets.tolist(), read.labels) == ([0, 1, 0, 2, 1], [0, 3, 3, 5], [5, 3, 9])


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame, pa.table])
def test_long_tables_are_baskets(frame):
    table = frame(long_columns(BASKETS))
    assert supports(table, basket="basket", item="item") == SUPPORTS
    numbers = frame(long_columns(NUMBERS))
    assert supports(numbers, {300: "milk", 7: "bread", -2: "tea"}, basket="basket", item="item") == SUPPORTS
    kind = type(apriori(table, min_support=0.5, basket="basket", item="item").to_frame())
    assert kind is type(table)
    assert len(apriori(frame({"b": [], "i": []}), min_support=1, basket="b", item="i")) == 0


@pytest.mark.parametrize("names", [[0, 1], [1, 0], [("b", 0), ("i", 1)], ["b", ("i", 1)], [None, 2.5]])
def test_columns_of_long_tables_may_have_any_name(names):
    columns = long_columns(BASKETS)
    table = pd.DataFrame(list(zip(columns["basket"], columns["item"], strict=True)))
    several = all(isinstance(name, tuple) for name in names)
    table.columns = pd.MultiIndex.from_tuples(names) if several else pd.Index(names, tupleize_cols=False)
    if names[0] is None:
        with pytest.raises(ValueError, match="basket must name a column where the other one is given; got None"):
            apriori(table, min_support=1, basket=names[0], item=names[1])
    else:
        assert supports(table, basket=names[0], item=names[1]) == SUPPORTS
    if several:
        with pytest.raises(ValueError, match=r"basket must name a column; got 'b', and the columns are \[\('b', 0\), "):
            apriori(table, min_support=1, basket="b", item="i")


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame, pa.table])
@pytest.mark.parametrize("dtype", [bool, np.int64, np.float64])
def test_one_hot_tables_are_baskets(frame, dtype):
    table = frame({name: ONE_HOT[:, j].astype(dtype) for j, name in enumerate(NAMES)})
    assert supports(table) == SUPPORTS
    assert type(apriori(table, min_support=0.5).to_frame()) is type(table)


@pytest.mark.parametrize("fill", [False, True, 0, 1])
def test_sparse_pandas_columns_are_baskets(fill):
    columns = {
        name: pd.arrays.SparseArray(ONE_HOT[:, j].astype(type(fill)), fill_value=fill) for j, name in enumerate(NAMES)
    }
    assert supports(pd.DataFrame(columns)) == SUPPORTS


@pytest.mark.parametrize("dtype", [bool, np.int8, np.float32])
def test_arrays_and_sparse_matrices_are_baskets(dtype):
    X = ONE_HOT.astype(dtype)
    X.setflags(write=False)
    for one_hot in (X, np.asfortranarray(X), sparse.csr_matrix(X), sparse.csc_array(X), sparse.coo_array(X)):
        assert supports(one_hot, NAMES) == SUPPORTS
    zeros = sparse.csr_matrix(X)
    zeros.data[0] = 0
    before = zeros.data.copy()
    assert supports(zeros, NAMES)[frozenset({"bread"})] == 0.75
    assert frozenset({"milk", "bread"}) not in supports(zeros, NAMES)
    assert np.array_equal(zeros.data, before)


@pytest.mark.parametrize("shape", [(50, 13), (7, 200), (200, 1), (3, 0), (0, 3)])
@pytest.mark.parametrize("share", [0.02, 0.7])
def test_one_hot_arrays_are_read_chunk_by_chunk(monkeypatch, shape, share):
    monkeypatch.setattr(_one_hot, "ROW_CELLS", 60)
    monkeypatch.setattr(_one_hot, "COLUMN_CELLS", 60)
    X = np.random.default_rng(0).random(shape) < share
    expected = [np.flatnonzero(row).tolist() for row in X]
    for one_hot in (X, np.asfortranarray(X), X[::2], pd.DataFrame(X)):
        for n_jobs in (1, 2):
            with Threads(n_jobs) as threads:
                read = by_basket(read_baskets(one_hot, None, None, threads))
            rows = [part.tolist() for part in np.split(read.items, read.offsets[1:-1])][: read.n_baskets]
            assert rows == (expected[::2] if len(one_hot) < len(X) else expected)


@pytest.mark.parametrize("name", ["baskets.dat", "baskets.dat.gz"])
def test_fimi_files_are_baskets(tmp_path, name):
    path = tmp_path / name
    lines = [b"300 7", b"7 -2\t7 ", b"300", b"-2 300 7"]
    ends = (b"\n", b"\r\n", b"\r")
    for text in (*(end.join(lines) + end for end in ends), b"\n".join(lines), BOM_UTF8 + b"\n".join(lines)):
        path.write_bytes(gzip.compress(text) if name.endswith("gz") else text)
        for given in (path, str(path)):
            assert supports(given, {300: "milk", 7: "bread", -2: "tea"}) == SUPPORTS
    path.write_bytes(gzip.compress(b"1\n\n\n") if name.endswith("gz") else b"1\n\n\n")
    assert apriori(path, min_support=1).n_baskets == 3


@pytest.mark.parametrize("text", ["1 a\n", "1 -\n", "1 2-\n", "1 1234567890123456789\n"])
def test_a_fimi_file_of_other_things_names_the_line(tmp_path, text):
    path = tmp_path / "baskets.dat"
    path.write_text("1 2\n" + text, encoding="ascii")
    with pytest.raises(ValueError, match="must hold integers with blanks between; line 2 of"):
        apriori(path, min_support=1)


# Without the time in its head: tests that run side by side must have the same names.
PACKED = gzip.compress(b"1 2\n" * 99, mtime=0)


@pytest.mark.parametrize("content", [b"1 2\n", PACKED[:-9], PACKED[:10] + b"x" * 20])
def test_a_file_that_is_not_of_gzip_is_named(tmp_path, content):
    path = tmp_path / "baskets.dat.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"must be one of gzip; .*baskets\.dat\.gz is not: "):
        apriori(path, min_support=1)


def test_the_table_is_left_as_it_was():
    table = pd.DataFrame(long_columns(BASKETS))
    before = table.copy(deep=True)
    apriori(table, min_support=1, basket="basket", item="item")
    pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize(
    ("error", "message", "baskets", "columns"),
    [
        (TypeError, r"baskets must be lists of items; baskets\[1\] is 'bread', a str", [["milk"], "bread"], {}),
        (TypeError, r"baskets must be lists of items; baskets\[0\] is 3, a int", [3], {}),
        (TypeError, "baskets must be a list of lists of items, .* got a dict", {"a": ["milk"]}, {}),
        (TypeError, "baskets must be a list of lists of items, .* got a int", 3, {}),
        (TypeError, "items of baskets must be hashable; unhashable type: 'list'", [[["milk"]]], {}),
        (ValueError, r"baskets must hold no missing items; baskets\[1\] has None", [["a"], ["b", None]], {}),
        (ValueError, r"baskets must hold no missing items; baskets\[0\] has nan", [[float("nan")]], {}),
        (ValueError, r"baskets must hold no missing items; baskets\[0\] has <NA>", [[pd.NA]], {}),
        (ValueError, r"baskets must hold no missing items; baskets\[0\] has None", pa.array([["a", None]]), {}),
        (TypeError, "baskets must be in memory; got a lazy LazyFrame", pl.LazyFrame({"a": [1]}), {}),
        (ValueError, "basket and item name columns of a table; got baskets of type list", [["a"]], {"item": "a"}),
        (
            ValueError,
            "item must name a column where the other one is given; got None",
            pd.DataFrame({"a": [1]}),
            {"basket": "a"},
        ),
        (
            ValueError,
            r"basket must name a column; got 'b', and the columns are \['a'\]",
            pd.DataFrame({"a": [1]}),
            {"basket": "b", "item": "a"},
        ),
        (
            ValueError,
            "item must name a column without missing values; 'i' has 1, the first in row 1",
            pl.DataFrame({"b": [1, 2], "i": ["x", None]}),
            {"basket": "b", "item": "i"},
        ),
        (
            ValueError,
            "basket must name a column without missing values; 'b' has 1",
            pd.DataFrame({"b": [1.5, np.nan], "i": ["x", "y"]}),
            {"basket": "b", "item": "i"},
        ),
        (
            TypeError,
            "item must name a column of hashable values; 'i': unhashable",
            pl.DataFrame({"b": [1], "i": [["x"]]}),
            {"basket": "b", "item": "i"},
        ),
        (ValueError, "column 'a' is of dtype String. Where the rows are pairs", pl.DataFrame({"a": ["x"]}), {}),
        (
            ValueError,
            "a one-hot table must have no missing values; column 'a' has some",
            pl.DataFrame({"a": [1, None]}),
            {},
        ),
        (
            ValueError,
            "a one-hot array must hold 0 and 1 or booleans; got 2 in row 1, column 'a'",
            pd.DataFrame({"a": [1, 2]}),
            {},
        ),
        (
            ValueError,
            "a one-hot table must hold 0 and 1 or booleans; got 3 in row 1, column 'a'. Of quantities give",
            pl.DataFrame({"a": [1, 3]}),
            {},
        ),
        (ValueError, "a one-hot array must hold 0 and 1 or booleans; got 3 in row 0, column 1", np.array([[0, 3]]), {}),
        (ValueError, "got masked in row 0, column 1", np.ma.masked_array([[0, 1]], mask=[[False, True]]), {}),
        (TypeError, "a one-hot array must hold 0 and 1 or booleans; got the dtype", np.array([["a"]]), {}),
        (ValueError, "a sparse matrix of baskets must hold 0 and 1; got 2", sparse.csr_matrix([[2, 0]]), {}),
        (ValueError, "a sparse matrix of baskets must have two dimensions; got 1", sparse.coo_array(np.ones(3)), {}),
    ],
)
def test_other_things_are_refused(error, message, baskets, columns):
    with pytest.raises(error, match=message):
        apriori(baskets, min_support=1, **columns)


def test_pandas_columns_of_several_kinds_are_baskets():
    table = pd.DataFrame(ONE_HOT, columns=NAMES).astype({"milk": "boolean", "bread": bool, "tea": float})
    assert supports(table) == SUPPORTS
    table["bread"] = pd.arrays.SparseArray(ONE_HOT[:, 1], fill_value=0)
    assert supports(table) == SUPPORTS
    assert len(apriori(pd.DataFrame(index=range(3)), min_support=1)) == 0


def test_sparse_columns_are_found_where_pandas_does_not_hand_out_arrays():
    class Table:
        def __init__(self, table):
            self.items = table.items

        def __len__(self):
            return len(ONE_HOT)

    columns = {name: pd.arrays.SparseArray(ONE_HOT[:, j], fill_value=0) for j, name in enumerate(NAMES)}
    read = by_basket(_one_hot.read_sparse_columns(Table(pd.DataFrame(columns)), NAMES))
    assert read.items.tolist() == np.nonzero(ONE_HOT)[1].tolist()


def test_types_of_columns_are_found_where_pandas_does_not_hand_out_arrays():
    class Table:
        def __init__(self, table):
            self.dtypes = table.dtypes

    table = pd.DataFrame({"a": [1], "b": [True], "c": pd.arrays.SparseArray([1])})
    types = _one_hot.list_types(Table(table))
    assert types == _one_hot.list_types(table) == table.dtypes.tolist()


@pytest.mark.parametrize("read", [list, sparse.csr_matrix, pd.DataFrame], ids=["lists", "matrix", "table"])
def test_baskets_of_the_caller_are_not_written_over(read):
    # Of more items than a word has bits, and half of them too rare.
    X = np.arange(200) % np.arange(3, 143)[:, None] == 0
    given = [np.flatnonzero(row).tolist() for row in X.T] if read is list else read(X.T)
    before = pickle.dumps(given)
    assert 62 < np.count_nonzero(apriori(given, min_support=3).lengths == 1) < 140
    assert pickle.dumps(given) == before


@pytest.mark.parametrize("n_rows", [8, 40, 64, 67])
def test_rows_of_columns_of_any_length_are_found(n_rows):
    X = np.asfortranarray(np.random.default_rng(0).random((n_rows, 3)) < 0.5)
    read = by_basket(read_baskets(X, None, None, Threads(1)))
    assert read.items.tolist() == np.nonzero(X)[1].tolist()


def test_matrices_are_known_without_an_import_of_theirs():
    code = "import sys; from kmad import apriori; print('scipy.sparse' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"


def test_sparse_pandas_columns_may_store_zeros():
    matrix = sparse.csc_matrix(np.array([[1, 1], [1, 1], [0, 0], [1, 1]]))
    matrix.data[0] = 0
    held = pd.DataFrame.sparse.from_spmatrix(matrix, columns=["a", "b"])
    assert held["a"].array.sp_values.tolist() == [0, 1, 1]
    assert dict(apriori(held, min_support=2)) == {frozenset("a"): 0.5, frozenset("b"): 0.75, frozenset("ab"): 0.5}
    column = pd.arrays.SparseArray([0, 1, 0, 1], fill_value=0)
    with pytest.raises(ValueError, match="a one-hot table must hold 0 and 1 or booleans; got 2 in row 0, column 'b'"):
        apriori(pd.DataFrame({"a": column, "b": pd.arrays.SparseArray([2, 0, 0, 0])}), min_support=1)
