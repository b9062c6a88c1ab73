"""Turn the results into Markdown: `python -m benchmarks.render` updates README.md and docs, `--check` compares."""

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.data import blobs_name
from benchmarks.peers import FAISS, INTELEX, K_GIVEN, KMAD, KMAD_GIVEN, KMEANS, KMEANS_TEN, MINI_BATCH
from benchmarks.plots import PLOTS, digest_of_plot, draw_plots
from benchmarks.report import BIRCH1, SIZES
from benchmarks.targets import Report, check, mebibytes, median, quotient, times

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).with_name("results.json")
README, PAGE, PLOT_FOLDER = ROOT / "README.md", ROOT / "docs" / "benchmarks.md", ROOT / "docs" / "benchmarks"
START, END = "<!-- measured: start -->", "<!-- measured: end -->"
README_PEERS = (KMEANS, KMEANS_TEN, MINI_BATCH, INTELEX, FAISS)


def table(header: Sequence[str], rows: Sequence[Sequence[object]], *, words: int = 1) -> str:
    """A Markdown table whose first `words` columns are words and whose others are numbers."""
    rule = ["---" if column < words else "---:" for column in range(len(header))]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in [header, rule, *rows])


def duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def spread(values: Sequence[float]) -> str:
    return f"{duration(min(values))} – {duration(max(values))}" if values else ""


def decimals(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def per_cent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.2f} %".replace("-0.00", "0.00").replace("-", "−")


def quick_note(report: Report) -> str:
    if report["form"] == "full":
        return ""
    return "**This was a quick run on little data: it shows the form of the report, and its figures mean nothing.**"


def render_readme(report: Report) -> str:
    """Times in multiples of KMad's, and how they were measured."""
    fits = {fit["case"]: fit for fit in report["fits"]}
    cases = [blobs_name(*size) for size in SIZES] + [BIRCH1]
    rows = []
    for fit in (fits[case] for case in cases if case in fits):
        own = fit["results"][KMAD]["seconds"]
        ratios = [quotient(fit["results"].get(peer, {}).get("seconds"), own) for peer in README_PEERS]
        rows.append([fit["name"], duration(median(own)), *map(times, ratios)])
    above = f"Time of a fit, for the others in multiples of `KMad`'s ({machine_line(report)}):"
    below = """`KMad` finds the number of clusters, the others are told it; the rest is in the
[benchmark report](docs/benchmarks.md). To measure it again:

```console
python -m benchmarks && python -m benchmarks.render
```"""
    lines = [quick_note(report), above, table(["", KMAD, *README_PEERS], rows), below]
    return "\n\n".join(filter(None, lines))


def render_report(report: Report) -> str:
    parts = [quick_note(report), render_setting(report), "## Targets", render_targets(report)]
    parts += ["## Fits", *(render_fit(fit) for fit in report["fits"])]
    parts += ["## Growth", *(render_growth(name, records) for name, records in report["growth"].items())]
    parts += ["## Predict", *(render_turns(section, KMAD) for section in report["predict"])]
    parts += ["## Threads", *(render_turns(name_threads(section), "1 thread") for section in report["threads"])]
    parts += ["## One read of the data", render_turns(report["read"], "read")]
    parts += ["## Memory", render_memory(report), "## Cold start", render_cold(report)]
    if report["sets"]:
        parts += ["## Labelled sets", render_sets(report)]
    return "\n\n".join(filter(None, parts))


def machine_line(report: Report) -> str:
    machine = report["machine"]
    return f"{machine['processor']}, {machine['cores']} cores, {report['date']}"


def render_setting(report: Report) -> str:
    machine = report["machine"]
    versions = [f"{package} {version}" for package, version in report["versions"].items() if version]
    where = f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}"
    minutes = f"{report['seconds'] / 60:.0f} minutes"
    lines = [f"Measured on {report['date']} in {minutes}: {where}, {', '.join(versions)}."]
    lines += [f"Missing: {peer}; {reason}." for peer, reason in report["missing"].items()]
    if not any(fit["case"] == BIRCH1 for fit in report["fits"]):
        lines.append("Missing: Birch1, which is in no folder that was given.")
    return "\n\n".join(lines)


def render_targets(report: Report) -> str:
    targets = check(report)
    words = {True: "met", False: "not met", None: "not measured"}
    rows = [
        [target.what, target.against or "–", target.wanted, target.measured, words[target.met]] for target in targets
    ]
    counts = [f"{sum(target.met is met for target in targets)} {word}" for met, word in words.items()]
    summary = f"Of {len(targets)} targets: {', '.join(counts)}. The ratios are those of the medians."
    return f"{summary}\n\n{table(['', 'against', 'wanted', 'measured', ''], rows, words=5)}"


