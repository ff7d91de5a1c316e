"""Plans for environment variables: what they contain, what is sent for them, and what happens in between."""

from __future__ import annotations

import json
import pickle
import pprint
import traceback
from collections.abc import Awaitable, Callable, Mapping
from io import StringIO
from typing import Any

import attrs
import pytest
import rich.console
import rich.pretty

from cloud66_async import (
    APIError,
    BadRequest,
    Cloud66,
    Cloud66Error,
    Conflict,
    Forbidden,
    NotFound,
    Secret,
    ServerError,
)
from cloud66_async.dotenv import parse_dotenv
from cloud66_async.resources.environment_variables import EnvironmentPlan, PlanResult, PlanUnfinished
from cloud66_async.sandbox import FakeCloud66, FakeStack

from ..sandbox.conftest import Connected
from ..support import ONCE, Script, client, make_error, make_response

HIDDEN = "hush/42"


def variable(key: str, value: object = "old", **fields: object) -> dict[str, object]:
    return {"key": key, "value": value, "readonly": False, "is_generated": False, **fields}


PRESENT = [
    variable("SAME", "same"),
    variable("CHANGED"),
    variable("OLD"),
    variable("LOCKED", readonly=True, is_generated=True),
    variable("DATABASE_URL", is_generated=True),
]
DESIRED: dict[str, str | Secret] = {"NEW": HIDDEN, "CHANGED": Secret(HIDDEN), "SAME": "same", "LOCKED": HIDDEN}


def listed(*variables: dict[str, object]) -> Any:
    return make_response({"response": list(variables or PRESENT)})


async def make_plan(desired: Any = DESIRED, *present: dict[str, object], prune: bool = True) -> EnvironmentPlan:
    async with client(Script(listed(*present))) as c66:
        return await c66.environment_variables.plan("a", desired, prune=prune)


def started(number: int = 1) -> Any:
    return make_response({"response": {"id": number}})


def requests(script: Script) -> list[tuple[str, str, Any]]:
    return [
        (request.method, target, None if request.body is None else json.loads(request.body))
        for request, target in zip(script.requests, script.targets, strict=True)
    ]


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


def shown_by(error: BaseException) -> str:
    """Return the messages and the local variables of the package's frames in the traceback of an error."""
    found = traceback.TracebackException.from_exception(error, capture_locals=True)
    texts: list[str] = [str(error)]
    while found is not None:
        frames = [frame for frame in found.stack if "cloud66_async" in frame.filename]
        texts += [f"{found} {frame.locals}" for frame in frames]
        found = found.__cause__ or found.__context__  # type: ignore[assignment]
    assert len(texts) > 1
    return "\n".join(texts)


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


# --- failures ------------------------------------------------------------------------------------


async def test_error_of_the_first_request_is_raised_unchanged() -> None:
    plan, script = await make_plan(), Script(make_error(409, "conflict"))
    async with client(script) as c66:
        with pytest.raises(Conflict):
            await c66.environment_variables.apply(plan)
    assert len(script.requests) == 1


async def unfinished() -> PlanUnfinished:
    present = [variable("A"), variable("B"), variable("C")]
    plan = attrs.evolve(await make_plan({"NEW": HIDDEN}, *present), exact=False)
    async with client(Script(started(7), make_response(b""), make_error(403, "forbidden"))) as c66:
        with pytest.raises(PlanUnfinished) as caught:
            await c66.environment_variables.apply(plan)
    return caught.value


async def test_failure_in_the_middle_tells_what_was_done() -> None:
    error = await unfinished()
    assert str(error).startswith("stack a was changed only in part (2 of 4 changes): 403 ")
    assert str(error).endswith("; make a new plan for the rest")
    assert isinstance(error.error, Forbidden)
    assert error.__cause__ is error.error
    result = error.result
    assert (result.done, result.failed, result.not_started) == (("NEW", "A"), ("B",), ("C",))
    assert [action.id for action in result.actions] == [7]


async def test_error_can_be_pickled() -> None:
    error = await unfinished()
    restored = pickle.loads(pickle.dumps(error))
    assert (str(restored), restored.result) == (str(error), error.result)
    assert isinstance(restored.error, Forbidden)


@pytest.mark.parametrize("count", [0, 1], ids=["first", "later"])
async def test_values_are_in_no_traceback(count: int) -> None:
    plan = await make_plan({"NEW": HIDDEN, "CHANGED": HIDDEN}, variable("CHANGED"), variable("OLD"))
    replies = [make_error(404), *[started()] * count, make_error(409)]
    async with client(Script(*replies)) as c66:
        with pytest.raises(Cloud66Error) as caught:
            await c66.environment_variables.apply(plan)
    assert "hush" not in shown_by(caught.value)


async def test_value_that_the_server_repeats_is_masked() -> None:
    plan = await make_plan({"NEW": HIDDEN, "QUOTED": 'say "hush"\n'}, prune=False)
    details = f'bad: {HIDDEN} and say "hush"\n in {{"NEW":"{HIDDEN}"}}'
    async with client(Script(make_response({"error": "bad_request", "details": details}, 400))) as c66:
        with pytest.raises(BadRequest) as caught:
            await c66.environment_variables.apply(plan)
    assert caught.value.response is not None
    assert "hush" not in f"{caught.value} {caught.value.details} {caught.value.response.body!r}"


async def test_value_in_an_error_page_is_masked() -> None:
    plan = await make_plan({"QUOTED": 'say "hush"'}, prune=False)
    async with client(Script(make_response(b'<p>say "hush"</p>', 400))) as c66:
        with pytest.raises(BadRequest) as caught:
            await c66.environment_variables.apply(plan)
    assert caught.value.response is not None
    assert caught.value.response.body == b"<p>********</p>"


@pytest.mark.parametrize(
    ("environments_format", "contents"),
    [("json", '{"K": "hush/42"}'), ("dotenv", "K='hush/42'"), ("dotenv", "hush/42"), ("json", "hush/42")],
)
async def test_value_of_a_file_that_the_server_repeats_is_masked(environments_format: Any, contents: str) -> None:
    async with client(Script(make_response({"details": "bad value hush/42"}, 400))) as c66:
        with pytest.raises(BadRequest) as caught:
            await c66.environment_variables.update_all("a", contents=contents, environments_format=environments_format)
    assert caught.value.details == "bad value ********"


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
