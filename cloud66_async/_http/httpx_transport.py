"""HttpxTransport: the HTTP library as a transport, for proxies, HTTP/2, Unix sockets and custom transports."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .._core.proxies import check_proxy
from .._core.response import BufferedResponse, join_headers
from .._core.text import clean
from ..errors import ConfigError, TransportError, TransportTimeout
from ..pool.decompress import decompress_body
from ..pool.errors import InvalidResponse
from ..pool.parser import MAX_HEADER_SECTION, MAX_HEADERS
from ..secret import Secret
from .closing import finish
from .cookies import no_cookies
from .library import httpx
from .logs import RedactedTransport, redacting

if TYPE_CHECKING:
    from .._core.origin import Origin
    from .._core.response import RawResponse
    from ..transport import Request, Timeouts

__all__ = ["HttpxTransport", "check_headers", "library_transport", "to_transport_error"]

_MAX_BODY = 64 * 1024 * 1024
# What h11 and h2 quote of an invalid response, which may repeat the token.
_QUOTED = re.compile(r":? (?:bytearray\(|b['\"]|additional_data:).*", re.DOTALL)
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]").search
_VERSIONS = frozenset({b"HTTP/1.0", b"HTTP/1.1", b"HTTP/2", b"HTTP/3"})
_PHASES = {"ConnectTimeout": "connect", "PoolTimeout": "pool", "WriteTimeout": "write", "ReadTimeout": "read"}
# Errors that the library raises before it sends anything.
_UNSENT = (
    "ConnectError",
    "ConnectTimeout",
    "PoolTimeout",
    "ProxyError",
    "UnsupportedProtocol",
    "LocalProtocolError",
    "InvalidURL",
)


class HttpxTransport:
    """Sends requests through an `AsyncClient` of the HTTP library."""

    def __init__(self, origin: Origin, transport: httpx.AsyncBaseTransport) -> None:
        self._host: list[tuple[str, str]] = []
        self._extensions: dict[str, str] = {}
        url = origin.url
        if origin.lookup_name != origin.name:  # the library would use one form of the host for everything
            self._host.append(("Host", origin.authority))
            self._extensions["sni_hostname"] = origin.name
            url = origin.lookup_url
        self._client = httpx.AsyncClient(
            base_url=url,
            transport=transport,
            follow_redirects=False,
            trust_env=False,
            cookies=no_cookies(),
        )

    async def send(self, request: Request) -> RawResponse:
        """Send `request` and return its response with the whole body. Raises TransportError."""
        try:
            async with asyncio.timeout(request.timeouts.total):
                return await self._send(request)
        except TimeoutError:
            transport_error: TransportError = TransportTimeout("timed out (total)", phase="total")
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
            transport_error = to_transport_error(error)
        try:
            # Outside the except block, so that it has no context: the library's errors hold the request with the token.
            raise transport_error
        finally:
            del transport_error  # break the reference cycle: error -> traceback -> frame -> error

    async def _send(self, request: Request) -> RawResponse:
        library_request = self._client.build_request(
            request.method,
            request.target,
            headers=[*self._host, *_headers(request)],  # not a variable of this frame: tracebacks may show those
            content=request.body,
            timeout=_library_timeout(request.timeouts),
            extensions=self._extensions,
        )
        with redacting():
            response = await self._client.send(library_request, stream=True)
        try:
            check_headers(response)
            # Raw headers, so that every transport decodes them alike: the library guesses an encoding.
            pairs = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers.raw)
            headers = join_headers(pairs)
            return BufferedResponse(response.status_code, await _read_body(response, headers), headers)
        finally:
            if not response.is_closed:  # it is, unless its body was not read to the end
                await finish(response.aclose())

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()


def library_transport(*, limit: int, idle: float, options: Mapping[str, Any]) -> httpx.AsyncBaseTransport:
    """Return the library's connection pool with its options `proxy`, `http2`, `uds`, `verify`. Raises ConfigError.

    `proxy` may be a `Secret`, which contains the URL: no local variable of this package then shows a password.
    """
    if options.get("http2") and not _is_installed("h2"):
        raise ConfigError(f"http2=True requires an optional package; run: pip install '{httpx.__name__}[http2]'")
    proxy = options.get("proxy")
    if isinstance(proxy, str):
        proxy = Secret(proxy)
    if isinstance(proxy, Secret):
        check_proxy(proxy, "proxy")
    limits = httpx.Limits(max_connections=limit, max_keepalive_connections=limit, keepalive_expiry=idle)
    try:
        return RedactedTransport(httpx.AsyncHTTPTransport(limits=limits, **_plain(options)))
    except httpx.InvalidURL:
        reason = "invalid proxy URL"  # the error may quote a part of the password
    except (TypeError, ValueError, ImportError) as error:
        reason = str(error)
    raise ConfigError(f"{httpx.__name__} does not accept these options: {reason}")


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.reveal() if isinstance(value, Secret) else value for name, value in options.items()}


def _is_installed(module: str) -> bool:
    try:
        import_module(module)
    except ImportError:
        return False
    return True


def check_headers(response: httpx.Response) -> None:
    """Raise InvalidResponse for what the pool rejects and the library accepts."""
    version = response.extensions.get("http_version", b"HTTP/1.1")
    if version not in _VERSIONS:
        raise InvalidResponse(f"unsupported protocol in the response ({clean(version.decode('latin-1'))})")
    raw = response.headers.raw
    if any(_CONTROL(value) for _, value in raw):
        raise InvalidResponse("control character in a header of the response")
    if len(raw) > MAX_HEADERS or sum(len(name) + len(value) for name, value in raw) > MAX_HEADER_SECTION:
        raise InvalidResponse(f"the response headers exceed {MAX_HEADER_SECTION} bytes or {MAX_HEADERS} lines")
    if "transfer-encoding" in response.headers and "content-length" in response.headers:
        raise InvalidResponse("the response has both a Transfer-Encoding and a Content-Length")


async def _read_body(response: httpx.Response, headers: Mapping[str, str]) -> bytes:
    """Return the whole body. The SDK decompresses it: the library does so without a limit, and more formats."""
    if response.is_stream_consumed:  # a custom transport returned a response that has been read
        incoming = response.aiter_bytes()
        encodings = None
    else:
        incoming = response.aiter_raw()
        encodings = headers.get("content-encoding")
    buffer = bytearray()  # not a list: small chunks would take many times the memory of the body
    async for chunk in incoming:
        buffer += chunk
        if len(buffer) > _MAX_BODY:
            raise InvalidResponse(f"the response body exceeds {_MAX_BODY} bytes")
    body = bytes(buffer)
    if encodings is None:
        return body
    return await decompress_body(body, encodings.encode("latin-1"), _MAX_BODY, status=response.status_code)


def _headers(request: Request) -> list[tuple[str, str]]:
    content_type = [] if request.body is None else [("Content-Type", "application/json")]
    return [*request.headers.pairs, ("Request-Id", request.request_id), *content_type]


def _library_timeout(timeouts: Timeouts) -> httpx.Timeout:
    return httpx.Timeout(connect=timeouts.connect, read=timeouts.read, write=timeouts.write, pool=timeouts.pool)


def to_transport_error(error: Exception) -> TransportError:
    """Return the library's error as one of ours."""
    name = type(error).__name__
    text = _QUOTED.sub("", str(error)) or name
    if isinstance(error, httpx.ConnectError):
        text = f"cannot connect{_destination(error)}: {text}"
    sent = name not in _UNSENT
    if isinstance(error, httpx.TimeoutException):
        phase = _PHASES.get(name, "read")
        return TransportTimeout(f"timed out ({phase})", phase=phase, sent=sent)
    return TransportError(text, sent=sent)


def _destination(error: httpx.RequestError) -> str:
    try:
        url = error.request.url
    except RuntimeError:  # raised by the library if the error has no request
        return ""
    return f" to {url.netloc.decode('ascii')}"
