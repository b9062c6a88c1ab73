"""The evidence for the thresholds of KMad, from samples that hold one region.

Each section simulates one promise and prints what it measured beside it:

1. KMad finds more than one region in at most `significance` of the samples of one region.
2. The second highest prominence of the landscape stays below `prominence_threshold`.
3. The tail of the dip of uniform rows is as DIP_OFFSET and DIP_SLOPE say.
4. A cluster of one mode is divided in at most AGAIN times `significance` of the cases.

Seeds are fixed. `python -m benchmarks.calibrate --quick` takes about a minute, the full form about half an hour.
"""

import argparse
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.tables import table, write_json
from kmad import KMad
from kmad._threads import Threads
from kmad.cluster._axes import N_AXES
from kmad.cluster._dip import find_dips
from kmad.cluster._division import DIP_OFFSET, DIP_SLOPE, N_BINS, Sample, dip_critical, divide_clusters
from kmad.cluster._grid import coarsen, max_cells, measure, plan, summarise
from kmad.cluster._landscape import FEW_CELLS, SIGMAS, Ground, prominence_threshold, survey
from kmad.cluster._lines import count_features
from kmad.cluster._search import AGAIN
from kmad.cluster._ties import find_heaps, find_ties

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, int]], Floats]

SMOOTH: dict[str, Draw] = {
    "uniform": lambda rng, shape: rng.random(shape),
    "normal": lambda rng, shape: rng.normal(size=shape),
    "exponential": lambda rng, shape: rng.exponential(size=shape),
    "log-normal": lambda rng, shape: rng.lognormal(size=shape),
    "Student t(2)": lambda rng, shape: rng.standard_t(2, size=shape),
}
# Counts and rounded values: few distinct values, many rows on each.
TIED: dict[str, Draw] = {
    "Poisson(3)": lambda rng, shape: rng.poisson(3.0, size=shape).astype(float),
    "gamma in cents": lambda rng, shape: np.round(rng.gamma(2.0, 20.0, size=shape), 2),
    "log geometric": lambda rng, shape: np.log(rng.geometric(0.3, size=shape)),
}
KINDS = SMOOTH | TIED

SIGNIFICANCES = (0.2, 0.05, 0.01)


class Effort(NamedTuple):
    """How much is simulated."""

    samples: dict[int, int]  # samples of each kind and number of features, by their number of rows
    landscapes: dict[int, int]  # as `samples`, for section 2
    dips: int  # samples of each number of rows, for section 3
    clusters: int  # samples of each kind, number of features and number of rows, for section 4


# Samples of 300,000 rows are drawn with up to three features only.
FULL = Effort({300: 200, 3_000: 100, 30_000: 30, 300_000: 5}, {300: 1000, 3_000: 500, 30_000: 100}, 200_000, 500)
QUICK = Effort({300: 10, 3_000: 4, 30_000: 1}, {300: 30, 3_000: 15}, 5_000, 10)


def rng_of(*seed: str | int) -> np.random.Generator:
    """A generator that depends on the case alone, not on which others are run."""
    return np.random.default_rng([zlib.crc32(part.encode()) if isinstance(part, str) else part for part in seed])


class Found(NamedTuple):
    """Section 1: how often KMad finds several regions in samples of one."""

    kind: str
    features: int
    rows: int
    samples: int
    first: int  # samples in which the first look found more than one region
    second: int  # in which only looking again did
    most: int  # most regions found in a sample

    @property
    def share(self) -> float:
        return 100 * (self.first + self.second) / self.samples


def find_false_regions(effort: Effort, kinds: list[str], significance: float) -> Iterator[Found]:
    for kind in kinds:
        for features in (1, 2, 3, 6, 16):
            for rows, samples in effort.samples.items():
                if rows == 300_000 and features > N_AXES:
                    continue
                first = second = 0
                most = 1
                for sample in range(samples):
                    X = KINDS[kind](rng_of(kind, features, rows, sample), (rows, features))
                    model = KMad(significance=significance).fit(X)
                    most = max(most, model.n_clusters_)
                    if model.n_clusters_ > 1:
                        only_again = bool(model.regions_.divided.all())
                        first += not only_again
                        second += only_again
                yield Found(kind, features, rows, samples, first, second, most)


