from html import escape
from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse

from cloud66_async import Cloud66, Stack
from cloud66_async.integrations.starlette import WebLogin


def row(stack: Stack) -> str:
    cells = (stack.name, stack.environment, stack.status, stack.health)
    return "<tr>" + "".join(f"<td>{escape(str(cell))}" for cell in cells)


def page(rows: list[str]) -> HTMLResponse:
    head = '<!doctype html><meta name="viewport" content="width=device-width">'
    return HTMLResponse(
        f"{head}<title>Stacks</title><table>{''.join(rows)}</table>"
    )


def create_app(login: WebLogin) -> FastAPI:
    app = FastAPI(lifespan=login.lifespan)
    login.install(app)
    User = Annotated[Cloud66, Depends(login.for_page)]

    @app.get("/")
    async def start(c66: User, environment: str | None = None) -> HTMLResponse:
        stacks = await c66.stacks.list(environment=environment)
        return page([row(stack) for stack in stacks])

    return app
