"""Clusters in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator

from ...resources import clusters as api
from ...resources.common import Health
from ...resources.stacks import StackStatus
from ..crud import find, tables_of
from ..handling import Context, Listing, handles
from ..samples import CLOUDS, sample_uid, timestamp
from ..table import Kind, Record, register

__all__ = ["CLUSTERS"]

_TIMES = ("created_at", "updated_at", "created_at_iso", "updated_at_iso")


def sample(account: int) -> Iterator[Record]:
    """Yield a cluster for each cloud provider, with the names that the sample stacks have."""
    capacity = {"cpu": "4", "memory": "8152840Ki", "pods": "110"}
    for number, (cloud, options) in enumerate(CLOUDS.items(), start=account * 100):
        region, size = options[0]
        names = [f"{cloud.lower()}-node-{index}" for index in (1, 2, 3)]
        nodes = [{"name": name, "status": "Ready", "instance_type": size, "capacity": capacity} for name in names]
        yield {
            "uid": sample_uid("cluster", account, cloud),
            "id": number,
            "name": f"acme-{cloud.lower()}",
            "environment": "production",
            "cloud": cloud,
            "region": region,
            "status": StackStatus.DEPLOYED.value,
            "health": Health.HEALTHY.value,
            "kubernetes_version": "1.33.4",
            "node_count": len(nodes),
            "nodes": nodes,
            **dict.fromkeys(_TIMES, "2025-09-08T07:30:00Z"),
        }


CLUSTERS = register(Kind("cluster", model=api.Cluster, owners=("account",), key="uid", uid=True, sample=sample))


@handles(api.LIST)
def list_clusters(context: Context) -> Listing[Record]:
    """List the clusters, without their nodes."""
    records = [record for table in tables_of(context, CLUSTERS) for record in table.list()]
    return Listing(records, lambda record: {name: value for name, value in record.items() if name != "nodes"})


@handles(api.GET)
def get_cluster(context: Context, cluster: str) -> Record:
    """Return one cluster, with its log if it was requested. The name of the log's field is a guess."""
    found = find(context, CLUSTERS, cluster)
    if context.parameters.get("show_log"):
        return {**found, "last_log": f"[{found['updated_at_iso']}] {found['node_count']} nodes are ready"}
    return found


@handles(api.CREATE)
def create_cluster(context: Context) -> None:
    """Create a cluster without nodes. What it is otherwise like is a guess."""
    table = tables_of(context, CLUSTERS)[0]
    number, like = table.new_id(), next(sample(context.accounts[0]))
    new: Record = {"id": number, "name": f"cluster-{number}", "node_count": 0, "nodes": []}
    states = {"status": StackStatus.PENDING_ANALYSIS.value, "health": Health.UNKNOWN.value}
    times = dict.fromkeys(_TIMES, timestamp(context.now))
    table.create({**like, "uid": sample_uid("cluster", number), **new, **states, **times})
