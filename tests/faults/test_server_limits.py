"""What a server cannot do to the client: fill its memory, keep it busy, or have its token sent elsewhere."""

from __future__ import annotations

import json
import pickle
import tracemalloc
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest

from cloud66_async import Cloud66, Retry, Token, errors
from cloud66_async.models import Stack

from ..conftest import PoolName
from ..support import ONCE, TOKEN, RecordingClock, packet
from .hostile_server import Respond, drain, endless, hostile

MIB = 2**20
BUFFERS = 12 * MIB  # what the system's socket buffers may hold
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
REDIRECT_URL = "https://app.example/callback"
CODE = "CODE-1"


@asynccontextmanager
async def connected(url: str, pool: PoolName, **options: Any) -> AsyncGenerator[Cloud66]:
    """Open a client with a token that can also log users in."""
    application = {"client_id": "ID", "client_secret": "CLIENT-SECRET", "redirect_url": REDIRECT_URL}
    defaults: dict[str, Any] = {"retry": ONCE, "clock": RecordingClock(), **application}
    async with Cloud66(TOKEN, url=url, pool=pool, **defaults | options) as c66:
        yield c66


async def stream(c66: Cloud66) -> None:
    async with c66.stream("GET", "/a.json") as response:
        await drain(response)


async def exchange(c66: Cloud66) -> None:
    login = c66.login()
    await c66.finish_login(login, f"{REDIRECT_URL}?code={CODE}&state={login.state}")


Door = Callable[[Cloud66], Awaitable[object]]
DOORS: dict[str, Door] = {
    "read": lambda c66: c66.stacks.get("a"),
    "list": lambda c66: c66.stacks.list().first(),
    "write": lambda c66: c66.stacks.restart("a"),
    "deletion": lambda c66: c66.environment_variables.delete("a", "NAME"),
    "raw request": lambda c66: c66.request("PATCH", "/a.json", json={}),
    "stream": stream,
    "token request": exchange,
    "revocation": lambda c66: c66.revoke(Token("revoked-token")),
}

# --- responses without an end

FLOODS: dict[str, Respond] = {
    "reason phrase": endless(b"HTTP/1.1 200 ", b"O"),
    "headers": endless(OK, b"X-Filler: aaaaaaaaaaaaaaaaaaaaaaaa\r\n"),
    "one header": endless(OK + b"X-Filler: ", b"a"),
    "header name": endless(OK, b"a"),
    "empty lines": endless(b"", b"\r\n"),
    "chunk extension": endless(CHUNKED + b"1;", b"a"),
    "chunk size": endless(CHUNKED, b"0"),
    "trailers": endless(CHUNKED + b"1\r\n{\r\n0\r\n", b"X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"),
}


def doors(floods: dict[str, Respond], names: list[str]) -> list[tuple[str, str, PoolName]]:
    """Return each flood with each door over the SDK's pool, and with one door over the HTTP library's."""
    own: list[tuple[str, str, PoolName]] = [(flood, door, "own") for flood in floods for door in names]
    return [*own, *((flood, names[number % len(names)], "httpx") for number, flood in enumerate(floods))]


@pytest.mark.parametrize(("name", "door", "transport"), doors(FLOODS, ["read", "write", "stream", "token request"]))
async def test_endless_headers_end_in_an_error(name: str, door: str, transport: PoolName) -> None:
    async with hostile(FLOODS[name]) as server, connected(server.url, transport) as c66:
        with pytest.raises(errors.Cloud66Error) as caught:
            await DOORS[door](c66)
        assert isinstance(caught.value, errors.TransportError | errors.TokenRequestFailed)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 500
        assert server.sent < BUFFERS
        assert len(server.received) == 1


BODIES: dict[str, Respond] = {
    "until close": endless(OK + b"\r\n", b" " * 16_384),
    "chunked": endless(CHUNKED, b"4000\r\n" + b" " * 16_384 + b"\r\n"),
    "announced": endless(OK + b"Content-Length: 99999999999999\r\n\r\n", b" " * 16_384),
    "error": endless(b"HTTP/1.1 500 Oops\r\n\r\n", b" " * 16_384),
    "compressed": endless(OK + b"Content-Encoding: gzip\r\n\r\n", b"\x1f\x8b\x08" + bytes(997)),
}


@pytest.mark.parametrize(("name", "door", "transport"), doors(BODIES, ["read", "write", "token request", "revocation"]))
async def test_endless_body_ends_in_an_error(name: str, door: str, transport: PoolName) -> None:
    async with hostile(BODIES[name]) as server, connected(server.url, transport) as c66:
        # A revocation has succeeded if the status says so: its body is not read to the end.
        expected = suppress(errors.Cloud66Error) if door == "revocation" else pytest.raises(errors.Cloud66Error)
        with expected:
            await DOORS[door](c66)
        most = 64 * MIB if door in ("read", "write") else MIB
        assert server.sent < most + BUFFERS


@pytest.mark.parametrize("size", [1, 2])
async def test_small_chunks_take_little_memory(size: int) -> None:
    """This is about the SDK's pool: the HTTP library takes seconds for so many chunks."""
    text = "x" * 300_000
    chunks = (b"%x\r\n%b\r\n" % (len(part), part) for part in split(b'{"response":{"uid":"%b"}}' % text.encode(), size))
    response = CHUNKED + b"".join(chunks) + b"0\r\n\r\n"
    async with hostile(response) as server, connected(server.url, "own") as c66:
        tracemalloc.start()
        try:
            assert (await c66.stacks.get("a")).uid == text
            assert tracemalloc.get_traced_memory()[1] < 4 * MIB
        finally:
            tracemalloc.stop()


