"""Time a million lines of a purchase log to one row a customer, beside the peers.

    python -m benchmarks.summary [--write] [--lines N] [--rounds N]

Every library runs in a process of its own on the same lines; lifetimes and pymc-marketing in environments of their own,
which are built on the first run. `--write` puts the table into docs/benchmarks_value.md.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.environments import LIFETIMES, PYMC_MARKETING, python_with
from benchmarks.page import markdown_table, write_section

DAYS = 546
FIRST = np.datetime64("2024-01-01")
COLUMNS = ("frequency", "recency", "T", "monetary_value")

RUN = """
import json, sys, time
import numpy as np
{load}
with np.load(sys.argv[1]) as file:
    columns = {{name: file[name] for name in file.files}}
table = make(columns)
summarise(table)
seconds = []
for _ in range(int(sys.argv[2])):
    start = time.perf_counter()
    summary = summarise(table)
    seconds.append(time.perf_counter() - start)
sums = {{name: float(np.asarray(summary[name], float).sum()) for name in {columns}}}
print(json.dumps({{"seconds": seconds, "rows": len(summary["frequency"]), "sums": sums}}))
"""
KMAD = """
from kmad import customer_summary
{make}
def summarise(table):
    return customer_summary(table, customer="customer", date="date", amount="amount", unit="day")
"""
PANDAS = "import pandas as pd\nmake = pd.DataFrame"
LIFETIMES_RUN = f"""
import warnings
warnings.simplefilter("ignore")
{PANDAS}
from lifetimes.utils import summary_data_from_transaction_data
def summarise(table):
    return summary_data_from_transaction_data(table, "customer", "date", "amount")
"""
PYMC_RUN = f"""
import warnings
warnings.simplefilter("ignore")
{PANDAS}
from pymc_marketing.clv.utils import rfm_summary
def summarise(table):
    return rfm_summary(table, "customer", "date", "amount")
"""
OURS = {
    "kmad, pandas": PANDAS,
    "kmad, polars": "import polars as pl\nmake = pl.DataFrame",
    "kmad, pyarrow": "import pyarrow as pa\nmake = pa.table",
    "kmad, arrays": "make = dict",
}
PEERS = {"lifetimes, pandas": (LIFETIMES, LIFETIMES_RUN), "pymc-marketing, pandas": (PYMC_MARKETING, PYMC_RUN)}


def draw_log(n_lines: int, n_customers: int, *, by_date: bool = True, text: bool = False) -> dict[str, np.ndarray]:
    """Lines of customers who differ in their rate, by date or in random order; every customer has a line."""
    rng = np.random.default_rng(0)
    weight = rng.gamma(0.6, size=n_customers)
    others = rng.choice(n_customers, n_lines - n_customers, p=weight / weight.sum())
    customer = rng.permutation(np.concatenate([np.arange(n_customers), others]))
    day = rng.integers(0, DAYS, n_lines)
    date = (FIRST + (np.sort(day) if by_date else day)).astype("datetime64[ns]")
    amount = np.maximum(rng.gamma(2.0, 20.0, n_lines).round(2), 0.01)
    if text:
        customer = np.char.add("customer-", np.char.zfill(customer.astype(str), 7))
    return {"customer": customer, "date": date, "amount": amount}


def measure(python: Path, load: str, log: Path, rounds: int) -> dict[str, Any]:
    """The seconds of each round in a fresh process, after one that warms up."""
    code = RUN.format(load=load, columns=COLUMNS)
    command = [str(python), "-c", code, str(log), str(rounds)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def find_pythons() -> tuple[dict[str, tuple[Path, str]], dict[str, str]]:
    """The interpreter and code of every library that there is, and why the others are missing."""
    found = {name: (Path(sys.executable), KMAD.format(make=make)) for name, make in OURS.items()}
    missing = {"CLVTools, BTYD": "R packages, not run"}
    for name, (requirements, code) in PEERS.items():
        try:
            found[name] = python_with(requirements), code
        except (OSError, subprocess.CalledProcessError) as error:
            missing[name] = f"its environment cannot be built: {error}"
    return found, missing


def run(n_lines: int, rounds: int) -> str:
    found, missing = find_pythons()
    many, few = n_lines * 42 // 100, n_lines // 20
    logs = {
        f"{many:,} customers, by date": draw_log(n_lines, many),
        f"{many:,} customers, shuffled": draw_log(n_lines, many, by_date=False),
        f"{few:,} customers, by date": draw_log(n_lines, few),
        f"{few:,} customers, shuffled": draw_log(n_lines, few, by_date=False),
        f"{few:,} customers named by text, by date": draw_log(n_lines, few, text=True),
    }
    seconds: dict[str, list[float]] = {name: [] for name in found}
    with tempfile.TemporaryDirectory() as folder:
        for log in logs.values():
            path = Path(folder) / "log.npz"
            np.savez(path, **log)
            results = {name: measure(python, load, path, rounds) for name, (python, load) in found.items()}
            first = results["kmad, pandas"]
            for name, result in results.items():
                if result["rows"] != first["rows"] or not np.allclose(
                    [result["sums"][column] for column in COLUMNS], [first["sums"][column] for column in COLUMNS]
                ):
                    print(f"{name} disagrees: {result['rows']} rows, {result['sums']}; kmad: {first['sums']}")
                seconds[name].append(statistics.median(result["seconds"]))
                print(f"{name}: {seconds[name][-1]:.3f} s", file=sys.stderr)
    ours = seconds["kmad, pandas"]
    rows = [
        [name, *(f"{s:.3f} s ({s / mine:.1f}×)" for s, mine in zip(times, ours, strict=True))]
        for name, times in seconds.items()
    ]
    note = "; ".join(f"{name}: {why}" for name, why in missing.items())
    return "\n".join(
        [
            markdown_table([f"{n_lines:,} lines", *logs], rows),
            "",
            f"Medians of {rounds} rounds after a warm-up; in brackets, how many times as long as kmad on pandas.",
            f"Missing: {note}.",
        ]
    )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.summary", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks_value.md")
    options = parser.parse_args(arguments)
    section = run(options.lines, options.rounds)
    print(section)
    if options.write:
        write_section("summary", section)


if __name__ == "__main__":
    main()
