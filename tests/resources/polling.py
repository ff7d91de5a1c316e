"""A scripted API whose actions finish when a test says so."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from cloud66_async import Action, Redeployment
from cloud66_async.sandbox.clock import FakeClock
from cloud66_async.transport import BufferedResponse

from ..support import Script, iterations, make_error, make_response


class ScriptedActions:
    """Actions 1 to 9 of any stack. `paths` holds every path that was requested."""

    def __init__(self) -> None:
        self.clock = FakeClock(autojump=False)
        self.finished: dict[int, dict[str, Any]] = {}
        self.known = set(range(1, 10))
        self.transport = Script(self.reply)
        self.references: dict[int, str] = {}
        self.errors: dict[str, BufferedResponse] = {}

    @property
    def paths(self) -> list[str]:
        return [target.removesuffix(".json") for target in self.transport.targets]

    def fields(self, number: int) -> dict[str, Any]:
        reference = self.references.get(number)
        metadata = None if reference is None else {"user_reference": reference}
        return {
            "id": number,
            "action": "deploy",
            "metadata": metadata,
            **self.finished.get(number, {"finished_at": None}),
        }

    def reply(self, request: Any) -> BufferedResponse:
        path = request.target.removeprefix("/api/3").partition("?")[0].removesuffix(".json")
        if path in self.errors:
            return self.errors[path]
        if path == "/stacks":
            return make_response({"response": []})
        if path.endswith("/actions"):
            return make_response({"response": [self.fields(number) for number in sorted(self.known)]})
        number = int(path.rpartition("/")[2])
        if number not in self.known:
            return make_error(404, "not_found")
        return make_response({"response": self.fields(number)})

    def finish(self, number: int, success: object = True, message: str | None = None) -> None:
        self.finished[number] = {
            "finished_at": "2026-03-02T09:13:00Z",
            "finished_success": success,
            "finished_message": message,
        }

    async def advance(self, seconds: float) -> None:
        """Advance the clock a quarter of a second at a time, so that every task sees each step."""
        for _ in range(int(seconds * 4)):
            await iterations(8)
            self.clock.advance(0.25)
        await iterations()


def started(number: int | None = 1, stack: str | None = "a") -> Redeployment:
    """Return the response that starts an action."""
    return Redeployment(ok=True, async_action_id=number, stack=stack)


def in_task(coroutine: Coroutine[Any, Any, Action]) -> asyncio.Task[Action]:
    """Start to wait for an action in a task."""
    return asyncio.create_task(coroutine)
