"""Means that depend on a customer's count of purchases and on one number more, tabulated."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from kmad._jit import frozen
from kmad.value._ahead import N_TERMS, interpolate

Floats = NDArray[np.float64]
# The mean for a count and for several u.
Mean: TypeAlias = Callable[[float, Floats], Floats]

# Pieces of u. The means are analytic where |Im u| < pi, so that on a piece of length 1 the coefficients of Chebyshev's
# polynomials fall by a factor of 12 each: 16 of them leave some 1e-17.
PER_UNIT = 1.0
# A piece is tabulated where the last two coefficients are smaller than this, compared with the mean itself.
RESOLVED = 1e-14
# Rows that are worked out together where they are not tabulated: by the nodes of a mean it makes a temporary.
DIRECT_ROWS = 1 << 9

PLACES = chebyshev.chebpts1(N_TERMS)
TO_CHEBYSHEV = np.linalg.inv(chebyshev.chebvander(PLACES, N_TERMS - 1))
# (n_terms, n_terms) coefficients of Chebyshev's polynomials to those of powers; as they fall fast, nothing cancels.
TO_POWERS = np.array([np.pad(chebyshev.cheb2poly(row), (0, N_TERMS))[:N_TERMS] for row in np.eye(N_TERMS)])


class MeansByCount:
    """A function of a count and of u between two bounds: tabulated where there are more rows than entries of tables.

    The mean must be an analytic function of u where |Im u| < pi.
    """

    def __init__(self, mean: Mean, x: Floats, low: float, high: float) -> None:
        self._mean = mean
        first, last = np.floor(PER_UNIT * low), np.floor(PER_UNIT * high)
        n_pieces = int(last - first) + 1
        seen = np.zeros(int(x.max()) + 1, np.bool_)
        seen[x.astype(np.int64)] = True
        counts = np.flatnonzero(seen)
        tabulated = len(x) > len(counts) * n_pieces * N_TERMS
        # How many numbers a row takes.
        self.width = 1 if tabulated else 16
        self._tables = np.empty((0, n_pieces, N_TERMS))
        if not tabulated:
            return
        self._first = int(first)
        self._slot = np.cumsum(seen) - 1
        u = (first + np.arange(n_pieces)[:, None] + (1 + PLACES) / 2) / PER_UNIT

        values = np.stack([mean(float(count), u.ravel()) for count in counts]).reshape(len(counts), *u.shape)
        found = values @ TO_CHEBYSHEV.T
        # Not as much as that: where all nodes underflow to 0, the mean may still be above 0 between them.
        resolved = np.abs(found[..., -2:]).max(axis=-1) < RESOLVED * np.abs(values).min(axis=-1)
        self._tables = np.where(resolved[..., None], found @ TO_POWERS, np.nan)

    def __call__(self, x: Floats, u: Floats) -> Floats:
        """The means of some of the rows."""
        if not len(self._tables):
            return self._direct(x, u)
        result = np.empty(len(x))
        x, u = frozen(np.ascontiguousarray(x)), frozen(np.ascontiguousarray(u))
        interpolate(x, u, self._first, PER_UNIT, frozen(self._slot), frozen(self._tables), result)
        left = np.flatnonzero(np.isnan(result))
        if len(left):
            result[left] = self._direct(x[left], u[left])
        return result

    def _direct(self, x: Floats, u: Floats) -> Floats:
        result = np.empty(len(x))
        order = np.argsort(x, kind="stable")
        counts, starts = np.unique(x[order], return_index=True)
        for count, at in zip(map(float, counts), np.split(order, starts[1:]), strict=True):
            for start in range(0, len(at), DIRECT_ROWS):
                some = at[start : start + DIRECT_ROWS]
                result[some] = self._mean(count, u[some])
        return result
