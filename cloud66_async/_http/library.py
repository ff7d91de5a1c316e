"""The HTTP library that Authlib's client is made of, and that client, with types."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

from authlib.common.errors import AuthlibBaseError
from authlib.deprecate import AuthlibDeprecationWarning

__all__ = ["NAME", "AsyncOAuth2Client", "AuthlibBaseError", "OAuth2Auth", "OAuth2Token", "httpx"]

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    # Authlib has no types; strict checkers refuse to subclass what they cannot see.
    class OAuth2Token(dict[str, Any]):
        @classmethod
        def from_dict(cls, token: Mapping[str, Any]) -> Any: ...

    class OAuth2Auth(httpx.Auth):
        token: Any
        def __init__(self, token: Any, token_placement: str = "header", client: Any = None) -> None: ...
        def set_token(self, token: Any) -> None: ...

    class AsyncOAuth2Client(httpx.AsyncClient):
        client_id: str | None
        client_secret: str | None
        scope: str | None
        redirect_uri: str | None
        code_challenge_method: str | None
        metadata: dict[str, Any]
        token_auth: OAuth2Auth
        session: Any

        @property
        def token(self) -> Any: ...
        @token.setter
        def token(self, token: Any) -> None: ...
        def client_auth(self, auth_method: str) -> Any: ...
        async def _fetch_token(self, url: str, **options: Any) -> Any: ...

else:
    with warnings.catch_warnings():
        # This one alone, and here alone: that the fallback on httpx will end some day is our worry,
        # not that of our users. Authlib sets an "always" filter of its own, so the order matters.
        warnings.filterwarnings(
            "ignore", message="The httpx module is deprecated", category=AuthlibDeprecationWarning
        )
        from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuth2Auth
    from authlib.oauth2.rfc6749 import OAuth2Token

    _BASE = next(base for base in AsyncOAuth2Client.__mro__ if base.__name__ == "AsyncClient")
    httpx = import_module(_BASE.__module__.partition(".")[0])

NAME: str = httpx.__name__
"""`httpx` or `httpx2`."""
