"""WebLogin: login with Cloud 66 for the users of a web application."""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib import import_module
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException, WebSocketException
from starlette.requests import HTTPConnection
from starlette.routing import Route

from ..._core.arguments import check_iterable
from ...client import Cloud66
from ...clock import Clock, read_clock
from ...errors import ConfigError
from ...quota import SharedQuota
from ...reads import SharedReads
from ...secret import Secret
from ...token import hide
from ...transport import Timeouts, Transport
from .cookies import Cookies
from .endpoints import SEE_OTHER, Endpoints
from .exchanges import Exchanges
from .logs import redact_callbacks
from .pages import ErrorPage, default_page
from .parts import Parts
from .refusals import Refusals, SessionLost, mark_api
from .sessions import MemorySessions, SessionStore
from .site import POLICY_VIOLATION, Site, is_websocket
from .storage import Storage
from .users import UserSessions
from .workers import warn_about_workers

__all__ = ["WebLogin"]

logger: logging.Logger = logging.getLogger("cloud66_async.web")

_MIN_SECRET = 16
_DEFAULT_TIMEOUTS = Timeouts()
_NOT_OPEN = (
    "this WebLogin is not open; create the application with lifespan=login.lifespan, or enter login.lifespan() in its "
    "own lifespan; if the application is mounted in another one, enter it in the lifespan of that one, because servers "
    "do not run the lifespans of mounted applications"
)


