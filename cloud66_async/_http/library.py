"""Authlib's client and the HTTP library that it is based on, with types."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

from authlib.common.errors import AuthlibBaseError
from authlib.deprecate import AuthlibDeprecationWarning

from ..errors import ConfigError

__all__ = [
    "NAME",
    "AsyncOAuth2Client",
    "AuthlibBaseError",
    "OAuth2Auth",
    "OAuth2Token",
    "check_request",
    "check_transport",
    "httpx",
]

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import _AsyncGeneratorContextManager

    import httpx

    # Authlib has no type annotations, and strict type checkers reject untyped base classes.
    class OAuth2Token(dict[str, Any]):
        def __init__(self, params: dict[str, Any]) -> None: ...
        def is_expired(self, leeway: float = 60) -> bool | None: ...

    class OAuth2Auth(httpx.Auth):
        token: Any

        def __init__(self, token: Any, token_placement: str = ..., client: Any = None) -> None: ...

    class AsyncOAuth2Client(httpx.AsyncClient):
        client_id: str | None
        scope: str | None
        redirect_uri: str | None
        compliance_hook: dict[str, set[Callable[..., Any]]]
        metadata: dict[str, Any]

        def __init__(self, client_id: str | None, client_secret: str | None, **options: Any) -> None: ...
        @property
        def token(self) -> OAuth2Token | None: ...
        @token.setter
        def token(self, token: object) -> None: ...
        def register_compliance_hook(self, hook_type: str, hook: Callable[..., Any]) -> None: ...
        async def introspect_token(self, url: str, token: str | None = None, **options: Any) -> httpx.Response: ...
        async def request(
            self, method: str, url: Any, withhold_token: bool = ..., auth: Any = ..., **options: Any
        ) -> httpx.Response: ...
        def stream(
            self, method: str, url: Any, withhold_token: bool = ..., auth: Any = ..., **options: Any
        ) -> _AsyncGeneratorContextManager[httpx.Response]: ...

else:
    with warnings.catch_warnings():
        # Only this warning and only here: users cannot act on Authlib's plan to drop httpx, this package can.
        # Authlib adds an "always" filter when authlib.deprecate is imported, which must have happened before.
        warnings.filterwarnings("ignore", message="The httpx module is deprecated", category=AuthlibDeprecationWarning)
        from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuth2Auth
    from authlib.oauth2.rfc6749 import OAuth2Token

    _BASE = next(base for base in AsyncOAuth2Client.__mro__ if base.__name__ == "AsyncClient")
    httpx = import_module(_BASE.__module__.partition(".")[0])

NAME: str = httpx.__name__
"""`httpx` or `httpx2`."""

_LIBRARIES = ("httpx", "httpx2")


def check_transport(transport: object) -> None:
    """Raise ConfigError for a transport of the other HTTP library, and TypeError for anything else but a transport."""
    if isinstance(transport, httpx.AsyncBaseTransport):
        return
    other = _library(transport)
    if other is not None and other != NAME and hasattr(transport, "handle_async_request"):
        raise ConfigError(
            f"invalid transport: it is one of {other}, but this package uses {NAME} because Authlib does; "
            f"create it with {NAME}"
        )
    if other is not None or not all(hasattr(transport, name) for name in ("handle_async_request", "aclose")):
        raise TypeError(
            f"invalid transport: expected a Transport or an {NAME}.AsyncBaseTransport, not {type(transport).__name__}"
        )


def check_request(request: object) -> None:
    """Raise ConfigError for a request of the other HTTP library, whose client cannot use this package's transports."""
    if not isinstance(request, httpx.Request):
        raise ConfigError(
            f"this transport is one of {NAME}, which this package uses because Authlib does, but the client is one of "
            f"{_library(request)}; use {NAME}.AsyncClient"
        )


def _library(value: object) -> str | None:
    """Return the HTTP library that the class of `value` is from, or None."""
    names = (base.__module__.partition(".")[0] for base in type(value).__mro__)
    return next((name for name in names if name in _LIBRARIES), None)
