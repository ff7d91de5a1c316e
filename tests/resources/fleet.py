"""Stacks of a sandbox that are rolled out, and processes that end in the middle of it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from cloud66_async import Cloud66, Retry
from cloud66_async.rollout import Rollout, RolloutResult
from cloud66_async.sandbox import FakeCloud66, FakeStack
from cloud66_async.sandbox.serving.transport import SandboxTransport
from cloud66_async.transport import RawResponse, Request, Transport

PATIENT = Retry(max_pause=3700.0)


class Fleet:
    """Stacks of a sandbox and a token for it."""

    def __init__(self, count: int, *, seconds: float = 300.0) -> None:
        self.fake = FakeCloud66(action_seconds=seconds)
        self.stacks = [self.fake.add_stack(f"app-{number}") for number in range(count)]
        self.uids = [stack.uid for stack in self.stacks]
        self.token = self.fake.add_token()

    def client(self, transport: Transport | None = None, **options: Any) -> Cloud66:
        """Return a client with a new connection."""
        options.setdefault("retry", PATIENT)
        transport = transport or SandboxTransport(self.fake)
        return Cloud66(
            self.token, url="https://cloud66.sandbox.example", transport=transport, clock=self.fake.clock, **options
        )

    @property
    def deployed(self) -> list[int]:
        """How often each stack was deployed, as the sandbox knows it."""
        return [len(references(stack)) for stack in self.stacks]

    def busy(self) -> int:
        """Return how many deployments are running."""
        now = self.fake.clock.now()
        return sum(not action.finished(now) for stack in self.stacks for action in stack.actions)


def references(stack: FakeStack) -> list[str]:
    """Return the references of a stack's deployments."""
    return [action.metadata["user_reference"] for action in stack.actions if action.metadata.get("user_reference")]


def states(results: tuple[RolloutResult, ...]) -> list[str]:
    """Return the state of each stack."""
    return [str(result.state) for result in results]


def counts(results: tuple[RolloutResult, ...]) -> dict[str, int]:
    """Return how many stacks have each state."""
    return dict(Counter(states(results)))


class Crash(BaseException):
    """The process ends here."""


class Crashing:
    """A transport and a disk of a process that ends at a step: nothing is sent or written from then on.

    A request has two steps, before it is sent and before its response is read. A write has two steps as well.
    """

    def __init__(self, fleet: Fleet, step: int, *, delay: float = 0.0) -> None:
        self.steps = 0
        self.places: list[str] = []
        self.late: list[asyncio.Task[Any]] = []
        self.over = asyncio.Event()
        self._inner = SandboxTransport(fleet.fake)
        self._loop = asyncio.get_running_loop()
        self._fleet = fleet
        self._step = step
        self._delay = delay

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self.steps > self._step

    def reach(self, place: str) -> None:
        """Take a step."""
        self.steps += 1
        if self.ended:
            self._loop.call_soon_threadsafe(self.over.set)
            raise Crash(place)
        self.places.append(place)

    async def send(self, request: Request) -> RawResponse:
        name = f"{request.method} {request.target.partition('?')[0].rpartition('/')[2].strip('0123456789')}"
        self.reach(f"{name} not sent")
        if self.steps == self._step and self._delay:
            self.late.append(asyncio.create_task(self._deliver(request)))
            self.reach("on its way")
        response = await self._inner.send(request)
        self.reach(f"{name} not read")
        return response

    async def _deliver(self, request: Request) -> None:
        await self._fleet.fake.clock.sleep(self._delay)
        await self._inner.send(request)

    async def aclose(self) -> None:
        pass

    async def run(self, rollout: Rollout) -> tuple[RolloutResult, ...] | None:
        """Return the results, or None if the process ends before the rollout does."""

        async def results() -> tuple[RolloutResult, ...]:
            return await rollout

        running, over = asyncio.create_task(results()), asyncio.create_task(self.over.wait())
        await asyncio.wait((running, over), return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        if not self.ended:
            return await running
        running.cancel()
        await asyncio.wait((running, over))
        if not running.cancelled():
            running.exception()
        return None

    def write(self, replace: Callable[[Any, bytes], None]) -> Callable[[Any, bytes], None]:
        """Return `RolloutFile.replace` with a step before and after it."""

        def stepped(file: Any, body: bytes) -> None:
            self.reach("not written")
            replace(file, body)
            self.reach("written")

        return stepped


def as_json(rollout: Rollout) -> dict[str, Any]:
    """Return what another process reads of this rollout."""
    found: dict[str, Any] = json.loads(json.dumps(rollout.to_dict()))
    return found
