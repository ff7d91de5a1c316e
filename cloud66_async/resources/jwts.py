"""JWTs: signed tokens for other services of Cloud 66."""

from __future__ import annotations

from ..operation import post
from ..secret import Secret
from ._resource import Resource

__all__ = ["Jwts"]

FETCH = post("/jwt/fetch.json", Secret, body={"scope": str, "aud": str})


class Jwts(Resource):
    """JSON web tokens (JWTs) for other services of Cloud 66."""

    async def fetch(self, *, scope: str, aud: str) -> Secret:
        """Return a new JWT with this scope for the audience `aud` (known from the official client)."""
        return await self._call(FETCH.bind(scope=scope, aud=aud))
