"""The significant density regions of a set of rows, over at most three axes and a range of bandwidths."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, pairwise
from operator import ge, gt, lt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad._jit import frozen
from kmad._threads import Threads
from kmad.cluster._grid import (
    Extent,
    Floats,
    Frame,
    Grid,
    Rows,
    coarsen,
    label_rows,
    max_cells,
    measure,
    plan,
    summarise,
)
from kmad.cluster._landscape import (
    FEW_CELLS,
    SIGMAS,
    Ground,
    Integers,
    Labels,
    Landscape,
    prominence_threshold,
    survey,
)
from kmad.cluster._ties import Ties, find_ties, spread

# A region whose spread along an axis is below this many cells may hold more than the finest bandwidth shows.
RESOLVED = 0.5
# And cells are no narrower than this part of a bandwidth that must not be finer: they would show nothing, and an axis
# along which hardly anything differs would have a bandwidth of millions of them.
FLOOR_CELLS = 4
# Grids of fewer than this part of the finest grid's cells are looked at in one go.
SMALL = 1 / 2
# Around such a region, the cells of this share of its densest cell and a few more on every side are looked at.
CORE = 0.01
MARGIN = 4


class Regions(NamedTuple):
    """The regions that one look found, in no order of importance."""

    size: Floats  # (k,) rows, or their weight
    center: Floats  # (k, q) mean of the rows
    peak: Floats  # (k, q) place of the highest density
    prominence: Floats  # (k,) standard deviations above the highest saddle to a higher peak
    threshold: Floats  # (k,) the prominence that chance would reach
    divided: NDArray[np.bool_]  # (k,) a second look cut it off: its prominence and threshold are dips, not heights

    def take(self, which: NDArray[np.bool_] | NDArray[np.integer[Any]]) -> "Regions":
        """The regions with these indices, or where this mask is true."""
        return joined([self], which)


def joined(parts: Sequence["Regions"], which: Any = slice(None)) -> "Regions":
    """Regions one after the other, and of these the ones that are wanted."""
    columns = (np.concatenate(column)[which] for column in zip(*parts, strict=True))
    return Regions(*columns)


class Lens(NamedTuple):
    """What all looks at one set of rows share."""

    significance: float
    floor: Floats  # (q,) no bandwidth is finer than this
    ties: list[Ties | None]  # of each column of the rows as a whole
    threads: Threads


class View(NamedTuple):
    """Which part of the rows a look is at, and what counts there."""

    coarsest: Floats  # (q,) bandwidths from here on have been tried
    share: float  # the part of all rows that is looked at
    holds: Callable[[Floats], NDArray[np.bool_]]  # whether a peak (k, q) is one of this view's own


@dataclass(eq=False)
class Scale:
    """The landscape at one bandwidth."""

    frame: Frame
    level: tuple[int, ...]  # (q,) how often cells of the finest frame are joined two by two along each axis
    landscape: Landscape

    @cached_property
    def peak(self) -> Integers:
        """First cell, in the finest frame, of each peak's, (q, regions)."""
        index = np.unravel_index(self.landscape.peak, self.frame.shape)
        first = self.frame.first.tolist()
        return np.array([(i + f) << n for i, f, n in zip(index, first, self.level, strict=True)])

    @cached_property
    def excess(self) -> list[float]:
        """By how much the prominence of each region exceeds the threshold, (regions,)."""
        excess: list[float] = (self.landscape.prominence - self.landscape.threshold).tolist()
        return excess

    def region_at(self, place: Integers) -> Labels:
        """The region that holds each of these cells (q, m) of the finest frame, -1 for none."""
        return self.landscape.region[sum(self.steps_along(f, at) for f, at in enumerate(place))]

    def steps_along(self, f: int, at: Integers) -> Integers:
        """How far into the landscape's cells lie those at these places (m,) along an axis of the finest frame."""
        shape = self.frame.shape
        stride = math.prod(n + 2 * (n > 1) for n in shape[f + 1 :])
        # The middle of a coarse cell at the edge may lie beyond.
        cell = np.minimum((at >> self.level[f]) - int(self.frame.first[f]), shape[f] - 1)
        return np.asarray(stride * (cell + (shape[f] > 1)))


class Spot(NamedTuple):
    """A region of the landscape at one scale."""

    scale: int
    region: int


@dataclass(eq=False)
class Node:
    """A region as it comes up at some scale, is followed to coarser ones, and joins others there or does not."""

    clearest: Spot  # where it stands out most
    outermost: Spot  # at the coarsest scale where it stands alone: its ground
    parts: "list[Node]"  # the regions that a finer scale divides it into, at least two, or none


class Outline(NamedTuple):
    """The regions that the cells of a grid show, and where they are."""

    scales: list[Scale]
    roots: list[Node]
    cells: NDArray[np.intp]  # (c,) those that are occupied
    along: Sequence[NDArray[np.intp]]  # their indices along each axis
    region: NDArray[np.int32]  # (c,) the region that each belongs to, -1 for none
    regions: Regions


