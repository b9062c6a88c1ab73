import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests import reference

from kmad.cluster._dip import dip_of_curve, find_dips, hull

CURVES = arrays(np.float64, st.integers(2, 12), elements=st.integers(-5, 5).map(float))
MASSES = st.lists(st.integers(0, 5).map(float), min_size=1, max_size=9).filter(any)


def curve_of(mass):
    return np.concatenate([[0.0], np.cumsum(mass) / np.sum(mass)])


def dip(mass):
    return dip_of_curve(curve_of(mass), 0.0)


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
    curve=arrays(np.float64, st.integers(1, 12), elements=st.integers(-5, 5).map(float)), step=st.sampled_from([1, -1])
)
def test_hulls_of_all_that_begins_at_an_end_are_the_tightest_convex_bounds(curve, step):
    corner = np.empty(len(curve), np.int64)
    hull(curve, step, corner)
    first = 0 if step > 0 else len(curve) - 1
    for last in range(len(curve)):
        corners = [last]
        while corners[-1] != first:
            corners.append(corner[corners[-1]])
        corners.sort()
        at = np.arange(corners[0], corners[-1] + 1)
        bound = step * np.interp(at, corners, curve[corners])
        assert (bound <= step * curve[at] + 1e-12).all()
        assert (np.diff(bound, 2) >= -1e-12).all()
        # No corner lies on the line between its neighbours: it could be left out.
        assert (np.diff(np.diff(step * curve[corners]) / np.diff(corners)) > 0).all()


@given(mass=MASSES, share=st.floats(0, 2))
def test_dip_that_is_below_the_least_stays_below_it(mass, share):
    exact = dip(mass)
    least = share * exact
    found = dip_of_curve(curve_of(mass), least)
    assert found == exact if exact > least else found <= least


@given(
    data=st.data(),
    n_clusters=st.integers(1, 3),
    n_lines=st.integers(1, 4),
    least=st.sampled_from([0.0, 0.4001]),  # no dip of so few is that: at 0.4 rounding would decide
    largest=st.integers(0, 1),
)
def test_dips_of_lines_are_scaled_by_their_mass(data, n_clusters, n_lines, least, largest):
    masses = st.integers(0, 5).map(float)
    counts = data.draw(arrays(np.float64, (n_clusters, n_lines, 7), elements=masses))
    n_each = np.array(data.draw(st.lists(st.integers(0, n_lines), min_size=n_clusters, max_size=n_clusters)))
    found = np.full((n_clusters, n_lines), np.nan)
    first = n_clusters // 2
    find_dips(counts, n_each, least, largest, first, n_clusters, found)
    assert np.isnan(found[:first]).all()
    for j in range(first, n_clusters):
        exact = [np.sqrt(mass.sum()) * dip(mass) if mass.any() else 0.0 for mass in counts[j, : n_each[j]]]
        assert np.isnan(found[j, n_each[j] :]).all()
        for own, true in zip(found[j], exact, strict=False):
            wanted = max(least, largest * max(exact))
            if true > wanted - 1e-12 * (wanted > least):
                assert own == pytest.approx(true, abs=1e-12)
            assert own <= max(true, wanted) + 1e-12
