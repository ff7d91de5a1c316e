"""Manifest YAMLs: the versions of a stack's manifest.yml."""

from __future__ import annotations

from ..operation import get, many, post
from ..pager import Pager
from ._resource import Resource
from .service_yamls import YamlVersion

__all__ = ["ManifestYamls"]

LIST = get("/stacks/{stack}/manifest_yaml.json", many(YamlVersion), query={"include_body": bool | None})
GET = get("/stacks/{stack}/manifest_yaml/{version}.json", YamlVersion)
CREATE = post("/stacks/{stack}/manifest_yaml", YamlVersion, body={"manifest_yaml": str, "comments": str | None})


class ManifestYamls(Resource):
    """Versions of a stack's manifest.yml (known from the official client)."""

    def list(self, stack: str, *, include_body: bool = False) -> Pager[YamlVersion]:
        """List the versions of manifest.yml, with their text if `include_body` is set."""
        return self._pages(LIST.bind(stack=stack, include_body=include_body or None))

    async def get(self, stack: str, version: str) -> YamlVersion:
        """Return the version with this uid."""
        return await self._call(GET.bind(stack=stack, version=version))

    async def create(self, stack: str, *, manifest_yaml: str, comments: str | None = None) -> YamlVersion:
        """Add a version of manifest.yml. `manifest_yaml` is the text of the file."""
        return await self._call(CREATE.bind(stack=stack, manifest_yaml=manifest_yaml, comments=comments))
