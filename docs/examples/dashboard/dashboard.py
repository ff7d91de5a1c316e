"""A dashboard for Cloud 66: log in, see your stacks and how they are, redeploy one and watch it.

The whole application. `run.py` beside it starts it, with a sandbox unless it is told of a real Cloud 66.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
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
MOST_SHOWN = 60  # each stack that is shown costs a request of the hour's 3,600, for its servers
SERIOUSNESS = (Health.FAILED, Health.IMPAIRED, Health.BUILDING, Health.UNKNOWN, Health.HEALTHY)
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}

templates = Jinja2Templates(HERE / "templates")


def create_app(login: WebLogin) -> FastAPI:
    """The application; `login` says at which Cloud 66 its users have their accounts."""
    app = FastAPI(title="Stacks", lifespan=login.lifespan)
    login.install(app)
    app.mount("/static", StaticFiles(directory=HERE / "static"))
    app.middleware("http")(add_headers)
    app.add_exception_handler(Cloud66Error, show_cloud66_error)
    app.add_exception_handler(HTTPException, show_http_error)

    # Two ways to ask for the client of the user: a page sends strangers to log in, the API answers 401.
    PageClient = Annotated[Cloud66, Depends(login.for_page)]  # noqa: N806  a type
    APIClient = Annotated[Cloud66, Depends(login.for_api)]  # noqa: N806

    @app.get("/", include_in_schema=False)
    async def start(request: Request) -> Response:
        if await login.current(request) is not None:
            return RedirectResponse("/stacks", 303)
        return templates.TemplateResponse(request, "start.html", {"scope": SCOPE})

    @app.get("/stacks", include_in_schema=False)
    async def stacks(request: Request, c66: PageClient, environment: str = "") -> Response:
        async with c66.stacks.list().prefetch() as listed:
            found = [stack async for stack in listed]
        chosen = sorted((stack for stack in found if environment in ("", stack.environment)), key=seriousness)
        return templates.TemplateResponse(
            request,
            "stacks.html",
            {
                "environment": environment,
                "environments": sorted({stack.environment for stack in found if stack.environment}),
                "counts": counts(chosen),
                "rows": await with_servers(c66, chosen[:MOST_SHOWN]),
                "total": len(chosen),
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
        if started.async_action_id is None:  # Cloud 66 took the request and names nothing to watch
            return RedirectResponse(f"/stacks/{uid}", 303)
        return RedirectResponse(f"/stacks/{uid}/actions/{started.async_action_id}", 303)

    @app.get("/stacks/{uid}/actions/{number}", include_in_schema=False)
    async def action(request: Request, c66: PageClient, uid: str, number: int) -> Response:
        found, its_stack = await asyncio.gather(c66.actions.get(uid, number), c66.stacks.get(uid))
        return templates.TemplateResponse(request, "action.html", {"action": found, "stack": its_stack})

    @app.get("/api/stacks")
    async def stacks_as_json(c66: APIClient, environment: str | None = None) -> list[Stack]:
        """Your stacks. Models go out as they are: secrets masked, moments in ISO 8601."""
        return await c66.stacks.list(environment=environment)

    @app.get("/api/stacks/{uid}/actions/{number}")
    async def action_as_json(c66: APIClient, uid: str, number: int) -> Action:
        """One action; the page that watches it asks here."""
        return await c66.actions.get(uid, number)

    return app


# --- asking ------------------------------------------------------------------------------------------


async def all_servers(c66: Cloud66, uid: str) -> list[Server]:
    return await c66.servers.list(uid)


async def with_servers(c66: Cloud66, stacks: list[Stack]) -> list[tuple[Stack, list[Server] | None]]:
    """Each stack with its servers, asked for side by side; None where that failed, for one stack is not the page."""
    results = await c66.collect(lambda stack: all_servers(c66, stack.uid), stacks)
    return [(result.item, result.value if isinstance(result, Ok) else None) for result in results]


def seriousness(stack: Stack) -> tuple[int, str, str]:
    """Sorts the stacks that need somebody to the front, those in a state that is new to this release first of all."""
    rank = SERIOUSNESS.index(stack.health) if stack.health in SERIOUSNESS else 0
    return rank, (stack.name or "").casefold(), stack.environment or ""


def counts(stacks: list[Stack]) -> list[tuple[Health | None, int]]:
    """How many stacks are how well, in the order of `stacks`."""
    return list(Counter(stack.health for stack in stacks).items())


# --- showing -----------------------------------------------------------------------------------------


def ago(moment: datetime | None) -> str:
    """How long ago that was, roughly."""
    if moment is None:
        return "never"
    seconds = (datetime.now(UTC) - moment).total_seconds()
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {unit}{'s' if number > 1 else ''} ago"
    return "just now"


templates.env.filters["ago"] = ago


def show_problem(request: Request, problem: Problem) -> Response:
    """The page for a login that did not come about: `WebLogin(error_page=show_problem)`."""
    return templates.TemplateResponse(
        request,
        "problem.html",
        {"title": problem.title, "text": problem.text, "login": problem.login},
        status_code=problem.status,
    )


async def show_cloud66_error(request: Request, error: Any) -> Response:
    """What Cloud 66 said, in words for the user; the SDK's messages hold no secrets."""
    match error:
        case NotFound():
            status, title = 404, "There is no such thing"
        case Forbidden():
            status, title = 403, "Your login may not do that"
        case Throttled():
            status, title = 503, "This hour's requests are used up"
        case TransportError():
            status, title = 502, "Cloud 66 cannot be reached"
        case _:
            status, title = 502, "Cloud 66 could not do that"
    if request.scope["path"].startswith("/api/"):
        return await http_exception_handler(request, HTTPException(status, str(error)))
    values = {"title": title, "text": str(error)}
    return templates.TemplateResponse(request, "problem.html", values, status_code=status)


async def show_http_error(request: Request, error: Any) -> Response:
    if error.headers or request.scope["path"].startswith("/api/"):  # a redirect to log in, an answer of the API
        return await http_exception_handler(request, error)
    values = {"title": error.detail, "text": "Go back and try again from there."}
    return templates.TemplateResponse(request, "problem.html", values, status_code=error.status_code)


async def add_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if not request.scope["path"].startswith("/static/"):
        response.headers.setdefault("Cache-Control", "no-store")  # after a logout, "back" shows nothing
    return response
