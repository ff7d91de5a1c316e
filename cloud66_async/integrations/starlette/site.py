"""URLs of the login within an application, and protection against requests from other sites."""

from __future__ import annotations

from posixpath import normpath
from urllib.parse import quote, unquote, urlencode

import attrs
from starlette.exceptions import HTTPException
from starlette.requests import Request

from .paths import safe_path, without_query

__all__ = ["Site"]

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_PATH_CHARACTERS = "/:@!$&'()*+,;=~"


@attrs.frozen(kw_only=True)
class Site:
    """The origin of the site as the browser sees it, and the paths of the login within the application.

    The Host header is never used, because it can be forged: all URLs are relative.
    """

    origin: str
    home: str
    login: str
    logout: str
    callback: str

    def url(self, request: Request, path: str) -> str:
        """Return the relative URL of a path of the application, including the path under which it is mounted."""
        return _root_path(request) + path

    def login_url(self, request: Request) -> str:
        """Return the relative URL of the login, which leads back to the requested page."""
        url = self.url(request, self.login)
        if request.method not in _SAFE_METHODS:
            return url  # Returning with GET would not repeat the unsafe request.
        root, path = _root_path(request), quote(request.scope["path"], safe=_PATH_CHARACTERS)
        query = request.scope["query_string"].decode("latin-1")
        page = (path if path.startswith(root) else root + path) + (f"?{query}" if query else "")
        target = safe_path(page, default="")
        return f"{url}?{urlencode({'next': target})}" if target else url

    def target(self, request: Request) -> str:
        """Return the page to show after the login: the parameter `next` if it is safe, or else the home page.

        The paths of the login itself are rejected as well, because they would lead to a redirect loop.
        """
        target = safe_path(request.query_params.get("next"), default="")
        path = normpath(unquote(without_query(target)))
        own = (self.login, self.callback, self.logout)
        if not target or path in own or path in [self.url(request, known) for known in own]:
            return self.url(request, self.home)
        return target

    def check_origin(self, request: Request) -> None:
        """Raise HTTPException (403) if the request may change something and comes from a page of another origin.

        SameSite cookies are not sent with requests from other sites, but they are with requests from other hosts
        of the same site. Browsers send the origin of a request; other clients have no cookies that could be misused.
        """
        if request.method in _SAFE_METHODS:
            return
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        if site not in ("same-origin", "none") if site is not None else origin not in (None, self.origin):
            raise HTTPException(403, "Request from another site rejected")


def _root_path(request: Request) -> str:
    return str(request.scope.get("root_path", ""))
