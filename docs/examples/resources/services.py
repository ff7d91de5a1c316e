from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66, stack: str) -> None:
    """Run four containers of a service on every server."""
    servers = await c66.servers.list(stack)
    scaling = await c66.services.scale(
        stack, "web", server_count={server.uid: 4 for server in servers}
    )
    await c66.actions.wait(scaling)


async def console(c66: Cloud66, stack: str) -> None:
    """Show the command that opens a console in a service."""
    for service in await c66.services.list(stack):
        print(service.name, service.desired_count, service.command)
    web = await c66.services.get(stack, "web", wrap_command="rails console")
    print(web.wrap_command)


async def pause(c66: Cloud66, stack: str) -> None:
    """Pause a service while another one restarts, then resume it."""
    await c66.actions.wait(await c66.services.pause(stack, "worker"))
    await c66.actions.wait(await c66.services.restart(stack, "web"))
    await c66.actions.wait(await c66.services.resume(stack, "worker"))


async def stop(c66: Cloud66, stack: str) -> None:
    """Stop a service on all servers."""
    await c66.actions.wait(await c66.services.stop(stack, "worker"))
