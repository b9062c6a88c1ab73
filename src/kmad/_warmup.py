"""Compile ahead of the first use."""

import numpy as np

from kmad.cluster import KMad
from kmad.rules import apriori, association_rules
from kmad.value import BGBB, BGNBD, GammaGamma, ParetoNBD, customer_summary

# Rows and clusters that call for kernels of their own, and one number of features for each kind of these.
MANY_ROWS, MANY_CLUSTERS, FEW_AND_MANY = 1 << 16, 16, (2, 4)


def warmup() -> None:
    """Compile every kernel of the library and keep the machine code on disk.

    The first fit on a machine compiles, which takes some seconds. Call this once where that should not happen in
    front of a user, such as when a container image is built; the compiled code is kept in numba's cache, next to the
    package or where ``NUMBA_CACHE_DIR`` says. From a shell it is ``python -c "import kmad; kmad.warmup()"``.
    """
    rng = np.random.default_rng(0)
    for dtype in (np.float64, np.float32):
        for n_features in (1, 2, 3, 4):
            X = rng.normal(np.repeat([0, 20], 100)[:, None], size=(200, n_features)).astype(dtype)
            # Two clusters for the kernels of a fit, three for those that divide a cluster.
            KMad().fit(X).predict(X)
            KMad(3).fit(X, sample_weight=np.ones(len(X)))
            if n_features in FEW_AND_MANY:
                # Many rows have kernels of their own: for a sample of them, and for a table or a chart of the centres.
                place = 20 * (np.arange(MANY_ROWS) % MANY_CLUSTERS)
                many = rng.normal(place[:, None], size=(MANY_ROWS, n_features)).astype(dtype)
                KMad(MANY_CLUSTERS).fit(many[: MANY_ROWS // 4 + 1]).predict(many)
    customers = np.array([[0, 0, 4], [1, 2, 4], [2, 3, 4], [3, 3, 6]])
    # Means are tabulated where there are many customers.
    many = np.repeat(customers, 64, axis=0)
    for kind in (ParetoNBD, BGNBD, BGBB):
        kind().fit(customers).discounted_expected_purchases(many, discount_rate=0.1)
    GammaGamma().fit(customers[:, 1:]).expected_spend(customers[:, 1:])
    for days in ([0, 1], [1, 0]):
        log = {"customer": [1, 1], "date": np.array(days, "datetime64[D]")}
        customer_summary(log, customer="customer", date="date", unit="day")
    # Sets of more items than a word has bits are held in rows.
    apriori([[item, item + 1] for item in range(70)], min_support=1)
    rules = association_rules(apriori([["a", "b", "c"], ["a", "b"], ["a"]], min_support=1), min_confidence=0)
    rules.prune_redundant().significant(against="simpler", alternative="two-sided")
    rules.recommend(["a"])
