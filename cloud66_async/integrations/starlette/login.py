"""WebLogin: login with Cloud 66 for the users of a web application."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib import import_module
from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.exceptions import HTTPException, WebSocketException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.websockets import WebSocket

from ..._core.arguments import check_iterable
from ...bulk import BulkError
from ...client import Cloud66
from ...clock import Clock, read_clock
from ...errors import (
    Cloud66Error,
    ConfigError,
    LoginError,
    StateMismatch,
    TransportError,
    Unauthenticated,
)
from ...secret import Secret
from ...token import Token, hide
from ...transport import Timeouts, Transport
from .cookies import Cookies, PendingLogin, digest, new_session_id
from .exchanges import Exchanges, RecentKeys
from .logs import redact_callbacks
from .pages import ErrorPage, default_page, not_in_advance, prevent_caching, problem_of, refused_again, session_lost
from .sessions import MemorySessions, SessionStore
from .site import POLICY_VIOLATION, Site, is_prefetch, is_websocket, origin_of, split_redirect_url

__all__ = ["WebLogin"]

logger: logging.Logger = logging.getLogger("cloud66_async.web")

_SEE_OTHER = 303
_REVOCATION_TIMEOUT = 5.0  # seconds for which the user waits at most
_DEFAULT_TIMEOUTS = Timeouts()
_NOT_OPEN = (
    "this WebLogin is not open; create the application with lifespan=login.lifespan, or enter login.lifespan() in its "
    "own lifespan; if the application is mounted in another one, enter it in the lifespan of that one, because servers "
    "do not run the lifespans of mounted applications"
)


class _NewSession(NamedTuple):
    session_id: str
    lifetime: timedelta


class _SessionLost(HTTPException):
    """A session that has just started is not in the session store. Another login would end in the same way."""

    def __init__(self) -> None:
        super().__init__(500, "Session lost: it is not in the session store")


class WebLogin:
    """Login with Cloud 66 for one web application: its routes, its sessions, and a client for each request.

    After logging in or out, users are redirected to `home`. A link to `login_path` with `?next=` and a path of this
    site leads to that page instead.

    Args:
        client_id: Client ID of the OAuth application.
        client_secret: Client secret, or None for a public application. It also encrypts the cookies of pending logins.
        redirect_url: Redirect URL that is registered for the OAuth application, as the browser sees it.
        scope: Scopes to request, as a string or an iterable.
        home: Path of the page to show after logging in or out.
        login_path: Path that starts a login.
        logout_path: Path that logs out. It accepts POST only.
        callback_path: Path of the callback within the application, if it differs from the path of `redirect_url`
            because the application is mounted or behind a proxy that removes a prefix.
        sessions: Store of the users' tokens. The default is a `MemorySessions`.
        lifetime: Maximum lifetime of a session. A session never outlives its token.
        revoke_on_logout: Whether to revoke the token at Cloud 66 on logout. If that fails or takes more than five
            seconds, a warning is logged; the session has ended in any case.
        error_page: Function that returns the page for a failed login.
        url: URL of Cloud 66; see `Cloud66`, also for the parameters that follow.
        limit: Maximum number of connections and of requests in flight.
        timeout: Total seconds per request, or a `Timeouts` with one value per phase.
        scope_separator: Separator between scopes in the authorization URL.
        pkce: Whether logins use PKCE.
        expected_issuer: Issuer that every callback must name as `iss` (RFC 9207).
        transport: A `Transport`, such as the sandbox's.
        clock: Source of the current time.

    Raises ConfigError if `redirect_url` is not an absolute http or https URL.
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
    ) -> None:
        secret = hide("client_secret", client_secret)
        del client_secret  # a traceback may show local variables
        parts = split_redirect_url(redirect_url)
        self._clock = read_clock(clock, transport)
        self._scope = _scopes(scope)
        self._site = Site(
            origin=origin_of(parts),
            home=home,
            login=login_path,
            logout=logout_path,
            callback=callback_path or parts.path or "/",
            redirect_path=parts.path or "/",
        )
        self._sessions = MemorySessions(clock=self._clock) if sessions is None else sessions
        self._lifetime = lifetime
        self._revoke_on_logout = revoke_on_logout
        self._error_page = error_page
        # Without a client secret, only this process can finish the logins that it started.
        self._cookies = Cookies(secret or Secret(secrets.token_urlsafe(32)), secure=parts.scheme == "https")
        self._exchanges: Exchanges[_NewSession] = Exchanges()
        self._ended = RecentKeys()
        self._client: Cloud66 | None = None

        def create_client() -> Cloud66:
            return Cloud66(
                client_id=client_id,
                client_secret=None if secret is None else secret.reveal(),
                redirect_url=redirect_url,
                scope_separator=scope_separator,
                pkce=pkce,
                expected_issuer=expected_issuer,
                url=url,
                limit=limit,
                timeout=timeout,
                transport=transport,
                clock=clock,
            )

        self._create_client = create_client

    # --- installation ----------------------------------------------------------------------------

    @asynccontextmanager
    async def lifespan(self, app: Any = None) -> AsyncGenerator[None]:  # noqa: ARG002  Starlette passes the application
        """Open the client that all requests share, and close it at the end.

        Use it as `FastAPI(lifespan=login.lifespan)`, or as `async with login.lifespan():` in your own lifespan. While
        it is open, authorization codes are redacted in uvicorn's access log. Raises ConfigError if it is already open.
        """
        if self._client is not None:
            raise ConfigError("this WebLogin is already open; create one WebLogin for each application")
        import_module("cloud66_async.oauth.client")  # imported now: takes 110 ms, which the first login would wait for
        async with self._create_client() as client:
            self._client = client
            try:
                with redact_callbacks(self._site.callback, self._site.redirect_path):
                    yield
            finally:
                self._client = None

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
        routes: list[Route] = []
        for name, path, endpoint, method in (
            ("cloud66_login", self._site.login, self._start_login, "GET"),
            ("cloud66_callback", self._site.callback, self._finish_login, "GET"),
            ("cloud66_logout", self._site.logout, self._log_out, "POST"),
        ):
            routes.append(Route(path, endpoint, methods=[method], name=name))
            other = path.rstrip("/") if path.endswith("/") else f"{path}/"
            if other:
                routes.append(Route(other, endpoint, methods=[method], name=f"{name}_slash"))
        return routes

    @property
    def exception_handlers(self) -> Mapping[type[Exception], Callable[[Any, Any], Awaitable[Any]]]:
        """Handlers that end the session of a user whose token Cloud 66 refuses, and start a new login."""
        in_group = self._handle_group
        return {
            Unauthenticated: self._handle_refusal,
            BulkError: in_group,
            ExceptionGroup: in_group,
            _SessionLost: self._handle_lost_session,
        }

    # --- clients ---------------------------------------------------------------------------------

    @property
    def cloud66(self) -> Cloud66:
        """The client that all requests share. It has no token. Raises ConfigError outside the lifespan."""
        if self._client is None:
            raise ConfigError(_NOT_OPEN)
        return self._client

    async def current(self, request: HTTPConnection) -> Cloud66 | None:
        """Return the client of the logged-in user, or None if the user is not logged in.

        Unsafe requests from other sites raise 403.
        """
        self._site.check_origin(request)
        key = self._cookies.session_key(request)
        token = None if key is None else await self._sessions.load(key)
        if token is not None:
            return self.cloud66.using(token=token)
        if self._is_lost(request, key):
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
        if self._is_lost(request, self._cookies.session_key(request)):
            raise _SessionLost
        headers = {"Location": self._site.login_url(request), "Cache-Control": "no-store"}
        raise HTTPException(_SEE_OTHER, headers=headers)

    async def for_api(self, request: HTTPConnection) -> Cloud66:
        """Return the client of the logged-in user, or respond with 401 if the user is not logged in.

        Use it as a FastAPI dependency: `Depends(login.for_api)`. Unsafe requests from other sites raise 403. A
        WebSocket is closed if the user is not logged in.
        """
        request.state.cloud66_api = True
        found = await self.current(request)
        if found is not None:
            return found
        if is_websocket(request):
            raise WebSocketException(POLICY_VIOLATION, "Not logged in")
        raise HTTPException(401, "Not logged in", headers={"WWW-Authenticate": "Cookie"})

    def _is_lost(self, request: HTTPConnection, key: str | None) -> bool:
        """Return whether the browser has a new session that is not in the store, although nothing has ended it."""
        if self._cookies.was_refused(request) or (key is not None and key in self._ended):
            return False
        return self._cookies.is_new_session(request, self._clock.now())

    # --- routes ----------------------------------------------------------------------------------

    async def _start_login(self, request: Request) -> Response:
        if is_prefetch(request):
            return self._reject_prefetch(request)
        self._site.check_callback(request)
        login = self.cloud66.login(scope=self._scope)
        response = RedirectResponse(login.url, _SEE_OTHER)
        self._cookies.start_login(request, response, PendingLogin(login, self._site.target(request)))
        return prevent_caching(response)

    async def _finish_login(self, request: Request) -> Response:
        if request.method == "HEAD":
            return Response(status_code=405, headers={"Allow": "GET"})  # it would consume the code
        if is_prefetch(request):
            return self._reject_prefetch(request)
        try:
            pending = self._cookies.pending_login(request)
            started = await self._exchanges.run(digest(pending.login.state), lambda: self._exchange(request, pending))
        except (LoginError, TransportError) as error:
            logger.warning("login failed: %s: %s%s", type(error).__name__, error, self._hint(error))
            response = self._error_page(request, problem_of(error, self._site.url(request, self._site.login)))
            if isinstance(error, StateMismatch):
                return prevent_caching(response)
        else:
            response = RedirectResponse(pending.target, _SEE_OTHER)
            self._cookies.start_session(response, *started)
        self._cookies.end_login(request, response)
        return prevent_caching(response)

    def _hint(self, error: Exception) -> str:
        """Return where logins must start. A test client may not have done so, and has no cookie for the callback."""
        origin = self._site.origin
        return f" at {origin} (in tests, base_url={origin!r})" if isinstance(error, StateMismatch) else ""

    async def _exchange(self, request: Request, pending: PendingLogin) -> _NewSession:
        """Exchange the code and start a session under a new ID, which prevents session fixation."""
        token = await self.cloud66.finish_login(pending.login, request.query_params)
        await self._end_session(request)
        lifetime, now = self._lifetime, self._clock.now()
        if token.expires_at is not None:
            lifetime = min(lifetime, token.expires_at - now)
        started = _NewSession(new_session_id(now), lifetime)
        await self._sessions.save(digest(started.session_id), token, lifetime)
        return started

    def _reject_prefetch(self, request: Request) -> Response:
        """Return a response that the browser discards: it sends the request again when the user opens the page."""
        page = self._error_page(request, not_in_advance(self._site.url(request, self._site.login)))
        return prevent_caching(page)

    async def _log_out(self, request: Request) -> Response:
        self._site.check_origin(request)
        token = await self._end_session(request)
        if token is not None and self._revoke_on_logout:
            await self._revoke(token)
        response = RedirectResponse(self._site.url(request, self._site.home), _SEE_OTHER)
        self._cookies.end_session(response)
        return prevent_caching(response)

    async def _revoke(self, token: Token) -> None:
        """Revoke a token whose session has ended, or log why that failed."""
        try:
            async with asyncio.timeout(_REVOCATION_TIMEOUT):
                await self.cloud66.revoke(token)
        except (Cloud66Error, TimeoutError) as error:
            logger.warning("token not revoked at logout: %s: %s", type(error).__name__, str(error) or "no response")

    async def _end_session(self, request: HTTPConnection) -> Token | None:
        """End the session of this browser. Return its token, or None if there was no session."""
        key = self._cookies.session_key(request)
        if key is None:
            return None
        token = await self._sessions.load(key)
        await self._sessions.delete(key)
        self._ended.add(key)
        return token

    # --- refused tokens --------------------------------------------------------------------------

    async def _handle_refusal(self, request: Request | WebSocket, error: Exception) -> Response | None:
        logger.info("token refused by Cloud 66: %s: %s", type(error).__name__, error)
        # The cookie is not deleted: it may belong to a newer login in another tab, and without a session it is useless.
        await self._end_session(request)
        if isinstance(request, WebSocket):
            await request.close(POLICY_VIOLATION, "No longer logged in")
            return None
        if getattr(request.state, "cloud66_api", False):
            return JSONResponse({"detail": "No longer logged in"}, 401, headers={"WWW-Authenticate": "Cookie"})
        if self._cookies.was_refused(request):
            # If the server issues tokens and then refuses them, another login would cause a redirect loop.
            response = self._error_page(request, refused_again(self._site.url(request, self._site.login)))
            self._cookies.clear_refused(response)
        else:
            response = RedirectResponse(self._site.login_url(request), _SEE_OTHER)
            self._cookies.set_refused(response)
        return prevent_caching(response)

    async def _handle_group(self, request: Request | WebSocket, error: ExceptionGroup[Exception]) -> Response | None:
        """Handle a refusal among the errors of concurrent calls. Re-raise a group without one."""
        if error.subgroup(Unauthenticated) is None:
            raise error
        return await self._handle_refusal(request, error)

    async def _handle_lost_session(self, request: Request, _error: Exception) -> Response:
        response = self._error_page(request, session_lost(self._site.url(request, self._site.login)))
        self._cookies.end_session(response)
        return prevent_caching(response)


def _scopes(scope: str | Iterable[str]) -> str | tuple[str, ...]:
    if isinstance(scope, str):
        return scope
    check_iterable("scope", scope)
    return tuple(scope)
