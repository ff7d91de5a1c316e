"""Handlers: what the operations of the API do in the sandbox."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

from ..operation import Operation
from .message import Rejected, Request, error_reply

if TYPE_CHECKING:
    from .oauth.access import Grant, User
    from .stack import FakeStack
    from .table import Record
    from .world import World

__all__ = ["ALIASES", "HANDLERS", "Bare", "Context", "Handler", "Listing", "also_at", "handles", "missing"]

T = TypeVar("T")


def _unchanged(item: object) -> object:
    return item


@attrs.frozen
class Listing(Generic[T]):
    """A list, and the function that converts an item to JSON.

    The response has one page of the list, or all of it if it is not `paged`.
    """

    items: Sequence[T]
    to_json: Callable[[T], object] = _unchanged
    paged: bool = attrs.field(default=True, kw_only=True)


@attrs.frozen
class Bare:
    """A response without the usual envelope."""

    value: object


@attrs.frozen
class Context:
    """The request, and what the handler of it may read and change.

    Args:
        request: The request.
        parameters: Values of the operation's query and body parameters, except those that the request leaves out.
        grant: What the token allows.
        accounts: Accounts of the user, or the one that the request names.
        world: What the API reads and changes.
        now: Current time.
        users: Every user of the sandbox.
    """

    request: Request
    parameters: Mapping[str, Any]
    grant: Grant | None
    accounts: tuple[int, ...]
    world: World
    now: datetime
    users: Collection[User]

    @property
    def user(self) -> str:
        """The e-mail address of the user."""
        return "" if self.grant is None or self.grant.user is None else self.grant.user.email

    def stack(self, uid: str) -> FakeStack:
        """Return the stack with this uid. Raises Rejected with 404 if the user has no access to such a stack."""
        found = self.world.stacks.get(uid)
        if found is None or found.data["account_id"] not in self.accounts:
            raise missing("stack")
        found.catch_up(self.now)
        return found

    def start_action(
        self,
        stack: str,
        name: str,
        effect: Callable[[], object] | None = None,
        *,
        server: str | None = None,
        exclusive: bool = False,
    ) -> Record:
        """Start an action of a stack and return its JSON. `effect` is called when the action succeeds.

        `server` is the uid of the server that it works on. An `exclusive` action is rejected with 409 while the stack
        is busy.
        """
        found = self.stack(stack)
        if exclusive and found.busy:
            raise Rejected(error_reply(409, "conflict", "The stack is busy with another operation"))
        return self.world.act(found, name, user=self.user, server=server, effect=effect).to_json(self.now)


Handler = Callable[..., object]
"""Function that takes the context and the values in the path.

It returns the `response` part of the body, a Listing, a value that is Bare, or None for an empty body.
"""

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


ALIASES: dict[tuple[str, str], Operation[Any]] = {}
"""Operations that the documentation also shows with another HTTP method and path template."""


def also_at(method: str, path: str, operation: Operation[Any]) -> None:
    """Serve the operation at another method and path as well."""
    ALIASES[method, path] = operation


def missing(what: str) -> Rejected:
    """Return the 404 for a `what` that does not exist or that the user has no access to."""
    return Rejected(error_reply(404, "not_found", f"There is no such {what}, or you do not have access to it"))
