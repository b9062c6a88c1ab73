import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests import reference
from tests.asserts import rows

from kmad.cluster._dip import (
    best_halves,
    dip_along,
    dip_of_curve,
    dips_along_features,
    hull,
    steepest,
)

CURVES = arrays(np.float64, st.integers(2, 12), elements=st.integers(-5, 5).map(float))
MASSES = st.lists(st.integers(0, 5).map(float), min_size=1, max_size=9).filter(any)


def curve_of(mass):
    return np.concatenate([[0.0], np.cumsum(mass) / np.sum(mass)])


def dip(mass):
    return dip_of_curve(curve_of(mass), 0.0)


def halves_of(points, weights):
    cut = np.full((2, 3), np.nan)
    return best_halves(points, weights, 0, len(points), 1, cut), cut


def placed(line):
    return np.column_stack([line, np.zeros((len(line), 2))])


@given(mass=MASSES)
def test_dip_equals_the_linear_programme(mass):
    assert dip(mass) == pytest.approx(reference.dip(curve_of(mass)), abs=1e-8)


@given(mass=MASSES, factor=st.sampled_from([0.3, 7.0]))
def test_dip_ignores_direction_and_unit(mass, factor):
    assert dip(mass[::-1]) == pytest.approx(dip(mass), abs=1e-12)
    assert dip(factor * np.array(mass)) == pytest.approx(dip(mass), abs=1e-12)


@given(rising=st.lists(st.integers(0, 9), min_size=1), falling=st.lists(st.integers(0, 9)))
def test_dip_of_one_mode_is_zero(rising, falling):
    mass = [*sorted(rising), 10, *sorted(falling, reverse=True)]
    assert dip(mass) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("n_bins", [1, 2, 30, 512])
def test_dip_of_even_bins_is_zero(n_bins):
    assert dip(np.ones(n_bins)) == pytest.approx(0, abs=1e-15)


def test_dip_of_two_far_points_tends_to_a_quarter():
    far = [dip([1, *np.zeros(n), 1]) for n in (1, 10, 100, 1000)]
    assert far == sorted(far)
    assert far[-1] == pytest.approx(0.25, abs=1e-3)
    assert max(far) < 0.25


def test_dip_is_at_most_half_the_smaller_part():
    mass = np.zeros(100)
    mass[0], mass[-1] = 0.9, 0.1
    assert dip(mass) == pytest.approx(0.05, abs=0.005)


@given(
    curve=arrays(np.float64, st.integers(2, 12), elements=st.integers(-5, 5).map(float)), sign=st.sampled_from([1, -1])
)
def test_hull_is_the_tightest_convex_bound(curve, sign):
    vertex = np.empty(len(curve), np.int64)
    corners = vertex[: hull(curve, 0, len(curve) - 1, float(sign), vertex)]
    at = np.arange(len(curve))
    bound = sign * np.interp(at, corners, curve[corners])
    assert corners[0] == 0
    assert corners[-1] == len(curve) - 1
    assert (bound <= sign * curve + 1e-12).all()
    assert (np.diff(bound, 2) >= -1e-12).all()
    # No corner lies on the line between its neighbours: it could be left out.
    assert (np.diff(np.diff(sign * curve[corners]) / np.diff(corners)) > 0).all()


@given(data=st.data(), n=st.integers(1, 25))
def test_best_halves_equal_two_means(data, n):
    axes = data.draw(st.integers(1, 3))
    points = np.zeros((n, 3))
    points[:, :axes] = data.draw(arrays(np.float64, (n, axes), elements=st.integers(-20, 20).map(float)))
    weights = data.draw(arrays(np.float64, n, elements=st.sampled_from([0.5, 1.0, 3.0])))
    found = [reference.two_means(points, weights, axis) for axis in range(3)]
    gains = [cut.gain for cut in found if cut is not None]
    # Points half way between the means go either way by rounding.
    assume(all(cut is None or cut.lead > 1e-9 for cut in found))
    gain, cut = halves_of(points, weights)
    assert gain == pytest.approx(max(gains, default=0), abs=1e-9)
    if gains:
        candidates = [cut.means for cut in found if cut is not None and cut.gain > max(gains) - 1e-9]
        assert any(np.allclose(cut, means) for means in candidates)


