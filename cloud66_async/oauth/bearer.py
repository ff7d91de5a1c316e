"""The token on Authlib's side: what the client holds, and how it gets into a request."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from .._http.library import OAuth2Auth, OAuth2Token, httpx
from ..errors import ConfigError
from ..secret import MASK
from ..token import Token
from .token_response import positive

__all__ = ["BearerAuth", "MaskedToken", "same_origin"]


class MaskedToken(OAuth2Token):
    """Authlib's token, a dict, that does not show itself: `["access_token"]` is the way in."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({MASK})"

    __str__ = __repr__


class BearerAuth(OAuth2Auth):
    """Sets the `Authorization` header, for requests to the API's own origin and for no others."""

    # Authlib's own collects each upload in memory, and sends it with two contradicting lengths.
    requires_request_body = False
    origin: httpx.URL
    token: MaskedToken | None

    def __init__(self, token: Any, token_placement: str = "header", client: Any = None) -> None:  # noqa: S107
        super().__init__(None, token_placement, client)
        self.set_token(token)

    def set_token(self, token: Any) -> None:
        """Take this token: a `Token`, text, a dict in Authlib's manner, or None. Raises ConfigError."""
        self.token = None if token is None else MaskedToken(_fields(token))

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """The request, with the token. Raises ConfigError where it would go to another origin."""
        if not same_origin(request.url, self.origin):
            raise ConfigError(
                f"the token is for {self.origin.host} and is not sent to {request.url.host}; "
                "for a request without it say request(..., withhold_token=True)"
            )
        if self.token is None:
            raise ConfigError("no token: log in with fetch_token(), or set client.token to one")
        request.headers["Authorization"] = f"Bearer {self.token['access_token']}"
        yield request


def same_origin(one: httpx.URL, other: httpx.URL) -> bool:
    """Whether scheme, host and port are equal; the library writes a scheme's own port as None."""
    return (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port)


def _fields(token: Any) -> dict[str, Any]:
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
        raise ConfigError(f"a token is a Token, text or a dict, not {type(token).__name__}")
    return _checked({**token})


def _checked(fields: dict[str, Any]) -> dict[str, Any]:
    text = fields.get("access_token")
    if not isinstance(text, str):
        raise ConfigError("the token has no access_token")
    fields["access_token"] = Token(text).reveal()
    kind = fields.get("token_type") or "bearer"
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise ConfigError("the token is of a type other than bearer")
    for name in ("expires_in", "expires_at"):
        seconds = positive(fields.pop(name, None))
        if seconds is not None:
            fields[name] = seconds
    return fields
