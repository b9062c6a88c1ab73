"""Settle on cells: exact k-means in at most three features, in which only rows on a border are touched.

A cell that lies wholly nearer to one centre moves with its stored mass and sums; the rows of the others are compared
one by one. Coordinates are padded to three, so every kernel is compiled once.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad._jit import frozen, kernel
from kmad._threads import Threads, row_chunks
from kmad.cluster._grid import Floats, Grid, Rows
from kmad.cluster._lloyd import Partition, by_falling_mass

# Cells along the side of a block, by number of axes with more than one cell.
BLOCK_SIDE = {0: 1, 1: 64, 2: 16, 3: 8}
# Rows are fetched for cells that would be on a border if they were this many times as wide, to last some iterations.
REACH = 3.0
# Of the squares about the first row, a smaller part than this is left by sums that may be wrong in their last digits.
LEAST_LEFT = 1e-3


class Cells(NamedTuple):
    """The occupied cells, block by block; coordinates are those of the frame, less its origin."""

    flat: NDArray[np.int64]  # (c,) index in the grid
    middle: Floats  # (c, 3)
    width: Floats  # (3,)
    mass: Floats  # (c,)
    sums: Floats  # (c, 3)
    block_start: NDArray[np.int64]  # (b + 1,)
    block_middle: Floats  # (b, 3)
    block_width: Floats  # (3,)


class Border(NamedTuple):
    """The rows of cells near a border between clusters."""

    fetched: NDArray[np.bool_]  # (c,) the cells whose rows are here
    rows: Floats  # (m, 3)
    weights: Floats  # (m,) or (0,)
    home: NDArray[np.int32]  # (m,) cell of each, as an index into Cells


def padded(points: NDArray[Any]) -> Floats:
    """Points (m, q) with as many zeros as make three coordinates."""
    out = np.zeros((len(points), 3))
    out[:, : points.shape[1]] = points
    return out


def occupied(grid: Grid) -> Cells:
    frame = grid.frame
    one = (1,) * (3 - len(frame.shape))
    shape = np.array(frame.shape + one)
    side = np.where(shape > 1, BLOCK_SIDE[int(frame.extended.sum())], 1)
    width = np.append(frame.width, one)
    n_blocks = int(np.prod(-(-shape // side)))
    flat, index = np.empty(frame.n_cells, np.int64), np.empty((frame.n_cells, 3), np.int64)
    start, corner = np.empty(n_blocks + 1, np.int64), np.empty((n_blocks, 3), np.int64)
    n, b = list_cells(grid.mass.reshape(shape), side, flat, index, start, corner)
    flat, index, corner = flat[:n].copy(), index[:n], corner[:b]
    middle, block_middle = (index + 0.5) * width, (corner + 0.5 * side) * width
    # Padded axes have no extent.
    middle[:, len(frame.shape) :] = block_middle[:, len(frame.shape) :] = 0.0
    return Cells(
        flat, middle, width, grid.mass[flat], padded(grid.sums[flat]), start[: b + 1].copy(), block_middle, side * width
    )


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
    squares: float = 0.0,
) -> Partition:
    """Lloyd's algorithm to its fixed point; `cell`, the cell of each row, is overwritten with the labels.

    With the weighted `squares` of the rows about the first one the inertia needs no pass over them.
    """
    cells = occupied(grid)
    origin, q = padded(grid.frame.origin[None])[0], X.shape[1]
    seed = np.arange(len(centers))
    label = np.empty(len(cells.flat), np.int32)
    near = np.empty(len(cells.flat), np.bool_)
    border: Border | None = None

    def add_up(place: Floats, *, whole: bool) -> Floats:
        """Mass and sums (k, 4) of the cells, or of the rows, that are nearest to each centre."""
        nonlocal border
        table = np.zeros((len(place), 4))
        assign_cells(*cells[1:], place, REACH, whole, label, near, table)
        if not whole:
            if border is None or np.any((label < 0) & ~border.fetched):
                border = _fetch(X, weights, cell, cells, near, grid.frame.n_cells, threads)
            assign_border(border.rows, border.weights, border.home, label, place + origin, origin, table)
        return table

    place = padded(centers) - origin
    whole, converged, n_iter = True, False, 0
    while n_iter < max_iter:
        n_iter += 1
        table = add_up(place, whole=whole)
        mass = table[:, 0]
        if whole and not mass.all():
            # No middle of a cell is nearest to some centre, but a row may be.
            whole = False
            continue
        means = np.where(mass[:, None] > 0, table[:, 1:] / np.where(mass > 0, mass, 1.0)[:, None], place)
        still = np.array_equal(means, place) or (tol > 0 and ((means - place) ** 2).sum() <= tol)
        if not whole and still:
            order = by_falling_mass(place, mass)
            converged = np.array_equal(order, np.arange(len(place)))
            if converged:
                break
            # A row between two equally near centres goes to the first: once more, to see that all stay.
            place, seed = place[order], seed[order]
        else:
            place = means
        # Whole cells get near in many cheap steps; the borders between them are made exact from there.
        whole = whole and not still and n_iter < max_iter // 2
    if not converged:
        order = by_falling_mass(place, mass)
        place, seed = place[order], seed[order]
        mass = add_up(place, whole=False)[:, 0]
    final = (place + origin)[:, :q]
    _label(X, cell, cells, label, final, grid.frame.n_cells, threads)
    at_means = converged and np.array_equal(means, place)
    inertia = _inertia(final, mass, X[0], squares) if at_means else None
    return Partition(cell, final, mass, seed, n_iter, converged, inertia)


def _inertia(centers: Floats, mass: Floats, first: Rows, squares: float) -> float | None:
    """What the means leave of the squares about the first row; None where that is hardly more than rounding."""
    left = squares - float(mass @ ((centers - first) ** 2).sum(axis=1))
    return left if left > LEAST_LEFT * squares else None


def _fetch(
    X: Rows,
    weights: Floats,
    cell: NDArray[np.int32],
    cells: Cells,
    near: NDArray[np.bool_],
    n_cells: int,
    threads: Threads,
) -> Border:
    number = np.full(n_cells, -1, np.int32)
    number[cells.flat[near]] = np.flatnonzero(near)

    def chunk(start: int, stop: int) -> NDArray[np.int32]:
        rows = np.empty(stop - start, np.int32)
        return rows[: fetch_rows(cell, number, start, stop, rows)]

    rows = np.concatenate(threads.map(chunk, row_chunks(len(X))))
    return Border(near.copy(), padded(X[rows]), frozen(weights[rows]) if len(weights) else weights, number[cell[rows]])


def _label(
    X: Rows,
    cell: NDArray[np.int32],
    cells: Cells,
    label: NDArray[np.int32],
    centers: Floats,
    n_cells: int,
    threads: Threads,
) -> None:
    """Overwrite the cell of every row with its label."""
    of_cell = np.empty(n_cells, np.int32)
    of_cell[cells.flat] = label
    threads.map(lambda start, stop: label_rows(X, of_cell, centers, start, stop, cell), row_chunks(len(X)))


@kernel
def list_cells(
    mass,  # (n0, n1, n2) IN
    side,  # (3,) IN: cells along a block
    flat,  # (n0 * n1 * n2,) OUT: index of each occupied cell
    index,  # (n0 * n1 * n2, 3) OUT: the same along each axis
    start,  # (blocks + 1,) OUT: first cell of each occupied block
    corner,  # (blocks, 3) OUT: its first index along each axis
):
    """List the occupied cells block by block; returns how many cells and blocks there are."""
    n0, n1, n2 = mass.shape
    s0, s1, s2 = side[0], side[1], side[2]
    n, n_blocks = 0, 0
    for b0 in range(0, n0, s0):
        for b1 in range(0, n1, s1):
            for b2 in range(0, n2, s2):
                first = n
                for i in range(b0, min(b0 + s0, n0)):
                    for j in range(b1, min(b1 + s1, n1)):
                        for k in range(b2, min(b2 + s2, n2)):
                            if mass[i, j, k] > 0.0:
                                flat[n] = (i * n1 + j) * n2 + k
                                index[n, 0], index[n, 1], index[n, 2] = i, j, k
                                n += 1
                if n > first:
                    start[n_blocks] = first
                    corner[n_blocks, 0], corner[n_blocks, 1], corner[n_blocks, 2] = b0, b1, b2
                    n_blocks += 1
    start[n_blocks] = n
    return n, n_blocks


@kernel
def assign_cells(
    middle,  # (c, 3) IN
    width,  # (3,) IN
    mass,  # (c,) IN
    sums,  # (c, 3) IN
    block_start,  # (b + 1,) IN
    block_middle,  # (b, 3) IN
    block_width,  # (3,) IN
    centers,  # (k, 3) IN
    reach,
    whole,
    label,  # (c,) OUT: nearest centre, or minus one less it where another centre may be nearer to a part of the cell
    near,  # (c,) OUT: whether it would be such a cell if it were `reach` times as wide
    table,  # (k, 4) INOUT: mass and sums of the cells that move as a whole
):
    """Assign every cell to its nearest centre, and add up those that belong to one centre, or all if `whole`.

    The difference of two squared distances is linear, so over a box it strays from its value in the middle by no more
    than the box's width times the step between the centres.
    """
    k = len(centers)
    candidate = np.empty(k, np.int64)
    distance = np.empty(k)
    w0, w1, w2 = width[0], width[1], width[2]
    for b in range(len(block_start) - 1):
        m0, m1, m2 = block_middle[b, 0], block_middle[b, 1], block_middle[b, 2]
        nearest = 0
        for j in range(k):
            distance[j] = (m0 - centers[j, 0]) ** 2 + (m1 - centers[j, 1]) ** 2 + (m2 - centers[j, 2]) ** 2
            if distance[j] < distance[nearest]:
                nearest = j
        n_candidates = 0
        for j in range(k):
            stray = (
                abs(centers[j, 0] - centers[nearest, 0]) * block_width[0]
                + abs(centers[j, 1] - centers[nearest, 1]) * block_width[1]
                + abs(centers[j, 2] - centers[nearest, 2]) * block_width[2]
            )
            if distance[j] - distance[nearest] <= (reach + 1.0) * stray:
                candidate[n_candidates] = j
                n_candidates += 1
        for c in range(block_start[b], block_start[b + 1]):
            m0, m1, m2 = middle[c, 0], middle[c, 1], middle[c, 2]
            own = candidate[0]
            if n_candidates > 1:
                least = np.inf
                for a in range(n_candidates):
                    j = candidate[a]
                    distance[a] = (m0 - centers[j, 0]) ** 2 + (m1 - centers[j, 1]) ** 2 + (m2 - centers[j, 2]) ** 2
                    if distance[a] < least:
                        least = distance[a]
                        own = j
                margin = np.inf
                for a in range(n_candidates):
                    j = candidate[a]
                    if j != own:
                        stray = (
                            abs(centers[j, 0] - centers[own, 0]) * w0
                            + abs(centers[j, 1] - centers[own, 1]) * w1
                            + abs(centers[j, 2] - centers[own, 2]) * w2
                        )
                        # Centres on one point: all rows are the first one's, and so is the cell.
                        if stray > 0.0:
                            margin = min(margin, (distance[a] - least) / stray)
                near[c] = margin <= reach
                # The slack is far above the rounding of a distance.
                mixed = margin <= 1.0 + 1e-7
            else:
                near[c] = False
                mixed = False
            label[c] = -1 - own if mixed else own
            if whole or not mixed:
                table[own, 0] += mass[c]
                table[own, 1] += sums[c, 0]
                table[own, 2] += sums[c, 1]
                table[own, 3] += sums[c, 2]


@kernel
def assign_border(
    rows,  # (m, 3) IN
    weights,  # (m,) or (0,) IN
    home,  # (m,) IN: cell of each row
    label,  # (c,) IN
    centers,  # (k, 3) IN
    origin,  # (3,) IN
    table,  # (k, 4) INOUT
):
    """Add the rows of mixed cells to the centre nearest to each."""
    weighted = weights.shape[0] > 0
    for r in range(len(rows)):
        if label[home[r]] >= 0:
            continue
        x0, x1, x2 = rows[r, 0], rows[r, 1], rows[r, 2]
        own, least = 0, np.inf
        for j in range(len(centers)):
            s = (x0 - centers[j, 0]) ** 2 + (x1 - centers[j, 1]) ** 2 + (x2 - centers[j, 2]) ** 2
            if s < least:
                own, least = j, s
        w = weights[r] if weighted else 1.0
        table[own, 0] += w
        table[own, 1] += w * (x0 - origin[0])
        table[own, 2] += w * (x1 - origin[1])
        table[own, 3] += w * (x2 - origin[2])


@kernel
def fetch_rows(
    cell,  # (n,) IN
    number,  # (cells,) IN: below zero for cells that are not wanted
    start,
    stop,
    rows,  # (stop - start,) OUT
):
    """List those of the rows start to stop that lie in wanted cells; returns how many there are."""
    found = 0
    for i in range(start, stop):
        rows[found] = i
        # No branch: whether a cell is wanted cannot be predicted.
        found += number[cell[i]] >= 0
    return found


@kernel
def label_rows(
    X,  # (n, q <= 3) IN
    of_cell,  # (cells,) IN: label of each cell, below zero where its rows differ
    centers,  # (k, q) IN
    start,
    stop,
    cell,  # (n,) INOUT: cell in, label out
):
    """Turn the cell of rows start to stop into their label."""
    q = X.shape[1]
    for i in range(start, stop):
        own = of_cell[cell[i]]
        if own < 0:
            least = np.inf
            for j in range(len(centers)):
                s = (X[i, 0] - centers[j, 0]) ** 2
                if q > 1:
                    s += (X[i, 1] - centers[j, 1]) ** 2
                if q > 2:
                    s += (X[i, 2] - centers[j, 2]) ** 2
                if s < least:
                    own, least = j, s
        cell[i] = own
