"""How fast itemsets become rules and baskets become recommendations, beside mlxtend and PyFIM.

`python -m benchmarks.rule_generation FOLDER` reads baskets from NAME.dat or NAME.dat.gz files in the FIMI format, and
names those that are absent. The figures go to benchmarks/rule_generation.json and from there to docs/guide/rules.md:

1. Rules from ready itemsets, every split, as a pandas table of frozensets and mlxtend's twelve measures. The itemsets
   are given to each library as it takes them. The rules and measures must agree; rules that mlxtend lacks must be
   exactly at the threshold.
2. Rules with one item in the consequent from lists of lists: kmad's as arrays with six measures, those of PyFIM as the
   list of tuples with six values that it returns, by the fastest of its apriori, eclat and fpgrowth.
3. Recommendations for every basket of the set.

Each figure is the median of five runs in turn, after one to warm up; the ratios are of these medians. `--only PART` and
`--set NAME` measure a part or a set anew and leave the others; `--render` only writes the page.
"""

import argparse
import json
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.page import markdown_table, write_section
from benchmarks.report import describe_machine
from benchmarks.rules_data import Baskets, geometric_mean, read_baskets, take_turns
from kmad import Itemsets, Rules, apriori, association_rules
from kmad.rules._measures import TABLE

RESULTS = Path(__file__).with_name("rule_generation.json")
PAGE = Path(__file__).parents[1] / "docs" / "guide" / "rules.md"


class Case(NamedTuple):
    name: str
    support: float
    confidence: float


READY = [Case("chess", 0.8, 0.9), Case("T10I4D100K", 0.001, 0.8), Case("mushroom", 0.3, 0.8)]
FROM_BASKETS = [
    Case("groceries", 0.001, 0.5),
    Case("online_retail", 0.005, 0.5),
    Case("mushroom", 0.3, 0.8),
    Case("mushroom", 0.2, 0.8),
    Case("chess", 0.8, 0.9),
    Case("T10I4D100K", 0.001, 0.8),
    Case("T10I4D100K", 0.0001, 0.8),
    Case("retail", 0.001, 0.5),
    Case("retail", 0.0002, 0.5),
    Case("BMS1", 0.001, 0.5),
    Case("BMS1", 0.0006, 0.8),
]
RECOMMENDED = [Case("T10I4D100K", 0.001, 0.8), Case("retail", 0.0002, 0.5), Case("online_retail", 0.005, 0.5)]
MEASURES = ("support", "confidence", "lift", "antecedent_support", "consequent_support", "count")
# Letters of PyFIM for about the same: support, confidence, lift, counts of body and head, and of both.
REPORT = "sclbha"
CHECKED = 100_000
PYFIM = ("apriori", "eclat", "fpgrowth")


def beside_mlxtend(baskets: Baskets, case: Case) -> dict[str, Any]:
    """Rules from ready itemsets, every split."""
    peer = import_module("mlxtend.frequent_patterns").association_rules
    itemsets = apriori(baskets, min_support=case.support)
    frame = itemsets.to_frame(backend="pandas")
    tasks = {
        "arrays": partial(as_arrays, itemsets, case.confidence),
        "kmad": partial(as_table, itemsets, case.confidence),
        "mlxtend": partial(peer, frame, metric="confidence", min_threshold=case.confidence),
    }
    seconds, found = take_turns(tasks)
    lost = count_lost_rules(found["arrays"], found["mlxtend"], case.confidence)
    return {"rules": len(found["arrays"]), "lost": lost, "seconds": seconds}


def as_arrays(itemsets: Itemsets, confidence: float) -> Rules:
    rules = association_rules(itemsets, min_confidence=confidence)
    for name in TABLE:
        rules.measure(name)
    return rules


def as_table(itemsets: Itemsets, confidence: float) -> Any:
    return association_rules(itemsets, min_confidence=confidence).to_frame(backend="pandas")


