"""Carrying out a rollout: what is started when, and what is done if it is not known whether it was."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain, repeat

from ... import bulk
from ...errors import (
    Cloud66Error,
    ConfigError,
    LoginError,
    QuotaError,
    ResponseError,
    Throttled,
    TransportError,
    Unauthenticated,
)
from .._started import LOST
from ..actions import Action, ActionFailed, ActionUnfinished
from .api import Found, RolloutAPI
from .state import RolloutData, RolloutState, Target, action_failed

__all__ = ["RolloutRun"]

_PENDING = (RolloutState.QUEUED, RolloutState.RUNNING)
_BAD = (RolloutState.FAILED, RolloutState.UNFINISHED, RolloutState.UNKNOWN)
# After these, every further request would fail, too.
_STOPPING = (QuotaError, Throttled, Unauthenticated, LoginError)
_PAUSES = (1.0, 4.0)  # in seconds, before each early search for an action whose response was lost
_MAX_SAVE = 5.0  # seconds
_MAX_SENT = 2  # requests for one deployment, if the first was lost
_SEARCHES = 10  # at a time


class RolloutRun:
    """One process's part of a rollout.

    `save` writes everything down and returns when that is done; `publish` is called with each stack that has changed.
    """

    def __init__(
        self,
        api: RolloutAPI,
        data: RolloutData,
        targets: Sequence[Target],
        *,
        save: Callable[[], Awaitable[None]],
        publish: Callable[[Target], None],
    ) -> None:
        self._api = api
        self._data = data
        self._targets = targets
        self._save = save
        self._publish = publish
        self._failures = sum(target.state is RolloutState.FAILED for target in targets)

    @property
    def _stopped(self) -> bool:
        stop_after = self._data.stop_after
        stopped = stop_after is not None and self._failures >= stop_after
        if stopped and self._data.stopped is None:
            self._data.stopped = f"stop_after={stop_after}"
        return stopped

    async def run(self) -> None:
        """Deploy every stack. Raises the error after which nothing more can be done."""
        doubtful = [target for target in self._targets if self._is_doubtful(target)]
        if doubtful:
            await self._settle(doubtful)
            await self._concurrently(self._look_up, doubtful, _SEARCHES)
            for target in doubtful:
                if target.state in (RolloutState.QUEUED, RolloutState.STARTING):
                    target.withdraw()
        for batch, limit in self._batches():
            pending = [target for target in batch if target.state in _PENDING]
            pending.sort(key=lambda target: target.state is not RolloutState.RUNNING)
            await self._concurrently(self._deploy, pending, limit)

    def _batches(self) -> Iterator[tuple[Sequence[Target], int]]:
        """Yield the stacks of each wave and how many are deployed at a time. A window is one wave."""
        at_once, first = self._data.at_once, 0
        if isinstance(at_once, int):
            yield self._targets, at_once
            return
        sizes = chain(at_once, repeat(at_once[-1]))
        while first < len(self._targets):
            size = next(sizes)
            yield self._targets[first : first + size], size
            first += size

    @staticmethod
    async def _concurrently(
        function: Callable[[Target], Awaitable[None]], targets: Sequence[Target], limit: int
    ) -> None:
        if not targets:
            return
        async with bulk.each(function, targets, limit=min(limit, len(targets))) as results:
            async for result in results:
                if isinstance(result, bulk.Failed):
                    raise result.error

    # --- what an earlier process has left ----------------------------------------------------------

    def _is_doubtful(self, target: Target) -> bool:
        """Return whether it is not known if the deployment was started."""
        unsure = target.state is RolloutState.QUEUED and not self._data.exact and not target.shall_start
        return unsure or target.state is RolloutState.STARTING

    async def _settle(self, doubtful: Sequence[Target]) -> None:
        """Wait until no request of the earlier process can be in flight."""
        now = self._api.clock.now()
        latest = max(target.record.asked_at or now for target in doubtful)
        left = (latest - now).total_seconds() + self._data.settle
        await self._api.clock.sleep(min(left, self._data.settle))  # the other process's clock may be ahead

    async def _look_up(self, target: Target) -> None:
        """Search for the action of a deployment that may have been started. Without a result, change nothing."""
        try:
            found = await self._api.search(target, since=target.record.asked_at or self._data.created_at)
        except _STOPPING:
            raise
        except Cloud66Error as error:
            await self._conclude(target, RolloutState.UNKNOWN, error=error)
            return
        if found.actions:
            await self._accept_found(target, found)
        elif not found.conclusive:
            await self._give_up(target)

    async def _accept_found(self, target: Target, found: Found) -> None:
        """Continue with the oldest action of a reference. There should be only one."""
        action = found.actions[0]
        target.record.doubled = tuple(other.id for other in found.actions[1:])
        target.accept(self._api.clock.now(), action.id)
        target.note(action)
        if action.succeeded:
            await self._conclude(target, RolloutState.SUCCEEDED, action)
        elif action.finished:
            await self._conclude(target, RolloutState.FAILED, action, action_failed(action, target.uid))
        else:
            await self._change(target)

    async def _give_up(self, target: Target) -> None:
        error = ResponseError(
            f"cannot tell whether stack {target.uid} was deployed: its actions have no metadata; check the stack, "
            "and pass its uid to resume_rollout(retry=...) if it was not"
        )
        await self._conclude(target, RolloutState.UNKNOWN, error=error)

    # --- one deployment ----------------------------------------------------------------------------

    async def _deploy(self, target: Target) -> None:
        """Start a deployment unless the rollout has stopped, and wait for its end."""
        if target.state is RolloutState.QUEUED and not self._stopped:
            await self._start(target)
        if target.state is RolloutState.RUNNING:
            await self._wait(target)

    async def _start(self, target: Target) -> None:
        """Send the request until it is known whether the deployment was started."""
        call = self._api.bind(target.uid, target.reference, self._data.options)
        attempt, sent = 0, 0
        while target.state is RolloutState.QUEUED and not self._stopped:
            attempt += 1
            await self._ask(target)
            try:
                started = await self._api.start(call)
            except (QuotaError, Unauthenticated, LoginError, ConfigError):
                target.withdraw()
                raise
            except Cloud66Error as error:
                if isinstance(error, Throttled) or (isinstance(error, TransportError) and not error.sent):
                    target.withdraw()
                    pause = self._api.retry.pause(call, error, attempt, self._api.clock.now())
                    if pause is not None:
                        await self._api.clock.sleep(pause)
                    elif isinstance(error, Throttled):
                        raise
                    else:
                        await self._conclude(target, RolloutState.FAILED, error=error)
                elif isinstance(error, LOST):
                    sent += 1
                    await self._recover(target, error, last=sent >= _MAX_SENT or self._api.retry.attempts == 1)
                else:
                    await self._conclude(target, RolloutState.FAILED, error=error)
            else:
                target.accept(self._api.clock.now(), started.async_action_id)
                await self._change(target)

    async def _ask(self, target: Target) -> None:
        """Write down that the request is about to be sent, and when."""
        clock = self._api.clock
        asked_at: datetime | None = None
        # Again if writing took long: what is written must not be much earlier than the request.
        while asked_at is None or (clock.now() - asked_at).total_seconds() > _MAX_SAVE:
            asked_at = clock.now()
            target.ask(asked_at)
            try:
                await self._change(target)
            except BaseException:
                target.withdraw()
                raise

    async def _recover(self, target: Target, error: Cloud66Error, *, last: bool) -> None:
        """Search for the action of a request whose response was lost.

        If there is none when the request can no longer be in flight, it may be sent again, unless it was the last one.
        """
        clock = self._api.clock
        settled_at = clock.now() + timedelta(seconds=self._data.settle)
        for seconds in (*_PAUSES, self._data.settle):
            left = (settled_at - clock.now()).total_seconds()
            await clock.sleep(max(0.0, min(seconds, left)))
            await self._look_up(target)
            if target.state is not RolloutState.STARTING:
                return
        if not last:
            target.withdraw()
        else:
            await self._conclude(target, RolloutState.FAILED, error=error)

    async def _wait(self, target: Target) -> None:
        """Wait for the end of a deployment that was started."""
        timeout, started_at = self._data.timeout, target.record.started_at
        if timeout is not None and started_at is not None:
            timeout = max(0.0, timeout - (self._api.clock.now() - started_at).total_seconds())
        try:
            action = await self._api.wait(target, seconds=timeout)
        except ActionFailed as error:
            await self._conclude(target, RolloutState.FAILED, error.action, error)
        except ActionUnfinished as error:
            await self._conclude(target, RolloutState.UNFINISHED, error.action, error)
        except _STOPPING:
            raise
        except Cloud66Error as error:
            await self._conclude(target, RolloutState.UNFINISHED, error=error)
        else:
            await self._conclude(target, RolloutState.SUCCEEDED, action)

    async def _conclude(
        self, target: Target, state: RolloutState, action: Action | None = None, error: Cloud66Error | None = None
    ) -> None:
        target.conclude(state, action, error)
        self._failures += state in _BAD
        await self._change(target)

    async def _change(self, target: Target) -> None:
        self._publish(target)
        await self._save()
