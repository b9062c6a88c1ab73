"""Sets and counts beside the peers': `python -m benchmarks.rules_check FOLDER [NAME ...]`.

All three kinds are held against PyFIM, and frequent sets against mlxtend and rusket, at two supports of every set; and
against the results of others in NAME_KIND_mf-COUNT.dat.gz files.
"""

import argparse
import gzip
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.rules_data import CASES, Baskets, one_hot, read_baskets, sparse_rows
from kmad import Itemsets, apriori

# mlxtend's apriori is held against ours where it takes seconds; its fpgrowth everywhere.
FEW_SETS = 10_000
FEW_CELLS = 2_000_000


def counts_of(itemsets: Itemsets) -> dict[frozenset[Any], int]:
    return {itemsets.itemset(i): int(count) for i, count in enumerate(itemsets.counts)}


def check_files(folder: Path, wanted: list[str]) -> None:
    for path in sorted(folder.glob("*_fp?_mf-*.dat.gz")):
        name, kind, least = path.name.removesuffix(".dat.gz").replace("mf-", "").rsplit("_", 2)
        baskets = read_baskets(folder, name) if name in wanted else None
        if baskets is None:
            continue
        with gzip.open(path, "rt", encoding="ascii") as lines:
            parts = [line.rstrip().rstrip(")").split("(") for line in lines]
        given = {frozenset(map(int, items.split())): int(count) for items, count in parts if items.strip()}
        kind = {"fpg": "frequent", "fpc": "closed", "fpm": "maximal"}[kind]
        ours = counts_of(apriori(baskets, min_support=int(least), kind=kind))
        say(f"{path.name}: {len(given):,} {kind} sets", ours, given)


def check_pyfim(case: str, baskets: Baskets, support: float) -> None:
    fim = import_module("fim")
    for kind, target in (("frequent", "s"), ("closed", "c"), ("maximal", "m")):
        ours = counts_of(apriori(baskets, min_support=support, kind=kind))
        found = fim.eclat(baskets, target=target, supp=100 * support, report="a")
        say(f"{case} {kind}: PyFIM", ours, {frozenset(items): count for items, count in found})


def check_mlxtend(case: str, baskets: Baskets, support: float) -> None:
    frame = one_hot(baskets)
    ours = counts_of(apriori(frame, min_support=support))
    patterns = import_module("mlxtend.frequent_patterns")
    small = len(ours) <= FEW_SETS and np.prod(frame.shape) <= FEW_CELLS
    for way in ("apriori", "fpgrowth") if small else ("fpgrowth",):
        found = getattr(patterns, way)(frame, min_support=support)
        say(f"{case}: mlxtend {way}", ours, counts_of_table(found, len(frame)))


def check_rusket(case: str, baskets: Baskets, support: float) -> None:
    frame = pd.DataFrame.sparse.from_spmatrix(sparse_rows(baskets))
    found = import_module("rusket").mine(frame, min_support=support)
    say(f"{case}: rusket", counts_of(apriori(frame, min_support=support)), counts_of_table(found, len(frame)))


def counts_of_table(found: pd.DataFrame, n_baskets: int) -> dict[frozenset[Any], int]:
    return {frozenset(s): round(p * n_baskets) for s, p in zip(found["itemsets"], found["support"], strict=True)}


def say(what: str, ours: dict[Any, int], theirs: dict[Any, int]) -> None:
    verdict = "equal" if ours == theirs else describe(ours, theirs)
    print(f"{what}: {len(ours):,} sets, {verdict}", flush=True)


def describe(ours: dict[Any, int], theirs: dict[Any, int]) -> str:
    lacking = [sorted(s) for s in ours if s not in theirs]
    more = [sorted(s) for s in theirs if s not in ours]
    other = sum(theirs[s] != n for s, n in ours.items() if s in theirs)
    return f"lacks {len(lacking)} {lacking[:2]}, has {len(more)} more {more[:2]}, {other} other counts"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", default=list(CASES), help="sets to check; all where none is named")
    arguments = parser.parse_args()
    check_files(arguments.folder, arguments.names)
    for name in arguments.names:
        baskets = read_baskets(arguments.folder, name)
        for support in CASES[name][:2] if baskets else ():
            for check in (check_pyfim, check_mlxtend, check_rusket):
                check(f"{name} {100 * support:g} %", baskets, support)


if __name__ == "__main__":
    main()
