"""Other mocks than the sandbox: respx, pytest-httpx, and transports of httpx and httpx2."""

from __future__ import annotations

import asyncio
import json
import sys
from importlib import import_module
from typing import Any

import pytest

from cloud66_async import Cloud66, NotFound, TransportError, TransportTimeout
from cloud66_async._http.library import NAME, httpx as library
from cloud66_async.errors import ConfigError
from cloud66_async.pool.mocks import active_mock
from cloud66_async.testing.mocks import MockedTransport

from ..conftest import PoolName
from ..support import ONCE, wire

TOKEN = "c66-secret-token-of-a-user"
STACK = {"response": {"uid": "a", "name": "web"}}
URL = "https://app.cloud66.com/api/3/stacks/a.json"


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if a name is looked up."""

    async def getaddrinfo(*args: Any, **options: Any) -> Any:
        raise AssertionError(f"a mocked test reached the network: {args[1]}")

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)


@pytest.fixture(params=["respx", "pytest-httpx"])
def mocked(request: pytest.FixtureRequest) -> Any:
    """Each mock in turn, with one stack. Its value is the name."""
    if request.param == "respx":
        respx: Any = pytest.importorskip("respx")
        with respx.mock(assert_all_called=False) as router:
            router.get(URL).respond(json=STACK)
            yield "respx"
    else:
        pytest.importorskip("pytest_httpx")
        mock: Any = request.getfixturevalue("httpx_mock")
        mock.add_response(url=URL, json=STACK, is_optional=True)
        yield "pytest-httpx"


async def test_first_request_says_how_it_can_be_mocked(mocked: str) -> None:
    async with Cloud66(TOKEN, pool="own") as c66:
        with pytest.raises(ConfigError) as caught:
            await c66.stacks.get("a")
    assert str(caught.value) == (
        f"cannot connect to app.cloud66.com:443: {mocked} is active, but it does not see the SDK's connection pool; "
        "pass transport=cloud66_async.testing.mocks.MockedTransport() to Cloud66"
    )


async def test_login_says_how_it_can_be_mocked(mocked: str) -> None:
    async with Cloud66(client_id="ID", client_secret="hush", redirect_url="https://app.example/callback") as c66:
        login = c66.login()
        with pytest.raises(ConfigError, match=f"{mocked} is active"):
            await c66.finish_login(login, f"?code=abc&state={login.state}")


async def test_mocked_transport_is_mocked(mocked: str) -> None:
    async with Cloud66(TOKEN, transport=MockedTransport()) as c66:
        assert (await c66.stacks.get("a")).name == "web"


async def test_pool_of_the_library_is_mocked_or_says_how(mocked: str) -> None:
    async with Cloud66(TOKEN, pool="httpx") as c66:
        if NAME == "httpx":
            assert (await c66.stacks.get("a")).name == "web"
        else:
            with pytest.raises(ConfigError, match=f"{mocked} is active"):
                await c66.stacks.get("a")


@pytest.mark.parametrize("pool", ["own", "httpx"])
async def test_server_on_the_loopback_interface_needs_no_mock(mocked: str, pool: PoolName) -> None:
    if pool == "httpx" and NAME == "httpx":
        pytest.skip("here the mock sees the request")
    async with wire() as server, Cloud66(TOKEN, url=server.url, pool=pool) as c66:
        assert (await c66.stacks.get("a")).uid == "a"


async def test_requests_are_sent_again_after_the_mock_has_ended() -> None:
    respx: Any = pytest.importorskip("respx")
    with respx.mock:
        assert active_mock() == "respx"
    assert active_mock() is None
    async with Cloud66(TOKEN, retry=ONCE) as c66:
        with pytest.raises(AssertionError, match=r"reached the network: app\.cloud66\.com"):
            await c66.stacks.get("a")


async def test_installed_but_inactive_mocks_change_nothing() -> None:
    pytest.importorskip("pytest_httpx")
    assert "pytest_httpx" in sys.modules
    assert active_mock() is None
    async with Cloud66(TOKEN, transport=MockedTransport()) as c66:
        with pytest.raises(ConfigError, match="neither respx nor pytest-httpx is active"):
            await c66.stacks.get("a")


async def test_mock_sees_the_whole_request() -> None:
    respx: Any = pytest.importorskip("respx")
    with respx.mock:
        route = respx.post("https://cloud66.test/api/3/stacks/a/environments.json")
        route.respond(json={"response": {"id": 7, "action": "env_var"}})
        async with Cloud66(TOKEN, url="https://cloud66.test", transport=MockedTransport("https://cloud66.test")) as c66:
            await c66.environment_variables.create("a", "KEY", value="hush")
        request = route.calls.last.request
    assert json.loads(request.content) == {"key": "KEY", "value": "hush"}
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["request-id"]


async def test_errors_of_the_mock_are_those_of_the_package() -> None:
    httpx, respx = import_module("httpx"), pytest.importorskip("respx")
    with respx.mock:
        route = respx.get(URL)
        async with Cloud66(TOKEN, transport=MockedTransport(), retry=ONCE) as c66:
            route.respond(404, json={"error": "not_found"})
            with pytest.raises(NotFound):
                await c66.stacks.get("a")
            route.mock(side_effect=httpx.ConnectError("no route"))
            with pytest.raises(TransportError, match="no route") as caught:
                await c66.stacks.get("a")
            assert not caught.value.sent
            route.mock(side_effect=httpx.PoolTimeout)
            with pytest.raises(TransportTimeout) as timed_out:
                await c66.stacks.get("a")
            assert (timed_out.value.phase, timed_out.value.sent) == ("pool", False)


# --- transports of the HTTP libraries -------------------------------------------------------------


def respond(httpx: Any) -> Any:
    """Return a `MockTransport` of this library."""

    def handle(request: Any) -> Any:
        return httpx.Response(200 if request.url.path == "/api/3/stacks/a.json" else 404, json=STACK)

    return httpx.MockTransport(handle)


async def test_mock_transport_of_the_library_in_use() -> None:
    async with Cloud66(TOKEN, transport=respond(library)) as c66:
        assert (await c66.stacks.get("a")).name == "web"


async def test_mock_transport_of_httpx_works_whichever_library_is_in_use() -> None:
    transport = respond(import_module("httpx"))
    async with Cloud66(TOKEN, transport=MockedTransport(transport=transport)) as c66:
        assert (await c66.stacks.get("a")).name == "web"


@pytest.mark.skipif(NAME == "httpx", reason="needs httpx2")
def test_mock_transport_of_the_other_library_says_which_to_use() -> None:
    with pytest.raises(ConfigError, match="create it with httpx2"):
        Cloud66(TOKEN, transport=respond(import_module("httpx")))
