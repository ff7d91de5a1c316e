"""What needs no server: decoding, the sender over a transport that answers at once, views, bulk workers."""

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

from cloud66_async import Cloud66, codec, each
from cloud66_async.operation import get
from cloud66_async.resources import stacks
from cloud66_async.resources._resource import Resource

from .rows import TOKEN
from .samples import BAD_PAGE, PAGE, PAGE_SIZE, STACK, PlainStack, uid

__all__ = ["MEASURES"]


def _timed(run: Callable[[], object], quick: bool, *, per: int, times: int) -> float:
    """Microseconds of processor time per item: the median of many turns of `times` runs.

    A turn of a few milliseconds is seldom interrupted by another program, so the median is of whole ones.
    """
    turns: list[float] = []
    run()
    for _ in range(20 if quick else 200):
        start = time.process_time()
        for _ in range(times):
            run()
        turns.append((time.process_time() - start) / times / per * 1e6)
    return median(turns)


def decoding(quick: bool) -> dict[str, float]:
    """Microseconds per stack."""
    plain: Any = msgspec.defstruct("Envelope", [("response", list[PlainStack])])
    fastest = msgspec.json.Decoder(plain, strict=False).decode
    ways: dict[str, Callable[[], object]] = {
        "page": lambda: codec.decode(PAGE, stacks.LIST.returns),
        "bad page": lambda: codec.decode(BAD_PAGE, stacks.LIST.returns),
        "msgspec alone": lambda: fastest(PAGE),
    }
    if find_spec("cattrs") is not None:
        converter: Any = import_module("cattrs.preconf.json").make_converter()
        ways["json and cattrs"] = lambda: converter.structure(json.loads(PAGE)["response"], list[PlainStack])
    found = {name: _timed(way, quick, per=PAGE_SIZE, times=5) for name, way in ways.items()}
    found["one stack"] = _timed(lambda: codec.decode(STACK, stacks.GET.returns), quick, per=1, times=400)
    return found


class _Answer:
    """An answer as a transport gives it, one request after the other."""

    status = 200
    body = b""
    headers: Mapping[str, str] = {}

    def __init__(self) -> None:
        self._left = 3600

    def header(self, name: bytes) -> bytes | None:
        if name == b"x-ratelimit-remaining":
            self._left = self._left - 1 or 3600
            return b"%d" % self._left
        return b"3600" if name == b"x-ratelimit-limit" else None


class _NullTransport:
    def __init__(self) -> None:
        self._answer = _Answer()

    async def send(self, request: object) -> _Answer:  # noqa: ARG002
        return self._answer

    async def aclose(self) -> None:
        pass


_GET_UNREAD = get("/stacks/{stack}.json")


class _Unread(Resource):
    """`stacks.get` without the decoding."""

    async def get(self, stack: str) -> None:
        return await self._call(_GET_UNREAD.bind(stack=stack))


def sender(quick: bool) -> dict[str, float]:
    """Microseconds of a whole `get` without decoding over a transport that answers at once, and of a view."""

    async def run() -> dict[str, float]:
        async with Cloud66(TOKEN, transport=_NullTransport()) as c66:
            unread = _Unread(c66.stacks._sender)  # noqa: SLF001
            await unread.get(uid(0))
            turns: list[float] = []
            for _ in range(20 if quick else 200):
                start = time.process_time()
                for _ in range(400):
                    await unread.get("5999b763474b0eafa5fafb64bff0ba80")
                turns.append((time.process_time() - start) / 400 * 1e6)
            return {
                "get": median(turns),
                "using": _timed(lambda: c66.using(token=TOKEN), quick, per=1, times=400),
                "using, and its stacks": _timed(lambda: c66.using(token=TOKEN).stacks, quick, per=1, times=400),
            }

    return asyncio.run(run())


async def _nothing(item: int) -> int:
    return item


async def _turn(item: int) -> int:
    await asyncio.sleep(0)
    return item


def bulk(quick: bool) -> dict[str, float]:
    """Microseconds per item that `each` adds to a function which returns at once, or after a turn of the loop."""
    count = 2_000

    async def through_each(function: Callable[[int], Awaitable[int]]) -> float:
        start = time.process_time()
        async with each(function, range(count), limit=32) as results:
            async for _ in results:
                pass
        return (time.process_time() - start) / count * 1e6

    async def through_workers(function: Callable[[int], Awaitable[int]]) -> float:
        remaining = iter(range(count))

        async def work() -> None:
            for item in remaining:
                await function(item)

        start = time.process_time()
        await asyncio.gather(*(work() for _ in range(32)))
        return (time.process_time() - start) / count * 1e6

    def added(function: Callable[[int], Awaitable[int]]) -> float:
        return median(
            asyncio.run(through_each(function)) - asyncio.run(through_workers(function))
            for _ in range(20 if quick else 100)
        )

    return {"each": added(_nothing), "each, one turn": added(_turn)}


MEASURES: dict[str, Callable[[bool], dict[str, float]]] = {"decoding": decoding, "sender": sender, "bulk": bulk}
