"""Cancellation at any time: no response is lost, sent twice or mixed up, and nothing leaks."""

from __future__ import annotations

import asyncio
import gc
import random
import ssl
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress

import pytest

from cloud66_async.errors import TransportError
from cloud66_async.pool import Origin, Pool, pool as pool_module

from ..support import iterations
from .servers import Peer, Server, async_body, get, make_response, post, request_headers, serve, stream, wait_until

MAX_ITERATIONS = 3000
BIG = b"x" * 400_000


async def handler(peer: Peer) -> None:
    """Echo the target. `/big` gets a long body; `/stale` gets no response on a reused connection."""
    responses = 0
    while (received := await peer.read_request()) is not None:
        if received.target == "/stale" and responses:
            return
        responses += 1
        await peer.send(make_response(BIG if received.target == "/big" else received.target.encode()))


Request = Callable[[Pool, Server], Awaitable[object]]


async def read_stream(pool: Pool, server: Server) -> int:
    async with stream(pool, server, "/big") as streamed:
        return sum([len(data) async for data in streamed])


async def by_name(pool: Pool, server: Server) -> object:
    return await get(pool, Origin("localhost", server.origin.port, server.origin.tls), "/x")


async def warm(pool: Pool, server: Server) -> None:
    await get(pool, server, "/warm")


async def full(pool: Pool, server: Server) -> None:
    """Take every slot with requests that will finish."""
    holders = [asyncio.ensure_future(read_stream(pool, server)) for _ in range(pool.limit)]
    await wait_until(lambda: pool._limiter.free == 0)
    HOLDERS.extend(holders)


HOLDERS: list[asyncio.Future[int]] = []


async def cold(pool: Pool, server: Server) -> None:
    for connection in tuple(pool._live):
        connection.abort()


KINDS: dict[str, tuple[Callable[[Pool, Server], Awaitable[None]], Request]] = {
    "first": (cold, lambda pool, server: get(pool, server, "/x")),
    "reused": (warm, lambda pool, server: get(pool, server, "/x")),
    "head": (warm, lambda pool, server: get(pool, server, "/big", method="HEAD")),
    "write": (warm, lambda pool, server: post(pool, server, b"body", "/x")),
    "upload": (warm, lambda pool, server: post(pool, server, BIG, "/x")),
    "streamed-upload": (warm, lambda pool, server: post(pool, server, async_body(b"a", BIG, b"c"), "/x")),
    "download": (warm, lambda pool, server: get(pool, server, "/big")),
    "streamed-download": (warm, read_stream),
    "retried": (warm, lambda pool, server: get(pool, server, "/stale")),
    "queued": (full, lambda pool, server: get(pool, server, "/x")),
    "resolved": (cold, by_name),
}


