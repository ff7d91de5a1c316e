"""On-premises configurations. All of it is known from the official client; the documentation does not have it."""

from __future__ import annotations

from typing import Any

import attrs

from .._core.model import IsoTimestamp, Model, Timestamp, free_form
from ..operation import get, many, put
from ..pager import Pager
from ._resource import Resource

__all__ = ["Onprem", "Onprems"]


@attrs.frozen(kw_only=True)
class Onprem(Model):
    """One on-premises configuration."""

    uid: str
    name: str | None = None
    config: Any | None = free_form()  # noqa: RUF009  a field of attrs, which ruff does not see
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    created_at_iso: IsoTimestamp | None = None
    updated_at_iso: IsoTimestamp | None = None


LIST = get("/onprems.json", many(Onprem))
GET = get("/onprems/{onprem}.json", Onprem)
UPDATE = put("/onprems/{onprem}.json", Onprem, body={"uid": str | None, "name": str | None, "config": Any | None})


class Onprems(Resource):
    """On-premises configurations, known from the official client."""

    def list(self) -> Pager[Onprem]:
        """List the on-premises configurations."""
        return self._pages(LIST.bind())

    async def get(self, onprem: str) -> Onprem:
        """Return the on-premises configuration with this uid."""
        return await self._call(GET.bind(onprem=onprem))

    async def update(self, onprem: str, *, name: str | None = None, config: Any | None = None) -> Onprem:
        """Change the on-premises configuration with this uid, and return it. `config` is any JSON."""
        return await self._call(UPDATE.bind(onprem=onprem, uid=onprem, name=name, config=config))
