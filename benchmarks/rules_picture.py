"""Draw the picture of the guide to rules: `python -m benchmarks.rules_picture docs/guide/rules.svg`."""

import argparse
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib import pyplot as plt

from kmad import RulesDisplay, apriori, association_rules
from kmad.datasets import make_baskets

# The same rules give the same file.
STYLE = {"svg.hashsalt": "kmad", "svg.fonttype": "none", "font.size": 9}


def draw_rules(path: Path) -> None:
    """Draw the rules of the example log, and ring those that were planted."""
    log = make_baskets()
    table = pd.DataFrame({"basket": log.basket, "item": log.item})
    itemsets = apriori(table, basket="basket", item="item", min_support=0.005)
    rules = association_rules(itemsets, min_confidence=0.1)
    with mpl.rc_context(STYLE):
        _, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
        RulesDisplay.from_rules(rules, ax=ax)
        known = {(frozenset(antecedent), frozenset(consequent)) for antecedent, consequent, _ in log.rules}
        planted = [(rule.support, rule.confidence) for rule in rules if rule[:2] in known]
        ax.scatter(*zip(*planted, strict=True), s=90, facecolors="none", edgecolors="crimson", label="planted")
        ax.legend(loc="lower right")
        ax.set_ylim(0, 1.05)
        ax.figure.savefig(path, metadata={"Date": None})
    lines = [line.rstrip() for line in path.read_text(encoding="utf-8").splitlines()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rules_picture", description=__doc__)
    parser.add_argument("path", type=Path, help="where the picture goes")
    draw_rules(parser.parse_args().path)


if __name__ == "__main__":
    main()
