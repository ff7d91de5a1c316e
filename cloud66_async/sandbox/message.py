"""Requests and replies of the sandbox as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from http import HTTPStatus
from typing import Any, NamedTuple, cast
from urllib.parse import parse_qsl, urlsplit

import attrs
import msgspec

from .._core.origin import is_loopback

__all__ = ["Rejected", "Reply", "Request", "error_reply"]


@attrs.frozen(slots=False)
class Request:
    """A request: HTTP method, path with query, headers by lower-case name, body."""

    method: str
    target: str
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False)
    body: bytes = attrs.field(default=b"", repr=False)

    @cached_property
    def path(self) -> str:
        """The path without the query, percent-encoded."""
        return self.target.partition("?")[0]

    @cached_property
    def base(self) -> str | None:
        """The URL of the server that received the request, or None if it was made in this process."""
        host = self.headers.get("host")
        if host is None:
            return None
        scheme = "http" if is_loopback(urlsplit(f"//{host}").hostname or "") else "https"
        return f"{self.headers.get('x-forwarded-proto', scheme)}://{host}"

    @cached_property
    def query(self) -> tuple[tuple[str, str], ...]:
        """The decoded names and values of the query in order, with repeated names."""
        return tuple(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    @cached_property
    def form(self) -> tuple[tuple[str, str], ...]:
        """The decoded names and values of a form-encoded body."""
        return tuple(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    @cached_property
    def data(self) -> dict[str, Any]:
        """The body of an API call: a JSON object or a form. Raises Rejected if it is neither."""
        if not self.body:
            return {}
        if "json" not in self.headers.get("content-type", ""):
            return dict(self.form)
        try:
            found: Any = msgspec.json.decode(self.body)
        except msgspec.DecodeError:
            raise Rejected(error_reply(400, "bad_request", "The body is not valid JSON")) from None
        if not isinstance(found, dict):
            raise Rejected(error_reply(400, "bad_request", "The body is not a JSON object"))
        return cast("dict[str, Any]", found)


class Reply(NamedTuple):
    """A response: status, headers in order, body."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @classmethod
    def json(cls, data: object, *, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
        """Return a reply with `data` as JSON."""
        return cls(status, (("content-type", "application/json; charset=utf-8"), *headers), msgspec.json.encode(data))

    def header(self, name: str) -> str | None:
        """Return the first header with this name, or None."""
        wanted = name.lower()
        return next((value for known, value in self.headers if known.lower() == wanted), None)

    def with_headers(self, *headers: tuple[str, str]) -> Reply:
        """Return the same reply with additional headers."""
        return self._replace(headers=(*self.headers, *headers))


class Rejected(Exception):
    """Raised to end the handling of a request with `reply`."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"{reply.status} {HTTPStatus(reply.status).phrase}")
        self.reply = reply


def error_reply(status: int, code: str, details: str) -> Reply:
    """Return an error in the API's format."""
    description = code.replace("_", " ").capitalize()
    return Reply.json({"error": code, "error_description": description, "details": details}, status=status)
