"""Stacks by what users call them: a name, `name/environment`, a uid, or the beginning of one of these."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from rich.cells import cell_len

from ...client import Cloud66
from ...errors import NotFound
from ...resources.stacks import Stack
from ..exits import FAILED, USAGE, CommandError
from ..terminal.console import plain
from ..terminal.fields import short_status

__all__ = ["find_stack", "find_stacks", "full_name"]

_UID = re.compile(r"[0-9a-f]{32}")
_BEGINNING_OF_UID = re.compile(r"[0-9a-f]{6,31}")
_SUGGESTIONS = 3
_SHOWN = 10
_SHORT_UID = 8
# From here on, the list of all stacks, with 30 of them for each request, is usually cheaper than a search for each.
_MANY = 8


async def find_stack(c66: Cloud66, name: str, environment: str | None = None, *, changing: bool = False) -> Stack:
    """Return the stack with this uid or name, or whose uid or name begins with this text. Case is ignored.

    A name takes one request, or two if it contains an environment. Only a name that does not exist takes the whole
    list.

    Args:
        c66: Client.
        name: Uid, name, `name/environment`, or beginning of a uid (at least 6 digits) or a name.
        environment: Environment, for a name without one.
        changing: Whether the command changes the stack. Beginnings of names are not accepted then.

    Raises CommandError if there is none, or more than one.
    """
    return await _Finder(c66, environment, changing=changing).find(name)


async def find_stacks(
    c66: Cloud66, names: Iterable[str], environment: str | None = None, *, changing: bool = False
) -> list[Stack]:
    """Return the stacks with these names, each once, in this order. Raises CommandError like `find_stack`."""
    wanted = list(dict.fromkeys(names))
    finder = _Finder(c66, environment, changing=changing)
    if len(wanted) > _MANY:
        await finder.read_list()
    found = [await finder.find(name) for name in wanted]
    return list({stack.uid: stack for stack in found}.values())


def full_name(stack: Stack) -> str:
    """Return the name of a stack with its environment, as the commands take it."""
    name = plain(stack.name or stack.uid)
    return f"{name}/{plain(stack.environment)}" if stack.environment else name


class _Finder:
    """Finds stacks. It reads the list of all stacks at most once, and only if it must."""

    def __init__(self, c66: Cloud66, environment: str | None, *, changing: bool) -> None:
        self._c66 = c66
        self._environment = environment
        self._changing = changing
        self._list: list[Stack] | None = None

    async def read_list(self) -> list[Stack]:
        """Return every stack."""
        if self._list is None:
            self._list = await self._c66.stacks.list()
        return self._list

    async def find(self, name: str) -> Stack:
        """Return the stack that a text means. Raises CommandError."""
        if not name.strip():
            raise CommandError("the name of the stack is empty", "List them: cloud66-async stacks", code=USAGE)
        if _UID.fullmatch(name) is not None:
            return await self._with_uid(name)
        readings = _readings(name, self._environment)
        for reading in readings:
            found = await self._named(*reading)
            if found:
                return _only(name, found)
        stacks = await self.read_list()
        for found in self._candidates(name, readings, stacks):
            if found:
                return _only(name, found)
        raise _missing(name, self._environment, stacks)

    async def _with_uid(self, uid: str) -> Stack:
        for stack in self._list or ():
            if stack.uid == uid:
                return stack
        try:
            return await self._c66.stacks.get(uid)
        except NotFound:
            advice = "List them: cloud66-async stacks"
            raise CommandError(f"no stack that this access token can read has the uid {uid}", advice) from None

    async def _named(self, name: str, environment: str | None) -> Sequence[Stack]:
        """Return the stacks with this name, of which the server sends only those, if it knows its filters.

        The filters are not documented. If they have no effect, the response is the whole list.
        """
        if self._list is not None:
            return _matching(self._list, name, environment)
        listed = await self._c66.stacks.list(name=name, environment=environment)
        if any(not _is_equal(stack.name, name) for stack in listed) and (
            environment is None or any(not _is_equal(stack.environment, environment) for stack in listed)
        ):
            self._list = listed
        return _matching(listed, name, environment)

    def _candidates(
        self, name: str, readings: Iterable[tuple[str, str | None]], stacks: Sequence[Stack]
    ) -> Iterable[Sequence[Stack]]:
        """Yield what a text may mean, the likeliest first."""
        for reading in readings:  # the filter of the server may distinguish case
            yield _matching(stacks, *reading)
        in_environment = [stack for stack in stacks if _is_in(stack, self._environment)]
        if _BEGINNING_OF_UID.fullmatch(name) is not None:
            yield [stack for stack in in_environment if stack.uid.startswith(name)]
        if not self._changing:
            yield [stack for stack in in_environment if _begins(stack, name)]


def _readings(name: str, environment: str | None) -> Sequence[tuple[str, str | None]]:
    """Return what a text may mean: a name with a slash in it is tried as a whole first."""
    before, slash, after = name.rpartition("/")
    split = [(before, after)] if slash and before and after and environment is None else []
    return [(name, environment), *split]


def _matching(stacks: Iterable[Stack], name: str, environment: str | None) -> list[Stack]:
    return [stack for stack in stacks if _is_equal(stack.name, name) and _is_in(stack, environment)]


def _is_in(stack: Stack, environment: str | None) -> bool:
    return environment is None or _is_equal(stack.environment, environment)


def _is_equal(value: str | None, wanted: str) -> bool:
    return (value or "").casefold() == wanted.casefold()


def _begins(stack: Stack, text: str) -> bool:
    """Return whether a text is the beginning of the stack's name, or of its name and of its environment."""
    name, environment, wanted = (stack.name or "").casefold(), (stack.environment or "").casefold(), text.casefold()
    before, slash, after = wanted.rpartition("/")
    split = bool(slash and before) and name.startswith(before) and environment.startswith(after)
    return split or f"{name}/{environment}".startswith(wanted)


