"""Jobs: commands that a stack runs on a schedule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from .._core.model import Model, OpenIntEnum, Timestamp, free_form
from ..operation import get, many, post
from ..pager import Pager
from ._resource import Resource
from .actions import Action

__all__ = ["Job", "JobStatus", "Jobs"]


class JobStatus(OpenIntEnum):
    """Result of the latest run of a job."""

    UPDATED = 0
    STARTED = 1
    SUCCESS = 2
    FAILED = 3


@attrs.frozen(kw_only=True)
class Job(Model):
    """One job.

    `params` depends on `type`: a `DockerHostTaskJob` has `command`, a `DockerServiceTaskJob` has `task`,
    `service_name` and `private_ip`.
    """

    uid: str
    id: int | None = None
    name: str | None = None
    type: str | None = None  # for example `DockerHostTaskJob`; an open set
    cron: str | None = None  # schedule in cron's format
    status: JobStatus | None = None
    paused: bool | None = None
    params: Mapping[str, Any] | None = free_form()
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None

    @property
    def command(self) -> str | None:
        """The command or the task that the job runs."""
        return self._text("command") or self._text("task")

    @property
    def service_name(self) -> str | None:
        """The service that the job runs in, or None if it runs on the server itself."""
        return self._text("service_name")

    def _text(self, name: str) -> str | None:
        value = (self.params or {}).get(name)
        return value if isinstance(value, str) else None


LIST = get("/stacks/{stack}/jobs.json", many(Job), scope="public", query={"server_uid": str | None})
GET = get("/stacks/{stack}/jobs/{job}.json", Job)
RUN_NOW = post("/stacks/{stack}/jobs/{job}/run_now.json", Action, scope="public", body={"job_args": str | None})
PAUSE = post("/stacks/{stack}/jobs/{job}/pause.json", Action, scope="public")
UNPAUSE = post("/stacks/{stack}/jobs/{job}/unpause.json", Action, scope="public")
PAUSE_ALL = post("/stacks/{stack}/jobs/pause_all.json", Action, scope="public")
UNPAUSE_ALL = post("/stacks/{stack}/jobs/unpause_all.json", Action, scope="public")


class Jobs(Resource):
    """Jobs of a stack."""

    def list(self, stack: str, *, server_uid: str | None = None) -> Pager[Job]:
        """List the jobs of the stack, or only those of one server (known from the official client)."""
        return self._pages(LIST.bind(stack=stack, server_uid=server_uid))

    async def get(self, stack: str, job: str) -> Job:
        """Return the job with this uid (known from the official client)."""
        return await self._call(GET.bind(stack=stack, job=job))

    async def run_now(self, stack: str, job: str, *, job_args: str | None = None) -> Action:
        """Run a job once, with `job_args` as arguments of its command. Return the action."""
        return await self._start(RUN_NOW, stack, job=job, job_args=job_args)

    async def pause(self, stack: str, job: str) -> Action:
        """Pause a job. Return the action."""
        return await self._start(PAUSE, stack, job=job)

    async def unpause(self, stack: str, job: str) -> Action:
        """Resume a job. Return the action."""
        return await self._start(UNPAUSE, stack, job=job)

    async def pause_all(self, stack: str) -> Action:
        """Pause every job of the stack. Return the action."""
        return await self._start(PAUSE_ALL, stack)

    async def unpause_all(self, stack: str) -> Action:
        """Resume every job of the stack. Return the action."""
        return await self._start(UNPAUSE_ALL, stack)
