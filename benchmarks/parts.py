"""Parts of a run: which rows are measured, at which points, and how often. Each fills a table of medians."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Any

import attrs

from . import startup
from .harness import Harness
from .jobs import JOBS
from .route import ROUTES
from .rows import ROWS
from .waiting import AT_ONCE, ROLLOUTS, WAYS

__all__ = ["PARTS", "Cell", "Part"]

Progress = Callable[[str], None]


@attrs.frozen
class Cell:
    """Medians of one row at one point, and the ratio of its highest CPU time to its lowest."""

    row: str
    point: str
    values: dict[str, float]
    spread: float = 1.0


@attrs.frozen
class Part:
    """One part of a run, and how its table is shown."""

    title: str
    unit: str
    measure: Callable[[Harness, bool, Progress], list[Cell]]
    shown: str | None = "cpu"
    """The value in the table, with one column for each point. None for a list of all values."""
    axis: str = "in flight"
    """What the points are."""


def _requests(
    harness: Harness,
    progress: Progress,
    rows: Sequence[str],
    *,
    in_flight: Sequence[int],
    count: Callable[[str, int], int],
    repetitions: int,
    what: str = "stack",
    tls: bool = False,
    slow: bool = False,
) -> list[Cell]:
    """Measure every row with every number of requests in flight, in rounds."""
    found: dict[tuple[str, int], list[dict[str, float]]] = {}
    for repetition in range(repetitions):
        for limit in in_flight:
            for name in _possible(harness, rows, limit):
                if repetition > 1 and ROWS[name].share < 1:
                    continue  # slow rows differ by factors, not by a few percent: two rounds are enough
                progress(f"{repetition + 1}/{repetitions}  {limit} in flight  {name}")
                row = ROWS[name]
                result = harness.measure(
                    "requests",
                    httpx_alone=row.httpx_alone,
                    row=name,
                    target=harness.target(tls=tls, slow=slow),
                    what=what,
                    count=count(name, limit),
                    in_flight=limit,
                )
                found.setdefault((name, limit), []).append(result | {"count": count(name, limit)})
    return [_cell(name, str(limit), results) for (name, limit), results in found.items()]


def _possible(harness: Harness, rows: Iterable[str], limit: int) -> list[str]:
    return [
        name
        for name in rows
        if limit <= ROWS[name].most and (harness.httpx_python is not None or not ROWS[name].httpx_alone)
    ]


def _cell(row: str, point: str, results: list[dict[str, float]]) -> Cell:
    values = {name: median(result[name] for result in results) for name in results[0]}
    costs = [result["cpu"] for result in results if "cpu" in result]
    return Cell(row, point, values, max(costs) / min(costs) if costs else 1.0)


def _share(total: int) -> Callable[[str, int], int]:
    return lambda name, limit: max(int(total * ROWS[name].share), 2 * limit)


_SDK = ("cloud66-async", "pool", "raw")
_OTHERS = ("aiohttp", "authlib on httpx", "authlib on httpx2", "httpx", "httpx, semaphore", "httpx2")


def _measure_small(harness: Harness, quick: bool, progress: Progress) -> list[Cell]:
    return _requests(
        harness,
        progress,
        (*_SDK, "aiohttp", "authlib on httpx2") if quick else (*_SDK, *_OTHERS),
        in_flight=(100,) if quick else (1, 10, 32, 100, 500),
        count=_share(1000 if quick else 5000),
        repetitions=1 if quick else 3,
    )


def _measure_tls(harness: Harness, quick: bool, progress: Progress) -> list[Cell]:
    return _requests(
        harness,
        progress,
        (*_SDK, "aiohttp"),
        in_flight=(32,) if quick else (10, 100, 500),
        count=_share(1000 if quick else 5000),
        repetitions=1 if quick else 3,
        tls=True,
    )


def _measure_pages(harness: Harness, quick: bool, progress: Progress) -> list[Cell]:
    rows = (
        "cloud66-async",
        "cloud66-async, workers",
        "pool",
        "raw",
        "aiohttp",
        "authlib on httpx",
        "authlib on httpx2",
    )
    return _requests(
        harness,
        progress,
        ("cloud66-async, workers", "aiohttp") if quick else rows,
        in_flight=(32,) if quick else (1, 10, 32, 100),
        count=lambda _row, _limit: 50 if quick else 200,
        repetitions=1 if quick else 3,
        what="page",
    )


def _measure_latency(harness: Harness, quick: bool, progress: Progress) -> list[Cell]:
    def count(name: str, limit: int) -> int:
        share = 1.0 if ROWS[name].share == 1.0 else 0.25
        return int((320 if quick else 1000 if limit > 1 else 20) * share)

    cells = _requests(
        harness,
        progress,
        ("cloud66-async",) if quick else (*_SDK, *_OTHERS),
        in_flight=(32,) if quick else (1, 10, 32, 100),
        count=count,
        repetitions=1 if quick else 2,
        slow=True,
    )
    for cell in cells:
        rounds = -(-cell.values["count"] // int(cell.point))
        cell.values["times the ideal"] = cell.values["seconds"] / (rounds * 0.05)
    return cells


def _measure_library(harness: Harness, quick: bool, progress: Progress) -> list[Cell]:
    return _requests(
        harness,
        progress,
        ("library on the SDK's pool", "library on its own pool"),
        in_flight=(32,) if quick else (10, 32, 100),
        count=_share(500 if quick else 5000),
        repetitions=1 if quick else 3,
    )


def _measure_growth(harness: Harness, quick: bool, progress: Progress) -> list[Cell]:
    sizes = {
        "cloud66-async": (100, 1_000) if quick else (100, 1_000, 10_000, 100_000),
        "raw": (100, 1_000) if quick else (100, 1_000, 10_000, 100_000),
        "aiohttp": () if quick else (100, 1_000, 10_000),
        "authlib on httpx2": () if quick else (100, 1_000, 10_000),
    }
    found: dict[tuple[str, int], list[dict[str, float]]] = {}
    for repetition in range(1 if quick else 3):
        for row, counts in sizes.items():
            for count in counts if repetition == 0 or row in ("cloud66-async", "raw") else ():
                progress(f"{repetition + 1}  {count:,} items  {row}")
                job: dict[str, Any] = {"row": row, "target": harness.target(), "what": "stack", "in_flight": 32}
                found.setdefault((row, count), []).append(harness.measure("requests", count=count, **job))
    return [_cell(row, str(count), results) for (row, count), results in found.items()]


def _measure_local(harness: Harness, quick: bool, progress: Progress) -> list[Cell]:
    cells: list[Cell] = []
    for name in ("decoding", "sender", "bulk"):
        progress(name)
        results = [harness.measure("local", name=name, quick=quick) for _ in range(1 if quick else 3)]
        cells.append(_cell(name, "", results))
    return cells


def _measure_jobs(harness: Harness, quick: bool, progress: Progress) -> list[Cell]:
    """Measure each whole job with and without latency."""
    cells: list[Cell] = []
    for job, rows in JOBS.items():
        for slow in (True,) if quick else (True, False):
            for row in list(rows)[:1] if quick else rows:
                progress(f"{job}  {row}")
                target = harness.target(slow=slow, fleet=True)
                values = harness.measure("job", target=target, job=job, row=row, repetitions=1 if quick else 5)
                point = {"job": job, "latency": "50 ms" if slow else "none"}
                cells.append(Cell(row, json.dumps(point), values))
    return cells


def _measure_route(harness: Harness, quick: bool, progress: Progress) -> list[Cell]:
    found: dict[str, list[dict[str, float]]] = {}
    for repetition in range(1 if quick else 3):
        for row, (_, share) in ROUTES.items() if not quick else list(ROUTES.items())[:2]:
            progress(f"{repetition + 1}  {row}")
            count = int((300 if quick else 6000) * share)
            options: dict[str, Any] = {"users": 64, "count": count, "load_core": harness.server_core}
            result = harness.measure("route", target=harness.target(fleet=True), row=row, **options)
            found.setdefault(row, []).append(result)
    return [_cell(row, "64", results) for row, results in found.items()]


def _measure_waiting(harness: Harness, quick: bool, progress: Progress) -> list[Cell]:
    cells: list[Cell] = []
    for count in (10,) if quick else (1, 10, 100, 600):
        for row in WAYS:
            progress(f"{count}  {row}")
            cells.append(Cell(row, str(count), harness.measure("waiting", row=row, count=count)))
    return cells


def _measure_rollout(harness: Harness, quick: bool, progress: Progress) -> list[Cell]:
    cells: list[Cell] = []
    for row in list(ROLLOUTS)[:1] if quick else ROLLOUTS:
        progress(row)
        cells.append(Cell(row, str(AT_ONCE), harness.measure("rollout", row=row)))
    return cells


def _measure_startup(harness: Harness, quick: bool, progress: Progress) -> list[Cell]:
    found = startup.measure(harness, quick=quick, progress=progress)
    return [Cell(row, "", values) for row, values in found.items()]


def _measure_stress(harness: Harness, quick: bool, progress: Progress) -> list[Cell]:
    scenarios: tuple[tuple[str, dict[str, Any]], ...] = (
        ("burst", {"count": 600 if quick else 3000, "limit": 20}),
        ("cancellation", {"count": 200 if quick else 1000, "limit": 10}),
    )
    cells: list[Cell] = []
    for name, sizes in scenarios:
        for row in ("cloud66-async",) if quick else ("cloud66-async", "httpx"):
            progress(f"{name}  {row}")
            values = harness.measure(name, target=harness.target(slow=True), row=row, **sizes)
            cells.append(Cell(row, json.dumps({"scenario": name} | sizes), values))
    return cells


PARTS = {
    "small": Part("Single stacks", "µs of CPU time per stack", _measure_small),
    "tls": Part("Single stacks over TLS", "µs of CPU time per stack", _measure_tls),
    "pages": Part("List pages of 100 stacks", "µs of CPU time per page", _measure_pages),
    "latency": Part(
        "Single stacks from a server that responds after 50 ms",
        "multiples of the ideal elapsed time",
        _measure_latency,
        shown="times the ideal",
    ),
    "library": Part("Interface of the HTTP library", "µs of CPU time per request", _measure_library),
    "growth": Part("Growth, 32 in flight", "µs of CPU time per stack", _measure_growth, axis="items"),
    "local": Part("Without a server", "µs of CPU time", _measure_local, shown=None),
    "jobs": Part("Whole jobs, 600 stacks", "seconds, ms of CPU time, and requests", _measure_jobs, shown=None),
    "route": Part(
        "A FastAPI route that lists the user's stacks",
        "µs of CPU time per request",
        _measure_route,
        axis="users at once",
    ),
    "waiting": Part(
        "Waiting for redeployments of 5 minutes",
        "requests after the starts",
        _measure_waiting,
        shown="requests",
        axis="redeployments",
    ),
    "rollout": Part(
        "Rollout of 600 stacks, redeployments of 5 minutes",
        "requests",
        _measure_rollout,
        shown="requests",
        axis="at a time",
    ),
    "startup": Part("Start of a program", "ms", _measure_startup, shown=None),
    "stress": Part("Stress", "reads", _measure_stress, shown=None),
}
