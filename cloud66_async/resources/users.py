"""Users: the users of an account and their rights."""

from __future__ import annotations

from typing import Any

import attrs

from .._core.model import Model, Timestamp, plain
from ..operation import get, many, put
from ..pager import Pager
from ._resource import Resource
from .devices import Device

__all__ = ["AccessProfile", "AccessRule", "AccountProfile", "StackProfile", "User", "UserAccount", "Users"]


@attrs.frozen(kw_only=True)
class AccountProfile(Model):
    """What a user may do in an account."""

    can_create_stack: bool | None = None
    can_admin_users: bool | None = None
    can_payment: bool | None = None  # whether the user may manage payments
    can_add_cloud_key: bool | None = None
    can_del_cloud_key: bool | None = None
    can_view_acc_notifications: bool | None = None  # notifications of the account
    can_edit_acc_notifications: bool | None = None
    can_view_audit: bool | None = None  # audit log
    can_view_docker_img_key: bool | None = None  # keys of image repositories
    can_del_ssh_key: bool | None = None
    can_edit_personal_token: bool | None = None
    can_del_authorized_app: bool | None = None
    can_view_custom_env: bool | None = None  # environment variables of the user
    can_edit_custom_env: bool | None = None
    can_add_developers_app: bool | None = None  # OAuth applications
    can_del_developers_app: bool | None = None
    can_edit_git_key: bool | None = None
    can_edit_gateway: bool | None = None
    default_roles: tuple[str, ...] | None = None  # roles on new stacks


@attrs.frozen(kw_only=True)
class StackProfile(Model):
    """A role of a user on a stack. There may be several for one stack."""

    stack_uid: str
    role: str | None = None  # for example `Administrator`, `Deployer` or `Viewer`; an open set


@attrs.frozen(kw_only=True)
class AccessRule(Model):
    """A right of a user to do one thing (known from the official client)."""

    entity_uri: str  # what the right is for
    action: str | None = None
    account_id: int | None = None


@attrs.frozen(kw_only=True)
class AccessProfile(Model):
    """The rights of a user.

    One example of the documentation has strings in place of `AccountProfile` and `StackProfile`, and `acls` in place
    of `acls_profile`. They are kept as they are.
    """

    account_profile: AccountProfile | str | None = None
    stack_profiles: tuple[StackProfile | str, ...] | None = None
    acls_profile: tuple[AccessRule, ...] | None = None
    acls: tuple[str, ...] | None = None
    override: bool | None = None  # in an update, whether to replace the rights, not to add to them


@attrs.frozen(kw_only=True)
class UserAccount(Model):
    """An account that a user belongs to."""

    id: int
    role: str | None = None  # role of the user in the account; an open set
    name: str | None = None


@attrs.frozen(kw_only=True)
class User(Model):
    """One user."""

    id: int
    email: str | None = None
    primary_account_id: int | None = None
    accounts: tuple[UserAccount, ...] | None = None
    locked: bool | None = None
    access_profile: AccessProfile | None = None
    uses_tfa: bool | None = None  # whether the user logs in with two factors
    timezone: str | None = None
    has_valid_phone: bool | None = None
    developer_program: bool | None = None  # whether the user takes part in the developer program
    github_login: bool | None = None  # whether the user logs in with GitHub
    last_login: Timestamp | None = None
    devices: tuple[Device, ...] | None = None
    cloud_status: str | None = None  # for example `healthy` or `connected`; an open set
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


LIST = get("/users.json", many(User), scope="users")
GET = get("/users/{user:int}.json", User, scope="users")
UPDATE = put("/users/{user:int}.json", User, scope="admin", body={"access_profile": dict[str, Any]})


class Users(Resource):
    """Users of the account."""

    def list(self) -> Pager[User]:
        """List the users whom the token gives access to."""
        return self._pages(LIST.bind())

    async def get(self, user: int) -> User:
        """Return the user with this ID."""
        return await self._call(GET.bind(user=user))

    async def update(self, user: int, *, access_profile: AccessProfile) -> User:
        """Change the rights of a user. Return the user.

        The rights are added to those that the user has, unless `access_profile.override` is set. Fields that are None
        are left out.
        """
        if not isinstance(access_profile, AccessProfile):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"invalid access_profile: expected an AccessProfile, not {type(access_profile).__name__}")
        rights = plain(access_profile, lambda _field, value: value is None)
        return await self._call(UPDATE.bind(user=user, access_profile=rights))