def _only(name: str, matches: Sequence[Stack]) -> Stack:
    """Return the only stack, or raise an error that lists the stacks which this text may mean."""
    if len(matches) == 1:
        return matches[0]
    pairs = sorted(((full_name(stack), stack) for stack in matches), key=lambda pair: pair[0])
    same = len({text for text, _ in pairs}) < len(pairs)
    example = pairs[0][1].uid if same else pairs[0][0]
    width = max(cell_len(text) for text, _ in pairs[:_SHOWN])
    lines: list[str] = []
    for text, stack in pairs[:_SHOWN]:
        uid = stack.uid if same else stack.uid[:_SHORT_UID]
        lines.append(f"  {text}{' ' * (width - cell_len(text))}  {uid}  {short_status(stack.status)}")
    if len(pairs) > _SHOWN:
        lines.append(f"  and {len(pairs) - _SHOWN} more")
    raise CommandError(f'"{plain(name)}" matches {len(pairs)} stacks. Name one, such as {example}:', *lines, code=USAGE)


def _missing(name: str, environment: str | None, stacks: Sequence[Stack]) -> CommandError:
    """Return an error with the names that are most similar."""
    if not stacks:
        return CommandError("there is no stack that this access token can read", "See: cloud66-async whoami")
    where = "" if environment is None else f" in the environment {plain(environment)}"
    elsewhere = sorted(full_name(stack) for stack in stacks if _is_equal(stack.name, name))[:_SUGGESTIONS]
    similar = elsewhere or _similar(name, [stack for stack in stacks if _is_in(stack, environment)])
    advice = f"Did you mean {', '.join(similar)}?" if similar else "List them: cloud66-async stacks"
    if elsewhere:
        advice = f"There is {', '.join(elsewhere)}"
    return CommandError(f'no stack is called "{plain(name)}"{where}', advice, code=FAILED)


def _similar(name: str, stacks: Sequence[Stack]) -> Sequence[str]:
    """Return names that name one of the stacks: those that begin with this text, or else the most similar."""
    if "/" in name:
        begun = sorted({full_name(stack) for stack in stacks if _begins(stack, name)})
        by_name = {full_name(stack).casefold(): full_name(stack) for stack in stacks}
        close = difflib.get_close_matches(name.casefold(), sorted(by_name), _SUGGESTIONS)
        return begun[:_SUGGESTIONS] or [by_name[text] for text in close]
    called: dict[str, list[str]] = {}
    for stack in stacks:
        called.setdefault(plain(stack.name).casefold(), []).append(plain(stack.name))
    wanted = name.casefold()
    close = [text for text in sorted(called) if text.startswith(wanted)][:_SUGGESTIONS]
    close = close or difflib.get_close_matches(wanted, sorted(called), _SUGGESTIONS)
    return [called[text][0] if len(called[text]) == 1 else _one_of(text, stacks) for text in close]


def _one_of(name: str, stacks: Iterable[Stack]) -> str:
    """Return the whole name of a stack with this name, which others have in other environments."""
    return min(full_name(stack) for stack in stacks if plain(stack.name).casefold() == name)
