"""The API of the sandbox: authentication, permissions, quota, and the JSON envelope of responses."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..operation import Operation
from ..resources import ping
from .faults import throttled
from .handling import Bare, Context, Handler, Listing
from .message import Rejected, Reply, Request, error_reply
from .oauth.access import User
from .oauth.provider import REALM
from .parameters import bad_request, read_parameters
from .routes import Match, Routes

if TYPE_CHECKING:
    from ..clock import Clock
    from .oauth.access import Grant
    from .oauth.provider import Provider
    from .table import Record
    from .world import World

__all__ = ["API", "PREFIX"]

PREFIX = "/api/3"
PER_PAGE = 30


class API:
    """Everything under `/api/3`.

    Args:
        world: What the handlers read and change.
        provider: Provider that issued the tokens.
        clock: Clock of the sandbox.
        routes: Routes of the operations.
        handlers: Handler of each operation.
        hourly_limit: Requests per user and hour.
    """

    def __init__(
        self,
        world: World,
        provider: Provider,
        clock: Clock,
        routes: Routes,
        handlers: Mapping[Operation[Any], Handler],
        *,
        hourly_limit: int = 3600,
    ) -> None:
        self.hourly_limit = hourly_limit
        self._world = world
        self._provider = provider
        self._clock = clock
        self._routes = routes
        self._handlers = handlers
        self._used: dict[str, tuple[datetime, int]] = {}
        self._matched: tuple[Request, Match | None] | None = None

    def match(self, request: Request) -> Match | None:
        """Return the route of a request and the values in its path."""
        latest = self._matched  # each request is matched several times: for faults, for its handler and for the log
        if latest is None or latest[0] is not request:
            latest = request, self._routes.find(request.method, request.path.removeprefix(PREFIX))
            self._matched = latest
        return latest[1]

    def handle(self, request: Request) -> Reply:
        """Return the response to a request under the API's root."""
        match = self.match(request)
        try:
            if match is not None and ping.CHECK in match[0].operations:
                return self._respond(request, None, match)  # the only operation that does not look at the token
            grant = self._provider.authenticate(request.headers.get("authorization", ""))
        except Rejected as rejected:
            return rejected.reply
        remaining = self._count(grant)
        try:
            reply = self._authorized(request, grant, match, remaining)
        except Rejected as rejected:
            reply = rejected.reply
        limit, remaining = str(self.hourly_limit), max(0, remaining)
        return reply.with_headers(("x-ratelimit-limit", limit), ("x-ratelimit-remaining", str(remaining)))

    def remaining(self, user: str) -> int:
        """Return how many requests the user with this e-mail address has left this hour."""
        hour = self._clock.now().replace(minute=0, second=0, microsecond=0)
        counted, used = self._used.get(user, (hour, 0))
        return max(0, self.hourly_limit - used) if counted == hour else self.hourly_limit

    def _authorized(self, request: Request, grant: Grant, match: Match | None, remaining: int) -> Reply:
        """Return the response if the user has quota left and the token has the scope."""
        if remaining < 0:
            return throttled()
        if match is None:
            return error_reply(503, "not_implemented", "This version of the API does not have this operation")
        scope = match[0].operations[0].scope
        if not grant.allows(scope):
            challenge = (
                f'Bearer realm="{REALM}", error="insufficient_scope", '
                f'error_description="Access to this resource requires scope {scope}.", scope="{scope}"'
            )
            return error_reply(403, "forbidden", f"The token does not have the scope {scope}").with_headers(
                ("www-authenticate", challenge)
            )
        if grant.user is None:
            return error_reply(403, "forbidden", "The token of an application does not belong to a user")
        return self._respond(request, grant, match)

    def _respond(self, request: Request, grant: Grant | None, match: Match) -> Reply:
        route, values = match
        operation = route.operations[0]
        accounts = () if grant is None or grant.user is None else _accounts(request, grant.user)
        parameters = read_parameters(operation, request)
        users = self._provider.users.values()
        context = Context(request, parameters, grant, accounts, self._world, self._clock.now(), users)
        found = self._handlers[operation](context, *values)
        if found is None:
            return Reply(200)
        if isinstance(found, Bare):
            return Reply.json(found.value)
        if isinstance(found, Listing):
            return Reply.json(_listed(found, request))  # pyright: ignore[reportUnknownArgumentType]
        return Reply.json({"response": found})

    def _count(self, grant: Grant) -> int:
        """Count a request and return how many the user has left this hour, below zero if it is beyond the limit."""
        owner = grant.user.email if grant.user is not None else ""
        hour = self._clock.now().replace(minute=0, second=0, microsecond=0)
        counted, used = self._used.get(owner, (hour, 0))
        used = used + 1 if counted == hour else 1
        self._used[owner] = (hour, used)
        return self.hourly_limit - used


def _accounts(request: Request, user: User) -> tuple[int, ...]:
    """Return the account in the header `X-Account`, or all accounts of the user without that header."""
    wanted = request.headers.get("x-account")
    if wanted is None:
        return user.accounts
    if not wanted.isdecimal() or int(wanted) not in user.accounts:
        raise Rejected(error_reply(403, "forbidden", "You do not belong to this account"))
    return (int(wanted),)


def _listed(listing: Listing[Any], request: Request) -> Record:
    """Return a list with its envelope: one page, or everything. A page beyond the end is empty."""
    total = len(listing.items)
    if not listing.paged:
        return {"response": [listing.to_json(item) for item in listing.items], "count": total}
    number = dict(request.query).get("page") or "1"
    if not number.isdecimal() or int(number) < 1:
        raise bad_request("page must be a number from 1")
    current = int(number)
    pages = -(-total // PER_PAGE)
    items = listing.items[(current - 1) * PER_PAGE : current * PER_PAGE]
    return {
        "response": [listing.to_json(item) for item in items],
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