class WebLogin:
    """Login with Cloud 66 for one web application: its routes, its sessions, and a client for each request.

    After logging in or out, users are redirected to `home`. A link to `login_path` with `?next=` and a path of this
    site leads to that page instead.

    Args:
        client_id: Client ID of the OAuth application.
        client_secret: Client secret, or None for a public application.
        redirect_url: Redirect URL that is registered for the OAuth application, as the browser sees it.
        scope: Scopes to request, as a string or an iterable.
        home: Path of the page to show after logging in or out.
        login_path: Path that starts a login.
        logout_path: Path that logs out. It accepts POST only.
        callback_path: Path of the callback within the application, if it differs from the path of `redirect_url`
            because the application is mounted or behind a proxy that removes a prefix.
        sessions: Store of the users' tokens. The default is a `MemorySessions`, which is for one process only: several
            processes need a shared store, such as `RedisSessions` or `SQLSessions`.
        secret: Secret that the cookies of pending logins are encrypted with, at least 16 characters. The default is the
            client secret. Several processes of an application without a client secret need the same one; otherwise,
            each process uses a random one and can only finish the logins that it started.
        lifetime: Maximum lifetime of a session. A session never outlives its token.
        revoke_on_logout: Whether to revoke the token at Cloud 66 on logout. If that fails or takes more than five
            seconds, a warning is logged; the session has ended in any case.
        error_page: Function that returns the page for a failed login, or while the session store cannot be reached.
        url: URL of Cloud 66; see `Cloud66`, also for the parameters that follow.
        limit: Maximum number of connections and of requests in flight.
        timeout: Total seconds per request, or a `Timeouts` with one value per phase.
        scope_separator: Separator between scopes in the authorization URL.
        pkce: Whether logins use PKCE.
        expected_issuer: Issuer that every callback must name as `iss` (RFC 9207).
        transport: A `Transport`, such as the sandbox's.
        clock: Source of the current time.
        shared_quota: Where processes share the hourly quota of each user, such as `RedisQuota`.
        shared_reads: Where equal reads share one response, such as `RedisReads`.

    Raises ConfigError if `redirect_url` is not an absolute http or https URL, or if `secret` is too short.
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
        secret: str | None = None,
        lifetime: timedelta = timedelta(hours=12),
        revoke_on_logout: bool = True,
        error_page: ErrorPage = default_page,
        url: str | None = None,
        limit: int = 32,
        timeout: float | Timeouts | None = _DEFAULT_TIMEOUTS,
        scope_separator: str = " ",
        pkce: bool = True,
        expected_issuer: str | None = None,
        transport: Transport | None = None,
        clock: Clock | None = None,
        shared_quota: SharedQuota | None = None,
        shared_reads: SharedReads | None = None,
    ) -> None:
        hidden_client_secret, hidden_secret = hide("client_secret", client_secret), hide("secret", secret)
        del client_secret, secret  # a traceback may show local variables
        _check_secret(hidden_secret)
        self._site = Site.create(redirect_url, home=home, login=login_path, logout=logout_path, callback=callback_path)
        time = read_clock(clock, transport)
        self._store = MemorySessions(clock=time) if sessions is None else sessions
        self._storage = Storage(self._store, time)
        self._secret = hidden_secret or hidden_client_secret
        cookies = Cookies(self._secret or Secret(secrets.token_urlsafe(32)), secure=self._site.is_secure)
        self._sessions = UserSessions(self._storage, cookies, time, lifetime)
        parts = Parts(
            site=self._site,
            cookies=cookies,
            sessions=self._sessions,
            error_page=error_page,
            client=lambda: self.cloud66,
        )
        exchanges = Exchanges(self._storage, time)
        self._endpoints = Endpoints(parts, exchanges, scope=_scopes(scope), revoke_on_logout=revoke_on_logout)
        self._refusals = Refusals(parts)
        self._client: Cloud66 | None = None

        def create_client() -> Cloud66:
            return Cloud66(
                client_id=client_id,
                client_secret=None if hidden_client_secret is None else hidden_client_secret.reveal(),
                redirect_url=redirect_url,
                scope_separator=scope_separator,
                pkce=pkce,
                expected_issuer=expected_issuer,
                url=url,
                limit=limit,
                timeout=timeout,
                transport=transport,
                clock=clock,
                shared_quota=shared_quota,
                shared_reads=shared_reads,
            )

        self._create_client = create_client

    # --- installation ----------------------------------------------------------------------------

    @asynccontextmanager
    async def lifespan(self, app: Any = None) -> AsyncGenerator[None]:  # noqa: ARG002  Starlette passes the application
        """Open the client that all requests share, and close it and the session store at the end.

        Use it as `FastAPI(lifespan=login.lifespan)`, or as `async with login.lifespan():` in your own lifespan. While
        it is open, authorization codes are redacted in uvicorn's access log. A warning is logged if several processes
        seem to run that do not share sessions. Raises ConfigError if it is already open.
        """
        if self._client is not None:
            raise ConfigError("this WebLogin is already open; create one WebLogin for each application")
        import_module("cloud66_async.oauth.client")  # imported now: takes 110 ms, which the first login would wait for
        warn_about_workers(self._store, has_secret=self._secret is not None)
        async with self._create_client() as client:
            self._client = client
            try:
                with redact_callbacks(self._site.callback, self._site.redirect_path):
                    yield
            finally:
                self._client = None
                await self._storage.aclose()

    def install(self, app: Starlette) -> None:
        """Add the routes and the exception handlers to a Starlette or FastAPI application."""
        app.router.routes.extend(self.routes)
        for kind, handler in self.exception_handlers.items():
            app.add_exception_handler(kind, handler)

    @property
    def routes(self) -> list[Route]:
        """The routes of login, callback and logout, each also with a trailing slash.

        Without those, Starlette would redirect to the path without the slash, on the host in the Host header.
        """
        return self._endpoints.routes()

    @property
    def exception_handlers(self) -> Mapping[type[Exception], Callable[[Any, Any], Awaitable[Any]]]:
        """Handlers that end the session of a user whose token Cloud 66 refuses, and start a new login.

        Another one responds with 503 while the session store cannot be reached.
        """
        return self._refusals.handlers()

    # --- clients ---------------------------------------------------------------------------------

    @property
    def cloud66(self) -> Cloud66:
        """The client that all requests share. It has no token. Raises ConfigError outside the lifespan."""
        if self._client is None:
            raise ConfigError(_NOT_OPEN)
        return self._client

    async def current(self, request: HTTPConnection) -> Cloud66 | None:
        """Return the client of the logged-in user, or None if the user is not logged in.

        Unsafe requests from other sites raise 403. While the session store cannot be reached, requests with a session
        cookie raise 503.
        """
        self._site.check_origin(request)
        token = await self._sessions.token(request)
        if token is not None:
            return self.cloud66.using(token=token)
        if await self._sessions.is_lost(request):
            logger.error(
                "session lost: it started less than a minute ago and is not in the session store; "
                "several processes need a shared store, see WebLogin(sessions=...)"
            )
        return None

    async def for_page(self, request: HTTPConnection) -> Cloud66:
        """Return the client of the logged-in user, or redirect to the login, which leads back to this page.

        Use it as a FastAPI dependency: `Depends(login.for_page)`. Forms sent by other sites raise 403. A WebSocket is
        closed if the user is not logged in.
        """
        found = await self.current(request)
        if found is not None:
            return found
        if is_websocket(request):
            raise WebSocketException(POLICY_VIOLATION, "Not logged in")
        if await self._sessions.is_lost(request):
            raise SessionLost
        headers = {"Location": self._site.login_url(request), "Cache-Control": "no-store"}
        raise HTTPException(SEE_OTHER, headers=headers)

    async def for_api(self, request: HTTPConnection) -> Cloud66:
        """Return the client of the logged-in user, or respond with 401 if the user is not logged in.

        Use it as a FastAPI dependency: `Depends(login.for_api)`. Unsafe requests from other sites raise 403. A
        WebSocket is closed if the user is not logged in.
        """
        mark_api(request)
        found = await self.current(request)
        if found is not None:
            return found
        if is_websocket(request):
            raise WebSocketException(POLICY_VIOLATION, "Not logged in")
        raise HTTPException(401, "Not logged in", headers={"WWW-Authenticate": "Cookie"})


def _check_secret(secret: Secret | None) -> None:
    if secret is not None and len(secret.reveal()) < _MIN_SECRET:
        raise ConfigError(
            f"invalid secret: expected at least {_MIN_SECRET} characters; create one with secrets.token_urlsafe(32)"
        )


def _scopes(scope: str | Iterable[str]) -> str | tuple[str, ...]:
    if isinstance(scope, str):
        return scope
    check_iterable("scope", scope)
    return tuple(scope)
