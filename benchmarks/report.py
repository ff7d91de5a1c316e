"""Results on the terminal and as JSON."""

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

__all__ = ["environment", "read", "show", "write"]

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


def read(path: Path) -> tuple[dict[str, Any], dict[str, list[Cell]], list[Outcome]]:
    """Return what `write` wrote."""
    data = json.loads(path.read_text())
    cells = {name: [Cell(**cell) for cell in part["cells"]] for name, part in data["parts"].items()}
    return data["machine"], cells, [Outcome(**outcome) for outcome in data["targets"]]
