"""DNS providers: services that prove the ownership of a domain, for wildcard certificates."""

from __future__ import annotations

import attrs

from .._core.model import Model, Timestamp
from ..operation import get, many
from ..pager import Pager
from ._resource import Resource

__all__ = ["DnsProvider", "DnsProviders"]


@attrs.frozen(kw_only=True)
class DnsProvider(Model):
    """One DNS provider."""

    uuid: str  # starts with `dp-`
    type: str | None = None  # for example `Cloudflare`; an open set
    key: str | None = None  # name of the provider's key in the account
    display_name: str | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


LIST = get("/dns_providers.json", many(DnsProvider), scope="admin")


class DnsProviders(Resource):
    """DNS providers of the account, which wildcard certificates require."""

    def list(self) -> Pager[DnsProvider]:
        """List the DNS providers."""
        return self._pages(LIST.bind())
