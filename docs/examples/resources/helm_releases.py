from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66, stack: str) -> None:
    """Add Redis to the first formation of a stack."""
    formation = await c66.formations.list(stack).first()
    if formation is not None:
        release = await c66.helm_releases.create(
            stack,
            formation.uid,
            message="Add Redis",
            display_name="redis",
            chart_name="redis",
            repository="https://charts.example.com",
        )
        print(release.uid)
