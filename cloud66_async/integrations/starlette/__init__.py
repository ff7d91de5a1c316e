"""Users of a web application log in with Cloud 66: routes, sessions and a client for each request.

Needs the extra `starlette`; made for FastAPI too. `WebLogin` is the whole of it::

    login = WebLogin(client_id=..., client_secret=..., redirect_url="https://example.com/callback")
    app = FastAPI(lifespan=login.lifespan)
    login.install(app)


    @app.get("/stacks")
    async def stacks(c66: Annotated[Cloud66, Depends(login.for_page)]) -> list[Stack]:
        return await c66.stacks.list()
"""

try:
    from .login import WebLogin
    from .pages import Problem
    from .paths import safe_path
    from .responses import ModelResponse
    from .sessions import MemorySessions, SessionStore
except ModuleNotFoundError as _missing:
    if (_missing.name or "").partition(".")[0] not in ("starlette", "cryptography"):
        raise
    raise ImportError(
        'the web login needs Starlette and cryptography: pip install "cloud66-async[starlette]"'
    ) from None

__all__ = ["MemorySessions", "ModelResponse", "Problem", "SessionStore", "WebLogin", "safe_path"]
