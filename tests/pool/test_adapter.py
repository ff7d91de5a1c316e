"""The pool as a transport of the HTTP library: requests, streams, extensions and errors."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from cloud66_async._http.adapter import HttpxAdapter
from cloud66_async._http.library import httpx
from cloud66_async.pool import Pool

from ..support import iterations
from .servers import Clock, Peer, echo, make_response, serve, wait_until
from .test_connector import closed_port


@pytest_asyncio.fixture
async def client(pool: Pool) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=HttpxAdapter(pool)) as opened:
        yield opened


async def test_requests_of_every_kind(client: httpx.AsyncClient, pool: Pool) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    async with serve(echo) as server:
        url = server.url + "/path?a=1"
        assert (await client.get(url)).text == "/path?a=1|"
        assert (await client.post(url, json={"a": 1})).text.replace(" ", "") == '/path?a=1|{"a":1}'
        assert (await client.post(url, data={"a": "1"})).text == "/path?a=1|a=1"
        assert (await client.put(url, content=b"x" * 200_000)).text == "/path?a=1|" + "x" * 200_000
        assert (await client.post(url, content=body())).text == "/path?a=1|ab"
        assert (await client.post(url, content=body(), headers={"Content-Length": "2"})).text == "/path?a=1|ab"
        assert (await client.post(url, files={"f": b"inside"})).text.count("inside") == 1
        assert (await client.delete(url)).text == "/path?a=1|"
        assert (await client.patch(url)).text == "/path?a=1|"
        assert pool.opened == 1
        assert [received.method for received in server.received] == [
            "GET", "POST", "POST", "PUT", "POST", "POST", "POST", "DELETE", "PATCH",
        ]  # fmt: skip


async def test_status_headers_and_body_of_a_response(client: httpx.AsyncClient) -> None:
    async def handler(peer: Peer) -> None:
        while await peer.read_request() is not None:
            await peer.send(
                b"HTTP/1.1 418 I'm a Teapot\r\nX-A: 1 \r\nX-A: 2\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
            )

    async with serve(handler) as server:
        response = await client.get(server.url)
        assert (response.status_code, response.reason_phrase, response.http_version) == (
            418,
            "I'm a Teapot",
            "HTTP/1.1",
        )
        assert response.headers.get_list("x-a") == ["1", "2"]
        assert "content-length" not in response.headers
        assert response.content == b"hi"
        assert response.request.url == server.url


async def test_compressed_bodies_are_left_to_the_library(client: httpx.AsyncClient) -> None:
    async def handler(peer: Peer) -> None:
        while await peer.read_request() is not None:
            await peer.send(make_response(gzip.compress(b"plain"), headers=b"Content-Encoding: gzip\r\n"))

    async with serve(handler) as server:
        assert (await client.get(server.url)).text == "plain"
        async with client.stream("GET", server.url) as response:
            assert b"".join([data async for data in response.aiter_raw()]) == gzip.compress(b"plain")


async def test_redirect_keeps_the_body(client: httpx.AsyncClient) -> None:
    async def handler(peer: Peer) -> None:
        while (received := await peer.read_request()) is not None:
            if received.target == "/":
                await peer.send(make_response(status=307, headers=b"Location: /there\r\n"))
            else:
                await peer.send(make_response(received.target.encode() + received.body))

    async with serve(handler) as server:
        response = await client.post(server.url + "/", content=b"body", follow_redirects=True)
        assert response.text == "/therebody"
        assert [step.status_code for step in response.history] == [307]


async def test_stream_can_be_closed_at_any_point(client: httpx.AsyncClient, pool: Pool) -> None:
    async def handler(peer: Peer) -> None:
        while await peer.read_request() is not None:
            await peer.send(make_response(b"x" * 3_000_000))

    async with serve(handler) as server:
        for count in range(5):
            async with client.stream("GET", server.url) as response:
                incoming = response.aiter_bytes(1000)
                for _ in range(count):
                    assert len(await anext(incoming)) == 1000
            assert pool._limiter.free == pool.limit
            assert pool.live == 0
        async with client.stream("GET", server.url) as response:
            assert len(await response.aread()) == 3_000_000
        assert pool.live == 1


async def test_client_does_not_close_a_shared_pool(pool: Pool) -> None:
    async with serve(echo) as server:
        for _ in range(2):
            async with httpx.AsyncClient(transport=HttpxAdapter(pool)) as client:
                assert (await client.get(server.url)).status_code == 200
        assert pool.opened == 1


async def test_client_closes_a_pool_that_the_adapter_owns() -> None:
    owned = Pool()
    async with serve(echo) as server:
        async with httpx.AsyncClient(transport=HttpxAdapter(owned, owns_pool=True)) as client:
            await client.get(server.url)
        assert owned.live == 0
        with pytest.raises(httpx.TransportError, match="pool is closed"):
            await httpx.AsyncClient(transport=HttpxAdapter(owned)).get(server.url)


async def test_tls_and_sni_hostname(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    pool = Pool(tls=client_tls)
    async with serve(echo, tls=server_tls) as server, httpx.AsyncClient(transport=HttpxAdapter(pool)) as client:
        assert (await client.get(server.url)).status_code == 200
        response = await client.get(server.url, extensions={"sni_hostname": "localhost"})
        assert response.status_code == 200
        with pytest.raises(httpx.ConnectError, match="Hostname mismatch"):
            await client.get(server.url, extensions={"sni_hostname": "other.example"})
        await pool.aclose()


async def test_host_name(client: httpx.AsyncClient) -> None:
    async with serve(echo) as server:
        assert (await client.get(f"http://localhost:{server.origin.port}/")).text == "/|"


async def test_connect_error(client: httpx.AsyncClient) -> None:
    with pytest.raises(httpx.ConnectError) as caught:
        await client.get(f"http://127.0.0.1:{closed_port()}/")
    assert caught.value.request.method == "GET"


async def test_unsupported_protocol(client: httpx.AsyncClient) -> None:
    transport = client._transport
    with pytest.raises(httpx.UnsupportedProtocol):
        await transport.handle_async_request(httpx.Request("GET", "ftp://127.0.0.1/"))


async def test_invalid_response(client: httpx.AsyncClient) -> None:
    async def handler(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(b"nonsense\r\n\r\n")

    async with serve(handler) as server:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(server.url)


async def test_connection_closed_by_the_server(client: httpx.AsyncClient) -> None:
    async def handler(peer: Peer) -> None:
        received = await peer.read_request()
        assert received is not None
        if received.target == "/later":
            await peer.send(make_response(b"x" * 10)[:-5])

    async with serve(handler) as server:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(server.url)
        async with client.stream("GET", server.url + "/later") as response:
            with pytest.raises(httpx.RemoteProtocolError):
                await response.aread()


async def test_connection_reset(client: httpx.AsyncClient, pool: Pool) -> None:
    async def handler(peer: Peer) -> None:
        await peer.read_request()
        (connection,) = pool._live
        connection.connection_lost(ConnectionResetError("reset"))

    async with serve(handler) as server:
        with pytest.raises(httpx.ReadError):
            await client.get(server.url)


@pytest.mark.asyncio(loop_factories=["asyncio"])
@pytest.mark.parametrize("phase", ["read", "write", "pool", "connect"])
async def test_timeouts(phase: str, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    errors = {
        "read": httpx.ReadTimeout, "write": httpx.WriteTimeout,
        "pool": httpx.PoolTimeout, "connect": httpx.ConnectTimeout,
    }  # fmt: skip
    pool = Pool(1)

    async def handler(peer: Peer) -> None:
        await peer.read_headers()
        await asyncio.get_running_loop().create_future()

    async def never(self: object, origin: object) -> object:
        return await asyncio.get_running_loop().create_future()

    monkeypatch.setattr("cloud66_async.pool.connector.Connector._resolve", never)
    timeout = httpx.Timeout(None, **{phase: 3.0})
    async with serve(handler) as server, httpx.AsyncClient(transport=HttpxAdapter(pool), timeout=None) as client:
        holders = [asyncio.ensure_future(client.get(server.url))] if phase == "pool" else []
        await wait_until(lambda: pool.live == len(holders))
        host = "name" if phase == "connect" else "127.0.0.1"
        content = b"x" * 50_000_000 if phase == "write" else None
        task = asyncio.ensure_future(
            client.request("PUT", f"http://{host}:{server.origin.port}/", content=content, timeout=timeout)
        )
        await iterations(100)
        await clock.advance(2.5)
        assert not task.done()
        await clock.advance(1)
        with pytest.raises(errors[phase]):
            await task
        for holder in holders:
            holder.cancel()
        await asyncio.gather(*holders, return_exceptions=True)
        await pool.aclose()


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_no_timeout_by_default(clock: Clock, pool: Pool) -> None:
    proceed = asyncio.Event()

    async def handler(peer: Peer) -> None:
        await peer.read_request()
        await proceed.wait()
        await peer.send(make_response(b"late"))

    async with serve(handler) as server:
        request = httpx.Request("GET", server.url)  # without the timeout extension
        task = asyncio.ensure_future(HttpxAdapter(pool).handle_async_request(request))
        await wait_until(lambda: len(server.received) == 1)
        await clock.advance(10_000)
        proceed.set()
        assert (await (await task).aread()) == b"late"


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GE T", b"/", {}),
        ("GET\r\nX: y", b"/", {}),
        ("GÉT", b"/", {}),
        ("GET", b"/a\r\nX: y", {}),
        ("GET", b"/a b", {}),
        ("GET", b"/a\0", {}),
        ("GET", b"/", {b"X": b"a\r\nY: b"}),
        ("GET", b"/", {b"X": b"a\0"}),
        ("GET", b"/", {b"X\r\nY": b"a"}),
        ("GET", b"/", {b"X Y": b"a"}),
        ("GET", b"/", {b"": b"a"}),
    ],
)
async def test_header_injection_is_rejected(
    method: str, path: bytes, headers: dict[bytes, bytes], client: httpx.AsyncClient
) -> None:
    async with serve(echo) as server:
        request = httpx.Request(method, httpx.URL(server.url, raw_path=b"/"), headers=headers)
        request.method = method
        request.url = httpx.URL(server.url).copy_with(raw_path=b"/")
        request.url._uri_reference = request.url._uri_reference._replace(path=path.decode("latin-1"))
        with pytest.raises(httpx.LocalProtocolError):
            await client._transport.handle_async_request(request)
        assert server.received == []


async def test_write_is_not_retried(client: httpx.AsyncClient) -> None:
    async def handler(peer: Peer) -> None:
        if await peer.read_request() is not None:
            await peer.send(make_response(b"first"))
        await peer.read_request()

    async with serve(handler) as server:
        assert (await client.get(server.url)).text == "first"
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post(server.url, content=b"once")
        assert sum(received.method == "POST" for received in server.received) == 1
        assert (await client.get(server.url)).text == "first"
        assert (await client.get(server.url)).text == "first"  # found the connection closed, and was retried


async def test_error_of_the_body_propagates_unchanged(client: httpx.AsyncClient) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"a"
        raise ZeroDivisionError

    async with serve(echo) as server:
        with pytest.raises(ZeroDivisionError):
            await client.post(server.url, content=body())
