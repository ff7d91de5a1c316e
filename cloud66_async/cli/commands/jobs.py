"""The commands `jobs` and below."""

from __future__ import annotations

import shlex
from typing import Annotated

from cyclopts import App, Parameter

from ...client import Cloud66
from ...resources.actions import Action
from ...resources.jobs import Job, JobStatus
from ..lookup.members import find_server, pick
from ..lookup.names import find_stack, full_name
from ..options import DEFAULT_ACCESS, DEFAULT_OUTPUT, Access, ChangedStackName, Environment, Output, StackName
from ..running import run
from ..terminal.console import plain
from ..terminal.output import Field, Listing
from ..work.changes import Change, carry_out
from ..work.following import DEFAULT_FOLLOWING, Following
from ..work.parts import ServerName

__all__ = ["JOBS", "app"]

app: App = App(
    name="jobs",
    help="List the jobs of a stack, or run one.",
    help_format="plaintext",
    result_action="return_value",
)

_COLORS = {JobStatus.SUCCESS: "green", JobStatus.STARTED: "cyan", JobStatus.FAILED: "red"}


def _style(job: Job) -> str:
    return "" if job.status is None else _COLORS.get(job.status, "")


JOBS: Listing[Job] = Listing.of_models(
    "job",
    Field("name", lambda job: job.name),
    Field("schedule", lambda job: job.cron),
    Field("paused", lambda job: job.paused, dropped=3),
    Field("result", lambda job: job.status, style=_style),
    Field("service", lambda job: job.service_name, dropped=2),
    Field("command", lambda job: job.command, dropped=1),
    Field("uid", lambda job: job.uid, uid=True, dropped=4),
)


@app.default
def jobs(
    stack: StackName,
    *,
    environment: Environment = None,
    server: ServerName = None,
    access: Access = DEFAULT_ACCESS,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """List the jobs of a stack."""
    output.check(JOBS)
    run(_list(access.open(), output, stack, environment, server))


async def _list(c66: Cloud66, output: Output, name: str, environment: str | None, server: str | None) -> None:
    async with c66:
        stack = await find_stack(c66, name, environment)
        uid = None if server is None else (await find_server(c66, stack, server)).uid
        found = await c66.jobs.list(stack.uid, server_uid=uid)
    output.show(JOBS, found, empty=(f"{full_name(stack)} has no jobs{'' if uid is None else ' on this server'}.",))


@app.command(name="run")
def run_job(
    stack: ChangedStackName,
    job: Annotated[str, Parameter(help="Name or uid of the job, or the beginning of its uid.")],
    *,
    environment: Environment = None,
    arg: Annotated[
        list[str] | None, Parameter(negative="", help="Argument of the job's command; may be repeated.")
    ] = None,
    how: Following = DEFAULT_FOLLOWING,
) -> int:
    """Run a job once, now, and wait until it has finished.

    For example:
      cloud66-async jobs run web/production "Nightly report" --arg 2026-11-26

    The exit code is 0 if it succeeded, 1 if it failed, and 5 if it has not ended in time.
    """
    arguments = shlex.join(arg) if arg else None

    async def prepare(c66: Cloud66) -> Change:
        found = await find_stack(c66, stack, environment, changing=True)
        known = pick(
            "job",
            job,
            await c66.jobs.list(found.uid),
            stack=found,
            name=lambda job: job.name,
            uid=lambda job: job.uid,
        )

        async def start(c66: Cloud66) -> Action:
            return await c66.jobs.run_now(found.uid, known.uid, job_args=arguments)

        return Change(found, f"run {plain(known.name or known.uid)}", start)

    return carry_out(how, prepare, yes=True)