def print_false_regions(cases: list[Found], significance: float) -> None:
    print(f"1. Samples of one region in which KMad(significance={significance}) finds more, in per cent\n")
    dimensions = sorted({case.features for case in cases})
    rows: list[list[object]] = []
    for kind in [*dict.fromkeys(case.kind for case in cases), "all"]:
        own = [case for case in cases if kind in {case.kind, "all"}]
        samples = sum(case.samples for case in own)
        shares: list[object] = []
        for features in dimensions:
            part = [case for case in own if case.features == features]
            shares.append(100 * sum(case.first + case.second for case in part) / sum(case.samples for case in part))
        first, second = (
            100 * sum(count) / samples for count in zip(*((case.first, case.second) for case in own), strict=True)
        )
        rows.append([kind, *shares, first, second, first + second, samples])
    header = ["kind", *(f"{features} feature{'s' * (features > 1)}" for features in dimensions)]
    print(table([*header, "first look", "looking again", "all", "samples"], rows))
    above = [case for case in cases if case.share > 100 * significance]
    if above:
        print(f"\nCases with more than {100 * significance:g} %:\n")
        print(table([*Found._fields, "per cent"], [[*case, case.share] for case in above]))
    print()


class Excess(NamedTuple):
    """Section 2: the second highest prominence of a landscape, less the threshold."""

    axes: int
    kind: str
    rows: int
    samples: int
    resolvable: float  # at the finest bandwidth, median of the samples
    quantiles: list[float]  # of the excess at a significance of 0.05, largest of all bandwidths: see EXCESS_QUANTILES
    shares: list[float]  # per cent of samples above the threshold at any bandwidth, for each of SIGNIFICANCES
    shares_of_one: float  # per cent of landscapes above the threshold at 0.05


EXCESS_QUANTILES = (0.5, 0.9, 0.95, 0.99)


def measure_excess(effort: Effort, kinds: list[str]) -> Iterator[Excess]:
    for axes in (1, 2, 3):
        for kind in [kind for kind in kinds if kind in SMOOTH]:
            for rows, samples in effort.landscapes.items():
                heights = [
                    second_prominences(KINDS[kind](rng_of("excess", kind, axes, rows, sample), (rows, axes)))
                    for sample in range(samples)
                ]
                excess = [
                    [
                        np.array(
                            [second - prominence_threshold(axes, resolvable, alpha) for second, resolvable in sample]
                        )
                        for sample in heights
                    ]
                    for alpha in SIGNIFICANCES
                ]
                largest = np.array([[of_sample.max() for of_sample in of_alpha] for of_alpha in excess])
                at_5 = SIGNIFICANCES.index(0.05)
                yield Excess(
                    axes,
                    kind,
                    rows,
                    samples,
                    float(np.median([sample[0][1] for sample in heights])),
                    [float(q) for q in np.quantile(largest[at_5], EXCESS_QUANTILES)],
                    [float(share) for share in 100 * (largest > 0).mean(axis=1)],
                    float(100 * (np.concatenate(excess[at_5]) > 0).mean()),
                )


def second_prominences(X: Floats) -> list[tuple[float, float]]:
    """The second highest prominence at each bandwidth of a first look, and how many regions the ground could hold."""
    axes = X.shape[1]
    with Threads(1) as threads:
        frame = plan(*measure(X, threads)[:2], max_cells(axes, len(X)))
        mass = summarise(X, np.empty(0), frame, np.empty(len(X), np.int32), threads).mass
    found = []
    while True:
        for sigma in SIGMAS:
            shape = (1,) * (3 - axes) + frame.shape
            along = tuple(float(sigma) if n > 1 else 0.0 for n in shape)
            (landscape,) = survey([Ground(mass.reshape(shape), along)], np.zeros_like)
            prominence = landscape.prominence
            second = float(np.partition(prominence, -2)[-2]) if len(prominence) > 1 else 0.0
            found.append((second, landscape.resolvable))
        if max(frame.shape) <= FEW_CELLS:
            return found
        frame, mass = coarsen(frame, mass)


