from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66) -> None:
    """Get a token for another service."""
    jwt = await c66.jwts.fetch(scope="read", aud="https://service.example.com")
    print(jwt.reveal())
