"""SSH keys: the public key with which a user logs in to servers."""

from __future__ import annotations

import base64

import attrs

from .._core.arguments import check_sendable, check_text
from .._core.model import Model
from ..operation import get, post
from ._resource import Resource

__all__ = ["AccessPublicKey", "SshKeys"]


@attrs.frozen(kw_only=True)
class AccessPublicKey(Model):
    """The public key of a user."""

    public_key: str


GET_ACCESS_KEY = get("/ssh_keys/access.json", AccessPublicKey)
SET_ACCESS_KEY = post("/ssh_keys/access.json", body={"public_key": str})


class SshKeys(Resource):
    """The user's SSH key for access to servers (known from the official client)."""

    async def get_access_key(self) -> AccessPublicKey:
        """Return the public key of the user."""
        return await self._call(GET_ACCESS_KEY.bind())

    async def set_access_key(self, public_key: str) -> None:
        """Set the public key of the user. The API receives the text in base64, as the official client sends it."""
        if check_text("public_key", public_key):
            check_sendable("public_key", public_key)
        encoded = base64.b64encode(public_key.encode()).decode()
        await self._call(SET_ACCESS_KEY.bind(public_key=encoded))
