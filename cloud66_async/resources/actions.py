"""Actions: background work on a stack, such as a deployment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol

import attrs

from .._core.arguments import MAX_NUMBER, brief, check_number
from .._core.model import Model, Timestamp, free_form
from .._core.text import clean
from ..errors import Cloud66Error, ConfigError
from ..operation import Page, get, many, post
from ..pager import Pager
from ._resource import Resource
from .common import DatabaseSelection

if TYPE_CHECKING:
    from ._watching.watched import Subject

__all__ = [
    "Action",
    "ActionError",
    "ActionFailed",
    "ActionUnfinished",
    "Actions",
    "Command",
    "Started",
]

Command = Literal[
    "clear_caches", "restart", "maintenance_mode", "container_restart", "process_pause", "process_resume",
    "process_restart", "service_pause", "service_resume", "service_restart", "promote_slave_db",
    "resync_slave_db", "disable_replication_slave_db",
]  # fmt: skip
"""Names of the commands that can be run on a stack."""


@attrs.frozen(kw_only=True)
class Action(Model):
    """A background operation and its result. `Actions.wait` waits until it has finished.

    While it is running, all attributes that start with `finished` are None. The SDK sets `stack` to the uid of
    the stack that the action was read from.
    """

    id: int
    user: str | None = None  # e-mail address of the user who started it
    resource_type: str | None = None  # for example `stack` or `server`
    resource_id: str | None = None  # internal ID of the resource
    action: str | None = None  # name of the action; an open set
    started_via: str | None = None  # for example `api` or `web`; an open set
    started_at: Timestamp | None = None
    finished_at: Timestamp | None = None
    finished_success: bool | None = None  # whether it succeeded
    finished_message: str | None = None  # result in words
    finished_result: Mapping[str, Any] | None = free_form()  # result as data
    metadata: Mapping[str, Any] | None = free_form()  # data of the caller, such as `user_reference`
    stack: str | None = None

    @property
    def finished(self) -> bool:
        """Whether the action has finished."""
        return self.finished_at is not None

    @property
    def succeeded(self) -> bool:
        """Whether the action has finished and the API reported success."""
        return self.finished and bool(self.finished_success)

    @property
    def async_action_id(self) -> int:
        """The ID, under the name that it has in responses that start an action."""
        return self.id


class ActionError(Cloud66Error):
    """A background action did not do its work. `action` is its last known state."""

    def __init__(self, text: str, *, action: Action) -> None:
        super().__init__(text)
        self.action = action


class ActionFailed(ActionError):
    """The action finished without success."""


class ActionUnfinished(ActionError):
    """The action did not finish before the timeout. It may still be running."""


class Started(Protocol):
    """What `Actions.wait` waits for: an action, or the response that started one."""

    @property
    def stack(self) -> str | None:
        """The uid of the action's stack."""
        ...

    @property
    def async_action_id(self) -> int | None:
        """The ID of the action to wait for."""
        ...


LIST = get("/stacks/{stack}/actions.json", many(Action), scope="public", query={"user_reference": str | None})
GET = get("/stacks/{stack}/actions/{action:int}.json", Action, scope="public")
# Each command is a variant and a method of the resource that it acts on, for example `stacks.restart`. The names of the
# parameters are the official client's; the documentation has others for some.
RUN = post(
    "/stacks/{stack}/actions.json",
    Action,
    scope="redeploy",
    body={
        "command": Command,
        "value": Literal[0, 1] | None,
        "container_id": str | None,
        "process_name": str | None,
        "service_name": str | None,
        "server_uid": str | None,
        "db_type": DatabaseSelection | None,
    },
)


