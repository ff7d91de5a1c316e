"""Example dashboard for Cloud 66: log in, view the health of your stacks, redeploy one and follow its progress.

This module is the whole application. `run.py` starts it, by default with a sandbox.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, FastAPI, Query as Parameter, Request
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from starlette.exceptions import HTTPException

from cloud66_async import (
    Action,
    Cloud66,
    Cloud66Error,
    Forbidden,
    Health,
    NotFound,
    Ok,
    Server,
    Stack,
    Throttled,
    TransportError,
)
from cloud66_async.integrations.starlette import Problem, WebLogin

HERE = Path(__file__).parent
SCOPE = ("public", "redeploy")
PAGE_SIZE = 12  # the servers of each stack on the page take one request, and the quota is 3,600 requests an hour
SEVERITY = (Health.FAILED, Health.IMPAIRED, Health.BUILDING, Health.UNKNOWN, Health.HEALTHY)
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}

templates = Jinja2Templates(HERE / "templates")


def create_app(login: WebLogin) -> FastAPI:
    """Return the application. `login` determines the Cloud 66 server that users log in to."""
    app = FastAPI(title="Stacks", lifespan=login.lifespan)
    login.install(app)
    app.mount("/static", StaticFiles(directory=HERE / "static"))
    app.middleware("http")(add_headers)
    app.add_exception_handler(Cloud66Error, show_cloud66_error)
    app.add_exception_handler(HTTPException, show_http_error)

    # Pages redirect to the login if the user is not logged in; the API responds with 401.
    PageClient = Annotated[Cloud66, Depends(login.for_page)]  # noqa: N806  an alias of a type
    APIClient = Annotated[Cloud66, Depends(login.for_api)]  # noqa: N806

    @app.get("/", include_in_schema=False)
    async def start(request: Request) -> Response:
        if await login.current(request) is not None:
            return RedirectResponse("/stacks", 303)
        return templates.TemplateResponse(request, "start.html", {"scope": SCOPE})

    @app.get("/stacks", include_in_schema=False)
    async def stacks(request: Request, c66: PageClient, query: Annotated[Query, Depends()]) -> Response:
        found = await c66.stacks.list()
        matching = sorted(filter(query.matches, found), key=severity)
        chosen = [stack for stack in matching if query.health in ("", word(stack.health))]
        pages = max(1, -(-len(chosen) // PAGE_SIZE))
        page = min(query.page, pages)
        first = (page - 1) * PAGE_SIZE
        return templates.TemplateResponse(
            request,
            "stacks.html",
            {
                "query": query,
                "environments": sorted({stack.environment for stack in found if stack.environment}),
                "counts": counts(matching),
                "rows": await with_servers(c66, chosen[first : first + PAGE_SIZE]),
                "first": first + 1,
                "total": len(chosen),
                "page": page,
                "pages": pages,
                "quota": c66.quota,
            },
        )

    @app.get("/stacks/{uid}", include_in_schema=False)
    async def stack(request: Request, c66: PageClient, uid: str) -> Response:
        found, servers, deployments = await asyncio.gather(
            c66.stacks.get(uid), all_servers(c66, uid), c66.deployments.list(uid).page(1)
        )
        return templates.TemplateResponse(
            request, "stack.html", {"stack": found, "servers": servers, "deployments": deployments.items[:5]}
        )

    @app.post("/stacks/{uid}/redeploy", include_in_schema=False)
    async def redeploy(c66: PageClient, uid: str) -> Response:
        started = await c66.stacks.redeploy(uid)
        if started.async_action_id is None:  # accepted, but without an action to follow
            return RedirectResponse(f"/stacks/{uid}", 303)
        return RedirectResponse(f"/stacks/{uid}/actions/{started.async_action_id}", 303)

    @app.get("/stacks/{uid}/actions/{number}", include_in_schema=False)
    async def action(request: Request, c66: PageClient, uid: str, number: int) -> Response:
        found, its_stack = await asyncio.gather(c66.actions.get(uid, number), c66.stacks.get(uid))
        return templates.TemplateResponse(request, "action.html", {"action": found, "stack": its_stack})

    @app.get("/api/stacks")
    async def stacks_as_json(c66: APIClient, environment: str | None = None) -> list[Stack]:
        """List your stacks. FastAPI serializes models: secrets are masked, datetimes are in ISO 8601."""
        return await c66.stacks.list(environment=environment)

    @app.get("/api/stacks/{uid}/actions/{number}")
    async def action_as_json(c66: APIClient, uid: str, number: int) -> Action:
        """Return one action. The page that follows an action polls this route."""
        return await c66.actions.get(uid, number)

    return app


# --- filters --------------------------------------------------------------------------------------------


class Query:
    """What the page of stacks shows: the parameters of its address."""

    def __init__(
        self,
        search: Annotated[str, Parameter(max_length=200)] = "",
        environment: Annotated[str, Parameter(max_length=200)] = "",
        health: Annotated[str, Parameter(max_length=20)] = "",
        page: Annotated[int, Parameter(ge=1, le=10_000)] = 1,
    ) -> None:
        self.search = search.strip()
        self.environment = environment
        self.health = health
        self.page = page

    def matches(self, stack: Stack) -> bool:
        """Return whether the stack has this environment, and the search text in its name, host name or uid."""
        if self.environment not in ("", stack.environment):
            return False
        wanted = self.search.casefold()
        return any(wanted in (text or "").casefold() for text in (stack.name, stack.fqdn, stack.uid))

    def address(self, **changes: str | int) -> str:
        """Return the address of the page with other parameters."""
        values = {"search": self.search, "environment": self.environment, "health": self.health, **changes}
        parameters = {name: value for name, value in values.items() if value not in ("", 1)}
        return f"/stacks?{urlencode(parameters)}" if parameters else "/stacks"


def word(health: Health | None) -> str:
    """Return a health as it stands in the address."""
    return str(Health.UNKNOWN if health is None else health)


# --- data --------------------------------------------------------------------------------------------


async def all_servers(c66: Cloud66, uid: str) -> list[Server]:
    return await c66.servers.list(uid)


async def with_servers(c66: Cloud66, stacks: list[Stack]) -> list[tuple[Stack, list[Server] | None]]:
    """Return each stack with its servers, fetched concurrently, or with None if its servers could not be fetched."""
    results = await c66.collect(lambda stack: all_servers(c66, stack.uid), stacks)
    return [(result.item, result.value if isinstance(result, Ok) else None) for result in results]


def severity(stack: Stack) -> tuple[int, str, str]:
    """Return a sort key that puts stacks with problems first. An unknown health counts as a failure."""
    rank = SEVERITY.index(stack.health) if stack.health in SEVERITY else 0
    return rank, (stack.name or "").casefold(), stack.environment or ""


def counts(stacks: list[Stack]) -> list[tuple[str, int]]:
    """Return the number of stacks for each health, in the order of `stacks`."""
    return list(Counter(word(stack.health) for stack in stacks).items())


# --- pages -------------------------------------------------------------------------------------------


def time_ago(value: datetime | None) -> str:
    """Return roughly how long ago this was, in words."""
    if value is None:
        return "never"
    seconds = (datetime.now(UTC) - value).total_seconds()
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {unit}{'s' if number > 1 else ''} ago"
    return "just now"


templates.env.filters["time_ago"] = time_ago


def show_problem(request: Request, problem: Problem) -> Response:
    """Return the page for a failed login, for `WebLogin(error_page=show_problem)`."""
    return templates.TemplateResponse(
        request,
        "problem.html",
        {"title": problem.title, "text": problem.text, "login_url": problem.login_url},
        status_code=problem.status,
    )


async def show_cloud66_error(request: Request, error: Any) -> Response:
    """Return a page or a JSON error that explains the error. The SDK's messages contain no secrets."""
    match error:
        case NotFound():
            status, title = 404, "This resource does not exist"
        case Forbidden():
            status, title = 403, "You do not have permission"
        case Throttled():
            status, title = 503, "Your hourly quota is exhausted until the next full hour"
        case TransportError():
            status, title = 502, "Cloud 66 cannot be reached"
        case _:
            status, title = 502, "Cloud 66 returned an error"
    if request.scope["path"].startswith("/api/"):
        return await http_exception_handler(request, HTTPException(status, str(error)))
    values = {"title": title, "text": str(error), "retry_url": address_of(request), "logged_in": True}
    return templates.TemplateResponse(request, "problem.html", values, status_code=status)


def address_of(request: Request) -> str | None:
    """Return the address to try again, or None if that would repeat a change."""
    if request.method != "GET":
        return None
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


async def show_http_error(request: Request, error: Any) -> Response:
    if error.headers or request.scope["path"].startswith("/api/"):  # a redirect to the login, or a response of the API
        return await http_exception_handler(request, error)
    values = {"title": error.detail, "text": "You can go back and try again."}
    return templates.TemplateResponse(request, "problem.html", values, status_code=error.status_code)


async def add_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if not request.scope["path"].startswith("/static/"):
        response.headers.setdefault("Cache-Control", "no-store")  # the back button shows nothing after a logout
    return response
