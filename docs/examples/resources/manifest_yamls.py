from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66, stack: str) -> None:
    """Show the comments of all versions, and the text of the newest."""
    versions = await c66.manifest_yamls.list(stack)
    for version in versions:
        print(version.created_at_iso, version.comments)
    newest = await c66.manifest_yamls.get(stack, versions[0].uid)
    print(newest.body)


async def create(c66: Cloud66, stack: str) -> None:
    """Add a version, and redeploy so that it takes effect."""
    manifest = "production:\n  docker:\n    configuration:\n      has_cluster: false\n"
    await c66.manifest_yamls.create(stack, manifest_yaml=manifest, comments="One server")
    await c66.actions.wait(await c66.stacks.redeploy(stack))
