import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import exact_tables

from kmad._threads import Threads
from kmad.cluster import _ties
from kmad.cluster._grid import plan
from kmad.cluster._ties import (
    FEW_VALUES,
    HEAP_ROWS,
    LOPSIDED,
    column_ties,
    dither,
    few_distinct,
    find_heaps,
    find_ties,
    spread,
)

NO_WEIGHTS = np.empty(0)
VALUES = [-3.0, -1.0, 0.0, 0.25, 1.0, 2.0, 7.0]


def columns(values=(*VALUES, 100.0)):
    return st.lists(st.sampled_from(values), min_size=2, max_size=25).map(np.array)


def ties_of(column):
    return column_ties(column, np.ones(len(column)))


def heaped_ties(column, weights):
    ties = column_ties(column, weights)
    return ties and ties.between_heaps()


def tied_columns(**values):
    return columns(**values).filter(lambda column: np.ptp(column) > 0 and ties_of(column) is not None)


@given(column=columns())
def test_ties_are_known_where_values_repeat(column):
    value, count = np.unique(column, return_counts=True)
    ties = ties_of(column)
    assert (ties is None) == (2 * len(value) > len(column))
    if ties is not None:
        assert np.array_equal(ties.value, value)
        assert np.array_equal(ties.mass, count)


@given(column=tied_columns())
def test_ties_reach_half_way_at_most(column):
    ties = ties_of(column)
    gaps = np.diff(ties.value)
    assert (ties.above[:-1] <= gaps / 2).all()
    assert (ties.below[1:] <= gaps / 2).all()
    assert (np.minimum(ties.above, ties.below) > 0).all()
    assert (np.maximum(ties.above, ties.below) <= LOPSIDED * np.minimum(ties.above, ties.below)).all()
    assert ties.gap == pytest.approx(ties.mass @ (ties.below + ties.above) / len(column))


@given(column=tied_columns())
def test_ties_mirror_with_the_values(column):
    ties, mirrored = ties_of(column), ties_of(-column)
    assert mirrored.below == pytest.approx(ties.above[::-1])
    assert mirrored.above == pytest.approx(ties.below[::-1])


def test_ties_of_whole_numbers_reach_half_way():
    ties = ties_of(np.repeat(np.arange(5.0), 3))
    assert np.array_equal(ties.below, np.full(5, 0.5))
    assert np.array_equal(ties.above, np.full(5, 0.5))
    assert ties.gap == 1.0


def test_ties_do_not_fill_a_true_gap():
    ties = ties_of(np.repeat([0.0, 1.0, 2.0, 50.0, 51.0, 52.0], 4))
    assert ties.above[2] == ties.below[3] == LOPSIDED / 2
    assert ties.below[0] == ties.above[5] == 0.5


def test_ties_of_logarithms_of_counts_leave_no_gap():
    ties = ties_of(np.repeat(np.log(np.arange(1.0, 30)), 3))
    assert ties.value[:-1] + ties.above[:-1] == pytest.approx(ties.value[1:] - ties.below[1:])
    assert ties.below[0] > ties.above[0], "below 1 the gaps go on widening"


def test_ties_of_two_values_reach_as_far_on_both_sides():
    ties = ties_of(np.array([0.0, 0.0, 1.0, 1.0]))
    assert ties.below.tolist() == ties.above.tolist() == [0.5, 0.5]


def test_ties_are_found_column_by_column():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 4, 50), rng.normal(size=50), np.ones(50)])
    counted, smooth, constant = find_ties(X.astype(np.float32), NO_WEIGHTS, Threads(1))
    assert np.array_equal(counted.value, np.arange(4))
    assert smooth is None
    assert constant.value == 1.0
    assert constant.gap == 0.0


def test_ties_of_many_rows_come_from_an_even_sample(monkeypatch):
    monkeypatch.setattr(_ties, "SAMPLE_ROWS", 10)
    X = np.zeros((95, 1))
    X[::10, 0] = np.tile([1.0, 2.0], 5)
    X[5::10] = 3.0
    (ties,) = find_ties(X, NO_WEIGHTS, Threads(1))
    assert ties.value.tolist() == [1.0, 2.0]
    assert ties.mass.tolist() == [5.0, 5.0]


