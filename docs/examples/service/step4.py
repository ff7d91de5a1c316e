from html import escape
from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse, RedirectResponse

from cloud66_async import Cloud66, Stack
from cloud66_async.integrations.starlette import WebLogin
from step2 import page


def row(stack: Stack) -> str:
    name = escape(f"{stack.name}, {stack.environment}: {stack.health}")
    target = f"/redeploy/{escape(stack.uid)}"
    form = f'<form method="post" action="{target}"><button>Redeploy</button>'
    return f"<tr><td>{name}<td>{form}</form>"


def create_app(login: WebLogin) -> FastAPI:
    app = FastAPI(lifespan=login.lifespan)
    login.install(app)
    User = Annotated[Cloud66, Depends(login.for_page)]

    @app.get("/")
    async def start(c66: User) -> HTMLResponse:
        return page([row(stack) for stack in await c66.stacks.list()])

    @app.post("/redeploy/{uid}")
    async def redeploy(c66: User, uid: str) -> RedirectResponse:
        action = await c66.stacks.redeploy(uid)
        return RedirectResponse(f"/actions/{uid}/{action.async_action_id}", 303)

    @app.get("/actions/{uid}/{number}")
    async def action(c66: User, uid: str, number: int) -> HTMLResponse:
        found = await c66.actions.get(uid, number)
        if not found.finished:
            return HTMLResponse("<p>Running …", headers={"Refresh": "3"})
        return HTMLResponse(
            f'<p>{escape(str(found.finished_message))} <a href="/">Stacks</a>'
        )

    return app
