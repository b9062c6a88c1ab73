import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.asserts import rows
from tests.strategies import weighted_tables

from kmad import _threads
from kmad._threads import Threads
from kmad.cluster._grid import measure
from kmad.cluster._landscape import prominence_threshold
from kmad.cluster._regions import FLOOR_CELLS, Lens, Regions, find_regions, joined, label_regions
from kmad.cluster._ties import find_ties

NO_WEIGHTS = np.empty(0)


def looked(X, weights=NO_WEIGHTS, *, significance=0.05, floor=0.0, ties=None, n_jobs=1):
    q = X.shape[1]
    cell = np.full(len(X), -1, np.int32)
    with Threads(n_jobs) as threads:
        lens = Lens(significance, np.full(q, floor), ties or [None] * q, threads)
        grid, regions = find_regions(X, weights, measure(X, threads), cell, lens)
    return grid, cell, regions


def regions_of(X, *arguments, **options):
    return looked(X, *arguments, **options)[2]


def blobs(rng, sizes, places, spreads):
    parts = [
        rng.normal(size=(n, len(places[0]))) * s + place for n, place, s in zip(sizes, places, spreads, strict=True)
    ]
    return np.concatenate(parts)


@pytest.mark.parametrize("q", [1, 2, 3])
def test_threshold_grows_with_what_chance_can_do(q):
    over_cells = [prominence_threshold(q, resolvable, 0.05) for resolvable in (1, 10, 1000, 1e6)]
    over_chance = [prominence_threshold(q, 100, significance) for significance in (0.5, 0.05, 0.001)]
    assert over_cells == sorted(over_cells)
    assert over_chance == sorted(over_chance)
    assert over_cells[0] > 0


def test_threshold_is_highest_on_one_axis():
    assert prominence_threshold(1, 100, 0.05) > prominence_threshold(2, 100, 0.05) == prominence_threshold(3, 100, 0.05)


@given(table=weighted_tables(features=st.integers(1, 3), rows=st.integers(1, 60)))
def test_regions_are_described_by_their_rows(table):
    X, weights = table
    grid, cell, regions = looked(X, weights, ties=find_ties(X, weights, Threads(1)))
    mass = weights if len(weights) else np.ones(len(X))
    assert np.array_equal(grid.mass, np.bincount(cell, mass, grid.frame.n_cells))
    k = len(regions.size)
    assert regions.center.shape == regions.peak.shape == (k, X.shape[1])
    assert (regions.size >= 0).all()
    assert regions.size.sum() <= mass.sum() * (1 + 1e-12)
    assert (regions.prominence >= regions.threshold).all()
    assert not regions.divided.any()
    frame = grid.frame
    low, high = frame.origin, frame.origin + np.array(frame.shape) * frame.width
    rounding = 1e-12 * np.abs(X).max(axis=0)
    assert (regions.center >= low - rounding).all()
    assert (regions.center <= high + rounding).all()


@pytest.mark.parametrize("q", [1, 2, 3])
@pytest.mark.parametrize("k", [1, 2, 4])
def test_regions_of_clear_groups_are_the_groups(q, k):
    rng = np.random.default_rng(10 * q + k)
    sizes = [rows(300, 100) + 20 * j for j in range(k)]
    places = [np.full(q, 12.0 * j) for j in range(k)]
    X = blobs(rng, sizes, places, [1.0] * k)
    regions = regions_of(X)
    order = np.argsort(regions.center[:, 0])
    assert regions.size[order] == pytest.approx(sizes, rel=0.1)
    assert regions.center[order] == pytest.approx(np.array(places), abs=0.3)
    assert np.abs(regions.peak[order] - places).max() < 4


def test_regions_follow_the_weights():
    rng = np.random.default_rng(0)
    X = rng.uniform(0, 10, size=(rows(2000, 800), 1))
    near = np.abs(X[:, 0] - 2) < 0.7, np.abs(X[:, 0] - 8) < 0.7
    weights = np.where(near[0] | near[1], 1.0, 0.1)
    regions = regions_of(X, weights)
    assert len(regions_of(X).size) == 1
    assert sorted(regions.peak[:, 0]) == pytest.approx([2, 8], abs=0.7)


def test_regions_of_dense_groups_beside_a_wide_one_are_all_of_them():
    # The dense groups lie together in one cell of the first grid: it takes a look inside.
    rng = np.random.default_rng(0)
    n = rows(1000, 300)
    places = np.array([(0.0, 0.0), (301.0, 301.0), (301.5, 301.0), (301.0, 301.5)])
    X = blobs(rng, [n] * 4, places, [20.0, 0.02, 0.02, 0.02])
    for weights in (NO_WEIGHTS, np.full(4 * n, 2.0)):
        regions = regions_of(X, weights)
        assert len(regions.size) == 4
        found = regions.center[np.argsort(regions.center @ [1.0, 2.0])]
        assert found[1:] == pytest.approx(places[1:], abs=0.01)


def test_regions_beside_far_rows_keep_to_the_crowd():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(rows(1000, 300), 2)), [[900.0, 900.0], [-900.0, 500.0]]])
    regions = regions_of(X)
    assert len(regions.size) == 1
    assert np.abs(regions.center).max() < 5


def labelled(X, weights=NO_WEIGHTS):
    labels = np.full(len(X), -2, np.int32)
    with Threads(1) as threads:
        lens = Lens(0.05, np.zeros(X.shape[1]), [None] * X.shape[1], threads)
        return label_regions(X, weights, measure(X, threads), labels, lens), labels


