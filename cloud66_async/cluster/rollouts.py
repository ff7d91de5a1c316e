"""Rollouts over an engine: many redeployments, a few at a time in all workers together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Generator, Sequence
from types import TracebackType
from typing import Any

import attrs

from .._core.loop import running_loop
from .._core.tasks import Failure, end_tasks
from ..bulk import Failed, Ok
from ..errors import (
    Cloud66Error,
    ConfigError,
    LoginError,
    QuotaError,
    StoreError,
    Throttled,
    TransportError,
    Unauthenticated,
)
from ..rollout import RolloutResult, RolloutState
from .deployments import WORK, Deployment
from .engine import Engine
from .running import Progress, Running

__all__ = ["ClusterRollout"]

_BAD = (RolloutState.FAILED, RolloutState.UNFINISHED, RolloutState.UNKNOWN)
# After these, every further deployment would fail, too.
_STOPPING = (QuotaError, Throttled, Unauthenticated, LoginError, ConfigError, StoreError)


class ClusterRollout:
    """Redeployments of many stacks in the workers of an engine: what `rollout` returns.

    `await` it for the results, in the order of the stacks. Or use it as a context manager, which returns an async
    iterator of results as deployments end; leaving the block starts nothing more and waits for nothing.

    Args:
        engine: Engine that carries the deployments.
        deployments: What is to be done, in order.
        waves: Sizes of the waves, of which the last one is repeated, or None for a single wave.
        window: Number of deployments at a time.
        stop_after: Number of failures after which nothing more is started.
        claims: Pickled store of claims.
        run: Name of the run, or None.
        progress: Function that is called as deployments end.
    """

    def __init__(
        self,
        engine: Engine,
        deployments: Sequence[Deployment],
        *,
        waves: Sequence[int] | None,
        window: int,
        stop_after: int | None,
        claims: bytes,
        run: str | None,
        progress: Progress | None,
    ) -> None:
        self._deployments = deployments
        self._waves = [len(deployments)] if waves is None else list(waves)
        self._stop_after = stop_after
        self._report = progress
        self._running: Running[Deployment] = Running(
            engine, WORK, self._next(), size=1, window=window, claims=claims, run=run
        )
        self._task: asyncio.Task[None] | None = None
        self._results: dict[str, RolloutResult] = {}
        self._started = self._failures = 0
        self._stopped: str | None = None
        self._error: Cloud66Error | None = None
        self._failure = Failure()
        self._changes: deque[RolloutResult] = deque()
        self._changed = asyncio.Event()
        self._ended = asyncio.Event()

    def __repr__(self) -> str:
        return f"<ClusterRollout of {len(self._deployments)} stacks, {len(self._results)} ended>"

    @property
    def results(self) -> tuple[RolloutResult, ...]:
        """The current results, one for each stack, in the order of the stacks."""
        return tuple(self._results.get(each.uid) or each.result(RolloutState.QUEUED) for each in self._deployments)

    @property
    def stopped(self) -> str | None:
        """Why nothing more was started, or None."""
        return self._stopped

    def __await__(self) -> Generator[Any, None, tuple[RolloutResult, ...]]:
        return self._all().__await__()

    async def _all(self) -> tuple[RolloutResult, ...]:
        async with self as progress:
            async for _ in progress:
                pass
        return self.results

    async def __aenter__(self) -> AsyncIterator[RolloutResult]:
        if self._task is not None:
            raise ConfigError("a rollout runs once; continue it with another one that has the same run and stacks")
        self._task = running_loop().create_task(self._carry_out())
        self._task.add_done_callback(lambda _: self._changed.set())
        return self._progress(self._task)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        await end_tasks([self._task])
        if error is None:
            self._failure.raise_once()
        self._failure.error = None

    async def _progress(self, task: asyncio.Task[None]) -> AsyncIterator[RolloutResult]:
        changes = self._changes
        while changes or not task.done():
            while changes:
                yield changes.popleft()
            self._changed.clear()
            if not task.done():
                await self._changed.wait()
        self._failure.raise_once()

    async def _carry_out(self) -> None:
        """Start deployments and take in their results, in a task of its own."""
        try:
            async with self._running as results:
                async for result in results:
                    self._note(result)
            for deployment in self._deployments:
                if deployment.uid not in self._results:
                    self._add(deployment.result(RolloutState.NOT_STARTED))
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001  raised in the block
            self._failure.error = error
        else:
            self._failure.error = self._error
            if self._error is not None:
                self._error.rollout_results = self.results

    async def _next(self) -> AsyncIterator[Deployment]:
        """Yield the deployments to start: those of a wave, and after its end the next ones."""
        waves, first = iter(self._waves), 0
        size = 0
        while first < len(self._deployments):
            size = next(waves, size)
            for deployment in self._deployments[first : first + size]:
                if self._stopped is not None:
                    return
                self._started += 1
                yield deployment
            first += size
            while len(self._results) < self._started:
                self._ended.clear()
                await self._ended.wait()

    def _note(self, ended: Ok[Deployment, RolloutResult] | Failed[Deployment]) -> None:
        """Take in the end of a deployment, and stop if there are too many failures."""
        result = ended.value if isinstance(ended, Ok) else _after(ended.item, ended.error)
        self._failures += result.state in _BAD or result.error is not None
        if isinstance(ended, Failed) and isinstance(ended.error, _STOPPING):
            self._error = self._error or ended.error
            self._stopped = self._stopped or str(ended.error)
        elif self._stop_after is not None and self._failures >= self._stop_after:
            self._stopped = self._stopped or f"stop_after={self._stop_after}"
        self._add(result)
        if self._report is not None:
            self._report(len(self._results), self._failures, len(self._deployments))

    def _add(self, result: RolloutResult) -> None:
        self._results[result.uid] = result
        self._changes.append(result)
        self._changed.set()
        self._ended.set()


def _after(deployment: Deployment, error: Cloud66Error) -> RolloutResult:
    """Return the result of a deployment whose worker has none."""
    if error.rollout_results:
        known: RolloutResult = error.rollout_results[0]
        return attrs.evolve(known, error=known.error or error)
    unknown = isinstance(error, TransportError | StoreError)
    return deployment.result(RolloutState.UNKNOWN if unknown else RolloutState.NOT_STARTED, error)
