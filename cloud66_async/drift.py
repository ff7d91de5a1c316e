"""Drift: where the responses of the API differ from the models of the SDK."""

from __future__ import annotations

import functools
import re
import types
import typing
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import attrs
import msgspec

from ._core.enums import OpenIntEnum, OpenStrEnum
from ._core.timestamps import IsoTimestamp, Timestamp, parse_timestamp
from .operation import Call, Many
from .secret import Secret

if TYPE_CHECKING:
    from ._core.response import RawResponse

__all__ = ["Drift", "OperationDrift"]

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_UNIONS = (typing.Union, types.UnionType)
_TIMESTAMPS: tuple[Any, ...] = (Timestamp, IsoTimestamp, datetime)

# Limits of what a server can add to memory. Beyond them, nothing more is recorded.
_MAX_OPERATIONS = 1000
_MAX_NAMES = 200
_MAX_VALUES = 50
_MAX_NUMBER = 2**63

# Other names and values may be data of a user, for example in an object whose keys are host names.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_VALUE = re.compile(r"[a-z0-9_.-]{1,32}")
_HIDDEN_NAME = "(unusual name)"
_HIDDEN_VALUE = "unknown value"

# Fields of a started action that the SDK sets. They are not in responses.
_SET_BY_THE_SDK = ("stack", "user_reference")

_ENVELOPE = frozenset({"count", "pagination"})


class OperationDrift(msgspec.Struct, frozen=True, kw_only=True):
    """Differences in the responses to one operation. Fields have the name of their model: `Stack.name`.

    Args:
        operation: HTTP method and path template.
        responses: Number of responses that were compared.
        unreadable: How many of them could not be read as JSON.
        unknown_fields: Types of the fields that the model does not have.
        other_types: Types that differ, such as `string instead of integer`.
        unknown_values: Values that an enumeration does not have, by its name.
        missing: How many objects lacked a field, and how many objects there were.
    """

    operation: str
    responses: int
    unreadable: int
    unknown_fields: Mapping[str, str]
    other_types: Mapping[str, str]
    unknown_values: Mapping[str, tuple[int | str, ...]]
    missing: Mapping[str, tuple[int, int]]

    @property
    def never_sent(self) -> tuple[str, ...]:
        """The fields that no object had."""
        return tuple(name for name, (missing, objects) in self.missing.items() if missing == objects)

    def __str__(self) -> str:
        lines = [f"{self.operation}: {_count(self.responses, 'response')}"]
        if self.unreadable:
            lines.append(f"unreadable: {_count(self.unreadable, 'response')}")
        lines += [f"unknown field: {name}: {kind}" for name, kind in self.unknown_fields.items()]
        lines += [f"other type: {name}: {kinds}" for name, kinds in self.other_types.items()]
        for name, values in self.unknown_values.items():
            lines.append(f"unknown value: {name}: {', '.join(map(str, values))}")
        never = self.never_sent
        if never:
            lines.append(f"never sent: {', '.join(never)}")
        partly = [f"{name} ({n} of {of})" for name, (n, of) in self.missing.items() if name not in never]
        if partly:
            lines.append(f"sometimes missing: {', '.join(partly)}")
        return "\n  ".join(lines)


