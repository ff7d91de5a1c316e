"""What a request asks of a connection."""

from __future__ import annotations

from collections.abc import AsyncIterable

import msgspec

from ..transport import Timeouts

__all__ = ["PoolRequest"]


class PoolRequest(msgspec.Struct, frozen=True):
    """A request as a connection needs it; `end` is the loop's time when all of it must be over."""

    headers: bytes
    body: bytes | AsyncIterable[bytes]
    chunked: bool
    is_head: bool
    repeatable: bool
    timeouts: Timeouts
    end: float
    limit: int
    collect: bool