def find_regions(X: Rows, weights: Floats, extent: Extent, cell: NDArray[np.int32], lens: Lens) -> tuple[Grid, Regions]:
    """Look at all rows of X (n, q <= 3), closely; the cell of each row in the grid is written to `cell`."""
    grid = summarise(X, weights, _frame(extent, weights, len(X), lens), cell, lens.threads)
    return grid, _look(X, weights, cell, grid, lens, _everywhere(X.shape[1]))


def label_regions(X: Rows, weights: Floats, extent: Extent, labels: NDArray[np.int32], lens: Lens) -> Regions:
    """Look at all rows of X (n, q <= 3), not closely, and write to which region each belongs.

    Rows of none get the number after the last.
    """
    grid = summarise(X, weights, _frame(extent, weights, len(X), lens), labels, lens.threads)
    outline = _outline(grid, lens, _everywhere(X.shape[1]))
    none = len(outline.regions.size)
    of_cell = np.empty(grid.frame.n_cells, np.int32)
    of_cell[outline.cells] = np.where(outline.region < 0, none, outline.region)
    label_rows(labels, of_cell, lens.threads)
    return outline.regions


def _everywhere(n_axes: int) -> View:
    return View(np.full(n_axes, np.inf), 1.0, lambda peak: np.ones(len(peak), bool))


def _frame(extent: Extent, weights: Floats, n_rows: int, lens: Lens) -> Frame:
    """The finest frame over the rows, and over the intervals that tied values stand for, that a bandwidth can use."""
    low, high = extent.low.copy(), extent.high.copy()
    for f, ties in enumerate(lens.ties):
        if ties is not None:
            low[f] -= ties.below[0]
            high[f] += ties.above[-1]
    n_cells = max_cells(len(low), int(weights.sum()) if len(weights) else n_rows)
    return plan(low, high, n_cells, lens.floor / FLOOR_CELLS)


def _look(X: Rows, weights: Floats, cell: NDArray[np.int32], grid: Grid, lens: Lens, view: View) -> Regions:
    """The regions of a view, those that one bandwidth cannot resolve replaced by the regions inside them."""
    outline = _outline(grid, lens, view)
    scales, roots, regions = outline.scales, outline.roots, outline.regions
    own = view.holds(regions.peak)
    unresolved = own & _unresolved(grid, outline, lens.floor)
    found = [regions.take(own & ~unresolved)]
    if unresolved.any():
        everywhere = np.unravel_index(np.arange(grid.frame.n_cells), grid.frame.shape)
        _, region = _paint(grid.frame, scales, roots, everywhere)
    for r in np.flatnonzero(unresolved):
        inside = _look_inside(X, weights, cell, grid, region, int(r), lens, view.share)
        found.append(inside if inside is not None else regions.take(np.array([r])))
    return joined(found)


def _outline(grid: Grid, lens: Lens, view: View) -> Outline:
    scales = _survey_all(grid.frame, _loosen(grid, lens.ties), lens, view)
    roots = _roots(scales)
    cells = np.flatnonzero(grid.mass)
    along = np.unravel_index(cells, grid.frame.shape)
    leaves, region = _paint(grid.frame, scales, roots, along)
    return Outline(scales, roots, cells, along, region, _describe(grid, scales, leaves, cells, region))


def _loosen(grid: Grid, column_ties: list[Ties | None]) -> Floats:
    """The mass of the cells, that of tied values spread over the intervals they stand for."""
    frame = grid.frame
    mass = grid.mass.reshape(frame.shape)
    for f, ties in enumerate(column_ties):
        if ties is not None and ties.gap > frame.width[f]:
            matrix = spread(ties, int(frame.first[f]), float(frame.width[f]), frame.shape[f])
            mass = np.moveaxis(np.tensordot(mass, matrix, axes=(f, 0)), -1, f)
    return np.ascontiguousarray(mass).ravel()


