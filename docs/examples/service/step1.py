from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse

from cloud66_async import Cloud66
from cloud66_async.integrations.starlette import WebLogin


def create_app(login: WebLogin) -> FastAPI:
    app = FastAPI(lifespan=login.lifespan)
    login.install(app)
    User = Annotated[Cloud66, Depends(login.for_page)]

    @app.get("/")
    async def start(c66: User) -> HTMLResponse:
        stacks = await c66.stacks.list()
        return HTMLResponse(f"<h1>{len(stacks)} stacks</h1>")

    return app
