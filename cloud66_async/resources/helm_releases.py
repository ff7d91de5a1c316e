"""Helm releases: Helm charts that a formation installs."""

from __future__ import annotations

import attrs

from .._core.model import IsoTimestamp, Model, Timestamp
from .._core.parameters import Nested
from ..operation import post
from ._resource import Resource

__all__ = ["HelmRelease", "HelmReleases"]


@attrs.frozen(kw_only=True)
class HelmRelease(Model):
    """One Helm release. `Formations.list` returns those of a formation."""

    uid: str
    display_name: str | None = None
    chart_name: str | None = None
    version: str | None = None  # version of the chart
    repository: str | None = None  # URL of the chart repository
    body: str | None = None  # values for the chart; in lists only if they were requested
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    created_at_iso: IsoTimestamp | None = None
    updated_at_iso: IsoTimestamp | None = None


CREATE = post(
    "/stacks/{stack}/formations/{formation}/helm_releases.json",
    HelmRelease,
    body={
        "message": str,
        "helm_release": Nested(
            {
                "display_name": str,
                "chart_name": str,
                "version": str | None,
                "repository": str | None,
                "body": str | None,
            }
        ),
    },
)


class HelmReleases(Resource):
    """Helm releases of a formation (known from the official client)."""

    async def create(
        self,
        stack: str,
        formation: str,
        *,
        message: str,
        display_name: str,
        chart_name: str,
        version: str | None = None,
        repository: str | None = None,
        body: str | None = None,
    ) -> HelmRelease:
        """Add a Helm release to a formation. Return it.

        Args:
            stack: uid of the stack.
            formation: uid of the formation.
            message: Commit message.
            display_name: Name of the release.
            chart_name: Name of the chart.
            version: Version of the chart.
            repository: URL of the chart repository.
            body: Values for the chart in YAML.
        """
        release = {"display_name": display_name, "chart_name": chart_name, "version": version,
                   "repository": repository, "body": body}  # fmt: skip
        return await self._call(CREATE.bind(stack=stack, formation=formation, message=message, helm_release=release))
