"""Customer segments from the density of the data.

The public names load when they are first used: ``import kmad`` alone is quick, and imports neither numpy
nor numba nor scikit-learn.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kmad import datasets
    from kmad._warmup import warmup
    from kmad.cluster import KMad
    from kmad.rules import (
        Itemsets,
        Recommendation,
        Recommendations,
        Rule,
        Rules,
        RulesDisplay,
        apriori,
        association_rules,
    )

    __version__: str

RULES = (
    "Itemsets",
    "Recommendation",
    "Recommendations",
    "Rule",
    "Rules",
    "RulesDisplay",
    "apriori",
    "association_rules",
)
__all__ = [
    "Itemsets",
    "KMad",
    "Recommendation",
    "Recommendations",
    "Rule",
    "Rules",
    "RulesDisplay",
    "apriori",
    "association_rules",
    "datasets",
    "warmup",
]


def __getattr__(name: str) -> object:
    value: object
    if name == "KMad":
        value = import_module("kmad.cluster").KMad
    elif name in RULES:
        value = getattr(import_module("kmad.rules"), name)
    elif name == "warmup":
        value = import_module("kmad._warmup").warmup
    elif name == "datasets":
        value = import_module("kmad.datasets")
    elif name == "__version__":
        value = import_module("importlib.metadata").version("kmad")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
