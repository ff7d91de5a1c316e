"""What all operations of the sandbox's API have in common."""

from __future__ import annotations

import json

import pytest

from cloud66_async.resources import operations
from cloud66_async.sandbox import FakeCloud66, FakeStack, Request

from .caller import Caller, error_code

# --- authentication and permissions --------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer wrong", "Basic {}", "{}", "Token {}", "Bearer {} {}"],
)
def test_invalid_token_gets_an_empty_401(call: Caller, header: str) -> None:
    text = header.replace("{}", call.token.reveal())
    reply = call("GET", "/stacks.json", headers={"authorization": text})
    assert (reply.status, reply.body) == (401, b"")
    assert reply.header("content-type") == "text/html"
    assert 'error="invalid_token"' in (reply.header("www-authenticate") or "")
    assert reply.header("x-ratelimit-remaining") is None


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_scheme_is_not_case_sensitive(call: Caller, scheme: str) -> None:
    assert call("GET", "/stacks.json", headers={"authorization": f"{scheme} {call.token.reveal()}"}).status == 200


def test_revoked_token_is_described(fake: FakeCloud66, call: Caller) -> None:
    fake.revoke(call.token)
    assert "revoked" in (call("GET", "/ping/auth.json").header("www-authenticate") or "")


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
            assert error_code(reply) == "forbidden"
            assert f"does not have the scope {scope}" in json.loads(reply.body)["details"]
            assert f'scope="{scope}"' in (reply.header("www-authenticate") or "")


def test_users_have_access_to_the_stacks_of_their_accounts_only(fake: FakeCloud66, web: FakeStack) -> None:
    other = fake.add_stack("other", account=2)
    call = Caller(fake, fake.add_token(fake.add_user("bo@example.com", accounts=[2])))
    assert [stack["name"] for stack in call.get("/stacks.json")] == ["other"]
    assert call("GET", f"/stacks/{web.uid}.json").status == 404
    assert call("GET", f"/stacks/{web.uid}/servers.json").status == 404
    assert call("GET", f"/stacks/{other.uid}.json").status == 200


def test_account_header_selects_one_account(fake: FakeCloud66, web: FakeStack) -> None:
    fake.add_stack("other", account=2)
    call = Caller(fake, fake.add_token(fake.add_user("bo@example.com", accounts=[1, 2])))
    assert [stack["name"] for stack in call.get("/stacks.json")] == ["web", "other"]
    selected = call("GET", "/stacks.json", headers={"x-account": "2"})
    assert [stack["name"] for stack in json.loads(selected.body)["response"]] == ["other"]
    for wrong in ("3", "", "x", "1 2"):
        assert error_code(call("GET", "/stacks.json", headers={"x-account": wrong})) == "forbidden"


# --- quota ---------------------------------------------------------------------------------------


def test_quota_is_counted_per_user() -> None:
    fake = FakeCloud66(hourly_limit=3)
    ada, also_ada, grace = (Caller(fake, fake.add_token(user)) for user in (None, None, "grace@example.com"))
    replies = [caller("GET", "/stacks.json") for caller in (ada, also_ada, ada, ada, grace)]
    assert [reply.status for reply in replies] == [200, 200, 200, 503, 200]
    assert [reply.header("x-ratelimit-remaining") for reply in replies] == ["2", "1", "0", "0", "2"]
    assert {reply.header("x-ratelimit-limit") for reply in replies} == {"3"}
    assert error_code(replies[3]) == "throttled"


def test_quota_resets_at_the_full_hour() -> None:
    fake = FakeCloud66(hourly_limit=1)
    call = Caller(fake)
    now = fake.clock.now()
    until = 3600 - now.minute * 60 - now.second
    assert call("GET", "/stacks.json").status == 200
    fake.clock.advance(until - 1)
    assert call("GET", "/stacks.json").status == 503
    fake.clock.advance(1)
    assert call("GET", "/stacks.json").status == 200


def test_errors_are_counted_too(call: Caller) -> None:
    assert call("GET", "/nothing.json").header("x-ratelimit-remaining") == "3599"
    assert call("GET", "/stacks/none.json").header("x-ratelimit-remaining") == "3598"


# --- envelope and pages --------------------------------------------------------------------------


def test_pages(fake: FakeCloud66, call: Caller) -> None:
    fake.seed(65)
    pages = [json.loads(call("GET", "/stacks.json", page=page).body) for page in (1, 2, 3, 4)]
    assert [len(page["response"]) for page in pages] == [30, 30, 5, 0]
    assert [page["pagination"] for page in pages[:3]] == [
        {"previous": None, "next": 2, "current": 1, "per_page": 30, "count": 65, "pages": 3},
        {"previous": 1, "next": 3, "current": 2, "per_page": 30, "count": 65, "pages": 3},
        {"previous": 2, "next": None, "current": 3, "per_page": 30, "count": 65, "pages": 3},
    ]
    assert pages[3]["pagination"]["next"] is None
    uids = [stack["uid"] for page in pages for stack in page["response"]]
    assert len(set(uids)) == 65


def test_empty_list_is_one_empty_page(call: Caller) -> None:
    assert json.loads(call("GET", "/stacks.json").body) == {
        "response": [],
        "count": 0,
        "pagination": {"previous": None, "next": None, "current": 1, "per_page": 30, "count": 0, "pages": 0},
    }


@pytest.mark.parametrize("page", ["0", "-1", "x", "1.5"])
def test_page_must_be_a_number_from_one(call: Caller, page: str) -> None:
    assert error_code(call("GET", "/stacks.json", page=page)) == "bad_request"


def test_request_id_is_returned(call: Caller) -> None:
    assert call("GET", "/stacks.json", headers={"request-id": "abc"}).header("request-id") == "abc"
    assert call("GET", "/stacks.json").header("request-id") is None


# --- paths and bodies ----------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/stacks/{}.json", "/stacks/{}", "/stacks/{}.json/", "/stacks/{}/"])
def test_suffix_is_optional(call: Caller, web: FakeStack, path: str) -> None:
    assert call.get(path.format(web.uid))["uid"] == web.uid


@pytest.mark.parametrize("path", ["/", "//", "/stacks/none/nothing.json", "/stacks/a/b/c/d", "/stacks/"])
def test_unknown_paths(call: Caller, path: str) -> None:
    if path == "/stacks/":
        assert call("GET", path).status == 200  # the list, with a final slash
    else:
        reply = call("GET", path)
        assert (reply.status, error_code(reply)) == (503, "not_implemented")


@pytest.mark.parametrize("uid", ["%2E%2E", "a%2Fb", "%00", "%C3%A9", "%7B%7D", "{}", "x" * 4000])
def test_unusual_uids_are_not_found(call: Caller, uid: str) -> None:
    assert error_code(call("GET", f"/stacks/{uid}.json")) == "not_found"


def test_bodies_are_json_or_form_encoded(call: Caller, web: FakeStack) -> None:
    path = f"/stacks/{web.uid}/deployments.json"
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert call("POST", path, b"git_ref=v1", form).status == 200
    assert call.get(path)[0]["git_ref"] == "v1"
    for wrong in (b"{", b"[]", b"null", b'"text"', b"\xff"):
        assert error_code(call("POST", path, wrong)) == "bad_request"


def test_every_operation_but_one_requires_a_token(fake: FakeCloud66) -> None:
    public = set[str]()
    for name, operation in operations():
        target = "/api/3" + operation.path.replace("{", "").replace("}", "")
        if fake.handle(Request(operation.method, target)).status != 401:
            public.add(name)
    assert public == {"ping.check"}
