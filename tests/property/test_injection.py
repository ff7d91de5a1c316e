"""Hostile text in every parameter of every operation: one value for the server, or an error before anything is sent."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, TypeGuard, get_args
from urllib.parse import parse_qsl, unquote

import pytest

from cloud66_async import Cloud66, ConfigError, Secret, errors
from cloud66_async._core.parameters import Parameter
from cloud66_async.operation import Operation
from cloud66_async.resources import operations

from ..conftest import PoolName
from ..support import ONCE, TOKEN, packet
from .damage import EXAMPLES

VALUES = {
    "a line break": "a\r\nX-Injected: 1\r\n\r\nGET /stolen HTTP/1.1\r\n\r\n",
    "LF": "a\nX-Injected: 1",
    "CR": "a\rX-Injected: 1",
    "NUL": "a\0b",
    "a slash": "a/b",
    "a backslash": "a\\..\\b",
    "dots": "..",
    "a dot": ".",
    "a path": "../../accounts/1",
    "an encoded slash": "%2f..%2F%2e%2e",
    "encoded dots": "%2e%2E",
    "a dot and an encoded dot": ".%2e",
    "an encoded dot": "%2E",
    "an encoded line break": "a%0d%0aX-Injected:%201",
    "a query": "a?page=2&x=y",
    "a fragment": "a#b",
    "a semicolon": "a;b=c",
    "an ampersand": "&page=2&page=3",
    "a space": " a  b ",
    "a comma": "a,b",
    "quotation marks": "\"},'$(id)`id`",
    "an absolute URL": "http://evil.example/",
    "a host": "//evil.example/@x",
    "a plus sign": "a+b",
    "placeholders": "%(x)s{y}%s%",
    "accents": "é\u0301ü",
    "an emoji": "👩\u200d💻",
    "bidirectional text": "\u202e\u2028\u2029\x85",
    "a surrogate": "\ud800",
    "64 KiB": "x/" * 2**15,
    "64 KiB of text": "ü" * 2**15,
}
OPERATIONS: dict[str, Operation[Any]] = dict(operations(variants=True))
# What the text of a parameter is sent as: unreserved characters (RFC 3986) and escaped bytes.
ESCAPED = re.compile(r"(?:[A-Za-z0-9._~-]|%[0-9A-F]{2})+")
ESCAPED_QUERY = re.compile(r"(?:[A-Za-z0-9._~+&=-]|%[0-9A-F]{2})*")
HEADERS = {"host", "accept", "accept-encoding", "user-agent", "authorization", "request-id", "connection"}
BODY_HEADERS = {"content-type", "content-length"}


class Received(NamedTuple):
    """A request as bytes: its first line, its header lines and its body."""

    line: bytes
    headers: tuple[bytes, ...]
    body: bytes

    @property
    def names(self) -> list[str]:
        return [line.partition(b":")[0].decode().lower() for line in self.headers]

    def value(self, name: str) -> str:
        (found,) = (line.partition(b":")[2].strip() for line in self.headers if line.lower().startswith(name.encode()))
        return found.decode("latin-1")


class Server:
    """Records what arrives, with everything that could be taken for another request."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                section = await reader.readuntil(b"\r\n\r\n")
                line, *headers = section[:-4].split(b"\r\n")
                lengths = [
                    int(each.partition(b":")[2]) for each in headers if each.lower().startswith(b"content-length")
                ]
                body = await reader.readexactly(sum(lengths))
                self.received.append(Received(line, tuple(headers), body))
                writer.write(packet(b"{}", "404 Not Found"))
        except (OSError, EOFError):
            pass
        finally:
            writer.close()

    def take(self) -> list[Received]:
        found, self.received = self.received, []
        return found


@asynccontextmanager
async def serving() -> AsyncGenerator[Server]:
    server = Server()
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.ensure_future(server.serve(reader, writer)))

    running = await asyncio.start_server(accept, "127.0.0.1", 0, limit=2**24)
    server.url = f"http://127.0.0.1:{running.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        running.close()
        await asyncio.gather(*tasks)


def argument(parameter: Parameter, text: str) -> Any:
    """Return a value for the parameter with the text wherever a string can be."""
    if parameter.choices is not None:
        return parameter.choices[0]
    if parameter.item is not None:
        return [argument(parameter.item, text)]
    if parameter.fields is not None:
        return {field.name: argument(field, text) for field in parameter.fields}
    if parameter.base is dict:
        _, kind = get_args(parameter.kind) or (str, str)
        return {text: argument(Parameter(parameter.name, kind, required=True), text)}
    return {Secret: Secret(f"SECRET{text}"), str: text, int: 7, float: 1.5, bool: True}.get(parameter.base, text)


