"""Kernels that tell what lies ahead of each customer."""

import numpy as np

from kmad._jit import kernel, reordering_kernel

# Terms of a tabulated polynomial.
N_TERMS = 16


@reordering_kernel
def interpolate(
    x,  # (n,) IN
    u,  # (n,) IN
    first,  # int, IN, the piece that the tables begin with
    per_unit,  # float, IN, pieces to a unit of u
    slot,  # (most + 1,) IN, where the tables of each count are
    tables,  # (n_counts, n_pieces, N_TERMS) IN, coefficients of the powers of a place from -1 to 1 within a piece
    result,  # (n,) OUT
):
    """Write the function of count and u that is tabulated."""
    last = tables.shape[1] - 1
    for i in range(len(x)):
        at = u[i] * per_unit - first
        # Rounding may put the ends of the range outside.
        piece = min(max(int(at), 0), last)
        place = 2.0 * (at - piece) - 1.0
        square = place * place
        j = slot[int(x[i])]
        # Even and odd powers apart: half as many steps wait for each other.
        even, odd = tables[j, piece, N_TERMS - 2], tables[j, piece, N_TERMS - 1]
        for k in range(N_TERMS - 4, -1, -2):
            even = even * square + tables[j, piece, k]
            odd = odd * square + tables[j, piece, k + 1]
        result[i] = even + place * odd


@kernel
def mean_ratios(
    p,  # (k,) IN
    weight,  # (k,) IN
    g,  # (m,) IN
    g_weight,  # (m,) IN
    rate,  # (n,) IN
    result,  # (n,) OUT
):
    """Write the mean of g / (p g + rate) over both distributions."""
    # A sum for each g, so that the loop over them runs in vector registers.
    for i in range(len(rate)):
        sums = np.zeros(len(g))
        for j in range(len(p)):
            sums += weight[j] * g / (p[j] * g + rate[i])
        result[i] = (g_weight * sums).sum()


@kernel
def expected_spend(
    x,  # (n,) IN
    amount,  # (n,) IN
    p,  # float, IN
    q,  # float, IN
    gamma,  # float, IN
    most,  # float, IN
    spend,  # (n,) OUT
):
    """Write the expected spend of each customer; returns whether every row has a frequency and, above 0, an amount."""
    right = True
    for i in range(len(x)):
        right &= (x[i] >= 0.0) & (x[i] <= most) & (x[i] == np.floor(x[i]))
        right &= (x[i] == 0.0) | ((amount[i] > 0.0) & (amount[i] < np.inf))
        shape = p * x[i] + q - 1.0
        spent = x[i] * amount[i] if x[i] > 0.0 else 0.0
        spend[i] = p * (gamma + spent) / shape if shape > 0.0 else np.inf
    return right
