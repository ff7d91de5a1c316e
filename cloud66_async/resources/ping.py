"""Ping: checks of the connection and of the token."""

from __future__ import annotations

from ..operation import get
from ._resource import Resource
from .common import Outcome

__all__ = ["Ping"]

CHECK = get("/ping.json", Outcome)
CHECK_TOKEN = get("/ping/auth.json", Outcome)


class Ping(Resource):
    """Checks of the connection and of the token."""

    __slots__ = ()

    async def check(self) -> Outcome:
        """Check that the API is reachable. The API does not look at the token (known from the official client)."""
        return await self._call(CHECK.bind())

    async def check_token(self) -> Outcome:
        """Check that the token is valid. Raises Unauthenticated if it is not."""
        return await self._call(CHECK_TOKEN.bind())
