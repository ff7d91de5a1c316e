"""Jobs in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator

from ...resources import jobs as api
from ...resources.jobs import JobStatus
from ..crud import serve_action, serve_get, tables_of
from ..handling import Context, Listing, handles
from ..samples import legacy_timestamp, sample_uid
from ..stack import FakeStack
from ..table import Kind, Record, register

__all__ = ["JOBS"]

_JOBS = (
    ("Remove old sessions", "0 3 * * *", "rake sessions:trim", None),
    ("Send the daily report", "30 6 * * 1-5", "rake reports:daily", "worker"),
)


def sample(stack: FakeStack) -> Iterator[Record]:
    """Yield a job that runs on the server and one that runs in a service."""
    for number, (name, cron, command, service) in enumerate(_JOBS):
        params = {"command": command}
        if service is not None:
            params = {"task": command, "service_name": service, "private_ip": "10.0.0.5"}
        yield {
            "id": stack.number * 10 + number + 1,
            "uid": sample_uid("job", stack.uid, number),
            "name": name,
            "type": "DockerHostTaskJob" if service is None else "DockerServiceTaskJob",
            "cron": cron,
            "status": JobStatus.SUCCESS.value,
            "paused": False,
            "params": params,
            "created_at": legacy_timestamp(stack.added_at),
            "updated_at": legacy_timestamp(stack.added_at),
        }


JOBS = register(Kind("job", model=api.Job, key="uid", uid=True, sample=sample, timestamp=legacy_timestamp))

serve_get(api.GET, JOBS)


@handles(api.LIST)
def list_jobs(context: Context, stack: str) -> Listing[Record]:
    """List the jobs. In the sandbox, all of them run on the first server."""
    (table,) = tables_of(context, JOBS, stack)
    server = context.parameters.get("server_uid")
    if server is None or server == next((known["uid"] for known in context.stack(stack).servers), None):
        return Listing(table.list())
    return Listing(())


serve_action(api.RUN_NOW, JOBS, "job_run_now", {"status": JobStatus.SUCCESS.value})
serve_action(api.PAUSE, JOBS, "job_pause_handler", {"paused": True})
serve_action(api.UNPAUSE, JOBS, "job_unpause_handler", {"paused": False})
serve_action(api.PAUSE_ALL, JOBS, "job_pause_all_handler", {"paused": True}, every=True)
serve_action(api.UNPAUSE_ALL, JOBS, "job_unpause_all_handler", {"paused": False}, every=True)
