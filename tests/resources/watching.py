"""Many stacks of the sandbox, whose deployments tasks wait for, and a list of stacks that a test can distort."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from cloud66_async import Action, Cloud66, Polling
from cloud66_async.sandbox import FakeCloud66, FakeStack
from cloud66_async.transport import BufferedResponse, RawResponse, Request

from ..support import ONCE

Rows = list[dict[str, Any]]


class Fleet:
    """Stacks, and a transport to them that records requests. `change` distorts the rows of the list.

    `replies` are responses that requests get instead of the sandbox's, by the end of their path.
    """

    def __init__(self, stacks: int = 60, *, seconds: float = 300.0, quota: int = 1_000_000) -> None:
        self.fake = FakeCloud66(action_seconds=seconds, hourly_limit=quota)
        self.stacks: Sequence[FakeStack] = [self.fake.add_stack(f"stack-{number}") for number in range(stacks)]
        self.clock = self.fake.clock
        self.change: Callable[[Rows], Rows] = lambda rows: rows
        self.replies: dict[str, BufferedResponse] = {}
        self.requests: list[tuple[datetime, str]] = []
        self.accounts: list[str | None] = []
        self.delays: list[float] = []
        self._inner = self.fake.transport()

    async def send(self, request: Request) -> RawResponse:
        target = request.target.removeprefix("/api/3")
        if request.method == "GET":
            self.requests.append((self.clock.now(), target))
            self.accounts.append(dict(request.headers.pairs).get("X-Account"))
        for end, reply in self.replies.items():
            if target.endswith(end):
                return reply
        response = await self._inner.send(request)
        if not target.startswith("/stacks.json?") or response.status != 200:
            return response
        body = json.loads(response.body)
        body["response"] = self.change(body["response"])
        return BufferedResponse(200, json.dumps(body).encode(), response.headers)

    async def aclose(self) -> None:
        await self._inner.aclose()

    def client(self, *, polling: Polling | None = None, **options: Any) -> Cloud66:
        """Return a client that does not retry, so that each request is one reading."""
        options.setdefault("retry", ONCE)
        options.setdefault("token", self.fake.add_token())
        return Cloud66(transport=self, clock=self.clock, url="https://sandbox.test", polling=polling, **options)

    @property
    def pages(self) -> list[str]:
        """The pages of the list that were read."""
        return [target for _, target in self.requests if target.startswith("/stacks.json")]

    @property
    def readings(self) -> list[str]:
        """The actions that were read."""
        return [target for _, target in self.requests if not target.startswith("/stacks.json")]

    def times(self, start: datetime, part: str = "") -> list[float]:
        """Return when requests were sent whose target contains `part`, in seconds after `start`."""
        return [(time - start).total_seconds() for time, target in self.requests if part in target]

    async def deploy(self, c66: Cloud66, count: int, *, first: int = 0, step: int = 1) -> list[Action]:
        """Redeploy every `step`th stack and wait for all. `delays` gets the seconds until each end is noticed."""
        chosen = self.stacks[first : first + count * step : step]
        started = [await c66.stacks.redeploy(stack.uid) for stack in chosen]
        return await asyncio.gather(*(self.wait(c66, one) for one in started))

    async def wait(self, c66: Cloud66, started: Any, **options: Any) -> Action:
        action = await c66.actions.wait(started, **options)
        assert action.finished_at is not None
        self.delays.append((self.clock.now() - action.finished_at).total_seconds())
        return action

    def lengthen(self, stack: FakeStack, seconds: float) -> None:
        """Let the latest action of a stack take longer."""
        stack.actions[0].ends_at += timedelta(seconds=seconds)
