"""Service YAMLs: the versions of a stack's service.yml."""

from __future__ import annotations

import attrs

from .._core.model import IsoTimestamp, Model, Timestamp
from ..operation import get, many, post
from ..pager import Pager
from ._resource import Resource

__all__ = ["ServiceYamls", "YamlVersion"]


@attrs.frozen(kw_only=True)
class YamlVersion(Model):
    """One version of a YAML file of a stack."""

    uid: str
    body: str | None = None  # text of the file; in lists only if it was requested
    comments: str | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    created_at_iso: IsoTimestamp | None = None
    updated_at_iso: IsoTimestamp | None = None


LIST = get("/stacks/{stack}/service_yaml.json", many(YamlVersion), query={"include_body": bool | None})
GET = get("/stacks/{stack}/service_yaml/{version}.json", YamlVersion)
CREATE = post("/stacks/{stack}/service_yaml", YamlVersion, body={"service_yaml": str, "comments": str | None})


class ServiceYamls(Resource):
    """Versions of a stack's service.yml (known from the official client)."""

    def list(self, stack: str, *, include_body: bool = False) -> Pager[YamlVersion]:
        """List the versions of service.yml, with their text if `include_body` is set."""
        return self._pages(LIST.bind(stack=stack, include_body=include_body or None))

    async def get(self, stack: str, version: str) -> YamlVersion:
        """Return the version with this uid."""
        return await self._call(GET.bind(stack=stack, version=version))

    async def create(self, stack: str, *, service_yaml: str, comments: str | None = None) -> YamlVersion:
        """Add a version of service.yml. `service_yaml` is the text of the file."""
        return await self._call(CREATE.bind(stack=stack, service_yaml=service_yaml, comments=comments))
