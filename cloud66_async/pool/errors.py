"""Why no answer came: kinds of `TransportError`, told apart inside the package only."""

from __future__ import annotations

from ..errors import TransportError

__all__ = ["ConnectFailed", "ConnectionLost", "InvalidResponse", "StaleConnection"]


class ConnectFailed(TransportError):
    """No connection, or no TLS on it; nothing was sent."""


class ConnectionLost(TransportError):
    """The connection ended before the answer did."""


class StaleConnection(ConnectionLost):
    """A connection used before ended without a byte of this answer: most likely the request was not seen."""


class InvalidResponse(TransportError):
    """What came is no HTTP/1.1 answer, or breaks a bound."""
