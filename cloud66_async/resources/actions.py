"""Actions: work that goes on after the answer, such as a deployment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from .._sender import Sender
from .._wire import clean
from ..errors import ActionFailed, ConfigError
from ..model import Model, Moment, free_form
from ..operation import get, many
from ..pager import Pager
from ._base import Resource

if TYPE_CHECKING:
    from ._poller import Poller

__all__ = ["Action", "Actions", "Started"]


@attrs.frozen(kw_only=True)
class Action(Model):
    """A background operation and how it ended.

    While it runs, everything that begins with `finished` is None. `stack` is the uid under which it was
    read, filled in here.
    """

    id: int
    user: str | None = None
    resource_type: str | None = None
    resource_id: str | None = None
    action: str | None = None
    started_via: str | None = None
    started_at: Moment | None = None
    finished_at: Moment | None = None
    finished_success: bool | None = None
    finished_message: str | None = None
    finished_result: Mapping[str, Any] | None = free_form()
    metadata: Mapping[str, Any] | None = free_form()
    stack: str | None = None

    @property
    def finished(self) -> bool:
        """Whether it has ended."""
        return self.finished_at is not None

    @property
    def succeeded(self) -> bool:
        """Whether it has ended well; one that ended without a word on success has not."""
        return self.finished and bool(self.finished_success)

    @property
    def async_action_id(self) -> int:
        """Its id, under the name that answers use which start an action."""
        return self.id


class Started(Protocol):
    """What an action is waited for by: the answer that started it, or the action itself."""

    @property
    def stack(self) -> str | None:
        """The uid of the stack that it belongs to."""
        ...

    @property
    def async_action_id(self) -> int | None:
        """The id of the action to wait for."""
        ...


LIST = get("/stacks/{stack}/actions.json", many(Action), scope="public", query=("user_reference",))
GET = get("/stacks/{stack}/actions/{action}.json", Action, scope="public")


class Actions(Resource):
    """The actions of a stack."""

    __slots__ = ("_pollers",)

    def __init__(self, sender: Sender) -> None:
        super().__init__(sender)
        self._pollers: dict[str, Poller] = {}

    def list(self, stack: str, *, user_reference: str | None = None) -> Pager[Action]:
        """Every action of the stack, or those that were started with this reference."""
        return self._pages(
            LIST.at(stack=stack, user_reference=user_reference), lambda action: attrs.evolve(action, stack=stack)
        )

    async def get(self, stack: str, action: int) -> Action:
        """The action with this id."""
        return attrs.evolve(await self._call(GET.at(stack=stack, action=action)), stack=stack)

    async def finish(
        self,
        started: Started,
        *,
        stack: str | None = None,
        within: float | None = None,
        progress: Callable[[Action], None] | None = None,
    ) -> Action:
        """The action that `started` began, once it has ended well.

        Asks after 1 second, then at growing intervals of up to 15; all who wait for actions of one stack
        share the requests. `within` is the longest wait in seconds, `progress` is called with each state
        that is seen. `stack` is needed only where `started` does not know it (a new stack's action).

        Raises ActionFailed if it ended otherwise, ActionUnfinished if it has not ended `within` that time,
        and ConfigError if `started` names no stack or no action to follow.
        """
        uid, number = stack or started.stack, started.async_action_id
        if uid is None:
            raise ConfigError("the action does not know its stack: name it with stack=...")
        if number is None:
            raise ConfigError("the answer named no action to wait for: follow `deployments.list` instead")
        poller = self._pollers.get(uid)
        if poller is None:
            from ._poller import Poller  # half a millisecond, and stacks import this module too

            poller = self._pollers[uid] = Poller(
                self._sender.clock, lambda action: self.get(uid, action), lambda: self.list(uid).page(1)
            )
        try:
            action = await poller.wait(number, within=within, progress=progress)
        finally:
            if poller.idle:
                self._pollers.pop(uid, None)
        if not action.succeeded:
            said = clean(action.finished_message or "no reason was given")
            raise ActionFailed(
                f"action {number} ({clean(str(action.action))}) of stack {uid} failed: {said}", action=action
            )
        return action
