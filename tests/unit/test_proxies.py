"""Proxy settings from the environment, which apply to every transport."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path
from typing import Any

import certifi
import pytest

from cloud66_async import Cloud66, ConfigError, TransportError
from cloud66_async._core import tls
from cloud66_async._core.origin import Origin
from cloud66_async._core.proxies import environment_proxy
from cloud66_async._http.library import httpx
from cloud66_async.oauth.login import Login

from ..support import ONCE, TOKEN, ReceivedRequest, packet, wire

API = Origin("app.cloud66.com", 443, tls=True)
WEB: dict[str, Any] = {
    "client_id": "c",
    "client_secret": "planted-secret",
    "redirect_url": "https://app.example/callback",
}


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize(
    ("value", "proxy"),
    [
        ("http://proxy.example:3128", "http://proxy.example:3128"),
        ("https://proxy.example", "https://proxy.example"),
        ("socks5://proxy.example:1080", "socks5://proxy.example:1080"),
        ("proxy.example:3128", "http://proxy.example:3128"),
        ("user:pass@proxy.example:3128", "http://user:pass@proxy.example:3128"),
        ("[::1]:3128", "http://[::1]:3128"),
    ],
)
def test_proxy_is_read_from_environment(variable: str, value: str, proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    assert environment_proxy(API) == proxy


def test_empty_variable_means_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "")
    assert environment_proxy(API) is None


def test_scheme_variable_takes_precedence_over_all_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://all.example")
    monkeypatch.setenv("HTTP_PROXY", "http://http.example")
    assert environment_proxy(API) == "http://all.example"
    monkeypatch.setenv("HTTPS_PROXY", "http://https.example")
    assert environment_proxy(API) == "http://https.example"


@pytest.mark.parametrize(
    ("excluded", "bypassed"),
    [
        ("app.cloud66.com", True),
        ("app.cloud66.com:443", True),
        ("app.cloud66.com:444", False),
        (".cloud66.com", True),
        ("cloud66.com", True),
        ("other.example, app.cloud66.com:443", True),
        ("*", True),
        ("loud66.com", False),
        ("other.example", False),
    ],
)
def test_no_proxy_excludes_matching_hosts(excluded: str, bypassed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", excluded)
    assert (environment_proxy(API) is None) == bypassed


@pytest.mark.parametrize(
    "value",
    [
        "ftp://proxy.example",
        "socks://proxy.example:1080",
        "http://",
        "http://[::1",
        "http://user:hush@proxy.example:port",
        "http://proxy.example:99999",
        "hush@:3128",
        "http://proxy .example",
    ],
)
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
async def test_invalid_proxy_raises_config_error_that_names_the_variable(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    async with Cloud66(TOKEN, retry=ONCE) as c66:
        with pytest.raises(ConfigError, match=f"in {variable}") as caught:
            await c66.stacks.get("a")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_loopback_is_never_proxied(variable: str, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def reply(received: ReceivedRequest) -> bytes:
        return packet(b'{"access_token":"t"}') if received.target == "/oauth/token" else packet()

    async with wire() as proxy, wire(reply) as server:
        monkeypatch.setenv(variable, proxy.url)
        url = f"http://{host}:{server.port}"
        async with Cloud66(**WEB, url=url) as c66:
            login: Login = c66.login()
            token = await c66.finish_login(login, {"code": "planted-code", "state": login.state})
            assert (await c66.using(token=token).stacks.get("a")).uid == "a"
            async with httpx.AsyncClient(transport=c66.transport) as raw:
                assert (await raw.get(f"{url}/robots.txt")).status_code == 200
    assert proxy.received == []
    assert len(server.received) == 3


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
async def test_other_hosts_are_reached_through_the_proxy(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with wire(lambda _: packet(b"", "407 Proxy Authentication Required")) as proxy:
        monkeypatch.setenv(variable, f"127.0.0.1:{proxy.port}")
        async with Cloud66(TOKEN, url="https://api.example", retry=ONCE) as c66:
            with pytest.raises(TransportError):
                await c66.stacks.get("a")
    (received,) = proxy.received
    assert (received.method, received.target) == ("CONNECT", "api.example:443")
    assert TOKEN not in repr(received)


async def test_every_transport_trusts_the_same_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    contexts: list[ssl.SSLContext] = []
    create = httpx.AsyncHTTPTransport

    def transport(**options: object) -> httpx.AsyncBaseTransport:
        context = options["verify"]
        assert isinstance(context, ssl.SSLContext)
        contexts.append(context)
        return create(**options)  # type: ignore[arg-type]

    monkeypatch.setattr(httpx, "AsyncHTTPTransport", transport)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    async with Cloud66(TOKEN, retry=ONCE) as c66:
        with pytest.raises(TransportError):
            await c66.stacks.get("a")
    (context,) = contexts
    assert context is not tls.shared_context()  # httpx changes the ALPN protocols of its context
    assert context.cert_store_stats() == tls.create_context().cert_store_stats()
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_folder_without_hashed_names_has_no_usable_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "ca-certificates.crt").write_bytes(Path(certifi.where()).read_bytes())
        monkeypatch.setenv("SSL_CERT_DIR", folder)
        monkeypatch.setenv("SSL_CERT_FILE", f"{folder}/missing.pem")
        assert tls.create_context().cert_store_stats()["x509_ca"] > 50
        Path(folder, "0a775a30.0").write_bytes(b"")
        assert tls.create_context().cert_store_stats()["x509_ca"] == 0
