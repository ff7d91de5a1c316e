"""Configuration of a client, from arguments and the environment."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from ._core.origin import DEFAULT_PORTS, Origin, ip_address, is_loopback
from ._core.proxies import environment_names_proxy
from ._version import __version__
from .errors import ConfigError
from .secret import Secret
from .token import Token, parse_toolbelt_login
from .transport import Timeouts

if TYPE_CHECKING:
    import ssl
    from urllib.parse import SplitResult

__all__ = [
    "MISSING_LOGIN",
    "MISSING_USER_LOGIN",
    "URL",
    "USER_AGENT",
    "Address",
    "Application",
    "Config",
    "environment_token",
    "read_pool",
    "read_timeouts",
]

URL = "https://app.cloud66.com"
_API = "/api/3"
_HOST = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?")
USER_AGENT = (
    f"cloud66-async/{__version__} ({sys.platform}; {os.uname().machine if hasattr(os, 'uname') else 'unknown'})"
)

MISSING_LOGIN = (
    "no token; pass one as Cloud66(token=...), set CLOUD66_ACCESS_TOKEN, or log in once with `cloud66-async login`"
)
MISSING_USER_LOGIN = (
    "no token: a client with a client_id serves the users of an application and does not use the environment or "
    "stored logins; pass the user's token with `using(token=...)`"
)


class Address(msgspec.Struct, frozen=True):
    """The URL of Cloud 66 or of a compatible server. `root` is the path of the site, usually empty."""

    origin: Origin
    root: str

    @classmethod
    def parse(cls, url: str | None, environment: Mapping[str, str] | None = None) -> Address:
        """Return the address in `url`, or else in CLOUD66_URL, or else that of Cloud 66.

        Accepts the URL of the site and that of the API, which ends in `/api/3`. Raises ConfigError for other
        schemes than https (http is allowed for loopback hosts), and for user information, a query or a fragment.
        """
        given = url or (os.environ if environment is None else environment).get("CLOUD66_URL") or URL
        parts, port = _split(given)
        host = parts.hostname or ""
        if parts.scheme not in DEFAULT_PORTS or not _is_host(host):
            raise ConfigError(f"invalid URL: expected a URL like {URL}")
        if parts.scheme == "http" and not is_loopback(host):
            raise ConfigError(
                f"http://{host} would send the token unencrypted; use https (http is for loopback hosts only)"
            )
        if parts.username is not None or parts.query or parts.fragment:
            raise ConfigError(f"invalid URL of {host}: it must not contain a user name, a query or a fragment")
        origin = Origin(host, DEFAULT_PORTS[parts.scheme] if port is None else port, parts.scheme == "https")
        return cls(origin, parts.path.rstrip("/").removesuffix(_API))

    @property
    def site(self) -> str:
        """The URL of the site, without a trailing slash."""
        return self.origin.url + self.root

    @property
    def api_path(self) -> str:
        """The path of the API, usually `/api/3`."""
        return self.root + _API

    @property
    def api(self) -> str:
        """The URL of the API."""
        return self.site + _API


def _split(url: str) -> tuple[SplitResult, int | None]:
    if any(ord(character) <= 0x20 or ord(character) >= 0x7F for character in url):
        raise ConfigError(
            "invalid URL: it contains a space or a character that is not ASCII; write such host names in Punycode"
        )
    from urllib.parse import urlsplit  # imported lazily: takes 3 ms

    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError(f"invalid URL: expected a URL like {URL}") from None
    if port == 0:
        raise ConfigError("invalid port 0 in the URL")
    return parts, port


def _is_host(text: str) -> bool:
    return _HOST.fullmatch(text) is not None or ip_address(text) is not None


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """The OAuth application that logs users in, as registered under Account > Apps."""

    client_id: str
    client_secret: Secret | None = None
    redirect_url: str | None = None
    scope_separator: str = " "
    pkce: bool = True


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that all views of a client share."""

    address: Address
    application: Application | None = None
    limit: int = 32
    reserve: int | None = None
    own_pool: bool = True
    idle: float = 15.0
    tls: ssl.SSLContext | None = None
    transport: Any = None
    options: Mapping[str, Any] = {}

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise ConfigError(f"invalid limit {self.limit}: must be at least 1")

    @property
    def needs_certificates(self) -> bool:
        """Whether the SDK's pool needs the CA certificates. False if there may be a proxy."""
        own = self.own_pool and self.transport is None and not self.options
        return own and self.address.origin.tls and self.tls is None and not environment_names_proxy()

    def __repr__(self) -> str:
        return f"<Config of {self.address.site}>"  # the URL of a proxy may contain a password

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return what `rich` shows. msgspec's own method returns every field."""
        return [("site", self.address.site)]


def read_timeouts(timeout: float | Timeouts | None) -> Timeouts:
    """Return `timeout` as `Timeouts`: a number limits the whole request, None means no limit. Raises ConfigError."""
    if isinstance(timeout, Timeouts):
        return timeout
    if timeout is None:
        return Timeouts(connect=None, read=None, write=None)
    if not 0 < timeout < math.inf:  # also rejects NaN
        raise ConfigError(f"invalid timeout {timeout}: must be more than 0 seconds, or None for no limit")
    return Timeouts(total=float(timeout))


def read_pool(pool: str | None) -> str:
    """Return which connection pool to use: `pool`, or else CLOUD66_POOL, or else `own`. Raises ConfigError."""
    given = pool or os.environ.get("CLOUD66_POOL") or "own"
    if given not in ("own", "httpx"):
        raise ConfigError(f"invalid pool {given!r}: must be 'own' or 'httpx'")
    return given


def environment_token(environment: Mapping[str, str] | None = None, *, site: str = URL) -> Token | None:
    """Return the token in CLOUD66_ACCESS_TOKEN, or else that in CLOUD66_TOKEN, or None if neither is set.

    CLOUD66_TOKEN holds the toolbelt's login file in base64, as CI recipes of Cloud 66 set it. It is a login at Cloud 66
    itself and not used for another `site`. Raises ConfigError if a value is invalid.
    """
    found = os.environ if environment is None else environment
    text = found.get("CLOUD66_ACCESS_TOKEN")
    if text:
        return Token(text)
    encoded = found.get("CLOUD66_TOKEN", "").strip()
    return _toolbelt_token(encoded) if encoded and site == URL else None


def _toolbelt_token(encoded: str) -> Token:
    import base64  # imported lazily: takes 1 ms, and only this variable needs it

    try:
        token = parse_toolbelt_login(base64.b64decode("".join(encoded.split()), validate=True))
    except ValueError:
        token = None
    if token is None:
        del encoded  # a traceback may show local variables
        raise ConfigError(
            "invalid CLOUD66_TOKEN: expected the toolbelt's login file in base64; "
            "set CLOUD66_ACCESS_TOKEN for an access token as it is"
        )
    return token
