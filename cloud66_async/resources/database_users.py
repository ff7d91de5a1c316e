"""Database users: logins of the databases of a server group."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from .._core.model import Model, Timestamp
from ..operation import delete, get, many, post
from ..pager import Pager
from ..secret import Secret
from ._resource import Resource
from .actions import Action

__all__ = ["DatabaseUser", "DatabaseUsers"]


@attrs.frozen(kw_only=True)
class DatabaseUser(Model):
    """One login of a database. `password` is set only if it was requested; its name in responses is assumed."""

    uid: str
    username: str | None = None
    databases: tuple[str, ...] | None = None  # names of the databases that the user has access to
    user_type: str | None = None  # for example `application` or `readonly`; an open set
    password: Secret | None = None
    created_at: Timestamp | None = None


_USERS = "/stacks/{stack}/server_groups/{server_group:int}/database_users"

LIST = get(_USERS, many(DatabaseUser), scope="public", query={"show_password": bool | None})
CREATE = post(_USERS, Action, body={"username": str, "user_type": str, "database_ids": list[str] | None})
DELETE = delete(f"{_USERS}/{{database_user}}", Action)
REGENERATE_PASSWORD = post(f"{_USERS}/{{database_user}}/regenerate_password", Action)


class DatabaseUsers(Resource):
    """Database users of a server group."""

    def list(self, stack: str, server_group: int, *, show_password: bool = False) -> Pager[DatabaseUser]:
        """List the database users of the server group, with their passwords if `show_password` is set.

        Passwords are shown only to users who may edit the stack.
        """
        return self._pages(
            LIST.bind(stack=stack, server_group=server_group, show_password=True if show_password else None)
        )

    async def create(
        self,
        stack: str,
        server_group: int,
        *,
        username: str,
        user_type: str,
        database_ids: Iterable[str] | None = None,
    ) -> Action:
        """Create a database user with a generated password. Return the action.

        Args:
            stack: uid of the stack.
            server_group: ID of the server group.
            username: Name to log in with.
            user_type: Kind of the user, for example `application` or `readonly`.
            database_ids: uids of the databases that the user has access to.
        """
        return await self._start(
            CREATE,
            stack,
            server_group=server_group,
            username=username,
            user_type=user_type,
            database_ids=database_ids,
        )

    async def delete(self, stack: str, server_group: int, database_user: str) -> Action:
        """Delete the database user with this uid. Return the action.

        That the operation returns an action is not documented.
        """
        return await self._start(DELETE, stack, server_group=server_group, database_user=database_user)

    async def regenerate_password(self, stack: str, server_group: int, database_user: str) -> Action:
        """Generate a new password for the database user with this uid. Return the action.

        That the operation returns an action is not documented.
        """
        return await self._start(REGENERATE_PASSWORD, stack, server_group=server_group, database_user=database_user)
