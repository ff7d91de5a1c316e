"""Requests as a connection sends them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable

import msgspec

from ..transport import Timeouts

__all__ = ["PoolRequest"]

_LENGTH = rb"(?i)\r\ncontent-length:[ \t]*([0-9]+)[ \t]*\r\n"


class PoolRequest(msgspec.Struct, frozen=True):
    """A request that is ready to be written to a connection.

    Args:
        headers: Request line and header section, including the empty line at its end.
        body: The body, or an async iterable of its data. Empty if there is none.
        chunked: Whether the body is sent with chunked transfer encoding.
        is_head: Whether the method is HEAD, so that the response has no body.
        repeatable: Whether the request may be sent again on a new connection.
        timeouts: Limits for each phase.
        deadline: Time of the event loop when the total timeout expires.
        max_body: Maximum size of the response body in bytes, before decompression.
        collect: Whether to wait for the whole response. Otherwise its body is streamed.
    """

    headers: bytes
    body: bytes | AsyncIterable[bytes]
    chunked: bool
    is_head: bool
    repeatable: bool
    timeouts: Timeouts
    deadline: float
    max_body: int
    collect: bool

    @property
    def content_length(self) -> int:
        """The length of the body that the headers announce, 0 if they announce none."""
        found = re.search(_LENGTH, self.headers)
        return int(found[1]) if found else 0
