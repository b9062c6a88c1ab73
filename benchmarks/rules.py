"""Itemsets beside mlxtend, PyFIM and rusket: `python -m benchmarks.rules FOLDER` measures and writes the docs page.

FOLDER holds baskets as NAME.dat or NAME.dat.gz files in the FIMI format; those that are absent are named. The figures
go to benchmarks/rules.json and from there to docs/benchmarks_rules.md. `--only PART` measures one part anew and leaves
the others; `--render` only writes the page. What `python -m benchmarks.rules_check FOLDER` does is to compare the sets
and counts instead of times.

Each library gets what it takes and its result is left as it gives it: PyFIM lists of lists, mlxtend a one-hot table of
booleans, rusket a sparse table. kmad gets the same as the one it is compared with, so that conversions count for both.
"""

import argparse
import json
import math
import resource
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.render import table
from benchmarks.report import describe_machine
from benchmarks.rules_data import CASES, DENSE_CELLS, Baskets, geometric_mean, read_baskets, sparse_rows, take_turns
from benchmarks.rules_mlxtend import LIMIT, MEMORY, beside_mlxtend
from kmad import apriori

RESULTS = Path(__file__).with_name("rules.json")
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks_rules.md"
PYFIM = ("apriori", "eclat", "fpgrowth")
PACKAGES = ("kmad", "numba", "numpy", "pandas", "mlxtend", "pyfim", "rusket")
# The longest searches, from a matrix: there is no conversion in them that more threads could not shorten.
THREADED = (("T10I4D100K", 0.0001), ("retail", 0.0002), ("T10I4D100K", 0.001))
PEAKS = ("mushroom", 0.1)


def beside_pyfim(baskets: Baskets, support: float) -> dict[str, Any]:
    fim = import_module("fim")
    tasks: dict[str, Callable[[], Any]] = {
        "kmad": partial(apriori, baskets, min_support=support),
        "kmad, 1 thread": partial(apriori, baskets, min_support=support, n_jobs=1),
    }
    for name in PYFIM:
        tasks[f"PyFIM {name}"] = partial(getattr(fim, name), baskets, target="s", supp=100 * support, report="a")
    seconds, results = take_turns(tasks)
    counts = {name: len(result) for name, result in results.items()}
    return {"seconds": seconds, "sets": counts}


def beside_rusket(baskets: Baskets, support: float) -> dict[str, Any]:
    rusket = import_module("rusket")
    matrix = sparse_rows(baskets)
    frame = pd.DataFrame.sparse.from_spmatrix(matrix)
    tasks: dict[str, Callable[[], Any]] = {
        "kmad": partial(apriori, frame, min_support=support),
        "rusket": partial(rusket.mine, frame, min_support=support),
        "kmad, matrix": partial(apriori, matrix, min_support=support),
    }
    seconds, results = take_turns(tasks)
    return {"seconds": seconds, "sets": {name: len(result) for name, result in results.items()}}


def beside_one_thread(baskets: Baskets, support: float) -> dict[str, Any]:
    matrix = sparse_rows(baskets)
    tasks = {f"{n} threads": partial(apriori, matrix, min_support=support, n_jobs=n) for n in (1, 2)}
    seconds, results = take_turns(tasks)
    return {"seconds": seconds, "sets": {name: len(result) for name, result in results.items()}}


def measure_mlxtend(folder: Path, names: list[str]) -> list[dict[str, Any]]:
    return [
        {"set": name, "support": support, "ways": beside_mlxtend(folder, name, support)}
        for name in names
        if read_baskets(folder, name) is not None
        for support in CASES[name]
    ]


def measure_cells(
    beside: Callable[[Baskets, float], dict[str, Any]],
    folder: Path,
    names: list[str],
    only: tuple[tuple[str, float], ...] = (),
) -> list[dict[str, Any]]:
    records = []
    for name in names:
        baskets = read_baskets(folder, name)
        for support in CASES[name] if baskets else ():
            if not only or (name, support) in only:
                print(name, support, flush=True)
                records.append({"set": name, "support": support, **beside(baskets, support)})
    return records


PARTS: dict[str, Callable[[Path, list[str]], list[dict[str, Any]]]] = {
    "PyFIM": partial(measure_cells, beside_pyfim),
    "mlxtend": measure_mlxtend,
    "rusket": partial(measure_cells, beside_rusket),
    "threads": partial(measure_cells, beside_one_thread, only=THREADED),
    "memory": lambda folder, names: measure_memory(folder) if PEAKS[0] in names else [],
}


