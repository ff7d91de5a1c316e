"""Why no answer came: kinds of `TransportError`, told apart inside the package only."""

from __future__ import annotations

from ..errors import TransportError

__all__ = ["BadAnswer", "Broken", "ConnectFailed", "Stale"]


class ConnectFailed(TransportError):
    """No connection, or no TLS on it; nothing was sent."""


class Broken(TransportError):
    """The connection ended before the answer did."""


class Stale(Broken):
    """A connection used before ended without a byte of this answer: most likely the request was not seen."""


class BadAnswer(TransportError):
    """What came is no HTTP/1.1 answer, or breaks a bound."""
