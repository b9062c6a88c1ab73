"""Itemsets beside mlxtend, PyFIM and rusket: `python -m benchmarks.rules FOLDER` measures and writes the docs page.

FOLDER holds baskets as NAME.dat or NAME.dat.gz files in the FIMI format; those that are absent are named. The figures
go to benchmarks/rules.json and from there to docs/benchmarks_rules.md; `--render` only writes the page. `--check`
instead holds the sets and counts of all three kinds against the peers' and against NAME_KIND_mf-COUNT.dat.gz files.

Each library gets what it takes and its result is left as it gives it: PyFIM lists of lists, mlxtend a one-hot table of
booleans, rusket a sparse table. kmad gets the same as the one it is compared with, so that conversions count for both.
"""

import argparse
import gc
import gzip
import json
import math
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from benchmarks.render import table
from benchmarks.report import describe_machine
from kmad import Itemsets, apriori

Baskets = list[list[int]]

RESULTS = Path(__file__).with_name("rules.json")
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks_rules.md"
CASES = {
    "groceries": (0.01, 0.005, 0.001),
    "online_retail": (0.02, 0.01, 0.005),
    "mushroom": (0.4, 0.2, 0.1),
    "chess": (0.9, 0.8, 0.7),
    "T10I4D100K": (0.01, 0.001, 0.0001),
    "retail": (0.01, 0.001, 0.0002),
    "BMS1": (0.001, 0.0006),
}
PYFIM = ("apriori", "eclat", "fpgrowth")
PACKAGES = ("kmad", "numba", "numpy", "pandas", "mlxtend", "pyfim", "rusket")
# A peer that takes longer than this is timed once; cells of mlxtend beyond reach are not run at all.
LONG = 2.0
ROUNDS = 5
DENSE_CELLS = 300_000_000
LOW_MEMORY_CELLS = 10_000_000
MLXTEND_SETS = 10_000
THREADED = (("T10I4D100K", 0.0001), ("retail", 0.0002), ("T10I4D100K", 0.001))
MEMORY = ("mushroom", 0.1)


def read_baskets(folder: Path, name: str) -> Baskets | None:
    for path, reader in ((folder / f"{name}.dat.gz", gzip.open), (folder / f"{name}.dat", open)):
        if path.exists():
            with reader(path, "rt", encoding="ascii") as lines:
                return [list(map(int, line.split())) for line in lines]
    print(f"{name} is absent from {folder}")
    return None


def sparse_rows(baskets: Baskets) -> Any:
    """Baskets as a sparse matrix of booleans, its columns the items in order."""
    names, items = np.unique(np.concatenate([np.array(b, np.int64) for b in baskets]), return_inverse=True)
    rows = np.repeat(np.arange(len(baskets)), list(map(len, baskets)))
    pairs = np.unique(np.stack([rows, items]), axis=1)
    return sparse.csr_matrix((np.ones(pairs.shape[1], bool), pairs), shape=(len(baskets), len(names)))


def take_turns(tasks: dict[str, Callable[[], Any]]) -> tuple[dict[str, float], dict[str, Any]]:
    """Median seconds of each task, in turn after one to warm up, and what each returned last."""
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    results: dict[str, Any] = {}
    for turn in range(ROUNDS + 1):
        for name, task in tasks.items():
            if seconds[name] and max(seconds[name]) > LONG:
                continue
            results[name] = None
            gc.collect()  # nobody pays for the garbage of the one before
            start = time.perf_counter()
            results[name] = task()
            taken = time.perf_counter() - start
            if turn or taken > LONG:
                seconds[name].append(taken)
    return {name: statistics.median(runs) for name, runs in seconds.items()}, results


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


def beside_mlxtend(baskets: Baskets, support: float, expected: int) -> dict[str, Any] | None:
    matrix = sparse_rows(baskets)
    if expected > MLXTEND_SETS or math.prod(matrix.shape) > DENSE_CELLS:
        return None
    frame = pd.DataFrame(matrix.toarray())
    patterns = import_module("mlxtend.frequent_patterns")
    tasks: dict[str, Callable[[], Any]] = {"kmad": partial(apriori, frame, min_support=support)}
    # Without, its memory would not do for the larger tables.
    low_memory = matrix.shape[0] * matrix.shape[1] > LOW_MEMORY_CELLS
    tasks["mlxtend apriori"] = partial(patterns.apriori, frame, min_support=support, low_memory=low_memory)
    tasks["mlxtend fpgrowth"] = partial(patterns.fpgrowth, frame, min_support=support)
    seconds, results = take_turns(tasks)
    return {"seconds": seconds, "sets": {name: len(result) for name, result in results.items()}}


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


