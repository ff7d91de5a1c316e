"""Snapshots: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import pytest

from cloud66_async import NotFound, models
from cloud66_async.models import RenderIssue, Renders, Snapshot, StackStatus, StencilRender
from cloud66_async.sandbox import FakeCloud66, FakeStack

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from ..support import Script, client, make_response
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

DOCUMENTED: Documented = {
    models.Snapshot: """
        uid action triggered_at triggered_by tags created_at_iso updated_at_iso
    """,
    models.Renders: """
        stencils issues requested_files
    """,
    models.StencilRender: """
        filename content sequence
    """,
    models.RenderIssue: """
        severity text stencil link
    """,
}

# --- wire form -----------------------------------------------------------------------------------

RENDER = "/stacks/a/snapshots/latest/formation/fm-1"


REQUESTS: list[tuple[Use, Sent]] = [
    (lambda c66: c66.snapshots.list("a"), ("GET", "/stacks/a/snapshots.json?page=1", None)),
    (lambda c66: c66.snapshots.render("a", "latest", "fm-1"), ("GET", RENDER, None)),
    (
        lambda c66: c66.snapshots.render(
            "a", "latest", "fm-1", requested_files=("a.yml", "b.yml"), use_latest=False, filter="x y"
        ),
        ("GET", f"{RENDER}?requested_files=a.yml%2Cb.yml&use_latest=false&filter=x+y", None),
    ),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use) == expected


async def test_files_are_sorted_and_issues_divided() -> None:
    files = [{"filename": name, "sequence": number} for name, number in (("c", 30), ("a", 10), ("b", 20))]
    issues = [{"severity": severity, "text": "t"} for severity in ("warning", "error", "notice")]
    async with client(Script(make_response({"response": {"stencils": files, "issues": issues}}))) as c66:
        found = await c66.snapshots.render("a", "latest", "fm-1")
    assert [file.filename for file in found.stencils or ()] == ["a", "b", "c"]
    assert found.errors == (RenderIssue(severity="error", text="t"),)
    assert found.warnings == (RenderIssue(severity="warning", text="t"),)


async def test_rendering_without_files_and_issues() -> None:
    body = {"stencils": None, "issues": None}
    async with client(Script(make_response({"response": body}), make_response({"response": {}}))) as c66:
        for _ in range(2):
            found = await c66.snapshots.render("a", "latest", "fm-1")
            assert (found, found.errors, found.warnings) == (Renders(), (), ())


# --- sandbox -------------------------------------------------------------------------------------


@pytest.fixture
def formation(fake: FakeCloud66, call: Caller, web: FakeStack) -> str:
    """The path of the formation of a stack that has been deployed."""
    call.send("POST", f"/stacks/{web.uid}/deployments.json", {})
    fake.clock.advance(60)
    return f"/stacks/{web.uid}/snapshots/latest/formation/{call.get(f'/stacks/{web.uid}/formations.json')[0]['uid']}"


def test_sandbox_has_every_field(call: Caller, web: FakeStack, formation: str) -> None:
    dates = {"created_at", "updated_at"}
    snapshot = call.get(f"/stacks/{web.uid}/snapshots.json")[0]
    assert snapshot.keys() == field_names(Snapshot) - dates
    rendered = call.get(formation)
    assert rendered.keys() == field_names(Renders)
    assert {frozenset(file) for file in rendered["stencils"]} == {frozenset(field_names(StencilRender))}
    assert rendered["issues"] == []
    assert "${" not in "".join(file["content"] for file in rendered["stencils"])


def test_deployment_that_is_queued_has_no_snapshot(fake: FakeCloud66, call: Caller, web: FakeStack) -> None:
    before = len(call.get(f"/stacks/{web.uid}/snapshots.json"))
    for _ in range(2):
        call.send("POST", f"/stacks/{web.uid}/deployments.json", {})
    assert len(call.get(f"/stacks/{web.uid}/snapshots.json")) == before + 1
    fake.clock.advance(60)
    assert len(call.get(f"/stacks/{web.uid}/snapshots.json")) == before + 2


def test_files_are_chosen_by_name_and_by_filter(call: Caller, formation: str) -> None:
    def names(**query: object) -> list[str]:
        return [file["filename"] for file in call.get(formation, **query)["stencils"]]

    assert names() == ["web_deployment.yml", "web_service.yml"]
    assert names(filter="services") == names(requested_files="web_service.yml") == ["web_service.yml"]
    assert call.get(formation, requested_files="web_service.yml")["requested_files"] == ["web_service.yml"]


def test_what_does_not_exist_is_not_found(call: Caller, web: FakeStack, formation: str) -> None:
    for query in ({"filter": "none"}, {"requested_files": "none.yml"}):
        assert error_code(call("GET", formation, None, None, **query)) == "not_found"
    for path in (formation.replace("latest", "sn-0"), formation + "0"):
        assert error_code(call("GET", path)) == "not_found"


# --- story ---------------------------------------------------------------------------------------


async def test_formation_is_rendered_with_old_and_new_stencils(connected: Connected) -> None:
    fake, c66 = connected
    stack = fake.add_stack("web", fields={"status": StackStatus.ANALYSED.value}).uid
    assert await c66.snapshots.list(stack) == []
    formation = await c66.formations.list(stack).first()
    assert formation is not None
    with pytest.raises(NotFound, match="snapshot"):
        await c66.snapshots.render(stack, "latest", formation.uid)
    await c66.actions.wait(await c66.stacks.redeploy(stack))
    snapshot = await c66.snapshots.list(stack).first()
    assert snapshot is not None
    assert (snapshot.action, snapshot.triggered_at) == ("application_deployment", snapshot.created_at)
    assert formation.stencils is not None
    stencil = formation.stencils[0]
    await c66.stencils.update(stack, formation.uid, stencil.uid, message="Simplify", body="name: ${stack} ${size}\n")

    async def first_file(*, use_latest: bool) -> str:
        found = await c66.snapshots.render(stack, snapshot.uid, formation.uid, use_latest=use_latest)
        assert found.stencils
        return found.stencils[0].content or ""

    assert await first_file(use_latest=True) == "name: web ${size}\n"
    assert (await first_file(use_latest=False)).startswith("apiVersion")
    (warning,) = (await c66.snapshots.render(stack, "latest", formation.uid)).warnings
    assert (warning.text, warning.stencil) == ("Unknown placeholder: size", stencil.filename)
