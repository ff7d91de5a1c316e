from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66) -> None:
    """Show the regions and server sizes of a cloud provider."""
    print([cloud.name for cloud in await c66.clouds.list()])
    aws = await c66.clouds.get("aws")
    print([region.id for region in aws.regions or ()])
    print([size.id for size in aws.server_sizes or ()])