@pytest.fixture
def local_dns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the DNS lookup by one that takes two event loop iterations and no thread."""

    async def resolve(self: object, origin: Origin) -> list[object]:
        await iterations(2)
        return [(2, 1, 6, "", ("127.0.0.1", origin.port))]

    monkeypatch.setattr("cloud66_async.pool.connector.Connector._resolve", resolve)


@pytest.mark.usefixtures("local_dns")
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("kind", KINDS)
async def test_cancelled_after_any_number_of_iterations(
    kind: str,
    secure: bool,
    server_tls: ssl.SSLContext,
    client_tls: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool_module, "TRUSTED_IDLE", -1.0)
    before, request = KINDS[kind]
    pool = Pool(2, tls=client_tls)
    async with serve(handler, tls=server_tls if secure else None) as server:
        for count in range(MAX_ITERATIONS):
            await before(pool, server)
            task = asyncio.ensure_future(request(pool, server))
            await iterations(count)
            finished = task.done()
            task.cancel()
            outcome = (await asyncio.gather(task, return_exceptions=True))[0]
            assert isinstance(outcome, asyncio.CancelledError) or finished, outcome
            await asyncio.gather(*HOLDERS)
            HOLDERS.clear()
            assert (pool._limiter.free, pool._connecting) == (2, 0)
            assert pool.live == sum(map(len, pool._idle._by_origin.values()))
            assert (await get(pool, server, f"/{count}")).body == b"/%d" % count
            if finished:
                break
        else:
            pytest.fail("the request never finished")
        assert count > 0
        await pool.aclose()
        await iterations(10)
        assert asyncio.all_tasks() == {asyncio.current_task(), *server.tasks}


async def test_granted_and_cancelled_in_the_same_iteration() -> None:
    pool = Pool(1)
    async with serve(handler) as server:
        first = asyncio.ensure_future(get(pool, server, "/1"))
        second = asyncio.ensure_future(get(pool, server, "/2"))
        third = asyncio.ensure_future(get(pool, server, "/3"))
        first.add_done_callback(lambda _: second.cancel())
        await asyncio.gather(first, second, return_exceptions=True)
        assert (await asyncio.wait_for(third, 60)).body == b"/3"
        assert pool._limiter.free == 1
        await pool.aclose()


async def test_late_response_cannot_reach_another_request(pool: Pool) -> None:
    async def slow(peer: Peer) -> None:
        while (received := await peer.read_request()) is not None:
            if received.target == "/slow":
                await iterations(20)
            await peer.send(make_response(received.target.encode()))

    async with serve(slow) as server:
        for number in range(30):
            task = asyncio.ensure_future(get(pool, server, "/slow"))
            await iterations(number)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert (await get(pool, server, f"/{number}")).body == b"/%d" % number


@pytest.mark.slow
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_many_concurrent_cancellations(
    secure: bool, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    generator = random.Random(66)
    pool = Pool(10, tls=client_tls)

    async def cancel_request(number: int) -> None:
        kind = generator.choice([get, read_stream])
        task = asyncio.ensure_future(get(pool, server, f"/{number}") if kind is get else read_stream(pool, server))
        await iterations(generator.randrange(200))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async with serve(handler, tls=server_tls if secure else None) as server:
        await asyncio.gather(*(cancel_request(number) for number in range(1000)))
        assert pool._limiter.free == 10
        results = await asyncio.gather(*(get(pool, server, f"/{number}") for number in range(100)))
        assert [result.body for result in results] == [b"/%d" % number for number in range(100)]
        assert pool.live <= 10
        await pool.aclose()
        await iterations(10)
        assert asyncio.all_tasks() == {asyncio.current_task(), *server.tasks}


async def test_closing_the_pool_after_any_number_of_iterations(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async with serve(handler, tls=server_tls) as server:
        for count in range(MAX_ITERATIONS):
            pool = Pool(1, tls=client_tls)
            tasks = [asyncio.ensure_future(get(pool, server, "/x")) for _ in range(2)]
            await iterations(count)
            finished = tasks[1].done()
            await pool.aclose()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(outcome, TransportError):
                    assert str(outcome) in {"the connection pool was closed", "the connection pool is closed"}
                else:
                    assert getattr(outcome, "status", outcome) == 200
            assert (pool._limiter.free, pool._connecting, pool.live) == (1, 0, 0)
            if finished:
                break
        else:
            pytest.fail("the request never finished")


@contextmanager
def package_garbage() -> Generator[list[object], None, None]:
    """Collect the package's objects that the block leaves to the garbage collector. Filled at its end."""
    found: list[object] = []
    gc.collect()
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found += [item for item in gc.garbage if type(item).__module__.startswith("cloud66_async")]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


async def test_success_leaves_no_cyclic_garbage(pool: Pool) -> None:
    async with serve(handler) as server:
        await get(pool, server, "/x")
        with package_garbage() as garbage:
            for _ in range(50):
                await pool.request(server.origin, "GET", request_headers("GET", "/x"))
        assert pool.opened == 1
        assert garbage == []


async def test_failure_leaves_no_cyclic_garbage(pool: Pool) -> None:
    async def send_nonsense(peer: Peer) -> None:
        if await peer.read_request() is not None:
            await peer.send(b"nonsense")

    async def fail() -> None:
        with suppress(TransportError):
            await get(pool, server)

    async with serve(send_nonsense) as server:
        await fail()
        with package_garbage() as garbage:
            for _ in range(10):
                await fail()
                await iterations(3)
        assert garbage == []
