"""Protection of tests against requests that reach the network because a client does not use the sandbox."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["advice", "without_network"]

_advice: list[str] = []


def advice() -> str | None:
    """Return what to do in place of a connection to another host, or None if connections are allowed."""
    return _advice[-1] if _advice else None


@contextmanager
def without_network(instead: str) -> Generator[None]:
    """Let the connection pool reject connections to other hosts within the block, with this advice."""
    _advice.append(instead)
    try:
        yield
    finally:
        _advice.remove(instead)
