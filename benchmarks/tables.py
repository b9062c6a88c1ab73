"""Plain text tables, and the JSON beside them."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Lay cells out in columns, numbers to the right."""
    cells = [[_text(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    is_text = [not any(_is_number(cell) for cell in column) for column in zip(*cells, strict=True)] or [True] * len(
        header
    )

    def line(row: Sequence[str]) -> str:
        aligned = (
            cell.ljust(width) if left else cell.rjust(width)
            for cell, width, left in zip(row, widths, is_text, strict=True)
        )
        return "  ".join(aligned).rstrip()

    return "\n".join([line(header), "  ".join("-" * width for width in widths), *map(line, cells)])


def write_json(path: Path, report: dict[str, Any]) -> None:
    """Write a report; named tuples must have been made dictionaries."""
    path.write_text(json.dumps(report, indent=1, default=_plain) + "\n", encoding="utf-8")


def _text(cell: object) -> str:
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)


def _is_number(cell: str) -> bool:
    return cell[:1].isdigit() or cell[:2].lstrip("-")[:1].isdigit()


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no place in JSON")
