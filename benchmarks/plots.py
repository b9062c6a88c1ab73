"""Plots of the results, as SVG; the same results give the same file."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.data import blobs_name
from benchmarks.peers import FAISS, INTELEX, KMAD, KMEANS, KMEANS_TEN, MINI_BATCH
from benchmarks.report import BIRCH1, SIZES
from benchmarks.targets import Report, median, quotient

PLOTS = ("times.svg", "growth.svg")
# Colours that are told apart by those who see few colours, and in print.
COLORS = {
    KMAD: "#0072b2",
    KMEANS: "#d55e00",
    KMEANS_TEN: "#cc79a7",
    MINI_BATCH: "#e69f00",
    INTELEX: "#009e73",
    FAISS: "#56b4e9",
}
MARKERS = dict(zip(COLORS, "osD^vP", strict=True))
STYLE = {"svg.hashsalt": "kmad", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
# Which number of a record stands on the horizontal axis of a series.
AXES = {"rows": "rows", "features": "features"}


def draw_plots(report: Report, folder: Path, digest: str = "") -> None:
    """Write the plots; `digest` tells later which results they show."""
    matplotlib = import_module("matplotlib")
    figure = import_module("matplotlib.figure")
    with matplotlib.rc_context(STYLE):
        for name, draw in zip(PLOTS, (draw_times, draw_growth), strict=True):
            canvas = figure.Figure(layout="constrained")
            draw(report, canvas)
            metadata = {"Date": None, "Creator": None, "Identifier": digest}
            canvas.savefig(folder / name, metadata=metadata)
            text = (folder / name).read_text(encoding="utf-8")
            lines = [line.rstrip() for line in text.splitlines()]
            (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def digest_of_plot(path: Path) -> str:
    """The digest that `draw_plots` wrote, or nothing."""
    if not path.exists():
        return ""
    found = re.search(r"<dc:identifier>(\w*)</dc:identifier>", path.read_text(encoding="utf-8"))
    return found[1] if found else ""


def draw_times(report: Report, canvas: Any) -> None:
    """Times of a fit relative to KMad's, on a logarithmic axis."""
    fits = {fit["case"]: fit for fit in report["fits"]}
    cases = [fits[case] for case in [*(blobs_name(*size) for size in SIZES), BIRCH1] if case in fits]
    canvas.set_size_inches(7.5, 0.9 * len(cases) + 1)
    axes = canvas.add_subplot()
    peers = [peer for peer in COLORS if peer != KMAD]
    height = 0.8 / len(peers)
    for p, peer in enumerate(peers):
        places, ratios = [], []
        for c, fit in enumerate(cases):
            ratio = quotient(fit["results"].get(peer, {}).get("seconds"), fit["results"][KMAD]["seconds"])
            if ratio is not None:
                places.append(c + (p - (len(peers) - 1) / 2) * height)
                ratios.append(ratio - 1)
        axes.barh(places, ratios, height, left=1, color=COLORS[peer], label=peer)
    axes.axvline(1, color=COLORS[KMAD], linewidth=2)
    axes.set_xscale("log")
    axes.set_yticks(range(len(cases)), [fit["name"] for fit in cases])
    axes.invert_yaxis()
    axes.set_xlabel("time of a fit in multiples of KMad's")
    canvas.legend(loc="outside upper center", ncols=3, frameon=False)


def draw_growth(report: Report, canvas: Any) -> None:
    """Time by number of rows, features and clusters, on logarithmic axes."""
    canvas.set_size_inches(7.5, 6)
    panels = canvas.subplots(2, 2).flat
    for axes, (name, records) in zip(panels, report["growth"].items(), strict=True):
        for peer in dict.fromkeys(peer for record in records for peer in record["results"]):
            known = [record for record in records if record["results"].get(peer, {}).get("seconds")]
            places = [record[AXES.get(name, "n_clusters")] for record in known]
            medians = [median(record["results"][peer]["seconds"]) for record in known]
            axes.loglog(places, medians, color=COLORS[peer], marker=MARKERS[peer], markersize=4, label=peer)
        if name != "rows":
            places = [record[AXES.get(name, "n_clusters")] for record in records]
            axes.set_xticks(places, [str(place) for place in places])
            axes.minorticks_off()
        axes.set_xlabel(name)
        axes.set_ylabel("seconds")
        axes.grid(alpha=0.3)
    handles, labels = axes.get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
