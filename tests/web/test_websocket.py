"""WebSocket routes whose users are logged in."""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Annotated, Any

import pytest
import uvicorn
from fastapi import Depends, FastAPI, WebSocket

from cloud66_async import Cloud66
from cloud66_async.sandbox import FakeCloud66

from .site import ORIGIN, Browser, make_app, web_login


def make_websocket_app(login: Any) -> FastAPI:
    app = make_app(login)

    async def names(socket: WebSocket, c66: Cloud66 | None) -> None:
        await socket.accept()
        await socket.send_json([stack.name for stack in await c66.stacks.list()] if c66 else None)
        await socket.close()

    @app.websocket("/current")
    async def current(socket: WebSocket, c66: Annotated[Cloud66 | None, Depends(login.current)]) -> None:
        await names(socket, c66)

    @app.websocket("/page")
    async def page(socket: WebSocket, c66: Annotated[Cloud66, Depends(login.for_page)]) -> None:
        await names(socket, c66)

    @app.websocket("/api")
    async def api(socket: WebSocket, c66: Annotated[Cloud66, Depends(login.for_api)]) -> None:
        await names(socket, c66)

    return app


async def connect(app: Any, path: str, headers: dict[str, str]) -> list[Any]:
    """Return what the application sends: texts, and the code if it closes the connection."""
    sent: list[Any] = []
    incoming = [{"type": "websocket.connect"}]

    async def receive() -> dict[str, str]:
        return incoming.pop(0)

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "websocket.send":
            sent.append(message["text"])
        elif message["type"] == "websocket.close":
            sent.append(message["code"])

    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "websocket", "path": path, "query_string": b"", "headers": encoded, "subprotocols": []}
    await app(scope, receive, send)
    return sent


@pytest.mark.parametrize("path", ["/current", "/page", "/api"])
async def test_dependencies_work_on_websocket_routes(path: str) -> None:
    fake = FakeCloud66()
    fake.add_stack("web")
    login = web_login(fake)
    app = make_websocket_app(login)
    async with login.lifespan():
        browser = Browser(app, fake)
        async with browser.http:
            assert await connect(app, path, {}) == (["null", 1000] if path == "/current" else [1008])
            await browser.log_in()
            cookie = {"cookie": f"__Host-cloud66_session={browser.session}"}
            assert await connect(app, path, {**cookie, "origin": ORIGIN}) == ['["web"]', 1000]
            assert await connect(app, path, cookie) == ['["web"]', 1000]
            # A page of any site may open a WebSocket, which sends the cookies.
            for origin in ("https://evil.example", "null", "http://dash.example"):
                assert await connect(app, path, {**cookie, "origin": origin}) == [1008]
            fake.revoke(fake.tokens[-1].token)
            assert await connect(app, path, {**cookie, "origin": ORIGIN}) == [1008]
            assert await connect(app, "/api", {**cookie, "origin": ORIGIN}) == [1008]


@contextmanager
def websocket_server(app: Any) -> Generator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        config = uvicorn.Config(app, log_config=None, access_log=False, ws="wsproto", timeout_graceful_shutdown=2)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="websocket server")
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


def test_server_rejects_the_handshake_without_a_login() -> None:
    pytest.importorskip("wsproto", reason="wsproto is not installed")
    fake = FakeCloud66()
    login = web_login(fake, redirect_url="http://127.0.0.1/callback")
    with websocket_server(make_websocket_app(login)) as port:
        for path, status in (("/api", b"403"), ("/page", b"403"), ("/current", b"101")):
            with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
                connection.sendall(
                    f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
                )
                assert connection.recv(4096).split()[1] == status, path
