from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66, stack: str) -> None:
    """Send half of the traffic to a canary, then make it the active version."""
    for variant in await c66.application_variants.list(stack):
        if variant.type == "canary":
            await c66.application_variants.update(stack, variant.uid, canary_percentage=50)
            await c66.application_variants.commit(stack, variant.uid)


async def delete_previews(c66: Cloud66, stack: str) -> None:
    """Delete the previews of a stack."""
    for variant in await c66.application_variants.list(stack):
        if variant.type == "preview":
            await c66.application_variants.delete(stack, variant.uid)
