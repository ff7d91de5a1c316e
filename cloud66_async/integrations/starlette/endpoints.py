"""Routes of the web login: start a login, finish it, and log out."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ...errors import Cloud66Error, LoginError, StateMismatch, TransportError
from ...token import Token
from .cookies import PendingLogin, digest
from .exchanges import Exchanges
from .pages import not_in_advance, prevent_caching, problem_of
from .parts import Parts
from .site import is_prefetch
from .users import NewSession

__all__ = ["SEE_OTHER", "Endpoints"]

logger: logging.Logger = logging.getLogger("cloud66_async.web")

SEE_OTHER: Final = 303
_REVOCATION_TIMEOUT = 5.0  # seconds for which the user waits at most


class Endpoints:
    """The endpoints of login, callback and logout."""

    def __init__(
        self, parts: Parts, exchanges: Exchanges, *, scope: str | tuple[str, ...], revoke_on_logout: bool
    ) -> None:
        self._parts = parts
        self._exchanges = exchanges
        self._scope = scope
        self._revoke_on_logout = revoke_on_logout

    def routes(self) -> list[Route]:
        """Return the routes, each also with a trailing slash.

        Without those, Starlette would redirect to the path without the slash, on the host in the Host header.
        """
        site = self._parts.site
        routes: list[Route] = []
        for name, path, endpoint, method in (
            ("cloud66_login", site.login, self.start_login, "GET"),
            ("cloud66_callback", site.callback, self.finish_login, "GET"),
            ("cloud66_logout", site.logout, self.log_out, "POST"),
        ):
            routes.append(Route(path, endpoint, methods=[method], name=name))
            other = path.rstrip("/") if path.endswith("/") else f"{path}/"
            if other:
                routes.append(Route(other, endpoint, methods=[method], name=f"{name}_slash"))
        return routes

    async def start_login(self, request: Request) -> Response:
        """Redirect to Cloud 66, and store the pending login in a cookie."""
        if is_prefetch(request):
            return self._reject_prefetch(request)
        parts = self._parts
        parts.site.check_callback(request)
        login = parts.client().login(scope=self._scope)
        response = RedirectResponse(login.url, SEE_OTHER)
        parts.cookies.start_login(request, response, PendingLogin(login, parts.site.target(request)))
        return prevent_caching(response)

    async def finish_login(self, request: Request) -> Response:
        """Exchange the code of a callback, start a session, and redirect to the page of this site."""
        if request.method == "HEAD":
            return Response(status_code=405, headers={"Allow": "GET"})  # it would consume the code
        if is_prefetch(request):
            return self._reject_prefetch(request)
        parts = self._parts
        try:
            pending = parts.cookies.pending_login(request)
            code_digest = digest(request.query_params.get("code", ""))
            started = await self._exchanges.run(pending.login, code_digest, lambda: self._exchange(request, pending))
        except (LoginError, TransportError) as error:
            logger.warning("login failed: %s: %s%s", type(error).__name__, error, self._hint(error))
            response = parts.error_page(request, problem_of(error, self._login_url(request)))
            if isinstance(error, StateMismatch):
                return prevent_caching(response)
        else:
            response = RedirectResponse(pending.target, SEE_OTHER)
            parts.cookies.start_session(response, started.session_id.reveal(), started.lifetime)
        parts.cookies.end_login(request, response)
        return prevent_caching(response)

    async def log_out(self, request: Request) -> Response:
        """End the session of this browser, and revoke its token."""
        parts = self._parts
        parts.site.check_origin(request)
        token = await parts.sessions.end(request)
        if token is not None and self._revoke_on_logout:
            await self._revoke(token)
        response = RedirectResponse(parts.site.url(request, parts.site.home), SEE_OTHER)
        parts.cookies.end_session(response)
        return prevent_caching(response)

    async def _exchange(self, request: Request, pending: PendingLogin) -> NewSession:
        token = await self._parts.client().finish_login(pending.login, request.query_params)
        await self._parts.sessions.end(request)
        return await self._parts.sessions.start(token)

    async def _revoke(self, token: Token) -> None:
        """Revoke a token whose session has ended, or log why that failed."""
        try:
            async with asyncio.timeout(_REVOCATION_TIMEOUT):
                await self._parts.client().revoke(token)
        except (Cloud66Error, TimeoutError) as error:
            logger.warning("token not revoked at logout: %s: %s", type(error).__name__, str(error) or "no response")

    def _reject_prefetch(self, request: Request) -> Response:
        """Return a response that the browser discards: it sends the request again when the user opens the page."""
        return prevent_caching(self._parts.error_page(request, not_in_advance(self._login_url(request))))

    def _hint(self, error: Exception) -> str:
        """Return where logins must start. A test client may not have done so, and has no cookie for the callback."""
        origin = self._parts.site.origin
        return f" at {origin} (in tests, base_url={origin!r})" if isinstance(error, StateMismatch) else ""

    def _login_url(self, request: Request) -> str:
        return self._parts.site.url(request, self._parts.site.login)
