"""The API of the sandbox: who asks, may they, how many requests are left, and the envelope around the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

from .faults import throttled
from .message import Refused, Reply, Request, problem
from .oauth.access import User
from .oauth.provider import REALM
from .routes import Route, find

if TYPE_CHECKING:
    from ..clock import Clock
    from .oauth.access import Grant
    from .oauth.provider import Provider
    from .stack import FakeStack
    from .world import World

__all__ = ["API", "PREFIX", "Context", "Handler", "Listed"]

T = TypeVar("T")

PREFIX = "/api/3"
PER_PAGE = 30

_OPEN = "GET /ping.json"


@attrs.frozen
class Listed(Generic[T]):
    """A list of which one page is shown: all items, and how each becomes JSON."""

    items: Sequence[T]
    shown: Callable[[T], object]


@attrs.frozen
class Context:
    """What a handler gets: the request, who asks, and the state of the world."""

    request: Request
    grant: Grant | None
    accounts: tuple[int, ...]
    world: World
    now: datetime

    @property
    def user(self) -> str:
        """The e-mail address of who asks."""
        return "" if self.grant is None or self.grant.user is None else self.grant.user.email

    def parameter(self, name: str) -> str | None:
        """The last value of this query parameter; None where it is absent or empty."""
        return dict(self.request.query).get(name) or None

    def stack(self, uid: str) -> FakeStack:
        """The stack with this uid. Raises Refused with 404 where there is none that the user may see."""
        found = self.world.stacks.get(uid)
        if found is None or found.data["account_id"] not in self.accounts:
            raise missing("stack")
        return found


Handler = Callable[..., "Listed[Any] | dict[str, Any]"]


class API:
    """Everything under `/api/3`."""

    def __init__(
        self,
        world: World,
        provider: Provider,
        clock: Clock,
        handlers: dict[str, Handler],
        *,
        hourly_limit: int = 3600,
    ) -> None:
        self.hourly_limit = hourly_limit
        self._world = world
        self._provider = provider
        self._clock = clock
        self._handlers = handlers
        self._used: dict[str, tuple[datetime, int]] = {}

    def route(self, request: Request) -> tuple[Route, tuple[str, ...]] | None:
        """The route of a request, and the values in its path."""
        return find(request.method, request.path.removeprefix(PREFIX))

    def handle(self, request: Request) -> Reply:
        """The answer to a request under the API's root."""
        found = self.route(request)
        try:
            if found is not None and found[0].key == _OPEN:
                return self._answer(Context(request, None, (), self._world, self._clock.now()), *found)
            grant = self._provider.check(request.headers.get("authorization", ""))
        except Refused as refused:
            return refused.reply
        left = self._left(grant)
        try:
            reply = self._permitted(request, grant, found, left)
        except Refused as refused:
            reply = refused.reply
        limits = (("x-ratelimit-limit", str(self.hourly_limit)), ("x-ratelimit-remaining", str(max(0, left))))
        return reply.plus(*limits)

    def _permitted(
        self, request: Request, grant: Grant, found: tuple[Route, tuple[str, ...]] | None, left: int
    ) -> Reply:
        if left < 0:
            return throttled()
        if found is None:
            return problem(404, "not_found", "There is nothing at this address")
        route, values = found
        scope = route.operation.scope
        if not grant.allows(scope):
            challenge = (
                f'Bearer realm="{REALM}", error="insufficient_scope", '
                f'error_description="Access to this resource requires scope {scope}.", scope="{scope}"'
            )
            return Reply(403, (("content-type", "text/html"), ("www-authenticate", challenge)))
        if grant.user is None:
            return problem(403, "forbidden", "An application's own token belongs to no user")
        asking = Context(request, grant, _accounts(request, grant.user), self._world, self._clock.now())
        return self._answer(asking, route, values)

    def _answer(self, asking: Context, route: Route, values: tuple[str, ...]) -> Reply:
        handler = self._handlers.get(route.key)
        if handler is None:
            return problem(503, "not_implemented", f"The sandbox does not have {route.operation}")
        found = handler(asking, *values)
        if isinstance(found, Listed):
            return Reply.json(_page(found, asking.parameter("page")))
        return Reply.json({"response": found})

    def _left(self, grant: Grant) -> int:
        """How many requests the user has left after this one, below zero if this one is too much."""
        owner = grant.user.email if grant.user is not None else ""
        hour = self._clock.now().replace(minute=0, second=0, microsecond=0)
        began, used = self._used.get(owner, (hour, 0))
        used = used + 1 if began == hour else 1
        self._used[owner] = (hour, used)
        return self.hourly_limit - used


def missing(what: str) -> Refused:
    """404 for a `what` that does not exist or may not be seen."""
    return Refused(problem(404, "not_found", f"There is no such {what}, or you may not see it"))


def _accounts(request: Request, user: User) -> tuple[int, ...]:
    """The account that `X-Account` picks, else all that the user belongs to."""
    wanted = request.headers.get("x-account")
    if wanted is None:
        return user.accounts
    if not wanted.isdecimal() or int(wanted) not in user.accounts:
        raise Refused(problem(403, "forbidden", "You do not belong to this account"))
    return (int(wanted),)


def _page(found: Listed[Any], page: str | None) -> dict[str, Any]:
    """The envelope of one page; a page beyond the end is empty."""
    number = page or "1"
    if not number.isdecimal() or int(number) < 1:
        raise Refused(problem(400, "bad_request", "page must be a number from 1"))
    current, total = int(number), len(found.items)
    pages = -(-total // PER_PAGE)
    items = found.items[(current - 1) * PER_PAGE : current * PER_PAGE]
    return {
        "response": [found.shown(item) for item in items],
        "count": total,
        "pagination": {
            "previous": min(current - 1, pages) if current > 1 and pages else None,
            "next": current + 1 if current < pages else None,
            "current": current,
            "per_page": PER_PAGE,
            "count": total,
            "pages": pages,
        },
    }
