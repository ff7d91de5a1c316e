from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66, stack: str) -> None:
    """Create a user who may only read, and show the generated password."""
    groups = {group.type: group.id for group in await c66.server_groups.list(stack)}
    group = groups["postgresql"]
    creating = await c66.database_users.create(
        stack, group, username="analyst", user_type="readonly"
    )
    await c66.actions.wait(creating)
    async for user in c66.database_users.list(stack, group, show_password=True):
        if user.username == "analyst" and user.password is not None:
            print(user.password.reveal())


async def rotate(c66: Cloud66, stack: str) -> None:
    """Generate new passwords for applications, and delete all other users."""
    groups = {group.type: group.id for group in await c66.server_groups.list(stack)}
    group = groups["postgresql"]
    for user in await c66.database_users.list(stack, group):
        if user.user_type == "application":
            action = await c66.database_users.regenerate_password(stack, group, user.uid)
        else:
            action = await c66.database_users.delete(stack, group, user.uid)
        await c66.actions.wait(action)