def measure_memory(folder: Path) -> list[dict[str, Any]]:
    # What the first process compiles is on disk for the next.
    peak_memory(folder, "kmad")
    peaks = {who: peak_memory(folder, who) for who in ("kmad", "PyFIM")}
    return [{"set": PEAKS[0], "support": PEAKS[1], "MiB": peaks}] if all(peaks.values()) else []


def peak_memory(folder: Path, who: str) -> float | None:
    """Peak of a fresh process over the baskets it has read, in MiB."""
    arguments = [sys.executable, "-m", "benchmarks.rules", str(folder), "--memory", who]
    done = subprocess.run(arguments, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    return json.loads(done.stdout.splitlines()[-1])


def print_peak(folder: Path, who: str) -> None:
    baskets = read_baskets(folder, PEAKS[0])
    if baskets is None:
        print("null")
        return
    fim = import_module("fim")
    # What the first call compiles or loads is not of the search.
    apriori(baskets[:2], min_support=2)
    before = peak()
    if who == "kmad":
        result: Any = apriori(baskets, min_support=PEAKS[1])
    else:
        result = fim.eclat(baskets, target="s", supp=100 * PEAKS[1], report="a")
    assert len(result) > 500_000
    print((peak() - before) / 1024)


def peak() -> int:
    """Kibibytes that the process has held at most."""
    status = Path("/proc/self/status")
    if status.exists():
        # What getrusage tells there counts the process that started this one too.
        (line,) = [line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def best(seconds: dict[str, float], peer: str) -> float:
    return min(value for name, value in seconds.items() if name.startswith(peer))


def ratios(cells: list[dict[str, Any]], peer: str, own: str = "kmad") -> list[float]:
    return [best(cell["seconds"], peer) / cell["seconds"][own] for cell in cells]


def mlxtend_ratio(ways: dict[str, Any]) -> tuple[float, bool]:
    """How much longer than kmad the best of mlxtend takes, and whether that is only a bound."""
    peers = [one for way, one in ways.items() if way != "kmad"]
    ended = [one["seconds"] for one in peers if "seconds" in one]
    bounds = [one["limit"] for one in peers if one.get("ran out of") == "time"]
    return min(ended or bounds or [math.nan]) / ways["kmad"]["seconds"], not ended


def milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.1f}"


def outcome(one: dict[str, Any]) -> str:
    if "seconds" in one:
        return milliseconds(one["seconds"])
    return f"> {milliseconds(one['limit'])}" if one["ran out of"] == "time" else f"no {one['ran out of']}"


def title(cell: dict[str, Any]) -> str:
    return f"{cell['set']} {100 * cell['support']:g} %"


def render(report: dict[str, Any]) -> str:
    machine, versions = report["machine"], report["versions"]
    parts = [
        "# Itemsets beside other libraries",
        "Measured by `python -m benchmarks.rules FOLDER` on data that is not part of kmad: "
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}; "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + ". Median milliseconds of five calls in turn, or of one where that takes more than two seconds, after one to "
        "warm up. Each library gets the kind of input that it takes, and kmad the same in the same table.",
        (
            "`python -m benchmarks.rules_check FOLDER` holds sets and counts of these versions against each other, at "
            "two supports of every set. They are equal, but for an item in every basket of mushroom, which PyFIM "
            "leaves out."
        ),
        "## Targets",
        render_targets(report),
        "## PyFIM",
        (
            "From lists of lists. Each of PyFIM's algorithms is asked for all sets and their counts (`target='s', "
            "report='a'`). kmad returns arrays, PyFIM a list of tuples."
        ),
        render_peer(report["PyFIM"], "PyFIM"),
        "## mlxtend",
        (
            "From a one-hot table of booleans in pandas, with sparse columns for retail, where it would have more than "
            f"{DENSE_CELLS // 10**6} million cells. Every way runs in a process of its own, with {MEMORY >> 30} GiB. "
            f"It is stopped after {LIMIT:.0f} seconds, or sooner where another of mlxtend's was faster: after the time "
            "of that one, but not before five seconds."
        ),
        render_mlxtend(report["mlxtend"]),
        "## rusket",
        "From a sparse pandas table, and in the last column from the SciPy matrix that it was made of.",
        render_peer(report["rusket"], "rusket"),
        "## Threads",
        "The three longest searches, from SciPy matrices.",
        render_threads(report["threads"]),
    ]
    return "\n\n".join(parts) + "\n"


