"""Stencils: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

from typing import Any

import pytest

from cloud66_async import Cloud66, Conflict, NotFound, models
from cloud66_async.models import Stencil
from cloud66_async.resources.stencils import NewStencil
from cloud66_async.sandbox import FakeCloud66, FakeStack

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

DOCUMENTED: Documented = {
    models.Stencil: """
        uid filename template_filename context_id status tags inline gitfile_path body btr_repo btr_branch sequence
        created_at_iso updated_at_iso
    """,
}

# --- wire form -----------------------------------------------------------------------------------

PATH = "/stacks/a/formations/fm-1/stencils"
TEXT, ENCODED = "name: café\n", "bmFtZTogY2Fmw6kK"


REQUESTS: list[tuple[Use, Sent]] = [
    (
        lambda c66: c66.stencils.create(
            "a", "fm-1", message="m", btr_uuid="b", stencils=({"filename": name, "body": TEXT} for name in "xy")
        ),
        (
            "POST",
            f"{PATH}.json",
            {
                "message": "m",
                "btr_uuid": "b",
                "stencils": [{"filename": "x", "body": TEXT}, {"filename": "y", "body": TEXT}],
            },
        ),
    ),
    (
        lambda c66: c66.stencils.update("a", "fm-1", "s", message="m", body=TEXT),
        ("PUT", f"{PATH}/s.json", {"message": "m", "body": ENCODED}),
    ),
    (
        lambda c66: c66.stencils.render("a", "fm-1", "s", body=TEXT, snapshot_id="sn-1"),
        ("POST", f"{PATH}/s/render.json", {"body": ENCODED, "snapshot_id": "sn-1"}),
    ),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use) == expected


# --- sandbox -------------------------------------------------------------------------------------


@pytest.fixture
def formation(call: Caller, web: FakeStack) -> Any:
    """The formation of the stack."""
    return call.get(f"/stacks/{web.uid}/formations.json", full_content=1)[0]


@pytest.fixture
def path(web: FakeStack, formation: Any) -> str:
    """The path of its stencils."""
    return f"/stacks/{web.uid}/formations/{formation['uid']}/stencils"


def test_sandbox_returns_every_field(call: Caller, formation: Any, path: str) -> None:
    uid = formation["stencils"][0]["uid"]
    found = call.send("PUT", f"{path}/{uid}.json", {"message": "m", "body": ENCODED})
    assert found.keys() == field_names(Stencil) - {"created_at", "updated_at"}
    assert (found["uid"], found["body"]) == (uid, TEXT)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"message": " "}, "bad_request"),
        ({"btr_uuid": "none"}, "not_found"),
        ({"stencils": []}, "bad_request"),
        ({"stencils": [{"body": "no name"}]}, "bad_request"),
        ({"stencils": [{"filename": " "}]}, "bad_request"),
        ({"stencils": [{"filename": "a.yml", "sequence": "first"}]}, "bad_request"),
        ({"stencils": [{"filename": "web_service.yml"}]}, "conflict"),
        ({"stencils": [{"filename": "a.yml"}, {"filename": "a.yml"}]}, "conflict"),
    ],
)
def test_invalid_stencils_are_rejected(call: Caller, formation: Any, path: str, change: Any, code: str) -> None:
    template = formation["base_templates"][0]["uid"]
    body = {"message": "m", "btr_uuid": template, "stencils": [{"filename": "new.yml"}], **change}
    assert error_code(call("POST", f"{path}.json", body)) == code


@pytest.mark.parametrize("body", ["plain text", "YWJj*", "6Q=="])
def test_text_that_is_not_in_base64_is_rejected(call: Caller, formation: Any, path: str, body: str) -> None:
    one = f"{path}/{formation['stencils'][0]['uid']}"
    assert error_code(call("PUT", f"{one}.json", {"message": "m", "body": body})) == "bad_request"


def test_unknown_stencil_is_not_found(call: Caller, path: str) -> None:
    assert error_code(call("PUT", f"{path}/none.json", {"message": "m", "body": ENCODED})) == "not_found"
    body = {"body": ENCODED, "snapshot_id": "latest"}
    assert error_code(call("POST", f"{path}/none/render.json", body)) == "not_found"


def test_stencil_is_created_when_its_action_finishes(
    fake: FakeCloud66, call: Caller, formation: Any, path: str, web: FakeStack
) -> None:
    template = formation["base_templates"][0]
    body = {"message": "m", "btr_uuid": template["uid"], "stencils": [{"filename": "new.yml", "sequence": 5}]}
    assert call.send("POST", f"{path}.json", body)["action"] == "stencil_create"

    def names() -> list[str]:
        return [item["filename"] for item in call.get(f"/stacks/{web.uid}/formations.json")[0]["stencils"]]

    assert names() == ["web_deployment.yml", "web_service.yml"]
    fake.clock.advance(60)
    assert names() == ["web_deployment.yml", "web_service.yml", "new.yml"]


# --- story ---------------------------------------------------------------------------------------


async def test_stencils_are_created_changed_and_rendered(connected: Connected) -> None:
    fake, c66 = connected
    stack = fake.add_stack("web").uid
    await c66.actions.wait(await c66.stacks.redeploy(stack))
    formation = await c66.formations.list(stack).first()
    assert formation is not None
    assert formation.base_templates is not None
    uid, template = formation.uid, formation.base_templates[0]

    async def create() -> models.Action:
        added: NewStencil = {"filename": "a.yml", "body": "name: ${stack}\n", "tags": ["new"], "sequence": 1}
        return await c66.stencils.create(stack, uid, message="Add a.yml", btr_uuid=template.uid, stencils=[added])

    await c66.actions.wait(await create())
    with pytest.raises(Conflict):
        await create()
    stencil = await newest(c66, stack)
    assert (stencil.filename, stencil.body, stencil.tags) == ("a.yml", "name: ${stack}\n", ("new",))
    assert (stencil.btr_repo, stencil.btr_branch) == (template.git_repo, template.git_branch)

    changed = await c66.stencils.update(stack, uid, stencil.uid, message="Change", body="café: ${environment}\n")
    assert await newest(c66, stack) == changed
    assert changed.body == "café: ${environment}\n"
    files = (await c66.snapshots.render(stack, "latest", uid)).stencils
    assert files
    assert (files[0].filename, files[0].content) == ("a.yml", "café: production\n")

    snapshot = await c66.snapshots.list(stack).first()
    assert snapshot is not None
    draft = await c66.stencils.render(stack, uid, stencil.uid, body="${stack} ${size}", snapshot_id=snapshot.uid)
    assert [file.content for file in draft.stencils or ()] == ["web ${size}"]
    assert [issue.stencil for issue in draft.warnings] == ["a.yml"]
    assert await newest(c66, stack) == changed
    with pytest.raises(NotFound, match="snapshot"):
        await c66.stencils.render(stack, uid, stencil.uid, body="", snapshot_id="sn-0")


async def newest(c66: Cloud66, stack: str) -> Stencil:
    """Return the stencil that was created last."""
    formation = await c66.formations.list(stack, full_content=True).first()
    assert formation is not None
    assert formation.stencils
    return formation.stencils[-1]
