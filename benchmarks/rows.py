"""Rows of the tables: ways to read stacks, from the method call to the decoded object."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

import attrs
import msgspec

from cloud66_async import Cloud66, Timeouts

from .samples import PlainStack

__all__ = ["HEADERS", "ROWS", "SECONDS", "TOKEN", "Job", "Row", "Target", "library_options", "one_by_one"]

TOKEN = "b806f1c3344eb3aa2a024b23254b75b36d677352a6b2eefec6e345ee2b491521"
HEADERS = {"Accept": "application/json", "Authorization": f"Bearer {TOKEN}"}
SECONDS = 60.0


@attrs.frozen
class Target:
    """The server's URL, and the file with its CA certificate."""

    url: str
    authority: str | None = None

    @property
    def tls(self) -> ssl.SSLContext | None:
        return None if self.authority is None else ssl.create_default_context(cafile=self.authority)


@attrs.frozen
class Job:
    """Measurement of one process: `count` reads of `what` (`stack` or `page`), `in_flight` at a time."""

    row: str
    target: Target
    what: str
    count: int
    in_flight: int

    def path(self, item: Any) -> str:
        return f"/api/3/stacks.json?page={item}" if self.what == "page" else f"/api/3/stacks/{item}.json"

    def url(self, item: Any) -> str:
        return self.target.url + self.path(item)

    def decoder(self) -> Callable[[bytes], Any]:
        """Return the fastest decoder that other clients can use: msgspec into plain attrs classes."""
        kind: Any = list[PlainStack] if self.what == "page" else PlainStack
        envelope: Any = msgspec.defstruct("Envelope", [("response", kind)])
        return msgspec.json.Decoder(envelope, strict=False).decode


Fetch = Callable[[Any], Awaitable[object]]
Items = Iterable[Any]


# --- how requests run -------------------------------------------------------------------------------


async def one_by_one(fetch: Fetch, items: Items, in_flight: int) -> None:  # noqa: ARG001
    """Run one request after another."""
    for item in items:
        await fetch(item)


async def _gather(fetch: Fetch, items: Items, in_flight: int) -> None:  # noqa: ARG001  limited by the library's pool
    await asyncio.gather(*map(fetch, items))


async def _semaphore(fetch: Fetch, items: Items, in_flight: int) -> None:
    semaphore = asyncio.Semaphore(in_flight)

    async def one(item: Any) -> None:
        async with semaphore:
            await fetch(item)

    await asyncio.gather(*map(one, items))


async def _workers(fetch: Fetch, items: Items, in_flight: int) -> None:
    remaining = iter(items)

    async def work() -> None:
        for item in remaining:
            await fetch(item)

    await asyncio.gather(*(work() for _ in range(in_flight)))


async def _each(fetch: Fetch, items: Items, in_flight: int) -> None:
    from cloud66_async import Failed, each

    async with each(fetch, items, limit=in_flight) as results:
        async for result in results:
            if isinstance(result, Failed):
                raise result.error


# --- clients ----------------------------------------------------------------------------------------


@asynccontextmanager
async def _cloud66(job: Job) -> AsyncGenerator[Fetch]:
    async with Cloud66(TOKEN, url=job.target.url, limit=job.in_flight, tls=job.target.tls) as c66:
        yield c66.stacks.list().page if job.what == "page" else c66.stacks.get


@asynccontextmanager
async def _pool(job: Job) -> AsyncGenerator[Fetch]:
    from cloud66_async.pool import Origin, Pool

    parts = urlsplit(job.target.url)
    origin = Origin(str(parts.hostname), parts.port or 0, parts.scheme == "https")
    headers = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    timeouts = Timeouts(5.0, SECONDS, SECONDS, None, SECONDS)
    pool = Pool(job.in_flight, tls=job.target.tls)

    async def fetch(item: Any) -> object:
        request = f"GET {parts.path}{job.path(item)} HTTP/1.1\r\nHost: {parts.netloc}\r\n{headers}\r\n".encode()
        return await pool.request(origin, "GET", request, timeouts=timeouts)

    yield fetch
    await pool.aclose()


@asynccontextmanager
async def _raw(job: Job) -> AsyncGenerator[Fetch]:
    from .raw import RawClient

    parts = urlsplit(job.target.url)
    client = RawClient(str(parts.hostname), parts.port or 0, job.target.tls)
    yield lambda item: client.get(parts.path + job.path(item))
    client.close()


@asynccontextmanager
async def _aiohttp(job: Job) -> AsyncGenerator[Fetch]:
    aiohttp: Any = import_module("aiohttp")
    decode = job.decoder()
    connector = aiohttp.TCPConnector(limit=job.in_flight, keepalive_timeout=SECONDS, ssl=job.target.tls or True)
    async with aiohttp.ClientSession(connector=connector, headers=HEADERS) as session:

        async def fetch(item: Any) -> object:
            async with session.get(job.url(item)) as response:
                return decode(await response.read())

        yield fetch


