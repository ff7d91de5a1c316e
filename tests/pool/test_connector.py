"""Connecting: several addresses, DNS lookups, shared tasks, and cleanup after failures."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any

import pytest

from cloud66_async.errors import TransportError
from cloud66_async.pool import Origin, Pool, sockets
from cloud66_async.pool.connector import Connector
from cloud66_async.pool.errors import ConnectFailed
from cloud66_async.pool.sockets import Address, dial, numeric

from ..support import iterations
from .servers import Clock, Peer, echo, get, serve, wait_until


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


def address_of(port: int, host: str = "127.0.0.1") -> Address:
    (address,) = numeric(host, port) or []
    return address


@needs_ipv6
async def test_ipv6(pool: Pool) -> None:
    async with serve(echo, host="::1") as server:
        assert (await get(pool, server, "/six")).body == b"/six|"


async def test_host_name_is_resolved(pool: Pool) -> None:
    async with serve(echo) as server:
        origin = server.origin._replace(host="localhost")
        assert (await get(pool, origin, "/name")).body == b"/name|"


async def test_ip_address_is_not_resolved(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connector, "_resolve", None)
    async with serve(echo) as server:
        assert (await get(pool, server)).status == 200


def has_nodelay(pool: Pool) -> bool:
    (connection,) = pool._live
    connected = connection.transport.get_extra_info("socket")
    return bool(connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_connection_has_tcp_nodelay(
    host: str, secure: bool, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    pool = Pool(1, tls=client_tls)
    async with serve(echo, tls=server_tls if secure else None) as server:
        await get(pool, server.origin._replace(host=host))
        assert has_nodelay(pool)
        await pool.aclose()


@needs_ipv6
async def test_ipv6_connection_has_tcp_nodelay(pool: Pool) -> None:
    async with serve(echo, host="::1") as server:
        await get(pool, server)
        assert has_nodelay(pool)


async def test_dns_lookup_requests_the_tcp_protocol(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    real = loop.getaddrinfo

    async def report_requested_protocol(*arguments: Any, proto: int = 0, **options: Any) -> list[Any]:
        found = await real(*arguments, proto=proto, **options)
        return [(family, kind, proto, name, target) for family, kind, _, name, target in found]

    monkeypatch.setattr(loop, "getaddrinfo", report_requested_protocol)
    async with serve(echo) as server:
        await get(pool, server.origin._replace(host="localhost"))
        assert has_nodelay(pool)


@pytest.mark.parametrize("host", ["localhost", "a.example", "1.2.3", "fe80::1%lo", "", "1.2.3.4.5", "a\0b"])
def test_host_that_is_not_an_ip_address(host: str) -> None:
    assert numeric(host, 80) is None


def test_host_that_is_an_ip_address() -> None:
    assert numeric("127.0.0.1", 80) == [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))]
    assert numeric("::1", 80) == [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 80, 0, 0))]


async def test_connection_refused(pool: Pool) -> None:
    with pytest.raises(ConnectFailed, match=r"cannot connect to 127\.0\.0\.1") as caught:
        await get(pool, Origin("127.0.0.1", closed_port()))
    assert not caught.value.sent
    assert (pool._connecting, pool._limiter.free) == (0, pool.limit)


@pytest.mark.parametrize("host", ["no.such.host.invalid", "a" * 70 + ".example", "a..b", "a\0b"])
async def test_unknown_host_name(pool: Pool, host: str) -> None:
    with pytest.raises(ConnectFailed):
        await get(pool, Origin(host, 80))


async def test_invalid_port(pool: Pool) -> None:
    for port in (-1, 65536, 10**10):
        with pytest.raises(ConnectFailed):
            await get(pool, Origin("127.0.0.1", port))


async def test_next_address_is_tried_if_one_fails() -> None:
    async with serve(echo) as server:
        connected = await dial([address_of(closed_port()), address_of(closed_port()), address_of(server.origin.port)])
        assert connected.getpeername()[1] == server.origin.port
        connected.close()


async def test_error_names_every_reason_if_all_addresses_fail() -> None:
    with pytest.raises(OSError, match=r"Connect.*; .*Connect"):
        await dial([address_of(closed_port()), address_of(closed_port(), "127.0.0.2")])
    with pytest.raises(OSError, match="no address"):
        await dial([])


class Network:
    """Replacement for connecting. `delays` maps each target to the seconds until it connects, or None for never."""

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
async def test_silent_address_does_not_block_the_next(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(monkeypatch)
    network.delays = {("10.0.0.1", 1): None, ("10.0.0.2", 1): 0.1}
    task = asyncio.ensure_future(dial([address_of(1, "10.0.0.1"), address_of(1, "10.0.0.2")]))
    await iterations(4)
    await clock.advance(0.2)
    assert network.tried == [("10.0.0.1", 1)]
    await clock.advance(0.1)
    assert len(network.tried) == 2
    await clock.advance(0.2)
    (await task).close()


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_address_families_alternate(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(monkeypatch)
    targets = [("::1", 1, 0, 0), ("::2", 1, 0, 0), ("10.0.0.1", 1)]
    network.delays = dict.fromkeys(targets)
    task = asyncio.ensure_future(dial([address_of(1, "::1"), address_of(1, "::2"), address_of(1, "10.0.0.1")]))
    for _ in range(4):
        await iterations(4)
        await clock.advance(0.3)
    assert network.tried == [targets[0], targets[2], targets[1]]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_slower_sockets_are_closed(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    for delay in (0.25, 0.2501, 0.26, 0.3):  # in the same event loop iteration, and later
        network = Network(monkeypatch)
        network.delays = {("10.0.0.1", 1): 0.3, ("10.0.0.2", 1): delay - 0.25, ("10.0.0.3", 1): 0.0}
        task = asyncio.ensure_future(dial([address_of(1, f"10.0.0.{number}") for number in (1, 2, 3)]))
        await iterations(4)
        await clock.advance(0.251)
        await clock.advance(0.5)
        winner = await task
        await iterations(4)
        assert [opened for opened in network.opened if opened.fileno() >= 0] == [winner]
        winner.close()


async def test_dialing_can_be_cancelled_after_any_number_of_iterations() -> None:
    async with serve(echo) as server:
        for count in range(1_000):  # as many as a busy machine needs
            task = asyncio.ensure_future(
                dial([address_of(closed_port()), address_of(server.origin.port), address_of(server.origin.port)])
            )
            await iterations(count)
            finished = task.done()
            if not task.cancel():
                task.result().close()
            await asyncio.gather(task, return_exceptions=True)
            await iterations(4)
            assert asyncio.all_tasks() == {asyncio.current_task(), *server.tasks}
            if finished:
                break
        else:
            pytest.fail("the connection attempt never finished")


class Resolver:
    """Replacement for the DNS lookup. It records each lookup and waits for `result`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lookups: list[Origin] = []
        self.result: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        resolver = self

        async def resolve(_: object, origin: Origin) -> list[Any]:
            resolver.lookups.append(origin)
            return await asyncio.shield(resolver.result)

        monkeypatch.setattr(Connector, "_resolve", resolve)