@given(column=columns())
def test_heaped_values_reach_to_the_next_as_frequent(column):
    ties = heaped_ties(column, np.ones(len(column)))
    value, count = np.unique(column, return_counts=True)
    assert (ties is None) == (2 * len(value) > len(column))
    if ties is None:
        return
    assert np.array_equal(ties.value, value)
    assert np.array_equal(ties.mass, count)
    if len(value) == 1:
        assert ties.gap == 0.0
        return
    power = np.floor(np.log2(count))
    fourth = np.sort(power)[max(-4, -len(power))]
    for v, p, below, above in zip(value, power, ties.below, ties.above, strict=True):
        others = value[((power >= min(p, fourth)) | (p >= fourth + 2)) & (value != v)]
        gaps = [np.min(np.abs(others[side] - v), initial=np.inf) for side in (others < v, others > v)]
        gaps = [min(gaps) if np.isinf(gap) else gap for gap in gaps]
        assert [below, above] == gaps


def test_heaped_ties_of_prices_leave_out_what_few_paid():
    price, times = np.array([9.0, 10.0, 10.1, 12.0, 15.0]), np.array([40, 40, 3, 40, 60])
    ties = heaped_ties(np.repeat(price, times), np.ones(times.sum()))
    assert ties.above.tolist() == pytest.approx([1.0, 2.0, 1.9, 3.0, 3.0])
    weighted = heaped_ties(np.repeat(price, 2), np.repeat(times / 2, 2))
    assert weighted.mass == pytest.approx(ties.mass)
    assert weighted.below == pytest.approx(ties.below)


def test_heaped_ties_leave_alone_what_most_rows_have_in_common():
    # Most bought nothing: that is no price.
    value, times = np.append(0.0, np.arange(5.0, 15.0)), np.append(1000, np.full(10, 40))
    ties = heaped_ties(np.repeat(value, times), np.ones(times.sum()))
    assert ties.above[0] == 5.0
    between = heaped_ties(np.repeat(np.append(value, 0.01), np.append(times, 1)), np.ones(times.sum() + 1))
    assert between.above[0] == 0.01


@pytest.mark.parametrize("kind", ["counts", "prices", "few prices"])
def test_columns_with_heaps_are_tied_to_the_next_heap(kind):
    rng = np.random.default_rng(0)
    n = 5 * HEAP_ROWS
    sums = rng.normal(30, 5, n).round(1)
    price = {"counts": sums, "prices": np.arange(20.0, 40.0, 2.5), "few prices": np.array([20.0, 40.0])}[kind]
    column = np.where(rng.random(n) < 0.5, rng.choice(price, n), sums)[:, None]
    ties = find_ties(column, NO_WEIGHTS, Threads(1))
    assert find_heaps(column, ties).tolist() == [kind != "counts"]
    width = dict(zip(ties[0].value.round(1), ties[0].below + ties[0].above, strict=True))
    assert width[30.1] == pytest.approx(0.1 if kind == "counts" else 0.2, rel=0.6)
    assert width[20.0] == pytest.approx(5.0 if kind == "prices" else width[30.1], rel=0.6)


def test_heaps_of_whole_weights_are_those_of_repeated_values():
    rng = np.random.default_rng(0)
    value, times = np.arange(40.0), rng.integers(8, 13, 40)
    times[::5] = 60
    with Threads(1) as threads:
        (weighted,) = find_ties(value[:, None], times.astype(float), threads)
        (repeated,) = find_ties(np.repeat(value, times)[:, None], NO_WEIGHTS, threads)
    assert weighted.heaped
    assert weighted.above[5] == repeated.above[5] == 5.0
    for column, other in zip(weighted, repeated, strict=True):
        assert np.array_equal(column, other)


