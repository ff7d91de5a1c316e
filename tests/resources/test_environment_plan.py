"""Plans for environment variables: what they contain, and what is sent for them."""

from __future__ import annotations

import json
import pickle
import pprint
from collections.abc import Callable
from io import StringIO
from typing import Any

import attrs
import pytest
import rich.console
import rich.pretty

from cloud66_async import NotFound, Secret
from cloud66_async.dotenv import parse_dotenv
from cloud66_async.resources.environment_variables import EnvironmentPlan, PlanResult

from ..support import ONCE, Script, client, make_error, make_response
from .plans import DESIRED, HIDDEN, PRESENT, listed, make_plan, requests, shown_by, started, variable

# --- what a plan contains ------------------------------------------------------------------------


async def test_plan_compares_what_is_desired_with_what_is_present() -> None:
    plan = await make_plan()
    assert plan.added == {"NEW": Secret(HIDDEN)}
    assert plan.changed == {"CHANGED": Secret(HIDDEN)}
    assert plan.deleted == ("OLD",)
    assert plan.unchanged == {"SAME": Secret("same")}
    assert plan.left_alone == {"LOCKED": "read-only", "DATABASE_URL": "generated"}
    assert plan.affected == ("NEW", "CHANGED", "OLD")
    assert plan


async def test_plan_without_prune_deletes_nothing() -> None:
    plan = await make_plan(prune=False)
    assert plan.deleted == ()
    assert plan.left_alone == {"LOCKED": "read-only"}


@pytest.mark.parametrize("prune", [True, False])
async def test_plan_of_what_is_present_changes_nothing(prune: bool) -> None:
    plan = await make_plan({str(item["key"]): str(item["value"]) for item in PRESENT}, prune=prune)
    assert not plan
    assert (plan.left_alone, str(plan)) == ({}, "no changes")


async def test_value_that_the_api_does_not_return_is_changed() -> None:
    assert (await make_plan({"K": ""}, variable("K", None))).changed == {"K": Secret("")}


async def test_plan_is_printed_as_text_with_masked_values() -> None:
    assert str(await make_plan()) == (
        "+ NEW=********\n"
        "~ CHANGED=********\n"
        "- OLD\n"
        "= DATABASE_URL (generated, left alone)\n"
        "= LOCKED (read-only, left alone)"
    )


async def test_printed_plan_controls_no_terminal() -> None:
    assert "\x1b" not in str(await make_plan({}, variable("A\x1b[2J\nB")))


def pretty(value: object) -> str:
    console = rich.console.Console(file=StringIO(), width=300)
    console.print(value, rich.pretty.Pretty(value, expand_all=True))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


SHOW: dict[str, Callable[[EnvironmentPlan], str]] = {
    "repr": repr,
    "str": str,
    "format": lambda plan: f"{plan}",
    "pprint": pprint.pformat,
    "rich": pretty,
    "to_dict": lambda plan: json.dumps(plan.to_dict()),
    "asdict": lambda plan: str(attrs.asdict(plan)),
}


@pytest.mark.parametrize("show", SHOW.values(), ids=SHOW)
async def test_values_are_masked_everywhere(show: Callable[[EnvironmentPlan], str]) -> None:
    text = show(await make_plan())
    assert "a" in text
    for value in (HIDDEN, "hush", "same", "old"):
        assert f"'{value}'" not in text
        assert f'"{value}"' not in text
        assert HIDDEN not in text


async def test_plan_as_a_dict() -> None:
    mask = "********"
    assert (await make_plan()).to_dict() == {
        "stack": "a",
        "added": {"NEW": mask},
        "changed": {"CHANGED": mask},
        "deleted": ["OLD"],
        "unchanged": {"SAME": mask},
        "left_alone": {"LOCKED": "read-only", "DATABASE_URL": "generated"},
    }


async def test_plans_are_equal_if_they_do_the_same() -> None:
    plan = await make_plan()
    assert plan == await make_plan() == pickle.loads(pickle.dumps(plan))
    assert plan == attrs.evolve(plan, pages=2)
    assert plan != await make_plan(prune=False)
    assert plan != await make_plan({**DESIRED, "NEW": "other"})


async def test_plan_accepts_dotenv_text() -> None:
    plan = await make_plan(parse_dotenv("export NEW='x' # why\n"), variable("OLD"), prune=False)
    assert plan.added == {"NEW": Secret("x")}


@pytest.mark.parametrize(
    ("desired", "message"),
    [
        (f"NEW={HIDDEN}", r"invalid variables: expected a mapping, not str; read dotenv text with parse_dotenv\(\)"),
        ({5: HIDDEN}, "invalid name of an environment variable: expected a string, not int"),
        ({"A": HIDDEN, "B": [HIDDEN]}, "invalid value of 'B': expected a string, not list"),
        ({"A": HIDDEN, "": "x"}, "invalid environment variable '': the name is empty"),
        ({"A": f"{HIDDEN}\ud800"}, "invalid environment variable 'A': .* a surrogate is in it"),
    ],
)
async def test_unusable_variables_are_rejected_before_anything_is_sent(desired: Any, message: str) -> None:
    script = Script()
    async with client(script) as c66:
        with pytest.raises((TypeError, ValueError), match=message) as caught:
            await c66.environment_variables.plan("a", desired)
    assert script.requests == []
    assert "hush" not in shown_by(caught.value)


# --- what is sent --------------------------------------------------------------------------------


