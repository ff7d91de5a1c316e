"""A small service that lists stacks with problems and deploys stacks. Start it: `uvicorn --factory service:main`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from cloud66_async import Cloud66, NotFound, Throttled, TransportError
from cloud66_async.models import Health

RETRY_AFTER = "60"


def main() -> FastAPI:
    """Return the service with a client whose token is in CLOUD66_ACCESS_TOKEN."""
    return create_app(Cloud66())


def create_app(c66: Cloud66) -> FastAPI:
    """Return the service. It closes the client when it stops."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with c66:
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/problems")
    async def problems(environment: str | None = None) -> list[str]:
        """Return the names of the stacks that are not healthy."""
        stacks = await c66.stacks.list(environment=environment)
        return [stack.name or stack.uid for stack in stacks if stack.health is not Health.HEALTHY]

    @app.post("/deployments/{name}", status_code=202)
    async def deploy(name: str) -> dict[str, Any]:
        """Start a deployment of the production stack with this name."""
        stack = await c66.stacks.find(name, environment="production")
        started = await c66.stacks.redeploy(stack.uid)
        return {"stack": stack.uid, "action": started.async_action_id}

    @app.get("/deployments/{stack}/{action}")
    async def deployment(stack: str, action: int) -> dict[str, Any]:
        """Return whether a deployment has finished, and how."""
        found = await c66.actions.get(stack, action)
        return {"finished": found.finished, "succeeded": found.succeeded, "message": found.finished_message}

    @app.exception_handler(NotFound)
    async def not_found(_: Request, error: NotFound) -> JSONResponse:
        return JSONResponse({"error": error.details or str(error)}, 404)

    @app.exception_handler(Throttled)
    async def throttled(_: Request, __: Throttled) -> JSONResponse:
        return JSONResponse({"error": "too many requests to Cloud 66"}, 503, {"Retry-After": RETRY_AFTER})

    @app.exception_handler(TransportError)
    async def unreachable(_: Request, error: TransportError) -> JSONResponse:
        # If the request was sent, the deployment may have started: whoever asked for it has to look before a retry.
        return JSONResponse({"error": "Cloud 66 did not respond", "may_have_started": error.sent}, 502)

    return app
