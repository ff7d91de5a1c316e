"""Actions: background work on a stack, such as a deployment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol

import attrs

from .._core.model import Model, Timestamp, free_form
from .._core.sender import Sender
from .._core.text import clean
from ..errors import Cloud66Error, ConfigError
from ..operation import Page, get, many, post
from ..pager import Pager
from ._resource import Resource
from .common import DatabaseSelection

if TYPE_CHECKING:
    from ._poller import Poller

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

    __slots__ = ("_pollers",)

    def __init__(self, sender: Sender) -> None:
        super().__init__(sender)
        self._pollers: dict[str, Poller] = {}

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

        The first request is sent after 1 second, later ones at growing intervals of up to 15 seconds. All tasks
        that wait for actions of one stack share the requests. `timeout` is the longest wait in seconds; `progress`
        is called with each state that is read. `stack` is needed only if `started` does not hold it.

        If a redeployment has no action ID, its action is found by its `user_reference`; if there is none either, the
        newest deployment of the stack is read instead, and the result describes it.

        Raises ActionFailed if the action finished without success, ActionUnfinished if it did not finish before
        the timeout, and ConfigError if `started` holds no stack and no action.
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
        uid, number = stack or started.stack, started.async_action_id
        if uid is None:
            raise ConfigError("the action does not hold its stack; pass it as stack=...")
        key = uid
        read: Callable[[int], Awaitable[Action]] = partial(self.get, uid)
        read_latest: Callable[[], Awaitable[Page[Action]]] = partial(self.list(uid).page, 1)
        if number is None:
            from . import _started  # imported lazily: few redeployments have no action

            found = await _started.find(self._sender, started, uid)
            if isinstance(found, int):
                number = found
            else:
                number, key, read, read_latest = found.id, found.key, found.read, found.read_latest
        poller = self._pollers.get(key)
        if poller is None:
            from ._poller import Poller  # imported lazily: takes 0.5 ms, and only waiting needs it

            poller = self._pollers[key] = Poller(self._sender.clock, read, read_latest)
        try:
            return await poller.wait(number, timeout=timeout, progress=progress)
        finally:
            if poller.idle:
                self._pollers.pop(key, None)
