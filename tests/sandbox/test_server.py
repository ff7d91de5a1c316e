"""The sandbox over a real socket."""

from __future__ import annotations

import asyncio
import builtins
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
from cloud66_async.sandbox import FakeCloud66, SandboxServer, consent


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with SandboxServer() as served:
        yield served


def is_open(url: str) -> bool:
    parts = urlsplit(url)
    assert parts.hostname is not None
    try:
        socket.create_connection((parts.hostname, parts.port or 0), 1).close()
    except ConnectionRefusedError:
        return False
    return True


async def test_a_client_reads_over_one_connection(server: SandboxServer) -> None:
    server.fake.seed(65)
    async with Cloud66(server.fake.add_token(), url=server.url, limit=1) as c66:
        assert len(await c66.stacks.list()) == 65
    assert (server.connections_opened, server.request_count) == (1, 3)


async def test_many_at_once_open_many_connections(server: SandboxServer) -> None:
    stacks = server.fake.seed(40)
    async with (
        Cloud66(server.fake.add_token(), url=server.url, limit=8) as c66,
        c66.each(c66.stacks.get, [stack.uid for stack in stacks]) as results,
    ):
        assert len([result async for result in results]) == 40
    assert 1 <= server.connections_opened <= 8


async def test_a_login_over_http(server: SandboxServer) -> None:
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


async def test_the_answer_is_that_of_the_core(server: SandboxServer) -> None:
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
        start = await client.get("/")
        assert "Cloud 66 sandbox" in start.text
        assert "server" not in start.headers
        refused = await client.get("/api/3/stacks.json", headers={"Request-Id": "abc"})
        assert (refused.status_code, refused.content) == (401, b"")
        assert refused.headers["request-id"] == "abc"
        assert "invalid_token" in refused.headers["www-authenticate"]
        assert (await client.get("/nothing")).status_code == 404
        assert (await client.post("/oauth/token", content=b"x" * 2_000_000)).status_code == 413


async def test_odd_paths_arrive_as_they_were_sent(server: SandboxServer) -> None:
    async with Cloud66(server.fake.add_token(), url=server.url) as c66:
        for uid in ("a/b", "..", "a?b#c", "é", "a%2Fb"):
            with pytest.raises(NotFound):
                await c66.stacks.get(uid)
    assert [seen.target for seen in server.fake.requests] == [
        "/api/3/stacks/a%2Fb.json",
        "/api/3/stacks/%2E%2E.json",
        "/api/3/stacks/a%3Fb%23c.json",
        "/api/3/stacks/%C3%A9.json",
        "/api/3/stacks/a%252Fb.json",
    ]


async def test_a_dropped_connection_is_gone(server: SandboxServer) -> None:
    server.fake.faults.drop()
    async with Cloud66(server.fake.add_token(), url=server.url, retry=Retry(attempts=1)) as c66:
        with pytest.raises(TransportError):
            await c66.stacks.list()
        assert await c66.stacks.list() == []
    assert server.connections_opened == 2


async def test_latency_is_real_and_of_the_api_alone(monkeypatch: pytest.MonkeyPatch) -> None:
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


async def test_state_can_be_changed_while_it_is_served(server: SandboxServer) -> None:
    def add() -> None:
        for _ in range(500):
            server.fake.add_stack("web")

    async with Cloud66(server.fake.add_token(), url=server.url, limit=4) as c66:
        adding = asyncio.create_task(asyncio.to_thread(add))
        while not adding.done():
            await asyncio.gather(*(c66.stacks.list(environment="production").page(1) for _ in range(4)))
        await adding
        assert len(await c66.stacks.list()) == 500


async def test_a_fake_clock_moves_what_is_served() -> None:
    fake = FakeCloud66()
    stack = fake.add_stack("web")
    with SandboxServer(fake) as server:
        async with Cloud66(fake.add_token(), url=server.url, clock=fake.clock) as c66:
            started = await c66.stacks.redeploy(stack.uid)
            assert started.async_action_id is not None
            assert not (await c66.actions.get(stack.uid, started.async_action_id)).finished
            fake.clock.advance(60)
            assert (await c66.actions.get(stack.uid, started.async_action_id)).succeeded


# --- starting and stopping -----------------------------------------------------------------------


def test_it_stops_at_the_end_of_the_block() -> None:
    with SandboxServer() as server:
        assert is_open(server.url)
    assert not is_open(server.url)
    assert not [thread for thread in threading.enumerate() if thread.name == "cloud66-sandbox"]


def test_it_stops_on_an_error() -> None:
    url = ""
    with pytest.raises(ZeroDivisionError), SandboxServer() as server:
        url = server.url
        raise ZeroDivisionError
    assert url
    assert not is_open(url)


async def test_it_stops_while_a_request_is_under_way() -> None:
    fake = FakeCloud66()
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


def test_stopping_twice_or_before_the_start_does_nothing() -> None:
    server = SandboxServer()
    server.stop()
    server.start()
    server.stop()
    server.stop()


def test_a_port_can_be_chosen_and_used_again() -> None:
    with SandboxServer() as server:
        port = urlsplit(server.url).port
        assert port
    with SandboxServer(port=port) as again:
        assert urlsplit(again.url).port == port
        with pytest.raises(ConfigError, match=str(port)):
            SandboxServer(port=port).start()


def test_two_servers_know_nothing_of_each_other() -> None:
    with SandboxServer() as one, SandboxServer() as two:
        one.fake.add_stack("web")
        assert one.url != two.url
        assert not two.fake.world.stacks


def test_it_writes_nothing_to_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    with SandboxServer() as server:
        server.fake.faults.drop(operation="ping.ping")
        for path in ("/", "/nothing", "/api/3/ping.json"):
            with httpx.Client(trust_env=False) as client:
                try:
                    client.get(server.url + path)
                except httpx.HTTPError:
                    assert path == "/api/3/ping.json"
    assert capfd.readouterr() == ("", "")


def test_it_writes_where_it_is_asked_to(capfd: pytest.CaptureFixture[str]) -> None:
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
def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
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


async def test_a_client_that_hangs_up_in_the_middle_of_a_body_does_no_harm(
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
