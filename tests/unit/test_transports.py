"""Transports over real sockets."""

from __future__ import annotations

import asyncio
import json
import sys
import traceback
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from cloud66_async import Cloud66, ConfigError, errors
from cloud66_async._http.library import httpx
from cloud66_async.resources import stacks

from ..conftest import PoolName
from ..support import ONCE, TOKEN, ReceivedRequest, Script, Wire, client, make_response, packet, wire

SPECIAL_UIDS = [
    "a/b",
    "..",
    ".",
    "a?b",
    "a#b",
    "a%2Fb",
    "%",
    "a b",
    " ",
    "ä€😀",
    "a\r\nX: y",
    "\x00\x7f",
    "a\\b",
    "'~!*()",
    "[x]|^`{}",
]


@pytest.mark.parametrize("uid", SPECIAL_UIDS)
async def test_uid_is_sent_as_one_path_segment(uid: str, transport: PoolName) -> None:
    async with wire() as server, Cloud66(TOKEN, url=server.url, pool=transport) as c66:
        await c66.servers.get(uid, uid)
    (received,) = server.received
    _, api, version, collection, stack, resource, name = received.target.split("/")
    assert (api, version, collection, resource) == ("api", "3", "stacks", "servers")
    assert unquote(stack) == uid
    assert unquote(name.removesuffix(".json")) == uid
    assert received.target.isascii()
    assert not set(received.target) & set("?# \\")


async def test_both_transports_send_the_same_requests(transport: PoolName) -> None:
    def reply(received: ReceivedRequest) -> bytes:
        return packet(b'{"response":[]}') if received.target.startswith("/api/3/stacks.json") else packet()

    async with wire(reply) as server, Cloud66(TOKEN, url=server.url, account=7, pool=transport) as c66:
        await c66.send(stacks.LIST.bind(filter_name="a b&ä", filter_environment="x+y").page(2))
        await c66.stacks.redeploy("a", git_ref="v1", services="web, api", user_reference="r")
        await c66.send(stacks.REDEPLOY.bind(stack="a"))
    read, write, empty = server.received
    assert read.target == "/api/3/stacks.json?filter_name=a+b%26%C3%A4&filter_environment=x%2By&page=2"
    assert read.headers["authorization"] == f"Bearer {TOKEN}"
    assert read.headers["host"] == f"127.0.0.1:{server.port}"
    assert read.headers["accept"] == "application/json"
    assert read.headers["x-account"] == "7"
    assert "content-type" not in read.headers
    assert (write.method, write.headers["content-type"]) == ("POST", "application/json")
    assert json.loads(write.body) == {"git_ref": "v1", "services": ["web", "api"], "user_reference": "r"}
    assert empty.body == b"{}"
    assert len({received.headers["request-id"] for received in server.received}) == 3
    assert all(received.headers["user-agent"].startswith("cloud66-async/") for received in server.received)


async def test_both_transports_return_the_same_response(transport: PoolName) -> None:
    headers = ["X-RateLimit-Remaining: 7", "X-Two: a", "x-two: b", "X-Latin: caf\xe9"]
    serving = wire(lambda _: packet(b"", "403 Forbidden", *headers))
    async with serving as server, Cloud66(TOKEN, url=server.url, pool=transport, retry=ONCE) as c66:
        with pytest.raises(errors.Forbidden) as caught:
            await c66.stacks.get("a")
        response = caught.value.response
        assert response is not None
        assert response.headers["x-two"] == "a, b"
        assert response.headers["x-latin"] == "caf\xe9"
        assert c66.quota.remaining == 7


async def test_non_ascii_challenge_is_parsed_by_both_transports(transport: PoolName) -> None:
    challenge = 'WWW-Authenticate: Bearer error="invalid_token", error_description="ungültig …"'
    body = packet(b"", "401 Unauthorized").replace(b"\r\n\r\n", f"\r\n{challenge}\r\n\r\n".encode())
    async with wire(lambda _: body) as server, Cloud66(TOKEN, url=server.url, pool=transport) as c66:
        with pytest.raises(errors.Unauthenticated) as caught:
            await c66.stacks.get("a")
    assert caught.value.code == "invalid_token"
    assert (caught.value.message or "").startswith("ung")


async def test_redirect_is_not_followed(transport: PoolName) -> None:
    async with wire() as other:
        location = f"Location: {other.url}/api/3/stacks/a.json"
        serving = wire(lambda _: packet(b"", "302 Found", location))
        async with serving as server, Cloud66(TOKEN, url=server.url, pool=transport) as c66:
            with pytest.raises(errors.APIError, match="302 for GET"):
                await c66.stacks.get("a")
    assert other.received == []


def test_another_event_loop_raises_config_error(transport: PoolName) -> None:
    async def use(c66: Cloud66) -> None:
        await c66.stacks.get("a")

    async def first() -> Cloud66:
        async with wire() as server:
            c66 = Cloud66(TOKEN, url=server.url, pool=transport)
            await use(c66)
            return c66

    with asyncio.Runner() as one, asyncio.Runner() as two:
        c66 = one.run(first())
        for _ in range(3):
            with pytest.raises(ConfigError, match="belongs to another event loop; create one client per event loop"):
                two.run(use(c66))
        one.run(c66.aclose())


async def test_refused_connection_raises_transport_error_with_sent_false(transport: PoolName) -> None:
    async with wire() as server:
        pass
    async with Cloud66(TOKEN, url=server.url, pool=transport, retry=ONCE) as c66:
        with pytest.raises(errors.TransportError) as caught:
            await c66.stacks.redeploy("a")
    assert caught.value.sent is False
    assert TOKEN not in repr(caught.value)


