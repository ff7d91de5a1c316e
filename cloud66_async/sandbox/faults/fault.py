"""Faults as values: what goes wrong with one request, or with one action."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import attrs

from ..message import Reply, Request, error_reply

if TYPE_CHECKING:
    from ...operation import Operation
    from ..oauth.provider import Provider
    from ..world import World

__all__ = ["ActionFault", "ConnectionDropped", "Cut", "Fault", "Place", "Scene", "throttled"]

Place = Literal["before", "inside", "after"]
"""Where a response ends too early: before its headers, inside them, or after them, in the middle of the body."""

Cut = Literal["before", "inside", "after", "reset"]


class ConnectionDropped(Exception):
    """The connection ends before the response is complete.

    `cut` says where: `before`, `inside` or `after` the headers, or `reset`, which is before them with a TCP reset.
    `reply` is the response.
    """

    def __init__(self, cut: Cut, reply: Reply) -> None:
        super().__init__(cut)
        self.cut: Cut = cut
        self.reply = reply


class Scene(NamedTuple):
    """What a fault may look at and change: the request with its operation, and the state of the sandbox."""

    request: Request
    operation: Operation[Any] | None
    provider: Provider
    world: World


@attrs.frozen
class Fault:
    """A fault of one request.

    Args:
        reply: Response that is sent instead. The request is not processed.
        prepare: Function that changes the sandbox before the request is processed. It may return a function that
            undoes the change afterwards.
        change: Function that returns the response to send in place of the one that it is given.
        deliveries: How often the request is processed. The last response is sent.
        delay: Seconds before the headers of the response.
        pause: Seconds in the middle of its body.
        cut: Where the connection ends, if the response is not sent completely.
    """

    reply: Reply | None = None
    prepare: Callable[[Scene], Callable[[], None] | None] | None = None
    change: Callable[[Reply, Scene], Reply] | None = None
    deliveries: int = 1
    delay: float = 0.0
    pause: float = 0.0
    cut: Cut | None = None


class ActionFault(NamedTuple):
    """A fault of one action. `message` is None if the action never ends. `after` is how long it takes, in seconds."""

    message: str | None
    after: float | None


def throttled() -> Reply:
    """Return the response to a request beyond the quota of this hour."""
    return error_reply(503, "throttled", "Rate limit reached. Try again in the next hourly interval")
