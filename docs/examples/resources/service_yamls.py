from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66, stack: str) -> None:
    """Show the versions of service.yml and their sizes."""
    async for version in c66.service_yamls.list(stack, include_body=True):
        print(version.uid, version.comments, len(version.body or ""))


async def create(c66: Cloud66, stack: str) -> None:
    """Return to the oldest version."""
    *_, oldest = await c66.service_yamls.list(stack)
    version = await c66.service_yamls.get(stack, oldest.uid)
    await c66.service_yamls.create(
        stack, service_yaml=version.body or "", comments=f"Back to {version.uid}"
    )
