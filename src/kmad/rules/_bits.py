"""Where the ones stand in words of 64 bits."""

import numpy as np

from kmad._jit import inner_kernel, kernel


@kernel
def find_rows(
    flags,  # (n_columns, n_rows) IN: zeros and ones
    which,  # (n,) IN: columns
    ends,  # (n,) IN: where the rows of each end
    start,
    stop,
    rows,  # (total,) OUT
):
    """Write the rows of the ones of some columns, from the one at `start` to that at `stop`."""
    n_rows = flags.shape[1]
    whole = n_rows // 8
    packed = np.zeros((n_rows + 63) // 64 * 8, np.uint8)
    bits = packed.view(np.uint64)
    to = ends[start - 1] if start > 0 else 0
    for n in range(start, stop):
        column = flags[which[n]]
        words = column[: 8 * whole].view(np.uint64)
        for w in range(whole):
            # The factor moves the flag of byte b to bit 56 + b.
            packed[w] = (words[w] * np.uint64(0x0102040810204080)) >> np.uint64(56)
        if whole < len(packed):
            last = 0
            for r in range(8 * whole, n_rows):
                last |= column[r] << (r - 8 * whole)
            packed[whole] = last
        for w in range(len(bits)):
            word = bits[w]
            while word:
                rest = word & (word - np.uint64(1))
                rows[to] = 64 * w + count_bits((word ^ rest) - np.uint64(1))
                to += 1
                word = rest


@kernel
def spread_words(
    words,  # (distinct,) IN
    rows,  # (1 + held + distinct,) OUT
    list_sizes,  # (n_items,) INOUT: zeros at first
):
    """Write the items of every word as a row."""
    rows[0] = -1
    to = 1
    for n in range(len(words)):
        word = words[n]
        while word:
            rest = word & (word - 1)
            p = count_bits(np.uint64(word ^ rest) - np.uint64(1))
            rows[to] = p
            list_sizes[p] += 1
            to += 1
            word = rest
        rows[to] = -1 - n
        to += 1


@inner_kernel
def count_bits(word):
    """Number of ones in a word."""
    # The compiler knows this for a count of bits.
    word -= (word >> np.uint64(1)) & np.uint64(0x5555555555555555)
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))
