"""Versions of service.yml: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import pytest

from cloud66_async import NotFound, models
from cloud66_async.models import YamlVersion
from cloud66_async.sandbox import FakeCloud66, FakeStack

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

PATH = "/stacks/a/service_yaml"

DOCUMENTED: Documented = {
    models.YamlVersion: """
        uid body comments created_at_iso updated_at_iso
    """,
}

# --- wire form -----------------------------------------------------------------------------------


REQUESTS: list[tuple[Use, Sent]] = [
    (lambda c66: c66.service_yamls.list("a"), ("GET", f"{PATH}.json?page=1", None)),
    (
        lambda c66: c66.service_yamls.list("a", include_body=True),
        ("GET", f"{PATH}.json?include_body=true&page=1", None),
    ),
    (lambda c66: c66.service_yamls.get("a", "v"), ("GET", f"{PATH}/v.json", None)),
    (
        lambda c66: c66.service_yamls.create("a", service_yaml="a: 1\n"),
        ("POST", PATH, {"service_yaml": "a: 1\n"}),
    ),
    (
        lambda c66: c66.service_yamls.create("a", service_yaml="a: 1\n", comments="more memory"),
        ("POST", PATH, {"service_yaml": "a: 1\n", "comments": "more memory"}),
    ),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use) == expected


# --- sandbox -------------------------------------------------------------------------------------


def test_sandbox_has_every_field(call: Caller, web: FakeStack) -> None:
    path = f"/stacks/{web.uid}/service_yaml"
    dates = {"created_at", "updated_at"}
    (listed,) = call.get(f"{path}.json")
    created = call.send("POST", path, {"service_yaml": "a: 1\n"})
    assert listed.keys() == created.keys() == field_names(YamlVersion) - dates
    assert listed["body"] is None
    assert call.get(f"{path}/{listed['uid']}.json")["body"]


@pytest.mark.parametrize("body", [{}, {"service_yaml": " \n"}])
def test_empty_files_are_rejected(call: Caller, web: FakeStack, body: dict[str, str]) -> None:
    assert error_code(call("POST", f"/stacks/{web.uid}/service_yaml", body)) == "bad_request"


def test_dates_of_versions(fake: FakeCloud66, call: Caller, web: FakeStack) -> None:
    path = f"/stacks/{web.uid}/service_yaml"
    fake.clock.advance(3600)
    call.send("POST", f"{path}.json", {"service_yaml": "a: 1\n"})
    new, old = call.get(f"{path}.json")
    assert new["created_at_iso"] > old["created_at_iso"]


# --- story ---------------------------------------------------------------------------------------


async def test_versions_accumulate(connected: Connected) -> None:
    fake, c66 = connected
    stack, versions = fake.add_stack("web").uid, c66.service_yamls
    first = await versions.list(stack).first()
    created = await versions.create(stack, service_yaml="a: 1\n", comments="more memory")
    assert (created.body, created.comments) == ("a: 1\n", "more memory")
    assert created.created_at == created.created_at_iso
    assert await versions.get(stack, created.uid) == created
    await versions.create(stack, service_yaml="a: 2\n")
    latest, middle, oldest = await versions.list(stack, include_body=True)
    assert (latest.body, latest.comments, middle) == ("a: 2\n", None, created)
    assert first is not None
    assert oldest.uid == first.uid
    with pytest.raises(NotFound):
        await versions.get(stack, "none")
