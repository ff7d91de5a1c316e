"""Base templates: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import pytest

from cloud66_async import NotFound, models
from cloud66_async.models import BaseTemplate, BaseTemplateStatus, StencilTemplate
from cloud66_async.sandbox import FakeCloud66

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

PATH = "/base_templates"
REPOSITORY = {"git_repo": "https://git.example.com/t.git", "git_branch": "main"}

DOCUMENTED: Documented = {
    models.BaseTemplate: """
        uid name short_name git_repo git_branch status stencils last_sync_iso created_at_iso updated_at_iso
    """,
    models.StencilTemplate: """
        base_template filename filename_pattern name description context_type tags preferred_sequence content
    """,
    models.BaseTemplateStatus: {
        1: "unknown", 2: "queued", 3: "pulling", 4: "verifying", 5: "pull failed", 6: "available",
        7: "verification failed",
    },
}  # fmt: skip

# --- wire form -----------------------------------------------------------------------------------


REQUESTS: list[tuple[Use, Sent]] = [
    (lambda c66: c66.base_templates.list(), ("GET", f"{PATH}.json?page=1", None)),
    (lambda c66: c66.base_templates.get("b"), ("GET", f"{PATH}/b.json", None)),
    (
        lambda c66: c66.base_templates.get("b", include_stencils=True),
        ("GET", f"{PATH}/b.json?include_stencils=1", None),
    ),
    (
        lambda c66: c66.base_templates.get("b", include_stencils=True, include_content=True),
        ("GET", f"{PATH}/b.json?include_stencils=1&include_content=1", None),
    ),
    (
        lambda c66: c66.base_templates.create(**REPOSITORY),
        ("POST", f"{PATH}.json", {"base_template": REPOSITORY}),
    ),
    (
        lambda c66: c66.base_templates.update("b", **REPOSITORY),
        ("PUT", f"{PATH}/b.json", {"base_template": REPOSITORY}),
    ),
    (lambda c66: c66.base_templates.delete("b"), ("DELETE", f"{PATH}/b.json", None)),
    (lambda c66: c66.base_templates.sync("b"), ("POST", f"{PATH}/b/sync.json", None)),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use, {"uid": "b"}) == expected


# --- sandbox -------------------------------------------------------------------------------------


def test_sandbox_has_every_field(call: Caller) -> None:
    created = call.send("POST", f"{PATH}.json", {"base_template": REPOSITORY})
    sample, listed = call.get(PATH)
    wanted = field_names(BaseTemplate) - {"last_sync", "created_at", "updated_at"}
    assert sample.keys() == created.keys() == wanted
    assert listed == created == call.get(f"{PATH}/{created['uid']}.json")
    assert (created["name"], created["stencils"], created["last_sync_iso"]) == ("t", None, None)
    path = f"{PATH}/{sample['uid']}.json"
    (plain, *_), (full, *_) = (
        call.get(path, include_stencils=1, include_content=content)["stencils"] for content in (0, 1)
    )
    assert plain.keys() == full.keys() == field_names(StencilTemplate)
    assert (plain["content"], full["content"].startswith("apiVersion")) == (None, True)
    assert call.get(path, include_content=1)["stencils"] is None


def test_pull_goes_through_its_states(fake: FakeCloud66, call: Caller) -> None:
    path = f"{PATH}/{call.get(PATH)[0]['uid']}"
    assert call.get(path)["status"] == BaseTemplateStatus.AVAILABLE
    states = [call.send("POST", f"{path}/sync.json")["status"]]
    for _ in range(3):
        fake.clock.advance(20)
        states.append(call.get(path)["status"])
    assert states == [2, 3, 4, 6]
    assert call.get(path)["last_sync_iso"] == fake.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")


def test_pull_that_takes_no_time() -> None:
    call = Caller(FakeCloud66(action_seconds=0))
    created = call.send("POST", f"{PATH}.json", {"base_template": REPOSITORY})
    assert created["status"] == BaseTemplateStatus.AVAILABLE


@pytest.mark.parametrize("body", [{}, REPOSITORY | {"git_repo": ""}, {"git_branch": "main"}])
def test_nonsense_is_rejected(call: Caller, body: object) -> None:
    uid = call.get(PATH)[0]["uid"]
    assert error_code(call("POST", f"{PATH}.json", {"base_template": body})) == "bad_request"
    assert error_code(call("PUT", f"{PATH}/{uid}.json", {"base_template": body})) == "bad_request"
    assert error_code(call("GET", f"{PATH}/{uid}.json", include_stencils=2)) == "bad_request"


def test_unknown_template_is_not_found(call: Caller) -> None:
    body = {"base_template": REPOSITORY}
    for method, path in (("GET", "none"), ("PUT", "none"), ("DELETE", "none"), ("POST", "none/sync")):
        assert error_code(call(method, f"{PATH}/{path}.json", body)) == "not_found"


# --- story ---------------------------------------------------------------------------------------


async def test_template_is_created_changed_and_deleted(connected: Connected) -> None:
    fake, c66 = connected
    created = await c66.base_templates.create(**REPOSITORY)
    assert created.status is BaseTemplateStatus.QUEUED
    assert created.uid in {template.uid for template in await c66.base_templates.list()}

    async def available() -> BaseTemplate:
        while (found := await c66.base_templates.get(created.uid)).status is not BaseTemplateStatus.AVAILABLE:
            await fake.world.clock.sleep(fake.world.action_seconds / 4)
        return found

    assert (await available()).last_sync is not None
    changed = await c66.base_templates.update(created.uid, git_repo=REPOSITORY["git_repo"], git_branch="next")
    assert (changed.git_branch, changed.last_sync) == ("next", None)
    assert (await available()).git_branch == "next"
    assert (await c66.base_templates.sync(created.uid)).status is BaseTemplateStatus.QUEUED
    await available()
    full = await c66.base_templates.get(created.uid, include_stencils=True, include_content=True)
    assert full.stencils
    assert all(stencil.content for stencil in full.stencils)
    assert (await c66.base_templates.delete(created.uid)).uid == created.uid
    with pytest.raises(NotFound, match="no such base template"):
        await c66.base_templates.get(created.uid)
