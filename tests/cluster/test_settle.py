"""The two ways to settle, on rows and on cells, are held to the same properties."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests import reference
from tests.asserts import TINY, rows
from tests.strategies import centers_among, weighted_tables

from kmad import _threads
from kmad._threads import Threads
from kmad.cluster import _chart
from kmad.cluster._cells import settle_on_cells
from kmad.cluster._grid import max_cells, measure, plan, summarise
from kmad.cluster._lloyd import _assign_all, _assign_anew, _course, inertia, settle, sum_by_label
from kmad.cluster._nearest import assign

NO_WEIGHTS = np.empty(0)


def settle_rows(X, weights, centers, *, n_jobs=1, max_iter=300, tol=0.0):
    labels = np.empty(len(X), np.int32)
    with Threads(n_jobs) as threads:
        return settle(X, weights, centers, labels, threads, max_iter=max_iter, tol=tol)


def settle_cells(X, weights, centers, *, n_jobs=1, max_iter=300, tol=0.0):
    cell = np.empty(len(X), np.int32)
    with Threads(n_jobs) as threads:
        frame = plan(*measure(X, threads)[:2], max_cells(X.shape[1], len(X)))
        grid = summarise(X, weights, frame, cell, threads)
        return settle_on_cells(X, weights, grid, cell, centers, threads, max_iter=max_iter, tol=tol)


both = pytest.mark.parametrize(
    ("way", "features"), [(settle_rows, [4, 5, 7]), (settle_cells, [1, 2, 3])], ids=["rows", "cells"]
)


def assert_settled(partition, X, weights):
    """Rows are at a nearest centre, the first of several, and centres are means, by falling mass."""
    labels, centers = partition.labels, partition.centers
    mass = weights if len(weights) else np.ones(len(X))
    assert partition.converged
    assert partition.n_iter >= 1
    assert labels.dtype == np.int32
    assert np.array_equal(partition.mass, np.bincount(labels, mass, len(centers)))
    assert partition.mass.min() > 0
    assert (np.diff(partition.mass) <= 0).all()
    with Threads(1) as threads:
        again = np.empty_like(labels)
        assign(X, centers, again, threads)
    assert np.array_equal(labels, again)
    distance = reference.squared_distances(X, centers)
    extent, size = np.ptp(X, axis=0).max(), np.abs(X).max()
    rounding = 1e-12 * extent + 4 * np.finfo(float).eps * size + TINY
    least = distance.min(axis=1)
    assert (distance[np.arange(len(X)), labels] <= least + rounding * extent).all()
    for j in range(len(centers)):
        mean = np.average(X[labels == j], axis=0, weights=mass[labels == j])
        assert (np.abs(centers[j] - mean) <= rounding).all()


@both
@given(data=st.data())
def test_settled_clusters_are_a_fixed_point(way, features, data):
    X, weights = data.draw(weighted_tables(features=st.sampled_from(features)))
    centers = data.draw(centers_among(X))
    partition = way(X, weights, centers)
    assert_settled(partition, X, weights)
    assert len(partition.seed) == len(partition.centers) == len(set(partition.seed.tolist())) <= len(centers)
    mass = weights if len(weights) else np.ones(len(X))
    before = mass @ reference.squared_distances(X, centers).min(axis=1)
    after = mass @ reference.squared_distances(X, partition.centers).min(axis=1)
    rounding = 1e-9 * np.ptp(X, axis=0).max() + 1e-14 * np.abs(X).max()
    assert after <= before + mass.sum() * rounding * (np.ptp(X, axis=0).max() + rounding)


@given(seed=st.integers(0, 10_000), k=st.integers(1, 7), n=st.integers(7, 60), spread=st.sampled_from([0.1, 1.0]))
def test_settled_rows_are_those_of_lloyd(seed, k, n, spread):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 1 + seed % 7)) + rng.integers(-2, 3, (n, 1)) / spread
    weights = [NO_WEIGHTS, rng.uniform(0.1, 3, n)][seed // 10 % 2]
    partition = settle_rows(X, weights, X[:k])
    expected = reference.kmeans(X, weights if len(weights) else np.ones(n), X[:k])
    assume(expected.lead > 1e-9)
    assert np.array_equal(partition.seed[partition.labels], expected.labels)
    assert partition.centers == pytest.approx(expected.centers[partition.seed])


@given(seed=st.integers(0, 10_000), k=st.integers(2, 4), n=st.integers(9, 60))
def test_settled_cells_and_rows_agree_on_clear_groups(seed, k, n):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(n, 1 + seed % 3)) + 9.0 * (np.arange(n) % k)[:, None]
    weights = [NO_WEIGHTS, rng.uniform(0.1, 3, n)][seed // 10 % 2]
    by_cells, by_rows = settle_cells(X, weights, X[:k]), settle_rows(X, weights, X[:k])
    assert np.array_equal(by_cells.labels, by_rows.labels)
    assert np.array_equal(by_cells.seed, by_rows.seed)
    assert by_cells.centers == pytest.approx(by_rows.centers)


@both
def test_settled_clusters_of_clear_groups_are_the_groups(way, features):
    for d in features:
        rng = np.random.default_rng(d)
        group = np.sort(rng.integers(0, 3, 90))
        X = 10.0 * group[:, None] + rng.normal(size=(90, d))
        for typed in (np.float32, np.float64):
            partition = way(X.astype(typed), NO_WEIGHTS, X[[0, 45, 89]])
            assert np.array_equal(partition.seed[partition.labels], group)


@both
def test_settled_clusters_leave_out_centers_without_rows(way, features):
    for d in features:
        X = np.repeat([np.zeros(d), np.ones(d)], [2, 3], axis=0)
        far = np.full((1, d), 1000.0)
        partition = way(X, NO_WEIGHTS, np.concatenate([far, X[:1], far + 1, X[-1:]]))
        assert partition.seed.tolist() == [3, 1]
        assert partition.labels.tolist() == [1, 1, 0, 0, 0]
        assert partition.mass.tolist() == [3.0, 2.0]


@both
def test_settled_clusters_on_one_point_go_to_the_first(way, features):
    for d in features:
        X = np.repeat([np.zeros(d), np.ones(d)], 4, axis=0)
        partition = way(X, NO_WEIGHTS, X[[0, 0, 4, 4]])
        assert partition.seed.tolist() == [0, 2]
        assert partition.labels.tolist() == [0] * 4 + [1] * 4


@both
def test_settling_does_not_depend_on_the_threads(way, features, monkeypatch):
    monkeypatch.setattr(_threads, "CHUNK_ROWS", 32)
    n = rows(3000, 300)
    for d in features:
        rng = np.random.default_rng(d)
        X, weights = rng.normal(size=(n, d)), rng.uniform(0.5, 2, n)
        assert len(_threads.row_chunks(n)) > 5
        one, two = (way(X, weights, X[:5], n_jobs=n_jobs) for n_jobs in (1, 2))
        for a, b in zip(one, two, strict=True):
            assert np.array_equal(a, b)


@both
def test_settling_stops_at_max_iter(way, features):
    rng = np.random.default_rng(0)
    for d in features:
        X = rng.uniform(size=(200, d))
        partition = way(X, NO_WEIGHTS, X[:6], max_iter=2)
        assert not partition.converged
        assert partition.n_iter == 2
        assert np.array_equal(partition.mass, np.bincount(partition.labels, minlength=6))
        with Threads(1) as threads:
            nearest = np.empty(200, np.int32)
            assign(X, partition.centers, nearest, threads)
        assert np.array_equal(partition.labels, nearest)


@given(
    seed=st.integers(0, 2**32 - 1),
    k=st.integers(2, 9),
    d=st.integers(4, 9),
    far=st.sampled_from([0.0, 1e3, 1e9, 1e14]),
    typed=st.sampled_from([np.float32, np.float64]),
)
def test_leads_are_kept_however_far_some_rows_lie(seed, k, d, far, typed):
    rng = np.random.default_rng(seed)
    X = rng.normal(5 * rng.integers(0, k, (200, 1)), size=(200, d)).astype(typed)
    X[0] += far
    centers = np.vstack([X[0].astype(float), rng.normal(5 * np.arange(k)[:, None], size=(k, d))])
    labels, course = np.empty(len(X), np.int32), _course(X, centers)
    with Threads(1) as threads:
        assert _assign_all(X, NO_WEIGHTS, centers, course, labels, threads)
    distance = np.sqrt(reference.squared_distances(X.astype(np.longdouble), centers.astype(np.longdouble)))
    first, second = np.sort(distance, axis=1)[:, :2].T
    assert np.array_equal(labels, distance.argmin(axis=1))
    assert (course.lead <= second - first).all()
    # What is far takes no digits from what is near.
    assert (course.lead >= second - first - 1e-4 * (second + first))[1:].all()


def test_rows_within_reach_of_their_centre_keep_it_without_a_lead():
    rng = np.random.default_rng(0)
    centers = np.array([[0.0] * 5, [20.0] * 5, [1e3] * 5])
    X = centers[np.arange(300) % 3] + rng.normal(size=(300, 5))
    X[0] = 9.0
    labels, course = np.arange(300, dtype=np.int32) % 3, _course(X, centers)
    with Threads(1) as threads:
        course = course._replace(slack=np.ones(3))
        assert _assign_anew(X, NO_WEIGHTS, centers, course, labels, threads, 300) == (0, 300, True)
    distance = np.sqrt(reference.squared_distances(X, centers))
    first, second = np.sort(distance, axis=1)[:, :2].T
    assert np.array_equal(labels, distance.argmin(axis=1))
    assert (course.lead <= second - first).all()
    # Half way to the next centre less the distance, twice: rows told so have less of a lead than they might have.
    reach = np.linalg.norm(centers[0] - centers[1]) / 2
    near = (first < reach - 2) & (labels < 2)
    assert near.sum() > 190
    assert course.lead[near] == pytest.approx(2 * (reach - first[near]), rel=1e-2)


@pytest.mark.parametrize("weighted", [False, True])
def test_rows_settle_alike_with_a_chart_and_without(weighted, monkeypatch):
    monkeypatch.setattr(_threads, "CHUNK_ROWS", 32)
    rng = np.random.default_rng(0)
    n = rows(4000, 400)
    # Groups at the corners of a cube, in six features: most rows are plainly nearest to one of them, but not all.
    corners = np.stack(np.unravel_index(np.arange(8), (2, 2, 2)), axis=1)
    middles = 9.0 * corners @ np.linalg.qr(rng.normal(size=(6, 3)))[0].T
    group = np.arange(n) % 8
    X = middles[group] + rng.normal(size=(n, 6))
    weights = rng.uniform(0.5, 2, n) if weighted else NO_WEIGHTS
    without = settle_rows(X, weights, X[:8])
    monkeypatch.setattr(_chart, "SOME_ROWS", 1)
    partition = settle_rows(X, weights, X[:8], n_jobs=2)
    assert np.array_equal(partition.labels, without.labels)
    assert np.array_equal(partition.seed, without.seed)
    assert partition.n_iter == without.n_iter
    assert partition.mass == pytest.approx(without.mass)
    assert partition.centers == pytest.approx(without.centers)
    labels = np.empty(n, np.int32)
    with Threads(2) as threads:
        assert assign(X, partition.centers, labels, threads)
        mass, means = sum_by_label(X, weights, labels, 8, threads)
    assert np.array_equal(labels, partition.labels)
    assert mass == pytest.approx(partition.mass)
    assert means == pytest.approx(partition.centers)


LOSING = [
    (
        settle_rows,
        4,
        [[11, 11], [2, 8], [5, 4], [1, 7], [2, 8], [10, 11], [1, 6], [2, 5], [3, 0]],
        [[0, 1], [11, 4], [7, 5], [2, 8], [0, 7]],
        2,
    ),
    (
        settle_cells,
        2,
        [[5, 6], [9, 11], [0, 1], [9, 11], [2, 3], [10, 5], [3, 9], [3, 4], [7, 6], [1, 0], [10, 9], [10, 6]],
        [[9, 3], [5, 9], [1, 3], [1, 5], [11, 1]],
        3,
    ),
]


@pytest.mark.parametrize(("way", "features", "place", "start", "lost"), LOSING, ids=["rows", "cells"])
def test_settling_that_stops_early_leaves_out_a_center_that_lost_its_rows(way, features, place, start, lost):
    X, centers = np.zeros((len(place), features)), np.zeros((len(start), features))
    X[:, :2], centers[:, :2] = place, start
    partition = way(X, NO_WEIGHTS, centers, max_iter=1)
    assert not partition.converged
    assert lost not in partition.seed
    assert len(partition.centers) == len(partition.seed) == len(partition.mass)
    assert np.array_equal(partition.mass, np.bincount(partition.labels))


@pytest.mark.parametrize("distance", [1e-6, 1e-12, 1e-30, 1e-100])
def test_rows_go_to_the_nearer_of_two_centers_that_are_hardly_apart(distance):
    centers = np.zeros((3, 5))
    centers[1, 2], centers[2, 4] = distance, 1e3
    X = np.repeat(centers, 2, axis=0)
    X[:4, 2] += [0.0, 0.4 * distance, -0.4 * distance, 0.0]
    labels = np.empty(6, np.int32)
    with Threads(1) as threads:
        assert assign(X, centers, labels, threads)
    assert labels.tolist() == [0, 0, 1, 1, 2, 2]
    partition = settle_rows(X, NO_WEIGHTS, centers)
    assert partition.converged
    assert partition.mass.tolist() == [2.0] * 3


@both
def test_settling_stops_at_a_small_shift(way, features):
    rng = np.random.default_rng(0)
    for d in features:
        X = rng.uniform(size=(300, d))
        exact, near = (way(X, NO_WEIGHTS, X[:6], tol=tol) for tol in (0.0, 1e-2))
        assert near.converged
        assert near.n_iter < exact.n_iter
        assert (np.diff(near.mass) <= 0).all()


@given(data=st.data())
def test_sums_by_label_equal_the_mean_of_each_cluster(data):
    X, weights = data.draw(weighted_tables())
    labels = np.array(data.draw(st.lists(st.integers(0, 2), min_size=len(X), max_size=len(X))), np.int32)
    with Threads(1) as threads:
        mass, means = sum_by_label(X, weights, labels, 3, threads)
    each = weights if len(weights) else np.ones(len(X))
    assert np.array_equal(mass, np.bincount(labels, each, 3))
    assert np.isnan(means[mass == 0]).all()
    for j in np.flatnonzero(mass):
        expected = np.average(X[labels == j], axis=0, weights=each[labels == j])
        assert means[j] == pytest.approx(expected, rel=1e-12, abs=1e-12 * np.ptp(X, axis=0).max() + 1e-300)


@given(data=st.data())
def test_inertia_equals_the_sum_of_squared_distances(data):
    X, weights = data.draw(weighted_tables(rows=st.integers(1, 70)))
    centers = data.draw(centers_among(X))
    with Threads(1) as threads:
        labels = np.full(len(X), -1, np.int32)
        assign(X, centers, labels, threads)
        found = inertia(X, weights, labels, centers, threads)
    expected = reference.squared_distances(X, centers)[np.arange(len(X)), labels] @ (
        weights if len(weights) else np.ones(len(X))
    )
    assert found == pytest.approx(expected, rel=1e-12)


def test_cells_keep_a_light_cluster_beside_a_heavy_one():
    # They share a cell, and the mass of one is lost in a sum with that of the other.
    X, weights = np.array([[0.0], [1e-4], [1.0]]), np.array([1e-20, 1.0, 1.0])
    partition = settle_cells(X, weights, X)
    assert sorted(partition.mass) == sorted(weights)
    assert_settled(partition, X, weights)
