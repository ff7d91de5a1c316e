"""What the SDK has to reach, each as a number that a run gives and a bound for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import attrs

from .parts import Cell

__all__ = ["Outcome", "outcomes"]


class Results:
    """The cells of a run, by part, row and point."""

    def __init__(self, cells: Mapping[str, list[Cell]]) -> None:
        self._cells = {(part, cell.row, cell.point): cell.values for part, found in cells.items() for cell in found}

    def value(self, part: str, row: str, point: object, name: str = "cpu") -> float:
        """One number; KeyError where it was not measured."""
        return self._cells[part, row, str(point)][name]

    def cheaper(self, part: str, peer: str, points: tuple[int, ...], own: str = "cloud66-async") -> float:
        """How many times cheaper `own` is than `peer`, at the point where that is least."""
        return min(self.value(part, peer, point) / self.value(part, own, point) for point in points)

    def trial(self, name: str, value: str) -> float:
        """One number of one trial of ours."""
        for (part, row, point), values in self._cells.items():
            if part == "trials" and row == "cloud66-async" and json.loads(point)["trial"] == name:
                return values[value]
        raise KeyError(name)


@attrs.frozen
class Outcome:
    """One line of the table: what, the bound, what was measured (None: not in this run) and whether it is met."""

    what: str
    bound: str
    measured: float | None
    met: bool | None


@attrs.frozen
class _Target:
    what: str
    bound: float
    measure: Callable[[Results], float]
    unit: str = ""
    least: bool = False
    """Whether the bound is the least that must be reached, rather than the most that may be spent."""


def _through_the_library(results: Results, flight: int) -> float:
    return results.cheaper("library", "library's own pool", (flight,), own="library over our pool")


def _times_the_ideal(results: Results, flight: int) -> float:
    return results.value("latency", "cloud66-async", flight, "times the ideal")


def _pool_is_whole(results: Results) -> float:
    """Failures after the cancellations, and sockets beyond the pool's own."""
    beyond = max(0.0, results.trial("cancelling", "open") - results.trial("cancelling", "limit"))
    return results.trial("cancelling", "failed") + beyond + results.trial("cancelling", "left open")


_TARGETS = (
    _Target(
        "one stack, 100 in flight, against Authlib on httpx, gather, cattrs: cheaper by",
        40,
        lambda r: r.cheaper("small", "authlib on httpx", (100,)),
        "×",
        least=True,
    ),
    _Target(
        "the same against Authlib on httpx2: cheaper by",
        15,
        lambda r: r.cheaper("small", "authlib on httpx2", (100,)),
        "×",
        least=True,
    ),
    _Target(
        "against aiohttp and msgspec, 10 to 500 in flight: cheaper by",
        3,
        lambda r: r.cheaper("small", "aiohttp", (10, 32, 100, 500)),
        "×",
        least=True,
    ),
    _Target(
        "the same over TLS: cheaper by",
        2.5,
        lambda r: r.cheaper("tls", "aiohttp", (10, 100, 500)),
        "×",
        least=True,
    ),
    _Target(
        "one stack, 100 in flight, as a multiple of the raw client",
        3.5,
        lambda r: 1 / r.cheaper("small", "raw", (100,)),
        "×",
    ),
    _Target(
        "the pool alone, 10 to 100 in flight, as a multiple of the raw client",
        2,
        lambda r: 1 / r.cheaper("small", "raw", (10, 32, 100), own="pool"),
        "×",
    ),
    *(
        _Target(
            f"send(Request) over our pool against httpx2's own, {flight} in flight: cheaper by",
            bound,
            partial(_through_the_library, flight=flight),
            "×",
            least=True,
        )
        for flight, bound in ((10, 3.5), (32, 3.5), (100, 4.5))
    ),
    _Target(
        "list pages decoded, 32 in flight, against aiohttp and msgspec: cheaper by",
        1.3,
        lambda r: r.cheaper("pages", "aiohttp", (32,), own="cloud66-async, workers"),
        "×",
        least=True,
    ),
    *(
        _Target(
            f"1,000 stacks at 50 ms, {flight} in flight, as a multiple of the ideal duration",
            1.05,
            partial(_times_the_ideal, flight=flight),
            "×",
        )
        for flight in (32, 100)
    ),
    _Target(
        "processor time per item at 100,000 items against 1,000",
        1.15,
        lambda r: r.value("growth", "cloud66-async", 100_000) / r.value("growth", "cloud66-async", 1_000),
        "×",
    ),
    _Target(
        "memory for 100,000 streamed results above that for 1,000",
        2,
        lambda r: (
            r.value("growth", "cloud66-async", 100_000, "peak") - r.value("growth", "cloud66-async", 1_000, "peak")
        ),
        "MiB",
    ),
    _Target("decoding, per stack", 3.0, lambda r: r.value("local", "decoding", "", "page"), "µs"),
    _Target(
        "decoding, per stack of a page with one bad value",
        6.5,
        lambda r: r.value("local", "decoding", "", "bad page"),
        "µs",
    ),
    _Target(
        "a whole get over a null transport, without decoding", 10, lambda r: r.value("local", "sender", "", "get"), "µs"
    ),
    _Target(
        "bulk workers, per item that has to wait", 2, lambda r: r.value("local", "bulk", "", "each, one turn"), "µs"
    ),
    _Target("using(token=...)", 10, lambda r: r.value("local", "sender", "", "using"), "µs"),
    _Target(
        "import above asyncio, ssl, attrs and msgspec",
        10,
        lambda r: r.value("startup", "cloud66-async", "", "import"),
        "ms",
    ),
    _Target(
        "Authlib, httpx and anyio imported with it",
        0,
        lambda r: r.value("startup", "cloud66-async", "", "heavy modules"),
        "modules",
    ),
    _Target(
        "process start to first answer over TLS, as a part of Authlib's on httpx2",
        0.5,
        lambda r: (
            r.value("startup", "cloud66-async", "", "first answer")
            / r.value("startup", "authlib on httpx2", "", "first answer")
        ),
        "×",
    ),
    _Target("reads that failed of many at once, pool of 20", 0, lambda r: r.trial("crowd", "failed"), "reads"),
    _Target("failures and leaks after many cancelled reads, pool of 10", 0, _pool_is_whole),
)


def outcomes(cells: Mapping[str, list[Cell]]) -> list[Outcome]:
    """Every target against these cells."""
    results = Results(cells)
    return [_outcome(target, results) for target in _TARGETS]


def _outcome(target: _Target, results: Results) -> Outcome:
    bound = f"{'at least' if target.least else 'at most'} {target.bound:g} {target.unit}".strip()
    try:
        measured: Any = target.measure(results)
    except KeyError:
        return Outcome(target.what, bound, None, None)
    met = measured >= target.bound if target.least else measured <= target.bound
    return Outcome(target.what, bound, measured, met)
