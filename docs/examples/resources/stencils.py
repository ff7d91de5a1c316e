from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66, stack: str) -> None:
    """Try out a change of a stencil, and save it if it renders without errors."""
    (formation, *_) = await c66.formations.list(stack, full_content=True)
    for stencil in formation.stencils or ():
        body = (stencil.body or "").replace("replicas: 2", "replicas: 3")
        renders = await c66.stencils.render(
            stack, formation.uid, stencil.uid, body=body, snapshot_id="latest"
        )
        if not renders.errors:
            await c66.stencils.update(
                stack, formation.uid, stencil.uid, message="Three replicas", body=body
            )


async def create(c66: Cloud66, stack: str) -> None:
    """Add a stencil to a formation."""
    (formation, *_) = await c66.formations.list(stack)
    (template, *_) = formation.base_templates or ()
    creating = await c66.stencils.create(
        stack,
        formation.uid,
        message="Add a namespace",
        btr_uuid=template.uid,
        stencils=[
            {"filename": "namespace.yml", "body": "apiVersion: v1\nkind: Namespace\n"}
        ],
    )
    await c66.actions.wait(creating)