def test_heaps_are_values_that_many_rows_share():
    rng = np.random.default_rng(0)
    smooth = rng.normal(size=5 * HEAP_ROWS)
    some = np.where(rng.random(len(smooth)) < 0.2, 3.0, smooth)
    few = np.where(rng.random(len(smooth)) < 0.05, 3.0, smooth)
    X = np.column_stack([smooth, some, few]).astype(np.float32)
    assert find_heaps(X, [None] * 3).tolist() == [False, True, False]


@given(column=tied_columns(), cells=st.sampled_from([4, 30, 200]))
def test_spread_keeps_the_mass(column, cells):
    ties = ties_of(column)
    frame = plan(column[:1] * 0 + column.min(), column[:1] * 0 + column.max(), cells)
    matrix = spread(ties, int(frame.first[0]), float(frame.width[0]), frame.n_cells)
    assert matrix.shape == (frame.n_cells, frame.n_cells)
    assert (matrix >= 0).all()
    assert matrix.sum(axis=1) == pytest.approx(1)
    home = frame.locate(ties.value[:, None])
    unknown = np.setdiff1d(np.arange(frame.n_cells), home)
    assert np.array_equal(matrix[unknown], np.eye(frame.n_cells)[unknown])


@given(column=tied_columns(values=VALUES))
def test_spread_lays_mass_evenly_over_the_intervals(column):
    ties = ties_of(column)
    frame = plan(np.array([column.min()]), np.array([column.max()]), 200)
    home = frame.locate(ties.value[:, None])
    matrix = spread(ties, int(frame.first[0]), float(frame.width[0]), frame.n_cells)
    edges = frame.origin[0] + np.arange(frame.n_cells + 1) * frame.width[0]
    for c, value, below, above in zip(home, ties.value, ties.below, ties.above, strict=True):
        low, high = max(value - below, edges[0]), min(value + above, edges[-1])
        expected = np.diff(np.clip(edges, low, high)) / (high - low)
        assert matrix[c] == pytest.approx(expected, abs=1e-12)


def test_spread_of_whole_numbers_is_smooth():
    counts = np.repeat(np.arange(8.0), 10)
    frame = plan(np.array([0.0]), np.array([7.0]), 64)
    matrix = spread(ties_of(counts), int(frame.first[0]), float(frame.width[0]), frame.n_cells)
    mass = np.bincount(frame.locate(counts[:, None]), minlength=frame.n_cells) @ matrix
    assert mass.sum() == pytest.approx(80)
    assert mass[8:-12] == pytest.approx(np.full(len(mass) - 20, mass[8]))


def test_spread_ignores_values_outside_the_frame():
    ties = ties_of(np.repeat([0.0, 1.0, 2.0, 3.0], 2))
    matrix = spread(ties, 2, 0.5, 4)
    assert matrix[0].tolist() == [1, 0, 0, 0]
    assert matrix[2].tolist() == [0, 0.5, 0.5, 0]
    assert np.array_equal(matrix[[1, 3]], np.eye(4)[[1, 3]])


def test_spread_of_values_a_hair_apart_keeps_the_mass():
    # Half the gap to either side is lost in rounding: the interval of the middle value has no width.
    hair = np.finfo(float).eps
    ties = ties_of(np.repeat([1 + hair, 1 + 2 * hair, 1 + 3 * hair, 2.0, 3.0, 9.0], 3))
    matrix = spread(ties, 1, 0.5, 20)
    assert matrix.sum(axis=1) == pytest.approx(1)


@given(X=exact_tables(features=st.integers(1, 3)), order=st.randoms(use_true_random=False))
def test_dither_ignores_the_order_of_rows(X, order):
    ties = find_ties(X, NO_WEIGHTS, Threads(1))
    shuffled = X[order.sample(range(len(X)), len(X))]
    moved, others = dither(X, ties), dither(shuffled, ties)
    assert np.array_equal(moved[np.lexsort(moved.T)], others[np.lexsort(others.T)])


