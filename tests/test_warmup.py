import importlib
import pkgutil

import numpy as np

import kmad.cluster
import kmad.rules
from kmad import KMad, apriori, association_rules, warmup
from kmad.datasets import make_baskets


def signatures(part=kmad.cluster):
    found = {}
    for module in pkgutil.iter_modules(part.__path__, part.__name__ + "."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if hasattr(value, "signatures"):
                found[module.name, name] = list(value.signatures)
    return found


def test_warmup_leaves_nothing_to_compile():
    warmup()
    before = signatures()
    rng = np.random.default_rng(0)
    for dtype in (np.float64, np.float32):
        for n_features in (1, 2, 3, 5):
            X = np.concatenate([rng.normal(m, 1, size=(60, n_features)) for m in (0, 9, 18)]).astype(dtype)
            assert KMad().fit(X, sample_weight=rng.uniform(1, 2, size=len(X))).n_clusters_ == 3
            assert KMad(5).fit(X).n_clusters_ == 5
            KMad().fit(np.round(X))
    assert signatures() == before


def test_warmup_leaves_nothing_to_compile_for_rules():
    warmup()
    before = signatures(kmad.rules)
    log = make_baskets(500)
    baskets = [log.item[log.basket == number].tolist() for number in range(500)]
    rules = association_rules(apriori(baskets, min_support=0.01), min_confidence=0.1, max_consequent=1)
    assert len(rules.filter(antecedent=["teapot"]).prune_redundant().significant()) > 0
    assert len(rules.significant(alternative="two-sided", against="simpler")) > 0
    assert rules.recommend(["teapot"])
    assert rules.recommend_many(baskets, by="lift", combine="sum")
    assert len(association_rules(rules.itemsets, metric="lift", min_threshold=1)) > 0
    assert signatures(kmad.rules) == before
