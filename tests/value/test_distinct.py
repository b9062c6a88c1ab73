import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.asserts import rows

from kmad.value._distinct import distinct_rows, weighted_rows

ENTRIES = st.sampled_from([0.0, 1.0, 2.0, 0.5, 1 / 7, 2 / 7, 1e300, -1.0])


@given(arrays(np.float64, st.tuples(st.integers(1, 60), st.integers(1, 4)), elements=ENTRIES))
def test_distinct_rows_are_those_of_numpy(X):
    found = distinct_rows(*X.T)
    expected, counts = np.unique(X, axis=0, return_counts=True)
    columns = np.column_stack(found.columns)
    order = np.lexsort(columns.T[::-1])
    np.testing.assert_array_equal(columns[order], expected)
    np.testing.assert_array_equal(found.weigh(np.empty(0))[order], counts)
    np.testing.assert_array_equal(columns[found.group], X)
    _, first = np.unique(found.group, return_index=True)
    assert (np.diff(first) > 0).all()


def test_table_of_rows_grows():
    rng = np.random.default_rng(0)
    n = rows(60_000, 9_000)
    X = rng.integers(0, 200, (n, 3)) / 7
    found = distinct_rows(*X.T)
    assert len(found.columns[0]) == len(np.unique(X, axis=0))
    np.testing.assert_array_equal(np.column_stack(found.columns)[found.group], X)


def test_weights_of_equal_rows_add_up():
    columns = [np.array([1.0, 2.0, 1.0, 3.0]), np.array([5.0, 6.0, 5.0, 7.0])]
    (first, second), weight = weighted_rows(columns, np.array([1.0, 2.0, 0.5, 0.0]))
    np.testing.assert_array_equal(first, [1, 2])
    np.testing.assert_array_equal(second, [5, 6])
    np.testing.assert_array_equal(weight, [1.5, 2])
    (first, _), weight = weighted_rows(columns, np.empty(0))
    np.testing.assert_array_equal(weight, [2, 1, 1])
