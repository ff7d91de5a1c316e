"""Measurements without a server: decoding, the sender over a transport that responds immediately, views, bulk calls."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from statistics import median
from typing import Any

import msgspec

from cloud66_async import Cloud66, each
from cloud66_async._core import codec
from cloud66_async.operation import get
from cloud66_async.resources import stacks
from cloud66_async.resources._resource import Resource

from .rows import TOKEN
from .samples import BAD_PAGE, PAGE, PAGE_SIZE, STACK, PlainStack, uid

__all__ = ["MEASUREMENTS"]


def _cpu_time(run: Callable[[], object], quick: bool, *, per: int, times: int) -> float:
    """Return microseconds of CPU time per item: the median of many rounds of `times` runs.

    A round takes a few milliseconds, so other programs interrupt only a few of them.
    """
    rounds: list[float] = []
    run()
    for _ in range(20 if quick else 200):
        start = time.process_time()
        for _ in range(times):
            run()
        rounds.append((time.process_time() - start) / times / per * 1e6)
    return median(rounds)


def measure_decoding(quick: bool) -> dict[str, float]:
    """Return microseconds per stack."""
    plain: Any = msgspec.defstruct("Envelope", [("response", list[PlainStack])])
    fastest = msgspec.json.Decoder(plain, strict=False).decode
    decoders: dict[str, Callable[[], object]] = {
        "page": lambda: codec.decode(PAGE, stacks.LIST.returns),
        "bad page": lambda: codec.decode(BAD_PAGE, stacks.LIST.returns),
        "msgspec alone": lambda: fastest(PAGE),
    }
    if find_spec("cattrs") is not None:
        converter: Any = import_module("cattrs.preconf.json").make_converter()
        decoders["json and cattrs"] = lambda: converter.structure(json.loads(PAGE)["response"], list[PlainStack])
    found = {name: _cpu_time(decode, quick, per=PAGE_SIZE, times=5) for name, decode in decoders.items()}
    found["one stack"] = _cpu_time(lambda: codec.decode(STACK, stacks.GET.returns), quick, per=1, times=400)
    return found


class _Response:
    """An empty response with a decreasing quota."""

    status = 200
    body = b""
    headers: Mapping[str, str] = {}

    def __init__(self) -> None:
        self._remaining = 3600

    def header(self, name: bytes) -> bytes | None:
        if name == b"x-ratelimit-remaining":
            self._remaining = self._remaining - 1 or 3600
            return b"%d" % self._remaining
        return b"3600" if name == b"x-ratelimit-limit" else None


class _NullTransport:
    def __init__(self) -> None:
        self._response = _Response()

    async def send(self, request: object) -> _Response:  # noqa: ARG002
        return self._response

    async def aclose(self) -> None:
        pass


_GET_UNDECODED = get("/stacks/{stack}.json")


class _UndecodedStacks(Resource):
    """`stacks.get` without decoding."""

    async def get(self, stack: str) -> None:
        return await self._call(_GET_UNDECODED.bind(stack=stack))


def measure_sender(quick: bool) -> dict[str, float]:
    """Return microseconds of a `get` without decoding over a transport that responds immediately, and of a view."""

    async def run() -> dict[str, float]:
        async with Cloud66(TOKEN, transport=_NullTransport()) as c66:
            undecoded = _UndecodedStacks(c66.stacks._sender)  # noqa: SLF001
            await undecoded.get(uid(0))
            rounds: list[float] = []
            for _ in range(20 if quick else 200):
                start = time.process_time()
                for _ in range(400):
                    await undecoded.get("5999b763474b0eafa5fafb64bff0ba80")
                rounds.append((time.process_time() - start) / 400 * 1e6)
            return {
                "get": median(rounds),
                "using": _cpu_time(lambda: c66.using(token=TOKEN), quick, per=1, times=400),
                "using, and its stacks": _cpu_time(lambda: c66.using(token=TOKEN).stacks, quick, per=1, times=400),
            }

    return asyncio.run(run())


async def _return(item: int) -> int:
    return item


async def _suspend(item: int) -> int:
    await asyncio.sleep(0)
    return item


def measure_bulk(quick: bool) -> dict[str, float]:
    """Return microseconds per item that `each` adds to a function that does not suspend, or suspends once."""
    count = 2_000

    async def with_each(function: Callable[[int], Awaitable[int]]) -> float:
        start = time.process_time()
        async with each(function, range(count), limit=32) as results:
            async for _ in results:
                pass
        return (time.process_time() - start) / count * 1e6

    async def with_tasks(function: Callable[[int], Awaitable[int]]) -> float:
        remaining = iter(range(count))

        async def work() -> None:
            for item in remaining:
                await function(item)

        start = time.process_time()
        await asyncio.gather(*(work() for _ in range(32)))
        return (time.process_time() - start) / count * 1e6

    def added(function: Callable[[int], Awaitable[int]]) -> float:
        return median(
            asyncio.run(with_each(function)) - asyncio.run(with_tasks(function)) for _ in range(20 if quick else 100)
        )

    return {"each": added(_return), "each, suspended once": added(_suspend)}


MEASUREMENTS: dict[str, Callable[[bool], dict[str, float]]] = {
    "decoding": measure_decoding,
    "sender": measure_sender,
    "bulk": measure_bulk,
}
