"""Clusters: Kubernetes clusters that stacks can share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from .._core.model import IsoTimestamp, Model, Timestamp, free_form
from ..operation import get, many, post
from ..pager import Pager
from ._resource import Resource
from .common import Health
from .stacks import StackStatus

__all__ = ["Cluster", "ClusterNode", "Clusters"]


@attrs.frozen(kw_only=True)
class ClusterNode(Model):
    """One node of a cluster."""

    name: str
    status: str | None = None  # for example `Ready`; an open set
    instance_type: str | None = None  # server size, as the cloud provider names it
    capacity: Mapping[str, Any] | None = free_form()  # `cpu`, `memory` and `pods`, each as a string


@attrs.frozen(kw_only=True)
class Cluster(Model):
    """One Kubernetes cluster. The SDK assumes that `status` and `health` have the same numbers as those of a stack."""

    uid: str
    id: int | None = None
    name: str | None = None
    environment: str | None = None  # for example `production`
    cloud: str | None = None  # name of the cloud provider
    region: str | None = None  # region of the cloud provider
    status: StackStatus | None = None
    health: Health | None = None
    kubernetes_version: str | None = None
    node_count: int | None = None
    nodes: tuple[ClusterNode, ...] | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    created_at_iso: IsoTimestamp | None = None
    updated_at_iso: IsoTimestamp | None = None


LIST = get("/clusters", many(Cluster), scope="public")
GET = get("/clusters/{cluster}", Cluster, scope="public", query={"show_log": bool | None})
CREATE = post("/clusters")


class Clusters(Resource):
    """Kubernetes clusters that the token has access to."""

    def list(self) -> Pager[Cluster]:
        """List the clusters."""
        return self._pages(LIST.bind())

    async def get(self, cluster: str, *, show_log: bool = False) -> Cluster:
        """Return the cluster with this uid.

        With `show_log`, the response also contains the log of the cluster. The documentation does not name its field,
        so `Cluster` does not have it.
        """
        return await self._call(GET.bind(cluster=cluster, show_log=True if show_log else None))

    async def create(self) -> None:
        """Create a cluster. The documentation names neither parameters nor what the response contains."""
        await self._call(CREATE.bind())
