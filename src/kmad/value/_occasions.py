"""Lines of a log gathered to occasions: one for each customer and period, a purchase or a return."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmad._jit import frozen, kernel
from kmad.value._units import Floats, Integers

# Sums of decimal fractions that cancel leave some 1e-16 of what was added: that is no amount.
ROUNDING = 1e-12
NO_PURCHASE = "transactions must hold a purchase, an amount of 0 or more, up to the end; it has none."
# Periods that a counting sort has room for, however few the lines.
FEW_PERIODS = 1 << 12
# Lines of more customers than this go to places that no cache holds, so they are brought near to each other first: by
# groups of customers, about so many.
MANY_CUSTOMERS = 1 << 17
N_GROUPS = 1 << 9
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
        """The customers who bought, sorted; raises where there are none."""
        buyers = np.unique(self.customer[self.is_purchase])
        if not len(buyers):
            raise ValueError(NO_PURCHASE)
        return buyers

    def where(self, kept: NDArray[np.bool_]) -> "Occasions":
        return Occasions(self.customer[kept], self.period[kept], self.amount[kept])

    @property
    def starts(self) -> NDArray[np.intp]:
        """Where each customer's occasions begin."""
        first = np.ones(len(self.customer), np.bool_)
        np.not_equal(self.customer[1:], self.customer[:-1], out=first[1:])
        return np.flatnonzero(first)


class Lines(NamedTuple):
    """Lines of a log, customer by customer."""

    edge: NDArray[np.int64]  # (n_customers + 1,) where the lines of each customer end, and how many there are
    when: NDArray[np.int64]  # (n, 2) period, and the bits of the amount

    @property
    def n_customers(self) -> int:
        return len(self.edge) - 1

    def before(self, customer: int) -> int:
        """The number of lines of the customers with lower numbers."""
        return int(self.edge[customer - 1]) if customer else 0

    def occasions(self, first: int, stop: int) -> Occasions:
        """Sum the lines of each period, of the customers from `first` to `stop`; lines that cancel are no occasion."""
        n = self.before(stop) - self.before(first)
        owner, period, total = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n)
        paid = self.when.view(np.float64)
        m = add_lines(self.edge, self.when, paid, first, stop, self.before(first), owner, period, total)
        return Occasions(owner[:m], period[:m], total[:m])


def gather_occasions(customer: Integers, n_customers: int, period: Integers, amount: Floats) -> Occasions:
    """Sum the lines of each customer and period, whatever their order; lines that cancel are no occasion.

    `customer` holds numbers from 0 to n_customers - 1. Takes some 40 bytes a line.
    """
    return sort_log(customer, n_customers, period, amount).occasions(0, n_customers)


