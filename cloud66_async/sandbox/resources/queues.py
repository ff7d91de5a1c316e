"""Queues in the sandbox. The structure of a task is made up: it is not documented."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from ...resources import queues as api
from ..crud import find, serve_list, tables_of
from ..handling import Bare, Context, handles, missing
from ..samples import sample_hash, sample_uid
from ..table import Kind, Record, register

__all__ = ["AGENTS", "QUEUES", "TASKS"]

_COMMANDS = ("echo hello", "uptime")


def sample_queues(_account: int) -> Iterator[Record]:
    """Yield the two queues of an account."""
    yield from ({"name": name} for name in ("builds", "maintenance"))


def sample_tasks(queue: Record) -> Iterator[Record]:
    """Yield two tasks."""
    for command in _COMMANDS:
        yield {
            "task_uuid": str(uuid.UUID(sample_uid("task", queue["name"], command))),
            "state": "queued",
            "command": command,
            "host_name": None,
            "run_result": None,
            "session_id": None,
        }


AGENTS: Kind[Record] = register(Kind("agent", owners=("account",), key="host_name"))
QUEUES = register(Kind("queue", model=api.Queue, owners=("account",), key="name", sample=sample_queues))
TASKS = register(Kind("task", key="task_uuid", sample=sample_tasks, parent=QUEUES))

serve_list(api.LIST, QUEUES, paged=False)


@handles(api.REGISTER_AGENT)
def register_agent(context: Context) -> Record:
    """Register a host. A host that is registered again keeps its identity."""
    host, table = context.parameters["host_name"], tables_of(context, AGENTS)[0]
    if all(agent["host_name"] != host for agent in table.list()):
        table.add({"host_name": host})
    return {"agent_uuid": str(uuid.UUID(sample_uid("agent", host))), "log_key": sample_hash("log key", host)}


@handles(api.POP)
def pop_task(context: Context, queue: str) -> Bare:
    """Hand out the next task of a queue, or null."""
    (table,) = tables_of(context, TASKS, queue)
    waiting = next((task for task in table.list() if task["state"] == "queued"), None)
    if waiting is not None:
        table.update(waiting["task_uuid"], {"state": "running", "host_name": context.parameters["host_name"]})
    return Bare({"response": waiting})


@handles(api.UPDATE)
def update_task(context: Context, queue: str) -> Record:
    """Change the state of a task that the host has taken."""
    given = context.parameters
    task = find(context, TASKS, queue, given["task_uuid"])
    if task["host_name"] != given["host_name"]:
        raise missing("task of this host")
    task.update(given)
    return task