async def test_concurrent_requests_share_one_dns_lookup(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(echo) as server:
        resolver = Resolver(monkeypatch)
        origin = Origin("name", server.origin.port)
        tasks = [asyncio.ensure_future(get(pool, origin, f"/{number}")) for number in range(4)]
        await iterations(4)
        tasks[0].cancel()  # must not affect the others
        await iterations(4)
        resolver.result.set_result([address_of(server.origin.port)])
        results = await asyncio.gather(*tasks[1:])
        assert [result.body for result in results] == [b"/%d|" % number for number in (1, 2, 3)]
        assert len(resolver.lookups) == 1
        await asyncio.gather(tasks[0], return_exceptions=True)


async def test_failed_dns_lookup_is_not_cached(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(echo) as server:
        resolver = Resolver(monkeypatch)
        origin = Origin("name", server.origin.port)
        resolver.result.set_exception(socket.gaierror(-2, "unknown"))
        with pytest.raises(ConnectFailed, match="unknown"):
            await get(pool, origin)
        resolver.result = asyncio.get_running_loop().create_future()
        resolver.result.set_result([address_of(server.origin.port)])
        assert (await get(pool, origin)).status == 200


async def test_dns_failure_without_a_waiting_request_is_not_logged(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: logged.append(context))
    resolver = Resolver(monkeypatch)
    task = asyncio.ensure_future(get(pool, Origin("name", 1)))
    await iterations(4)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    resolver.result.set_exception(socket.gaierror(-2, "unknown"))
    await iterations(4)
    del task, resolver
    assert logged == []


async def test_closing_fails_pending_connection_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool(4)
    Resolver(monkeypatch)
    tasks = [asyncio.ensure_future(get(pool, Origin("name", 1))) for _ in range(4)]
    await iterations(4)
    await pool.aclose()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(outcome, TransportError)
        assert "pool was closed" in str(outcome)
        assert not outcome.sent
    await iterations(4)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_connection_closed_immediately(pool: Pool) -> None:
    async def abort(peer: Peer) -> None:
        peer.abort()

    async with serve(abort) as server:
        for _ in range(20):
            with pytest.raises(TransportError):
                await get(pool, server)
        assert (pool.live, pool._connecting, pool._limiter.free) == (0, 0, pool.limit)
        await wait_until(lambda: not server.tasks)