class Actions(Resource):
    """Actions of a stack."""

    __slots__ = ()

    def list(self, stack: str, *, user_reference: str | None = None) -> Pager[Action]:
        """List the actions of the stack, or only those that were started with this reference."""
        return self._pages(
            LIST.bind(stack=stack, user_reference=user_reference), lambda action: self._of_stack(action, stack)
        )

    async def get(self, stack: str, action: int) -> Action:
        """Return the action with this ID."""
        return self._of_stack(await self._call(GET.bind(stack=stack, action=action)), stack)

    async def wait(
        self,
        started: Started,
        *,
        stack: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  raises an error of ours
        progress: Callable[[Action], None] | None = None,
    ) -> Action:
        """Wait until an action has succeeded, and return it.

        The first request is sent after 2 seconds, later ones at growing intervals of 5 to 60 seconds, or longer if the
        hourly quota runs short; `Cloud66(polling=...)` changes that. All tasks that wait with one token share the
        requests: the state of many stacks is read from the list of stacks, 30 at a time, and an action when its stack
        has changed. Errors of single requests do not end the wait, unless no later request can succeed.

        If a redeployment has no action ID, its action is found by its `user_reference`; if there is none either, the
        newest deployment of the stack is read instead, and the result describes it.

        Args:
            started: Action, or the response that started one.
            stack: uid of the stack, if `started` does not hold it.
            timeout: Maximum time to wait, in seconds.
            progress: Function that is called with each state of the action that is read.

        Raises ActionFailed if the action finished without success, ActionUnfinished if it did not finish before
        the timeout, and ConfigError if `started` holds no stack and no action, or the client is closed.
        """
        action = await self._finished(started, stack, timeout, progress)
        if not action.succeeded:
            reason = clean(action.finished_message or "no reason given")
            raise ActionFailed(
                f"action {action.id} ({clean(str(action.action))}) of stack {action.stack} failed: {reason}",
                action=action,
            )
        return action

    async def follow(
        self,
        started: Started,
        *,
        stack: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  raises an error of ours
    ) -> AsyncGenerator[Action]:
        """Yield the states of an action as they change, up to and including the one in which it has finished.

        It reads them as `wait` does. An action that fails is no error: its last state tells. Raises ActionUnfinished
        if the action does not finish before the timeout.
        """
        states: asyncio.Queue[Action | None] = asyncio.Queue()
        reading = asyncio.create_task(self._finished(started, stack, timeout, states.put_nowait))
        reading.add_done_callback(lambda _: states.put_nowait(None))
        latest: Action | None = None
        try:
            while (state := await states.get()) is not None:
                if state != latest:
                    latest = state
                    yield state
            await reading
        finally:
            reading.cancel()
            await asyncio.wait([reading])

    def notify(self, event: Model | str) -> None:
        """Read the actions of a stack soon, because a webhook reports that something has happened to it.

        `event` is an event of `cloud66_async.webhooks`, or the uid of a stack. It concerns every task that waits for an
        action of this stack, with any token of this client. As anyone can send events, they only bring the next request
        forward, and to at most one in 5 seconds for a stack. Events without a stack have no effect.
        """
        if not isinstance(event, Model | str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"invalid event: expected an event or the uid of a stack, not {type(event).__name__}")
        uid = event if isinstance(event, str) else getattr(getattr(event, "stack", None), "uid", None)
        running = self._sender.background
        if uid is None or not running:
            return
        from ._watching.watcher import Watcher  # imported lazily, as in `_finished`

        for work in running:
            if isinstance(work, Watcher):
                work.notice(uid)

    async def _finished(
        self,
        started: Started,
        stack: str | None,
        timeout: float | None,  # noqa: ASYNC109  raises an error of ours
        progress: Callable[[Action], None] | None,
    ) -> Action:
        """Wait until an action has finished, with or without success."""
        if not hasattr(started, "stack") or not hasattr(started, "async_action_id"):
            raise TypeError(
                f"invalid started: expected an action or the response that started one, not {type(started).__name__}"
            )
        if timeout is not None:
            check_number("timeout", timeout)
            if not timeout <= MAX_NUMBER:  # also rejects NaN
                raise ValueError(f"invalid timeout {brief(timeout)}: must be finite; None means no limit")
        uid = stack or started.stack
        if uid is None:
            raise ConfigError("the action does not hold its stack; pass it as stack=...")
        from ._watching.watcher import watcher_of  # imported lazily: takes 2 ms, and only waiting needs it

        subject = await self._subject(started, uid)
        return await watcher_of(self._sender).wait(subject, timeout=timeout, progress=progress)

    async def _subject(self, started: Started, uid: str) -> Subject:
        """Return what to wait for, and how its state is read: never from a shared response."""
        from ._watching.watched import Subject  # imported lazily, as in `_finished`
        from .deployments import Redeployment

        label, deploys = (
            (started.action or "") if isinstance(started, Action) else "",
            isinstance(started, Redeployment),
        )
        number, key = started.async_action_id, uid
        fresh, sender = self._fresh, self._sender.fresh
        read: Callable[[int], Awaitable[Action]] = partial(fresh.get, uid)
        read_latest: Callable[[], Awaitable[Page[Action]]] = partial(fresh.list(uid).page, 1)
        if number is None:
            from . import _started  # imported lazily: few redeployments have no action

            found = await _started.find(sender, started, uid)
            if isinstance(found, int):
                number = found
            else:
                number, key, read, read_latest = found.id, found.key, found.read, found.read_latest
        return Subject(key, uid, number, label, deploys, sender, read, read_latest)
