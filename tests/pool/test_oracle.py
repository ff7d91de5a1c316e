"""Random and damaged answers, split at random, read by h11 and by this parser: they must agree."""

from __future__ import annotations

from typing import NamedTuple

import h11
from hypothesis import HealthCheck, given, settings, strategies as st

from cloud66_async.pool import headers as sections

from .test_parser import begun, feed

LIMIT = 10**6


class Read(NamedTuple):
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def by_h11(data: bytes) -> Read | None:
    """What h11 reads, the end of the connection following; None where it finds no answer."""
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
                return Read(response.status_code, list(response.headers), b"".join(body))
            elif event is h11.NEED_DATA:
                if ended:
                    return None
                ended = True
                connection.receive_data(b"")
            elif event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                return None
    except h11.RemoteProtocolError:
        return None


def by_us(parts: list[bytes]) -> Read | None:
    parser = feed(begun(limit=LIMIT), *parts)
    if parser.error is None and not parser.complete:
        parser.feed_eof()
    if parser.error is not None or not parser.complete:
        return None
    headers = [(name.lower(), value) for name, value in sections.pairs(parser.header_section)]
    return Read(parser.status, headers, b"".join(parser.parts))


token = st.text("abcdefghijklmnopqrstuvwxyzABC-_0123456789", min_size=1, max_size=12).map(str.encode)
names = token.filter(lambda name: name.lower() not in {b"connection", b"upgrade", b"content-length"})
values = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20).map(str.encode)
pairs = st.lists(st.tuples(names, values), max_size=6)
blanks = st.sampled_from([b"", b" ", b"  ", b"\t"])


@st.composite
def framed(draw: st.DrawFn, body: bytes) -> bytes:
    """Headers' end, and the body in one of the framings."""
    kind = draw(st.sampled_from(["length", "chunked", "close"]))
    if kind == "length":
        return b"%b: %d\r\n\r\n%b" % (draw(st.sampled_from([b"Content-Length", b"content-length"])), len(body), body)
    if kind == "close":
        return b"\r\n" + body
    out = [b"Transfer-Encoding: chunked\r\n\r\n"]
    while body:
        size = draw(st.integers(1, len(body)))
        note = draw(st.sampled_from([b"", b";a=b", b';a="b c"']))
        out.append(b"%x%b\r\n%b\r\n" % (size, note, body[:size]))
        body = body[size:]
    trailers = draw(st.sampled_from([b"", b"X-Trailer: 1\r\n"]))
    return b"".join([*out, b"0\r\n", trailers, b"\r\n"])


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    interim = draw(
        st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"])
    )
    status = draw(st.sampled_from([200, 201, 204, 304, 400, 404, 429, 500, 503, 599, 299]))
    reason = draw(st.sampled_from([b" OK", b" ", b" Not Really"]))
    lines = b"".join(b"%b:%b%b%b\r\n" % (name, draw(blanks), value, draw(blanks)) for name, value in draw(pairs))
    rest = b"\r\n" if status in {204, 304} else draw(framed(draw(st.binary(max_size=300))))
    return interim + b"HTTP/1.1 %d%b\r\n" % (status, reason) + lines + rest


@st.composite
def split(draw: st.DrawFn, data: bytes) -> list[bytes]:
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(answers()))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        piece = draw(st.one_of(st.binary(max_size=2), st.sampled_from([b"\r\n", b" ", b":", b"\0", b"0", b"chunked"])))
        data[at : at + draw(st.integers(0, 2))] = piece
    return bytes(data)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_every_good_answer_is_read_alike(data: st.DataObject) -> None:
    whole = data.draw(answers())
    expected = by_h11(whole)
    assert expected is not None
    assert by_us(data.draw(split(whole))) == expected


@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_damaged_answer_is_read_alike_or_refused(data: st.DataObject) -> None:
    whole = data.draw(damaged())
    ours, theirs = by_us(data.draw(split(whole))), by_h11(whole)
    assert by_us([whole]) == ours  # however it is split
    if ours is not None and theirs is not None:
        assert ours == theirs


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=10))
def test_noise_is_refused_and_breaks_nothing(parts: list[bytes]) -> None:
    assert by_us(parts) is None or b"HTTP/1." in b"".join(parts)
