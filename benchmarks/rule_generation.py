"""How fast itemsets become rules and baskets become recommendations, beside mlxtend and PyFIM.

`python -m benchmarks.rule_generation FOLDER` reads baskets from NAME.dat or NAME.dat.gz files in the FIMI format, and
names those that are absent. It shows three tables:

1. Rules from ready itemsets, every split, as a pandas table of frozensets and mlxtend's twelve measures. The itemsets
   are given to each library as it takes them. The rules and measures must agree; rules that mlxtend lacks must be
   exactly at the threshold.
2. Rules with one item in the consequent from lists of lists: kmad's as arrays with six measures, those of PyFIM as the
   list of tuples with six values that it returns, by the fastest of its apriori, eclat and fpgrowth.
3. Recommendations for every basket of the set.

Each figure is the median of `--rounds` runs in turn, after one to warm up; the ratios are of these medians.
"""

import argparse
from fractions import Fraction
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.rules_data import Baskets, geometric_mean, read_baskets, take_turns
from benchmarks.tables import table
from kmad import Itemsets, Rules, apriori, association_rules
from kmad.rules._measures import TABLE


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


def compare_with_mlxtend(folder: Path, rounds: int) -> None:
    peer = import_module("mlxtend.frequent_patterns").association_rules
    rows, ratios = [], []
    for case in READY:
        baskets = read_baskets(folder, case.name)
        if baskets is None:
            continue
        itemsets = apriori(baskets, min_support=case.support)
        frame = itemsets.to_frame(backend="pandas")
        tasks = {
            "arrays": partial(as_arrays, itemsets, case.confidence),
            "kmad": partial(as_table, itemsets, case.confidence),
            "mlxtend": partial(peer, frame, metric="confidence", min_threshold=case.confidence),
        }
        seconds, found = take_turns(tasks, rounds)
        lost = count_lost_rules(found["arrays"], found["mlxtend"], case.confidence)
        ratios.append(seconds["mlxtend"] / seconds["kmad"])
        rows.append(
            (
                title(case),
                len(itemsets),
                len(found["arrays"]),
                lost,
                *(f"{1000 * seconds[name]:.1f} ms" for name in ("arrays", "kmad", "mlxtend")),
                f"{ratios[-1]:.0f}x",
            )
        )
    header = ("set", "itemsets", "rules", "lost by mlxtend", "kmad, arrays", "kmad, table", "mlxtend, table", "ratio")
    print("\nRules from ready itemsets, every split\n")
    print(table(header, rows))
    print(f"\ngeometric mean of the ratios of the tables: {geometric_mean(ratios):.1f}")


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


def compare_with_pyfim(folder: Path, rounds: int) -> None:
    fim = import_module("fim")
    rows, ratios = [], []
    for case in FROM_BASKETS:
        baskets = read_baskets(folder, case.name)
        if baskets is None:
            continue
        least = 100 * case.support * (1 - 1e-9)
        options = {"target": "r", "supp": least, "conf": 100 * case.confidence, "report": REPORT, "mode": "o"}
        peers = {name: partial(getattr(fim, name), baskets, **options) for name in PYFIM}
        tasks = {"kmad": partial(from_baskets, baskets, case), **peers}
        seconds, found = take_turns(tasks, rounds)
        best = min(PYFIM, key=seconds.__getitem__)
        n_peer = check_rules(found["kmad"], found[best])
        ratios.append(seconds[best] / seconds["kmad"])
        rows.append(
            (
                title(case),
                len(found["kmad"]),
                n_peer,
                f"{1000 * seconds['kmad']:.1f} ms",
                f"{1000 * seconds[best]:.1f} ms",
                best,
                f"{ratios[-1]:.2f}x",
            )
        )
    header = ("set", "rules, kmad", "rules, PyFIM", "kmad", "PyFIM's best", "by", "ratio")
    print("\nRules with one consequent from lists of lists\n")
    print(table(header, rows))
    print(f"\ngeometric mean of the ratios: {geometric_mean(ratios):.2f}, least {min(ratios, default=0):.2f}")


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


def time_recommendations(folder: Path, rounds: int) -> None:
    rows = []
    for case in RECOMMENDED:
        baskets = read_baskets(folder, case.name)
        if baskets is None:
            continue
        itemsets = apriori(baskets, min_support=case.support)
        rules = association_rules(itemsets, min_confidence=case.confidence)
        tasks = {"first": partial(recommend_first, rules, baskets), "all": partial(rules.recommend_many, baskets)}
        seconds, found = take_turns(tasks, rounds)
        offers = int(np.count_nonzero(found["all"].items >= 0))
        rows.append(
            (
                title(case),
                len(rules),
                len(baskets),
                offers,
                f"{1000 * seconds['first']:.1f} ms",
                f"{1000 * seconds['all']:.1f} ms",
                f"{1e6 * seconds['all'] / len(baskets):.2f} us",
            )
        )
    print("\nRecommendations, five at most for each basket\n")
    print(table(("set", "rules", "baskets", "offers", "making ready", "all baskets", "a basket"), rows))


def recommend_first(rules: Rules, baskets: Baskets) -> Any:
    """Recommend from rules that were never asked before."""
    return rules[:].recommend_many(baskets[:1])


def title(case: Case) -> str:
    return f"{case.name} {100 * case.support:g} %, confidence {case.confidence:g}"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.rule_generation",
        description=(__doc__ or "").splitlines()[0],
    )
    parser.add_argument("folder", type=Path, help="where the baskets are")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each (default: %(default)s)")
    parser.add_argument(
        "--only", choices=["mlxtend", "pyfim", "recommend"], help="one of the three tables instead of all"
    )
    options = parser.parse_args()
    sections = {"mlxtend": compare_with_mlxtend, "pyfim": compare_with_pyfim, "recommend": time_recommendations}
    for name, section in sections.items():
        if options.only in (None, name):
            section(options.folder, options.rounds)


if __name__ == "__main__":
    main()
