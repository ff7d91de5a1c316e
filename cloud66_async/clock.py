"""The clock that a client uses, so that tests can control time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Protocol

__all__ = ["Clock", "SystemClock", "read_clock"]


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


def read_clock(clock: Clock | None) -> Clock:
    """Return `clock`, or the system's if it is None. Raises TypeError if it is not a clock."""
    if clock is None:
        return SystemClock()
    if not all(callable(getattr(clock, name, None)) for name in ("now", "sleep")):
        raise TypeError(
            f"invalid clock: expected an object with the methods `now` and `sleep`, not {type(clock).__name__}"
        )
    return clock
