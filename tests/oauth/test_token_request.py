"""Token requests that fail: invalid responses, redirects, timeouts, certificates."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Any

import pytest
import trustme

from cloud66_async.errors import (
    TokenRequestFailed,
)
from cloud66_async.oauth import Cloud66OAuth2Client

from .conftest import CODE, REDIRECT, Make, callback_url, client_token
from .evidence import error_output, package_locals
from .server import TOKEN, Reply, Server, as_json, redirect
from .test_token_response import INVALID_RESPONSES


@pytest.mark.parametrize("name", INVALID_RESPONSES)
async def test_invalid_response_keeps_the_earlier_token(make: Make, server: Server, name: str) -> None:
    status, body = INVALID_RESPONSES[name]
    client = make(token="EARLIER")
    server.replies["/oauth/token"] = Reply(body, status)
    with pytest.raises(TokenRequestFailed) as caught:
        await client.fetch_token(code=CODE)
    assert client_token(client)["access_token"] == "EARLIER"
    assert caught.value.status == status
    login = client.login()
    with pytest.raises(TokenRequestFailed) as caught_again:
        await client.finish_login(login, callback_url(login))
    assert login.verifier is not None
    secrets = ["SECRETTOKEN", "CLIENT-SECRET", "EARLIER", "CODE-1", login.verifier, login.state]
    for error in (caught.value, caught_again.value):
        shown = error_output(error) + package_locals(error)
        assert [secret for secret in secrets if secret in shown] == []


async def test_secrets_repeated_by_the_server_are_redacted(client: Cloud66OAuth2Client, server: Server) -> None:
    server.replies["/oauth/token"] = lambda request: as_json(
        400, error="invalid_grant", error_description=" ".join(request.form.values())
    )
    login = client.login()
    with pytest.raises(TokenRequestFailed) as caught:
        await client.finish_login(login, callback_url(login))
    assert login.verifier is not None
    for secret in ("CODE-1", "CLIENT-SECRET", login.verifier):
        assert secret not in error_output(caught.value)
    assert caught.value.code == "invalid_grant"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("eager", [False, True])
async def test_redirect_of_the_token_endpoint_is_not_followed(
    client: Cloud66OAuth2Client, server: Server, status: int, eager: bool
) -> None:
    server.replies["/oauth/token"] = redirect(status, f"{server.url}/elsewhere")
    server.replies["/elsewhere"] = TOKEN
    client.follow_redirects = eager
    login = client.login()
    with pytest.raises(TokenRequestFailed, match="redirects are not followed") as caught:
        await client.finish_login(login, callback_url(login))
    with pytest.raises(TokenRequestFailed):
        await client.fetch_token(code="CODE-2")
    assert caught.value.status == status
    assert server.requests_to("/elsewhere") == []


async def test_code_is_exchanged_once(client: Cloud66OAuth2Client, server: Server) -> None:
    server.replies["/oauth/token"] = Reply(b"", 503)
    login = client.login()
    with pytest.raises(TokenRequestFailed):
        await client.finish_login(login, callback_url(login))
    assert len(server.requests) == 1


async def test_incomplete_response_is_reported(client: Cloud66OAuth2Client, server: Server) -> None:
    server.replies["/oauth/token"] = Reply(b"access_tok", cut=True)
    login = client.login()
    with pytest.raises(TokenRequestFailed, match="token request failed") as caught:
        await client.finish_login(login, callback_url(login))
    assert caught.value.status is None
    shown = error_output(caught.value) + package_locals(caught.value)
    assert login.verifier is not None
    for secret in ("CODE-1", "CLIENT-SECRET", login.verifier, login.state):
        assert secret not in shown


async def test_missing_response_times_out(make: Make, server: Server) -> None:
    server.replies["/oauth/token"] = Reply(wait=asyncio.Event())
    client = make(timeout=0.05)
    login = client.login()
    with pytest.raises(TokenRequestFailed, match="timed out"):
        await client.finish_login(login, callback_url(login))


async def test_slow_response_exceeds_the_total_timeout(make: Make) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        try:
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.01)
        except (OSError, asyncio.CancelledError):
            writer.close()

    listening = await asyncio.start_server(drip, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    try:
        client = make(url=f"http://127.0.0.1:{port}", timeout=0.2)
        login = client.login()
        with pytest.raises(TokenRequestFailed, match="total"):
            await client.finish_login(login, callback_url(login))
    finally:
        listening.close()
        await asyncio.sleep(0.05)


async def test_endless_response_is_not_read_completely(make: Make) -> None:
    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\naccess_token=")
        with contextlib.suppress(OSError):
            while True:
                writer.write(b"x" * 65_536)
                await writer.drain()
        writer.close()

    listening = await asyncio.start_server(pour, "127.0.0.1", 0)
    try:
        client = make(url=f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}")
        with pytest.raises(TokenRequestFailed, match="exceeds 65536 bytes"):
            await client.fetch_token(code=CODE)
    finally:
        listening.close()
        await asyncio.sleep(0.05)


async def test_untrusted_certificate_is_rejected() -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)  # pyright: ignore[reportUnknownMemberType]
    received: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\naccess_token=TOKEN-1")
        await writer.drain()
        writer.close()

    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)  # pyright: ignore[reportUnknownMemberType]
    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    url = f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    options: dict[str, Any] = {"client_id": "ID", "redirect_url": REDIRECT, "url": url}
    try:
        async with Cloud66OAuth2Client(**options) as client:
            with pytest.raises(TokenRequestFailed, match=r"(?i)certificate"):
                await client.fetch_token(code=CODE)
        assert received == []
        async with Cloud66OAuth2Client(verify=trusting, **options) as client:
            assert (await client.fetch_token(code=CODE))["access_token"] == "TOKEN-1"
        assert len(received) == 1
    finally:
        listening.close()
        await asyncio.sleep(0)


async def test_unreachable_server_is_reported(make: Make) -> None:
    client = make(url="http://127.0.0.1:1")
    with pytest.raises(TokenRequestFailed):
        await client.fetch_token(code="CODE-1")
