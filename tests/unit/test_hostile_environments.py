"""Clients that are closed, that belong to another library, and in hostile environments: each gets a clear error."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import cloud66_async
from cloud66_async import Cloud66, ConfigError
from cloud66_async._http.library import NAME

from ..conftest import PoolName
from ..support import ONCE

# --- states of a client


@pytest.mark.parametrize("pool", ["own", "httpx"])
async def test_closed_client_raises_config_error(pool: PoolName) -> None:
    c66 = Cloud66("t", url="http://127.0.0.1:9", pool=pool, retry=ONCE)
    with pytest.raises(cloud66_async.TransportError):
        await c66.stacks.get("a")  # entering is not necessary
    await c66.aclose()
    await c66.aclose()
    with pytest.raises(ConfigError, match="this client is closed"):
        await c66.stacks.get("a")
    with pytest.raises(ConfigError, match="this client is closed"):
        _ = c66.transport


@pytest.mark.parametrize("pool", ["own", "httpx"])
def test_client_without_asyncio_raises_config_error(pool: PoolName) -> None:
    """Under trio, and in a coroutine that is driven by hand, no event loop of asyncio is running."""
    c66 = Cloud66("t", url="http://127.0.0.1:9", pool=pool)
    for call in (c66.stacks.get("a"), c66.stacks.list().first(), c66.collect(c66.stacks.get, ["a"])):
        with pytest.raises(ConfigError, match="no asyncio event loop is running"):
            call.send(None)


OTHER = {"httpx": "httpx2", "httpx2": "httpx"}[NAME]


@pytest.mark.skipif(importlib.util.find_spec(OTHER) is None, reason="only one HTTP library is installed")
class TestOtherLibrary:
    """Objects of the HTTP library that the package does not use."""

    @pytest.fixture
    def other(self) -> Any:
        return importlib.import_module(OTHER)

    def test_its_transport_is_rejected(self, other: Any) -> None:
        for transport in (other.MockTransport(print), other.AsyncHTTPTransport()):
            with pytest.raises(ConfigError, match=f"it is one of {OTHER}, but this package uses {NAME}"):
                Cloud66("t", transport=transport)

    def test_clients_are_not_transports(self, other: Any) -> None:
        for library in (other, importlib.import_module(NAME)):
            with pytest.raises(TypeError, match="expected a Transport or an"):
                Cloud66("t", transport=library.AsyncClient())

    @pytest.mark.parametrize("pool", ["own", "httpx"])
    async def test_its_client_cannot_use_the_transport(self, other: Any, pool: PoolName) -> None:
        async with Cloud66("t", pool=pool) as c66, other.AsyncClient(transport=c66.transport) as http:
            with pytest.raises(ConfigError, match=f"the client is one of {OTHER}; use {NAME}.AsyncClient"):
                await http.get("http://127.0.0.1:9/")


# --- environments

PROGRAM = """
import asyncio, os, sys, traceback
try:
    from cloud66_async import Cloud66, Cloud66Error, Retry
    async def main():
        async with Cloud66(os.environ.get("TOKEN"), retry=Retry(attempts=1), timeout=5, pool={pool!r}) as c66:
            await c66.stacks.get("a")
    asyncio.run(main())
    found = "returned"
except Cloud66Error as error:
    kind = next(kind for kind in type(error).__mro__ if kind.__module__ == "cloud66_async.errors")
    found = kind.__name__ + ": " + ascii(str(error))
except BaseException:
    found = ascii(traceback.format_exc())
with open({result!r}, "w", encoding="utf-8") as file:
    file.write(found)
