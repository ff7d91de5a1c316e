"""The sandbox on a local port."""

from __future__ import annotations

import asyncio
import builtins
import http.client
import json
import logging
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from cloud66_async import Cloud66, Retry
from cloud66_async._http.library import httpx
from cloud66_async.errors import ConfigError, NotFound, ServerError, TransportError
from cloud66_async.sandbox import FakeClock, FakeCloud66, SandboxServer, consent


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with SandboxServer() as running:
        yield running


def is_open(url: str) -> bool:
    parts = urlsplit(url)
    assert parts.hostname is not None
    try:
        socket.create_connection((parts.hostname, parts.port or 0), 1).close()
    except ConnectionRefusedError:
        return False
    return True


async def test_client_with_limit_1_opens_one_connection(server: SandboxServer) -> None:
    server.fake.seed(65)
    async with Cloud66(server.fake.add_token(), url=server.url, limit=1) as c66:
        assert len(await c66.stacks.list()) == 65
    assert (server.connections_opened, server.request_count) == (1, 3)


async def test_concurrent_calls_open_at_most_limit_connections(server: SandboxServer) -> None:
    stacks = server.fake.seed(40)
    async with (
        Cloud66(server.fake.add_token(), url=server.url, limit=8) as c66,
        c66.each(c66.stacks.get, [stack.uid for stack in stacks]) as results,
    ):
        assert len([result async for result in results]) == 40
    assert 1 <= server.connections_opened <= 8


async def test_login_over_http(server: SandboxServer) -> None:
    server.fake.add_stack("web")
    application = server.fake.add_application()
    async with Cloud66(
        client_id=application.client_id,
        client_secret=application.client_secret,
        redirect_url="http://127.0.0.1:1234/callback",
        url=server.url,
    ) as c66:
        login = c66.login()
        token = await c66.finish_login(login, await consent(login.url))
        assert len(await c66.using(token=token).stacks.list()) == 1


async def test_server_sends_the_replies_of_the_sandbox(server: SandboxServer) -> None:
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
        start = await client.get("/")
        assert "Cloud 66 sandbox" in start.text
        assert "server" not in start.headers
        rejected = await client.get("/api/3/stacks.json", headers={"Request-Id": "abc"})
        assert (rejected.status_code, rejected.content) == (401, b"")
        assert rejected.headers["request-id"] == "abc"
        assert "invalid_token" in rejected.headers["www-authenticate"]
        assert (await client.get("/nothing")).status_code == 404
        assert (await client.post("/oauth/token", content=b"x" * 2_000_000)).status_code == 413


async def test_unusual_paths_arrive_unchanged(server: SandboxServer) -> None:
    async with Cloud66(server.fake.add_token(), url=server.url) as c66:
        for uid in ("a/b", "..", "a?b#c", "é", "a%2Fb"):
            with pytest.raises(NotFound):
                await c66.stacks.get(uid)
    assert [request.target for request in server.fake.requests] == [
        "/api/3/stacks/a%2Fb.json",
        "/api/3/stacks/%2E%2E.json",
        "/api/3/stacks/a%3Fb%23c.json",
        "/api/3/stacks/%C3%A9.json",
        "/api/3/stacks/a%252Fb.json",
    ]


async def test_dropped_connection_is_not_reused(server: SandboxServer) -> None:
    server.fake.faults.drop()
    async with Cloud66(server.fake.add_token(), url=server.url, retry=Retry(attempts=1)) as c66:
        with pytest.raises(TransportError):
            await c66.stacks.list()
        assert await c66.stacks.list() == []
    assert server.connections_opened == 2


async def test_latency_delays_the_api_only(monkeypatch: pytest.MonkeyPatch) -> None:
    from cloud66_async.sandbox.serving import app

    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(app, "asyncio", type("Stub", (), {"sleep": staticmethod(sleep)}))
    with SandboxServer(latency=0.25) as server:
        async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
            await client.get("/")
            await client.get("/oauth/token/info")
            await client.get("/api/3/ping.json")
    assert slept == [0.25]


@pytest.mark.parametrize(("latency", "error"), [(-1.0, ValueError), (float("nan"), ValueError), ("1", TypeError)])
def test_invalid_latency(latency: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="invalid latency"):
        SandboxServer(latency=latency)


async def test_stacks_can_be_added_while_serving(server: SandboxServer) -> None:
    def add() -> None:
        for _ in range(500):
            server.fake.add_stack("web")

    async with Cloud66(server.fake.add_token(), url=server.url, limit=4) as c66:
        adding = asyncio.create_task(asyncio.to_thread(add))
        while not adding.done():
            await asyncio.gather(*(c66.stacks.list(environment="production").page(1) for _ in range(4)))
        await adding
        assert len(await c66.stacks.list()) == 500


