import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests import reference

from kmad.cluster._landscape import EMPTY, Ground, effective_counts, gaussian_taps, lay_out, stabilise, survey

SHAPES = st.sampled_from([(1, 1, 1), (1, 1, 2), (1, 1, 12), (1, 3, 1), (1, 5, 6), (4, 1, 3), (6, 1, 1), (2, 4, 3)])
NO_SMOOTHING = (0.0, 0.0, 0.0)
# What one row counts without smoothing.
FLOOR = 1.0


@st.composite
def grounds(draw, shapes=SHAPES, most=6):
    """Masses of few different values, empty ground among them."""
    values = st.sampled_from([0.0, 0.04, *map(float, range(1, most))])
    return draw(arrays(np.float64, draw(shapes), elements=values))


@st.composite
def rugged_grounds(draw, shapes=SHAPES):
    """Masses that are all different."""
    shape = draw(shapes)
    return np.array(draw(st.permutations(range(1, np.prod(shape) + 1))), float).reshape(shape) ** 2


def inner(wide, shape):
    """What is known of the cells of a ground, without the empty ones around it."""
    return wide.reshape([n + 2 * (n > 1) for n in shape])[tuple(slice(n > 1, n + (n > 1)) for n in shape)]


def surveyed(mass, threshold, sigma=NO_SMOOTHING):
    (landscape,) = survey([Ground(mass, sigma)], lambda resolvable: np.full(len(resolvable), threshold))
    return landscape._replace(region=inner(landscape.region, mass.shape).ravel())


def counted(mass, sigma):
    """The counts of a single ground."""
    grounds = [Ground(mass, sigma)]
    count, occupied = effective_counts(grounds, lay_out(grounds))
    count = inner(count, mass.shape)
    assert occupied == [np.count_nonzero(count >= 0.5)]
    return count


@given(count=st.floats(0, 1e12))
def test_stabilised_count_varies_by_one_for_each_standard_deviation(count):
    assert stabilise(count + np.sqrt(count + 1)) - stabilise(count) == pytest.approx(1, abs=0.5)
    assert stabilise(count + 1) >= stabilise(count)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 1.5, 2.7, 40.0])
def test_taps_sum_to_one_and_have_the_bandwidth(sigma):
    taps = gaussian_taps(sigma)
    line = np.concatenate([taps[:0:-1], taps])
    offset = np.arange(len(line)) - len(line) // 2
    assert line.sum() == pytest.approx(1)
    assert (np.diff(taps) < 0).all()
    assert len(taps) == int(4 * sigma) + 1
    if sigma >= 1:
        assert np.sqrt(line @ offset**2) == pytest.approx(sigma, rel=0.01)


@given(mass=grounds(), sigma=st.tuples(*[st.sampled_from([0.0, 0.6, 1.5, 4.0])] * 3))
def test_effective_counts_equal_the_sum_over_all_cells(mass, sigma):
    before = mass.copy()
    count = counted(mass, sigma)
    assert count.shape == mass.shape
    assert np.array_equal(mass, before)
    assert count == pytest.approx(reference.effective_counts(mass, sigma), rel=1e-12, abs=1e-12)


def test_effective_counts_have_the_relative_error_of_a_poisson_count():
    rng = np.random.default_rng(0)
    sigma = (0.0, 1.5, 2.0)
    mass = rng.poisson(0.7, (1, 60, 400)).astype(float)
    count = counted(mass, sigma)[:, 10:-10, 10:-10]
    assert count.var() / count.mean() == pytest.approx(1, rel=0.15)


@given(mass=grounds(), threshold=st.sampled_from([0.01, 0.5, 1.0, 2.0]))
def test_survey_finds_the_prominences_of_a_flood(mass, threshold):
    landscape = surveyed(mass, threshold)
    flood = reference.flood(mass, EMPTY, FLOOR, threshold, stabilise)
    expected = sorted(rise for rise in flood.prominence.values() if rise >= threshold)
    assert sorted(landscape.prominence.tolist()) == expected
    assert landscape.threshold == threshold


@given(mass=rugged_grounds(), threshold=st.sampled_from([0.01, 1.0, 4.0, 10.0]))
def test_survey_finds_the_regions_of_a_flood(mass, threshold):
    flood = reference.flood(mass, EMPTY, FLOOR, threshold, stabilise)
    landscape = surveyed(mass, threshold)
    peaks = list(zip(*np.unravel_index(landscape.peak, mass.shape), strict=True))
    assert {peak: rise for peak, rise in flood.prominence.items() if rise >= threshold} == dict(
        zip(peaks, landscape.prominence, strict=True)
    )
    assume(not flood.forked)
    for cell, r in zip(np.ndindex(mass.shape), landscape.region, strict=True):
        assert flood.region.get(cell) == (peaks[r] if r >= 0 else None)


