"""A web application that several workers serve as if they were one."""

import os
from html import escape
from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse

from cloud66_async import Cloud66
from cloud66_async.integrations.redis import RedisQuota, RedisReads
from cloud66_async.integrations.sql import SQLSessions
from cloud66_async.integrations.starlette import WebLogin

WORKERS = int(os.environ.get("WEB_CONCURRENCY", "4"))


def create_app() -> FastAPI:
    redis_url = os.environ["REDIS_URL"]
    sessions = SQLSessions(os.environ["DATABASE_URL"])
    login = WebLogin(
        client_id=os.environ["CLIENT_ID"],
        client_secret=os.environ["CLIENT_SECRET"],
        redirect_url=os.environ["REDIRECT_URL"],
        sessions=sessions,
        shared_quota=RedisQuota(redis_url, processes=WORKERS),
        shared_reads=RedisReads(redis_url, seconds=2),
    )
    app = FastAPI(lifespan=login.lifespan)
    login.install(app)
    User = Annotated[Cloud66, Depends(login.for_page)]

    @app.get("/")
    async def start(c66: User) -> HTMLResponse:
        stacks = await c66.stacks.list()
        rows = "".join(f"<li>{escape(str(stack.name))}" for stack in stacks)
        remaining = c66.quota.remaining
        return HTMLResponse(
            f"<title>Stacks</title><h1>{len(stacks)} stacks</h1>"
            f"<p>Worker {os.getpid()}, {remaining} requests remain.</p>"
            f"<ul>{rows}</ul>"
        )

    return app
