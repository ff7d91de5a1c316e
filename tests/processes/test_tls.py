"""Redis and PostgreSQL with TLS: certificates are checked, and what is wrong with them is said."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from cloud66_async.errors import ConfigError, StoreError
from cloud66_async.integrations.redis import RedisQuota, RedisStore
from cloud66_async.integrations.sql import SQLStore
from cloud66_async.sandbox import FakeCloud66
from cloud66_async.token import Token

from .servers import PostgresServer, RedisServer, TLSFiles

TOKEN = Token("shared-login-of-a-test")
PATIENT = "socket_timeout=20&socket_connect_timeout=20"
SECONDS = 60


def make_files(folder: Path) -> TLSFiles:
    """Return certificates for the address 127.0.0.1, but not for the name `localhost`."""
    authority = trustme.CA()
    issued, files = authority.issue_cert("127.0.0.1"), TLSFiles(*(folder / name for name in ("ca", "cert", "key")))
    authority.cert_pem.write_to_path(files.authority)
    issued.cert_chain_pems[0].write_to_path(files.certificate)
    issued.private_key_pem.write_to_path(files.key)
    return files


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TLSFiles:
    return make_files(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> TLSFiles:
    """Return certificates of an authority that the servers do not have theirs from."""
    return make_files(tmp_path_factory.mktemp("stranger"))


async def check_store(store: SQLStore | RedisStore) -> None:
    async with asyncio.timeout(SECONDS):
        await store.save(TOKEN, "ada")
        found = await store.load("ada")
        await store.aclose()
    assert found == TOKEN


async def refused(store: SQLStore | RedisStore) -> str:
    """Return the message of the error of a store whose server cannot be trusted."""
    async with asyncio.timeout(SECONDS):
        with pytest.raises((StoreError, ConfigError)) as caught:
            await store.save(TOKEN, "ada")
        await store.aclose()
    return str(caught.value)


# --- Redis


@pytest.fixture(scope="module")
def redis(tls: TLSFiles, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"), tls=tls)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def trusting(redis: RedisServer, tls: TLSFiles) -> str:
    return f"{redis.url}?{PATIENT}&ssl_ca_certs={tls.authority}&ssl_certfile={tls.certificate}&ssl_keyfile={tls.key}"


async def test_store_and_quota_on_redis(trusting: str) -> None:
    await check_store(RedisStore(trusting))
    fake = FakeCloud66(hourly_limit=3)
    fake.add_stack("web")
    quota = RedisQuota(trusting)
    async with fake.client(shared_quota=quota) as c66:
        await c66.stacks.list()
        assert c66.quota.remaining == 2
    await quota.aclose()


async def test_redis_of_an_unknown_authority(redis: RedisServer, stranger: TLSFiles) -> None:
    for trusted in ("", f"&ssl_ca_certs={stranger.authority}"):
        text = await refused(RedisStore(f"{redis.url}?{PATIENT}{trusted}"))
        assert f"Redis at rediss://127.0.0.1:{redis.port}/0 failed" in text
        assert "certificate verify failed" in text


async def test_redis_with_the_certificate_of_another_host(trusting: str) -> None:
    text = await refused(RedisStore(trusting.replace("127.0.0.1", "localhost")))
    assert "certificate is not valid for 'localhost'" in text


async def test_redis_that_requires_a_certificate(redis: RedisServer, tls: TLSFiles) -> None:
    assert "failed" in await refused(RedisStore(f"{redis.url}?{PATIENT}&ssl_ca_certs={tls.authority}"))


async def test_redis_without_tls(redis: RedisServer, redis_server: RedisServer, tls: TLSFiles) -> None:
    """A URL of the wrong scheme fails at once."""
    assert "failed" in await refused(RedisStore(f"redis://127.0.0.1:{redis.port}/0"))
    url = f"{redis_server.url.replace('redis:', 'rediss:')}?ssl_ca_certs={tls.authority}"
    assert "failed" in await refused(RedisStore(url))


# --- PostgreSQL


@pytest.fixture(scope="module")
def postgres(tls: TLSFiles) -> Iterator[PostgresServer]:
    # As in conftest: another run of pytest makes its folders inaccessible for the user that the server runs as.
    with tempfile.TemporaryDirectory(prefix="cloud66-postgres-", ignore_cleanup_errors=True) as folder:
        server = PostgresServer(Path(folder), tls=tls)
        server.start()
        yield server
        server.stop()


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
async def test_store_on_postgresql(postgres: PostgresServer, tls: TLSFiles, mode: str) -> None:
    await check_store(SQLStore(f"{postgres.url()}?sslmode={mode}&sslrootcert={tls.authority}"))


async def test_authority_from_the_environment(
    postgres: PostgresServer, tls: TLSFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSSLROOTCERT", str(tls.authority))
    await check_store(SQLStore(f"{postgres.url()}?sslmode=verify-full"))


async def test_postgresql_of_an_unknown_authority(postgres: PostgresServer, stranger: TLSFiles) -> None:
    for mode in ("require", "verify-ca", "verify-full"):
        text = await refused(SQLStore(f"{postgres.url()}?sslmode={mode}&sslrootcert={stranger.authority}"))
        assert "certificate verify failed" in text
        assert PostgresServer.PASSWORD not in text


async def test_postgresql_with_the_certificate_of_another_host(postgres: PostgresServer, tls: TLSFiles) -> None:
    url = postgres.url().replace("127.0.0.1", "localhost")
    await check_store(SQLStore(f"{url}?sslmode=verify-ca&sslrootcert={tls.authority}"))
    text = await refused(SQLStore(f"{url}?sslmode=verify-full&sslrootcert={tls.authority}"))
    assert "certificate is not valid for 'localhost'" in text


async def test_postgresql_that_requires_a_certificate(postgres: PostgresServer, tls: TLSFiles) -> None:
    url = f"{postgres.url('template1')}?sslmode=verify-full&sslrootcert={tls.authority}"
    assert "requires a valid client certificate" in await refused(SQLStore(url))
    await check_store(SQLStore(f"{url}&sslcert={tls.certificate}&sslkey={tls.key}"))


async def test_postgresql_that_requires_tls(postgres: PostgresServer) -> None:
    assert "no encryption" in await refused(SQLStore(f"{postgres.url()}?sslmode=disable"))


async def test_postgresql_without_tls(postgres_server: PostgresServer, tls: TLSFiles) -> None:
    text = await refused(SQLStore(f"{postgres_server.url()}?sslmode=require&sslrootcert={tls.authority}"))
    assert "SSL" in text


@pytest.mark.parametrize("name", ["sslrootcert", "sslcert", "sslkey"])
def test_missing_file_of_postgresql(name: str) -> None:
    with pytest.raises(ConfigError, match=f"^invalid URL of a database: {name} is '/none.pem', which does not exist$"):
        SQLStore(f"postgresql://db.example/app?sslmode=verify-full&{name}=/none.pem")


@pytest.mark.parametrize("name", ["ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile"])
def test_missing_file_of_redis(name: str) -> None:
    with pytest.raises(ConfigError, match=f"^invalid URL of Redis: {name} is '/none.pem', which does not exist$"):
        RedisStore(f"rediss://redis.example?{name}=/none.pem")
