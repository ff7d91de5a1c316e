"""Formations: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import pytest

from cloud66_async import BadRequest, Conflict, NotFound, models
from cloud66_async.models import Formation, FormationFilter, StackStatus, WorkflowWrapper
from cloud66_async.resources.formations import BaseTemplateSource
from cloud66_async.sandbox import FakeCloud66, FakeStack

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from ..support import Script, client, make_response
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

DOCUMENTED: Documented = {
    models.Formation: """
        uid name tags stencils base_templates policies transformations workflows helm_releases filters
        created_at_iso updated_at_iso
    """,
    models.FormationFilter: """
        uid name stencil_filter helm_filter transformation_filter policy_filter workflow_filter created_at_iso
        updated_at_iso
    """,
    models.WorkflowWrapper: """
        pipeline
    """,
}

# --- wire form -----------------------------------------------------------------------------------

PATH = "/stacks/a/formations.json"
PIPELINE = "/stacks/a/formations/fm-1/pipeline.json"
MAIN = {"repo": "https://git.example.com/t.git", "branch": "main"}


REQUESTS: list[tuple[Use, Sent]] = [
    (lambda c66: c66.formations.list("a"), ("GET", f"{PATH}?page=1", None)),
    (lambda c66: c66.formations.list("a", full_content=True), ("GET", f"{PATH}?full_content=1&page=1", None)),
    (
        lambda c66: c66.formations.create("a", name="n", base_template={"repo": "r", "branch": "b"}),
        ("POST", PATH, {"name": "n", "base_template": {"repo": "r", "branch": "b"}}),
    ),
    (
        lambda c66: c66.formations.create(
            "a", name="n", tags=("x",), base_templates=({"repo": "r", "branch": "b"}, {"repo": "r", "branch": "c"})
        ),
        (
            "POST",
            PATH,
            {
                "name": "n",
                "tags": ["x"],
                "base_templates": [{"repo": "r", "branch": "b"}, {"repo": "r", "branch": "c"}],
            },
        ),
    ),
    (
        lambda c66: c66.formations.get_workflow("a", "fm-1", snapshot_uid="sn-1"),
        ("GET", f"{PIPELINE}?snapshot_uid=sn-1", None),
    ),
    (
        lambda c66: c66.formations.get_workflow("a", "fm-1", snapshot_uid="sn-1", use_latest=False, workflow="w"),
        ("GET", f"{PIPELINE}?snapshot_uid=sn-1&use_latest=false&workflow=w", None),
    ),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use) == expected


@pytest.mark.parametrize("pipeline", [{"steps": [1]}, ["a"], "text", None])
async def test_workflow_is_any_json(pipeline: object) -> None:
    async with client(Script(make_response({"response": {"pipeline": pipeline}}))) as c66:
        found = await c66.formations.get_workflow("a", "fm-1", snapshot_uid="sn-1")
    assert found == WorkflowWrapper(pipeline=pipeline)


async def test_part_that_cannot_be_read_is_left_out() -> None:
    body = [{"uid": "fm-1", "stencils": [{"uid": "s", "sequence": "10"}, {"filename": "no uid"}], "policies": None}]
    async with client(Script(make_response({"response": body}))) as c66:
        (found,) = await c66.formations.list("a")
    assert found.stencils == (models.Stencil(uid="s", sequence=10),)
    assert found.policies is None


# --- sandbox -------------------------------------------------------------------------------------

PARTS = {
    "stencils": models.Stencil,
    "policies": models.Policy,
    "transformations": models.Transformation,
    "workflows": models.Workflow,
    "helm_releases": models.HelmRelease,
    "filters": FormationFilter,
    "base_templates": models.BaseTemplate,
}
DATES = {"created_at", "updated_at", "last_sync"}


def test_sandbox_has_every_field(call: Caller, web: FakeStack) -> None:
    (formation,) = call.get(f"/stacks/{web.uid}/formations.json", full_content=1)
    assert formation.keys() == field_names(Formation) - DATES
    for field, model in PARTS.items():
        assert formation[field]
        for part in formation[field]:
            assert part.keys() == field_names(model) - DATES, field


@pytest.mark.parametrize("full_content", [0, 1])
def test_texts_are_in_the_full_content_only(call: Caller, web: FakeStack, full_content: int) -> None:
    (formation,) = call.get(f"/stacks/{web.uid}/formations.json", full_content=full_content)
    texts = [part["body"] for field in PARTS for part in formation[field] if "body" in part]
    assert [text is not None for text in texts] == [bool(full_content)] * 6


@pytest.mark.parametrize(
    "fields",
    [
        {"name": " ", "base_template": MAIN},
        {"name": "n"},
        {"name": "n", "base_templates": []},
        {"name": "n", "base_template": MAIN, "base_templates": [MAIN]},
        {"name": "n", "base_template": {"repo": "https://git.example.com/unknown.git", "branch": "main"}},
        {"name": "n", "base_templates": ["main"]},
    ],
)
def test_invalid_formation_is_rejected(call: Caller, web: FakeStack, fields: object) -> None:
    assert error_code(call("POST", f"/stacks/{web.uid}/formations.json", fields)) == "bad_request"


def test_deleted_base_template_is_not_shown(call: Caller, web: FakeStack) -> None:
    path = f"/stacks/{web.uid}/formations.json"
    call.send("DELETE", f"/base_templates/{call.get(path)[0]['base_templates'][0]['uid']}.json")
    assert call.get(path)[0]["base_templates"] == []


def test_workflow_that_does_not_exist_is_not_found(fake: FakeCloud66, call: Caller) -> None:
    web = fake.add_stack("never-deployed", status=StackStatus.ANALYSED)
    (formation,) = call.get(f"/stacks/{web.uid}/formations.json")
    path = f"/stacks/{web.uid}/formations/{formation['uid']}/pipeline.json"
    assert error_code(call("GET", path, None, None, snapshot_uid="latest")) == "not_found"
    call.send("POST", f"/stacks/{web.uid}/deployments.json", {})
    fake.clock.advance(60)
    assert call.get(path, snapshot_uid="latest")["pipeline"]["steps"]
    assert error_code(call("GET", path, None, None, snapshot_uid="latest", workflow="none")) == "not_found"
    assert error_code(call("GET", path)) == "bad_request"


# --- story ---------------------------------------------------------------------------------------


async def test_formations_are_created_and_listed(connected: Connected) -> None:
    fake, c66 = connected
    stack = fake.add_stack("web").uid
    await c66.base_templates.create(git_repo="https://git.example.com/acme/more.git", git_branch="dev")
    sources: list[BaseTemplateSource] = [
        {"repo": template.git_repo or "", "branch": template.git_branch or ""}
        for template in await c66.base_templates.list()
    ]
    one = await c66.formations.create(stack, name="one", base_template=sources[0], tags=["blue"])
    await c66.formations.create(stack, name="all", base_templates=sources)
    with pytest.raises(Conflict, match="one"):
        await c66.formations.create(stack, name="one", base_template=sources[0])
    with pytest.raises(BadRequest, match="base template"):
        await c66.formations.create(stack, name="two", base_template={"repo": "other", "branch": "main"})
    _, found, both = await c66.formations.list(stack, full_content=True)
    assert found == one
    assert (one.name, one.tags, one.stencils) == ("one", ("blue",), ())
    assert [template.git_branch for template in both.base_templates or ()] == ["main", "dev"]


async def test_workflow_is_rendered(connected: Connected) -> None:
    fake, c66 = connected
    stack = fake.add_stack("web", fields={"status": StackStatus.ANALYSED.value}).uid
    formation = await c66.formations.list(stack).first()
    assert formation is not None
    with pytest.raises(NotFound, match="snapshot"):
        await c66.formations.get_workflow(stack, formation.uid, snapshot_uid="latest")
    await c66.actions.wait(await c66.stacks.redeploy(stack))
    snapshot = await c66.snapshots.list(stack).first()
    assert snapshot is not None
    found = await c66.formations.get_workflow(stack, formation.uid, snapshot_uid=snapshot.uid, workflow="default")
    assert found.pipeline is not None
    assert found.pipeline["steps"][0] == {"name": "apply", "namespace": "web-production"}
