"""Settle: exact k-means from given centres, row by row, in all features."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad._jit import frozen, kernel, reordering_kernel
from kmad._threads import Threads, row_chunks
from kmad.cluster._axes import middle_of
from kmad.cluster._chart import TRIAL, assign_plain, draw_chart, reach_of
from kmad.cluster._grid import Floats, Rows

Labels = NDArray[np.int32]

# Rows that are transposed together, so that the lanes run over rows whatever the number of features.
BLOCK = 128
EPSILON = np.finfo(np.float64).eps
# A lead is a number of single precision: a lesser one might be rounded up, and a greater one never be lost.
LEAST_LEAD = float(np.finfo(np.float32).tiny)
# Rows are asked whether they lie within reach of their centre while at least this part of them does.
WORTH_ASKING = 3 / 4
# And only after an iteration in which more than so many for each centre were without a lead.
LEADLESS = 4
# Of the squares about some point, a smaller part than this is left by sums that may be wrong in their last digits.
LEAST_LEFT = 1e-3


class Partition(NamedTuple):
    """Settled clusters, none of them empty, by falling mass."""

    labels: Labels  # (n,)
    centers: Floats  # (k, d), the mean of each cluster
    mass: Floats  # (k,) rows in each cluster, or their weight
    seed: NDArray[np.int64]  # (k,) which of the centres it was started from each came from
    n_iter: int
    converged: bool
    at_means: bool  # whether no row would move the centres any more
    inertia: float | None = None  # None where it is not known


def by_falling_mass(centers: Floats, mass: Floats) -> NDArray[np.int64]:
    """The clusters that are not empty, the largest first; equal ones by their centres."""
    return np.lexsort([*centers.T[::-1], -mass])[: np.count_nonzero(mass)]


def without_empty(partition: Partition) -> Partition:
    """The same rows, where some centre lost its last ones in the last step."""
    full = partition.mass > 0
    number = np.cumsum(full, dtype=np.int32) - np.int32(1)
    partition.labels[:] = number[partition.labels]
    return partition._replace(centers=partition.centers[full], mass=partition.mass[full], seed=partition.seed[full])


def assign_in_many(X: Rows, centers: Floats, labels: Labels, threads: Threads) -> bool:
    """Write the nearest centre of every row of more than three features, the lowest index where two are equally near.

    Returns whether all distances are finite numbers.
    """
    course = Course(middle_of(X), NO_TOTAL, NO_LEAD, NO_SLACK)
    return _assign_all(X, NO_WEIGHTS, centers, course, labels, threads)


class Course(NamedTuple):
    """What settling keeps from one iteration to the next."""

    origin: Floats  # (d,) a point among most rows, so that theirs are small numbers: sums are of coordinates less it
    total: Floats  # (k, 2 + d) of every cluster: rows, mass and sums; (0, 0) where nothing is added up
    lead: NDArray[np.float32]  # (n,) by how much, at least, the own centre was nearer than any other; (0,) for none
    slack: Floats  # (k,) by how much the lead of a cluster's rows may have shrunk since


NO_TOTAL, NO_LEAD, NO_SLACK = np.empty((0, 0)), np.empty(0, np.float32), np.empty(0)
NO_WEIGHTS = frozen(np.empty(0))


def _course(X: Rows, centers: Floats) -> Course:
    k, d = centers.shape
    return Course(middle_of(X), np.zeros((k, 2 + d)), np.zeros(len(X), np.float32), np.zeros(k))


class _Products(NamedTuple):
    """What is known of the distances of a row to all centres before the row is."""

    negated: Floats  # (k', d') the origin less each centre: k and d are filled up to multiples of four
    half_norms: Floats  # (k',) half the squared length of that; infinite for centres that fill up


def _products(centers: Floats, origin: Floats) -> _Products:
    k, d = centers.shape
    negated = np.zeros((-(-k // 4) * 4, -(-d // 4) * 4))
    negated[:k, :d] = origin - centers
    half_norms = np.full(len(negated), np.inf)
    with np.errstate(over="ignore"):
        half_norms[:k] = 0.5 * np.einsum("jf,jf->j", negated, negated)[:k]
    return _Products(negated, half_norms)


def _assign_all(X: Rows, weights: Floats, centers: Floats, course: Course, labels: Labels, threads: Threads) -> bool:
    """Assign all rows for the first time; returns whether all distances are finite numbers."""
    chart = draw_chart(centers, len(X))

    def chunk(start: int, stop: int) -> Floats:
        labels[start:stop] = -1
        moved = np.zeros_like(course.total)
        if chart is not None:
            with np.errstate(over="ignore", invalid="ignore"):
                assign_plain(X, weights, *chart, course.origin, start, stop, labels, course.lead, moved)
        return moved

    for moved in threads.map(chunk, row_chunks(*X.shape)):
        np.add(course.total, moved, out=course.total)
    return _assign_anew(X, weights, centers, course, labels, threads).finite


class Change(NamedTuple):
    """What assigning rows anew came to."""

    moved: int  # rows that have another label
    leadless: int  # and that might have had
    finite: bool  # whether all distances are finite numbers


def _assign_anew(
    X: Rows, weights: Floats, centers: Floats, course: Course, labels: Labels, threads: Threads, leadless: int = 0
) -> Change:
    """Assign the rows that may have another nearest centre than their label, and add up those that have.

    A row keeps its lead while the centres move less than that (Hamerly, Making k-means even faster, 2010): in most
    iterations most rows are not touched. How many had none the last time tells whether to look how far the centres lie
    from each other is worth its time.
    """
    products, k = _products(centers, course.origin), len(centers)
    reach = reach_of(centers) if leadless > LEADLESS * k else np.zeros(k)

    def chunk(start: int, stop: int) -> tuple[Change, Floats]:
        moved = np.zeros_like(course.total)
        with np.errstate(over="ignore", invalid="ignore"):
            change = assign_many(
                X,
                weights,
                centers,
                *products,
                course.origin,
                course.slack,
                reach,
                start,
                stop,
                labels,
                course.lead,
                moved,
            )
        return Change(*change), moved

    parts = threads.map(chunk, row_chunks(*X.shape))
    for _, moved in parts:
        np.add(course.total, moved, out=course.total)
    # What rounding leaves of the weight of rows that have gone is nothing.
    course.total[course.total[:, :1].ravel() == 0] = 0.0
    changes = [change for change, _ in parts]
    return Change(sum(c.moved for c in changes), sum(c.leadless for c in changes), all(c.finite for c in changes))


def sum_by_label(X: Rows, weights: Floats, labels: Labels, n_clusters: int, threads: Threads) -> tuple[Floats, Floats]:
    """Mass and mean of every cluster; the mean of an empty one is NaN."""
    origin = X[0].astype(np.float64)

    def chunk(start: int, stop: int) -> Floats:
        table = np.zeros((n_clusters, X.shape[1] + 1))
        with np.errstate(over="ignore", invalid="ignore"):
            sum_rows(X, weights, labels, origin, start, stop, table)
        return table

    table = added(threads.map(chunk, row_chunks(*X.shape)))
    with np.errstate(invalid="ignore"):
        return table[:, 0].copy(), table[:, 1:] / table[:, :1] + origin


def added(tables: list[Floats]) -> Floats:
    total = tables[0]
    for table in tables[1:]:
        total += table
    return total


def settle(
    X: Rows, weights: Floats, centers: Floats, labels: Labels, threads: Threads, *, max_iter: int, tol: float
) -> Partition:
    """Lloyd's algorithm until no row changes its cluster, or the centres hardly move; `labels` is overwritten."""
    seed = np.arange(len(centers))
    course, change = _course(X, centers), Change(len(X), len(X), finite=True)
    for n_iter in range(1, max_iter + 1):
        if n_iter == 1:
            _assign_all(X, weights, centers, course, labels, threads)
        else:
            change = _assign_anew(X, weights, centers, course, labels, threads, change.leadless)
        mass = course.total[:, 1]
        means = np.where(
            mass[:, None] > 0, course.origin + course.total[:, 2:] / np.where(mass > 0, mass, 1.0)[:, None], centers
        )
        if not change.moved or (tol > 0 and ((means - centers) ** 2).sum() <= tol):
            order = by_falling_mass(centers, mass)
            if np.array_equal(order, np.arange(len(centers))):
                at_means = np.array_equal(means, centers)
                return Partition(labels, centers, mass, seed, n_iter, converged=True, at_means=at_means)
            # A row between two equally near centres goes to the first: once more, to see that all stay.
            number = np.empty(len(centers), np.int32)
            number[order] = np.arange(len(order))
            labels[:] = number[labels]
            centers, seed = centers[order], seed[order]
            course = course._replace(total=course.total[order], slack=np.zeros(len(order)))
        else:
            course = course._replace(slack=_slack(means - centers))
            centers = means
    order = by_falling_mass(centers, mass)
    centers, seed = centers[order], seed[order]
    course = _course(X, centers)
    _assign_all(X, weights, centers, course, labels, threads)
    return without_empty(
        Partition(labels, centers, course.total[:, 1], seed, max_iter, converged=False, at_means=False)
    )


