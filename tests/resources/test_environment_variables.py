"""Environment variables: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import json
import traceback

import pytest

from cloud66_async import BadRequest, Conflict, Forbidden, NotFound, Secret, models
from cloud66_async.models import EnvironmentVariable, EnvironmentVariableHistory
from cloud66_async.sandbox import FakeCloud66, FakeStack

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from ..support import Script, client, make_error, make_response
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

PATH = "/stacks/a/environments"

DOCUMENTED: Documented = {
    models.EnvironmentVariable: """
        id key value readonly is_password is_generated history created_at updated_at
    """,
    models.EnvironmentVariableHistory: """
        key value created_at updated_at
    """,
    models.EnvironmentVariableFile: "contents",
}

# --- wire form -----------------------------------------------------------------------------------


REQUESTS: list[tuple[Use, Sent]] = [
    (lambda c66: c66.environment_variables.list("a"), ("GET", f"{PATH}.json?page=1", None)),
    (lambda c66: c66.environment_variables.get("a", 7), ("GET", f"{PATH}/7.json", None)),
    (
        lambda c66: c66.environment_variables.download("a", requested_types=["user", "locked"]),
        ("GET", f"{PATH}.json?environments_format=dotenv&requested_types=user%2Clocked", None),
    ),
    (
        lambda c66: c66.environment_variables.create("a", "K", value="v", apply_strategy="immediately"),
        ("POST", f"{PATH}.json", {"key": "K", "value": "v", "apply_strategy": "immediately"}),
    ),
    (lambda c66: c66.environment_variables.update("a", "K", value=""), ("PUT", f"{PATH}/K.json", {"value": ""})),
    (lambda c66: c66.environment_variables.delete("a", "a.b/c"), ("DELETE", f"{PATH}/a.b%2Fc.json", None)),
    (
        lambda c66: c66.environment_variables.replace_all("a", contents=Secret("K=v"), environments_format="dotenv"),
        ("POST", f"{PATH}/bulk.json", {"environments_format": "dotenv", "contents": "K=v"}),
    ),
    (
        lambda c66: c66.environment_variables.update_all("a", contents="{}", environments_format="json"),
        ("PATCH", f"{PATH}/bulk.json", {"environments_format": "json", "contents": "{}"}),
    ),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use) == expected


@pytest.mark.parametrize(("value", "text"), [("x", "x"), (5, "5"), (True, "true"), ({"a": 1}, '{"a":1}')])
async def test_values_of_any_type_are_secrets(value: object, text: str) -> None:
    async with client(Script(make_response({"response": {"key": "K", "value": value}}))) as c66:
        found = await c66.environment_variables.get("a", 1)
    assert found.value == Secret(text)
    assert found.to_dict()["value"] == "********"


@pytest.mark.parametrize("method", ["create", "update", "replace_all", "update_all"])
async def test_value_is_in_no_traceback(method: str) -> None:
    async with client(Script(make_error(409, "conflict"))) as c66:
        with pytest.raises(Conflict) as caught:
            if method.endswith("_all"):
                await getattr(c66.environment_variables, method)("a", contents="hush", environments_format="json")
            else:
                await getattr(c66.environment_variables, method)("a", "K", value="hush")
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
    shown = [frame for frame in frames if "cloud66_async" in frame.filename]
    assert shown
    assert "hush" not in str([frame.locals for frame in shown])


async def test_value_that_the_server_repeats_is_masked() -> None:
    async with client(Script(make_response({"error": "bad_request", "details": "no room for hush/42"}, 400))) as c66:
        with pytest.raises(BadRequest, match=r"no room for \*{8} \[request") as caught:
            await c66.environment_variables.create("a", "K", value="hush/42")
    assert caught.value.response is not None
    assert b"hush" not in caught.value.response.body


async def test_wrong_strategy_is_rejected_before_anything_is_sent() -> None:
    async with client(Script()) as c66:
        with pytest.raises(ValueError, match=r"invalid apply_strategy \('now'\): expected one of 'immediately'"):
            await c66.environment_variables.create("a", "K", value="v", apply_strategy="now")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# --- sandbox -------------------------------------------------------------------------------------


def test_sandbox_has_every_field(fake: FakeCloud66, call: Caller, web: FakeStack) -> None:
    path = f"/stacks/{web.uid}/environments"
    assert call.get(path)[0].keys() == field_names(EnvironmentVariable)
    call.send("PUT", f"{path}/RAILS_ENV.json", {"value": "qa"})
    fake.clock.advance(60)
    (version,) = call.get(path)[0]["history"]
    assert version.keys() == field_names(EnvironmentVariableHistory)
    assert version["value"] == "production"


@pytest.mark.parametrize(
    ("method", "key", "code"),
    [("PUT", "STACK_UID", "forbidden"), ("DELETE", "STACK_UID", "forbidden"), ("DELETE", "DATABASE_URL", "forbidden"),
     ("PUT", "NONE", "not_found"), ("DELETE", "NONE", "not_found")],
)  # fmt: skip
def test_changes_that_are_not_allowed(call: Caller, web: FakeStack, method: str, key: str, code: str) -> None:
    assert error_code(call(method, f"/stacks/{web.uid}/environments/{key}.json", {"value": "x"})) == code


@pytest.mark.parametrize("contents", ["K", "[1]", '{"a": {}}', "A-B=1", '{"A-B": 1}'])
@pytest.mark.parametrize("file_format", ["dotenv", "json"])
def test_unreadable_files_are_rejected(call: Caller, web: FakeStack, contents: str, file_format: str) -> None:
    body = {"environments_format": file_format, "contents": contents}
    assert error_code(call("POST", f"/stacks/{web.uid}/environments/bulk.json", body)) == "bad_request"


def test_deletion_has_an_empty_response(call: Caller, web: FakeStack) -> None:
    reply = call("DELETE", f"/stacks/{web.uid}/environments/RAILS_ENV.json")
    assert (reply.status, reply.body) == (200, b"")


def test_download_of_some_types(call: Caller, web: FakeStack) -> None:
    path = f"/stacks/{web.uid}/environments.json"
    found = call.get(path, environments_format="json", requested_types="generated,locked")
    assert json.loads(found["contents"]).keys() == {"DATABASE_URL", "STACK_UID"}


# --- story ---------------------------------------------------------------------------------------


async def test_variable_is_created_changed_and_deleted(connected: Connected) -> None:
    fake, c66 = connected
    stack, variables = fake.add_stack("web").uid, c66.environment_variables
    await c66.actions.wait(await variables.create(stack, "COLOR", value="red", apply_strategy="deployment"))
    created = next(item for item in await variables.list(stack) if item.key == "COLOR")
    assert (created.value, created.readonly) == (Secret("red"), False)
    with pytest.raises(Conflict):
        await variables.create(stack, "COLOR", value="green")
    await c66.actions.wait(await variables.update(stack, "COLOR", value="blue"))
    assert created.id is not None
    changed = await variables.get(stack, created.id)
    assert changed.value == Secret("blue")
    assert changed.history is not None
    assert [version.value for version in changed.history] == [Secret("red")]
    await variables.delete(stack, "COLOR")
    with pytest.raises(NotFound):
        await variables.get(stack, created.id)
    with pytest.raises(Forbidden, match="read-only"):
        await variables.delete(stack, "STACK_UID")


async def test_files_are_downloaded_and_uploaded(connected: Connected) -> None:
    fake, c66 = connected
    stack, variables = fake.add_stack("web").uid, c66.environment_variables
    before = (await variables.download(stack, requested_types=["user"])).reveal()
    assert before.startswith('RAILS_ENV="production"\n')
    await c66.actions.wait(
        await variables.update_all(stack, contents="COLOR='light blue'\n", environments_format="dotenv")
    )
    assert 'COLOR="light blue"' in (await variables.download(stack)).reveal()
    await c66.actions.wait(await variables.replace_all(stack, contents=before, environments_format="dotenv"))
    keys = {variable.key for variable in await variables.list(stack)}
    assert keys == {"RAILS_ENV", "SECRET_KEY_BASE", "DATABASE_URL", "STACK_UID"}
