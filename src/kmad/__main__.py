"""The segments of a shop's customers, in the terminal: `python -m kmad`."""

import argparse
import csv
import math
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from kmad import KMad, datasets
from kmad.value import monthly_summary

HEADER = ("Segment", "Customers", "Monthly amount", "Monthly transactions", "Proportion")


class Log(NamedTuple):
    """The lines of a purchase log that name a customer, and the number of those that do not."""

    customer: NDArray[np.str_]
    date: NDArray[np.datetime64]
    amount: NDArray[np.float64]
    n_nameless: int


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the segments of the shipped example, or of a purchase log in a CSV file.

    Parameters
    ----------
    arguments : sequence of str, optional
        What stands after ``python -m kmad``; by default what the process was started with.

    Raises
    ------
    SystemExit
        With status 2 and a message on standard error, if an option or the file is not as it should be.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        if options.log is None:
            _report_example(options.clusters, raw=options.raw)
        else:
            log = read_log(options.log, customer=options.customer, date=options.date, amount=options.amount)
            _report_log(log, options.clusters, raw=options.raw, name=options.log.name)
    except (OSError, ValueError) as error:
        parser.error(str(error))


def read_log(path: Path, *, customer: str, date: str, amount: str) -> Log:
    """Read three columns of a CSV file with a header line.

    Parameters
    ----------
    path : Path
        The file: UTF-8, commas between the cells.
    customer, date, amount : str
        Names of the columns. Dates are ISO 8601, with or without a time; those with an offset are
        converted to UTC. Amounts are numbers with a decimal point.

    Returns
    -------
    Log
        The lines with an empty customer cell are left out and counted.

    Raises
    ------
    OSError
        If the file cannot be opened.
    ValueError
        If a column or a value is not as it should be; names the columns there are, or the line.
    """
    customers: list[str] = []
    dates: list[datetime] = []
    amounts: list[float] = []
    n_nameless = 0
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        try:
            pick = itemgetter(*_positions(next(reader, []), (customer, date, amount)))
            for cells in filter(None, reader):
                buyer, when, paid = pick(cells)
                if buyer.strip():
                    customers.append(buyer.strip())
                    dates.append(_parse_date(when.strip()))
                    amounts.append(_parse_amount(paid))
                else:
                    n_nameless += 1
        except UnicodeDecodeError as error:
            raise ValueError(f"{path.name}: not UTF-8 text: {error}") from error
        except IndexError as error:
            raise ValueError(f"{path.name}: line {reader.line_num} has fewer cells than the header") from error
        except (ValueError, csv.Error) as error:
            raise ValueError(f"{path.name}: line {reader.line_num}: {error}") from error
    if not customers:
        raise ValueError(f"{path.name}: no line has a value in column {customer!r}")
    return Log(np.array(customers), np.array(dates, "datetime64[us]"), np.array(amounts), n_nameless)


def _positions(header: list[str], columns: Sequence[str]) -> list[int]:
    names = [name.strip() for name in header]
    for column in columns:
        if names.count(column) != 1:
            found = "is there more than once" if column in names else "is not there"
            raise ValueError(f"column {column!r} {found}; the columns are {', '.join(map(repr, names)) or 'none'}")
    return [names.index(column) for column in columns]


def _parse_date(text: str) -> datetime:
    try:
        value = datetime.fromisoformat(text)
        return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        # An offset may lead out of the years 1 to 9999.
        raise ValueError(f"expected a date such as 2025-12-31 or 2025-12-31T23:59, got {text!r}") from None


def _parse_amount(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"expected a number such as 1234.50, got {text!r}")
    return value


def _report_example(n_clusters: int | None, *, raw: bool) -> None:
    customers = datasets.make_customers()
    n_known = len(np.unique(customers.target))
    print(f"Example: {len(customers.data):,} generated customers in {n_known} known segments.")
    model, seconds = _report_segments(customers.data, n_clusters, raw=raw)

    X = _scaled(customers.data, raw=raw)
    start = time.perf_counter()
    k_means = KMeans(n_known, n_init=10, random_state=0).fit(X)
    k_means_seconds = time.perf_counter() - start
    told = "not told a number" if n_clusters is None else f"told {n_clusters}"
    print("Agreement with the known segments (adjusted Rand index; 1 is perfect):")
    for method, labels in [
        (f"KMad, {told}", model.labels_),
        (f"k-means, told {n_known}, best of 10 starts", k_means.labels_),
    ]:
        print(f"  {method:<36}{adjusted_rand_score(customers.target, labels):.3f}")
    print()
    print(f"{_took(seconds)} k-means took {k_means_seconds:.2f} s.")
    print("Next: python -m kmad LOG.csv --customer COLUMN --date COLUMN --amount COLUMN")


