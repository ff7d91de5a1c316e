from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66, stack: str) -> None:
    """Add a workflow to the first formation of a stack."""
    formation = await c66.formations.list(stack).first()
    if formation is not None:
        workflow = await c66.workflows.create(
            stack,
            formation.uid,
            message="Add a workflow",
            name="apply only",
            body="steps:\n  - name: apply\n",
        )
        print(workflow.uid)
