"""The URLs of an OAuth provider and its API."""

from __future__ import annotations

from typing import Literal
from urllib.parse import SplitResult, urlsplit

import attrs

from .._core.arguments import check_text
from .._core.origin import DEFAULT_PORTS, is_loopback
from ..config import Address
from ..errors import ConfigError
from .callback import OUT_OF_BAND

__all__ = ["Endpoints", "check_redirect_url", "check_url", "is_encrypted"]


@attrs.frozen(kw_only=True)
class Endpoints:
    """The URLs of one server. Each is https, or http on a loopback host.

    `issuer` is the value of `iss` that every callback must contain (RFC 9207), or None if the server is not known to
    send it. `undetermined` names the endpoints whose URLs follow from `site` although another endpoint is on another
    server.
    """

    site: str
    authorize: str
    token: str
    revoke: str
    api: str
    issuer: str | None = None
    undetermined: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        url: str,
        *,
        authorize: str | None = None,
        token: str | None = None,
        revoke: str | None = None,
        api: str | None = None,
        issuer: str | None = None,
    ) -> Endpoints:
        """Return the endpoints of the site at `url`, with Cloud 66's paths for those not given. Raises ConfigError.

        Cloud 66 documents `/oauth/authorize` and `/oauth/token`. `/oauth/revoke` is the usual path of the kind of
        server that it runs.
        """
        if issuer == "":
            raise ConfigError("invalid expected_issuer '': it is empty; pass the issuer of the server, or leave it out")
        address = Address.parse(url)
        site = address.site
        given = {"authorize": authorize, "token": token, "revoke": revoke, "api": api}
        elsewhere = any(Address.parse(other).origin != address.origin for other in given.values() if other)
        return cls(
            site=site,
            authorize=check_url(authorize or f"{site}/oauth/authorize"),
            token=check_url(token or f"{site}/oauth/token"),
            revoke=check_url(revoke or f"{site}/oauth/revoke"),
            api=check_url(api or address.api),
            issuer=None if issuer is None else check_url(issuer),
            undetermined=frozenset(name for name, other in given.items() if elsewhere and not other),
        )

    def require(self, name: Literal["token", "revoke", "api"]) -> str:
        """Return the URL of an endpoint that receives secrets. Raises ConfigError if its server is undetermined."""
        if name in self.undetermined:
            raise ConfigError(
                f"no {name}_url: another endpoint is not at {self.site}, and the secrets of one server must not be "
                f"sent to another; pass {name}_url"
            )
        url: str = getattr(self, name)
        return url


def check_url(url: str) -> str:
    """Return `url` unchanged. Raises ConfigError for plain http, user information, a query or a fragment."""
    Address.parse(url)
    return url


def is_encrypted(scheme: str, host: str) -> bool:
    """Return whether requests to this host are encrypted, or stay on this machine."""
    return scheme == "https" or (scheme == "http" and is_loopback(host))


def check_redirect_url(url: str) -> None:
    """Raise ConfigError unless this is an absolute URL that keeps the authorization code secret."""
    if not url:
        raise ConfigError("no redirect URL; pass the one that is registered for the application")
    if url == OUT_OF_BAND:
        return
    parts = _split(url)
    if parts is None or "#" in url or parts.username is not None or not (parts.netloc or parts.path):
        raise ConfigError("invalid redirect URL: it must be absolute, without a user name and without a fragment")
    if parts.scheme in DEFAULT_PORTS and not parts.hostname:
        raise ConfigError("invalid redirect URL: it has no host name")
    # Other schemes belong to applications on the user's device, such as `myapp:/callback`.
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ConfigError(
            f"the redirect URL at http://{parts.hostname} would send the authorization code unencrypted; "
            "use https (http is for loopback hosts only)"
        )


def _split(url: str) -> SplitResult | None:
    check_text("URL", url)
    if not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        return parts if parts.scheme and parts.port != 0 else None
    except ValueError:
        return None