def render_peer(cells: list[dict[str, Any]], peer: str) -> str:
    names = list(cells[0]["seconds"])
    rows = [
        (
            title(cell),
            f"{cell['sets']['kmad']:,}",
            *(milliseconds(cell["seconds"][name]) for name in names),
            f"{best(cell['seconds'], peer) / cell['seconds']['kmad']:.2f}",
        )
        for cell in cells
    ]
    return table(("set", "itemsets", *names, f"best {peer} / kmad"), rows)


def render_mlxtend(cells: list[dict[str, Any]]) -> str:
    rows = []
    for cell in cells:
        ratio, bound = mlxtend_ratio(cell["ways"])
        sets = f"{cell['ways']['kmad']['sets']:,}"
        rows.append((title(cell), sets, *map(outcome, cell["ways"].values()), f"{'> ' * bound}{ratio:.2f}"))
    return table(("set", "itemsets", *cells[0]["ways"], "best mlxtend / kmad"), rows)


def render_threads(cells: list[dict[str, Any]]) -> str:
    rows = [
        (title(cell), *map(milliseconds, cell["seconds"].values()), f"{speed_up(cell['seconds']):.2f}")
        for cell in cells
    ]
    return table(("set", "1 thread", "2 threads", "times faster"), rows)


def speed_up(seconds: dict[str, float]) -> float:
    return seconds["1 threads"] / seconds["2 threads"]


def render_targets(report: dict[str, Any]) -> str:
    pyfim, own = ratios(report["PyFIM"], "PyFIM"), ratios(report["PyFIM"], "PyFIM apriori")
    alone, rusket = ratios(report["PyFIM"], "PyFIM", own="kmad, 1 thread"), ratios(report["rusket"], "rusket")
    mlxtend = [mlxtend_ratio(cell["ways"]) for cell in report["mlxtend"]]
    known = [ratio for ratio, _ in mlxtend if not math.isnan(ratio)]
    ended = [ratio for ratio, bound in mlxtend if not bound]
    rows = [
        (f"mlxtend, its better algorithm: geometric mean of {len(known)} cells", "50", f"{geometric_mean(known):.1f}"),
        (f"the same, of the {len(ended)} cells where it ended", "", f"{geometric_mean(ended):.1f}"),
        ("mlxtend: least", "1", f"{min(known):.2f}"),
        ("PyFIM, its best algorithm: geometric mean", "1.5", f"{geometric_mean(pyfim):.2f}"),
        ("the same with one thread", "", f"{geometric_mean(alone):.2f}"),
        ("PyFIM: least", "0.83", f"{min(pyfim):.2f}"),
        ("PyFIM's own apriori: geometric mean", "4", f"{geometric_mean(own):.2f}"),
        ("rusket: geometric mean", "1.5", f"{geometric_mean(rusket):.2f}"),
        ("rusket: least", "", f"{min(rusket):.2f}"),
        (
            "two threads over one, three long cases: least",
            "1.5",
            f"{min(speed_up(cell['seconds']) for cell in report['threads']):.2f}",
        ),
    ]
    for cell in report["memory"]:
        peaks = cell["MiB"]
        rows.append(
            (f"peak over the input, {title(cell)}, MiB", f"{peaks['PyFIM']:.0f} (PyFIM)", f"{peaks['kmad']:.0f}")
        )
    return table(("times faster than", "target", "measured"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--only", choices=PARTS, action="append", help="measure this part anew, keep the others")
    parser.add_argument("--set", choices=CASES, action="append", help="only on this set; figures of others are kept")
    parser.add_argument("--render", action="store_true", help="write the page from the last measurements")
    parser.add_argument("--memory", metavar="WHO", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.folder is None and not arguments.render:
        parser.error("FOLDER is missing")
    if arguments.memory:
        print_peak(arguments.folder, arguments.memory)
        return
    if not arguments.render:
        report = json.loads(RESULTS.read_text(encoding="utf-8")) if arguments.only or arguments.set else {}
        report["machine"] = describe_machine()
        report["versions"] = {package: metadata.version(package) for package in PACKAGES}
        names = arguments.set or list(CASES)
        for part in arguments.only or PARTS:
            kept = [cell for cell in report.get(part, []) if cell["set"] not in names]
            cells = kept + PARTS[part](arguments.folder, names)
            report[part] = sorted(cells, key=lambda cell: list(CASES).index(cell["set"]))
        RESULTS.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    report = json.loads(RESULTS.read_text(encoding="utf-8"))
    if all(report.get(part) for part in PARTS):
        PAGE.write_text(render(report), encoding="utf-8")
    else:
        print("the page is written when all parts are measured")


if __name__ == "__main__":
    main()
