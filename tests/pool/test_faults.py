"""Ten thousand requests over eight connections to a server with many kinds of faults."""

from __future__ import annotations

import asyncio
import gzip
import random
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from cloud66_async.errors import TransportError
from cloud66_async.pool import Pool
from cloud66_async.transport import Timeouts

from ..support import iterations
from .servers import Peer, ReceivedRequest, async_body, get, make_response, post, serve, stream

REQUESTS = 10_000
CONNECTIONS = 8


def expected(received: ReceivedRequest) -> bytes:
    return received.target.encode() + b"|" + received.body


class FaultyServer:
    """Handler with random behavior: valid responses to most requests, and faults for the others."""

    def __init__(self, generator: random.Random) -> None:
        self.generator = generator
        self.writes: Counter[str] = Counter()
        good: list[Callable[[Peer, bytes], Awaitable[bool]]] = [
            self.plain,
            self.chunked,
            self.compressed,
            self.in_small_parts,
        ]
        self.behaviors = good * 12 + [
            self.slow, self.announces_close, self.closes, self.ends_body, self.surplus, self.no_response,
            self.resets, self.truncates, self.garbage, self.times_out_idle, self.interim,
        ]  # fmt: skip

    async def __call__(self, peer: Peer) -> None:
        while (received := await peer.read_request()) is not None:
            if received.method == "POST":
                self.writes[received.target] += 1
            if not await self.generator.choice(self.behaviors)(peer, expected(received)):
                return

    async def plain(self, peer: Peer, body: bytes) -> bool:
        await peer.send(make_response(body))
        return True

    async def chunked(self, peer: Peer, body: bytes) -> bool:
        middle = self.generator.randrange(1, len(body))
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(data), data) for data in (body[:middle], body[middle:]))
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
        return True

    async def compressed(self, peer: Peer, body: bytes) -> bool:
        await peer.send(make_response(gzip.compress(body, 1), headers=b"Content-Encoding: gzip\r\n"))
        return True

    async def in_small_parts(self, peer: Peer, body: bytes) -> bool:
        data = make_response(body)
        for start in range(0, len(data), 30):
            await peer.send(data[start : start + 30])
            await iterations(1)
        return True

    async def interim(self, peer: Peer, body: bytes) -> bool:
        await peer.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" + make_response(body))
        return True

    async def slow(self, peer: Peer, body: bytes) -> bool:
        await iterations(self.generator.randrange(100))
        await peer.send(make_response(body))
        return True

    async def announces_close(self, peer: Peer, body: bytes) -> bool:
        await peer.send(make_response(body, headers=b"Connection: close\r\n"))
        return False

    async def closes(self, peer: Peer, body: bytes) -> bool:
        await peer.send(make_response(body))
        await iterations(self.generator.randrange(4))
        return False

    async def ends_body(self, peer: Peer, body: bytes) -> bool:
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n" + body)
        return False

    async def surplus(self, peer: Peer, body: bytes) -> bool:
        await peer.send(make_response(body) + make_response(b"surplus"))
        return True

    async def no_response(self, peer: Peer, body: bytes) -> bool:
        return False

    async def resets(self, peer: Peer, body: bytes) -> bool:
        peer.abort()
        return False

    async def truncates(self, peer: Peer, body: bytes) -> bool:
        data = make_response(body)
        await peer.send(data[: self.generator.randrange(1, len(data))])
        return False

    async def garbage(self, peer: Peer, body: bytes) -> bool:
        await peer.send(self.generator.randbytes(40))
        return False

    async def times_out_idle(self, peer: Peer, body: bytes) -> bool:
        await peer.send(make_response(b"", status=408, headers=b"Connection: close\r\n"))
        return False


@pytest.mark.slow
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_responses_match_their_requests_and_no_write_is_repeated(
    secure: bool, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    generator = random.Random(6)
    pool = Pool(CONNECTIONS, tls=client_tls)
    faulty = FaultyServer(generator)
    outcomes: Counter[str] = Counter()

    async def send(number: int) -> None:
        target, kind = f"/{number}", generator.randrange(5)
        try:
            if kind == 0:
                body, expected_body = (await post(pool, server, target.encode() * 3, target)).body, target.encode() * 3
            elif kind == 1:
                body, expected_body = (
                    (await post(pool, server, async_body(b"a", b"b" * 100), target)).body,
                    b"a" + b"b" * 100,
                )
            elif kind == 2:
                async with stream(pool, server, target) as streamed:
                    body, expected_body = b"".join([data async for data in streamed]), b""
                    body = gzip.decompress(body) if streamed.header(b"content-encoding") else body
                    if streamed.status == 408:
                        body = target.encode() + b"|"
            else:
                response = await get(pool, server, target, timeouts=Timeouts())
                body, expected_body = response.body, b""
            if body == b"" and kind != 2:
                outcomes["408"] += 1
                return
            assert body == target.encode() + b"|" + expected_body
            outcomes["responded"] += 1
        except TransportError:
            outcomes["failed"] += 1

    async def worker(numbers: list[int]) -> None:
        for number in numbers:
            task = asyncio.ensure_future(send(number))
            if number % 50 == 0:
                await iterations(generator.randrange(30))
                task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                outcomes["cancelled"] += 1

    async with serve(faulty, tls=server_tls if secure else None) as server:
        numbers = list(range(REQUESTS if not secure else REQUESTS // 4))
        await asyncio.gather(*(worker(numbers[start::24]) for start in range(24)))
        assert max(faulty.writes.values()) == 1
        assert outcomes.total() == len(numbers)
        assert outcomes["responded"] > 0.75 * len(numbers)
        assert outcomes["failed"] > 0
        assert outcomes["cancelled"] > 0
        assert (pool._limiter.free, pool._connecting) == (CONNECTIONS, 0)
        assert pool.live <= CONNECTIONS
        await pool.aclose()
