"""The API of the sandbox, answer by answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import attrs
import pytest

from cloud66_async.operation import Operation
from cloud66_async.resources.actions import Action
from cloud66_async.resources.deployments import Deployment
from cloud66_async.resources.servers import Server
from cloud66_async.resources.stacks import Stack
from cloud66_async.sandbox import FakeCloud66, FakeStack, Reply, Request
from cloud66_async.sandbox.handlers import HANDLERS
from cloud66_async.sandbox.routes import find, routes
from cloud66_async.token import Token


class Caller:
    """Somebody with a token."""

    def __init__(self, fake: FakeCloud66, token: Token | None = None) -> None:
        self.fake = fake
        self.token = token or fake.add_token()

    def __call__(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None, **query: object
    ) -> Reply:
        target = f"/api/3{path}" + (f"?{urlencode(query)}" if query else "")
        sent = {"authorization": f"Bearer {self.token.reveal()}", **(headers or {})}
        if body is None:
            return self.fake.handle(Request(method, target, sent))
        sent.setdefault("content-type", "application/json")
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.fake.handle(Request(method, target, sent, data))

    def read(self, path: str, **query: object) -> Any:
        reply = self("GET", path, None, None, **query)
        assert reply.status == 200, reply
        return json.loads(reply.body)["response"]

    def do(self, method: str, path: str, body: object = None) -> Any:
        reply = self(method, path, body)
        assert reply.status == 200, reply
        return json.loads(reply.body)["response"]


def error(reply: Reply) -> str:
    found = json.loads(reply.body)
    assert found.keys() == {"error", "error_description", "details"}
    return str(found["error"])


@pytest.fixture
def fake() -> FakeCloud66:
    return FakeCloud66()


@pytest.fixture
def call(fake: FakeCloud66) -> Caller:
    return Caller(fake)


@pytest.fixture
def web(fake: FakeCloud66) -> FakeStack:
    return fake.add_stack("web")


# --- who may ask ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer wrong", "Basic {}", "{}", "Token {}", "Bearer {} {}"],
)
def test_without_a_good_token_the_answer_is_empty(call: Caller, header: str) -> None:
    text = header.replace("{}", call.token.reveal())
    reply = call("GET", "/stacks.json", headers={"authorization": text})
    assert (reply.status, reply.body) == (401, b"")
    assert reply.header("content-type") == "text/html"
    assert 'error="invalid_token"' in (reply.header("www-authenticate") or "")
    assert reply.header("x-ratelimit-remaining") is None


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_known_in_any_case(call: Caller, scheme: str) -> None:
    assert call("GET", "/stacks.json", headers={"authorization": f"{scheme} {call.token.reveal()}"}).status == 200


def test_a_revoked_token_says_so(fake: FakeCloud66, call: Caller) -> None:
    fake.revoke(call.token)
    assert "revoked" in (call("GET", "/ping/auth.json").header("www-authenticate") or "")


def test_ping_needs_no_token(fake: FakeCloud66, call: Caller) -> None:
    reply = fake.handle(Request("GET", "/api/3/ping.json"))
    assert json.loads(reply.body) == {"response": {"ok": True, "message": "pong"}}
    assert fake.handle(Request("GET", "/api/3/ping/auth.json")).status == 401
    assert call.read("/ping/auth.json")["ok"] is True


@pytest.mark.parametrize(
    ("scopes", "read", "write"),
    [(("public",), 200, 403), (("public", "redeploy"), 200, 200), (("redeploy",), 403, 200), (("admin",), 403, 403)],
)
def test_scopes(fake: FakeCloud66, web: FakeStack, scopes: tuple[str, ...], read: int, write: int) -> None:
    call = Caller(fake, fake.add_token(scopes=scopes))
    replies = call("GET", f"/stacks/{web.uid}.json"), call("POST", f"/stacks/{web.uid}/deployments.json", {})
    assert [reply.status for reply in replies] == [read, write]
    for reply, scope in zip(replies, ("public", "redeploy"), strict=True):
        if reply.status == 403:
            assert reply.body == b""
            assert f'scope="{scope}"' in (reply.header("www-authenticate") or "")


def test_a_user_sees_the_stacks_of_the_accounts_alone(fake: FakeCloud66, web: FakeStack) -> None:
    other = fake.add_stack("other", account=2)
    grace = Caller(fake, fake.add_token(fake.add_user("bo@example.com", accounts=[2])))
    assert [stack["name"] for stack in grace.read("/stacks.json")] == ["other"]
    assert grace("GET", f"/stacks/{web.uid}.json").status == 404
    assert grace("GET", f"/stacks/{web.uid}/servers.json").status == 404
    assert grace("GET", f"/stacks/{other.uid}.json").status == 200


def test_an_account_can_be_picked(fake: FakeCloud66, web: FakeStack) -> None:
    fake.add_stack("other", account=2)
    call = Caller(fake, fake.add_token(fake.add_user("bo@example.com", accounts=[1, 2])))
    assert [stack["name"] for stack in call.read("/stacks.json")] == ["web", "other"]
    picked = call("GET", "/stacks.json", headers={"x-account": "2"})
    assert [stack["name"] for stack in json.loads(picked.body)["response"]] == ["other"]
    for wrong in ("3", "", "x", "1 2"):
        assert error(call("GET", "/stacks.json", headers={"x-account": wrong})) == "forbidden"


# --- how often -----------------------------------------------------------------------------------


def test_the_hours_requests_are_counted_per_user() -> None:
    fake = FakeCloud66(hourly_limit=3)
    ada, also_ada, grace = (Caller(fake, fake.add_token(user)) for user in (None, None, "grace@example.com"))
    replies = [caller("GET", "/stacks.json") for caller in (ada, also_ada, ada, ada, grace)]
    assert [reply.status for reply in replies] == [200, 200, 200, 503, 200]
    assert [reply.header("x-ratelimit-remaining") for reply in replies] == ["2", "1", "0", "0", "2"]
    assert {reply.header("x-ratelimit-limit") for reply in replies} == {"3"}
    assert error(replies[3]) == "throttled"


def test_the_count_begins_anew_at_the_full_hour() -> None:
    fake = FakeCloud66(hourly_limit=1)
    call = Caller(fake)
    now = fake.clock.now()
    until = 3600 - now.minute * 60 - now.second
    assert call("GET", "/stacks.json").status == 200
    fake.clock.advance(until - 1)
    assert call("GET", "/stacks.json").status == 503
    fake.clock.advance(1)
    assert call("GET", "/stacks.json").status == 200


def test_refusals_count_too(fake: FakeCloud66, call: Caller) -> None:
    assert call("GET", "/nothing.json").header("x-ratelimit-remaining") == "3599"
    assert call("GET", "/stacks/none.json").header("x-ratelimit-remaining") == "3598"


# --- envelope and pages --------------------------------------------------------------------------


def test_pages(fake: FakeCloud66, call: Caller) -> None:
    fake.seed(65)
    shown = [json.loads(call("GET", "/stacks.json", page=page).body) for page in (1, 2, 3, 4)]
    assert [len(page["response"]) for page in shown] == [30, 30, 5, 0]
    assert [page["pagination"] for page in shown[:3]] == [
        {"previous": None, "next": 2, "current": 1, "per_page": 30, "count": 65, "pages": 3},
        {"previous": 1, "next": 3, "current": 2, "per_page": 30, "count": 65, "pages": 3},
        {"previous": 2, "next": None, "current": 3, "per_page": 30, "count": 65, "pages": 3},
    ]
    assert shown[3]["pagination"]["next"] is None
    uids = [stack["uid"] for page in shown for stack in page["response"]]
    assert len(set(uids)) == 65


def test_no_items_are_one_empty_page(call: Caller) -> None:
    assert json.loads(call("GET", "/stacks.json").body) == {
        "response": [],
        "count": 0,
        "pagination": {"previous": None, "next": None, "current": 1, "per_page": 30, "count": 0, "pages": 0},
    }


@pytest.mark.parametrize("page", ["0", "-1", "x", "1.5"])
def test_a_page_is_a_number_from_one(call: Caller, page: str) -> None:
    assert error(call("GET", "/stacks.json", page=page)) == "bad_request"


def test_the_request_id_comes_back(call: Caller) -> None:
    assert call("GET", "/stacks.json", headers={"request-id": "abc"}).header("request-id") == "abc"
    assert call("GET", "/stacks.json").header("request-id") is None


# --- paths ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/stacks/{}.json", "/stacks/{}", "/stacks/{}.json/", "/stacks/{}/"])
def test_the_suffix_is_optional(call: Caller, web: FakeStack, path: str) -> None:
    assert call.read(path.format(web.uid))["uid"] == web.uid


@pytest.mark.parametrize("path", ["/", "//", "/stacks/none/nothing.json", "/stacks/a/b/c/d", "/stacks/"])
def test_unknown_paths(call: Caller, path: str) -> None:
    if path == "/stacks/":
        assert call("GET", path).status == 200  # the list, with a slash at its end
    else:
        assert error(call("GET", path)) == "not_found"


@pytest.mark.parametrize("uid", ["%2E%2E", "a%2Fb", "%00", "%C3%A9", "x" * 4000])
def test_odd_uids_are_only_unknown(call: Caller, uid: str) -> None:
    assert error(call("GET", f"/stacks/{uid}.json")) == "not_found"


def test_values_in_paths_are_decoded() -> None:
    found = find("GET", "/stacks/a%2Fb%20c.json")
    assert found is not None
    assert found[1] == ("a/b c",)


def test_every_operation_of_the_sdk_has_a_route() -> None:
    from cloud66_async.resources import actions, deployments, servers, stacks

    known = {name for route in routes() for name in route.names}
    for module in (actions, deployments, servers, stacks):
        for name, operation in vars(module).items():
            if isinstance(operation, Operation):
                label = f"{module.__name__.rpartition('.')[2]}.{name.lower()}"
                assert label in known


def test_what_has_a_route_but_no_handler_is_not_implemented(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(HANDLERS, "GET /stacks.json")
    reply = call("GET", "/stacks.json")
    assert (reply.status, error(reply)) == (503, "not_implemented")


# --- stacks --------------------------------------------------------------------------------------


def names(model: type[attrs.AttrsInstance], *without: str) -> set[str]:
    return {field.name for field in attrs.fields(model)} - set(without)


def test_every_field_of_the_models_is_there(fake: FakeCloud66, call: Caller) -> None:
    stack = fake.seed(1)[0]
    fake.world.deploy(stack, user="ada@example.com")
    fake.world.act(stack, "restart", user="ada@example.com")
    where = f"/stacks/{stack.uid}"
    assert call.read(where).keys() == names(Stack)
    assert call.read(f"{where}/actions")[0].keys() == names(Action, "stack")
    assert call.read(f"{where}/deployments")[0].keys() == names(Deployment)
    server = call.read(f"{where}/servers")[0]
    assert server.keys() == names(Server, "private_key", "ssh_private_key")
    shown = call.read(f"{where}/servers/{server['uid']}", include_private_key=1)
    assert shown.keys() == names(Server, "private_key")
    assert shown["ssh_private_key"].startswith("-----BEGIN")


def test_both_spellings_of_a_date(call: Caller, web: FakeStack) -> None:
    stack = call.read(f"/stacks/{web.uid}.json")
    for name in ("created_at", "updated_at"):
        spelled = datetime.strptime(stack[name], "%Y-%m-%d %H:%M:%S UTC")  # noqa: DTZ007  the zone is in the text
        assert spelled == datetime.strptime(stack[f"{name}_iso"], "%Y-%m-%dT%H:%M:%SZ")  # noqa: DTZ007
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
    assert [stack["name"] for stack in call.read("/stacks.json", **query)] == found


def test_seeding_is_varied_and_the_same_each_time() -> None:
    first, second = FakeCloud66(), FakeCloud66()
    stacks = first.seed()
    assert [stack.shown(first.clock.now()) for stack in stacks] == [
        stack.shown(second.clock.now()) for stack in second.seed()
    ]
    assert len({stack.uid for stack in stacks}) == 600
    assert len({(stack.name, stack.data["environment"]) for stack in stacks}) == 600
    counts = {name: len({str(stack.data[name]) for stack in stacks}) for name in ("environment", "health", "cloud")}
    assert counts == {"environment": 5, "health": 5, "cloud": 7}
    assert {stack.data["status"] for stack in stacks} == set(range(8))
    assert {len(stack.servers) for stack in stacks} == {1, 2, 3, 4}
    assert [stack.servers for stack in stacks[:9]] == [stack.servers for stack in second.world.visible([1])[:9]]


def test_seeding_twice_adds_more(fake: FakeCloud66, call: Caller) -> None:
    fake.seed(10)
    fake.seed(10)
    assert len({stack["uid"] for stack in call.read("/stacks.json")}) == 20


def test_seeded_deployments_end(fake: FakeCloud66, call: Caller) -> None:
    busy = [stack for stack in fake.seed(100) if stack.shown(fake.clock.now())["is_busy"]]
    assert busy
    fake.clock.advance(1200)
    for stack in busy:
        shown = call.read(f"/stacks/{stack.uid}.json")
        assert (shown["is_busy"], shown["status"]) == (False, 1)


def test_fields_of_a_stack_can_be_set_and_changed(fake: FakeCloud66, call: Caller) -> None:
    stack = fake.add_stack("web", fields={"health": 4})
    assert call.read(f"/stacks/{stack.uid}.json")["health"] == 4
    stack.change({"health": 2})
    assert call.read(f"/stacks/{stack.uid}.json")["health"] == 2
    for wrong in ({"colour": "red"}, {"uid": "x"}, {"account_id": 2}):
        with pytest.raises(KeyError, match=next(iter(wrong))):
            stack.change(wrong)


MANIFEST = {"name": "new", "environment": "qa", "service_yaml": "services: {}", "manifest_yaml": "docker: {}"}
SIZED = {"cloud": "aws", "region": "eu-west-1", "size": "t3.small", "build_type": "single"}


@pytest.mark.parametrize("change", [{}, {"manifest_yaml": None, **SIZED}], ids=["manifest", "cloud"])
def test_a_stack_is_created_by_an_action(fake: FakeCloud66, call: Caller, change: dict[str, object]) -> None:
    action = call.do("POST", "/stacks.json", {**MANIFEST, **change})
    assert (action["action"], action["finished_at"]) == ("stack_create", None)
    (stack,) = call.read("/stacks.json")
    assert (stack["name"], stack["environment"], stack["is_busy"], stack["status"]) == ("new", "qa", True, 6)
    fake.clock.advance(60)
    (stack,) = call.read("/stacks.json")
    assert (stack["status"], stack["health"], stack["is_busy"]) == (1, 3, False)
    (deployment,) = call.read(f"/stacks/{stack['uid']}/deployments.json")
    assert deployment["deploy_type"] == {"code": 3, "meaning": "first_build"}


@pytest.mark.parametrize("absent", ["name", "environment", "service_yaml", "manifest_yaml"])
def test_a_stack_needs_all_its_parts(call: Caller, absent: str) -> None:
    reply = call("POST", "/stacks.json", {**MANIFEST, absent: ""})
    assert error(reply) == "bad_request"
    assert call.read("/stacks.json") == []


# --- deployments and actions ---------------------------------------------------------------------


def test_the_life_of_a_redeployment(fake: FakeCloud66, call: Caller, web: FakeStack) -> None:
    where = f"/stacks/{web.uid}"
    before = call.read(where)
    started = call.do("POST", f"{where}/deployments.json", {"git_ref": "v2.1", "user_reference": "build 7"})
    assert started.keys() == {"ok", "message", "queued", "async_action_id"}
    assert (started["ok"], started["queued"]) == (True, False)
    action_path = f"{where}/actions/{started['async_action_id']}.json"

    running = call.read(action_path)
    assert (running["user"], running["started_via"]) == ("ada@example.com", "api")
    assert running["finished_at"] is running["finished_success"] is running["finished_message"] is None
    assert running["metadata"] == {"user_reference": "build 7"}
    assert (call.read(where)["status"], call.read(where)["is_busy"]) == (6, True)
    deployment = call.read(f"{where}/deployments.json")[0]
    assert (deployment["is_head"], deployment["is_live"], deployment["is_deploying"]) == (True, False, True)
    assert (deployment["git_ref"], deployment["outcome"]["meaning"]) == ("v2.1", "pending")

    fake.clock.advance(60)
    finished = call.read(action_path)
    assert (finished["finished_success"], finished["finished_message"]) == (True, "Finished")
    assert datetime.fromisoformat(finished["finished_at"]) == fake.clock.now().replace(microsecond=0)
    after = call.read(where)
    assert (after["status"], after["is_busy"]) == (1, False)
    assert int(after["revision"]) == int(before["revision"]) + 1
    assert after["updated_at_iso"] == finished["finished_at"]
    deployment = call.read(f"{where}/deployments/{deployment['id']}.json")
    assert (deployment["is_live"], deployment["outcome"]) == (True, {"code": 1, "meaning": "success"})


def test_a_second_redeployment_waits(fake: FakeCloud66, call: Caller, web: FakeStack) -> None:
    where = f"/stacks/{web.uid}"
    first, second, third = (call.do("POST", f"{where}/deployments.json", {}) for _ in range(3))
    assert [started["queued"] for started in (first, second, third)] == [False, True, True]
    ends: list[list[bool]] = []
    for _ in range(4):
        ends.append(
            [
                call.read(f"{where}/actions/{started['async_action_id']}.json")["finished_at"] is not None
                for started in (first, second, third)
            ]
        )
        fake.clock.advance(60)
    assert ends == [[False, False, False], [True, False, False], [True, True, False], [True, True, True]]


def test_a_cancelled_deployment_lets_the_next_one_run(fake: FakeCloud66, call: Caller, web: FakeStack) -> None:
    where = f"/stacks/{web.uid}"
    for _ in range(3):
        call.do("POST", f"{where}/deployments.json", {})
    third, second, first = call.read(f"{where}/deployments.json")[:3]
    fake.clock.advance(20)
    assert call.do("DELETE", f"{where}/deployments/{second['id']}.json")["ok"] is True
    assert call.do("DELETE", f"{where}/deployments/{first['id']}.json")["ok"] is True
    third, second, first = call.read(f"{where}/deployments.json")[:3]
    assert [item["outcome"]["meaning"] for item in (first, second, third)] == ["failed", "failed", "pending"]
    assert [item["is_deploying"] for item in (first, second, third)] == [False, False, True]
    fake.clock.advance(60)
    assert call.read(where)["status"] == 1
    assert error(call("DELETE", f"{where}/deployments/{third['id']}.json")) == "conflict"


def test_an_action_that_fails(fake: FakeCloud66, call: Caller, web: FakeStack) -> None:
    where = f"/stacks/{web.uid}"
    fake.faults.action_fails(message="Out of disk", action="application_deployment")
    assert call.do("POST", f"{where}/actions.json", {"command": "restart"})["finished_at"] is None
    failing, succeeding = (call.do("POST", f"{where}/deployments.json", {})["async_action_id"] for _ in range(2))
    fake.clock.advance(60)
    failed = call.read(f"{where}/actions/{failing}.json")
    assert (failed["finished_success"], failed["finished_message"]) == (False, "Out of disk")
    fake.clock.advance(60)
    assert call.read(f"{where}/actions/{succeeding}.json")["finished_success"] is True


def test_a_failed_deployment_shows_on_the_stack(fake: FakeCloud66, call: Caller, web: FakeStack) -> None:
    fake.faults.action_fails()
    call.do("POST", f"/stacks/{web.uid}/deployments.json", {})
    fake.clock.advance(60)
    assert call.read(f"/stacks/{web.uid}.json")["status"] == 2


def test_actions_are_found_by_reference(call: Caller, web: FakeStack) -> None:
    where = f"/stacks/{web.uid}"
    for reference in ("a", "b", "a"):
        call.do("POST", f"{where}/deployments.json", {"user_reference": reference})
    found = call.read(f"{where}/actions.json", user_reference="a")
    assert [action["metadata"] for action in found] == [{"user_reference": "a"}] * 2
    assert len(call.read(f"{where}/actions.json")) >= 3


def test_a_reference_has_a_longest_size(call: Caller, web: FakeStack) -> None:
    path = f"/stacks/{web.uid}/deployments.json"
    assert call("POST", path, {"user_reference": "x" * 255}).status == 200
    assert error(call("POST", path, {"user_reference": "x" * 256})) == "bad_request"


def test_bodies_come_as_json_or_as_a_form(call: Caller, web: FakeStack) -> None:
    path = f"/stacks/{web.uid}/deployments.json"
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert call("POST", path, b"git_ref=v1", form).status == 200
    assert call.read(path)[0]["git_ref"] == "v1"
    for wrong in (b"{", b"[]", b"null", b'"text"', b"\xff"):
        assert error(call("POST", path, wrong)) == "bad_request"


@pytest.mark.parametrize("kind", ["deployments", "actions"])
@pytest.mark.parametrize("number", ["0", "x", "99999999999"])
def test_an_unknown_number_is_not_found(call: Caller, web: FakeStack, kind: str, number: str) -> None:
    assert error(call("GET", f"/stacks/{web.uid}/{kind}/{number}.json")) == "not_found"


def test_a_command_of_another_stack_is_not_found(fake: FakeCloud66, call: Caller, web: FakeStack) -> None:
    other = fake.add_stack("other")
    number = call.do("POST", f"/stacks/{web.uid}/deployments.json", {})["async_action_id"]
    assert error(call("GET", f"/stacks/{other.uid}/actions/{number}.json")) == "not_found"


def test_the_history_of_a_stack_is_consistent(fake: FakeCloud66, call: Caller) -> None:
    numbers: list[int] = []
    for stack in fake.seed(60):
        deployments = call.read(f"/stacks/{stack.uid}/deployments.json")
        numbers += [item["id"] for item in deployments]
        assert sorted(deployments, key=lambda item: item["id"], reverse=True) == deployments
        assert [item["is_head"] for item in deployments] == [place == 0 for place in range(len(deployments))]
        assert sum(item["is_live"] for item in deployments) <= 1
        for item in deployments:
            assert item["finished_at"] is None or item["started_at"] < item["finished_at"]
    assert len(set(numbers)) == len(numbers) > 60


# --- servers -------------------------------------------------------------------------------------


def test_servers_belong_to_their_stack(fake: FakeCloud66, call: Caller, web: FakeStack) -> None:
    servers = call.read(f"/stacks/{web.uid}/servers.json")
    assert {server["stack_uid"] for server in servers} == {web.uid}
    other = fake.add_stack("other")
    assert error(call("GET", f"/stacks/{other.uid}/servers/{servers[0]['uid']}.json")) == "not_found"


def test_a_private_key_comes_only_where_it_is_asked_for(call: Caller, web: FakeStack) -> None:
    path = f"/stacks/{web.uid}/servers/{web.servers[0]['uid']}.json"
    assert "ssh_private_key" not in call.read(path)
    assert "ssh_private_key" not in call.read(path, include_private_key=0)
    assert "ssh_private_key" in call.read(path, include_private_key=1)


# --- commands ------------------------------------------------------------------------------------


def test_a_command_becomes_an_action(fake: FakeCloud66, call: Caller, web: FakeStack) -> None:
    where = f"/stacks/{web.uid}"
    action = call.do("POST", f"{where}/actions.json", {"command": "clear_caches"})
    assert (action["action"], action["resource_type"]) == ("clear_caches", "stack")
    assert (call.read(where)["is_busy"], call.read(where)["status"]) == (True, 1)
    fake.clock.advance(60)
    assert call.read(f"{where}/actions/{action['id']}.json")["finished_success"] is True
    assert call.read(where)["is_busy"] is False
    assert error(call("POST", f"{where}/actions.json", {"command": "dance"})) == "bad_request"
    assert error(call("POST", f"{where}/actions.json", {})) == "bad_request"


def test_maintenance_mode_is_switched(call: Caller, web: FakeStack) -> None:
    for value in (1, 0):
        call.do("POST", f"/stacks/{web.uid}/actions.json", {"command": "maintenance_mode", "value": value})
        assert call.read(f"/stacks/{web.uid}")["maintenance_mode"] is bool(value)


def test_reboots_are_actions(call: Caller, web: FakeStack) -> None:
    server = web.servers[0]["uid"]
    action = call.do("POST", f"/stacks/{web.uid}/servers/{server}/reboot_server.json")
    assert (action["resource_type"], action["resource_id"]) == ("server", server)
    assert error(call("POST", f"/stacks/{web.uid}/servers/none/reboot_server.json")) == "not_found"
    action = call.do("POST", f"/stacks/{web.uid}/reboot_servers.json", {"strategy": "serial"})
    assert action["action"] == "stack_reboot"
    assert error(call("POST", f"/stacks/{web.uid}/reboot_servers.json", {})) == "bad_request"


def test_every_handler_is_reached_by_a_route() -> None:
    assert {route.key for route in routes()} >= HANDLERS.keys()


def test_a_redeployment_needs_no_body(call: Caller, web: FakeStack) -> None:
    assert call.do("POST", f"/stacks/{web.uid}/deployments.json")["ok"] is True