"""
LOCAL, TLS = {"CLOUD66_URL": "http://127.0.0.1:9"}, {"CLOUD66_URL": "https://127.0.0.1:9", "TOKEN": "t"}
LOST, INVALID, NO_LOGIN = "TransportError", "ConfigError", "MissingToken"
ENVIRONMENTS: dict[str, tuple[dict[str, str | bytes], str]] = {
    "home is a device": ({**LOCAL, "HOME": "/dev/null"}, INVALID),
    "home does not exist": ({**LOCAL, "HOME": "/nowhere/at/all"}, NO_LOGIN),
    "home is empty": ({**LOCAL, "HOME": ""}, NO_LOGIN),
    "relative directories": ({**LOCAL, "XDG_CONFIG_HOME": "a", "XDG_STATE_HOME": ".", "XDG_DATA_HOME": ".."}, NO_LOGIN),
    "token with a space": ({**LOCAL, "CLOUD66_ACCESS_TOKEN": "a b"}, INVALID),
    "token that is not UTF-8": ({**LOCAL, "CLOUD66_ACCESS_TOKEN": b"\xff"}, INVALID),
    "toolbelt login": ({"CLOUD66_TOKEN": "%%%"}, INVALID),
    "toolbelt login that is not ASCII": ({"CLOUD66_TOKEN": b"\xff\xe4"}, INVALID),
    "toolbelt login with a number": ({"CLOUD66_TOKEN": "Nw=="}, INVALID),
    "URL without a host": ({"TOKEN": "t", "CLOUD66_URL": "http://"}, INVALID),
    "URL with an open bracket": ({"TOKEN": "t", "CLOUD66_URL": "https://[::1"}, INVALID),
    "URL that is not UTF-8": ({"TOKEN": "t", "CLOUD66_URL": b"https://\xff"}, INVALID),
    "proxy that is not UTF-8": ({"TOKEN": "t", "HTTPS_PROXY": b"http://\xff"}, INVALID),
    "unknown pool": ({**LOCAL, "TOKEN": "t", "CLOUD66_POOL": "x"}, INVALID),
    "missing CA certificates": ({**TLS, "SSL_CERT_FILE": "/nowhere/at/all"}, LOST),
    "empty CA certificates": ({**TLS, "SSL_CERT_FILE": "/dev/null", "SSL_CERT_DIR": ""}, LOST),
    "directory as CA certificates": ({**TLS, "SSL_CERT_FILE": "/", "SSL_CERT_DIR": "/dev/null"}, LOST),
    "locale C": ({**TLS, "LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, LOST),
    "debug mode of asyncio": ({**TLS, "PYTHONASYNCIODEBUG": "1"}, LOST),
}


def run(pool: str, environment: Mapping[str, str | bytes], tmp_path: Path, **options: Any) -> str:
    """Run the program in this environment and return what became of it."""
    result = tmp_path / "result"
    clean: dict[str, Any] = {
        name: value for name, value in os.environ.items() if not name.startswith(("CLOUD66_", "XDG_", "SSL_", "HOME"))
    }
    code = PROGRAM.format(pool=pool, result=str(result))
    start: Any = subprocess.run  # its overloads do not accept `**options`
    process = start(
        [sys.executable, "-c", code],
        env={**clean, **environment},
        check=False,
        timeout=60,
        capture_output=True,
        **options,
    )
    assert result.exists(), process.stderr
    return result.read_text(encoding="utf-8")


@pytest.mark.skipif(sys.platform == "win32", reason="environments of POSIX systems")
@pytest.mark.parametrize("pool", ["own", "httpx"])
@pytest.mark.parametrize(("environment", "expected"), ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_hostile_environment(environment: Mapping[str, str | bytes], expected: str, pool: str, tmp_path: Path) -> None:
    if environment.get("CLOUD66_POOL"):
        pool = ""
    assert run(pool, {"HOME": str(tmp_path), **environment}, tmp_path).startswith(f"{expected}: ")


@pytest.mark.skipif(sys.platform == "win32", reason="environments of POSIX systems")
@pytest.mark.parametrize("pool", ["own", "httpx"])
def test_closed_standard_streams(pool: str, tmp_path: Path) -> None:
    def close() -> None:
        for stream in range(3):
            os.close(stream)

    environment = {"HOME": str(tmp_path), **TLS}
    assert run(pool, environment, tmp_path, preexec_fn=close).startswith(f"{LOST}: ")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("pool", ["own", "httpx"])
def test_unknown_user_without_a_home(pool: PoolName) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        try:
            found = run(pool, LOCAL, Path(folder), user=54321)
        except PermissionError:
            pytest.skip("other users cannot run this interpreter")
    assert found.startswith(f"{NO_LOGIN}: ")
