"""Handlers: what the operations of the API do in the sandbox."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

from ..operation import Operation
from .message import Rejected, Request, error_reply

if TYPE_CHECKING:
    from .oauth.access import Grant
    from .stack import FakeStack
    from .table import Record
    from .world import World

__all__ = ["HANDLERS", "Context", "Handler", "Listing", "handles", "missing", "require"]

T = TypeVar("T")


def _unchanged(item: object) -> object:
    return item


@attrs.frozen
class Listing(Generic[T]):
    """A list of which the response has one page: all items, and the function that converts one to JSON."""

    items: Sequence[T]
    to_json: Callable[[T], object] = _unchanged


@attrs.frozen
class Context:
    """What a handler works with: the request, the user's grant and accounts, the world, and the current time."""

    request: Request
    grant: Grant | None
    accounts: tuple[int, ...]
    world: World
    now: datetime

    @property
    def user(self) -> str:
        """The e-mail address of the user."""
        return "" if self.grant is None or self.grant.user is None else self.grant.user.email

    def parameter(self, name: str) -> str | None:
        """Return the last value of this query parameter, or None if it is absent or empty."""
        return dict(self.request.query).get(name) or None

    def stack(self, uid: str) -> FakeStack:
        """Return the stack with this uid. Raises Rejected with 404 if the user has no access to such a stack."""
        found = self.world.stacks.get(uid)
        if found is None or found.data["account_id"] not in self.accounts:
            raise missing("stack")
        return found


Handler = Callable[..., "Listing[Any] | Record"]
"""Function that takes the context and the values in the path, and returns the `response` part of the body."""

HANDLERS: dict[Operation[Any], Handler] = {}
"""The handler of every operation."""


def handles(*operations: Operation[Any]) -> Callable[[Handler], Handler]:
    """Register the decorated function as the handler of these operations.

    Raises ValueError if one of them has a handler.
    """

    def register(handler: Handler) -> Handler:
        for operation in operations:
            if HANDLERS.setdefault(operation, handler) is not handler:
                raise ValueError(f"cannot register a handler of {operation}: it already has one")
        return handler

    return register


def missing(what: str) -> Rejected:
    """Return the 404 for a `what` that does not exist or that the user has no access to."""
    return Rejected(error_reply(404, "not_found", f"There is no such {what}, or you do not have access to it"))


def require(data: Record, *names: str) -> None:
    """Check that the body has these fields. Raises Rejected with 400 if one is missing or empty."""
    absent = [name for name in names if data.get(name) in (None, "", [])]
    if absent:
        raise Rejected(error_reply(400, "bad_request", f"Missing parameters: {', '.join(absent)}"))
