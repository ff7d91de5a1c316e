"""Resource: the base class of every resource."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, Self, TypeVar, cast

import attrs
import msgspec

from .._core.sender import Sender
from ..operation import Call, Operation, Page
from ..pager import Pager

__all__ = ["Resource"]

T = TypeVar("T")


class Resource:
    """A group of operations on one kind of resource."""

    __slots__ = ("_sender",)

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client cannot be pickled or copied: it holds connections and a token; create a new one")

    @property
    def _fresh(self) -> Self:
        """This resource, but its reads always go to the API: for what is polled, or decides about a change."""
        sender = self._sender.fresh
        return self if sender is self._sender else type(self)(sender)

    async def _call(self, call: Call[T]) -> T:
        return (await self._sender.send(call)).data

    async def _start(self, operation: Operation[T], stack: str, **values: object) -> T:
        """Start an action of the stack, and return the response with the uid of the stack, for `Actions.wait`."""
        return self._of_stack((await self._sender.send(operation.bind(stack=stack, **values))).data, stack)

    @staticmethod
    def _of_stack(started: T, stack: str) -> T:
        """Return an action with the uid of its stack, which the API does not send."""
        found: Any = started
        return cast("T", attrs.evolve(found, stack=stack))

    def _pages(self, call: Call[Page[T]], change: Callable[[T], T] | None = None) -> Pager[T]:
        """Return a pager for `call` that applies `change` to each item."""

        async def read(number: int) -> Page[T]:
            page = await self._call(call.page(number))
            return page if change is None else msgspec.structs.replace(page, items=tuple(map(change, page.items)))

        return Pager(read, call, limit=self._sender.limit)
