import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests import reference
from tests.strategies import exact_tables, tables, weighted_tables

from kmad import _threads
from kmad._threads import Threads
from kmad.cluster._grid import (
    LEAST_EXTENT,
    MAX_CELLS,
    MAX_CELLS_PER_AXIS,
    Frame,
    coarsen,
    max_cells,
    measure,
    plan,
    summarise,
)

FEW = st.integers(1, 3)
NO_WEIGHTS = np.empty(0)


def frame_of(X, cells=512):
    return plan(X.min(axis=0), X.max(axis=0), cells)


def binned(X, weights, frame):
    cell = np.full(len(X), -1, np.int32)
    with Threads(1) as threads:
        return summarise(X, weights, frame, cell, threads), cell


@given(X=tables(features=FEW), cells=st.sampled_from([1 << 9, 1 << 11, 1 << 13]))
def test_plan_is_dyadic_and_covers_the_rows(X, cells):
    frame = frame_of(X, cells)
    assert (np.frexp(frame.width)[0] == 0.5).all()
    assert frame.n_cells == np.prod(frame.shape) <= cells
    assert max(frame.shape) <= MAX_CELLS_PER_AXIS
    index = np.floor(X / frame.width)
    assert (index.min(axis=0) == frame.first).all()
    assert (index.max(axis=0) - frame.first < frame.shape).all()
    assert np.array_equal(frame.extended, np.array(frame.shape) > 1)


@given(X=tables(features=FEW))
def test_plan_is_the_finest_within_the_budget(X):
    frame = frame_of(X)
    extent = np.ptp(X, axis=0)
    extent[extent <= LEAST_EXTENT] = 0
    finest = np.maximum(np.abs(X).max(axis=0) * 2.0**-48, LEAST_EXTENT)
    # Halving the coarsest axis of those that may be halved would need more cells than there may be.
    open_axes = (extent > 0) & (frame.width / 2 > finest) & (2 * np.array(frame.shape) <= MAX_CELLS_PER_AXIS)
    assume(open_axes.any())
    f = np.where(open_axes, frame.width / np.where(extent > 0, extent, 1), 0).argmax()
    halved = frame.width.copy()
    halved[f] /= 2
    low = np.floor(X.min(axis=0) / halved) * halved
    assert np.prod(np.floor((X.max(axis=0) - low) / halved) + 1) > 512


@given(value=st.sampled_from([0.0, 3.0, -1e9, 1e-300]))
def test_plan_of_an_axis_without_extent_is_one_cell(value):
    frame = frame_of(np.array([[value, 0.0], [value, 1.0]]))
    assert frame.shape[0] == 1
    assert frame.shape[1] > 100


def test_plan_cells_are_no_finer_than_their_index_is_exact():
    X = 1e12 + np.array([[0.0], [1e-3]])
    frame = frame_of(X)
    assert frame.n_cells <= 2
    assert np.array_equal(frame.first, np.floor(X[0] / frame.width).astype(np.int64))


@pytest.mark.parametrize("finest", [1e-3, 0.3, 1e9])
def test_plan_makes_no_cells_finer_than_asked(finest):
    X = np.array([[0.0, 0.0], [1e-17, 1.0]])
    frame = plan(X[0], X[1], 512, np.array([finest, 0.0]))
    assert finest <= frame.width[0] < 2 * finest
    assert frame.shape[0] == 1
    assert frame.shape[1] > 100


@pytest.mark.parametrize("q", [1, 2, 3])
def test_max_cells_grows_with_the_rows_to_a_limit(q):
    cells = [max_cells(q, n) for n in (1, 10, 100, 1000, 10_000, 1_000_000)]
    assert cells == sorted(cells)
    assert cells[0] == cells[1] == 512
    assert cells[2] == 1600
    assert cells[-1] == MAX_CELLS[q]


@given(X=tables(features=FEW, rows=st.integers(1, 60)), typed=st.sampled_from([np.float32, np.float64]))
def test_bounds_are_the_least_and_greatest(X, typed):
    X = X.astype(typed)
    with Threads(1) as threads:
        low, high, _ = measure(X, threads)
    assert np.array_equal(low, X.min(axis=0))
    assert np.array_equal(high, X.max(axis=0))


@given(X=tables(features=FEW, rows=st.integers(1, 60)), typed=st.sampled_from([np.float32, np.float64]))
def test_squares_are_about_the_first_row(X, typed):
    X = X.astype(typed)
    with Threads(1) as threads:
        squares = measure(X, threads).squares
    assert squares == pytest.approx(((X.astype(np.float64) - X[0]) ** 2).sum(), rel=1e-12)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, 23, 40])
def test_squares_show_what_is_not_finite(value, row):
    X = np.ones((41, 2))
    X[row, 1] = value
    with Threads(1) as threads:
        assert not np.isfinite(measure(X, threads).squares)


@given(table=weighted_tables(features=FEW), order=st.sampled_from("CF"))
def test_summary_keeps_mass_and_sums(table, order):
    X, weights = table
    X = np.asarray(X, order=order)
    frame = frame_of(X)
    grid, cell = binned(X, weights, frame)
    mass = weights if len(weights) else np.ones(len(X))
    assert cell.min() >= 0
    assert cell.max() < frame.n_cells
    assert np.array_equal(grid.mass, np.bincount(cell, mass, frame.n_cells))
    assert grid.mass.sum() == mass.sum()
    size = np.abs(X - frame.origin).max() * mass.sum()
    # Products below the least normal number lose their digits.
    close = 1e-12 * size + len(X) * np.finfo(float).tiny
    assert grid.sums.sum(axis=0) == pytest.approx(mass @ (X - frame.origin), rel=1e-12, abs=close)


