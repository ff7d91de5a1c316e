"""Tolerant decoding, for responses with values of an unexpected type.

It reads item by item and field by field, also inside nested models and lists. A field that cannot be read keeps its
default and is logged once. Only a missing identifier is an error, and that error holds everything that was read.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import math
import types
import typing
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NoReturn, cast

import attrs
import msgspec

from ..errors import ResponseError
from .decoders import UNREADABLE, Decoders, Pagination, decoding_hook, to_page
from .model import OutOfRange, check_free_form, is_free_form
from .timestamps import IsoTimestamp, Timestamp, parse_timestamp

__all__ = ["decode"]

logger = logging.getLogger("cloud66_async")

_TIMESTAMPS: tuple[Any, ...] = (Timestamp, IsoTimestamp)
_UNIONS = (typing.Union, types.UnionType)
_PLAIN = (str, int, float, bool, types.NoneType)  # types that JSON has too, so that no conversion is needed
_ABSENT = msgspec.Raw()
_MAX_DIGITS = 300  # about as large as floats can be; Python refuses to convert integers with thousands of digits

_reported: set[str] = set()


class _Envelope(msgspec.Struct):
    """Any response, with its data not yet decoded."""

    response: msgspec.Raw = _ABSENT
    pagination: msgspec.Raw = _ABSENT


class _ListEnvelope(msgspec.Struct):
    """The usual response with a list, with its items not yet decoded."""

    response: list[msgspec.Raw]
    pagination: msgspec.Raw = _ABSENT


class _Location(msgspec.Struct):
    """Where a value is in the response, and which field of which model it belongs to."""

    path: str
    owner: str = ""

    def field(self, model: type, name: str) -> _Location:
        return _Location(f"{self.path}.{name}", f"{model.__name__}.{name}")

    def item(self, key: object) -> _Location:
        return _Location(f"{self.path}[{key}]", self.owner)


class _Mismatch(Exception):
    """A value does not have the expected type."""

    def __init__(self, location: _Location, expected: str) -> None:
        super().__init__(location, expected)
        self.path = location.path
        self.expected = expected


def decode(body: bytes, returns: Any, decoders: Decoders) -> Any:
    """Return the models in `body`. Raises ResponseError, or an error of msgspec if the body is not JSON."""
    try:
        if not decoders.many:
            raw, _, location = _unwrap(body)
            return _value(
                _only(_plain(raw, location)) if attrs.has(returns) else _plain(raw, location), returns, location
            )
        raws, pagination, location = _unwrap_list(body)
        return to_page(_items(raws, returns.item, location, decoders.one), pagination)
    except _Mismatch as mismatch:
        raise ResponseError(f"expected {mismatch.expected} at {mismatch.path}", path=mismatch.path) from None


def _only(value: Any) -> Any:
    """Return the item of a list of one, or the value itself: some operations return one model as a list."""
    match value:
        case [item]:
            return item
        case _:
            return value


def _unwrap(body: bytes) -> tuple[bytes, Pagination | None, _Location]:
    """Return the data, the pagination, and where in the response the data is."""
    try:
        envelope = msgspec.json.decode(body, type=_Envelope)
    except msgspec.ValidationError:
        return body, None, _Location("$")  # not an object: a list or a value without an envelope
    if envelope.response is _ABSENT:
        return body, None, _Location("$")
    return bytes(envelope.response), _pagination(envelope.pagination), _Location("$.response")


def _pagination(raw: msgspec.Raw) -> Pagination | None:
    if raw is _ABSENT:
        return None
    with contextlib.suppress(*UNREADABLE):
        return msgspec.json.decode(raw, type=Pagination, strict=False)
    try:
        fields: Any = _plain(bytes(raw), _Location("$.pagination"))
    except _Mismatch:
        return None
    if not isinstance(fields, dict):
        return None
    numbers = {name: _number(value) for name, value in cast("dict[str, Any]", fields).items()}
    return msgspec.convert(numbers, Pagination)


def _number(value: Any) -> int | None:
    try:
        return msgspec.convert(value, int | None, strict=False)
    except msgspec.ValidationError:
        return None


def _unwrap_list(body: bytes) -> tuple[list[msgspec.Raw], Pagination | None, _Location]:
    """Return the items of a list, not decoded, the pagination, and where in the response the list is."""
    try:
        # In one pass: finding the end of an item takes a fifth of the time of decoding it.
        envelope = msgspec.json.decode(body, type=_ListEnvelope)
    except msgspec.ValidationError:
        raw, pagination, location = _unwrap(body)
        return _split(raw, location), pagination, location
    return envelope.response, _pagination(envelope.pagination), _Location("$.response")


def _split(raw: bytes, location: _Location) -> list[msgspec.Raw]:
    if raw.lstrip()[:1] == b"{":
        return [msgspec.Raw(raw)]  # some operations return one item without a list
    try:
        return msgspec.json.decode(raw, type=list[msgspec.Raw] | None) or []  # Go encodes an empty list as null
    except msgspec.ValidationError:
        raise _Mismatch(location, "a list") from None


def _items(raws: list[msgspec.Raw], kind: Any, location: _Location, one: Callable[[Any], Any]) -> list[Any]:
    found: list[Any] = []
    first: _Mismatch | None = None
    for number, raw in enumerate(raws):
        try:
            found.append(one(raw))
        except UNREADABLE:
            try:
                found.append(_item(bytes(raw), kind, location.item(number)))
            except _Mismatch as mismatch:
                first = first or mismatch
    if first is not None:
        raise ResponseError(f"expected {first.expected} at {first.path}", path=first.path, partial=tuple(found))
    return found


def _item(raw: bytes, kind: Any, location: _Location) -> Any:
    return _value(_plain(raw, location), kind, location)


def _plain(raw: bytes, location: _Location) -> Any:
    """Return JSON as plain values, with OutOfRange for each number that is out of range. Raises _Mismatch."""
    try:
        return msgspec.json.decode(raw)
    except msgspec.ValidationError:
        import json  # imported lazily: only it can pass over a number, so that only the affected field is lost

        with contextlib.suppress(ValueError, RecursionError):
            found = json.loads(raw.decode(), parse_float=_float, parse_int=_integer, parse_constant=_constant)
            msgspec.json.encode(found, enc_hook=lambda _: None)  # rejects surrogates, which `json` accepts
            return found
    except UNREADABLE:
        pass
    raise _Mismatch(location, "JSON")


def _float(text: str) -> object:
    number = float(text)
    return number if math.isfinite(number) else OutOfRange()


def _integer(text: str) -> object:
    return int(text) if len(text) <= _MAX_DIGITS else OutOfRange()


def _constant(text: str) -> NoReturn:
    raise ValueError(text)  # NaN and Infinity are not JSON


def _value(value: Any, hint: Any, location: _Location) -> Any:  # noqa: PLR0911  one line for each kind
    """Return `value` as `hint`, as far as possible. Raises _Mismatch."""
    if hint is Any:
        return _free_form(value, hint, location)
    try:
        return msgspec.convert(value, hint, strict=False, dec_hook=decoding_hook)
    except (msgspec.ValidationError, ValueError):  # as in UNREADABLE
        pass
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in _UNIONS:
        return _union(value, arguments, location)
    if attrs.has(hint) and isinstance(value, dict):
        return _model(cast("dict[str, Any]", value), hint, location)
    if origin in (list, tuple) and isinstance(value, list):
        items = [item for _, item in _readable(enumerate(value), arguments[0], location)]  # pyright: ignore[reportUnknownArgumentType]
        return items if origin is list else tuple(items)
    if isinstance(origin, type) and issubclass(origin, Mapping) and isinstance(value, dict):
        return dict(_readable(cast("dict[str, Any]", value).items(), arguments[1], location))
    return _scalar(value, hint, location)


def _union(value: Any, kinds: tuple[Any, ...], location: _Location) -> Any:
    mismatch = _Mismatch(location, "another value")
    for kind in kinds:
        if kind is types.NoneType:
            continue
        try:
            return _value(value, kind, location)
        except _Mismatch as error:
            mismatch = error
    raise mismatch


def _readable(pairs: Any, kind: Any, location: _Location) -> list[tuple[Any, Any]]:
    """Return the pairs whose second part can be read, and log the others."""
    readable: list[tuple[Any, Any]] = []
    for key, item in pairs:
        try:
            readable.append((key, _value(item, kind, location.item(key))))
        except _Mismatch:
            _report(location.owner)
    return readable


def _model(data: dict[str, Any], kind: Any, location: _Location) -> Any:
    values: dict[str, Any] = {}
    for name, field in _fields(kind).items():
        if name in data and type(data[name]) in field.plain:
            values[name] = data[name]
            continue
        inner = location.field(kind, name)
        try:
            if name in data:
                values[name] = field.read(data[name], field.kind, inner)
            elif field.required:
                raise _Mismatch(inner, inner.owner)
        except _Mismatch:
            if field.required:
                raise
            _report(inner.owner)
    return kind(**values)


def _scalar(value: Any, hint: Any, location: _Location) -> Any:
    """Accept a number as a string, and an integer in the form 3.0."""
    expected = getattr(hint, "__name__", str(hint))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Mismatch(location, expected)
    integer = int(value) if isinstance(value, float) and value.is_integer() else value
    for form in (integer, str(value)):
        try:
            return msgspec.convert(form, hint, strict=False, dec_hook=decoding_hook)
        except (msgspec.ValidationError, ValueError):
            continue
    raise _Mismatch(location, expected)


def _timestamp(value: Any, _hint: Any, location: _Location) -> datetime | None:
    """Return a timestamp in any format, also for a field that should be ISO 8601."""
    try:
        return None if value is None else parse_timestamp(value)
    except ValueError:
        raise _Mismatch(location, "datetime") from None


def _free_form(value: Any, hint: Any, location: _Location) -> Any:
    """Return JSON without a fixed structure."""
    found = value if hint is Any else _value(value, hint, location)
    try:
        check_free_form(location.owner, found)
    except ValueError:
        raise _Mismatch(location, "JSON") from None
    return found


def _report(owner: str) -> None:
    if owner not in _reported:
        _reported.add(owner)
        logger.warning("ignored a value of an unexpected type in %s", owner)


class _Field(msgspec.Struct):
    """A field of a model: the type that `read` reads, whether it is required, and the types that need no reading."""

    kind: Any
    read: Callable[[Any, Any, _Location], Any]
    required: bool
    plain: tuple[type, ...]


@functools.cache
def _fields(kind: type) -> dict[str, _Field]:
    """Return the fields of a model by name."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return {field.name: _field(hints[field.name], field) for field in attrs.fields(kind)}


def _field(hint: Any, field: attrs.Attribute[Any]) -> _Field:
    kinds = typing.get_args(hint) if typing.get_origin(hint) in _UNIONS else (hint,)
    plain = tuple(kind for kind in _PLAIN if kind in kinds)
    others = [kind for kind in kinds if kind is not types.NoneType]
    kind = others[0] if len(others) == 1 else hint  # a union takes msgspec twice as long, and None is plain
    read = _timestamp if kind in _TIMESTAMPS else _free_form if is_free_form(field) else _value
    return _Field(kind, read, field.default is attrs.NOTHING, plain)
