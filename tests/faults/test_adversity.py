"""Servers that misbehave, over real sockets and on both ways to the wire."""

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
from ..support import ONCE, SECRET, TOKEN, Asked, Recorder, packet, wire

GOOD = json.dumps({"response": {"uid": "a", "redeploy_hook": SECRET}}).encode()
HTML = b"<html><title>502</title></html>"


def client(url: str, transport: PoolName, **options: Any) -> Cloud66:
    options.setdefault("retry", ONCE)
    return Cloud66(TOKEN, url=url, pool=transport, clock=Recorder(), **options)


ANSWERS: dict[str, tuple[bytes, type[errors.Cloud66Error]]] = {
    "web page with 200": (packet(HTML), errors.ResponseError),
    "empty 200": (packet(b""), errors.ResponseError),
    "cut JSON": (packet(GOOD[:-9]), errors.ResponseError),
    "list of numbers": (packet(b"[1,2,3]"), errors.ResponseError),
    "deep": (packet(b"[" * 100_000), errors.ResponseError),
    "invalid UTF-8": (packet(b'{"response":{"uid":"\xff"}}'), errors.ResponseError),
    "wrong encoding": (packet(b"not gzip", "200 OK", "Content-Encoding: gzip"), errors.TransportError),
    "502 page": (packet(HTML, "502 Bad Gateway"), errors.ServerError),
    "503 page": (packet(HTML, "503 Unavailable"), errors.ServerError),
    "503 throttled": (packet(b'{"error":"throttled"}', "503 Unavailable"), errors.Throttled),
    "503 not implemented": (packet(b'{"error":"not_implemented"}', "503 Unavailable"), errors.Unsupported),
    "503 with no quota": (packet(HTML, "503 Unavailable", "X-RateLimit-Remaining: 0"), errors.Throttled),
    "429": (packet(b"", "429 Too Many Requests", "Retry-After: 9999"), errors.Throttled),
    "empty 401": (
        packet(b"", "401 No", 'WWW-Authenticate: Bearer error="invalid_token"'),
        errors.Unauthenticated,
    ),
    "403 page": (packet(HTML, "403 Forbidden"), errors.Forbidden),
    "404": (packet(b"null", "404 Not Found"), errors.NotFound),
    "422": (packet(b'{"error":"invalid"}', "422 Unprocessable"), errors.BadRequest),
    "402": (packet(b"{}", "402 Payment Required"), errors.TrialExpired),
    "408": (packet(b"{}", "408 Request Timeout"), errors.RequestTimeout),
    "409": (packet(b"{}", "409 Conflict"), errors.Conflict),
    "301": (packet(b"", "301 Moved", "Location: https://evil.example/"), errors.APIError),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", errors.TransportError),
    "nothing": (b"", errors.TransportError),
    "half a head": (b"HTTP/1.1 200 OK\r\nContent-Le", errors.TransportError),
    "half a body": (packet(GOOD)[:-5], errors.TransportError),
    "endless head": (b"HTTP/1.1 200 OK\r\n" + b"X-Filler: aaaaaaaaaaaaaaa\r\n" * 40_000, errors.TransportError),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_every_bad_answer_is_one_of_our_errors(
    name: str, transport: PoolName, caplog: pytest.LogCaptureFixture
) -> None:
    body, kind = ANSWERS[name]

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


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_packed_answers_are_unpacked(coding: str, transport: PoolName) -> None:
    packed = gzip.compress(GOOD) if coding == "gzip" else zlib.compress(GOOD)
    serving = wire(lambda _: packet(packed, "200 OK", f"Content-Encoding: {coding}"))
    async with serving as server, client(server.url, transport) as c66:
        assert (await c66.stacks.get("a")).uid == "a"
    assert coding in server.seen[0].headers["accept-encoding"]


async def test_an_answer_that_never_ends_is_refused_at_a_bound(transport: PoolName) -> None:
    bomb = gzip.compress(b" " * (65 * 1024 * 1024), 9)
    serving = wire(lambda _: packet(bomb, "200 OK", "Content-Encoding: gzip"))
    async with serving as server, client(server.url, transport) as c66:
        with pytest.raises(errors.TransportError):
            await c66.stacks.get("a")


# --- silence ---------------------------------------------------------------------------------------------


async def test_a_silent_server_is_a_timeout_that_says_which(transport: PoolName) -> None:
    async with wire(lambda _: b"") as server:
        async with client(server.url, transport, timeout=Timeouts(read=0.05)) as c66:
            with pytest.raises(errors.TransportTimeout) as caught:
                await c66.stacks.get("a")
            assert (caught.value.phase, caught.value.sent) == ("read", True)
        async with client(server.url, transport, timeout=0.05) as c66:
            with pytest.raises(errors.TransportTimeout) as caught:
                await c66.stacks.get("a")
            assert (caught.value.phase, caught.value.sent) == ("total", True)


async def test_the_callers_own_deadline_is_the_builtin_timeout(transport: PoolName) -> None:
    async with wire(lambda _: b"") as server, client(server.url, transport) as c66:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.05):
                await c66.stacks.get("a")
    assert not isinstance(caught.value, errors.Cloud66Error)