def measure(folder: Path) -> dict[str, Any]:
    records: list[dict[str, Any]] = []
    memory = {who: peak_memory(folder, who) for who in ("kmad", "PyFIM")}
    for name, supports in CASES.items():
        baskets = read_baskets(folder, name)
        if baskets is None:
            continue
        for support in supports:
            print(name, support, flush=True)
            record: dict[str, Any] = {"set": name, "support": support, "PyFIM": beside_pyfim(baskets, support)}
            record["mlxtend"] = beside_mlxtend(baskets, support, record["PyFIM"]["sets"]["kmad"])
            record["rusket"] = beside_rusket(baskets, support)
            records.append(record)
    versions = {package: metadata.version(package) for package in PACKAGES}
    return {"machine": describe_machine(), "versions": versions, "cases": records, "memory": memory}


def peak_memory(folder: Path, who: str) -> float | None:
    """Peak of a fresh process over the baskets it has read, in MiB."""
    arguments = [sys.executable, "-m", "benchmarks.rules", str(folder), "--memory", who]
    done = subprocess.run(arguments, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    return json.loads(done.stdout.splitlines()[-1])


def print_peak(folder: Path, who: str) -> None:
    baskets = read_baskets(folder, MEMORY[0])
    if baskets is None:
        print("null")
        return
    fim = import_module("fim")
    # What the first call compiles or loads is not of the search.
    apriori(baskets[:2], min_support=2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if who == "kmad":
        result: Any = apriori(baskets, min_support=MEMORY[1])
    else:
        result = fim.eclat(baskets, target="s", supp=100 * MEMORY[1], report="a")
    assert len(result) > 500_000
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)


def counts_of(itemsets: Itemsets) -> dict[frozenset[Any], int]:
    return {itemsets.itemset(i): int(count) for i, count in enumerate(itemsets.counts)}


def check(folder: Path) -> None:
    """Hold sets and counts against the peers', two supports of every set, and against given results."""
    fim = import_module("fim")
    for path in sorted(folder.glob("*_fp?_mf-*.dat.gz")):
        name, kind, least = path.name.removesuffix(".dat.gz").replace("mf-", "").rsplit("_", 2)
        with gzip.open(path, "rt", encoding="ascii") as lines:
            parts = [line.rstrip().rstrip(")").split("(") for line in lines]
        given = {frozenset(map(int, items.split())): int(count) for items, count in parts if items.strip()}
        kind = {"fpg": "frequent", "fpc": "closed", "fpm": "maximal"}[kind]
        baskets = read_baskets(folder, name)
        ours = counts_of(apriori(baskets, min_support=int(least), kind=kind))
        print(f"{path.name}: {len(given):,} {kind} sets,", "equal" if ours == given else describe(ours, given))
    for name, supports in CASES.items():
        baskets = read_baskets(folder, name)
        if baskets is None:
            continue
        for support in supports[:2]:
            for kind, target in (("frequent", "s"), ("closed", "c"), ("maximal", "m")):
                ours = counts_of(apriori(baskets, min_support=support, kind=kind))
                found = fim.eclat(baskets, target=target, supp=100 * support, report="a")
                theirs = {frozenset(items): count for items, count in found}
                verdict = "equal" if ours == theirs else describe(ours, theirs)
                print(f"{name} {support} {kind}: {len(ours):,} sets, PyFIM {verdict}")
            if name in ("groceries", "mushroom", "chess"):
                check_mlxtend(name, baskets, support)
            check_rusket(name, baskets, support)


def check_mlxtend(name: str, baskets: Baskets, support: float) -> None:
    frame = pd.DataFrame(sparse_rows(baskets).toarray())
    ours = counts_of(apriori(frame, min_support=support))
    for way in ("apriori", "fpgrowth"):
        found = getattr(import_module("mlxtend.frequent_patterns"), way)(frame, min_support=support)
        theirs = {s: round(p * len(frame)) for s, p in zip(found["itemsets"], found["support"], strict=True)}
        print(f"{name} {support}: mlxtend {way}", "equal" if ours == theirs else describe(ours, theirs))


def check_rusket(name: str, baskets: Baskets, support: float) -> None:
    frame = pd.DataFrame.sparse.from_spmatrix(sparse_rows(baskets))
    found = import_module("rusket").mine(frame, min_support=support)
    ours = counts_of(apriori(frame, min_support=support))
    theirs = {frozenset(s): round(p * len(frame)) for s, p in zip(found["itemsets"], found["support"], strict=True)}
    print(f"{name} {support}: rusket", "equal" if ours == theirs else describe(ours, theirs))


def describe(ours: dict[Any, int], theirs: dict[Any, int]) -> str:
    lacking = [sorted(s) for s in ours if s not in theirs]
    more = [sorted(s) for s in theirs if s not in ours]
    other = sum(theirs[s] != n for s, n in ours.items() if s in theirs)
    return f"lacks {len(lacking)} {lacking[:2]}, has {len(more)} more {more[:2]}, {other} other counts"


def geometric_mean(values: list[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values)) if values else math.nan


def best(seconds: dict[str, float], peer: str) -> float:
    return min(value for name, value in seconds.items() if name.startswith(peer))


def ratios(report: dict[str, Any], peer: str, prefix: str | None = None, own: str = "kmad") -> list[float]:
    cells = [case[peer]["seconds"] for case in report["cases"] if case[peer]]
    return [best(seconds, prefix or peer) / seconds[own] for seconds in cells]


def milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.1f}"


