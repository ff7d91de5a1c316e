from __future__ import annotations

from cloud66_async import Cloud66
from cloud66_async.models import BaseTemplateStatus


async def main(c66: Cloud66) -> None:
    """Show the files of every base template that is available."""
    for template in await c66.base_templates.list():
        if template.status is BaseTemplateStatus.AVAILABLE:
            found = await c66.base_templates.get(template.uid, include_stencils=True)
            print(found.name, [stencil.filename for stencil in found.stencils or ()])


async def change(c66: Cloud66) -> None:
    """Add a base template, switch it to another branch, and pull the branch again."""
    repository = "https://git.example.com/acme/templates.git"
    template = await c66.base_templates.create(git_repo=repository, git_branch="main")
    await c66.base_templates.update(template.uid, git_repo=repository, git_branch="next")
    template = await c66.base_templates.sync(template.uid)
    print(template.status)


async def delete(c66: Cloud66) -> None:
    """Delete the base templates that use a branch which no longer exists."""
    for template in await c66.base_templates.list():
        if template.git_branch == "next":
            await c66.base_templates.delete(template.uid)
