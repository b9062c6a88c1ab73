"""Time the purchase models beside lifetimes on simulated customers, and compare them with published figures.

    python -m benchmarks.purchase_models [--case NAME ...] [--rounds N] [--data FOLDER] [--write]

Every library runs in a process of its own on the same customers, lifetimes in an environment of its own, which is built
on the first run. The case `pareto-1m` takes lifetimes some six minutes. With `--data`, a folder that holds
`btyd_cdnowSummary_cbs.csv` (the summary of the CDNOW sample in the R package BTYD), the fits to it are compared with
what is published. Results are kept in benchmarks/purchase_models.json, case by case; `--write` puts the tables made
from it into docs/benchmarks_value.md.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.environments import LIFETIMES, python_with
from benchmarks.page import markdown_table, write_section
from benchmarks.report import describe_machine
from kmad import BGNBD, MBGNBD, GammaGamma, ParetoNBD

RESULTS = Path(__file__).with_suffix(".json")
LONG = 5.0
CDNOW = "btyd_cdnowSummary_cbs.csv"

# A run is counted `rounds` times after one that is not, or once where it takes long.
RUN = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
import numpy as np
import pandas as pd
{load}
with np.load(sys.argv[1]) as file:
    table = pd.DataFrame({{name: file[name] for name in file.files}})
rounds = int(sys.argv[2])
seconds = {{}}
def timed(name, function):
    start = time.perf_counter()
    result = function()
    first = time.perf_counter() - start
    seconds[name] = [first]
    if first < {long}:
        seconds[name] = []
        for _ in range(rounds):
            start = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - start)
    return result
{run}
"""
OURS = """
import kmad
kind = kmad.{kind}
"""
OUR_PURCHASES = """
model = timed("fit", lambda: kind().fit(table))
expected = timed("expected purchases", lambda: model.expected_purchases(39.0, table))
alive = timed("probability alive", lambda: model.probability_alive(table))
print(json.dumps({"seconds": seconds, "params": model.params_, "log_likelihood": model.log_likelihood_,
                  "expected": float(np.sum(expected)), "alive": float(np.sum(alive))}))
"""
OUR_SPEND = """
model = timed("fit", lambda: kind().fit(table))
spend = timed("expected spend", lambda: model.expected_spend(table))
print(json.dumps({"seconds": seconds, "params": model.params_, "log_likelihood": model.log_likelihood_,
                  "expected": float(np.sum(spend))}))
"""
THEIRS = "from lifetimes import {fitter}"
THEIR_PURCHASES = """
columns = table["frequency"], table["recency"], table["T"]
model = timed("fit", lambda: {fitter}().fit(*columns))
predict = model.conditional_expected_number_of_purchases_up_to_time
expected = timed("expected purchases", lambda: predict(39.0, *columns))
alive = timed("probability alive", lambda: model.conditional_probability_alive(*columns))
print(json.dumps({{"seconds": seconds, "params": dict(model.params_), "expected": float(np.sum(expected)),
                   "alive": float(np.sum(alive))}}))
"""
THEIR_DISTINCT = """
def fit():
    distinct = table.groupby(["frequency", "recency", "T"], as_index=False).size()
    return {fitter}().fit(distinct["frequency"], distinct["recency"], distinct["T"], weights=distinct["size"])
model = timed("fit", fit)
print(json.dumps({{"seconds": seconds, "params": dict(model.params_)}}))
"""
THEIR_SPEND = """
repeaters = table[table["frequency"] > 0]
model = timed("fit", lambda: {fitter}().fit(repeaters["frequency"], repeaters["monetary_value"]))
spend = timed("expected spend",
              lambda: model.conditional_expected_average_profit(table["frequency"], table["monetary_value"]))
print(json.dumps({{"seconds": seconds, "params": dict(model.params_), "expected": float(np.sum(spend))}}))
"""


class Case(NamedTuple):
    """A model, and the customers that it is fitted to."""

    kind: str
    fitter: str
    draw: Callable[[], dict[str, np.ndarray]]
    about: str
    distinct: bool = False


