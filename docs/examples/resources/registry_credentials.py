from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66) -> None:
    """Show the login for `docker login`."""
    login = await c66.registry_credentials.get()
    print(login.username, login.secret.reveal() if login.secret else None)
