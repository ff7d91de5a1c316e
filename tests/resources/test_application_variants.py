"""Application variants: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from cloud66_async import BadRequest, Forbidden, NotFound, models
from cloud66_async.models import ApplicationVariant
from cloud66_async.sandbox import FakeCloud66, FakeStack

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from ..support import Script, client, make_response
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

PATH = "/stacks/a/application_variants"
DOCKER = {"framework": "docker", "backend": "kubernetes"}

DOCUMENTED: Documented = {
    models.ApplicationVariant: """
        uid id type sub_type variant_type status name namespace git_repo git_ref git_hash tag percentage
        traffic_percentage traffic_split_name deploy_session dns_record created_at updated_at created_at_iso
        updated_at_iso
    """,
}


@pytest.fixture
def docker(fake: FakeCloud66) -> FakeStack:
    """A stack of `fake` that runs in containers."""
    return fake.add_stack("docker", fields=DOCKER)


# --- wire form -----------------------------------------------------------------------------------


REQUESTS: list[tuple[Use, Sent]] = [
    (lambda c66: c66.application_variants.list("a"), ("GET", f"{PATH}.json?page=1", None)),
    (lambda c66: c66.application_variants.commit("a", "v"), ("PATCH", f"{PATH}/v.json", {"operation": "commit"})),
    (
        lambda c66: c66.application_variants.update("a", "v", canary_percentage=0),
        ("PATCH", f"{PATH}/v.json", {"operation": "commit", "canary_percentage": 0}),
    ),
    (lambda c66: c66.application_variants.delete("a", "v"), ("DELETE", f"{PATH}/v.json", None)),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use) == expected


@pytest.mark.parametrize(
    "names",
    [
        {"type": "canary", "percentage": 20, "created_at_iso": "2024-01-15T10:30:00Z"},
        {"variant_type": "canary", "percentage": 20, "created_at": "2024-01-15T10:30:00Z"},
        {"status": "canary", "traffic_percentage": 20, "created_at": "2024-01-15T10:30:00Z"},
    ],
    ids=["client", "example", "model"],
)
async def test_properties_are_the_same_for_all_names(names: Mapping[str, object]) -> None:
    async with client(Script(make_response({"response": [{"uid": "v", **names}]}))) as c66:
        (found,) = await c66.application_variants.list("a")
    assert (found.type, found.percentage) == ("canary", 20)
    assert found.created_at is not None
    assert found.created_at.isoformat() == "2024-01-15T10:30:00+00:00"


def test_percentage_of_zero_is_kept() -> None:
    found = ApplicationVariant(uid="v", percentage=0, traffic_percentage=5, type="", status="active")
    assert (found.percentage, found.type) == (0, "")


@pytest.mark.parametrize("body", [b"", b'{"response": {"ok": true}}'])
async def test_responses_to_changes_are_ignored(body: bytes) -> None:
    async with client(Script(make_response(body))) as c66:
        await c66.application_variants.commit("a", "v")
        await c66.application_variants.update("a", "v", canary_percentage=5)
        await c66.application_variants.delete("a", "v")


# --- sandbox -------------------------------------------------------------------------------------


def test_sandbox_has_every_field(fake: FakeCloud66, call: Caller, docker: FakeStack) -> None:
    path = f"/stacks/{docker.uid}/application_variants.json"
    other_names = {"variant_type", "status", "traffic_percentage"}
    assert {frozenset(item) for item in call.get(path)} == {frozenset(field_names(ApplicationVariant) - other_names)}
    assert json.loads(call("GET", path).body).keys() == {"response"}
    rails = fake.add_stack("rails", fields={"framework": "rails", "backend": None})
    assert call.get(f"/stacks/{rails.uid}/application_variants.json") == []


@pytest.mark.parametrize(
    ("number", "body", "code"),
    [
        (0, {"operation": "commit"}, "bad_request"),
        (1, {}, "bad_request"),
        (1, {"operation": "dance"}, "bad_request"),
        (1, {"operation": "commit", "canary_percentage": 101}, "bad_request"),
        (1, {"operation": "commit", "canary_percentage": "many"}, "bad_request"),
        (2, {"operation": "commit", "canary_percentage": 5}, "bad_request"),
    ],
)
def test_sandbox_rejects_wrong_changes(call: Caller, docker: FakeStack, number: int, body: object, code: str) -> None:
    path = f"/stacks/{docker.uid}/application_variants"
    before = call.get(path)
    assert error_code(call("PATCH", f"{path}/{before[number]['uid']}.json", body)) == code
    assert call.get(path) == before


def test_documented_method_also_works(call: Caller, docker: FakeStack) -> None:
    path = f"/stacks/{docker.uid}/application_variants"
    uid = call.get(path)[1]["uid"]
    call.send("PUT", f"{path}/{uid}", {"operation": "commit"})
    assert [item["type"] for item in call.get(path)] == ["active", "preview"]


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_unknown_variant_is_not_found(call: Caller, docker: FakeStack, method: str) -> None:
    path = f"/stacks/{docker.uid}/application_variants/none.json"
    assert error_code(call(method, path, {"operation": "commit"})) == "not_found"


# --- story ---------------------------------------------------------------------------------------


async def test_canary_is_rolled_out(connected: Connected) -> None:
    fake, c66 = connected
    stack, variants = fake.add_stack("docker", fields=DOCKER).uid, c66.application_variants

    async def shares() -> list[tuple[str | None, int | None]]:
        return [(variant.type, variant.percentage) for variant in await variants.list(stack)]

    active, canary, preview = await variants.list(stack)
    assert await shares() == [("active", 80), ("canary", 20), ("preview", 0)]
    await variants.update(stack, canary.uid, canary_percentage=50)
    assert await shares() == [("active", 50), ("canary", 50), ("preview", 0)]
    with pytest.raises(BadRequest, match="between 0 and 100"):
        await variants.update(stack, canary.uid, canary_percentage=-1)
    await variants.commit(stack, canary.uid)
    assert await shares() == [("active", 100), ("preview", 0)]
    await variants.delete(stack, preview.uid)
    assert [variant.uid for variant in await variants.list(stack)] == [canary.uid]
    with pytest.raises(Forbidden, match="Only previews"):
        await variants.delete(stack, canary.uid)
    with pytest.raises(NotFound):
        await variants.commit(stack, active.uid)
