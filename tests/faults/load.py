"""Reads and writes that go on while something between the client and the server restarts."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping

from cloud66_async import Cloud66, Cloud66Error, TransportError

from .chaos import UNLIMITED, Applied, ChaosSandbox

__all__ = ["Load", "slow_writes"]

STEP = 30
"""Reads that are answered between two restarts."""


def slow_writes(fake: ChaosSandbox) -> None:
    """Delay the responses of writes, so that each restart meets some that were carried out and not answered."""
    fake.faults.slow(0.02, operation="environment_variables.create", times=UNLIMITED, allow_unused=True)


class Load:
    """Reads and writes that go on until they are stopped, and their outcomes."""

    def __init__(self, uids: list[str], *, step: int = STEP) -> None:
        self.outcomes: dict[str, str] = {}
        self.errors: list[BaseException] = []
        self.answered = 0
        self.stopped = False
        self.uids = uids
        self._step = step
        self._numbers = itertools.count()

    async def work(self, c66: Cloud66) -> None:
        while not self.stopped:
            await self._operate(c66, next(self._numbers))

    async def more(self) -> None:
        """Wait until some more reads are answered, which shows that everything works again."""
        enough = self.answered + self._step
        async with asyncio.timeout(30):
            while self.answered < enough:
                await asyncio.sleep(0.01)

    async def _operate(self, c66: Cloud66, number: int) -> None:
        uid, marker = self.uids[number % len(self.uids)], f"M{number}"
        try:
            if number % 3:
                assert (await c66.stacks.get(uid)).uid == uid
                self.answered += 1
            else:
                await c66.environment_variables.create(uid, marker, value="x")
                self.outcomes[marker] = "done"
        except Cloud66Error as error:
            self.outcomes[marker] = "unsent" if isinstance(error, TransportError) and not error.sent else "failed"
        except Exception as error:
            self.errors.append(error)

    def wrong(self, applied: Mapping[str, list[Applied]]) -> list[str]:
        """Return what went wrong, one line each. `applied` are the writes that the server knows."""
        found = [f"untyped: {error!r}" for error in self.errors]
        # A second time ends in a conflict, so every arrival counts, not only those that were successful.
        found += [f"{marker} arrived {len(writes)} times" for marker, writes in applied.items() if len(writes) > 1]
        done = {marker: [each for each in writes if each.status < 300] for marker, writes in applied.items()}
        for marker, outcome in self.outcomes.items():
            if (outcome == "done" and not done.get(marker)) or (outcome == "unsent" and done.get(marker)):
                found.append(f"{marker} was reported as {outcome}: {applied.get(marker)}")
        return found
