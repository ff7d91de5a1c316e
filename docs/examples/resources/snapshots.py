from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66, stack: str) -> None:
    """Render a formation with the newest snapshot, as Cloud 66 would deploy it."""
    snapshot = await c66.snapshots.list(stack).first()
    formation = await c66.formations.list(stack).first()
    if snapshot is not None and formation is not None:
        renders = await c66.snapshots.render(stack, snapshot.uid, formation.uid)
        for stencil in renders.stencils or ():
            print(f"# {stencil.filename}\n{stencil.content}")
        print("errors:", [issue.text for issue in renders.errors])
