"""What the routes and the handlers of one WebLogin share."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from ...client import Cloud66
from .cookies import Cookies
from .pages import ErrorPage
from .site import Site
from .users import UserSessions

__all__ = ["Parts"]


@attrs.frozen(kw_only=True)
class Parts:
    """The parts of a WebLogin. `client` returns the open client, or raises ConfigError."""

    site: Site
    cookies: Cookies
    sessions: UserSessions
    error_page: ErrorPage
    client: Callable[[], Cloud66]
