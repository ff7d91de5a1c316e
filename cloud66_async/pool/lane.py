"""The pool as the sender knows it: one origin, requests in, answers out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from ..errors import ConfigError
from ..model import Hidden
from .outgoing import Origin

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from .._lane import Request
    from .answer import PoolAnswer
    from .pool import Pool

__all__ = ["PoolLane"]

_PORTS: Final = {"http": 80, "https": 443}
# A body is announced for these even where there is none (RFC 9110, section 8.6).
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_HOST: Final = re.compile(r"[0-9A-Za-z._-]+|[0-9A-Fa-f:.]+(%[0-9A-Za-z]+)?").fullmatch
# Nothing in method, path and id may begin a line of its own.
_VISIBLE: Final = re.compile(r"[A-Z]+ [!-~]+ [!-~]+").fullmatch


class PoolLane:
    """A lane to the scheme, host and port of `url`; its path is the sender's affair.

    `aclose` closes the pool only where `owns_pool` says that it is nobody else's.
    """

    def __init__(self, pool: Pool, url: str, *, owns_pool: bool = False) -> None:
        self._pool = pool
        self._owns_pool = owns_pool
        self._origin, authority = _read(url)
        self._host_line = f"HTTP/1.1\r\nHost: {authority}\r\n"

    def __repr__(self) -> str:
        return f"<PoolLane to {self._origin.host}:{self._origin.port}>"

    def exchange(self, request: Request) -> Coroutine[Any, Any, PoolAnswer]:
        """The whole answer, its body unpacked. Raises TransportError or RequestTimeout."""
        method, target, request_id, body = request.method, request.target, request.request_id, request.body
        if _VISIBLE(f"{method} {target} {request_id}") is None:
            raise ConfigError("the method, path or id of a request may hold visible ASCII characters only")
        if body is not None:
            end = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        else:
            end = b"Content-Length: 0\r\n\r\n" if method in _WITH_BODY else b"\r\n"
        start = f"{method} {target} {self._host_line}Request-Id: {request_id}\r\n"
        return self._pool.request(
            self._origin,
            method,
            Hidden(start.encode("ascii") + request.head.wire + end),
            body or b"",
            repeatable=request.repeatable,
            timeouts=request.timeouts,
        )

    async def aclose(self) -> None:
        """Close the pool, if it is this lane's own."""
        if self._owns_pool:
            await self._pool.aclose()


def _read(url: str) -> tuple[Origin, str]:
    """The origin, and what the Host header says of it."""
    wrong = ConfigError("the address of the API has to look like https://app.cloud66.com, without a user name")
    try:
        parts = urlsplit(url)
        default = _PORTS[parts.scheme]
        port = default if parts.port is None else parts.port
        host = parts.hostname or ""
        if ":" not in host:  # an IPv6 address is no name
            host = host.encode("idna").decode()
    except (KeyError, ValueError):
        raise wrong from None
    if parts.username is not None or _HOST(host) is None:
        raise wrong
    name = f"[{host}]" if ":" in host else host
    return Origin(host, port, parts.scheme == "https"), name if port == default else f"{name}:{port}"
