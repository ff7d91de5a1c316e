from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66, stack: str) -> None:
    """Give a stack the settings that it should have."""
    wanted = {"continuous.deploy": True, "logrotate.app.keep.count": 30}
    plan = await c66.stack_settings.plan(stack, wanted)
    print(plan)
    if plan:
        await c66.stack_settings.apply(plan)


async def update(c66: Cloud66, stack: str) -> None:
    """Deploy another branch from now on."""
    branch = await c66.stack_settings.get(stack, "git.branch")
    if branch.value != "release":
        changing = await c66.stack_settings.update(stack, "git.branch", value="release")
        await c66.actions.wait(changing)


async def show(c66: Cloud66, stack: str) -> None:
    """Show the settings that can be changed."""
    async for setting in c66.stack_settings.list(stack):
        if not setting.readonly:
            print(setting.key, setting.value, setting.warning_text or "")