async def test_additions_and_changes_are_one_request() -> None:
    script = Script(listed(), started(9))
    async with client(script) as c66:
        plan = await c66.environment_variables.plan("a", DESIRED)
        result = await c66.environment_variables.apply(plan, apply_strategy="deployment")
    assert requests(script)[1:] == [
        (
            "PATCH",
            "/stacks/a/environments/bulk.json",
            {
                "environments_format": "json",
                "contents": f'{{"NEW":"{HIDDEN}","CHANGED":"{HIDDEN}"}}',
                "apply_strategy": "deployment",
            },
        )
    ]
    assert (result.stack, result.done, result.failed, result.not_started) == ("a", ("NEW", "CHANGED"), (), ())
    assert [(action.stack, action.async_action_id) for action in result.actions] == [("a", 9)]


async def test_deletions_come_last() -> None:
    plan, script = await make_plan(), Script(started(), make_response(b""))
    async with client(script) as c66:
        result = await c66.environment_variables.apply(plan)
    assert [(method, target) for method, target, _ in requests(script)] == [
        ("PATCH", "/stacks/a/environments/bulk.json"),
        ("DELETE", "/stacks/a/environments/OLD.json"),
    ]
    assert result.done == ("NEW", "CHANGED", "OLD")
    assert len(result.actions) == 1


async def test_plan_without_changes_sends_nothing() -> None:
    plan, script = await make_plan({}, prune=False), Script()
    async with client(script) as c66:
        assert await c66.environment_variables.apply(plan) == PlanResult(stack="a")
    assert script.requests == []


MANY = [variable(f"OLD_{number}") for number in range(5)]


async def test_many_deletions_are_one_replacement() -> None:
    plan = await make_plan(DESIRED, *PRESENT, *MANY)
    script = Script(listed(*PRESENT, *MANY), started())
    async with client(script) as c66:
        result = await c66.environment_variables.apply(plan, apply_strategy="immediately")
    assert [method for method, _, _ in requests(script)] == ["GET", "POST"]
    assert requests(script)[1][2] == {
        "environments_format": "json",
        "contents": f'{{"NEW":"{HIDDEN}","CHANGED":"{HIDDEN}","SAME":"same"}}',
        "apply_strategy": "immediately",
    }
    assert set(result.done) == {"NEW", "CHANGED", "OLD", *(item["key"] for item in MANY)}


async def test_read_only_variables_are_not_part_of_a_replacement() -> None:
    plan = await make_plan({"LOCKED": "old"}, *PRESENT, *MANY)
    script = Script(listed(*PRESENT, *MANY), started())
    async with client(script) as c66:
        await c66.environment_variables.apply(plan)
    assert requests(script)[1][2]["contents"] == "{}"


@pytest.mark.parametrize(
    "present",
    [
        [*PRESENT, *MANY, variable("CREATED")],
        [variable("SAME", "changed meanwhile"), *PRESENT[1:], *MANY],
        [*PRESENT, *MANY[1:]],
    ],
    ids=["created", "changed", "deleted"],
)
async def test_replacement_does_not_touch_what_has_changed_meanwhile(present: list[dict[str, object]]) -> None:
    plan = await make_plan(DESIRED, *PRESENT, *MANY)
    script = Script(listed(*present), started(), make_response(b""))
    async with client(script) as c66:
        await c66.environment_variables.apply(plan)
    assert [method for method, _, _ in requests(script)] == ["GET", "PATCH", *["DELETE"] * 6]


async def test_few_deletions_are_not_a_replacement() -> None:
    plan = await make_plan({}, *PRESENT[2:], MANY[0])
    script = Script(make_response(b""))
    async with client(script) as c66:
        await c66.environment_variables.apply(plan)
    assert [method for method, _, _ in requests(script)] == ["DELETE", "DELETE"]


@pytest.mark.parametrize(
    "reply", [make_error(503, "not_implemented"), make_error(404), make_error(405), make_error(501)]
)
async def test_without_bulk_operations_variables_are_changed_one_by_one(reply: Any) -> None:
    plan = await make_plan(DESIRED, *PRESENT, *MANY)
    script = Script(listed(*PRESENT, *MANY), reply, reply, started(1), started(2), make_response(b""))
    async with client(script, retry=ONCE) as c66:
        result = await c66.environment_variables.apply(plan, apply_strategy="deployment")
    assert requests(script)[3:5] == [
        ("POST", "/stacks/a/environments.json", {"key": "NEW", "value": HIDDEN, "apply_strategy": "deployment"}),
        ("PUT", "/stacks/a/environments/CHANGED.json", {"value": HIDDEN, "apply_strategy": "deployment"}),
    ]
    assert len(requests(script)) == 3 + 2 + 6
    assert [action.id for action in result.actions] == [1, 2]
    assert len(result.done) == 8


async def test_variable_that_is_already_deleted_is_no_error() -> None:
    plan = await make_plan({}, variable("OLD"))
    async with client(Script(make_error(404), listed(variable("OTHER")))) as c66:
        assert (await c66.environment_variables.apply(plan)).done == ("OLD",)


@pytest.mark.parametrize("after", [listed(variable("OLD")), make_error(404)], ids=["still there", "no access"])
async def test_variable_that_cannot_be_deleted_is_an_error(after: Any) -> None:
    plan = await make_plan({}, variable("OLD"))
    async with client(Script(make_error(404), after)) as c66:
        with pytest.raises(NotFound):
            await c66.environment_variables.apply(plan)


async def test_only_a_plan_can_be_applied() -> None:
    async with client(Script()) as c66:
        with pytest.raises(TypeError, match="invalid plan: expected an EnvironmentPlan, not dict"):
            await c66.environment_variables.apply({})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