# --- custom transports, proxies and sockets -----------------------------------------------------------


async def test_httpx_transport_is_accepted() -> None:
    requests: list[Any] = []

    def handle(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json={"response": {"uid": "a"}})

    async with Cloud66(TOKEN, transport=httpx.MockTransport(handle)) as c66:
        assert await c66.stacks.get("a") == stacks.Stack(uid="a")
        async with httpx.AsyncClient(transport=c66.transport) as raw:
            assert (await raw.get("https://app.cloud66.com/robots.txt")).status_code == 200
        assert await c66.stacks.get("a") == stacks.Stack(uid="a")
    assert [str(request.url) for request in requests] == [
        "https://app.cloud66.com/api/3/stacks/a.json",
        "https://app.cloud66.com/robots.txt",
        "https://app.cloud66.com/api/3/stacks/a.json",
    ]
    assert [request.headers.get("authorization") for request in requests] == [
        f"Bearer {TOKEN}",
        None,
        f"Bearer {TOKEN}",
    ]


async def test_httpx_client_can_send_custom_requests_over_the_pool(transport: PoolName) -> None:
    async with wire() as server, Cloud66(TOKEN, url=server.url, pool=transport) as c66:
        await c66.stacks.get("a")
        async with httpx.AsyncClient(transport=c66.transport) as raw:
            assert (await raw.get(f"{server.url}/robots.txt")).json() == {"response": {"uid": "a"}}
        await c66.stacks.get("a")
    assert [received.target for received in server.received] == [
        "/api/3/stacks/a.json",
        "/robots.txt",
        "/api/3/stacks/a.json",
    ]
    assert "authorization" not in server.received[1].headers
    assert server.connections == 1


@pytest.mark.parametrize(
    "failure", [OSError("from the transport"), TimeoutError("from the system"), ConnectionResetError()]
)
async def test_system_errors_of_a_transport_become_transport_errors(failure: Exception) -> None:
    def handle(_: httpx.Request) -> httpx.Response:
        raise failure

    async with Cloud66(TOKEN, transport=httpx.MockTransport(handle), retry=ONCE) as c66:
        with pytest.raises(errors.TransportError):
            await c66.stacks.get("a")


async def test_custom_transport_can_be_used_by_an_httpx_client() -> None:
    transport = Script(make_response({"ok": True}, x_more="yes"))
    async with client(transport) as c66, httpx.AsyncClient(transport=c66.transport) as raw:
        response = await raw.post("https://app.cloud66.com/oauth/token?x=1", content=b"a=b")
    assert (response.status_code, response.json(), response.headers["x-more"]) == (200, {"ok": True}, "yes")
    (request,) = transport.requests
    assert (request.method, request.target, request.body) == ("POST", "/oauth/token?x=1", b"a=b")


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (errors.TransportError("connection lost"), "NetworkError"),
        (errors.TransportTimeout("slow", phase="read"), "ReadTimeout"),
    ],
)
async def test_transport_errors_become_httpx_errors_in_an_httpx_client(failure: Exception, kind: str) -> None:
    async with client(Script(failure)) as c66, httpx.AsyncClient(transport=c66.transport) as raw:
        with pytest.raises(getattr(httpx, kind)):
            await raw.get("https://app.cloud66.com/")


async def test_proxy_argument_is_used() -> None:
    async with wire() as proxy, Cloud66(TOKEN, url="http://localhost:9", proxy=proxy.url) as c66:
        assert (await c66.stacks.get("a")).uid == "a"
    assert len(proxy.received) == 1


async def test_proxy_refusal_raises_transport_error() -> None:
    serving = wire(lambda _: packet(b"", "407 Proxy Authentication Required"))
    async with serving as proxy, Cloud66(TOKEN, url="https://api.example", proxy=proxy.url, retry=ONCE) as c66:
        with pytest.raises(errors.TransportError):
            await c66.stacks.get("a")
    (received,) = proxy.received
    assert (received.method, received.target) == ("CONNECT", "api.example:443")
    assert "authorization" not in received.headers


@pytest.mark.skipif(sys.platform == "win32", reason="no Unix sockets")
async def test_unix_socket_is_used(tmp_path: Path) -> None:
    server = Wire(lambda _: packet())
    path = str(tmp_path / "c66.sock")
    running = await asyncio.start_unix_server(server.serve, path)
    async with Cloud66(TOKEN, url="http://localhost", uds=path) as c66:
        assert (await c66.stacks.get("a")).uid == "a"
    running.close()
    await running.wait_closed()
    assert [received.target for received in server.received] == ["/api/3/stacks/a.json"]


async def test_missing_http2_package_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h2", None)
    async with Cloud66(TOKEN, url="http://localhost:9", http2=True) as c66:
        with pytest.raises(
            ConfigError, match=r"requires an optional package; run: pip install 'httpx2?\[http2\]'"
        ) as caught:
            await c66.stacks.get("a")
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert TOKEN not in "".join(shown.format())


@pytest.mark.parametrize("proxy", ["nonsense", "ftp://127.0.0.1:1"])
async def test_invalid_proxy_raises_config_error(proxy: str) -> None:
    async with Cloud66(TOKEN, proxy=proxy) as c66:
        with pytest.raises(ConfigError):
            await c66.stacks.get("a")
