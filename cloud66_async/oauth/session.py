"""An HTTP client that sends a token to the API, and to nobody else."""

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
from .token_response import LONGEST

__all__ = ["Session", "collected", "problem"]

_FAULTS = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError)
_REFUSED = (401, 403)
_FRAMING = ("content-encoding", "content-length", "transfer-encoding", "set-cookie")
_HOOKS = ("access_token_response", "introspect_token_request")


class Session(AsyncOAuth2Client):
    """Authlib's client as far as it sends requests: every way into the network goes through `send()`."""

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
            # One client may serve many users: what a server wants to be told again is for one of them.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            **options,
        )
        self.token_auth.origin = httpx.URL(api)
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None

    def __del__(self) -> None:
        # Authlib's own fails, loudly, for a client whose __init__ failed.
        self.__dict__.pop("session", None)

    def __getstate__(self) -> NoReturn:
        raise TypeError("a client holds connections and secrets: it can be neither pickled nor copied")

    def register_compliance_hook(self, hook_type: str, hook: Callable[..., Any]) -> None:
        """Call this hook, as in Authlib. Raises ConfigError for hooks whose step Authlib does not take here."""
        if hook_type not in _HOOKS:
            raise ConfigError(f"{hook_type} has no hook here; there are {' and '.join(_HOOKS)}")
        super().register_compliance_hook(hook_type, hook)

    async def ensure_active_token(self, token: Any = None) -> None:
        """Nothing for a token that is good. Raises LoginError for one that has expired."""
        held: Mapping[str, Any] = token or self.token or {}
        expires_at = held.get("expires_at")
        if expires_at is not None and datetime.fromtimestamp(expires_at, UTC) <= self._clock.now():
            raise LoginError("the token has expired: log in again")

    async def request(
        self,
        method: str,
        url: Any,
        withhold_token: bool = False,  # noqa: FBT002 (Authlib's signature)
        auth: Any = httpx.USE_CLIENT_DEFAULT,
        **options: Any,
    ) -> httpx.Response:
        """The answer, as in the HTTP library; but 401 and 403 raise Unauthenticated and Forbidden.

        `withhold_token` sends it without the token, to any host. Raises ConfigError where there is no
        token or where it would go to another origin, and TransportError where no answer comes.
        """
        authorized = self._is_authorized(withhold_token, auth)
        try:
            response = await super().request(method, url, withhold_token=withhold_token, auth=auth, **options)
        except _FAULTS as error:  # an address that is none; for everything else see _send_once
            fault = to_transport_error(error)
        else:
            if authorized and response.status_code in _REFUSED:
                raise problem(response, self._clock.now())
            return response
        raise fault

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: Any,
        withhold_token: bool = False,  # noqa: FBT002 (Authlib's signature)
        auth: Any = httpx.USE_CLIENT_DEFAULT,
        **options: Any,
    ) -> AsyncGenerator[httpx.Response]:
        """The answer with its body still to be read; everything else as for `request`."""
        authorized = self._is_authorized(withhold_token, auth)
        try:
            async with super().stream(method, url, withhold_token=withhold_token, auth=auth, **options) as response:
                if authorized and response.status_code in _REFUSED:
                    raise problem(await collected(response), self._clock.now())
                yield response
            return
        except _FAULTS as error:
            fault = to_transport_error(error)
        raise fault from None

    async def send(
        self,
        request: httpx.Request,
        *,
        stream: bool = False,
        auth: Any = httpx.USE_CLIENT_DEFAULT,
        follow_redirects: Any = httpx.USE_CLIENT_DEFAULT,
    ) -> httpx.Response:
        """The answer to a request that is ready, without a token unless `auth` adds it.

        Redirects are followed where asked for, but never to another origin: headers and bodies would go
        along. Raises TransportError.
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
                raise TransportError(f"redirected to {following.url.host}, another origin: nothing was sent there")
            response = await self._send_once(following, stream=stream, auth=None)
        await response.aclose()
        raise TransportError("redirected too often")

    async def _send_once(self, request: httpx.Request, *, stream: bool, auth: Any) -> httpx.Response:
        request.headers.setdefault("Request-Id", uuid.uuid4().hex)
        try:
            return await super().send(request, stream=stream, auth=auth, follow_redirects=False)
        except _FAULTS as error:
            fault = to_transport_error(error)
        raise fault  # out here, so that it has no context: the library's errors carry the request

    def _bind(self) -> None:
        if self.is_closed:
            raise ConfigError("this client is closed")
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise ConfigError("this client belongs to another event loop: make one client per event loop")

    def _is_authorized(self, withhold_token: bool, auth: Any) -> bool:
        authorized = not withhold_token and auth is httpx.USE_CLIENT_DEFAULT
        if authorized and not self.token:
            raise ConfigError("no token: log in with fetch_token(), or set client.token to one")
        return authorized


async def collected(response: httpx.Response) -> httpx.Response:
    """The same answer, closed, with as much of its body as a token answer may have, and a byte more."""
    parts: list[bytes] = []
    size = 0
    try:
        async for part in response.aiter_bytes():
            parts.append(part[: LONGEST + 1 - size])
            size += len(parts[-1])
            if size > LONGEST:
                break
    except _FAULTS as error:
        fault = to_transport_error(error)
    else:
        headers = [(name, value) for name, value in response.headers.multi_items() if name not in _FRAMING]
        return httpx.Response(response.status_code, headers=headers, content=b"".join(parts), request=response.request)
    finally:
        await response.aclose()
    raise fault


def problem(response: httpx.Response, now: datetime) -> APIError:
    """The error that this answer of the API is."""
    request = response.request
    operation: Operation[None] = Operation(method=request.method, path=request.url.path, returns=None)
    answer = BufferedResponse(response.status_code, response.content, dict(response.headers))
    return wire.error(Call(operation, request.url.path), answer, request.headers["Request-Id"], now)
