"""The example application for several server processes: `uvicorn tests.web.worker_app:create --factory`.

Environment variables say where the sandbox and the session store are. Each response names the process that sent it.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response

from cloud66_async.integrations.redis import RedisSessions
from cloud66_async.integrations.sql import SQLSessions
from cloud66_async.integrations.starlette import SessionStore, WebLogin

from .serving import example

__all__ = ["create"]


def create() -> FastAPI:
    """Return the application."""
    module = example()
    app: FastAPI = module.create_app(
        WebLogin(
            client_id=os.environ["TEST_CLIENT_ID"],
            client_secret=os.environ.get("TEST_CLIENT_SECRET") or None,
            secret=os.environ.get("TEST_SECRET"),
            redirect_url=os.environ["TEST_REDIRECT_URL"],
            scope=module.SCOPE,
            error_page=module.show_problem,
            sessions=_sessions(os.environ.get("TEST_SESSIONS", "")),
            url=os.environ["TEST_URL"],
        )
    )

    @app.middleware("http")
    async def name_process(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        response.headers["x-worker"] = str(os.getpid())
        return response

    return app


def _sessions(url: str) -> SessionStore | None:
    if not url:
        return None
    return RedisSessions(url) if url.startswith("redis") else SQLSessions(url)
