"""Ping: checks of the connection and of the token."""

from __future__ import annotations

import attrs

from .._core.model import Model
from ..operation import get
from ._resource import Resource
from .common import Outcome

__all__ = ["Identity", "Ping"]


@attrs.frozen(kw_only=True)
class Identity(Model):
    """Whom a token belongs to. The API may send only `ok` and `message` (known from the official client)."""

    ok: bool | None = None
    message: str | None = None
    user_id: int | None = None
    user_name: str | None = None  # name or e-mail address of the user
    account_id: int | None = None
    account_name: str | None = None
    scope: str | None = None  # scopes of the token


CHECK = get("/ping.json", Outcome)
CHECK_TOKEN = get("/ping/auth.json", Identity, scope="public")


class Ping(Resource):
    """Checks of the connection and of the token."""

    async def check(self) -> Outcome:
        """Check that the API is reachable. The API does not look at the token (known from the official client)."""
        return await self._call(CHECK.bind())

    async def check_token(self) -> Identity:
        """Return whom the token belongs to. Raises Unauthenticated if it is not valid."""
        return await self._call(CHECK_TOKEN.bind())
