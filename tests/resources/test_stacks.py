"""Stacks: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from cloud66_async import (
    Forbidden,
    NotFound,
    Ok,
    Redeployment,
    ResponseError,
    Stack,
    Unauthenticated,
    models,
)
from cloud66_async.resources.actions import Action
from cloud66_async.resources.stacks import BuildType, DeployStrategy, RolloutStrategy
from cloud66_async.sandbox import FakeCloud66, FakeStack

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from ..support import Script, client, make_response
from .documented import Documented
from .fields import field_names


def stacks(*names: str, environment: str = "production") -> list[dict[str, Any]]:
    return [{"uid": f"uid-{name}", "name": name, "environment": environment} for name in names]


def body(transport: Script) -> Any:
    found = transport.requests[-1].body
    assert found is not None
    return json.loads(found)


DOCUMENTED: Documented = {
    models.Stack: """
        uid name account_id account_name git git_branch environment cloud fqdn language framework status health
        last_activity last_activity_iso maintenance_mode has_loadbalancer created_at updated_at created_at_iso
        updated_at_iso deploy_directory cloud_status redeploy_hook backend version revision is_busy is_cluster
        is_inside_cluster cluster_name application_address configstore_namespace namespaces considerations
    """,
    models.Redeployment: """
        ok message queued async_action_id
    """,
    models.StackStatus: {
        0: "pending analysis",
        1: "deployed",
        2: "deployment failed",
        3: "analysing",
        4: "analysed",
        5: "queued for deployment",
        6: "deploying",
        7: "cannot be analysed",
    },
    models.BuildType: {"single": "single", "multi": "multi"},
    models.DeployStrategy: {"serial": "serial", "parallel": "parallel", "rolling": "rolling", "fast": "fast"},
    models.RolloutStrategy: {
        "none": "none",
        "blue_green_immediate": "blue_green_immediate",
        "blue_green_delayed": "blue_green_delayed",
        "canary": "canary",
    },
}

# --- wire form -----------------------------------------------------------------------------------


async def test_find_raises_ambiguous_name_and_lists_the_matches() -> None:
    old = {"uid": "old", "name": "web", "created_at": "2020-01-01"}
    new = {"uid": "new", "name": "web", "created_at": "2021-01-01"}
    transport = Script(
        make_response({"response": {"id": 5, "action": "stack_create"}}),
        make_response({"response": [old, new, {"uid": "other", "name": "api", "created_at": "2022-01-01"}]}),
    )
    async with client(transport) as c66:
        action = await c66.stacks.create(
            "web", environment="production", service_yaml="services:", build_type=BuildType.MULTI
        )
    assert action == Action(id=5, action="stack_create", stack="new")
    assert transport.targets == ["/stacks.json", "/stacks.json?filter_name=web&filter_environment=production&page=1"]
    assert json.loads(transport.requests[0].body or b"") == {
        "name": "web",
        "environment": "production",
        "service_yaml": "services:",
        "build_type": "multi",
    }


@pytest.mark.parametrize(
    ("services", "sent"),
    [
        (["web", "api:v2"], ["web", "api:v2"]),
        ("web,api", ["web", "api"]),
        (" web , ,api ", ["web", "api"]),
        (("web",), ["web"]),
        ((name for name in ("a", "b")), ["a", "b"]),
        ([], []),
    ],
)
async def test_services_are_sent_as_a_list(services: Any, sent: list[str]) -> None:
    transport = Script(make_response({"response": {"ok": True}}))
    async with client(transport) as c66:
        await c66.stacks.redeploy("a", services=services)
    assert body(transport)["services"] == sent


async def test_redeploy_sends_enumerations_as_values_and_returns_its_stack() -> None:
    transport = Script(
        make_response({"response": {"ok": True, "message": "queued", "queued": True, "async_action_id": "7"}})
    )
    async with client(transport) as c66:
        found = await c66.stacks.redeploy(
            "a",
            git_ref="v2.1",
            deploy_strategy=DeployStrategy.ROLLING,
            rollout_strategy=RolloutStrategy.CANARY,
            canary_percentage=0,
            user_reference="build 7",
        )
    assert found == Redeployment(
        ok=True, message="queued", queued=True, async_action_id=7, stack="a", user_reference="build 7"
    )
    assert body(transport) == {
        "user_reference": "build 7",
        "git_ref": "v2.1",
        "deploy_strategy": "rolling",
        "rollout_strategy": "canary",
        "canary_percentage": 0,
    }


async def test_every_redeployment_has_a_reference_of_its_own() -> None:
    transport = Script(make_response({"response": {"ok": True, "async_action_id": 7}}))
    async with client(transport) as c66:
        first, second = await c66.stacks.redeploy("a"), await c66.stacks.redeploy("a")
    references = [json.loads(request.body or b"")["user_reference"] for request in transport.requests]
    assert [first.user_reference, second.user_reference] == references
    assert references[0] != references[1]
    assert all(0 < len(reference) <= 255 for reference in references)


@pytest.mark.parametrize("call", ["get", "redeploy"])
async def test_empty_uid_is_rejected_without_a_request(call: str) -> None:
    transport = Script()
    async with client(transport) as c66:
        with pytest.raises(ValueError, match="invalid stack: must not be empty"):
            await getattr(c66.stacks, call)("")
        with pytest.raises(ValueError, match="invalid stack: must not be empty"):
            await c66.servers.list("")
    assert transport.requests == []


async def test_reboot_servers_sends_strategy_and_group() -> None:
    transport = Script(make_response({"response": {"id": 5, "action": "stack_reboot"}}))
    async with client(transport) as c66:
        action = await c66.stacks.reboot_servers("a", strategy="serial")
        await c66.stacks.reboot_servers("a", strategy="parallel", group="db")
    assert action == Action(id=5, action="stack_reboot", stack="a")
    assert transport.targets == ["/stacks/a/reboot_servers.json"] * 2
    assert {request.method for request in transport.requests} == {"POST"}
    assert [json.loads(request.body or b"") for request in transport.requests] == [
        {"strategy": "serial"},
        {"strategy": "parallel", "group": "db"},
    ]


async def test_error_of_an_invalid_item_names_its_path() -> None:
    transport = Script(make_response({"response": [{"uid": "a"}, {}]}))
    async with client(transport) as c66:
        with pytest.raises(
            ResponseError, match=r"GET /stacks.json: expected Stack.uid at \$.response\[1\].uid"
        ) as caught:
            await c66.stacks.list()
    assert caught.value.partial == (Stack(uid="a"),)


# --- sandbox -------------------------------------------------------------------------------------


def test_sandbox_has_every_field(fake: FakeCloud66, call: Caller) -> None:
    stack = fake.seed(1)[0]
    assert call.get(f"/stacks/{stack.uid}").keys() == field_names(Stack) - {"last_log"}
    assert call.get(f"/stacks/{stack.uid}", show_log="true").keys() == field_names(Stack)


def test_both_formats_of_a_timestamp_agree(call: Caller, web: FakeStack) -> None:
    stack = call.get(f"/stacks/{web.uid}.json")
    for name in ("created_at", "updated_at"):
        legacy = datetime.strptime(stack[name], "%Y-%m-%d %H:%M:%S UTC")  # noqa: DTZ007  the zone is in the text
        assert legacy == datetime.strptime(stack[f"{name}_iso"], "%Y-%m-%dT%H:%M:%SZ")  # noqa: DTZ007
    assert datetime.fromisoformat(stack["last_activity"]) == datetime.fromisoformat(stack["last_activity_iso"])


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"filter_name": "web"}, ["web", "web"]),
        ({"filter_name": "WEB"}, ["web", "web"]),
        ({"filter_name": "we"}, []),
        ({"filter_environment": "staging"}, ["web", "api"]),
        ({"filter_name": "web", "filter_environment": "staging"}, ["web"]),
        ({"filter_git_branch": "v2"}, ["api"]),
        ({"filter_git_repo": "git@example.com:a/b.git"}, ["api"]),
        ({"filter_name": ""}, ["web", "web", "api"]),
        ({"unknown": "x"}, ["web", "web", "api"]),
    ],
    ids=str,
)
def test_filters(fake: FakeCloud66, call: Caller, query: dict[str, str], found: list[str]) -> None:
    fake.add_stack("web")
    fake.add_stack("web", environment="staging")
    fake.add_stack("api", environment="staging", fields={"git_branch": "v2", "git": "git@example.com:a/b.git"})
    assert [stack["name"] for stack in call.get("/stacks.json", **query)] == found


def test_seeded_stacks_are_varied_and_the_same_in_every_run() -> None:
    first, second = FakeCloud66(), FakeCloud66()
    stacks = first.seed()
    assert [stack.to_json(first.clock.now()) for stack in stacks] == [
        stack.to_json(second.clock.now()) for stack in second.seed()
    ]
    assert len({stack.uid for stack in stacks}) == 600
    assert len({(stack.name, stack.data["environment"]) for stack in stacks}) == 600
    counts = {name: len({str(stack.data[name]) for stack in stacks}) for name in ("environment", "health", "cloud")}
    assert counts == {"environment": 5, "health": 5, "cloud": 7}
    assert {stack.data["status"] for stack in stacks} == set(range(8))
    assert {len(stack.servers) for stack in stacks} == {1, 2, 3, 4}
    assert [stack.servers for stack in stacks[:9]] == [stack.servers for stack in second.world.visible([1])[:9]]


def test_second_seed_adds_more(fake: FakeCloud66, call: Caller) -> None:
    fake.seed(10)
    fake.seed(10)
    assert len({stack["uid"] for stack in call.get("/stacks.json")}) == 20


def test_seeded_deployments_finish(fake: FakeCloud66, call: Caller) -> None:
    busy = [stack for stack in fake.seed(100) if stack.to_json(fake.clock.now())["is_busy"]]
    assert busy
    fake.clock.advance(1200)
    for stack in busy:
        found = call.get(f"/stacks/{stack.uid}.json")
        assert (found["is_busy"], found["status"]) == (False, 1)


def test_fields_can_be_set_and_changed(fake: FakeCloud66, call: Caller) -> None:
    stack = fake.add_stack("web", fields={"health": 4})
    assert call.get(f"/stacks/{stack.uid}.json")["health"] == 4
    stack.change({"health": 2})
    assert call.get(f"/stacks/{stack.uid}.json")["health"] == 2
    for wrong in ({"color": "red"}, {"uid": "x"}, {"account_id": 2}):
        with pytest.raises(KeyError, match=f"cannot change {next(iter(wrong))}: "):
            stack.change(wrong)


MANIFEST = {"name": "new", "environment": "qa", "service_yaml": "services: {}", "manifest_yaml": "docker: {}"}
SIZED = {"cloud": "aws", "region": "eu-west-1", "size": "t3.small", "build_type": "single"}


@pytest.mark.parametrize("change", [{}, {"manifest_yaml": None, **SIZED}], ids=["manifest", "cloud"])
def test_action_creates_a_stack(fake: FakeCloud66, call: Caller, change: dict[str, object]) -> None:
    action = call.send("POST", "/stacks.json", {**MANIFEST, **change})
    assert (action["action"], action["finished_at"]) == ("stack_create", None)
    (stack,) = call.get("/stacks.json")
    assert (stack["name"], stack["environment"], stack["is_busy"], stack["status"]) == ("new", "qa", True, 6)
    fake.clock.advance(60)
    (stack,) = call.get("/stacks.json")
    assert (stack["status"], stack["health"], stack["is_busy"]) == (1, 3, False)
    (deployment,) = call.get(f"/stacks/{stack['uid']}/deployments.json")
    assert deployment["deploy_type"] == {"code": 3, "meaning": "first_build"}


@pytest.mark.parametrize("absent", ["name", "environment", "service_yaml", "manifest_yaml"])
def test_new_stack_requires_parameters(call: Caller, absent: str) -> None:
    reply = call("POST", "/stacks.json", {**MANIFEST, absent: None})
    assert error_code(reply) == "bad_request"
    assert call.get("/stacks.json") == []


def test_redeployment_from_start_to_end(fake: FakeCloud66, call: Caller, web: FakeStack) -> None:
    path = f"/stacks/{web.uid}"
    before = call.get(path)
    started = call.send("POST", f"{path}/deployments.json", {"git_ref": "v2.1", "user_reference": "build 7"})
    assert started.keys() == {"ok", "message", "queued", "async_action_id"}
    assert (started["ok"], started["queued"]) == (True, False)
    action_path = f"{path}/actions/{started['async_action_id']}.json"

    running = call.get(action_path)
    assert (running["user"], running["started_via"]) == ("ada@example.com", "api")
    assert running["finished_at"] is running["finished_success"] is running["finished_message"] is None
    assert running["metadata"] == {"user_reference": "build 7"}
    assert (call.get(path)["status"], call.get(path)["is_busy"]) == (6, True)
    deployment = call.get(f"{path}/deployments.json")[0]
    assert (deployment["is_head"], deployment["is_live"], deployment["is_deploying"]) == (True, False, True)
    assert (deployment["git_ref"], deployment["outcome"]["meaning"]) == ("v2.1", "pending")

    fake.clock.advance(60)
    finished = call.get(action_path)
    assert (finished["finished_success"], finished["finished_message"]) == (True, "Completed successfully")
    assert datetime.fromisoformat(finished["finished_at"]) == fake.clock.now().replace(microsecond=0)
    after = call.get(path)
    assert (after["status"], after["is_busy"]) == (1, False)
    assert int(after["revision"]) == int(before["revision"]) + 1
    assert after["updated_at_iso"] == finished["finished_at"]
    deployment = call.get(f"{path}/deployments/{deployment['id']}.json")
    assert (deployment["is_live"], deployment["outcome"]) == (True, {"code": 1, "meaning": "success"})


def test_redeployment_requires_no_body(call: Caller, web: FakeStack) -> None:
    assert call.send("POST", f"/stacks/{web.uid}/deployments.json")["ok"] is True


def test_status_shows_a_failed_deployment(fake: FakeCloud66, call: Caller, web: FakeStack) -> None:
    fake.faults.action_fails()
    call.send("POST", f"/stacks/{web.uid}/deployments.json", {})
    fake.clock.advance(60)
    assert call.get(f"/stacks/{web.uid}.json")["status"] == 2


def test_reference_is_limited_to_255_characters(call: Caller, web: FakeStack) -> None:
    path = f"/stacks/{web.uid}/deployments.json"
    assert call("POST", path, {"user_reference": "x" * 255}).status == 200
    assert error_code(call("POST", path, {"user_reference": "x" * 256})) == "bad_request"


def test_reboot_of_the_servers_is_an_action(call: Caller, web: FakeStack) -> None:
    action = call.send("POST", f"/stacks/{web.uid}/reboot_servers.json", {"strategy": "serial"})
    assert (action["action"], action["resource_type"]) == ("stack_reboot", "stack")
    assert error_code(call("POST", f"/stacks/{web.uid}/reboot_servers.json", {})) == "bad_request"
    assert error_code(call("POST", "/stacks/none/reboot_servers.json", {"strategy": "serial"})) == "not_found"


# --- story ---------------------------------------------------------------------------------------


async def test_all_stacks_are_listed_and_read(connected: Connected) -> None:
    fake, c66 = connected
    listed = await c66.stacks.list()
    assert len(listed) >= 75
    assert len({stack.uid for stack in listed}) == len(listed)
    uids = [stack.uid for stack in listed]
    async with c66.each(c66.stacks.get, uids) as results:
        found = {result.item: result.value async for result in results if isinstance(result, Ok)}
    assert found.keys() == set(uids)
    many = await c66.stacks.get_many(uids)
    assert [stack.uid for stack in many] == uids
    assert many.report.requests < 10
    async with c66.stacks.list().prefetch(3) as items:
        assert [stack.uid async for stack in items] == uids
    assert c66.quota.remaining is not None
    assert fake.calls("stacks.get") >= 75


async def test_list_is_filtered_and_paged(connected: Connected) -> None:
    _, c66 = connected
    production = await c66.stacks.list(environment="production")
    assert production
    assert {stack.environment for stack in production} == {"production"}
    page = await c66.stacks.list().page(2)
    assert (page.number, len(page.items)) == (2, 30)
    assert (await c66.stacks.list().page(99)).items == ()


async def test_servers_of_a_stack_are_rebooted(fake: FakeCloud66, web: FakeStack) -> None:
    async with fake.client() as c66, fake.clock.running():
        started = await c66.stacks.reboot_servers(web.uid, strategy="serial", group="web")
        assert (await c66.stacks.get(web.uid)).is_busy
        assert (await c66.actions.wait(started)).succeeded
        assert not (await c66.stacks.get(web.uid)).is_busy


async def test_missing_and_forbidden_are_different_errors(connected: Connected) -> None:
    fake, c66 = connected
    with pytest.raises(NotFound):
        await c66.stacks.get("no-such-stack")
    with pytest.raises(NotFound, match="no stack has the name"):
        await c66.stacks.find("no such name")
    with pytest.raises(Unauthenticated):
        await c66.using(token="unknown").stacks.list()
    reader = c66.using(token=fake.add_token(scopes=["public"]))
    stack = await reader.stacks.list().first()
    assert stack is not None
    with pytest.raises(Forbidden) as caught:
        await reader.stacks.redeploy(stack.uid)
    assert caught.value.scope == "redeploy"
