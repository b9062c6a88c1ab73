import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests import reference
from tests.asserts import rows

from kmad.cluster._lines import LANES, center_each, count_each, count_features, halve_each, scatter_each


def halves_of(points, weights, *, starts=None, most=1000):
    """Gains and means of the halves of each cluster, NaN where there are none."""
    starts = np.array([0, len(points)]) if starts is None else np.array(starts)
    cuts, gains = np.full((len(starts) - 1, 2, 3), np.nan), np.full(len(starts) - 1, np.nan)
    halve_each(points.T.copy(), weights, starts, most, 0, len(gains), cuts, gains)
    return gains, cuts


def counts_of(points, weights, lines, n_bins, *, starts=None, most=1000):
    starts = np.array([0, len(points)]) if starts is None else np.array(starts)
    lines = np.broadcast_to(lines, (len(starts) - 1, *lines.shape)).copy()
    counts = np.full((*lines.shape[:2], n_bins), np.nan)
    n_lines = np.full(len(lines), lines.shape[1])
    count_each(points.T.copy(), weights, starts, most, lines, n_lines, 0, len(lines), counts)
    return counts


@given(data=st.data(), d=st.integers(1, 3), sizes=st.lists(st.integers(1, 6), min_size=1, max_size=3))
def test_clusters_are_centered_and_scattered_about_their_means(data, d, sizes):
    n, starts = sum(sizes), np.cumsum([0, *sizes])
    points = data.draw(arrays(np.float64, (n, d), elements=st.integers(-9, 9).map(float)))
    weights = data.draw(arrays(np.float64, n, elements=st.sampled_from([0.5, 1.0, 3.0])))
    place, scatter = np.full((3, n), np.nan), np.full((len(sizes), 3, 3), np.nan)
    center_each(points, weights, starts, 0, len(sizes), place)
    scatter_each(place, weights, starts, 0, len(sizes), scatter)
    for j, inside in enumerate(map(slice, starts, starts[1:])):
        offset = np.zeros((sizes[j], 3))
        offset[:, :d] = points[inside] - np.average(points[inside], axis=0, weights=weights[inside])
        assert pytest.approx(offset, abs=1e-12) == place[:, inside].T
        largest = np.abs(place[:, inside]).max() or 1.0
        products = (place[:, inside] * weights[inside]) @ place[:, inside].T / largest**2
        assert scatter[j] == pytest.approx(products, abs=1e-9)


@given(data=st.data(), n=st.integers(1, 25))
def test_halves_equal_two_means(data, n):
    axes = data.draw(st.integers(1, 3))
    points = np.zeros((n, 3))
    points[:, :axes] = data.draw(arrays(np.float64, (n, axes), elements=st.integers(-20, 20).map(float)))
    weights = data.draw(arrays(np.float64, n, elements=st.sampled_from([0.5, 1.0, 3.0])))
    found = [reference.two_means(points, weights, axis) for axis in range(3)]
    gains = [cut.gain for cut in found if cut is not None]
    # Points half way between the means go either way by rounding.
    assume(all(cut is None or cut.lead > 1e-9 for cut in found))
    (gain,), (cut,) = halves_of(points, weights)
    assert gain == pytest.approx(max(gains, default=0), abs=1e-9)
    if gains:
        candidates = [cut.means for cut in found if cut is not None and cut.gain > max(gains) - 1e-9]
        assert any(np.allclose(cut, means) for means in candidates)


@given(value=st.sampled_from([0.0, 0.1, -1e9, 1e-200]), n=st.integers(1, 9))
def test_halves_of_equal_points_gain_nothing(value, n):
    (gain,), (cut,) = halves_of(np.full((n, 3), value), np.full(n, 0.75))
    assert not gain > 0
    assert np.isnan(cut).all()


def test_halves_divide_two_groups():
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(-3, 1, (50, 3)), rng.normal(3, 1, (70, 3))])
    (gain,), (cut,) = halves_of(points, np.ones(120))
    assert cut == pytest.approx(np.array([points[:50].mean(axis=0), points[50:].mean(axis=0)]))
    assert gain == pytest.approx(50 * 70 / 120 * ((cut[1] - cut[0]) ** 2).sum())


@given(
    data=st.data(),
    line=arrays(np.float64, 3, elements=st.sampled_from([-1.0, 0.0, 0.5, 2.0])),
    n=st.sampled_from([1, 2, 7, LANES - 1, LANES, LANES + 1]),
)
def test_counts_along_a_line_are_its_histogram(data, line, n):
    points = data.draw(arrays(np.float64, (n, 3), elements=st.integers(-8, 8).map(float)))
    weights = data.draw(arrays(np.float64, n, elements=st.sampled_from([0.5, 1.0, 2.0])))
    counts = counts_of(points, weights, np.array([line, -line]), 16)[0]
    along = points @ line
    if np.ptp(along) == 0:
        assert not counts.any()
        return
    bins = np.minimum(((along - along.min()) * (16 / np.ptp(along))).astype(int), 15)
    assert np.array_equal(counts[0], np.bincount(bins, weights, 16))
    assert counts[1].sum() == weights.sum()


def test_counts_of_features_are_those_of_each_column():
    rng = np.random.default_rng(2)
    n = rows(300, 150)
    table, weights = rng.normal(size=(n, 4)), rng.uniform(1, 2, n)
    table[:, 3] = 5.0
    counts = np.full((4, 32), np.nan)
    count_features(table, weights, n // 3, n, counts)
    for f in range(3):
        padded = np.zeros((n - n // 3, 3))
        padded[:, 0] = table[n // 3 :, f]
        assert counts[f] == pytest.approx(counts_of(padded, weights[n // 3 :], np.eye(3)[:1], 32)[0, 0])
    assert not counts[3].any()


@pytest.mark.parametrize("extent", [0.0, 5e-324, 1e-310, 1e-300])
def test_points_too_near_to_be_told_apart_are_not_counted(extent):
    points = np.zeros((8, 3))
    points[0, 0] = extent
    counts = np.full((3, 512), np.nan)
    count_features(points, np.ones(8), 0, 8, counts)
    assert not counts.any()
    assert not counts_of(points, np.ones(8), np.eye(3)[:1], 512).any()


def test_every_so_many_points_of_each_cluster_are_looked_at_as_if_alone():
    rng = np.random.default_rng(3)
    points, weights = rng.normal(size=(40, 3)), rng.integers(1, 4, 40).astype(float)
    starts, lines = [0, 5, 33, 40], rng.normal(size=(5, 3))
    gains, cuts = halves_of(points, weights, starts=starts, most=7)
    counts = counts_of(points, weights, lines, 8, starts=starts, most=7)
    for j, some in enumerate([slice(0, 5), slice(5, 33, 4), slice(33, 40)]):
        (gain,), (cut,) = halves_of(points[some], weights[some])
        assert gains[j] == gain
        assert np.array_equal(cuts[j], cut)
        assert np.array_equal(counts[j], counts_of(points[some], weights[some], lines, 8)[0])


def test_clusters_without_lines_and_those_of_others_are_left_alone():
    points, weights = np.arange(18.0).reshape(6, 3), np.ones(6)
    lines, counts = np.ones((3, 2, 3)), np.full((3, 2, 4), np.nan)
    count_each(points.T.copy(), weights, np.array([0, 2, 4, 6]), 9, lines, np.array([2, 0, 1]), 1, 3, counts)
    assert np.isnan(counts[:2]).all()
    assert np.isnan(counts[2, 1]).all()
    assert counts[2, 0].tolist() == [1, 0, 0, 1]
