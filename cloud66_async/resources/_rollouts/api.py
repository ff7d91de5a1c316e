"""The requests of a rollout."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from ..._core.sender import Sender
from ...clock import Clock
from ...operation import Call
from ...retry import Retry
from .. import actions
from .._redeployment import REDEPLOY
from ..actions import Action, Actions
from ..deployments import Redeployment
from .state import Target

__all__ = ["Found", "RolloutAPI"]

_MAX_REQUEST = 45.0  # seconds for the request that starts a deployment, if the client sets no total timeout
_MARGIN = 15.0  # seconds for which a server may go on with a request after the client has given it up
_CLOCK_ERROR = timedelta(minutes=5)  # between the server's clock and this one


class Found(NamedTuple):
    """Actions with a reference, the oldest first, and whether a search without a result proves that there is none."""

    actions: tuple[Action, ...]
    conclusive: bool


class RolloutAPI:
    """What a rollout needs of the API, with one token and one set of options."""

    def __init__(self, sender: Sender) -> None:
        timeouts = sender.timeouts
        whole = _MAX_REQUEST if timeouts.total is None else timeouts.total
        self.settle: float = whole + _MARGIN
        self._headers = sender.identity[1]
        self._sender = sender = sender.fresh  # searches for actions need the latest state
        # Not retried by the sender: each time has to be written down before it is sent. The total timeout bounds how
        # long a request may be in flight, which the search for its action relies on.
        self._starter = sender.changed(retry=Retry(attempts=1), timeouts=timeouts._replace(total=whole))
        self._actions = Actions(sender)

    @property
    def clock(self) -> Clock:
        """The client's clock."""
        return self._sender.clock

    @property
    def retry(self) -> Retry:
        """The client's retries."""
        return self._sender.retry

    @property
    def url(self) -> str:
        """The URL of the API."""
        return self._sender.identity[0].url

    @property
    def account(self) -> str | None:
        """The account that the client acts for."""
        return dict(self._headers.pairs).get("X-Account")

    def token_digest(self, salt: str) -> str:
        """Return a digest of the token, which differs for each salt."""
        return hashlib.sha256(f"{salt}:{self._headers.token}".encode()).hexdigest()

    @staticmethod
    def bind(stack: str, reference: str, options: Mapping[str, Any]) -> Call[Redeployment]:
        """Return the request that deploys a stack. Raises TypeError and ValueError."""
        return REDEPLOY.bind(stack=stack, user_reference=reference, **options)

    async def start(self, call: Call[Redeployment]) -> Redeployment:
        """Send the request that deploys a stack, once."""
        return (await self._starter.send(call)).data

    async def wait(self, target: Target, *, seconds: float | None) -> Action:
        """Wait for the action of a stack as `Actions.wait` does.

        Without `progress`: to report a first state would take a request for each stack.
        """
        started = Redeployment(stack=target.uid, async_action_id=target.record.action, user_reference=target.reference)
        return await self._actions.wait(started, timeout=seconds)

    async def search(self, target: Target, *, since: datetime) -> Found:
        """Return the actions with the reference of a stack, none of which can be older than `since`.

        The server filters. If it does not, the list is read until its actions are too old, in whichever order they
        are. If actions were read and none has metadata, the search proves nothing.
        """
        call = actions.LIST.bind(stack=target.uid, user_reference=target.reference)
        found: dict[int, Action] = {}
        rows, with_metadata = 0, 0
        newest_first, previous = True, None
        number: int | None = 1
        while number is not None:
            page = (await self._sender.send(call.page(number))).data
            for action in page.items:
                rows += 1
                with_metadata += action.metadata is not None
                newest_first = newest_first and (previous is None or action.id < previous)
                previous = action.id
                if (action.metadata or {}).get("user_reference") == target.reference:
                    found[action.id] = action
            times = [action.started_at for action in page.items if action.started_at is not None]
            if newest_first and times and max(times) < since - _CLOCK_ERROR:
                break
            number = page.next if page.next is not None and page.next > number else None
        oldest_first = sorted(found.values(), key=lambda action: action.id)
        return Found(tuple(oldest_first), conclusive=not rows or with_metadata > 0)
