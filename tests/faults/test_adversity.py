"""Misbehaving servers, over real sockets and with both transports."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import traceback
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from cloud66_async import Cloud66, Failed, Retry, Stack, Timeouts, errors

from ..conftest import PoolName
from ..support import ONCE, SECRET, TOKEN, ReceivedRequest, RecordingClock, packet, wire

GOOD = json.dumps({"response": {"uid": "a", "redeploy_hook": SECRET}}).encode()
HTML = b"<html><title>502</title></html>"


def client(url: str, transport: PoolName, **options: Any) -> Cloud66:
    options.setdefault("retry", ONCE)
    return Cloud66(TOKEN, url=url, pool=transport, clock=RecordingClock(), **options)


RESPONSES: dict[str, tuple[bytes, type[errors.Cloud66Error]]] = {
    "200 with HTML": (packet(HTML), errors.ResponseError),
    "empty 200": (packet(b""), errors.ResponseError),
    "truncated JSON": (packet(GOOD[:-9]), errors.ResponseError),
    "list of numbers": (packet(b"[1,2,3]"), errors.ResponseError),
    "deeply nested": (packet(b"[" * 100_000), errors.ResponseError),
    "invalid UTF-8": (packet(b'{"response":{"uid":"\xff"}}'), errors.ResponseError),
    "wrong encoding": (packet(b"not gzip", "200 OK", "Content-Encoding: gzip"), errors.TransportError),
    "502 with HTML": (packet(HTML, "502 Bad Gateway"), errors.ServerError),
    "503 with HTML": (packet(HTML, "503 Unavailable"), errors.ServerError),
    "503 throttled": (packet(b'{"error":"throttled"}', "503 Unavailable"), errors.Throttled),
    "503 not implemented": (packet(b'{"error":"not_implemented"}', "503 Unavailable"), errors.Unsupported),
    "503 with no quota": (packet(HTML, "503 Unavailable", "X-RateLimit-Remaining: 0"), errors.Throttled),
    "429": (packet(b"", "429 Too Many Requests", "Retry-After: 9999"), errors.Throttled),
    "empty 401": (
        packet(b"", "401 No", 'WWW-Authenticate: Bearer error="invalid_token"'),
        errors.Unauthenticated,
    ),
    "403 with HTML": (packet(HTML, "403 Forbidden"), errors.Forbidden),
    "404": (packet(b"null", "404 Not Found"), errors.NotFound),
    "422": (packet(b'{"error":"invalid"}', "422 Unprocessable"), errors.BadRequest),
    "402": (packet(b"{}", "402 Payment Required"), errors.TrialExpired),
    "408": (packet(b"{}", "408 Request Timeout"), errors.RequestTimeout),
    "409": (packet(b"{}", "409 Conflict"), errors.Conflict),
    "301": (packet(b"", "301 Moved", "Location: https://evil.example/"), errors.APIError),
    "not HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", errors.TransportError),
    "no data": (b"", errors.TransportError),
    "truncated headers": (b"HTTP/1.1 200 OK\r\nContent-Le", errors.TransportError),
    "truncated body": (packet(GOOD)[:-5], errors.TransportError),
    "endless headers": (b"HTTP/1.1 200 OK\r\n" + b"X-Filler: aaaaaaaaaaaaaaa\r\n" * 40_000, errors.TransportError),
}


@pytest.mark.parametrize("name", RESPONSES)
async def test_every_bad_response_raises_an_error_of_the_package(
    name: str, transport: PoolName, caplog: pytest.LogCaptureFixture
) -> None:
    body, kind = RESPONSES[name]

    with caplog.at_level(logging.DEBUG):
        async with wire(lambda _: body, once=True) as server, client(server.url, transport) as c66:
            with pytest.raises(errors.Cloud66Error) as caught:
                await c66.stacks.get("a")
    assert isinstance(caught.value, kind)
    assert kind is errors.TransportError or type(caught.value) is kind
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    text = "".join(line for line in shown.format() if __file__ not in line) + caplog.text
    for secret in (TOKEN, SECRET):
        assert secret not in text


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_compressed_responses_are_decompressed(encoding: str, transport: PoolName) -> None:
    compressed = gzip.compress(GOOD) if encoding == "gzip" else zlib.compress(GOOD)
    running = wire(lambda _: packet(compressed, "200 OK", f"Content-Encoding: {encoding}"))
    async with running as server, client(server.url, transport) as c66:
        assert (await c66.stacks.get("a")).uid == "a"
    assert encoding in server.received[0].headers["accept-encoding"]


async def test_decompressed_size_of_a_response_is_limited(transport: PoolName) -> None:
    bomb = gzip.compress(b" " * (65 * 1024 * 1024), 9)
    running = wire(lambda _: packet(bomb, "200 OK", "Content-Encoding: gzip"))
    async with running as server, client(server.url, transport) as c66:
        with pytest.raises(errors.TransportError):
            await c66.stacks.get("a")


# --- timeouts ----------------------------------------------------------------------------------------------


async def test_silent_server_raises_a_timeout_with_its_phase(transport: PoolName) -> None:
    async with wire(lambda _: b"") as server:
        async with client(server.url, transport, timeout=Timeouts(read=0.05)) as c66:
            with pytest.raises(errors.TransportTimeout) as caught:
                await c66.stacks.get("a")
            assert (caught.value.phase, caught.value.sent) == ("read", True)
        async with client(server.url, transport, timeout=0.05) as c66:
            with pytest.raises(errors.TransportTimeout) as caught:
                await c66.stacks.get("a")
            assert (caught.value.phase, caught.value.sent) == ("total", True)


async def test_deadline_of_the_caller_raises_the_builtin_timeout(transport: PoolName) -> None:
    async with wire(lambda _: b"") as server, client(server.url, transport) as c66:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.05):
                await c66.stacks.get("a")
    assert not isinstance(caught.value, errors.Cloud66Error)


# --- retries -----------------------------------------------------------------------------------------------


def flaky(failure: bytes) -> Callable[[ReceivedRequest], bytes]:
    """Return a reply function. A third of the resources succeed immediately, the others after one or two failures."""
    remaining: dict[str, int] = {}

    def reply(received: ReceivedRequest) -> bytes:
        uid = received.target.rpartition("/")[2].removesuffix(".json")
        remaining[uid] = remaining.get(uid, int(uid[1:]) % 3) - 1
        return failure if remaining[uid] >= 0 else packet(b'{"response":{"uid":"%b"}}' % uid.encode())

    return reply


@pytest.mark.parametrize(
    "failure",
    [packet(HTML, "502 Bad Gateway"), packet(b"", "429 Slow Down", "Retry-After: 3")],
    ids=["502", "429"],
)
async def test_reads_from_a_flaky_server_succeed_and_match_their_requests(failure: bytes, transport: PoolName) -> None:
    async with wire(flaky(failure)) as server, client(server.url, transport, retry=Retry(), limit=8) as c66:
        found = await c66.collect(c66.stacks.get, [f"s{number}" for number in range(120)])
    stacks = [result.value for result in found if not isinstance(result, Failed)]
    assert [stack.uid for stack in stacks] == [f"s{number}" for number in range(120)]
    assert server.connections <= 8


async def test_each_write_to_a_flaky_server_is_sent_once(transport: PoolName) -> None:
    def drop(received: ReceivedRequest) -> bytes:
        raise ConnectionResetError

    async with wire(drop) as server, client(server.url, transport, retry=Retry()) as c66:
        for number in range(5):
            with pytest.raises(errors.TransportError) as caught:
                await c66.stacks.restart(f"s{number}")
            assert caught.value.sent
    assert [received.target.split("/")[4] for received in server.received] == [f"s{number}" for number in range(5)]


async def test_server_is_used_again_after_it_closed_the_connection(transport: PoolName) -> None:
    async with wire(lambda _: packet(GOOD)) as server, client(server.url, transport) as c66:
        await c66.stacks.get("a")
        await server.aclose()
        assert (await c66.stacks.get("a")).uid == "a"


# --- logs --------------------------------------------------------------------------------------------------


async def test_debug_log_contains_no_secret(transport: PoolName, caplog: pytest.LogCaptureFixture) -> None:
    def reply(received: ReceivedRequest) -> bytes:
        return packet(HTML, "500 Oops") if received.headers["request-id"].endswith(("0", "8")) else packet(GOOD)

    with caplog.at_level(logging.DEBUG):
        async with wire(reply) as server, client(server.url, transport, retry=Retry()) as c66:
            stacks = [await c66.stacks.get("a") for _ in range(20)]
            logging.getLogger().debug("%s %r", stacks, c66)
    assert stacks[0] == Stack(uid="a", redeploy_hook=stacks[0].redeploy_hook)
    assert "Authorization" not in caplog.text or TOKEN not in caplog.text
    assert TOKEN not in caplog.text
    assert SECRET not in caplog.text