def count_lost_rules(rules: Rules, frame: Any, confidence: float) -> int:
    """Hold the peer's table against the rules, rule by rule and measure by measure."""
    ours = rules.to_frame(backend="pandas").set_index(["antecedents", "consequents"])
    theirs = frame.set_index(["antecedents", "consequents"])
    assert theirs.index.is_unique
    assert theirs.index.isin(ours.index).all(), "a rule that kmad lacks"
    together = ours.loc[theirs.index]
    assert list(together.columns) == list(theirs.columns)
    for name in theirs.columns:
        # At confidence 1 mlxtend's conviction is infinite, or nearly so where its supports are rounded.
        certain = together["confidence"] == 1
        here = ~certain if name == "conviction" else slice(None)
        np.testing.assert_allclose(together.loc[here, name], theirs.loc[here, name], rtol=1e-6, atol=1e-9, err_msg=name)
    counts = rules.itemsets.counts
    missing = np.flatnonzero(~ours.index.isin(theirs.index))
    for r in missing.tolist():
        quotient = Fraction(int(counts[rules.union[r]]), int(counts[rules.antecedent[r]]))
        assert quotient == Fraction(str(confidence)), "a rule that is not at the threshold"
    return len(missing)


def beside_pyfim(baskets: Baskets, case: Case) -> dict[str, Any]:
    """Rules with one consequent from lists of lists."""
    fim = import_module("fim")
    least = 100 * case.support * (1 - 1e-9)
    options = {"target": "r", "supp": least, "conf": 100 * case.confidence, "report": REPORT, "mode": "o"}
    peers = {name: partial(getattr(fim, name), baskets, **options) for name in PYFIM}
    seconds, found = take_turns({"kmad": partial(from_baskets, baskets, case), **peers})
    n_peer = check_rules(found["kmad"], found[min(PYFIM, key=seconds.__getitem__)])
    return {"rules": len(found["kmad"]), "PyFIM's rules": n_peer, "seconds": seconds}


def from_baskets(baskets: Baskets, case: Case) -> Rules:
    itemsets = apriori(baskets, min_support=case.support)
    rules = association_rules(itemsets, min_confidence=case.confidence, max_consequent=1)
    for name in MEASURES:
        rules.measure(name)
    return rules


def check_rules(rules: Rules, peers: list[tuple[Any, ...]]) -> int:
    """Hold PyFIM's rules against ours, one by one where they are not too many; returns how many it has."""
    # A body without items is no rule to kmad.
    theirs = [rule for rule in peers if rule[1]]
    here = REPORT.index("a") + 2
    np.testing.assert_array_equal(np.sort([rule[here] for rule in theirs]), np.sort(rules.count))
    if len(theirs) <= CHECKED:
        counts = {(rule.consequent, rule.antecedent): n for rule, n in zip(rules, rules.count.tolist(), strict=True)}
        assert counts == {(frozenset([rule[0]]), frozenset(rule[1])): rule[here] for rule in theirs}
    return len(theirs)


def recommendations(baskets: Baskets, case: Case) -> dict[str, Any]:
    """Five offers at most for each basket."""
    itemsets = apriori(baskets, min_support=case.support)
    rules = association_rules(itemsets, min_confidence=case.confidence)
    tasks = {"first": partial(recommend_first, rules, baskets), "all": partial(rules.recommend_many, baskets)}
    seconds, found = take_turns(tasks)
    offers = int(np.count_nonzero(found["all"].items >= 0))
    return {"rules": len(rules), "baskets": len(baskets), "offers": offers, "seconds": seconds}


def recommend_first(rules: Rules, baskets: Baskets) -> Any:
    """Recommend from rules that were never asked before."""
    return rules[:].recommend_many(baskets[:1])


PARTS: dict[str, tuple[Callable[[Baskets, Case], dict[str, Any]], list[Case]]] = {
    "mlxtend": (beside_mlxtend, READY),
    "PyFIM": (beside_pyfim, FROM_BASKETS),
    "recommendations": (recommendations, RECOMMENDED),
}


def measure(folder: Path, part: str, names: list[str]) -> list[dict[str, Any]]:
    beside, cases = PARTS[part]
    records = []
    for case in cases:
        baskets = read_baskets(folder, case.name) if case.name in names else None
        if baskets is not None:
            print(part, *case, flush=True)
            records.append({**case._asdict(), **beside(baskets, case)})
    return records


