"""Limits on the time and the size of token requests, proxies, and CA certificates."""

from __future__ import annotations

import asyncio
import gzip
import os
import ssl
import subprocess
import sys
import textwrap
import zlib
from pathlib import Path
from typing import Literal

import pytest
import trustme

from cloud66_async import Cloud66
from cloud66_async.errors import ConfigError, TokenRequestFailed, TransportError, TransportTimeout
from cloud66_async.oauth import Cloud66OAuth2Client
from cloud66_async.transport import Timeouts

from .conftest import REDIRECT
from .server import Reply, Server, serving

TOKEN_BODY = b'{"access_token": "TOKEN-1", "token_type": "bearer"}'
LIMITS = [0.1, Timeouts(total=0.1), Timeouts(read=0.1)]


# --- time


@pytest.mark.parametrize("pool", ["own", "httpx"])
@pytest.mark.parametrize("timeout", LIMITS)
async def test_login_obeys_the_timeouts_of_the_client(
    server: Server, timeout: float | Timeouts, pool: Literal["own", "httpx"]
) -> None:
    server.replies["/oauth/token"] = server.replies["/oauth/revoke"] = Reply(wait=asyncio.Event())
    async with asyncio.timeout(60):
        async with Cloud66(client_id="ID", redirect_url=REDIRECT, url=server.url, timeout=timeout, pool=pool) as c66:
            login = c66.login()
            with pytest.raises(TokenRequestFailed, match="timed out"):
                await c66.finish_login(login, {"code": "CODE-1", "state": login.state})
            with pytest.raises(TransportTimeout):
                await c66.revoke("TOKEN-1")


@pytest.mark.parametrize("timeout", LIMITS)
async def test_slow_body_exceeds_the_timeouts_of_the_client(server: Server, timeout: float | Timeouts) -> None:
    server.replies["/oauth/token"] = Reply(TOKEN_BODY.ljust(1000), pause=0.02)
    async with asyncio.timeout(60), Cloud66OAuth2Client("ID", url=server.url, timeout=timeout) as client:
        with pytest.raises(TokenRequestFailed, match="timed out"):
            await client.fetch_token(code="CODE-1")


async def test_total_timeout_limits_every_request(server: Server) -> None:
    server.replies["/api/3/stacks.json"] = Reply(wait=asyncio.Event())
    async with Cloud66OAuth2Client(token="TOKEN-1", url=server.url, timeout=Timeouts(total=0.1)) as client:
        with pytest.raises(TransportTimeout) as caught:
            await client.get("stacks.json")
    assert caught.value.phase == "total"


def test_invalid_timeout_is_rejected() -> None:
    with pytest.raises(ConfigError, match="invalid timeout"):
        Cloud66OAuth2Client(timeout=-1)


# --- size


def compressed(times: int, body: bytes = TOKEN_BODY) -> Reply:
    for _ in range(times):
        body = gzip.compress(body)
    encodings = ", ".join(["gzip"] * times)
    return Reply(body, headers=(("content-type", "application/json"), ("content-encoding", encodings)))


@pytest.mark.parametrize("times", [1, 2])
async def test_compressed_token_response_is_read(client: Cloud66OAuth2Client, server: Server, times: int) -> None:
    server.replies["/oauth/token"] = compressed(times)
    assert (await client.fetch_token(code="CODE-1"))["access_token"] == "TOKEN-1"
    assert server.requests[0].header("accept-encoding") == "identity"


@pytest.mark.parametrize("body", [b"no gzip", gzip.compress(TOKEN_BODY, mtime=0)[:-9]])
async def test_damaged_compressed_response_is_reported(
    client: Cloud66OAuth2Client, server: Server, body: bytes
) -> None:
    server.replies["/oauth/token"] = Reply(body, headers=(("content-encoding", "gzip"),))
    with pytest.raises(TokenRequestFailed):
        await client.fetch_token(code="CODE-1")


BOMB = textwrap.dedent(
    """
    import asyncio, resource, sys
    if sys.argv[2] == "httpx":
        sys.modules["httpx2"] = None  # as if it was not installed
    from cloud66_async import Cloud66, TokenRequestFailed
    from cloud66_async.oauth import Cloud66OAuth2Client

    async def main(url):
        for kind in (Cloud66OAuth2Client, Cloud66):
            async with kind(client_id="ID", redirect_url="https://app.example/callback", url=url) as client:
                login = client.login()
                before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                try:
                    await client.finish_login(login, {"code": "CODE-1", "state": login.state})
                except TokenRequestFailed as error:
                    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, error)

    asyncio.run(main(sys.argv[1]))
    """
)