@pytest.mark.parametrize("q", [1, 2, 3])
def test_rows_are_labelled_with_their_regions(q):
    rng = np.random.default_rng(q)
    sizes = [rows(500, 150), rows(300, 100), rows(400, 120)]
    X = blobs(rng, sizes, rng.permuted(np.tile([[0.0], [14.0], [28.0]], q), axis=0), [1.0] * 3)
    X = np.concatenate([X, np.full((1, q), 99.0)])
    weights = rng.uniform(0.5, 2.0, len(X))
    for w, mass in ((NO_WEIGHTS, np.ones(len(X))), (weights, weights)):
        regions, labels = labelled(X, w)
        assert len(regions.size) == 3
        assert np.bincount(labels, mass, 4)[:3] == pytest.approx(regions.size)
        # The one far off is of no region, as others in a gap may be.
        assert labels[-1] == 3
        assert np.count_nonzero(labels == 3) < 0.05 * len(X)
        for j in range(3):
            here = labels == j
            assert np.average(X[here], axis=0, weights=mass[here]) == pytest.approx(regions.center[j])
            assert np.ptp(np.repeat(np.arange(3), sizes)[here[:-1]]) == 0


def test_what_lies_inside_of_a_region_is_not_labelled():
    rng = np.random.default_rng(0)
    X = blobs(rng, [rows(400, 150)] * 3, [(0.0, 0.0), (99.0, 99.0), (99.5, 99.5)], [0.05] * 3)
    assert len(regions_of(X).size) == 3
    regions, labels = labelled(X)
    assert sorted(regions.size) == [rows(400, 150), 2 * rows(400, 150)]
    assert set(labels) == {0, 1}


def test_regions_hold_rows_each():
    # Three groups of groups: at some coarse scale, parts of two of them look like one group.
    rng = np.random.default_rng(0)
    for _ in range(rows(20, 3)):
        places = rng.uniform(0, 60, (20, 2))
        regions = regions_of(blobs(rng, [150] * 20, places, [1.5] * 20))
        assert (regions.size > 0).all()


def test_regions_of_groups_of_groups_are_the_smallest_groups():
    rng = np.random.default_rng(1)
    places = np.array([(0.0, 0.0), (12.0, 0.0), (0.0, 12.0), (60.0, 60.0), (72.0, 60.0), (200.0, 0.0)])
    X = blobs(rng, [300] * 6, places, [1.0] * 5 + [12.0])
    regions = regions_of(X)
    assert len(regions.size) == 6
    assert np.abs(regions.center[:, None] - places).max(axis=2).min(axis=0).max() < 4


@pytest.mark.parametrize("q", [1, 2, 3])
def test_regions_of_an_even_ground_are_one(q):
    X = np.random.default_rng(q).uniform(size=(rows(3000, 300), q))
    assert len(regions_of(X).size) == 1


@pytest.mark.parametrize("q", [1, 2, 3])
def test_regions_of_rows_without_extent_are_none(q):
    assert len(regions_of(np.full((20, q), 2.5)).size) == 0


def test_regions_ignore_axes_without_extent():
    rng = np.random.default_rng(0)
    line = np.concatenate([rng.normal(0, 1, (100, 1)), rng.normal(20, 1, (100, 1))])
    plain = regions_of(line)
    padded = regions_of(np.insert(line, [0, 1], 7.0, axis=1))
    assert len(plain.size) == len(padded.size) == 2
    assert np.array_equal(plain.size, padded.size)
    assert padded.center[:, [0, 2]] == pytest.approx(7.0)


def test_regions_of_counts_need_the_ties_to_be_known():
    counts = np.random.default_rng(0).poisson(3.0, size=(rows(2000, 500), 1)).astype(float)
    assert len(regions_of(counts).size) > 1
    assert len(regions_of(counts, ties=find_ties(counts, NO_WEIGHTS, Threads(1))).size) == 1


def test_regions_are_no_finer_than_the_floor():
    rng = np.random.default_rng(0)
    X = blobs(rng, [100] * 4, [(0.0,), (10.0,), (100.0,), (110.0,)], [1.0] * 4)
    assert len(regions_of(X).size) == 4
    assert len(regions_of(X, floor=10.0).size) == 2


def test_axis_far_thinner_than_the_floor_costs_nothing():
    along = np.concatenate([np.linspace(0, 1, 500), np.linspace(9, 10, 500)])
    X = np.stack([along, along * 1e-19], axis=1)
    grid, _, regions = looked(X, floor=0.1)
    assert len(regions.size) == 2
    # Of cells as thin as the axis it would be 1e18 wide.
    assert (0.1 / grid.frame.width <= FLOOR_CELLS).all()


def test_regions_need_more_prominence_at_less_significance():
    X = blobs(np.random.default_rng(0), [60, 60], [(0.0,), (6.0,)], [1.0, 1.0])
    found = [len(regions_of(X, significance=significance).size) for significance in (0.5, 0.05, 1e-3, 1e-9)]
    assert found == [2, 2, 2, 1]


def test_regions_do_not_depend_on_the_threads(monkeypatch):
    monkeypatch.setattr(_threads, "CHUNK_ROWS", 16)
    X = blobs(np.random.default_rng(0), [150, 100], [(0.0, 0.0), (8.0, 8.0)], [1.0, 0.5])
    one, two = regions_of(X), regions_of(X, n_jobs=2)
    for a, b in zip(one, two, strict=True):
        assert np.array_equal(a, b)


def test_regions_taken_and_joined_keep_their_columns_together():
    k = np.arange(4.0)
    regions = Regions(k, k[:, None], k[:, None] + 10, k + 20, k + 30, k > 1)
    part = regions.take(np.array([3, 1]))
    assert part.size.tolist() == [3, 1]
    assert part.peak.ravel().tolist() == [13, 11]
    assert part.divided.tolist() == [True, False]
    for column, expected in zip(joined([regions.take(k < 2), regions.take(k >= 2)]), regions, strict=True):
        assert np.array_equal(column, expected)
