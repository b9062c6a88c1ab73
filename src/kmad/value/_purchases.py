"""The questions that every model of purchases answers."""

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kmad._validation import check_integer, check_real
from kmad.value._distinct import distinct_rows
from kmad.value._model import Model

Floats = NDArray[np.float64]

# Rows below which looking for equal ones is not worth it.
FEW_ROWS = 1 << 10


class PurchaseModel(Model):
    """A model of customers who buy until they drop out.

    A subclass reads the customers, and gives the probability that each is alive and what is expected of one who is.
    Neither needs the recency for the future. A new customer is one who has just come: all his columns are 0.
    """

    # Whether time is counted in whole periods.
    in_periods: ClassVar[bool] = False

    _ages: tuple[Floats, Floats]

    def expected_purchases(
        self, horizon: ArrayLike, customers: object = None, *, if_alive: bool = False
    ) -> float | Floats:
        """Number of purchases to expect within `horizon` from now.

        Parameters
        ----------
        horizon : float or array-like of shape (n_customers,)
            Length of time, 0 or more, in the unit of the fit. For a new customer an array gives several answers.

        customers : table or array-like of shape (n_customers, n_columns), optional
            As in `fit`. None asks about a new customer.

        if_alive : bool, default=False
            Whether to take it as given that the customer is alive now.

        Returns
        -------
        expected : float or ndarray of shape (n_customers,)
            A float for a new customer and a single horizon.
        """
        x, T, alive = self._living(customers, if_alive=if_alive)
        spans = self._durations("horizon", horizon, len(x), customers)
        expected = self._apart(self._expected, x, T, spans)
        expected *= alive
        return one_or_many(expected, horizon, customers)

    def probability_alive(self, customers: object = None, later: ArrayLike = 0.0) -> float | Floats:
        """Probability that a customer has not dropped out by the time T + `later`.

        Parameters
        ----------
        customers : table or array-like of shape (n_customers, n_columns), optional
            As in `fit`. None asks about a new customer.

        later : float or array-like of shape (n_customers,), default=0.0
            Time from now, 0 or more; 0 asks whether he is alive now.

        Returns
        -------
        probability : float or ndarray of shape (n_customers,)
            A float for a new customer and a single time.
        """
        x, T, alive = self._living(customers)
        spans = self._durations("later", later, len(x), customers)
        if len(spans) > 1 or spans.any():
            alive = alive * self._apart(self._surviving, x, T, spans)
        return one_or_many(alive, later, customers)

    def survival(self, horizon: ArrayLike, customers: object = None) -> float | Floats:
        """Probability that a customer who is alive now is still so at the end of `horizon`.

        Parameters
        ----------
        horizon : float or array-like of shape (n_customers,)
            Length of time, 0 or more.

        customers : table or array-like of shape (n_customers, n_columns), optional
            As in `fit`. None asks about a new customer.

        Returns
        -------
        probability : float or ndarray of shape (n_customers,)
            A float for a new customer and a single horizon.
        """
        x, _, T = self._customers(customers)
        spans = self._durations("horizon", horizon, len(x), customers)
        return one_or_many(self._apart(self._surviving, x, T, spans), horizon, customers)

    def probability_of_purchases(self, n: int, horizon: ArrayLike, customers: object = None) -> float | Floats:
        """Probability of exactly `n` purchases within `horizon` from now.

        Parameters
        ----------
        n : int
            Number of purchases, 0 or more.

        horizon : float or array-like of shape (n_customers,)
            Length of time, 0 or more.

        customers : table or array-like of shape (n_customers, n_columns), optional
            As in `fit`. None asks about a new customer.

        Returns
        -------
        probability : float or ndarray of shape (n_customers,)
            A float for a new customer and a single horizon.
        """
        check_integer("n", n, least=0)
        x, T, alive = self._living(customers)
        spans = self._durations("horizon", horizon, len(x), customers)
        of_living = once_each(lambda x, T, spans: self._counting(int(n), x, T, spans), x, T, spans)
        return one_or_many(alive * of_living + (1 - alive if n == 0 else 0.0), horizon, customers)

    def discounted_expected_purchases(
        self, customers: object = None, *, discount_rate: float, if_alive: bool = False
    ) -> float | Floats:
        """Number of purchases to expect from now on for ever, each discounted to now.

        Also known as DERT, discounted expected residual transactions.

        Parameters
        ----------
        customers : table or array-like of shape (n_customers, n_columns), optional
            As in `fit`. None asks about a new customer.

        discount_rate : float
            Rate per unit of time of the fit, above 0. What is due after the time t counts exp(-rate * t), so that a
            yearly interest of 15 % on weekly data is the rate log(1.15) / 52.18. Models that count whole periods take
            the interest for a period: what is due after t of them counts (1 + rate) ** -t.

        if_alive : bool, default=False
            Whether to take it as given that the customer is alive now.

        Returns
        -------
        expected : float or ndarray of shape (n_customers,)
            A float for a new customer.
        """
        check_real("discount_rate", discount_rate, above=0.0, below=np.inf)
        x, T, alive = self._living(customers, if_alive=if_alive)
        expected = self._apart(lambda x, T: self._discounted(x, T, float(discount_rate)), x, T)
        expected *= alive
        return one_or_many(expected, 0.0, customers)

    def frequency_distribution(self, max_frequency: int = 7, *, T: ArrayLike | None = None) -> Floats:
        """Number of customers expected to have made 0, 1, 2, ... repeat purchases.

        Parameters
        ----------
        max_frequency : int, default=7
            Customers with this many and more are counted together; at least 1.

        T : array-like of shape (n_customers,), optional
            Times since the first purchase. None takes those of the fit, with its weights.

        Returns
        -------
        expected : ndarray of shape (max_frequency + 1,)
            It adds up to the number of customers.
        """
        check_integer("max_frequency", max_frequency, least=1)
        if T is None:
            if not hasattr(self, "_ages"):
                raise ValueError("T must be given to a model that was not fitted; got None.")
            ages, weight = self._ages
        else:
            (ages,), group = distinct_rows(self._durations("T", np.atleast_1d(np.asarray(T)), 1, None))
            weight = np.bincount(group).astype(np.float64)
        below = [weight @ np.atleast_1d(self.probability_of_purchases(n, ages)) for n in range(int(max_frequency))]
        return np.array([*below, max(weight.sum() - sum(below), 0.0)])

    @abstractmethod
    def _read(self, name: str, table: object) -> tuple[Floats, Floats, Floats]:
        """Frequency, recency and T of a table, checked."""

    @abstractmethod
    def _alive(self, x: Floats, recency: Floats, T: Floats) -> Floats:
        """Probability that each customer is alive now."""

    def _apart(self, function: Callable[..., Floats], *columns: Floats) -> Floats:
        """`function` of columns with an entry for each row or one for all; equal rows are worked out once."""
        return once_each(function, *columns)

    @abstractmethod
    def _expected(self, x: Floats, T: Floats, horizon: Floats) -> Floats:
        """Expected purchases of those alive."""

    @abstractmethod
    def _surviving(self, x: Floats, T: Floats, horizon: Floats) -> Floats:
        """Probability that those alive stay so."""

    @abstractmethod
    def _counting(self, n: int, x: Floats, T: Floats, horizon: Floats) -> Floats:
        """Probability of n purchases of those alive."""

    @abstractmethod
    def _discounted(self, x: Floats, T: Floats, discount_rate: float) -> Floats:
        """Discounted expected purchases of those alive."""

    def _living(self, customers: object, *, if_alive: bool = False) -> tuple[Floats, Floats, Floats]:
        """Frequency and T of each customer, and the probability that he is alive now: 1 where that is given."""
        x, recency, T = self._customers(customers)
        return x, T, np.ones(1) if if_alive else self._apart(self._alive, x, recency, T)

    def _customers(self, customers: object) -> tuple[Floats, Floats, Floats]:
        self._values()
        if customers is None:
            return np.zeros(1), np.zeros(1), np.zeros(1)
        return self._read("customers", customers)

    def _durations(self, name: str, values: ArrayLike, n_rows: int, customers: object) -> Floats:
        """Lengths of time, checked: one, or one a customer; any number where there are no customers."""
        try:
            array = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise TypeError(f"{name} must be a number or an array of numbers; got {values!r}.") from error
        if array.ndim > 1 or (array.ndim == 1 and customers is not None and len(array) != n_rows):
            raise ValueError(f"{name} must be a number or have one entry a customer; got the shape {array.shape}.")
        allowed = (array >= 0) & (array < np.inf)
        if self.in_periods:
            allowed &= array == np.floor(array)
        if not allowed.all():
            kind = "whole numbers of periods" if self.in_periods else "finite"
            raise ValueError(f"{name} must be {kind} and 0 or more; got {float(array[~allowed][0])}.")
        return np.ascontiguousarray(np.atleast_1d(array))


def once_each(function: Callable[..., Floats], *columns: Floats) -> Floats:
    """`function` of columns with an entry for each row or one for all, worked out once for rows that are equal."""
    n_rows = max(map(len, columns))
    if n_rows < FEW_ROWS:
        return function(*(np.broadcast_to(column, n_rows) for column in columns))
    distinct = distinct_rows(*(column for column in columns if len(column) > 1))
    found = iter(distinct.columns)
    n_distinct = len(distinct.columns[0])
    parts = (next(found) if len(column) > 1 else np.broadcast_to(column, n_distinct) for column in columns)
    return function(*parts)[distinct.group]


def one_or_many(result: Floats, asked: ArrayLike, customers: object) -> float | Floats:
    """A float where a new customer and a single number were asked about."""
    return float(result[0]) if customers is None and np.ndim(asked) == 0 else result
