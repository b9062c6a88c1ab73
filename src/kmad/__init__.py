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
    from kmad.value import (
        BGBB,
        BGNBD,
        MBGNBD,
        AliveDisplay,
        FrequencyDisplay,
        GammaGamma,
        HoldoutDisplay,
        ParetoNBD,
        ShiftedBetaGeometric,
        TrackingDisplay,
        calibration_holdout,
        customer_summary,
        early_warning,
        historical_value,
        lifecycle_value,
        moving_window_value,
        retention_value,
    )

    __version__: str

# Where each public name lives.
HOMES = {
    "AliveDisplay": "kmad.value",
    "BGBB": "kmad.value",
    "BGNBD": "kmad.value",
    "FrequencyDisplay": "kmad.value",
    "GammaGamma": "kmad.value",
    "HoldoutDisplay": "kmad.value",
    "Itemsets": "kmad.rules",
    "KMad": "kmad.cluster",
    "MBGNBD": "kmad.value",
    "ParetoNBD": "kmad.value",
    "Recommendation": "kmad.rules",
    "Recommendations": "kmad.rules",
    "Rule": "kmad.rules",
    "Rules": "kmad.rules",
    "RulesDisplay": "kmad.rules",
    "ShiftedBetaGeometric": "kmad.value",
    "TrackingDisplay": "kmad.value",
    "apriori": "kmad.rules",
    "association_rules": "kmad.rules",
    "calibration_holdout": "kmad.value",
    "customer_summary": "kmad.value",
    "early_warning": "kmad.value",
    "historical_value": "kmad.value",
    "lifecycle_value": "kmad.value",
    "moving_window_value": "kmad.value",
    "retention_value": "kmad.value",
    "warmup": "kmad._warmup",
}
__all__ = [
    "BGBB",
    "BGNBD",
    "MBGNBD",
    "AliveDisplay",
    "FrequencyDisplay",
    "GammaGamma",
    "HoldoutDisplay",
    "Itemsets",
    "KMad",
    "ParetoNBD",
    "Recommendation",
    "Recommendations",
    "Rule",
    "Rules",
    "RulesDisplay",
    "ShiftedBetaGeometric",
    "TrackingDisplay",
    "apriori",
    "association_rules",
    "calibration_holdout",
    "customer_summary",
    "datasets",
    "early_warning",
    "historical_value",
    "lifecycle_value",
    "moving_window_value",
    "retention_value",
    "warmup",
]


def __getattr__(name: str) -> object:
    value: object
    if name in HOMES:
        value = getattr(import_module(HOMES[name]), name)
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