def render(report: dict[str, Any]) -> str:
    machine, versions = report["machine"], report["versions"]
    parts = [
        "# Itemsets beside other libraries",
        "Measured by `python -m benchmarks.rules FOLDER` on data that is not part of kmad: "
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}; "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + ". Median milliseconds of five calls in turn after one to warm up, or of that one where it takes more than "
        "two seconds. Each library gets the kind of input that it takes, and kmad the same in the same table.",
        "## Targets",
        render_targets(report),
    ]
    for peer, text in {
        "PyFIM": "From lists of lists. kmad returns arrays, PyFIM a list of tuples.",
        "mlxtend": "From a one-hot table of booleans in pandas. Left out is what would take minutes: more than "
        f"{MLXTEND_SETS:,} sets, or a table of more than {DENSE_CELLS // 10**6} million cells.",
        "rusket": "From a sparse pandas table, and in the last column from the SciPy matrix that it was made of.",
    }.items():
        parts += [f"## {peer}", text, render_peer(report, peer)]
    return "\n\n".join(parts) + "\n"


def render_peer(report: dict[str, Any], peer: str) -> str:
    cells = [(case, case[peer]) for case in report["cases"] if case[peer]]
    if not cells:
        return "Not measured."
    names = list(cells[0][1]["seconds"])
    rows = [
        (
            f"{case['set']} {100 * case['support']:g} %",
            f"{cell['sets']['kmad']:,}",
            *(milliseconds(cell["seconds"][name]) for name in names),
            f"{best(cell['seconds'], peer) / cell['seconds']['kmad']:.2f}",
        )
        for case, cell in cells
    ]
    return table(("set", "itemsets", *names, f"best {peer} / kmad"), rows)


def render_targets(report: dict[str, Any]) -> str:
    pyfim, own = ratios(report, "PyFIM"), ratios(report, "PyFIM", "PyFIM apriori")
    mlxtend, rusket = ratios(report, "mlxtend"), ratios(report, "rusket")
    cases = {(case["set"], case["support"]): case["PyFIM"]["seconds"] for case in report["cases"]}
    speedups = [cases[key]["kmad, 1 thread"] / cases[key]["kmad"] for key in THREADED if key in cases]
    memory = report["memory"]
    rows = [
        ("mlxtend, its better algorithm: geometric mean", "50", f"{geometric_mean(mlxtend):.1f}"),
        ("mlxtend: least", "1", f"{min(mlxtend, default=math.nan):.2f}"),
        ("PyFIM, its best algorithm: geometric mean", "1.5", f"{geometric_mean(pyfim):.2f}"),
        ("the same with one thread", "", f"{geometric_mean(ratios(report, 'PyFIM', own='kmad, 1 thread')):.2f}"),
        ("PyFIM: least", "0.83", f"{min(pyfim, default=math.nan):.2f}"),
        ("PyFIM's own apriori: geometric mean", "4", f"{geometric_mean(own):.2f}"),
        ("rusket: geometric mean", "1.5", f"{geometric_mean(rusket):.2f}"),
        ("two threads over one, three long cases: least", "1.5", f"{min(speedups, default=math.nan):.2f}"),
    ]
    if all(memory.values()):
        case = f"{MEMORY[0]} at {100 * MEMORY[1]:g} %"
        rows.append((f"peak over the input, {case}, MiB", f"{memory['PyFIM']:.0f} (PyFIM)", f"{memory['kmad']:.0f}"))
    return table(("times faster than", "target", "measured"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--check", action="store_true", help="compare sets and counts instead of times")
    parser.add_argument("--render", action="store_true", help="write the page from the last measurements")
    parser.add_argument("--memory", metavar="WHO", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.folder is None and not arguments.render:
        parser.error("FOLDER is missing")
    if arguments.memory:
        print_peak(arguments.folder, arguments.memory)
    elif arguments.check:
        check(arguments.folder)
    else:
        if not arguments.render:
            RESULTS.write_text(json.dumps(measure(arguments.folder), indent=1) + "\n", encoding="utf-8")
        PAGE.write_text(render(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
