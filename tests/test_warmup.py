import importlib
import pkgutil

import numba
import numpy as np
import pytest
from tests.asserts import rows

import kmad
from kmad import KMad, _warmup, apriori, association_rules, customer_summary, datasets, lifecycle_value, warmup


def signatures():
    found = {}
    for module in pkgutil.walk_packages(kmad.__path__, "kmad."):
        if module.name == "kmad.__main__":
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if hasattr(value, "signatures"):
                found[module.name, name] = list(value.signatures)
    return found


def find_clusters():
    rng = np.random.default_rng(0)
    for dtype in (np.float64, np.float32):
        for n_features in (1, 2, 3, 5):
            X = np.concatenate([rng.normal(m, 1, size=(60, n_features)) for m in (0, 9, 18)]).astype(dtype)
            assert KMad().fit(X, sample_weight=rng.uniform(1, 2, size=len(X))).n_clusters_ == 3
            assert KMad(5).fit(X).n_clusters_ == 5
            KMad().fit(np.round(X))
            place = 30 * (np.arange(70_000) % 20)
            many = rng.normal(place[:, None], size=(len(place), n_features)).astype(dtype)
            KMad(20).fit(many[:20_000]).predict(many)


def value_customers():
    rng = np.random.default_rng(0)
    log = datasets.make_lifecycles(100)
    for order in (slice(None), rng.permutation(len(log.customer))):
        purchases = {name: getattr(log, name)[order] for name in ("customer", "date", "amount")}
        columns = {name: name for name in purchases}
        summary = customer_summary(purchases, **columns, margin=1, unit="week")
        lifecycle_value(summary, unit="week", horizon="year", discount_rate=0)


def find_rules():
    log = datasets.make_baskets(500)
    baskets = [log.item[log.basket == number].tolist() for number in range(500)]
    rules = association_rules(apriori(baskets, min_support=0.01), min_confidence=0.1, max_consequent=1)
    assert len(rules.filter(antecedent=["teapot"]).prune_redundant().significant()) > 0
    assert len(rules.significant(alternative="two-sided", against="simpler")) > 0
    assert rules.recommend(["teapot"])
    assert rules.recommend_many(baskets, by="lift", combine="sum")
    assert len(association_rules(rules.itemsets, metric="lift", min_threshold=1)) > 0


def test_warmup_runs_without_a_compiler_too(monkeypatch):
    monkeypatch.setattr(_warmup, "MANY_ROWS", rows(_warmup.MANY_ROWS, 500))
    warmup()


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
@pytest.mark.parametrize("use", [find_clusters, value_customers, find_rules])
def test_warmup_leaves_nothing_to_compile(use):
    warmup()
    before = signatures()
    use()
    assert signatures() == before
