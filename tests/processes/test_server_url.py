"""URLs of Redis and of databases: what is shown of them, and which are refused."""

from __future__ import annotations

import pickle

import pytest

from cloud66_async import ConfigError
from cloud66_async.integrations.redis.connection import RedisConnection, key_prefix
from cloud66_async.integrations.server_url import ServerURL
from cloud66_async.integrations.sql.database import Database

from .servers import require_package

URL_PASSWORD = "URL-PASSWORD-1"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"redis://:{URL_PASSWORD}@db.example:6379/0?db=1", "redis://db.example:6379/0"),
        (f"REDISS://ann:{URL_PASSWORD}@[::1]:6380", "rediss://[::1]:6380"),
        (f"unix://ann:{URL_PASSWORD}@/run/redis.sock?db=1", "unix:///run/redis.sock"),
        (f"postgresql+psycopg://{URL_PASSWORD}@db.example/app", "postgresql+psycopg://db.example/app"),
        ("postgresql:///app?host=/run/postgresql", "postgresql:///app"),
        ("sqlite:////home/jö/a@b#c.db", "sqlite:////home/jö/a@b#c.db"),
        ("sqlite:///relative path.db", "sqlite:///relative path.db"),
    ],
)
def test_credentials_and_query_are_not_shown(url: str, shown: str) -> None:
    found = ServerURL(url)
    assert str(found) == shown
    assert repr(found) == f"ServerURL({shown!r})"
    assert found.reveal().lower() == url.lower()
    assert pickle.loads(pickle.dumps(found)).reveal() == found.reveal()


@pytest.mark.parametrize(
    "url",
    [
        *(f"redis://:{URL_PASSWORD}{mark}x@db.example/0" for mark in "/?#@ \n☃"),
        *(
            "",
            "redis",
            "://db.example",
            f"redis:{URL_PASSWORD}",
            "redis://[::1",
            "redis://db.example:99999",
            "re dis://x",
        ),
        *("redis://db.example:0", f"redis://:{URL_PASSWORD}", f"redis://ann:{URL_PASSWORD}", "redis://db.example/#0"),
        *("sqlite://", "sqlite://a.db", "sqlite:///a\0b", "sqlite:///\ud800"),
    ],
)
def test_invalid_url_is_not_shown(url: str) -> None:
    with pytest.raises(ConfigError, match=r"invalid URL of a server: (expected|it|its) ") as caught:
        ServerURL(url)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("url", [None, 5, b"redis://x"])
def test_url_that_is_not_text(url: str) -> None:
    for kind in (ServerURL, RedisConnection, Database):
        with pytest.raises(TypeError, match="invalid url: expected a string"):
            kind(url)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://db.example", r"invalid URL of Redis: expected redis://host:6379/0, rediss://"),
        ("postgresql://db.example/app", "invalid URL of Redis: expected redis://"),
        ("redis://db.example?decode_responses=1", "unknown parameter 'decode_responses'; remove it from the URL"),
        ("redis://db.example?password=", "unknown parameter 'password'"),
        ("redis://db.example?ssl_cert_reqs=none", "unknown parameter 'ssl_cert_reqs'"),
    ],
)
def test_urls_that_are_not_of_redis(url: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        RedisConnection(url)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("redis://db.example/0", "invalid URL of a database: expected sqlite:///path or postgresql://"),
        ("mysql+aiomysql://db.example/app", "expected sqlite:///path or postgresql://"),
        ("postgresql://db.example/app?channel_binding=require", "unknown parameter 'channel_binding'; remove it"),
        ("sqlite:///a.db?mode=memory", "unknown parameter 'mode'"),
        ("sqlite:///:memory:", "a SQLite database in memory cannot be shared"),
        ("sqlite:///", "a SQLite database in memory cannot be shared"),
    ],
)
def test_urls_that_are_not_of_a_database(url: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        Database(url)


async def test_parameter_with_an_invalid_value() -> None:
    require_package("redis", "redis")
    with pytest.raises(ConfigError, match=r"invalid parameter in the URL of Redis redis://db.example"):
        RedisConnection("redis://db.example?db=x").client()


@pytest.mark.parametrize("prefix", ["", "a b", "{a}", "a*", "a?", "[a]", "a\\", "a\n", "x" * 101])
def test_invalid_prefix(prefix: str) -> None:
    with pytest.raises(ConfigError, match="invalid prefix"):
        key_prefix(prefix)
    assert key_prefix("my-app:production") == "my-app:production"
