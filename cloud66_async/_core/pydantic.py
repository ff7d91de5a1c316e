"""Schemas of models for pydantic, and so for FastAPI and OpenAPI. Imported when pydantic asks for one."""

from __future__ import annotations

import enum
import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs

__all__ = ["core_schema", "json_schema"]

_JSON_TYPES: Mapping[object, dict[str, Any]] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    type(None): {"type": "null"},
}


def core_schema(model: Any, plain: Callable[..., Any]) -> Any:
    """Return a pydantic schema that accepts only instances of `model` and serializes them with `plain`."""
    from pydantic_core import SchemaSerializer, core_schema as schemas

    json = SchemaSerializer(schemas.any_schema())

    def serialize(value: object, info: Any) -> Any:
        def is_omitted(field: attrs.Attribute[Any], item: object) -> bool:
            return _is_omitted(field, item, info)

        found = plain(value, is_omitted)
        if info.include is None and info.exclude is None:
            return found
        return json.to_python(found, include=info.include, exclude=info.exclude)

    return schemas.is_instance_schema(
        model,
        ref=f"{model.__module__}.{model.__qualname__}",
        serialization=schemas.plain_serializer_function_ser_schema(serialize, info_arg=True),
    )


def _is_omitted(field: attrs.Attribute[Any], value: object, info: Any) -> bool:
    """Return whether pydantic's options omit this field. A model does not record whether the API sent a default."""
    if value is None and info.exclude_none:
        return True
    return (
        (info.exclude_defaults or info.exclude_unset) and field.default is not attrs.NOTHING and value == field.default
    )


def json_schema(model: Any, kinds: Mapping[object, dict[str, Any]], outer: tuple[object, ...] = ()) -> dict[str, Any]:
    """Return the JSON schema of `to_dict`. `kinds` has the schemas of the SDK's own types."""
    if model in outer:
        return {"type": "object"}
    hints = get_type_hints(model, include_extras=True)
    properties = {name: _schema(hints[name], kinds, (*outer, model)) for name in attrs.fields_dict(model)}
    described: dict[str, Any] = {"title": model.__name__, "type": "object", "properties": properties}
    summary = (model.__doc__ or "").partition("\n")[0]
    if summary:
        described["description"] = summary
    required = [field.name for field in attrs.fields(model) if field.default is attrs.NOTHING]
    if required:
        described["required"] = required
    return described


def _schema(hint: Any, kinds: Mapping[object, dict[str, Any]], outer: tuple[object, ...]) -> dict[str, Any]:
    known = kinds.get(hint) or _JSON_TYPES.get(hint)
    if known is not None:
        return dict(known)
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(choice, kinds, outer) for choice in get_args(hint)]}
    if not isinstance(origin or hint, type):
        return {}
    return _class_schema(origin or hint, get_args(hint), kinds, outer)


def _class_schema(
    kind: type, arguments: tuple[Any, ...], kinds: Mapping[object, dict[str, Any]], outer: tuple[object, ...]
) -> dict[str, Any]:
    if attrs.has(kind):
        return json_schema(kind, kinds, outer)
    if issubclass(kind, enum.Enum):
        return _enumeration_schema(kind)
    if issubclass(kind, Mapping):
        return {"type": "object", "additionalProperties": True}
    if issubclass(kind, Sequence):
        return {"type": "array", "items": _schema(arguments[0], kinds, outer) if arguments else {}}
    return {}


def _enumeration_schema(kind: type[enum.Enum]) -> dict[str, Any]:
    """Return the schema of an enumeration. It has no `enum` key: the API adds members, and they are passed through."""
    number = issubclass(kind, int)
    text = inspect.cleandoc(kind.__doc__ or "")
    known = ", ".join(f"{member.value}: {member}" if number else str(member.value) for member in kind)
    return {
        "title": kind.__name__,
        "type": "integer" if number else "string",
        "description": f"{text}\n\nKnown values: {known}. The API may add others.".lstrip(),
        "x-extensible-enum": [member.value for member in kind],
    }
