"""Responses of the sandbox to every operation, and what a faulty or hostile server could make of them."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import io
import json
import os
import re
import runpy
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

import hypothesis.strategies as st

from cloud66_async.operation import Operation
from cloud66_async.resources import modules, operations
from cloud66_async.sandbox import FakeCloud66, Reply, Request
from cloud66_async.transport import BufferedResponse

from ..docs.examples import resource_names

__all__ = ["EXAMPLES", "Answer", "answers", "damaged_response", "swept"]

EXAMPLES = int(os.environ.get("EXAMPLES_FACTOR", "1"))
"""Factor for the number of examples: `EXAMPLES_FACTOR=50 pytest tests/property` takes minutes instead of seconds."""

_USES = Path(__file__).parents[2] / "docs" / "examples" / "resources"
_MOST_BYTES = 6000

# JSON values, valid and invalid, that are easy to get wrong.
# fmt: off
HOSTILE = (
    "null", "true", "0", "-0", "1", "3.0", "0.1", '""', "[]", "{}", "[null]", "[[]]", '{"":{}}', '"true"', '"1"', '"a"',
    "NaN", "Infinity", "-Infinity", '"NaN"', "1e400", "-1e400", "1e-400", "1e300", "9" * 19, "9" * 30, "-" + "9" * 30,
    "9" * 5000, "1" * 400 + ".5", "[1e400,2]", '{"a":1e400,"b":[{"c":-1e999}]}', "253402300800",
    "253402300800.5", "9e18", "-9e18", "9223372036854775808", "-62135596801", "1e18",
    '"\\ud800"', '"\\udfff\\ud800"', '"\\u0000"', '"\\u202e\\u001b[31m\\r\\nX: y"', '"' + "x" * 70_000 + '"',
    "[" * 200 + "]" * 200, '{"a":' * 150 + "1" + "}" * 150, '{"a":[' * 400 + "1" + "]}" * 400, "[" * 100_000,
    '{"a":1,"a":{"a":[]},"a":"x"}', '"0001-01-01T00:00:00Z"', '"9999-12-31T23:59:59-23:59"',
    '"2026-02-30 25:61:61 UTC"',
    '"0001-01-02T00:00:00+23:59"', "nope", '"', "01", "+1", ".5", "1.", "[1,]", "1/**/", "'a'", "\ufeff1", "\x00",
)
# fmt: on
KEYS = ("", "response", "pagination", "uid", "id", "items", "__class__", "self", "a\\u0000b", "\\ud800", "x" * 70_000)
BYTES = (
    b"\xff",
    b"\x00",
    b"\xed\xa0\x80",
    b"\xf0\x9f",
    b"\\ud800",
    b'"',
    b"\\",
    b"[[",
    b"}",
    b",",
    b":",
    b"1e999",
    b"<",
)
STATUSES = (
    200,
    200,
    200,
    200,
    201,
    204,
    206,
    299,
    300,
    302,
    304,
    400,
    401,
    402,
    403,
    404,
    408,
    409,
    422,
    429,
    500,
    501,
    503,
    503,
    599,
    999,
)
NUMBERS = ("", "-1", "0", "1e9", "9" * 19, "9" * 5000, "\xb2", "nan", "1, 2", " 7 ", "0x10", "\x00")
HEADERS: dict[str, tuple[str, ...]] = {
    "content-type": (
        "",
        "text/html",
        "application/json; charset=utf-16",
        "image/png",
        "multipart/form-data",
        ";" * 999,
    ),
    "x-ratelimit-remaining": NUMBERS,
    "x-ratelimit-limit": NUMBERS,
    "retry-after": (
        *NUMBERS,
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "Mon, 01 Jan 0001 00:00:00 +2359",
        "Thu, 31 Feb 2026 99:99:99 GMT",
        ", , ,",
        "0 0 0 0 0 +00\xa00:00",
        "Mon, 02 Mar 2026 09:13:00 -0000",
    ),
    "www-authenticate": (
        "Bearer",
        'Bearer error="\x1b[31m\xff", scope="',
        "a=b" * 20_000,
        'Bearer error="a\\"b',
        f'Bearer error_description="{"x" * 70_000}"',
    ),
    "x-cloud66-warning": ("\x1b[31m\r\n", "\xff" * 70_000),
}
ERROR = b'{"error":"busy","error_description":"try again later","details":"another deployment is in progress"}'


class Answer(NamedTuple):
    """A response to an operation that succeeded."""

    name: str
    operation: Operation[Any]
    body: bytes


class Object(list[list[Any]]):
    """A JSON object as its pairs, so that names can repeat."""


class Text(str):
    """JSON as text, valid or not."""

    __slots__ = ()


@functools.cache
def answers() -> tuple[Answer, ...]:
    """Return a response of the sandbox to each operation, from running the examples of the resources."""
    exchanges: list[tuple[str, str, bytes]] = []

    class Recording(FakeCloud66):
        def handle(self, request: Request) -> Reply:
            reply = super().handle(request)
            if reply.status == 200:
                exchanges.append((request.method, request.path, reply.body))
            return reply

    # The examples print, and some write files.
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
        asyncio.run(_run_examples(Recording))
    return tuple(_answer(name, operation, exchanges) for name, operation in operations(variants=True))


def _answer(name: str, operation: Operation[Any], exchanges: list[tuple[str, str, bytes]]) -> Answer:
    """Return the longest response to this operation that is not very long: shorter ones lack fields or items."""
    path = re.compile("/api/3" + re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(operation.path))).fullmatch
    found = sorted(
        (body for method, target, body in exchanges if method == operation.method and path(target)),
        key=lambda body: (
            not body.startswith(b'{"response":[]'),
            len(body) <= _MOST_BYTES,
            len(body) if len(body) <= _MOST_BYTES else -len(body),
        ),
    )
    assert found, f"no example uses {name}"
    return Answer(name, operation, found[-1])


async def _run_examples(create: type[FakeCloud66]) -> None:
    for name in modules():
        fake = create()
        fake.seed(6)
        stack = fake.add_stack("web", fields={"framework": "rails" if name == "processes" else "docker"})
        fake.add_stack("web", environment="staging")
        async with fake.clock.running(), fake.client() as c66:
            started = await c66.stacks.restart(stack.uid)
            await c66.actions.wait(started)
            await c66.operation_logs.list(str(started.async_action_id))  # the example lists only warnings: none
            values = resource_names(c66, stack, started)
            for example in runpy.run_path(str(_USES / f"{name}.py")).values():
                if inspect.iscoroutinefunction(example):
                    await example(**{key: values[key] for key in inspect.signature(example).parameters})


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _encode(value: Any) -> str:
    if isinstance(value, Text):
        return value
    if isinstance(value, Object):
        return "{" + ",".join(f"{_encode(key)}:{_encode(item)}" for key, item in value) + "}"
    return "[" + ",".join(map(_encode, value)) + "]" if _is_list(value) else json.dumps(value)


def _positions(value: Any) -> Iterator[tuple[list[Any], int]]:
    """Yield where each value is: in a list at an index, or in a pair at 1."""
    if isinstance(value, Object):
        for pair in value:
            yield pair, 1
            yield from _positions(pair[1])
    elif _is_list(value):
        for index, item in enumerate(value):
            yield value, index
            yield from _positions(item)


def _damage_value(draw: st.DrawFn, root: list[Any]) -> None:
    positions = list(_positions(root))
    holder, index = positions[draw(st.integers(0, len(positions) - 1))]
    value = holder[index]
    match draw(st.sampled_from(["replace", "replace", "replace", "remove", "rename", "repeat", "wrap", "swap"])):
        case "remove" if _is_list(value) and value:
            del value[draw(st.integers(0, len(value) - 1))]
        case "rename" if isinstance(value, Object) and value:
            names = [*(Text(f'"{key}"') for key in KEYS), *(pair[0] for pair in value)]
            value[draw(st.integers(0, len(value) - 1))][0] = draw(st.sampled_from(names))
        case "repeat" if _is_list(value) and value:
            item = value[-1]
            copy: Any = [item[0], Text(draw(st.sampled_from(HOSTILE)))] if isinstance(value, Object) else item
            value.insert(draw(st.integers(0, 1)), copy)
        case "wrap":
            wrapped: list[list[Any]] = [[value], [value, value], Object([["response", value]])]
            holder[index] = draw(st.sampled_from(wrapped))
        case "swap":
            other, at = positions[draw(st.integers(0, len(positions) - 1))]
            holder[index] = Text(_encode(other[at]))
        case _:
            holder[index] = Text(draw(st.sampled_from(HOSTILE)))


def _damage_bytes(draw: st.DrawFn, body: bytes) -> bytes:
    start, end = (draw(st.integers(0, len(body))) for _ in range(2))
    match draw(st.sampled_from(["flip", "insert", "cut", "repeat", "keep"])):
        case "flip" if start < len(body):
            return body[:start] + bytes([body[start] ^ (1 << draw(st.integers(0, 7)))]) + body[start + 1 :]
        case "insert":
            return body[:start] + draw(st.sampled_from(BYTES)) + body[start:]
        case "cut":
            return body[:start] + body[max(start, end) :]
        case "repeat":
            return body[: max(start, end)] + body[start:]
        case _:
            return body[:start]


@st.composite
def damaged_response(draw: st.DrawFn, answer: Answer) -> BufferedResponse:
    """Return the response, or an error, with damaged values or bytes, another status, or other headers."""
    status = draw(st.sampled_from(STATUSES))
    body = ERROR if status >= 300 and draw(st.booleans()) else answer.body or b"null"
    root = [json.loads(body, object_pairs_hook=lambda pairs: Object(map(list, pairs)))]
    for _ in range(draw(st.sampled_from([0, 1, 1, 1, 2]))):
        _damage_value(draw, root)
    body = _encode(root[0]).encode("utf-8", "surrogatepass")
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        body = _damage_bytes(draw, body)
    names = draw(st.lists(st.sampled_from(sorted(HEADERS)), max_size=3, unique=True))
    headers = {name: draw(st.sampled_from(HEADERS[name])) for name in names}
    return BufferedResponse(status, body, headers)


def swept(answer: Answer, text: str, *, first: str | None = None) -> bytes:
    """Return the response with `text` as the value of each field except identifiers, in each of its first items.

    With `first`, it is the value of the first of these fields instead.
    """
    found = json.loads(answer.body or b"null", object_pairs_hook=lambda pairs: Object(map(list, pairs)))
    envelope = isinstance(found, Object) and any(pair[0] == "response" for pair in found)
    for pair in found if envelope else [["", found]]:
        if pair[0] in ("", "response"):
            items = pair[1][:2] if type(pair[1]) is list else [pair[1]]
            for item in items:
                if isinstance(item, Object):
                    fields = [field for field in item if field[0] not in ("uid", "id")]
                    for number, field in enumerate(fields):
                        field[1] = Text(text if first is None or number else first)
            pair[1] = items if type(pair[1]) is list else pair[1]
    return _encode(found).encode()
