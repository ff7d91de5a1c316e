from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66) -> None:
    """Show the nodes of every cluster. The list does not contain them."""
    for listed in await c66.clusters.list():
        cluster = await c66.clusters.get(listed.uid)
        print(cluster.name, cluster.kubernetes_version)
        for node in cluster.nodes or ():
            print(" ", node.name, node.status, node.instance_type)


async def create(c66: Cloud66) -> None:
    """Create a cluster, and show which one is new."""
    before = {cluster.uid for cluster in await c66.clusters.list()}
    await c66.clusters.create()
    print(
        [cluster.name for cluster in await c66.clusters.list() if cluster.uid not in before]
    )
