import importlib
import pkgutil

import numpy as np

import kmad.cluster
from kmad import KMad, warmup


def signatures():
    found = {}
    for module in pkgutil.iter_modules(kmad.cluster.__path__, "kmad.cluster."):
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