@given(X=exact_tables(features=st.integers(1, 3)))
def test_dither_stays_within_the_intervals(X):
    before, ties = X.copy(), find_ties(X, NO_WEIGHTS, Threads(1))
    moved = dither(X, ties)
    assert np.array_equal(X, before)
    for f, tied in enumerate(ties):
        if tied is None:
            assert np.array_equal(moved[:, f], X[:, f])
            continue
        at = np.searchsorted(tied.value, X[:, f])
        assert (moved[:, f] >= X[:, f] - tied.below[at] - 1e-12).all()
        assert (moved[:, f] <= X[:, f] + tied.above[at] + 1e-12).all()


@pytest.mark.parametrize("scale", [lambda x: x, np.log, lambda x: np.round(x * 1.1)])
def test_ties_of_rounded_values_are_regular(scale):
    rng = np.random.default_rng(0)
    counts = scale(1.0 + rng.poisson(rng.gamma(2, 20, 2000)))
    ties = ties_of(counts)
    assert len(ties.value) > 2 * FEW_VALUES
    assert ties.regular


def test_ties_of_values_drawn_several_times_are_none():
    rng = np.random.default_rng(0)
    drawn = np.repeat(rng.normal(size=200), 5)
    assert not ties_of(drawn).regular
    rounded = np.round(drawn, 1)
    counted, smooth = find_ties(np.column_stack([rounded, drawn]), NO_WEIGHTS, Threads(1))
    assert np.array_equal(counted.value, np.unique(rounded))
    assert smooth is None


def test_dither_moves_a_row_drawn_several_times_as_one():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 3, 40), rng.normal(size=40)]).astype(float)
    again = np.repeat(X, rng.integers(1, 4, 40), axis=0)
    ties = [ties_of(X[:, 0]), None]
    assert np.array_equal(np.unique(dither(X, ties), axis=0), np.unique(dither(again, ties), axis=0))
    apart = dither(again[:, :1], ties[:1])
    assert len(np.unique(apart)) == len(again)


def test_dither_lays_whole_numbers_evenly():
    n = 6000
    X = np.random.default_rng(0).integers(0, 6, (n, 2)).astype(float)
    moved = dither(X, find_ties(X, NO_WEIGHTS, Threads(1)))
    for f in range(2):
        count, _ = np.histogram(moved[:, f], bins=24, range=(-0.5, 5.5))
        assert count == pytest.approx(np.full(24, n / 24), rel=0.35)
    assert abs(np.corrcoef((moved - X).T)[0, 1]) < 0.1
    assert len(np.unique(moved[:, 0])) == n


def test_dither_places_a_value_above_all_known_ones():
    ties = find_ties(np.repeat([0.0, 1.0], 4)[:, None], NO_WEIGHTS, Threads(1))
    moved = dither(np.array([[5.0], [1.0]]), ties)
    assert np.abs(moved - [[5.0], [1.0]]).max() <= 0.5


@pytest.mark.parametrize(
    ("points", "few"),
    [
        ([[0.0]], True),
        ([[0.0], [1.0], [2.0]], True),
        ([[0.0], [1.0], [2.0], [3.0]], False),
        ([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0]], True),
        ([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], False),
        ([[0.0, 0.0, 0.0], [1.0, 1.0, 0.0], [2.0, 2.0, 0.0], [3.0, 3.0, 0.0]], True),
        ([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 1.0, 1.0]], False),
    ],
)
def test_few_distinct_counts_distinct_rows(points, few):
    assert few_distinct(np.repeat(points, 5, axis=0)) == few


def test_ties_of_whole_weights_are_those_of_repeated_values():
    column, weights = np.array([1.0, 2.0, 4.0, 2.0]), np.array([3.0, 1.0, 2.0, 1.0])
    weighted, repeated = column_ties(column, weights), ties_of(np.repeat(column, weights.astype(int)))
    assert all(np.array_equal(*pair) for pair in zip(weighted, repeated, strict=True))


def test_ties_of_values_of_hardly_any_weight_are_known():
    column = np.repeat([1.0, 2.0, 3.0], 4)
    assert np.array_equal(column_ties(column, np.full(12, 0.01)).below, ties_of(column).below)
    assert column_ties(column[::4], np.full(3, 0.01)) is None
