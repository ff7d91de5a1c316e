from __future__ import annotations

import asyncio
import gc
import json
import ssl
import traceback
import warnings
from pathlib import Path
from typing import Any

import pytest

from cloud66_async import Cloud66, ConfigError, Ok, Quota, Retry, Timeouts, Token, errors
from cloud66_async._core import tls
from cloud66_async.resources import stacks
from cloud66_async.transport import Request

from ..support import ONCE, TOKEN, Script, client, make_error, make_response, pages

WEB: dict[str, Any] = {"client_id": "c", "client_secret": "s", "redirect_url": "https://app.example/callback"}


def bearer(request: Request) -> str | None:
    return dict(request.headers.pairs).get("Authorization")


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home without a stored login."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path


# --- the token ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("home")
def test_without_a_token_the_three_ways_to_give_one_are_named() -> None:
    with pytest.raises(ConfigError) as caught:
        Cloud66()
    text = str(caught.value)
    assert "Cloud66(token=...)" in text
    assert "CLOUD66_ACCESS_TOKEN" in text
    assert "cloud66-async login" in text


async def test_the_token_of_the_environment_is_used_and_that_of_the_argument_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLOUD66_ACCESS_TOKEN", "of-the-environment")
    transport = Script(make_response({"response": {"uid": "a"}}))
    async with Cloud66(transport=transport) as c66:
        await c66.stacks.get("a")
    async with Cloud66("of-the-argument", transport=transport) as c66:
        await c66.stacks.get("a")
    assert [bearer(request) for request in transport.requests] == [
        "Bearer of-the-environment",
        "Bearer of-the-argument",
    ]


async def test_with_a_client_id_the_environment_is_never_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUD66_ACCESS_TOKEN", "of-the-operator")
    transport = Script(make_response({"response": {"uid": "a"}}))
    async with Cloud66(**WEB, transport=transport) as c66:
        for _ in range(2):
            with pytest.raises(ConfigError, match=r"pass the user's token with `using\(token=...\)`"):
                await c66.stacks.get("a")
        assert transport.requests == []
        await c66.using(token="of-a-user").stacks.get("a")
    assert [bearer(request) for request in transport.requests] == ["Bearer of-a-user"]


@pytest.mark.parametrize("token", ["a b", "a\r\nb", "", "a\x00"])
def test_a_bad_token_is_refused_wherever_it_is_given(token: str) -> None:
    with pytest.raises(ConfigError):
        Cloud66(token)
    with pytest.raises(ConfigError):
        Cloud66(**WEB, transport=Script()).using(token=token)


