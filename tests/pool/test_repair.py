"""Header sections that other HTTP libraries accept, split at every byte, and what stays rejected."""

from __future__ import annotations

import pytest

from cloud66_async.pool import Pool
from cloud66_async.pool.parser import MAX_OVERHEAD
from cloud66_async.pool.repair import repair

from .servers import Peer, get, serve
from .test_parser import OK, feed, rejected, splits, started

LENGTH = b"Content-Length: 5\r\n"
UNUSUAL = {
    "LF": OK.replace(b"\r", b"") + b"A: 1\nB: 2\nContent-Length: 5\n\nhello",
    "some LF": OK + b"A: 1\nB: 2\r\n" + LENGTH + b"\nhello",
    "folded": OK + b"A: 1\r\n\t\r\n  2\r\nB: 2\r\n" + LENGTH + b"\r\nhello",
    "folded length": OK + b"A: 1 2\r\nB: 2\r\nContent-Length:\r\n 5\r\n\r\nhello",
    "equal lengths": OK + LENGTH + b"A: 1\r\nB: 2\r\n" + LENGTH.lower() + b"\r\nhello",
    "list of lengths": OK + b"A: 1\r\nB: 2\r\nContent-Length: 5 ,5\r\n\r\nhello",
    "interim": b"HTTP/1.1 103 Early\nB: 3\n\n" * 3 + OK + b"A: 1\r\nB: 2\r\n" + LENGTH + b"\r\nhello",
    "after interim": b"HTTP/1.1 103 Early\r\nB: 3\r\n\r\n" * 3 + OK + b"A: 1\nB: 2\r\n" + LENGTH + b"\r\nhello",
    "empty lines": b"\r\n\n" + OK + b"A: 1\nB: 2\n" + LENGTH + b"\r\nhello",
    "chunked": OK + b"A: 1\nB: 2\nTransfer-Encoding: chunked\n\n5\r\nhello\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_repaired_response_split_at_every_byte(name: str) -> None:
    for parts in [(UNUSUAL[name],), *splits(UNUSUAL[name])]:
        parser = feed(started(), *parts)
        assert parser.error is None
        assert parser.complete
        assert not parser.keep_alive
        assert not parser.surplus
        assert b"".join(parser.data) == b"hello"
        assert parser.header_section.startswith(OK)
        assert b"B: 2" in parser.header_section
        assert b"B: 3" not in parser.header_section


@pytest.mark.parametrize(
    "data",
    [
        OK + LENGTH + b"Content-Length: 6\r\n\r\nhello",
        OK + LENGTH + b"Content-Length: 4, 5\r\n\r\nhello",
        OK + b"Content-Length: 5\n" + b"Transfer-Encoding: chunked\n\n0\r\n\r\n",
        OK + b" folded: 1\r\n" + LENGTH + b"\r\nhello",
        OK + b"A: 1\r\n\r\n".replace(b"A", b"A B") + b"hello",
        OK + b"A: 1\n\0: 2\n" + LENGTH + b"\r\nhello",
        OK + b"A: 1\x01\n" + LENGTH + b"\r\nhello",
        OK + b"A: 1\rB: 2\r\n" + LENGTH + b"\r\nhello",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n",
        OK + b"Transfer-Encoding:\r\n gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching\nUpgrade: x\n\n",
        b"HTTP/1.1 103 Early\n\n" * 30 + OK + LENGTH + b"\r\nhello",
    ],
)
def test_ambiguous_response_stays_rejected(data: bytes) -> None:
    assert rejected(data)
    for parts in splits(data):
        assert feed(started(), *parts).error is not None


def test_body_is_not_taken_for_a_response() -> None:
    parser = feed(started(), OK + b"Transfer-Encoding: chunked\r\n\r\n", OK + b"A: 1\n" + LENGTH + b"\r\nhello")
    assert parser.error is not None
    assert not parser.complete


def test_endless_unusual_headers_are_rejected() -> None:
    parser = feed(started(), OK + b"A: 1\nB: ")
    for _ in range(2 * MAX_OVERHEAD // 1000):
        feed(parser, b"a" * 1000)
    assert parser.error is not None


@pytest.mark.parametrize("name", UNUSUAL)
def test_repaired_response_needs_no_repair(name: str) -> None:
    repaired = repair(UNUSUAL[name])
    assert repaired is not None
    assert repair(repaired) == repaired


def test_content_length_keeps_its_position_and_spelling() -> None:
    data = OK + b"A: 1\nCONTENT-LENGTH: 5\nB: 2\nContent-Length: 5\n\nhello"
    assert repair(data) == OK + b"A: 1\r\nCONTENT-LENGTH: 5\r\nB: 2\r\n\r\nhello"


@pytest.mark.parametrize("data", [b"", b"junk\n\n", b"HTTP/2.0 200 OK\n\n", b"HTTP/1.1 2000 OK\n\n"])
def test_other_data_is_not_repaired(data: bytes) -> None:
    assert repair(data) == data


def test_incomplete_section_is_not_repaired() -> None:
    assert repair(OK + b"A: 1\n") is None
    assert repair(b"HTTP/1.1 103 Early\n\n" + OK) is None


async def test_connection_of_a_repaired_response_is_not_reused(pool: Pool) -> None:
    async def handler(peer: Peer) -> None:
        while await peer.read_request() is not None:
            await peer.send(UNUSUAL["equal lengths"])

    async with serve(handler) as server:
        for count in (1, 2):
            assert (await get(pool, server)).body == b"hello"
            assert (pool.opened, pool.live) == (count, 0)
