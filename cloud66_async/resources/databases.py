"""Databases: databases on the servers of a server group."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from .._core.model import Model, Timestamp
from ..operation import delete, get, many, post
from ..pager import Pager
from ._resource import Resource
from .actions import Action

__all__ = ["Database", "Databases"]


@attrs.frozen(kw_only=True)
class Database(Model):
    """One database."""

    uid: str
    name: str | None = None
    charset: str | None = None  # character set
    collation: str | None = None
    size_bytes: int | None = None
    users: tuple[str, ...] | None = None  # names of the users that have access
    created_at: Timestamp | None = None


LIST = get("/stacks/{stack}/server_groups/{server_group:int}/databases", many(Database), scope="public")
CREATE = post(
    "/stacks/{stack}/server_groups/{server_group:int}/databases",
    Action,
    body={"database_name": str, "database_user_ids": list[str] | None},
)
DELETE = delete("/stacks/{stack}/server_groups/{server_group:int}/databases/{database}", Action)


class Databases(Resource):
    """Databases of a server group."""

    def list(self, stack: str, server_group: int) -> Pager[Database]:
        """List the databases of the server group. Cloud 66 then reads them from the servers in the background."""
        return self._pages(LIST.bind(stack=stack, server_group=server_group))

    async def create(
        self, stack: str, server_group: int, *, database_name: str, database_user_ids: Iterable[str] | None = None
    ) -> Action:
        """Create a database to which the database users with these uids have access. Return the action."""
        return await self._start(
            CREATE,
            stack,
            server_group=server_group,
            database_name=database_name,
            database_user_ids=database_user_ids,
        )

    async def delete(self, stack: str, server_group: int, database: str) -> Action:
        """Delete the database with this uid. Return the action.

        That the operation returns an action is not documented.
        """
        return await self._start(DELETE, stack, server_group=server_group, database=database)
