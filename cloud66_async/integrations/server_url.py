"""URLs of Redis and of databases, which may hold a password."""

from __future__ import annotations

from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

from .._core.arguments import check_text
from ..errors import ConfigError
from ..secret import Secret

__all__ = ["ServerURL"]


class ServerURL:
    """A URL whose user name and password are redacted in all output."""

    __slots__ = ("_credentials", "_rest")

    def __init__(self, url: str) -> None:
        check_text("url", url)
        try:
            parts = urlsplit(url)
            query = dict(parse_qsl(parts.query))
        except ValueError:
            parts, query = urlsplit(""), {}
        del url  # it may hold a password, and a traceback may show local variables
        if not parts.scheme:
            raise ConfigError("invalid URL of a server: expected a scheme, such as redis:// or postgresql://")
        if "password" in query:
            raise ConfigError("invalid URL of a server: its query has a password; write it as user:password@host")
        credentials, separator, host = parts.netloc.rpartition("@")
        self._credentials: Secret | None = Secret(credentials) if separator else None
        self._rest = parts._replace(netloc=host)

    @property
    def scheme(self) -> str:
        """The scheme in lower case."""
        return self._rest.scheme

    def reveal(self) -> str:
        """Return the whole URL in plain text."""
        if self._credentials is None:
            return str(self)
        return _unsplit(self._rest._replace(netloc=f"{self._credentials.reveal()}@{self._rest.netloc}"))

    def __str__(self) -> str:
        """Return the URL without user name and password."""
        return _unsplit(self._rest)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _join, (str(self), self._credentials)


def _unsplit(parts: SplitResult) -> str:
    # Not urlunsplit: it changes URLs without a host, as sqlite:///path and unix:///path are.
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}{parts.path}{query}"


def _join(rest: str, credentials: Secret | None) -> ServerURL:
    scheme, _, after = rest.partition("://")
    return ServerURL(rest if credentials is None else f"{scheme}://{credentials.reveal()}@{after}")
