"""Connections that wait for their next use."""

from __future__ import annotations

from .._core.origin import Origin
from .connection import Connection

__all__ = ["IdleConnections"]


class IdleConnections:
    """Kept by origin; the one used last is the first to be used again, so that the others can grow old."""

    __slots__ = ("_by_origin",)

    def __init__(self) -> None:
        self._by_origin: dict[Origin, dict[Connection, None]] = {}

    def add(self, connection: Connection) -> None:
        """Keep this one."""
        mine = self._by_origin.get(connection.origin)
        if mine is None:
            mine = self._by_origin[connection.origin] = {}
        mine[connection] = None

    def pop(self, origin: Origin) -> Connection | None:
        """The newest one to this origin, or None."""
        mine = self._by_origin.get(origin)
        return mine.popitem()[0] if mine else None

    def discard(self, connection: Connection) -> None:
        """Keep this one no longer."""
        mine = self._by_origin.get(connection.origin)
        if mine is not None:
            mine.pop(connection, None)
            if not mine:
                del self._by_origin[connection.origin]

    def oldest(self) -> Connection | None:
        """The one of all that was idle longest, or None."""
        heads = [next(iter(mine)) for mine in self._by_origin.values() if mine]
        return min(heads, key=lambda connection: connection.idle_since, default=None)