def draw_bg(n: int, *, days: tuple[int, int]) -> dict[str, np.ndarray]:
    """Customers of the BG/NBD model with the parameters of CDNOW, who came so many days ago; times in weeks."""
    rng = np.random.default_rng(0)
    rate, dropout = rng.gamma(0.243, 1 / 4.414, n), rng.beta(0.793, 2.426, n)
    T = rng.integers(days[0], days[1] + 1, n) / 7
    x, recency, time = np.zeros(n), np.zeros(n), np.zeros(n)
    active = np.flatnonzero(rate > 0)
    while len(active):
        time[active] += rng.exponential(1 / rate[active])
        active = active[time[active] <= T[active]]
        x[active] += 1
        recency[active] = time[active]
        active = active[rng.random(len(active)) >= dropout[active]]
    return _by_the_day(x, recency, T)


def draw_pareto(n: int) -> dict[str, np.ndarray]:
    """Customers of the Pareto/NBD model with the parameters of CDNOW, who came 27 to 39 weeks ago."""
    rng = np.random.default_rng(0)
    T = rng.integers(189, 273, n) / 7
    life = np.minimum(rng.exponential(1 / rng.gamma(0.606, 1 / 11.669, n)), T)
    x = rng.poisson(rng.gamma(0.553, 1 / 10.578, n) * life).astype(float)
    last = life * rng.random(n) ** (1 / np.maximum(x, 1))
    return _by_the_day(x, np.where(x > 0, last, 0.0), T)


def draw_spend(n: int) -> dict[str, np.ndarray]:
    """Customers with the frequencies of `draw_bg` and amounts of the Gamma-Gamma model, to the cent."""
    x = draw_bg(n, days=(189, 272))["frequency"]
    rng = np.random.default_rng(1)
    spent = rng.gamma(6.25 * np.maximum(x, 1)) / rng.gamma(3.744, 1 / 15.44, n)
    mean = np.maximum((spent / np.maximum(x, 1)).round(2), 0.01)
    return {"frequency": x, "monetary_value": np.where(x > 0, mean, 0.0)}


def _by_the_day(x: np.ndarray, recency: np.ndarray, T: np.ndarray) -> dict[str, np.ndarray]:
    return {"frequency": x, "recency": np.minimum(np.ceil(recency * 7) / 7, T), "T": T}


CASES = {
    "bg-1m": Case(
        "BGNBD", "BetaGeoFitter", lambda: draw_bg(1_000_000, days=(189, 272)), "BG/NBD, 1,000,000", distinct=True
    ),
    "bg-1m-rolling": Case(
        "BGNBD",
        "BetaGeoFitter",
        lambda: draw_bg(1_000_000, days=(1, 728)),
        "BG/NBD, 1,000,000 of two years",
        distinct=True,
    ),
    "gamma-1m": Case("GammaGamma", "GammaGammaFitter", lambda: draw_spend(1_000_000), "Gamma-Gamma, 1,000,000"),
    "pareto-100k": Case("ParetoNBD", "ParetoNBDFitter", lambda: draw_pareto(100_000), "Pareto/NBD, 100,000"),
    "pareto-1m": Case("ParetoNBD", "ParetoNBDFitter", lambda: draw_pareto(1_000_000), "Pareto/NBD, 1,000,000"),
}
QUICK = [name for name in CASES if name != "pareto-1m"]


