"""The clock that a client uses, so that tests can control time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Protocol

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """Source of the current time and of pauses. Pass one as `Cloud66(clock=...)`."""

    def now(self) -> datetime:
        """Return the current time in UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Pause for this many seconds."""
        ...


class SystemClock:
    """The system time and the event loop's timers."""

    def now(self) -> datetime:
        """Return the current time in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Pause for this many seconds."""
        await asyncio.sleep(seconds)
