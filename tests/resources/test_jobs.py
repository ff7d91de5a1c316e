"""Jobs: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import pytest

from cloud66_async import models
from cloud66_async.models import Job, JobStatus
from cloud66_async.sandbox import FakeCloud66, FakeStack

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

DOCUMENTED: Documented = {
    models.Job: """
        id uid name type cron status paused params created_at updated_at
    """,
    models.JobStatus: {0: "updated", 1: "started", 2: "success", 3: "failed"},
}

# --- wire form -----------------------------------------------------------------------------------


REQUESTS: list[tuple[Use, Sent]] = [
    (lambda c66: c66.jobs.list("a"), ("GET", "/stacks/a/jobs.json?page=1", None)),
    (lambda c66: c66.jobs.list("a", server_uid="s"), ("GET", "/stacks/a/jobs.json?server_uid=s&page=1", None)),
    (lambda c66: c66.jobs.get("a", "j"), ("GET", "/stacks/a/jobs/j.json", None)),
    (lambda c66: c66.jobs.run_now("a", "j"), ("POST", "/stacks/a/jobs/j/run_now.json", {})),
    (
        lambda c66: c66.jobs.run_now("a", "j", job_args="-v x"),
        ("POST", "/stacks/a/jobs/j/run_now.json", {"job_args": "-v x"}),
    ),
    (lambda c66: c66.jobs.pause("a", "j"), ("POST", "/stacks/a/jobs/j/pause.json", None)),
    (lambda c66: c66.jobs.unpause("a", "j"), ("POST", "/stacks/a/jobs/j/unpause.json", None)),
    (lambda c66: c66.jobs.pause_all("a"), ("POST", "/stacks/a/jobs/pause_all.json", None)),
    (lambda c66: c66.jobs.unpause_all("a"), ("POST", "/stacks/a/jobs/unpause_all.json", None)),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use) == expected


def test_parameters_of_both_types_of_jobs() -> None:
    host = Job(uid="j", type="DockerHostTaskJob", params={"command": "ls"})
    service = Job(uid="j", type="DockerServiceTaskJob", params={"task": "rake x", "service_name": "web"})
    assert (host.command, host.service_name) == ("ls", None)
    assert (service.command, service.service_name) == ("rake x", "web")
    assert (Job(uid="j").command, Job(uid="j").service_name) == (None, None)


# --- sandbox -------------------------------------------------------------------------------------


def test_sandbox_has_every_field(call: Caller, web: FakeStack) -> None:
    (host, service) = call.get(f"/stacks/{web.uid}/jobs")
    assert host.keys() == service.keys() == field_names(Job)
    assert (host["params"].keys(), service["params"].keys()) == (
        {"command"}, {"task", "service_name", "private_ip"},
    )  # fmt: skip


def test_jobs_of_one_server(call: Caller, web: FakeStack) -> None:
    path = f"/stacks/{web.uid}/jobs.json"
    assert call.get(path, server_uid=web.servers[0]["uid"]) == call.get(path)
    assert call.get(path, server_uid="other") == []


def test_unknown_job_is_not_found(call: Caller, web: FakeStack) -> None:
    for action in ("run_now", "pause", "unpause"):
        assert error_code(call("POST", f"/stacks/{web.uid}/jobs/none/{action}.json")) == "not_found"


def test_change_takes_effect_when_its_action_finishes(fake: FakeCloud66, call: Caller, web: FakeStack) -> None:
    path = f"/stacks/{web.uid}/jobs"
    uid = call.get(path)[0]["uid"]
    assert call.send("POST", f"{path}/{uid}/pause.json")["action"] == "job_pause_handler"
    assert [job["paused"] for job in call.get(path)] == [False, False]
    fake.clock.advance(60)
    assert [job["paused"] for job in call.get(path)] == [True, False]


# --- story ---------------------------------------------------------------------------------------


async def test_jobs_are_paused_and_resumed(connected: Connected) -> None:
    fake, c66 = connected
    stack = fake.add_stack("web").uid
    job, other = await c66.jobs.list(stack)
    assert job.status is JobStatus.SUCCESS
    await c66.actions.wait(await c66.jobs.pause(stack, job.uid))
    assert [item.paused for item in await c66.jobs.list(stack)] == [True, False]
    await c66.actions.wait(await c66.jobs.unpause(stack, job.uid))
    await c66.actions.wait(await c66.jobs.pause_all(stack))
    assert [item.paused for item in await c66.jobs.list(stack)] == [True, True]
    await c66.actions.wait(await c66.jobs.unpause_all(stack))
    assert not (await c66.jobs.get(stack, other.uid)).paused


async def test_job_is_run(connected: Connected) -> None:
    fake, c66 = connected
    stack = fake.add_stack("web").uid
    job = await c66.jobs.list(stack).first()
    assert job is not None
    action = await c66.actions.wait(await c66.jobs.run_now(stack, job.uid, job_args="--verbose"))
    assert (action.action, action.succeeded) == ("job_run_now", True)
