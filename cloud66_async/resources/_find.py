"""Finding the one stack with a name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from .._core.text import clean
from ..errors import AmbiguousName, NotFound

if TYPE_CHECKING:
    from ..pager import Pager
    from .stacks import Stack

__all__ = ["find"]


class ListStacks(Protocol):
    """`Stacks.list`, as far as it is needed here."""

    def __call__(self, *, name: str | None = None, environment: str | None = None) -> Pager[Stack]:
        """List the stacks, filtered by the server."""
        ...


async def find(list_stacks: ListStacks, name: str, environment: str | None) -> Stack:
    """Return the stack with this name and environment. Case is ignored.

    The server filters first, which takes one request. Its filters are not documented: they may have no effect, and
    then their result is the whole list, or distinguish case, and then the whole list is read if they find nothing.

    Raises NotFound if there is none, and AmbiguousName if there is more than one.
    """
    listed = await list_stacks(name=name, environment=environment)
    found = _matching(listed, name, environment)
    if not found and not _is_unfiltered(listed, name, environment):
        found = _matching(await list_stacks(), name, environment)
    if len(found) == 1:
        return found[0]
    place = "" if environment is None else f" in {environment!r}"
    if not found:
        raise NotFound(f"no stack has the name {name!r}{place}", status=404, operation="GET /stacks.json")
    kinds = clean(", ".join(sorted(f"{stack.environment} ({stack.uid})" for stack in found)))
    raise AmbiguousName(
        f"{len(found)} stacks have the name {name!r}{place}: {kinds}; pass the environment or use the uid",
        matches=tuple(found),
    )


def _matching(stacks: Iterable[Stack], name: str, environment: str | None) -> list[Stack]:
    """Return the stacks with this name and environment: the server may not have filtered by both."""
    return [
        stack
        for stack in stacks
        if _is_equal(stack.name, name) and (environment is None or _is_equal(stack.environment, environment))
    ]


def _is_unfiltered(stacks: Iterable[Stack], name: str, environment: str | None) -> bool:
    """Return whether none of the filters had an effect: the list has stacks that each of them excludes."""
    stacks = list(stacks)
    return any(not _is_equal(stack.name, name) for stack in stacks) and (
        environment is None or any(not _is_equal(stack.environment, environment) for stack in stacks)
    )


def _is_equal(value: str | None, wanted: str) -> bool:
    return (value or "").casefold() == wanted.casefold()
