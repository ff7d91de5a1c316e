"""Streamed responses: the same requests, responses and errors with both transports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from cloud66_async import errors
from cloud66_async._core.origin import Origin
from cloud66_async._http.library import httpx
from cloud66_async._http.streaming import HttpxStreamTransport
from cloud66_async.pool import Pool, PoolTransport
from cloud66_async.secret import Secret
from cloud66_async.transport import SharedHeaders, StreamRequest, StreamTransport, Timeouts

from ..conftest import PoolName
from ..support import Wire, packet, wire

HEADERS = SharedHeaders([("Accept", "*/*"), ("Accept-Encoding", "identity"), ("User-Agent", "test")])


@asynccontextmanager
async def opened(name: PoolName) -> AsyncGenerator[StreamTransport]:
    """Open a transport that is for another server than the one that requests go to."""
    if name == "own":
        pool = Pool(2)
        yield PoolTransport(pool, Origin("192.0.2.1", 1))
        await pool.aclose()
    else:
        async with httpx.AsyncHTTPTransport() as library:
            yield HttpxStreamTransport(library)


def request(
    server: Wire,
    target: str = "/",
    *,
    method: str = "GET",
    body: bytes | None = None,
    timeouts: Timeouts = Timeouts(),  # noqa: B008  immutable
) -> StreamRequest:
    return StreamRequest(
        origin=Origin("127.0.0.1", server.port),
        target=Secret(target),
        headers=HEADERS,
        timeouts=timeouts,
        method=method,
        body=body,
    )


@pytest.mark.parametrize(
    "target", ["/", "/a%20b/~!$&'()*+,;=:@?x=%2F%2b&y=a/b?c:@!$'()*+,;", "/a//b/?", "/?a&b=&&c=[]|"]
)
async def test_target_is_sent_unchanged(target: str, transport: PoolName) -> None:
    async with wire() as server, opened(transport) as streams, streams.stream(request(server, target)) as response:
        assert response.status == 200
    assert server.received[0].target == target


async def test_body_is_sent_and_the_response_arrives_in_parts(transport: PoolName) -> None:
    data = bytes(range(256)) * 2000
    async with wire(lambda _: packet(data, "201 Created", "X-A: 1", "x-a: 2")) as server, opened(transport) as streams:
        sent = request(server, "/a", method="POST", body=b'{"a":1}')
        async with streams.stream(sent) as response:
            assert (response.status, response.headers["x-a"]) == (201, "1, 2")
            parts = [part async for part in response]
        async with streams.stream(request(server, "/b", method="POST")) as response:
            assert response.status == 201
    first, second = server.received
    assert (first.method, first.body, first.headers["content-type"]) == ("POST", b'{"a":1}', "application/json")
    assert (second.body, second.headers["content-length"]) == (b"", "0")
    assert b"".join(parts) == data
    assert len(parts) > 1


async def test_total_timeout_includes_the_body(transport: PoolName) -> None:
    async with wire(lambda _: packet(b"abc")[:-1]) as server, opened(transport) as streams:
        with pytest.raises(errors.TransportTimeout) as caught:
            async with streams.stream(request(server, timeouts=Timeouts(total=0.1))) as response:
                assert [part async for part in response] == []
    assert caught.value.phase == "total"


async def test_total_timeout_applies_to_the_headers(transport: PoolName) -> None:
    async with wire(lambda _: b"") as server, opened(transport) as streams:
        with pytest.raises(errors.TransportTimeout) as caught:
            async with streams.stream(request(server, timeouts=Timeouts(total=0.1))):
                pass
    assert caught.value.phase == "total"
    assert caught.value.__context__ is None


@pytest.mark.parametrize("reply", [b"", b"SSH-2.0\r\n\r\n", packet(b"", "200 OK", "X-A: \x01")])
async def test_invalid_response_is_an_error_of_the_package(reply: bytes, transport: PoolName) -> None:
    async with wire(lambda _: reply, once=True) as server, opened(transport) as streams:
        with pytest.raises(errors.TransportError):
            async with streams.stream(request(server)):
                pass


async def test_errors_of_the_block_leave_as_themselves(transport: PoolName) -> None:
    async with wire() as server, opened(transport) as streams:
        for error in (OSError("disk"), TimeoutError(), LookupError()):
            with pytest.raises(type(error)) as caught:
                async with streams.stream(request(server)) as response:
                    assert response.status == 200
                    raise error
            assert caught.value is error


async def test_abandoned_response_leaves_no_task_and_no_connection(transport: PoolName) -> None:
    async with wire(lambda _: packet(b"a" * 100_000)[:90_000]) as server, opened(transport) as streams:
        before = asyncio.all_tasks()
        for _ in range(5):  # more than the pool has connections
            async with streams.stream(request(server)) as response:
                async for part in response:
                    assert part
                    break
        assert len(asyncio.all_tasks() - before) <= server.connections  # those of the server


@pytest.mark.parametrize("target", ["/a b", "/a\r\nX: y", "/ä"])
async def test_pool_refuses_a_target_that_is_not_encoded(target: str) -> None:
    async with wire() as server, opened("own") as streams:
        with pytest.raises(errors.ConfigError) as caught:
            streams.stream(request(server, target))
    assert target not in str(caught.value)
    assert not server.received


def test_request_does_not_show_its_target() -> None:
    shown = repr(StreamRequest(origin=Origin("h", 1), target=Secret("/?s=1"), headers=HEADERS, timeouts=Timeouts()))
    assert "/?s=1" not in shown
