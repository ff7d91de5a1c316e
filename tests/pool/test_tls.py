"""TLS: trusted certificates, the host name that is checked, and cleanup after failures."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading

import pytest
import trustme

from cloud66_async._core import tls
from cloud66_async.errors import TransportTimeout
from cloud66_async.pool import Origin, Pool
from cloud66_async.pool.connection import Connection
from cloud66_async.pool.connector import Connector
from cloud66_async.pool.errors import ConnectFailed, ConnectionLost
from cloud66_async.transport import Timeouts

from ..support import iterations
from .servers import NO_TIMEOUTS, Peer, echo, get, request_headers, serve, wait_until


def certificate(authority: trustme.CA, *names: str, expired: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    past = dt.datetime(2020, 1, 1, tzinfo=dt.UTC) if expired else None
    authority.issue_cert(*names, not_after=past).configure_cert(context)  # pyright: ignore[reportUnknownMemberType]
    return context


async def test_connection_with_tls_is_reused(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    pool = Pool(2, tls=client_tls)
    async with serve(echo, tls=server_tls) as server:
        for number in range(20):
            assert (await get(pool, server, f"/{number}")).body == b"/%d|" % number
        assert pool.opened == 1
        await pool.aclose()


@pytest.mark.parametrize(
    ("names", "expired", "trusted", "reason"),
    [
        (["other.example"], False, True, "certificate verify failed: IP address mismatch"),
        (["127.0.0.1"], True, True, "certificate verify failed: certificate has expired"),
        (["127.0.0.1"], False, False, "certificate verify failed: unable to get local issuer"),
    ],
    ids=["wrong host", "expired", "unknown authority"],
)
async def test_invalid_certificate(
    names: list[str], expired: bool, trusted: bool, reason: str, authority: trustme.CA
) -> None:
    context = ssl.create_default_context()
    (authority if trusted else trustme.CA()).configure_trust(context)  # pyright: ignore[reportUnknownMemberType]
    pool = Pool(2, tls=context)
    async with serve(echo, tls=certificate(authority, *names, expired=expired)) as server:
        for _ in range(3):
            with pytest.raises(ConnectFailed, match=reason) as caught:
                await get(pool, server)
            assert not caught.value.sent
            assert (pool.live, pool._connecting, pool._limiter.free) == (0, 0, 2)
        assert server.received == []
        await pool.aclose()


async def test_sni_replaces_the_host_name(authority: trustme.CA, client_tls: ssl.SSLContext) -> None:
    pool = Pool(2, tls=client_tls)
    received_names: list[str | None] = []
    context = certificate(authority, "api.example")
    context.sni_callback = lambda _object, name, _context: received_names.append(name)
    async with serve(echo, tls=context) as server:
        origin = server.origin._replace(sni="api.example")
        assert (await pool.request(origin, "GET", request_headers())).status == 200
        assert received_names == ["api.example"]
        await pool.aclose()


async def test_shared_context_is_strict(authority: trustme.CA) -> None:
    context = tls.shared_context()
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


async def test_server_without_tls(client_tls: ssl.SSLContext) -> None:
    async def plain(peer: Peer) -> None:
        await peer.reader.read(100)
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    pool = Pool(2, tls=client_tls)
    async with serve(plain) as server:
        with pytest.raises(ConnectFailed, match=r"(?i)wrong.version.number"):
            await pool.request(server.origin._replace(tls=True), "GET", request_headers())
        await pool.aclose()


async def test_server_closes_during_the_handshake(client_tls: ssl.SSLContext) -> None:
    async def close(peer: Peer) -> None:
        await peer.reader.read(100)
        peer.abort()

    pool = Pool(2, tls=client_tls)
    async with serve(close) as server:
        with pytest.raises(ConnectFailed):
            await pool.request(server.origin._replace(tls=True), "GET", request_headers())
        assert (pool.live, pool._connecting, pool._limiter.free) == (0, 0, 2)
        await pool.aclose()


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("how", ["end", "reset", "plain text"])
async def test_server_closes_or_sends_plain_text_right_after_accepting(
    how: str, late: bool, client_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def end(peer: Peer) -> None:
        if how == "reset":
            linger = struct.pack("ii", 1, 0)
            peer.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            peer.abort()
        elif how == "plain text":
            await peer.send(b"220 hello\r\n")
            await peer.reader.read()

    wrap = Connector._wrap

    async def wrap_and_wait(
        self: Connector, origin: Origin, connected: socket.socket
    ) -> tuple[asyncio.Transport, Connection]:
        transport, connection = await wrap(self, origin, connected)
        await wait_until(lambda: connection.closed)
        await iterations(3)
        return transport, connection

    if late:
        monkeypatch.setattr(Connector, "_wrap", wrap_and_wait)
    pool = Pool(2, tls=client_tls)
    async with serve(end) as server:
        for _ in range(3):
            async with asyncio.timeout(10):
                with pytest.raises(ConnectFailed) as caught:
                    await get(pool, server.origin._replace(tls=True))
            assert not caught.value.sent
            assert (pool.live, pool._connecting, pool._limiter.free) == (0, 0, 2)
        await pool.aclose()


async def test_connect_timeout_includes_the_handshake(client_tls: ssl.SSLContext) -> None:
    async def never_respond(peer: Peer) -> None:
        await peer.reader.read()

    pool = Pool(2, tls=client_tls)
    async with serve(never_respond) as server:
        with pytest.raises(TransportTimeout) as caught:
            await pool.request(
                server.origin._replace(tls=True), "GET", request_headers(), timeouts=Timeouts(connect=0.02)
            )
        assert (caught.value.phase, caught.value.sent) == ("connect", False)
        await pool.aclose()


async def test_context_is_created_once_in_a_thread(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    threads: list[int] = []
    proceed = threading.Event()

    def create() -> ssl.SSLContext:
        threads.append(threading.get_ident())
        assert proceed.wait(60)
        return client_tls

    pool = Pool(8, tls=create)
    async with serve(echo, tls=server_tls) as server:
        first = asyncio.ensure_future(get(pool, server))
        others = [asyncio.ensure_future(get(pool, server)) for _ in range(7)]
        await iterations(20)  # every socket is connected by now
        first.cancel()  # must not affect the others
        await iterations(4)
        proceed.set()
        assert {result.status for result in await asyncio.gather(*others)} == {200}
        assert len(threads) == 1
        assert threads[0] != threading.get_ident()
        await asyncio.gather(first, return_exceptions=True)
        await pool.aclose()


async def test_failure_to_create_a_context_is_not_cached(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    outcomes: list[Exception | None] = [FileNotFoundError("no such certificate"), None]

    def create() -> ssl.SSLContext:
        failure = outcomes.pop(0)
        if failure is not None:
            raise failure
        return client_tls

    pool = Pool(2, tls=create)
    async with serve(echo, tls=server_tls) as server:
        with pytest.raises(ConnectFailed, match="no such certificate"):
            await get(pool, server)
        assert (await get(pool, server)).status == 200
        await pool.aclose()


@pytest.mark.parametrize("fails", [False, True])
async def test_socket_connects_while_the_context_is_created(fails: bool, client_tls: ssl.SSLContext) -> None:
    connected, ended = threading.Event(), asyncio.Event()

    async def read_to_the_end(peer: Peer) -> None:
        connected.set()
        await peer.reader.read()
        ended.set()

    def create() -> ssl.SSLContext:
        assert connected.wait(60)
        if fails:
            raise FileNotFoundError("no such certificate")
        return client_tls

    pool = Pool(2, tls=create)
    async with serve(read_to_the_end) as server:
        with pytest.raises(TransportTimeout if not fails else ConnectFailed):
            timeouts = Timeouts(connect=60 if fails else 0.2)
            await pool.request(server.origin._replace(tls=True), "GET", request_headers(), timeouts=timeouts)
        await asyncio.wait_for(ended.wait(), 60)  # the socket was closed
        await pool.aclose()


def test_context_is_shared_in_the_process() -> None:
    assert tls.shared_context() is tls.shared_context()


@pytest.fixture
def no_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate a process that has no context yet."""
    monkeypatch.setattr(tls, "_context", None)


