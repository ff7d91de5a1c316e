"""The parser alone: every framing, cut everywhere; every bound; everything that is no answer."""

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
    "kept-1.0": b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
}
BODIES = dict.fromkeys(FRAMINGS, b"hello") | {"empty": b"", "none-204": b"", "none-304": b""}
ENDED_BY_CLOSE = {
    "1.1": OK + b"Server: old\r\n\r\nhello",
    "1.0": b"HTTP/1.0 200 OK\r\n\r\nhello",
    "closing": OK + b"Connection: close\r\n\r\nhello",
}


def head_of(name: str) -> bytes:
    """The head of the answer itself, after those of interim ones."""
    return FRAMINGS[name][FRAMINGS[name].rindex(b"HTTP/1.") :].partition(b"\r\n\r\n")[0]


def begun(*, is_head: bool = False, limit: int = LIMIT) -> ResponseParser:
    parser = ResponseParser()
    parser.begin(is_head=is_head, limit=limit)
    return parser


def feed(parser: ResponseParser, *parts: bytes) -> ResponseParser:
    for part in parts:
        if part and not parser.complete and parser.error is None:
            parser.feed(memoryview(part))
    return parser


def refused(data: bytes, *, limit: int = LIMIT) -> str:
    parser = feed(begun(limit=limit), data)
    assert isinstance(parser.error, InvalidResponse)
    return str(parser.error)


def cut(data: bytes) -> Iterator[tuple[bytes, ...]]:
    for position in range(1, len(data)):
        yield data[:position], data[position:]
    yield tuple(bytes([byte]) for byte in data)


@pytest.mark.parametrize("name", FRAMINGS)
def test_every_framing_cut_at_every_byte(name: str) -> None:
    for parts in cut(FRAMINGS[name]):
        parser = feed(begun(), *parts)
        assert parser.error is None
        assert parser.complete
        assert parser.keep
        assert not parser.surplus
        assert b"".join(parser.parts) == BODIES[name]
        assert b"X-Not" not in parser.header_section
        assert b"X-Sum" not in parser.header_section
        assert (
            parser.header_section
            == FRAMINGS[name].rpartition(b"HTTP/1.")[1]
            + FRAMINGS[name].rpartition(b"HTTP/1.")[2].partition(b"\r\n\r\n")[0]
        )


@pytest.mark.parametrize("name", FRAMINGS)
def test_what_is_cut_short_is_not_complete(name: str) -> None:
    for position in range(len(FRAMINGS[name])):
        parser = feed(begun(), FRAMINGS[name][:position])
        parser.feed_eof()
        assert not parser.complete


@pytest.mark.parametrize("name", ENDED_BY_CLOSE)
def test_a_body_that_the_end_of_the_connection_ends(name: str) -> None:
    data = ENDED_BY_CLOSE[name]
    body = data.index(b"\r\n\r\n") + 4
    for parts in cut(data):
        parser = feed(begun(), *parts)
        assert not parser.complete
        parser.feed_eof()
        assert parser.complete
        assert not parser.keep
        assert b"".join(parser.parts) == b"hello"
    for position in range(body):
        parser = feed(begun(), data[:position])
        parser.feed_eof()
        assert not parser.complete


def test_one_parser_reads_answer_after_answer() -> None:
    parser = ResponseParser()
    for name in [*FRAMINGS, *reversed(FRAMINGS)]:
        parser.clear()
        parser.begin(is_head=False, limit=LIMIT)
        feed(parser, FRAMINGS[name][:20], FRAMINGS[name][20:])
        assert parser.complete
        assert parser.header_section == head_of(name)
        assert b"".join(parser.parts) == BODIES[name]


def test_the_answer_to_head_has_no_body_and_the_next_one_has() -> None:
    parser = feed(begun(is_head=True), OK + b"Content-Length: 999999\r\n\r\n")
    assert parser.complete
    assert parser.keep
    assert parser.parts == []
    parser.clear()
    parser.begin(is_head=False, limit=LIMIT)
    feed(parser, FRAMINGS["length"])
    assert b"".join(parser.parts) == b"hello"


@pytest.mark.parametrize(
    ("data", "keep"),
    [
        (OK + b"Content-Length: 9\r\nConnection: Close\r\n\r\n", False),
        (OK + b"\r\n", True),
        (b"HTTP/1.0 200 OK\r\n\r\n", False),
    ],
)
def test_whether_the_connection_is_kept_after_head(data: bytes, keep: bool) -> None:
    assert feed(begun(is_head=True), data).keep is keep


