"""Configurations: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import pytest

from cloud66_async import Conflict, models
from cloud66_async.models import Configuration
from cloud66_async.sandbox import FakeCloud66, FakeStack

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

PATH = "/stacks/a/configuration"

DOCUMENTED: Documented = {
    models.Configuration: """
        name type body comments can_apply changed_by created_at updated_at
    """,
}

# --- wire form -----------------------------------------------------------------------------------


REQUESTS: list[tuple[Use, Sent]] = [
    (lambda c66: c66.configurations.list("a"), ("GET", f"{PATH}.json?page=1", None)),
    (lambda c66: c66.configurations.get("a", "nginx"), ("GET", f"{PATH}/nginx/show.json", None)),
    (
        lambda c66: c66.configurations.update("a", "nginx", commit_message="why", body="x"),
        ("POST", f"{PATH}/nginx/update.json", {"commit_message": "why", "body": "x"}),
    ),
    (
        lambda c66: c66.configurations.update("a", "nginx", commit_message="why", body="", must_apply=False),
        ("POST", f"{PATH}/nginx/update.json", {"commit_message": "why", "body": "", "must_apply": False}),
    ),
    (lambda c66: c66.configurations.apply("a", "nginx"), ("POST", f"{PATH}/nginx/apply.json", None)),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use, {"id": 1, "type": "nginx"}) == expected


# --- sandbox -------------------------------------------------------------------------------------


def test_sandbox_has_every_field(call: Caller, web: FakeStack) -> None:
    found = call.get(f"/stacks/{web.uid}/configuration.json")
    assert {frozenset(configuration) for configuration in found} == {frozenset(field_names(Configuration))}


@pytest.mark.parametrize(
    ("operation", "body", "code"),
    [("none/update", {"commit_message": "why", "body": "x"}, "not_found"), ("none/apply", {}, "not_found"),
     ("nginx/update", {"commit_message": "why"}, "bad_request"),
     ("nginx/update", {"commit_message": " ", "body": "x"}, "bad_request"), ("nginx/apply", {}, "conflict")],
)  # fmt: skip
def test_requests_that_are_rejected(
    call: Caller, web: FakeStack, operation: str, body: dict[str, str], code: str
) -> None:
    assert error_code(call("POST", f"/stacks/{web.uid}/configuration/{operation}.json", body)) == code


def test_change_takes_effect_when_its_action_finishes(fake: FakeCloud66, call: Caller, web: FakeStack) -> None:
    path = f"/stacks/{web.uid}/configuration/nginx"
    before = call.get(f"{path}/show.json")
    call.send("POST", f"{path}/update.json", {"commit_message": "why", "body": "x"})
    assert call.get(f"{path}/show.json") == before
    fake.clock.advance(60)
    after = call.get(f"{path}/show.json")
    assert (after["body"], after["comments"], after["can_apply"]) == ("x", "why", True)
    assert after["updated_at"] > before["updated_at"]


# --- story ---------------------------------------------------------------------------------------


async def test_configuration_is_changed_and_applied(connected: Connected) -> None:
    fake, c66 = connected
    stack, configurations = fake.add_stack("web").uid, c66.configurations
    nginx, other = await configurations.list(stack)
    action = await configurations.update(stack, nginx.type, commit_message="Tune", body="worker_processes 4;\n")
    await c66.actions.wait(action)
    changed = await configurations.get(stack, nginx.type)
    assert (changed.body, changed.comments, changed.can_apply) == ("worker_processes 4;\n", "Tune", True)
    assert changed.changed_by == "ada@example.com"
    await c66.actions.wait(await configurations.apply(stack, nginx.type))
    assert not (await configurations.get(stack, nginx.type)).can_apply
    with pytest.raises(Conflict):
        await configurations.apply(stack, nginx.type)
    action = await configurations.update(stack, nginx.type, commit_message="Undo", body="", must_apply=True)
    await c66.actions.wait(action)
    found, unchanged = await configurations.list(stack)
    assert (found.body, found.comments, found.can_apply) == ("", "Undo", False)
    assert unchanged == other
