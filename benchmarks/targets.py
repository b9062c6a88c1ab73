"""What the report must show, and whether it does."""

import statistics
from typing import Any, NamedTuple

from benchmarks.data import OVERLAPPING, blobs_name
from benchmarks.peers import INTELEX, K_GIVEN, KMAD, KMAD_GIVEN, KMEANS, SILHOUETTE
from benchmarks.report import BIRCH1

Report = dict[str, Any]

# How many times as long as KMad the peer must take at least.
TIMES: list[tuple[tuple[int, int, int], str, float]] = [
    ((1_000_000, 2, 10), KMEANS, 25),
    ((1_000_000, 2, 10), INTELEX, 6),
    ((10_000_000, 2, 10), KMEANS, 25),
    ((10_000_000, 2, 10), INTELEX, 6),
    ((1_000_000, 3, 10), KMEANS, 12),
    ((1_000_000, 3, 10), INTELEX, 4),
    ((1_000_000, 8, 20), KMEANS, 8),
    ((1_000_000, 8, 20), INTELEX, 2.5),
    ((1_000_000, 16, 20), KMEANS, 5),
    ((1_000_000, 16, 20), INTELEX, 2),
    ((200_000, 64, 20), KMEANS, 2),
    ((200_000, 64, 20), INTELEX, 1),
    ((3_000, 2, 15), KMEANS, 1),
]
BIRCH1_TIMES = ((KMEANS, 30), (INTELEX, 10))
SWEEP_TIMES = 200
PREDICT_TIMES = ((KMEANS, 3), (INTELEX, 2))
INERTIA_OVER_BEST = 0.005
READS = 12
THREADS_TIMES = 1.6
BYTES_A_ROW, BYTES_MORE = 6, 64 << 20
SECONDS = {"import kmad, after numpy": 0.05, "from kmad import KMad, after numba and sklearn.base": 0.1}
FIRST_FIT_SECONDS = {"warm": 0.7, "empty": 6.0}


class Target(NamedTuple):
    """A promise, in words, and what was measured."""

    what: str
    against: str
    wanted: str
    measured: str
    met: bool | None  # None: not measured


def check(report: Report) -> list[Target]:
    """All targets; a quick run, which has less data, says nothing about them."""
    targets = check_fits(report) + check_machine(report)
    if report["form"] == "full":
        return targets
    return [target._replace(measured="–", met=None) for target in targets]


def check_fits(report: Report) -> list[Target]:
    """Time and inertia."""
    fits = {fit["case"]: fit["results"] for fit in report["fits"]}
    targets = []
    for spread in (1.0, OVERLAPPING):
        for size, peer, wanted in TIMES:
            targets.append(at_least(fits, blobs_name(*size, spread), peer, wanted))
        if spread == 1.0:
            targets.append(at_least(fits, blobs_name(3_000, 2, 15), SILHOUETTE, SWEEP_TIMES))
    targets += [at_least(fits, BIRCH1, peer, wanted) for peer, wanted in BIRCH1_TIMES]
    targets += [given_at_most(case, results) for case, results in fits.items()]
    targets += [inertia_at_most(case, results) for case, results in fits.items()]
    for section in report["predict"]:
        for peer, wanted in PREDICT_TIMES:
            ratio = quotient(section["seconds"].get(peer), section["seconds"][KMAD])
            targets.append(judge_least(f"predict, {section['case']}", peer, wanted, ratio))
    return targets


def check_machine(report: Report) -> list[Target]:
    """Reads, memory, threads and cold start."""
    read = report["read"]
    ratio = quotient(read["seconds"]["fit"], read["seconds"]["read"])
    targets = [judge_most(f"fit, {read['name']}", "one compiled read", READS, ratio)]
    (memory,) = [m for m in report["processes"]["memory"][-3:] if m["peer"] == KMAD]
    most = BYTES_A_ROW * memory["rows"] + BYTES_MORE
    over = median(memory["bytes"])
    what = f"peak over the input, {memory['rows']:,} × 2"
    met = None if over is None else over <= most
    targets.append(Target(what, "", f"≤ {mebibytes(most)}", mebibytes(over), met))
    for section in report["threads"]:
        ratio = quotient(section["seconds"]["1"], section["seconds"]["2"])
        if section is report["threads"][0]:
            targets.append(judge_least(f"two threads, {section['name']}", "one thread", THREADS_TIMES, ratio))
        same = "the same" if section["equal"] else "different"
        targets.append(
            Target(f"two threads, {section['name']}", "one thread", "every bit the same", same, section["equal"])
        )
    times = {item["what"]: median(item["seconds"]) for item in report["processes"]["imports"]}
    targets += [seconds_at_most(what, wanted, times.get(what)) for what, wanted in SECONDS.items()]
    for item in report["processes"]["first_fits"]:
        if "empty" in item:
            for cache, wanted in FIRST_FIT_SECONDS.items():
                what = f"first fit, {item['features']} features, {cache} cache"
                targets.append(seconds_at_most(what, wanted, median(item[cache])))
    return targets


def median(values: list[float] | None) -> float | None:
    return statistics.median(values) if values else None


def quotient(above: list[float] | None, below: list[float] | None) -> float | None:
    """Median over median."""
    top, bottom = median(above), median(below)
    return None if top is None or bottom is None else top / bottom


def at_least(fits: dict[str, Any], case: str, peer: str, wanted: float) -> Target:
    results = fits.get(case, {})
    ratio = quotient(results.get(peer, {}).get("seconds"), results.get(KMAD, {}).get("seconds"))
    return judge_least(case, peer, wanted, ratio)


def given_at_most(case: str, results: dict[str, Any]) -> Target:
    ratio = quotient(results[KMAD_GIVEN]["seconds"], results[KMAD]["seconds"])
    return judge_most(f"K given, {case}", "K unknown", 1, ratio)


def inertia_at_most(case: str, results: dict[str, Any]) -> Target:
    told = [results[peer]["inertia"] for peer in K_GIVEN if peer in results]
    best = [statistics.median(inertia) for inertia in told if inertia]
    own = median(results[KMAD]["inertia"])
    more = None if own is None or not best else own / min(best) - 1
    met = None if more is None else more <= INERTIA_OVER_BEST
    wanted = f"≤ {100 * INERTIA_OVER_BEST:g} % more"
    return Target(f"inertia, {case}", "best peer with K given", wanted, signed(more), met)


def signed(more: float | None) -> str:
    if more is None:
        return "–"
    return "the same" if abs(more) < 5e-5 else f"{100 * abs(more):.2f} % {'more' if more > 0 else 'less'}"


def judge_least(what: str, against: str, wanted: float, ratio: float | None) -> Target:
    met = None if ratio is None else ratio >= wanted
    return Target(what, against, f"≥ {wanted:g} ×", times(ratio), met)


def judge_most(what: str, against: str, wanted: float, ratio: float | None) -> Target:
    met = None if ratio is None else ratio <= wanted
    return Target(what, against, f"≤ {wanted:g} ×", times(ratio), met)


def seconds_at_most(what: str, wanted: float, seconds: float | None) -> Target:
    met = None if seconds is None else seconds <= wanted
    return Target(what, "", f"≤ {wanted:g} s", "–" if seconds is None else f"{seconds:.3g} s", met)


def times(ratio: float | None) -> str:
    if ratio is None:
        return "–"
    return f"{ratio:,.0f} ×" if ratio >= 100 else f"{ratio:.3g} ×"


def mebibytes(count: float | None) -> str:
    return "–" if count is None else f"{count / 2**20:.0f} MiB"
