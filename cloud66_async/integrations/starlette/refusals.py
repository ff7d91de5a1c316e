"""Handlers for users whose session or token is refused, lost, or cannot be looked up."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.websockets import WebSocket

from ...bulk import BulkError
from ...errors import Unauthenticated
from .endpoints import SEE_OTHER
from .pages import prevent_caching, refused_again, session_lost, sessions_unavailable
from .parts import Parts
from .site import POLICY_VIOLATION
from .storage import SessionsUnavailable

__all__ = ["Refusals", "SessionLost", "mark_api"]

logger: logging.Logger = logging.getLogger("cloud66_async.web")

_TRY_AGAIN_LATER: Final = 1013  # close code of a WebSocket


class SessionLost(HTTPException):
    """A session that has just started is not in the session store. Another login would end in the same way."""

    def __init__(self) -> None:
        super().__init__(500, "Session lost: it is not in the session store")


def mark_api(request: HTTPConnection) -> None:
    """Record that the responses to this request are JSON, not pages."""
    request.state.cloud66_api = True


def _is_api(request: HTTPConnection) -> bool:
    return bool(getattr(request.state, "cloud66_api", False))


class Refusals:
    """Exception handlers of one WebLogin."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def handlers(self) -> Mapping[type[Exception], Callable[[Any, Any], Awaitable[Any]]]:
        """Return the handlers by the exceptions that they handle."""
        return {
            Unauthenticated: self._handle_refusal,
            BulkError: self._handle_group,
            ExceptionGroup: self._handle_group,
            SessionLost: self._handle_lost_session,
            SessionsUnavailable: self._handle_unavailable,
        }

    async def _handle_refusal(self, request: Request | WebSocket, error: Exception) -> Response | None:
        """End the session of a user whose token Cloud 66 refuses, and start a new login once."""
        logger.info("token refused by Cloud 66: %s: %s", type(error).__name__, error)
        parts = self._parts
        # The cookie is not deleted: it may belong to a newer login in another tab, and without a session it is useless.
        await parts.sessions.end(request)
        if isinstance(request, WebSocket):
            await request.close(POLICY_VIOLATION, "No longer logged in")
            return None
        if _is_api(request):
            return JSONResponse({"detail": "No longer logged in"}, 401, headers={"WWW-Authenticate": "Cookie"})
        if parts.cookies.was_refused(request):
            # If the server issues tokens and then refuses them, another login would cause a redirect loop.
            response = parts.error_page(request, refused_again(self._login_url(request)))
            parts.cookies.clear_refused(response)
        else:
            response = RedirectResponse(parts.site.login_url(request), SEE_OTHER)
            parts.cookies.set_refused(response)
        return prevent_caching(response)

    async def _handle_group(self, request: Request | WebSocket, error: ExceptionGroup[Exception]) -> Response | None:
        """Handle a refusal among the errors of concurrent calls. Re-raise a group without one."""
        if error.subgroup(Unauthenticated) is None:
            raise error
        return await self._handle_refusal(request, error)

    async def _handle_lost_session(self, request: Request, _error: Exception) -> Response:
        """Return an error page, and delete the cookie so that the user can log in again."""
        response = self._parts.error_page(request, session_lost(self._login_url(request)))
        self._parts.cookies.end_session(response)
        return prevent_caching(response)

    async def _handle_unavailable(self, request: Request | WebSocket, error: SessionsUnavailable) -> Response | None:
        """Return an error page. All cookies remain, so that the same request works when the store responds again."""
        if isinstance(request, WebSocket):
            await request.close(_TRY_AGAIN_LATER, error.detail)
            return None
        if _is_api(request):
            return JSONResponse({"detail": error.detail}, error.status_code, headers=error.headers)
        response = self._parts.error_page(request, sessions_unavailable(self._login_url(request)))
        response.headers.update(error.headers or {})
        return prevent_caching(response)

    def _login_url(self, request: Request) -> str:
        return self._parts.site.url(request, self._parts.site.login)
