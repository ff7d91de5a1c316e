from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66, stack: str) -> None:
    """Run two workers on every server."""
    servers = await c66.servers.list(stack)
    scaling = await c66.processes.scale(
        stack, "worker", server_count={server.uid: 2 for server in servers}
    )
    await c66.actions.wait(scaling)


async def show(c66: Cloud66, stack: str) -> None:
    """Show how often each process runs on each server, and the command of one of them."""
    for process in await c66.processes.list(stack):
        print(process.name, dict(process.servers or {}))
    worker = await c66.processes.get(stack, "worker")
    print(worker.command)


async def pause(c66: Cloud66, stack: str) -> None:
    """Pause the workers, resume them, and restart the scheduler."""
    await c66.actions.wait(await c66.processes.pause(stack, "worker"))
    await c66.actions.wait(await c66.processes.resume(stack, "worker"))
    await c66.actions.wait(await c66.processes.restart(stack, "scheduler"))
