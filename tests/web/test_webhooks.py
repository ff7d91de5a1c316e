"""The route for webhooks: through the ASGI interface, and through sockets with uvicorn's own access log."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Scope

from cloud66_async import ConfigError, Secret
from cloud66_async._http.library import httpx
from cloud66_async.integrations.starlette import webhook_route
from cloud66_async.webhooks import AppEvent, StackEvent, WebhookEvent

from ..oauth.evidence import shown

SECRET = "S3cret-planted_in-a-test"
HOOK = "https://hooks.example/HOOK-planted"
URL = f"/webhooks/{SECRET}"
BODY: dict[str, Any] = {
    "timestamp": 1_716_200_000,
    "event_type": "stack.redeploy.ok",
    "uid": "5999b763474b0eafa5fafb64bff0ba80",
    "redeploy_hook": HOOK,
    "deploy_context": {"outcome": "success"},
}


class Inbox:
    """A handler that keeps the events, or raises an error."""

    def __init__(self, error: Exception | None = None) -> None:
        self.events: list[WebhookEvent] = []
        self.error = error

    async def __call__(self, event: WebhookEvent) -> None:
        self.events.append(event)
        if self.error is not None:
            raise self.error


def make_app(inbox: Inbox, **options: Any) -> FastAPI:
    return FastAPI(routes=[webhook_route("/webhooks", secret=SECRET, handler=inbox, **options)])


async def send(app: ASGIApp, path: str = URL, method: str = "POST", **options: Any) -> httpx.Response:
    if "content" not in options:
        options.setdefault("json", BODY)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="https://site.example") as http:
        return await http.request(method, path, **options)


def scope() -> Scope:
    """Return the scope of a request with the secret."""
    path = {"path": URL, "raw_path": URL.encode(), "query_string": b""}
    return {"type": "http", "method": "POST", "headers": list[Any](), **path}


async def ignore(_message: Message) -> None:
    """Ignore what the application sends."""


# --- through the ASGI interface


async def test_event_reaches_the_handler() -> None:
    inbox = Inbox()
    response = await send(make_app(inbox))
    assert (response.status_code, response.content) == (204, b"")
    [event] = inbox.events
    assert isinstance(event, StackEvent)
    assert event.stack.uid == BODY["uid"]
    assert event.deploy_context is not None
    assert event.deploy_context.outcome == "success"


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/json; charset=utf-8", "multipart/form-data"])
async def test_content_type_is_ignored(content_type: str | None) -> None:
    inbox = Inbox()
    headers = {} if content_type is None else {"content-type": content_type}
    response = await send(make_app(inbox), content=json.dumps(BODY).encode(), headers=headers)
    assert response.status_code == 204
    assert len(inbox.events) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/webhooks/",
        "/webhooks/wrong-secret-of-some-length",
        f"/webhooks/{SECRET[:-1]}",
        f"/webhooks/{SECRET}x",
        f"/webhooks/{SECRET}/more",
        f"/webhooks//{SECRET}",
        f"/webhooks/{SECRET.lower()}",
        f"/webhooks/{SECRET}%00",
        "/webhooks/%ff%fe",
        f"/webhooks?secret={SECRET}",
        f"/{SECRET}",
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_other_secret_is_not_found(path: str, method: str) -> None:
    inbox = Inbox()
    response = await send(make_app(inbox), path, method)
    assert response.status_code == (307 if "?" in path else 404)  # Starlette adds a slash
    assert inbox.events == []


@pytest.mark.parametrize("path", [f"{URL}/", f"{URL}?source=cloud66", "/webhooks/S3cret%2Dplanted%5Fin-a-test"])
async def test_same_secret_in_another_form(path: str) -> None:
    inbox = Inbox()
    assert (await send(make_app(inbox), path)).status_code == 204
    assert len(inbox.events) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_other_methods_are_not_allowed(method: str) -> None:
    inbox = Inbox()
    response = await send(make_app(inbox), method=method)
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert inbox.events == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff", f"{{{HOOK}".encode()])
async def test_body_that_is_not_a_webhook(content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    inbox = Inbox()
    response = await send(make_app(inbox), content=content)
    assert (response.status_code, response.text) == (400, "Bad Request")
    assert inbox.events == []
    assert caplog.messages[-1].startswith("webhook rejected: invalid webhook: the body ")
    assert "HOOK-planted" not in caplog.text


async def test_body_that_is_too_long_is_not_read() -> None:
    read: list[bytes] = []

    async def endless() -> AsyncIterator[Message]:
        while True:
            read.append(b"x" * 1000)
            yield {"type": "http.request", "body": read[-1], "more_body": True}

    incoming = endless()
    sent: list[Message] = []

    async def collect(message: Message) -> None:
        sent.append(message)

    inbox = Inbox()
    await make_app(inbox, max_size=5000)(scope(), incoming.__anext__, collect)
    assert sent[0]["status"] == 413
    assert len(read) == 6
    assert inbox.events == []


async def test_body_may_have_the_maximum_size() -> None:
    inbox = Inbox()
    content = json.dumps(BODY).encode()
    assert (await send(make_app(inbox, max_size=len(content)), content=content)).status_code == 204
    assert (await send(make_app(inbox, max_size=len(content) - 1), content=content)).status_code == 413
    assert len(inbox.events) == 1


async def test_sender_that_leaves_is_ignored(caplog: pytest.LogCaptureFixture) -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    inbox = Inbox()
    await make_app(inbox)(scope(), receive, ignore)
    assert inbox.events == []
    assert caplog.messages == []


@pytest.mark.parametrize("debug", [False, True])
async def test_error_of_the_handler_is_logged_but_not_sent(debug: bool, caplog: pytest.LogCaptureFixture) -> None:
    inbox = Inbox(ValueError("no such thing as a database"))
    app = make_app(inbox)
    app.debug = debug
    response = await send(app)
    assert (response.status_code, response.text) == (500, "Internal Server Error")
    [record] = [record for record in caplog.records if record.name == "cloud66_async"]
    assert record.getMessage() == "webhook stack.redeploy.ok: the handler failed"
    assert record.exc_info is not None
    assert record.exc_info[1] is inbox.error


async def test_no_frame_of_a_failing_handler_holds_a_secret() -> None:
    seen: list[str] = []

    class Recorder(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            """Record what a crash reporter would send: the local variables from the handler to the server."""
            assert record.exc_info is not None
            trace = record.exc_info[2]
            frame = None if trace is None else trace.tb_frame
            while frame is not None:
                # Not those of pytest, which hold the names of other tests.
                if frame.f_globals["__name__"].startswith(("cloud66_async.", "fastapi.", "starlette.")):
                    seen.extend(f"{name}={shown(value)}" for name, value in frame.f_locals.items())
                frame = frame.f_back

    logger, recorder = logging.getLogger("cloud66_async"), Recorder()
    app = make_app(Inbox(ValueError("broken")))

    async def receive() -> Message:
        return {"type": "http.request", "body": json.dumps(BODY).encode(), "more_body": False}

    logger.addHandler(recorder)
    try:
        await app(scope(), receive, ignore)
    finally:
        logger.removeHandler(recorder)
    text = "\n".join(seen)
    assert "/webhooks/hidden" in text
    assert SECRET not in text
    assert "HOOK-planted" not in text


async def test_cancellation_is_not_a_failure_of_the_handler() -> None:
    async def leave(_event: WebhookEvent) -> None:
        raise asyncio.CancelledError

    app = Starlette(routes=[webhook_route("/webhooks", secret=SECRET, handler=leave)])
    with pytest.raises(asyncio.CancelledError):
        await send(app)


def mounted(inbox: Inbox) -> ASGIApp:
    return Starlette(routes=[Mount("/outer", make_app(inbox))])


def included(inbox: Inbox) -> ASGIApp:
    router = APIRouter(routes=[webhook_route("/webhooks", secret=SECRET, handler=inbox)])
    app = FastAPI()
    app.include_router(router, prefix="/outer")
    return app


def parametrized(inbox: Inbox) -> ASGIApp:
    return Starlette(routes=[webhook_route("/{tenant}/webhooks/", secret=Secret(SECRET), handler=inbox)])


@pytest.mark.parametrize("wrap", [mounted, included, parametrized])
async def test_route_in_another_application(wrap: Callable[[Inbox], ASGIApp]) -> None:
    inbox = Inbox()
    app = wrap(inbox)
    assert (await send(app, f"/outer{URL}")).status_code == 204
    assert (await send(app, "/outer/webhooks/wrong-secret-of-some-length")).status_code == 404
    assert (await send(app, f"/outer{URL}", "GET")).status_code == 405
    assert len(inbox.events) == 1


async def test_middleware_sees_the_path_without_the_secret() -> None:
    paths: list[str] = []

    class Log(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
            response = await call_next(request)
            paths.append(str(request.url))
            return response

    inbox = Inbox()
    route = webhook_route("/webhooks", secret=SECRET, handler=inbox)
    app = Starlette(routes=[route], middleware=[Middleware(Log)])
    assert (await send(app)).status_code == 204
    assert paths == ["https://site.example/webhooks/hidden"]


def test_secret_is_not_shown_by_the_route() -> None:
    route = webhook_route("/webhooks", secret=SECRET, handler=Inbox())
    app = FastAPI(routes=[route])
    for text in (repr(route), shown(vars(route)), shown(vars(route.endpoint)), repr(app.routes), str(app.openapi())):
        assert SECRET not in text


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "short",
        "fifteen-letters",
        "long-enough-and-more/with-a-slash",
        "with a space and more",
        "ümläute-und-mehr-davon",
    ],
)
def test_invalid_secret(secret: str) -> None:
    with pytest.raises(ConfigError, match="invalid webhook secret") as caught:
        webhook_route("/webhooks", secret=secret, handler=Inbox())
    assert not secret or secret not in str(caught.value)


@pytest.mark.parametrize("path", ["", "webhooks", "https://site.example/webhooks"])
def test_invalid_path(path: str) -> None:
    with pytest.raises(ConfigError, match="invalid webhook path"):
        webhook_route(path, secret=SECRET, handler=Inbox())


@pytest.mark.parametrize("max_size", [0, -1])
def test_invalid_maximum_size(max_size: int) -> None:
    with pytest.raises(ConfigError, match="invalid maximum size"):
        webhook_route("/webhooks", secret=SECRET, handler=Inbox(), max_size=max_size)


# --- through a socket


@contextmanager
def serving(app: ASGIApp, http: Any) -> Generator[int]:
    """Serve the application in a thread, with uvicorn's access log, and return the port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        config = uvicorn.Config(app, http=http, log_config=None, ws="none", lifespan="off", timeout_graceful_shutdown=2)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()[1]  # connections wait until the server accepts them
        finally:
            server.should_exit = True
            thread.join()


