from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66) -> None:
    """Change one value of a configuration."""
    for found in await c66.onprems.list():
        if found.name == "London data center":
            onprem = await c66.onprems.get(found.uid)
            config = {**(onprem.config or {}), "replicas": 3}
            await c66.onprems.update(onprem.uid, config=config)