def test_a_view_without_a_token_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"using\(token=None\)"):
        client(Script()).using(token=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_unknown_arguments_are_a_type_error() -> None:
    anything: Any = Cloud66
    with pytest.raises(TypeError, match="tokn"):
        anything(tokn="x")
    with pytest.raises(TypeError, match="tokn"):
        client(Script()).using(tokn="x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError, match="positional"):
        anything("token", "more")


@pytest.mark.parametrize(
    "options",
    [
        {"url": "http://app.cloud66.com"},
        {"url": "ftp://x"},
        {"limit": 0},
        {"limit": -1},
        {"timeout": 0},
        {"timeout": -5},
        {"timeout": float("nan")},
        {"pool": "banana"},
        {"client_secret": "s"},
        {"redirect_url": "https://x"},
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_when_the_client_is_made(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Cloud66(TOKEN, **options)


def test_the_address_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUD66_URL", "https://other.example/api/3")
    assert repr(Cloud66(TOKEN)) == "<Cloud66 https://other.example, with a token>"
    assert repr(Cloud66(**WEB, url="https://third.example")) == "<Cloud66 https://third.example, without a token>"


# --- views ----------------------------------------------------------------------------------------------


async def test_views_share_the_way_to_the_wire() -> None:
    transport = Script()
    async with client(transport) as c66:
        await c66.stacks.get("a")
        await c66.using(account=7).stacks.get("b")
        await c66.using(token="another").using(account=8).stacks.get("c")
    assert transport.targets == ["/stacks/a.json", "/stacks/b.json", "/stacks/c.json"]
    assert [dict(request.headers.pairs).get("X-Account") for request in transport.requests] == [None, "7", "8"]
    assert [bearer(request) for request in transport.requests] == [
        f"Bearer {TOKEN}",
        f"Bearer {TOKEN}",
        "Bearer another",
    ]
    assert transport.closed == 1


async def test_a_view_changes_only_what_is_said() -> None:
    transport = Script()
    c66 = client(transport, account=1, timeout=7, retry=ONCE)
    view = c66.using(timeout=None).using(retry=Retry(attempts=2))
    plain = view.using(account=None)
    for each in (c66, view, plain):
        await each.stacks.get("a")
    assert [request.timeouts for request in transport.requests] == [
        Timeouts(total=7.0),
        Timeouts(None, None, None),
        Timeouts(None, None, None),
    ]
    assert [dict(request.headers.pairs).get("X-Account") for request in transport.requests] == ["1", "1", None]
    assert (c66._sender.retry.attempts, view._sender.retry.attempts, plain._sender.retry.attempts) == (1, 2, 2)
    await c66.aclose()


async def test_closing_a_view_closes_nothing() -> None:
    transport = Script()
    async with client(transport) as c66:
        async with c66.using(account=7) as view:
            await view.stacks.get("a")
        await c66.stacks.get("a")
        assert transport.closed == 0
    assert transport.closed == 1


async def test_views_share_the_limiter() -> None:
    async def slow(_: Request) -> Any:
        await asyncio.sleep(0)
        return make_response({"response": {"uid": "a"}})

    transport = Script(slow)
    async with client(transport, limit=2) as c66:
        views = [c66.using(token=f"t{number}") for number in range(6)]
        await asyncio.gather(*(view.stacks.get("a") for view in views))
    assert transport.most_in_flight == 2


async def test_each_token_has_one_quota_whatever_view_uses_it() -> None:
    left = iter(range(100, 0, -1))
    transport = Script(lambda _: make_response({"response": {"uid": "a"}}, x_ratelimit_remaining=str(next(left))))
    async with client(transport) as c66:
        other = c66.using(token="another")
        await c66.stacks.get("a")
        await other.stacks.get("a")
        assert (c66.quota.remaining, other.quota.remaining) == (100, 99)
        assert c66.using(account=7).quota.remaining == 100
        assert c66.using(token=Token("another")).quota.remaining == 99
        assert c66.using(token="third").quota.remaining is None


async def test_quotas_are_kept_of_the_tokens_used_last() -> None:
    transport = Script(make_response({"response": {"uid": "a"}}, x_ratelimit_remaining="5"))
    async with client(transport) as c66:
        await c66.stacks.get("a")
        for number in range(1100):
            await c66.using(token=f"t{number}").stacks.get("a")
        assert len(c66._shared._allowances) == 1024
        assert c66.using(token="t1099").quota.remaining == 5
        assert c66.using(token="t0").quota.remaining is None


def test_a_client_without_a_user_has_no_quota() -> None:
    assert Cloud66(**WEB, transport=Script()).quota == Quota()


# --- opening and closing -----------------------------------------------------------------------------------


async def test_it_opens_on_the_first_call_and_closes_for_good() -> None:
    transport = Script()
    c66 = client(transport)
    view = c66.using(account=7)
    assert await c66.stacks.get("a") == stacks.Stack(uid="a")
    await c66.aclose()
    await c66.aclose()
    for each in (c66, view, c66.using(account=8)):
        with pytest.raises(ConfigError, match="this client is closed"):
            await each.stacks.get("a")
    with pytest.raises(ConfigError, match="this client is closed"):
        _ = c66.transport
    assert len(transport.requests) == 1


@pytest.mark.parametrize(
    ("options", "prepared"),
    [
        ({}, 1),
        ({"url": "http://127.0.0.1:1"}, 0),
        ({"pool": "httpx"}, 0),
        ({"proxy": "http://127.0.0.1:1"}, 0),
        ({"tls": ssl.create_default_context()}, 0),
        ({"transport": Script()}, 0),
    ],
    ids=["own pool", "no TLS", "library", "proxy", "own context", "sandbox"],
)
async def test_entering_begins_to_load_the_certificates_if_they_are_needed(
    options: dict[str, Any], prepared: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    received: list[None] = []
    monkeypatch.delenv("CLOUD66_POOL", raising=False)
    monkeypatch.setattr(tls, "start_loading", lambda: received.append(None))
    async with Cloud66(TOKEN, **options):
        assert len(received) == prepared
    with monkeypatch.context() as behind_a_proxy:
        behind_a_proxy.setenv("https_proxy", "http://127.0.0.1:1")
        async with Cloud66(TOKEN, **options):
            assert len(received) == prepared


async def test_without_entering_the_first_call_begins_and_no_thread_is_no_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    received: list[None] = []

    def refuse() -> None:
        received.append(None)
        raise RuntimeError("can't start new thread")

    monkeypatch.delenv("CLOUD66_POOL", raising=False)
    monkeypatch.setattr(tls, "start_loading", refuse)
    c66 = Cloud66(TOKEN, url="https://127.0.0.1:1", retry=ONCE)
    assert received == []
    with pytest.raises(errors.TransportError):
        await c66.using(timeout=5).stacks.get("a")
    await c66.aclose()
    assert received  # here, and by the pool too if this is what imports it


async def test_closing_before_the_first_call_closes_too() -> None:
    c66 = client(Script())
    await c66.aclose()
    with pytest.raises(ConfigError, match="this client is closed"):
        await c66.stacks.get("a")


async def test_the_error_of_a_closed_client_shows_no_token() -> None:
    c66 = client(Script())
    await c66.aclose()
    with pytest.raises(ConfigError) as caught:
        await c66.stacks.get("a")
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "client.py" in "".join(shown.format())
    assert TOKEN not in "".join(shown.format())


def _forget(used: bool, closed: bool) -> list[str]:
    async def use() -> None:
        c66 = client(Script())
        if used:
            await c66.stacks.get("a")
        if closed:
            await c66.aclose()

    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        asyncio.run(use())
        gc.collect()
    return [str(warning.message) for warning in found if warning.category is ResourceWarning]


def test_a_client_that_was_used_and_not_closed_reminds_of_it() -> None:
    (text,) = _forget(used=True, closed=False)
    assert "await c66.aclose()" in text
    assert _forget(used=True, closed=True) == []
    assert _forget(used=False, closed=False) == []


# --- bulk, on the client --------------------------------------------------------------------------------------


async def test_each_and_collect_take_the_clients_limit() -> None:
    running = most = 0

    async def count(_: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    async with client(Script(), limit=3) as c66:
        async with c66.each(count, range(20)) as results:
            assert len([result async for result in results]) == 20
        assert most == 3
        most = 0
        assert await c66.collect(count, [1, 2], limit=2) == [Ok(1, None), Ok(2, None)]
        assert most == 2
        with pytest.raises(ValueError, match="limit"):
            c66.each(count, [1], limit=0)
        with pytest.raises(ValueError, match="limit"):
            await c66.collect(count, [1], limit=0)


async def test_send_gives_the_whole_response() -> None:
    transport = Script(make_response({"response": {"uid": "a", "new_field": 1}}, x_cloud66_warning="soon gone"))
    async with client(transport) as c66:
        response = await c66.send(stacks.GET.bind(stack="a"))
    assert response.data.uid == "a"
    assert json.loads(response.raw)["response"]["new_field"] == 1
    assert response.headers["x-cloud66-warning"] == "soon gone"


async def test_a_list_sends_its_filters_and_pages() -> None:
    transport = Script(pages([{"uid": "a"}], [{"uid": "b"}]))
    async with client(transport) as c66:
        found = await c66.stacks.list(environment="production & more")
    assert [stack.uid for stack in found] == ["a", "b"]
    assert transport.targets == [
        f"/stacks.json?filter_environment=production+%26+more&page={number}" for number in (1, 2)
    ]


def test_resources_are_made_once_and_belong_to_their_view() -> None:
    c66 = client(Script())
    assert c66.stacks is c66.stacks
    assert c66.using(account=1).stacks is not c66.stacks
    assert isinstance(Cloud66.stacks, object)


async def test_a_refusal_keeps_everything_that_came() -> None:
    async with client(Script(make_error(409, "busy", x_more="1"))) as c66:
        with pytest.raises(errors.Conflict) as caught:
            await c66.stacks.redeploy("a")
    error = caught.value
    assert (error.status, error.code, error.operation) == (409, "busy", "POST /stacks/{stack}/deployments.json")
    assert error.response is not None
    assert error.response.headers["x-more"] == "1"
