"""The URLs of an OAuth provider and its API."""

from __future__ import annotations

import attrs

from ..config import Address

__all__ = ["Endpoints", "check_url"]


@attrs.frozen(kw_only=True)
class Endpoints:
    """The URLs of one server. Each is https, or http on a loopback host."""

    site: str
    authorize: str
    token: str
    revoke: str
    api: str

    @classmethod
    def of(
        cls,
        url: str,
        *,
        authorize: str | None = None,
        token: str | None = None,
        revoke: str | None = None,
        api: str | None = None,
    ) -> Endpoints:
        """Return the endpoints of the site at `url`, with Cloud 66's paths for those not given. Raises ConfigError.

        Cloud 66 documents `/oauth/authorize` and `/oauth/token`. `/oauth/revoke` is the usual path of the kind of
        server that it runs.
        """
        address = Address.parse(url)
        site = address.site
        return cls(
            site=site,
            authorize=check_url(authorize or f"{site}/oauth/authorize"),
            token=check_url(token or f"{site}/oauth/token"),
            revoke=check_url(revoke or f"{site}/oauth/revoke"),
            api=check_url(api or address.api),
        )


def check_url(url: str) -> str:
    """Return `url` unchanged. Raises ConfigError for plain http, user information, a query or a fragment."""
    Address.parse(url)
    return url
