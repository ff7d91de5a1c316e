"""Requests without a method of their own, previews, extra headers, and warnings of the API."""

from __future__ import annotations

import json

import pytest

from cloud66_async import Cloud66, ConfigError, NotFound, ServerError, Unauthenticated
from cloud66_async._core import notices
from cloud66_async.errors import Cloud66Warning
from cloud66_async.models import Action, RolloutStrategy
from cloud66_async.sandbox import SandboxServer

from ..sandbox.conftest import server
from ..support import TOKEN, RecordingClock, Script, client, make_error, make_response

__all__ = ["server"]

# --- warnings ------------------------------------------------------------------------------------


async def test_warning_that_is_an_error_loses_no_other_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "_seen", set[str]())
    texts = ["a\x1b[31mb", "c"]
    transport = Script(lambda _: make_response({"response": {"uid": "a"}}, x_cloud66_warning=texts.pop(0)))
    async with client(transport) as c66:
        with pytest.raises(Cloud66Warning, match=r"^a[^\x1b]*b$"):  # as in this test run, where warnings are errors
            await c66.stacks.get("a")
        with pytest.warns(Cloud66Warning, match="^c$"):
            assert (await c66.stacks.get("a")).uid == "a"


# --- requests without a method -------------------------------------------------------------------


async def test_request_returns_the_data_without_its_envelope() -> None:
    transport = Script(make_response({"response": {"a": [1]}}), make_response([1]), make_response(b""))
    async with client(transport) as c66:
        found = [
            await c66.request("get", "/a%20b/c.json", query={"q": "x y", "on": True, "none": None}),
            await c66.request("PUT", "/a.json", json=[1, {"b": None}]),
            await c66.request("DELETE", "/a.json"),
        ]
    assert [response.data for response in found] == [{"a": [1]}, [1], None]
    assert [(request.method, request.body) for request in transport.requests] == [
        ("GET", None), ("PUT", b'[1,{"b":null}]'), ("DELETE", None),
    ]  # fmt: skip
    assert transport.targets[0] == "/a%20b/c.json?q=x+y&on=true"


async def test_request_has_headers_of_its_own() -> None:
    transport = Script()
    async with client(transport, headers={"X-Team": "a", "User-Agent": "mine"}, account=7) as c66:
        await c66.request("GET", "/a.json", headers={"X-Run": "1"})
        await c66.using(headers={}).stacks.get("a")
    first, second = (dict(request.headers.pairs) for request in transport.requests)
    assert (first["X-Team"], first["X-Run"], first["User-Agent"], first["X-Account"]) == ("a", "1", "mine", "7")
    assert second["User-Agent"].startswith("cloud66-async/")
    assert second.keys() == {"Accept", "Accept-Encoding", "User-Agent", "Authorization", "X-Account"}


@pytest.mark.parametrize("name", ["Authorization", "host", "Content-Length", "X-Account", "a b", "", "a\r\nb"])
def test_reserved_and_invalid_headers_are_rejected(name: str) -> None:
    with pytest.raises(ConfigError, match="invalid header") as caught:
        Cloud66(TOKEN, headers={name: "hush"})
    assert "hush" not in str(caught.value)
    with pytest.raises(ConfigError, match="invalid header 'a'"):
        Cloud66(TOKEN, headers={"a": "x\r\nb: c"})


@pytest.mark.parametrize(
    ("method", "path"),
    [("TRACE", "/a"), ("G ET", "/a"), ("GET", "a"), ("GET", "https://x/a"), ("GET", "//x/a"), ("GET", "/a/../b"),
     ("GET", "/a/%2e%2E/b"), ("GET", "/a?b=c"), ("GET", "/a#b"), ("GET", "/a b"), ("GET", "/ä"), ("GET", "/"),
     ("GET", "")],
)  # fmt: skip
async def test_request_that_cannot_be_sent_is_rejected(method: str, path: str) -> None:
    async with client(Script()) as c66:
        with pytest.raises(ValueError, match=r"invalid (method|path)"):
            await c66.request(method, path)


async def test_errors_and_retries_of_a_request_are_those_of_other_calls(recorder: RecordingClock) -> None:
    transport = Script(make_error(500), make_response({"response": 1}), make_error(404, "not_found"), make_error(500))
    async with client(transport, clock=recorder) as c66:
        assert (await c66.request("GET", "/a.json")).data == 1
        with pytest.raises(NotFound, match=r"404 for GET /b/c\.json"):
            await c66.request("GET", "/b/c.json")
        with pytest.raises(ServerError):
            await c66.request("POST", "/a.json")
    assert len(transport.requests) == 4


# --- previews ------------------------------------------------------------------------------------


async def test_preview_shows_the_request_and_sends_nothing() -> None:
    transport = Script()
    async with client(transport, url="http://127.0.0.1:1/base") as c66:
        found = c66.preview(c66.stacks.redeploy, "a/b", git_ref="v2", rollout_strategy=RolloutStrategy.CANARY)
    assert (found.method, found.scope, found.asynchronous) == ("POST", "redeploy", True)
    assert found.url == "http://127.0.0.1:1/base/api/3/stacks/a%2Fb/deployments.json"
    assert found.body.pop("user_reference")
    assert found.body == {"git_ref": "v2", "rollout_strategy": "canary"}
    assert transport.requests == []


async def test_preview_of_a_list_and_of_a_read() -> None:
    async with client(Script()) as c66:
        listed = c66.preview(c66.stacks.list, environment="qa")
        read = c66.preview(c66.stacks.get, "a")
    assert str(listed).endswith("/api/3/stacks.json?filter_environment=qa&page=1\nscope: public")
    assert (read.method, read.body, read.asynchronous) == ("GET", None, False)


async def test_preview_masks_secrets() -> None:
    async with client(Script()) as c66:
        found = c66.preview(c66.environment_variables.create, "a", "K", value="hush")
    assert found.body == {"key": "K", "value": "********"}
    assert "hush" not in f"{found} {found!r}"


async def test_preview_of_what_cannot_be_previewed() -> None:
    async with client(Script()) as c66:
        with pytest.raises(TypeError, match="preview expects a method of a resource"):
            c66.preview(len, "a")
        with pytest.raises(TypeError, match="missing 1 required positional argument"):
            c66.preview(c66.stacks.get)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
        with pytest.raises(ValueError, match="invalid apply_strategy"):
            c66.preview(c66.environment_variables.create, "a", "K", value="v", apply_strategy="now")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        with pytest.raises(ValueError, match="follow sends no request of its own"):
            c66.preview(c66.actions.follow, Action(id=1, stack="a"))


# --- streams -------------------------------------------------------------------------------------


async def test_response_is_streamed(server: SandboxServer) -> None:
    for pool in ("own", "httpx"):
        async with Cloud66(server.fake.add_token(), url=server.url, pool=pool) as c66:
            async with c66.stream("GET", "/stacks.json", query={"page": 2}, headers={"X-Run": "1"}) as response:
                body = b"".join([part async for part in response])
            assert (response.status, len(json.loads(body)["response"])) == (200, 30)
            assert c66.quota.remaining is not None
            with pytest.raises(NotFound, match="no such stack"):
                async with c66.stream("GET", "/stacks/none.json"):
                    pass


async def test_stream_counts_and_authenticates_like_other_calls(server: SandboxServer) -> None:
    async with Cloud66("unknown", url=server.url) as c66:
        with pytest.raises(Unauthenticated):
            async with c66.stream("GET", "/stacks.json"):
                pass
