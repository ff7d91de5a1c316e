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

from cloud66_async import (
    Cloud66,
    ConfigError,
    Ok,
    Quota,
    Retry,
    Timeouts,
    Token,
    errors,
)
from cloud66_async._core import tls
from cloud66_async.errors import Cloud66Warning
from cloud66_async.resources import stacks
from cloud66_async.transport import Request

from ..support import ONCE, TOKEN, Script, client, make_error, make_response, pages

WEB: dict[str, Any] = {"client_id": "c", "client_secret": "s", "redirect_url": "https://app.example/callback"}


def authorization(request: Request) -> str | None:
    return dict(request.headers.pairs).get("Authorization")


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home directory without a stored login."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path


# --- access token and options ---------------------------------------------------------------------------


@pytest.mark.usefixtures("home")
def test_missing_token_error_names_the_three_sources() -> None:
    with pytest.raises(ConfigError) as caught:
        Cloud66()
    text = str(caught.value)
    assert "Cloud66(token=...)" in text
    assert "CLOUD66_ACCESS_TOKEN" in text
    assert "cloud66-async login" in text


async def test_token_argument_overrides_token_from_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLOUD66_ACCESS_TOKEN", "from-environment")
    transport = Script(make_response({"response": {"uid": "a"}}))
    async with Cloud66(transport=transport) as c66:
        await c66.stacks.get("a")
    async with Cloud66("from-argument", transport=transport) as c66:
        await c66.stacks.get("a")
    assert [authorization(request) for request in transport.requests] == [
        "Bearer from-environment",
        "Bearer from-argument",
    ]


async def test_token_from_environment_is_ignored_with_client_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUD66_ACCESS_TOKEN", "operator-token")
    transport = Script(make_response({"response": {"uid": "a"}}))
    async with Cloud66(**WEB, transport=transport) as c66:
        for _ in range(2):
            with pytest.raises(ConfigError, match=r"pass the user's token with `using\(token=...\)`"):
                await c66.stacks.get("a")
        assert transport.requests == []
        await c66.using(token="user-token").stacks.get("a")
    assert [authorization(request) for request in transport.requests] == ["Bearer user-token"]


@pytest.mark.parametrize("token", ["a b", "a\r\nb", "", "a\x00"])
def test_invalid_token_raises_config_error(token: str) -> None:
    with pytest.raises(ConfigError):
        Cloud66(token)
    with pytest.raises(ConfigError):
        Cloud66(**WEB, transport=Script()).using(token=token)


