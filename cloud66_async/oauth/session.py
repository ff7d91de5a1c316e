"""HTTP client that sends its token to the API and to no other server."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, NoReturn

from .._core import wire
from .._core.response import BufferedResponse
from .._http.httpx_transport import to_transport_error
from .._http.library import AsyncOAuth2Client, httpx
from ..clock import Clock
from ..errors import APIError, ConfigError, LoginError, TransportError
from ..operation import Call, Operation
from .bearer import BearerAuth, same_origin
from .token_response import MAX_LENGTH

__all__ = ["Session", "buffer_response", "to_api_error"]

_LIBRARY_ERRORS = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError)
_REFUSALS = (401, 403)
# Headers that no longer describe a buffered response, and cookies.
_DROPPED_HEADERS = ("content-encoding", "content-length", "transfer-encoding", "set-cookie")
_HOOKS = ("access_token_response", "introspect_token_request")


class Session(AsyncOAuth2Client):
    """The request side of Authlib's client. Every request is sent by `send()`."""

    token_auth_class: type[BearerAuth] = BearerAuth
    token_auth: BearerAuth

    def __init__(
        self, client_id: str | None, client_secret: str | None, *, api: str, clock: Clock, **options: Any
    ) -> None:
        super().__init__(
            client_id,
            client_secret,
            base_url=api,
            follow_redirects=False,
            # Cookies are disabled: one client may serve many users, and a cookie belongs to one of them.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            **options,
        )
        self.token_auth.origin = httpx.URL(api)
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None

    def __del__(self) -> None:
        # Authlib's own __del__ fails with a visible error if __init__ failed.
        self.__dict__.pop("session", None)

    def __getstate__(self) -> NoReturn:
        raise TypeError("cannot pickle or copy a client: it holds connections and secrets")

    def register_compliance_hook(self, hook_type: str, hook: Callable[..., Any]) -> None:
        """Register a hook as in Authlib. Raises ConfigError for hooks that this client never calls."""
        if hook_type not in _HOOKS:
            raise ConfigError(f"unsupported hook {hook_type!r}; supported hooks: {', '.join(_HOOKS)}")
        super().register_compliance_hook(hook_type, hook)

    async def ensure_active_token(self, token: Any = None) -> None:
        """Check that the token has not expired. Raises LoginError if it has."""
        fields: Mapping[str, Any] = token or self.token or {}
        expires_at = fields.get("expires_at")
        if expires_at is not None and datetime.fromtimestamp(expires_at, UTC) <= self._clock.now():
            raise LoginError("the token has expired; log in again")

    async def request(
        self,
        method: str,
        url: Any,
        withhold_token: bool = False,  # noqa: FBT002 (Authlib's signature)
        auth: Any = httpx.USE_CLIENT_DEFAULT,
        **options: Any,
    ) -> httpx.Response:
        """Send a request as in the HTTP library, but raise Unauthenticated for 401 and Forbidden for 403.

        `withhold_token=True` sends it without the token, to any host. Raises ConfigError if there is no token or if
        it would be sent to another origin, and TransportError if there is no response.
        """
        authorized = self._is_authorized(withhold_token, auth)
        try:
            response = await super().request(method, url, withhold_token=withhold_token, auth=auth, **options)
        except _LIBRARY_ERRORS as error:  # an invalid URL; _send_once handles every other error
            transport_error = to_transport_error(error)
        else:
            if authorized and response.status_code in _REFUSALS:
                raise to_api_error(response, self._clock.now())
            return response
        raise transport_error

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: Any,
        withhold_token: bool = False,  # noqa: FBT002 (Authlib's signature)
        auth: Any = httpx.USE_CLIENT_DEFAULT,
        **options: Any,
    ) -> AsyncGenerator[httpx.Response]:
        """Send a request as `request` does, and yield its response before the body is read."""
        authorized = self._is_authorized(withhold_token, auth)
        try:
            async with super().stream(method, url, withhold_token=withhold_token, auth=auth, **options) as response:
                if authorized and response.status_code in _REFUSALS:
                    raise to_api_error(await buffer_response(response), self._clock.now())
                yield response
            return
        except _LIBRARY_ERRORS as error:
            transport_error = to_transport_error(error)
        raise transport_error from None

    async def send(
        self,
        request: httpx.Request,
        *,
        stream: bool = False,
        auth: Any = httpx.USE_CLIENT_DEFAULT,
        follow_redirects: Any = httpx.USE_CLIENT_DEFAULT,
    ) -> httpx.Response:
        """Send a prepared request, without a token unless `auth` adds it.

        Redirects are followed only on request, and never to another origin, which would receive the headers and the
        body. Raises TransportError.
        """
        self._bind()
        default = follow_redirects is httpx.USE_CLIENT_DEFAULT
        follow = self.follow_redirects if default else bool(follow_redirects)
        response = await self._send_once(request, stream=stream, auth=auth)
        for _ in range(self.max_redirects):
            following = response.next_request if follow else None
            if following is None:
                return response
            await response.aclose()
            if not same_origin(following.url, request.url):
                raise TransportError(f"redirected to another origin ({following.url.host}): nothing was sent there")
            response = await self._send_once(following, stream=stream, auth=None)
        await response.aclose()
        raise TransportError(f"too many redirects: more than {self.max_redirects}")

    async def _send_once(self, request: httpx.Request, *, stream: bool, auth: Any) -> httpx.Response:
        request.headers.setdefault("Request-Id", uuid.uuid4().hex)
        try:
            return await super().send(request, stream=stream, auth=auth, follow_redirects=False)
        except _LIBRARY_ERRORS as error:
            transport_error = to_transport_error(error)
        raise transport_error  # outside the except block, so that it has no context: library errors hold the request

    def _bind(self) -> None:
        if self.is_closed:
            raise ConfigError("this client is closed; create a new one")
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise ConfigError("this client belongs to another event loop; create one client per event loop")

    def _is_authorized(self, withhold_token: bool, auth: Any) -> bool:
        authorized = not withhold_token and auth is httpx.USE_CLIENT_DEFAULT
        if authorized and not self.token:
            raise ConfigError("no token; log in with fetch_token(), or set client.token")
        return authorized


async def buffer_response(response: httpx.Response) -> httpx.Response:
    """Return a closed copy of the response with its body, of which at most MAX_LENGTH + 1 bytes are read."""
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in response.aiter_bytes():
            chunks.append(chunk[: MAX_LENGTH + 1 - size])
            size += len(chunks[-1])
            if size > MAX_LENGTH:
                break
    except _LIBRARY_ERRORS as error:
        transport_error = to_transport_error(error)
    else:
        headers = [(name, value) for name, value in response.headers.multi_items() if name not in _DROPPED_HEADERS]
        return httpx.Response(response.status_code, headers=headers, content=b"".join(chunks), request=response.request)
    finally:
        await response.aclose()
    raise transport_error


def to_api_error(response: httpx.Response, now: datetime) -> APIError:
    """Return the error that a response of the API represents."""
    request = response.request
    operation: Operation[None] = Operation(method=request.method, path=request.url.path, returns=None)
    buffered = BufferedResponse(response.status_code, response.content, dict(response.headers))
    return wire.error(Call(operation, request.url.path), buffered, request.headers["Request-Id"], now)