def sort_log(customer: Integers, n_customers: int, period: Integers, amount: Floats) -> Lines:
    """The lines customer by customer, those of a customer by period where they come in that order.

    `customer` holds numbers from 0 to n_customers - 1.
    """
    n = len(customer)
    customer, period = (frozen(np.ascontiguousarray(column)) for column in (customer, period))
    amount = frozen(np.ascontiguousarray(amount))

    # A line is a row, so that moving it touches one place in memory. Whole and real numbers share that memory.
    def ordered(key: Integers, low: int, high: int, shift: int) -> tuple[Integers, Integers, Floats]:
        rows, edge = np.empty((n, 3), np.int64), np.zeros((high >> shift) - (low >> shift) + 2, np.int64)
        sort_by_key(key, low, shift, customer, period, amount, edge, rows, rows.view(np.float64))
        rows = frozen(rows)
        return rows[:, 0], rows[:, 1], rows.view(np.float64)[:, 2]

    if n_customers > MANY_CUSTOMERS:
        # Few lines of each: they are sorted as quickly by themselves.
        customer, period, amount = ordered(customer, 0, n_customers - 1, (n_customers // N_GROUPS).bit_length())
    elif (period[1:] < period[:-1]).any():
        low, high = int(period.min()), int(period.max())
        if high - low < max(n, FEW_PERIODS):
            customer, period, amount = ordered(period, low, high, 0)
    lines, edge = np.empty((n, 2), np.int64), np.zeros(n_customers + 1, np.int64)
    sort_by_customer(customer, period, amount, edge, lines, lines.view(np.float64))
    return Lines(frozen(edge), lines)


@kernel
def sort_by_key(
    key,  # (n,) IN
    low,
    shift,
    customer,  # (n,) IN
    period,  # (n,) IN
    amount,  # (n,) IN
    edge,  # (groups + 1,) INOUT zeros; then where the lines of each group end
    whole,  # (n, 3) OUT customer and period, int64
    paid,  # (n, 3) OUT amount, float64: the same memory
):
    """Write the lines by groups of keys, which are equal but for the lowest bits; those of a group stay in order."""
    n, first = len(key), low >> shift
    for i in range(n):
        edge[(key[i] >> shift) - first + 1] += 1
    for g in range(1, len(edge)):
        edge[g] += edge[g - 1]
    for i in range(n):
        g = (key[i] >> shift) - first
        at = edge[g]
        edge[g] = at + 1
        whole[at, 0] = customer[i]
        whole[at, 1] = period[i]
        paid[at, 2] = amount[i]


@kernel
def sort_by_customer(
    customer,  # (n,) IN
    period,  # (n,) IN
    amount,  # (n,) IN
    edge,  # (n_customers + 1,) INOUT zeros; then where each customer's lines end
    when,  # (n, 2) OUT period, int64
    paid,  # (n, 2) OUT amount, float64: the same memory
):
    """Write the lines customer by customer, those of one customer in the order in which they come."""
    n = len(customer)
    for i in range(n):
        edge[customer[i] + 1] += 1
    for j in range(1, len(edge)):
        edge[j] += edge[j - 1]
    for i in range(n):
        at = edge[customer[i]]
        edge[customer[i]] = at + 1
        when[at, 0] = period[i]
        paid[at, 1] = amount[i]


@kernel
def add_lines(
    edge,  # (n_customers + 1,) IN
    when,  # (n, 2) INOUT period, int64; sorted customer by customer
    paid,  # (n, 2) INOUT amount, float64: the same memory
    first,  # int, IN, the first customer
    stop_at,  # int, IN, the customer to stop before
    start,  # int, IN, where the first customer's lines begin
    owner,  # (n,) OUT
    period,  # (n,) OUT
    total,  # (n,) OUT
):
    """Write the occasions of some customers to the front of `owner`, `period` and `total`; returns their number."""
    filled = 0
    for j in range(first, stop_at):
        stop = edge[j]
        # A sum of floats depends on its order, so amounts are sorted too.
        if stop - start > 1:
            sort_lines(when, paid, start, stop)
        i = start
        while i < stop:
            now = when[i, 0]
            net = 0.0
            turnover = 0.0
            while i < stop and when[i, 0] == now:
                net += paid[i, 1]
                turnover += abs(paid[i, 1])
                i += 1
            if abs(net) > ROUNDING * turnover or turnover == 0.0:
                owner[filled] = j
                period[filled] = now
                total[filled] = net
                filled += 1
        start = stop
    return filled


@kernel
def sort_lines(
    when,  # (n, 2) INOUT period, int64
    paid,  # (n, 2) INOUT amount, float64: the same memory
    start,
    stop,
):
    """Sort the lines from `start` to `stop` by period and then by amount, in place."""
    moves = MOVES * (stop - start)
    for i in range(start + 1, stop):
        now, price = when[i, 0], paid[i, 1]
        at = i
        while at > start and (when[at - 1, 0] > now or (when[at - 1, 0] == now and paid[at - 1, 1] > price)):
            when[at, 0], paid[at, 1] = when[at - 1, 0], paid[at - 1, 1]
            at -= 1
        when[at, 0], paid[at, 1] = now, price
        moves -= i - at
        if moves < 0:
            heap_sort(when, paid, start, stop)
            return


@kernel
def heap_sort(
    when,  # (n, 2) INOUT period, int64
    paid,  # (n, 2) INOUT amount, float64: the same memory
    start,
    stop,
):
    """Sort the lines from `start` to `stop` by period and then by amount, in place, whatever their order."""
    n = stop - start
    root = n // 2
    while n > 1:
        if root > 0:
            root -= 1
            now, price = when[start + root, 0], paid[start + root, 1]
        else:
            n -= 1
            now, price = when[start + n, 0], paid[start + n, 1]
            when[start + n, 0], paid[start + n, 1] = when[start, 0], paid[start, 1]
        hole = root
        child = 2 * hole + 1
        while child < n:
            at = start + child
            if child + 1 < n and (
                when[at, 0] < when[at + 1, 0] or (when[at, 0] == when[at + 1, 0] and paid[at, 1] < paid[at + 1, 1])
            ):
                child += 1
                at += 1
            if when[at, 0] < now or (when[at, 0] == now and paid[at, 1] <= price):
                break
            when[start + hole, 0], paid[start + hole, 1] = when[at, 0], paid[at, 1]
            hole = child
            child = 2 * hole + 1
        when[start + hole, 0], paid[start + hole, 1] = now, price
