"""Settle on cells: exact k-means in at most three features, in which only rows on a border are touched.

A cell that lies wholly nearer to one centre moves with its stored mass and sums; the rows of the others are compared
one by one. Coordinates are padded to three, so every kernel is compiled once.
"""

from enum import Enum, auto
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad._jit import frozen, inner_kernel, kernel, reordering_kernel
from kmad._threads import MAX_CHUNKS, Threads, even_ranges, row_chunks
from kmad.cluster._grid import Floats, Frame, Grid, Rows, label_rows
from kmad.cluster._lloyd import Partition, added, by_falling_mass, without_empty

# Cells along the side of a block and of a district, by number of axes with more than one cell.
SIDES = {0: (1, 1), 1: (8, 64), 2: (8, 32), 3: (4, 12)}
# Rows are fetched for cells that would be on a border if they were this many times as wide, to last some iterations;
# for cells twice as wide each time that they did not last.
REACH = 1.5
# And this many times to tell that a row of a cell may lie beyond a border: far above the rounding of a distance.
LEAST_REACH = 1.0 + 1e-7
# Of centres that lie far nearer to each other than to a cell, all that differs may be rounding: of a squared distance.
ROUNDING = 16 * np.finfo(np.float64).eps
# Cells that are worth a thread: most are not looked at one by one.
CHUNK_CELLS = 1 << 14


class Cells(NamedTuple):
    """The occupied cells, block by block, district by district; coordinates are those of the frame, less its origin."""

    flat: NDArray[np.int64]  # (c,) index in the grid
    middle: Floats  # (c, 3)
    width: Floats  # (3,)
    total: Floats  # (c, 4) mass and sums
    block_start: NDArray[np.int64]  # (b + 1,) the first cell of each block
    block_middle: Floats  # (b, 3)
    block_width: Floats  # (3,)
    block_total: Floats  # (b, 4)
    district_start: NDArray[np.int64]  # (d + 1,) the first block of each district
    district_middle: Floats  # (d, 3)
    district_width: Floats  # (3,)


class Border(NamedTuple):
    """The rows of cells near a border between clusters, cell by cell."""

    fetched: NDArray[np.bool_]  # (c,) the cells whose rows are here
    which: NDArray[np.int64]  # (f,) the same as numbers
    start: NDArray[np.int64]  # (f + 1,) the first row of each
    rows: Floats  # (3, m)
    weights: Floats  # (m,) or (0,)
    number: NDArray[np.int32]  # (m,) which row of all each is
    label: NDArray[np.int32]  # (m,) the nearest centre
    parts: list[tuple[int, int]]  # ranges of these cells that are worth a thread


class Look(Enum):
    """What is assigned to the nearest centre."""

    MIDDLES = auto()  # every cell, as if all of it lay in its middle
    BORDERS = auto()  # the rows of cells that several centres shared when all rows were last looked at
    ROWS = auto()  # every row


def padded(points: NDArray[Any]) -> Floats:
    """Points (m, q) with as many zeros as make three coordinates."""
    out = np.zeros((len(points), 3))
    out[:, : points.shape[1]] = points
    return out


def occupied(grid: Grid) -> Cells:
    frame = grid.frame
    shape = frame.shape + (1,) * (3 - len(frame.shape))
    sides, corner, district = blocks_of(shape)
    # Padded axes have no extent.
    width = padded(frame.width[None])[0]
    n_cells, n_blocks, n_districts = np.count_nonzero(grid.mass), len(corner), int(district[-1]) + 1
    flat, middle, total = np.empty(n_cells, np.int64), np.empty((n_cells, 3)), np.empty((n_cells, 4))
    block_start, block_middle = np.empty(n_blocks + 1, np.int64), np.empty((n_blocks, 3))
    block_total = np.zeros((n_blocks, 4))
    district_start, district_middle = np.empty(n_districts + 1, np.int64), np.empty((n_districts, 3))
    of_cells, of_blocks = (flat, middle, total), (block_start, block_middle, block_total)
    mass, sums = grid.mass.reshape(shape), grid.sums.reshape(*shape, -1)
    of_districts = district_start, district_middle
    b, d = list_cells(mass, sums, corner, district, sides, width, *of_cells, *of_blocks, *of_districts)
    block_width, district_width = sides * width
    return Cells(
        flat,
        middle,
        width,
        total,
        block_start[: b + 1],
        block_middle[:b],
        block_width,
        block_total[:b],
        district_start[: d + 1],
        district_middle[:d],
        district_width,
    )