def _report_log(log: Log, n_clusters: int | None, *, raw: bool, name: str) -> None:
    summary = monthly_summary(log.customer, date=log.date, amount=log.amount)
    if not len(summary.data):
        raise ValueError(f"{name}: no customer bought more than was returned")
    first, last = (np.datetime_as_string(day, unit="D") for day in (log.date.min(), log.date.max()))
    print(f"{name}: {len(summary.data):,} customers, {first} to {last} ({summary.months:.1f} months).")
    if log.n_nameless:
        print(f"Lines without a customer, left out: {log.n_nameless:,}.")
    if summary.n_left_out:
        print(f"Customers who bought no more than they returned, left out: {summary.n_left_out:,}.")
    _, seconds = _report_segments(summary.data, n_clusters, raw=raw)
    print(_took(seconds))
    print("Next: --clusters K asks for another number, --raw leaves the logarithm out.")


def _report_segments(data: NDArray[np.float64], n_clusters: int | None, *, raw: bool) -> tuple[KMad, float]:
    """Print the table of the segments that `KMad` finds; return the fitted model and the seconds it took."""
    X = _scaled(data, raw=raw)
    start = time.perf_counter()
    model = KMad(n_clusters=n_clusters).fit(X)
    seconds = time.perf_counter() - start
    segments = "1 segment" if model.n_clusters_ == 1 else f"{model.n_clusters_:,} segments"
    source = "The density shows" if n_clusters is None else "Asked for:"
    scale = "as they are" if raw else "on the logarithmic scale"
    print(f"{source} {segments}, amount and transactions {scale}.")
    print()
    print(segment_table(data, model.labels_))
    print()
    return model, seconds


def _took(seconds: float) -> str:
    return f"KMad took {seconds:.2f} s (a first run also compiles)."


def _scaled(data: NDArray[np.float64], *, raw: bool) -> NDArray[np.float64]:
    return data if raw else np.log(data)


def segment_table(data: NDArray[np.float64], labels: NDArray[np.int32]) -> str:
    """Lay out the segments, largest mean amount first.

    Parameters
    ----------
    data : ndarray of shape (n_customers, 2)
        Monthly amount and monthly transactions of each customer.
    labels : ndarray of shape (n_customers,)
        The segment of each customer, 0 to n_segments - 1.

    Returns
    -------
    str
        A header, one line a segment and one line for all customers.
    """
    sizes = np.bincount(labels)
    means = np.column_stack([np.bincount(labels, column) for column in data.T]) / sizes[:, None]
    falling = np.argsort(-means[:, 0], kind="stable")
    sizes = np.append(sizes[falling], len(data))
    means = np.vstack([means[falling], data.mean(axis=0)])
    names = [str(number) for number in range(1, len(sizes))] + ["all"]
    columns = [
        names,
        [f"{size:,}" for size in sizes],
        *(_numbers(column) for column in means.T),
        [f"{size / len(data):.1%}" for size in sizes],
    ]
    widths = [max(map(len, [name, *column])) for name, column in zip(HEADER, columns, strict=True)]
    rows = [HEADER, *zip(*columns, strict=True)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def _numbers(values: NDArray[np.float64]) -> list[str]:
    """Write the values with the fewest decimals, 0 to 2, that leave the smallest three digits."""
    decimals = min(2, max(0, 2 - math.floor(math.log10(values.min()))))
    return [f"{value:,.{decimals}f}" for value in values]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m kmad",
        description="Find segments of customers by their monthly amount and number of transactions.",
        epilog="Without LOG it runs on generated example data.",
    )
    parser.add_argument("log", nargs="?", type=Path, metavar="LOG", help="purchase log: a CSV file with a header line")
    parser.add_argument("--customer", default="customer", metavar="COLUMN", help="who bought (default: %(default)s)")
    parser.add_argument(
        "--date",
        default="date",
        metavar="COLUMN",
        help="when, in ISO 8601, with or without a time (default: %(default)s)",
    )
    parser.add_argument("--amount", default="amount", metavar="COLUMN", help="for how much (default: %(default)s)")
    parser.add_argument("--clusters", type=int, metavar="K", help="find K segments (default: the density decides)")
    parser.add_argument("--raw", action="store_true", help="do not take the logarithm of amount and transactions")
    return parser


if __name__ == "__main__":
    main()
