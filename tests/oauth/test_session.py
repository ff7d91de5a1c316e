"""Requests with a token: where it is sent, and what is shared."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator

import pytest

from cloud66_async._http.library import httpx
from cloud66_async.errors import (
    Cloud66Error,
    ConfigError,
    TransportError,
)
from cloud66_async.oauth import Cloud66OAuth2Client

from .conftest import STACKS, Make
from .evidence import error_output
from .server import TOKEN, Reply, Server, as_json, redirect, serving


@pytest.mark.parametrize("url", ["stacks.json", "/stacks.json", "SITE/api/3/stacks.json"])
async def test_token_is_sent_once_in_the_header(user: Cloud66OAuth2Client, server: Server, url: str) -> None:
    response = await user.get(url.replace("SITE", server.url))
    assert response.json() == {"response": []}
    [request] = server.requests
    assert request.target == STACKS
    assert request.header("authorization") == "Bearer TOKEN-1"
    assert request.header("content-length") is None
    assert request.header("request-id")


async def test_callers_authorization_header_is_replaced(user: Cloud66OAuth2Client, server: Server) -> None:
    await user.get("stacks.json", headers={"Authorization": "Bearer OTHER"})
    assert server.requests[0].header("authorization") == "Bearer TOKEN-1"


async def test_upload_is_streamed_with_one_framing(user: Cloud66OAuth2Client, server: Server) -> None:
    sent: list[int] = []

    async def chunks() -> AsyncIterator[bytes]:
        for number in range(3):
            sent.append(len(server.requests))
            yield b"chunk %d;" % number

    await user.post("stacks.json", content=chunks())
    [request] = server.requests
    assert request.body == b"chunk 0;chunk 1;chunk 2;"
    assert request.header("transfer-encoding") == "chunked"
    assert request.header("content-length") is None
    await user.post("stacks.json", json={"a": 1})
    assert server.requests[1].header("transfer-encoding") is None
    assert server.requests[1].header("content-length") == str(len(server.requests[1].body))


async def test_request_without_token_is_not_sent(client: Cloud66OAuth2Client, server: Server) -> None:
    with pytest.raises(ConfigError, match="no token"):
        await client.get("stacks.json")
    with pytest.raises(ConfigError, match="no token"):
        async with client.stream("GET", "stacks.json"):
            raise AssertionError
    with pytest.raises(ConfigError, match="no token"):
        await client.send(client.build_request("GET", "stacks.json"), auth=client.token_auth)
    assert server.requests == []


async def test_token_is_not_sent_to_another_origin(user: Cloud66OAuth2Client, server: Server) -> None:
    async with serving() as other:
        urls = [other.url, server.url.replace("127.0.0.1", "localhost"), server.url.replace("http:", "https:")]
        for url in [*urls, "https://app.cloud66.com.evil.example/"]:
            with pytest.raises(ConfigError, match="is not sent to") as caught:
                await user.get(url)
            assert "TOKEN-1" not in error_output(caught.value)
            with pytest.raises(ConfigError, match="is not sent to"):
                async with user.stream("POST", url):
                    raise AssertionError
        other.replies["/x"] = as_json()
        assert (await user.request("GET", f"{other.url}/x", withhold_token=True)).status_code == 200
        async with user.stream("GET", f"{other.url}/x", withhold_token=True) as response:
            assert response.status_code == 200
        assert (await user.request("GET", f"{other.url}/x", auth=("me", "word"))).status_code == 200
        plain, streamed, basic = other.requests
        assert plain.header("authorization") is None
        assert streamed.header("authorization") is None
        assert str(basic.header("authorization")).startswith("Basic ")
    assert server.requests == []


async def test_explicit_default_port_is_the_same_origin(make: Make) -> None:
    seen: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["authorization"])
        return httpx.Response(200)

    client = make(url="https://app.cloud66.com", token="TOKEN-1", transport=httpx.MockTransport(handle))
    await client.get("https://app.cloud66.com:443/api/3/stacks.json")
    await client.get("https://APP.cloud66.com/api/3/stacks.json")
    assert seen == ["Bearer TOKEN-1"] * 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_to_another_origin_is_not_followed(
    user: Cloud66OAuth2Client, server: Server, status: int
) -> None:
    async with serving() as other:
        server.replies["/api/3/moved"] = redirect(status, f"{other.url}/x")
        other.replies["/x"] = as_json()
        for method in ("GET", "POST"):
            with pytest.raises(TransportError, match=r"another origin \(127\.0\.0\.1\): nothing was sent there"):
                await user.request(method, "moved", follow_redirects=True, headers={"X-Account": "7"})
        with pytest.raises(TransportError, match="another origin"):
            async with user.stream("GET", "moved", follow_redirects=True):
                raise AssertionError
        user.follow_redirects = True
        with pytest.raises(TransportError, match="another origin"):
            await user.get("moved")
        assert other.requests == []
    assert len(server.requests) == 4


async def test_redirect_within_the_api_is_followed_on_request(user: Cloud66OAuth2Client, server: Server) -> None:
    server.replies["/api/3/moved"] = redirect(302, STACKS)
    assert (await user.get("moved")).status_code == 302
    assert (await user.get("moved", follow_redirects=True)).json() == {"response": []}
    assert [request.header("authorization") for request in server.requests_to(STACKS)] == ["Bearer TOKEN-1"]
    async with user.stream("GET", "moved", follow_redirects=True) as response:
        assert await response.aread() == b'{"response": []}'


async def test_redirect_loop_ends(user: Cloud66OAuth2Client, server: Server) -> None:
    server.replies["/api/3/moved"] = redirect(302, "/api/3/moved")
    with pytest.raises(TransportError, match="too many redirects"):
        await user.get("moved", follow_redirects=True)
    assert len(server.requests) == user.max_redirects + 1


async def test_cookies_are_not_stored(user: Cloud66OAuth2Client, server: Server) -> None:
    server.replies[STACKS] = redirect(302, "/")
    for _ in range(2):
        await user.get("stacks.json")
    assert [request.header("cookie") for request in server.requests] == [None, None]


async def test_caller_reads_a_stream(user: Cloud66OAuth2Client, server: Server) -> None:
    server.replies[STACKS] = Reply(b"x" * 1_000_000)
    async with user.stream("GET", "stacks.json") as response:
        assert sum([len(chunk) async for chunk in response.aiter_bytes()]) == 1_000_000


async def test_callers_error_in_a_stream_propagates_unchanged(user: Cloud66OAuth2Client) -> None:
    with pytest.raises(KeyError):
        async with user.stream("GET", "stacks.json"):
            raise KeyError("mine")


async def test_concurrent_tasks_share_one_client(user: Cloud66OAuth2Client, server: Server) -> None:
    responses = await asyncio.gather(*(user.get("stacks.json") for _ in range(50)))
    assert {response.status_code for response in responses} == {200}
    assert len(server.requests) == 50


async def test_client_works_after_a_cancelled_request(user: Cloud66OAuth2Client, server: Server) -> None:
    server.replies["/api/3/slow"] = Reply(wait=asyncio.Event())
    slow = asyncio.create_task(user.get("slow"))
    while not server.requests:
        await asyncio.sleep(0)
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow
    assert (await user.get("stacks.json")).status_code == 200


def test_second_event_loop_is_rejected() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200))
    client = Cloud66OAuth2Client(token="TOKEN-1", transport=transport)

    async def ask() -> int:
        return (await client.get("stacks.json")).status_code

    assert asyncio.run(ask()) == 200
    with pytest.raises(ConfigError, match="another event loop"):
        asyncio.run(ask())


async def test_second_thread_is_rejected_without_blocking() -> None:
    never = asyncio.Event()

    async def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("slow"):
            await never.wait()
        return httpx.Response(200)

    client = Cloud66OAuth2Client(token="TOKEN-1", transport=httpx.MockTransport(handle))
    slow = asyncio.create_task(client.get("slow"))
    await asyncio.sleep(0)
    seen: list[BaseException] = []

    def elsewhere() -> None:
        try:
            asyncio.run(client.get("stacks.json"))
        except ConfigError as error:
            seen.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    await asyncio.to_thread(thread.join, 10)
    assert [type(error) for error in seen] == [ConfigError]
    never.set()
    assert (await slow).status_code == 200
    await client.aclose()


async def test_closed_client_is_reported(make: Make) -> None:
    client = make(token="TOKEN-1")
    await client.aclose()
    with pytest.raises(ConfigError, match="closed"):
        await client.get("stacks.json")


async def test_secrets_are_not_logged(make: Make, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """Log at DEBUG level: the package, the HTTP library and asyncio."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger().setLevel(logging.DEBUG)
    server.replies |= {STACKS: as_json(response=[]), "/api/3/bad": Reply(status=401), "/oauth/revoke": as_json(500)}
    client = make()
    login, denied = client.login(), client.login()
    url = f"{login.redirect_url}?code=CODE-1&state={login.state}"
    client.token = await client.finish_login(login, url)
    await client.get("stacks.json")
    server.replies["/oauth/token"] = as_json(400, error="invalid_grant", error_description="CODE-2")
    for attempt in (
        client.get("bad"),
        client.revoke(),
        client.fetch_token(code="CODE-2", code_verifier="VERIFIER-2"),
        client.finish_login(denied, {"error": "access_denied", "state": denied.state}),
        client.finish_login(login, url),
        client.get("http://attacker.example/"),
    ):
        with pytest.raises(Cloud66Error) as caught:
            await attempt
        logging.getLogger("application").error("it failed", exc_info=caught.value)
    assert login.verifier is not None
    assert "/oauth/token" in caplog.text  # the HTTP library logged
    assert "it failed" in caplog.text
    secrets = ["TOKEN-1", "CODE-1", "CODE-2", "CLIENT-SECRET", "VERIFIER-2", login.state, login.verifier, denied.state]
    assert [secret for secret in secrets if secret in caplog.text] == []
    assert TOKEN.body.decode() not in caplog.text
