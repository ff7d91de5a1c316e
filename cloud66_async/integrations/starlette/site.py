"""The addresses of the login inside of an application, and who may ask for them."""

from __future__ import annotations

from posixpath import normpath
from urllib.parse import quote, unquote, urlencode

import attrs
from starlette.exceptions import HTTPException
from starlette.requests import Request

from .paths import path_of, safe_path

__all__ = ["Site"]

_SAFE = ("GET", "HEAD", "OPTIONS")
_ROUGHLY_AS_IT_WAS = "/:@!$&'()*+,;=~"


@attrs.frozen(kw_only=True)
class Site:
    """Where things are. Paths are those of the application itself, `origin` is the site in the browser's eyes.

    Nothing is read from the Host header, which anybody can forge: addresses are relative.
    """

    origin: str
    home: str
    login: str
    logout: str
    callback: str

    def here(self, request: Request, path: str) -> str:
        """A path of the application, as a browser has to ask for it where the application is mounted somewhere."""
        return _root(request) + path

    def to_login(self, request: Request) -> str:
        """The address at which to log in, with the way back to the page that was asked for."""
        address = self.here(request, self.login)
        if request.method not in _SAFE:
            return address  # what was to be changed is not changed by coming back
        root, path = _root(request), quote(request.scope["path"], safe=_ROUGHLY_AS_IT_WAS)
        query = request.scope["query_string"].decode("latin-1")
        target = safe_path(
            (path if path.startswith(root) else root + path) + (f"?{query}" if query else ""), otherwise=""
        )
        return f"{address}?{urlencode({'next': target})}" if target else address

    def after_login(self, request: Request) -> str:
        """The page that `next` names, or home where it names none of this site, or would lead around in circles."""
        target = safe_path(request.query_params.get("next"), otherwise="")
        path = normpath(unquote(path_of(target)))
        own = (self.login, self.callback, self.logout)
        if not target or path in own or path in [self.here(request, known) for known in own]:
            return self.here(request, self.home)
        return target

    def refuse_others(self, request: Request) -> None:
        """Raise HTTPException for a request that changes something and was made by a page of another origin.

        SameSite cookies stay away from other sites, but not from other hosts of the same site. Browsers tell
        where a request comes from; programs that are no browsers have no cookies to be misused.
        """
        if request.method in _SAFE:
            return
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        if site not in ("same-origin", "none") if site is not None else origin not in (None, self.origin):
            raise HTTPException(403, "this request was made by another site")


def _root(request: Request) -> str:
    return str(request.scope.get("root_path", ""))
