"""Services: the parts of a stack that run in containers."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from .._core.model import Model
from ..operation import delete, get, many, post
from ..pager import Pager
from . import actions
from ._resource import Resource
from .actions import Action
from .containers import Container

__all__ = ["Service", "Services"]


@attrs.frozen(kw_only=True)
class Service(Model):
    """One service and its containers."""

    name: str
    containers: tuple[Container, ...] | None = None
    source_type: str | None = None  # for example `git` or `image`; an open set
    git_ref: str | None = None  # branch, tag or commit
    image_name: str | None = None
    image_uid: str | None = None
    image_tag: str | None = None
    command: str | None = None
    build_command: str | None = None
    deploy_command: str | None = None
    wrap_command: str | None = None  # a command as it is run in the service, if it was requested
    desired_count: int | None = None  # number of containers that should run


LIST = get("/stacks/{stack}/services.json", many(Service), scope="public", query={"server_uid": str | None})
GET = get(
    "/stacks/{stack}/services/{service}.json",
    Service,
    scope="public",
    query={"server_uid": str | None, "wrap_command": str | None},
)
SCALE = post(
    "/stacks/{stack}/services.json",
    Action,
    scope="admin",
    body={
        "service_name": str,
        "server_count": dict[str, int] | None,
        "server_group_count": dict[str, int] | None,
    },
)
STOP = delete("/stacks/{stack}/services/{service}.json", Action, scope="admin", query={"server_uid": str | None})
_SERVICE = {"service_name": str, "server_uid": str | None}
PAUSE = actions.RUN.variant(fixed={"command": "service_pause"}, body=_SERVICE)
RESUME = actions.RUN.variant(fixed={"command": "service_resume"}, body=_SERVICE)
RESTART = actions.RUN.variant(fixed={"command": "service_restart"}, body=_SERVICE)


class Services(Resource):
    """Services of a stack that runs in Docker or Kubernetes."""

    def list(self, stack: str, *, server_uid: str | None = None) -> Pager[Service]:
        """List the services of the stack, or only those of one server."""
        return self._pages(LIST.bind(stack=stack, server_uid=server_uid))

    async def get(
        self, stack: str, service: str, *, server_uid: str | None = None, wrap_command: str | None = None
    ) -> Service:
        """Return the service with this name, on all servers or on one.

        `wrap_command` is a command to run in the service. The `wrap_command` of the result is the whole command for
        that (known from the official client).
        """
        call = GET.bind(stack=stack, service=service, server_uid=server_uid, wrap_command=wrap_command)
        return await self._call(call)

    async def scale(
        self,
        stack: str,
        service: str,
        *,
        server_count: Mapping[str, int] | None = None,
        server_group_count: Mapping[str, int] | None = None,
    ) -> Action:
        """Set how many containers of a service run, by uid of the server or by server group. Return the action."""
        return await self._start(
            SCALE, stack, service_name=service, server_count=server_count, server_group_count=server_group_count
        )

    async def stop(self, stack: str, service: str, *, server_uid: str | None = None) -> Action:
        """Stop a service on all servers or on one. Return the action."""
        return await self._start(STOP, stack, service=service, server_uid=server_uid)

    async def pause(self, stack: str, service: str, *, server_uid: str | None = None) -> Action:
        """Pause a service on all servers or on one. Return the action."""
        return await self._start(PAUSE, stack, service_name=service, server_uid=server_uid)

    async def resume(self, stack: str, service: str, *, server_uid: str | None = None) -> Action:
        """Resume a paused service on all servers or on one. Return the action."""
        return await self._start(RESUME, stack, service_name=service, server_uid=server_uid)

    async def restart(self, stack: str, service: str, *, server_uid: str | None = None) -> Action:
        """Restart a service on all servers or on one. Return the action."""
        return await self._start(RESTART, stack, service_name=service, server_uid=server_uid)
