"""Options that select and sort stacks, shared by the commands that list them."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Annotated, Final, Literal, TypeVar

import attrs
from cyclopts import Parameter

from ...client import Cloud66
from ...pager import Pager
from ...resources.common import Health
from ...resources.stacks import Stack, StackStatus
from ..exits import USAGE, CommandError
from ..options import Environment
from ..terminal.console import plain
from ..terminal.fields import short_status

__all__ = ["DEFAULT_SELECTION", "Selection", "Sort", "sort_stacks"]

E = TypeVar("E", bound=enum.IntEnum)

Sort = Literal["name", "environment", "health", "status", "last-activity", "created"]

_WILDCARDS = frozenset("*?[")
_NEVER = datetime.min.replace(tzinfo=UTC)
_HEALTHS = (Health.FAILED, Health.IMPAIRED, Health.BUILDING, Health.UNKNOWN, Health.HEALTHY)
_STATUSES = (
    StackStatus.DEPLOYMENT_FAILED,
    StackStatus.CANNOT_BE_ANALYSED,
    StackStatus.DEPLOYING,
    StackStatus.QUEUED_FOR_DEPLOYMENT,
    StackStatus.ANALYSING,
    StackStatus.PENDING_ANALYSIS,
    StackStatus.ANALYSED,
    StackStatus.DEPLOYED,
)


@Parameter(name="*", group="Filters")
@attrs.frozen(kw_only=True)
class Selection:
    """Options that select stacks. The API filters by the first four, this program by the others."""

    name: Annotated[str | None, Parameter(help="Name of the stack, or a pattern such as 'billing-*'.")] = None
    environment: Environment = None
    git_repo: Annotated[str | None, Parameter(help="URL of the Git repository.")] = None
    git_branch: Annotated[str | None, Parameter(help="Git branch.")] = None
    health: Annotated[
        str | None, Parameter(help="Health: healthy, impaired, failed, building or unknown; several with commas.")
    ] = None
    status: Annotated[
        str | None, Parameter(help="Status, for example deployed, deploying or deploy-failed; several with commas.")
    ] = None
    cloud: Annotated[str | None, Parameter(help="Cloud provider, for example aws.")] = None
    framework: Annotated[str | None, Parameter(help="Framework, for example rails or docker.")] = None
    busy: Annotated[
        bool, Parameter(negative="", show_default=False, help="Only stacks on which an operation is running.")
    ] = False

    def test(self) -> Callable[[Stack], bool]:
        """Return a function that tells whether a stack is selected. Raises CommandError for an unknown word."""
        healths = _parse("health", self.health, {str(health): health for health in Health})
        words = {str(status): status for status in StackStatus}
        short = {short_status(status): status for status in StackStatus}
        statuses = _parse("status", self.status, short, {**words, "deploy failed": StackStatus.DEPLOYMENT_FAILED})

        def is_selected(stack: Stack) -> bool:
            return (
                _fits(stack.name, self.name)
                and _fits(stack.environment, self.environment)
                and _fits(stack.cloud, self.cloud)
                and _fits(stack.framework, self.framework)
                and (healths is None or (stack.health or Health.UNKNOWN) in healths)
                and (statuses is None or stack.status in statuses)
                and (not self.busy or bool(stack.is_busy))
            )

        return is_selected

    @property
    def is_local(self) -> bool:
        """Whether stacks are left out here, after the API has sent them."""
        chosen = (self.health, self.status, self.cloud, self.framework)
        return self.busy or any(value is not None for value in chosen) or _is_pattern(self.name)

    @property
    def nothing(self) -> Sequence[str]:
        """Lines for people if no stack is selected."""
        if self == DEFAULT_SELECTION:
            return ("No stacks: this access token can read none.", "  Who it belongs to: cloud66-async whoami")
        return ("No stacks match these filters.", "  All stacks: cloud66-async stacks")

    def listed(self, c66: Cloud66) -> Pager[Stack]:
        """Return the list of the stacks that the API selects. It sends no request yet."""
        return c66.stacks.list(
            name=None if _is_pattern(self.name) else self.name,
            environment=None if _is_pattern(self.environment) else self.environment,
            git_repository=self.git_repo,
            git_branch=self.git_branch,
        )

    async def stacks(self, c66: Cloud66, limit: int | None = None) -> AsyncIterator[Stack]:
        """Yield the selected stacks, at most `limit`, and read no more pages than that takes."""
        is_selected, left = self.test(), limit
        async for stack in self._read(c66, limit):
            if is_selected(stack):
                yield stack
                left = None if left is None else left - 1
                if left == 0:
                    return

    def _read(self, c66: Cloud66, limit: int | None) -> AsyncIterator[Stack]:
        """Yield what the API selects. Pages are read ahead if it is unknown how many are needed."""
        return aiter(self.listed(c66)) if limit is None or self.is_local else _page_by_page(self.listed(c66))


DEFAULT_SELECTION: Final = Selection()


async def _page_by_page(listed: Pager[Stack]) -> AsyncIterator[Stack]:
    async for page in listed.pages():
        for stack in page.items:
            yield stack


def sort_stacks(stacks: Sequence[Stack], by: Sort | None, *, reverse: bool = False) -> list[Stack]:
    """Return the stacks in order: bad health and status first, the latest time first, else by name."""
    return sorted(sorted(stacks, key=_names), key=_KEYS[by or "name"], reverse=reverse)


def _names(stack: Stack) -> tuple[str, str, str]:
    return (stack.name or "").casefold(), stack.environment or "", stack.uid


def _rank(value: Health | StackStatus | None, order: Sequence[Health | StackStatus]) -> int:
    return order.index(value) if value in order else len(order)


def _age(time: datetime | None) -> float:
    return -(time or _NEVER).timestamp()


_KEYS: Final[dict[Sort, Callable[[Stack], tuple[object, ...]]]] = {
    "name": _names,
    "environment": lambda stack: ((stack.environment or "").casefold(), *_names(stack)),
    "health": lambda stack: (_rank(stack.health, _HEALTHS),),
    "status": lambda stack: (_rank(stack.status, _STATUSES),),
    "last-activity": lambda stack: (_age(stack.last_activity),),
    "created": lambda stack: (_age(stack.created_at),),
}


def _is_pattern(text: str | None) -> bool:
    return text is not None and not _WILDCARDS.isdisjoint(text)


def _fits(value: str | None, wanted: str | None) -> bool:
    """Return whether a value is the wanted one, or fits its pattern. Case is ignored."""
    if wanted is None:
        return True
    text, pattern = (value or "").casefold(), wanted.casefold()
    return fnmatchcase(text, pattern) if _is_pattern(pattern) else text == pattern


def _parse(
    option: str, text: str | None, known: Mapping[str, E], synonyms: Mapping[str, E] | None = None
) -> frozenset[E] | None:
    """Return the members that words name, such as `deploy-failed`. Raises CommandError."""
    if text is None:
        return None
    members: set[E] = set()
    every = {**(synonyms or {}), **known}
    for word in text.split(","):
        name = " ".join(word.casefold().replace("-", " ").replace("_", " ").split())
        if name not in every:
            names = ", ".join(words.replace(" ", "-") for words in known)
            raise CommandError(f"no {option} is called {plain(word)!r}", f"Known: {names}", code=USAGE)
        members.add(every[name])
    return frozenset(members)
