"""A storage for downloads that misbehaves, and the responses that it sends."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from cloud66_async import Cloud66
from cloud66_async.resources.backup_files import DownloadedFile

from ..conftest import PoolName
from ..support import TOKEN, ReceivedRequest, RecordingClock, Wire, packet, wire

__all__ = ["BODY", "ETAG", "SIGNATURE", "TARGET", "Reports", "Scripted", "Storage", "names", "rest", "storage", "whole"]

BODY = random.Random(66).randbytes(50_000)
SIGNATURE = "a%2Fb%2B~c"
TARGET = f"/backups/db%20one.tar?expires=1&signature={SIGNATURE}"
ETAG = '"v1"'

Scripted = bytes | Callable[[ReceivedRequest], bytes]


class Storage(NamedTuple):
    """A client, its API, and the storage that the API's URLs lead to."""

    c66: Cloud66
    api: Wire
    files: Wire
    clock: RecordingClock

    async def download(self, path: str | Path, **options: Any) -> DownloadedFile:
        return await self.c66.backup_files.download("web", 7, "tar-aa", path, **options)

    @property
    def ranges(self) -> list[tuple[str | None, str | None]]:
        """The headers `Range` and `If-Range` of each request to the storage."""
        return [(each.headers.get("range"), each.headers.get("if-range")) for each in self.files.received]


@asynccontextmanager
async def storage(
    transport: PoolName, *replies: Scripted, once: bool = True, url: str | None = None, **options: Any
) -> AsyncGenerator[Storage]:
    """Start an API and a storage that returns these replies, the last one repeatedly."""
    waiting = list(replies)
    clock = RecordingClock()

    def serve(received: ReceivedRequest) -> bytes:
        reply = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        return reply(received) if callable(reply) else reply

    def locate(_: ReceivedRequest) -> bytes:
        return packet(json.dumps({"response": {"ok": True, "public_url": url or files.url + TARGET}}).encode())

    async with (
        wire(serve, once=once) as files,
        wire(locate) as api,
        Cloud66(TOKEN, url=api.url, pool=transport, clock=clock, **options) as c66,
    ):
        yield Storage(c66, api, files, clock)


class Reports(list[tuple[int, int | None]]):
    """A progress callback that records its calls."""

    def __call__(self, received: int, total: int | None) -> None:
        self.append((received, total))


def whole(body: bytes = BODY, *headers: str, cut: int | None = None) -> bytes:
    """Return a response with the whole file, or one that breaks after `cut` bytes of it."""
    response = packet(body, "200 OK", *(headers or (f"ETag: {ETAG}",)))
    return response if cut is None else response[: len(response) - len(body) + cut]


def rest(start: int, *headers: str, size: int = len(BODY), cut: int | None = None) -> bytes:
    """Return a response with what is missing of the file."""
    body = BODY[start:]
    span = f"Content-Range: bytes {start}-{len(BODY) - 1}/{size}"
    response = packet(body, "206 Partial Content", span, *(headers or (f"ETag: {ETAG}",)))
    return response if cut is None else response[: len(response) - len(body) + cut]


def names(path: Path) -> list[str]:
    return sorted(each.name for each in path.iterdir())
