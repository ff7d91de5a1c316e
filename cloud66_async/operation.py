"""Operations of the API as data, calls of them, and what the calls return."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import msgspec

from ._core.arguments import check_sendable
from ._core.parameters import Parameter, parameters, to_text
from ._core.response import BufferedResponse, RawResponse
from .secret import Secret

if TYPE_CHECKING:
    from .quota import Quota

__all__ = ["Call", "Many", "Operation", "Page", "Response", "delete", "get", "many", "patch", "post", "put"]

T = TypeVar("T")
R = TypeVar("R")

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_TYPED_PLACEHOLDER = re.compile(r"\{(\w+):(int|secret)\}")
_Types = Mapping[str, Any]
_Values = Mapping[str, str | int]
_NO_TYPES: Mapping[str, Any] = {}
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

    Operations are equal if all of this is equal. An operation of a resource is pickled as its name, so that another
    process has the same object as its own methods.

    Args:
        method: HTTP method in upper case.
        path: Path below the API's root, with `{name}` for each path parameter.
        returns: Type of the result, or None.
        scope: Scope that the documentation requires.
        query: Types of the query parameters by name. A type with None makes a parameter optional. Lists also have
            `page`.
        body: Types of the body parameters by name.
        wrapper: Key that the API expects around the body.
        repeatable: Whether sending the request twice does no harm.
        integers: Names of the path parameters that are integers.
        secrets: Names of the path parameters that are secrets.
        fixed: Values that a variant always sends.
        base: Operation that this is a variant of, or None.
    """

    method: str
    path: str
    returns: Any
    scope: str | None = None
    query: Mapping[str, Any] = _NO_TYPES
    body: Mapping[str, Any] = _NO_TYPES
    wrapper: str | None = None
    repeatable: bool = False
    integers: frozenset[str] = frozenset()
    secrets: frozenset[str] = frozenset()
    fixed: Mapping[str, Any] = _NO_TYPES
    base: Operation[Any] | None = None

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of the path parameters."""
        return frozenset(_PLACEHOLDER.findall(self.path))

    @cached_property
    def query_parameters(self) -> tuple[Parameter, ...]:
        """The query parameters, except `page`."""
        return parameters(self.query)

    @cached_property
    def body_parameters(self) -> tuple[Parameter, ...]:
        """The body parameters."""
        return parameters(self.body)

    @property
    def asynchronous(self) -> bool:
        """Whether the operation starts an action, which `Actions.wait` waits for."""
        return self.method != "GET" and hasattr(self.returns, "async_action_id")

    @cached_property
    def _template(self) -> str:
        return _PLACEHOLDER.sub(r"%(\1)s", self.path)

    @cached_property
    def _required(self) -> frozenset[str]:
        declared = (*self.query_parameters, *self.body_parameters)
        return self.names.union(parameter.name for parameter in declared if parameter.required)

    @cached_property
    def _known(self) -> frozenset[str]:
        return self.names.union(self.query, self.body)

    @cached_property
    def _path_suffices(self) -> bool:
        """Whether a call without query and body is complete."""
        return not self.body and not self.fixed and not self.integers and self._required == self.names

    def bind(self, **values: object) -> Call[T]:
        """Return a call with these parameters. Values that are None are left out.

        Raises TypeError if a name is missing or unknown or a value has the wrong type, and ValueError if a path
        parameter is empty or a value is not among those that the API accepts.
        """
        given = values.keys()
        if given == self.names and self._path_suffices:
            for name, value in values.items():
                values[name] = _segment(name, value)
            return Call(self, self._template % values)
        present = {name for name, value in values.items() if value is not None}
        if not self._required <= present or not given <= self._known:
            missing, unknown = sorted(self._required - present), sorted(given - self._known)
            raise TypeError(f"wrong parameters for {self}: missing {missing}, unknown {unknown}")
        for name in self.integers:
            if type(values[name]) is not int:
                raise TypeError(f"invalid {name}: expected an integer, not {type(values[name]).__name__}")
        path = self._template % {name: _segment(name, values[name]) for name in self.names}
        query = {name: to_text(name, value) for name, value in _checked(self.query_parameters, values)}
        body = dict(_checked(self.body_parameters, values))
        if self.fixed:
            (query if self.method == "GET" else body).update(self.fixed)
        return Call(self, path, query, body if self.body or body else None)

    @overload
    def variant(
        self, returns: type[R], *, query: _Types = ..., body: _Types = ..., fixed: _Values = ...
    ) -> Operation[R]: ...
    @overload
    def variant(
        self, returns: None = ..., *, query: _Types = ..., body: _Types = ..., fixed: _Values = ...
    ) -> Operation[T]: ...
    def variant(
        self, returns: Any = None, *, query: _Types = _NO_TYPES, body: _Types = _NO_TYPES, fixed: _Values = _NO_TYPES
    ) -> Operation[Any]:
        """Return an operation with the same method and path, but with parameters or a result of its own.

        `fixed` has the values that it always sends, by name.
        """
        result = self.returns if returns is None else returns
        return msgspec.structs.replace(self, returns=result, query=query, body=body, fixed=fixed, base=self)

    @cached_property
    def _origin(self) -> tuple[str, str] | None:
        """The module of the resource that defines this operation, and its name there."""
        prefix = f"{__package__}.resources."
        for module, content in sys.modules.copy().items():
            if module.startswith(prefix):
                for name, value in vars(content).items():
                    if value is self:
                        return module, name
        return None

    def __reduce__(self) -> tuple[Any, ...]:
        fields: Any = msgspec.Struct.__reduce__(self)
        return fields if self._origin is None else (_find_operation, self._origin)

    def __eq__(self, other: object) -> bool:
        return self is other or (type(other) is type(self) and _fields(self) == _fields(other))

    def __hash__(self) -> int:
        return hash((self.method, self.path))

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def _find_operation(module: str, name: str) -> Any:
    return getattr(import_module(module), name)


def _fields(value: Any) -> list[Any]:
    return [getattr(value, name) for name in value.__struct_fields__]


def _checked(declared: tuple[Parameter, ...], values: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Yield the name and the value of each parameter that is given."""
    for parameter in declared:
        value = values.get(parameter.name)
        if value is not None:
            yield parameter.name, parameter.check(value)


