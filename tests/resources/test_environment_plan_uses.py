"""Uses of environment plans: copies of a stack, and changes of a stack in the sandbox."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Mapping
from typing import Any

import pytest

from cloud66_async import APIError, Cloud66, ServerError
from cloud66_async.resources.environment_variables import EnvironmentPlan, PlanResult, PlanUnfinished
from cloud66_async.sandbox import FakeCloud66, FakeStack

from ..sandbox.conftest import Connected
from ..support import Script, client
from .plans import listed, variable

# --- copies --------------------------------------------------------------------------------------

SOURCE = [variable("A", "1"), variable("B", "2"), variable("HIDDEN", None), variable("STACK_UID", readonly=True)]
TARGET = [variable("B", "old"), variable("C", "3"), variable("STACK_UID", readonly=True)]


async def make_copy(only: Any = None, *, prune: bool = False) -> EnvironmentPlan:
    async with client(Script(listed(*SOURCE), listed(*TARGET))) as c66:
        return await c66.environment_variables.plan_copy("a", "b", only=only, prune=prune)


@pytest.mark.parametrize(
    ("only", "prune", "text"),
    [
        (None, False, "+ A=********\n~ B=********"),
        (None, True, "+ A=********\n~ B=********\n- C\n= STACK_UID (read-only, left alone)"),
        (["A"], False, "+ A=********"),
        (["A", "C"], True, "+ A=********\n- C"),
        ([], True, "no changes"),
    ],
)
async def test_copy_is_a_plan_for_the_target(only: Any, prune: bool, text: str) -> None:
    plan = await make_copy(only, prune=prune)
    assert (plan.stack, str(plan)) == ("b", text)
    assert plan.exact == (prune and only is None)


async def test_source_is_read_first() -> None:
    script = Script(listed(*SOURCE), listed(*TARGET))
    async with client(script) as c66:
        await c66.environment_variables.plan_copy("a", "b")
    assert script.targets == ["/stacks/a/environments.json?page=1", "/stacks/b/environments.json?page=1"]


@pytest.mark.parametrize(
    ("only", "prune", "message"),
    [
        (["STACK_UID"], True, "cannot copy 'STACK_UID' from stack a: it is read-only; leave it out of only="),
        (["HIDDEN"], True, "cannot copy 'HIDDEN' from stack a: it has no value there"),
        (["C"], False, "cannot copy 'C' from stack a: it has no value there"),
    ],
)
async def test_variables_that_cannot_be_copied(only: Any, prune: bool, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        await make_copy(only, prune=prune)


@pytest.mark.parametrize(
    ("only", "message"),
    [("A", "expected an iterable of names, not str"), (5, "expected an iterable, not int"), ([5], "not int")],
)
async def test_names_have_to_be_strings(only: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        await make_copy(only)


# --- story ---------------------------------------------------------------------------------------


async def values_of(c66: Cloud66, stack: str) -> Mapping[str, str]:
    return {item.key: item.value.reveal() for item in await c66.environment_variables.list(stack) if item.value}


async def carry_out(c66: Cloud66, planning: Awaitable[EnvironmentPlan]) -> PlanResult:
    result = await c66.environment_variables.apply(await planning, apply_strategy="immediately")
    for action in result.actions:
        await c66.actions.wait(action)
    return result


async def test_variables_are_changed_as_a_whole(connected: Connected) -> None:
    fake, c66 = connected
    stack, variables = fake.add_stack("web").uid, c66.environment_variables
    desired = {f"NAME_{number}": f"{number} 'ü\"\n" for number in range(40)}
    before = fake.calls()
    await carry_out(c66, variables.plan(stack, desired))
    assert fake.calls() - fake.calls("actions.get") - fake.calls("actions.list") - before == 2
    changed = {name: f"{value}!" for name, value in desired.items()} | {"COLOR": "red", "SIZE": "", "X": "=#"}

    before = fake.calls("environment_variables.list")
    plan = await variables.plan(stack, changed)
    assert (len(plan.added), len(plan.changed), plan.deleted) == (3, 40, ())
    await carry_out(c66, variables.plan(stack, changed))
    assert fake.calls("environment_variables.list") - before == 2 * 2
    assert fake.calls("environment_variables.update_all") == 2
    found = await values_of(c66, stack)
    assert {key: found[key] for key in changed} == changed

    plan = await variables.plan(stack, {"COLOR": "blue"}, prune=True)
    assert len(plan.deleted) == 44
    await carry_out(c66, variables.plan(stack, {"COLOR": "blue"}, prune=True))
    assert fake.calls("environment_variables.replace_all") == 1
    assert fake.calls("environment_variables.delete") == 0
    left = await values_of(c66, stack)
    assert (set(left), left["COLOR"]) == ({"COLOR", "DATABASE_URL", "STACK_UID"}, "blue")
    assert not await variables.plan(stack, {"COLOR": "blue"}, prune=True)

    other = fake.add_stack("other").uid
    await carry_out(c66, variables.plan_copy(stack, other, prune=True))
    copied = await values_of(c66, other)
    assert (copied.keys(), copied["COLOR"], copied["STACK_UID"]) == (left.keys(), "blue", other)


async def test_failure_in_the_middle_and_the_rest(connected: Connected) -> None:
    fake, c66 = connected
    stack, variables = fake.add_stack("web").uid, c66.environment_variables
    fake.faults.fail(500, operation="environment_variables.delete")
    desired = {"COLOR": "red", "RAILS_ENV": "production"}
    plan = await variables.plan(stack, desired, prune=True)
    with pytest.raises(PlanUnfinished) as caught:
        await variables.apply(plan)
    assert isinstance(caught.value.error, ServerError)
    result = caught.value.result
    assert (result.done, result.failed, result.not_started) == (("COLOR",), ("SECRET_KEY_BASE",), ())
    for action in result.actions:
        await c66.actions.wait(action)
    rest = await variables.plan(stack, desired, prune=True)
    assert rest.affected == ("SECRET_KEY_BASE",)
    await carry_out(c66, variables.plan(stack, desired, prune=True))
    assert set(await values_of(c66, stack)) == {"COLOR", "RAILS_ENV", "DATABASE_URL", "STACK_UID"}


async def test_older_api_without_bulk_operations(fake: FakeCloud66, web: FakeStack) -> None:
    body = json.dumps({"error": "not_implemented"}).encode()
    fake.faults.fail(503, operation="environment_variables.update_all", body=body)
    async with fake.clock.running(), fake.client() as c66:
        result = await carry_out(c66, c66.environment_variables.plan(web.uid, {"RAILS_ENV": "qa", "COLOR": "red"}))
        found = await values_of(c66, web.uid)
    assert (found["RAILS_ENV"], found["COLOR"]) == ("qa", "red")
    assert len(result.actions) == 2


async def test_lost_response_raises_the_error_of_the_request(fake: FakeCloud66, web: FakeStack) -> None:
    fake.faults.fail(502, operation="environment_variables.update_all")
    async with fake.clock.running(), fake.client() as c66:
        plan = await c66.environment_variables.plan(web.uid, {"COLOR": "red"})
        with pytest.raises(APIError):
            await c66.environment_variables.apply(plan)
    assert fake.calls("environment_variables.create") == 0
