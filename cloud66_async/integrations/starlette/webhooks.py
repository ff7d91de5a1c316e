"""Route for the webhooks of Cloud 66. The last segment of its path is a secret, because webhooks are not signed."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from typing import TypeAlias
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ..._core.arguments import check_integer, check_text
from ..._core.text import clean
from ...errors import ConfigError
from ...secret import Secret, conceal_as
from ...webhooks import WebhookError, WebhookEvent, parse_webhook

__all__ = ["WebhookHandler", "webhook_route"]

_logger = logging.getLogger("cloud66_async")

WebhookHandler: TypeAlias = Callable[[WebhookEvent], Awaitable[None]]
"""A function that handles one event. Cloud 66 waits 30 seconds for it."""

_PARAMETER = "webhook_secret"
_SECRET = re.compile(r"[A-Za-z0-9_-]{16,}")
_MAX_SIZE = 1_000_000
_HIDDEN = "hidden"


def webhook_route(
    path: str,
    *,
    secret: str | Secret,
    handler: WebhookHandler,
    max_size: int = _MAX_SIZE,
    name: str = "cloud66_webhook",
) -> Route:
    """Return a route for POST requests to the path followed by the secret, for example `/webhooks/<secret>`.

    The response is sent when the handler has returned: 204, or 500 if it raised an exception, which is logged. Other
    responses are 404 for another secret, 405 for another method, 413 for a body that is too long, and 400 for a body
    that is not a webhook. The secret is removed from the path of the request, so that access logs do not show it.

    Add the route to the application, for example with `FastAPI(routes=[webhook_route(...)])`. It responds to all paths
    below `path`.

    Args:
        path: Path of the route without the secret, for example `/webhooks`.
        secret: At least 16 letters, digits, hyphens or underscores, for example from `secrets.token_urlsafe(32)`.
        handler: Async function that handles one event.
        max_size: Maximum size of a body in bytes. No more is read.
        name: Name of the route.

    Raises ConfigError if the path, the secret or the maximum size is invalid.
    """
    check_text("path", path)
    secret = conceal_as("secret", secret)
    if not path.startswith("/"):
        raise ConfigError(f"invalid webhook path {path!r}: expected a path that starts with '/'")
    if _SECRET.fullmatch(secret.reveal()) is None:
        raise ConfigError(
            "invalid webhook secret: expected at least 16 letters, digits, hyphens or underscores; "
            "create one with secrets.token_urlsafe(32)"
        )
    if check_integer("maximum size", max_size) and max_size < 1:
        raise ConfigError(f"invalid maximum size {max_size} of a webhook: expected a positive number of bytes")
    # The parameter includes slashes. Otherwise Starlette would redirect from a path with a trailing slash, and the
    # access log would show the secret in it.
    return Route(
        f"{path.rstrip('/')}/{{{_PARAMETER}:path}}",
        _Receiver(secret, handler, max_size),
        name=name,
        include_in_schema=False,
    )


class _Receiver:
    """ASGI application that receives webhooks. It is not a function, so that Starlette passes on every method."""

    def __init__(self, secret: Secret, handler: WebhookHandler, max_size: int) -> None:
        self._secret = secret
        self._handler = handler
        self._max_size = max_size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._respond(Request(scope, receive))
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        # Checked before the method: a response other than 404 would confirm that there is a webhook.
        if _take_secret(request.scope) != self._secret:
            return PlainTextResponse("Not Found", 404)
        if request.method != "POST":
            return PlainTextResponse("Method Not Allowed", 405, headers={"Allow": "POST"})
        try:
            body = await _read(request, self._max_size)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody receives it
        if body is None:
            _logger.warning("webhook rejected: the body exceeds %d bytes", self._max_size)
            return PlainTextResponse("Content Too Large", 413)
        try:
            event = parse_webhook(body)
        except WebhookError as error:
            _logger.warning("webhook rejected: %s", error)
            return PlainTextResponse("Bad Request", 400)
        finally:
            del body  # it may contain secrets, which a traceback that shows local variables must not show
        return await self._handle(event)

    async def _handle(self, event: WebhookEvent) -> Response:
        try:
            await self._handler(event)
        except Exception:
            _logger.exception("webhook %s: the handler failed", clean(event.event_type))
            return PlainTextResponse("Internal Server Error", 500)
        return Response(status_code=204)


def _take_secret(scope: Scope) -> Secret:
    """Return the last segment of the path, and remove it from the request.

    Servers write their access logs from the same scope when the response starts, and crash reporters show it.
    """
    given = scope["path_params"].pop(_PARAMETER)
    scope["path"] = scope["path"].removesuffix(given) + _HIDDEN
    scope["raw_path"] = quote(scope["path"]).encode()
    return Secret(given.removesuffix("/"))


async def _read(request: Request, max_size: int) -> bytes | None:
    """Return the body, or None as soon as it is longer than this."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_size:
            return None
    return bytes(body)
