from __future__ import annotations

from cloud66_async import Cloud66
from cloud66_async.models import AccessProfile, StackProfile


async def main(c66: Cloud66) -> None:
    """Show the users who do not log in with two factors."""
    async for user in c66.users.list():
        if not user.uses_tfa:
            print(user.email, user.last_login)


async def update(c66: Cloud66, stack: str, user: int) -> None:
    """Let a user deploy one stack. Other rights of the user are kept."""
    role = StackProfile(stack_uid=stack, role="Deployer")
    await c66.users.update(user, access_profile=AccessProfile(stack_profiles=(role,)))
    profile = (await c66.users.get(user)).access_profile
    print(profile.stack_profiles if profile else None)
