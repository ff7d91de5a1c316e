"""Queues: tasks that Cloud 66 hands to agents. All of it is known from the official client."""

from __future__ import annotations

from typing import Any, cast

import attrs

from .._core.model import Model
from ..operation import get, many, post, put
from ..pager import Pager
from ..secret import Secret
from ._resource import Resource

__all__ = ["AgentRegistration", "Queue", "Queues"]


@attrs.frozen(kw_only=True)
class Queue(Model):
    """One queue of tasks."""

    name: str


@attrs.frozen(kw_only=True)
class AgentRegistration(Model):
    """The identity of an agent: a host that runs tasks."""

    agent_uuid: str
    log_key: Secret | None = None  # key with which the agent sends logs


_JSON = cast("type[Any]", Any)

REGISTER_AGENT = post("/queues/register.json", AgentRegistration, body={"host_name": str})
LIST = get("/queues.json", many(Queue))
POP = get("/queues/{queue}.json", _JSON, query={"host_name": str}, repeatable=False)  # a GET that removes the task
UPDATE = put(
    "/queues/{queue}.json",
    _JSON,
    body={"task_uuid": str, "state": str, "run_result": str | None, "host_name": str, "session_id": str | None},
)


class Queues(Resource):
    """Queues of tasks, known from the official client."""

    async def register_agent(self, *, host_name: str) -> AgentRegistration:
        """Register a host as an agent. Return its identity."""
        return await self._call(REGISTER_AGENT.bind(host_name=host_name))

    def list(self) -> Pager[Queue]:
        """List the queues. The API does not divide this list into pages."""
        return self._pages(LIST.bind())

    async def pop(self, queue: str, *, host_name: str) -> Any:
        """Take the next task from a queue. Return it as the API sends it: its structure is not documented.

        The call is not retried after errors that leave open whether the task was taken.
        """
        return await self._call(POP.bind(queue=queue, host_name=host_name))

    async def update(
        self,
        queue: str,
        *,
        task_uuid: str,
        state: str,
        host_name: str,
        run_result: str | None = None,
        session_id: str | None = None,
    ) -> Any:
        """Report the state of a task. Return what the API sends: it is not documented.

        Args:
            queue: Name of the queue that the task was in.
            task_uuid: UUID of the task.
            state: New state; the states are not documented.
            host_name: Name of the host that runs the task.
            run_result: Result of the task.
            session_id: ID of the session.
        """
        return await self._call(
            UPDATE.bind(
                queue=queue,
                task_uuid=task_uuid,
                state=state,
                run_result=run_result,
                host_name=host_name,
                session_id=session_id,
            )
        )
