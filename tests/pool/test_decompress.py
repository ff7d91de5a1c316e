"""Packed bodies: every coding, damage, and the bound at every step."""

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

from .servers import Peer, answer, get, serve

TEXT = b"what the server says, " * 50


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKERS: dict[bytes, Callable[[bytes], bytes]] = {
    b"gzip": gzip.compress,
    b"x-gzip": gzip.compress,
    b"deflate": zlib.compress,
    b"identity": bytes,
}


@given(strategies.binary(max_size=2000), strategies.lists(strategies.sampled_from(sorted(PACKERS)), max_size=4))
def test_any_codings_in_any_order(body: bytes, codings: list[bytes]) -> None:
    packed = body
    for coding in codings:
        packed = PACKERS[coding](packed)
    assert decompress(packed, b" , ".join(codings).upper(), 100_000) == body


@given(strategies.binary(max_size=2000))
def test_deflate_without_a_zlib_header(body: bytes) -> None:
    assert decompress(raw_deflate(body), b"deflate", 100_000) == body


def test_several_members_are_one_body() -> None:
    assert decompress(gzip.compress(b"a") + gzip.compress(b"") + gzip.compress(b"b"), b"gzip", 10) == b"ab"


@pytest.mark.parametrize("padding", [b"\0" * 10, b"padding", b"\x1f"])
def test_padding_behind_the_last_member_is_dropped(padding: bytes) -> None:
    assert decompress(gzip.compress(b"a") + padding, b"gzip", 10) == b"a"


@pytest.mark.parametrize("coding", [b"gzip", b"deflate"])
def test_nothing_is_nothing(coding: bytes) -> None:
    assert decompress(b"", coding, 10) == b""


@pytest.mark.parametrize("coding", [b"br", b"zstd", b"gzip, br", b"compress", b"gzip;q=1"])
def test_an_unknown_coding(coding: bytes) -> None:
    with pytest.raises(InvalidResponse, match="not asked for"):
        decompress(gzip.compress(b"a"), coding, 10)


@pytest.mark.parametrize("coding", [b"gzip", b"deflate"])
def test_what_is_cut_anywhere(coding: bytes) -> None:
    packed = PACKERS[coding](TEXT)
    for end in range(1, len(packed)):
        with pytest.raises(InvalidResponse, match=r"cut short|damaged"):
            decompress(packed[:end], coding, 10_000)


def test_what_is_cut_between_members_headers() -> None:
    with pytest.raises(InvalidResponse):
        decompress(gzip.compress(b"a") + gzip.compress(b"b")[:5], b"gzip", 10)


@pytest.mark.parametrize("coding", [b"gzip", b"deflate"])
def test_damage_is_noticed(coding: bytes) -> None:
    packed = bytearray(PACKERS[coding](TEXT))
    packed[-2] ^= 1
    with pytest.raises(InvalidResponse, match="damaged"):
        decompress(bytes(packed), coding, 10_000)
    with pytest.raises(InvalidResponse, match="damaged"):
        decompress(b"not packed at all", b"gzip", 10_000)


@pytest.mark.parametrize("coding", [b"gzip", b"deflate"])
def test_the_bound_is_exact(coding: bytes) -> None:
    packed = PACKERS[coding](TEXT)
    assert decompress(packed, coding, len(TEXT)) == TEXT
    with pytest.raises(InvalidResponse, match=f"over {len(TEXT) - 1} bytes"):
        decompress(packed, coding, len(TEXT) - 1)


def test_the_bound_counts_all_members() -> None:
    with pytest.raises(InvalidResponse, match="over 10 bytes"):
        decompress(gzip.compress(b"123456") * 2, b"gzip", 10)


def test_a_bomb_inside_a_bomb_goes_off_nowhere() -> None:
    bomb = gzip.compress(gzip.compress(b"\0" * 50_000_000))
    with pytest.raises(InvalidResponse, match="over"):
        decompress(bomb, b"gzip, gzip", 100_000)


def test_no_more_memory_is_taken_than_the_bound_allows() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidResponse, match="over"):
            decompress(bomb, b"gzip", 100_000)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


async def test_answers_are_unpacked(pool: Pool) -> None:
    async def packing(peer: Peer) -> None:
        while (received := await peer.request()) is not None:
            coding = received.target[1:]
            packed = PACKERS[coding.encode()](TEXT)
            await peer.send(answer(packed, headers=f"Content-Encoding: {coding}\r\n".encode()))

    async with serve(packing) as server:
        for coding in PACKERS:
            assert (await get(pool, server, f"/{coding.decode()}")).body == TEXT
        with pytest.raises(InvalidResponse, match="when unpacked"):
            await get(pool, server, "/gzip", limit=len(TEXT) - 1)
        assert (await get(pool, server, "/gzip")).body == TEXT
        assert pool.opened == 1
