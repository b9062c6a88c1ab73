"""How well the models predict what customers do after the calibration, on public purchase logs.

    python -m benchmarks.holdout FOLDER [--write]

FOLDER holds `CDNOW_sample.txt` (Fader and Hardie's sample of the CDNOW log) and `online_retail.parquet` (the UCI set);
one that is not there is named. `--write` puts the tables into docs/benchmarks_value.md.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.page import markdown_table, write_section
from kmad import BGNBD, MBGNBD, GammaGamma, ParetoNBD, calibration_holdout

MODELS = (ParetoNBD, MBGNBD, BGNBD)
NAMES = {"ParetoNBD": "Pareto/NBD", "MBGNBD": "MBG/NBD", "BGNBD": "BG/NBD"}
HEADER = ["", "log-likelihood", "AUC, P(alive)", "AUC, expected", "expected", "of actual", "MAE", "RMSE"]


def read_cdnow(path: Path) -> tuple[dict[str, Any], str]:
    columns = np.loadtxt(path, dtype=str, unpack=True)
    dates = np.array([f"{day[:4]}-{day[4:6]}-{day[6:]}" for day in columns[2]], "datetime64[D]")
    return {"customer": columns[1], "date": dates, "amount": columns[4].astype(float)}, "1997-09-30"


def read_online_retail(path: Path) -> tuple[dict[str, Any], str]:
    from pyarrow import parquet  # noqa: PLC0415 - of this set alone

    table = parquet.read_table(path)
    customer = table["CustomerID"].to_numpy()
    named = np.isfinite(customer)
    amount = table["Quantity"].to_numpy() * table["UnitPrice"].to_numpy()
    dates = table["InvoiceDate"].to_numpy()
    return {"customer": customer[named].astype(int), "date": dates[named], "amount": amount[named]}, "2011-08-31"


LOGS = {"CDNOW_sample.txt": read_cdnow, "online_retail.parquet": read_online_retail}


def judge(log: dict[str, Any], split: str) -> str:
    """A table with a line for each model, one for a simple rate, and the spend model's fit."""
    names = {"customer": "customer", "date": "date", "amount": "amount"}
    both = calibration_holdout(log, **names, split=split, unit="week")
    customers = np.column_stack([both[name] for name in ("frequency", "recency", "T")])
    actual, weeks = both["frequency_holdout"], float(both["T_holdout"][0])
    rows = []
    for kind in MODELS:
        model = kind().fit(customers)
        alive = model.probability_alive(customers)
        expected = model.expected_purchases(weeks, customers)
        rows.append([NAMES[kind.__name__], f"{model.log_likelihood_:,.3f}", *_score(alive, expected, actual)])
    naive = both["frequency"] / np.maximum(both["T"], 1) * weeks
    rows.append(["frequency / T", "", *_score(None, naive, actual)])
    repeaters = both["monetary_value"] > 0
    spend = GammaGamma().fit(np.column_stack([both["frequency"], both["monetary_value"]])[repeaters])
    return "\n".join(
        [
            f"{len(customers):,} customers, {actual.sum():,} purchases in a holdout of {weeks:g} weeks.",
            "",
            markdown_table(HEADER, rows),
            "",
            f"Gamma-Gamma of {int(repeaters.sum()):,} repeat buyers: log-likelihood {spend.log_likelihood_:,.3f}.",
        ]
    )


def _score(alive: Any, expected: Any, actual: Any) -> list[str]:
    again = actual > 0
    error = expected - actual
    return [
        "" if alive is None else f"{roc_auc_score(again, alive):.3f}",
        f"{roc_auc_score(again, expected):.3f}",
        f"{expected.sum():,.1f}",
        f"{expected.sum() / actual.sum() - 1:+.1%}",
        f"{np.abs(error).mean():.4f}",
        f"{np.sqrt((error**2).mean()):.4f}",
    ]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.holdout", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the logs are")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks_value.md")
    options = parser.parse_args(arguments)
    parts = []
    for name, read in LOGS.items():
        path = options.folder / name
        found = judge(*read(path)) if path.exists() else "Not in the folder: no figures."
        parts.append(f"### {name}\n\n{found}")
    section = "\n\n".join(parts)
    print(section)
    if options.write:
        write_section("holdout", section)


if __name__ == "__main__":
    main()
