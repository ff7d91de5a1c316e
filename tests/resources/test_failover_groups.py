"""Failover groups: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

from typing import Any

import pytest

from cloud66_async import models
from cloud66_async.models import FailoverGroup, FailoverStack
from cloud66_async.sandbox import FakeCloud66, FakeStack

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

PATH = "/failover_groups"

DOCUMENTED: Documented = {
    models.FailoverGroup: """
        uid address current_stack primary_stack_uid primary_stack_name secondary_stack_uid secondary_stack_name
        busy_toggling readonly created_at updated_at
    """,
    models.FailoverStack: {1: "primary", 2: "secondary"},
}

# --- wire form -----------------------------------------------------------------------------------


REQUESTS: list[tuple[Use, Sent]] = [
    (lambda c66: c66.failover_groups.list(), ("GET", f"{PATH}.json?page=1", None)),
    (lambda c66: c66.failover_groups.create(), ("POST", f"{PATH}.json", {})),
    (
        lambda c66: c66.failover_groups.create(
            primary_stack_uid="a", secondary_stack_uid="b", current_stack=FailoverStack.SECONDARY
        ),
        ("POST", f"{PATH}.json", {"primary_stack_uid": "a", "secondary_stack_uid": "b", "current_stack": 2}),
    ),
    (
        lambda c66: c66.failover_groups.update("fg-1", primary_stack_uid=""),
        ("PUT", f"{PATH}/fg-1", {"primary_stack_uid": ""}),
    ),
    (lambda c66: c66.failover_groups.delete("fg-1"), ("DELETE", f"{PATH}/fg-1.json", None)),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use) == expected


# --- sandbox -------------------------------------------------------------------------------------


def test_sandbox_has_every_field_and_no_pages(call: Caller, web: FakeStack) -> None:
    created = call.send("POST", f"{PATH}.json", {"primary_stack_uid": web.uid})
    assert created == {"ok": True, "message": "Failover group created"}
    reply = call("GET", f"{PATH}.json")
    assert b'"count":1}' in reply.body
    assert b"pagination" not in reply.body
    (group,) = call.get(f"{PATH}.json")
    assert group.keys() == field_names(FailoverGroup)
    assert (group["primary_stack_name"], group["secondary_stack_name"]) == ("web", None)


@pytest.mark.parametrize(
    ("body", "code"),
    [({"current_stack": 2}, "bad_request"), ({"current_stack": 3}, "bad_request"),
     ({"primary_stack_uid": "none"}, "not_found"), ({"secondary_stack_uid": "WEB"}, "bad_request")],
)  # fmt: skip
def test_changes_that_are_rejected(call: Caller, web: FakeStack, body: dict[str, Any], code: str) -> None:
    call.send("POST", f"{PATH}.json", {"primary_stack_uid": web.uid})
    (group,) = call.get(f"{PATH}.json")
    body = {name: web.uid if value == "WEB" else value for name, value in body.items()}
    assert error_code(call("PUT", f"{PATH}/{group['uid']}", body)) == code
    assert call.get(f"{PATH}.json") == [group]


def test_unknown_group_is_not_found(call: Caller) -> None:
    assert error_code(call("PUT", f"{PATH}/none", {})) == "not_found"
    assert error_code(call("DELETE", f"{PATH}/none.json")) == "not_found"


def test_readonly_group_cannot_be_changed(fake: FakeCloud66, call: Caller) -> None:
    call.send("POST", f"{PATH}.json", {})
    (record,) = fake.world.table("failover group", 1).records
    record["readonly"] = True
    assert error_code(call("PUT", f"{PATH}/{record['uid']}", {})) == "forbidden"
    assert error_code(call("DELETE", f"{PATH}/{record['uid']}")) == "forbidden"


def test_address_is_switched_after_a_while(fake: FakeCloud66, call: Caller, web: FakeStack) -> None:
    spare = fake.add_stack("spare")
    call.send("POST", f"{PATH}.json", {"primary_stack_uid": web.uid, "secondary_stack_uid": spare.uid})
    path = f"{PATH}/{call.get(f'{PATH}.json')[0]['uid']}"
    call.send("PUT", path, {"current_stack": 2})
    (group,) = call.get(f"{PATH}.json")
    assert (group["current_stack"], group["busy_toggling"]) == (1, True)
    assert error_code(call("PUT", path, {"current_stack": 1})) == "conflict"
    fake.clock.advance(60)
    (group,) = call.get(f"{PATH}.json")
    assert (group["current_stack"], group["busy_toggling"]) == (2, False)


# --- story ---------------------------------------------------------------------------------------


async def test_group_is_created_switched_and_deleted(connected: Connected) -> None:
    fake, c66 = connected
    groups, web, spare = c66.failover_groups, fake.add_stack("web"), fake.add_stack("spare")
    assert (await groups.create(primary_stack_uid=web.uid, secondary_stack_uid=spare.uid)).ok
    (group,) = await groups.list()
    assert (group.current_stack, group.secondary_stack_name) == (FailoverStack.PRIMARY, "spare")
    await groups.update(group.uid, current_stack=FailoverStack.SECONDARY)
    await fake.world.clock.sleep(fake.world.action_seconds)
    (switched,) = await groups.list()
    assert (switched.current_stack, switched.busy_toggling) == (FailoverStack.SECONDARY, False)
    await groups.update(group.uid, primary_stack_uid="")
    (changed,) = await groups.list()
    assert (changed.primary_stack_uid, changed.secondary_stack_uid) == (None, spare.uid)
    assert (await groups.delete(group.uid)).ok
    assert await groups.list() == []
