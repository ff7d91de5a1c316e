"""Failover groups: pairs of stacks behind one address, which points at one of them."""

from __future__ import annotations

import attrs

from .._core.model import Model, OpenIntEnum, Timestamp
from ..operation import delete, get, many, post, put
from ..pager import Pager
from ._resource import Resource
from .common import Outcome

__all__ = ["FailoverGroup", "FailoverGroups", "FailoverStack"]


class FailoverStack(OpenIntEnum):
    """Stack of a failover group that the address points at."""

    PRIMARY = 1
    SECONDARY = 2


@attrs.frozen(kw_only=True)
class FailoverGroup(Model):
    """One failover group."""

    uid: str  # starts with `fg-`
    address: str | None = None  # DNS name
    current_stack: FailoverStack | None = None  # stack that the address points at
    primary_stack_uid: str | None = None
    primary_stack_name: str | None = None
    secondary_stack_uid: str | None = None
    secondary_stack_name: str | None = None
    busy_toggling: bool | None = None  # whether the address is being switched
    readonly: bool | None = None  # whether the group cannot be changed
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


_GROUP = {
    "primary_stack_uid": str | None,
    "secondary_stack_uid": str | None,
    "current_stack": FailoverStack | None,
}

LIST = get("/failover_groups.json", many(FailoverGroup), scope="public")
CREATE = post("/failover_groups.json", Outcome, scope="public", body=_GROUP)
UPDATE = put("/failover_groups/{group}", Outcome, scope="public", body=_GROUP)
DELETE = delete("/failover_groups/{group}.json", Outcome)


class FailoverGroups(Resource):
    """Failover groups of the account."""

    def list(self) -> Pager[FailoverGroup]:
        """List the failover groups. The API does not divide this list into pages."""
        return self._pages(LIST.bind())

    async def create(
        self,
        *,
        primary_stack_uid: str | None = None,
        secondary_stack_uid: str | None = None,
        current_stack: FailoverStack | None = None,
    ) -> Outcome:
        """Create a failover group. The response does not contain its uid; the list does."""
        return await self._call(
            CREATE.bind(
                primary_stack_uid=primary_stack_uid,
                secondary_stack_uid=secondary_stack_uid,
                current_stack=current_stack,
            )
        )

    async def update(
        self,
        group: str,
        *,
        primary_stack_uid: str | None = None,
        secondary_stack_uid: str | None = None,
        current_stack: FailoverStack | None = None,
    ) -> Outcome:
        """Change a failover group. An empty uid removes that stack; what is left out is not changed.

        There is no action to wait for: the group has `busy_toggling` set while the address is being switched. The
        path is known from the official client; the documentation shows it without the uid of the group.
        """
        return await self._call(
            UPDATE.bind(
                group=group,
                primary_stack_uid=primary_stack_uid,
                secondary_stack_uid=secondary_stack_uid,
                current_stack=current_stack,
            )
        )

    async def delete(self, group: str) -> Outcome:
        """Delete a failover group."""
        return await self._call(DELETE.bind(group=group))
