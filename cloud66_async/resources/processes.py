"""Processes: the parts of a stack that run without containers, such as a worker."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from .._core.model import Model, free_form
from ..errors import NotFound
from ..operation import get, many, post
from ..pager import Pager
from . import actions
from ._resource import Resource
from .actions import Action

__all__ = ["Process", "Processes"]


@attrs.frozen(kw_only=True)
class Process(Model):
    """One process, which may run several times on several servers."""

    name: str
    md5: str | None = None  # checksum of the definition
    command: str | None = None
    servers: Mapping[str, int] | None = free_form()  # how often it runs, by name of the server
    servers_pauses: Mapping[str, int] | None = free_form()  # how many of them are paused, by name of the server


_ON_SERVER = {"server_uid": str | None}
LIST = get("/stacks/{stack}/processes.json", many(Process), scope="public", query=_ON_SERVER)
GET = get("/stacks/{stack}/processes/{process}.json", many(Process), scope="public", query=_ON_SERVER)
SCALE = post(
    "/stacks/{stack}/processes.json",
    Action,
    scope="admin",
    body={"process_name": str, "server_count": dict[str, int]},
)
_PROCESS = {"process_name": str, "server_uid": str | None}
PAUSE = actions.RUN.variant(fixed={"command": "process_pause"}, body=_PROCESS)
RESUME = actions.RUN.variant(fixed={"command": "process_resume"}, body=_PROCESS)
RESTART = actions.RUN.variant(fixed={"command": "process_restart"}, body=_PROCESS)


class Processes(Resource):
    """Processes of a stack that runs without containers."""

    def list(self, stack: str, *, server_uid: str | None = None) -> Pager[Process]:
        """List the processes of the stack, or only those of one server."""
        return self._pages(LIST.bind(stack=stack, server_uid=server_uid))

    async def get(self, stack: str, process: str, *, server_uid: str | None = None) -> Process:
        """Return the process with this name, on all servers or on one.

        The documentation shows a list of several processes, of which the SDK takes the one with this name. Raises
        NotFound if the list does not contain it.
        """
        call = GET.bind(stack=stack, process=process, server_uid=server_uid)
        for found in await self._pages(call):
            if found.name == process:
                return found
        raise NotFound(f"no process of stack {stack} has the name {process!r}", status=404, operation=str(GET))

    async def scale(self, stack: str, process: str, *, server_count: Mapping[str, int]) -> Action:
        """Set how often a process runs on each server, by uid of the server. Return the action."""
        return await self._start(SCALE, stack, process_name=process, server_count=server_count)

    async def pause(self, stack: str, process: str, *, server_uid: str | None = None) -> Action:
        """Pause a process on all servers or on one. Return the action."""
        return await self._start(PAUSE, stack, process_name=process, server_uid=server_uid)

    async def resume(self, stack: str, process: str, *, server_uid: str | None = None) -> Action:
        """Resume a paused process on all servers or on one. Return the action."""
        return await self._start(RESUME, stack, process_name=process, server_uid=server_uid)

    async def restart(self, stack: str, process: str, *, server_uid: str | None = None) -> Action:
        """Restart a process on all servers or on one. Return the action."""
        return await self._start(RESTART, stack, process_name=process, server_uid=server_uid)
