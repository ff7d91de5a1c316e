"""Cloud 66 login for FastAPI and Starlette applications: routes, sessions and a client for each request.

Requires the extra `starlette`. `WebLogin` is the entry point::

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
    from .sessions import MemorySessions, SessionStore, SharedSessionStore
    from .webhooks import WebhookHandler, webhook_route
except ModuleNotFoundError as _missing:
    if (_missing.name or "").partition(".")[0] not in ("starlette", "cryptography"):
        raise
    raise ImportError(
        f"missing package {_missing.name!r}; install the dependencies of WebLogin with "
        'pip install "cloud66-async[starlette]"'
    ) from None

__all__ = [
    "MemorySessions",
    "ModelResponse",
    "Problem",
    "SessionStore",
    "SharedSessionStore",
    "WebLogin",
    "WebhookHandler",
    "safe_path",
    "webhook_route",
]
