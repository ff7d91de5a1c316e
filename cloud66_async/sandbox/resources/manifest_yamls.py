"""Versions of manifest.yml in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator

from ...resources import manifest_yamls as api
from ...resources.service_yamls import YamlVersion
from ..crud import serve_get
from ..stack import FakeStack
from ..table import Kind, Record, register
from .service_yamls import sample_version, serve_versions

__all__ = ["MANIFEST_YAMLS"]


def sample(stack: FakeStack) -> Iterator[Record]:
    """Yield the first version."""
    framework, environment = stack.data["framework"], stack.data["environment"]
    yield sample_version(stack, "manifest.yml", f"{environment}:\n  {framework}:\n    configuration: {{}}\n")


MANIFEST_YAMLS = register(
    Kind(
        "manifest.yml version",
        model=YamlVersion,
        key="uid",
        uid=True,
        sample=sample,
        newest_first=True,
        defaults={"created_at_iso": None, "updated_at_iso": None},
    )
)

serve_get(api.GET, MANIFEST_YAMLS)
serve_versions(api.LIST, api.CREATE, MANIFEST_YAMLS, "manifest_yaml")
