"""Pictures of how well a model of purchases describes a log."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kmad._validation import check_integer, check_real
from kmad.value._continuous import ContinuousModel
from kmad.value._lifecycle import check_purchase_model
from kmad.value._log import Time, read_log, read_time
from kmad.value._occasions import NO_PURCHASE
from kmad.value._summary import Scale
from kmad.value._tables import Table
from kmad.value._units import Floats, Integers, Unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

RECENCY_STEPS = 101


class Display:
    """A picture that holds its numbers, and is drawn when asked."""

    ax_: "Axes"
    figure_: "Figure | SubFigure"

    def plot(self, ax: "Axes | None" = None) -> Self:
        """Draw the picture.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw, by default on axes of a new figure.

        Returns
        -------
        display : same class
            Itself, with `ax_` and `figure_`.
        """
        if ax is None:
            try:
                from matplotlib import pyplot as plt  # noqa: PLC0415 - half a second, and an extra
            except ImportError as error:
                raise ImportError("plots need matplotlib: pip install 'kmad[plot]'") from error
            _, ax = plt.subplots()
        self.ax_, self.figure_ = ax, ax.figure
        self._draw(ax)
        return self

    @abstractmethod
    def _draw(self, ax: "Axes") -> None:
        """Draw on these axes."""


class TrackingDisplay(Display):
    """Repeat purchases over time: how many there were, and how many a model expects.

    Use `from_log` to make one.

    Parameters
    ----------
    time : array-like of shape (n_times,)
        Time since the log began, in units.
    actual : array-like of shape (n_times,)
        Repeat purchases up to each time, of all customers together.
    expected : array-like of shape (n_times,)
        The number that the model expects.
    split : float, optional
        When the calibration ended; drawn as a line.
    cumulative : bool, default=True
        Draw all purchases up to each time; else those within each unit of time.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it was drawn.
    figure_ : matplotlib.figure.Figure
        The figure of these axes.

    Examples
    --------
    >>> from kmad import ParetoNBD, TrackingDisplay
    >>> log = {"who": ["ann", "ann", "bob"], "when": ["2025-01-01", "2025-01-15", "2025-01-09"]}
    >>> model = ParetoNBD.from_params(r=0.55, alpha=10.6, s=0.61, beta=11.7)
    >>> tracking = TrackingDisplay.from_log(model, log, customer="who", date="when", unit="week", end="2025-02-04")
    >>> tracking.time, tracking.actual
    (array([0., 1., 2., 3., 4., 5.]), array([0, 0, 0, 1, 1, 1]))
    >>> tracking.expected.round(2)
    array([0.  , 0.05, 0.14, 0.24, 0.33, 0.41])
    """

    def __init__(
        self,
        *,
        time: ArrayLike,
        actual: ArrayLike,
        expected: ArrayLike,
        split: float | None = None,
        cumulative: bool = True,
    ) -> None:
        self.time, self.actual, self.expected = np.asarray(time), np.asarray(actual), np.asarray(expected)
        self.split, self.cumulative = split, cumulative

    @classmethod
    def from_log(
        cls,
        model: ContinuousModel,
        transactions: object,
        *,
        customer: str,
        date: str,
        amount: str | None = None,
        unit: Unit,
        period: Unit = "day",
        split: Time | None = None,
        end: Time | None = None,
        cumulative: bool = True,
    ) -> Self:
        """Count the purchases of a log, and what a model expects of the same customers.

        Parameters
        ----------
        model : ParetoNBD, BGNBD or MBGNBD
            Fitted, in the same unit.
        transactions : table or mapping of arrays
            The log, as in `customer_summary`.
        customer, date : str
            Columns of the customers and of the dates, as in `customer_summary`.
        amount : str, optional
            Column of the amounts, to tell returns from purchases.
        unit : {"day", "week", "month", "year"} or timedelta
            Unit of time, and the distance between the times that are shown.
        period : {"day", "week", "month", "year"} or timedelta, default="day"
            Within what purchases are one, as in `customer_summary`.
        split : date, str or datetime64, optional
            Where the calibration ended: customers who came later are left out.
        end : date, str or datetime64, optional
            Where the last period lies, by default at the last time in the log.
        cumulative : bool, default=True
            Draw all purchases up to each time; else those within each unit of time.

        Returns
        -------
        TrackingDisplay
            Its `time` runs from 0, in steps of one unit.
        """
        check_purchase_model(model)
        scale = Scale.of(unit=unit, period=period)
        log = read_log(transactions, customer=customer, date=date, amount=amount)
        occasions = log.occasions(period)
        last = log.last_period("end", log.end(end), period)
        cut = last if split is None else log.last_period("split", read_time("split", split, log.zone), period)
        bought = occasions.where(occasions.is_purchase & (occasions.period <= last))
        if not len(bought.period):
            raise ValueError(NO_PURCHASE)
        begun = int(bought.period.min())
        first = bought.starts
        born = bought.period[first]
        kept = born <= cut
        is_repeat = np.repeat(kept, np.diff(first, append=len(bought.period)))
        is_repeat[first] = False

        time = np.arange(np.floor(scale.time(last + 1 - begun)) + 1)
        # A purchase in a period is known at its end.
        known = scale.time(bought.period[is_repeat] + 1 - begun)
        ages, count = np.unique(scale.time(born[kept] - begun), return_counts=True)
        spans = np.maximum(time[:, None] - ages, 0.0)
        expected = np.asarray(model.expected_purchases(spans.ravel())).reshape(spans.shape) @ count
        return cls(
            time=time,
            actual=np.searchsorted(np.sort(known), time, side="right"),
            expected=expected,
            split=None if split is None else float(scale.time(cut + 1 - begun)),
            cumulative=cumulative,
        )

    def _draw(self, ax: "Axes") -> None:
        lines: list[tuple[NDArray[Any], str, str]] = [(self.actual, "actual", "-"), (self.expected, "expected", "--")]
        for values, label, style in lines:
            shown = (self.time, values) if self.cumulative else (self.time[1:], np.diff(values))
            ax.plot(*shown, style, label=label)
        if self.split is not None:
            ax.axvline(self.split, color="gray", linewidth=1, label="end of calibration")
        ylabel = "repeat purchases so far" if self.cumulative else "repeat purchases"
        ax.set(xlabel="time since the log began", ylabel=ylabel)
        ax.legend()


class FrequencyDisplay(Display):
    """How many customers made 0, 1, 2, ... repeat purchases, and how many a model expects.

    Use `from_summary` to make one.

    Parameters
    ----------
    actual : array-like of shape (max_frequency + 1,)
        Number of customers by frequency; the last entry counts all from there on.
    expected : array-like of shape (max_frequency + 1,)
        The number that the model expects.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it was drawn.
    figure_ : matplotlib.figure.Figure
        The figure of these axes.

    Examples
    --------
    >>> from kmad import FrequencyDisplay, ParetoNBD
    >>> summary = {"frequency": [0, 0, 3], "T": [30.0, 20.0, 30.0]}
    >>> model = ParetoNBD.from_params(r=0.55, alpha=10.6, s=0.61, beta=11.7)
    >>> fit = FrequencyDisplay.from_summary(model, summary, max_frequency=2)
    >>> fit.actual, fit.expected.round(2)
    (array([2, 0, 1]), array([1.89, 0.51, 0.6 ]))
    """

    def __init__(self, *, actual: ArrayLike, expected: ArrayLike) -> None:
        self.actual, self.expected = np.asarray(actual), np.asarray(expected)

    @classmethod
    def from_summary(cls, model: ContinuousModel, summary: object, *, max_frequency: int = 7) -> Self:
        """Count the customers of a summary, and what a model expects of customers of the same ages.

        Parameters
        ----------
        model : ParetoNBD, BGNBD or MBGNBD
            Fitted, in the unit of the summary.
        summary : table or mapping of arrays
            One row a customer: the columns `frequency` and `T`.
        max_frequency : int, default=7
            Customers with this many repeat purchases and more are counted together; at least 1.

        Returns
        -------
        FrequencyDisplay
            The counts.
        """
        _check(model, max_frequency)
        table = Table("summary", summary, ["frequency", "T"])
        shown = _bins(table.numbers("frequency"), max_frequency)
        return cls(
            actual=np.bincount(shown, minlength=max_frequency + 1),
            expected=model.frequency_distribution(max_frequency, T=table.numbers("T")),
        )

    def _draw(self, ax: "Axes") -> None:
        at = np.arange(len(self.actual))
        ax.bar(at - 0.2, self.actual, 0.4, label="actual")
        ax.bar(at + 0.2, self.expected, 0.4, label="expected")
        _name_bins(ax, at, xlabel="repeat purchases", ylabel="customers")


class AliveDisplay(Display):
    """The probability that a customer is alive, by frequency and recency.

    Use `from_model` to make one.

    Parameters
    ----------
    frequency : array-like of shape (n_frequencies,)
        Numbers of repeat purchases.
    recency : array-like of shape (n_recencies,)
        Times from the first to the last purchase.
    probability : array-like of shape (n_recencies, n_frequencies)
        The probabilities; NaN where there can be no such customer.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it was drawn.
    figure_ : matplotlib.figure.Figure
        The figure of these axes.

    Examples
    --------
    >>> from kmad import AliveDisplay, ParetoNBD
    >>> model = ParetoNBD.from_params(r=0.55, alpha=10.6, s=0.61, beta=11.7)
    >>> alive = AliveDisplay.from_model(model, T=39.0, max_frequency=10)
    >>> alive.probability.shape
    (101, 11)
    >>> alive.probability[-1, 1:].min().round(3)
    np.float64(1.0)
    """

    def __init__(self, *, frequency: ArrayLike, recency: ArrayLike, probability: ArrayLike) -> None:
        self.frequency, self.recency = np.asarray(frequency), np.asarray(recency)
        self.probability = np.asarray(probability)

    @classmethod
    def from_model(cls, model: ContinuousModel, *, T: float, max_frequency: int = 20) -> Self:
        """Ask a model about every frequency and recency of customers of one age.

        Parameters
        ----------
        model : ParetoNBD, BGNBD or MBGNBD
            Fitted.
        T : float
            Time since the first purchase, in the unit of the fit; above 0.
        max_frequency : int, default=20
            The highest number of repeat purchases; at least 1.

        Returns
        -------
        AliveDisplay
            The probabilities.
        """
        _check(model, max_frequency)
        check_real("T", T, above=0, below=np.inf)
        frequency, recency = np.arange(max_frequency + 1), np.linspace(0, T, RECENCY_STEPS)
        x, last = (grid.ravel() for grid in np.meshgrid(frequency, recency))
        # Who bought once bought last in the beginning, and nobody bought twice at one time.
        possible = (x > 0) == (last > 0)
        probability = np.full(len(x), np.nan)
        customers = np.column_stack([x, last, np.full(len(x), float(T))])[possible]
        probability[possible] = model.probability_alive(customers)
        return cls(frequency=frequency, recency=recency, probability=probability.reshape(len(recency), -1))

    def _draw(self, ax: "Axes") -> None:
        mesh = ax.pcolormesh(self.frequency, self.recency, self.probability, vmin=0, vmax=1, shading="nearest")
        ax.figure.colorbar(mesh, ax=ax, label="probability alive")
        ax.set(xlabel="repeat purchases", ylabel="time from first to last purchase")


class HoldoutDisplay(Display):
    """Purchases in the holdout by frequency in the calibration: how many there were, and how many a model expects.

    Use `from_holdout` to make one.

    Parameters
    ----------
    actual : array-like of shape (max_frequency + 1,)
        Mean number of purchases in the holdout by frequency in the calibration; the last entry is of all from there on.
        NaN where there are no customers.
    expected : array-like of shape (max_frequency + 1,)
        The mean that the model expects of the same customers.
    n_customers : array-like of shape (max_frequency + 1,)
        The number of customers of each frequency.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it was drawn.
    figure_ : matplotlib.figure.Figure
        The figure of these axes.

    Examples
    --------
    >>> from kmad import HoldoutDisplay, ParetoNBD
    >>> both = {
    ...     "frequency": [0, 0, 3],
    ...     "recency": [0.0, 0.0, 25.0],
    ...     "T": [30.0, 20.0, 30.0],
    ...     "frequency_holdout": [1, 0, 2],
    ...     "T_holdout": [20.0, 20.0, 20.0],
    ... }
    >>> model = ParetoNBD.from_params(r=0.55, alpha=10.6, s=0.61, beta=11.7)
    >>> holdout = HoldoutDisplay.from_holdout(model, both, max_frequency=3)
    >>> holdout.actual, holdout.expected.round(2)
    (array([0.5, nan, nan, 2. ]), array([0.11,  nan,  nan, 1.4 ]))
    """

    def __init__(self, *, actual: ArrayLike, expected: ArrayLike, n_customers: ArrayLike) -> None:
        self.actual, self.expected = np.asarray(actual), np.asarray(expected)
        self.n_customers = np.asarray(n_customers)

    @classmethod
    def from_holdout(cls, model: ContinuousModel, both: object, *, max_frequency: int = 7) -> Self:
        """Average what customers bought in the holdout, and what a model expects of them.

        Parameters
        ----------
        model : ParetoNBD, BGNBD or MBGNBD
            Fitted to the calibration, in the same unit.
        both : table or mapping of arrays
            What `calibration_holdout` returns: the columns `frequency`, `recency`, `T`, `frequency_holdout` and
            `T_holdout`.
        max_frequency : int, default=7
            Customers with this many repeat purchases and more are averaged together; at least 1.

        Returns
        -------
        HoldoutDisplay
            The means.
        """
        _check(model, max_frequency)
        table = Table("both", both, ["frequency", "recency", "T", "frequency_holdout", "T_holdout"])
        customers = table.matrix("frequency", "recency", "T")
        expected = np.asarray(model.expected_purchases(table.numbers("T_holdout"), customers))
        shown = _bins(customers[:, 0], max_frequency)
        count = np.bincount(shown, minlength=max_frequency + 1)
        with np.errstate(invalid="ignore"):
            actual, expected = (
                np.bincount(shown, values, max_frequency + 1) / count
                for values in (table.numbers("frequency_holdout"), expected)
            )
        return cls(actual=actual, expected=expected, n_customers=count)

    def _draw(self, ax: "Axes") -> None:
        at = np.arange(len(self.actual))
        ax.plot(at, self.actual, "o-", label="actual")
        ax.plot(at, self.expected, "s--", label="expected")
        _name_bins(ax, at, xlabel="repeat purchases in the calibration", ylabel="mean purchases in the holdout")


def _check(model: object, max_frequency: object) -> None:
    check_purchase_model(model)
    check_integer("max_frequency", max_frequency, least=1)


def _bins(frequency: Floats, max_frequency: int) -> Integers:
    if (frequency < 0).any():
        raise ValueError(f"frequency must be 0 or more; got {frequency.min():g}.")
    return np.minimum(frequency, max_frequency).astype(np.int64)


def _name_bins(ax: "Axes", at: Integers, *, xlabel: str, ylabel: str) -> None:
    ax.set_xticks(at, [*map(str, at[:-1]), f"{at[-1]}+"])
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend()
