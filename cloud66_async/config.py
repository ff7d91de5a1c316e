"""Configuration of a client, from arguments and the environment."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from ._core.arguments import MAX_LIMIT, MAX_NUMBER, brief, check_integer, check_number, check_text
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

    from .drift import Drift

__all__ = [
    "MISSING_LOGIN",
    "MISSING_USER_LOGIN",
    "URL",
    "USER_AGENT",
    "Address",
    "Application",
    "Config",
    "check_account",
    "check_drift",
    "check_tls",
    "environment_token",
    "library_options",
    "read_application",
    "read_pool",
    "read_timeouts",
]

_MAX_ID = 2**63
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
        if url is not None:
            check_text("url", url)
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
    expected_issuer: str | None = None
    authorize_url: str | None = None
    token_url: str | None = None
    revoke_url: str | None = None
    login_timeout: Timeouts | None = None

    def __post_init__(self) -> None:
        check_text("client_id", self.client_id)
        check_text("scope_separator", self.scope_separator)
        if self.redirect_url is not None:
            check_text("redirect_url", self.redirect_url)
        if self.expected_issuer is not None:
            check_text("expected_issuer", self.expected_issuer)
        if not self.client_id.isprintable() or not self.scope_separator.isprintable():
            raise ConfigError("invalid client_id or scope_separator: they must not contain control characters")
        if self.client_secret is not None and not self.client_secret.reveal().isprintable():
            raise ConfigError("invalid client_secret: it contains a control character; copy it from Account > Apps")


def read_application(
    client_id: str | None,
    *,
    client_secret: Secret | None,
    redirect_url: str | None,
    scope_separator: str,
    pkce: bool,
    expected_issuer: str | None,
    authorize_url: str | None,
    token_url: str | None,
    revoke_url: str | None,
    login_timeout: float | Timeouts | None,
) -> Application | None:
    """Return the application with the settings of `Cloud66`, or None if there is no client ID. Raises ConfigError."""
    if client_id is None:
        if client_secret is not None or redirect_url is not None:
            raise ConfigError("client_secret and redirect_url require a client_id; pass client_id as well")
        return None
    return Application(
        client_id=client_id,
        client_secret=client_secret,
        redirect_url=redirect_url,
        scope_separator=scope_separator,
        pkce=pkce,
        expected_issuer=expected_issuer,
        authorize_url=authorize_url,
        token_url=token_url,
        revoke_url=revoke_url,
        login_timeout=None if login_timeout is None else read_timeouts(login_timeout),
    )


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that all views of a client share."""

    address: Address
    site: str = URL
    application: Application | None = None
    limit: int = 32
    reserve: int | None = None
    when_exhausted: str = "wait"
    own_pool: bool = True
    idle: float = 15.0
    tls: ssl.SSLContext | None = None
    transport: Any = None
    options: Mapping[str, Any] = {}

    def __post_init__(self) -> None:
        check_integer("limit", self.limit)
        if not 1 <= self.limit <= MAX_LIMIT:
            raise ConfigError(f"invalid limit {brief(self.limit)}: must be at least 1 and at most {MAX_LIMIT}")
        if self.reserve is not None and check_integer("reserve", self.reserve) and self.reserve < 0:
            raise ConfigError(f"invalid reserve {brief(self.reserve)}: must not be negative")
        if check_text("when_exhausted", self.when_exhausted) and self.when_exhausted not in ("wait", "refuse"):
            raise ConfigError(f"invalid when_exhausted {self.when_exhausted!r}: must be 'wait' or 'refuse'")
        if self.tls is not None:
            check_tls(self.tls)

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
        for phase, seconds in timeout._asdict().items():
            if seconds is not None and check_number(f"{phase} timeout", seconds) and not 0 <= seconds <= MAX_NUMBER:
                raise ConfigError(
                    f"invalid {phase} timeout {brief(seconds)}: must not be negative; use None for no limit"
                )
        return timeout
    if timeout is None:
        return Timeouts(connect=None, read=None, write=None)
    check_number("timeout", timeout)
    if not 0 < timeout <= MAX_NUMBER:  # also rejects NaN
        raise ConfigError(f"invalid timeout {brief(timeout)}: must be more than 0 seconds, or None for no limit")
    return Timeouts(total=float(timeout))


def library_options(proxy: Secret | None, *, http2: bool, uds: str | None) -> dict[str, Any]:
    """Return the options that only the HTTP library supports."""
    options: dict[str, Any] = {}
    if proxy is not None:
        options["proxy"] = proxy
    if http2:
        options["http2"] = True
    if uds is not None and check_text("uds", uds):
        try:
            os.fsencode(uds)
        except UnicodeEncodeError:
            raise ConfigError("invalid uds: it contains a character that no path can contain") from None
        options["uds"] = uds
    return options


def check_account(account: int | None) -> None:
    """Raise TypeError or ConfigError if this is not the ID of an account."""
    if account is not None and check_integer("account", account) and not 0 < account < _MAX_ID:
        raise ConfigError(f"invalid account {brief(account)}: expected the ID of an account")


def check_drift(drift: Drift | None) -> Drift | None:
    """Return `drift`. Raises TypeError for anything else than a `Drift` or None."""
    if drift is not None:
        from .drift import Drift  # imported lazily: most programs do not pass one

        if not isinstance(drift, Drift):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"invalid drift: expected a Drift, not {type(drift).__name__}")
    return drift


def check_tls(tls: object) -> None:
    """Raise TypeError if this is not a TLS context."""
    import ssl  # imported lazily: most programs do not pass one

    if not isinstance(tls, ssl.SSLContext):
        raise TypeError(f"invalid tls: expected an ssl.SSLContext, not {type(tls).__name__}")


def read_pool(pool: str | None) -> str:
    """Return which connection pool to use: `pool`, or else CLOUD66_POOL, or else `own`. Raises ConfigError."""
    if pool is not None:
        check_text("pool", pool)
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