@given(table=weighted_tables(features=FEW))
def test_summary_puts_rows_into_their_cell(table):
    X, weights = table
    frame = frame_of(X)
    _, cell = binned(X, weights, frame)
    low = frame.origin + np.stack(np.unravel_index(cell, frame.shape), axis=1) * frame.width
    # A row may stand at an edge by as much as its offset from the origin is rounded.
    rounding = np.finfo(float).eps * np.abs(X - frame.origin)
    assert (low - rounding <= X).all()
    assert (low + frame.width + rounding >= X).all()


@pytest.mark.parametrize("q", [1, 2, 3])
def test_summary_keeps_rows_a_hair_below_an_edge_inside(q):
    # Less the origin, -1e-20 is rounded to the edge of the cell beyond the last.
    for first in (-1e-20, -1.0):
        X = np.full((3, q), -1e-20)
        X[0] = first
        frame = frame_of(X)
        grid, cell = binned(X, NO_WEIGHTS, frame)
        assert (cell < frame.n_cells).all()
        assert grid.mass.sum() == 3


@given(X=exact_tables(features=FEW), weights=st.none() | st.integers(1, 9))
def test_summary_equals_the_loop_over_rows(X, weights):
    mass = np.ones(len(X)) if weights is None else 1.0 + np.arange(len(X)) % weights
    frame = frame_of(X)
    grid, cell = binned(X, NO_WEIGHTS if weights is None else mass, frame)
    expected_cell, expected_mass, expected_sums = reference.bin_rows(X, mass, frame)
    assert np.array_equal(cell, expected_cell)
    assert np.array_equal(grid.mass, expected_mass)
    assert np.array_equal(grid.sums, expected_sums)
    assert np.array_equal(frame.locate(X), expected_cell)
    index = np.stack(np.unravel_index(expected_cell, frame.shape), axis=1)
    assert (np.abs((frame.first + index + 0.5) * frame.width - X) <= frame.width / 2).all()


@pytest.mark.parametrize("q", [1, 2, 3])
def test_summary_does_not_depend_on_the_threads(q, monkeypatch):
    monkeypatch.setattr(_threads, "CHUNK_ROWS", 16)
    rng = np.random.default_rng(q)
    X, weights = rng.normal(size=(200, q)), rng.uniform(0.5, 2, 200)
    with Threads(1) as one, Threads(2) as two:
        frame = plan(*measure(X, one)[:2], 512)
        assert all(np.array_equal(a, b) for a, b in zip(measure(X, one), measure(X, two), strict=True))
        cells = np.empty((2, len(X)), np.int32)
        a, b = summarise(X, weights, frame, cells[0], one), summarise(X, weights, frame, cells[1], two)
    assert np.array_equal(a.mass, b.mass)
    assert np.array_equal(a.sums, b.sums)
    assert np.array_equal(*cells)
    _, mass, sums = reference.bin_rows(X, weights, frame)
    assert a.mass == pytest.approx(mass)
    assert a.sums == pytest.approx(sums, abs=1e-12)


@given(X=exact_tables(features=FEW), steps=st.integers(1, 4))
def test_coarsen_equals_binning_on_the_coarse_frame(X, steps):
    fine = frame_of(X)
    mass = binned(X, NO_WEIGHTS, fine)[0].mass
    frame = fine
    for _ in range(steps):
        before = frame
        frame, mass = coarsen(frame, mass)
        assert np.array_equal(frame.width, np.where(before.extended, 2 * before.width, before.width))
        assert np.array_equal(np.array(frame.shape)[~before.extended], np.array(before.shape)[~before.extended])
    assert mass.sum() == len(X)
    assert np.array_equal(frame.first, np.floor(X.min(axis=0) / frame.width))
    _, expected, _ = reference.bin_rows(X, np.ones(len(X)), frame)
    assert np.array_equal(mass, expected)


def test_coarsen_stops_at_one_cell():
    frame = Frame(np.array([-1]), np.ones(1), (2,))
    frame, mass = coarsen(frame, np.array([1.0, 2.0]))
    assert mass.tolist() == [1.0, 2.0], "cells -1 and 0 belong to different pairs at every width"
    lone = Frame(np.array([5]), np.ones(1), (1,))
    assert coarsen(lone, np.array([3.0]))[0] == lone


@given(
    a=exact_tables(features=st.just(2), elements=st.integers(-9, 9).map(lambda x: x / 4)),
    b=exact_tables(features=st.just(2)),
)
def test_grids_of_other_data_merge(a, b):
    frames = [frame_of(X) for X in (a, b)]
    masses = [binned(X, NO_WEIGHTS, frame)[0].mass for X, frame in zip((a, b), frames, strict=True)]
    width = np.maximum(frames[0].width, frames[1].width)
    assume(all((frame.extended | (frame.width == width)).all() for frame in frames))
    total = {}
    for frame, mass in zip(frames, masses, strict=True):
        index = np.stack(np.unravel_index(np.arange(frame.n_cells), frame.shape), axis=1) + frame.first
        for cell, m in zip((index * frame.width // width).tolist(), mass, strict=True):
            if m:
                total[tuple(cell)] = total.get(tuple(cell), 0) + m
    both = np.concatenate([a, b])
    cells, counts = np.unique(np.floor(both / width), axis=0, return_counts=True)
    assert total == dict(zip(map(tuple, cells.tolist()), counts.tolist(), strict=True))