# --- again and again -----------------------------------------------------------------------------------------


def flaky(trouble: bytes) -> Callable[[Asked], bytes]:
    """A server that answers every third thing properly at once, and the others after one or two troubles."""
    left: dict[str, int] = {}

    def reply(asked: Asked) -> bytes:
        uid = asked.target.rpartition("/")[2].removesuffix(".json")
        left[uid] = left.get(uid, int(uid[1:]) % 3) - 1
        return trouble if left[uid] >= 0 else packet(b'{"response":{"uid":"%b"}}' % uid.encode())

    return reply


@pytest.mark.parametrize(
    "trouble",
    [packet(HTML, "502 Bad Gateway"), packet(b"", "429 Slow Down", "Retry-After: 3")],
    ids=["502", "429"],
)
async def test_reads_get_through_a_flaky_server_and_answers_are_not_mixed_up(
    trouble: bytes, transport: PoolName
) -> None:
    async with wire(flaky(trouble)) as server, client(server.url, transport, retry=Retry(), limit=8) as c66:
        found = await c66.collect(c66.stacks.get, [f"s{number}" for number in range(120)])
    stacks = [result.value for result in found if not isinstance(result, Failed)]
    assert [stack.uid for stack in stacks] == [f"s{number}" for number in range(120)]
    assert server.connections <= 8


async def test_a_write_to_a_flaky_server_is_sent_once_each(transport: PoolName) -> None:
    def drop(asked: Asked) -> bytes:
        raise ConnectionResetError

    async with wire(drop) as server, client(server.url, transport, retry=Retry()) as c66:
        for number in range(5):
            with pytest.raises(errors.TransportError) as caught:
                await c66.stacks.redeploy(f"s{number}")
            assert caught.value.sent
    assert [asked.target.split("/")[4] for asked in server.seen] == [f"s{number}" for number in range(5)]


async def test_a_server_that_comes_back_is_used_again(transport: PoolName) -> None:
    async with wire(lambda _: packet(GOOD)) as server, client(server.url, transport) as c66:
        await c66.stacks.get("a")
        await server.aclose()
        assert (await c66.stacks.get("a")).uid == "a"


# --- logs -----------------------------------------------------------------------------------------------------


async def test_nothing_secret_is_logged_at_debug(transport: PoolName, caplog: pytest.LogCaptureFixture) -> None:
    def reply(asked: Asked) -> bytes:
        return packet(HTML, "500 Oops") if asked.headers["request-id"].endswith(("0", "8")) else packet(GOOD)

    with caplog.at_level(logging.DEBUG):
        async with wire(reply) as server, client(server.url, transport, retry=Retry()) as c66:
            stacks = [await c66.stacks.get("a") for _ in range(20)]
            logging.getLogger().debug("%s %r", stacks, c66)
    assert stacks[0] == Stack(uid="a", redeploy_hook=stacks[0].redeploy_hook)
    assert "Authorization" not in caplog.text or TOKEN not in caplog.text
    assert TOKEN not in caplog.text
    assert SECRET not in caplog.text