def _slack(step: Floats) -> Floats:
    """How much of their lead (k,) rows may lose to steps (k, d) of the centres: to their own and the longest other."""
    length = np.sqrt((step**2).sum(axis=1))
    longest = np.full(len(length), np.max(length, initial=0.0))
    if len(length) > 1:
        first = int(np.argmax(length))
        longest[first] = np.delete(length, first).max()
    return np.asarray(length + longest)


def inertia_of_means(centers: Floats, mass: Floats, about: Floats, squares: float) -> float | None:
    """What the means leave of the squares about some point; None where that is hardly more than rounding."""
    left = squares - float(mass @ ((centers - about) ** 2).sum(axis=1))
    return left if left > LEAST_LEFT * squares else None


def inertia(X: Rows, weights: Floats, labels: Labels, centers: Floats, threads: Threads) -> float:
    """Weighted sum of the squared distances to the own centre."""
    parts = threads.map(
        lambda start, stop: inertia_rows(X, weights, labels, centers, start, stop), row_chunks(*X.shape)
    )
    return float(sum(parts))


@reordering_kernel
def assign_many(
    X,  # (n, d) IN
    weights,  # (n,) or (0,) IN
    centers,  # (k, d) IN
    negated,  # (k', d') IN: this and the next as in `_Products`
    half_norms,  # (k',) IN
    origin,  # (d,) IN
    slack,  # (k,) IN: what the rows of each cluster may have lost of their lead
    reach,  # (k,) IN: rows nearer to a centre than this are nearer to it than to any other
    start,
    stop,
    labels,  # (n,) INOUT: -1 for rows that have none yet
    lead,  # (n,) INOUT: by how much the own centre is nearer than any other, at least; (0,) where labels are final
    moved,  # (k, 2 + d) or (0, 2 + d) INOUT: rows, mass and sums that came to a cluster less those that left it
):
    """Write the nearest centre of the rows from start to stop without a lead.

    Returns the fields of a `Change`.
    """
    n_clusters, d = centers.shape
    # Half a squared distance is wrong by no more than this part of it and of the squared length of the row, the least
    # two by no more than twice this part of the least and that length, and a root by no more than its root.
    doubt = 8 * (d + 4) * EPSILON
    doubt_of_root = np.sqrt(doubt)
    led, weighted, added = lead.shape[0] > 0, weights.shape[0] > 0, moved.shape[0] > 0
    # A block of more features would not stay in the first cache.
    n_lanes = BLOCK if d <= 32 else BLOCK // 2
    n_rounded, d_rounded = negated.shape
    block = np.zeros((d_rounded, n_lanes))
    score0, score1, score2, score3 = np.empty(n_lanes), np.empty(n_lanes), np.empty(n_lanes), np.empty(n_lanes)
    best, second, nearest = np.empty(n_lanes), np.empty(n_lanes), np.empty(n_lanes)
    pending, norm, margin = np.empty(n_lanes, np.int64), np.zeros(n_lanes), np.empty(n_lanes)
    changed, leadless, finite, i, asked, plain = 0, 0, True, start, 0, 0
    while i < stop:
        rows = 0
        while i < stop and rows < n_lanes:
            first = rows
            while i < stop and rows < n_lanes:
                left = 0.0
                if labels[i] >= 0:
                    left = lead[i] - slack[labels[i]] if led else 1.0
                if LEAST_LEAD < left < np.inf:
                    if led:
                        # Rounded down: it is a bound.
                        lead[i] = np.float32(left * (1 - 1e-6))
                else:
                    pending[rows] = i
                    rows += 1
                i += 1
            leadless += rows - first
            if asked > TRIAL and plain < WORTH_ASKING * asked:
                continue
            # Rows within reach of their centre need no other.
            asked += rows - first
            last, rows = rows, first
            for r in range(first, last):
                at, squared = pending[r], np.inf
                own = labels[at]
                if own >= 0:
                    squared = 0.0
                    for f in range(d):
                        squared += (X[at, f] - centers[own, f]) ** 2
                    if squared < reach[own] ** 2:
                        lead[at] = np.float32(2 * (reach[own] - np.sqrt(squared)) * (1 - 1e-6))
                        plain += 1
                        continue
                pending[rows] = at
                rows += 1
        for r in range(rows):
            at, squared = pending[r], 0.0
            for f in range(d):
                x = X[at, f] - origin[f]
                block[f, r] = x
                squared += x * x
            norm[r] = squared
        for r in range(n_lanes):
            best[r] = np.inf
            second[r] = np.inf
            nearest[r] = 0.0
        # Four centres at a time: a row's coordinates are read once for all four.
        for j in range(0, n_rounded if rows else 0, 4):
            # Half the squared distance, less half the row's own squared length.
            for r in range(n_lanes):
                score0[r] = half_norms[j]
                score1[r] = half_norms[j + 1]
                score2[r] = half_norms[j + 2]
                score3[r] = half_norms[j + 3]
            for f in range(0, d_rounded, 4):
                a0, a1, a2, a3 = negated[j, f], negated[j, f + 1], negated[j, f + 2], negated[j, f + 3]
                b0, b1, b2, b3 = negated[j + 1, f], negated[j + 1, f + 1], negated[j + 1, f + 2], negated[j + 1, f + 3]
                c0, c1, c2, c3 = negated[j + 2, f], negated[j + 2, f + 1], negated[j + 2, f + 2], negated[j + 2, f + 3]
                d0, d1, d2, d3 = negated[j + 3, f], negated[j + 3, f + 1], negated[j + 3, f + 2], negated[j + 3, f + 3]
                x0, x1, x2, x3 = block[f], block[f + 1], block[f + 2], block[f + 3]
                for r in range(n_lanes):
                    y0, y1, y2, y3 = x0[r], x1[r], x2[r], x3[r]
                    score0[r] += y0 * a0 + y1 * a1 + y2 * a2 + y3 * a3
                    score1[r] += y0 * b0 + y1 * b1 + y2 * b2 + y3 * b3
                    score2[r] += y0 * c0 + y1 * c1 + y2 * c2 + y3 * c3
                    score3[r] += y0 * d0 + y1 * d1 + y2 * d2 + y3 * d3
            index = float(j)
            # The index is a float so that it moves in the lanes of the distances.
            for r in range(n_lanes):
                least, next_to, own = best[r], second[r], nearest[r]
                for score, number in (
                    (score0[r], index),
                    (score1[r], index + 1.0),
                    (score2[r], index + 2.0),
                    (score3[r], index + 3.0),
                ):
                    closer = score < least
                    farther = least if closer else score
                    next_to = farther if farther < next_to else next_to
                    least = score if closer else least
                    own = number if closer else own
                best[r] = least
                second[r] = next_to
                nearest[r] = own
        if led and rows:
            for r in range(n_lanes):
                near, far = norm[r] + 2 * best[r], norm[r] + 2 * second[r]
                near = near if near > 0.0 else 0.0
                far = far if far > 0.0 else 0.0
                away, rounding = np.sqrt(near), 2 * doubt_of_root * np.sqrt(norm[r] + near)
                margin[r] = np.sqrt(far) * (1 - 1e-6) - away - rounding
        for r in range(rows):
            at, now = pending[r], np.int32(nearest[r])
            if second[r] - best[r] <= 2 * doubt * (norm[r] + abs(norm[r] + 2 * best[r])):
                # The products do not tell which of two is nearer: the differences do.
                least = np.inf
                for j in range(n_clusters):
                    squared = 0.0
                    for f in range(d):
                        squared += (X[at, f] - centers[j, f]) ** 2
                    if squared < least:
                        least = squared
                        now = np.int32(j)
            # Half the squared length that both leave out is a number, unless a value is not.
            finite &= abs(best[r]) < np.inf
            before = labels[at]
            if led:
                lead[at] = np.float32(margin[r])
            if now == before:
                continue
            labels[at] = now
            changed += 1
            if added:
                w = weights[at] if weighted else 1.0
                moved[now, 0] += 1.0
                moved[now, 1] += w
                for f in range(d):
                    moved[now, 2 + f] += w * (X[at, f] - origin[f])
                if before >= 0:
                    moved[before, 0] -= 1.0
                    moved[before, 1] -= w
                    for f in range(d):
                        moved[before, 2 + f] -= w * (X[at, f] - origin[f])
    return changed, leadless, finite


@kernel
def sum_rows(
    X,  # (n, d) IN
    weights,  # (n,) or (0,) IN
    labels,  # (n,) IN
    origin,  # (d,) IN
    start,
    stop,
    table,  # (k, 1 + d) INOUT: mass, then sums of the coordinates less the origin
):
    """Add rows start to stop to their clusters."""
    d = X.shape[1]
    weighted = weights.shape[0] > 0
    for i in range(start, stop):
        j = np.uint32(labels[i])
        w = weights[i] if weighted else 1.0
        table[j, 0] += w
        for f in range(d):
            table[j, 1 + f] += w * (X[i, f] - origin[f])


@reordering_kernel
def inertia_rows(
    X,  # (n, d) IN
    weights,  # (n,) or (0,) IN
    labels,  # (n,) IN
    centers,  # (k, d) IN
    start,
    stop,
):
    """Weighted sum of squared distances to the own centre over rows start to stop."""
    d = X.shape[1]
    weighted = weights.shape[0] > 0
    total = 0.0
    for i in range(start, stop):
        j = labels[i]
        squared = 0.0
        for f in range(d):
            squared += (X[i, f] - centers[j, f]) ** 2
        total += (weights[i] if weighted else 1.0) * squared
    return total
