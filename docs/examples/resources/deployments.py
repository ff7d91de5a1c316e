from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66, stack: str) -> None:
    """Show what was deployed, and when."""
    async for deployment in c66.deployments.list(stack):
        outcome = deployment.outcome.meaning if deployment.outcome else None
        print(deployment.started_at, deployment.git_ref, deployment.git_hash, outcome)


async def cancel(c66: Cloud66, stack: str) -> None:
    """Start a deployment, and cancel it if it is still running."""
    await c66.stacks.redeploy(stack)
    newest = await c66.deployments.list(stack).first()
    if newest is not None and newest.is_deploying:
        await c66.deployments.cancel(stack, newest.id)
        deployment = await c66.deployments.get(stack, newest.id)
        print(deployment.outcome)
