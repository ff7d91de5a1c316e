"""Effects of faults: malformed and unexpected responses, and changes of the sandbox."""

from __future__ import annotations

import gzip
import re
import typing
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from typing import Any, cast

import attrs
import msgspec

from ..._core.enums import OpenIntEnum, OpenStrEnum
from ..._core.model import Model
from ..message import Rejected, Reply, Request
from ..samples import legacy_timestamp, timestamp
from .fault import Scene

__all__ = [
    "UNKNOWN_FIELD",
    "calling",
    "compress_half",
    "halve",
    "html_page",
    "is_later_page",
    "make_shape_wrong",
    "prepend_stack",
    "revoke",
    "shift_times",
    "unknown_codes",
    "unknown_fields",
    "with_content_type",
    "withhold_scope",
]

UNKNOWN_FIELD = "sandbox_unknown_field"
_UNKNOWN_TEXT = "sandbox_unknown_code"
_UNKNOWN_NUMBER = 9999
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").fullmatch
_LEGACY = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC").fullmatch
_LENGTH = len("2014-09-01T19:00:33")


# --- responses -----------------------------------------------------------------------------------


def html_page(title: str) -> bytes:
    """Return the error page of a proxy."""
    return f"<!DOCTYPE html><html><head><title>{title}</title></head><body>{title}</body></html>".encode()


def halve(reply: Reply, scene: Scene) -> Reply:  # noqa: ARG001  the signature of every change
    """Return the reply with the first half of its body."""
    return reply._replace(body=reply.body[: len(reply.body) // 2])


def compress_half(reply: Reply, scene: Scene) -> Reply:  # noqa: ARG001  the signature of every change
    """Return the reply with the first half of its compressed body."""
    body = gzip.compress(reply.body, mtime=0)
    return reply.with_headers(("content-encoding", "gzip"))._replace(body=body[: len(body) // 2])


def with_content_type(value: str) -> Callable[[Reply, Scene], Reply]:
    """Return the change that replaces the content type."""

    def change(reply: Reply, scene: Scene) -> Reply:  # noqa: ARG001  the signature of every change
        others = tuple(pair for pair in reply.headers if pair[0].lower() != "content-type")
        return reply._replace(headers=(("content-type", value), *others))

    return change


def make_shape_wrong(reply: Reply, scene: Scene) -> Reply:  # noqa: ARG001  the signature of every change
    """Return the reply with text in place of the object or the list."""

    def change(data: Any) -> Any:
        return {**cast("dict[str, Any]", data), "response": "unexpected"} if isinstance(data, dict) else "unexpected"

    return _changed(reply, change)


def unknown_fields(reply: Reply, scene: Scene) -> Reply:  # noqa: ARG001  the signature of every change
    """Return the reply with one more field in every object."""
    return _changed(reply, _extended)


def unknown_codes(reply: Reply, scene: Scene) -> Reply:
    """Return the reply with unknown values in place of the known ones of every enumeration."""
    returns = None if scene.operation is None else scene.operation.returns
    names = _enumerated(getattr(returns, "item", returns))
    return _changed(reply, lambda data: _recoded(data, names))


def shift_times(seconds: float) -> Callable[[Reply, Scene], Reply]:
    """Return the change that moves the `Date` header and every timestamp by this many seconds."""
    by = timedelta(seconds=seconds)

    def change(reply: Reply, scene: Scene) -> Reply:
        date = format_datetime((scene.world.clock.now() + by).astimezone(UTC), usegmt=True)
        return _changed(reply, lambda data: _shifted(data, by)).with_headers(("date", date))

    return change


def _changed(reply: Reply, change: Callable[[Any], Any]) -> Reply:
    """Return the reply with changed JSON, or unchanged if it is not JSON."""
    try:
        data = msgspec.json.decode(reply.body)
    except msgspec.DecodeError:
        return reply
    return reply._replace(body=msgspec.json.encode(change(data)))


def _extended(data: Any) -> Any:
    if isinstance(data, list):
        return [_extended(item) for item in cast("list[object]", data)]
    if not isinstance(data, dict):
        return data
    fields = {name: _extended(value) for name, value in cast("dict[str, Any]", data).items()}
    return {UNKNOWN_FIELD: {"values": [1, None, "text"]}, **fields}


def _recoded(data: Any, names: frozenset[str]) -> Any:
    if isinstance(data, list):
        return [_recoded(item, names) for item in cast("list[object]", data)]
    if not isinstance(data, dict):
        return data
    return {
        name: _unknown(value) if name in names else _recoded(value, names)
        for name, value in cast("dict[str, Any]", data).items()
    }


def _unknown(value: Any) -> Any:
    if isinstance(value, str):
        return _UNKNOWN_TEXT
    return _UNKNOWN_NUMBER if isinstance(value, int) and not isinstance(value, bool) else value


@cache
def _enumerated(model: Any) -> frozenset[str]:
    """Return the names of the fields, at any depth, whose values are members of an enumeration."""
    found: set[str] = set()
    seen: set[type] = set()
    pending = [model]
    while pending:
        current = pending.pop()
        if current in seen or not (isinstance(current, type) and issubclass(current, Model)):
            continue
        seen.add(current)
        hints = typing.get_type_hints(current)
        for field in attrs.fields(current):
            for kind in _types(hints[field.name]):
                if issubclass(kind, OpenIntEnum | OpenStrEnum):
                    found.add(field.name)
                pending.append(kind)
    return frozenset(found)


def _types(hint: Any) -> Iterator[type]:
    if isinstance(hint, type) and not typing.get_args(hint):
        yield hint
    for argument in typing.get_args(hint):
        yield from _types(argument)


def _shifted(data: Any, by: timedelta) -> Any:
    if isinstance(data, list):
        return [_shifted(item, by) for item in cast("list[object]", data)]
    if isinstance(data, dict):
        return {name: _shifted(value, by) for name, value in cast("dict[str, Any]", data).items()}
    if not isinstance(data, str):
        return data
    if _ISO(data):
        return timestamp(datetime.fromisoformat(data) + by)
    return legacy_timestamp(datetime.fromisoformat(data[:_LENGTH]) + by) if _LEGACY(data) else data


# --- changes of the sandbox ----------------------------------------------------------------------


def revoke(scene: Scene) -> None:
    """Revoke the token of the request."""
    try:
        scene.provider.authenticate(scene.request.headers.get("authorization", "")).revoked = True
    except Rejected:
        return


def withhold_scope(scene: Scene) -> Callable[[], None] | None:
    """Take all scopes from the token of the request. Return the function that gives them back."""
    try:
        grant = scene.provider.authenticate(scene.request.headers.get("authorization", ""))
    except Rejected:
        return None
    scopes, grant.scopes = grant.scopes, ()

    def undo() -> None:
        grant.scopes = scopes

    return undo


def calling(function: Callable[[], object]) -> Callable[[Scene], None]:
    """Return the change that calls this function."""

    def prepare(scene: Scene) -> None:  # noqa: ARG001  the signature of every change
        function()

    return prepare


def prepend_stack(scene: Scene) -> None:
    """Add a stack before all others of the account."""
    from ..resources.stacks import add  # imported lazily: the module imports this package

    first = next(iter(scene.world.stacks.values()), None)
    account = 1 if first is None else first.data["account_id"]
    scene.world.move_to_front(add(scene.world, "inserted-between-two-pages", account=account))


def is_later_page(request: Request) -> bool:
    """Return whether the request is for another page of a list than the first."""
    return dict(request.query).get("page", "1") not in ("", "1")
