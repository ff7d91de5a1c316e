"""HTTP client that sends its token to the API and to no other server."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, NoReturn

from .._core import wire
from .._core.response import BufferedResponse
from .._http.closing import finish
from .._http.cookies import no_cookies
from .._http.httpx_transport import to_transport_error
from .._http.library import AsyncOAuth2Client, httpx
from ..clock import Clock
from ..config import read_timeouts
from ..errors import APIError, ConfigError, TransportError, TransportTimeout
from ..operation import Call, Operation
from ..pool.decompress import decompress
from ..pool.errors import InvalidResponse
from ..secret import MASK, Secret
from ..token import check_expiry, parse_expiry
from ..transport import Timeouts
from .bearer import BearerAuth, same_origin
from .endpoints import Endpoints, is_encrypted
from .form import Form
from .routes import RoutedTransport
from .token_response import MAX_LENGTH

__all__ = ["Session", "buffer_response", "to_api_error"]

_LIBRARY_ERRORS = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError)
_REFUSALS = (401, 403)
# Headers that no longer describe a buffered response, and cookies.
_DROPPED_HEADERS = ("content-encoding", "content-length", "transfer-encoding", "set-cookie")
_FORM_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Content-Type": "application/x-www-form-urlencoded",
}
_HOOKS = ("access_token_response",)


class Session(AsyncOAuth2Client):
    """The request side of Authlib's client. Every request is sent by `send()`."""

    token_auth_class: type[BearerAuth] = BearerAuth
    token_auth: BearerAuth

    def __init__(
        self,
        client_id: str | None,
        client_secret: Secret | None,
        *,
        endpoints: Endpoints,
        clock: Clock,
        timeout: float | Timeouts | None,
        transport: httpx.AsyncBaseTransport | None,
        verify: Any,
        proxy: Any,
        trust_env: bool,
        **options: Any,
    ) -> None:
        self._timeouts, self._total = _read_timeouts(timeout)
        if transport is None:
            transport = RoutedTransport(proxy=proxy, verify=verify, trust_env=trust_env)
        connect, read, write, pool, _ = self._timeouts
        super().__init__(
            client_id,
            None,  # set below: Authlib would hold it as a string while it checks the other arguments
            base_url=endpoints.api,
            follow_redirects=False,
            timeout=httpx.Timeout(connect=connect, read=read, write=write, pool=pool),
            transport=transport,
            trust_env=False,  # the environment is read in one place, see RoutedTransport
            cookies=no_cookies(),
            **options,
        )
        self._client_secret = client_secret
        self.endpoints: Endpoints = endpoints
        self.token_auth.endpoints = endpoints
        self.token_auth.origin = httpx.URL(endpoints.api)
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None

    def __del__(self) -> None:
        # Authlib's own __del__ fails with a visible error if __init__ failed.
        self.__dict__.pop("session", None)

    def __getstate__(self) -> NoReturn:
        raise TypeError("cannot pickle or copy a client: it holds connections and secrets")

    @property
    def client_secret(self) -> str | None:
        """The application's secret in plain text, as Authlib requires it."""
        return None if self._client_secret is None else self._client_secret.reveal()

    @client_secret.setter
    def client_secret(self, text: str | None) -> None:
        self._client_secret = None if text is None else Secret(text)

    def register_compliance_hook(self, hook_type: str, hook: Callable[..., Any]) -> None:
        """Register a hook as in Authlib. Raises ConfigError for hooks that this client never calls."""
        if hook_type not in _HOOKS:
            raise ConfigError(f"unsupported hook {hook_type!r}; supported hooks: {', '.join(_HOOKS)}")
        super().register_compliance_hook(hook_type, hook)

    def register_client_auth_method(self, auth: Any) -> NoReturn:
        """Raise ConfigError: the application's credentials are sent in the form only."""
        raise ConfigError(f"unsupported client authentication {auth!r}: only client_secret_post is supported")

    async def ensure_active_token(self, token: Any = None) -> None:
        """Check that the token has not expired. Raises LoginError if it has."""
        fields: Mapping[str, Any] = token or self.token or {}
        check_expiry(parse_expiry(fields.get("expires_at")), self._clock.now())

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
        own_timeout = options.get("timeout", httpx.USE_CLIENT_DEFAULT) is not httpx.USE_CLIENT_DEFAULT
        try:
            async with asyncio.timeout(None if own_timeout else self._total):
                response = await super().request(method, url, withhold_token=withhold_token, auth=auth, **options)
        except TimeoutError:
            transport_error: TransportError = TransportTimeout("timed out (total)", phase="total")
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
                    raise to_api_error(await buffer_response(response, lenient=True), self._clock.now())
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
            await finish(response.aclose())
            if not same_origin(following.url, request.url):
                raise TransportError(f"redirected to another origin ({following.url.host}): nothing was sent there")
            response = await self._send_once(following, stream=stream, auth=None)
        await finish(response.aclose())
        raise TransportError(f"too many redirects: more than {self.max_redirects}")

    async def _send_once(self, request: httpx.Request, *, stream: bool, auth: Any) -> httpx.Response:
        url = request.url
        if not is_encrypted(url.scheme, url.host):
            raise ConfigError(
                f"{url.scheme}://{url.host} would receive the request unencrypted; "
                "use https (http is for loopback hosts only)"
            )
        request.headers.setdefault("Request-Id", uuid.uuid4().hex)
        try:
            return await super().send(request, stream=stream, auth=auth, follow_redirects=False)
        except _LIBRARY_ERRORS as error:
            transport_error = to_transport_error(error)
        raise transport_error  # outside the except block, so that it has no context: library errors hold the request

    def _require_client_id(self) -> str:
        if not self.client_id:
            raise ConfigError("no client_id; pass that of your application (Account > Apps)")
        return self.client_id

    async def _post(self, url: str, form: Form) -> httpx.Response:
        """Send a form with the application's credentials and return the response. Redirects are not followed."""
        form.add("client_id", self._require_client_id())
        if self.client_secret:
            form.add("client_secret", self.client_secret)
        request = self.build_request("POST", url, content=form.encode(), headers=_FORM_HEADERS)
        total, read = self._timeouts.total, self._timeouts.read
        try:
            async with asyncio.timeout(total):
                response = await self.send(request, stream=True, auth=None, follow_redirects=False)
                # Without a total limit, `read` limits the whole body: each byte could arrive just within it.
                async with asyncio.timeout(read if total is None else None):
                    return await buffer_response(response)
        except TimeoutError:
            phase = "read" if total is None else "total"
            raise TransportTimeout(f"timed out ({phase})", phase=phase) from None

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