@pytest.mark.parametrize("http", ["h11", "httptools"])
def test_server_receives_webhooks_and_logs_no_secret(http: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    # Not caplog: a server without an access log stops the propagation of this logger.
    logger = logging.getLogger("uvicorn.access")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    inbox = Inbox()
    content = json.dumps(BODY)
    with serving(make_app(inbox), http) as port:
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False)
        with client:
            statuses = [
                client.post(URL, content=content).status_code,
                client.post(f"{URL}/", content=content).status_code,
                client.get(URL).status_code,
                client.post(f"{URL}x", content=content).status_code,
                client.post(URL, content=b"{").status_code,
                client.post(URL, content=iter([b"x" * 600_000, b"x" * 600_000])).status_code,
                client.post(URL, content=content.replace("stack.redeploy.ok", "app.auth")).status_code,
            ]
    assert statuses == [204, 204, 405, 404, 400, 413, 204]
    assert [type(event) for event in inbox.events] == [StackEvent, StackEvent, AppEvent]
    logger.removeHandler(handler)
    assert [line.partition(" - ")[2] for line in lines] == [
        '"POST /webhooks/hidden HTTP/1.1" 204',
        '"POST /webhooks/hidden HTTP/1.1" 204',
        '"GET /webhooks/hidden HTTP/1.1" 405',
        '"POST /webhooks/hidden HTTP/1.1" 404',
        '"POST /webhooks/hidden HTTP/1.1" 400',
        '"POST /webhooks/hidden HTTP/1.1" 413',
        '"POST /webhooks/hidden HTTP/1.1" 204',
    ]
    ours = "\n".join(
        f"{record.getMessage()} {record.args}" for record in caplog.records if not record.name.startswith("http")
    )
    assert SECRET not in ours


@pytest.mark.parametrize("http", ["h11", "httptools"])
def test_server_refuses_a_long_body_before_it_has_arrived(http: str) -> None:
    inbox = Inbox()
    with (
        serving(make_app(inbox, max_size=1000), http) as port,
        socket.create_connection(("127.0.0.1", port), timeout=30) as connection,
    ):
        head = f"POST {URL} HTTP/1.1\r\nHost: site.example\r\nContent-Length: 1000000000\r\n\r\n"
        connection.sendall(head.encode() + b"x" * 2000)
        assert connection.recv(1000).startswith(b"HTTP/1.1 413 ")
    assert inbox.events == []
