"""When a connection is used again, when it is not, and when a request is repeated."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from cloud66_async.errors import ConfigError, TransportError
from cloud66_async.pool import Pool, pool as pooling
from cloud66_async.pool.errors import ConnectionLost, StaleConnection
from cloud66_async.transport import Timeouts

from .servers import Clock, Peer, answer, echo, get, head, open_sockets, pieces, post, serve, turns, until


async def test_one_connection_serves_request_after_request(pool: Pool) -> None:
    async with serve(echo) as server:
        for number in range(10):
            assert (await get(pool, server, f"/{number}")).body == b"/%d|" % number
            assert (await post(pool, server, b"body", f"/{number}")).body == b"/%d|body" % number
        assert pool.opened == 1
        assert pool.live == 1


async def test_never_more_connections_than_the_limit(pool: Pool) -> None:
    under_way = peak = 0
    full = asyncio.Event()

    async def slow(peer: Peer) -> None:
        nonlocal under_way, peak
        while (received := await peer.request()) is not None:
            under_way += 1
            peak = max(peak, under_way)
            if under_way == pool.limit:
                full.set()
            await asyncio.wait_for(full.wait(), 10)
            await turns(5)  # for one too many
            under_way -= 1
            await peer.send(answer(received.target.encode()))

    async with serve(slow) as server:
        results = await asyncio.gather(*(get(pool, server, f"/{number}") for number in range(100)))
        assert [result.body for result in results] == [b"/%d" % number for number in range(100)]
        assert peak == pool.opened == pool.limit == 4


async def test_the_connection_used_last_is_used_first(pool: Pool) -> None:
    async with serve(echo) as server:
        await asyncio.gather(*(get(pool, server) for _ in range(3)))
        assert pool.opened == 3
        last = pool._idle.pop(server.origin)
        assert last is not None
        pool._idle.add(last)
        for _ in range(5):
            await get(pool, server)
            assert last.idle_since >= max(connection.idle_since for connection in pool._live)


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_an_idle_connection_is_closed_when_its_time_is_over(clock: Clock) -> None:
    pool = Pool(4, idle=15.0)
    async with serve(echo) as server:
        await get(pool, server, timeouts=Timeouts(read=30.0))
        await clock.forward(14)
        assert pool.live == 1
        await get(pool, server, timeouts=Timeouts(read=30.0))
        await clock.forward(14)
        assert pool.live == 1
        await clock.forward(2)
        assert pool.live == 0
        assert pool.opened == 1
        await get(pool, server, timeouts=Timeouts(read=30.0))
        assert pool.opened == 2
        await pool.aclose()


async def test_what_a_server_sends_unasked_ends_the_connection(pool: Pool) -> None:
    async with serve(echo) as server:
        await get(pool, server)
        await server.peers[0].send(answer(b"unasked"))
        await until(lambda: pool.live == 0)
        assert (await get(pool, server, "/next")).body == b"/next|"


@pytest.mark.parametrize("surplus", [answer(b"second"), b"H", b"junk", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_bytes_after_the_answer_end_the_connection_but_not_the_answer(pool: Pool, surplus: bytes) -> None:
    async def generous(peer: Peer) -> None:
        received = await peer.request()
        assert received is not None
        await peer.send(answer(received.target.encode()) + surplus)
        await peer.head()

    async with serve(generous) as server:
        for number in range(5):
            assert (await get(pool, server, f"/{number}")).body == b"/%d" % number
        assert pool.opened == 5
        assert pool.live == 0


@pytest.mark.parametrize("headers", [b"Connection: close\r\n", b"connection: Close\r\n"])
async def test_a_server_that_says_close_is_taken_at_its_word(pool: Pool, headers: bytes) -> None:
    async def closing(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer(b"bye", headers=headers))
        await peer.head()

    async with serve(closing) as server:
        for _ in range(3):
            assert (await get(pool, server)).body == b"bye"
            assert pool.live == 0


async def test_head_requests_share_a_connection_with_others(pool: Pool) -> None:
    async def handler(peer: Peer) -> None:
        while (received := await peer.request()) is not None:
            data = answer(received.target.encode())
            await peer.send(data[: data.index(b"\r\n\r\n") + 4] if received.method == "HEAD" else data)

    async with serve(handler) as server:
        for number in range(4):
            result = await get(pool, server, f"/{number}", method="HEAD")
            assert (result.body, result.header(b"content-length")) == (b"", b"2")
            assert (await get(pool, server, f"/{number}")).body == b"/%d" % number
        assert pool.opened == 1


class ClosingServer:
    """On the first `connections`: answers so many requests, reads one more, and ends."""

    def __init__(self, answers: int, farewell: bytes = b"", connections: int = 1) -> None:
        self.answers = answers
        self.farewell = farewell
        self.connections = connections
        self.read: list[str] = []

    async def __call__(self, peer: Peer) -> None:
        number = len(peer.server.peers)
        answered = 0
        while (received := await peer.request()) is not None:
            self.read.append(received.target)
            if number <= self.connections and answered >= self.answers:
                await peer.send(self.farewell)
                return
            answered += 1
            await peer.send(answer(received.target.encode()))


async def test_a_request_that_met_the_close_is_sent_once_more_on_a_new_connection(pool: Pool) -> None:
    closing = ClosingServer(1)
    async with serve(closing) as server:
        await get(pool, server, "/1")
        assert (await get(pool, server, "/2")).body == b"/2"
        assert closing.read == ["/1", "/2", "/2"]
        assert pool.opened == 2


async def test_the_second_attempt_takes_no_chances_with_a_kept_connection(pool: Pool) -> None:
    closing = ClosingServer(1, connections=2)
    async with serve(closing) as server:
        await asyncio.gather(get(pool, server, "/1"), get(pool, server, "/1"))
        assert (await get(pool, server, "/2")).body == b"/2"
        assert closing.read.count("/2") == 2
        assert pool.opened == 3


async def test_it_is_sent_once_more_only_once(pool: Pool) -> None:
    closing = ClosingServer(1)
    async with serve(closing) as server:
        await asyncio.gather(get(pool, server, "/1"), get(pool, server, "/1"))
        closing.answers, closing.connections = 0, 99
        with pytest.raises(ConnectionLost):
            await get(pool, server, "/2")
        assert closing.read.count("/2") == 2


async def test_what_must_not_be_repeated_is_not(pool: Pool) -> None:
    closing = ClosingServer(1)
    async with serve(closing) as server:
        await get(pool, server, "/1")
        with pytest.raises(StaleConnection) as caught:
            await post(pool, server, b"x", "/2")
        assert caught.value.sent
        assert closing.read == ["/1", "/2"]
        assert pool._limiter.free == pool.limit


async def test_a_body_that_cannot_be_replayed_is_not_repeated(pool: Pool) -> None:
    closing = ClosingServer(1)

    async with serve(closing) as server:
        await get(pool, server, "/1")
        with pytest.raises(StaleConnection):
            await post(pool, server, pieces(b"x"), "/2", repeatable=True)
        assert closing.read == ["/1", "/2"]


async def test_a_new_connection_is_never_stale(pool: Pool) -> None:
    closing = ClosingServer(0)
    async with serve(closing) as server:
        with pytest.raises(ConnectionLost) as caught:
            await get(pool, server, "/1")
        assert not isinstance(caught.value, StaleConnection)
        assert closing.read == ["/1"]


async def test_an_answer_that_began_is_not_asked_for_again(pool: Pool) -> None:
    closing = ClosingServer(1, farewell=b"HTTP/1.1 200")
    async with serve(closing) as server:
        await get(pool, server, "/1")
        with pytest.raises(ConnectionLost) as caught:
            await get(pool, server, "/2")
        assert not isinstance(caught.value, StaleConnection)
        assert closing.read == ["/1", "/2"]


async def test_408_with_close_on_a_kept_connection_is_the_close_race(pool: Pool) -> None:
    closing = ClosingServer(1, farewell=answer(b"too slow", status=408, headers=b"Connection: close\r\n"))
    async with serve(closing) as server:
        await get(pool, server, "/1")
        assert (await get(pool, server, "/2")).body == b"/2"
        assert closing.read == ["/1", "/2", "/2"]


@pytest.mark.parametrize("first", [True, False])
async def test_any_other_408_is_an_answer(pool: Pool, first: bool) -> None:
    headers = b"Connection: close\r\n" if first else b""
    closing = ClosingServer(0 if first else 1, farewell=answer(b"too slow", status=408, headers=headers))
    async with serve(closing) as server:
        if not first:
            await get(pool, server, "/1")
        assert (await get(pool, server, "/2")).status == 408


async def test_a_write_meets_no_close_that_has_already_arrived(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pooling, "FRESH", -1.0)
    async with serve(echo) as server:
        for number in range(20):
            assert (await get(pool, server)).status == 200
            for peer in server.peers:
                peer.abort()
            assert (await post(pool, server, b"x", f"/{number}")).body == b"/%d|x" % number
        assert sum(received.method == "POST" for received in server.received) == 20


async def test_a_server_that_closes_idle_connections_under_load(pool: Pool) -> None:
    async def moody(peer: Peer) -> None:
        for _ in range(3):
            received = await peer.request()
            if received is None:
                return
            await peer.send(answer(received.target.encode()))

    async with serve(moody) as server:
        results = await asyncio.gather(*(get(pool, server, f"/{number}") for number in range(300)))
        assert [result.body for result in results] == [b"/%d" % number for number in range(300)]


@pytest.mark.asyncio(loop_factories=["asyncio"])  # uvloop counts whole milliseconds
async def test_the_longest_idle_connection_of_any_origin_makes_room() -> None:
    pool = Pool(2)
    async with serve(echo) as first, serve(echo) as second, serve(echo) as third:
        await get(pool, first)
        await get(pool, second)
        await get(pool, third)
        assert {connection.origin for connection in pool._live} == {second.origin, third.origin}
        await get(pool, second)
        await get(pool, first)
        assert {connection.origin for connection in pool._live} == {second.origin, first.origin}
        await pool.aclose()


async def test_nothing_is_kept_of_an_origin_without_connections(pool: Pool) -> None:
    async with serve(echo) as server:
        await get(pool, server)
        server.peers[0].abort()
        await until(lambda: pool.live == 0)
        assert pool._idle._by_origin == {}


async def test_connections_being_opened_count() -> None:
    pool = Pool(3)
    async with serve(echo) as first, serve(echo) as second:
        await asyncio.gather(*(get(pool, first) for _ in range(3)))
        assert pool.live == 3
        requests = [asyncio.ensure_future(get(pool, second)) for _ in range(3)]
        while not all(request.done() for request in requests):
            assert pool.live + pool._opening <= 3
            await asyncio.sleep(0)
        await asyncio.gather(*requests)
        await pool.aclose()


async def test_an_idle_connection_holds_no_body(pool: Pool) -> None:
    async with serve(echo) as server:
        await post(pool, server, b"x" * 1000)
        (connection,) = pool._live
        assert connection.parser.parts == []
        assert connection.parser.header_section == b""


async def test_a_closed_pool_says_so() -> None:
    pool = Pool()
    await pool.aclose()
    async with serve(echo) as server:
        with pytest.raises(TransportError, match="pool is closed") as caught:
            await get(pool, server)
        assert not caught.value.sent
        await pool.aclose()


async def test_closing_ends_what_is_under_way_and_what_waits() -> None:
    async def silent(peer: Peer) -> None:
        await peer.request()
        await peer.head()

    pool = Pool(2)
    async with serve(silent) as server:
        requests = [asyncio.ensure_future(get(pool, server)) for _ in range(5)]
        await until(lambda: len(server.received) == 2)
        await pool.aclose()
        results = await asyncio.gather(*requests, return_exceptions=True)
        assert [isinstance(result, TransportError) and result.sent for result in results] == [True] * 2 + [False] * 3
        assert all("pool was closed" in str(result) for result in results)
        assert pool._limiter.free == 2


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_when_closing_returns_the_sockets_are_closed(
    secure: bool, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    pool = Pool(3, tls=client_tls)
    async with serve(echo, tls=server_tls if secure else None) as server:
        await asyncio.gather(*(get(pool, server) for _ in range(3)))
        before = open_sockets()
        await pool.aclose()
        assert open_sockets() <= before - 3


def test_another_event_loop_is_refused_in_one_sentence() -> None:
    pool = Pool()
    with asyncio.Runner() as runner:
        runner.run(_once(pool))
    with asyncio.Runner() as runner:
        for attempt in (_once(pool), pool.aclose()):
            with pytest.raises(ConfigError, match="another event loop: open one client per event loop"):
                runner.run(attempt)


async def _once(pool: Pool) -> None:
    async with serve(echo) as server:
        await get(pool, server)
        for connection in tuple(pool._live):
            connection.abort()
        await turns(4)


def test_a_pool_without_places_is_refused() -> None:
    with pytest.raises(ConfigError):
        Pool(0)


async def test_a_head_and_a_small_body_are_one_write(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(echo) as server:
        await get(pool, server)
        (connection,) = pool._live
        written: list[bytes] = []
        real = connection.transport

        class Recording:
            def write(self, data: bytes) -> None:
                written.append(bytes(data))
                real.write(data)

        monkeypatch.setattr(connection, "transport", Recording())
        await post(pool, server, b"body")
        monkeypatch.undo()
        assert written == [head("POST", length=4) + b"body"]
