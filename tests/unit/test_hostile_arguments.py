"""Every public constructor and function with hostile arguments, and clients in hostile environments.

Whatever is passed, a call works or raises an error of the package, or a TypeError or ValueError that the package raises
itself. No error of a library or of Python's own functions gets out.
"""

from __future__ import annotations

import asyncio
import enum
import importlib.util
import inspect
import linecache
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

import cloud66_async
from cloud66_async import (
    Cloud66,
    Cloud66Error,
    ConfigError,
    Retry,
    Secret,
    Timeouts,
    Token,
    bulk,
    oauth,
    sandbox,
)
from cloud66_async._core.model import Model
from cloud66_async._http.library import NAME
from cloud66_async.integrations import keyring, starlette
from cloud66_async.resources import stacks

from ..conftest import PoolName
from ..support import ONCE, Script, client

PACKAGE = str(Path(cloud66_async.__file__).parent)
MODULES: tuple[ModuleType, ...] = (cloud66_async, oauth, sandbox, starlette, keyring)


class Unprintable:
    """An object that cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("an argument was shown")


VALUES: dict[str, Any] = {
    "None": None,
    "an object": object(),
    "a class": int,
    "an unprintable object": Unprintable(),
    "a list of unprintable objects": [Unprintable()],
    "True": True,
    "zero": 0,
    "a negative number": -1,
    "a negative float": -0.5,
    "10**400": 10**400,
    "10**5000": 10**5000,
    "nan": math.nan,
    "inf": math.inf,
    "bytes": b"x",
    "an empty list": [],
    "an empty mapping": {},
    "an empty string": "",
    "a space": " ",
    "two dots": "..",
    "a slash": "a/b",
    "NUL": "a\0b",
    "a newline": "a\nb",
    "a surrogate": "\ud800",
    "a snowman": "\u2603",
    "a huge string": "x" * 100_000,
    "digits": "9" * 5000,
    "a URL without a host": "http://",
    "an open bracket": "https://[::1",
    "a port out of range": "https://host:99999",
    "port 0": "https://host:0",
    "a port that is not a number": "https://[::1]:x",
    "a user name": "https://user:pw@host",
    "an international host": "https://\u2603",
    "a relative URL": "//x",
    "a space in a URL": "https://host/ path",
}


class Row(NamedTuple):
    """How a public name is called. `unchecked` names parameters that Python or a library checks."""

    call: Callable[..., Any]
    arguments: Mapping[str, Any] = {}
    use: Callable[[Any], Any] | None = None
    unchecked: tuple[str, ...] = ()


POOLS: tuple[PoolName, ...] = ("own", "httpx")
UNREACHABLE: dict[str, Any] = {"token": "t", "url": "http://127.0.0.1:9", "retry": ONCE}
APPLICATION: dict[str, Any] = {"client_id": "c", "client_secret": "s", "redirect_url": "https://app.example/callback"}


async def request(c66: Cloud66) -> None:
    """Send a request, and start a login if the client can."""
    repr(c66)
    async with c66:
        if c66._config.application is not None:
            repr(c66.login())
        await c66.stacks.get("a")


async def request_with_timeouts(timeouts: Timeouts) -> None:
    for pool in POOLS:
        await request(Cloud66("t", url="http://127.0.0.1:9", retry=ONCE, timeout=timeouts, pool=pool))


def pause(retry: Retry) -> None:
    for attempt in (1, 2, 60, 10**6):
        retry.pause(
            stacks.GET.bind(stack="a"), cloud66_async.TransportError("lost"), attempt, datetime(2026, 1, 1, tzinfo=UTC)
        )


def show(value: Any) -> None:
    assert repr(value)
    assert value == value  # it has its own comparison
    hash(value)


async def log_in(found: oauth.Cloud66OAuth2Client) -> None:
    async with found:
        repr(found.login())


async def identity(item: object) -> object:
    await asyncio.sleep(0)
    return item


async def read(block: Any) -> None:
    async with block as results:
        async for _ in results:
            pass


ROWS: dict[str, Row] = {
    "Cloud66": Row(Cloud66, {**UNREACHABLE, **APPLICATION}, request),
    "Drift": Row(cloud66_async.Drift, {}),
    "Retry": Row(Retry, {}, pause),
    "Timeouts": Row(Timeouts, {}, request_with_timeouts),
    "Token": Row(Token, {"text": "t"}, show),
    "Secret": Row(Secret, {"text": "t"}, show),
    "Cloud66OAuth2Client": Row(
        oauth.Cloud66OAuth2Client,
        APPLICATION,
        log_in,
        unchecked=("headers",),
    ),
    "FileStore": Row(oauth.FileStore, unchecked=("path",)),
    "MemoryStore": Row(oauth.MemoryStore),
    "ToolbeltStore": Row(oauth.ToolbeltStore, unchecked=("directory",)),
    "FakeCloud66": Row(sandbox.FakeCloud66),
    "FakeClock": Row(sandbox.FakeClock),
    "ProviderSettings": Row(sandbox.ProviderSettings),
    "SandboxServer": Row(sandbox.SandboxServer),
    "KeyringStore": Row(keyring.KeyringStore),
    "MemorySessions": Row(starlette.MemorySessions),
    "ModelResponse": Row(
        starlette.ModelResponse,
        {"content": None},
        unchecked=("content", "status_code", "headers", "media_type"),
    ),
    "WebLogin": Row(starlette.WebLogin, APPLICATION),
    "parse_webhook": Row(cloud66_async.parse_webhook, {"body": "{}"}),
    "webhook_route": Row(starlette.webhook_route, {"path": "/hook", "secret": "s" * 16, "handler": identity}),
    "safe_path": Row(starlette.safe_path, {"target": "/"}),
    "collect": Row(bulk.collect, {"function": identity, "items": [1]}, unchecked=("function",)),
    "each": Row(bulk.each, {"function": identity, "items": [1]}, read, unchecked=("function",)),
}
# Created by the package for its users, or functions that need a terminal or a browser.
EXEMPT = {
    "Application", "BatchResult", "Failed", "FakeAction", "FakeDeployment", "FakeStack", "Faults", "Grant", "Login",
    "Ok", "Page", "Pager", "Problem", "Quota", "RecordedRequest", "Reply", "Request", "Response", "Snapshot", "Table",
    "User", "consent", "login_with_browser", "login_with_code",
}  # fmt: skip


def public_names() -> Iterator[tuple[str, Any]]:
    """Yield what users of the package create or call."""
    for module in MODULES:
        for name in module.__all__:
            found: Any = getattr(module, name)
            kinds = (BaseException, enum.Enum, Model)
            excluded = inspect.isclass(found) and issubclass(found, kinds)
            # Type aliases are callable too.
            if (
                (inspect.isclass(found) or inspect.isroutine(found))
                and not excluded
                and not getattr(found, "_is_protocol", False)
            ):
                yield name, found


def test_every_public_name_has_a_row() -> None:
    names = {name for name, _ in public_names()}
    assert names - ROWS.keys() - EXEMPT == set(), "add a row to ROWS for what users create or call"
    assert (ROWS.keys() | EXEMPT) - names == set()


async def judge(call: Callable[[], Any]) -> str | None:
    """Call, await the result if necessary, and return what is wrong with the error."""
    try:
        result = call()
        if inspect.isawaitable(result):
            await asyncio.wait_for(result, 10)
    except Cloud66Error as error:
        _ = repr(error), str(error)
    except Exception as error:
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        assert trace is not None
        file = trace.tb_frame.f_code.co_filename
        line = linecache.getline(file, trace.tb_lineno).strip()
        if not (type(error) in (TypeError, ValueError) and file.startswith(PACKAGE) and line.startswith("raise ")):
            return f"{type(error).__name__}: {str(error)[:100]} ({file}:{trace.tb_lineno}: {line})"
    return None


PARAMETERS = [
    (name, parameter)
    for name, row in ROWS.items()
    for parameter in inspect.signature(row.call).parameters
    if parameter not in row.unchecked
]


@pytest.mark.parametrize(("name", "parameter"), PARAMETERS)
async def test_hostile_argument(name: str, parameter: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    row = ROWS[name]
    wrong: dict[str, str] = {}
    for kind, value in VALUES.items():

        def call(value: Any = value) -> Any:
            found = row.call(**{**row.arguments, parameter: value})
            return found if row.use is None else row.use(found)

        problem = await judge(call)
        if problem is not None:
            wrong[kind] = problem
    assert wrong == {}


async def test_hostile_argument_of_a_view() -> None:
    async with Cloud66(**UNREACHABLE) as c66:
        for parameter in ("token", "account", "timeout", "retry"):
            for kind, value in VALUES.items():
                problem = await judge(lambda: c66.using(**{parameter: value}).stacks.get("a"))  # noqa: B023
                assert problem is None, (parameter, kind)


def methods() -> Iterator[tuple[str, str, str]]:
    """Yield the resource, the method and the parameter of every method of every resource."""
    c66 = client(Script())
    for attribute in sorted(vars(type(c66).__mro__[1])):
        resource = None if attribute.startswith("_") else getattr(c66, attribute)
        if not type(resource).__module__.startswith("cloud66_async.resources."):
            continue
        for name, method in inspect.getmembers(resource, inspect.ismethod):
            if not name.startswith("_"):
                parameters = inspect.signature(method).parameters
                yield from ((attribute, name, parameter) for parameter in parameters if parameter != "path")


@pytest.mark.slow  # several hundred cases
@pytest.mark.parametrize(("resource", "method", "parameter"), list(methods()))
async def test_hostile_argument_of_a_method(resource: str, method: str, parameter: str) -> None:
    """Required parameters of a method have the value "a", or 1 for integers."""
    wrong: dict[str, str] = {}
    async with client(Script(), retry=ONCE) as c66:
        function = getattr(getattr(c66, resource), method)
        required = {
            name: 1 if "int" in str(found.annotation) else "a"
            for name, found in inspect.signature(function).parameters.items()
            if found.default is found.empty and found.kind is not found.VAR_KEYWORD
        }
        for kind, value in VALUES.items():
            problem = await judge(lambda: function(**{**required, parameter: value}))  # noqa: B023
            if problem is not None:
                wrong[kind] = problem
    assert wrong == {}


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
LOST, INVALID = "TransportError", "ConfigError"
ENVIRONMENTS: dict[str, tuple[dict[str, str | bytes], str]] = {
    "home is a device": ({**LOCAL, "HOME": "/dev/null"}, INVALID),
    "home does not exist": ({**LOCAL, "HOME": "/nowhere/at/all"}, INVALID),
    "home is empty": ({**LOCAL, "HOME": ""}, INVALID),
    "relative directories": ({**LOCAL, "XDG_CONFIG_HOME": "a", "XDG_STATE_HOME": ".", "XDG_DATA_HOME": ".."}, INVALID),
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
    assert found.startswith(f"{INVALID}: ")
