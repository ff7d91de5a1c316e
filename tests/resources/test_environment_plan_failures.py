"""Failures of environment plans: what was done, and that no value is shown."""

from __future__ import annotations

import pickle
from typing import Any

import attrs
import pytest

from cloud66_async import BadRequest, Cloud66Error, Conflict, Forbidden
from cloud66_async.resources.environment_variables import PlanUnfinished

from ..support import Script, client, make_error, make_response
from .plans import HIDDEN, make_plan, shown_by, started, variable


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
