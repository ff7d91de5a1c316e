"""Compressed bodies: every encoding, corruption, and the limit at every step."""

from __future__ import annotations

import asyncio
import gzip
import random
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, strategies

from cloud66_async.errors import TransportTimeout
from cloud66_async.pool import Pool, decompress as decompressing, pool as pool_module
from cloud66_async.pool.decompress import decompress, decompress_body
from cloud66_async.pool.errors import InvalidResponse

from .servers import NO_TIMEOUTS, Clock, Peer, get, make_response, serve

TEXT = b"text of a response, " * 50


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


COMPRESS: dict[bytes, Callable[[bytes], bytes]] = {
    b"gzip": gzip.compress,
    b"x-gzip": gzip.compress,
    b"deflate": zlib.compress,
    b"identity": bytes,
}


@given(strategies.binary(max_size=2000), strategies.lists(strategies.sampled_from(sorted(COMPRESS)), max_size=4))
def test_any_encodings_in_any_order(body: bytes, encodings: list[bytes]) -> None:
    compressed = body
    for encoding in encodings:
        compressed = COMPRESS[encoding](compressed)
    assert decompress(compressed, b" , ".join(encodings).upper(), 100_000) == body


@given(strategies.binary(max_size=2000))
def test_deflate_without_zlib_header(body: bytes) -> None:
    assert decompress(raw_deflate(body), b"deflate", 100_000) == body


def test_several_gzip_members_form_one_body() -> None:
    assert decompress(gzip.compress(b"a") + gzip.compress(b"") + gzip.compress(b"b"), b"gzip", 10) == b"ab"


@pytest.mark.parametrize("padding", [b"\0" * 10, b"padding", b"\x1f"])
def test_padding_after_the_last_member_is_ignored(padding: bytes) -> None:
    assert decompress(gzip.compress(b"a") + padding, b"gzip", 10) == b"a"


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate"])
def test_empty_body_stays_empty(encoding: bytes) -> None:
    assert decompress(b"", encoding, 10) == b""


@pytest.mark.parametrize("encoding", [b"br", b"zstd", b"gzip, br", b"compress", b"gzip;q=1"])
def test_unsupported_encoding(encoding: bytes) -> None:
    with pytest.raises(InvalidResponse, match="unsupported Content-Encoding"):
        decompress(gzip.compress(b"a"), encoding, 10)


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate"])
def test_truncated_data_is_rejected(encoding: bytes) -> None:
    compressed = COMPRESS[encoding](TEXT)
    for end in range(1, len(compressed)):
        with pytest.raises(InvalidResponse, match=r"(incomplete|invalid) compressed data"):
            decompress(compressed[:end], encoding, 10_000)


def test_truncated_second_member_is_rejected() -> None:
    with pytest.raises(InvalidResponse):
        decompress(gzip.compress(b"a") + gzip.compress(b"b")[:5], b"gzip", 10)


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate"])
def test_corrupted_data_is_rejected(encoding: bytes) -> None:
    compressed = bytearray(COMPRESS[encoding](TEXT))
    compressed[-2] ^= 1
    with pytest.raises(InvalidResponse, match="invalid compressed data"):
        decompress(bytes(compressed), encoding, 10_000)
    with pytest.raises(InvalidResponse, match="invalid compressed data"):
        decompress(b"not compressed at all", b"gzip", 10_000)


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate"])
def test_limit_is_exact(encoding: bytes) -> None:
    compressed = COMPRESS[encoding](TEXT)
    assert decompress(compressed, encoding, len(TEXT)) == TEXT
    with pytest.raises(InvalidResponse, match=f"exceeds {len(TEXT) - 1} bytes"):
        decompress(compressed, encoding, len(TEXT) - 1)


def test_limit_counts_all_members() -> None:
    with pytest.raises(InvalidResponse, match="exceeds 10 bytes"):
        decompress(gzip.compress(b"123456") * 2, b"gzip", 10)


def test_nested_compression_bomb_is_rejected() -> None:
    bomb = gzip.compress(gzip.compress(b"\0" * 50_000_000))
    with pytest.raises(InvalidResponse, match="exceeds"):
        decompress(bomb, b"gzip, gzip", 100_000)


def test_compression_bomb_does_not_use_memory_beyond_the_limit() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidResponse, match="exceeds"):
            decompress(bomb, b"gzip", 100_000)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


async def test_responses_are_decompressed(pool: Pool) -> None:
    async def compressing(peer: Peer) -> None:
        while (received := await peer.read_request()) is not None:
            encoding = received.target[1:]
            compressed = COMPRESS[encoding.encode()](TEXT)
            await peer.send(make_response(compressed, headers=f"Content-Encoding: {encoding}\r\n".encode()))

    async with serve(compressing) as server:
        for encoding in COMPRESS:
            assert (await get(pool, server, f"/{encoding.decode()}")).body == TEXT
        with pytest.raises(InvalidResponse, match="when decompressed"):
            await get(pool, server, "/gzip", limit=len(TEXT) - 1)
        assert (await get(pool, server, "/gzip")).body == TEXT
        assert pool.opened == 1


