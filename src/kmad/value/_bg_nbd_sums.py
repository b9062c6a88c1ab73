"""The part of the BG/NBD log-likelihood that needs every row."""

import numpy as np

from kmad._jit import kernel


@kernel
def sum_rows(
    x,  # (n,) IN
    chances,  # (n,) IN, how often the customer could have dropped out and did not, if alive
    recency,  # (n,) IN
    T,  # (n,) IN
    weight,  # (n,) IN
    r,  # float, IN
    alpha,  # float, IN
    a,  # float, IN
    b,  # float, IN
    sums,  # (15,) INOUT
):
    """Add value, gradient and Hessian of the rows to `sums`, with respect to log r, log alpha, log a and log b.

    A row is log(L0 + L1), alive and gone. L0 is (1 + T/alpha)^-r (alpha + T)^-x; z is log(L1 / L0).
    """
    log_alpha = np.log(alpha)
    for i in range(len(x)):
        w = weight[i]
        age = np.log1p(T[i] / alpha)
        left_T = alpha / (alpha + T[i])
        bend_T = (r + x[i]) * left_T * (1 - left_T)
        # L0 and its derivatives.
        value = -r * age - x[i] * (log_alpha + age)
        g_r, g_alpha = -r * age, r - (r + x[i]) * left_T
        h_r_alpha, h_alpha = r * (1 - left_T), -bend_T
        h_r = g_r
        if chances[i] > 0:
            shape = chances[i] - 1 + b
            gap = np.log1p((T[i] - recency[i]) / (alpha + recency[i]))
            left_recency = alpha / (alpha + recency[i])
            z = np.log(a / shape) + (r + x[i]) * gap
            # z and its derivatives; those by log a are 1 and 0.
            z_r, z_alpha, z_b = r * gap, (r + x[i]) * (left_T - left_recency), -b / shape
            z_r_alpha = r * (left_T - left_recency)
            z_alpha_alpha = bend_T - (r + x[i]) * left_recency * (1 - left_recency)
            z_b_b = z_b * (1 + z_b)
            small = np.exp(-abs(z))
            gone = (1.0 if z > 0 else small) / (1 + small)
            both = gone * small / (1 + small) if z > 0 else gone / (1 + small)
            value += max(z, 0.0) + np.log1p(small)
            g_r += gone * z_r
            g_alpha += gone * z_alpha
            h_r += gone * z_r + both * z_r * z_r
            h_r_alpha += gone * z_r_alpha + both * z_r * z_alpha
            h_alpha += gone * z_alpha_alpha + both * z_alpha * z_alpha
            sums[3] += w * gone
            sums[4] += w * gone * z_b
            sums[7] += w * both * z_r
            sums[8] += w * both * z_r * z_b
            sums[10] += w * both * z_alpha
            sums[11] += w * both * z_alpha * z_b
            sums[12] += w * both
            sums[13] += w * both * z_b
            sums[14] += w * (gone * z_b_b + both * z_b * z_b)
        sums[0] += w * value
        sums[1] += w * g_r
        sums[2] += w * g_alpha
        sums[5] += w * h_r
        sums[6] += w * h_r_alpha
        sums[9] += w * h_alpha
