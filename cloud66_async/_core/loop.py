"""The running event loop, or a clear error."""

from __future__ import annotations

import asyncio

from ..errors import ConfigError

__all__ = ["NO_LOOP", "running_loop"]

NO_LOOP = "no asyncio event loop is running; this package supports asyncio only, not trio"


def running_loop() -> asyncio.AbstractEventLoop:
    """Return the running event loop. Raises ConfigError if there is none, for example under trio."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigError(NO_LOOP) from None
