"""A way to the wire: plain values in, plain values out."""

from __future__ import annotations

import re
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from .errors import ConfigError
from .model import MASK, Hidden

__all__ = ["Answer", "Head", "Lane", "Request", "Timeouts"]

# Nothing in a header may begin a line of its own.
_HARMLESS = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\t -~]*\r\n").fullmatch


class Timeouts(NamedTuple):
    """Seconds for each phase of a request; None waits for ever.

    `connect` opens a connection (look-up, TCP and TLS together), `read` is the longest silence while
    an answer is awaited, `write` the longest time in which the server takes nothing, `pool` the wait
    for a free connection, `whole` the request from end to end.
    """

    connect: float | None = 5.0
    read: float | None = 30.0
    write: float | None = 30.0
    pool: float | None = None
    whole: float | None = None


class Head:
    """Header lines that many requests share, the token among them: written out once, never shown."""

    __slots__ = ("pairs", "wire")

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self.pairs: tuple[tuple[str, str], ...] = tuple(pairs)
        lines = [f"{name}: {value}\r\n" for name, value in pairs]
        if not all(map(_HARMLESS, lines)):
            raise ConfigError("a header that goes with every request (the token?) holds a character that it may not")
        self.wire: Hidden = Hidden("".join(lines).encode("ascii"))

    def __repr__(self) -> str:
        return f"Head({MASK})"


class Request(msgspec.Struct, frozen=True):
    """One request, as far as it differs from its neighbours: the head is shared."""

    method: str
    target: str
    head: Head
    request_id: str
    body: bytes | None
    repeatable: bool
    timeouts: Timeouts


class Answer(Protocol):
    """Status, headers and the whole body, unpacked."""

    @property
    def status(self) -> int: ...
    @property
    def body(self) -> bytes: ...
    @property
    def headers(self) -> Mapping[str, str]:
        """All headers by lower-case name; repeated ones joined by a comma and a blank."""
        ...

    def header(self, name: bytes) -> bytes | None:
        """The first header of this lower-case name, or None."""
        ...


class Lane(Protocol):
    """What the sender needs of a transport. Raises TransportError where no answer comes."""

    def exchange(self, request: Request) -> Coroutine[Any, Any, Answer]: ...
    async def aclose(self) -> None: ...
