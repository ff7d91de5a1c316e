"""Unusual responses through a socket: both transports accept and reject the same ones, in one write and in two."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import pytest

from cloud66_async import Cloud66, Cloud66Error, Timeouts, errors
from cloud66_async._core.origin import Origin
from cloud66_async._http.httpx_transport import HttpxTransport
from cloud66_async._http.library import httpx
from cloud66_async.transport import Request, SharedHeaders

from ..conftest import PoolName
from ..support import ONCE, TOKEN, packet, wire

BODY = b'{"response":{"uid":"a"}}'
ERROR = b'{"error":"not_found","error_description":"no such stack"}'
OK = "200 OK"
START = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
END = b"\r\n" + BODY
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"


def encoded(encoding: str, body: bytes = BODY, status: str = OK) -> bytes:
    return packet(body, status, f"Content-Encoding: {encoding}")


def with_header(*lines: bytes) -> bytes:
    return START + b"".join(line + b"\r\n" for line in lines) + LENGTH + END


# What `stacks.get` returns or raises.
ACCEPTED = {
    # Content-Encoding: names that are not compression formats change nothing.
    **{f"encoding {name!r}": encoded(name) for name in ("utf-8", "UTF-8", "none", "identity", "", "foo", "8bit")},
    "gzip": encoded("gzip", gzip.compress(BODY)),
    "x-gzip": encoded("x-gzip", gzip.compress(BODY)),
    "gzip in upper case": encoded("GZIP", gzip.compress(BODY)),
    "gzip in two members": encoded("gzip", gzip.compress(BODY[:9]) + gzip.compress(BODY[9:])),
    "gzip in many members": encoded("gzip", gzip.compress(b"") * 100_000 + gzip.compress(BODY)),
    "gzip with padding": encoded("gzip", gzip.compress(BODY) + b"\0\0"),
    "gzip twice": encoded("gzip, gzip", gzip.compress(gzip.compress(BODY))),
    "gzip and a charset": encoded("utf-8, gzip", gzip.compress(BODY)),
    "deflate": encoded("deflate", zlib.compress(BODY)),
    "deflate without its header": encoded("deflate", zlib.compress(BODY)[2:-4]),
    # Framing
    "equal Content-Lengths": START + LENGTH + LENGTH + END,
    "list of equal Content-Lengths": START + b"Content-Length: %d, %d\r\n" % (len(BODY), len(BODY)) + END,
    "Content-Length with spaces": START + b"Content-Length: \t %d \r\n" % len(BODY) + END,
    "Content-Length with zeros": START + b"Content-Length: 000%d\r\n" % len(BODY) + END,
    "chunked in mixed case": START + CHUNKED.replace(b"ch", b"Ch") + b"\r\n" + CHUNKS,
    "chunk extension": START + CHUNKED + b"\r\n" + CHUNKS.replace(b"\r\n", b";a=b\r\n", 1),
    "trailers": START + CHUNKED + b"\r\n" + CHUNKS[:-2] + b"A: b\r\n\r\n",
    "body ended by close": START + END,
    "HTTP/1.0 ended by close": b"HTTP/1.0 200 OK\r\n" + END,
    "surplus data": START + LENGTH + END + b"surplus",
    "interim responses": b"HTTP/1.1 100 Continue\r\n\r\n" + INTERIM + START + LENGTH + END,
    # Header lines
    "line that ends with LF": with_header(b"X-A: 1\nX-B: 2"),
    "every line ends with LF": (START + LENGTH + b"\r\n").replace(b"\r\n", b"\n") + BODY,
    "interim response with LF": INTERIM.replace(b"\r\n", b"\n") + START + LENGTH + END,
    "folded header": with_header(b"X-A: 1", b"  2"),
    "folded Content-Length": START + b"Content-Length:\r\n %d\r\n" % len(BODY) + END,
    "UTF-8 in a header": with_header("X-A: é€".encode()),
    "long header": with_header(b"A: " + b"x" * 20_000),
    "200 headers": with_header(*[b"A: b"] * 200),
    "no reason phrase": b"HTTP/1.1 200\r\n" + LENGTH + END,
    "reason phrase in Latin-1": b"HTTP/1.1 200 caf\xe9\r\n" + LENGTH + END,
    "unknown status": b"HTTP/1.1 299 Unknown\r\n" + LENGTH + END,
    "offer to upgrade": with_header(b"Upgrade: h2c", b"Connection: Upgrade"),
}
OTHER_OUTCOMES = {
    "404 with a charset": (encoded("utf-8", ERROR, "404 Not Found"), errors.NotFound),
    "404 that is not gzip": (encoded("gzip", ERROR, "404 Not Found"), errors.NotFound),
    "404 in Brotli": (encoded("br", b"\x0b\x02\x80{}\x03", "404 Not Found"), errors.NotFound),
    "404 with a bomb": (encoded("gzip", gzip.compress(bytes(65 << 20)), "404 Not Found"), errors.NotFound),
    "status 999": (packet(BODY, "999 Unknown"), errors.ServerError),
    "204 with a body": (packet(BODY, "204 No Content"), errors.ResponseError),
    **{
        f"{name}, not requested": (encoded(name), errors.TransportError)
        for name in ("br", "zstd", "compress", "gzip;q=1", "utf-8, br")
    },
    "truncated gzip": (encoded("gzip", gzip.compress(BODY)[:-3]), errors.TransportError),
    "not gzip": (encoded("gzip"), errors.TransportError),
    "six encodings": (encoded(", ".join(["gzip"] * 6)), errors.TransportError),
    "conflicting Content-Lengths": (START + LENGTH + b"Content-Length: 5\r\n" + END, errors.TransportError),
    "conflicting list": (START + b"Content-Length: 5, %d\r\n" % len(BODY) + END, errors.TransportError),
    "invalid Content-Length": (START + b"Content-Length: +%d\r\n" % len(BODY) + END, errors.TransportError),
    "negative Content-Length": (START + b"Content-Length: -1\r\n" + END, errors.TransportError),
    "empty Content-Length": (START + b"Content-Length:\r\n" + END, errors.TransportError),
    "Content-Length before chunked": (START + LENGTH + CHUNKED + b"\r\n" + CHUNKS, errors.TransportError),
    "Content-Length after chunked": (START + CHUNKED + LENGTH + b"\r\n" + CHUNKS, errors.TransportError),
    "gzip, chunked": (START + CHUNKED.replace(b"ch", b"gzip, ch") + b"\r\n" + CHUNKS, errors.TransportError),
    "chunked twice": (START + CHUNKED + CHUNKED + b"\r\n" + CHUNKS, errors.TransportError),
    "chunks that end with LF": (START + CHUNKED + b"\r\n" + CHUNKS.replace(b"\r\n", b"\n"), errors.TransportError),
    **{
        f"version {version.decode()}": (version + b" 200 OK\r\n" + LENGTH + END, errors.TransportError)
        for version in (b"HTTP/0.9", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/2", b"http/1.1", b"ICY")
    },
    "status of four digits": (b"HTTP/1.1 2000 OK\r\n" + LENGTH + END, errors.TransportError),
    "switched protocols": (
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        errors.TransportError,
    ),
    "header without a name": (with_header(b": x"), errors.TransportError),
    "header without a colon": (with_header(b"nonsense"), errors.TransportError),
    "space in a header name": (with_header(b"X A: x"), errors.TransportError),
    "space before the colon": (with_header(b"X-A : x"), errors.TransportError),
    "NUL in a header": (with_header(b"X-A: a\0b"), errors.TransportError),
    "CR in a header": (with_header(b"X-A: a\rb"), errors.TransportError),
    "control character": (with_header(b"X-A: a\x01"), errors.TransportError),
    "DEL character": (with_header(b"X-A: a\x7f"), errors.TransportError),
    "300 headers": (with_header(*[b"A: b"] * 300), errors.TransportError),
    "header of 70 KB": (with_header(b"A: " + b"x" * 70_000), errors.TransportError),
}
# Here the HTTP library decides: the first outcome is the pool's, the second the library's.
DIFFERENT = {
    "empty lines before the response": (b"\r\n\r\n" + START + LENGTH + END, None, errors.TransportError),
    "spaces after a chunk size": (
        START + CHUNKED + b"\r\n" + CHUNKS.replace(b"\r\n", b"  \r\n", 1),
        errors.TransportError,
        None,
    ),
    "21 interim responses": (INTERIM * 21 + START + LENGTH + END, errors.TransportError, None),
}
CASES: dict[str, tuple[bytes, type[Cloud66Error] | None, type[Cloud66Error] | None]] = {
    **{name: (response, None, None) for name, response in ACCEPTED.items()},
    **{name: (response, error, error) for name, (response, error) in OTHER_OUTCOMES.items()},
    **DIFFERENT,
}


@asynccontextmanager
async def responding(*parts: bytes) -> AsyncGenerator[str, None]:
    """Start a server that sends these bytes to each connection, then closes it. Yield its URL."""
    done: set[asyncio.Task[None]] = set()

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0.005)
        except (OSError, EOFError):
            pass
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        done.add(asyncio.ensure_future(respond(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await asyncio.gather(*done)


@pytest.mark.parametrize("writes", [1, 2])
@pytest.mark.parametrize("name", CASES)
async def test_outcome_of_an_unusual_response(name: str, writes: int, transport: PoolName) -> None:
    response, own, library = CASES[name]
    expected = own if transport == "own" else library
    middle = len(response) // 2 if writes == 2 else len(response)
    running = responding(response[:middle], response[middle:])
    async with running as url, Cloud66(TOKEN, url=url, pool=transport, retry=ONCE, timeout=10) as c66:
        if expected is None:
            assert (await c66.stacks.get("a")).uid == "a"
        else:
            with pytest.raises(expected) as caught:
                await c66.stacks.get("a")
            assert expected is errors.TransportError or type(caught.value) is expected


@pytest.mark.parametrize("encoding", ["utf-8", "none", "foo"])
async def test_unknown_encoding_does_not_hide_the_result_of_a_write(encoding: str, transport: PoolName) -> None:
    started = b'{"response":{"ok":true,"message":"queued","async_action_id":7}}'
    running = wire(lambda _: packet(started, OK, f"Content-Encoding: {encoding}"))
    async with running as server, Cloud66(TOKEN, url=server.url, pool=transport) as c66:
        assert (await c66.stacks.redeploy("a")).async_action_id == 7
    assert len(server.received) == 1


async def test_only_formats_that_the_sdk_decompresses_are_requested(transport: PoolName) -> None:
    async with wire() as server, Cloud66(TOKEN, url=server.url, pool=transport) as c66:
        await c66.stacks.get("a")
    assert server.received[0].headers["accept-encoding"] == "gzip, deflate"


async def test_nested_compression_bomb_takes_little_memory(transport: PoolName) -> None:
    compressor = zlib.compressobj(9, wbits=31)
    zeros = bytes(2**20)
    bomb = gzip.compress(b"".join([*(compressor.compress(zeros) for _ in range(300)), compressor.flush()]), 9)
    response = encoded("gzip, gzip", bomb)
    async with responding(response) as url, Cloud66(TOKEN, url=url, pool=transport, retry=ONCE) as c66:
        tracemalloc.start()
        try:
            with pytest.raises(errors.TransportError, match="when decompressed"):
                await c66.stacks.get("a")
            assert tracemalloc.get_traced_memory()[1] < 100 * 2**20
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("read", [False, True])
async def test_response_of_a_custom_transport_may_have_been_read(read: bool) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield gzip.compress(BODY)

    def respond(_: httpx.Request) -> httpx.Response:
        content = gzip.compress(BODY) if read else body()
        return httpx.Response(200, headers={"Content-Encoding": "gzip"}, content=content)

    origin = Origin("127.0.0.1", 80)
    sending = HttpxTransport(origin, httpx.MockTransport(respond))
    request = Request("GET", "/", SharedHeaders(()), "id", None, True, Timeouts())
    assert (await sending.send(request)).body == BODY
    await sending.aclose()
