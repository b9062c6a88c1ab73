"""Time KMad and its peers on this machine; see docs/benchmarks.md for what is measured."""

import argparse
import datetime as dt
import json
from pathlib import Path
from typing import Any

from benchmarks.peers import load_peers
from benchmarks.plots import draw_plots
from benchmarks.render import RESULTS, render_report
from benchmarks.report import FULL, QUICK, describe_machine, list_versions, run_report


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="less data and fewer runs, in two minutes")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="labelled sets, as docs/benchmarks.md describes")
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help=f"where the results go (default: {RESULTS.name} here; --quick: nowhere)",
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="also write tables and plots there")
    parser.add_argument(
        "--date", type=dt.date.fromisoformat, metavar="DATE", help="date of the report (default: today)"
    )
    options = parser.parse_args(arguments)
    form = QUICK if options.quick else FULL
    path: Path | None = options.json or (None if options.quick else RESULTS)
    peers, missing = load_peers(quick=options.quick)
    report: dict[str, Any] = {
        "form": "quick" if options.quick else "full",
        "date": str(options.date or dt.datetime.now(dt.UTC).date()),
        "machine": describe_machine(),
        "versions": list_versions(),
        "missing": missing,
        "folder": bool(options.data),
    }

    def keep(sections: dict[str, Any]) -> None:
        report.update(sections)
        if path:
            path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")

    run_report(form, peers, options.data, keep)
    page = render_report(report)
    print(page)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "report.md").write_text(page + "\n", encoding="utf-8")
        draw_plots(report, options.out)


if __name__ == "__main__":
    main()
