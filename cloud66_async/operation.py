"""Operations of the API as data, calls of them, and what the calls return."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

import msgspec

from ._core.response import BufferedResponse, RawResponse

if TYPE_CHECKING:
    from .quota import Quota

__all__ = ["Call", "Many", "Operation", "Page", "Response", "delete", "get", "many", "patch", "post", "put"]

T = TypeVar("T")

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_NO_VALUES: Mapping[str, Any] = {}


class Many(msgspec.Struct, Generic[T], frozen=True):
    """Result type of an operation that returns a list of `item`, page by page."""

    item: type[T]


def many(item: type[T]) -> Many[T]:
    """Return the result type for a list of `item`."""
    return Many(item)


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list.

    `next` is the number of the next page, or None on the last one. `pages` and `count` are the totals of the whole
    list if the response reports them. The documentation shows 30 items per page.
    """

    items: tuple[T, ...]
    number: int = 1
    next: int | None = None
    pages: int | None = None
    count: int | None = None


class Operation(msgspec.Struct, Generic[T], kw_only=True, frozen=True, eq=False, dict=True):
    """An HTTP method and a path template with their parameters. `bind()` returns a call of it.

    Args:
        method: HTTP method in upper case.
        path: Path below the API's root, with `{name}` for each path parameter.
        returns: Type of the result, or None.
        scope: Scope that the documentation requires.
        query: Names of the query parameters. Lists also have `page`.
        body: Names of the body parameters.
        wrapper: Key that the API expects around the body.
        repeatable: Whether sending the request twice does no harm.
    """

    method: str
    path: str
    returns: Any
    scope: str | None = None
    query: tuple[str, ...] = ()
    body: tuple[str, ...] = ()
    wrapper: str | None = None
    repeatable: bool = False

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of the path parameters."""
        return frozenset(_PLACEHOLDER.findall(self.path))

    @cached_property
    def _template(self) -> str:
        return _PLACEHOLDER.sub(r"%(\1)s", self.path)

    @cached_property
    def _known(self) -> frozenset[str]:
        return self.names.union(self.query, self.body)

    def bind(self, **values: object) -> Call[T]:
        """Return a call with these parameters. Values that are None are left out.

        Raises TypeError if a name is missing or unknown, and ValueError if a path parameter is empty.
        """
        given = values.keys()
        if given == self.names and not self.body:
            for name, value in values.items():
                values[name] = _segment(name, value)
            return Call(self, self._template % values)
        if not self.names <= given <= self._known:
            missing, unknown = sorted(self.names - given), sorted(given - self._known)
            raise TypeError(f"wrong parameters for {self}: missing {missing}, unknown {unknown}")
        path = self._template % {name: _segment(name, values[name]) for name in self.names}
        query = {name: _text(values[name]) for name in self.query if values.get(name) is not None}
        body = {name: values[name] for name in self.body if values.get(name) is not None}
        return Call(self, path, query, body if self.body else None)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def _segment(name: str, value: object) -> str:
    """Return `value` as one percent-encoded path segment."""
    if type(value) is str and value.isalnum() and value.isascii():
        return value  # nearly every uid
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise TypeError(f"invalid {name}: expected a string or an integer, not {type(value).__name__}")
    text = str(value)
    if not text:
        raise ValueError(f"invalid {name}: must not be empty")
    if not text.strip("."):
        return text.replace(".", "%2E")  # "." and ".." would change the path
    from urllib.parse import quote  # imported lazily: takes 3 ms, and few uids need it

    return quote(text, safe="")


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, enum.Enum):
        return str(value.value)  # the string form of a numbered state is its name
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return ",".join(map(_text, cast("list[object]", value)))
    return str(value)


class Call(msgspec.Struct, Generic[T], frozen=True, eq=False):
    """An operation with its parameters. `path` is percent-encoded, `query` is not."""

    operation: Operation[T]
    path: str
    query: Mapping[str, str] = _NO_VALUES
    body: Mapping[str, Any] | None = None

    def page(self, number: int) -> Call[T]:
        """Return the same call for this page of the list."""
        return Call(self.operation, self.path, {**self.query, "page": str(number)}, self.body)

    def __repr__(self) -> str:
        return f"<Call of {self.operation}>"  # the parameters may hold secrets

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return what `rich` shows. msgspec's own method returns every field."""
        return [("operation", str(self.operation))]


class Response(Generic[T]):
    """A response of the API: `data` as models, and the response itself."""

    __slots__ = ("_raw", "data", "quota", "request_id")

    def __init__(self, data: T, raw: RawResponse, request_id: str, quota: Quota) -> None:
        self.data: T = data
        self.request_id: str = request_id
        self.quota: Quota = quota
        self._raw = raw

    @property
    def status(self) -> int:
        """The HTTP status code."""
        return self._raw.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers by lower-case name. Repeated headers are joined with a comma and a space."""
        return self._raw.headers

    @property
    def raw(self) -> bytes:
        """The whole body, decompressed."""
        return self._raw.body

    def __repr__(self) -> str:
        return f"<Response {self.status}, {len(self.raw)} bytes, request {self.request_id}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.data, BufferedResponse.copy(self._raw), self.request_id, self.quota)


def _restore(data: Any, raw: RawResponse, request_id: str, quota: Quota) -> Response[Any]:
    return Response(data, raw, request_id, quota)


class _Method:
    """Creates operations of one HTTP method."""

    def __init__(self, method: str, about: str, *, repeatable: bool = False) -> None:
        self._method = method
        self._repeatable = repeatable
        self.__doc__ = about

    @overload
    def __call__(
        self,
        path: str,
        returns: Many[T],
        *,
        scope: str | None = ...,
        query: tuple[str, ...] = ...,
        body: tuple[str, ...] = ...,
        wrapper: str | None = ...,
        repeatable: bool | None = ...,
    ) -> Operation[Page[T]]: ...
    @overload
    def __call__(
        self,
        path: str,
        returns: type[T],
        *,
        scope: str | None = ...,
        query: tuple[str, ...] = ...,
        body: tuple[str, ...] = ...,
        wrapper: str | None = ...,
        repeatable: bool | None = ...,
    ) -> Operation[T]: ...
    @overload
    def __call__(
        self,
        path: str,
        returns: None = ...,
        *,
        scope: str | None = ...,
        query: tuple[str, ...] = ...,
        body: tuple[str, ...] = ...,
        wrapper: str | None = ...,
        repeatable: bool | None = ...,
    ) -> Operation[None]: ...
    def __call__(
        self,
        path: str,
        returns: Any = None,
        *,
        scope: str | None = None,
        query: tuple[str, ...] = (),
        body: tuple[str, ...] = (),
        wrapper: str | None = None,
        repeatable: bool | None = None,
    ) -> Operation[Any]:
        return Operation(
            method=self._method,
            path=path,
            returns=returns,
            scope=scope,
            query=query,
            body=body,
            wrapper=wrapper,
            repeatable=self._repeatable if repeatable is None else repeatable,
        )


get: _Method = _Method("GET", "Operation that reads. Every list also has the query parameter `page`.", repeatable=True)
post: _Method = _Method("POST", "Operation that creates or starts something.")
put: _Method = _Method("PUT", "Operation that replaces something.")
patch: _Method = _Method("PATCH", "Operation that changes a part of something.")
delete: _Method = _Method("DELETE", "Operation that deletes or stops something.")
