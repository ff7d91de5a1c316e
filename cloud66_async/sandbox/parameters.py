"""Parameters of a request from the query, a form or a JSON body, converted to their declared types."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

import msgspec

from ..operation import Operation
from ..secret import Secret
from .message import Rejected, Request, error_reply

if TYPE_CHECKING:
    from .._core.parameters import Parameter

__all__ = ["bad_request", "read_parameters"]

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_INTEGER = re.compile(r"-?\d+")
_NESTED = re.compile(r"(\w+)\[(\w+)\](\[\])?")


def bad_request(message: str) -> Rejected:
    """Return the 400 for a request whose parameters cannot be used."""
    return Rejected(error_reply(400, "bad_request", message))


def read_parameters(operation: Operation[Any], request: Request) -> dict[str, Any]:
    """Return the values of the operation's parameters by name. Unknown ones and those that are not set are ignored.

    Raises Rejected with 400 if a required parameter is missing or a value has the wrong type.
    """
    declared = (*operation.query_parameters, *operation.body_parameters)
    if not declared:
        return {}
    given = _given(operation, request)
    present = [item for item in declared if _is_set(item, given.get(item.name), in_query=item.name in operation.query)]
    absent = [item.name for item in declared if item.required and item not in present]
    if absent:
        raise bad_request(f"Missing parameters: {', '.join(absent)}")
    return {item.name: _value(item, given[item.name]) for item in present}


def _is_set(parameter: Parameter, value: object, *, in_query: bool) -> bool:
    """Return whether a request sets a parameter.

    Clients whose fields always have a value send an empty string for what is not set. In a body it can also be meant,
    unless the parameter is an optional enumeration, number or truth value. Some clients send the parameters of a query
    in the body.
    """
    if value != "":
        return value is not None
    not_text = parameter.choices is not None or parameter.base in (int, float, bool)
    return not in_query and (parameter.required or not not_text)


def _given(operation: Operation[Any], request: Request) -> dict[str, Any]:
    """Return what the request has, by name and without the operation's wrapper."""
    body = request.data
    query = [(name, value) for name, value in request.query if value]
    found = _pairs(query, operation.wrapper) | _pairs(body.items(), operation.wrapper)
    wrapped = body.get(operation.wrapper) if operation.wrapper is not None else None
    if isinstance(wrapped, Mapping):
        found |= cast("dict[str, Any]", wrapped)
    return found


def _pairs(pairs: Iterable[tuple[str, Any]], wrapper: str | None) -> dict[str, Any]:
    """Return names with their values. `name[]` is an item of a list, `wrapper[name]` a value in the wrapper."""
    found: dict[str, Any] = {}
    for pair, value in pairs:
        name = pair
        nested = _NESTED.fullmatch(name)
        if nested is not None and nested[1] == wrapper:
            name = nested[2] + (nested[3] or "")
        if name.endswith("[]"):
            found.setdefault(name[:-2], []).append(value)
        else:
            found[name] = value
    return found


def _value(parameter: Parameter, value: Any) -> Any:
    """Return `value` with the parameter's type. Raises Rejected."""
    if parameter.item is not None:
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list):
            raise bad_request(f"{parameter.name} must be a list")
        return [_value(parameter.item, item) for item in cast("list[Any]", items)]
    if isinstance(value, str):
        value = _converted(parameter, value)
    elif parameter.base is str and type(value) in (int, float):
        value = str(value)
    if parameter.fields is not None and isinstance(value, dict):
        known = {field.name for field in parameter.fields}
        value = {name: item for name, item in cast("dict[str, Any]", value).items() if name in known}
    try:
        checked = parameter.check(value)
    except (TypeError, ValueError) as error:
        raise bad_request(f"I{str(error)[1:]}") from None  # "invalid name: ..."
    return _revealed(checked)


def _revealed(value: Any) -> Any:
    """Return a checked value without `Secret`, which the sandbox does not need."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, list):
        return [_revealed(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, dict):
        return {name: _revealed(item) for name, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    return value


def _converted(parameter: Parameter, text: str) -> Any:
    """Return text from a form or a query as a value of the parameter's type, or unchanged if it has none."""
    if parameter.base is int and _INTEGER.fullmatch(text):
        return int(text)
    if parameter.base is bool:
        return _BOOLEANS.get(text.lower(), text)
    if parameter.base is dict:
        return _mapping(text)
    return text


def _mapping(text: str) -> Any:
    """Return a mapping from JSON, or from the form that the documentation shows: `name:4,other:2`."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        pairs = [pair.partition(":") for pair in text.split(",")]
        if not all(_INTEGER.fullmatch(number.strip()) for _, _, number in pairs):
            return text
        return {name.strip(): int(number) for name, _, number in pairs}
