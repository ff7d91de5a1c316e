"""Error pages of the web login: static text that repeats nothing of the request."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import TypeAlias

import attrs
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from ..._core.html import document, policy
from ...errors import AccessDenied, LoginError, TokenRequestFailed, TransportError

__all__ = [
    "ErrorPage",
    "Problem",
    "default_page",
    "not_in_advance",
    "prevent_caching",
    "problem_of",
    "refused_again",
    "session_lost",
    "sessions_unavailable",
]


@attrs.frozen(kw_only=True)
class Problem:
    """The reason why a login failed, in words for the user. `login_url` starts a new login."""

    status: int
    title: str
    text: str
    login_url: str = "/login"


ErrorPage: TypeAlias = Callable[[Request, Problem], Response]
"""A function that returns the page for a problem. Never include the query of the request in that page."""

_MISMATCH = Problem(
    status=400,
    title="This login cannot be finished",
    text="It was started in another browser or on another host name, took longer than ten minutes, or was already "
    "used. Log in again to continue.",
)
_DENIED = Problem(
    status=403,
    title="Access was not granted",
    text="You are not logged in because this site was not given access to your Cloud 66 account. "
    "Log in again if you want to grant access.",
)
_FAILED = Problem(
    status=502,
    title="Cloud 66 did not finish the login",
    text="You are not logged in because Cloud 66 could not be reached or did not issue an access token. "
    "Try again in a few minutes.",
)
_REFUSED_AGAIN = Problem(
    status=403,
    title="Cloud 66 refuses this login",
    text="Cloud 66 refused the access token that it had just issued to you. If this happens again, ask the "
    "operator of this site to check its registration at Cloud 66.",
)

_SESSION_LOST = Problem(
    status=500,
    title="Your login was lost",
    text="You have just logged in, but this site no longer knows your session. It was restarted, or it runs in "
    "several processes without a shared session store. Log in again; if this happens again, report it to the operator "
    "of this site.",
)
_UNAVAILABLE = Problem(
    status=503,
    title="Logins are not available at the moment",
    text="This site cannot reach the place where it keeps its logins, so it does not know whether you are logged in. "
    "Try again in a few minutes.",
)
_PREFETCH = Problem(
    status=503,
    title="This page cannot be loaded in advance",
    text="Open the page again to continue.",
)


def problem_of(error: LoginError | TransportError, login_url: str) -> Problem:
    """Return the problem that explains this error to the user."""
    if isinstance(error, AccessDenied):
        return attrs.evolve(_DENIED, login_url=login_url)
    if isinstance(error, TokenRequestFailed | TransportError):
        return attrs.evolve(_FAILED, login_url=login_url)
    return attrs.evolve(_MISMATCH, login_url=login_url)


def refused_again(login_url: str) -> Problem:
    """Return the problem of a user whose new token was refused right after an earlier one."""
    return attrs.evolve(_REFUSED_AGAIN, login_url=login_url)


def session_lost(login_url: str) -> Problem:
    """Return the problem of a user whose new session is not in the session store."""
    return attrs.evolve(_SESSION_LOST, login_url=login_url)


def sessions_unavailable(login_url: str) -> Problem:
    """Return the problem of a user whose session cannot be looked up, because the session store has failed."""
    return attrs.evolve(_UNAVAILABLE, login_url=login_url)


def not_in_advance(login_url: str) -> Problem:
    """Return the problem of a browser that sends a request of the login ahead of the user."""
    return attrs.evolve(_PREFETCH, login_url=login_url)


_HEADERS = {
    "content-security-policy": f"{policy()}; form-action 'none'",
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
}


def default_page(request: Request, problem: Problem) -> Response:  # noqa: ARG001  a custom page may need the request
    """Return a small page without scripts, with a strict Content-Security-Policy."""
    link = f'<p><a href="{escape(problem.login_url)}">Log in with Cloud 66</a></p>'
    page = document(problem.title, f"<p>{escape(problem.text)}</p>\n{link}")
    return HTMLResponse(page, status_code=problem.status, headers=_HEADERS)


def prevent_caching(response: Response) -> Response:
    """Return the response with headers against caching and against sending its URL, which may hold a code."""
    response.headers["cache-control"] = "no-store"
    response.headers["referrer-policy"] = "no-referrer"
    return response
