"""The sandbox as a server: its host names, TLS, and the state on its start page."""

from __future__ import annotations

import http.client
import ssl
import stat
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cloud66_async import Cloud66, TransportError
from cloud66_async._core import tls
from cloud66_async.clock import SystemClock
from cloud66_async.sandbox import FakeCloud66, SandboxServer

from ..conftest import PoolName
from ..support import ONCE


def respond(server: SandboxServer, path: str, *hosts: str, scheme: str | None = None) -> tuple[int, str]:
    """Send a request with these Host headers. Return the status and the body."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
    try:
        connection.putrequest("GET", path, skip_host=True)
        for host in hosts:
            connection.putheader("Host", host)
        if scheme is not None:
            connection.putheader("X-Forwarded-Proto", scheme)
        connection.endheaders()
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:80", 200),
        ("localhost:6606", 200),
        ("LOCALHOST", 200),
        ("localhost.", 200),
        ("[::1]:6606", 200),
        ("sandbox.test", 200),
        ("Sandbox.test:80", 200),
        ("evil.example", 421),
        ("evil.example:6606", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1@evil.example", 421),
        ("192.0.2.1", 421),
        ("[::1", 421),
        ("", 421),
    ],
)
def test_server_answers_only_its_own_host_names(host: str, status: int) -> None:
    with SandboxServer(hosts=["sandbox.test"]) as server:
        for path in ("/", "/state", "/oauth/authorize?client_id=x", "/api/3/ping.json"):
            found, text = respond(server, path, host)
            assert (found == 421) == (status == 421), (path, found)
            assert ("another host name" in text) == (status == 421)


def test_request_without_or_with_two_host_headers_is_refused() -> None:
    with SandboxServer() as server:
        assert respond(server, "/", "127.0.0.1", "evil.example")[0] in (400, 421)
        assert respond(server, "/")[0] in (400, 421)


def test_client_does_not_choose_the_scheme_of_links() -> None:
    with SandboxServer() as server:
        text = respond(server, "/", "127.0.0.1", scheme="gopher")[1]
    assert "CLOUD66_URL=http://127.0.0.1" in text
    assert "gopher" not in text


def test_open_start_page_is_not_counted() -> None:
    with SandboxServer() as server:
        server.fake.add_stack("web")
        for _ in range(3):
            status, text = respond(server, "/state", "127.0.0.1")
            assert (status, "<dt>Requests</dt><dd>0</dd>" in text) == (200, True)
        assert server.request_count == 0


# --- TLS -----------------------------------------------------------------------------------------


async def test_tls_with_a_throw_away_authority(transport: PoolName) -> None:
    with SandboxServer(FakeCloud66(clock=SystemClock()), tls=True) as server:
        stack = server.fake.add_stack("web")
        assert server.ca_file is not None
        files = list(server.ca_file.parent.iterdir())
        assert stat.S_IMODE(server.ca_file.parent.stat().st_mode) == 0o700
        context = ssl.create_default_context(cafile=server.ca_file)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        for url in (server.url, server.url.replace("127.0.0.1", "localhost")):
            async with Cloud66(server.fake.add_token(), url=url, tls=context, pool=transport) as c66:
                assert [each.uid for each in await c66.stacks.list()] == [stack.uid]
        async with Cloud66(server.fake.add_token(), url=server.url, pool=transport, retry=ONCE) as c66:
            with pytest.raises(TransportError, match="certificate"):
                await c66.stacks.list()
    assert server.url.startswith("https://127.0.0.1:")
    assert server.ca_file is None
    assert not any(map(Path.exists, files))


async def test_links_of_a_server_with_tls_lead_to_it() -> None:
    with SandboxServer(tls=True) as server:
        stack = server.fake.add_stack("web")
        context = ssl.create_default_context(cafile=server.ca_file)
        async with Cloud66(server.fake.add_token(), url=server.url, tls=context) as c66:
            hook = (await c66.stacks.get(stack.uid)).redeploy_hook
    assert hook is not None
    assert hook.reveal().startswith(f"{server.url}/")


def test_environment_variable_names_the_authority(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `cloud66-async sandbox --tls` prints it."""
    with SandboxServer(tls=True) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        assert tls.create_context().cert_store_stats()["x509_ca"] == 1


def test_server_with_tls_can_be_started_again() -> None:
    server = SandboxServer(tls=True)
    for _ in range(2):
        with server:
            context = ssl.create_default_context(cafile=server.ca_file)
            connection = http.client.HTTPSConnection(urlsplit(server.url).netloc, context=context, timeout=10)
            connection.request("GET", "/")
            assert f"CLOUD66_URL={server.url}" in connection.getresponse().read().decode()
            connection.close()
