"""Cancelled at every moment: nothing is lost, doubled, leaked or mistaken."""

from __future__ import annotations

import asyncio
import gc
import random
import ssl
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress

import pytest

from cloud66_async.errors import TransportError
from cloud66_async.pool import Origin, Pool, pool as pooling

from .servers import Peer, Server, answer, get, head, pieces, post, serve, stream, turns, until

MOST = 3000
BIG = b"x" * 400_000


async def handler(peer: Peer) -> None:
    """Echoes the target; `/big` gets a long body, `/stale` no answer on a connection used before."""
    answered = 0
    while (received := await peer.request()) is not None:
        if received.target == "/stale" and answered:
            return
        answered += 1
        await peer.send(answer(BIG if received.target == "/big" else received.target.encode()))


Request = Callable[[Pool, Server], Awaitable[object]]


async def read_stream(pool: Pool, server: Server) -> int:
    async with stream(pool, server, "/big") as streamed:
        return sum([len(part) async for part in streamed])


async def by_name(pool: Pool, server: Server) -> object:
    return await get(pool, Origin("localhost", server.origin.port, server.origin.tls), "/x")


async def warm(pool: Pool, server: Server) -> None:
    await get(pool, server, "/warm")


async def full(pool: Pool, server: Server) -> None:
    """All places taken, by requests that will end."""
    holders = [asyncio.ensure_future(read_stream(pool, server)) for _ in range(pool.limit)]
    await until(lambda: pool._limiter.free == 0)
    HOLDERS.extend(holders)


HOLDERS: list[asyncio.Future[int]] = []


async def cold(pool: Pool, server: Server) -> None:
    for connection in tuple(pool._live):
        connection.abort()


KINDS: dict[str, tuple[Callable[[Pool, Server], Awaitable[None]], Request]] = {
    "first": (cold, lambda pool, server: get(pool, server, "/x")),
    "kept": (warm, lambda pool, server: get(pool, server, "/x")),
    "head": (warm, lambda pool, server: get(pool, server, "/big", method="HEAD")),
    "write": (warm, lambda pool, server: post(pool, server, b"body", "/x")),
    "upload": (warm, lambda pool, server: post(pool, server, BIG, "/x")),
    "streamed-upload": (warm, lambda pool, server: post(pool, server, pieces(b"a", BIG, b"c"), "/x")),
    "download": (warm, lambda pool, server: get(pool, server, "/big")),
    "streamed-download": (warm, read_stream),
    "repeated": (warm, lambda pool, server: get(pool, server, "/stale")),
    "queued": (full, lambda pool, server: get(pool, server, "/x")),
    "looked-up": (cold, by_name),
}


