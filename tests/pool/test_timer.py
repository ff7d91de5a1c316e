"""The timer of a connection, which all its timeouts share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from cloud66_async.pool import Pool
from cloud66_async.transport import Timeouts

from ..support import iterations
from .servers import Clock, Peer, echo, get, make_response, serve, stream, timed_out, wait_until

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])


async def test_timed_out_stream_leaves_no_timer(pool: Pool, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    async def send_half(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(make_response(b"one" + b"two")[:-3])
        await peer.read_headers()

    async with serve(send_half) as server:
        async with stream(pool, server, timeouts=Timeouts(read=5.0, total=3600.0)) as streamed:
            reader = aiter(streamed)
            assert await anext(reader) == b"one"
            connection = next(iter(pool._live))
            task = asyncio.ensure_future(anext(reader))
            await iterations(4)
            await clock.advance(6)
            assert await timed_out(task) == ("read", True)
        await iterations(4)
        assert connection._timer is None


async def test_timer_of_an_earlier_request_does_not_affect_a_later_one(pool: Pool, clock: Clock) -> None:
    async with serve(echo) as server:
        await get(pool, server, timeouts=Timeouts(read=5.0))
        await clock.advance(4)
        assert (await get(pool, server, timeouts=Timeouts(read=None))).status == 200
        await clock.advance(4)
        assert pool.live == 1


async def test_requests_share_one_timer(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(echo) as server:
        await get(pool, server, timeouts=Timeouts())
        loop = asyncio.get_running_loop()
        set_timers: list[float] = []
        real = loop.call_at

        def call_at(when: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
            set_timers.append(when)
            return real(when, callback)

        monkeypatch.setattr(loop, "call_at", call_at)
        for _ in range(20):
            await get(pool, server, timeouts=Timeouts())
        assert set_timers == []


async def test_timer_without_a_timeout_is_not_set_again(pool: Pool, clock: Clock) -> None:
    async def send_half(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(make_response(b"one" + b"two")[:-3])
        await peer.read_headers()

    async with serve(send_half) as server, stream(pool, server, timeouts=Timeouts(read=5.0, total=None)) as streamed:
        reader = aiter(streamed)
        assert await anext(reader) == b"one"
        (connection,) = pool._live
        await clock.advance(6)
        assert not connection.closed
        assert connection._timer is None


async def test_timer_is_cancelled_by_an_earlier_one_and_by_a_lost_connection(pool: Pool) -> None:
    async with serve(echo) as server:
        await get(pool, server, timeouts=Timeouts(read=60.0))
        (connection,) = pool._live
        first = connection._timer
        await get(pool, server, timeouts=Timeouts(read=5.0))
        second = connection._timer
        assert first is not None
        assert second is not None
        assert first.cancelled()
        for peer in server.peers:
            peer.abort()
        await wait_until(lambda: connection._timer is None)
        assert second.cancelled()
