"""Subclasses of `TransportError` that the package distinguishes internally."""

from __future__ import annotations

from ..errors import TransportError

__all__ = ["BodyLengthError", "ConnectFailed", "ConnectionLost", "InvalidResponse", "StaleConnection"]


class ConnectFailed(TransportError):
    """The connection or its TLS handshake failed. Nothing was sent."""


class ConnectionLost(TransportError):
    """The connection was closed before the response was complete."""


class StaleConnection(ConnectionLost):
    """A reused connection was closed before any byte of the response: most likely the request was not processed."""


class BodyLengthError(TransportError):
    """The body of a request is longer or shorter than its headers announce. Nothing beyond that length was sent."""


class InvalidResponse(TransportError):
    """The response is not valid HTTP/1.1 or exceeds a limit."""
