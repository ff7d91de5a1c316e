from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66, stack: str) -> None:
    """Require a limit for the memory of every deployment of a formation."""
    formation = await c66.formations.list(stack).first()
    if formation is not None:
        policy = await c66.policies.create(
            stack,
            formation.uid,
            message="Limit memory",
            name="memory",
            selector="kind: Deployment",
            body="memory <= 512Mi\n",
        )
        print(policy.uid)
