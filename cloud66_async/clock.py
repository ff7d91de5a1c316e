"""The clock that a client uses, so that tests can control time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Protocol, TypeGuard

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


def read_clock(clock: Clock | None, transport: object = None) -> Clock:
    """Return `clock`, or else the attribute `clock` of the transport if it has one, or else the system's.

    Raises TypeError if `clock` is neither None nor a clock.
    """
    if clock is None:
        # A transport of the HTTP library may use this name for something else.
        carried = getattr(transport, "clock", None)
        return carried if _is_clock(carried) else SystemClock()
    if not _is_clock(clock):
        raise TypeError(
            f"invalid clock: expected an object with the methods `now` and `sleep`, not {type(clock).__name__}"
        )
    return clock


def _is_clock(value: object) -> TypeGuard[Clock]:
    return all(callable(getattr(value, name, None)) for name in ("now", "sleep"))
