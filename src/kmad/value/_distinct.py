"""Rows that occur many times, each once."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad._jit import frozen, kernel

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

# Odd numbers with well mixed bits, from the digits of the golden ratio and of two square roots.
MULTIPLIERS = (0x9E3779B97F4A7C15, 0x6A09E667F3BCC909, 0xBB67AE8584CAA73B)
HASH_BITS = 62


class Distinct(NamedTuple):
    """The distinct rows of some columns, in the order of their first occurrence."""

    columns: tuple[Floats, ...]  # (n_distinct,) each
    row: Indices  # (n_distinct,) where each occurs first
    group: NDArray[np.int32]  # (n_rows,) the distinct row that each row is

    def weigh(self, weights: Floats) -> Floats:
        """The number of times each distinct row occurs, or the sum of its weights."""
        return np.bincount(self.group, weights if len(weights) else None, len(self.row)).astype(np.float64)


def distinct_rows(*columns: Floats) -> Distinct:
    """Find the distinct rows of up to three columns of numbers."""
    n_rows = len(columns[0])
    bits = [np.ascontiguousarray(column).view(np.int64) for column in columns]
    hashes = np.zeros(n_rows, np.uint64)
    for column, multiplier in zip(bits, MULTIPLIERS, strict=False):
        hashes += column.view(np.uint64) * np.uint64(multiplier)
        # Whole numbers differ in their upper bits alone, and products carry upwards only.
        hashes ^= hashes >> np.uint64(32)
    hashes *= np.uint64(MULTIPLIERS[0])
    hashes >>= np.uint64(64 - HASH_BITS)
    group, row = np.empty(n_rows, np.int32), np.empty(n_rows, np.int64)
    first, second, third = (frozen(column) for column in (bits + bits[:1] * 2)[:3])
    n_distinct = group_rows(frozen(hashes.view(np.int64)), first, second, third, group, row)
    row = row[:n_distinct].copy()
    return Distinct(tuple(column[row] for column in columns), row, group)


def weighted_rows(columns: Sequence[Floats], weights: Floats) -> tuple[tuple[Floats, ...], Floats]:
    """The distinct rows and the weight of each; without weights each counts as 1. Rows of weight 0 are left out."""
    if len(weights):
        columns, weights = [column[weights > 0] for column in columns], weights[weights > 0]
    distinct = distinct_rows(*columns)
    return distinct.columns, distinct.weigh(weights)


@kernel
def group_rows(
    hashes,  # (n,) int64, IN
    first,  # (n,) int64, IN
    second,  # (n,) int64, IN
    third,  # (n,) int64, IN
    group,  # (n,) int32, OUT
    row,  # (n,) int64, OUT
):
    """Number the distinct rows; writes the number of each row and where each number occurs first.

    Returns how many there are. The table is open: a taken slot is passed over for the next.
    """
    bits = 12
    slots = np.full(1 << bits, -1, np.int32)
    n_distinct = 0
    for i in range(len(hashes)):
        if 2 * n_distinct >= len(slots):
            bits += 2
            slots = np.full(1 << bits, -1, np.int32)
            for g in range(n_distinct):
                slot = hashes[row[g]] >> (HASH_BITS - bits)
                while slots[slot] >= 0:
                    slot = (slot + 1) & (len(slots) - 1)
                slots[slot] = g
        slot = hashes[i] >> (HASH_BITS - bits)
        while True:
            g = slots[slot]
            if g < 0:
                slots[slot] = n_distinct
                row[n_distinct] = i
                group[i] = n_distinct
                n_distinct += 1
                break
            j = row[g]
            if first[i] == first[j] and second[i] == second[j] and third[i] == third[j]:
                group[i] = g
                break
            slot = (slot + 1) & (len(slots) - 1)
    return n_distinct
