"""The token as Authlib stores it, and the authentication that adds it to a request."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any

from .._http.library import OAuth2Auth, OAuth2Token, httpx
from ..errors import ConfigError
from ..secret import MASK, Secret
from ..token import Token
from .endpoints import Endpoints
from .token_response import normalize

if TYPE_CHECKING:
    from _collections_abc import dict_items, dict_values

__all__ = ["BearerAuth", "MaskedToken", "same_origin"]

_SECRETS = ("access_token", "refresh_token", "id_token")


class MaskedToken(OAuth2Token):
    """Authlib's token, a dict, whose secrets are redacted in all output.

    `["access_token"]`, `get()` and `dict(token)` return the values. `repr()`, `items()` and `values()` do not: crash
    reporters call them.
    """

    def __repr__(self) -> str:
        return f"{type(self).__name__}({MASK})"

    __str__ = __repr__

    def items(self) -> dict_items[str, Any]:
        """Return names and values, with a `Secret` in place of each secret."""
        return {name: Secret(self[name]) if name in _SECRETS and self[name] else self[name] for name in self}.items()

    def values(self) -> dict_values[str, Any]:
        """Return the values, with a `Secret` in place of each secret."""
        return dict(self.items()).values()

    def __reduce__(self) -> tuple[Any, ...]:
        # By default, a dict pickles what items() returns.
        return type(self), (dict(self),)


class BearerAuth(OAuth2Auth):
    """Authentication that sets the `Authorization` header of requests to the API's own origin, and of no others."""

    # Authlib's own class buffers each upload in memory and sends it with two contradicting lengths.
    requires_request_body = False
    endpoints: Endpoints
    origin: httpx.URL
    token: MaskedToken | None

    def __init__(self, token: Any, token_placement: str = "header", client: Any = None) -> None:  # noqa: S107
        super().__init__(None, token_placement, client)
        self.set_token(token)

    def set_token(self, token: Any) -> None:
        """Use this token: a `Token`, a string, a dict as Authlib has it, or None. Raises ConfigError."""
        self.token = None if token is None else MaskedToken(_to_fields(token))

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the token to the request. Raises ConfigError if the request goes to another origin."""
        self.endpoints.require("api")
        if not same_origin(request.url, self.origin):
            raise ConfigError(
                f"the token is for {self.origin.host} and is not sent to {request.url.host}; "
                "to send the request without it, pass withhold_token=True to request()"
            )
        if self.token is None:
            raise ConfigError("no token; log in with fetch_token(), or set client.token")
        request.headers["Authorization"] = f"Bearer {self.token['access_token']}"
        yield request


def same_origin(one: httpx.URL, other: httpx.URL) -> bool:
    """Return whether scheme, host and port are equal. The library represents a scheme's default port as None."""
    return (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port)


def _to_fields(token: Any) -> dict[str, Any]:
    if isinstance(token, Token):
        fields: dict[str, Any] = {"access_token": token.reveal(), "token_type": "bearer"}
        if token.scopes is not None:
            fields["scope"] = " ".join(token.scopes)
        if token.expires_at is not None:
            fields["expires_at"] = int(token.expires_at.timestamp())
        return fields
    if isinstance(token, str):
        return {"access_token": Token(token).reveal(), "token_type": "bearer"}
    if not isinstance(token, Mapping):
        raise ConfigError(f"invalid token: expected a Token, a string or a dict, not {type(token).__name__}")
    return _normalize({**token})


def _normalize(fields: dict[str, Any]) -> dict[str, Any]:
    text = fields.get("access_token")
    if not isinstance(text, str):
        raise ConfigError("invalid token: it has no access_token")
    fields["access_token"] = Token(text).reveal()
    token_type = fields.get("token_type") or "bearer"
    if not isinstance(token_type, str) or token_type.lower() != "bearer":
        raise ConfigError("unsupported token_type; only bearer tokens are supported")
    normalize(fields)
    return fields
