"""Rows that occur many times, each once."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad._jit import frozen, kernel

Floats = NDArray[np.float64]

# Odd numbers with well mixed bits, from the digits of the golden ratio and of square roots.
MULTIPLIERS = (0x9E3779B97F4A7C15, 0x6A09E667F3BCC909, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B)
HASH_BITS = 62
# Rows that are hashed at a time: what lies between then stays in the processor's cache.
HASH_ROWS = 1 << 14


class Distinct(NamedTuple):
    """The distinct rows of some columns, in the order of their first occurrence."""

    columns: tuple[Floats, ...]  # (n_distinct,) each
    group: NDArray[np.int32]  # (n_rows,) the distinct row that each row is

    def weigh(self, weights: Floats) -> Floats:
        """The number of times each distinct row occurs, or the sum of its weights."""
        counts = np.bincount(self.group, weights if len(weights) else None, len(self.columns[0]))
        return counts.astype(np.float64)


def distinct_rows(*columns: Floats) -> Distinct:
    """Find the distinct rows of up to four columns of numbers."""
    n_rows = len(columns[0])
    bits = [np.ascontiguousarray(column).view(np.int64) for column in columns]
    hashes = np.empty(n_rows, np.uint64)
    for start in range(0, n_rows, HASH_ROWS):
        rows = slice(start, start + HASH_ROWS)
        mixed = np.zeros_like(hashes[rows])
        for column, multiplier in zip(bits, MULTIPLIERS, strict=False):
            mixed += column[rows].view(np.uint64) * np.uint64(multiplier)
            # Whole numbers differ in their upper bits alone, and products carry upwards only.
            mixed ^= mixed >> np.uint64(32)
        mixed *= np.uint64(MULTIPLIERS[0])
        hashes[rows] = mixed >> np.uint64(64 - HASH_BITS)
    group, keys = np.empty(n_rows, np.int32), np.empty((n_rows, 5), np.int64)
    first, second, third, fourth = (frozen(column) for column in (bits + bits[:1] * 3)[:4])
    n_distinct = group_rows(frozen(hashes.view(np.int64)), first, second, third, fourth, group, keys)
    found = keys[:n_distinct, : len(columns)].T.copy().view(np.float64)
    return Distinct(tuple(found), group)


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
    fourth,  # (n,) int64, IN
    group,  # (n,) int32, OUT
    keys,  # (n, 5) int64, OUT
):
    """Number the distinct rows; writes the number of each row, and the entries and hash of each distinct row.

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
                slot = keys[g, 4] >> (HASH_BITS - bits)
                while slots[slot] >= 0:
                    slot = (slot + 1) & (len(slots) - 1)
                slots[slot] = g
        slot = hashes[i] >> (HASH_BITS - bits)
        while True:
            g = slots[slot]
            if g < 0:
                slots[slot] = n_distinct
                keys[n_distinct, 0] = first[i]
                keys[n_distinct, 1] = second[i]
                keys[n_distinct, 2] = third[i]
                keys[n_distinct, 3] = fourth[i]
                keys[n_distinct, 4] = hashes[i]
                group[i] = n_distinct
                n_distinct += 1
                break
            same = keys[g, 0] == first[i] and keys[g, 1] == second[i] and keys[g, 2] == third[i]
            if same and keys[g, 3] == fourth[i]:
                group[i] = g
                break
            slot = (slot + 1) & (len(slots) - 1)
    return n_distinct
