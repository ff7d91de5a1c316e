"""The running event loop, or a clear error."""

from __future__ import annotations

import asyncio

from ..errors import ConfigError

__all__ = ["explained", "running_loop"]


def running_loop() -> asyncio.AbstractEventLoop:
    """Return the running event loop. Raises ConfigError if there is none, for example under trio."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError as error:
        raise explained(error) from None


def explained(error: RuntimeError) -> Exception:
    """Return ConfigError if asyncio raised the error because no event loop is running, and otherwise the error."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return ConfigError("no asyncio event loop is running; this package supports asyncio only, not trio")
    return error
