"""Where a login happens, and where its token may go."""

from __future__ import annotations

import attrs

from ..config import Address

__all__ = ["Endpoints"]


@attrs.frozen(kw_only=True)
class Endpoints:
    """The addresses of one server, each https, or http on a loopback host."""

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
        """The endpoints of the site at `url`, as Cloud 66 has them, where no other is given. Raises ConfigError.

        Cloud 66 documents `/oauth/authorize` and `/oauth/token`; `/oauth/revoke` is where its kind of
        server has it.
        """
        address = Address.parse(url)
        site = address.site
        return cls(
            site=site,
            authorize=checked(authorize or f"{site}/oauth/authorize"),
            token=checked(token or f"{site}/oauth/token"),
            revoke=checked(revoke or f"{site}/oauth/revoke"),
            api=checked(api or address.api),
        )


def checked(url: str) -> str:
    """The address as it is. Raises ConfigError for plain http, user information, a query or a fragment."""
    Address.parse(url)
    return url