async def test_served_sandbox_runs_on_its_fake_clock() -> None:
    fake = FakeCloud66()
    stack = fake.add_stack("web")
    with SandboxServer(fake) as server:
        async with Cloud66(fake.add_token(), url=server.url, clock=fake.clock) as c66:
            started = await c66.stacks.redeploy(stack.uid)
            assert started.async_action_id is not None
            assert not (await c66.actions.get(stack.uid, started.async_action_id)).finished
            fake.clock.advance(60)
            assert (await c66.actions.get(stack.uid, started.async_action_id)).succeeded


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_responses_are_sent_without_delay(monkeypatch: pytest.MonkeyPatch, loop: str, host: str) -> None:
    """Without TCP_NODELAY, each response on a reused connection waits 44 ms for a delayed ACK."""
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    accepted: list[tuple[str, int]] = []
    connection_made = HttpToolsProtocol.connection_made

    def record(self: HttpToolsProtocol, transport: asyncio.Transport) -> None:
        option = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        accepted.append((type(transport).__module__.partition(".")[0], option))
        connection_made(self, transport)

    if loop == "uvloop":
        pytest.importorskip("uvloop")
    else:
        monkeypatch.setitem(sys.modules, "uvloop", None)  # uvicorn uses it if it is installed
    monkeypatch.setattr(HttpToolsProtocol, "connection_made", record)
    with SandboxServer(host=host) as server:
        stacks = server.fake.seed(8)
        async with Cloud66(server.fake.add_token(), url=server.url, limit=4) as c66:
            for stack in stacks:
                await c66.stacks.get(stack.uid)
            await c66.stacks.get_many([stack.uid for stack in stacks], batch=False)
        assert len(accepted) == server.connections_opened > 0
    assert {name for name, _ in accepted} == {loop}
    assert all(option for _, option in accepted)


# --- starting and stopping -----------------------------------------------------------------------


def test_server_stops_at_the_end_of_the_block() -> None:
    with SandboxServer() as server:
        assert is_open(server.url)
    assert not is_open(server.url)
    assert not [thread for thread in threading.enumerate() if thread.name == "cloud66-sandbox"]


def test_server_stops_on_an_error() -> None:
    url = ""
    with pytest.raises(ZeroDivisionError), SandboxServer() as server:
        url = server.url
        raise ZeroDivisionError
    assert url
    assert not is_open(url)


async def test_server_stops_while_a_request_is_in_flight() -> None:
    fake = FakeCloud66(clock=FakeClock(autojump=False, grace=20))
    fake.faults.slow(3600)
    with SandboxServer(fake) as server:
        async with Cloud66(fake.add_token(), url=server.url, retry=Retry(attempts=1)) as c66:
            waiting = asyncio.create_task(c66.stacks.list().page(1))
            while not fake.clock.sleepers:
                await asyncio.sleep(0.01)
            await asyncio.to_thread(server.stop)
            with pytest.raises((TransportError, ServerError)):
                await waiting
    assert not is_open(server.url)


def test_stop_does_nothing_if_the_server_is_not_running() -> None:
    server = SandboxServer()
    server.stop()
    server.start()
    server.stop()
    server.stop()


def test_port_can_be_chosen_and_reused() -> None:
    with SandboxServer() as server:
        port = urlsplit(server.url).port
        assert port
    with SandboxServer(port=port) as again:
        assert urlsplit(again.url).port == port
        with pytest.raises(ConfigError, match=str(port)):
            SandboxServer(port=port).start()


def test_servers_are_independent() -> None:
    with SandboxServer() as one, SandboxServer() as two:
        one.fake.add_stack("web")
        assert one.url != two.url
        assert not two.fake.world.stacks


def test_server_does_not_write_to_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    with SandboxServer() as server:
        server.fake.faults.drop(operation="ping.check")
        for path in ("/", "/nothing", "/api/3/ping.json"):
            with httpx.Client(trust_env=False) as client:
                try:
                    client.get(server.url + path)
                except httpx.HTTPError:
                    assert path == "/api/3/ping.json"
    assert capfd.readouterr() == ("", "")


def test_server_writes_its_log_if_requested(capfd: pytest.CaptureFixture[str]) -> None:
    loggers = [logging.getLogger(name) for name in ("uvicorn", "uvicorn.access", "uvicorn.error")]
    before = [(logger.handlers[:], logger.propagate, logger.level) for logger in loggers]
    try:
        with SandboxServer(log=True) as server, httpx.Client(trust_env=False) as client:
            client.get(server.url + "/api/3/ping.json")
    finally:
        for logger, (handlers, propagate, level) in zip(loggers, before, strict=True):
            logger.handlers[:], logger.propagate = handlers, propagate
            logger.setLevel(level)
    out, err = capfd.readouterr()
    assert "GET /api/3/ping.json" in out + err


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_error_without_the_extra_names_it(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] == missing:
            raise ImportError(name)
        return real(name, *args, **kwargs)

    for name in [name for name in sys.modules if name.partition(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"cloud66-async\[sandbox\]"):
        SandboxServer().start()


async def test_client_that_disconnects_during_a_body_is_ignored(
    server: SandboxServer, capfd: pytest.CaptureFixture[str]
) -> None:
    parts = urlsplit(server.url)
    _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(b"POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    async with Cloud66(server.fake.add_token(), url=server.url) as c66:
        assert await c66.stacks.list() == []
    assert server.request_count == 1
    assert capfd.readouterr() == ("", "")


def test_path_with_a_line_break_reaches_the_sandbox(server: SandboxServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(server.url).port)
    headers = {"authorization": f"Bearer {server.fake.add_token().reveal()}"}
    connection.request("GET", "/api/3/stacks/%0A.json", headers=headers)
    response = connection.getresponse()
    body = json.loads(response.read())
    connection.close()
    assert (response.status, body["error"]) == (404, "not_found")
