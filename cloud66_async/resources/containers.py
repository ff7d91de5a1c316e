"""Containers: what the services of a stack run in."""

from __future__ import annotations

from typing import Any

import attrs
import msgspec

from .._core.model import Model, OpenIntEnum, Timestamp
from ..operation import delete, get, many
from ..pager import Pager
from ..secret import Secret
from . import actions
from ._resource import Resource
from .actions import Action

__all__ = ["Container", "ContainerHealth", "ContainerPort", "Containers"]


class ContainerHealth(OpenIntEnum):
    """Health of a container."""

    UNVERIFIED = 0
    UP = 1
    DOWN = 2
    NOT_APPLICABLE = 3


@attrs.frozen(kw_only=True)
class ContainerPort(Model):
    """A port of a container, and the ports on which the server makes it available."""

    container: int | None = None
    http: int | None = None
    https: int | None = None


@attrs.frozen(kw_only=True)
class Container(Model):
    """One container.

    `runtime` is what Docker knows about it, as JSON. Only `Containers.get` returns it. It contains the environment
    variables, so it is a secret; `reveal_runtime()` returns it as data.
    """

    uid: str
    name: str | None = None
    server_uid: str | None = None
    server_name: str | None = None
    service_name: str | None = None
    image: str | None = None
    command: str | None = None
    status: str | None = None  # for example `running` or `stopped`; an open set
    ports: tuple[ContainerPort, ...] | None = None
    port_list: str | None = None  # ports as JSON, in the older form of containers in services
    web_ports: str | None = None  # HTTP and HTTPS port, in the older form of containers in services
    private_ip: str | None = None
    docker_ip: str | None = None  # address in Docker's own network
    health_state: ContainerHealth | None = None
    health_message: str | None = None
    health_source: str | None = None  # for example `system`; an open set
    capture_output: bool | None = None  # whether its output is recorded
    restart_on_deploy: bool | None = None  # whether deployments restart it
    runtime: Secret | None = None
    started_at: Timestamp | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None

    def reveal_runtime(self) -> dict[str, Any] | None:
        """Return `runtime` as data in plain text, with the keys of `docker inspect`, or None if there is none."""
        # A method, not a property: programs that print every attribute would print its secrets.
        if self.runtime is None:
            return None
        try:
            return msgspec.json.decode(self.runtime.reveal(), type=dict[str, Any])
        except msgspec.DecodeError:
            return None


LIST = get(
    "/stacks/{stack}/containers.json",
    many(Container),
    scope="public",
    query={"server_uid": str | None, "service_name": str | None},
)
GET = get("/stacks/{stack}/containers/{container}.json", Container, scope="admin")
STOP = delete("/stacks/{stack}/containers/{container}.json", Action, scope="admin")
RESTART = actions.RUN.variant(fixed={"command": "container_restart"}, body={"container_id": str})


class Containers(Resource):
    """Containers of a stack that runs in Docker or Kubernetes."""

    def list(self, stack: str, *, server_uid: str | None = None, service_name: str | None = None) -> Pager[Container]:
        """List the containers of the stack, or only those of one server or service.

        `service_name` is known from the official client.
        """
        return self._pages(LIST.bind(stack=stack, server_uid=server_uid, service_name=service_name))

    async def get(self, stack: str, container: str) -> Container:
        """Return the container with this uid, with its `runtime`."""
        return await self._call(GET.bind(stack=stack, container=container))

    async def stop(self, stack: str, container: str) -> Action:
        """Stop a container. Return the action."""
        return await self._start(STOP, stack, container=container)

    async def restart(self, stack: str, container: str) -> Action:
        """Restart a container. Return the action."""
        return await self._start(RESTART, stack, container_id=container)
