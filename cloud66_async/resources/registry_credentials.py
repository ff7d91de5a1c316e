"""Registry credentials: the user's login at the container registry of Cloud 66."""

from __future__ import annotations

import attrs

from .._core.model import Model
from ..operation import get
from ..secret import Secret
from ._resource import Resource

__all__ = ["RegistryCredential", "RegistryCredentials"]


@attrs.frozen(kw_only=True)
class RegistryCredential(Model):
    """The login of a user."""

    username: str
    secret: Secret | None = None  # password


GET = get("/users/registry-credentials.json", RegistryCredential)


class RegistryCredentials(Resource):
    """The user's login at the container registry of Cloud 66."""

    async def get(self) -> RegistryCredential:
        """Return the login of the user (known from the official client)."""
        return await self._call(GET.bind())
