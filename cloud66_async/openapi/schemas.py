"""JSON schemas of parameters and models, from their types."""

from __future__ import annotations

import enum
import inspect
import re
import types
import typing
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, cast

import attrs

from .._core.enums import OpenIntEnum, OpenStrEnum
from .._core.model import IsoTimestamp, Timestamp
from .._core.parameters import Parameter
from ..secret import Secret
from .descriptions import describe
from .methods import about_the_api

__all__ = ["Schema", "Schemas", "any_of", "described"]

Schema = dict[str, Any]

_JSON_TYPES: Mapping[type, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}
_DATE_TIME: Schema = {"type": "string", "format": "date-time"}
_SECRET: Schema = {"type": "string", "format": "password"}
_ANYTHING: Schema = {}
_TIMESTAMP = "Timestamp"
_TIMESTAMP_SCHEMA: Schema = {
    "description": "A point in time. Without a timezone, it is UTC.",
    "anyOf": [
        _DATE_TIME,
        {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( UTC|[+-]\d{4})?$"},
        {"type": "number", "description": "Seconds since the beginning of 1970."},
    ],
}


class Schemas:
    """Schemas of types. `components` has those of classes, by name; other schemas refer to them."""

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}
        self._classes: dict[str, object] = {}

    def of(self, hint: Any) -> Schema:
        """Return the schema of a type."""
        if hint in (IsoTimestamp, datetime):
            return dict(_DATE_TIME)
        if hint is Timestamp:
            self.components[_TIMESTAMP] = _TIMESTAMP_SCHEMA
            return _reference(_TIMESTAMP)
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin in (typing.Annotated, typing.NotRequired, typing.Required):
            return self.of(arguments[0])
        if origin is typing.Literal:
            return _choices(arguments)
        if origin in (typing.Union, types.UnionType):
            return self._union(arguments)
        kind = origin or hint
        return self._class(cast("type[Any]", kind), arguments) if isinstance(kind, type) else dict(_ANYTHING)

    def parameter(self, parameter: Parameter) -> Schema:
        """Return the schema of a parameter. In contrast to those in responses, enumerations are closed."""
        if parameter.choices is not None:
            return _choices(parameter.choices)
        if parameter.fields is not None:
            return self.object(parameter.fields)
        if parameter.item is None:
            return self.of(parameter.kind)
        items = self.parameter(parameter.item)
        return _comma_separated(items) if parameter.joined else {"type": "array", "items": items}

    def object(self, declared: Iterable[Parameter]) -> Schema:
        """Return the schema of an object with these properties."""
        found = tuple(declared)
        required = [parameter.name for parameter in found if parameter.required]
        schema: Schema = {"type": "object", "properties": {each.name: self.parameter(each) for each in found}}
        return schema | ({"required": required} if required else {})

    def _union(self, choices: tuple[Any, ...]) -> Schema:
        schema = any_of([self.of(choice) for choice in choices if choice is not types.NoneType])
        return _nullable(schema) if types.NoneType in choices else schema

    def _class(self, kind: type[Any], arguments: tuple[Any, ...]) -> Schema:  # noqa: PLR0911  one line for each kind
        if kind is Secret:
            return dict(_SECRET)
        if kind in _JSON_TYPES:
            return {"type": _JSON_TYPES[kind]}
        if attrs.has(kind) or issubclass(kind, enum.Enum):
            return self._component(kind)
        if typing.is_typeddict(kind):
            return self._typed_dict(kind)
        if issubclass(kind, Mapping):
            values = self.of(arguments[1]) if len(arguments) == 2 else _ANYTHING
            return {"type": "object"} | ({"additionalProperties": values} if values else {})
        if issubclass(kind, Iterable):
            return {"type": "array", "items": self.of(arguments[0]) if arguments else dict(_ANYTHING)}
        return dict(_ANYTHING)

    def _typed_dict(self, kind: Any) -> Schema:
        hints = typing.get_type_hints(kind, include_extras=True)
        required = [
            name
            for name, hint in hints.items()
            if name in kind.__required_keys__ and typing.get_origin(hint) is not typing.NotRequired
        ]
        properties = {name: self.of(hint) for name, hint in hints.items()}
        return {"type": "object", "properties": properties} | ({"required": required} if required else {})

    def _component(self, kind: type) -> Schema:
        name = kind.__name__
        known = self._classes.setdefault(name, kind)
        if known is not kind:
            raise ValueError(f"two models have the name {name}: {known} and {kind}; rename one of them")
        if name not in self.components:
            self.components[name] = {}  # ends the recursion of a model that contains itself
            self.components[name] = _enumeration(kind) if issubclass(kind, enum.Enum) else self._model(kind)
        return _reference(name)

    def _model(self, model: Any) -> Schema:
        hints = typing.get_type_hints(model, include_extras=True)
        fields = [field for field in attrs.fields(model) if not _is_set_by_the_sdk(model, field.name)]
        found = describe(model, attrs.fields_dict(model))
        properties = {
            field.name: described(self._field(model, field.name, hints), about_the_api(found.attributes[field.name]))
            for field in fields
        }
        required = [field.name for field in fields if field.default is attrs.NOTHING]
        schema: Schema = {"description": about_the_api(found.text), "type": "object", "properties": properties}
        return schema | ({"required": required} if required else {})

    def _field(self, model: Any, name: str, hints: Mapping[str, Any]) -> Schema:
        # A model has a method for a secret that is not text: it returns the data.
        return dict(_ANYTHING) if hasattr(model, f"reveal_{name}") else self.of(hints[name])


