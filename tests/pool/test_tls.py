"""TLS: who is trusted, which name is checked, and what a failure leaves behind."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import ssl
import subprocess
import sys
import threading

import pytest
import trustme

from cloud66_async._core import tls
from cloud66_async.errors import TransportTimeout
from cloud66_async.pool import Origin, Pool
from cloud66_async.pool.errors import ConnectFailed, ConnectionLost
from cloud66_async.transport import Timeouts

from .servers import PATIENT, Peer, echo, get, head, serve, turns, until


def certificate(authority: trustme.CA, *names: str, expired: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    past = dt.datetime(2020, 1, 1, tzinfo=dt.UTC) if expired else None
    authority.issue_cert(*names, not_after=past).configure_cert(context)  # pyright: ignore[reportUnknownMemberType]
    return context


async def test_many_requests_over_one_connection(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
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
async def test_a_certificate_that_is_not_good_enough(
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
            assert (pool.live, pool._opening, pool._limiter.free) == (0, 0, 2)
        assert server.received == []
        await pool.aclose()


async def test_the_name_to_check_can_be_another_than_the_hosts(
    authority: trustme.CA, client_tls: ssl.SSLContext
) -> None:
    pool = Pool(2, tls=client_tls)
    shown: list[str | None] = []
    context = certificate(authority, "api.example")
    context.sni_callback = lambda _object, name, _context: shown.append(name)
    async with serve(echo, tls=context) as server:
        origin = server.origin._replace(sni="api.example")
        assert (await pool.request(origin, "GET", head())).status == 200
        assert shown == ["api.example"]
        await pool.aclose()


async def test_no_version_below_1_2(authority: trustme.CA) -> None:
    context = tls.shared_context()
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


async def test_a_server_without_tls(client_tls: ssl.SSLContext) -> None:
    async def plain(peer: Peer) -> None:
        await peer.reader.read(100)
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    pool = Pool(2, tls=client_tls)
    async with serve(plain) as server:
        with pytest.raises(ConnectFailed, match=r"(?i)wrong.version.number"):
            await pool.request(server.origin._replace(tls=True), "GET", head())
        await pool.aclose()


async def test_a_server_that_hangs_up_in_the_handshake(client_tls: ssl.SSLContext) -> None:
    async def rude(peer: Peer) -> None:
        await peer.reader.read(100)
        peer.abort()

    pool = Pool(2, tls=client_tls)
    async with serve(rude) as server:
        with pytest.raises(ConnectFailed):
            await pool.request(server.origin._replace(tls=True), "GET", head())
        assert (pool.live, pool._opening, pool._limiter.free) == (0, 0, 2)
        await pool.aclose()


async def test_a_handshake_counts_as_connecting(client_tls: ssl.SSLContext) -> None:
    async def silent(peer: Peer) -> None:
        await peer.reader.read()

    pool = Pool(2, tls=client_tls)
    async with serve(silent) as server:
        with pytest.raises(TransportTimeout) as caught:
            await pool.request(server.origin._replace(tls=True), "GET", head(), timeouts=Timeouts(connect=0.02))
        assert (caught.value.phase, caught.value.sent) == ("connect", False)
        await pool.aclose()


async def test_the_context_is_made_once_in_a_thread_for_all(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    threads: list[int] = []
    go = threading.Event()

    def make() -> ssl.SSLContext:
        threads.append(threading.get_ident())
        assert go.wait(10)
        return client_tls

    pool = Pool(8, tls=make)
    async with serve(echo, tls=server_tls) as server:
        first = asyncio.ensure_future(get(pool, server))
        others = [asyncio.ensure_future(get(pool, server)) for _ in range(7)]
        await turns(20)  # connected by now, all of them
        first.cancel()  # takes nothing from the others
        await turns(4)
        go.set()
        assert {result.status for result in await asyncio.gather(*others)} == {200}
        assert len(threads) == 1
        assert threads[0] != threading.get_ident()
        await asyncio.gather(first, return_exceptions=True)
        await pool.aclose()


async def test_a_context_that_cannot_be_made_is_asked_for_again(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    outcomes: list[Exception | None] = [FileNotFoundError("no such certificate"), None]

    def make() -> ssl.SSLContext:
        failure = outcomes.pop(0)
        if failure is not None:
            raise failure
        return client_tls

    pool = Pool(2, tls=make)
    async with serve(echo, tls=server_tls) as server:
        with pytest.raises(ConnectFailed, match="no such certificate"):
            await get(pool, server)
        assert (await get(pool, server)).status == 200
        await pool.aclose()


@pytest.mark.parametrize("fails", [False, True])
async def test_it_connects_while_the_context_is_made(fails: bool, client_tls: ssl.SSLContext) -> None:
    connected, ended = threading.Event(), asyncio.Event()

    async def wait_for_the_end(peer: Peer) -> None:
        connected.set()
        await peer.reader.read()
        ended.set()

    def make() -> ssl.SSLContext:
        assert connected.wait(10)
        if fails:
            raise FileNotFoundError("no such certificate")
        return client_tls

    pool = Pool(2, tls=make)
    async with serve(wait_for_the_end) as server:
        with pytest.raises(TransportTimeout if not fails else ConnectFailed):
            await pool.request(server.origin._replace(tls=True), "GET", head(), timeouts=Timeouts(connect=0.2))
        await asyncio.wait_for(ended.wait(), 10)  # and leaves no socket open
        await pool.aclose()


def test_one_context_for_the_process() -> None:
    assert tls.shared_context() is tls.shared_context()


@pytest.fixture
def unprepared(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has no context yet."""
    monkeypatch.setattr(tls, "_context", None)


