"""What a run found, as the tables of a page in the documentation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .parts import PARTS, Cell
from .targets import Outcome

__all__ = ["written"]


def written(about: Mapping[str, Any], cells: Mapping[str, list[Cell]], found: list[Outcome]) -> str:
    """Markdown: the machine, the targets, and a table for each part."""
    packages = ", ".join(f"{name} {version}" for name, version in about["packages"].items())
    machine = (
        f"Measured at {about['at']} with `{about['command']}`: Python {about['python']}, {about['system']}, "
        f"{about['processor']}, {about['cores']} cores, load average {about['load before']:.1f} before the run. "
        f"{packages}."
    )
    parts = [
        machine,
        "## Targets\n",
        _table(
            ["", "target", "measured", ""],
            [
                [outcome.what, outcome.bound, f"{outcome.measured:.2f}", "met" if outcome.met else "**not met**"]
                for outcome in found
                if outcome.measured is not None
            ],
        ),
    ]
    for name, part in cells.items():
        parts += [f"## {PARTS[name].title}\n", f"In {PARTS[name].unit}.\n"]
        parts.append(_values(part) if name in ("local", "startup", "trials") else _grid(name, part))
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _grid(name: str, cells: list[Cell]) -> str:
    value = "times the ideal" if name == "latency" else "cpu"
    points = list(dict.fromkeys(cell.point for cell in cells))
    by_place = {(cell.row, cell.point): cell.values[value] for cell in cells}
    rows = [
        [row, *(_number(by_place.get((row, point)), latency=name == "latency") for point in points)]
        for row in dict.fromkeys(cell.row for cell in cells)
    ]
    return _table(["items" if name == "growth" else "in flight", *(f"{int(point):,}" for point in points)], rows)


def _number(value: float | None, *, latency: bool) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if latency else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def _values(cells: list[Cell]) -> str:
    rows: list[list[str]] = []
    for cell in cells:
        what = (
            cell.row
            if not cell.point
            else f"{cell.row}: {', '.join(f'{k} {v}' for k, v in json.loads(cell.point).items())}"
        )
        rows.append([what, "; ".join(f"{name} {value:.2f}" for name, value in cell.values.items())])
    return _table(["", ""], rows)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