def test_using_token_none_raises_config_error() -> None:
    with pytest.raises(ConfigError, match=r"using\(token=None\)"):
        client(Script()).using(token=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_unknown_arguments_raise_type_error() -> None:
    untyped: Any = Cloud66
    with pytest.raises(TypeError, match="tokn"):
        untyped(tokn="x")
    with pytest.raises(TypeError, match="tokn"):
        client(Script()).using(tokn="x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError, match="positional"):
        untyped("token", "more")


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
        {"pool": "unknown"},
        {"client_secret": "s"},
        {"redirect_url": "https://x"},
    ],
    ids=str,
)
def test_invalid_option_raises_config_error_at_construction(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Cloud66(TOKEN, **options)


def test_url_is_read_from_environment_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUD66_URL", "https://other.example/api/3")
    assert repr(Cloud66(TOKEN)) == "<Cloud66 https://other.example, with a token>"
    assert repr(Cloud66(**WEB, url="https://third.example")) == "<Cloud66 https://third.example, without a token>"


# --- views ----------------------------------------------------------------------------------------------


async def test_views_share_the_transport() -> None:
    transport = Script()
    async with client(transport) as c66:
        await c66.stacks.get("a")
        await c66.using(account=7).stacks.get("b")
        await c66.using(token="another").using(account=8).stacks.get("c")
    assert transport.targets == ["/stacks/a.json", "/stacks/b.json", "/stacks/c.json"]
    assert [dict(request.headers.pairs).get("X-Account") for request in transport.requests] == [None, "7", "8"]
    assert [authorization(request) for request in transport.requests] == [
        f"Bearer {TOKEN}",
        f"Bearer {TOKEN}",
        "Bearer another",
    ]
    assert transport.closed == 1


async def test_view_changes_only_the_given_options() -> None:
    transport = Script()
    c66 = client(transport, account=1, timeout=7, retry=ONCE)
    view = c66.using(timeout=None).using(retry=Retry(attempts=2))
    plain = view.using(account=None)
    for instance in (c66, view, plain):
        await instance.stacks.get("a")
    assert [request.timeouts for request in transport.requests] == [
        Timeouts(total=7.0),
        Timeouts(None, None, None),
        Timeouts(None, None, None),
    ]
    assert [dict(request.headers.pairs).get("X-Account") for request in transport.requests] == ["1", "1", None]
    assert (c66._sender.retry.attempts, view._sender.retry.attempts, plain._sender.retry.attempts) == (1, 2, 2)
    await c66.aclose()


async def test_closing_a_view_leaves_the_client_open() -> None:
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


async def test_views_with_the_same_token_share_one_quota() -> None:
    remaining = iter(range(100, 0, -1))
    transport = Script(lambda _: make_response({"response": {"uid": "a"}}, x_ratelimit_remaining=str(next(remaining))))
    async with client(transport) as c66:
        other = c66.using(token="another")
        await c66.stacks.get("a")
        await other.stacks.get("a")
        assert (c66.quota.remaining, other.quota.remaining) == (100, 99)
        assert c66.using(account=7).quota.remaining == 100
        assert c66.using(token=Token("another")).quota.remaining == 99
        assert c66.using(token="third").quota.remaining is None


async def test_quotas_are_kept_for_recently_used_tokens() -> None:
    transport = Script(make_response({"response": {"uid": "a"}}, x_ratelimit_remaining="5"))
    async with client(transport) as c66:
        await c66.stacks.get("a")
        for number in range(1100):
            await c66.using(token=f"t{number}").stacks.get("a")
        assert len(c66._shared._allowances) == 1024
        assert c66.using(token="t1099").quota.remaining == 5
        assert c66.using(token="t0").quota.remaining is None


def test_client_without_token_has_empty_quota() -> None:
    assert Cloud66(**WEB, transport=Script()).quota == Quota()


# --- opening and closing --------------------------------------------------------------------------------


async def test_client_opens_on_first_call_and_cannot_be_reopened() -> None:
    transport = Script()
    c66 = client(transport)
    view = c66.using(account=7)
    assert await c66.stacks.get("a") == stacks.Stack(uid="a")
    await c66.aclose()
    await c66.aclose()
    for instance in (c66, view, c66.using(account=8)):
        with pytest.raises(ConfigError, match="this client is closed"):
            await instance.stacks.get("a")
    with pytest.raises(ConfigError, match="this client is closed"):
        _ = c66.transport
    assert len(transport.requests) == 1


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 1),
        ({"url": "http://127.0.0.1:1"}, 0),
        ({"pool": "httpx"}, 0),
        ({"proxy": "http://127.0.0.1:1"}, 0),
        ({"tls": ssl.create_default_context()}, 0),
        ({"transport": Script()}, 0),
    ],
    ids=["built-in pool", "no TLS", "httpx", "proxy", "custom TLS context", "custom transport"],
)
async def test_entering_starts_loading_certificates_if_needed(
    options: dict[str, Any], expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[None] = []
    monkeypatch.delenv("CLOUD66_POOL", raising=False)
    monkeypatch.setattr(tls, "start_loading", lambda: started.append(None))
    async with Cloud66(TOKEN, **options):
        assert len(started) == expected
    with monkeypatch.context() as with_proxy:
        with_proxy.setenv("https_proxy", "http://127.0.0.1:1")
        async with Cloud66(TOKEN, **options):
            assert len(started) == expected


async def test_first_call_starts_loading_certificates_and_ignores_thread_errors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[None] = []

    def fail() -> None:
        started.append(None)
        raise RuntimeError("can't start new thread")

    monkeypatch.delenv("CLOUD66_POOL", raising=False)
    monkeypatch.setattr(tls, "start_loading", fail)
    c66 = Cloud66(TOKEN, url="https://127.0.0.1:1", retry=ONCE)
    assert started == []
    with pytest.raises(errors.TransportError):
        await c66.using(timeout=5).stacks.get("a")
    await c66.aclose()
    assert started  # by the client, and also by the pool if this call is the first to import it


async def test_client_can_be_closed_before_first_call() -> None:
    c66 = client(Script())
    await c66.aclose()
    with pytest.raises(ConfigError, match="this client is closed"):
        await c66.stacks.get("a")


async def test_closed_client_error_hides_the_token() -> None:
    c66 = client(Script())
    await c66.aclose()
    with pytest.raises(ConfigError) as caught:
        await c66.stacks.get("a")
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "client.py" in "".join(shown.format())
    assert TOKEN not in "".join(shown.format())


def _resource_warnings(used: bool, closed: bool) -> list[str]:
    async def use() -> None:
        c66 = client(Script())
        if used:
            await c66.stacks.get("a")
        if closed:
            await c66.aclose()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        asyncio.run(use())
        gc.collect()
    return [str(warning.message) for warning in caught if warning.category is ResourceWarning]


def test_unclosed_client_emits_resource_warning_if_used() -> None:
    (text,) = _resource_warnings(used=True, closed=False)
    assert "await c66.aclose()" in text
    assert _resource_warnings(used=True, closed=True) == []
    assert _resource_warnings(used=False, closed=False) == []


# --- calls on the client --------------------------------------------------------------------------------


async def test_each_and_collect_default_to_client_limit() -> None:
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


async def test_send_returns_the_full_response() -> None:
    transport = Script(make_response({"response": {"uid": "a", "new_field": 1}}, x_cloud66_warning="deprecated"))
    async with client(transport) as c66:
        with pytest.warns(Cloud66Warning, match="^deprecated$"):
            response = await c66.send(stacks.GET.bind(stack="a"))
        await c66.stacks.get("a")  # the same text once only
    assert response.data.uid == "a"
    assert json.loads(response.raw)["response"]["new_field"] == 1
    assert response.headers["x-cloud66-warning"] == "deprecated"


async def test_list_sends_filters_and_page_numbers() -> None:
    transport = Script(pages([{"uid": "a"}], [{"uid": "b"}]))
    async with client(transport) as c66:
        found = await c66.stacks.list(environment="production & more")
    assert [stack.uid for stack in found] == ["a", "b"]
    assert transport.targets == [
        f"/stacks.json?filter_environment=production+%26+more&page={number}" for number in (1, 2)
    ]


def test_resources_are_created_once_per_view() -> None:
    c66 = client(Script())
    assert c66.stacks is c66.stacks
    assert c66.using(account=1).stacks is not c66.stacks
    assert isinstance(Cloud66.stacks, object)


async def test_api_error_keeps_code_operation_and_response() -> None:
    async with client(Script(make_error(409, "busy", x_more="1"))) as c66:
        with pytest.raises(errors.Conflict) as caught:
            await c66.stacks.redeploy("a")
    error = caught.value
    assert (error.status, error.code, error.operation) == (409, "busy", "POST /stacks/{stack}/deployments.json")
    assert error.response is not None
    assert error.response.headers["x-more"] == "1"
