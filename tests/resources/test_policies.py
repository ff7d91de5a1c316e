"""Policies: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import json

import pytest

from cloud66_async import Conflict, models
from cloud66_async.models import Policy
from cloud66_async.sandbox import FakeStack, Reply

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

DOCUMENTED: Documented = {
    models.Policy: """
        uid name selector sequence body tags created_at_iso updated_at_iso
    """,
}

# --- wire form -----------------------------------------------------------------------------------

PATH = "/stacks/a/formations/fm-1/policies.json"


REQUESTS: list[tuple[Use, Sent]] = [
    (
        lambda c66: c66.policies.create("a", "fm-1", message="m", name="n", body="b"),
        ("POST", PATH, {"message": "m", "policy": {"name": "n", "body": "b"}}),
    ),
    (
        lambda c66: c66.policies.create(
            "a", "fm-1", message="m", name="n", body="b", selector="*", sequence=0, tags=("x",)
        ),
        (
            "POST",
            PATH,
            {"message": "m", "policy": {"name": "n", "body": "b", "selector": "*", "sequence": 0, "tags": ["x"]}},
        ),
    ),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use) == expected


# --- sandbox -------------------------------------------------------------------------------------


def create(call: Caller, stack: FakeStack, policy: object, message: str = "m") -> Reply:
    """Return the reply to the request that creates a policy."""
    (formation,) = call.get(f"/stacks/{stack.uid}/formations.json")
    path = f"/stacks/{stack.uid}/formations/{formation['uid']}/policies.json"
    return call("POST", path, {"message": message, "policy": policy})


def test_sandbox_returns_every_field(call: Caller, web: FakeStack) -> None:
    reply = create(call, web, {"name": "n", "body": "b"})
    assert json.loads(reply.body)["response"].keys() == field_names(Policy) - {"created_at", "updated_at"}


@pytest.mark.parametrize("change", [{"name": ""}, {"name": 7}, {"sequence": "first"}, {"tags": "x"}])
def test_invalid_policy_is_rejected(call: Caller, web: FakeStack, change: dict[str, object]) -> None:
    assert error_code(create(call, web, {"name": "n", "body": "b"} | change)) == "bad_request"


def test_empty_message_is_rejected(call: Caller, web: FakeStack) -> None:
    assert error_code(create(call, web, {"name": "n", "body": "b"}, message="")) == "bad_request"


def test_unknown_formation_is_not_found(call: Caller, web: FakeStack) -> None:
    body = {"message": "m", "policy": {"name": "n", "body": "b"}}
    assert error_code(call("POST", f"/stacks/{web.uid}/formations/fm-0/policies.json", body)) == "not_found"


# --- story ---------------------------------------------------------------------------------------


async def test_policy_is_created(connected: Connected) -> None:
    fake, c66 = connected
    stack = fake.add_stack("web").uid
    formation = await c66.formations.list(stack).first()
    assert formation is not None
    created = await c66.policies.create(
        stack, formation.uid, message="Add it", name="limits", body="b\n", selector="kind: Pod", sequence=2, tags=["x"]
    )
    with pytest.raises(Conflict, match="limits"):
        await c66.policies.create(
            stack,
            formation.uid,
            message="Add it",
            name="limits",
            body="b\n",
            selector="kind: Pod",
            sequence=2,
            tags=["x"],
        )
    (found,) = await c66.formations.list(stack, full_content=True)
    assert found.policies is not None
    assert found.policies[-1] == created
    assert (created.body, created.selector, created.sequence, created.tags) == ("b\n", "kind: Pod", 2, ("x",))
