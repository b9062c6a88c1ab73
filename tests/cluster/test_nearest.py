from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.asserts import rows

from kmad._jit import frozen
from kmad._threads import Threads
from kmad.cluster import _nearest
from kmad.cluster._nearest import assign, draw_table

# Few different values: many rows lie as near to one centre as to another, and at the edges of cells.
COARSE = st.integers(-3, 3).map(lambda n: n / 2)
SCALES = st.sampled_from([1.0, 1e-160, 1e-100, 1e9, 1e100])


def nearest(X, centers, n_jobs=1):
    labels = np.full(len(X), -7, np.int32)
    with Threads(n_jobs) as threads:
        finite = assign(frozen(X), centers, labels, threads)
    return labels, finite


def by_table(**changes):
    return patch.multiple(_nearest, **{"TABLE_ROWS": 1, "TABLE_CENTERS": 1, "MOST_OPEN": 1.0, **changes})


@given(data=st.data(), d=st.integers(1, 3), k=st.integers(1, 6), typed=st.sampled_from([np.float32, np.float64]))
def test_a_table_tells_the_centre_that_is_compared_to_be_nearest(data, d, k, typed):
    X = data.draw(arrays(np.float64, (data.draw(st.integers(1, 30)), d), elements=COARSE | st.floats(-4, 4)))
    centers = data.draw(arrays(np.float64, (k, d), elements=COARSE))
    scale, offset = data.draw(SCALES), data.draw(st.sampled_from([0.0, 1.0, -1e6]))
    X, centers = ((array + offset) * scale for array in (X, centers))
    with np.errstate(over="ignore"):
        X = X.astype(typed)
    assume(np.isfinite(X).all())
    expected, finite = nearest(X, centers)
    # Of so few rows as are seen, others lie beyond the table.
    with by_table(SEEN_ROWS=data.draw(st.sampled_from([1, 4, 100]))):
        found, also_finite = nearest(X, centers)
    assert np.array_equal(found, expected)
    assert finite == also_finite


@pytest.mark.parametrize("d", [1, 2, 3])
def test_a_table_tells_the_centres_of_many_rows(d):
    rng = np.random.default_rng(d)
    X, centers = rng.normal(size=(rows(100_000, 2_000), d)), 3 * rng.normal(size=(12, d))
    expected, _ = nearest(X, centers)
    assert np.array_equal(expected, ((X[:, None] - centers) ** 2).sum(axis=2).argmin(axis=1))
    with by_table():
        assert draw_table(X, centers) is not None
        for n_jobs in (1, 2):
            assert np.array_equal(nearest(X, centers, n_jobs)[0], expected)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_is_seen_beside_a_table(wrong):
    X, centers = np.random.default_rng(0).normal(size=(100, 2)), np.array([[-1.0, 0.0], [1.0, 0.0]])
    with by_table(SEEN_ROWS=2):
        assert nearest(X, centers)[1]
        X[71, 1] = wrong
        assert not nearest(X, centers)[1]


def test_no_table_is_drawn_where_it_would_tell_nothing():
    rng = np.random.default_rng(0)
    X, centers = rng.normal(size=(500, 2)), rng.normal(size=(3, 2))
    assert draw_table(X, centers) is not None
    assert draw_table(X, np.repeat(centers, 2, axis=0)) is not None
    assert draw_table(X, rng.normal(size=(400, 2))) is None
    assert draw_table(X * 1e-170, centers * 1e-170) is None
    assert draw_table(X * 1e160, centers) is None
    assert draw_table(np.full((500, 2), np.inf), centers) is None