@given(mass=grounds(), threshold=st.sampled_from([0.01, 1.0, 2.0]))
def test_survey_regions_hold_their_peaks_and_no_empty_ground(mass, threshold):
    landscape = surveyed(mass, threshold)
    assert landscape.region.shape == (mass.size,)
    assert landscape.region.dtype == np.int32
    assert landscape.region[landscape.peak].tolist() == list(range(len(landscape.peak)))
    flat = mass.ravel()
    assert (landscape.region[flat < EMPTY] == -1).all()
    for r, peak in enumerate(landscape.peak):
        assert flat[landscape.region == r].max() == flat[peak]


@given(mass=rugged_grounds(shapes=st.sampled_from([(1, 1, 20), (1, 5, 5)])), axis=st.integers(0, 2))
def test_survey_is_the_same_in_a_mirror(mass, axis):
    landscape, mirrored = surveyed(mass, 2.0), surveyed(np.flip(mass, axis).copy(), 2.0)
    place = np.flip(np.arange(mass.size).reshape(mass.shape), axis).ravel()
    assert sorted(zip(landscape.peak, landscape.prominence, strict=True)) == sorted(
        zip(place[mirrored.peak], mirrored.prominence, strict=True)
    )


def test_survey_finds_basins_that_meet_in_many_cells():
    # Checkered heights: every other cell is a peak of its own, and there are more borders than cells.
    heights = np.indices((4, 5, 5)).sum(axis=0) % 2 * 50.0 + 1
    heights[::2, ::2, ::2] += 50
    heights += np.arange(heights.size).reshape(heights.shape) / 1000
    landscape = surveyed(heights, 0.5)
    flood = reference.flood(heights, EMPTY, FLOOR, 0.5, stabilise)
    assert sorted(landscape.prominence) == sorted(rise for rise in flood.prominence.values() if rise >= 0.5)


@given(several=st.lists(st.tuples(grounds(), st.sampled_from([NO_SMOOTHING, (0.6, 1.5, 4.0)])), min_size=1, max_size=4))
def test_survey_of_several_grounds_finds_what_is_found_of_each(several):
    thresholds = 0.5 + np.arange(len(several))
    together = survey([Ground(*one) for one in several], lambda _: thresholds)
    for (mass, sigma), threshold, landscape in zip(several, thresholds.tolist(), together, strict=True):
        found = landscape._replace(region=inner(landscape.region, mass.shape).ravel())
        for one, other in zip(found, surveyed(mass, threshold, sigma), strict=True):
            assert np.array_equal(one, other)


def test_survey_of_empty_ground_finds_nothing():
    landscape = surveyed(np.zeros((1, 4, 4)), 1.0)
    assert len(landscape.peak) == len(landscape.prominence) == 0
    assert (landscape.region == -1).all()
    assert landscape.resolvable == 1.0


def test_survey_tells_how_many_regions_the_ground_could_hold():
    mass = np.zeros((1, 40, 60))
    mass[0, 10:30, 10:50] = 3.0
    sigma = (0.0, 1.5, 2.0)
    told = []
    (landscape,) = survey([Ground(mass, sigma)], lambda resolvable: told.append(resolvable) or np.ones(1))
    occupied = np.count_nonzero(counted(mass, sigma) >= 0.5)
    assert landscape.resolvable == told[0] == pytest.approx(occupied / (2 * np.pi * 1.5 * 2.0))
    assert len(landscape.peak) == 1


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_survey_of_two_hills_finds_two_regions_along_any_axis(axis):
    line = np.exp(-0.5 * ((np.arange(60) - 15) / 4) ** 2) + np.exp(-0.5 * ((np.arange(60) - 44) / 4) ** 2)
    sigma, shape = [0.0, 0.0, 0.0], [1, 1, 1]
    sigma[axis], shape[axis] = 1.5, 60
    landscape = surveyed(20 * line.reshape(shape), 2.0, tuple(sigma))
    assert landscape.peak.tolist() == [15, 44]
    assert (np.diff(landscape.region[landscape.region >= 0]) >= 0).all()
    assert (landscape.prominence > 5).all()
