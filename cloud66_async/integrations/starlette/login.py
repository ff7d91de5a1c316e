"""WebLogin: the users of a web application log in with Cloud 66."""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from ...bulk import BulkError
from ...client import Cloud66
from ...clock import Clock, SystemClock
from ...errors import (
    Cloud66Error,
    ConfigError,
    LoginError,
    StateMismatch,
    TransportError,
    Unauthenticated,
)
from ...token import Token
from ...transport import Timeouts, Transport
from .cookies import Cookies, Pending
from .logs import callbacks_hidden
from .pages import ErrorPage, explain, plain_page, private, refused_again
from .sessions import MemorySessions, SessionStore
from .site import Site

__all__ = ["WebLogin"]

logger: logging.Logger = logging.getLogger("cloud66_async.web")

_SEE_OTHER = 303
_DEFAULT_TIMEOUTS = Timeouts()


class WebLogin:
    """Logs the users of one web application in, and gives each request the client of its user.

    `client_id`, `client_secret` and `redirect_url` are those of the application as it is registered at Cloud 66;
    the path of `redirect_url` is where the callback is served, `callback_path` says so where that is
    mounted elsewhere. `scope` is what users are asked for. They are sent to `home` after logging in and out, unless
    a page of this site sent them to `login_path` with `?next=` and its own path.

    `sessions` keeps the tokens of those who are logged in, by default in this process, `lifetime` is how long
    they stay so. `revoke_on_logout` also ends the token at Cloud 66, where that works. `error_page` makes the
    page for a login that failed. `url`, `limit`, `timeout`, `scope_separator`, `pkce`, `transport` and `clock` are
    for the `Cloud66` that all requests share. Raises ConfigError.
    """

    def __init__(
        self,
        *,
        client_id: str,
        client_secret: str | None,
        redirect_url: str,
        scope: str | Iterable[str] = "public",
        home: str = "/",
        login_path: str = "/login",
        logout_path: str = "/logout",
        callback_path: str | None = None,
        sessions: SessionStore | None = None,
        lifetime: timedelta = timedelta(hours=12),
        revoke_on_logout: bool = False,
        error_page: ErrorPage = plain_page,
        url: str | None = None,
        limit: int = 32,
        timeout: float | Timeouts | None = _DEFAULT_TIMEOUTS,
        scope_separator: str = " ",
        pkce: bool = True,
        transport: Transport | None = None,
        clock: Clock | None = None,
    ) -> None:
        address = urlsplit(redirect_url)
        if address.scheme not in ("http", "https") or not address.netloc:
            raise ConfigError("a web application's redirect URL looks like https://example.com/callback")
        self._clock = clock or SystemClock()
        self._scope = scope if isinstance(scope, str) else tuple(scope)
        self._site = Site(
            origin=f"{address.scheme}://{address.netloc}",
            home=home,
            login=login_path,
            logout=logout_path,
            callback=callback_path or address.path or "/",
        )
        self._sessions = MemorySessions(clock=self._clock) if sessions is None else sessions
        self._lifetime = lifetime
        self._revokes = revoke_on_logout
        self._error_page = error_page
        # Without a secret to share, only this process can read what it sealed.
        self._cookies = Cookies(client_secret or secrets.token_urlsafe(32), secure=address.scheme == "https")
        self._client: Cloud66 | None = None

        def connect() -> Cloud66:
            return Cloud66(
                client_id=client_id,
                client_secret=client_secret,
                redirect_url=redirect_url,
                scope_separator=scope_separator,
                pkce=pkce,
                url=url,
                limit=limit,
                timeout=timeout,
                transport=transport,
                clock=clock,
            )

        self._connect = connect

    # --- becoming part of an application ---------------------------------------------------------

    @asynccontextmanager
    async def lifespan(self, app: Any = None) -> AsyncGenerator[None]:  # noqa: ARG002  what Starlette calls it with
        """Open the one client of this process, and close it at the end.

        `FastAPI(lifespan=login.lifespan)`, or `async with login.lifespan():` in a lifespan of your own. Meanwhile
        uvicorn's access log shows no codes. Raises ConfigError if it is open already.
        """
        if self._client is not None:
            raise ConfigError("this WebLogin is open already: each application has one of its own")
        import_module("cloud66_async.oauth.client")  # takes 110 ms: now, rather than in the first user's request
        async with self._connect() as client:
            self._client = client
            try:
                with callbacks_hidden(self._site.callback):
                    yield
            finally:
                self._client = None

    def install(self, app: Starlette) -> None:
        """Add the routes and the error handlers to an application of Starlette or FastAPI."""
        app.router.routes.extend(self.routes)
        for kind, handler in self.exception_handlers.items():
            app.add_exception_handler(kind, handler)

    @property
    def routes(self) -> list[Route]:
        """Login, callback and logout."""
        return [
            Route(self._site.login, self._begin, methods=["GET"], name="cloud66_login"),
            Route(self._site.callback, self._finish, methods=["GET"], name="cloud66_callback"),
            Route(self._site.logout, self._log_out, methods=["POST"], name="cloud66_logout"),
        ]

    @property
    def exception_handlers(self) -> Mapping[type[Exception], Callable[[Request, Any], Awaitable[Response]]]:
        """What ends the session of a user whose token Cloud 66 refuses, and leads to a new login."""
        in_group = self._refused_in_group
        return {Unauthenticated: self._refused, BulkError: in_group, ExceptionGroup: in_group}

    # --- the client of a request -----------------------------------------------------------------

    @property
    def cloud66(self) -> Cloud66:
        """The client that all requests share. It has no user. Raises ConfigError outside of the lifespan."""
        if self._client is None:
            raise ConfigError("there is no client yet: give the application lifespan=login.lifespan")
        return self._client

    async def current(self, request: Request) -> Cloud66 | None:
        """The client of the user who is logged in, None where nobody is."""
        key = self._cookies.session(request)
        token = None if key is None else await self._sessions.load(key)
        return None if token is None else self.cloud66.using(token=token)

    async def for_page(self, request: Request) -> Cloud66:
        """The client of the user; who is not logged in is sent to log in, and comes back to this page.

        A dependency of FastAPI: `Depends(login.for_page)`. A form that another site sent gets 403.
        """
        self._site.refuse_others(request)
        found = await self.current(request)
        if found is None:
            headers = {"Location": self._site.to_login(request), "Cache-Control": "no-store"}
            raise HTTPException(_SEE_OTHER, headers=headers)
        return found

    async def for_api(self, request: Request) -> Cloud66:
        """The client of the user; who is not logged in gets 401.

        A dependency of FastAPI: `Depends(login.for_api)`. What another site had the browser send gets 403.
        """
        request.state.cloud66_api = True
        self._site.refuse_others(request)
        found = await self.current(request)
        if found is None:
            raise HTTPException(401, "not logged in", headers={"WWW-Authenticate": "Cookie"})
        return found

    # --- routes ----------------------------------------------------------------------------------

    async def _begin(self, request: Request) -> Response:
        login = self.cloud66.login(scope=self._scope)
        response = RedirectResponse(login.url, _SEE_OTHER)
        self._cookies.begin(request, response, Pending(login, self._site.after_login(request)))
        return private(response)

    async def _finish(self, request: Request) -> Response:
        if request.method == "HEAD":
            return Response(status_code=405, headers={"Allow": "GET"})  # it would use up the code
        try:
            pending = self._cookies.pending(request)
            token = await self.cloud66.finish_login(pending.login, request.query_params)
        except (LoginError, TransportError) as error:
            logger.warning("a login failed: %s: %s", type(error).__name__, error)
            response = self._error_page(request, explain(error, self._site.here(request, self._site.login)))
            if isinstance(error, StateMismatch):
                return private(response)
        else:
            response = RedirectResponse(pending.target, _SEE_OTHER)
            await self._log_in(request, response, token)
        self._cookies.end_pending(request, response)
        return private(response)

    async def _log_in(self, request: Request, response: Response, token: Token) -> None:
        """Begin a session, always under a new id: one that somebody planted here before is worth nothing."""
        await self._end_session(request)
        lifetime = self._lifetime
        if token.expires_at is not None:
            lifetime = min(lifetime, token.expires_at - self._clock.now())
        key = self._cookies.new_session(response, lifetime)
        await self._sessions.save(key, token, lifetime)

    async def _log_out(self, request: Request) -> Response:
        self._site.refuse_others(request)
        token = await self._end_session(request)
        if token is not None and self._revokes:
            with suppress(Cloud66Error):
                await self.cloud66.revoke(token)
        response = RedirectResponse(self._site.here(request, self._site.home), _SEE_OTHER)
        self._cookies.end_session(response)
        return private(response)

    async def _end_session(self, request: Request) -> Token | None:
        """The token of the session that has ended, None where there was none."""
        key = self._cookies.session(request)
        if key is None:
            return None
        token = await self._sessions.load(key)
        await self._sessions.delete(key)
        return token

    # --- when Cloud 66 refuses a token -----------------------------------------------------------

    async def _refused(self, request: Request, error: Exception) -> Response:
        logger.info("Cloud 66 refused a user's token: %s: %s", type(error).__name__, error)
        # The cookie stays: another tab may have logged in meanwhile, and an id without a session opens nothing.
        await self._end_session(request)
        if getattr(request.state, "cloud66_api", False):
            return JSONResponse({"detail": "not logged in any more"}, 401, headers={"WWW-Authenticate": "Cookie"})
        if self._cookies.refused_before(request):
            # A server that grants and refuses in turn would send the browser in circles.
            response = self._error_page(request, refused_again(self._site.here(request, self._site.login)))
            self._cookies.forget_refusal(response)
        else:
            response = RedirectResponse(self._site.to_login(request), _SEE_OTHER)
            self._cookies.note_refusal(response)
        return private(response)

    async def _refused_in_group(self, request: Request, error: ExceptionGroup[Exception]) -> Response:
        """The same for one refusal among the failures of many calls, or of a task group."""
        if error.subgroup(Unauthenticated) is None:
            raise error
        return await self._refused(request, error)