@pytest.fixture
def names_are_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver of the loop answers after two turns, without a thread."""

    async def look_up(self: object, origin: Origin) -> list[object]:
        await turns(2)
        return [(2, 1, 6, "", ("127.0.0.1", origin.port))]

    monkeypatch.setattr("cloud66_async.pool.connector.Connector._look_up", look_up)


@pytest.mark.usefixtures("names_are_numbers")
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("kind", KINDS)
async def test_cancelled_after_exactly_so_many_turns(
    kind: str,
    secure: bool,
    server_tls: ssl.SSLContext,
    client_tls: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pooling, "FRESH", -1.0)
    before, request = KINDS[kind]
    pool = Pool(2, tls=client_tls)
    async with serve(handler, tls=server_tls if secure else None) as server:
        for count in range(MOST):
            await before(pool, server)
            task = asyncio.ensure_future(request(pool, server))
            await turns(count)
            finished = task.done()
            task.cancel()
            outcome = (await asyncio.gather(task, return_exceptions=True))[0]
            assert isinstance(outcome, asyncio.CancelledError) or finished, outcome
            await asyncio.gather(*HOLDERS)
            HOLDERS.clear()
            assert (pool._limiter.free, pool._opening) == (2, 0)
            assert pool.live == sum(map(len, pool._idle._by_origin.values()))
            assert (await get(pool, server, f"/{count}")).body == b"/%d" % count
            if finished:
                break
        else:
            pytest.fail("it never finished")
        assert count > 0
        await pool.aclose()
        await turns(10)
        assert asyncio.all_tasks() == {asyncio.current_task(), *server.tasks}


async def test_granted_and_cancelled_in_the_same_turn() -> None:
    pool = Pool(1)
    async with serve(handler) as server:
        first = asyncio.ensure_future(get(pool, server, "/1"))
        second = asyncio.ensure_future(get(pool, server, "/2"))
        third = asyncio.ensure_future(get(pool, server, "/3"))
        first.add_done_callback(lambda _: second.cancel())
        await asyncio.gather(first, second, return_exceptions=True)
        assert (await asyncio.wait_for(third, 5)).body == b"/3"
        assert pool._limiter.free == 1
        await pool.aclose()


async def test_a_late_answer_has_nobody_to_go_to(pool: Pool) -> None:
    async def slow(peer: Peer) -> None:
        while (received := await peer.request()) is not None:
            if received.target == "/slow":
                await turns(20)
            await peer.send(answer(received.target.encode()))

    async with serve(slow) as server:
        for number in range(30):
            task = asyncio.ensure_future(get(pool, server, "/slow"))
            await turns(number)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert (await get(pool, server, f"/{number}")).body == b"/%d" % number


@pytest.mark.slow
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_a_storm_of_cancellations(secure: bool, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    dice = random.Random(66)
    pool = Pool(10, tls=client_tls)

    async def storm(number: int) -> None:
        kind = dice.choice([get, read_stream])
        task = asyncio.ensure_future(get(pool, server, f"/{number}") if kind is get else read_stream(pool, server))
        await turns(dice.randrange(200))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async with serve(handler, tls=server_tls if secure else None) as server:
        await asyncio.gather(*(storm(number) for number in range(1000)))
        assert pool._limiter.free == 10
        results = await asyncio.gather(*(get(pool, server, f"/{number}") for number in range(100)))
        assert [result.body for result in results] == [b"/%d" % number for number in range(100)]
        assert pool.live <= 10
        await pool.aclose()
        await turns(10)
        assert asyncio.all_tasks() == {asyncio.current_task(), *server.tasks}


async def test_closing_the_pool_at_every_moment(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    async with serve(handler, tls=server_tls) as server:
        for count in range(MOST):
            pool = Pool(1, tls=client_tls)
            tasks = [asyncio.ensure_future(get(pool, server, "/x")) for _ in range(2)]
            await turns(count)
            finished = tasks[1].done()
            await pool.aclose()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(outcome, TransportError):
                    assert str(outcome) in {"the connection pool was closed", "the connection pool is closed"}
                else:
                    assert getattr(outcome, "status", outcome) == 200
            assert (pool._limiter.free, pool._opening, pool.live) == (1, 0, 0)
            if finished:
                break
        else:
            pytest.fail("it never finished")


@contextmanager
def garbage_of_ours() -> Generator[list[object], None, None]:
    """Filled, at the end of the block, with what of the package only the garbage collector would find."""
    found: list[object] = []
    gc.collect()
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found += [thing for thing in gc.garbage if type(thing).__module__.startswith("cloud66_async")]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


async def test_success_leaves_no_cyclic_garbage(pool: Pool) -> None:
    async with serve(handler) as server:
        await get(pool, server, "/x")
        with garbage_of_ours() as garbage:
            for _ in range(50):
                await pool.request(server.origin, "GET", head("GET", "/x"))
        assert pool.opened == 1
        assert garbage == []


async def test_failure_leaves_no_cyclic_garbage(pool: Pool) -> None:
    async def rude(peer: Peer) -> None:
        if await peer.request() is not None:
            await peer.send(b"nonsense")

    async def fail() -> None:
        with suppress(TransportError):
            await get(pool, server)

    async with serve(rude) as server:
        await fail()
        with garbage_of_ours() as garbage:
            for _ in range(10):
                await fail()
                await turns(3)
        assert garbage == []
