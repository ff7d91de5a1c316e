"""Diagrams of a fleet: the health of the stacks, and how long their latest deployments took. Needs matplotlib."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...resources.common import Health
from ..exits import USAGE, CommandError
from ..terminal.console import plain
from .fleet_details import Row

__all__ = ["check_plot", "draw"]

_SUFFIXES = (".svg", ".png")
_MAX_GROUPS = 12
_BINS = 20
_OTHERS = "others"
# Colors that people with color blindness can tell apart.
_HEALTHS = {
    Health.HEALTHY: "#4aa079",
    Health.BUILDING: "#6aaed6",
    Health.UNKNOWN: "#bdbdbd",
    Health.IMPAIRED: "#f2b134",
    Health.FAILED: "#c8443c",
}
_RESULTS = {"succeeded": "#4aa079", "failed": "#c8443c"}


def check_plot(path: Path) -> None:
    """Raise CommandError if no diagram can be written there. Called before the first request."""
    if path.suffix.lower() not in _SUFFIXES:
        raise CommandError(f"cannot draw {plain(path.name)!r}: the file must end in .svg or .png", code=USAGE)
    if not path.parent.is_dir():
        raise CommandError(f"cannot write {path}: there is no directory {path.parent}", code=USAGE)
    try:
        importlib.import_module("matplotlib")
    except ImportError:
        advice = "Install it: pip install matplotlib"
        raise CommandError("--plot needs matplotlib, which cannot be imported", advice) from None


def draw(path: Path, rows: Sequence[Row]) -> None:
    """Write the diagrams to a file. Raises CommandError if that fails."""
    # Imported lazily: takes 0.4 s. Its types are partly unknown.
    library: Any = importlib.import_module("matplotlib")
    importlib.import_module("matplotlib.figure")
    with library.rc_context({"text.parse_math": False}):  # names of environments are no formulas
        figure = library.figure.Figure(figsize=(11, 4.8), layout="constrained")
        left, right = figure.subplots(1, 2)
        _draw_health(left, rows)
        _draw_durations(right, rows)
        try:
            figure.savefig(path, dpi=150)
        except OSError as error:
            raise CommandError(f"cannot write {path}: {error.strerror}") from None


def _draw_health(axes: Any, rows: Sequence[Row]) -> None:
    """Draw a bar for each environment, divided by health."""
    groups = _groups(rows)
    counts = Counter((_group(row, groups), row.stack.health or Health.UNKNOWN) for row in rows)
    totals = Counter(_group(row, groups) for row in rows)
    starts = dict.fromkeys(groups, 0)
    for health, color in _HEALTHS.items():
        sizes = [counts[group, health] for group in groups]
        if any(sizes):
            axes.barh(
                groups,
                sizes,
                left=list(starts.values()),
                color=color,
                edgecolor="white",
                label=f"{plain(health)} ({sum(sizes):,})",
            )
        starts = {group: start + size for (group, start), size in zip(starts.items(), sizes, strict=True)}
    for place, group in enumerate(groups):
        axes.text(totals[group], place, f" {totals[group]:,}", va="center", fontsize=9)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_title(f"Health of {len(rows):,} stacks")
    axes.set_xlabel("stacks")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3, frameon=False, fontsize=9)


def _groups(rows: Sequence[Row]) -> list[str]:
    """Return the names of the environments, the largest first, of which the smallest are taken together."""
    names = [name for name, _ in Counter(plain(row.stack.environment) or "none" for row in rows).most_common()]
    return names if len(names) <= _MAX_GROUPS else [*names[: _MAX_GROUPS - 1], _OTHERS]


def _group(row: Row, groups: Sequence[str]) -> str:
    name = plain(row.stack.environment) or "none"
    return name if name in groups else _OTHERS


def _draw_durations(axes: Any, rows: Sequence[Row]) -> None:
    """Draw how many of the latest deployments took how long."""
    by_result = {
        result: [row.took / 60 for row in rows if row.took is not None and row.result == result] for result in _RESULTS
    }
    shown = {result: minutes for result, minutes in by_result.items() if minutes}
    number = sum(map(len, shown.values()))
    axes.set_title(f"Duration of the latest deployment ({number:,} stacks)")
    axes.set_xlabel("minutes")
    axes.set_ylabel("stacks")
    axes.spines[["top", "right"]].set_visible(False)
    if not shown:
        axes.text(0.5, 0.5, "no finished deployment was read", ha="center", va="center", transform=axes.transAxes)
        axes.set(xticks=[], yticks=[])
        return
    axes.hist(
        list(shown.values()),
        bins=_BINS,
        stacked=True,
        edgecolor="white",
        color=[_RESULTS[result] for result in shown],
        label=[f"{result} ({len(minutes):,})" for result, minutes in shown.items()],
    )
    axes.locator_params(axis="y", integer=True)
    axes.set_xlim(left=0)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, frameon=False, fontsize=9)