@lru_cache(maxsize=64)
def blocks_of(shape: tuple[int, int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Cells along blocks and districts (2, 3); the first cell of each block (b, 3), and its district (b,), in order."""
    n_axes = sum(n > 1 for n in shape)
    sides = np.array([[side if n > 1 else 1 for n in shape] for side in SIDES[n_axes]])
    corner = np.array(list(product(*map(range, [0] * 3, shape, sides[0].tolist()))))
    n_districts = -(-np.array(shape) // sides[1])
    district = np.ravel_multi_index(tuple((corner // sides[1]).T), n_districts)
    order = np.argsort(district, kind="stable")
    return frozen(sides), frozen(corner[order]), frozen(district[order])


def label_cells(frame: Frame, centers: Floats) -> NDArray[np.int32]:
    """The centre that is nearest to all points of each cell of a frame, -1 where there are several."""
    cells = occupied(Grid(frame, np.ones(frame.n_cells), np.zeros((frame.n_cells, len(frame.shape)))))
    label, near = np.empty(frame.n_cells, np.int32), np.empty(frame.n_cells, np.bool_)
    place, pair = padded(centers - frame.origin), np.empty((frame.n_cells, 2), np.int32)
    n_districts = len(cells.district_middle)
    assign_cells(*cells[1:], place, LEAST_REACH, 0, n_districts, label, pair, near, np.zeros((len(place), 4)))
    of_cell = np.empty_like(label)
    of_cell[cells.flat] = label
    return of_cell


def settle_on_cells(
    X: Rows,
    weights: Floats,
    grid: Grid,
    cell: NDArray[np.int32],
    centers: Floats,
    threads: Threads,
    *,
    max_iter: int,
    tol: float,
) -> Partition:
    """Lloyd's algorithm to its fixed point; `cell`, the cell of each row, is overwritten with the labels."""
    cells = occupied(grid)
    origin, q = padded(grid.frame.origin[None])[0], X.shape[1]
    seed = np.arange(len(centers))
    label, pair = np.empty(len(cells.flat), np.int32), np.empty((len(cells.flat), 2), np.int32)
    near = np.empty(len(cells.flat), np.bool_)
    border, far, owned = _no_border(len(cells.flat)), REACH, np.empty((0, 4))
    n_chunks = max(1, min(MAX_CHUNKS, len(cells.flat) // CHUNK_CELLS))
    districts = even_ranges(cells.block_start[cells.district_start], n_chunks)

    def assign(place: Floats, reach: float) -> Floats:
        def chunk(first: int, last: int) -> Floats:
            table = np.zeros((len(place), 4))
            assign_cells(*cells[1:], place, reach, first, last, label, pair, near, table)
            return table

        return added(threads.map(chunk, districts))

    def add_up(place: Floats, look: Look) -> Floats:
        """Mass and sums (k, 4) of the cells, or of the rows, that are nearest to each centre."""
        nonlocal border, far, owned
        if look is Look.MIDDLES:
            return assign(place, 0.0)
        if look is Look.ROWS:
            owned = assign(place, LEAST_REACH)
            if np.any((label < 0) & ~border.fetched):
                owned = assign(place, far)
                border, far = _fetch(X, weights, cell, cells, near, grid.frame.n_cells, threads), 2 * far
        centers = place + origin

        def chunk(first: int, last: int) -> Floats:
            part = np.zeros_like(owned)
            assign_border(*border[1:5], label, pair, centers, origin, first, last, border.label, part)
            return part

        return added([owned.copy(), *threads.map(chunk, border.parts)])

    place = padded(centers) - origin
    look, converged, n_iter = Look.MIDDLES, False, 0
    while n_iter < max_iter:
        n_iter += 1
        table = add_up(place, look)
        mass = table[:, 0]
        if look is Look.MIDDLES and not mass.all():
            # No middle of a cell is nearest to some centre, but a row may be.
            look = Look.ROWS
            continue
        means = np.where(mass[:, None] > 0, table[:, 1:] / np.where(mass > 0, mass, 1.0)[:, None], place)
        still = np.array_equal(means, place) or (tol > 0 and ((means - place) ** 2).sum() <= tol)
        if look is Look.ROWS and still:
            order = by_falling_mass(place, mass)
            converged = np.array_equal(order, np.arange(len(place)))
            if converged:
                break
            # A row between two equally near centres goes to the first: once more, to see that all stay.
            place, seed = place[order], seed[order]
        else:
            place = means
            # Many cheap steps get near, and what they left out is looked at then.
            if still or (look is Look.MIDDLES and n_iter >= max_iter // 2):
                look = Look.ROWS
            elif look is Look.ROWS:
                look = Look.BORDERS
    if not converged:
        order = by_falling_mass(place, mass)
        place, seed = place[order], seed[order]
        mass = add_up(place, Look.ROWS)[:, 0]
    final = np.ascontiguousarray((place + origin)[:, :q])
    of_cell = np.empty(grid.frame.n_cells, np.int32)
    of_cell[cells.flat] = label
    label_rows(cell, of_cell, threads)

    def label_border(start: int, stop: int) -> None:
        cell[border.number[start:stop]] = border.label[start:stop]

    threads.map(label_border, row_chunks(len(border.number)))
    at_means = converged and np.array_equal(means, place)
    partition = Partition(cell, final, mass, seed, n_iter, converged, at_means)
    return partition if converged else without_empty(partition)


def _no_border(n_cells: int) -> Border:
    none, nowhere = np.empty(0, np.int32), np.empty(0, np.int64)
    no_weights = frozen(np.empty(0))
    return Border(np.zeros(n_cells, bool), nowhere, np.zeros(1, np.int64), np.empty((3, 0)), no_weights, none, none, [])


def _fetch(
    X: Rows,
    weights: Floats,
    cell: NDArray[np.int32],
    cells: Cells,
    near: NDArray[np.bool_],
    n_cells: int,
    threads: Threads,
) -> Border:
    which, number = np.flatnonzero(near), np.full(n_cells, -1, np.int32)
    number[cells.flat[which]] = np.arange(len(which))

    def chunk(start: int, stop: int) -> NDArray[np.int32]:
        rows = np.empty(stop - start, np.int32)
        return rows[: list_rows(cell, number, start, stop, rows)]

    some = np.concatenate(threads.map(chunk, row_chunks(len(X))))
    start, place = np.empty(len(which) + 1, np.int64), np.empty(len(some), np.int32)
    order_rows(some, cell, number, start, place)
    ordered, rows = np.empty(len(some), np.int32), np.zeros((3, len(some)))
    threads.map(lambda first, last: move_rows(X, some, place, first, last, ordered, rows), row_chunks(len(some)))
    mass = frozen(weights[ordered]) if len(weights) else weights
    parts = even_ranges(start, len(row_chunks(len(some))))
    return Border(near.copy(), which, start, rows, mass, ordered, np.empty(len(some), np.int32), parts)


@kernel
def list_cells(
    mass,  # (n0, n1, n2) IN
    sums,  # (n0, n1, n2, q) IN
    corner,  # (all blocks, 3) IN: index of the first cell of every block
    district,  # (all blocks,) IN: which district it lies in; blocks of one stand together
    sides,  # (2, 3) IN: cells along a block and along a district, which is whole blocks
    width,  # (3,) IN: of a cell
    flat,  # (c,) OUT: index of each occupied cell
    middle,  # (c, 3) OUT: and its middle
    total,  # (c, 4) OUT: and its mass and sums
    block_start,  # (b + 1,) OUT: first cell of each occupied block
    block_middle,  # (b, 3) OUT: and its middle
    block_total,  # (b, 4) INOUT: and its mass and sums; zeros at first
    district_start,  # (d + 1,) OUT: first block of each occupied district
    district_middle,  # (d, 3) OUT: and its middle
):
    """List the occupied cells block by block; returns how many blocks and districts hold some."""
    n0, n1, n2 = mass.shape
    n, n_blocks, n_districts, within = 0, 0, 0, -1
    for b in range(len(corner)):
        first = n
        for i in range(corner[b, 0], min(corner[b, 0] + sides[0, 0], n0)):
            for j in range(corner[b, 1], min(corner[b, 1] + sides[0, 1], n1)):
                for k in range(corner[b, 2], min(corner[b, 2] + sides[0, 2], n2)):
                    if mass[i, j, k] > 0.0:
                        flat[n] = (i * n1 + j) * n2 + k
                        middle[n, 0] = (i + 0.5) * width[0]
                        middle[n, 1] = (j + 0.5) * width[1]
                        middle[n, 2] = (k + 0.5) * width[2]
                        total[n, 0] = mass[i, j, k]
                        for f in range(3):
                            total[n, 1 + f] = sums[i, j, k, f] if f < sums.shape[3] else 0.0
                        for f in range(4):
                            block_total[n_blocks, f] += total[n, f]
                        n += 1
        if n == first:
            continue
        if district[b] != within:
            within = district[b]
            district_start[n_districts] = n_blocks
            for f in range(3):
                district_middle[n_districts, f] = (corner[b, f] // sides[1, f] + 0.5) * sides[1, f] * width[f]
            n_districts += 1
        block_start[n_blocks] = first
        for f in range(3):
            block_middle[n_blocks, f] = (corner[b, f] + 0.5 * sides[0, f]) * width[f]
        n_blocks += 1
    block_start[n_blocks], district_start[n_districts] = n, n_blocks
    return n_blocks, n_districts


@inner_kernel
def may_be_nearest(
    middle,  # (3,) IN: of a box
    w0,
    w1,
    w2,
    centers,  # (k, 3) IN
    some,  # (k,) IN: some of the centres, rising
    n_some,
    distance,  # (k,) OUT: of these, squared, from the middle
    kept,  # (k,) OUT: those that may be nearest to a point of a box so wide
):
    """Keep the centres that others do not beat all over a box; returns how many there are.

    The difference of two squared distances is linear, so over a box it strays from its value in the middle by no more
    than the box's width times the step between the centres.
    """
    m0, m1, m2 = middle[0], middle[1], middle[2]
    nearest, least = some[0], np.inf
    for a in range(n_some):
        j = some[a]
        distance[a] = (m0 - centers[j, 0]) ** 2 + (m1 - centers[j, 1]) ** 2 + (m2 - centers[j, 2]) ** 2
        if distance[a] < least:
            nearest, least = j, distance[a]
    n_kept = 0
    for a in range(n_some):
        j = some[a]
        stray = (
            abs(centers[j, 0] - centers[nearest, 0]) * w0
            + abs(centers[j, 1] - centers[nearest, 1]) * w1
            + abs(centers[j, 2] - centers[nearest, 2]) * w2
        )
        kept[n_kept] = j
        n_kept += distance[a] - least <= stray + ROUNDING * least
    return n_kept


@kernel
def assign_cells(
    middle,  # (c, 3) IN: the first arguments as in `Cells`
    width,  # (3,) IN
    total,  # (c, 4) IN
    block_start,  # (b + 1,) IN
    block_middle,  # (b, 3) IN
    block_width,  # (3,) IN
    block_total,  # (b, 4) IN
    district_start,  # (d + 1,) IN
    district_middle,  # (d, 3) IN
    district_width,  # (3,) IN
    centers,  # (k, 3) IN
    reach,  # 0, or at least LEAST_REACH
    first,
    last,
    label,  # (c,) OUT: nearest centre, or -1 where several may each be nearest to a part of the cell
    pair,  # (c, 2) OUT: of these cells, the two centres in rising order, or -1 where they are more
    near,  # (c,) OUT: whether it would be such a cell if it were `reach` times as wide
    table,  # (k, 4) INOUT: mass and sums of the cells that belong to one centre
):
    """Assign the cells of the districts from first to last, and add up those that belong to one centre.

    With a reach of 0 all of them belong to the centre nearest to their middle, and nothing else is told. For whole
    blocks that belong to one centre no cell is looked at (T. Kanungo et al., An efficient k-means clustering algorithm,
    2002).
    """
    k = len(centers)
    every, some, few, distance = np.empty(k, np.int64), np.empty(k, np.int64), np.empty(k, np.int64), np.empty(k)
    for j in range(k):
        every[j] = j
    w0, w1, w2 = width[0], width[1], width[2]
    # As much around them as is looked at beyond their cells.
    b0, b1, b2 = block_width[0] + reach * w0, block_width[1] + reach * w1, block_width[2] + reach * w2
    d0, d1, d2 = district_width[0] + reach * w0, district_width[1] + reach * w1, district_width[2] + reach * w2
    for d in range(first, last):
        n_some = may_be_nearest(district_middle[d], d0, d1, d2, centers, every, k, distance, some)
        for b in range(district_start[d], district_start[d + 1]):
            n_few = may_be_nearest(block_middle[b], b0, b1, b2, centers, some, n_some, distance, few)
            own = few[0]
            if n_few == 1:
                for f in range(4):
                    table[own, f] += block_total[b, f]
                for c in range(block_start[b], block_start[b + 1] if reach > 0.0 else 0):
                    label[c] = own
                    near[c] = False
                continue
            for c in range(block_start[b], block_start[b + 1]):
                m0, m1, m2 = middle[c, 0], middle[c, 1], middle[c, 2]
                least = np.inf
                for a in range(n_few):
                    j = few[a]
                    distance[a] = (m0 - centers[j, 0]) ** 2 + (m1 - centers[j, 1]) ** 2 + (m2 - centers[j, 2]) ** 2
                    if distance[a] < least:
                        own, least = j, distance[a]
                rivals, rival, doubt = 0, own, ROUNDING * least
                if reach > 0.0:
                    near[c] = False
                    for a in range(n_few):
                        j = few[a]
                        stray = (
                            abs(centers[j, 0] - centers[own, 0]) * w0
                            + abs(centers[j, 1] - centers[own, 1]) * w1
                            + abs(centers[j, 2] - centers[own, 2]) * w2
                        )
                        # Centres on one point: all rows are the first one's, and so is the cell.
                        if stray > 0.0 and distance[a] - least <= reach * stray + doubt:
                            near[c] = True
                            if distance[a] - least <= LEAST_REACH * stray + doubt:
                                rivals += 1
                                rival = j
                    label[c] = -1 if rivals else own
                if rivals:
                    pair[c, 0] = min(own, rival) if rivals == 1 else -1
                    pair[c, 1] = max(own, rival) if rivals == 1 else -1
                else:
                    for f in range(4):
                        table[own, f] += total[c, f]


@inner_kernel
def squared_distance(x0, x1, x2, c0, c1, c2):
    """In one order whoever asks, that equal distances stay equal: those who ask for many may reorder their own sums."""
    return (x0 - c0) ** 2 + (x1 - c1) ** 2 + (x2 - c2) ** 2


@reordering_kernel
def assign_border(
    which,  # (f,) IN: the cells whose rows are here
    start,  # (f + 1,) IN: the first row of each
    rows,  # (3, m) IN
    weights,  # (m,) or (0,) IN
    label,  # (c,) IN: of every cell, -1 for one that several centres share
    pair,  # (c, 2) IN: these, or -1 where they are more than two
    centers,  # (k, 3) IN
    origin,  # (3,) IN
    first,
    last,
    label_of_row,  # (m,) OUT
    table,  # (k, 4) INOUT
):
    """Label the rows of some cells, and add those of shared cells to the centre nearest to each."""
    weighted = weights.shape[0] > 0
    x0, x1, x2 = rows[0], rows[1], rows[2]
    o0, o1, o2 = origin[0], origin[1], origin[2]
    for f in range(first, last):
        c = which[f]
        # Unsigned: an index that might be negative stops the vectors.
        low, high = np.uint64(start[f]), np.uint64(start[f + 1])
        if label[c] >= 0:
            for r in range(low, high):
                label_of_row[r] = label[c]
            continue
        a, b = pair[c, 0], pair[c, 1]
        if a < 0:
            for r in range(low, high):
                own, least = 0, np.inf
                for j in range(len(centers)):
                    s = squared_distance(x0[r], x1[r], x2[r], centers[j, 0], centers[j, 1], centers[j, 2])
                    if s < least:
                        own, least = j, s
                label_of_row[r] = own
                w = weights[r] if weighted else 1.0
                table[own, 0] += w
                table[own, 1] += w * (x0[r] - o0)
                table[own, 2] += w * (x1[r] - o1)
                table[own, 3] += w * (x2[r] - o2)
            continue
        a0, a1, a2 = centers[a, 0], centers[a, 1], centers[a, 2]
        b0, b1, b2 = centers[b, 0], centers[b, 1], centers[b, 2]
        a_mass, a_sum0, a_sum1, a_sum2, b_mass, b_sum0, b_sum1, b_sum2 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for r in range(low, high):
            y0, y1, y2 = x0[r], x1[r], x2[r]
            # No branch: which centre is nearer cannot be predicted. And the sums wait for no memory.
            nearer = squared_distance(y0, y1, y2, b0, b1, b2) < squared_distance(y0, y1, y2, a0, a1, a2)
            label_of_row[r] = b if nearer else a
            w = weights[r] if weighted else 1.0
            to_a, to_b = (0.0, w) if nearer else (w, 0.0)
            y0, y1, y2 = y0 - o0, y1 - o1, y2 - o2
            a_mass += to_a
            a_sum0 += to_a * y0
            a_sum1 += to_a * y1
            a_sum2 += to_a * y2
            b_mass += to_b
            b_sum0 += to_b * y0
            b_sum1 += to_b * y1
            b_sum2 += to_b * y2
        table[a, 0] += a_mass
        table[a, 1] += a_sum0
        table[a, 2] += a_sum1
        table[a, 3] += a_sum2
        table[b, 0] += b_mass
        table[b, 1] += b_sum0
        table[b, 2] += b_sum1
        table[b, 3] += b_sum2


@kernel
def list_rows(
    cell,  # (n,) IN
    number,  # (cells,) IN: below zero for cells that are not wanted
    start,
    stop,
    rows,  # (stop - start,) OUT
):
    """List those of the rows start to stop that lie in wanted cells; returns how many there are."""
    found = np.uint64(0)
    for i in range(start, stop):
        rows[found] = i
        # No branch: whether a cell is wanted cannot be predicted. Unsigned: a signed index is asked if it is negative.
        found += np.uint64(number[np.uint32(cell[i])] >= 0)
    return found


@kernel
def order_rows(
    wanted,  # (m,) IN: some rows
    cell,  # (n,) IN
    number,  # (cells,) IN: of each of c cells
    start,  # (c + 1,) OUT: first row of each of these cells
    place,  # (m,) OUT: where each of these rows comes to stand
):
    """Order rows by the number of their cell; those of one cell stay in order."""
    n_cells = len(start) - 1
    for c in range(n_cells + 1):
        start[c] = 0
    for i in wanted:
        start[number[cell[i]]] += 1
    # From how many there are to where they end; writing backwards, that becomes where they start.
    for c in range(1, n_cells + 1):
        start[c] += start[c - 1]
    for r in range(len(wanted) - 1, -1, -1):
        c = number[cell[wanted[r]]]
        start[c] -= 1
        place[r] = start[c]


@kernel
def move_rows(
    X,  # (n, q <= 3) IN
    wanted,  # (m,) IN: some rows, rising
    place,  # (m,) IN: where each comes to stand
    first,
    last,
    ordered,  # (m,) OUT: the wanted rows in that order
    rows,  # (3, m) OUT: and their first q columns
):
    """Put the wanted rows from first to last in their places.

    They are read as they lie and written here and there: X is larger than what is written, and than a cache.
    """
    for r in range(first, last):
        ordered[place[r]] = wanted[r]
        for f in range(X.shape[1]):
            rows[f, place[r]] = X[wanted[r], f]
