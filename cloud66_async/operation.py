"""An operation of the API, as data; a call of it; and what comes back."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

import msgspec

if TYPE_CHECKING:
    from ._lane import Answer
    from .quota import Quota

__all__ = ["Call", "Many", "Operation", "Page", "Response", "delete", "get", "many", "patch", "post", "put"]

T = TypeVar("T")

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_NOTHING: Mapping[str, Any] = {}


class Many(msgspec.Struct, Generic[T], frozen=True):
    """The shape of an answer that is a list of `item`, page by page."""

    item: type[T]


def many(item: type[T]) -> Many[T]:
    """The shape of a list of `item`."""
    return Many(item)


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list.

    `next` is the number of the next page, None on the last; `pages` and `count` are the totals of the
    whole list where the answer had them (the documentation shows 30 items a page).
    """

    items: tuple[T, ...]
    number: int = 1
    next: int | None = None
    pages: int | None = None
    count: int | None = None


class Operation(msgspec.Struct, Generic[T], kw_only=True, frozen=True, eq=False, dict=True):
    """A verb and a path with what goes into them; `at()` makes a call of it.

    `query` and `body` name the parameters that the API knows, `wrapper` the key under which it wants
    the body. `scope` is the one that the documentation asks for. `repeatable` says whether a second
    request does no harm.
    """

    method: str
    path: str
    shape: Any
    scope: str | None = None
    query: tuple[str, ...] = ()
    body: tuple[str, ...] = ()
    wrapper: str | None = None
    repeatable: bool = False

    @cached_property
    def names(self) -> frozenset[str]:
        """What has to be filled into the path."""
        return frozenset(_PLACEHOLDER.findall(self.path))

    @cached_property
    def _template(self) -> str:
        return _PLACEHOLDER.sub(r"%(\1)s", self.path)

    @cached_property
    def _known(self) -> frozenset[str]:
        return self.names.union(self.query, self.body)

    def at(self, **values: object) -> Call[T]:
        """A call with these values: those of the path as text or int, the others as the API wants them.

        What is None is left out. Raises TypeError for a name that is missing or unknown and ValueError
        for an empty path value.
        """
        given = values.keys()
        if given == self.names and not self.body:
            for name, value in values.items():
                values[name] = _segment(name, value)
            return Call(self, self._template % values)
        if not self.names <= given <= self._known:
            missing, unknown = sorted(self.names - given), sorted(given - self._known)
            raise TypeError(f"{self}: missing {missing}, unknown {unknown}")
        path = self._template % {name: _segment(name, values[name]) for name in self.names}
        query = {name: _text(values[name]) for name in self.query if values.get(name) is not None}
        body = {name: values[name] for name in self.body if values.get(name) is not None}
        return Call(self, path, query, body if self.body else None)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def _segment(name: str, value: object) -> str:
    """`value` as one segment of a path, whatever is in it."""
    if type(value) is str and value.isalnum() and value.isascii():
        return value  # nearly every uid
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise TypeError(f"{name} must be text or a number, not {type(value).__name__}")
    text = str(value)
    if not text:
        raise ValueError(f"{name} is empty")
    if not text.strip("."):
        return text.replace(".", "%2E")  # "." and ".." would climb in the path
    from urllib.parse import quote  # 3 ms to import, and for few uids

    return quote(text, safe="")


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, enum.Enum):
        return str(value.value)  # the text of a numbered state is its name, in words
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return ",".join(map(_text, cast("list[object]", value)))
    return str(value)


class Call(msgspec.Struct, Generic[T], frozen=True, eq=False):
    """An operation with everything filled in: `path` is encoded, `query` is not yet."""

    operation: Operation[T]
    path: str
    query: Mapping[str, str] = _NOTHING
    body: Mapping[str, Any] | None = None

    def page(self, number: int) -> Call[T]:
        """The same call for this page of the list."""
        return Call(self.operation, self.path, {**self.query, "page": str(number)}, self.body)

    def __repr__(self) -> str:
        return f"<Call of {self.operation}>"  # the rest may hold secrets


class Response(Generic[T]):
    """An answer of the API: `data` as models, and everything around it."""

    __slots__ = ("_answer", "data", "quota", "request_id")

    def __init__(self, data: T, answer: Answer, request_id: str, quota: Quota) -> None:
        self.data: T = data
        self.request_id: str = request_id
        self.quota: Quota = quota
        self._answer = answer

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self._answer.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers by lower-case name; repeated ones joined by a comma and a blank."""
        return self._answer.headers

    @property
    def raw(self) -> bytes:
        """The whole body as it came, unpacked."""
        return self._answer.body

    def __repr__(self) -> str:
        return f"<Response {self.status}, {len(self.raw)} bytes, request {self.request_id}>"

    def __reduce__(self) -> tuple[Any, ...]:
        kept = KeptAnswer(self.status, self.raw, dict(self.headers))
        return _respond, (self.data, kept, self.request_id, self.quota)


def _respond(data: Any, answer: Answer, request_id: str, quota: Quota) -> Response[Any]:
    return Response(data, answer, request_id, quota)


class KeptAnswer(msgspec.Struct, frozen=True, eq=False):
    """An answer without the connection that brought it."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}

    def header(self, name: bytes) -> bytes | None:
        """The header of this lower-case name, or None."""
        value = self.headers.get(name.decode("latin-1"))
        return None if value is None else value.encode("latin-1")

    def __repr__(self) -> str:
        return f"<KeptAnswer {self.status}>"


class _Verb:
    """Makes operations of one HTTP method."""

    def __init__(self, method: str, about: str, *, repeatable: bool = False) -> None:
        self._method = method
        self._repeatable = repeatable
        self.__doc__ = about

    @overload
    def __call__(
        self,
        path: str,
        shape: Many[T],
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
        shape: type[T],
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
        shape: None = ...,
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
        shape: Any = None,
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
            shape=shape,
            scope=scope,
            query=query,
            body=body,
            wrapper=wrapper,
            repeatable=self._repeatable if repeatable is None else repeatable,
        )


get: _Verb = _Verb("GET", "Read something. Lists need not name `page`: every list has it.", repeatable=True)
post: _Verb = _Verb("POST", "Make or start something.")
put: _Verb = _Verb("PUT", "Replace something.")
patch: _Verb = _Verb("PATCH", "Change a part of something.")
delete: _Verb = _Verb("DELETE", "Remove or stop something.")
