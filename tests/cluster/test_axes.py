import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import weighted_tables

from kmad import _threads
from kmad._threads import Threads
from kmad.cluster import _axes
from kmad.cluster._axes import N_AXES, covariance, find_axes, principal_axes, project, project_each

NO_WEIGHTS = np.empty(0)
MANY = st.integers(1, 6)


def covered(X, weights):
    mean = np.average(X, axis=0, weights=weights if len(weights) else None)
    with Threads(1) as threads:
        return covariance(X, weights, mean, threads), mean


def stretched(rng, n, spreads):
    """Rows that are spread along random directions."""
    directions = np.linalg.qr(rng.normal(size=(len(spreads), len(spreads))))[0]
    return rng.normal(size=(n, len(spreads))) * spreads @ directions, directions.T


@given(table=weighted_tables(rows=st.integers(1, 150), features=MANY))
def test_covariance_equals_the_product_of_matrices(table):
    X, weights = table
    found, mean = covered(X, weights)
    mass = weights if len(weights) else np.ones(len(X))
    offset = X - mean
    expected = (offset * mass[:, None]).T @ offset
    extent = np.abs(offset).max(axis=0)
    assert (np.abs(found - expected) <= 1e-13 * mass.sum() * np.outer(extent, extent) + 1e-300).all()
    assert np.array_equal(found, found.T)


def test_covariance_does_not_depend_on_the_threads(monkeypatch):
    monkeypatch.setattr(_threads, "CHUNK_ROWS", 16)
    rng = np.random.default_rng(0)
    X, weights = rng.normal(size=(200, 5)), rng.uniform(0.5, 2, 200)
    axes = np.eye(5)[:, :2]
    with Threads(1) as one, Threads(2) as two:
        assert np.array_equal(*[covariance(X, weights, X[0], threads) for threads in (one, two)])
        (place, squares), other = [project(X, X[0], axes, threads) for threads in (one, two)]
    assert np.array_equal(place, other.place)
    assert squares == other.squares


@pytest.mark.parametrize("d", [2, 5, 30])
def test_every_cluster_is_projected_on_its_own_axes(d):
    # The third cluster has no rows, the fourth lies on a line, and the last is not asked for.
    rng = np.random.default_rng(d)
    sizes = [40, 60, 0, 20, 30]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    rows = np.concatenate([stretched(rng, size, rng.uniform(1, 9, d))[0] + 7.0 * size for size in sizes])
    rows[100:120, 1:] = 0.0
    weights = rng.uniform(0.5, 2.0, len(rows))
    place = np.full((3, len(rows)), np.nan)
    assert not project_each(rows, weights, starts, 2, 3, place).any()
    assert np.isnan(place).all()
    squares = project_each(rows, weights, starts, 0, 4, place)
    assert np.isnan(place[:, 120:]).all()
    assert not squares[2].any()
    for j in (0, 1, 3):
        part = slice(starts[j], starts[j + 1])
        table, mean = covered(rows[part], weights[part])
        axes = principal_axes(table)
        expected = np.zeros((3, sizes[j]))
        expected[: axes.shape[1]] = ((rows[part] - mean) @ axes).T
        assert place[:, part] == pytest.approx(expected, abs=1e-9)
        assert squares[j] == pytest.approx(place[:, part] ** 2 @ weights[part], rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("d", [1, 2, 3, 4, 7])
def test_principal_axes_are_orthonormal_and_widest_first(d):
    rng = np.random.default_rng(d)
    spreads = 2.0 ** -np.arange(d)
    X, directions = stretched(rng, 2000, spreads)
    axes = principal_axes(covered(X, NO_WEIGHTS)[0])
    assert axes.shape == (d, min(d, N_AXES))
    assert axes.T @ axes == pytest.approx(np.eye(axes.shape[1]))
    assert (np.diff(np.var(X @ axes, axis=0)) < 0).all()
    assert np.abs((axes * directions[:, : axes.shape[1]]).sum(axis=0)) == pytest.approx(1, abs=0.02)
    assert (axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])] > 0).all()


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_principal_axes_leave_out_what_has_no_extent(rank):
    rng = np.random.default_rng(rank)
    X = rng.normal(size=(30, rank)) @ rng.normal(size=(rank, 5)) + 7.0
    assert principal_axes(covered(X, NO_WEIGHTS)[0]).shape == (5, rank)


