"""Ten thousand requests over eight connections to a server that misbehaves in every way it can."""

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

from .servers import Peer, Received, answer, get, pieces, post, serve, stream, turns

REQUESTS = 10_000
CONNECTIONS = 8


def expected(received: Received) -> bytes:
    return received.target.encode() + b"|" + received.body


class Moody:
    """Answers most requests well, in many forms; the others it answers badly, late or never."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.writes: Counter[str] = Counter()
        good: list[Callable[[Peer, bytes], Awaitable[bool]]] = [self.plain, self.chunked, self.packed, self.dripping]
        self.moods = good * 12 + [
            self.slow, self.says_close, self.closes, self.ends_body, self.surplus, self.vanishes,
            self.resets, self.breaks_off, self.garbage, self.gives_up, self.interim,
        ]  # fmt: skip

    async def __call__(self, peer: Peer) -> None:
        while (received := await peer.request()) is not None:
            if received.method == "POST":
                self.writes[received.target] += 1
            if not await self.dice.choice(self.moods)(peer, expected(received)):
                return

    async def plain(self, peer: Peer, body: bytes) -> bool:
        await peer.send(answer(body))
        return True

    async def chunked(self, peer: Peer, body: bytes) -> bool:
        middle = self.dice.randrange(1, len(body))
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:middle], body[middle:]))
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
        return True

    async def packed(self, peer: Peer, body: bytes) -> bool:
        await peer.send(answer(gzip.compress(body, 1), headers=b"Content-Encoding: gzip\r\n"))
        return True

    async def dripping(self, peer: Peer, body: bytes) -> bool:
        data = answer(body)
        for start in range(0, len(data), 30):
            await peer.send(data[start : start + 30])
            await turns(1)
        return True

    async def interim(self, peer: Peer, body: bytes) -> bool:
        await peer.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" + answer(body))
        return True

    async def slow(self, peer: Peer, body: bytes) -> bool:
        await turns(self.dice.randrange(100))
        await peer.send(answer(body))
        return True

    async def says_close(self, peer: Peer, body: bytes) -> bool:
        await peer.send(answer(body, headers=b"Connection: close\r\n"))
        return False

    async def closes(self, peer: Peer, body: bytes) -> bool:
        await peer.send(answer(body))
        await turns(self.dice.randrange(4))
        return False

    async def ends_body(self, peer: Peer, body: bytes) -> bool:
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n" + body)
        return False

    async def surplus(self, peer: Peer, body: bytes) -> bool:
        await peer.send(answer(body) + answer(b"not yours"))
        return True

    async def vanishes(self, peer: Peer, body: bytes) -> bool:
        return False

    async def resets(self, peer: Peer, body: bytes) -> bool:
        peer.abort()
        return False

    async def breaks_off(self, peer: Peer, body: bytes) -> bool:
        data = answer(body)
        await peer.send(data[: self.dice.randrange(1, len(data))])
        return False

    async def garbage(self, peer: Peer, body: bytes) -> bool:
        await peer.send(self.dice.randbytes(40))
        return False

    async def gives_up(self, peer: Peer, body: bytes) -> bool:
        await peer.send(answer(b"", status=408, headers=b"Connection: close\r\n"))
        return False


@pytest.mark.slow
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_every_answer_is_its_requests_and_no_write_is_doubled(
    secure: bool, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    dice = random.Random(6)
    pool = Pool(CONNECTIONS, tls=client_tls)
    moody = Moody(dice)
    outcomes: Counter[str] = Counter()

    async def one(number: int) -> None:
        target, kind = f"/{number}", dice.randrange(5)
        try:
            if kind == 0:
                body, want = (await post(pool, server, target.encode() * 3, target)).body, target.encode() * 3
            elif kind == 1:
                body, want = (await post(pool, server, pieces(b"a", b"b" * 100), target)).body, b"a" + b"b" * 100
            elif kind == 2:
                async with stream(pool, server, target) as streamed:
                    body, want = b"".join([part async for part in streamed]), b""
                    body = gzip.decompress(body) if streamed.header(b"content-encoding") else body
                    if streamed.status == 408:
                        body = target.encode() + b"|"
            else:
                answered = await get(pool, server, target, timeouts=Timeouts())
                body, want = answered.body, b""
            if body == b"" and kind != 2:
                outcomes["408"] += 1
                return
            assert body == target.encode() + b"|" + want
            outcomes["answered"] += 1
        except TransportError:
            outcomes["failed"] += 1

    async def worker(numbers: list[int]) -> None:
        for number in numbers:
            task = asyncio.ensure_future(one(number))
            if number % 50 == 0:
                await turns(dice.randrange(30))
                task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                outcomes["cancelled"] += 1

    async with serve(moody, tls=server_tls if secure else None) as server:
        numbers = list(range(REQUESTS if not secure else REQUESTS // 4))
        await asyncio.gather(*(worker(numbers[start::24]) for start in range(24)))
        assert max(moody.writes.values()) == 1
        assert outcomes.total() == len(numbers)
        assert outcomes["answered"] > 0.75 * len(numbers)
        assert outcomes["failed"] > 0
        assert outcomes["cancelled"] > 0
        assert (pool._limiter.free, pool._opening) == (CONNECTIONS, 0)
        assert pool.live <= CONNECTIONS
        await pool.aclose()
