"""Connecting: several addresses, names, shared work, and failures that leave nothing behind."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from cloud66_async.errors import TransportError
from cloud66_async.pool import Origin, Pool, sockets
from cloud66_async.pool.connector import Connector
from cloud66_async.pool.errors import ConnectFailed
from cloud66_async.pool.sockets import Address, dial, numeric

from .servers import Clock, Peer, echo, get, serve, turns, until


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 on loopback")


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def at(port: int, host: str = "127.0.0.1") -> Address:
    (address,) = numeric(host, port) or []
    return address


@needs_ipv6
async def test_ipv6(pool: Pool) -> None:
    async with serve(echo, host="::1") as server:
        assert (await get(pool, server, "/six")).body == b"/six|"


async def test_a_name_is_looked_up(pool: Pool) -> None:
    async with serve(echo) as server:
        origin = server.origin._replace(host="localhost")
        assert (await get(pool, origin, "/name")).body == b"/name|"


async def test_numbers_are_not_looked_up(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connector, "_look_up", None)
    async with serve(echo) as server:
        assert (await get(pool, server)).status == 200


@pytest.mark.parametrize("host", ["localhost", "a.example", "1.2.3", "fe80::1%lo", "", "1.2.3.4.5", "a\0b"])
def test_what_is_no_number(host: str) -> None:
    assert numeric(host, 80) is None


def test_what_is_a_number() -> None:
    assert numeric("127.0.0.1", 80) == [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))]
    assert numeric("::1", 80) == [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 80, 0, 0))]


async def test_refused(pool: Pool) -> None:
    with pytest.raises(ConnectFailed, match=r"cannot connect to 127\.0\.0\.1") as caught:
        await get(pool, Origin("127.0.0.1", closed_port()))
    assert not caught.value.sent
    assert (pool._opening, pool._limiter.free) == (0, pool.limit)


@pytest.mark.parametrize("host", ["no.such.host.invalid", "a" * 70 + ".example", "a..b", "a\0b"])
async def test_a_name_that_cannot_be_found(pool: Pool, host: str) -> None:
    with pytest.raises(ConnectFailed):
        await get(pool, Origin(host, 80))


async def test_a_port_that_cannot_be(pool: Pool) -> None:
    for port in (-1, 65536, 10**10):
        with pytest.raises(ConnectFailed):
            await get(pool, Origin("127.0.0.1", port))


async def test_the_next_address_is_tried_when_one_fails() -> None:
    async with serve(echo) as server:
        connected = await dial([at(closed_port()), at(closed_port()), at(server.origin.port)])
        assert connected.getpeername()[1] == server.origin.port
        connected.close()


async def test_every_reason_is_told_when_all_fail() -> None:
    with pytest.raises(OSError, match=r"Connect.*; .*Connect"):
        await dial([at(closed_port()), at(closed_port(), "127.0.0.2")])
    with pytest.raises(OSError, match="no address"):
        await dial([])


class Network:
    """Replaces connecting: by target, seconds until it connects, or None for never."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.delays: dict[object, float | None] = {}
        self.tried: list[object] = []
        self.opened: list[socket.socket] = []
        monkeypatch.setattr(sockets, "_attempt", self.attempt)

    async def attempt(self, address: Address) -> socket.socket:
        self.tried.append(address[4])
        delay = self.delays[address[4]]
        if delay is None:
            await asyncio.get_running_loop().create_future()
        else:
            await asyncio.sleep(delay)
        opened = socket.socket()
        self.opened.append(opened)
        return opened


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_a_silent_address_holds_nobody_up(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(monkeypatch)
    network.delays = {("10.0.0.1", 1): None, ("10.0.0.2", 1): 0.1}
    task = asyncio.ensure_future(dial([at(1, "10.0.0.1"), at(1, "10.0.0.2")]))
    await turns(4)
    await clock.forward(0.2)
    assert network.tried == [("10.0.0.1", 1)]
    await clock.forward(0.1)
    assert len(network.tried) == 2
    await clock.forward(0.2)
    (await task).close()


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_families_take_turns(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(monkeypatch)
    targets = [("::1", 1, 0, 0), ("::2", 1, 0, 0), ("10.0.0.1", 1)]
    network.delays = dict.fromkeys(targets)
    task = asyncio.ensure_future(dial([at(1, "::1"), at(1, "::2"), at(1, "10.0.0.1")]))
    for _ in range(4):
        await turns(4)
        await clock.forward(0.3)
    assert network.tried == [targets[0], targets[2], targets[1]]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_losers_and_late_winners_are_closed(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    for delay in (0.25, 0.2501, 0.26, 0.3):  # in the same turn, and later
        network = Network(monkeypatch)
        network.delays = {("10.0.0.1", 1): 0.3, ("10.0.0.2", 1): delay - 0.25, ("10.0.0.3", 1): 0.0}
        task = asyncio.ensure_future(dial([at(1, f"10.0.0.{number}") for number in (1, 2, 3)]))
        await turns(4)
        await clock.forward(0.251)
        await clock.forward(0.5)
        winner = await task
        await turns(4)
        assert [opened for opened in network.opened if opened.fileno() >= 0] == [winner]
        winner.close()


async def test_dialling_can_be_cancelled_at_every_moment() -> None:
    async with serve(echo) as server:
        for count in range(200):
            task = asyncio.ensure_future(dial([at(closed_port()), at(server.origin.port), at(server.origin.port)]))
            await turns(count)
            finished = task.done()
            if not task.cancel():
                task.result().close()
            await asyncio.gather(task, return_exceptions=True)
            await turns(4)
            assert asyncio.all_tasks() == {asyncio.current_task(), *server.tasks}
            if finished:
                break
        else:
            pytest.fail("it never finished")


class Resolver:
    """Counts look-ups, which last until they are let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[Origin] = []
        self.answer: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        resolver = self

        async def look_up(_: object, origin: Origin) -> list[Any]:
            resolver.asked.append(origin)
            return await asyncio.shield(resolver.answer)

        monkeypatch.setattr(Connector, "_look_up", look_up)


async def test_a_name_is_looked_up_once_for_all_who_ask(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(echo) as server:
        resolver = Resolver(monkeypatch)
        origin = Origin("name", server.origin.port)
        tasks = [asyncio.ensure_future(get(pool, origin, f"/{number}")) for number in range(4)]
        await turns(4)
        tasks[0].cancel()  # takes it from nobody
        await turns(4)
        resolver.answer.set_result([at(server.origin.port)])
        results = await asyncio.gather(*tasks[1:])
        assert [result.body for result in results] == [b"/%d|" % number for number in (1, 2, 3)]
        assert len(resolver.asked) == 1
        await asyncio.gather(tasks[0], return_exceptions=True)


async def test_a_failed_look_up_is_not_kept(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(echo) as server:
        resolver = Resolver(monkeypatch)
        origin = Origin("name", server.origin.port)
        resolver.answer.set_exception(socket.gaierror(-2, "unknown"))
        with pytest.raises(ConnectFailed, match="unknown"):
            await get(pool, origin)
        resolver.answer = asyncio.get_running_loop().create_future()
        resolver.answer.set_result([at(server.origin.port)])
        assert (await get(pool, origin)).status == 200


async def test_a_failure_that_nobody_waits_for_makes_no_noise(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    noise: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: noise.append(context))
    resolver = Resolver(monkeypatch)
    task = asyncio.ensure_future(get(pool, Origin("name", 1)))
    await turns(4)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    resolver.answer.set_exception(socket.gaierror(-2, "unknown"))
    await turns(4)
    del task, resolver
    assert noise == []


async def test_closing_tells_those_who_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool(4)
    Resolver(monkeypatch)
    tasks = [asyncio.ensure_future(get(pool, Origin("name", 1))) for _ in range(4)]
    await turns(4)
    await pool.aclose()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(outcome, TransportError)
        assert "pool was closed" in str(outcome)
        assert not outcome.sent
    await turns(4)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_connection_that_ends_at_once(pool: Pool) -> None:
    async def hang_up(peer: Peer) -> None:
        peer.abort()

    async with serve(hang_up) as server:
        for _ in range(20):
            with pytest.raises(TransportError):
                await get(pool, server)
        assert (pool.live, pool._opening, pool._limiter.free) == (0, 0, pool.limit)
        await until(lambda: not server.tasks)
