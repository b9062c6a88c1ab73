"""Rules: what is bought together."""

from kmad.rules._itemsets import Itemsets

__all__ = ["Itemsets"]
