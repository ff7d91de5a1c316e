"""Every public constructor and function with hostile arguments.

Whatever is passed, a call works or raises an error of the package, or a TypeError or ValueError that the package raises
itself. No error of a library or of Python's own functions gets out.
"""

from __future__ import annotations

import asyncio
import enum
import inspect
import linecache
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, cast

import pytest

import cloud66_async
from cloud66_async import (
    Cloud66,
    Cloud66Error,
    Retry,
    Secret,
    Timeouts,
    Token,
    bulk,
    oauth,
    sandbox,
)
from cloud66_async._core.model import Model
from cloud66_async.cluster import Claims
from cloud66_async.integrations import keyring, otel, redis, sql, starlette
from cloud66_async.resources import stacks

from ..conftest import PoolName
from ..support import ONCE, Script, client

PACKAGE = str(Path(cloud66_async.__file__).parent)
MODULES: tuple[ModuleType, ...] = (cloud66_async, oauth, sandbox, starlette, keyring, otel, redis, sql)


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


def next_pauses(polling: cloud66_async.Polling) -> None:
    for age in (0.0, 300.0, 1e9):
        assert math.isfinite(polling.pause(age, 1, 10, 20, 60.0, known=[1.0, 2.0, 3.0]))


def show(value: Any) -> None:
    assert repr(value)
    assert value == value  # it has its own comparison
    hash(value)


async def log_in(found: oauth.Cloud66OAuth2Client) -> None:
    async with found:
        repr(found.login())


async def use_store(store: oauth.TokenStore) -> None:
    """Look for a login, at a server that does not exist or in a new file."""
    repr(store)
    try:
        await store.load("a")
    finally:
        await cast("Any", store).aclose()


async def use_claims(claims: Claims) -> None:
    """Claim an item, at a server that does not exist or in a new file."""
    repr(claims)
    try:
        await claims.begin("run", 0, "mark")
    finally:
        await claims.aclose()


async def share(reads: cloud66_async.reads.SharedReads) -> None:
    """Share a read, if possible."""
    repr(reads)
    await request(Cloud66("t", url="http://127.0.0.1:9", retry=ONCE, shared_reads=reads))


async def share_quota(quota: cloud66_async.SharedQuota) -> None:
    """Take from a quota, if possible."""
    repr(quota)
    await request(Cloud66("t", url="http://127.0.0.1:9", retry=ONCE, shared_quota=quota))


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
    "Polling": Row(cloud66_async.Polling, {}, next_pauses),
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
    "MemoryReads": Row(cloud66_async.MemoryReads, {}, share),
    "RedisReads": Row(redis.RedisReads, {"url": "redis://127.0.0.1:9/0"}, share),
    "RedisClaims": Row(redis.RedisClaims, {"url": "redis://127.0.0.1:9/0"}, use_claims),
    "RedisQuota": Row(redis.RedisQuota, {"url": "redis://127.0.0.1:9/0"}, share_quota),
    "RedisSessions": Row(redis.RedisSessions, {"url": "redis://127.0.0.1:9/0"}, use_store),
    "RedisStore": Row(redis.RedisStore, {"url": "redis://127.0.0.1:9/0"}, use_store),
    "SQLClaims": Row(sql.SQLClaims, {}, use_claims),
    "SQLSessions": Row(sql.SQLSessions, {}, use_store),
    "SQLStore": Row(sql.SQLStore, {}, use_store),
    "OtelObserver": Row(otel.OtelObserver, unchecked=("tracer_provider", "meter_provider")),
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
    "Application", "Attempt", "BatchResult", "Failed", "FakeAction", "FakeDeployment", "FakeStack", "Faults", "Grant",
    "Login", "Ok", "Page", "Pager", "Problem", "Quota", "RecordedRequest", "Reply", "Request", "Response", "Rollout",
    "RolloutResult", "Snapshot",
    "Table", "User", "consent", "login_with_browser", "login_with_code",
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
        for parameter in ("token", "account", "timeout", "retry", "polling", "user"):
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
