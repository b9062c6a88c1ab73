"""A dyadic grid over at most three axes: mass and coordinate sums per cell."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad._jit import kernel
from kmad._threads import Threads, row_chunks

Floats = NDArray[np.float64]
Rows = NDArray[np.floating[Any]]

# Cells of the finest grid, by number of axes: tables of this size stay in the processor's second cache.
MAX_CELLS = {1: 1 << 12, 2: 1 << 16, 3: 1 << 17}
MAX_CELLS_PER_AXIS = 1 << 12
# Tables of cells that are filled side by side and added up, for some and for many rows: their zeros and sums take time.
N_TABLES = 2, 4
MANY_ROWS = 1 << 22
# Few rows cannot show detail that needs more cells than this many a row.
CELLS_PER_ROW = 16
MIN_CELLS = 1 << 9
# The square of a smaller difference is no longer a number: rows nearer than this are equal to k-means.
LEAST_EXTENT = 1e-150


class Frame(NamedTuple):
    """Where the cells lie: widths are powers of two and edges multiples of them, so that grids can be merged."""

    first: NDArray[np.int64]  # (q,) index of the first cell, counted from zero in units of the width
    width: Floats  # (q,)
    shape: tuple[int, ...]  # (q,) cells along each axis

    @property
    def origin(self) -> Floats:
        """Lower corner of the first cell, (q,)."""
        return self.first * self.width

    @property
    def n_cells(self) -> int:
        return int(np.prod(self.shape))

    @property
    def extended(self) -> NDArray[np.bool_]:
        """Which axes have more than one cell, (q,)."""
        return np.array(self.shape) > 1

    def locate(self, points: Floats) -> NDArray[np.int64]:
        """Flat index of the cells that hold the points (m, q), or of the cells nearest to them."""
        index = np.floor(points / self.width).astype(np.int64) - self.first
        flat = np.zeros(len(points), np.int64)
        for f, n in enumerate(self.shape):
            flat = flat * n + np.minimum(np.maximum(index[:, f], 0), n - 1)
        return flat


class Grid(NamedTuple):
    frame: Frame
    mass: Floats  # (cells,) number of rows, or their weight
    sums: Floats  # (cells, q) weighted sums of the coordinates less the frame's origin


def max_cells(n_axes: int, n_rows: int) -> int:
    return min(MAX_CELLS[n_axes], max(MIN_CELLS, CELLS_PER_ROW * n_rows))


class _Side(NamedTuple):
    """One axis of a frame that is being planned."""

    low: float
    high: float
    finest: float  # the width must stay above it
    width: float

    @classmethod
    def over(cls, low: float, high: float, finest: float) -> "_Side":
        # Below this the index of a cell, counted from zero, is no longer exact; less than the least has no inverse.
        finest = max(finest, max(abs(low), abs(high)) * 2.0**-48, LEAST_EXTENT)
        mantissa, exponent = math.frexp(max(high - low, finest))
        return cls(low, high, finest, math.ldexp(1.0, exponent - (mantissa == 0.5)))

    @property
    def n_cells(self) -> int:
        # As rows are binned: the difference may round up to the next cell, and no row lies beyond the highest.
        return int((self.high - math.floor(self.low / self.width) * self.width) / self.width) + 1

    @property
    def coarseness(self) -> float:
        """The part of the extent that a cell is; 0 where it must not be halved."""
        extended = self.high - self.low > LEAST_EXTENT
        if extended and self.width / 2 > self.finest and 2 * self.n_cells <= MAX_CELLS_PER_AXIS:
            return self.width / (self.high - self.low)
        return 0.0

    def halved(self) -> "_Side":
        return self._replace(width=self.width / 2)


def plan(low: Floats, high: Floats, max_cells: int, finest: Floats | None = None) -> Frame:
    """The finest frame of at most `max_cells` cells over a box; an axis without extent gets one cell.

    They are no narrower than `finest` (q,), or than numbers allow.
    """
    # Single numbers: arrays of two or three cost most of a small fit.
    least = [0.0] * len(low) if finest is None else finest.tolist()
    sides = [_Side.over(*ends) for ends in zip(low.tolist(), high.tolist(), least, strict=True)]
    while True:
        coarsest = max(sides, key=lambda side: side.coarseness)
        finer = coarsest.halved()
        others = math.prod(side.n_cells for side in sides if side is not coarsest)
        if not coarsest.coarseness or others * finer.n_cells > max_cells:
            width = np.array([side.width for side in sides])
            return Frame(np.floor(low / width).astype(np.int64), width, tuple(side.n_cells for side in sides))
        sides[sides.index(coarsest)] = finer


class Extent(NamedTuple):
    """What one pass over at most three columns shows."""

    low: Floats  # (q,)
    high: Floats  # (q,)
    squares: float  # sum of the squared distances to the first row: a finite number where all values are


def measure(X: Rows, threads: Threads) -> Extent:
    n_axes = X.shape[1]
    flat = X.reshape(-1)
    # Lanes repeat the columns.
    origin = np.tile(X[0].astype(np.float64), LANES // n_axes)

    def measure_chunk(start: int, stop: int) -> Floats:
        lanes = np.empty((3, LANES))
        with np.errstate(over="ignore", invalid="ignore"):
            measure_lanes(flat, origin, start * n_axes, stop * n_axes, lanes)
        return lanes

    lanes = np.stack(threads.map(measure_chunk, row_chunks(len(X)))).reshape(-1, 3, LANES // n_axes, n_axes)
    return Extent(lanes[:, 0].min(axis=(0, 1)), lanes[:, 1].max(axis=(0, 1)), float(lanes[:, 2].sum()))


def summarise(X: Rows, weights: Floats, frame: Frame, cell: NDArray[np.int32], threads: Threads) -> Grid:
    """Bin the rows of X and write the cell of each to `cell`; `weights` may be empty, each row then weighs one."""
    n_axes = X.shape[1]
    kernel_of: Any = {1: bin_1d, 2: bin_2d, 3: bin_3d}[n_axes]
    origin, inverse, shape = frame.origin, 1.0 / frame.width, np.array(frame.shape)

    def bin_chunk(start: int, stop: int) -> Floats:
        table = np.zeros((frame.n_cells, n_axes + 1))
        kernel_of(X, weights, start, stop, origin, inverse, shape, cell, table)
        return table

    total, *others = threads.map(bin_chunk, row_chunks(len(X), most=N_TABLES[len(X) >= MANY_ROWS]))
    for table in others:
        total += table
    # Column by column: over rows of two or three numbers NumPy is ten times slower.
    sums = np.empty((len(total), n_axes))
    for f, width in enumerate(frame.width):
        np.multiply(total[:, 1 + f], width, out=sums[:, f])
    return Grid(frame, total[:, 0].copy(), sums)


def label_rows(cell: NDArray[np.int32], of_cell: NDArray[np.int32], threads: Threads) -> None:
    """Turn the cell of each row into the label of that cell."""
    threads.map(lambda start, stop: look_up_labels(of_cell, start, stop, cell), row_chunks(len(cell)))


def coarsen(frame: Frame, mass: Floats) -> tuple[Frame, Floats]:
    """Join cells two by two along every axis of more than one cell."""
    # Single numbers, as in `plan`.
    halved = [int(n > 1) for n in frame.shape]
    odd = [first & half for first, half in zip(frame.first.tolist(), halved, strict=True)]
    shape = tuple((n + o + half) >> half for n, o, half in zip(frame.shape, odd, halved, strict=True))
    coarse = Frame(frame.first >> halved, frame.width * np.exp2(halved), shape)
    lead = 3 - len(shape)
    out = np.zeros((1,) * lead + shape)
    none = [0] * lead
    join(mass.reshape((1,) * lead + frame.shape), np.array([*none, *odd]), np.array([*none, *halved]), out)
    return coarse, out.ravel()


# A multiple of one, two and three columns.
LANES = 192


@kernel
def measure_lanes(
    flat,  # (n * q,) IN
    origin,  # (LANES,) IN
    start,
    stop,
    lanes,  # (3, LANES) OUT: least and greatest of every LANES-th value, and the squares less the origin
):
    """Measure values LANES apart: the inner loop then carries nothing along and runs in vectors."""
    low, high, squares = lanes[0], lanes[1], lanes[2]
    for r in range(LANES):
        low[r] = np.inf
        high[r] = -np.inf
        squares[r] = 0.0
    for i in range(start, stop, LANES):
        # A slice: an index that is a sum might be negative, and stops the vectors.
        values = flat[i : min(i + LANES, stop)]
        for r in range(len(values)):
            v, least, greatest = values[r], low[r], high[r]
            # Adding nothing makes it a plain store: a masked one takes some processors five times as long.
            low[r] = (v if v < least else least) + 0.0
            high[r] = (v if v > greatest else greatest) + 0.0
            squares[r] += (v - origin[r]) ** 2


@kernel
def join(
    mass,  # (n0, n1, n2) IN
    odd,  # (3,) IN: 1 where the first cell along an axis is the second of its pair
    halved,  # (3,) IN: 1 where cells are joined along an axis
    out,  # (m0, m1, m2) INOUT
):
    """Add every cell to that of its pair."""
    n0, n1, n2 = mass.shape
    o0, o1, o2 = odd[0], odd[1], odd[2]
    h0, h1, h2 = halved[0], halved[1], halved[2]
    for i in range(n0):
        for j in range(n1):
            for k in range(n2):
                out[(i + o0) >> h0, (j + o1) >> h1, (k + o2) >> h2] += mass[i, j, k]


@kernel
def bin_1d(
    X,  # (n, 1) IN
    weights,  # (n,) or (0,) IN
    start,
    stop,
    origin,  # (1,) IN
    inverse,  # (1,) IN: cells a unit
    shape,  # (1,) IN  # noqa: ARG001 - a single axis needs no strides, but the three share a signature
    cell,  # (n,) OUT
    table,  # (cells, 2) INOUT
):
    """Write the cell of rows start to stop and add their mass and offsets, in cell widths, to the table."""
    o0, v0 = origin[0], inverse[0]
    weighted = weights.shape[0] > 0
    for i in range(start, stop):
        u0 = (X[i, 0] - o0) * v0
        # Unsigned: a signed index is asked if it is negative, at every use.
        c = np.uint32(int(u0))
        w = weights[i] if weighted else 1.0
        cell[i] = c
        table[c, 0] += w
        table[c, 1] += w * u0


@kernel
def bin_2d(X, weights, start, stop, origin, inverse, shape, cell, table):
    """As `bin_1d`, for two axes: a loop over a number of axes known only at run time is eight times slower."""
    o0, o1 = origin[0], origin[1]
    v0, v1 = inverse[0], inverse[1]
    n1 = shape[1]
    weighted = weights.shape[0] > 0
    for i in range(start, stop):
        u0 = (X[i, 0] - o0) * v0
        u1 = (X[i, 1] - o1) * v1
        c = np.uint32(int(u0) * n1 + int(u1))
        w = weights[i] if weighted else 1.0
        cell[i] = c
        table[c, 0] += w
        table[c, 1] += w * u0
        table[c, 2] += w * u1


@kernel
def bin_3d(X, weights, start, stop, origin, inverse, shape, cell, table):
    """As `bin_1d`, for three axes."""
    o0, o1, o2 = origin[0], origin[1], origin[2]
    v0, v1, v2 = inverse[0], inverse[1], inverse[2]
    n1, n2 = shape[1], shape[2]
    weighted = weights.shape[0] > 0
    for i in range(start, stop):
        u0 = (X[i, 0] - o0) * v0
        u1 = (X[i, 1] - o1) * v1
        u2 = (X[i, 2] - o2) * v2
        c = np.uint32((int(u0) * n1 + int(u1)) * n2 + int(u2))
        w = weights[i] if weighted else 1.0
        cell[i] = c
        table[c, 0] += w
        table[c, 1] += w * u0
        table[c, 2] += w * u1
        table[c, 3] += w * u2


@kernel
def look_up_labels(
    of_cell,  # (cells,) IN: label of each cell
    start,
    stop,
    cell,  # (n,) INOUT: cell in, label out
):
    """Turn the cell of rows start to stop into its label."""
    for i in range(start, stop):
        # Unsigned, as in `bin_1d`.
        cell[i] = of_cell[np.uint32(cell[i])]
