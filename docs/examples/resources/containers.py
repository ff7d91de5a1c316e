from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66, stack: str) -> None:
    """Restart the containers of one service, one after the other."""
    async for container in c66.containers.list(stack, service_name="web"):
        restarting = await c66.containers.restart(stack, container.uid)
        await c66.actions.wait(restarting)


async def stop(c66: Cloud66, stack: str) -> None:
    """Show how the first container was started, then stop it."""
    first = await c66.containers.list(stack).first()
    if first is not None:
        container = await c66.containers.get(stack, first.uid)
        runtime = container.reveal_runtime() or {}
        print(container.image, runtime["Config"]["Cmd"])
        await c66.actions.wait(await c66.containers.stop(stack, container.uid))
