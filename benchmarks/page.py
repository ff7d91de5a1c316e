"""Results as the tables of a documentation page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .parts import PARTS, Cell
from .targets import Outcome

__all__ = ["render"]


def render(environment: Mapping[str, Any], cells: Mapping[str, list[Cell]], outcomes: list[Outcome]) -> str:
    """Return Markdown: the machine, the targets, and a table for each part."""
    packages = ", ".join(f"{name} {version}" for name, version in environment["packages"].items())
    machine = (
        f"Measured at {environment['at']} with `{environment['command']}`: Python {environment['python']}, "
        f"{environment['system']}, {environment['processor']}, {environment['cores']} cores, load average "
        f"{environment['load before']:.1f} before the run. {packages}."
    )
    sections = [
        machine,
        "## Targets\n",
        _table(
            ["", "target", "measured", ""],
            [
                [outcome.name, outcome.bound, f"{outcome.measured:.2f}", "met" if outcome.met else "**not met**"]
                for outcome in outcomes
                if outcome.measured is not None
            ],
        ),
    ]
    for name, part in cells.items():
        sections += [f"## {PARTS[name].title}\n", f"In {PARTS[name].unit}.\n"]
        sections.append(_values(part) if PARTS[name].shown is None else _grid(name, part))
    return "\n\n".join(section.rstrip("\n") for section in sections) + "\n"


def _grid(name: str, cells: list[Cell]) -> str:
    part = PARTS[name]
    points = list(dict.fromkeys(cell.point for cell in cells))
    values = {(cell.row, cell.point): cell.values[part.shown] for cell in cells if part.shown is not None}
    rows = [
        [row, *(_number(values.get((row, point)), ratio=name == "latency") for point in points)]
        for row in dict.fromkeys(cell.row for cell in cells)
    ]
    return _table([part.axis, *(f"{int(point):,}" for point in points)], rows)


def _number(value: float | None, *, ratio: bool) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if ratio else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def _values(cells: list[Cell]) -> str:
    rows: list[list[str]] = []
    for cell in cells:
        point = ", ".join(f"{name} {value}" for name, value in json.loads(cell.point or "{}").items())
        values = "; ".join(f"{name} {value:.2f}" for name, value in cell.values.items())
        rows.append([f"{cell.row}: {point}" if point else cell.row, values])
    return _table(["", ""], rows)


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
