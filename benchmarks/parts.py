"""The parts of a run: which rows are measured, at what, how often. Each fills a table of medians."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Any

import attrs

from . import startup
from .lab import Lab
from .rows import ROWS

__all__ = ["PARTS", "Cell", "Part"]

Report = Callable[[str], None]


@attrs.frozen
class Cell:
    """What was measured of one row at one point: the medians, and how far the slowest is from the fastest."""

    row: str
    point: str
    values: dict[str, float]
    spread: float = 1.0


@attrs.frozen
class Part:
    """One part: its title, what its numbers are, and how it is done (`quick` or not)."""

    title: str
    unit: str
    measure: Callable[[Lab, bool, Report], list[Cell]]


def _requests(
    lab: Lab,
    report: Report,
    rows: Sequence[str],
    *,
    flights: Sequence[int],
    count: Callable[[str, int], int],
    repetitions: int,
    what: str = "stack",
    tls: bool = False,
    slow: bool = False,
) -> list[Cell]:
    """Every row at every number in flight, one after the other, over and over."""
    seen: dict[tuple[str, int], list[dict[str, float]]] = {}
    for repetition in range(repetitions):
        for flight in flights:
            for name in _possible(lab, rows, flight):
                if repetition > 1 and ROWS[name].share < 1:
                    continue  # slow rows differ by factors, not by tenths: twice is enough
                report(f"{repetition + 1}/{repetitions}  {flight} in flight  {name}")
                row = ROWS[name]
                found = lab.measure(
                    "requests",
                    httpx_alone=row.httpx_alone,
                    row=name,
                    target=lab.target(tls=tls, slow=slow),
                    what=what,
                    count=count(name, flight),
                    flight=flight,
                )
                seen.setdefault((name, flight), []).append(found | {"count": count(name, flight)})
    return [_cell(name, str(flight), found) for (name, flight), found in seen.items()]


def _possible(lab: Lab, rows: Iterable[str], flight: int) -> list[str]:
    return [
        name
        for name in rows
        if flight <= ROWS[name].most and (lab.httpx_python is not None or not ROWS[name].httpx_alone)
    ]


def _cell(row: str, point: str, found: list[dict[str, float]]) -> Cell:
    values = {name: median(one[name] for one in found) for name in found[0]}
    costs = [one["cpu"] for one in found if "cpu" in one]
    return Cell(row, point, values, max(costs) / min(costs) if costs else 1.0)


def _share(total: int) -> Callable[[str, int], int]:
    return lambda name, flight: max(int(total * ROWS[name].share), 2 * flight)


_PEERS = ("aiohttp", "authlib on httpx", "authlib on httpx2", "httpx", "httpx, semaphore", "httpx2")
_OURS = ("cloud66-async", "pool", "raw")


def _small(lab: Lab, quick: bool, report: Report) -> list[Cell]:
    return _requests(
        lab,
        report,
        (*_OURS, "aiohttp", "authlib on httpx2") if quick else (*_OURS, *_PEERS),
        flights=(100,) if quick else (1, 10, 32, 100, 500),
        count=_share(1000 if quick else 5000),
        repetitions=1 if quick else 3,
    )


def _tls(lab: Lab, quick: bool, report: Report) -> list[Cell]:
    return _requests(
        lab,
        report,
        (*_OURS, "aiohttp"),
        flights=(32,) if quick else (10, 100, 500),
        count=_share(1000 if quick else 5000),
        repetitions=1 if quick else 3,
        tls=True,
    )


def _pages(lab: Lab, quick: bool, report: Report) -> list[Cell]:
    return _requests(
        lab,
        report,
        ("cloud66-async, workers", "aiohttp")
        if quick
        else (
            "cloud66-async",
            "cloud66-async, workers",
            "pool",
            "raw",
            "aiohttp",
            "authlib on httpx",
            "authlib on httpx2",
        ),
        flights=(32,) if quick else (1, 10, 32, 100),
        count=lambda _row, _flight: 50 if quick else 200,
        repetitions=1 if quick else 3,
        what="page",
    )


def _latency(lab: Lab, quick: bool, report: Report) -> list[Cell]:
    def count(name: str, flight: int) -> int:
        share = 1.0 if ROWS[name].share == 1.0 else 0.25
        return int((320 if quick else 1000 if flight > 1 else 20) * share)

    cells = _requests(
        lab,
        report,
        ("cloud66-async",) if quick else (*_OURS, *_PEERS),
        flights=(32,) if quick else (1, 10, 32, 100),
        count=count,
        repetitions=1 if quick else 2,
        slow=True,
    )
    for cell in cells:
        turns = -(-cell.values["count"] // int(cell.point))
        cell.values["times the ideal"] = cell.values["seconds"] / (turns * 0.05)
    return cells


def _library(lab: Lab, quick: bool, report: Report) -> list[Cell]:
    return _requests(
        lab,
        report,
        ("library over our pool", "library's own pool"),
        flights=(32,) if quick else (10, 32, 100),
        count=_share(500 if quick else 5000),
        repetitions=1 if quick else 3,
    )


def _growth(lab: Lab, quick: bool, report: Report) -> list[Cell]:
    sizes = {
        "cloud66-async": (100, 1_000) if quick else (100, 1_000, 10_000, 100_000),
        "raw": (100, 1_000) if quick else (100, 1_000, 10_000, 100_000),
        "aiohttp": () if quick else (100, 1_000, 10_000),
        "authlib on httpx2": () if quick else (100, 1_000, 10_000),
    }
    seen: dict[tuple[str, int], list[dict[str, float]]] = {}
    for repetition in range(1 if quick else 3):
        for row, counts in sizes.items():
            for count in counts if repetition == 0 or row in ("cloud66-async", "raw") else ():
                report(f"{repetition + 1}  {count:,} items  {row}")
                asked: dict[str, Any] = {"row": row, "target": lab.target(), "what": "stack", "flight": 32}
                seen.setdefault((row, count), []).append(lab.measure("requests", count=count, **asked))
    return [_cell(row, str(count), found) for (row, count), found in seen.items()]


def _local(lab: Lab, quick: bool, report: Report) -> list[Cell]:
    cells: list[Cell] = []
    for name in ("decoding", "sender", "bulk"):
        report(name)
        found = [lab.measure("local", name=name, quick=quick) for _ in range(1 if quick else 3)]
        cells.append(_cell(name, "", found))
    return cells


def _startup(lab: Lab, quick: bool, report: Report) -> list[Cell]:
    return [Cell(row, "", values) for row, values in startup.measure(lab, quick=quick, report=report).items()]


def _trials(lab: Lab, quick: bool, report: Report) -> list[Cell]:
    trials: tuple[tuple[str, dict[str, Any]], ...] = (
        ("crowd", {"count": 600 if quick else 3000, "flight": 20}),
        ("cancelling", {"count": 200 if quick else 1000, "flight": 10}),
    )
    cells: list[Cell] = []
    for name, sizes in trials:
        for row, peer in (("cloud66-async", False),) if quick else (("cloud66-async", False), ("httpx", True)):
            report(f"{name}  {row}")
            found = lab.measure(name, target=lab.target(slow=True), peer=peer, **sizes)
            cells.append(Cell(row, json.dumps({"trial": name} | sizes), found))
    return cells


PARTS = {
    "small": Part("Single stacks", "µs of processor time per stack", _small),
    "tls": Part("Single stacks over TLS", "µs of processor time per stack", _tls),
    "pages": Part("List pages of 100 stacks", "µs of processor time per page", _pages),
    "latency": Part("Single stacks, each answered after 50 ms", "multiples of the ideal duration", _latency),
    "library": Part("Through the HTTP library's interface", "µs of processor time per request", _library),
    "growth": Part("Growth, 32 in flight", "µs of processor time per stack", _growth),
    "local": Part("Without a server", "µs of processor time", _local),
    "startup": Part("Start-up", "ms", _startup),
    "trials": Part("Trials", "reads", _trials),
}