def _segment(name: str, value: object) -> str:
    """Return `value` as one percent-encoded path segment."""
    if type(value) is str and value.isalnum() and value.isascii():
        return value  # nearly every uid
    if isinstance(value, Secret):
        value = value.reveal()
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise TypeError(f"invalid {name}: expected a string or an integer, not {type(value).__name__}")
    check_sendable(name, value)
    text = str(value)
    if not text:
        raise ValueError(f"invalid {name}: must not be empty")
    if not text.strip("."):
        return text.replace(".", "%2E")  # "." and ".." would change the path
    from urllib.parse import quote  # imported lazily: takes 3 ms, and few uids need it

    return quote(text, safe="")


class Call(msgspec.Struct, Generic[T], frozen=True, eq=False):
    """An operation with its parameters. `path` is percent-encoded, `query` is not. Calls are equal if these are."""

    operation: Operation[T]
    path: str
    query: Mapping[str, str] = _NO_VALUES
    body: Any = None

    def page(self, number: int) -> Call[T]:
        """Return the same call for this page of the list."""
        return Call(self.operation, self.path, {**self.query, "page": str(number)}, self.body)

    def __eq__(self, other: object) -> bool:
        return self is other or (type(other) is type(self) and _fields(self) == _fields(other))

    def __hash__(self) -> int:
        return hash((self.operation.method, self.path))  # the parameters may not be hashable

    def __str__(self) -> str:
        """Return the HTTP method and the path with its values, except secrets."""
        operation = self.operation
        if not operation.secrets:
            return f"{operation.method} {self.path}"
        pairs = zip(operation.path.split("/"), self.path.split("/"), strict=True)
        hidden = {f"{{{name}}}" for name in operation.secrets}
        shown = (name if name.removesuffix(".json") in hidden else value for name, value in pairs)
        return f"{operation.method} {'/'.join(shown)}"

    def __repr__(self) -> str:
        return f"<Call of {self.operation}>"  # the parameters may hold secrets

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return what `rich` shows. msgspec's own method returns every field."""
        return [("operation", str(self.operation))]


class Response(Generic[T]):
    """A response of the API: `data` as models, and the response itself.

    If the client shares reads and another read has received it, `age` is the number of seconds since then. Otherwise it
    is None.
    """

    __slots__ = ("_raw", "age", "data", "quota", "request_id")

    def __init__(self, data: T, raw: RawResponse, request_id: str, quota: Quota, age: float | None = None) -> None:
        self.data: T = data
        self.request_id: str = request_id
        self.quota: Quota = quota
        self.age: float | None = age
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
        return _restore, (self.data, BufferedResponse.copy(self._raw), self.request_id, self.quota, self.age)


def _restore(data: Any, raw: RawResponse, request_id: str, quota: Quota, age: float | None = None) -> Response[Any]:
    return Response(data, raw, request_id, quota, age)


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
        query: Mapping[str, Any] = ...,
        body: Mapping[str, Any] = ...,
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
        query: Mapping[str, Any] = ...,
        body: Mapping[str, Any] = ...,
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
        query: Mapping[str, Any] = ...,
        body: Mapping[str, Any] = ...,
        wrapper: str | None = ...,
        repeatable: bool | None = ...,
    ) -> Operation[None]: ...
    def __call__(
        self,
        path: str,
        returns: Any = None,
        *,
        scope: str | None = None,
        query: Mapping[str, Any] = _NO_TYPES,
        body: Mapping[str, Any] = _NO_TYPES,
        wrapper: str | None = None,
        repeatable: bool | None = None,
    ) -> Operation[Any]:
        kinds = dict(_TYPED_PLACEHOLDER.findall(path))
        return Operation(
            method=self._method,
            path=_TYPED_PLACEHOLDER.sub(r"{\1}", path),
            returns=returns,
            scope=scope,
            query=query,
            body=body,
            wrapper=wrapper,
            repeatable=self._repeatable if repeatable is None else repeatable,
            integers=frozenset(name for name, kind in kinds.items() if kind == "int"),
            secrets=frozenset(name for name, kind in kinds.items() if kind == "secret"),
        )


get: _Method = _Method("GET", "Operation that reads. Every list also has the query parameter `page`.", repeatable=True)
post: _Method = _Method("POST", "Operation that creates or starts something.")
put: _Method = _Method("PUT", "Operation that replaces something.")
patch: _Method = _Method("PATCH", "Operation that changes a part of something.")
delete: _Method = _Method("DELETE", "Operation that deletes or stops something.")