def any_of(schemas: Iterable[Schema]) -> Schema:
    """Return the schema of values that match one of these schemas."""
    distinct: list[Schema] = []
    for schema in schemas:
        if schema not in distinct:
            distinct.append(schema)
    return distinct[0] if len(distinct) == 1 else {"anyOf": distinct}


def _is_set_by_the_sdk(model: Any, field: str) -> bool:
    """Return whether the field is the uid of an action's stack, which is not in the response."""
    return field == "stack" and hasattr(model, "async_action_id")


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def described(schema: Schema, description: str) -> Schema:
    """Return the schema with this description, if there is one, before its own."""
    text = " ".join(filter(None, (description, schema.get("description"))))
    return schema | ({"description": text} if text else {})


def _nullable(schema: Schema) -> Schema:
    if not schema:
        return schema
    if "enum" in schema:
        schema = schema | {"enum": [*schema["enum"], None]}
    if isinstance(schema.get("type"), str):
        return schema | {"type": [schema["type"], "null"]}
    return {"anyOf": [*schema.get("anyOf", [schema]), {"type": "null"}]}


def _choices(values: Iterable[Any]) -> Schema:
    found = list(values)
    names = sorted({_JSON_TYPES[type(value)] for value in found})
    return {"type": names[0] if len(names) == 1 else names, "enum": found}


def _comma_separated(items: Schema) -> Schema:
    """Return the schema of a list that is sent as text."""
    schema: Schema = {"type": "string", "description": "List, separated by commas."}
    if "enum" not in items:
        return schema
    choice = "|".join(re.escape(str(value)) for value in items["enum"])
    return schema | {"pattern": f"^({choice})(,({choice}))*$"}


def _enumeration(kind: type[enum.Enum]) -> Schema:
    """Return the schema of an enumeration. If the API may add members, it allows every value of the type."""
    values = [member.value for member in kind]
    names = [member.name for member in kind]
    text = about_the_api(inspect.cleandoc(kind.__doc__ or ""))
    if not issubclass(kind, OpenIntEnum | OpenStrEnum):
        return {"description": text, **_choices(values), "x-enum-varnames": names}
    known = ", ".join(
        f"{value}: {name.lower()}" if value != name.lower() else value
        for value, name in zip(values, names, strict=True)
    )
    return {
        "description": f"{text}\n\nKnown values: {known}. The API may add others.",
        "type": "integer" if issubclass(kind, int) else "string",
        "x-extensible-enum": values,
        "x-enum-varnames": names,
    }
