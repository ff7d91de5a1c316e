from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66, stack: str) -> None:
    """Run every job of a service now, and wait until all of them have finished."""
    jobs = await c66.jobs.list(stack)
    started = [await c66.jobs.run_now(stack, job.uid) for job in jobs if job.service_name]
    for action in started:
        await c66.actions.wait(action)


async def pause(c66: Cloud66, stack: str) -> None:
    """Pause one job, and resume it later."""
    for job in await c66.jobs.list(stack):
        if job.name == "Remove old sessions":
            await c66.actions.wait(await c66.jobs.pause(stack, job.uid))
            paused = await c66.jobs.get(stack, job.uid)
            print(paused.name, "is paused" if paused.paused else "is active")
            await c66.actions.wait(await c66.jobs.unpause(stack, job.uid))


async def pause_all(c66: Cloud66, stack: str) -> None:
    """Pause all jobs while the stack is being redeployed."""
    await c66.actions.wait(await c66.jobs.pause_all(stack))
    await c66.actions.wait(await c66.stacks.redeploy(stack))
    await c66.actions.wait(await c66.jobs.unpause_all(stack))