def measure(python: Path, load: str, code: str, customers: Path, rounds: int) -> dict[str, Any]:
    """What a fresh process says: the seconds of each step, and what came out."""
    command = [str(python), "-c", RUN.format(load=load, run=code, long=LONG), str(customers), str(rounds)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def run_case(case: Case, peer: Path | None, rounds: int) -> dict[str, Any]:
    table = case.draw()
    spend = "monetary_value" in table
    columns = np.column_stack(list(table.values()))
    results: dict[str, Any] = {"n_distinct": len(np.unique(columns, axis=0))}
    names = {"kind": case.kind, "fitter": case.fitter}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "customers.npz"
        np.savez(path, **table)
        ours = OUR_SPEND if spend else OUR_PURCHASES
        results["kmad"] = measure(Path(sys.executable), OURS.format(**names), ours, path, rounds)
        if peer is not None:
            load = THEIRS.format(**names)
            theirs = THEIR_SPEND if spend else THEIR_PURCHASES
            results["lifetimes"] = measure(peer, load, theirs.format(**names), path, rounds)
            if case.distinct:
                code = THEIR_DISTINCT.format(**names)
                results["lifetimes, distinct rows"] = measure(peer, load, code, path, rounds)
    return results


class Published(NamedTuple):
    """What is published of a model of the CDNOW customers, or computed to more digits at its maximum."""

    kind: type[BGNBD] | type[ParetoNBD]
    log_likelihood: str
    aic: str
    params: str
    errors: str
    total: str
    params_of_btyd: dict[str, float] | None = None  # where the last two are told of these, and not of the maximum
    by_frequency: str = ""
    cumulative: str = ""


# Fader, Hardie and Lee (2005), the tests and vignettes of BTYD, CLVTools, lifetimes and BTYDplus.
PUBLISHED = (
    Published(
        BGNBD,
        "-9582.429",
        "19172.86",
        "0.24259 4.41360 0.79292 2.42591",
        "0.01256 0.37822 0.18573 0.70541",
        "1653.41",
        {"r": 0.2425967, "alpha": 4.413659, "a": 0.7929869, "b": 2.426164},
        "0.22509 0.52314 1.04413 1.52026 2.16382 2.65379 3.50396 6.15704",
        "1312.458 1387.346 1460.392 1531.713 1601.418 1669.600",
    ),
    Published(
        ParetoNBD,
        "-9594.976",
        "19197.95",
        "0.55328 10.57768 0.60624 11.66873",
        "0.04763 0.84272 0.18728 6.21111",
        "1665.51",
        None,
        "0.138 0.600 1.196 1.714 2.399 2.907 3.819 6.403",
        "1308.856 1385.275 1459.923 1532.906 1604.320 1674.253",
    ),
    Published(MBGNBD, "-9582.136", "", "0.525 6.183 0.891 1.614", "", "1576.74"),
)


def digits(values: Any, n: int) -> str:
    return " ".join(f"{value:.{n}f}" for value in values)


def compare_published(folder: Path) -> list[list[str]]:
    """Figures of the CDNOW sample: what it is, what is published, what we find."""
    columns = np.genfromtxt(folder / CDNOW, delimiter=",", skip_header=1)
    customers, holdout, spend = columns[:, 1:4], columns[:, 4], columns[:, [1, 5]]
    frequency, ages = np.minimum(customers[:, 0], 7), customers[:, 2]

    def by_frequency(values: Any) -> list[float]:
        return [float(np.mean(values[frequency == n])) for n in range(8)]

    def cumulative(model: Any) -> list[float]:
        # The customers' first purchases are spread over the first weeks.
        came = ages.max() - ages
        return [np.sum(model.expected_purchases(week - came[came <= week])) for week in range(20, 26)]

    rows = []
    for told in PUBLISHED:
        name = told.kind.__name__
        model = told.kind().fit(customers)
        rows += [
            [f"{name}, log-likelihood", told.log_likelihood, f"{model.log_likelihood_:.4f}"],
            [f"{name}, AIC", told.aic, f"{model.aic_:.2f}"],
            [f"{name}, parameters", told.params, digits(model.params_.values(), 5)],
            [f"{name}, standard errors", told.errors, digits(model.standard_errors_.values(), 5)],
            [f"{name}, expected in 39 weeks", told.total, f"{np.sum(model.expected_purchases(39.0, customers)):.2f}"],
            [f"{name}, customers by frequency", "", digits(model.frequency_distribution(7), 0)],
        ]
        if told.by_frequency:
            if told.params_of_btyd:
                name, model = f"{name} of BTYD", told.kind.from_params(**told.params_of_btyd)
            expected = by_frequency(model.expected_purchases(39.0, customers))
            rows += [
                [f"{name}, expected by frequency", told.by_frequency, digits(expected, 5)],
                [f"{name}, cumulative in weeks 20 to 25", told.cumulative, digits(cumulative(model), 3)],
            ]
    gamma = GammaGamma().fit(spend)
    amounts = spend[spend[:, 0] > 0, 1]
    correlation = np.corrcoef(spend[spend[:, 0] > 0].T)[0, 1]
    facts = [amounts.mean(), amounts.std(ddof=1), amounts.min(), np.median(amounts), amounts.max(), len(amounts)]
    return [
        *rows,
        [
            "actual purchases by frequency",
            "0.237 0.697 1.393 1.560 2.532 2.947 3.862 6.359",
            digits(by_frequency(holdout), 3),
        ],
        [
            "actual customers by frequency",
            "1411 439 214 100 62 38 29 64",
            digits(np.bincount(frequency.astype(int)), 0),
        ],
        ["mean spend: mean, deviation, least, median, most, buyers", "35 30 3 27 300 946", digits(facts, 0)],
        ["correlation of frequency and mean spend", "0.1139", f"{correlation:.4f}"],
        ["GammaGamma, log-likelihood", "-4055.9177", f"{gamma.log_likelihood_:.4f}"],
        ["GammaGamma, parameters", "6.24957 3.74422 15.44352", digits(gamma.params_.values(), 5)],
        [
            "GammaGamma, first ten",
            "24.65 18.91 35.17 35.17 35.17 71.46 18.91 35.17 27.28 35.17",
            digits(np.asarray(gamma.expected_spend(spend))[:10], 2),
        ],
    ]


def render(results: dict[str, Any]) -> str:
    """The table of times, made from the stored results."""
    rows = []
    for name, case in CASES.items():
        found = results["cases"].get(name)
        if found is None:
            rows.append([case.about, "not run", "", "", "", ""])
            continue
        for step, times in found["kmad"]["seconds"].items():
            ours = statistics.median(times)
            for peer in ("lifetimes", "lifetimes, distinct rows"):
                other = found.get(peer, {}).get("seconds", {}).get(step)
                if other is None and peer != "lifetimes":
                    continue
                theirs = statistics.median(other) if other else None
                rows.append(
                    [
                        f"{case.about}: {step}",
                        peer,
                        f"{ours:.4f} s ({len(times)})",
                        f"{theirs:.3f} s ({len(other)})" if other else "missing",
                        f"{theirs / ours:.1f}×" if theirs else "",
                        f"{found['n_distinct']:,}",
                    ]
                )
    machine = results["machine"]
    notes = [
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}.",
        "Medians of as many runs as in brackets, after one that is not counted where it took less than 5 s.",
    ]
    if results["missing"]:
        notes.append(f"Missing: lifetimes; {results['missing']}.")
    header = ["customers: step", "against", "kmad", "peer", "times as fast", "distinct rows"]
    return f"{markdown_table(header, rows)}\n\n{' '.join(notes)}"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.purchase_models", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--case", action="append", choices=list(CASES), help="default: all but pareto-1m")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="compare with published figures instead")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks_value.md")
    options = parser.parse_args(arguments)
    if options.data is not None:
        if not (options.data / CDNOW).exists():
            parser.exit(1, f"{CDNOW} is not in {options.data}: no figures.\n")
        published = markdown_table(["CDNOW sample", "published", "kmad"], compare_published(options.data))
        print(published)
        if options.write:
            write_section("published", published)
        return
    peer, missing = None, ""
    try:
        peer = python_with(LIFETIMES)
    except (OSError, subprocess.CalledProcessError) as error:
        missing = f"its environment cannot be built: {error}"
    results: dict[str, Any] = {"cases": {}}
    if RESULTS.exists():
        results = json.loads(RESULTS.read_text(encoding="utf-8"))
    results |= {"machine": describe_machine(), "missing": missing}
    for name in options.case or QUICK:
        print(f"{name} ...", file=sys.stderr)
        results["cases"][name] = run_case(CASES[name], peer, options.rounds)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(render(results))
    if options.write:
        write_section("purchase models", render(results))


if __name__ == "__main__":
    main()
