"""The part of the Gamma-Gamma log-likelihood that needs every row."""

import numpy as np

from kmad._jit import kernel


@kernel
def sum_rows(
    x,  # (n,) IN
    log_spent,  # (n,) IN, logarithm of what each customer spent
    weight,  # (n,) IN
    log_gamma,  # float, IN
    sums,  # (6,) INOUT
):
    """Add to `sums`, with c = gamma / (gamma + spent): -x log(1 - c), -log(c), x c, 1 - c, x c (1 - c), c (1 - c)."""
    for i in range(len(x)):
        w, d = weight[i], log_spent[i] - log_gamma
        small = np.exp(-abs(d))
        least = np.log1p(small)
        if d > 0:
            u, v, c = least, least + d, small / (1.0 + small)
        else:
            u, v, c = least - d, least, 1.0 / (1.0 + small)
        both = small / (1.0 + small) ** 2
        sums[0] += w * x[i] * u
        sums[1] += w * v
        sums[2] += w * x[i] * c
        sums[3] += w * (small / (1.0 + small) if d <= 0 else 1.0 / (1.0 + small))
        sums[4] += w * x[i] * both
        sums[5] += w * both
