from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66, stack: str) -> None:
    """Start a session in a service, and find out which container it runs in."""
    opening = await c66.sessions.create(stack, service_name="web")
    await c66.actions.wait(opening)
    session = await c66.sessions.fetch(stack, service_name="web")
    print(session.container_name, session.status)
