"""The parser alone: every framing, split at every byte; every limit; invalid responses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloud66_async.pool import parser as parsing
from cloud66_async.pool.errors import InvalidResponse
from cloud66_async.pool.parser import ResponseParser

OK = b"HTTP/1.1 200 OK\r\n"
LIMIT = 1000

FRAMINGS = {
    "length": OK + b"Content-Length: 5\r\n\r\nhello",
    "empty": OK + b"Content-Length: 0\r\n\r\n",
    "chunked": OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;note=1\r\nllo\r\n0\r\n\r\n",
    "trailers": OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nStatus: 500\r\nX-Sum: 1\r\n\r\n",
    "interim": b"HTTP/1.1 100 Continue\r\nX-Not: this\r\n\r\nHTTP/1.1 103 Early\r\n\r\n"
    + OK
    + b"Content-Length: 5\r\n\r\nhello",
    "none-204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "none-304": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    "empty-lines": b"\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n\r\n" + OK + b"Content-Length: 5\r\n\r\nhello",
    "keep-alive-1.0": b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
}
BODIES = dict.fromkeys(FRAMINGS, b"hello") | {"empty": b"", "none-204": b"", "none-304": b""}
ENDED_BY_CLOSE = {
    "1.1": OK + b"Server: old\r\n\r\nhello",
    "1.0": b"HTTP/1.0 200 OK\r\n\r\nhello",
    "closing": OK + b"Connection: close\r\n\r\nhello",
}


def section_of(name: str) -> bytes:
    """Return the header section of the final response, after those of interim ones."""
    return FRAMINGS[name][FRAMINGS[name].rindex(b"HTTP/1.") :].partition(b"\r\n\r\n")[0]


def started(*, is_head: bool = False, limit: int = LIMIT) -> ResponseParser:
    parser = ResponseParser()
    parser.start(is_head=is_head, limit=limit)
    return parser


def feed(parser: ResponseParser, *parts: bytes) -> ResponseParser:
    for raw in parts:
        if raw and not parser.complete and parser.error is None:
            parser.feed(memoryview(raw))
    return parser


def rejected(data: bytes, *, limit: int = LIMIT) -> str:
    parser = feed(started(limit=limit), data)
    assert isinstance(parser.error, InvalidResponse)
    return str(parser.error)


def splits(data: bytes) -> Iterator[tuple[bytes, ...]]:
    for position in range(1, len(data)):
        yield data[:position], data[position:]
    yield tuple(bytes([byte]) for byte in data)


@pytest.mark.parametrize("name", FRAMINGS)
def test_every_framing_split_at_every_byte(name: str) -> None:
    for parts in splits(FRAMINGS[name]):
        parser = feed(started(), *parts)
        assert parser.error is None
        assert parser.complete
        assert parser.keep_alive
        assert not parser.surplus
        assert b"".join(parser.data) == BODIES[name]
        assert b"X-Not" not in parser.header_section
        assert b"X-Sum" not in parser.header_section
        assert parser.header_section == section_of(name)


@pytest.mark.parametrize("name", FRAMINGS)
def test_truncated_response_is_not_complete(name: str) -> None:
    for position in range(len(FRAMINGS[name])):
        parser = feed(started(), FRAMINGS[name][:position])
        parser.feed_eof()
        assert not parser.complete


@pytest.mark.parametrize("name", ENDED_BY_CLOSE)
def test_body_delimited_by_the_end_of_the_connection(name: str) -> None:
    data = ENDED_BY_CLOSE[name]
    body = data.index(b"\r\n\r\n") + 4
    for parts in splits(data):
        parser = feed(started(), *parts)
        assert not parser.complete
        parser.feed_eof()
        assert parser.complete
        assert not parser.keep_alive
        assert b"".join(parser.data) == b"hello"
    for position in range(body):
        parser = feed(started(), data[:position])
        parser.feed_eof()
        assert not parser.complete


def test_parser_is_reusable() -> None:
    parser = ResponseParser()
    for name in [*FRAMINGS, *reversed(FRAMINGS)]:
        parser.clear()
        parser.start(is_head=False, limit=LIMIT)
        feed(parser, FRAMINGS[name][:20], FRAMINGS[name][20:])
        assert parser.complete
        assert parser.header_section == section_of(name)
        assert b"".join(parser.data) == BODIES[name]


def test_response_to_head_has_no_body_but_the_next_one_has() -> None:
    parser = feed(started(is_head=True), OK + b"Content-Length: 999999\r\n\r\n")
    assert parser.complete
    assert parser.keep_alive
    assert parser.data == []
    parser.clear()
    parser.start(is_head=False, limit=LIMIT)
    feed(parser, FRAMINGS["length"])
    assert b"".join(parser.data) == b"hello"


@pytest.mark.parametrize(
    ("data", "keep_alive"),
    [
        (OK + b"Content-Length: 9\r\nConnection: Close\r\n\r\n", False),
        (OK + b"\r\n", True),
        (b"HTTP/1.0 200 OK\r\n\r\n", False),
    ],
)
def test_keep_alive_after_head(data: bytes, keep_alive: bool) -> None:
    assert feed(started(is_head=True), data).keep_alive is keep_alive


def test_body_after_head_is_surplus() -> None:
    assert feed(started(is_head=True), OK + b"Content-Length: 5\r\n\r\nhello").surplus


@pytest.mark.parametrize(
    "more",
    [OK, b"H", b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno", b"junk", b"\0", OK + b"A: " + b"a" * 200_000],
)
def test_surplus_bytes_do_not_change_the_response(more: bytes) -> None:
    parser = feed(started(), FRAMINGS["length"] + more)
    assert parser.error is None
    assert parser.complete
    assert parser.surplus
    assert parser.status == 200
    assert b"".join(parser.data) == b"hello"
    assert parser.header_section == OK + b"Content-Length: 5"


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/0.9 200 OK\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 099 Unknown\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"http/1.1 200 OK\r\n\r\n",
        b"<html>not a response</html>",
        b"\x16\x03\x01\x02\x00",
        OK + b"No colon\r\n\r\n",
        OK + b"Bad Name: 1\r\n\r\n",
        OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        OK + b"Content-Length: -1\r\n\r\n",
        OK + b"Content-Length: five\r\n\r\n",
        OK + b"Content-Length: 99999999999999999999999999\r\n\r\n",
        OK + b"Transfer-Encoding: gzip\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhelloworld\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n-1\r\nhello\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        OK + b"X: a\0b\r\n\r\n",
    ],
)
def test_invalid_response_is_rejected(data: bytes) -> None:
    assert rejected(data)
    for parts in splits(data):
        assert feed(started(), *parts).error is not None


@pytest.mark.parametrize("headers", [b"", b"Upgrade: x\r\nConnection: upgrade\r\n"])
def test_error_names_a_protocol_switch(headers: bytes) -> None:
    assert "switched protocols" in rejected(b"HTTP/1.1 101 Switching Protocols\r\n" + headers + b"\r\n")


def test_body_limit_applies_to_content_length_and_to_received_data() -> None:
    assert "exceeds 4 bytes" in rejected(OK + b"Content-Length: 5\r\n\r\n", limit=4)
    assert "exceeds 4 bytes" in rejected(OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n", limit=4)
    assert "exceeds 4 bytes" in rejected(OK + b"\r\nhello", limit=4)
    assert feed(started(limit=5), FRAMINGS["length"]).error is None
    assert feed(started(limit=4), FRAMINGS["none-304"]).error is None


def test_body_limit_counts_data_already_taken() -> None:
    parser = feed(started(limit=4), OK + b"\r\nabc")
    assert parser.take() == [b"abc"]
    assert feed(parser, b"de").error is not None


def test_header_size_limit_does_not_depend_on_splitting() -> None:
    fits = OK + b"A: " + b"a" * (parsing.MAX_HEADER_SECTION - 200) + b"\r\nContent-Length: 0\r\n\r\n"
    over = OK + b"A: " + b"a" * parsing.MAX_HEADER_SECTION + b"\r\nContent-Length: 0\r\n\r\n"
    for step in (len(over), 5000, 77):
        assert feed(started(), *(fits[at : at + step] for at in range(0, len(fits), step))).complete
        assert feed(started(), *(over[at : at + step] for at in range(0, len(over), step))).error is not None


@pytest.mark.parametrize("size", [100, 4000, 40_000])
def test_headers_of_one_read_are_stored_whole(size: int) -> None:
    section = OK + b"A: " + b"a" * size + b"\r\nContent-Length: 0"
    parser = feed(started(), section + b"\r\n\r\n")
    assert parser.complete
    assert parser.header_section == section


def test_number_of_headers_is_limited() -> None:
    lines = b"A: 1\r\n" * parsing.MAX_HEADERS
    assert feed(started(limit=0), OK + lines[6:] + b"Content-Length: 0\r\n\r\n").complete
    assert rejected(OK + lines + b"Content-Length: 0\r\n\r\n")


def test_number_of_interim_responses_is_limited() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    assert feed(started(), interim * parsing.MAX_INTERIM + FRAMINGS["length"]).complete
    assert rejected(interim * (parsing.MAX_INTERIM + 1))


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"HTTP/1.1 200 ",
        OK + b"A: ",
        OK + b"Transfer-Encoding: chunked\r\n\r\n1;",
        OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\nA: ",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: ",
    ],
)
def test_endless_data_without_a_body_is_rejected(start: bytes) -> None:
    filler = b"\r\n" * 500 if not start else b"a" * 1000
    parser = feed(started(), start)
    for _ in range(2 * parsing.MAX_OVERHEAD // 1000):
        feed(parser, filler)
    assert parser.error is not None


def test_size_of_trailers_is_limited() -> None:
    parser = feed(started(), OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n")
    for _ in range(2 * parsing.MAX_OVERHEAD // 1000):
        feed(parser, b"A: 1234\r\n" * 100)
    assert parser.error is not None


def test_long_body_of_tiny_chunks_is_accepted() -> None:
    parser = feed(started(limit=10**6), OK + b"Transfer-Encoding: chunked\r\n\r\n")
    for _ in range(100):
        feed(parser, b"1\r\na\r\n" * 1000)
    assert parser.error is None
    assert parser.size == 100_000


def test_repeated_content_encodings_are_joined() -> None:
    parser = feed(started(), OK + b"Content-Encoding: gzip \r\nContent-Encoding: deflate\r\nContent-Length: 0\r\n\r\n")
    assert parser.content_encoding == b"gzip,deflate"
