from __future__ import annotations

import math
import re
import sys

import pytest

from cloud66_async import ConfigError, Timeouts, Token
from cloud66_async.config import URL, USER_AGENT, Address, environment_token, read_timeouts


@pytest.mark.parametrize(
    ("url", "site", "api"),
    [
        ("https://app.cloud66.com", "https://app.cloud66.com", "/api/3"),
        ("https://app.cloud66.com/", "https://app.cloud66.com", "/api/3"),
        ("https://app.cloud66.com/api/3", "https://app.cloud66.com", "/api/3"),
        ("https://app.cloud66.com/api/3/", "https://app.cloud66.com", "/api/3"),
        ("HTTPS://App.Cloud66.Com", "https://app.cloud66.com", "/api/3"),
        ("https://example.com/inside/cloud66", "https://example.com/inside/cloud66", "/inside/cloud66/api/3"),
        ("https://example.com/inside/api/3", "https://example.com/inside", "/inside/api/3"),
        ("https://example.com:8443/api/3", "https://example.com:8443", "/api/3"),
        ("http://localhost:3000", "http://localhost:3000", "/api/3"),
        ("http://127.0.0.1:3000/", "http://127.0.0.1:3000", "/api/3"),
        ("http://127.8.9.1", "http://127.8.9.1", "/api/3"),
        ("http://[::1]:3000", "http://[::1]:3000", "/api/3"),
        ("https://[2001:db8::1]/api/3", "https://[2001:db8::1]", "/api/3"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example", "/api/3"),
        ("https://under_score.example.com.", "https://under_score.example.com.", "/api/3"),
    ],
)
def test_site_url_and_api_url_are_both_accepted(url: str, site: str, api: str) -> None:
    for address in (Address.parse(url), Address.parse(None, {"CLOUD66_URL": url})):
        assert (address.site, address.api_path) == (site, api)


@pytest.mark.parametrize(
    ("url", "host", "port", "tls"),
    [
        ("https://app.cloud66.com", "app.cloud66.com", 443, True),
        ("https://app.cloud66.com:444", "app.cloud66.com", 444, True),
        ("http://localhost", "localhost", 80, False),
        ("http://[::1]:99", "::1", 99, False),
    ],
)
def test_url_is_split_into_host_port_and_tls(url: str, host: str, port: int, tls: bool) -> None:
    address = Address.parse(url)
    assert address.origin[:3] == (host, port, tls)


def test_url_precedence_is_argument_then_environment_then_default() -> None:
    environment = {"CLOUD66_URL": "https://two.example"}
    assert Address.parse("https://one.example", environment).site == "https://one.example"
    assert Address.parse(None, environment).site == "https://two.example"
    assert Address.parse(None, {"CLOUD66_URL": ""}).site == URL
    assert Address.parse(None, {}).site == URL


@pytest.mark.parametrize(
    "url",
    [
        "app.cloud66.com",
        "//app.cloud66.com",
        "ftp://app.cloud66.com",
        "file:///etc/passwd",
        "https://",
        "https:///api/3",
        "https://:443",
        "https://user@app.cloud66.com",
        "https://user:secret@app.cloud66.com",
        "https://@app.cloud66.com",
        "https://app.cloud66.com?x=1",
        "https://app.cloud66.com/#top",
        "https://app.cloud66.com:0",
        "https://app.cloud66.com:65536",
        "https://app.cloud66.com:port",
        "https://app.cloud66.com:-1",
        "https://[::1",
        "https://[nonsense]",
        "https://app cloud66.com",
        "https://app.cloud66.com/\r\nHost: evil",
        "https://app.cloud66.com\x00",
        "https://bücher.example",
        "https://app..cloud66.com",
        "https://.cloud66.com",
        "https://app.cloud66.com\\@evil.example",
        "https://a,b.example",
        "https://a%2eb.example",
        " https://app.cloud66.com",
        "https",
        "https://host:99999",
        "https://a\r\nX: y",
    ],
)
def test_invalid_url_raises_config_error(url: str) -> None:
    with pytest.raises(ConfigError, match=r"invalid .*URL"):
        Address.parse(url)


def test_invalid_url_error_hides_the_password() -> None:
    with pytest.raises(ConfigError) as caught:
        Address.parse("https://user:hush@app.cloud66.com")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://app.cloud66.com",
        "http://10.0.0.1",
        "http://0.0.0.0",
        "http://[2001:db8::1]",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://2130706433",
    ],
)
def test_unencrypted_url_of_remote_host_raises_config_error(url: str) -> None:
    with pytest.raises(ConfigError, match="would send the token unencrypted; use https"):
        Address.parse(url)


# --- timeouts ---------------------------------------------------------------------------------------


def test_number_sets_total_timeout_and_none_disables_timeouts() -> None:
    assert read_timeouts(7) == Timeouts(total=7.0)
    assert read_timeouts(None) == Timeouts(connect=None, read=None, write=None, pool=None, total=None)
    assert read_timeouts(Timeouts(read=1)) == Timeouts(read=1)


@pytest.mark.parametrize("timeout", [0, -1, -0.5, math.nan, math.inf, -math.inf])
def test_invalid_timeout_raises_config_error(timeout: float) -> None:
    with pytest.raises(ConfigError, match="more than 0 seconds"):
        read_timeouts(timeout)


def test_default_timeouts_limit_connect_read_and_write() -> None:
    assert Timeouts() == (5.0, 30.0, 30.0, None, None)


# --- token from the environment -----------------------------------------------------------------------


def test_token_is_read_from_environment() -> None:
    assert environment_token({"CLOUD66_ACCESS_TOKEN": "abc"}) == Token("abc")
    assert environment_token({"CLOUD66_ACCESS_TOKEN": ""}) is None
    assert environment_token({}) is None


def test_invalid_token_in_environment_raises_config_error() -> None:
    with pytest.raises(ConfigError):
        environment_token({"CLOUD66_ACCESS_TOKEN": "a b"})


def test_user_agent_has_the_format_of_the_official_clients() -> None:
    assert re.fullmatch(r"cloud66-async/\d+\.\d+\S* \(\w+; \w+\)", USER_AGENT)
    assert sys.platform in USER_AGENT
