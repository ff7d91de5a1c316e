"""Results on the terminal, as JSON and as diagrams."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import attrs

from .parts import PARTS, Cell
from .targets import Outcome

__all__ = ["draw", "environment", "show", "write"]

_PACKAGES = (
    "cloud66-async",
    "httpx",
    "httpx2",
    "authlib",
    "aiohttp",
    "anyio",
    "attrs",
    "cattrs",
    "httptools",
    "msgspec",
    "uvloop",
)


def environment(*arguments: str) -> dict[str, Any]:
    """Return a description of the machine, the packages and the command of this run."""
    return {
        "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load before": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "packages": {name: installed for name in _PACKAGES if (installed := _version(name)) is not None},
        "command": " ".join(["python", "-m", "benchmarks", *arguments]),
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if not information.exists():
        return platform.processor()
    return information.read_text().partition("model name")[2].partition("\n")[0].strip("\t :")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def show(cells: Mapping[str, list[Cell]], outcomes: list[Outcome]) -> None:
    """Print a table for each part, and the targets."""
    for name, part_cells in cells.items():
        part = PARTS[name]
        print(f"\n{part.title} ({part.unit})")
        if part.shown is None:
            _print_values(part_cells)
        else:
            _print_table(part_cells, part.shown)
    print("\nTargets")
    for outcome in outcomes:
        if outcome.measured is not None:
            result = "met" if outcome.met else "NOT MET"
            print(f"  {result:7}  {outcome.measured:8.2f}  ({outcome.bound})  {outcome.name}")


def _print_values(cells: list[Cell]) -> None:
    for cell in cells:
        values = "  ".join(f"{name} {value:.2f}" for name, value in cell.values.items())
        print(f"  {cell.row:18} {cell.point}  {values}")


def _print_table(cells: list[Cell], name: str) -> None:
    points = list(dict.fromkeys(cell.point for cell in cells))
    values = {(cell.row, cell.point): cell.values[name] for cell in cells}
    print(f"  {'':26}" + "".join(f"{point:>10}" for point in points))
    for row in dict.fromkeys(cell.row for cell in cells):
        numbers = (values.get((row, point)) for point in points)
        print(f"  {row:26}" + "".join(f"{'' if number is None else f'{number:.2f}':>10}" for number in numbers))


def write(path: Path, machine: dict[str, Any], cells: Mapping[str, list[Cell]], outcomes: list[Outcome]) -> None:
    """Write all results to a JSON file."""
    data = {
        "machine": machine,
        "parts": {
            name: {"title": PARTS[name].title, "unit": PARTS[name].unit, "cells": [attrs.asdict(cell) for cell in part]}
            for name, part in cells.items()
        },
        "targets": [attrs.asdict(outcome) for outcome in outcomes],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")


def draw(path: Path, cells: Mapping[str, list[Cell]]) -> None:
    """Draw the CPU time of stacks, stacks over TLS and pages by requests in flight, and of stacks by their number."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    parts = [name for name in ("small", "tls", "pages", "growth") if name in cells]
    if not parts:
        return
    figure: Any
    height = (len(parts) + 1) // 2
    figure, grid = plt.subplots(height, 2, figsize=(10, 4.4 * height), squeeze=False, layout="constrained")
    diagrams = grid.flat[: len(parts)]
    for unused in grid.flat[len(parts) :]:
        unused.remove()
    rows = list(dict.fromkeys(cell.row for name in parts for cell in cells[name]))
    colors = {row: f"C{number}" for number, row in enumerate(rows)}
    for name, diagram in zip(parts, diagrams, strict=True):
        for row in dict.fromkeys(cell.row for cell in cells[name]):
            points = [cell for cell in cells[name] if cell.row == row]
            width = 2.8 if row == "cloud66-async" else 1.3
            diagram.plot(
                [int(cell.point) for cell in points],
                [cell.values["cpu"] for cell in points],
                "o-",
                label=row,
                color=colors[row],
                linewidth=width,
                markersize=4,
            )
        diagram.set(xscale="log", yscale="log", title=PARTS[name].title, ylabel=PARTS[name].unit)
        diagram.set_xlabel(PARTS[name].axis)
        diagram.grid(visible=True, which="both", alpha=0.25)
    handles, labels = _legend(diagrams)
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _legend(diagrams: Any) -> tuple[list[Any], list[str]]:
    handles: dict[str, Any] = {}
    for diagram in diagrams:
        for handle, label in zip(*diagram.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    return list(handles.values()), list(handles)
