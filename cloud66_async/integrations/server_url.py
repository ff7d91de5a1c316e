"""URLs of Redis and of databases, which may contain a password."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from .._core.arguments import check_text
from ..errors import ConfigError
from ..secret import Secret

__all__ = ["ServerURL"]

_MAX_SHOWN = 60
_MAX_PATH = 200
_UNCLEAR = "its host or port is invalid; percent-encode special characters in the user name and the password"


class _Parts(NamedTuple):
    scheme: str
    credentials: Secret | None
    host: str  # and port
    path: str
    query: str


class ServerURL:
    """A URL whose user name and password are redacted in all output. Raises TypeError and ConfigError."""

    __slots__ = ("_parts",)

    def __init__(self, url: str) -> None:
        check_text("url", url)
        parts = _split(url)
        del url  # it may hold a password, and a traceback may show local variables
        if isinstance(parts, str):
            raise ConfigError(f"invalid URL of a server: {parts}")
        self._parts = parts

    @property
    def scheme(self) -> str:
        """The scheme in lower case."""
        return self._parts.scheme

    @property
    def path(self) -> str:
        """The path, with its first slash and without the query."""
        return self._parts.path

    def check(
        self, name: str, *, schemes: Collection[str], query: Collection[str], files: Collection[str], example: str
    ) -> None:
        """Raise ConfigError if the URL is not one of `name`.

        Args:
            name: What the URL is for, for messages.
            schemes: The schemes that it can have.
            query: The parameters that it can have.
            files: Those of the parameters that are the path of a file or folder, which has to exist.
            example: What a URL looks like, for messages.
        """
        if self.scheme not in schemes:
            raise ConfigError(f"invalid URL of {name}: expected {example}")
        for parameter, value in parse_qsl(self._parts.query, keep_blank_values=True):
            if parameter not in query:
                raise ConfigError(
                    f"invalid URL of {name}: unknown parameter {parameter[:_MAX_SHOWN]!r}; remove it from the URL"
                )
            if parameter in files and not os.path.exists(value):  # noqa: PTH110  Path() raises for some texts
                raise ConfigError(f"invalid URL of {name}: {parameter} is {value[:_MAX_PATH]!r}, which does not exist")

    def reveal(self) -> str:
        """Return the whole URL in plain text."""
        credentials = self._parts.credentials
        return self._text("" if credentials is None else f"{credentials.reveal()}@")

    def __str__(self) -> str:
        """Return the URL without user name, password and query."""
        parts = self._parts
        return f"{parts.scheme}://{parts.host}{parts.path}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        hides = self._parts.credentials or self._parts.query
        return _join, (Secret(self.reveal()) if hides else self.reveal(),)

    def _text(self, credentials: str) -> str:
        # Not urlunsplit: it changes URLs without a host, as sqlite:///path and unix:///path are.
        parts = self._parts
        query = f"?{parts.query}" if parts.query else ""
        return f"{parts.scheme}://{credentials}{parts.host}{parts.path}{query}"


def _split(url: str) -> _Parts | str:
    """Return the parts of the URL, or what is wrong with it. Raises nothing: the local variables hold a password."""
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator or not scheme.replace("+", "").isalnum():
        return "expected a scheme, such as redis:// or postgresql://"
    if scheme.startswith("sqlite"):
        path, _, query = rest.partition("?")
        if not path.startswith("/") or not path.isprintable():  # surrogates are not printable either
            return "expected sqlite:/// and the path of a file"
        return _Parts(scheme, None, "", path, query)
    return _split_server(url)


def _split_server(url: str) -> _Parts | str:
    if not all("!" <= character <= "~" for character in url):
        return "it contains a space or a character that is not ASCII; percent-encode it"
    try:
        parts = urlsplit(url)
        is_clear = parts.port != 0
    except ValueError:
        return _UNCLEAR
    credentials, separator, host = parts.netloc.rpartition("@")
    # A password with one of these characters would end too early, and the rest of it would be shown as host or path.
    is_clear = is_clear and not parts.fragment and "@" not in credentials + parts.path + parts.query
    if not is_clear or (host and not parts.hostname):
        return _UNCLEAR
    return _Parts(parts.scheme, Secret(credentials) if separator else None, host, parts.path, parts.query)


def _join(url: str | Secret) -> ServerURL:
    return ServerURL(url.reveal() if isinstance(url, Secret) else url)