def _read_timeouts(timeout: float | Timeouts | None) -> tuple[Timeouts, float | None]:
    """Return the limits of token requests, and that of other requests as a whole."""
    timeouts = read_timeouts(timeout)
    if timeout is None or isinstance(timeout, Timeouts):
        return timeouts, timeouts.total
    return Timeouts(*[timeouts.total] * 5), None


async def buffer_response(response: httpx.Response, *, lenient: bool = False) -> httpx.Response:
    """Return a closed copy of the response with its body, of which at most MAX_LENGTH + 1 bytes are read.

    Raises TransportError. With `lenient`, a body that cannot be decompressed counts as empty.
    """
    failure: TransportError | None = None
    try:
        body = await _read_body(response)
    except InvalidResponse:
        if not lenient:
            raise
        body = b""
    except _LIBRARY_ERRORS as error:
        body, failure = b"", to_transport_error(error)
    finally:
        await finish(response.aclose())
    if failure is not None:
        raise failure  # outside the except block, as in _send_once
    headers = [(name, value) for name, value in response.headers.multi_items() if name not in _DROPPED_HEADERS]
    return httpx.Response(response.status_code, headers=headers, content=body, request=response.request)


async def _read_body(response: httpx.Response) -> bytes:
    if response.is_stream_consumed:  # the transport of a test or a sandbox: the body is in memory
        return response.content[: MAX_LENGTH + 1]
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.aiter_raw():
        chunks.append(chunk[: MAX_LENGTH + 1 - size])
        size += len(chunks[-1])
        if size > MAX_LENGTH:
            break
    body, encodings = b"".join(chunks), response.headers.get("content-encoding")
    if encodings is None or size > MAX_LENGTH:
        return body
    # Not by the library: httpx decompresses a whole chunk before its size is known.
    return decompress(body, encodings.encode("latin-1"), MAX_LENGTH)


def to_api_error(response: httpx.Response, now: datetime, redact: Callable[[str], str] = str) -> APIError:
    """Return the error that a response of the API represents. `redact` masks secrets that the request had sent.

    The token in the `Authorization` header is masked in any case.
    """
    request = response.request
    token = request.headers.get("authorization", "").removeprefix("Bearer ")

    def mask(text: str) -> str:
        text = text.replace("\\/", "/")  # as in JSON
        return redact(text.replace(token, MASK) if token else text)

    operation: Operation[None] = Operation(method=request.method, path=request.url.path, returns=None)
    body = mask(response.content.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    headers = {name: mask(value) for name, value in response.headers.items()}
    buffered = BufferedResponse(response.status_code, body, headers)
    return wire.error(Call(operation, request.url.path), buffered, request.headers["Request-Id"], now)