class Drift:
    """Differences between the responses of the API and the models of the SDK, for a whole run.

    Pass it to one or more clients of one event loop, as `Cloud66(drift=drift)`. It compares the JSON of every
    successful response with the model of its operation. `str()` of it is a report for people.

    It records names, types and counts. The only values are unknown numbers of enumerations, and unknown words of at
    most 32 lower-case letters, digits, dots, dashes and underscores. It does not look at data in fields without a
    fixed structure, at streamed responses, and at responses to `Cloud66.request`.
    """

    def __init__(self) -> None:
        self._operations: dict[str, _Findings] = {}

    def observe(self, call: Call[Any], response: RawResponse) -> None:
        """Compare a response with the model of its operation. The client calls this for each of its responses."""
        returns = call.operation.returns
        name = str(call.operation)
        if returns is Any or (name not in self._operations and len(self._operations) >= _MAX_OPERATIONS):
            return
        findings = self._operations.setdefault(name, _Findings())
        findings.responses += 1
        try:
            _check_response(response.body, returns, findings)
        except _UNREADABLE:
            findings.unreadable += 1

    def report(self) -> tuple[OperationDrift, ...]:
        """Return what was found, one item for each operation, in alphabetical order."""
        return tuple(findings.report(name) for name, findings in sorted(self._operations.items()))

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-ready values, by operation."""
        found: list[dict[str, Any]] = [msgspec.to_builtins(each) for each in self.report()]
        return {each.pop("operation"): each for each in found}

    def __str__(self) -> str:
        return "\n".join(map(str, self.report())) or "no responses"

    def __repr__(self) -> str:
        responses = sum(findings.responses for findings in self._operations.values())
        return f"<Drift: {_count(responses, 'response')} to {_count(len(self._operations), 'operation')}>"


class _Findings:
    """What was found for one operation."""

    def __init__(self) -> None:
        self.responses = 0
        self.unreadable = 0
        self._unknown: dict[str, set[str]] = {}
        self._types: dict[str, tuple[str, set[str]]] = {}
        self._values: dict[str, set[int | str]] = {}
        self._objects: dict[str, int] = {}
        self._missing: dict[tuple[str, str], int] = {}

    def add_object(self, model: str) -> None:
        self._objects[model] = self._objects.get(model, 0) + 1

    def add_missing(self, model: str, name: str) -> None:
        self._missing[model, name] = self._missing.get((model, name), 0) + 1

    def add_unknown(self, owner: str, name: str, value: object) -> None:
        field = f"{owner}.{name if _NAME.fullmatch(name) else _HIDDEN_NAME}"
        if field in self._unknown or len(self._unknown) < _MAX_NAMES:
            self._unknown.setdefault(field, set()).add(_json_type(value))

    def add_type(self, field: str, expected: str, found: str) -> None:
        self._types.setdefault(field, (expected, set()))[1].add(found)

    def add_value(self, enumeration: str, value: int | str) -> None:
        values = self._values.setdefault(enumeration, set())
        if len(values) < _MAX_VALUES:
            shown = abs(value) < _MAX_NUMBER if isinstance(value, int) else _VALUE.fullmatch(value)
            values.add(value if shown else _HIDDEN_VALUE)

    def report(self, operation: str) -> OperationDrift:
        """Return these findings in a fixed order."""
        return OperationDrift(
            operation=operation,
            responses=self.responses,
            unreadable=self.unreadable,
            unknown_fields={name: _either(kinds) for name, kinds in sorted(self._unknown.items())},
            other_types={
                name: f"{_either(found)} instead of {expected}"
                for name, (expected, found) in sorted(self._types.items())
            },
            unknown_values={name: tuple(sorted(values, key=_order)) for name, values in sorted(self._values.items())},
            missing={
                f"{model}.{name}": (count, self._objects[model])
                for (model, name), count in sorted(self._missing.items())
            },
        )


def _check_response(body: bytes, returns: Any, findings: _Findings) -> None:
    """Compare the body of a response with the result type of its operation."""
    data = _unwrap(msgspec.json.decode(body), findings) if body.strip() else None
    kind: Any = getattr(returns, "item", returns)
    if returns is None:
        if data not in (None, {}, []):
            findings.add_type("response", "nothing", _json_type(data))
    elif isinstance(returns, Many):
        for item in _items(data):
            _check(item, kind, "response[]", findings)
    else:
        _check(_only(data) if attrs.has(kind) else data, kind, "response", findings)


def _unwrap(data: Any, findings: _Findings) -> Any:
    """Return the data in an envelope, or a value without one."""
    match data:
        case {"response": response, **others}:
            for name in others.keys() - _ENVELOPE:
                findings.add_unknown("envelope", str(name), others[name])
            return response
        case _:
            return data


def _items(data: Any) -> list[Any]:
    """Return the items of a list. Go encodes an empty one as null, and one item may come without a list."""
    match data:
        case None:
            return []
        case [*items]:
            return items
        case _:
            return [data]


def _only(data: Any) -> Any:
    """Return the item of a list of one, or the value itself: some operations return one model as a list."""
    match data:
        case [item]:
            return item
        case _:
            return data


def _check(value: Any, hint: Any, owner: str, findings: _Findings) -> None:
    """Compare a value with its type. `owner` is the field that it belongs to."""
    kinds = typing.get_args(hint) if typing.get_origin(hint) in _UNIONS else (hint,)
    for kind in kinds:
        if _fits(value, kind):
            _check_inside(value, kind, owner, findings)
            return
    expected = [_expected_type(kind) for kind in kinds if kind is not types.NoneType]
    found = _json_type(value)
    if found == "string" and "timestamp" in expected:
        found = "string in an unknown format"
    findings.add_type(owner, " or ".join(expected), found)


def _check_inside(value: Any, kind: Any, owner: str, findings: _Findings) -> None:
    """Compare the parts of a value that has the expected type."""
    origin, arguments = typing.get_origin(kind) or kind, typing.get_args(kind)
    if not isinstance(origin, type):
        return
    if attrs.has(origin) and isinstance(value, dict):
        _check_model(cast("dict[str, Any]", value), origin, findings)
    elif issubclass(origin, list | tuple):
        for item in value if arguments else ():
            _check(item, arguments[0], f"{owner}[]", findings)
    elif issubclass(origin, OpenIntEnum | OpenStrEnum) and not origin(value).known:
        findings.add_value(origin.__name__, value)


def _check_model(data: dict[str, Any], kind: Any, findings: _Findings) -> None:
    model, fields = kind.__name__, _fields(kind)
    findings.add_object(model)
    for name in data.keys() - fields.keys():
        findings.add_unknown(model, name, data[name])
    for name, hint in fields.items():
        if name in data:
            _check(data[name], hint, f"{model}.{name}", findings)
        elif not _is_optional_twin(name, fields, data) and not _is_set_by_the_sdk(kind, name):
            findings.add_missing(model, name)


def _is_optional_twin(name: str, fields: Mapping[str, Any], data: Mapping[str, Any]) -> bool:
    """Return whether the API sends the time of this field in another: in `x_at`, in `x_at_iso`, or in both."""
    return name.removesuffix("_iso") in fields if name.endswith("_iso") else f"{name}_iso" in data


def _is_set_by_the_sdk(model: type, name: str) -> bool:
    return name in _SET_BY_THE_SDK and hasattr(model, "async_action_id")


@functools.cache
def _fields(model: Any) -> dict[str, Any]:
    """Return the types of a model's fields by name."""
    hints = typing.get_type_hints(model, include_extras=True)
    # A model has a method for a secret that is not text: it returns the data.
    return {name: Any if hasattr(model, f"reveal_{name}") else hints[name] for name in attrs.fields_dict(model)}


