"""Rules: what is bought together."""

from kmad.rules._apriori import apriori
from kmad.rules._association import association_rules
from kmad.rules._itemsets import Itemsets
from kmad.rules._plot import RulesDisplay
from kmad.rules._recommend import Recommendation, Recommendations
from kmad.rules._rules import Rule, Rules

__all__ = [
    "Itemsets",
    "Recommendation",
    "Recommendations",
    "Rule",
    "Rules",
    "RulesDisplay",
    "apriori",
    "association_rules",
]