@given(value=st.sampled_from([0.0, 0.1, -1e9, 1e-200]), n=st.integers(1, 9))
def test_best_halves_of_equal_points_gain_nothing(value, n):
    gain, cut = halves_of(np.full((n, 3), value), np.full(n, 0.7))
    assert not gain > 0
    assert np.isnan(cut).all()


def test_best_halves_divide_two_groups():
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(-3, 1, (50, 3)), rng.normal(3, 1, (70, 3))])
    gain, cut = halves_of(points, np.ones(120))
    assert cut == pytest.approx(np.array([points[:50].mean(axis=0), points[50:].mean(axis=0)]))
    assert gain == pytest.approx(50 * 70 / 120 * ((cut[1] - cut[0]) ** 2).sum())


@given(
    data=st.data(),
    line=arrays(np.float64, 3, elements=st.sampled_from([-1.0, 0.0, 0.5, 2.0])),
    n=st.integers(1, 30),
)
def test_dip_along_a_line_is_that_of_its_histogram(data, line, n):
    place = data.draw(arrays(np.float64, (n, 3), elements=st.integers(-8, 8).map(float)))
    weights = data.draw(arrays(np.float64, n, elements=st.sampled_from([0.5, 1.0, 2.0])))
    counts = np.full(16, np.nan)
    found = dip_along(place, weights, 0, n, 1, 0, line, 0.0, counts, np.empty(17))
    along = place @ line
    if np.ptp(along) == 0:
        assert found == 0
        assert not counts.any()
        return
    bins = np.minimum(((along - along.min()) * (16 / np.ptp(along))).astype(int), 15)
    assert np.array_equal(counts, np.bincount(bins, weights, 16))
    assert found == pytest.approx(np.sqrt(weights.sum()) * dip(counts), abs=1e-12)


def test_steepest_line_parts_the_modes():
    rng = np.random.default_rng(0)
    part = rng.normal(size=(rows(200, 150), 3))
    part[::2, 1] += 9
    lines = np.concatenate([np.eye(3), [[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]])
    assert steepest(part, np.ones(len(part)), 0, len(part), 1, lines) == 1
    assert steepest(part, np.ones(len(part)), 0, len(part), 1, lines[[4, 2]]) == 1
    assert steepest(np.zeros((3, 3)), np.ones(3), 0, 3, 1, lines) == 0


def test_dips_along_features_are_those_of_each_column():
    rng = np.random.default_rng(2)
    n = rows(300, 150)
    table, weights = rng.normal(size=(n, 4)), np.ones(n)
    table[:, 2] += 6 * (rng.uniform(size=n) < 0.5)
    dips, counts = np.full(4, np.nan), np.full((4, 512), np.nan)
    dips_along_features(table, weights, n // 3, n, dips, counts)
    for f in range(4):
        own = np.empty(512)
        alone = dip_along(table[n // 3 :], weights[n // 3 :], 0, n - n // 3, 1, f, np.empty(0), 0.0, own, np.empty(513))
        assert dips[f] == pytest.approx(alone)
        assert np.array_equal(counts[f], own)
    assert dips.argmax() == 2


def test_every_so_many_points_are_looked_at_as_if_alone():
    rng = np.random.default_rng(3)
    place, weights = rng.normal(size=(40, 3)), rng.integers(1, 4, 40).astype(float)
    some = slice(5, 33, 4)
    lines = rng.normal(size=(5, 3))
    cut, alone = np.empty((2, 2, 3))
    assert best_halves(place, weights, 5, 33, 4, cut) == best_halves(place[some], weights[some], 0, 7, 1, alone)
    assert np.array_equal(cut, alone)
    assert steepest(place, weights, 5, 33, 4, lines) == steepest(place[some], weights[some], 0, 7, 1, lines)


@given(mass=MASSES, share=st.floats(0, 2))
def test_dip_that_is_below_the_least_stays_below_it(mass, share):
    exact = dip(mass)
    least = share * exact
    found = dip_of_curve(curve_of(mass), least)
    assert found == exact if exact > least else found <= least
