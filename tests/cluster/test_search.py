from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.asserts import assert_same_partition, rows

from kmad._threads import Threads
from kmad.cluster import _search
from kmad.cluster._search import Search, _join, find_clusters

NO_WEIGHTS = np.empty(0)


def found(X, n_clusters=None, weights=NO_WEIGHTS):
    told = []
    with Threads(1) as threads:
        search = Search(n_clusters, 0.05, 300, 0.0, threads, lambda message, *values: told.append(message % values))
        clusters = find_clusters(X, weights, search)
    return clusters, told


def settle_some_first(monkeypatch, n_rows, n_rows_of_cluster=1):
    """Let about so many rows be settled first, few as they are; returns where the numbers of settled rows appear."""
    settled, settle = [], _search.settle

    def spy(X, *rest, **limits):
        settled.append(len(X))
        return settle(X, *rest, **limits)

    monkeypatch.setattr(_search, "THIN_ROWS", n_rows)
    monkeypatch.setattr(_search, "THIN_CLUSTER", n_rows_of_cluster)
    monkeypatch.setattr(_search, "LEAST_STRIDE", 2)
    monkeypatch.setattr(_search, "settle", spy)
    return settled


def make_groups(d, sizes, distance=12.0, seed=0):
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(len(sizes)), sizes)
    return rng.normal(size=(len(group), d)) + distance * group[:, None] / np.sqrt(d), group


@given(data=st.data(), k=st.integers(2, 7))
def test_join_raises_the_inertia_least(data, k):
    centers = data.draw(arrays(np.float64, (k, 2), elements=st.integers(-9, 9).map(float)))
    mass = data.draw(arrays(np.float64, k, elements=st.integers(1, 9).map(float)))

    def inertia_of(a, b):
        mean = np.average(centers[[a, b]], axis=0, weights=mass[[a, b]])
        return mass[[a, b]] @ ((centers[[a, b]] - mean) ** 2).sum(axis=1)

    joined, masses = _join(centers, mass)
    assert len(joined) == len(masses) == k - 1
    assert masses.sum() == mass.sum()
    assert masses @ joined == pytest.approx(mass @ centers)
    rise = mass @ (centers**2).sum(axis=1) - masses @ (joined**2).sum(axis=1)
    assert rise == pytest.approx(min(inertia_of(a, b) for a, b in combinations(range(k), 2)), abs=1e-9)


@pytest.mark.parametrize("d", [2, 5])
def test_search_tells_what_it_sees(d):
    X, group = make_groups(d, [70, 60, 50])
    clusters, told = found(X)
    assert told == ["first look: 3 regions"]
    assert np.array_equal(clusters.partition.labels, group)
    assert len(clusters.regions.size) == 3


@pytest.mark.parametrize("d", [2, 5])
def test_search_keeps_regions_beside_their_clusters(d):
    X, _ = make_groups(d, [40, 80, 60])
    clusters, _ = found(X)
    assert clusters.partition.mass.tolist() == [80, 60, 40]
    assert clusters.regions.size == pytest.approx(clusters.partition.mass, rel=0.15)
    assert clusters.regions.center == pytest.approx(clusters.partition.centers, abs=1.5)


@pytest.mark.parametrize("d", [2, 5])
@pytest.mark.parametrize("k", [1, 2, 3, 5, 9])
def test_search_reaches_the_number_asked_for(d, k):
    X, group = make_groups(d, [50, 60, 70])
    clusters, told = found(X, k)
    assert told == ["first look: 3 regions"]
    assert len(clusters.partition.centers) == k
    together = np.unique(np.stack([group, clusters.partition.labels]), axis=1)
    assert together.shape[1] == max(k, 3), "groups are joined whole, or divided"


@pytest.mark.parametrize("d", [2, 5])
def test_search_splits_the_widest_cluster_first(d):
    rng = np.random.default_rng(d)
    group = np.repeat([0, 1, 2], rows(200, 60))
    X = 100.0 * group[:, None] + rng.normal(size=(len(group), d)) * np.array([1, 9, 1])[group][:, None]
    labels = found(X, 4)[0].partition.labels
    assert [len(np.unique(labels[group == g])) for g in range(3)] == [1, 2, 1]


def test_search_looks_again_in_many_features():
    # The two close groups fall on one spot of the three axes that are looked at first.
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(5), rows(300, 100))
    place = np.zeros((5, 8))
    place[1, 0] = place[2, 1] = place[3, 2] = 60
    place[4, 3] = 9
    clusters, told = found(place[group] + rng.normal(size=(len(group), 8)))
    assert told == ["first look: 4 regions", "looked again: 5 regions"]
    assert_same_partition(clusters.partition.labels, group)
    assert clusters.regions.divided.sum() == 2


