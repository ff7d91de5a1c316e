"""Plans for the settings of a stack: what they contain, what is sent for them, and how they are used."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloud66_async import Conflict
from cloud66_async.resources.environment_variables import PlanUnfinished
from cloud66_async.resources.stack_settings import SettingsPlan

from ..sandbox.conftest import Connected
from ..support import Script, client, make_error, make_response


def setting(key: str, value: object, *, readonly: bool = False) -> dict[str, object]:
    return {"key": key, "id": key.replace(".", "-"), "value": value, "readonly": readonly}


PRESENT = [
    setting("git.branch", "main"),
    setting("maintenance.mode", value=False),
    setting("asset.prefix", None),
    setting("keep.count", 14),
    setting("git.repository", "x", readonly=True),
]


async def make_plan(desired: Any) -> SettingsPlan:
    async with client(Script(make_response({"response": PRESENT}))) as c66:
        return await c66.stack_settings.plan("a", desired)


@pytest.mark.parametrize(
    ("desired", "text"),
    [
        ({"git.branch": "next", "maintenance-mode": True}, "~ git.branch=next\n~ maintenance.mode=true"),
        ({"git-branch": "main", "maintenance.mode": False, "asset.prefix": "", "keep.count": 14}, "no changes"),
        ({"maintenance.mode": "False", "keep.count": "14"}, "no changes"),
        ({"maintenance.mode": "True", "keep.count": 15}, "~ keep.count=15\n~ maintenance.mode=true"),
        ({"asset.prefix": "static"}, "~ asset.prefix=static"),
        ({"git.repository": "y"}, "= git.repository (read-only, left alone)"),
        ({}, "no changes"),
    ],
)
async def test_plan_has_the_settings_that_differ(desired: Any, text: str) -> None:
    plan = await make_plan(desired)
    assert str(plan) == text
    assert bool(plan) == ("~" in text)
    assert (plan.added, plan.deleted) == ({}, ())


@pytest.mark.parametrize(
    ("desired", "error", "message"),
    [
        ({"no.such": "x"}, ValueError, r"unknown setting 'no\.such' of stack a: see list\(\)"),
        ({"git.branch": 1.5}, TypeError, r"invalid value of setting 'git\.branch': expected a string, not float"),
        ({5: "x"}, TypeError, "invalid setting: expected a string, not int"),
        ("git.branch=next", TypeError, "invalid settings: expected a mapping, not str"),
    ],
)
async def test_unusable_settings(desired: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        await make_plan(desired)


async def test_each_change_is_one_request() -> None:
    plan = await make_plan({"git.branch": "next", "keep.count": 14, "maintenance.mode": True})
    script = Script(make_response({"response": {"id": 1}}), make_response({"response": {"id": 2}}))
    async with client(script) as c66:
        result = await c66.stack_settings.apply(plan)
    sent = [(request.method, json.loads(request.body or b"")) for request in script.requests]
    assert sent == [("PUT", {"value": "next"}), ("PUT", {"value": "true"})]
    assert script.targets == [f"/stacks/a/settings/{name}.json" for name in ("git-branch", "maintenance-mode")]
    assert [(action.stack, action.id) for action in result.actions] == [("a", 1), ("a", 2)]


async def test_failure_in_the_middle_tells_what_was_done() -> None:
    plan = await make_plan({"git.branch": "next", "keep.count": 15, "maintenance.mode": True})
    async with client(Script(make_response({"response": {"id": 1}}), make_error(409))) as c66:
        with pytest.raises(PlanUnfinished) as caught:
            await c66.stack_settings.apply(plan)
    result = caught.value.result
    assert (len(result.done), len(result.failed), len(result.not_started)) == (1, 1, 1)
    assert isinstance(caught.value.error, Conflict)


async def test_only_a_plan_can_be_applied() -> None:
    async with client(Script()) as c66:
        with pytest.raises(TypeError, match="invalid plan: expected a SettingsPlan, not dict"):
            await c66.stack_settings.apply({})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# --- story ---------------------------------------------------------------------------------------


async def test_settings_are_changed_as_a_whole(connected: Connected) -> None:
    fake, c66 = connected
    stack, settings = fake.add_stack("web").uid, c66.stack_settings
    desired: dict[str, str | bool] = {
        "git.branch": "next",
        "maintenance-mode": True,
        "logrotate.app.frequency": "daily",
    }
    result = await settings.apply(await settings.plan(stack, desired))
    for action in result.actions:
        await c66.actions.wait(action)
    assert set(result.done) == {"git.branch", "maintenance.mode"}
    assert fake.calls("stack_settings.update") == 2
    found = await c66.stacks.get(stack)
    assert (found.git_branch, found.maintenance_mode) == ("next", True)
    assert not await settings.plan(stack, desired)
