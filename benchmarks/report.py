"""What a run found, on the terminal, as JSON and as a picture."""

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

__all__ = ["draw", "machine", "show", "write"]

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


def machine(*what: str) -> dict[str, Any]:
    """Where and with what the run was made; `what` are the arguments that say what is measured."""
    return {
        "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load before": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "packages": {name: found for name in _PACKAGES if (found := _version(name)) is not None},
        "command": " ".join(["python", "-m", "benchmarks", *what]),
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


def show(cells: Mapping[str, list[Cell]], found: list[Outcome]) -> None:
    """Print a table for each part, and the targets."""
    for name, part_cells in cells.items():
        part = PARTS[name]
        print(f"\n{part.title} ({part.unit})")
        if name in ("local", "startup", "trials"):
            _print_values(part_cells)
        else:
            _print_table(part_cells, "times the ideal" if name == "latency" else "cpu")
    print("\nTargets")
    for outcome in found:
        if outcome.measured is not None:
            word = "met" if outcome.met else "NOT MET"
            print(f"  {word:7}  {outcome.measured:8.2f}  ({outcome.bound})  {outcome.what}")


def _print_values(cells: list[Cell]) -> None:
    for cell in cells:
        values = "  ".join(f"{name} {value:.2f}" for name, value in cell.values.items())
        print(f"  {cell.row:16} {cell.point}  {values}")


def _print_table(cells: list[Cell], name: str) -> None:
    points = list(dict.fromkeys(cell.point for cell in cells))
    by_place = {(cell.row, cell.point): cell.values[name] for cell in cells}
    print(f"  {'':24}" + "".join(f"{point:>10}" for point in points))
    for row in dict.fromkeys(cell.row for cell in cells):
        numbers = (by_place.get((row, point)) for point in points)
        print(f"  {row:24}" + "".join(f"{'' if number is None else f'{number:.2f}':>10}" for number in numbers))


def write(path: Path, about: dict[str, Any], cells: Mapping[str, list[Cell]], found: list[Outcome]) -> None:
    """Keep everything as JSON."""
    data = {
        "machine": about,
        "parts": {
            name: {"title": PARTS[name].title, "unit": PARTS[name].unit, "cells": [attrs.asdict(cell) for cell in part]}
            for name, part in cells.items()
        },
        "targets": [attrs.asdict(outcome) for outcome in found],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")


def draw(path: Path, cells: Mapping[str, list[Cell]]) -> None:
    """One picture: what a stack costs by the number in flight, plain and over TLS, a page, and growth."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    parts = [name for name in ("small", "tls", "pages", "growth") if name in cells]
    if not parts:
        return
    figure: Any
    lines = (len(parts) + 1) // 2
    figure, grid = plt.subplots(lines, 2, figsize=(10, 4.4 * lines), squeeze=False, layout="constrained")
    places = grid.flat[: len(parts)]
    for empty in grid.flat[len(parts) :]:
        empty.remove()
    rows = list(dict.fromkeys(cell.row for name in parts for cell in cells[name]))
    colours = {row: f"C{number}" for number, row in enumerate(rows)}
    for name, place in zip(parts, places, strict=True):
        for row in dict.fromkeys(cell.row for cell in cells[name]):
            mine = [cell for cell in cells[name] if cell.row == row]
            width = 2.8 if row == "cloud66-async" else 1.3
            place.plot(
                [int(cell.point) for cell in mine],
                [cell.values["cpu"] for cell in mine],
                "o-",
                label=row,
                color=colours[row],
                linewidth=width,
                markersize=4,
            )
        place.set(xscale="log", yscale="log", title=PARTS[name].title, ylabel=PARTS[name].unit)
        place.set_xlabel("items" if name == "growth" else "in flight")
        place.grid(visible=True, which="both", alpha=0.25)
    handles, labels = _legend(places)
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _legend(places: Any) -> tuple[list[Any], list[str]]:
    found: dict[str, Any] = {}
    for place in places:
        for handle, label in zip(*place.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    return list(found.values()), list(found)