@pytest.mark.parametrize("n_clusters", [None, 4, 7])
@pytest.mark.parametrize("weighted", [False, True])
def test_search_settles_every_so_many_rows_first(n_clusters, weighted, monkeypatch):
    # The last group has too few rows among them: its region waits for all rows.
    X, group = make_groups(5, [400, 300, 200, 30], distance=30.0)
    order = np.random.default_rng(1).permutation(len(X))
    X, group = X[order], group[order]
    weights = np.random.default_rng(2).integers(1, 4, len(X)).astype(float) if weighted else NO_WEIGHTS
    expected, _ = found(X, n_clusters, weights)
    settled = settle_some_first(monkeypatch, 150)
    clusters, _ = found(X, n_clusters, weights)
    assert (settled[0], settled[-1]) == (155, 930)
    assert clusters.partition.converged
    assert len(clusters.partition.centers) == (n_clusters or 4)
    together = np.unique(np.stack([group, clusters.partition.labels]), axis=1)
    assert together.shape[1] == max(n_clusters or 4, 4)
    if n_clusters in {None, 4}:
        assert_same_partition(clusters.partition.labels, expected.partition.labels)
        assert clusters.partition.centers == pytest.approx(expected.partition.centers)


def test_search_settles_all_rows_at_once_where_they_are_worth_too_few(monkeypatch):
    X, _ = make_groups(5, [300, 300], distance=30.0)
    weights = np.exp(6 * np.random.default_rng(0).normal(size=600))
    settled = settle_some_first(monkeypatch, 150)
    clusters, _ = found(X, weights=weights)
    assert set(settled) == {600}
    assert clusters.partition.converged


def test_search_finds_among_all_rows_what_few_of_them_do_not_show(monkeypatch):
    # Among a sixth of the rows, the two halves of the second group are not told apart.
    rng = np.random.default_rng(0)
    X, group = make_groups(6, [600, 260, 260], distance=40.0)
    X[group == 2] = X[group == 1] + np.array([3.7, 0, 0, 0, 0, 0])
    X = X[rng.permutation(len(X))]
    assert len(found(np.ascontiguousarray(X[::6]))[0].partition.centers) == 2
    settled = settle_some_first(monkeypatch, 180)
    clusters, told = found(X)
    assert settled[0] < len(X)
    assert len(clusters.partition.centers) == 3, told


def test_search_leaves_to_all_rows_what_only_single_features_show(monkeypatch):
    # The first three axes are wider than the one along which the two groups lie apart.
    rng = np.random.default_rng(0)
    X = rng.uniform(-8.5, 8.5, size=(1200, 5))
    group = np.repeat([0, 1], 600)
    X[:, 4] = rng.normal(size=1200) + 9 * group
    X = X[rng.permutation(1200)]
    settled = settle_some_first(monkeypatch, 600)
    clusters, told = found(X)
    assert told == ["first look: 1 regions", "looked again: 2 regions"]
    assert settled == [600, 1200, 1200]
    assert len(clusters.partition.centers) == 2


def test_search_looks_at_clusters_before_they_have_settled_and_when_they_have(monkeypatch):
    rng = np.random.default_rng(0)
    places = rng.uniform(0, 25, (rows(12, 6), 2))
    X = (places[:, None] + rng.normal(size=(len(places), rows(150, 80), 2))).reshape(-1, 2)
    expected, _ = found(X)
    assert expected.partition.n_iter > 4
    monkeypatch.setattr(_search, "PATIENCE", 1)
    clusters, _ = found(X)
    assert clusters.partition.converged
    assert len(clusters.partition.centers) == len(expected.partition.centers)


def test_search_settles_row_by_row_where_most_lie_in_a_few_cells(monkeypatch):
    # Amounts over seven orders of magnitude.
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1, 2], rows(400, 120))
    X = np.exp(rng.normal(size=(len(group), 2)) * 0.3 + 8.0 * group[:, None])
    settled = settle_some_first(monkeypatch, len(X))
    clusters, _ = found(X)
    assert settled[0] == len(X)
    assert clusters.partition.converged


def test_search_leaves_the_cells_once_clusters_crowd_on_them(monkeypatch):
    X, _ = make_groups(2, [300, 300], distance=3.2)
    expected, told = found(X)
    assert told == ["first look: 1 regions", "looked again: 2 regions"]
    ways, seen = [], set()

    def spy_on(name):
        way = getattr(_search, name)

        def spy(*arguments, **limits):
            ways.append(name)
            return way(*arguments, **limits)

        monkeypatch.setattr(_search, name, spy)

    spy_on("settle")
    spy_on("settle_on_cells")
    for cells in np.exp2(np.arange(2, 14, 0.5)):
        monkeypatch.setattr(_search, "CELLS_A_REGION", cells)
        ways.clear()
        clusters, _ = found(X)
        seen.add(tuple(ways))
        assert_same_partition(clusters.partition.labels, expected.partition.labels)
    assert seen == {("settle_on_cells",) * 2, ("settle_on_cells", "settle"), ("settle",) * 2}


@pytest.mark.parametrize(("n_rows_of_cluster", "first"), [(150, 300), (301, 600)])
def test_search_settles_enough_rows_of_every_cluster_first(n_rows_of_cluster, first, monkeypatch):
    X, _ = make_groups(5, [300, 300], distance=30.0)
    settled = settle_some_first(monkeypatch, 100, n_rows_of_cluster)
    found(X)
    assert settled[0] == first
