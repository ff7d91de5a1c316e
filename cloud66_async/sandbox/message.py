"""What reaches the sandbox and what it answers, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from http import HTTPStatus
from typing import Any, NamedTuple, cast
from urllib.parse import parse_qsl

import attrs
import msgspec

__all__ = ["Refused", "Reply", "Request", "problem"]


@attrs.frozen(slots=False)
class Request:
    """A request: verb, path with query, headers by lower-case name, body."""

    method: str
    target: str
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False)
    body: bytes = attrs.field(default=b"", repr=False)

    @cached_property
    def path(self) -> str:
        """The path alone, still percent-encoded."""
        return self.target.partition("?")[0]

    @cached_property
    def query(self) -> tuple[tuple[str, str], ...]:
        """The decoded pairs of the query, in order, repeated ones included."""
        return tuple(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    @cached_property
    def form(self) -> tuple[tuple[str, str], ...]:
        """The decoded pairs of a form body."""
        return tuple(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    @cached_property
    def data(self) -> dict[str, Any]:
        """The body of an API call: a JSON object or a form, as the API takes both. Raises Refused."""
        if not self.body:
            return {}
        if "json" not in self.headers.get("content-type", ""):
            return dict(self.form)
        try:
            found: Any = msgspec.json.decode(self.body)
        except msgspec.DecodeError:
            raise Refused(problem(400, "bad_request", "The body is no JSON")) from None
        if not isinstance(found, dict):
            raise Refused(problem(400, "bad_request", "The body is no JSON object"))
        return cast("dict[str, Any]", found)


class Reply(NamedTuple):
    """An answer: status, headers in order, body."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @classmethod
    def json(cls, data: object, *, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
        """`data` as JSON."""
        return cls(status, (("content-type", "application/json; charset=utf-8"), *headers), msgspec.json.encode(data))

    def header(self, name: str) -> str | None:
        """The first header of this name, or None."""
        wanted = name.lower()
        return next((value for known, value in self.headers if known.lower() == wanted), None)

    def plus(self, *headers: tuple[str, str]) -> Reply:
        """The same answer with further headers."""
        return self._replace(headers=(*self.headers, *headers))


class Refused(Exception):
    """Ends the handling of a request with `reply`."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"{reply.status} {HTTPStatus(reply.status).phrase}")
        self.reply = reply


def problem(status: int, code: str, details: str) -> Reply:
    """An error answer in the form that the API's clients read."""
    description = code.replace("_", " ").capitalize()
    return Reply.json({"error": code, "error_description": description, "details": details}, status=status)
