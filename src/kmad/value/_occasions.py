"""Lines of a log gathered to occasions: one for each customer and period, a purchase or a return."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad._jit import frozen, kernel
from kmad.value._units import Floats, Integers

# Sums of decimal fractions that cancel leave some 1e-16 of what was added: that is no amount.
ROUNDING = 1e-12
# Most moves of an insertion sort per line: beyond, the lines of a customer are far from sorted and a heap is faster.
MOVES = 16


class Occasions(NamedTuple):
    """Arrays of shape (n_occasions,), sorted by customer and then by period."""

    customer: Integers
    period: Integers
    amount: Floats  # sum of the lines: below 0 for a return

    @property
    def is_purchase(self) -> NDArray[np.bool_]:
        return self.amount >= 0

    @property
    def buyers(self) -> Integers:
        """The customers who bought, sorted."""
        return np.unique(self.customer[self.is_purchase])

    def where(self, kept: NDArray[np.bool_]) -> "Occasions":
        return Occasions(self.customer[kept], self.period[kept], self.amount[kept])

    @property
    def starts(self) -> NDArray[np.intp]:
        """Where each customer's occasions begin."""
        first = np.ones(len(self.customer), np.bool_)
        np.not_equal(self.customer[1:], self.customer[:-1], out=first[1:])
        return np.flatnonzero(first)


def gather_occasions(customer: Integers, n_customers: int, period: Integers, amount: Floats) -> Occasions:
    """Sum the lines of each customer and period, whatever their order; lines that cancel are no occasion.

    `customer` holds numbers from 0 to n_customers - 1. Takes some 24 bytes a line.
    """
    owner, when, paid = np.empty(len(customer), np.int64), np.empty(len(customer), np.int64), np.empty(len(customer))
    edge = np.zeros(n_customers + 1, np.int64)
    n = gather(frozen(customer), frozen(period), frozen(amount), edge, owner, when, paid)
    return Occasions(owner[:n], when[:n], paid[:n])


@kernel
def gather(
    customer,  # (n,) IN
    period,  # (n,) IN
    amount,  # (n,) IN
    edge,  # (n_customers + 1,) INOUT zeros; then where each customer's lines end
    owner,  # (n,) OUT
    when,  # (n,) OUT
    paid,  # (n,) OUT
):
    """Write the occasions to the front of `owner`, `when` and `paid`; returns their number."""
    n = len(customer)
    for i in range(n):
        edge[customer[i] + 1] += 1
    for j in range(1, len(edge)):
        edge[j] += edge[j - 1]
    for i in range(n):
        at = edge[customer[i]]
        when[at] = period[i]
        paid[at] = amount[i]
        edge[customer[i]] = at + 1

    filled = 0
    start = 0
    for j in range(len(edge) - 1):
        stop = edge[j]
        # A sum of floats depends on its order, so amounts are sorted too.
        sort_lines(when, paid, start, stop)
        i = start
        while i < stop:
            now = when[i]
            total = 0.0
            turnover = 0.0
            while i < stop and when[i] == now:
                total += paid[i]
                turnover += abs(paid[i])
                i += 1
            if abs(total) > ROUNDING * turnover or turnover == 0.0:
                owner[filled] = j
                when[filled] = now
                paid[filled] = total
                filled += 1
        start = stop
    return filled


@kernel
def sort_lines(
    when,  # (n,) INOUT
    paid,  # (n,) INOUT
    start,
    stop,
):
    """Sort the lines from `start` to `stop` by period and then by amount, in place."""
    moves = MOVES * (stop - start)
    for i in range(start + 1, stop):
        now, price = when[i], paid[i]
        at = i
        while at > start and (when[at - 1] > now or (when[at - 1] == now and paid[at - 1] > price)):
            when[at] = when[at - 1]
            paid[at] = paid[at - 1]
            at -= 1
        when[at], paid[at] = now, price
        moves -= i - at
        if moves < 0:
            heap_sort(when, paid, start, stop)
            return


@kernel
def heap_sort(
    when,  # (n,) INOUT
    paid,  # (n,) INOUT
    start,
    stop,
):
    """Sort the lines from `start` to `stop` by period and then by amount, in place, whatever their order."""
    n = stop - start
    root = n // 2
    while n > 1:
        if root > 0:
            root -= 1
            now, price = when[start + root], paid[start + root]
        else:
            n -= 1
            now, price = when[start + n], paid[start + n]
            when[start + n], paid[start + n] = when[start], paid[start]
        hole = root
        child = 2 * hole + 1
        while child < n:
            at = start + child
            if child + 1 < n and (when[at] < when[at + 1] or (when[at] == when[at + 1] and paid[at] < paid[at + 1])):
                child += 1
                at += 1
            if when[at] < now or (when[at] == now and paid[at] <= price):
                break
            when[start + hole], paid[start + hole] = when[at], paid[at]
            hole = child
            child = 2 * hole + 1
        when[start + hole], paid[start + hole] = now, price
