"""Gateways: bastion servers through which Cloud 66 reaches the servers of an account."""

from __future__ import annotations

import attrs

from .._core.model import IsoTimestamp, Model, Timestamp
from ..operation import delete, get, many, post, put
from ..pager import Pager
from ..secret import Secret, conceal
from ._resource import Resource
from .common import Outcome

__all__ = ["Gateway", "Gateways"]


@attrs.frozen(kw_only=True)
class Gateway(Model):
    """One gateway."""

    id: int
    name: str | None = None
    username: str | None = None  # name of the user at the gateway
    address: str | None = None  # public IP address or DNS name
    private_ip: str | None = None  # private IP address or DNS name
    ttl: Timestamp | None = None  # time until which the gateway is open
    content: Secret | None = None  # private key, or `N/A`
    created_by: str | None = None  # e-mail address of the user
    updated_by: str | None = None  # e-mail address of the user
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    created_at_iso: IsoTimestamp | None = None
    updated_at_iso: IsoTimestamp | None = None


_GATEWAY = {
    "name": str | None,
    "username": str | None,
    "address": str | None,
    "private_ip": str | None,
    "ttl": int | None,
    "content": Secret | None,
}

LIST = get("/accounts/{account:int}/gateways.json", many(Gateway), scope="public")
CREATE = post("/accounts/{account:int}/gateways.json", Outcome, scope="admin", body={**_GATEWAY, "name": str})
UPDATE = put("/accounts/{account:int}/gateways/{gateway:int}.json", Outcome, scope="admin", body=_GATEWAY)
DELETE = delete("/accounts/{account:int}/gateways/{gateway:int}.json", scope="admin")


class Gateways(Resource):
    """Gateways of an account. `content` is the private key that Cloud 66 uses while a gateway is open."""

    def list(self, account: int) -> Pager[Gateway]:
        """List the gateways of the account."""
        return self._pages(LIST.bind(account=account))

    async def create(
        self,
        account: int,
        *,
        name: str,
        username: str | None = None,
        address: str | None = None,
        private_ip: str | None = None,
        ttl: int | None = None,
        content: str | Secret | None = None,
    ) -> Outcome:
        """Create a gateway. The response does not contain its ID; the list does.

        Args:
            account: ID of the account.
            name: Name of the gateway.
            username: Name of the user at the gateway.
            address: Public IP address or DNS name.
            private_ip: Private IP address or DNS name.
            ttl: Seconds for which the gateway stays open. In `Gateway`, it is the time when they end.
            content: Text of the private key.
        """
        content = None if content is None else conceal(content)
        return await self._call(
            CREATE.bind(
                account=account,
                name=name,
                username=username,
                address=address,
                private_ip=private_ip,
                ttl=ttl,
                content=content,
            )
        )

    async def update(
        self,
        account: int,
        gateway: int,
        *,
        name: str | None = None,
        username: str | None = None,
        address: str | None = None,
        private_ip: str | None = None,
        ttl: int | None = None,
        content: str | Secret | None = None,
    ) -> Outcome:
        """Change a gateway, or open it with `content` and `ttl`.

        Args:
            account: ID of the account.
            gateway: ID of the gateway.
            name: New name.
            username: Name of the user at the gateway.
            address: Public IP address or DNS name.
            private_ip: Private IP address or DNS name.
            ttl: Seconds for which the gateway stays open.
            content: Text of the private key.
        """
        content = None if content is None else conceal(content)
        return await self._call(
            UPDATE.bind(
                account=account,
                gateway=gateway,
                name=name,
                username=username,
                address=address,
                private_ip=private_ip,
                ttl=ttl,
                content=content,
            )
        )

    async def delete(self, account: int, gateway: int) -> None:
        """Delete a gateway."""
        await self._call(DELETE.bind(account=account, gateway=gateway))
