"""Servers: the machines that a stack runs on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from ..model import Model, Moment, Secret, free_form
from ..operation import get, many
from ..pager import Pager
from ._base import Resource
from .stacks import Health

__all__ = ["Server", "Servers"]


@attrs.frozen(kw_only=True)
class Server(Model):
    """One machine of a stack.

    `ssh_private_key` comes only where it was asked for, and only the official client knows that name;
    the documentation calls it `private_key`, which fills it.
    """

    uid: str
    vendor_uid: str | None = None
    name: str | None = None
    address: str | None = None
    distro: str | None = None
    distro_version: str | None = None
    dns_record: str | None = None
    user_name: str | None = None
    server_type: str | None = None
    server_roles: tuple[str, ...] | None = None
    server_group_id: int | None = None
    stack_uid: str | None = None
    has_agent: bool | None = None
    params: Mapping[str, Any] | None = free_form()
    region: str | None = None
    availability_zone: str | None = None
    ext_ipv4: str | None = None
    ext_ipv6: str | None = None
    int_ipv4: str | None = None
    int_ipv6: str | None = None
    health_state: Health | None = None
    personal_key: bool | None = None
    ssh_private_key: Secret | None = None
    private_key: Secret | None = None
    notifications: Mapping[str, Any] | None = free_form()
    has_deploy_gateway: bool | None = None
    deploy_gateway_address: str | None = None
    deploy_gateway_user_name: str | None = None
    is_kubernetes_master: bool | None = None
    created_at: Moment | None = None
    updated_at: Moment | None = None

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.ssh_private_key is None and self.private_key is not None:
            object.__setattr__(self, "ssh_private_key", self.private_key)


LIST = get("/stacks/{stack}/servers.json", many(Server), scope="public")
GET = get("/stacks/{stack}/servers/{server}.json", Server, scope="public", query=("include_private_key",))


class Servers(Resource):
    """The servers of a stack."""

    __slots__ = ()

    def list(self, stack: str) -> Pager[Server]:
        """Every server of the stack."""
        return self._pages(LIST.at(stack=stack))

    async def get(self, stack: str, server: str, *, include_private_key: bool = False) -> Server:
        """The server with this uid, with its SSH key where that is asked for."""
        return await self._call(
            GET.at(stack=stack, server=server, include_private_key=1 if include_private_key else None)
        )
