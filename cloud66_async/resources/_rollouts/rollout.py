"""Rollout: many redeployments, a few at a time."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Generator, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final

import msgspec

from ..._core.arguments import check_iterable, check_limit, check_text
from ..._core.loop import running_loop
from ..._core.sender import Sender
from ..._core.tasks import Failure, end_tasks
from ...errors import Cloud66Error, ConfigError
from .api import RolloutAPI
from .checks import check_at_once, check_timeout
from .file import RolloutFile
from .run import RolloutRun
from .state import FORMAT, Record, RolloutData, RolloutResult, RolloutState, Target, parse

__all__ = ["Rollout", "new_rollout", "saved_rollout"]

_REPEATABLE: Final = (RolloutState.FAILED, RolloutState.UNFINISHED, RolloutState.UNKNOWN)


class Rollout:
    """Redeployments of many stacks, a few at a time: what `Stacks.rollout` returns.

    `await` it for the results, in the order of the stacks. Or use it as a context manager, which returns an async
    iterator of results as they change; leaving the block starts nothing more and waits for nothing.

    A rollout runs once. If it has ended early, `Stacks.resume_rollout` takes it up.

    Args:
        api: The requests.
        data: What is to be done.
        file: File in which it is written down, or None.
        saved: Whether the file exists.
    """

    def __init__(
        self, api: RolloutAPI, data: RolloutData, *, file: RolloutFile | None = None, saved: bool = False
    ) -> None:
        self._api = api
        self._file = file
        self._saved = saved
        self._repeated: frozenset[str] = frozenset()
        self._entered = False
        self._task: asyncio.Task[None] | None = None
        self._failure = Failure()
        self._changes: deque[RolloutResult] = deque()
        self._changed = asyncio.Event()
        self._set_up(data)

    def _set_up(self, data: RolloutData) -> None:
        self._data = data
        self._targets = [Target(record, data.reference(number)) for number, record in enumerate(data.targets)]

    def __repr__(self) -> str:
        return f"<Rollout {self.id}: {_counts(self.results)}>"

    @property
    def id(self) -> str:
        """The random part of the references of its deployments, which are `c66:<id>:<number>:<attempt>`."""
        return self._data.id

    @property
    def results(self) -> tuple[RolloutResult, ...]:
        """The current results, one for each stack, in the order of the stacks."""
        return tuple(target.result for target in self._targets)

    @property
    def stopped(self) -> str | None:
        """Why nothing more was started, or None."""
        return self._data.stopped

    def to_dict(self) -> dict[str, Any]:
        """Return what `Stacks.resume_rollout` needs to continue in another process, as JSON-ready values.

        It contains no secret. Store it before the rollout starts; storing it again later saves requests.
        """
        ended = self._task is not None and self._task.done()
        found: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(self._data, exact=ended))
        return found

    def __await__(self) -> Generator[Any, None, tuple[RolloutResult, ...]]:
        return self._all().__await__()

    async def _all(self) -> tuple[RolloutResult, ...]:
        async with self as progress:
            async for _ in progress:
                pass
        return self.results

    async def __aenter__(self) -> AsyncIterator[RolloutResult]:
        if self._entered:
            raise ConfigError("a rollout runs once; continue it with resume_rollout(rollout.to_dict()) or its path")
        loop = running_loop()
        self._entered = True
        try:
            await self._open()
        except BaseException:
            self._entered = False
            raise
        self._task = loop.create_task(self._run())
        self._task.add_done_callback(lambda _: self._changed.set())
        return self._progress()

    async def _open(self) -> None:
        """Lock the file, and write down what is to be done. What another process has written to it is read again."""
        file = self._file
        if file is None:
            return
        try:
            if self._saved:
                file.open()
                data = _check(parse(file.read()), self._api)
                self.take_up(data, self._repeated)
            await self._save()
        except BaseException:
            file.close()
            raise

    def take_up(self, data: RolloutData, repeated: Iterable[str]) -> None:
        """Continue from what is written down. `repeated` are the uids of the stacks to deploy again."""
        self._set_up(data)
        self._repeated = frozenset(repeated)
        data.stopped = None
        for number, target in enumerate(self._targets):
            if target.uid not in self._repeated:
                target.reopen()
            elif target.state not in _REPEATABLE:
                raise ValueError(f"invalid retry: the deployment of stack {target.uid} is {target.state}")
            else:
                target.record.attempt += 1
                target.repeat(data.reference(number))
                data.targets[number] = target.record

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        await end_tasks([self._task])
        if error is None:
            self._failure.raise_once()
        self._failure.error = None

    async def _progress(self) -> AsyncIterator[RolloutResult]:
        task, changes = self._task, self._changes
        assert task is not None
        while changes or not task.done():
            while changes:
                yield changes.popleft()
            self._changed.clear()
            if not task.done():
                await self._changed.wait()
        self._failure.raise_once()

    async def _run(self) -> None:
        """Carry out the rollout in a task of its own, and note what it leaves behind."""
        run = RolloutRun(self._api, self._data, self._targets, save=self._save, publish=self._publish)
        try:
            await run.run()
        except asyncio.CancelledError:
            raise
        except Cloud66Error as error:
            self._data.stopped = str(error)
            self._failure.error = error
        except BaseException as error:  # noqa: BLE001  raised in the block
            self._failure.error = error
        finally:
            for target in self._targets:
                target.close()
                self._publish(target)
            await self._end()

    async def _end(self) -> None:
        """Write down the end, if it was not cut short by an exception that is not an error of this package."""
        failure = self._failure
        try:
            if self._file is not None and (failure.error is None or isinstance(failure.error, Cloud66Error)):
                await self._save()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001  raised in the block
            failure.error = failure.error or error
        finally:
            if isinstance(failure.error, Cloud66Error):
                failure.error.add_note(f"rollout {self.id}: {_counts(self.results)}")
                failure.error.rollout_results = self.results
            if self._file is not None:
                self._file.close()

    async def _save(self) -> None:
        if self._file is not None:
            await self._file.write(lambda: msgspec.json.encode(msgspec.structs.replace(self._data, exact=True)))

    def _publish(self, target: Target) -> None:
        result = target.result
        if result != target.published:
            target.published = result
            self._changes.append(result)
            self._changed.set()


def _counts(results: Sequence[RolloutResult]) -> str:
    """Return how many stacks have which state, in words."""
    states = [result.state for result in results]
    return ", ".join(f"{states.count(state)} {state}" for state in RolloutState if state in states)


def new_rollout(
    sender: Sender,
    uids: Iterable[str],
    options: Mapping[str, Any],
    *,
    at_once: int | Sequence[int],
    stop_after: int | None,
    timeout: float | None,
    path: str | os.PathLike[str] | None,
) -> Rollout:
    """Return a new rollout with an id of its own. Raises ValueError and TypeError for invalid arguments.

    Args:
        sender: Sender of the requests.
        uids: uids of the stacks, in the order in which they are deployed.
        options: Checked parameters of each deployment.
        at_once: Number of deployments at a time, or the sizes of the waves.
        stop_after: Number of failures after which nothing more is started.
        timeout: Seconds for each deployment.
        path: File in which it is written down, or None.
    """
    targets = _check_uids(uids, options)
    body = RolloutAPI.bind(targets[0].uid, "", options).body
    api = RolloutAPI(sender)
    number = os.urandom(8).hex()
    data = RolloutData(
        format=FORMAT,
        id=number,
        url=api.url,
        account=api.account,
        token=api.token_digest(number),
        created_at=api.clock.now(),
        exact=True,
        at_once=check_at_once(at_once),
        stop_after=stop_after,
        timeout=check_timeout(timeout),
        settle=api.settle,
        options={name: value for name, value in body.items() if name != "user_reference"},
        targets=targets,
    )
    if stop_after is not None:
        check_limit("stop_after", stop_after, maximum=None)
    return Rollout(api, data, file=None if path is None else RolloutFile(path))


def saved_rollout(sender: Sender, saved: Mapping[str, Any] | str | os.PathLike[str], retry: Iterable[str]) -> Rollout:
    """Return the rest of a rollout. Raises ConfigError if it cannot be taken up with this client."""
    check_iterable("retry", retry)
    if isinstance(retry, str):
        raise TypeError("invalid retry: expected an iterable of uids, not a string")
    repeated = list(retry)
    for uid in repeated:
        check_text("retry", uid)
    file = None
    if isinstance(saved, str | os.PathLike):
        file = RolloutFile(saved)
        saved = file.read()
    elif not isinstance(saved, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"invalid saved: expected a mapping or a path, not {type(saved).__name__}")
    api = RolloutAPI(sender)
    data = _check(parse(saved), api)
    unknown = set(repeated) - {record.uid for record in data.targets}
    if unknown:
        raise ValueError(f"invalid retry: {len(unknown)} of the stacks are not part of the rollout")
    rollout = Rollout(api, data, file=file, saved=True)
    rollout.take_up(data, repeated)
    return rollout


def _check(data: RolloutData, api: RolloutAPI) -> RolloutData:
    """Return `data`, or raise ConfigError if it is from another server, account or token."""
    for what, matches in (
        ("server", data.url == api.url),
        ("account", data.account == api.account),
        ("token", data.token == api.token_digest(data.id)),
    ):
        if not matches:
            raise ConfigError(f"cannot resume the rollout: it was started with another {what}; use the same one")
    try:
        for number, record in enumerate(data.targets):
            api.bind(record.uid, data.reference(number), data.options)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"damaged data of a rollout: {error}") from None
    return data


def _check_uids(uids: Iterable[str], options: Mapping[str, Any]) -> list[Record]:
    check_iterable("uids", uids)
    if isinstance(uids, str):
        raise TypeError("invalid uids: expected an iterable of uids, not a string")
    records: dict[str, Record] = {}
    for uid in uids:
        check_text("uids", uid)
        RolloutAPI.bind(uid, "reference", options)
        if uid in records:
            raise ValueError(f"invalid uids: {uid!r} is in it twice")
        records[uid] = Record(uid=uid)
    if not records:
        raise ValueError("invalid uids: must not be empty")
    return list(records.values())
