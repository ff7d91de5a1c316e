from html import escape
from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse

from cloud66_async import Cloud66, Failed, Ok, Server, Stack
from cloud66_async.integrations.starlette import WebLogin
from step2 import page


def row(stack: Stack, servers: int | str) -> str:
    cells = (stack.name, stack.environment, stack.health, servers)
    return "<tr>" + "".join(f"<td>{escape(str(cell))}" for cell in cells)


async def count_servers(
    c66: Cloud66, stacks: list[Stack]
) -> dict[str, int | str]:
    async def servers(uid: str) -> list[Server]:
        return await c66.servers.list(uid)

    counts: dict[str, int | str] = {}
    async with c66.each(servers, [stack.uid for stack in stacks]) as results:
        async for result in results:
            match result:
                case Ok(uid, found):
                    counts[uid] = len(found)
                case Failed(uid, error):
                    counts[uid] = type(error).__name__
    return counts


def create_app(login: WebLogin) -> FastAPI:
    app = FastAPI(lifespan=login.lifespan)
    login.install(app)
    User = Annotated[Cloud66, Depends(login.for_page)]

    @app.get("/")
    async def start(c66: User, environment: str | None = None) -> HTMLResponse:
        stacks = await c66.stacks.list(environment=environment)
        counts = await count_servers(c66, stacks)
        return page([row(stack, counts[stack.uid]) for stack in stacks])

    return app