@pytest.mark.skipif(sys.platform == "win32", reason="the operating system does not report the memory of a process")
@pytest.mark.parametrize("library", ["httpx", "httpx2"])
@pytest.mark.parametrize("times", [1, 2])
async def test_decompression_needs_little_memory(server: Server, library: str, times: int) -> None:
    pytest.importorskip(library)
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [compressor.compress(bytes(2**20)) for _ in range(200)]
    server.replies["/oauth/token"] = attacked = compressed(times - 1, b"".join([*parts, compressor.flush()]))
    encodings = ", ".join(["gzip"] * times)
    server.replies["/oauth/token"] = Reply(attacked.body, headers=(("content-encoding", encodings),))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore", "-c", BOMB, server.url, library, stdout=subprocess.PIPE
    )
    lines = (await process.communicate())[0].decode().splitlines()
    assert len(lines) == 2
    for line in lines:
        kilobytes, _, text = line.partition(" ")
        assert "exceeds" in text
        assert int(kilobytes) < 50_000


# --- proxies and certificates


@pytest.mark.parametrize("name", ["http_proxy", "HTTPS_PROXY", "all_proxy"])
async def test_loopback_hosts_never_use_a_proxy(server: Server, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:1")  # nothing listens there
    async with Cloud66OAuth2Client("ID", url=server.url) as client:
        await client.fetch_token(code="CODE-1")
    assert server.requests[0].target == "/oauth/token"


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "ALL_PROXY"])
async def test_other_hosts_use_the_proxy_of_the_environment(
    server: Server, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, server.url.removeprefix("http://"))
    async with Cloud66OAuth2Client("ID", url="https://cloud66.example") as client:
        with pytest.raises(TokenRequestFailed):
            await client.fetch_token(code="CODE-1")
        with pytest.raises(TransportError):
            await client.request("GET", "https://other.example/", withhold_token=True)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,other.invalid:443")
        with pytest.raises(TransportError, match="cannot connect"):
            await client.request("GET", "https://other.invalid/", withhold_token=True)
    assert [(request.method, request.target) for request in server.requests] == [
        ("CONNECT", "cloud66.example:443"),
        ("CONNECT", "other.example:443"),
    ]


async def test_environment_is_ignored_on_request(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", server.url)
    async with Cloud66OAuth2Client("ID", url="https://cloud66.invalid", trust_env=False) as client:
        with pytest.raises(TokenRequestFailed, match="cannot connect"):
            await client.fetch_token(code="CODE-1")
    assert server.requests == []


@pytest.mark.parametrize("proxy", ["http://[", "http://proxy:port", "gopher://proxy"])
async def test_invalid_proxy_names_its_variable(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    async with Cloud66OAuth2Client("ID", token="TOKEN-1", url="https://cloud66.example") as client:
        with pytest.raises(ConfigError, match="HTTPS_PROXY"):
            await client.fetch_token(code="CODE-1")
        with pytest.raises(ConfigError, match="HTTPS_PROXY"):
            await client.get("stacks.json")


@pytest.mark.parametrize("trust_env", [True, False])
async def test_ca_certificates_are_those_of_the_system(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, trust_env: bool
) -> None:
    authority = trustme.CA()
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)  # pyright: ignore[reportUnknownMemberType]
    async with serving(context) as server:
        async with Cloud66OAuth2Client("ID", url=server.url, trust_env=trust_env) as client:
            with pytest.raises(TokenRequestFailed, match=r"(?i)certificate"):
                await client.fetch_token(code="CODE-1")
        monkeypatch.setenv("SSL_CERT_FILE", os.fspath(file))
        async with Cloud66OAuth2Client("ID", url=server.url, trust_env=trust_env) as client:
            assert (await client.fetch_token(code="CODE-1"))["access_token"] == "TOKEN-1"
        async with Cloud66OAuth2Client("ID", url=server.url, verify=False) as client:
            assert (await client.fetch_token(code="CODE-1"))["access_token"] == "TOKEN-1"
