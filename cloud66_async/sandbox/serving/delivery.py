"""Delivery: a response of the sandbox, and how it is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import attrs

from ..faults import ConnectionDropped
from ..message import Reply

if TYPE_CHECKING:
    from ...clock import Clock

__all__ = ["Delivery"]


@attrs.frozen
class Delivery:
    """A response whose headers are sent completely.

    Args:
        reply: Response.
        clock: Clock of the sandbox.
        pause: Seconds between the two halves of the body.
        cut: Whether the connection is closed after the first half.
    """

    reply: Reply
    clock: Clock
    pause: float = 0.0
    cut: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether the body is sent completely and without a pause."""
        return not self.pause and not self.cut

    @property
    def length(self) -> int:
        """The length of the body that is announced. An empty body could not be cut."""
        return max(len(self.reply.body), 1) if self.cut else len(self.reply.body)

    async def parts(self, timeout: float | None = None) -> AsyncIterator[bytes]:  # noqa: ASYNC109
        """Yield the body as it is sent.

        Raises ConnectionDropped where the connection is closed, and TimeoutError if the pause exceeds `timeout`.
        """
        body, middle = self.reply.body, len(self.reply.body) // 2
        if self.is_plain:
            yield body
            return
        yield body[:middle]
        if self.cut:
            raise ConnectionDropped("after", self.reply)
        if timeout is not None and self.pause > timeout:
            await self.clock.sleep(timeout)
            raise TimeoutError
        await self.clock.sleep(self.pause)
        yield body[middle:]

    async def buffered(self, timeout: float | None = None) -> Reply:  # noqa: ASYNC109
        """Return the response when the body is complete. Raises the errors of `parts`."""
        if not self.is_plain:
            async for _ in self.parts(timeout):
                pass
        return self.reply
