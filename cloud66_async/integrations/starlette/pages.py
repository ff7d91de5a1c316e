"""What a user sees when a login does not come about: static text, and nothing of the request."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from html import escape
from typing import TypeAlias

import attrs
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from ...errors import AccessDenied, LoginError, TokenRequestFailed, TransportError

__all__ = ["ErrorPage", "Problem", "explain", "plain_page", "private", "refused_again"]


@attrs.frozen(kw_only=True)
class Problem:
    """Why a login did not come about, in words for its user. `login` is the address at which to begin anew."""

    status: int
    title: str
    text: str
    login: str = "/login"


ErrorPage: TypeAlias = Callable[[Request, Problem], Response]
"""What makes the page that shows a problem. Never put anything of the request's query into it."""

_STALE = Problem(
    status=400,
    title="This login cannot be finished",
    text="It was begun in another browser or at another address of this site, it took longer than ten minutes, "
    "or it was used already.",
)
_DENIED = Problem(
    status=403,
    title="Access was not granted",
    text="Cloud 66 was asked for access to your account, and the answer was no. You are not logged in.",
)
_FAILED = Problem(
    status=502,
    title="Cloud 66 did not finish the login",
    text="Cloud 66 could not be reached, or it gave no token. You are not logged in; try again in a while.",
)
_REFUSED_AGAIN = Problem(
    status=403,
    title="Cloud 66 refuses this login",
    text="Cloud 66 refused the access that it had granted a moment ago. If that happens again, ask the "
    "operator of this site to check how it is registered at Cloud 66.",
)


def explain(error: LoginError | TransportError, login: str) -> Problem:
    """What to tell the user about this error."""
    if isinstance(error, AccessDenied):
        return attrs.evolve(_DENIED, login=login)
    if isinstance(error, TokenRequestFailed | TransportError):
        return attrs.evolve(_FAILED, login=login)
    return attrs.evolve(_STALE, login=login)


def refused_again(login: str) -> Problem:
    """What to tell a user whose token was refused right after the login that had followed a refusal."""
    return attrs.evolve(_REFUSED_AGAIN, login=login)


_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --paper: #f4f6f8; --card: #fff; --line: #c4ccd6; --go: #0b5cad; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8edf3; --paper: #11161d; --card: #1a212b; --line: #3c4a5c;
  --go: #7cb8ff; } }
body { margin: 0; padding: 2rem 1rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 34rem; margin: 0 auto; padding: 1.5rem 2rem 2rem; background: var(--card);
  border: 1px solid var(--line); border-radius: .5rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1rem; }
a { color: var(--go); }
:focus-visible { outline: 3px solid var(--go); outline-offset: 2px; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
}


def plain_page(request: Request, problem: Problem) -> Response:  # noqa: ARG001  an error page of the user's may need it
    """A small page without script, with the headers that forbid everything else."""
    title, text = escape(problem.title), escape(problem.text)
    return HTMLResponse(
        f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{text}</p>
<p><a href="{escape(problem.login)}">Log in with Cloud 66</a></p>
</main>
</body>
</html>
""",
        status_code=problem.status,
        headers=_HEADERS,
    )


def private(response: Response) -> Response:
    """The same response; nobody stores it, and no other site learns the address, which may hold a code."""
    response.headers["cache-control"] = "no-store"
    response.headers["referrer-policy"] = "no-referrer"
    return response
