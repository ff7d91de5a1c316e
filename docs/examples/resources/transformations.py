from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66, stack: str) -> None:
    """Add a label to everything that a formation deploys."""
    formation = await c66.formations.list(stack).first()
    if formation is not None:
        transformation = await c66.transformations.create(
            stack,
            formation.uid,
            message="Label the team",
            name="team",
            selector="*",
            body="labels.team = web\n",
        )
        print(transformation.uid)
