from __future__ import annotations

from cloud66_async import ActionFailed, Cloud66


async def main(c66: Cloud66, stack: str) -> None:
    """Wait until a redeployment has finished, and report if it fails."""
    started = await c66.stacks.redeploy(stack)
    try:
        action = await c66.actions.wait(started, timeout=900)
    except ActionFailed as error:
        print("failed:", error.action.finished_message)
    else:
        print("finished at", action.finished_at)


async def follow(c66: Cloud66, stack: str) -> None:
    """Show each state of an action."""
    started = await c66.stacks.restart(stack)
    async for action in c66.actions.follow(started):
        print(action.action, "finished" if action.finished else "is running")


async def by_reference(c66: Cloud66, stack: str) -> None:
    """Redeploy with a reference of your own, and find the action by it."""
    await c66.stacks.redeploy(stack, user_reference="release-42")
    for found in await c66.actions.list(stack, user_reference="release-42"):
        action = await c66.actions.get(stack, found.id)
        print(action.id, action.user, action.started_at)


async def notify(c66: Cloud66, stack: str) -> None:
    """Read the action soon after a webhook has reported something about its stack."""
    started = await c66.stacks.restart(stack)
    c66.actions.notify(stack)  # or the event that `parse_webhook` returns
    await c66.actions.wait(started)
