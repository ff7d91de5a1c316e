"""Responses before they are decoded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import msgspec

__all__ = ["BufferedResponse", "RawResponse", "join_headers"]


class RawResponse(Protocol):
    """Status, headers and the whole decompressed body of a response."""

    @property
    def status(self) -> int:
        """The HTTP status code."""
        ...

    @property
    def body(self) -> bytes:
        """The whole body, decompressed."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """All headers by lower-case name. Repeated headers are joined with a comma and a space."""
        ...

    def header(self, name: bytes) -> bytes | None:
        """Return the first header with this lower-case name, or None."""
        ...


class BufferedResponse(msgspec.Struct, frozen=True, eq=False):
    """A `RawResponse` that holds its values and no connection, so that it can be pickled."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}

    @classmethod
    def copy(cls, response: RawResponse) -> BufferedResponse:
        """Return the values of `response` without its connection."""
        return cls(response.status, response.body, dict(response.headers))

    def header(self, name: bytes) -> bytes | None:
        """Return the header with this lower-case name, or None."""
        value = self.headers.get(name.decode("latin-1"))
        return None if value is None else value.encode("latin-1")

    def __repr__(self) -> str:
        return f"<BufferedResponse {self.status}, {len(self.body)} bytes>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return what `rich` shows. msgspec's own method returns every field, and the body may hold secrets."""
        return [("status", self.status)]


def join_headers(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return headers by lower-case name, repeated ones joined with a comma and a space."""
    joined: dict[str, str] = {}
    for name, value in pairs:
        lower = name.lower()
        joined[lower] = f"{joined[lower]}, {value}" if lower in joined else value
    return joined
