"""Compressed bodies: every encoding, corruption, and the limit at every step."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, strategies

from cloud66_async.pool import Pool
from cloud66_async.pool.decompress import decompress
from cloud66_async.pool.errors import InvalidResponse

from .servers import Peer, get, make_response, serve

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