@pytest.mark.usefixtures("unprepared")
def test_a_context_that_is_under_way_is_not_made_again(
    client_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, made = threading.Event(), list[int]()

    def make() -> ssl.SSLContext:
        made.append(threading.get_ident())
        assert go.wait(10)
        return client_tls

    monkeypatch.setattr(tls, "_make_context", make)
    first, second = tls.prepare(), tls.prepare()
    assert first is second
    assert not first.cancel()
    go.set()
    assert tls.shared_context() is client_tls
    assert len(made) == 1
    assert made[0] != threading.get_ident()


@pytest.mark.usefixtures("unprepared")
def test_a_shared_context_that_cannot_be_made_is_asked_for_again(
    client_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes: list[Exception | None] = [ssl.SSLError("bad roots"), None]

    def make() -> ssl.SSLContext:
        failure = outcomes.pop(0)
        if failure is not None:
            raise failure
        return client_tls

    monkeypatch.setattr(tls, "_make_context", make)
    with pytest.raises(ssl.SSLError, match="bad roots"):
        tls.shared_context()
    assert tls.shared_context() is client_tls


FORK = """
import os, warnings
from cloud66_async._core import tls
warnings.simplefilter("ignore")  # of Python, that a thread is running
for _ in range(3):
    making = tls.prepare()
    child = os.fork()
    if not child:
        os._exit(not (making.done() and tls.prepare() is making and tls._make_context().check_hostname))
    assert os.waitpid(child, 0) == (child, 0)
    tls._context = None
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_process_that_forks_meanwhile_has_a_child_that_can_use_tls() -> None:
    subprocess.run([sys.executable, "-c", FORK], check=True, timeout=30)


@pytest.mark.usefixtures("unprepared")
def test_a_context_is_not_begun_without_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as none_left:
        none_left.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            tls.prepare()
    assert tls.shared_context().check_hostname


def test_certifi_helps_where_the_system_has_no_roots(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tls._make_context().cert_store_stats()
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere")
    assert tls._make_context().cert_store_stats()["x509_ca"] > 50
    monkeypatch.setattr(tls, "_has_roots", bool)
    assert tls._make_context().cert_store_stats()["x509_ca"] == 0


async def test_a_tls_connection_that_ends_without_a_word(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async def cut(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        await until(lambda: any(connection.parser.size == 5 for connection in pool._live))
        peer.abort()

    pool = Pool(2, tls=client_tls)
    async with serve(cut, tls=server_tls) as server:
        with pytest.raises(ConnectionLost):
            await get(pool, server, timeouts=PATIENT)
        await pool.aclose()


def test_origins_differ_in_everything_that_counts() -> None:
    assert len({Origin("a", 1), Origin("a", 1, True), Origin("a", 1, True, "b"), Origin("a", 2)}) == 4


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_a_failed_handshake_closes_the_socket_even_if_the_loop_does_not(
    client_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise OSError("no handshake")

    monkeypatch.setattr(asyncio.get_running_loop(), "start_tls", fail)
    pool = Pool(2, tls=client_tls)
    async with serve(echo) as server:
        with pytest.raises(ConnectFailed, match="no handshake"):
            await pool.request(server.origin._replace(tls=True), "GET", head())
        await until(lambda: bool(server.peers) and server.peers[0].reader.at_eof())
        await pool.aclose()
