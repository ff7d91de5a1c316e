from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66, stack: str) -> None:
    """Show the formations of a stack and the texts of their stencils."""
    for formation in await c66.formations.list(stack, full_content=True):
        for stencil in formation.stencils or ():
            print(formation.name, stencil.filename, stencil.body)


async def create(c66: Cloud66, stack: str) -> None:
    """Create a formation from the first base template of the account."""
    template = await c66.base_templates.list().first()
    if template is not None and template.git_repo and template.git_branch:
        formation = await c66.formations.create(
            stack,
            name="web",
            base_template={"repo": template.git_repo, "branch": template.git_branch},
        )
        print(formation.uid)


async def workflow(c66: Cloud66, stack: str) -> None:
    """Render the default workflow of a formation with the latest snapshot."""
    formation = await c66.formations.list(stack).first()
    if formation is not None:
        found = await c66.formations.get_workflow(
            stack, formation.uid, snapshot_uid="latest"
        )
        print(found.pipeline)
