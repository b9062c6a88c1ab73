"""Rows that are plainly nearest to one centre, told by where they lie along the principal axes of the centres."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from kmad._jit import reordering_kernel
from kmad.cluster._axes import N_AXES, principal_axes
from kmad.cluster._grid import Floats

# Fewer centres than this are compared as quickly.
FEW_CENTERS = 5
# Cells along each axis, and how many rows it takes for them to cost little beside these.
SIDE = 16
SOME_ROWS = SIDE**N_AXES * 4
# Distances are rounded by less than this part of themselves, and of the greatest between the centres.
ROUNDING = 1e-6
# Rows that are looked at side by side; a part of the trial.
BLOCK = 64
# After so many rows, of which fewer than half were plain, the others are not asked.
TRIAL = 1 << 11


class Chart(NamedTuple):
    """A grid over the principal axes of the centres."""

    axes: Floats  # (3, d) cells a unit of each feature, along each axis
    first: Floats  # (3,) the place of the first cell
    owner: NDArray[np.int32]  # (SIDE, SIDE, SIDE) the centre nearest to the middle of each cell
    centers: Floats  # (k, d)
    reach: Floats  # (k,) rows nearer to a centre than this are nearer to it than to any other


def draw_chart(centers: Floats, n_rows: int) -> Chart | None:
    """A chart for so many rows; None where it would save no time, or the distances of the centres are no numbers."""
    if len(centers) < FEW_CENTERS or n_rows < SOME_ROWS:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        middle = centers.mean(axis=0)
        offset = centers - middle
        farthest = float(np.sqrt(np.einsum("jf,jf->j", offset, offset).max()))
    if not 0 < farthest < np.inf:
        return None
    axes = np.zeros((centers.shape[1], N_AXES))
    unit = offset / farthest  # squares of the offsets themselves might be too small for numbers
    leading = principal_axes(np.einsum("jf,jg->fg", unit, unit))
    axes[:, : leading.shape[1]] = leading
    place = offset @ axes
    low, extent = place.min(axis=0), np.ptp(place, axis=0)
    along = [low[a] + (np.arange(SIDE) + 0.5) * (extent[a] / SIDE) for a in range(N_AXES)]
    middles = np.stack(np.meshgrid(*along, indexing="ij"), axis=-1)
    owner = cdist(middles.reshape(-1, N_AXES), place, "sqeuclidean").argmin(axis=1)
    cells_a_unit = np.divide(SIDE, extent, out=np.zeros(N_AXES), where=extent > 0)
    return Chart(
        np.ascontiguousarray((axes * cells_a_unit).T),
        (middle @ axes + low) * cells_a_unit,
        owner.astype(np.int32).reshape(middles.shape[:-1]),
        centers,
        reach_of(centers),
    )


def reach_of(centers: Floats) -> Floats:
    """The distance (k,) from each centre within which a row is nearer to it than to any other: half way to the next."""
    if len(centers) < 2:
        return np.full(len(centers), np.inf)
    with np.errstate(over="ignore", invalid="ignore"):
        gap = cdist(centers, centers)
        farthest = gap.max()
        np.fill_diagonal(gap, np.inf)
        reach = (0.5 - ROUNDING) * gap.min(axis=1) - ROUNDING * farthest
    return np.where(reach > 0, reach, 0.0) if np.isfinite(farthest) else np.zeros(len(centers))


@reordering_kernel
def assign_plain(
    X,  # (n, d) IN
    weights,  # (n,) or (0,) IN
    axes,  # (3, d) IN
    first_cell,  # (3,) IN
    owner,  # (s, s, s) IN
    centers,  # (k, d) IN
    reach,  # (k,) IN
    origin,  # (d,) IN
    start,
    stop,
    labels,  # (n,) INOUT: written where a row is plainly nearest to one centre
    lead,  # (n,) INOUT: by how much that is nearer than any other, at least; (0,) where none is kept
    moved,  # (k, 2 + d) or (0, 2 + d) INOUT: rows, mass and sums of the rows that got a label
):
    """Label the rows from start to stop that lie within reach of the centre of their cell."""
    d = X.shape[1]
    led, weighted, added = lead.shape[0] > 0, weights.shape[0] > 0, moved.shape[0] > 0
    top = owner.shape[0] - 0.5
    plain = 0
    nearest, squared = np.empty(BLOCK, np.int32), np.empty(BLOCK)
    for first in range(start, stop, BLOCK):
        if first == start + TRIAL and 2 * plain < TRIAL:
            break
        # Step by step for some rows: what one row waits for, others do meanwhile.
        rows = min(BLOCK, stop - first)
        for r in range(rows):
            u0, u1, u2 = -first_cell[0], -first_cell[1], -first_cell[2]
            for f in range(d):
                x = X[first + r, f]
                u0 += x * axes[0, f]
                u1 += x * axes[1, f]
                u2 += x * axes[2, f]
            # Rows beyond the chart belong to its edge, and what is no number somewhere.
            u0 = u0 if u0 > 0.0 else 0.0
            u1 = u1 if u1 > 0.0 else 0.0
            u2 = u2 if u2 > 0.0 else 0.0
            # Unsigned, here and below: a signed index is asked if it is negative.
            i0, i1 = np.uint32(u0 if u0 < top else top), np.uint32(u1 if u1 < top else top)
            nearest[r] = owner[i0, i1, np.uint32(u2 if u2 < top else top)]
        for r in range(rows):
            own, distance = np.uint32(nearest[r]), 0.0
            for f in range(d):
                distance += (X[first + r, f] - centers[own, f]) ** 2
            squared[r] = distance
        for r in range(rows):
            i, own = first + r, np.uint32(nearest[r])
            if not squared[r] < reach[own] ** 2:
                continue
            labels[i] = own
            plain += 1
            if led:
                lead[i] = np.float32(2 * (reach[own] - np.sqrt(squared[r])))
            if added:
                w = weights[i] if weighted else 1.0
                moved[own, 0] += 1.0
                moved[own, 1] += w
                for f in range(d):
                    moved[own, 2 + f] += w * (X[i, f] - origin[f])
