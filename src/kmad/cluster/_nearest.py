"""The nearest centre of every row, which in few features a table tells of most of them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from kmad._jit import frozen, kernel
from kmad._threads import Threads, row_chunks
from kmad.cluster._cells import label_cells
from kmad.cluster._grid import Floats, Rows, plan
from kmad.cluster._lloyd import Labels, assign_in_many

# Up to this many features, distances come from differences of coordinates; beyond, from products, which are quicker.
FEW_FEATURES = 3
# Rows that are compared with all centres side by side.
BLOCK = 128
# Cells of a table, by number of features: it stays in the processor's first or second cache.
TABLE_CELLS = {1: 1 << 12, 2: 1 << 13, 3: 1 << 14}
# Rows and centres that are worth a table, and rows that show where they lie, about.
TABLE_ROWS, TABLE_CENTERS, SEEN_ROWS = 1 << 16, 16, 1 << 10
# The part that a table may leave open of about so many of them: open rows are compared one by one, which takes longer.
MOST_OPEN, ASKED_ROWS = 1 / 16, 1 << 8


def assign(X: Rows, centers: Floats, labels: Labels, threads: Threads) -> bool:
    """Write the nearest centre of every row, the lowest index where two are equally near.

    Returns whether all distances are finite numbers, which they are not where a value is not.
    """
    if X.shape[1] > FEW_FEATURES:
        return assign_in_many(X, centers, labels, threads)
    table = draw_table(X, centers) if len(X) >= TABLE_ROWS and len(centers) >= TABLE_CENTERS else None

    def chunk(start: int, stop: int) -> bool:
        if table is None:
            return bool(assign_few(X, centers, start, stop, labels))
        return bool(look_up(X, centers, *table, start, stop, labels))

    return all(threads.map(chunk, row_chunks(*X.shape)))


class Table(NamedTuple):
    """The nearest centre of all points of each cell of a grid."""

    origin: Floats  # (d,) lower corner
    inverse: Floats  # (d,) cells a unit
    shape: NDArray[np.int64]  # (d,)
    nearest: Labels  # (cells,) -1 where there are several


def draw_table(X: Rows, centers: Floats) -> Table | None:
    """A table over most of the rows and the centres; None where it would leave too much open."""
    some = X[:: -(-len(X) // SEEN_ROWS)].astype(np.float64)
    corners = np.concatenate([some, centers])
    low, high = corners.min(axis=0), corners.max(axis=0)
    with np.errstate(over="ignore", invalid="ignore"):
        # Where squares are no numbers, or too small for one, distances of cells tell nothing of their points.
        if not np.finfo(np.float64).tiny < np.square(high - low).sum() < np.inf:
            return None
    frame = plan(low, high, TABLE_CELLS[len(low)])
    if open_share(some[:: len(some) // ASKED_ROWS + 1], centers, frame.width) > MOST_OPEN:
        return None
    return Table(frame.origin, 1.0 / frame.width, np.array(frame.shape), frozen(label_cells(frame, centers)))


def open_share(rows: Floats, centers: Floats, width: Floats) -> float:
    """The part of the rows (m, d) that would have several nearest centres were they cells of this width."""
    squared = cdist(rows, centers, "sqeuclidean")
    own = squared.argmin(axis=1)
    stray = np.einsum("mkd,d->mk", np.abs(centers - centers[own, None]), width)
    several = (squared - squared.min(axis=1, keepdims=True) <= stray) & (stray > 0)
    return float(np.mean(several.any(axis=1)))


@kernel
def look_up(
    X,  # (n, d <= 3) IN
    centers,  # (k, d) IN
    origin,  # (d,) IN
    inverse,  # (d,) IN
    shape,  # (d,) IN
    nearest,  # (cells,) IN
    start,
    stop,
    labels,  # (n,) OUT
):
    """Write the nearest centre of rows start to stop, those of open cells and beyond compared with all centres.

    Returns whether all distances are finite numbers.
    """
    d = X.shape[1]
    o0, v0, n0 = origin[0], inverse[0], shape[0]
    o1, v1, n1 = (origin[1], inverse[1], shape[1]) if d > 1 else (0.0, 0.0, 1)
    o2, v2, n2 = (origin[2], inverse[2], shape[2]) if d > 2 else (0.0, 0.0, 1)
    finite = True
    for i in range(start, stop):
        u0 = (X[i, 0] - o0) * v0
        u1 = (X[i, 1] - o1) * v1 if d > 1 else 0.0
        u2 = (X[i, 2] - o2) * v2 if d > 2 else 0.0
        own = np.int32(-1)
        # What is no number lies in no cell.
        if 0.0 <= u0 < n0 and 0.0 <= u1 < n1 and 0.0 <= u2 < n2:
            own = nearest[np.uint32((int(u0) * n1 + int(u1)) * n2 + int(u2))]
        if own < 0:
            least = np.inf
            for j in range(len(centers)):
                squared = 0.0
                for f in range(d):
                    squared += (X[i, f] - centers[j, f]) ** 2
                if squared < least:
                    least = squared
                    own = np.int32(j)
            finite &= least < np.inf
        labels[i] = max(own, np.int32(0))
    return finite


@kernel
def assign_few(
    X,  # (n, d <= 3) IN
    centers,  # (k, d) IN
    start,
    stop,
    labels,  # (n,) OUT
):
    """Write the nearest centre of rows start to stop; returns whether all distances are finite numbers.

    No sum may be reordered here: equal distances must stay equal, as they are where single rows are compared.
    """
    d = X.shape[1]
    # One array for each feature: an index into a block of several is not known to be in it, and stops the vectors.
    x0, x1, x2 = np.zeros(BLOCK), np.zeros(BLOCK), np.zeros(BLOCK)
    best, nearest = np.empty(BLOCK), np.empty(BLOCK)
    finite = 0
    for first in range(start, stop, BLOCK):
        rows = min(BLOCK, stop - first)
        for r in range(rows):
            x0[r] = X[first + r, 0]
            if d > 1:
                x1[r] = X[first + r, 1]
            if d > 2:
                x2[r] = X[first + r, 2]
        for r in range(BLOCK):
            best[r] = np.inf
            nearest[r] = 0.0
        for j in range(len(centers)):
            c0 = centers[j, 0]
            c1 = centers[j, 1] if d > 1 else 0.0
            c2 = centers[j, 2] if d > 2 else 0.0
            index = float(j)
            # The index is a float so that it moves in the lanes of the distances; 0.0 is added as in `measure_lanes`.
            if d == 3:
                for r in range(BLOCK):
                    s = (x0[r] - c0) ** 2 + (x1[r] - c1) ** 2 + (x2[r] - c2) ** 2
                    least, own = best[r], nearest[r]
                    best[r] = (s if s < least else least) + 0.0
                    nearest[r] = (index if s < least else own) + 0.0
            else:
                for r in range(BLOCK):
                    s = (x0[r] - c0) ** 2 + (x1[r] - c1) ** 2
                    least, own = best[r], nearest[r]
                    best[r] = (s if s < least else least) + 0.0
                    nearest[r] = (index if s < least else own) + 0.0
        for r in range(rows):
            labels[first + r] = np.int32(nearest[r])
        # No distance is below infinity where a value is no number. A sum: the greatest would be sought one by one.
        for r in range(BLOCK):
            finite += best[r] < np.inf
    return finite == -(-(stop - start) // BLOCK) * BLOCK