def arguments(operation: Operation[Any], text: str) -> dict[str, Any]:
    """Return a value for every parameter of the operation."""
    path = {name: 7 if name in operation.integers else text for name in operation.names}
    declared = (*operation.query_parameters, *operation.body_parameters)
    return path | {parameter.name: argument(parameter, text) for parameter in declared}


def is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    return isinstance(value, Mapping)


def plain(value: Any) -> Any:
    """Return an argument as the server sees it in JSON."""
    if isinstance(value, Secret):
        return value.reveal()
    if is_mapping(value):
        return {plain(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if is_list(value) else value


def in_text(value: Any) -> str:
    """Return an argument as the server sees it in a query."""
    if is_list(value):
        return ",".join(map(in_text, value))
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(plain(value))


def check_request(operation: Operation[Any], values: Mapping[str, Any], received: Received) -> None:
    """Check that the server sees the parameters that were given, and nothing else."""
    method, target, version = received.line.decode("ascii").split(" ")
    assert (method, version) == (operation.method, "HTTP/1.1")
    path, _, query = target.partition("?")
    template, segments = f"/api/3{operation.path}".split("/"), path.split("/")
    assert len(segments) == len(template)
    assert "#" not in target
    for expected, segment in zip(template, segments, strict=True):
        name, brace, suffix = expected.removeprefix("{").partition("}")
        if brace:
            assert segment.endswith(suffix)
            assert ESCAPED.fullmatch(segment)
            assert segment.removesuffix(suffix) not in {"", ".", ".."}
            assert unquote(segment.removesuffix(suffix), errors="strict") == str(plain(values[name]))
        else:
            assert segment == expected
    assert ESCAPED_QUERY.fullmatch(query)
    found = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    assert dict(found) == {name: in_text(values[name]) for name in operation.query} | (
        {name: str(value) for name, value in operation.fixed.items()} if method == "GET" else {}
    )
    assert len(found) == len(dict(found))
    assert sorted(received.names) == sorted(set(received.names))
    assert set(received.names) <= HEADERS | BODY_HEADERS
    assert received.value("authorization") == f"Bearer {TOKEN}"
    if received.body:
        body = json.loads(received.body)
        body = body if operation.wrapper is None else body[operation.wrapper]
        joined = {parameter.name for parameter in operation.body_parameters if parameter.joined}
        for name in operation.body:
            value = values[name]
            assert body[name] == (in_text(value) if name in joined else plain(value))
        assert body.keys() <= {*operation.body, *operation.fixed}


async def outcome(server: Server, send: Callable[[], Awaitable[object]]) -> list[Received]:
    """Send a request that fails. Return what the server received: one request, or none after a clear error."""
    text = ""
    try:
        await send()
    except errors.NotFound:
        found = server.take()
        assert len(found) == 1
        return found
    except (TypeError, ValueError, ConfigError) as error:
        assert not isinstance(error, UnicodeError)  # noqa: PT017  it holds the whole text, which may be a secret
        text = str(error)
    except errors.TransportError as error:
        assert not error.sent  # noqa: PT017  one of several outcomes
        text = str(error)
    assert server.take() == []
    assert text.isprintable()
    assert 0 < len(text) < 500
    return []


def sample(kind: str, transport: PoolName) -> list[Operation[Any]]:
    """Return every fourth or twelfth operation, others for each text, so that each operation occurs with several.

    With EXAMPLES_FACTOR, return all of them.
    """
    step = 1 if EXAMPLES > 1 else 12 if transport == "httpx" or kind.startswith("64 KiB") else 4
    start = [*VALUES].index(kind) % step
    return [*OPERATIONS.values()][start::step]


@pytest.mark.parametrize("kind", VALUES)
async def test_hostile_text_in_every_parameter(kind: str, transport: PoolName) -> None:
    text = VALUES[kind]
    sent, chosen = 0, sample(kind, transport)
    async with serving() as server, Cloud66(TOKEN, url=server.url, pool=transport, retry=ONCE) as c66:
        for operation in chosen:
            values = arguments(operation, text)
            for received in await outcome(server, lambda: c66.send(operation.bind(**values))):  # noqa: B023
                check_request(operation, values, received)
                sent += 1
    # Some operations refuse some texts: lists in queries have no commas, for example. The library refuses long URLs.
    most_refused = 0.9 if transport == "httpx" and kind.startswith("64 KiB") else 0.3
    assert sent >= (0 if kind == "a surrogate" else (1 - most_refused) * len(chosen) - 1)


def numbers(operation: Operation[Any]) -> list[str]:
    """Return the names of the parameters that take a number or a boolean."""
    declared = (*operation.query_parameters, *operation.body_parameters)
    return [*operation.integers, *(each.name for each in declared if each.base in (int, float, bool))]


@pytest.mark.parametrize("kind", VALUES)
async def test_hostile_text_instead_of_a_number(kind: str, transport: PoolName) -> None:
    chosen = [(operation, name) for operation in sample(kind, transport) for name in numbers(operation)]
    assert chosen
    async with serving() as server, Cloud66(TOKEN, url=server.url, pool=transport, retry=ONCE) as c66:
        for operation, name in chosen:
            values = arguments(operation, "a") | {name: VALUES[kind]}
            assert await outcome(server, lambda: c66.send(operation.bind(**values))) == []  # noqa: B023


# --- headers


def uses(c66: Cloud66, text: str) -> dict[str, Callable[[], Awaitable[object]]]:
    """Return what sends this text in a header, by the name of the header."""
    shown = text.strip()
    return {
        "x-text": lambda: c66.request("GET", "/a.json", headers={"X-Text": text}),
        "x-other": lambda: c66.using(headers={"X-Other": text}).stacks.get("a"),
        "user-agent": lambda: c66.using(headers={"User-Agent": text}).stacks.get("a"),
        "authorization": lambda: c66.using(token=text).stacks.get("a"),
        f"{shown}".lower(): lambda: c66.request("GET", "/a.json", headers={text: "1"}),
        "x-streamed": lambda: read(c66.stream("GET", "/a.json", headers={"X-Streamed": text})),
    }


async def read(streaming: Any) -> None:
    async with streaming as response:
        async for _ in response:
            pass


@pytest.mark.parametrize("kind", VALUES)
async def test_hostile_text_in_headers(kind: str, transport: PoolName) -> None:
    text = VALUES[kind]
    async with serving() as server, Cloud66(TOKEN, url=server.url, pool=transport, retry=ONCE) as c66:
        for name, send in uses(c66, text).items():
            for received in await outcome(server, send):
                assert text.isascii()
                assert text.isprintable()
                assert received.line.startswith(b"GET /api/3/")
                assert set(received.names) <= HEADERS | {name}
                assert sorted(received.names) == sorted(set(received.names))
                expected = {"authorization": f"Bearer {text}", text.strip().lower(): "1"}.get(name, text.strip())
                assert received.value(name) == expected


# --- requests by path


@pytest.mark.parametrize("kind", VALUES)
async def test_hostile_text_in_the_path_of_a_raw_request(kind: str, transport: PoolName) -> None:
    text = VALUES[kind]
    async with serving() as server, Cloud66(TOKEN, url=server.url, pool=transport, retry=ONCE) as c66:
        for path in (text, f"/{text}", f"/a/{text}/b.json"):
            for send in (
                lambda: c66.request("GET", path),  # noqa: B023
                lambda: read(c66.stream("GET", path)),  # noqa: B023
            ):
                for received in await outcome(server, send):
                    assert received.line.decode("ascii") == f"GET /api/3{path} HTTP/1.1"
                    start, *segments = path.lower().replace("%2e", ".").split("/")
                    assert start == ""
                    assert not {".", ".."} & {*segments}
                    assert "" not in segments[:-1]
                    assert not {*"?#\\"} & {*path}
        assert await outcome(server, lambda: c66.request(text, "/a.json")) == []


@pytest.mark.parametrize("kind", VALUES)
async def test_hostile_text_in_the_query_of_a_raw_request(kind: str, transport: PoolName) -> None:
    text = VALUES[kind]
    is_refused = kind == "a surrogate" or (transport == "httpx" and kind.startswith("64 KiB"))
    queries: list[dict[str, Any]] = [{text: text}, {"page": text}, {"a": "b", "page": text}, {"list": [text, "b"]}]
    async with serving() as server, Cloud66(TOKEN, url=server.url, pool=transport, retry=ONCE) as c66:
        for query in queries:
            found = await outcome(server, lambda: c66.request("POST", "/a.json", query=query, json={"a": text}))  # noqa: B023
            assert len(found) == (0 if is_refused or ("list" in query and "," in text) else 1)
            for received in found:
                target = received.line.decode("ascii").removeprefix("POST /api/3/a.json?").removesuffix(" HTTP/1.1")
                assert ESCAPED_QUERY.fullmatch(target)
                assert dict(parse_qsl(target, keep_blank_values=True)) == {
                    name: in_text(value) for name, value in query.items()
                }
                assert json.loads(received.body) == {"a": text}
        for received in await outcome(server, lambda: c66.request("POST", "/a.json", json={text: text})):
            assert json.loads(received.body) == {text: text}
