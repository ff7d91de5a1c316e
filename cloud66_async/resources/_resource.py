"""Resource: the base class of every resource."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from .._core.sender import Sender
from ..operation import Call, Page
from ..pager import Pager

__all__ = ["Resource"]

T = TypeVar("T")


class Resource:
    """A group of operations on one kind of resource."""

    __slots__ = ("_sender",)

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def _call(self, call: Call[T]) -> T:
        return (await self._sender.send(call)).data

    def _pages(self, call: Call[Page[T]], change: Callable[[T], T] | None = None) -> Pager[T]:
        """Return a pager for `call` that applies `change` to each item."""

        async def read(number: int) -> Page[T]:
            page = await self._call(call.page(number))
            return page if change is None else msgspec.structs.replace(page, items=tuple(map(change, page.items)))

        return Pager(read)