@pytest.mark.parametrize("encoding", [b"utf-8", b"none", b"foo", b"identity, utf-8", b","])
def test_unknown_encoding_changes_nothing(encoding: bytes) -> None:
    assert decompress(TEXT, encoding, 10) == TEXT
    assert decompress(gzip.compress(TEXT), encoding + b", gzip", 10_000) == TEXT


class Counting:
    """Stands in for `zlib.decompressobj` and counts the bytes that it is given."""

    def __init__(self) -> None:
        self.members = 0
        self.given = 0
        self._create = zlib.decompressobj

    def __call__(self, wbits: int) -> Counting:
        self.members += 1
        self._current = self._create(wbits)
        return self

    def decompress(self, data: memoryview, most: int) -> bytes:
        self.given += len(data)
        return self._current.decompress(data, most)

    def __getattr__(self, name: str) -> object:
        return getattr(self._current, name)


def test_many_gzip_members_take_linear_time(monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting()
    monkeypatch.setattr(zlib, "decompressobj", counting)
    body = gzip.compress(random.Random(1).randbytes(1000)) * 1000
    assert len(decompress(body, b"gzip", 10**7)) == 10**6
    assert counting.members == 1000
    assert counting.given <= 1000 * decompressing.FIRST_WINDOW + 2 * len(body)


def test_number_of_gzip_members_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decompressing, "MAX_MEMBERS", 3000)
    member = gzip.compress(b"")
    assert decompress(member * 3000, b"gzip", 10) == b""
    with pytest.raises(InvalidResponse, match="more than 3000 gzip members"):
        decompress(member * 3001, b"gzip", 10)


def test_number_of_encodings_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting()
    monkeypatch.setattr(zlib, "decompressobj", counting)
    body = TEXT
    for _ in range(decompressing.MAX_ENCODINGS):
        body = gzip.compress(body)
    encodings = [b"gzip"] * decompressing.MAX_ENCODINGS
    assert decompress(body, b",".join(encodings), 10_000) == TEXT
    counting.members = 0
    with pytest.raises(InvalidResponse, match="too many encodings"):
        decompress(body, b",".join([*encodings, b"identity"]), 10_000)
    assert counting.members == 0


def test_encodings_share_one_limit() -> None:
    inner = gzip.compress(random.Random(1).randbytes(900))
    assert decompress(gzip.compress(inner), b"gzip, gzip", 900 + len(inner))
    with pytest.raises(InvalidResponse, match="when decompressed"):
        decompress(gzip.compress(inner), b"gzip, gzip", 899 + len(inner))


@pytest.mark.parametrize("size", [2**20 - 1, 2**20, 2**20 + 1, 3 * 2**20 + 5])
def test_long_output_is_complete(size: int) -> None:
    for body in (bytes(size), random.Random(1).randbytes(size)):
        assert decompress(gzip.compress(body, 1), b"gzip", size) == body
        with pytest.raises(InvalidResponse, match="when decompressed"):
            decompress(gzip.compress(body, 1), b"gzip", size - 1)


async def test_long_body_does_not_block_the_event_loop(pool: Pool) -> None:
    running = 0

    async def count() -> None:
        nonlocal running
        while True:
            running += 1
            await asyncio.sleep(0)

    for compressed, size in ((gzip.compress(bytes(20 * 2**20), 9), 20 * 2**20), (gzip.compress(b"") * 20_000, 0)):
        counter = asyncio.ensure_future(count())
        await asyncio.sleep(0)
        running = 0
        assert len(await decompress_body(compressed, b"gzip", 2**26, status=200)) == size
        counter.cancel()
        assert running > 15


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_total_timeout_includes_decompression(pool: Pool, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    compressed = gzip.compress(bytes(20 * 2**20), 9)

    async def handler(peer: Peer) -> None:
        while await peer.read_request() is not None:
            await peer.send(make_response(compressed, headers=b"Content-Encoding: gzip\r\n"))

    async def later(*arguments: object, **options: object) -> bytes:
        await clock.advance(6)
        return await decompress_body(*arguments, **options)  # type: ignore[arg-type]

    async with serve(handler) as server:
        await get(pool, server, timeouts=NO_TIMEOUTS._replace(total=5.0))
        monkeypatch.setattr(pool_module, "decompress_body", later)
        with pytest.raises(TransportTimeout, match="not decompressed in time") as caught:
            await get(pool, server, timeouts=NO_TIMEOUTS._replace(total=5.0))
        assert caught.value.phase == "total"
        assert pool._limiter.free == pool.limit


@pytest.mark.parametrize(
    "body",
    [gzip.compress(TEXT)[:-3], TEXT, gzip.compress(bytes(65 * 2**20))],
    ids=["truncated", "not compressed", "too long"],
)
async def test_error_response_that_cannot_be_decompressed_counts_as_empty(body: bytes, pool: Pool) -> None:
    async def handler(peer: Peer) -> None:
        while (received := await peer.read_request()) is not None:
            status = int(received.target[1:])
            await peer.send(make_response(body, status=status, headers=b"Content-Encoding: gzip\r\n"))

    async with serve(handler) as server:
        for status in (400, 404, 503):
            response = await get(pool, server, f"/{status}")
            assert (response.status, response.body) == (status, b"")
        for status in (200, 302):
            with pytest.raises(InvalidResponse):
                await get(pool, server, f"/{status}")
