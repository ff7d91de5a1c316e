"""What a request asks of a connection."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import NamedTuple

import msgspec

from .._lane import Timeouts

__all__ = ["Origin", "Outgoing"]


class Origin(NamedTuple):
    """Where a connection leads; `sni` is the name to show and to check where that is not the host's."""

    host: str
    port: int
    tls: bool = False
    sni: str | None = None


class Outgoing(msgspec.Struct, frozen=True):
    """A request as a connection needs it; `end` is the loop's time when all of it must be over."""

    head: bytes
    body: bytes | AsyncIterable[bytes]
    chunked: bool
    is_head: bool
    repeatable: bool
    timeouts: Timeouts
    end: float
    limit: int
    collect: bool