def _survey_all(frame: Frame, mass: Floats, lens: Lens, view: View) -> list[Scale]:
    """The landscapes from the finest bandwidth to the coarsest."""
    n_axes = int(frame.extended.sum())

    def threshold(resolvable: Floats) -> Floats:
        # The other parts of the data would be looked at as closely.
        return prominence_threshold(n_axes, resolvable / view.share, lens.significance)

    wanted: list[tuple[Frame, tuple[int, ...], Ground]] = []
    lead = [1] * (3 - len(frame.shape))
    floors, coarsest = lens.floor.tolist(), view.coarsest.tolist()
    before, level = [0.0] * len(frame.shape), (0,) * len(frame.shape)
    while n_axes:
        ground = mass.reshape((*lead, *frame.shape))
        # Single numbers, as in `plan`.
        axes = list(zip(frame.shape, frame.width.tolist(), floors, strict=True))
        for s in SIGMAS.tolist():
            sigma = [max(s, floor / width) if n > 1 else 0.0 for n, width, floor in axes]
            bandwidth = [cells * width for cells, (_, width, _) in zip(sigma, axes, strict=True)]
            # Else it stands on its floors, or has been tried.
            if any(map(gt, bandwidth, before)) and any(map(lt, bandwidth, coarsest)):
                wanted.append((frame, level, Ground(ground, (0.0,) * len(lead) + tuple(sigma))))
            before = bandwidth
        if all(map(ge, before, coarsest)) or max(frame.shape) <= FEW_CELLS:
            break
        level = tuple(n + (cells > 1) for n, cells in zip(level, frame.shape, strict=True))
        frame, mass = coarsen(frame, mass)

    grounds = [ground for _, _, ground in wanted]
    # The finest grid has most of the cells, and comes first.
    n_large = sum(ground.mass.size >= SMALL * grounds[0].mass.size for ground in grounds)
    parts = [(start, stop) for start, stop in pairwise([*range(n_large + 1), len(grounds)]) if start < stop]
    found = chain.from_iterable(lens.threads.map(lambda start, stop: survey(grounds[start:stop], threshold), parts))
    return [Scale(frame, level, landscape) for (frame, level, _), landscape in zip(wanted, found, strict=True)]


def _roots(scales: list[Scale]) -> list[Node]:
    """Follow the regions from the finest scale to the coarsest; what is left are those that never joined another."""
    if not scales:
        return []
    # All peaks of all scales have a number, and lie somewhere at each coarser scale.
    peaks = np.concatenate([scale.peak for scale in scales], axis=1)
    n_before = 0
    # The regions that have not joined another, by their peaks, and the peaks of all that came up undivided.
    roots: dict[int, Node] = {}
    undivided: list[int] = []
    for s, scale in enumerate(scales):
        at, n_peaks = scale.region_at(peaks[:, :n_before]).tolist(), scale.peak.shape[1]
        within: list[list[Node]] = [[] for _ in range(n_peaks)]
        lone = {}
        for p, node in roots.items():
            if at[p] >= 0:
                within[at[p]].append(node)
            else:
                lone[p] = node
        # What holds regions that have joined others is another way to group them, and no region that comes up here.
        known = {at[p] for p in undivided}
        new = [r for r, parts in enumerate(within) if not parts and r not in known]
        if s and new:
            # What stood alone on the ground of a new region stands out as far as it does beside that.
            half = (np.int64(1) << np.array(scale.level)) >> 1
            crowded = set(scales[s - 1].region_at(scale.peak[:, new] + half[:, None]).tolist())
        else:
            crowded = set()
        kept = sorted([*new, *(r for r, parts in enumerate(within) if parts)])
        roots = {n_before + r: _follow(scales, Spot(s, r), within[r], crowded) for r in kept} | lone
        undivided += [n_before + r for r in new]
        n_before += n_peaks
    return list(roots.values())


def _follow(scales: list[Scale], here: Spot, parts: list[Node], crowded: set[int]) -> Node:
    """The node of a region that holds these nodes of the scale before, some of whose regions were crowded."""
    if len(parts) != 1:
        return Node(here, here, parts)
    (node,) = parts
    shared = node.outermost.scale == here.scale - 1 and node.outermost.region in crowded
    clearest = node.clearest
    if shared or scales[here.scale].excess[here.region] >= scales[clearest.scale].excess[clearest.region]:
        node.clearest = here
    node.outermost = here
    return node


def _paint(
    frame: Frame, scales: list[Scale], roots: list[Node], along: Sequence[NDArray[np.intp]]
) -> tuple[list[Spot], NDArray[np.int32]]:
    """The undivided regions, and which of them each of these cells of the finest grid belongs to, -1 for none.

    The cells are told by their indices along each axis. What a finer scale shows takes nothing from an undivided region
    that a coarser one shows.
    """
    nodes = list(roots)
    for node in nodes:  # grows as it goes
        nodes += node.parts
    divided = np.array([bool(node.parts) for node in nodes] + [True])  # the last for no region at all
    sides = [first + np.arange(n) for first, n in zip(frame.first, frame.shape, strict=True)]
    owner = np.full(len(along[0]), -1, np.int32)
    for s in sorted({node.outermost.scale for node in nodes}, reverse=True):
        number = np.full(len(scales[s].landscape.peak) + 1, -1, np.int32)
        for i, node in enumerate(nodes):
            if node.outermost.scale == s:
                number[node.outermost.region] = i
        # Cells share their places along an axis with many others.
        steps = [scales[s].steps_along(f, side)[at] for f, (side, at) in enumerate(zip(sides, along, strict=True))]
        painted = number[scales[s].landscape.region[sum(steps)]]
        owner = np.where((painted >= 0) & divided[owner], painted, owner)
    leaves = [i for i, node in enumerate(nodes) if not node.parts]
    leaf = np.full(len(nodes) + 1, -1, np.int32)
    leaf[leaves] = np.arange(len(leaves))
    return [nodes[i].clearest for i in leaves], leaf[owner]