def library_options(library: Any, target: Target, limit: int) -> dict[str, Any]:
    """Return arguments of a client of the HTTP library, for so many connections and without a limit on the wait."""
    limits = library.Limits(max_connections=limit, max_keepalive_connections=limit, keepalive_expiry=SECONDS)
    return {"limits": limits, "timeout": library.Timeout(SECONDS, pool=None), "verify": target.tls or True}


def _bare(name: str) -> Callable[[Job], AbstractAsyncContextManager[Fetch]]:
    @asynccontextmanager
    async def open_client(job: Job) -> AsyncGenerator[Fetch]:
        library: Any = import_module(name)
        async with library.AsyncClient(
            headers=HEADERS, **library_options(library, job.target, job.in_flight)
        ) as client:

            async def fetch(item: Any) -> object:
                return (await client.get(job.url(item))).json()

            yield fetch

    return open_client


@asynccontextmanager
async def _authlib(job: Job) -> AsyncGenerator[Fetch]:
    from cloud66_async._http.library import AsyncOAuth2Client, httpx

    converter: Any = import_module("cattrs.preconf.json").make_converter()
    kind: Any = list[PlainStack] if job.what == "page" else PlainStack
    token = {"access_token": TOKEN, "token_type": "Bearer"}
    async with AsyncOAuth2Client(
        "id", "secret", token=token, **library_options(httpx, job.target, job.in_flight)
    ) as client:

        async def fetch(item: Any) -> object:
            response = await client.get(job.url(item))
            return converter.structure(json.loads(response.content)["response"], kind)

        yield fetch


@asynccontextmanager
async def _library_on_pool(job: Job) -> AsyncGenerator[Fetch]:
    from cloud66_async._http.library import httpx

    async with (
        Cloud66(TOKEN, url=job.target.url, limit=job.in_flight, tls=job.target.tls) as c66,
        httpx.AsyncClient(transport=c66.transport) as client,
    ):
        headers, extensions = httpx.Headers(HEADERS), {"timeout": httpx.Timeout(SECONDS, pool=None).as_dict()}

        async def fetch(item: Any) -> object:
            request = httpx.Request("GET", job.url(item), headers=headers, extensions=extensions)
            return (await client.send(request)).content

        yield fetch


@asynccontextmanager
async def _library(job: Job) -> AsyncGenerator[Fetch]:
    from cloud66_async._http.library import httpx

    async with httpx.AsyncClient(headers=HEADERS, **library_options(httpx, job.target, job.in_flight)) as client:

        async def fetch(item: Any) -> object:
            return (await client.get(job.url(item))).content

        yield fetch


@attrs.frozen
class Row:
    """One way to read stacks.

    Args:
        description: Client, concurrency and decoding.
        open: Opens the client.
        run: Calls the client for many items concurrently.
        share: Number of requests in a run, as a fraction of those of the fast rows.
        httpx_alone: Whether to use the interpreter whose environment does not have httpx2.
        most: Highest number of requests in flight to measure.
    """

    description: str
    open: Callable[[Job], AbstractAsyncContextManager[Fetch]]
    run: Callable[[Fetch, Items, int], Awaitable[None]]
    share: float = 1.0
    httpx_alone: bool = False
    most: int = 500


ROWS = {
    "cloud66-async": Row("c66.each(c66.stacks.get, uids), into attrs", _cloud66, _each),
    "cloud66-async, workers": Row("the same calls from workers, like the other clients", _cloud66, _workers),
    "raw": Row("asyncio.BufferedProtocol, workers, reads only the length", _raw, _workers),
    "pool": Row("the SDK's pool alone, workers, without decoding", _pool, _workers),
    "aiohttp": Row("aiohttp, workers, msgspec into attrs", _aiohttp, _workers),
    "authlib on httpx": Row(
        "AsyncOAuth2Client.get, gather, json + cattrs", _authlib, _gather, share=0.1, httpx_alone=True, most=100
    ),
    "authlib on httpx2": Row("AsyncOAuth2Client.get, gather, json + cattrs", _authlib, _gather, share=0.2, most=100),
    "httpx": Row("AsyncClient.get, gather, json", _bare("httpx"), _gather, share=0.05, most=100),
    "httpx, semaphore": Row(
        "AsyncClient.get, gather, semaphore, json", _bare("httpx"), _semaphore, share=0.05, most=100
    ),
    "httpx2": Row("AsyncClient.get, gather, json", _bare("httpx2"), _gather, share=0.2, most=100),
    "library on the SDK's pool": Row("client.send(Request) over c66.transport, workers", _library_on_pool, _workers),
    "library on its own pool": Row(
        "AsyncClient.get, workers, without decoding", _library, _workers, share=0.2, most=100
    ),
}
