"""Requests with a token: where it is sent, and which responses raise errors."""

from __future__ import annotations

import asyncio
import logging
import pprint
import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from cloud66_async._http.library import httpx
from cloud66_async.errors import (
    Cloud66Error,
    ConfigError,
    Forbidden,
    TransportError,
    TransportTimeout,
    Unauthenticated,
)
from cloud66_async.oauth import Cloud66OAuth2Client
from cloud66_async.token import Token

from .conftest import client_token
from .evidence import error_output
from .server import TOKEN, Reply, Server, as_json, redirect, serving

Make = Callable[..., Cloud66OAuth2Client]

STACKS = "/api/3/stacks.json"


@pytest.fixture
def user(make: Make, server: Server) -> Cloud66OAuth2Client:
    """A client with a token."""
    server.replies[STACKS] = as_json(response=[])
    return make(token="TOKEN-1")


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


CHALLENGE = 'Bearer realm="Cloud 66", error="{}", error_description="{}"'
HTML = ("content-type", "text/html")


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (
            Reply(
                status=401, headers=(HTML, ("WWW-Authenticate", CHALLENGE.format("invalid_token", "It was revoked")))
            ),
            "revoked",
        ),
        (as_json(401, error="invalid_token", error_description="It was revoked"), "revoked"),
        (Reply(status=401, headers=(HTML,)), "log in again"),
        (Reply(b"<html>no</html>", 401), "log in again"),
        (Reply(b"{", 401, (("WWW-Authenticate", "Bearer"),)), "log in again"),
    ],
)
async def test_rejected_token_raises_unauthenticated(
    user: Cloud66OAuth2Client, server: Server, reply: Reply, text: str
) -> None:
    server.replies[STACKS] = reply
    with pytest.raises(Unauthenticated, match=text) as caught:
        await user.get("stacks.json")
    assert caught.value.status == 401
    assert "TOKEN-1" not in error_output(caught.value)
    assert len(server.requests) == 1
    with pytest.raises(Unauthenticated, match=text):
        async with user.stream("GET", "stacks.json"):
            raise AssertionError


@pytest.mark.parametrize(
    ("reply", "scope"),
    [
        (
            Reply(status=403, headers=(("WWW-Authenticate", 'Bearer error="insufficient_scope", scope="redeploy"'),)),
            "redeploy",
        ),
        (Reply(status=403, headers=(HTML,)), None),
        (as_json(403, error="forbidden"), None),
    ],
)
async def test_missing_scope_raises_forbidden(
    user: Cloud66OAuth2Client, server: Server, reply: Reply, scope: str | None
) -> None:
    server.replies[STACKS] = reply
    with pytest.raises(Forbidden) as caught:
        await user.get("stacks.json")
    assert caught.value.scope == scope


async def test_other_statuses_are_returned(user: Cloud66OAuth2Client, server: Server) -> None:
    server.replies[STACKS] = Reply(b"oops", 500)
    assert (await user.get("stacks.json")).status_code == 500
    server.replies[STACKS] = Reply(b"no", 401)
    assert (await user.request("GET", "stacks.json", withhold_token=True)).status_code == 401


async def test_long_error_body_is_truncated(user: Cloud66OAuth2Client, server: Server) -> None:
    server.replies[STACKS] = Reply(b"x" * 3_000_000, 401)
    with pytest.raises(Unauthenticated) as caught:
        async with user.stream("GET", "stacks.json"):
            raise AssertionError
    assert caught.value.response is not None
    assert len(caught.value.response.body) <= 64 * 1024 + 1


async def test_caller_reads_a_stream(user: Cloud66OAuth2Client, server: Server) -> None:
    server.replies[STACKS] = Reply(b"x" * 1_000_000)
    async with user.stream("GET", "stacks.json") as response:
        assert sum([len(chunk) async for chunk in response.aiter_bytes()]) == 1_000_000


async def test_network_errors_are_transport_errors(make: Make, server: Server) -> None:
    client = make(token="TOKEN-1", timeout=0.05)
    server.replies[STACKS] = Reply(b"half", cut=True)
    with pytest.raises(TransportError) as caught:
        await client.get("stacks.json")
    assert "TOKEN-1" not in error_output(caught.value)
    assert caught.value.__context__ is None
    with pytest.raises(TransportError) as caught:
        async with client.stream("GET", "stacks.json") as response:
            await response.aread()
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    server.replies[STACKS] = Reply(wait=asyncio.Event())
    with pytest.raises(TransportTimeout) as late:
        await client.get("stacks.json")
    assert late.value.phase == "read"
    with pytest.raises(TransportError):
        await client.request("GET", "http://127.0.0.1:port/", withhold_token=True)
    gone = make(token="TOKEN-1", url="http://127.0.0.1:1")
    with pytest.raises(TransportError) as unsent:
        await gone.get("stacks.json")
    assert unsent.value.sent is False


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


# --- the client's own token


@pytest.mark.parametrize(
    "token",
    [
        "TOKEN-1",
        " TOKEN-1\n",
        Token("TOKEN-1"),
        {"access_token": "TOKEN-1"},
        {"access_token": " TOKEN-1 ", "token_type": "BEARER", "expires_in": None},
        {"access_token": "TOKEN-1", "token_type": None, "expires_at": "never", "expires_in": "never"},
    ],
)
async def test_every_token_format_is_accepted(client: Cloud66OAuth2Client, server: Server, token: Any) -> None:
    server.replies[STACKS] = as_json()
    client.token = token
    await client.get("stacks.json")
    assert server.requests[0].header("authorization") == "Bearer TOKEN-1"


@pytest.mark.parametrize(
    "token",
    [
        *("", " ", "TO KEN", "TOKEN\r\nX-Evil: 1", "TOKEN\né", "tökén", 5, [], {}),
        *({"access_token": None}, {"access_token": "A B"}, {"access_token": "A", "token_type": "mac"}),
        *({"access_token": "A", "token_type": 5}, {"token": "A"}),
    ],
)
def test_invalid_token_is_rejected(make: Make, token: Any) -> None:
    client = make(token="EARLIER")
    with pytest.raises(ConfigError):
        client.token = token
    assert client_token(client)["access_token"] == "EARLIER"
    with pytest.raises(ConfigError):
        make(token=token)


def test_callers_dict_is_not_modified(client: Cloud66OAuth2Client) -> None:
    given = {"access_token": "TOKEN-1", "expires_in": 60}
    client.token = given
    assert given == {"access_token": "TOKEN-1", "expires_in": 60}
    given["access_token"] = "OTHER"
    assert client_token(client)["access_token"] == "TOKEN-1"
    assert client_token(client)["expires_at"] > 0


def test_scopes_and_expiry_of_a_token_are_stored(client: Cloud66OAuth2Client) -> None:
    expiry = datetime(2030, 1, 1, tzinfo=UTC)
    client.token = Token("TOKEN-1", scopes=("public", "jobs"), expires_at=expiry)
    assert client_token(client)["scope"] == "public jobs"
    assert client_token(client)["expires_at"] == int(expiry.timestamp())


def test_token_is_redacted(make: Make) -> None:
    token = client_token(make(token="TOKEN-1"))
    for shown in (repr(token), str(token), f"{token}", f"{token!r}", pprint.pformat({"t": token})):
        assert "TOKEN-1" not in shown
    assert dict(token)["access_token"] == "TOKEN-1"


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
