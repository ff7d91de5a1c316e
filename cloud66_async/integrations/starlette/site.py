"""URLs of the login within an application, and protection against requests from other sites."""

from __future__ import annotations

from posixpath import normpath
from typing import Self
from urllib.parse import SplitResult, quote, unquote, urlencode, urlsplit

import attrs
from starlette.exceptions import HTTPException, WebSocketException
from starlette.requests import HTTPConnection, Request

from ..._core.arguments import check_text
from ...errors import ConfigError
from .paths import safe_path, without_query

__all__ = ["POLICY_VIOLATION", "Site", "is_prefetch", "is_websocket", "origin_of", "split_redirect_url"]

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_PATH_CHARACTERS = "/:@!$&'()*+,;=~"
_DEFAULT_PORTS = {"http": 80, "https": 443}
POLICY_VIOLATION = 1008
"""Close code of a WebSocket that is rejected."""

_PREFETCH_HEADERS = ("sec-purpose", "purpose", "x-purpose", "x-moz")
_PREFETCH_VALUES = ("prefetch", "prerender", "preview")


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
    redirect_path: str

    @classmethod
    def create(cls, redirect_url: str, *, home: str, login: str, logout: str, callback: str | None) -> Self:
        """Return the site with this redirect URL. Without `callback`, its path is the path of the callback.

        Raises TypeError or ConfigError if it is not an absolute http or https URL.
        """
        parts = split_redirect_url(redirect_url)
        path = parts.path or "/"
        return cls(
            origin=origin_of(parts),
            home=home,
            login=login,
            logout=logout,
            callback=callback or path,
            redirect_path=path,
        )

    @property
    def is_secure(self) -> bool:
        """Whether browsers use https."""
        return self.origin.startswith("https:")

    def url(self, connection: HTTPConnection, path: str) -> str:
        """Return the relative URL of a path of the application, including the path under which it is mounted."""
        return quote(_root_path(connection), safe=_PATH_CHARACTERS) + path

    def login_url(self, request: HTTPConnection) -> str:
        """Return the relative URL of the login, which leads back to the requested page."""
        url = self.url(request, self.login)
        if request.scope.get("method") not in _SAFE_METHODS:
            return url  # Returning with GET would not repeat the unsafe request.
        root, path = _root_path(request), request.scope["path"]
        page = quote(path if _is_below(path, root) else root + path, safe=_PATH_CHARACTERS)
        query = request.scope["query_string"].decode("latin-1")
        target = safe_path(page + (f"?{query}" if query else ""), default="")
        return f"{url}?{urlencode({'next': target})}" if target else url

    def target(self, request: Request) -> str:
        """Return the page to show after the login: the parameter `next` if it is safe, or else the home page.

        The paths of the login itself are rejected as well, because they would lead to a redirect loop.
        """
        target = safe_path(request.query_params.get("next"), default="")
        path = normpath(unquote(without_query(target)))
        own = [path for path in (self.login, self.callback, self.logout) if path != self.home]
        if not target or path in own or path in [_root_path(request) + known for known in own]:
            return self.url(request, self.home)
        return target

    def check_callback(self, request: Request) -> None:
        """Raise ConfigError if the application is mounted so that its callback can never be reached."""
        root = _root_path(request)
        if root and self.callback == self.redirect_path and _is_below(self.callback, root):
            path = self.callback[len(root) :] or "/"
            raise ConfigError(
                f"the callback {self.callback!r} is not reachable: the application is mounted at {root!r}; "
                f"pass callback_path={path!r} to WebLogin"
            )

    def check_origin(self, connection: HTTPConnection) -> None:
        """Raise HTTPException (403) if the request may change something and comes from a page of another origin.

        SameSite cookies are not sent with requests from other sites, but they are with requests from other hosts
        of the same site. Browsers send the origin of a request; other clients have no cookies that could be misused.
        A page of any origin may open a WebSocket, so its origin is always checked: raises WebSocketException.
        """
        if connection.scope.get("method") in _SAFE_METHODS:
            return
        site, origin = connection.headers.get("sec-fetch-site"), connection.headers.get("origin")
        if is_websocket(connection):
            if origin not in (None, self.origin):
                raise WebSocketException(POLICY_VIOLATION, "Connection from another site rejected")
        elif site not in ("same-origin", "none") if site is not None else origin not in (None, self.origin):
            raise HTTPException(403, "Request from another site rejected")


def split_redirect_url(url: str) -> SplitResult:
    """Return the parts of an absolute http or https URL. Raises TypeError or ConfigError."""
    check_text("redirect_url", url)
    try:
        parts = urlsplit(url)
        if parts.scheme in _DEFAULT_PORTS and parts.netloc and parts.port != 0:
            return parts
    except ValueError:
        pass
    raise ConfigError(f"invalid redirect URL {url!r}: expected an absolute URL like https://example.com/callback")


def origin_of(url: SplitResult) -> str:
    """Return the origin of a URL as browsers send it: in lower case, and without a default port."""
    host = (url.hostname or "").lower()
    if not host.isascii():
        host = host.encode("idna").decode("ascii")
    host = f"[{host}]" if ":" in host else host
    return f"{url.scheme}://{host}" + ("" if url.port in (None, _DEFAULT_PORTS[url.scheme]) else f":{url.port}")


def is_prefetch(request: Request) -> bool:
    """Return whether the browser sends this request ahead of the user, and may discard the response."""
    for header in _PREFETCH_HEADERS:
        purposes = request.headers.get(header, "").lower().replace(",", ";").split(";")
        if any(purpose.strip() in _PREFETCH_VALUES for purpose in purposes):
            return True
    return False


def is_websocket(connection: HTTPConnection) -> bool:
    """Return whether this is a WebSocket."""
    return bool(connection.scope["type"] == "websocket")


def _root_path(connection: HTTPConnection) -> str:
    """Return the path under which the application is mounted, without a trailing slash. It may contain user input."""
    root = str(connection.scope.get("root_path", "")).rstrip("/")
    return root if safe_path(quote(root, safe=_PATH_CHARACTERS), default="") else ""


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(f"{root}/")
