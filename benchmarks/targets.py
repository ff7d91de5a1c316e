"""Targets of the SDK: a bound for a number that a run measures."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import attrs

from .parts import Cell
from .server import LATENCY

__all__ = ["Outcome", "outcomes"]


class Results:
    """Cells of a run by part, row and point."""

    def __init__(self, cells: Mapping[str, list[Cell]]) -> None:
        self._cells = {(part, cell.row, cell.point): cell.values for part, found in cells.items() for cell in found}

    def value(self, part: str, row: str, point: object, name: str = "cpu") -> float:
        """Return one number. Raise KeyError if it was not measured."""
        return self._cells[part, row, str(point)][name]

    def factor(self, part: str, other: str, points: tuple[int, ...], own: str = "cloud66-async") -> float:
        """Return the CPU time of `other` divided by that of `own`, at the point with the lowest ratio."""
        return min(self.value(part, other, point) / self.value(part, own, point) for point in points)

    def job(self, row: str, name: str, latency: str, value: str) -> float:
        """Return one number of a whole job."""
        return self.value("jobs", row, json.dumps({"job": name, "latency": latency}), value)

    def route(self, other: str) -> float:
        """Return the CPU time that `other` adds to a route, divided by that of the SDK."""
        bare = self.value("route", "no call", 64)
        return (self.value("route", other, 64) - bare) / (self.value("route", "cloud66-async", 64) - bare)

    def stress(self, name: str, value: str) -> float:
        """Return one number of the SDK in one scenario of the part `stress`."""
        for (part, row, point), values in self._cells.items():
            if part == "stress" and row == "cloud66-async" and json.loads(point)["scenario"] == name:
                return values[value]
        raise KeyError(name)


@attrs.frozen
class Outcome:
    """One line of the table. `measured` and `met` are None if the run did not measure it."""

    name: str
    bound: str
    measured: float | None
    met: bool | None


@attrs.frozen
class _Target:
    name: str
    bound: float
    measure: Callable[[Results], float]
    unit: str = ""
    is_minimum: bool = False


def _library_factor(results: Results, in_flight: int) -> float:
    return results.factor("library", "library on its own pool", (in_flight,), own="library on the SDK's pool")


def _ideal_seconds(results: Results) -> float:
    """Return how long the requests of the job `read` take if 32 are always in flight after the first page."""
    requests = results.job("cloud66-async", "read", "50 ms", "requests")
    return (1 + math.ceil((requests - 1) / 32)) * LATENCY


def _waiting_requests(results: Results, count: int) -> float:
    return results.value("waiting", "cloud66-async", count, "requests")


def _times_the_ideal(results: Results, in_flight: int) -> float:
    return results.value("latency", "cloud66-async", in_flight, "times the ideal")


def _failures_and_leaks(results: Results) -> float:
    """Return the failures after the cancellations, plus the sockets above the limit or left open."""
    excess = max(0.0, results.stress("cancellation", "open") - results.stress("cancellation", "limit"))
    return results.stress("cancellation", "failed") + excess + results.stress("cancellation", "left open")


def _start_of(row: str, results: Results) -> float:
    """Return the time to the first line of a command, without that of Python."""
    return results.value("startup", row, "", "first output") - results.value(
        "startup", "python -c pass", "", "first output"
    )


_TARGETS = (
    _Target(
        "one stack, 100 in flight: CPU time of Authlib on httpx (gather, cattrs) divided by the SDK's",
        40,
        lambda r: r.factor("small", "authlib on httpx", (100,)),
        "×",
        is_minimum=True,
    ),
    _Target(
        "one stack, 100 in flight: CPU time of Authlib on httpx2 (gather, cattrs) divided by the SDK's",
        15,
        lambda r: r.factor("small", "authlib on httpx2", (100,)),
        "×",
        is_minimum=True,
    ),
    _Target(
        "one stack, 10 to 500 in flight: CPU time of aiohttp with msgspec divided by the SDK's",
        3,
        lambda r: r.factor("small", "aiohttp", (10, 32, 100, 500)),
        "×",
        is_minimum=True,
    ),
    _Target(
        "one stack over TLS, 10 to 500 in flight: CPU time of aiohttp with msgspec divided by the SDK's",
        2.5,
        lambda r: r.factor("tls", "aiohttp", (10, 100, 500)),
        "×",
        is_minimum=True,
    ),
    _Target(
        "one stack, 100 in flight: CPU time of the SDK divided by the raw client's",
        3.5,
        lambda r: 1 / r.factor("small", "raw", (100,)),
        "×",
    ),
    _Target(
        "one stack, 10 to 100 in flight: CPU time of the pool alone divided by the raw client's",
        2,
        lambda r: 1 / r.factor("small", "raw", (10, 32, 100), own="pool"),
        "×",
    ),
    *(
        _Target(
            f"one request, {in_flight} in flight: CPU time of httpx2 divided by httpx2's on the SDK's pool",
            bound,
            partial(_library_factor, in_flight=in_flight),
            "×",
            is_minimum=True,
        )
        for in_flight, bound in ((10, 3.5), (32, 3.5), (100, 4.5))
    ),
    _Target(
        "one page, 32 in flight: CPU time of aiohttp with msgspec divided by the SDK's",
        1.3,
        lambda r: r.factor("pages", "aiohttp", (32,), own="cloud66-async, workers"),
        "×",
        is_minimum=True,
    ),
    *(
        _Target(
            f"1,000 stacks at 50 ms, {in_flight} in flight: elapsed time divided by the ideal",
            1.05,
            partial(_times_the_ideal, in_flight=in_flight),
            "×",
        )
        for in_flight in (32, 100)
    ),
    _Target(
        "CPU time per item for 100,000 items divided by that for 1,000",
        1.15,
        lambda r: r.value("growth", "cloud66-async", 100_000) / r.value("growth", "cloud66-async", 1_000),
        "×",
    ),
    _Target(
        "memory for 100,000 streamed results minus that for 1,000",
        2,
        lambda r: (
            r.value("growth", "cloud66-async", 100_000, "peak") - r.value("growth", "cloud66-async", 1_000, "peak")
        ),
        "MiB",
    ),
    _Target(
        "600 stacks in one list at 50 ms: elapsed time divided by the latency",
        2.5,
        lambda r: r.job("cloud66-async", "list", "50 ms", "seconds") / LATENCY,
        "×",
    ),
    _Target(
        "600 stacks in one list: CPU time of aiohttp with msgspec divided by the SDK's",
        1.3,
        lambda r: r.job("aiohttp, workers", "list", "none", "cpu") / r.job("cloud66-async", "list", "none", "cpu"),
        "×",
        is_minimum=True,
    ),
    _Target(
        "one stack found by its name among 600",
        1,
        lambda r: r.job("cloud66-async", "find", "50 ms", "requests"),
        "request",
    ),
    _Target(
        "600 stacks with servers and newest deployment at 50 ms: elapsed time divided by the ideal",
        1.05,
        lambda r: r.job("cloud66-async", "read", "50 ms", "seconds") / _ideal_seconds(r),
        "×",
    ),
    *(
        _Target(
            f"a route for 64 users: CPU time above the bare route, {other} divided by the SDK",
            bound,
            partial(Results.route, other=other),
            "×",
            is_minimum=True,
        )
        for other, bound in (
            ("authlib, a client each", 30),
            ("authlib, shared transport", 10),
            ("httpx2", 4),
            ("aiohttp", 1.5),
        )
    ),
    *(
        _Target(
            f"requests to wait for {count} redeployments", bound, partial(_waiting_requests, count=count), "requests"
        )
        for count, bound in ((1, 15), (10, 155), (100, 400), (600, 920))
    ),
    _Target(
        "requests to wait for 600 redeployments, the list's results believed",
        320,
        lambda r: r.value("waiting", "cloud66-async, results of the list", 600, "requests"),
        "requests",
    ),
    _Target(
        "requests of a rollout of 600, 10 at a time",
        3400,
        lambda r: r.value("rollout", "cloud66-async", 10, "requests"),
        "requests",
    ),
    _Target(
        "requests of a rollout of 600, 10 at a time, durations learnt",
        2150,
        lambda r: r.value("rollout", "cloud66-async, durations learnt", 10, "requests"),
        "requests",
    ),
    _Target(
        "seconds after which the end of one of 600 redeployments is noticed, median",
        21,
        lambda r: r.value("waiting", "cloud66-async", 600, "delay"),
        "s",
    ),
    _Target("decoding, per stack", 3.0, lambda r: r.value("local", "decoding", "", "page"), "µs"),
    _Target(
        "decoding, per stack of a page with one invalid value",
        6.5,
        lambda r: r.value("local", "decoding", "", "bad page"),
        "µs",
    ),
    _Target("`get` over a null transport, without decoding", 10, lambda r: r.value("local", "sender", "", "get"), "µs"),
    _Target(
        "`each`, per call that suspends once", 2, lambda r: r.value("local", "bulk", "", "each, suspended once"), "µs"
    ),
    _Target("`using(token=...)`", 10, lambda r: r.value("local", "sender", "", "using"), "µs"),
    _Target(
        "import, without asyncio, ssl, attrs and msgspec",
        10,
        lambda r: r.value("startup", "cloud66-async", "", "import"),
        "ms",
    ),
    _Target(
        "imports of Authlib, httpx, httpx2 and anyio",
        0,
        lambda r: r.value("startup", "cloud66-async", "", "heavy modules"),
        "modules",
    ),
    _Target(
        "process start to first response over TLS: elapsed time divided by that of Authlib on httpx2",
        0.5,
        lambda r: (
            r.value("startup", "cloud66-async", "", "first response")
            / r.value("startup", "authlib on httpx2", "", "first response")
        ),
        "×",
    ),
    _Target(
        "process start to first row of `cloud66-async stacks`, minus that of `python -c pass`",
        250,
        partial(_start_of, "cloud66-async stacks"),
        "ms",
    ),
    *(
        _Target(
            f"process start to first line of `cloud66-async {arguments}`, minus that of `python -c pass`",
            130,
            partial(_start_of, f"cloud66-async {arguments}"),
            "ms",
        )
        for arguments in ("--help", "--version", "unknown")
    ),
    _Target("failed reads in a burst, pool of 20", 0, lambda r: r.stress("burst", "failed"), "reads"),
    _Target("failures and leaked sockets after many cancelled reads, pool of 10", 0, _failures_and_leaks),
)


def outcomes(cells: Mapping[str, list[Cell]]) -> list[Outcome]:
    """Compare every target with these cells."""
    results = Results(cells)
    return [_outcome(target, results) for target in _TARGETS]


def _outcome(target: _Target, results: Results) -> Outcome:
    bound = f"{'at least' if target.is_minimum else 'at most'} {target.bound:g} {target.unit}".strip()
    try:
        measured: Any = target.measure(results)
    except KeyError:
        return Outcome(target.name, bound, None, None)
    met = measured >= target.bound if target.is_minimum else measured <= target.bound
    return Outcome(target.name, bound, measured, met)