def _describe(
    grid: Grid, scales: list[Scale], leaves: list[Spot], cells: NDArray[np.int64], region: NDArray[np.int32]
) -> Regions:
    n_axes = len(grid.frame.shape)
    number = region + 1  # bincount takes no negative numbers
    size = np.asarray(np.bincount(number, grid.mass[cells], len(leaves) + 1)[1:], np.float64)
    sums = [np.bincount(number, grid.sums[cells, f], len(leaves) + 1)[1:] for f in range(n_axes)]
    level = np.array([scales[s].level for s, _ in leaves]).reshape(-1, n_axes)
    corner = np.array([scales[s].peak[:, r] for s, r in leaves]).reshape(-1, n_axes)
    peak = (corner + np.exp2(level - 1)) * grid.frame.width
    return Regions(
        size,
        # A leaf whose cells all lie under finer ones has no rows left: it keeps its peak.
        np.where(
            size[:, None] > 0,
            np.stack(sums, axis=1) / np.maximum(size, np.finfo(float).tiny)[:, None] + grid.frame.origin,
            peak,
        ),
        peak,
        np.array([scales[s].landscape.prominence[r] for s, r in leaves]),
        np.array([scales[s].landscape.threshold for s, _ in leaves]),
        np.zeros(len(leaves), bool),
    )


def _unresolved(grid: Grid, outline: Outline, floor: Floats) -> NDArray[np.bool_]:
    """Regions (k,) that are only a few cells wide along some axis."""
    frame, mass, n_regions = grid.frame, grid.mass[outline.cells], len(outline.regions.size)
    unresolved = np.zeros(n_regions, bool)
    for f, n in enumerate(frame.shape):
        if n == 1 or frame.width[f] * SIGMAS[0] <= floor[f]:
            continue
        # bincount takes no negative numbers: the cells of no region come first.
        number = (outline.region + 1) * np.int64(n) + outline.along[f]
        marginal = np.bincount(number, mass, (n_regions + 1) * n).reshape(n_regions + 1, n)[1:]
        # For a normal density of standard deviation s the sum of squares is 1 / (2 sqrt(pi) s); tails hardly matter.
        squares = np.maximum((marginal**2).sum(axis=1), np.finfo(float).tiny)
        unresolved |= marginal.sum(axis=1) ** 2 / squares / (2 * np.sqrt(np.pi)) < RESOLVED
    return unresolved


def _look_inside(
    X: Rows,
    weights: Floats,
    cell: NDArray[np.int32],
    grid: Grid,
    region: NDArray[np.int32],
    r: int,
    lens: Lens,
    share: float,
) -> Regions | None:
    """Look at the core of a region on a finer grid, with all rows that lie there; None where it is one region."""
    frame = grid.frame
    mass = np.where(region == r, grid.mass, 0.0)
    core = np.stack(np.unravel_index(np.flatnonzero(mass >= CORE * mass.max()), frame.shape), axis=1)
    low, high = core.min(axis=0) - MARGIN, core.max(axis=0) + MARGIN
    sides = [slice(max(a, 0), b + 1) for a, b in zip(low, high, strict=True)]
    box = np.zeros(frame.shape, bool)
    box[tuple(sides)] = True
    rows = np.flatnonzero(box.ravel()[cell])
    X, weights = frozen(X[rows]), frozen(weights[rows]) if len(weights) else weights
    # Where the rows lie close together, their values may be tied on a finer scale than elsewhere.
    closer = lens._replace(ties=[t and u for t, u in zip(lens.ties, find_ties(X, weights, lens.threads), strict=True)])
    finer = _frame(measure(X, lens.threads), weights, len(X), closer)
    if not np.any(finer.width < frame.width):
        return None

    def holds(peak: Floats) -> NDArray[np.bool_]:
        # A peak at the edge of what is looked at, or on a neighbour's ground, is a flank that was cut off.
        place = np.floor(peak / frame.width) - frame.first
        central = np.all((place > low + 1) & (place < high - 1), axis=1)
        return np.asarray(central & (region[frame.locate(peak)] == r))

    inside_cell = np.empty(len(X), np.int32)
    inside_grid = summarise(X, weights, finer, inside_cell, lens.threads)
    view = View(SIGMAS[0] * frame.width, share * len(rows) / len(cell), holds)
    inside = _look(X, weights, inside_cell, inside_grid, closer, view)
    return inside if len(inside.size) > 1 else None
