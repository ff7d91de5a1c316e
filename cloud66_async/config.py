"""Config: how a client was set up, from arguments and the environment."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from ._lane import Timeouts
from ._version import __version__
from .errors import ConfigError
from .model import Secret
from .token import Token

if TYPE_CHECKING:
    import ipaddress
    import ssl
    from urllib.parse import SplitResult

__all__ = [
    "NOBODY",
    "NO_USER_YET",
    "URL",
    "USER_AGENT",
    "Address",
    "Application",
    "Config",
    "environment_token",
    "names_proxy",
    "read_pool",
    "read_timeouts",
]

URL = "https://app.cloud66.com"
_API = "/api/3"
_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?")
USER_AGENT = (
    f"cloud66-async/{__version__} ({sys.platform}; {os.uname().machine if hasattr(os, 'uname') else 'unknown'})"
)

NOBODY = "no token: give one as Cloud66(token=...), set CLOUD66_ACCESS_TOKEN, or log in once with `cloud66-async login`"
NO_USER_YET = (
    "no token: this client logs users in (client_id is given), so the environment and stored logins are not used; "
    "give each user's own token with `using(token=...)`"
)


class Address(msgspec.Struct, frozen=True):
    """Where Cloud 66 is: `https://app.cloud66.com`, or another server that behaves like it."""

    origin: str
    host: str
    port: int
    tls: bool
    root: str

    @classmethod
    def read(cls, url: str | None, environment: Mapping[str, str] | None = None) -> Address:
        """From `url`, else from CLOUD66_URL, else Cloud 66's own.

        The address of the site and that of the API (with `/api/3`) are both understood. Raises ConfigError
        for anything but https (http is for loopback hosts), and for user information, a query or a fragment.
        """
        given = url or (os.environ if environment is None else environment).get("CLOUD66_URL") or URL
        parts, port = _split(given)
        host = parts.hostname or ""
        if parts.scheme not in ("https", "http") or not _is_host(host):
            raise ConfigError(f"the address must look like {URL}")
        if parts.scheme == "http" and not _is_loopback(host):
            raise ConfigError(
                f"http://{host} would send the token in the clear: use https (plain http is for loopback only)"
            )
        if parts.username is not None or parts.query or parts.fragment:
            raise ConfigError("the address must not hold a user name, a query or a fragment")
        root = parts.path.rstrip("/").removesuffix(_API)
        tls = parts.scheme == "https"
        netloc = f"[{host}]" if ":" in host else host
        if port is not None:
            netloc += f":{port}"
        return cls(f"{parts.scheme}://{netloc}", host, port or (443 if tls else 80), tls, root)

    @property
    def site(self) -> str:
        """The address of the site, without a slash at its end."""
        return self.origin + self.root

    @property
    def api(self) -> str:
        """The path of the API, `/api/3`."""
        return self.root + _API


def _split(url: str) -> tuple[SplitResult, int | None]:
    if any(ord(character) <= 0x20 or ord(character) >= 0x7F for character in url):
        raise ConfigError(
            "the address holds a blank or a character that is not ASCII (such hosts have a punycode form)"
        )
    from urllib.parse import urlsplit  # 3 ms to import, and not before a client is made

    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError(f"the address must look like {URL}") from None
    if port == 0:
        raise ConfigError("port 0 is nobody's address")
    return parts, port


def _is_host(text: str) -> bool:
    return _NAME.fullmatch(text) is not None or _ip(text) is not None


def _is_loopback(host: str) -> bool:
    address = _ip(host)
    return host == "localhost" if address is None else address.is_loopback


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    import ipaddress  # as late as urllib.parse, which brings it

    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """The OAuth application that logs users in, as registered under Account > Apps."""

    client_id: str
    client_secret: Secret | None = None
    redirect_url: str | None = None
    scope_separator: str = " "
    pkce: bool = True


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """How a client reaches Cloud 66: everything that its views share."""

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
            raise ConfigError("limit must be at least 1")

    @property
    def needs_roots(self) -> bool:
        """Whether our own pool will want the process's TLS context; no where a proxy may be in between."""
        own = self.own_pool and self.transport is None and not self.options
        return own and self.address.tls and self.tls is None and not names_proxy()

    def __repr__(self) -> str:
        return f"<Config of {self.address.site}>"  # a proxy's address may hold a password


def names_proxy() -> bool:
    """Whether the environment names a proxy, for whatever address."""
    return any(name.lower().endswith("_proxy") for name in os.environ)


def read_timeouts(timeout: float | Timeouts | None) -> Timeouts:
    """The timeouts that `timeout` means: a number is the longest time for a whole request, None is no limit."""
    if isinstance(timeout, Timeouts):
        return timeout
    if timeout is None:
        return Timeouts(connect=None, read=None, write=None)
    if not 0 < timeout < math.inf:  # not a number is neither
        raise ConfigError("timeout must be more than 0 seconds, or None for no limit")
    return Timeouts(whole=float(timeout))


def read_pool(pool: str | None) -> str:
    """Whose connection pool is used: from `pool`, else from CLOUD66_POOL, else our own. Raises ConfigError."""
    given = pool or os.environ.get("CLOUD66_POOL") or "own"
    if given not in ("own", "httpx"):
        raise ConfigError(f"pool is 'own' or 'httpx', not {given!r}")
    return given


def environment_token(environment: Mapping[str, str] | None = None) -> Token | None:
    """The token in CLOUD66_ACCESS_TOKEN, None where that is not set or empty."""
    text = (os.environ if environment is None else environment).get("CLOUD66_ACCESS_TOKEN")
    return Token(text) if text else None
