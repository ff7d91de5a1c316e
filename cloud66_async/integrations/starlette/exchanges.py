"""Code exchanges: the code of each login is exchanged once, even if several processes receive its callback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Generic, NamedTuple, TypeVar

from ...clock import Clock
from ...errors import LoginError
from ...oauth.login import Login
from ...secret import Secret
from .cookies import digest
from .storage import SessionsUnavailable, Storage
from .users import NewSession

__all__ = ["Exchanges", "SharedTasks"]

T = TypeVar("T")
Exchange = Callable[[], Coroutine[Any, Any, NewSession]]

_WAIT: Final = timedelta(seconds=10)
_PAUSE: Final = 0.1  # seconds between two looks at the outcome of another process
_REPEATABLE: Final = timedelta(seconds=60)
_MARGIN: Final = timedelta(seconds=60)  # for clocks of several machines that differ
_FAILED: Final = Secret("failed")


class SharedTasks(Generic[T]):
    """Tasks of one process. Concurrent callers with the same key share one task and its result."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[T]] = {}

    async def run(self, key: str, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return the result of `function`, which is called only if no task with this key is running.

        If the caller is cancelled, the task continues: another caller may be waiting for its result.
        """
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(function(), name="cloud66-async login")
            self._running[key] = task
            task.add_done_callback(lambda done: self._finish(key, done))
        return await asyncio.shield(task)

    def _finish(self, key: str, task: asyncio.Task[T]) -> None:
        del self._running[key]
        if not task.cancelled():
            task.exception()  # retrieved here, because every caller may have been cancelled


class _Outcome(NamedTuple):
    """The session that an exchange started, for other callbacks with the same code until `repeatable_until`."""

    code_digest: str
    session_id: Secret
    ends_at: datetime
    repeatable_until: datetime


class Exchanges:
    """The exchanges of one application, in all processes that share its session store.

    The first process that receives the callback of a login claims it in the store and exchanges the code. Others wait
    for the outcome and give the browser the same session, also if the callback is repeated within a minute. They do so
    only for the same code: a callback with another one is not from the browser that was logged in.
    """

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock
        self._tasks: SharedTasks[NewSession] = SharedTasks()

    async def run(self, login: Login, code_digest: str, exchange: Exchange) -> NewSession:
        """Return the session that `exchange` starts for the code with this digest, here or in another process.

        Raises LoginError if the login was already used, and the errors of `exchange`. If the caller is cancelled, the
        exchange continues: the code is used in any case.
        """
        key = digest(f"{login.state} {code_digest}")
        return await self._tasks.run(key, lambda: self._run(login, code_digest, exchange))

    async def _run(self, login: Login, code_digest: str, exchange: Exchange) -> NewSession:
        key = digest(f"login {login.state}")
        lifetime = max(login.expires_at - self._clock.now(), timedelta()) + _MARGIN
        if not await self._storage.claim(key, lifetime):
            outcome = _parse(await self._wait(key))
            if outcome is None or not await self._may_have(outcome, code_digest):
                raise LoginError("this login was already used; start a new login")
            return NewSession(outcome.session_id, outcome.ends_at - self._clock.now())
        try:
            started = await exchange()
        except Exception:
            await self._settle(key, _FAILED, lifetime)
            raise
        now = self._clock.now()
        outcome = _Outcome(code_digest, started.session_id, now + started.lifetime, now + _REPEATABLE)
        await self._settle(key, _format(outcome), lifetime)
        return started

    async def _settle(self, key: str, outcome: Secret, lifetime: timedelta) -> None:
        # If it fails, that is logged. This browser has its response; other callbacks of it wait and then fail.
        with suppress(SessionsUnavailable):
            await self._storage.settle(key, outcome, lifetime)

    async def _wait(self, key: str) -> Secret:
        """Return the outcome of the process that has claimed a login."""
        deadline = self._clock.now() + _WAIT
        while (outcome := await self._storage.outcome(key)) is None:
            if self._clock.now() >= deadline:
                raise LoginError(
                    "the login was not finished: the process that received its callback first did not report within "
                    f"{_WAIT.total_seconds():g} seconds; log in again"
                )
            await self._clock.sleep(_PAUSE)
        return outcome

    async def _may_have(self, outcome: _Outcome, code_digest: str) -> bool:
        """Return whether a repeated callback leads to the session that the first one started."""
        if outcome.code_digest != code_digest or outcome.repeatable_until <= self._clock.now():
            return False
        return await self._storage.load(digest(outcome.session_id.reveal())) is not None  # it may have ended


def _format(outcome: _Outcome) -> Secret:
    times = [time.timestamp() for time in (outcome.ends_at, outcome.repeatable_until)]
    return Secret(json.dumps([outcome.code_digest, outcome.session_id.reveal(), *times]))


def _parse(text: Secret) -> _Outcome | None:
    if text == _FAILED:
        return None
    code_digest, session_id, *times = json.loads(text.reveal())
    return _Outcome(code_digest, Secret(session_id), *(datetime.fromtimestamp(time, UTC) for time in times))
