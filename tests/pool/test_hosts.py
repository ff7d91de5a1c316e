"""Host names with a trailing dot and IPv6 zones: the DNS lookup, the Host header and the certificate."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trustme

from cloud66_async._core.origin import is_loopback
from cloud66_async._http.adapter import HttpxAdapter
from cloud66_async._http.httpx_transport import HttpxTransport
from cloud66_async._http.library import httpx
from cloud66_async.pool import Origin, Pool, PoolTransport
from cloud66_async.transport import Request, SharedHeaders, Timeouts

from .servers import echo, serve
from .test_tls import certificate

REQUEST = Request("GET", "/x", SharedHeaders(()), "id", None, True, Timeouts())
Send = Callable[[Origin, ssl.SSLContext], Awaitable[int]]


async def over_pool(origin: Origin, tls: ssl.SSLContext) -> int:
    transport = PoolTransport(Pool(tls=tls), origin, owns_pool=True)
    response = await transport.send(REQUEST)
    await transport.aclose()
    return response.status


async def over_library(origin: Origin, tls: ssl.SSLContext) -> int:
    transport = HttpxTransport(origin, httpx.AsyncHTTPTransport(verify=tls))
    response = await transport.send(REQUEST)
    await transport.aclose()
    return response.status


async def over_adapter(origin: Origin, tls: ssl.SSLContext) -> int:
    adapter = HttpxAdapter(Pool(tls=tls), owns_pool=True)
    async with httpx.AsyncClient(transport=adapter) as client:
        return (await client.get(f"{origin.lookup_url}/x")).status_code


@pytest.mark.asyncio(loop_factories=["asyncio"])
@pytest.mark.parametrize("send", [over_pool, over_library, over_adapter])
@pytest.mark.parametrize(
    ("host", "lookup", "name"),
    [
        ("api.example", "api.example", "api.example"),
        ("api.example.", "api.example.", "api.example"),
        ("fe80::1%eth7", "fe80::1%eth7", "fe80::1"),
        ("fe80::1%25eth7", "fe80::1%eth7", "fe80::1"),
    ],
)
async def test_forms_of_a_host(
    host: str, lookup: str, name: str, send: Send, authority: trustme.CA, client_tls: ssl.SSLContext
) -> None:
    looked_up: list[str] = []
    received: list[str | None] = []

    async def getaddrinfo(host: str, port: int, **_: object) -> list[Any]:
        looked_up.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", port))]

    context = certificate(authority, name)
    context.sni_callback = lambda _object, name, _context: received.append(name)
    async with serve(echo, tls=context) as server:
        real = asyncio.get_running_loop().getaddrinfo

        async def resolve(host: str | bytes, port: int, **options: Any) -> list[Any]:
            host = host.decode() if isinstance(host, bytes) else host
            return await (real if host == "127.0.0.1" else getaddrinfo)(host, port, **options)

        asyncio.get_running_loop().getaddrinfo = resolve  # type: ignore[method-assign,assignment]
        assert await send(Origin(host, server.origin.port, True), client_tls) == 200
        assert looked_up == [lookup]
        assert received == [None if ":" in name else name]
        shown = f"[{name}]" if ":" in name else name
        assert server.received[0].headers["host"] == f"{shown}:{server.origin.port}"


@pytest.mark.parametrize(
    ("host", "authority", "lookup"),
    [
        ("a.example.", "a.example", "a.example."),
        ("localhost", "localhost", "localhost"),
        ("::1", "[::1]", "[::1]"),
        ("fe80::1%eth0", "[fe80::1]", "[fe80::1%eth0]"),
        ("fe80::1%25eth0", "[fe80::1]", "[fe80::1%eth0]"),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1"),
    ],
)
def test_urls_of_an_origin(host: str, authority: str, lookup: str) -> None:
    for port, shown in ((443, ""), (8443, ":8443")):
        origin = Origin(host, port, True)
        assert origin.authority == authority + shown
        assert origin.url == f"https://{f'[{host}]' if ':' in host else host}{shown}"
        assert origin.lookup_url == f"https://{lookup}{shown}"


def test_loopback_host_with_a_dot() -> None:
    assert is_loopback("localhost.")
    assert not is_loopback("localhost..")
    assert not is_loopback("example.")
