"""Deployments: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import pytest

from cloud66_async import Conflict, models
from cloud66_async.resources.common import CodeMeaning
from cloud66_async.resources.deployments import Deployment
from cloud66_async.sandbox import FakeCloud66, FakeStack

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from ..support import Script, client, make_response, pages
from .documented import Documented
from .fields import field_names

DOCUMENTED: Documented = {
    models.Deployment: """
        id triggered_by triggered_via started_at finished_at outcome git_hash git_ref deploy_session deploy_type
        is_head is_live is_deploying reverted reverted_by reverted_at commit_url
    """,
    models.CodeMeaning: """
        code meaning
    """,
}

# --- wire form -----------------------------------------------------------------------------------


async def test_deployments_are_listed_read_and_cancelled() -> None:
    one = {"id": 3, "outcome": {"code": 1, "meaning": "success"}, "is_live": "true"}
    transport = Script(pages([one]), make_response({"response": one}), make_response({"response": {"ok": True}}))
    async with client(transport) as c66:
        expected = Deployment(id=3, outcome=CodeMeaning(code=1, meaning="success"), is_live=True)
        assert await c66.deployments.list("a") == [expected]
        assert await c66.deployments.get("a", 3) == expected
        assert (await c66.deployments.cancel("a", 3)).ok
    assert [request.method for request in transport.requests] == ["GET", "GET", "DELETE"]
    assert transport.targets[1:] == ["/stacks/a/deployments/3.json"] * 2


# --- sandbox -------------------------------------------------------------------------------------


def test_sandbox_has_every_field(fake: FakeCloud66, call: Caller, web: FakeStack) -> None:
    fake.world.deploy(web, user="ada@example.com")
    assert call.get(f"/stacks/{web.uid}/deployments")[0].keys() == field_names(Deployment)


def test_second_deployment_is_queued(fake: FakeCloud66, call: Caller, web: FakeStack) -> None:
    path = f"/stacks/{web.uid}"
    started = [call.send("POST", f"{path}/deployments.json", {}) for _ in range(3)]
    assert [response["queued"] for response in started] == [False, True, True]
    assert [response["async_action_id"] is None for response in started] == [False, True, True]
    finished: list[list[bool]] = []
    for _ in range(4):
        actions = [action for action in call.get(f"{path}/actions.json") if action["started_via"] == "api"][2::-1]
        finished.append([action["finished_at"] is not None for action in actions])
        fake.clock.advance(60)
    assert finished == [[False, False, False], [True, False, False], [True, True, False], [True, True, True]]


def test_next_deployment_starts_when_one_is_cancelled(fake: FakeCloud66, call: Caller, web: FakeStack) -> None:
    path = f"/stacks/{web.uid}"
    for _ in range(3):
        call.send("POST", f"{path}/deployments.json", {})
    third, second, first = call.get(f"{path}/deployments.json")[:3]
    fake.clock.advance(20)
    assert call.send("DELETE", f"{path}/deployments/{second['id']}.json")["ok"] is True
    assert call.send("DELETE", f"{path}/deployments/{first['id']}.json")["ok"] is True
    third, second, first = call.get(f"{path}/deployments.json")[:3]
    assert [item["outcome"]["meaning"] for item in (first, second, third)] == ["failed", "failed", "pending"]
    assert [item["is_deploying"] for item in (first, second, third)] == [False, False, True]
    fake.clock.advance(60)
    assert call.get(path)["status"] == 1
    assert error_code(call("DELETE", f"{path}/deployments/{third['id']}.json")) == "conflict"


@pytest.mark.parametrize("number", ["0", "x", "99999999999"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_unknown_deployment_is_not_found(call: Caller, web: FakeStack, method: str, number: str) -> None:
    assert error_code(call(method, f"/stacks/{web.uid}/deployments/{number}.json")) == "not_found"


def test_history_of_a_stack_is_consistent(fake: FakeCloud66, call: Caller) -> None:
    numbers: list[int] = []
    for stack in fake.seed(60):
        deployments = call.get(f"/stacks/{stack.uid}/deployments.json")
        numbers += [item["id"] for item in deployments]
        assert sorted(deployments, key=lambda item: item["id"], reverse=True) == deployments
        assert [item["is_head"] for item in deployments] == [index == 0 for index in range(len(deployments))]
        assert sum(item["is_live"] for item in deployments) <= 1
        for item in deployments:
            assert item["finished_at"] is None or item["started_at"] < item["finished_at"]
    assert len(set(numbers)) == len(numbers) > 60


def test_deployment_without_a_repository_has_no_commit_url(fake: FakeCloud66, call: Caller) -> None:
    stack = fake.add_stack("web", fields={"git": None})
    fake.world.deploy(stack, user="ada@example.com")
    assert {item["commit_url"] for item in call.get(f"/stacks/{stack.uid}/deployments.json")} == {None}


# --- story ---------------------------------------------------------------------------------------


async def test_latest_deployment_is_read_and_cancelled(connected: Connected) -> None:
    fake, c66 = connected
    fake.world.action_seconds = 3600
    stack = fake.add_stack("web")
    started = await c66.stacks.redeploy(stack.uid, git_ref="v2.1")
    latest = await c66.deployments.list(stack.uid).first()
    assert latest is not None
    assert (latest.git_ref, latest.is_head) == ("v2.1", True)
    assert (await c66.deployments.cancel(stack.uid, latest.id)).ok
    cancelled = await c66.deployments.get(stack.uid, latest.id)
    assert cancelled.outcome == CodeMeaning(code=2, meaning="failed")
    assert started.async_action_id is not None
    assert (await c66.actions.get(stack.uid, started.async_action_id)).finished_message == "Cancelled"
    with pytest.raises(Conflict):
        await c66.deployments.cancel(stack.uid, latest.id)
