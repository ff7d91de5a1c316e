"""Parameters of operations: their types, which of them are required, and the check before a request is sent."""

from __future__ import annotations

import enum
import functools
import types
import typing
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, TypeVar, cast

import msgspec

from ..secret import Secret
from .arguments import brief, check_sendable

__all__ = ["CommaSeparated", "Nested", "Parameter", "parameters", "to_text"]

T = TypeVar("T")

_COMMA = "comma-separated"
CommaSeparated = Annotated[T, _COMMA]
"""Type of a list that is sent in a body as a comma-separated string. Lists in a query are always sent this way."""

_NAMES = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "True or False",
    list: "a list",
    dict: "a mapping",
}


class Nested(msgspec.Struct, frozen=True):
    """Type of a parameter that is an object with parameters of its own, or a list of such objects if `many`."""

    parameters: Mapping[str, Any]
    many: bool = False
    required: bool = True


class Parameter(msgspec.Struct, frozen=True, dict=True):
    """A query or body parameter.

    `kind` is its type without None; a type with None makes it optional. `joined` means that a list is sent as text.
    """

    name: str
    kind: Any
    required: bool
    joined: bool = False

    @functools.cached_property
    def base(self) -> type:
        """The class of the values: that of the members of an enumeration, `list` for lists, `dict` for mappings."""
        if self.choices is not None:
            return type(self.choices[0])
        if isinstance(self.kind, Nested):
            return list if self.kind.many else dict
        origin = typing.get_origin(self.kind)
        found: Any = origin or self.kind
        return found if isinstance(found, type) and found is not Any else object

    @functools.cached_property
    def item(self) -> Parameter | None:
        """The items of a list, or None for anything else."""
        if self.base is not list:
            return None
        if isinstance(self.kind, Nested):
            return Parameter(self.name, Nested(self.kind.parameters), required=True)
        (kind,) = typing.get_args(self.kind) or (object,)
        return Parameter(self.name, kind, required=True)

    @functools.cached_property
    def fields(self) -> tuple[Parameter, ...] | None:
        """The parameters of an object, or None for anything else."""
        nested = self.kind if isinstance(self.kind, Nested) and not self.kind.many else None
        return None if nested is None else parameters(nested.parameters)

    @functools.cached_property
    def choices(self) -> tuple[str | int, ...] | None:
        """The values of an enumeration, or None if any value is allowed."""
        kind: object = self.kind
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            return tuple(member.value for member in kind)
        return typing.get_args(self.kind) if typing.get_origin(self.kind) is typing.Literal else None

    def check(self, value: object) -> object:
        """Return `value` as it is sent. Raises TypeError for another type and ValueError for a value not allowed.

        No message contains the value, which may be a secret, unless the parameter is an enumeration.
        """
        if self.base is Secret:
            secret = value if isinstance(value, Secret) else Secret(self._typed(value, str))
            check_sendable(self.name, secret.reveal())
            return secret
        if isinstance(value, enum.Enum):
            value = value.value
        if self.choices is not None:
            return self._chosen(value)
        if self.item is not None:
            if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
                raise self._wrong_type(value, list)  # pyright: ignore[reportUnknownArgumentType]
            items = [self.item.check(each) for each in cast("Iterable[object]", value)]
            if not items and self.item.choices is not None:
                raise ValueError(f"invalid {self.name}: must not be empty; leave it out instead")
            return to_text(self.name, items) if self.joined else items
        if self.fields is not None:
            return self._object(self.fields, self._typed(value, Mapping))
        if self.base is dict:
            return self._mapping(self._typed(value, Mapping))
        return value if self.base is object else self._typed(value, self.base)

    def _object(self, fields: tuple[Parameter, ...], values: Mapping[str, object]) -> dict[str, object]:
        present = {name for name, value in values.items() if value is not None}
        missing = [field.name for field in fields if field.required and field.name not in present]
        unknown = sorted(map(str, values.keys() - {field.name for field in fields}))
        if missing or unknown:
            raise TypeError(f"invalid {self.name}: missing {missing}, unknown {unknown}")
        return {field.name: field.check(values[field.name]) for field in fields if field.name in present}

    def _mapping(self, values: Mapping[object, object]) -> dict[object, object]:
        """Return a mapping with strings as keys and values of the declared type."""
        _, kind = typing.get_args(self.kind) or (str, object)
        item = Parameter(self.name, Any if kind is object else kind, required=True)
        if not all(isinstance(key, str) for key in values):
            raise TypeError(f"invalid {self.name}: expected strings as keys")
        return {key: item.check(value) for key, value in values.items()}

    def _chosen(self, value: object) -> object:
        choices = self.choices or ()
        # True == 1, so compare the types too.
        if any(value == choice and type(value) is type(choice) for choice in choices):
            return value
        allowed = ", ".join(map(repr, choices))
        if isinstance(value, str):
            shown = repr(value[:30])
        else:
            shown = brief(value) if isinstance(value, int | float) else type(value).__name__
        raise ValueError(f"invalid {self.name} ({shown}): expected one of {allowed}")

    def _typed(self, value: object, kind: type) -> Any:
        if isinstance(value, Secret) and kind is str:
            return value.reveal() if self.base is Secret else value
        if kind is float and type(value) is int:
            return value
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self._wrong_type(value, kind)
        if isinstance(value, str | int):
            check_sendable(self.name, value)
        return value

    def _wrong_type(self, value: object, kind: type) -> TypeError:
        wanted = _NAMES.get(self.base, _NAMES.get(kind, kind.__name__))
        return TypeError(f"invalid {self.name}: expected {wanted}, not {type(value).__name__}")


def to_text(name: str, value: object) -> str:
    """Return a value as text for a query. Raises TypeError for a secret, because URLs are logged."""
    if isinstance(value, Secret):
        raise TypeError(f"invalid {name}: a secret cannot be part of a URL or of a list")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list | tuple):
        items = [to_text(name, item) for item in cast("Iterable[object]", value)]
        if any("," in item for item in items):
            raise ValueError(f"invalid {name}: an item contains a comma, which separates items")
        return ",".join(items)
    plain = value.value if isinstance(value, enum.Enum) else value
    if isinstance(plain, str | int):
        check_sendable(name, plain)
    return str(plain)


def parameters(types_by_name: Mapping[str, Any]) -> tuple[Parameter, ...]:
    """Return the parameters with these types."""
    return tuple(_parameter(name, kind) for name, kind in types_by_name.items())


def _parameter(name: str, kind: Any) -> Parameter:
    if isinstance(kind, Nested):
        return Parameter(name, kind, kind.required)
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        arguments = typing.get_args(kind)
        others = [argument for argument in arguments if argument is not types.NoneType]
        if len(others) != 1 or len(arguments) != 2:
            raise TypeError(f"invalid type of {name}: None is the only alternative that a parameter can have")
        return msgspec.structs.replace(_parameter(name, others[0]), required=False)
    if typing.get_origin(kind) is Annotated:
        return Parameter(name, typing.get_args(kind)[0], required=True, joined=_COMMA in typing.get_args(kind))
    return Parameter(name, kind, required=True)
