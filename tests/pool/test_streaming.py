"""Bodies that go, and come, piece by piece."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from unittest import mock

import pytest

from cloud66_async.errors import TransportError
from cloud66_async.pool import Pool, StreamedResponse, connection as connecting
from cloud66_async.pool.errors import ConnectionLost, InvalidResponse
from cloud66_async.transport import Timeouts

from .servers import PATIENT, Peer, answer, echo, get, head, pieces, post, serve, stream, turns, until

BIG = bytes(range(256)) * 8192  # 2 MiB


async def big(peer: Peer) -> None:
    while (received := await peer.request()) is not None:
        await peer.send(answer(BIG if received.target == "/big" else received.target.encode()))


@pytest.mark.parametrize("size", [0, 1, connecting.SLICE, connecting.SLICE + 1, 1_000_000])
async def test_bodies_of_every_size_arrive_whole(pool: Pool, size: int) -> None:
    body = (BIG * 2)[:size]
    async with serve(echo) as server:
        for _ in range(3):
            assert (await post(pool, server, body)).body == b"/|" + body
            assert (await post(pool, server, pieces(body, b"", body))).body == b"/|" + body + body
        assert pool.opened == 1


async def test_a_piece_over_the_slice_is_several_chunks(pool: Pool) -> None:
    async with serve(echo) as server:
        assert (await post(pool, server, pieces(BIG))).body == b"/|" + BIG


async def test_a_body_of_known_length_can_be_streamed(pool: Pool) -> None:
    async with serve(echo) as server:
        result = await pool.request(server.origin, "PUT", head("PUT", length=6), pieces(b"abc", b"def"))
        assert result.body == b"/|abcdef"
        assert pool.live == 1


async def test_a_streamed_answer(pool: Pool) -> None:
    async with serve(big) as server:
        async with stream(pool, server, "/big") as streamed:
            assert streamed.status == 200
            assert streamed.header(b"content-length") == b"%d" % len(BIG)
            assert b"".join([part async for part in streamed]) == BIG
            assert pool._limiter.free == pool.limit  # read to its end, it holds nothing any more
        assert pool.live == 1
        async with stream(pool, server, "/small") as streamed:
            assert b"".join([part async for part in streamed]) == b"/small"
        assert pool.opened == 1


async def test_a_streamed_answer_left_early_takes_its_connection_with_it(pool: Pool) -> None:
    async with serve(big) as server:
        async with stream(pool, server, "/big") as streamed:
            async for _ in streamed:
                break
        assert pool.live == 0
        assert pool._limiter.free == pool.limit
        streamed.close()
        assert pool._limiter.free == pool.limit
        assert [part async for part in streamed] == []


async def test_an_error_in_the_readers_block_leaves_as_itself(pool: Pool) -> None:
    async with serve(big) as server:
        with pytest.raises(ZeroDivisionError):
            async with stream(pool, server, "/big"):
                raise ZeroDivisionError
        assert pool._limiter.free == pool.limit


async def test_closing_the_pool_ends_a_stream_and_who_waits_behind_it() -> None:
    pool = Pool(1)
    async with serve(big) as server, stream(pool, server, "/big") as streamed:
        behind = asyncio.ensure_future(get(pool, server))
        await turns(4)
        await pool.aclose()
        with pytest.raises(TransportError, match="pool was closed"):
            await asyncio.wait_for(behind, 5)
        with pytest.raises(ConnectionLost, match="pool was closed"):
            async for _ in streamed:
                pass
    assert pool._limiter.free == 1


async def test_a_slow_reader_slows_the_server(pool: Pool) -> None:
    sent = 0

    async def endless(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await peer.send(b"x" * 65536)
            sent += 65536

    async with serve(endless) as server, stream(pool, server) as streamed:
        parts = aiter(streamed)
        await anext(parts)
        (connection,) = pool._live
        await until(lambda: connection._reading_paused)
        assert connection.parser.size - connection.parser.taken < connecting.HIGH_WATER * 3
        before = connection.parser.size
        await turns(200)
        assert connection.parser.size == before
        while connection.parser.size < before + 4 * connecting.HIGH_WATER:
            await anext(parts)
        assert sent > before


async def test_a_streamed_body_that_breaks_off(pool: Pool) -> None:
    async def breaking(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer(b"x" * 10)[:-5])

    async with serve(breaking) as server, stream(pool, server) as streamed:
        got: list[bytes] = []
        with pytest.raises(ConnectionLost):
            async for part in streamed:
                got.append(part)  # noqa: PERF401
        assert b"".join(got) == b"x" * 5
        assert pool._limiter.free == pool.limit


async def test_a_streamed_body_has_a_bound_only_if_asked(pool: Pool) -> None:
    async with serve(big) as server:
        with pytest.raises(InvalidResponse):
            async with pool.stream(server.origin, "GET", head("GET", "/big"), limit=1000) as streamed:
                pytest.fail(f"{streamed} is over the bound")


async def test_a_collected_body_has_a_bound(pool: Pool) -> None:
    small = Pool(1, max_body=1000)
    async with serve(big) as server:
        with pytest.raises(InvalidResponse, match="over 1000 bytes"):
            await get(small, server, "/big")
        assert len((await get(small, server, "/big", limit=len(BIG))).body) == len(BIG)
        await small.aclose()


async def test_several_readers_do_not_disturb_each_other(pool: Pool) -> None:
    async def read(target: str) -> bytes:
        async with stream(pool, server, target) as streamed:
            return b"".join([part async for part in streamed])

    async with serve(big) as server:
        results = await asyncio.gather(*(read("/big" if number % 2 else f"/{number}") for number in range(20)))
        assert results == [BIG if number % 2 else b"/%d" % number for number in range(20)]


async def refuse(peer: Peer) -> None:
    """Answers 413 to the head alone, and reads no body."""
    if await peer.head() is not None:
        await peer.send(answer(b"too large", status=413))
        await asyncio.get_running_loop().create_future()


async def test_an_early_refusal_stops_the_upload(pool: Pool) -> None:
    async with serve(refuse) as server:
        for body in (b"x" * 20_000_000, pieces(*[b"x" * 100_000] * 200)):
            result = await post(pool, server, body)
            assert (result.status, result.body) == (413, b"too large")
            assert pool.live == 0


async def test_an_early_refusal_ends_a_body_that_sleeps(pool: Pool) -> None:
    ended: list[str] = []

    async def sleeping() -> AsyncIterator[bytes]:
        try:
            yield b"x"
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append("here")

    async with serve(refuse) as server:
        result = await post(pool, server, sleeping())
        assert result.status == 413
        assert ended == ["here"]
        current = asyncio.current_task()
        assert current is not None
        assert current.cancelling() == 0


async def test_a_refusal_in_two_parts_stops_the_upload_at_its_head(pool: Pool) -> None:
    yielded = 0
    went_on: list[int] = []

    async def refuse_slowly(peer: Peer) -> None:
        await peer.head()
        data = answer(b"too large", status=413)
        await peer.send(data[:-5])
        await turns(30)
        before = yielded
        await turns(30)
        went_on.append(yielded - before)
        await peer.send(data[-5:])
        await asyncio.get_running_loop().create_future()

    async def endless() -> AsyncIterator[bytes]:
        nonlocal yielded
        while True:
            await asyncio.sleep(0)
            yielded += 1
            yield b"x"

    async with serve(refuse_slowly) as server:
        assert (await post(pool, server, endless())).body == b"too large"
        assert pool.live == 0
        assert went_on == [0]


async def refuse_when_full(peer: Peer, pool: Pool) -> None:
    """Reads no body, and answers 413 once no more of it can be written."""
    await peer.head()
    await until(lambda: next(iter(pool._live))._writing_paused)
    await peer.send(answer(b"too large", status=413))
    await asyncio.get_running_loop().create_future()


async def test_a_refusal_stops_a_body_of_bytes(pool: Pool) -> None:
    async with serve(lambda peer: refuse_when_full(peer, pool)) as server:
        task = asyncio.ensure_future(post(pool, server, b"x" * 32 * 1024 * 1024, timeouts=PATIENT))
        await until(lambda: pool.live == 1 and next(iter(pool._live))._writing_paused)
        connection = next(iter(pool._live))
        connection.transport = watched = mock.Mock(wraps=connection.transport)
        assert (await task).status == 413
        watched.write.assert_not_called()
        watched.abort.assert_called()


async def test_a_refusal_stops_pieces_that_never_sleep(pool: Pool) -> None:
    yielded = 0

    async def busy() -> AsyncIterator[bytes]:
        nonlocal yielded
        for _ in range(1000):
            yielded += 1
            yield b"x" * 65536

    async with serve(lambda peer: refuse_when_full(peer, pool)) as server:
        assert (await post(pool, server, busy(), timeouts=PATIENT)).status == 413
        assert yielded < 1000


async def test_a_server_that_goes_ends_a_body_that_sleeps(pool: Pool) -> None:
    async def sleeping() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.get_running_loop().create_future()

    async def go(peer: Peer) -> None:
        await peer.head()

    async with serve(go) as server:
        with pytest.raises(TransportError):
            await post(pool, server, sleeping())


async def test_an_error_of_the_body_leaves_as_itself(pool: Pool) -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield b"x"
        raise TimeoutError("mine")

    async with serve(echo) as server:
        with pytest.raises(TimeoutError, match="mine"):
            await post(pool, server, failing())
        assert pool.live == 0
        assert pool._limiter.free == pool.limit


async def test_an_early_answer_that_is_no_refusal_lets_the_upload_go_on(pool: Pool) -> None:
    async def mirror(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        body = await peer._chunks()
        await peer.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        await peer.head()

    async def unhurried() -> AsyncIterator[bytes]:
        yield b"a"
        await until(lambda: next(iter(pool._live)).parser.headers_done)
        yield b"b"
        yield b"c"

    async with serve(mirror) as server:
        assert (await post(pool, server, unhurried())).body == b"abc"
        assert pool.live == 1


async def test_a_slow_server_slows_the_body(pool: Pool) -> None:
    yielded = 0
    go_on = asyncio.Event()

    async def counting() -> AsyncIterator[bytes]:
        nonlocal yielded
        for _ in range(400):
            yielded += 1
            yield b"x" * 65536

    async def slow(peer: Peer) -> None:
        while await peer.head() is not None:
            await go_on.wait()
            await peer.send(answer(b"%d" % len(await peer._chunks())))

    async with serve(slow) as server:
        task = asyncio.ensure_future(post(pool, server, counting(), timeouts=PATIENT))
        await until(lambda: pool.live == 1 and next(iter(pool._live))._writing_paused)
        await turns(100)
        assert yielded < 300
        go_on.set()
        assert (await task).body == b"%d" % (400 * 65536)


async def test_timeouts_do_not_strike_a_healthy_upload(pool: Pool) -> None:
    async with serve(echo) as server:
        result = await post(pool, server, pieces(*[b"x" * 10_000] * 50), timeouts=Timeouts())
        assert len(result.body) == 500_002


async def test_a_streamed_answer_that_is_forgotten_costs_no_place(pool: Pool) -> None:
    async with serve(big) as server:
        answered = await stream(pool, server, "/big")
        with pytest.warns(ResourceWarning, match="<StreamedResponse 200> was never closed"):
            del answered
        await turns(2)
        assert pool.live == 0
        assert pool._limiter.free == pool.limit


def test_a_streamed_answer_can_be_forgotten_after_the_event_loop() -> None:
    async def leave() -> StreamedResponse:
        pool = Pool()
        async with serve(big) as server:
            answered = await stream(pool, server, "/big")
            await pool.aclose()
            return answered

    def forget(answers: list[StreamedResponse]) -> None:
        answers.clear()
        gc.collect()

    with asyncio.Runner() as runner:
        answers = [runner.run(leave())]
    with pytest.warns(ResourceWarning, match="never closed"):
        forget(answers)


async def test_a_stream_that_broke_leaves_no_connection_to_use_again(pool: Pool) -> None:
    async def cut_short(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhe")

    async with serve(cut_short) as server:
        async with stream(pool, server) as answered:
            with pytest.raises(TransportError):
                assert [part async for part in answered] == []
        assert pool._idle.pop(server.origin) is None
        assert (pool.live, pool._limiter.free) == (0, pool.limit)