def render(report: dict[str, Any]) -> str:
    machine, versions = report["machine"], report["versions"]
    ready, searched = (markdown_table(*rows) for rows in (rows_of_ready(report), rows_of_searched(report)))
    mean = geometric_mean([record["seconds"]["mlxtend"] / record["seconds"]["kmad"] for record in report["mlxtend"]])
    parts = [
        (
            "`python -m benchmarks.rule_generation FOLDER` measures rules beside mlxtend and PyFIM with the baskets of "
            "a folder, and holds their rules against each other. The figures are medians of five rounds of one call, "
            f"on {machine['cores']} cores of an {machine['processor']}, with mlxtend {versions['mlxtend']} and PyFIM "
            f"{versions['pyfim']}."
        ),
        "Rules from ready itemsets, every split, as a pandas table of frozensets with mlxtend's twelve measures:",
        ready,
        f"The geometric mean of the ratios is {mean:.1f}. The rules that mlxtend loses are exactly at the threshold.",
        (
            "Rules with one item in the consequent from lists of lists, mining included, beside the fastest of PyFIM's "
            "three algorithms (both find the same rules):"
        ),
        searched,
        "Recommendations, five at most for each basket, and what is made ready once for the rules:",
        markdown_table(*rows_of_recommended(report)),
    ]
    return "\n\n".join(parts)


Rows = tuple[tuple[str, ...], list[tuple[str, ...]]]


def rows_of_ready(report: dict[str, Any]) -> Rows:
    rows = []
    for record in report["mlxtend"]:
        own, peer = record["seconds"]["kmad"], record["seconds"]["mlxtend"]
        counts = f"{record['rules']:,}", str(record["lost"])
        rows.append((title(record), *counts, milliseconds(own), milliseconds(peer), f"{peer / own:.0f}"))
    return ("set, support, confidence", "rules", "lost by mlxtend", "kmad", "mlxtend", "ratio"), rows


def rows_of_searched(report: dict[str, Any]) -> Rows:
    rows = []
    for record in report["PyFIM"]:
        own, peer = record["seconds"]["kmad"], min(record["seconds"][name] for name in PYFIM)
        times = milliseconds(own), milliseconds(peer), f"{peer / own:.2f}"
        rows.append((title(record), f"{record['rules']:,}", *times))
    return ("set, support, confidence", "rules", "kmad", "PyFIM", "ratio"), rows


def rows_of_recommended(report: dict[str, Any]) -> Rows:
    rows = []
    for record in report["recommendations"]:
        first, every = record["seconds"]["first"], record["seconds"]["all"]
        counts = (f"{record[name]:,}" for name in ("rules", "baskets", "offers"))
        a_basket = f"{1e6 * every / record['baskets']:.1f} µs"
        rows.append((title(record), *counts, milliseconds(first), milliseconds(every), a_basket))
    return ("set, support, confidence", "rules", "baskets", "offers", "making ready", "all baskets", "a basket"), rows


def title(record: dict[str, Any]) -> str:
    return f"{record['name']}, {100 * record['support']:g} %, {record['confidence']:g}"


def milliseconds(seconds: float) -> str:
    taken = 1000 * seconds
    return f"{taken:,.0f} ms" if taken >= 100 else f"{taken:.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.rule_generation",
        description=(__doc__ or "").splitlines()[0],
    )
    known = dict.fromkeys(case.name for _, cases in PARTS.values() for case in cases)
    parser.add_argument("folder", type=Path, nargs="?", help="where the baskets are")
    parser.add_argument("--only", choices=PARTS, action="append", help="measure this part anew, keep the others")
    parser.add_argument("--set", choices=known, action="append", help="only on this set; figures of others are kept")
    parser.add_argument("--render", action="store_true", help="write the page from the last measurements")
    options = parser.parse_args()
    if options.folder is None and not options.render:
        parser.error("FOLDER is missing")
    report = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    if not options.render:
        report["machine"] = describe_machine()
        report["versions"] = {package: metadata.version(package) for package in ("kmad", "mlxtend", "pyfim")}
        for part in options.only or PARTS:
            names = options.set or list(known)
            records = [record for record in report.get(part, []) if record["name"] not in names]
            records += measure(options.folder, part, names)
            report[part] = sorted(records, key=lambda record: order_of(part, record))
        RESULTS.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if all(report.get(part) for part in PARTS):
        write_section("rule_generation", render(report), PAGE)
    else:
        print("the page is written when all parts are measured")


def order_of(part: str, record: dict[str, Any]) -> int:
    return PARTS[part][1].index(Case(record["name"], record["support"], record["confidence"]))


if __name__ == "__main__":
    main()