def split(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


# --- JSON


def nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


@pytest.mark.parametrize("depth", [98, 200, 400, 5000, 100_000])
async def test_depth_of_json_is_limited(
    depth: int, transport: PoolName, caplog: pytest.LogCaptureFixture, reports: set[str]
) -> None:
    body = b'{"response":[{"uid":"a","considerations":%b},{"uid":"b"}]}' % nested(depth)
    async with hostile(packet(body)) as server, connected(server.url, transport) as c66:
        if depth < 5000:
            first, second = await c66.stacks.list()
            assert (first.considerations is None) == (depth > 100)
            assert reports == ({"Stack.considerations"} if depth > 100 else set())
            json.dumps(first.to_dict())
            assert pickle.loads(pickle.dumps([first, second])) == [first, second]
        else:
            with pytest.raises(errors.ResponseError, match=r"GET /stacks\.json.*nested too deeply"):
                await c66.stacks.list()


# --- pages


def listing(**pagination: object) -> bytes:
    return packet(json.dumps({"response": [{"uid": "a"}], "pagination": pagination}).encode())


LOOPS = {
    "the same page": listing(next=1, current=1, pages=3),
    "an earlier page": listing(next=0),
    "a negative page": listing(next=-5, pages=-5),
    "no next page of many": listing(next=None, pages=10**9, count=10**12),
    "a page that is not a number": listing(next="next", pages="many"),
    "a page out of range": listing(next=10**40, pages=10**40),
    "an endless fraction": listing(next=1e300),
}


async def read_three_times(c66: Cloud66) -> list[Stack]:
    """Read the list in each of the three ways."""
    found = [*await c66.stacks.list(), *[stack async for stack in c66.stacks.list()]]
    async with c66.stacks.list().prefetch() as stacks:
        return found + [stack async for stack in stacks]


@pytest.mark.parametrize("name", LOOPS)
async def test_list_does_not_read_pages_in_a_loop(name: str, transport: PoolName) -> None:
    async with hostile(LOOPS[name]) as server, connected(server.url, transport) as c66:
        found = await read_three_times(c66)
        assert {stack.uid for stack in found} == {"a"}
        # Each of the three lists ends with its first page. Page 10^40 has no successor, but it may exist.
        assert len(found) == len(server.received) == (6 if name == "a page out of range" else 3)


async def test_announced_pages_are_not_all_requested(transport: PoolName) -> None:
    """Page 2 turns out to be the last one: it names itself as the next."""
    response = listing(next=2, pages=10**6)
    async with hostile(response) as server, connected(server.url, transport, limit=4) as c66:
        assert len(await read_three_times(c66)) == 6
        assert len(server.received) <= 3 * (2 + 4)


# --- times


@pytest.mark.parametrize("status", ["429 Slow Down", "503 Unavailable"])
@pytest.mark.parametrize(
    "value",
    ["61", "9" * 9, "9" * 20, "9" * 5000, "Fri, 31 Dec 9999 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 -2359", "-1",
     "Mon, 01 Jan 0001 00:00:00 +2359", "Mon, 02 Mar 2026 09:00:00 -0000",
     "1e9", "inf", "nan", "\xb2", "", ", , ,", "0 0 0 0 0 +00\xa00:00"],
)  # fmt: skip
async def test_absurd_retry_after_is_not_waited_for(value: str, status: str, transport: PoolName) -> None:
    response = packet(b"{}", status, f"Retry-After: {value}")
    clock = RecordingClock()
    running = hostile(response)
    async with running as server, connected(server.url, transport, retry=Retry(), clock=clock) as c66:
        with pytest.raises(errors.APIError) as caught:
            await c66.stacks.get("a")
        assert max(clock.slept, default=0) <= Retry().max_pause
        assert len(server.received) <= Retry().attempts
    at = caught.value.retry_at
    assert at is None or abs(at - clock.now()) <= timedelta(days=366)


# --- redirects


STATUSES = (300, 301, 302, 303, 304, 305, 307, 308)


@pytest.mark.parametrize("door", DOORS)
async def test_redirect_is_not_followed(door: str, transport: PoolName) -> None:
    async with hostile(packet()) as other:
        places = (f"{other.url}/a", "/elsewhere.json", f"//{other.url[7:]}/a", "http://evil.example/a", "..", "")
        # Every status with the first place, and every place with some status.
        for status, location in [*((each, places[0]) for each in STATUSES), *zip(STATUSES, places[1:], strict=False)]:
            response = packet(b"", f"{status} Moved", f"Location: {location}", f"Refresh: 0; url={other.url}")
            async with hostile(response) as server, connected(server.url, transport) as c66:
                with pytest.raises((errors.APIError, errors.TokenRequestFailed)) as caught:
                    await DOORS[door](c66)
                assert str(status) in str(caught.value)
                assert not isinstance(caught.value, errors.ServerError)  # which would be retried
                assert len(server.received) == 1
        assert other.received == []


# --- cookies


@pytest.mark.parametrize("status", ["200 OK", "302 Found", "401 Unauthorized", "500 Oops"])
async def test_cookies_are_not_sent_back(status: str, transport: PoolName) -> None:
    cookies = ["Set-Cookie: session=COOKIE; Path=/", "Set-Cookie: other=COOKIE; Domain=127.0.0.1; Max-Age=99999"]
    response = packet(b'{"response":{"uid":"a","ok":true}}', status, *cookies, "Location: /")
    async with hostile(response) as server, connected(server.url, transport) as c66:
        for _ in range(2):
            for door in DOORS.values():
                with suppress(errors.Cloud66Error):
                    await door(c66)
        assert len(server.received) == 2 * len(DOORS)
        for request in server.received:
            assert "cookie" not in request.headers
            assert b"COOKIE" not in request.body