def test_principal_axes_of_fewer_rows_than_features_span_the_rows():
    X = np.random.default_rng(0).normal(size=(3, 10))
    table, mean = covered(X, NO_WEIGHTS)
    axes = principal_axes(table)
    assert axes.shape == (10, 2)
    assert (X - mean) @ axes @ axes.T == pytest.approx(X - mean)


@pytest.mark.parametrize("d", [25, 60, 200])
def test_principal_axes_of_many_features_are_those_that_stand_out(d):
    rng = np.random.default_rng(d)
    X, _ = stretched(rng, 400, np.array([9.0, 7.0, 5.0, *np.full(d - 3, 1.0)]))
    table = covered(X, NO_WEIGHTS)[0]
    axes, expected = principal_axes(table), np.linalg.eigh(table)[1][:, :-4:-1]
    assert axes.T @ axes == pytest.approx(np.eye(N_AXES))
    assert np.abs((axes * expected).sum(axis=0)) == pytest.approx(1, abs=1e-6)


def test_principal_axes_need_not_be_near_the_widest_features():
    # Each of fifty features is narrower than any of the first three; together they are wider.
    table = np.zeros((53, 53))
    table[:3, :3], table[3:, 3:] = 4.0 * np.eye(3), 1.0
    axes = principal_axes(table)
    assert np.abs(axes[3:, 0]) == pytest.approx(np.full(50, 50**-0.5))
    assert np.abs(axes[3:, 1:]).max() < 1e-9


@pytest.mark.parametrize("weighted", [False, True])
def test_axes_are_those_of_most_rows_however_far_some_lie(weighted):
    rng = np.random.default_rng(0)
    X, _ = stretched(rng, 2000, np.array([9.0, 5.0, 3.0, 0.1, 0.1]))
    weights = rng.uniform(0.5, 2.0, 2000) if weighted else NO_WEIGHTS
    wild = X.copy()
    wild[7::200] = 1e6 * rng.normal(size=(10, 5))
    with Threads(1) as threads:
        (mean, axes), (expected_mean, expected) = [find_axes(rows, weights, threads) for rows in (wild, X)]
    assert mean == pytest.approx(expected_mean, abs=0.5)
    assert np.abs(axes.T @ expected) == pytest.approx(np.eye(3), abs=0.05)


def test_axes_of_rows_most_of_which_are_equal_are_those_of_the_others():
    X = np.zeros((300, 4))
    X[:100, 1] = np.linspace(-7, 7, 100)
    with Threads(1) as threads:
        _, axes = find_axes(X, NO_WEIGHTS, threads)
    assert axes == pytest.approx(np.array([[0.0], [1.0], [0.0], [0.0]]))


def test_axes_of_equal_rows_are_none():
    X = np.full((40, 30), 7.0)
    with Threads(1) as threads:
        mean, axes = find_axes(X, NO_WEIGHTS, threads)
    assert mean == pytest.approx(np.full(30, 7.0))
    assert axes.shape == (30, 0)


def test_axes_are_found_where_a_sample_shows_none(monkeypatch):
    monkeypatch.setattr(_axes, "SAMPLE_ROWS", 10)
    X = np.zeros((100, 4))
    X[55] = [3.0, 0.0, 4.0, 0.0]
    with Threads(1) as threads:
        _, axes = find_axes(X, NO_WEIGHTS, threads)
    assert axes == pytest.approx(np.array([[0.6], [0.0], [0.8], [0.0]]))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e200, 1.7e308])
def test_there_are_no_axes_where_a_value_or_its_square_is_none(value):
    X = np.random.default_rng(0).normal(size=(20, 4))
    X[7:9, 2] = value
    with Threads(1) as threads:
        _, axes = find_axes(X, NO_WEIGHTS, threads)
    assert axes.shape == (4, 0)


@pytest.mark.parametrize("q", [1, 2, 3])
def test_projection_equals_the_product_of_matrices(q):
    rng = np.random.default_rng(q)
    X, mean, axes = rng.normal(size=(50, 6)), rng.normal(size=6), rng.normal(size=(6, q))
    for typed in (np.float32, np.float64):
        rows = X.astype(typed)
        with Threads(1) as threads:
            place, squares = project(rows, mean, axes, threads)
        assert place == pytest.approx((rows.astype(float) - mean) @ axes)
        assert squares == pytest.approx(((rows.astype(float) - mean) ** 2).sum())