def print_excess(cases: list[Excess]) -> None:
    print("2. Second highest prominence of samples of one region, less the threshold at a significance of 0.05:")
    print("   quantiles of its largest value over the bandwidths, and per cent of the samples above the threshold\n")
    header = ["axes", "kind", "rows", "M finest"]
    header += [f"{100 * q:g} %" for q in EXCESS_QUANTILES]
    header += [f"above at {alpha:g}" for alpha in SIGNIFICANCES]
    print(
        table(
            [*header, "one bandwidth, 0.05", "samples"],
            [
                [c.axes, c.kind, c.rows, round(c.resolvable), *c.quantiles, *c.shares, c.shares_of_one, c.samples]
                for c in cases
            ],
        )
    )
    print()


class Tail(NamedTuple):
    """Section 3: the tail of sqrt(n) times the dip of n uniform rows."""

    rows: str
    samples: int
    offset: float
    slope: float
    quantiles: list[float]  # that the shares DIP_SHARES of the samples exceed
    shares: list[float]  # per cent of the samples above the critical values of DIP_SHARES


DIP_SHARES = (0.05, 0.01, 0.001)
# The part of the tail that the line is fitted to: shares of the samples.
FITTED = (0.001, 0.1)
# From so many rows on the tail hardly changes.
LIMIT_ROWS = 300


