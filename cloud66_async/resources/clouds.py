"""Clouds: cloud providers with their regions and server sizes."""

from __future__ import annotations

import attrs

from .._core.model import Model
from ..operation import get, many
from ..pager import Pager
from ._resource import Resource

__all__ = ["Cloud", "CloudRegion", "CloudServerSize", "Clouds"]


@attrs.frozen(kw_only=True)
class CloudRegion(Model):
    """One region of a cloud provider."""

    id: str
    name: str | None = None
    old_id: str | None = None  # earlier ID; only for some cloud providers


@attrs.frozen(kw_only=True)
class CloudServerSize(Model):
    """One server size of a cloud provider."""

    id: str  # not stripped: some IDs end with a space
    name: str | None = None


@attrs.frozen(kw_only=True)
class Cloud(Model):
    """One cloud provider."""

    name: str  # identifier, for example `digitalocean`
    display_name: str | None = None
    key_name: str | None = None  # name of the cloud provider's key in the account (known from the official client)
    regions: tuple[CloudRegion, ...] | None = None
    server_sizes: tuple[CloudServerSize, ...] | None = None


LIST = get("/clouds.json", many(Cloud), scope="redeploy")
GET = get("/clouds/{cloud}.json", Cloud, scope="redeploy")


class Clouds(Resource):
    """Cloud providers that the account can use."""

    def list(self) -> Pager[Cloud]:
        """List the cloud providers."""
        return self._pages(LIST.bind())

    async def get(self, cloud: str) -> Cloud:
        """Return the cloud provider with this name."""
        return await self._call(GET.bind(cloud=cloud))
