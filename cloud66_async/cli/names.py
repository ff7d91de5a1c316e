"""Stacks by what users call them: a name, `name/environment`, a uid, or the beginning of one of these."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from ..client import Cloud66
from ..errors import AmbiguousName, NotFound
from ..resources.stacks import Stack
from .console import plain
from .exits import FAILED, USAGE, CommandError

__all__ = ["find_stack", "find_stacks", "full_name"]

_UID = re.compile(r"[0-9a-f]{32}")
_BEGINNING_OF_UID = re.compile(r"[0-9a-f]{6,31}")
_SUGGESTIONS = 3
_SHORT_UID = 8


async def find_stack(c66: Cloud66, name: str, environment: str | None = None, *, changing: bool = False) -> Stack:
    """Return the stack with this uid or name, or whose uid or name begins with this text.

    Beginnings of names are accepted only if nothing is changed.

    Args:
        c66: Client.
        name: Uid, name, `name/environment`, or beginning of a uid (at least 6 digits) or a name.
        environment: Environment, for a name without one.
        changing: Whether the command changes the stack.

    Raises CommandError if there is none, or more than one.
    """
    if _UID.fullmatch(name) is not None:
        return await c66.stacks.get(name)
    for found_name, found_environment in _readings(name, environment):
        try:
            return await c66.stacks.find(found_name, environment=found_environment)
        except NotFound:
            continue
        except AmbiguousName as error:
            raise _ambiguous(name, error.matches) from None
    return _only(name, environment, await c66.stacks.list(environment=environment), changing=changing)


async def find_stacks(
    c66: Cloud66, names: Iterable[str], environment: str | None = None, *, changing: bool = False
) -> list[Stack]:
    """Return the stacks with these names, each once, in this order. Raises CommandError like `find_stack`."""
    found = [await find_stack(c66, name, environment, changing=changing) for name in names]
    return list({stack.uid: stack for stack in found}.values())


def full_name(stack: Stack) -> str:
    """Return the name of a stack with its environment, as the commands take it."""
    name = plain(stack.name or stack.uid)
    return f"{name}/{plain(stack.environment)}" if stack.environment else name


def _readings(name: str, environment: str | None) -> Sequence[tuple[str, str | None]]:
    """Return what a text may mean: a name with a slash in it is tried as a whole first."""
    before, slash, after = name.rpartition("/")
    split = [(before, after)] if slash and before and after and environment is None else []
    return [(name, environment), *split]


def _only(name: str, environment: str | None, stacks: Sequence[Stack], *, changing: bool) -> Stack:
    """Return the one stack whose uid or name begins with this text. Raises CommandError."""
    if _BEGINNING_OF_UID.fullmatch(name) is not None:
        found = [stack for stack in stacks if stack.uid.startswith(name)]
        if found:
            return found[0] if len(found) == 1 else _raise_ambiguous(name, found)
    begins = [stack for stack in stacks if _begins(stack, name)]
    if begins and not changing:
        return begins[0] if len(begins) == 1 else _raise_ambiguous(name, begins)
    raise CommandError(f'no stack is called "{plain(name)}"{_where(environment)}', *_suggest(name, stacks), code=FAILED)


def _begins(stack: Stack, text: str) -> bool:
    name, wanted = (stack.name or "").casefold(), text.casefold()
    return name.startswith(wanted) or f"{name}/{(stack.environment or '').casefold()}".startswith(wanted)


def _where(environment: str | None) -> str:
    return "" if environment is None else f" in the environment {plain(environment)}"


def _suggest(name: str, stacks: Iterable[Stack]) -> Sequence[str]:
    """Return a line with the names that are most similar, if any."""
    by_name: dict[str, str] = {}
    for stack in stacks:
        by_name.setdefault((stack.name or "").casefold(), plain(stack.name))
        by_name.setdefault(full_name(stack).casefold(), full_name(stack))
    wanted = name.casefold()
    close = [text for text in by_name if text.startswith(wanted)][:_SUGGESTIONS]
    close = close or difflib.get_close_matches(wanted, by_name, _SUGGESTIONS)
    return [f"Did you mean {', '.join(by_name[text] for text in close)}?"] if close else []


def _raise_ambiguous(name: str, matches: Sequence[Stack]) -> Stack:
    raise _ambiguous(name, matches)


def _ambiguous(name: str, matches: Sequence[Stack]) -> CommandError:
    """Return an error that lists the stacks which this text may mean."""
    names = [full_name(stack) for stack in matches]
    width = max(map(len, names))
    same = len(set(names)) < len(names)
    lines = [
        f"  {text:<{width}}  {stack.uid if same else stack.uid[:_SHORT_UID]}  {plain(stack.status)}"
        for text, stack in sorted(zip(names, matches, strict=True), key=lambda pair: pair[0])
    ]
    return CommandError(f'"{plain(name)}" may mean {len(matches)} stacks. Which one?', *lines, code=USAGE)