@pytest.mark.usefixtures("no_context")
def test_pending_context_is_not_created_again(client_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    proceed, threads = threading.Event(), list[int]()

    def create() -> ssl.SSLContext:
        threads.append(threading.get_ident())
        assert proceed.wait(60)
        return client_tls

    monkeypatch.setattr(tls, "create_context", create)
    first, second = tls.start_loading(), tls.start_loading()
    assert first is second
    assert not first.cancel()
    proceed.set()
    assert tls.shared_context() is client_tls
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


@pytest.mark.usefixtures("no_context")
def test_failure_to_create_the_shared_context_is_not_cached(
    client_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes: list[Exception | None] = [ssl.SSLError("bad certificates"), None]

    def create() -> ssl.SSLContext:
        failure = outcomes.pop(0)
        if failure is not None:
            raise failure
        return client_tls

    monkeypatch.setattr(tls, "create_context", create)
    with pytest.raises(ssl.SSLError, match="bad certificates"):
        tls.shared_context()
    assert tls.shared_context() is client_tls


FORK = """
import os, warnings
from cloud66_async._core import tls
warnings.simplefilter("ignore")  # Python warns about forking while a thread runs
for _ in range(3):
    loading = tls.start_loading()
    child = os.fork()
    if not child:
        os._exit(not (loading.done() and tls.start_loading() is loading and tls.create_context().check_hostname))
    assert os.waitpid(child, 0) == (child, 0)
    tls._context = None
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="os.fork is not available")
def test_child_forked_during_loading_can_use_tls() -> None:
    subprocess.run([sys.executable, "-c", FORK], check=True, timeout=30)


@pytest.mark.usefixtures("no_context")
def test_failure_to_start_a_thread_is_not_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as no_threads:
        no_threads.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            tls.start_loading()
    assert tls.shared_context().check_hostname


def test_certifi_is_used_if_the_system_has_no_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tls.create_context().cert_store_stats()
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere")
    assert tls.create_context().cert_store_stats()["x509_ca"] > 50
    monkeypatch.setattr(tls, "_has_certificates", bool)
    assert tls.create_context().cert_store_stats()["x509_ca"] == 0


async def test_tls_connection_closed_without_shutdown(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    async def cut(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        await wait_until(lambda: any(connection.parser.size == 5 for connection in pool._live))
        peer.abort()

    pool = Pool(2, tls=client_tls)
    async with serve(cut, tls=server_tls) as server:
        with pytest.raises(ConnectionLost):
            await get(pool, server, timeouts=NO_TIMEOUTS)
        await pool.aclose()


def test_origins_differ_in_every_field() -> None:
    assert len({Origin("a", 1), Origin("a", 1, True), Origin("a", 1, True, "b"), Origin("a", 2)}) == 4


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_failed_handshake_closes_the_socket(client_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise OSError("no handshake")

    monkeypatch.setattr(asyncio.get_running_loop(), "start_tls", fail)
    pool = Pool(2, tls=client_tls)
    async with serve(echo) as server:
        with pytest.raises(ConnectFailed, match="no handshake"):
            await pool.request(server.origin._replace(tls=True), "GET", request_headers())
        await wait_until(lambda: bool(server.peers) and server.peers[0].reader.at_eof())
        await pool.aclose()