def _fits(value: Any, kind: Any) -> bool:
    """Return whether a JSON value has this type, strictly."""
    if kind in _TIMESTAMPS:
        return _is_timestamp(value)
    names = _json_types(kind)
    return not names or _json_type(value) in names


def _is_timestamp(value: Any) -> bool:
    try:
        parse_timestamp(value)
    except ValueError:
        return False
    return True


@functools.cache
def _json_types(kind: Any) -> tuple[str, ...]:
    """Return the names of the JSON types that values of a type have in responses, or none if all are possible."""
    origin = typing.get_origin(kind) or kind
    if not isinstance(origin, type):
        return ()
    if attrs.has(origin):
        return ("object",)
    return next((names for base, names in _JSON_TYPES if issubclass(origin, base)), ())


# In this order: a bool is also an int.
_JSON_TYPES: tuple[tuple[type, tuple[str, ...]], ...] = (
    (bool, ("boolean",)),
    (int, ("integer",)),
    (float, ("number", "integer")),
    (str, ("string",)),
    (Secret, ("string",)),
    (Mapping, ("object",)),
    (types.NoneType, ("null",)),
    (list, ("array",)),
    (tuple, ("array",)),
)


def _expected_type(kind: Any) -> str:
    return "timestamp" if kind in _TIMESTAMPS else _json_types(kind)[0]


def _json_type(value: object) -> str:
    return next(names[0] for base, names in _JSON_TYPES if isinstance(value, base))


def _either(kinds: set[str]) -> str:
    return " or ".join(sorted(kinds))


def _order(value: int | str) -> tuple[bool, int | str]:
    return isinstance(value, str), value


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
