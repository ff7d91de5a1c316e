"""Results as diagrams: one SVG file for each, readable on light and dark pages and on a phone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from .parts import PARTS, Cell

__all__ = ["draw"]

# Gray that has enough contrast on white and on black; the page behind the transparent ground may be either.
_INK = "#7d838c"


@attrs.frozen
class _Plot:
    """One diagram of a part: which value it shows, and of which rows."""

    part: str
    rows: Sequence[str]
    title: str
    value: str = "cpu"
    log: bool = True


_PLOTS: Mapping[str, _Plot] = {
    "cpu-stacks": _Plot(
        "small",
        ("httpx", "authlib on httpx", "httpx2", "aiohttp", "cloud66-async", "raw"),
        "CPU time per stack, in µs",
    ),
    "cpu-pages": _Plot(
        "pages",
        ("authlib on httpx", "authlib on httpx2", "aiohttp", "cloud66-async, workers", "raw"),
        "CPU time per page of 100 stacks, in µs",
    ),
    "cpu-growth": _Plot(
        "growth", ("authlib on httpx2", "aiohttp", "cloud66-async", "raw"), "CPU time per stack, in µs"
    ),
    "waiting": _Plot(
        "waiting",
        ("each every 15 s", "cloud66-async"),
        "requests to wait for deployments of 5 minutes",
        value="requests",
    ),
}
# A color and a marker for each row in all diagrams.
_STYLES = {
    "httpx": ("#d1495b", "s"),
    "authlib on httpx": ("#c2762b", "^"),
    "authlib on httpx2": ("#a78b1f", "v"),
    "each every 15 s": ("#c2762b", "^"),
    "httpx2": ("#8e6fc9", "D"),
    "aiohttp": ("#2f9e6e", "P"),
    "cloud66-async": ("#2f7fe0", "o"),
    "cloud66-async, workers": ("#2f7fe0", "o"),
    "raw": (_INK, "x"),
}
_SETTINGS = {
    "svg.fonttype": "none",  # text remains text, in the reader's own font
    "svg.hashsalt": "cloud66_async",  # the same results give the same file
    "font.family": "sans-serif",
    "font.size": 12,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
}


def draw(folder: Path, cells: Mapping[str, list[Cell]]) -> None:
    """Draw every diagram whose part was measured. Needs matplotlib."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(_SETTINGS):  # type: ignore[arg-type]
        for name, plot in _PLOTS.items():
            if plot.part in cells:
                figure: Any
                figure, diagram = plt.subplots(figsize=(4.7, 4.4), layout="constrained")
                _draw(diagram, plot, cells[plot.part])
                figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=11)
                path = folder / f"{name}.svg"
                figure.savefig(path, transparent=True, metadata={"Date": None, "Creator": None})
                plt.close(figure)
                path.write_text(_tidy(path.read_text(encoding="utf-8")), encoding="utf-8")


def _draw(diagram: Any, plot: _Plot, cells: Sequence[Cell]) -> None:
    for row in plot.rows:
        points = [cell for cell in cells if cell.row == row]
        if not points:
            continue
        color, marker = _STYLES[row]
        diagram.plot(
            [int(cell.point) for cell in points],
            [cell.values[plot.value] for cell in points],
            label=row,
            color=color,
            marker=marker,
            markersize=6,
            linewidth=3 if row.startswith("cloud66-async") else 1.6,
        )
    diagram.set(xscale="log", yscale="log")
    diagram.set_title(plot.title, fontsize=12, loc="left")
    diagram.set_xlabel(PARTS[plot.part].axis)
    ticks = sorted({int(cell.point) for cell in cells})
    diagram.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    diagram.minorticks_off()
    diagram.yaxis.set_major_formatter(_thousands)
    diagram.grid(visible=True, alpha=0.25, color=_INK)
    for side in ("top", "right"):
        diagram.spines[side].set_visible(False)


def _thousands(value: float, _position: object) -> str:
    return f"{value:,.0f}"


def _tidy(text: str) -> str:
    """Return the file without trailing spaces, and with a size in pixels that browsers may scale."""
    text = "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
    return re.sub(r'(<svg [^>]*?)width="([\d.]+)pt" height="([\d.]+)pt"', r"\1", text, count=1, flags=re.DOTALL)
