"""Idle connections, ready for reuse."""

from __future__ import annotations

from .._core.origin import Origin
from .connection import Connection

__all__ = ["IdleConnections"]


class IdleConnections:
    """Idle connections by origin, reused last in, first out, so that surplus ones reach the idle timeout."""

    __slots__ = ("_by_origin",)

    def __init__(self) -> None:
        self._by_origin: dict[Origin, dict[Connection, None]] = {}

    def add(self, connection: Connection) -> None:
        """Add a connection that has become idle."""
        connections = self._by_origin.get(connection.origin)
        if connections is None:
            connections = self._by_origin[connection.origin] = {}
        connections[connection] = None

    def pop(self, origin: Origin) -> Connection | None:
        """Remove and return the most recently used connection to this origin, or None."""
        connections = self._by_origin.get(origin)
        return connections.popitem()[0] if connections else None

    def discard(self, connection: Connection) -> None:
        """Remove this connection if it is idle."""
        connections = self._by_origin.get(connection.origin)
        if connections is not None:
            connections.pop(connection, None)
            if not connections:
                del self._by_origin[connection.origin]

    def oldest(self) -> Connection | None:
        """Return the connection of any origin that has been idle longest, or None."""
        candidates = [next(iter(connections)) for connections in self._by_origin.values() if connections]
        return min(candidates, key=lambda connection: connection.idle_since, default=None)
