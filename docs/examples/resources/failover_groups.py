from __future__ import annotations

from cloud66_async import Cloud66
from cloud66_async.models import FailoverStack


async def main(c66: Cloud66, stack: str) -> None:
    """Put a stack and its stand-in behind one address."""
    standby = await c66.stacks.find("web", environment="staging")
    await c66.failover_groups.create(
        primary_stack_uid=stack, secondary_stack_uid=standby.uid
    )
    for group in await c66.failover_groups.list():
        print(group.address, group.primary_stack_name, group.secondary_stack_name)


async def switch(c66: Cloud66) -> None:
    """Point every address at the secondary stack."""
    for group in await c66.failover_groups.list():
        await c66.failover_groups.update(group.uid, current_stack=FailoverStack.SECONDARY)


async def delete(c66: Cloud66, stack: str) -> None:
    """Delete the failover groups of a stack."""
    for group in await c66.failover_groups.list():
        if stack in (group.primary_stack_uid, group.secondary_stack_uid):
            await c66.failover_groups.delete(group.uid)