def measure_dips(effort: Effort) -> Iterator[Tail]:
    largest: list[Floats] = []
    for rows in (10, 30, 100, 300, 1_000, 4_000):
        rng = rng_of("dip", rows)
        samples = min(effort.dips, max(1_000, effort.dips * 1_000 // rows))
        dips = np.array([scaled_dip(rng.random(rows)) for _ in range(samples)])
        yield tail_of(f"{rows}", dips)
        if rows >= LIMIT_ROWS:
            largest.append(dips)
    yield tail_of(f"{LIMIT_ROWS} up", np.concatenate(largest))


def tail_of(rows: str, dips: Floats) -> Tail:
    offset, slope = fit_tail(dips)
    return Tail(
        rows,
        len(dips),
        offset,
        slope,
        [float(q) for q in np.quantile(dips, 1 - np.array(DIP_SHARES))],
        [float(100 * (dips > dip_critical(share)).mean()) for share in DIP_SHARES],
    )


def scaled_dip(values: Floats) -> float:
    """The square root of n times the dip, binned as it is where clusters are looked at again."""
    counts, dips = np.empty((1, 1, N_BINS)), np.empty((1, 1))
    count_features(values[:, None], np.ones(len(values)), 0, len(values), counts[0])
    find_dips(counts, np.array([1]), 0.0, 0, 0, 1, dips)
    return float(dips[0, 0])


def fit_tail(dips: Floats) -> tuple[float, float]:
    """Offset a and slope b of log P = a - b t^2, by least squares at equal steps of log P."""
    least, greatest = max(FITTED[0], 20 / len(dips)), FITTED[1]
    shares = np.geomspace(least, greatest, 20)
    t = np.quantile(dips, 1 - shares)
    slope, offset = np.polyfit(t**2, np.log(shares), 1)
    return float(offset), float(-slope)


def print_dips(cases: list[Tail]) -> None:
    print("3. Tail of sqrt(n) D, D the dip of n uniform rows: log P(sqrt(n) D > t) = offset - slope t^2")
    print(f"   in use: offset {DIP_OFFSET}, slope {DIP_SLOPE}, so that", end=" ")
    print(", ".join(f"P = {share:g} at t = {dip_critical(share):.3f}" for share in DIP_SHARES) + "\n")
    header = ["rows", "offset", "slope", *(f"t of {share:g}" for share in DIP_SHARES)]
    header += [f"% above t({share:g})" for share in DIP_SHARES]
    print(
        table(
            [*header, "samples"],
            [
                [
                    c.rows,
                    c.offset,
                    c.slope,
                    *(f"{q:.3f}" for q in c.quantiles),
                    *(f"{s:.3f}" for s in c.shares),
                    c.samples,
                ]
                for c in cases
            ],
        )
    )
    print()


class Divided(NamedTuple):
    """Section 4: how often one cluster of one mode is divided."""

    kind: str
    features: int
    rows: int
    samples: int
    divided: int


def divide_needlessly(effort: Effort, kinds: list[str], significance: float) -> Iterator[Divided]:
    for kind in kinds:
        for features in (1, 2, 3, 6, 16):
            for rows in (10, 30, 100, 300, 1_000, 4_000):
                samples = effort.clusters
                divided = sum(
                    is_divided(
                        KINDS[kind](rng_of("divide", kind, features, rows, sample), (rows, features)), significance
                    )
                    for sample in range(samples)
                )
                yield Divided(kind, features, rows, samples, divided)


def is_divided(cluster: Floats, significance: float) -> bool:
    rows = len(cluster)
    sample = Sample(cluster, np.ones(rows), np.array([0, rows]))
    with Threads(1) as threads:
        ties = find_ties(cluster, np.empty(0), threads)
        return bool(divide_clusters(sample, ties, find_heaps(cluster, ties), significance, threads))


def print_divided(cases: list[Divided], significance: float) -> None:
    print(f"4. Clusters of one mode that are divided, in per cent; the promise is {100 * significance:g} %\n")
    sizes = sorted({case.rows for case in cases})
    rows: list[list[object]] = []
    for kind in [*dict.fromkeys(case.kind for case in cases), "all"]:
        own = [case for case in cases if kind in {case.kind, "all"}]
        parts = [[case for case in own if case.rows == size] for size in sizes]
        rows.append([kind, *map(share_divided, parts), share_divided(own), sum(case.samples for case in own)])
    print(table(["kind", *(f"{size} rows" for size in sizes), "all", "samples"], rows))
    worst = sorted(cases, key=lambda case: share_divided([case]), reverse=True)[:5]
    print("\nThe worst cases:\n")
    print(table([*Divided._fields, "per cent"], [[*case, share_divided([case])] for case in worst]))
    print()


def share_divided(cases: list[Divided]) -> float:
    return 100 * sum(case.divided for case in cases) / sum(case.samples for case in cases)


def main(arguments: list[str] | None = None) -> None:
    """Run the sections that were asked for, print each when it is done, and write the JSON last."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibrate", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few samples, in about a minute")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write every figure to this file")
    parser.add_argument("--significance", type=float, default=0.05, help="of sections 1 and 4 (default: 0.05)")
    parser.add_argument(
        "--sections", type=int, nargs="+", choices=range(1, 5), default=range(1, 5), help="default: all"
    )
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=[*KINDS], metavar="KIND", help="default: all")
    options = parser.parse_args(arguments)
    effort, kinds, significance = QUICK if options.quick else FULL, options.kinds, options.significance
    report: dict[str, list[dict[str, Any]]] = {}
    if 1 in options.sections:
        found = list(find_false_regions(effort, kinds, significance))
        print_false_regions(found, significance)
        report["false_regions"] = [case._asdict() for case in found]
    if 2 in options.sections:
        excess = list(measure_excess(effort, kinds))
        print_excess(excess)
        report["excess"] = [case._asdict() for case in excess]
    if 3 in options.sections:
        tails = list(measure_dips(effort))
        print_dips(tails)
        report["dip"] = [case._asdict() for case in tails]
    if 4 in options.sections:
        divided = list(divide_needlessly(effort, kinds, AGAIN * significance))
        print_divided(divided, AGAIN * significance)
        report["divided"] = [case._asdict() for case in divided]
    if options.json:
        write_json(options.json, report)


if __name__ == "__main__":
    main()