def test_a_body_after_head_is_surplus() -> None:
    assert feed(begun(is_head=True), OK + b"Content-Length: 5\r\n\r\nhello").surplus


@pytest.mark.parametrize(
    "more",
    [OK, b"H", b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno", b"junk", b"\0", OK + b"A: " + b"a" * 200_000],
)
def test_what_follows_the_answer_does_not_change_it(more: bytes) -> None:
    parser = feed(begun(), FRAMINGS["length"] + more)
    assert parser.error is None
    assert parser.complete
    assert parser.surplus
    assert parser.status == 200
    assert b"".join(parser.parts) == b"hello"
    assert parser.header_section == OK + b"Content-Length: 5"


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/0.9 200 OK\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"http/1.1 200 OK\r\n\r\n",
        b"<html>not an answer</html>",
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
def test_what_is_no_answer(data: bytes) -> None:
    assert refused(data)
    for parts in cut(data):
        assert feed(begun(), *parts).error is not None


@pytest.mark.parametrize("headers", [b"", b"Upgrade: x\r\nConnection: upgrade\r\n"])
def test_a_switch_of_protocols_is_called_by_its_name(headers: bytes) -> None:
    assert "another protocol" in refused(b"HTTP/1.1 101 Switching Protocols\r\n" + headers + b"\r\n")


def test_the_bound_on_the_body_holds_at_the_head_and_while_it_comes() -> None:
    assert "over 4 bytes" in refused(OK + b"Content-Length: 5\r\n\r\n", limit=4)
    assert "over 4 bytes" in refused(OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n", limit=4)
    assert "over 4 bytes" in refused(OK + b"\r\nhello", limit=4)
    assert feed(begun(limit=5), FRAMINGS["length"]).error is None
    assert feed(begun(limit=4), FRAMINGS["none-304"]).error is None


def test_the_bound_counts_what_was_taken_already() -> None:
    parser = feed(begun(limit=4), OK + b"\r\nabc")
    assert parser.take() == [b"abc"]
    assert feed(parser, b"de").error is not None


def test_the_bound_on_headers_is_the_same_however_they_come() -> None:
    fits = OK + b"A: " + b"a" * (parsing.MAX_HEAD - 200) + b"\r\nContent-Length: 0\r\n\r\n"
    over = OK + b"A: " + b"a" * parsing.MAX_HEAD + b"\r\nContent-Length: 0\r\n\r\n"
    for step in (len(over), 5000, 77):
        assert feed(begun(), *(fits[at : at + step] for at in range(0, len(fits), step))).complete
        assert feed(begun(), *(over[at : at + step] for at in range(0, len(over), step))).error is not None


def test_the_number_of_headers_is_bounded() -> None:
    lines = b"A: 1\r\n" * parsing.MAX_HEADERS
    assert feed(begun(limit=0), OK + lines[6:] + b"Content-Length: 0\r\n\r\n").complete
    assert refused(OK + lines + b"Content-Length: 0\r\n\r\n")


def test_interim_answers_are_bounded() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    assert feed(begun(), interim * parsing.MAX_INTERIM + FRAMINGS["length"]).complete
    assert refused(interim * (parsing.MAX_INTERIM + 1))


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
def test_nothing_may_go_on_for_ever_without_a_body(start: bytes) -> None:
    filler = b"\r\n" * 500 if not start else b"a" * 1000
    parser = feed(begun(), start)
    for _ in range(2 * parsing.MAX_OVERHEAD // 1000):
        feed(parser, filler)
    assert parser.error is not None


def test_many_small_trailers_are_bounded() -> None:
    parser = feed(begun(), OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n")
    for _ in range(2 * parsing.MAX_OVERHEAD // 1000):
        feed(parser, b"A: 1234\r\n" * 100)
    assert parser.error is not None


def test_a_long_body_of_tiny_chunks_is_within_bounds() -> None:
    parser = feed(begun(limit=10**6), OK + b"Transfer-Encoding: chunked\r\n\r\n")
    for _ in range(100):
        feed(parser, b"1\r\na\r\n" * 1000)
    assert parser.error is None
    assert parser.size == 100_000


def test_repeated_codings_are_joined() -> None:
    parser = feed(begun(), OK + b"Content-Encoding: gzip \r\nContent-Encoding: deflate\r\nContent-Length: 0\r\n\r\n")
    assert parser.codings == b"gzip,deflate"
