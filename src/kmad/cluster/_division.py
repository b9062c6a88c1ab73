"""Look again inside every cluster, along the line that divides it best, and cut it where it has two modes."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad._jit import frozen, inner_kernel, kernel
from kmad._threads import MAX_CHUNKS, Threads, even_ranges, row_chunks
from kmad.cluster._axes import N_AXES, project_each, turned
from kmad.cluster._dip import find_dips
from kmad.cluster._grid import Floats, Rows
from kmad.cluster._lines import center_each, count_each, count_features, halve_each, scatter_each
from kmad.cluster._ties import Ties, column_ties, dither
from kmad.cluster._valley import Valleys, deepest_valleys
from kmad.cluster._weights import GOLDEN

# Rows of a cluster that are looked at, evenly over them: their dip is known to a hundredth.
SAMPLE_ROWS = 1 << 12
# So many fewer rows are looked at than would make as many: by chance they might be some more, and only half be taken.
SPARE = 1.05
# Rows of these by which a line is chosen.
LINE_ROWS = 1 << 10
# Bins of a line, and of one that is one of many.
N_BINS = 1 << 9
WIDE_BINS = 1 << 6
# Tail of the dip D of n uniform rows, the hardest of all distributions with one mode, for 100 rows and more:
# log P(sqrt(n) D > t) = DIP_OFFSET - DIP_SLOPE t^2. `python -m benchmarks.calibrate` fits them.
DIP_OFFSET, DIP_SLOPE = 1.35, 16.4
# Directions on one, two and three axes, evenly over half a circle and, along a spiral, over half a sphere.
CIRCLE, SPHERE = np.pi * np.arange(16) / 16, (np.arange(32) + 0.5) / 32
SPIRAL = np.pi * (1 + np.sqrt(5)) * (np.arange(32) + 0.5)
DIRECTIONS = {
    1: np.ones((1, 1)),
    2: np.column_stack([np.cos(CIRCLE), np.sin(CIRCLE)]),
    3: np.column_stack([np.sqrt(1 - SPHERE**2) * np.cos(SPIRAL), np.sqrt(1 - SPHERE**2) * np.sin(SPIRAL), SPHERE]),
}
# Along an axis so many times narrower than the widest a cut would lower the inertia by less than a sixteenth, and where
# rows lie on a curved sheet, its folds would pass for modes: it is no direction to look in.
NARROWEST = 4.0
# The part of the significance that the valley has: what it alone shows, small modes far out, is beyond doubt.
VALLEY_SHARE = 0.01
# Rows that take as long as the lines of a cluster do however few rows it has, and that are worth a thread.
LINES_ROWS, PART_ROWS = 1 << 9, 1 << 12
# Lines whose counts are held at once.
LINES_AT_ONCE = 1 << 8
# Rows of a sample that are read side by side.
AT_ONCE = 64
# Fewer rows than this show no valley.
MIN_ROWS = 8
# Where half of the rows lie on a smaller part of a line, others are far from all of these, for which the bins are too
# wide then: they are looked at again without the rows that are so many times as far away as most.
CROWDED, FAR = 1 / 20, 10.0


class Sample(NamedTuple):
    """Rows of some clusters, cluster by cluster."""

    rows: Floats  # (m, d)
    weights: Floats  # (m,)
    starts: NDArray[np.int64]  # (k + 1,)

    def part(self, j: int) -> tuple[Floats, Floats]:
        inside = slice(self.starts[j], self.starts[j + 1])
        return self.rows[inside], self.weights[inside]

    def without_far_rows(self, clusters: list[int]) -> "Sample":
        """The rows of these clusters that lie about where most of them do, and none of clusters of which all do."""
        near = np.zeros(len(self.rows), bool)
        for j in clusters:
            rows, _ = self.part(j)
            with np.errstate(over="ignore"):
                squared = np.square(rows - np.median(rows, axis=0)).sum(axis=1)
            here = squared <= FAR**2 * np.median(squared)
            near[self.starts[j] : self.starts[j + 1]] = here & ~here.all()
        starts = np.concatenate([[0], np.cumsum(near)])[self.starts]
        return Sample(self.rows[near], frozen(self.weights[near]), starts)


class Division(NamedTuple):
    """A cluster cut in two."""

    upper: NDArray[np.bool_]  # (m,) which rows lie above the cut
    centers: Floats  # (2, d)
    mass: Floats  # (2,)

    @property
    def gain(self) -> float:
        """By how much the cut lowers the inertia."""
        step = self.centers[1] - self.centers[0]
        return float(self.mass[0] * self.mass[1] / self.mass.sum() * (step @ step))


def dip_critical(significance: float) -> float:
    """The value of sqrt(n) times the dip that uniform rows exceed with this probability."""
    return float(np.sqrt((DIP_OFFSET - np.log(significance)) / DIP_SLOPE))


def sample_clusters(
    X: Rows,
    weights: Floats,
    labels: NDArray[np.int32],
    wanted: NDArray[np.bool_],
    threads: Threads,
    most: int = SAMPLE_ROWS,
    *,
    counts: bool = False,
    n_rows: Floats | None = None,
) -> Sample:
    """At most so many rows of each cluster that is wanted, and none of the others.

    Weights that are counts are repeated rows, and the sample is one of those: each of its rows weighs one. Where the
    number of rows of each cluster is known, most rows are not even looked at.
    """
    repeats = weights if counts else np.empty(0)
    every = 1
    if n_rows is not None and wanted.any():
        every = max(1, int(np.ceil(SPARE * n_rows[wanted].min() / most)))
    chunks = [(start // every, stop // every) for start, stop in row_chunks(*X.shape)]

    def count(start: int, stop: int) -> Floats:
        found = np.zeros(len(wanted))
        with np.errstate(over="ignore"):
            count_labels(labels, repeats, every, start, stop, found)
        return found

    seen = np.cumsum([np.zeros(len(wanted)), *threads.map(count, chunks)], axis=0)
    stride = np.where(wanted, np.ceil(seen[-1] / most), 0.0)
    taken = np.ceil(seen / np.where(wanted, np.maximum(stride, 1.0), np.inf)).astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(taken[-1])])
    rows, mass = np.empty((starts[-1], X.shape[1])), np.ones(starts[-1])
    before = {start: c for c, (start, _) in enumerate(chunks)}

    def take(start: int, stop: int) -> None:
        at = starts[:-1] + taken[before[start]]
        wait = taken[before[start]] * stride - seen[before[start]]
        with np.errstate(over="ignore"):
            take_every(X, weights, labels, repeats, every, stride, start, stop, wait, at, rows, mass)

    threads.map(take, chunks)
    return Sample(rows, frozen(mass), starts)


def halve(rows: Floats, weights: Floats) -> Division | None:
    """Two-means of the rows along their principal axes; None where all rows are equal."""
    place, cuts, gains = np.empty((3, len(rows))), np.empty((1, 2, 3)), np.empty(1)
    mass, starts = frozen(weights), np.array([0, len(rows)])
    _place_each(rows, mass, starts, 0, 1, place)
    halve_each(place, mass, starts, len(rows), 0, 1, cuts, gains)
    if not gains[0] > 0:
        return None
    below, above = cuts[0]
    return _cut(rows, weights, (above - below) @ (place - (below[:, None] + above[:, None]) / 2) > 0)


def _place_each(
    rows: Floats,
    weights: Floats,
    starts: NDArray[np.int64],
    first: int,
    last: int,
    place: Floats,
    scatter: Floats | None = None,
) -> None:
    """Write where the rows of each cluster from first to last lie in three coordinates, less their mean.

    These are the features, or the principal axes of more than three: beyond the third axis lies what the two means of a
    small cluster would take for a direction. How the rows scatter there is written to `scatter` (k, 3, 3), zeros at
    first, where that is wanted.
    """
    if rows.shape[1] <= N_AXES:
        center_each(rows, weights, starts, first, last, place)
        if scatter is not None:
            scatter_each(place, weights, starts, first, last, scatter)
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            squares = project_each(rows, weights, starts, first, last, place)
        if scatter is not None:
            scatter[first:last, range(N_AXES), range(N_AXES)] = squares


class Finding(NamedTuple):
    """A cluster of more than one mode."""

    division: Division  # cut at the valley
    by_dip: bool  # or by the valley alone
    statistic: float  # the dip times the square root of the mass, or the prominence of the second mode
    critical: float  # what chance would reach


class Modes(NamedTuple):
    """What each of m lines shows: of the dip and the deepest valley the clearer."""

    margin: Floats  # (m,) by how much the log of its chance lies below what is allowed; negative where it does not
    by_dip: NDArray[np.bool_]  # (m,)
    statistic: Floats  # (m,)
    critical: Floats  # (m,)
    valley: Floats  # (m,) where the deepest valley lies, in bins

    def take(self, which: slice) -> "Modes":
        return Modes(*(column[which] for column in self))  # type: ignore[arg-type] # one kind of column or the other


def divide_clusters(
    sample: Sample,
    ties: list[Ties | None],
    heaped: NDArray[np.bool_],
    significance: float,
    threads: Threads,
    *,
    along_features: bool = True,
    without_far_rows: bool = True,
) -> dict[int, Finding]:
    """Cut the clusters with more than one mode.

    One line joins the two means of the rows, the other is the one of many directions with the largest dip. Beyond
    three features every feature is a line as well, unless they are left out, and the significance is shared between
    these and those.
    """
    n_clusters, d = len(sample.starts) - 1, sample.rows.shape[1]
    # Lines that lie close together are hardly more than one: they are worth as many as there are axes.
    each = significance / min(d, N_AXES) / (1 if d <= N_AXES else 2)
    smooth, place = sample.rows, np.zeros((3, len(sample.rows)))
    tied = heaped.any() or any(column is not None for column in ties)
    if tied:
        smooth = smooth.copy()
    full = np.flatnonzero(np.diff(sample.starts) >= MIN_ROWS).tolist()
    scatter, cuts = np.zeros((n_clusters, 3, 3)), np.zeros((n_clusters, 2, 3))
    dips, counts = np.zeros((n_clusters, 2)), np.zeros((n_clusters, 2, N_BINS))

    def place_rows(first: int, last: int) -> None:
        for j in range(first, last):
            if tied and sample.starts[j + 1] - sample.starts[j] >= MIN_ROWS:
                smooth[sample.starts[j] : sample.starts[j + 1]] = _loosened(*sample.part(j), ties, heaped)
        _place_each(smooth, sample.weights, sample.starts, first, last, place, scatter)

    def try_lines(first: int, last: int) -> Valleys:
        part = slice(first, last)
        halve_each(place, sample.weights, sample.starts, LINE_ROWS, first, last, cuts, gains)
        count_each(place, sample.weights, sample.starts, LINE_ROWS, many, n_many, first, last, wide)
        find_dips(wide, n_many, 0.0, 1, first, last, tried)
        lines[part, 0] = cuts[part, 1] - cuts[part, 0]
        lines[part, 1] = many[np.arange(first, last), tried[part].argmax(axis=1)]
        count_each(place, sample.weights, sample.starts, SAMPLE_ROWS, lines, two, first, last, counts)
        find_dips(counts, two, _dip_critical_of_line(each), 0, first, last, dips)
        return _valleys(counts[part].reshape(-1, N_BINS), each)

    # Every part has some steps in Python.
    n_parts = max(1, min(MAX_CHUNKS, (len(sample.rows) + LINES_ROWS * len(full)) // PART_ROWS))
    parts = even_ranges(sample.starts, n_parts)
    threads.map(place_rows, parts)
    scatter[np.diff(sample.starts) < MIN_ROWS] = 0.0
    many, n_many = _directions(scatter)
    lines, two, gains = np.zeros((n_clusters, 2, 3)), np.where(n_many > 0, 2, 0), np.empty(n_clusters)
    wide, tried = np.empty((*many.shape[:2], WIDE_BINS)), np.zeros(many.shape[:2])
    valleys = Valleys(*map(np.concatenate, zip(*threads.map(try_lines, parts), strict=True)))
    of_lines = _modes(dips.ravel(), valleys, each)
    of_features: dict[int, Modes] = {}
    if d > N_AXES and along_features:
        of_features = _along_features(smooth, sample, full, significance / 2, threads)
    found: dict[int, Finding] = {}
    clearest = of_lines.margin.reshape(-1, 2).max(axis=1)
    for j in full:
        on_feature = j in of_features and of_features[j].margin.max() > clearest[j]
        modes = of_features[j] if on_feature else of_lines.take(slice(2 * j, 2 * j + 2))
        m = int(np.argmax(modes.margin))
        if modes.margin[m] <= 0:
            continue
        inside = slice(sample.starts[j], sample.starts[j + 1])
        along = smooth[inside, m] if on_feature else lines[j, m] @ place[:, inside]
        division = _cut(*sample.part(j), bins_along(along) + 0.5 > modes.valley[m])
        finding = (bool(modes.by_dip[m]), float(modes.statistic[m]), float(modes.critical[m]))
        found |= {} if division is None else {j: Finding(division, *finding)}
    if not without_far_rows:
        return found
    crowded = _crowded(counts)
    near = sample.without_far_rows([j for j in full if crowded[j] and j not in found])
    if len(near.rows):
        found |= divide_clusters(
            near, ties, heaped, significance, threads, along_features=along_features, without_far_rows=False
        )
    return found


def _crowded(counts: Floats) -> NDArray[np.bool_]:
    """Whether on some line of each cluster (k,), with these masses in bins (k, l, bins), half lies on a small part."""
    below = np.cumsum(counts.reshape(*counts.shape[:2], WIDE_BINS, -1).sum(axis=3), axis=2)
    first, last = [np.count_nonzero(below < quarter * below[:, :, -1:], axis=2) for quarter in (0.25, 0.75)]
    return np.asarray((last - first < CROWDED * WIDE_BINS).any(axis=1))


def _loosened(rows: Floats, weights: Floats, ties: list[Ties | None], heaped: NDArray[np.bool_]) -> Floats:
    """The rows of a cluster, tied values spread over the intervals they stand for.

    The heaps of a cluster are its own: what few pay elsewhere may be what all pay here.
    """
    own = [column_ties(rows[:, f], weights) if heaped[f] else None for f in range(len(ties))]
    return dither(rows, [of_all if t is None else t.between_heaps() for t, of_all in zip(own, ties, strict=True)])


def _directions(scatter: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Lines (k, l, 3) spread evenly over the directions in which points of this scatter (k, 3, 3) extend.

    Along each of them the points extend as far. The second array says how many lines (k,) there are.
    """
    lines, n_lines = np.zeros((len(scatter), len(SPHERE), 3)), np.zeros(len(scatter), np.int64)
    value, axes = np.linalg.eigh(scatter)
    axes = turned(axes)
    n_extended = np.count_nonzero((value * NARROWEST**2 > value[:, -1:]) & (value > 0), axis=1)
    for n, directions in DIRECTIONS.items():
        which = n_extended == n
        # The widest axes stand last.
        whitening = axes[which, :, -n:] / np.sqrt(value[which, None, -n:])
        lines[which, : len(directions)] = np.einsum("ln,kan->kla", directions, whitening)
        n_lines[which] = len(directions)
    return lines, n_lines


