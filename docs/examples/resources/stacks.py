from __future__ import annotations

from cloud66_async import Cloud66
from cloud66_async.models import BuildType, DeployStrategy, StackStatus


async def main(c66: Cloud66) -> None:
    """Redeploy every production stack whose latest deployment failed."""
    async for stack in c66.stacks.list(environment="production"):
        if stack.status is StackStatus.DEPLOYMENT_FAILED:
            started = await c66.stacks.redeploy(
                stack.uid, deploy_strategy=DeployStrategy.FAST
            )
            await c66.actions.wait(started)


async def rollout(c66: Cloud66, uids: list[str]) -> None:
    """Redeploy many stacks, a few at a time, and show how each of them ended."""
    for result in await c66.stacks.rollout(uids, at_once=5, timeout=1800):
        print(result.uid, result.state, result.error)


async def resume_rollout(c66: Cloud66, uids: list[str]) -> None:
    """Continue a rollout that has ended early."""
    rollout = c66.stacks.rollout(uids)
    async with rollout as progress:
        async for _ in progress:
            break  # as if the program had ended here
    for result in await c66.stacks.resume_rollout(rollout.to_dict()):
        print(result.uid, result.state)


async def find(c66: Cloud66) -> None:
    """Show the log of the latest deployment of a stack that you know by name."""
    web = await c66.stacks.find("web", environment="production")
    web = await c66.stacks.get(web.uid, show_log=True)
    print(web.health, web.last_log)


async def get_many(c66: Cloud66, uids: list[str]) -> None:
    """Read the stacks with known uids, with few requests."""
    for stack in await c66.stacks.get_many(uids):
        print(stack.name, stack.environment, stack.health)


async def maintenance(c66: Cloud66, stack: str) -> None:
    """Show the maintenance page while the servers reboot."""
    await c66.actions.wait(await c66.stacks.maintenance_mode(stack, on=True))
    rebooting = await c66.stacks.reboot_servers(stack, strategy="serial", group="all")
    await c66.actions.wait(rebooting)
    await c66.actions.wait(await c66.stacks.maintenance_mode(stack, on=False))


async def restart(c66: Cloud66, stack: str) -> None:
    """Clear the caches of a stack, and restart it."""
    await c66.actions.wait(await c66.stacks.clear_caches(stack))
    await c66.actions.wait(await c66.stacks.restart(stack))


async def create(c66: Cloud66) -> None:
    """Create a stack on one server."""
    service = "services:\n  web:\n    git_url: https://git.example.com/acme/web.git\n"
    creating = await c66.stacks.create(
        "web2",
        environment="staging",
        service_yaml=service,
        cloud="aws",
        region="eu-west-1",
        size="t3.medium",
        build_type=BuildType.SINGLE,
    )
    print(creating.id)


async def hook(c66: Cloud66, stack: str) -> None:
    """Redeploy one service with a hook, as a program without a token would."""
    found = await c66.stacks.get(stack)
    if found.redeploy_hook is not None:
        await c66.stacks.redeploy_by_hook(found.redeploy_hook, services=["web"])
