"""Servers: the machines that a stack runs on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from .._core.model import Model, Timestamp, free_form
from ..operation import get, many, post
from ..pager import Pager
from ..secret import Secret
from ._resource import Resource
from .actions import Action
from .common import Health

__all__ = ["Server", "Servers"]


@attrs.frozen(kw_only=True)
class Server(Model):
    """One server of a stack.

    `ssh_private_key` is set only if it was requested. The documentation calls it `private_key`, the official client
    `ssh_private_key`; the SDK fills the latter from either.
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
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.ssh_private_key is None and self.private_key is not None:
            object.__setattr__(self, "ssh_private_key", self.private_key)


LIST = get("/stacks/{stack}/servers.json", many(Server), scope="public")
GET = get("/stacks/{stack}/servers/{server}.json", Server, scope="public", query=("include_private_key",))
REBOOT = post("/stacks/{stack}/servers/{server}/reboot_server.json", Action)


class Servers(Resource):
    """Servers of a stack."""

    __slots__ = ()

    def list(self, stack: str) -> Pager[Server]:
        """List the servers of the stack."""
        return self._pages(LIST.bind(stack=stack))

    async def get(self, stack: str, server: str, *, include_private_key: bool = False) -> Server:
        """Return the server with this uid, with its private SSH key if `include_private_key` is set."""
        return await self._call(
            GET.bind(stack=stack, server=server, include_private_key=1 if include_private_key else None)
        )

    async def reboot(self, stack: str, server: str) -> Action:
        """Reboot one server. Return the action, which `Actions.wait` waits for."""
        return attrs.evolve(await self._call(REBOOT.bind(stack=stack, server=server)), stack=stack)