def render_fit(fit: dict[str, Any]) -> str:
    results = fit["results"]
    own = results[KMAD]["seconds"]
    inertias = [median(result["inertia"]) for peer, result in results.items() if peer in (KMAD, KMAD_GIVEN, *K_GIVEN)]
    best = min((inertia for inertia in inertias if inertia), default=None)
    rows = []
    for peer, result in results.items():
        inertia = median([value for value in result["inertia"] if value is not None])
        over = None if inertia is None or best is None else inertia / best - 1
        found = sorted(set(result["n_clusters"]))
        rows.append(
            [
                peer,
                duration(median(result["seconds"])),
                spread(result["seconds"]),
                times(quotient(result["seconds"], own)),
                per_cent(over),
                decimals(median([value for value in result["rand_index"] if value is not None])),
                "–" if not found else f"{found[0]}" if len(found) == 1 else f"{found[0]} – {found[-1]}",
                result["note"],
            ]
        )
    given = next(iter(results.values()))["n_given"]
    how = "" if given == fit["n_clusters"] else f" Those that need a number of clusters were given {given}."
    header = ["", "median", "least – most", "times KMad", "inertia over the best", "Rand index", "K", ""]
    title = f"### {fit['name'][0].upper()}{fit['name'][1:]}"
    return f"{title}\n\nDrawn from {fit['n_clusters']} clusters.{how}\n\n{table(header, rows)}"


def render_growth(name: str, records: list[dict[str, Any]]) -> str:
    peers = list(dict.fromkeys(peer for record in records for peer in record["results"]))
    rows = []
    for record in records:
        medians = [duration(median(record["results"].get(peer, {}).get("seconds"))) for peer in peers]
        rows.append([record["name"], *medians, record["results"][KMAD]["n_clusters"][0]])
    return f"### By {name}\n\n{table(['', *peers, 'K that KMad found'], rows)}"


def name_threads(section: dict[str, Any]) -> dict[str, Any]:
    seconds = section["seconds"]
    return section | {"seconds": {"1 thread": seconds["1"], "2 threads": seconds["2"]}}


def render_turns(section: dict[str, Any], base: str) -> str:
    rows = [
        [name, duration(median(seconds)), spread(seconds), times(quotient(seconds, section["seconds"][base]))]
        for name, seconds in section["seconds"].items()
    ]
    return table([section["name"], "median", "least – most", f"over {base}"], rows)


def render_memory(report: Report) -> str:
    rows = [
        [f"{item['rows']:,}", item["peer"], mebibytes(median(item["bytes"]))] for item in report["processes"]["memory"]
    ]
    return table(["rows × 2", "", "peak over the input"], rows, words=2)


def render_cold(report: Report) -> str:
    imports = [
        [f"`{item['what']}`", duration(median(item["seconds"])), spread(item["seconds"])]
        for item in report["processes"]["imports"]
    ]
    fits = []
    for item in report["processes"]["first_fits"]:
        for cache in ("warm", "empty"):
            if cache in item:
                name = f"{item.get('peer', KMAD)}, {item['features']} features"
                what = f"{name}, {cache} cache" if "empty" in item else name
                count = median(item["n_kernels"]) if cache == "empty" else None
                fits.append([what, duration(median(item[cache])), spread(item[cache]), f"{count:g}" if count else "–"])
    header = ["first fit after the import", "median", "least – most", "compiled functions"]
    return f"{table(['import', 'median', 'least – most'], imports)}\n\n{table(header, fits)}"


def render_sets(report: Report) -> str:
    peers = (KMAD, KMEANS, KMEANS_TEN)
    rows = []
    for fit in report["sets"]:
        results = fit["results"]
        found = results[KMAD]["n_clusters"]
        medians = [duration(median(results[peer]["seconds"])) for peer in peers]
        agreements = [decimals(median([v for v in results[peer]["rand_index"] if v is not None])) for peer in peers]
        size = f"{fit['rows']:,} × {fit['features']}"
        rows.append([fit["name"], size, fit["n_clusters"], found[0] if found else "–", *medians, *agreements])
    names = [f"{peer}: time" for peer in peers] + [f"{peer}: Rand index" for peer in peers]
    return table(["", "rows × features", "K", "K found", *names], rows)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def between_markers(path: Path, generated: str) -> tuple[str, str]:
    """The text of the file as it is, and with `generated` between its markers."""
    text = path.read_text(encoding="utf-8")
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise SystemExit(f"{path.name} lacks the lines {START} and {END}")
    return text, f"{before}{START}\n\n{generated}\n\n{END}{after}"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.render", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail where a page differs from the results"
    )
    options = parser.parse_args(arguments)
    report = json.loads(RESULTS.read_text(encoding="utf-8"))
    pages = {README: render_readme(report), PAGE: render_report(report)}
    stale = []
    for path, generated in pages.items():
        text, updated = between_markers(path, generated)
        if text != updated:
            stale.append(path.name)
            if not options.check:
                path.write_text(updated, encoding="utf-8")
    if any(digest_of_plot(PLOT_FOLDER / name) != digest(RESULTS) for name in PLOTS):
        stale.append("the plots")
        if not options.check:
            PLOT_FOLDER.mkdir(exist_ok=True)
            draw_plots(report, PLOT_FOLDER, digest(RESULTS))
    if options.check and stale:
        sys.exit(f"python -m benchmarks.render would change {', '.join(stale)}")


if __name__ == "__main__":
    main()
