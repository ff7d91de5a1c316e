"""Random and corrupted responses, split at random positions: h11 and the parser must agree."""

from __future__ import annotations

from typing import NamedTuple

import h11
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from cloud66_async.pool import headers as header_section

from .test_parser import feed, started

LIMIT = 10**6


class Parsed(NamedTuple):
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def by_h11(data: bytes) -> Parsed | None:
    """Parse `data`, followed by the end of the connection, with h11. Return None if it is not a valid response."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=200_000)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    response: h11.Response | None = None
    body: list[bytes] = []
    ended = False
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                body.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                assert response is not None
                return Parsed(response.status_code, list(response.headers), b"".join(body))
            elif event is h11.NEED_DATA:
                if ended:
                    return None
                ended = True
                connection.receive_data(b"")
            elif event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                return None
    except h11.RemoteProtocolError:
        return None


def by_pool(parts: list[bytes]) -> Parsed | None:
    parser = feed(started(limit=LIMIT), *parts)
    if parser.error is None and not parser.complete:
        parser.feed_eof()
    if parser.error is not None or not parser.complete:
        return None
    headers = [(name.lower(), value) for name, value in header_section.pairs(parser.header_section)]
    return Parsed(parser.status, headers, b"".join(parser.data))


token = st.text("abcdefghijklmnopqrstuvwxyzABC-_0123456789", min_size=1, max_size=12).map(str.encode)
names = token.filter(lambda name: name.lower() not in {b"connection", b"upgrade", b"content-length"})
values = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20).map(str.encode)
pairs = st.lists(st.tuples(names, values), max_size=6)
spaces = st.sampled_from([b"", b" ", b"  ", b"\t"])


@st.composite
def framed(draw: st.DrawFn, body: bytes) -> bytes:
    """Return the end of the headers, and the body in one of the framings."""
    kind = draw(st.sampled_from(["length", "chunked", "close"]))
    if kind == "length":
        return b"%b: %d\r\n\r\n%b" % (draw(st.sampled_from([b"Content-Length", b"content-length"])), len(body), body)
    if kind == "close":
        return b"\r\n" + body
    chunks = [b"Transfer-Encoding: chunked\r\n\r\n"]
    while body:
        size = draw(st.integers(1, len(body)))
        extension = draw(st.sampled_from([b"", b";a=b", b';a="b c"']))
        chunks.append(b"%x%b\r\n%b\r\n" % (size, extension, body[:size]))
        body = body[size:]
    trailers = draw(st.sampled_from([b"", b"X-Trailer: 1\r\n"]))
    return b"".join([*chunks, b"0\r\n", trailers, b"\r\n"])


@st.composite
def responses(draw: st.DrawFn) -> bytes:
    interim = draw(
        st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"])
    )
    status = draw(st.sampled_from([200, 201, 204, 304, 400, 404, 429, 500, 503, 599, 299]))
    reason = draw(st.sampled_from([b" OK", b" ", b" Not Really"]))
    lines = b"".join(b"%b:%b%b%b\r\n" % (name, draw(spaces), value, draw(spaces)) for name, value in draw(pairs))
    rest = b"\r\n" if status in {204, 304} else draw(framed(draw(st.binary(max_size=300))))
    return interim + b"HTTP/1.1 %d%b\r\n" % (status, reason) + lines + rest


@st.composite
def split(draw: st.DrawFn, data: bytes) -> list[bytes]:
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@st.composite
def corrupted(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(responses()))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        replacement = draw(
            st.one_of(st.binary(max_size=2), st.sampled_from([b"\r\n", b" ", b":", b"\0", b"0", b"chunked"]))
        )
        data[at : at + draw(st.integers(0, 2))] = replacement
    return bytes(data)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_valid_response_is_parsed_like_h11(data: st.DataObject) -> None:
    whole = data.draw(responses())
    expected = by_h11(whole)
    assert expected is not None
    assert by_pool(data.draw(split(whole))) == expected


@pytest.mark.slow
@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_corrupted_response_is_parsed_like_h11_or_rejected(data: st.DataObject) -> None:
    whole = data.draw(corrupted())
    pool_result, h11_result = by_pool(data.draw(split(whole))), by_h11(whole)
    assert by_pool([whole]) == pool_result  # splitting makes no difference
    if pool_result is not None and h11_result is not None:
        assert pool_result == h11_result


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=10))
def test_random_bytes_are_rejected(parts: list[bytes]) -> None:
    assert by_pool(parts) is None or b"HTTP/1." in b"".join(parts)