def _along_features(
    rows: Floats, sample: Sample, clusters: list[int], significance: float, threads: Threads
) -> dict[int, Modes]:
    """What every feature shows of each of these clusters."""
    d = rows.shape[1]
    at_once = max(1, min(LINES_AT_ONCE // d, -(-len(clusters) // MAX_CHUNKS)))
    each = significance / d

    def ask(first: int, last: int) -> Modes:
        dips, counts = np.empty((last - first, d)), np.empty((last - first, d, N_BINS))
        for i, j in enumerate(clusters[first:last]):
            count_features(rows, sample.weights, sample.starts[j], sample.starts[j + 1], counts[i])
        find_dips(counts, np.full(len(counts), d), _dip_critical_of_line(each), 0, 0, len(counts), dips)
        return _modes(dips.ravel(), _valleys(counts.reshape(-1, N_BINS), each), each)

    parts = [(first, min(first + at_once, len(clusters))) for first in range(0, len(clusters), at_once)]
    of_cluster = {}
    for (first, last), modes in zip(parts, threads.map(ask, parts), strict=True):
        for i, j in enumerate(clusters[first:last]):
            of_cluster[j] = modes.take(slice(i * d, (i + 1) * d))
    return of_cluster


def _dip_critical_of_line(significance: float) -> float:
    return dip_critical((1 - VALLEY_SHARE) * significance)


def _valleys(counts: Floats, significance: float) -> Valleys:
    return deepest_valleys(counts, VALLEY_SHARE * significance)


def _modes(dips: Floats, valleys: Valleys, significance: float) -> Modes:
    """What the dips (m,) and the valleys of lines say, each held against its share of the significance."""
    critical = np.full(len(dips), _dip_critical_of_line(significance))
    # Both tests have tails that fall with the square.
    by_dip = DIP_SLOPE * (dips**2 - critical**2)
    by_valley = (valleys.prominence**2 - valleys.threshold**2) / 4
    dip = by_dip >= by_valley
    return Modes(
        np.maximum(by_dip, by_valley),
        by_dip > 0,
        np.where(dip, dips, valleys.prominence),
        np.where(dip, critical, valleys.threshold),
        valleys.at,
    )


def bins_along(along: Floats) -> NDArray[np.int64]:
    """The bin of each of the values (m,) of a line, which are not all equal."""
    scale = N_BINS / np.ptp(along)
    return np.asarray(np.minimum(((along - along.min()) * scale).astype(np.int64), N_BINS - 1))


def _cut(rows: Floats, weights: Floats, upper: NDArray[np.bool_]) -> Division | None:
    """The rows below and above a cut; None where either are none."""
    parts = [~upper, upper]
    mass = np.array([weights[part].sum() for part in parts])
    if not np.all(mass > 0):
        return None
    return Division(upper, np.stack([np.average(rows[part], axis=0, weights=weights[part]) for part in parts]), mass)


@inner_kernel
def one_of(block, every):
    """A row among every so many, not always the same: of rows in a repeating order one would see only a part."""
    image = np.uint64(block) * GOLDEN >> np.uint64(32)
    return block * every + np.int64(image % np.uint64(every))


@kernel
def count_labels(
    labels,  # (n,) IN
    repeats,  # (n,) or (0,) IN: how many rows each one is
    every,
    start,
    stop,
    count,  # (k,) INOUT
):
    """Count, by cluster, one row of every so many, these being numbered from start to stop."""
    repeated = len(repeats) > 0
    for block in range(start, stop):
        i = one_of(block, every)
        count[labels[i]] += repeats[i] if repeated else 1.0


@kernel
def take_every(
    X,  # (n, d) IN
    weights,  # (n,) or (0,) IN
    labels,  # (n,) IN
    repeats,  # (n,) or (0,) IN: how many rows each one is
    every,
    stride,  # (k,) IN: every how many rows of a cluster one is taken, 0 for none
    start,
    stop,
    wait,  # (k,) INOUT: how many rows of each cluster come before the next that is taken
    at,  # (k,) INOUT: where the next row of each cluster goes
    rows,  # (m, d) OUT
    mass,  # (m,) INOUT: the weights of rows that are not repeated
):
    """Take every stride-th of the rows of every cluster that `count_labels` counts."""
    repeated, weighted = len(repeats) > 0, len(weights) > 0
    number, own, value = np.empty(AT_ONCE, np.int64), np.empty(AT_ONCE, np.int32), np.empty(AT_ONCE)
    for first in range(start, stop, AT_ONCE):
        some = min(AT_ONCE, stop - first)
        # The rows lie far apart: what is read in a loop without branches is not waited for one by one.
        for r in range(some):
            i = one_of(first + r, every)
            number[r], own[r], value[r] = i, labels[i], X[i, 0]
        for r in range(some):
            i, j = number[r], own[r]
            if stride[j] == 0.0:
                continue
            here = repeats[i] if repeated else 1.0
            while wait[j] < here:
                rows[at[j], 0] = value[r]
                for f in range(1, X.shape[1]):
                    rows[at[j], f] = X[i, f]
                if weighted and not repeated:
                    mass[at[j]] = weights[i]
                at[j] += 1
                wait[j] += stride[j]
            wait[j] -= here
