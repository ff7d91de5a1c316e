"""Bytes to models: the fast decoder, and the tolerant reader for what does not fit.

The fast decoder takes a whole answer at once, straight into the frozen classes. One odd value and it
gives up; then the tolerant reader goes item by item and field by field, also inside nested models and
lists. A field that cannot be read is left at its default and reported once; only an identifier that
is missing makes an error, and that error holds the rest.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import types
import typing
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import attrs
import msgspec

from .errors import AnswerError
from .model import IsoMoment, Moment, Secret, moment
from .operation import Many, Page

__all__ = ["read"]

logger = logging.getLogger("cloud66_async")

# What msgspec raises for a value that does not fit, for no JSON, for broken text and for endless nesting.
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_MOMENTS: tuple[Any, ...] = (Moment, IsoMoment)
_UNIONS = (typing.Union, types.UnionType)
_PLAIN = (str, int, float, bool, types.NoneType)  # what JSON has too, and is read already

_new = object.__new__

_reported: set[str] = set()


class _Pagination(msgspec.Struct):
    next: int | None = None
    current: int | None = None
    pages: int | None = None
    count: int | None = None


_ABSENT = msgspec.Raw()


class _Envelope(msgspec.Struct):
    """Any answer, with the part that matters unread."""

    response: msgspec.Raw = _ABSENT
    pagination: msgspec.Raw = _ABSENT


class _Parts(msgspec.Struct):
    """The usual answer with a list, with the items unread."""

    response: list[msgspec.Raw]
    pagination: msgspec.Raw = _ABSENT


class _Place(msgspec.Struct):
    """Where in an answer a value stands, and which field of which model it fills."""

    path: str
    owner: str = ""

    def field(self, model: type, name: str) -> _Place:
        return _Place(f"{self.path}.{name}", f"{model.__name__}.{name}")

    def item(self, key: object) -> _Place:
        return _Place(f"{self.path}[{key}]", self.owner)


class _Misfit(Exception):
    """A value that cannot be read as what it should be."""

    def __init__(self, place: _Place, wanted: str) -> None:
        super().__init__(place, wanted)
        self.path = place.path
        self.wanted = wanted


def read(body: bytes, shape: Any) -> Any:
    """The models in `body`, whether in the usual envelope or bare; None where no `shape` is expected.

    Raises AnswerError for what is no JSON and for what has no identifier.
    """
    if shape is None:
        return None
    decoders = _decoders(shape)
    try:
        answer = decoders.whole(body)
        if answer.response is not msgspec.UNSET:
            return _page(answer.response, answer.pagination) if decoders.many else answer.response
    except _UNREADABLE:
        pass
    try:
        return _read_slowly(body, shape, decoders)
    except _UNREADABLE as error:
        raise _no_json(body, error) from None


class _Decoders(msgspec.Struct):
    whole: Callable[[bytes], Any]
    one: Callable[[bytes], Any]
    many: bool


@functools.cache
def _decoders(shape: Any) -> _Decoders:
    many = isinstance(shape, Many)
    item: Any = getattr(shape, "item", shape)
    inner: Any = list[item] if many else item
    envelope = msgspec.defstruct(
        "Envelope",
        [("response", inner | msgspec.UnsetType, msgspec.UNSET), ("pagination", _Pagination | None, None)],
    )
    whole = msgspec.json.Decoder(envelope, strict=False, dec_hook=_hook)
    one = msgspec.json.Decoder(item, strict=False, dec_hook=_hook)
    return _Decoders(whole.decode, one.decode, many)


def _hook(kind: Any, value: Any) -> object:
    if kind is Secret:
        secret = _new(Secret)  # `Secret(...)` takes half as long again, and there is one in every stack
        secret._text = value if isinstance(value, str) else msgspec.json.encode(value).decode()  # noqa: SLF001
        return secret
    raise TypeError(f"no way to read {kind}")


def _page(items: list[Any], pagination: _Pagination | None) -> Page[Any]:
    if pagination is None:
        return Page(tuple(items))
    return Page(tuple(items), pagination.current or 1, pagination.next, pagination.pages, pagination.count)


def _no_json(body: bytes, error: Exception) -> AnswerError:
    if not body.strip():
        return AnswerError("the answer is empty where JSON was expected")
    if body.lstrip()[:1] == b"<":
        return AnswerError("the answer is a web page where JSON was expected")
    return AnswerError(f"the answer is no JSON: {_reason(error)}")


def _reason(error: Exception) -> str:
    # msgspec's texts name positions and kinds, never values.
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)


# --- the tolerant reader -------------------------------------------------------------------------


def _read_slowly(body: bytes, shape: Any, decoders: _Decoders) -> Any:
    try:
        if not decoders.many:
            raw, _, place = _unwrap(body)
            return _item(raw, shape, place)
        parts, pagination, place = _parts(body)
        return _page(_items(parts, shape.item, place, decoders.one), pagination)
    except _Misfit as misfit:
        raise AnswerError(f"expected {misfit.wanted} at {misfit.path}", path=misfit.path) from None


def _unwrap(body: bytes) -> tuple[bytes, _Pagination | None, _Place]:
    """The part with the data, the paging, and where in the answer that part is."""
    try:
        envelope = msgspec.json.decode(body, type=_Envelope)
    except msgspec.ValidationError:
        return body, None, _Place("$")  # no object: a bare list or value
    if envelope.response is _ABSENT:
        return body, None, _Place("$")
    return bytes(envelope.response), _paging(envelope.pagination), _Place("$.response")


def _paging(raw: msgspec.Raw) -> _Pagination | None:
    if raw is _ABSENT:
        return None
    with contextlib.suppress(*_UNREADABLE):
        return msgspec.json.decode(raw, type=_Pagination, strict=False)
    try:
        fields: Any = _plain(bytes(raw), _Place("$.pagination"))
    except _Misfit:
        return None
    if not isinstance(fields, dict):
        return None
    numbers = {name: _number(value) for name, value in typing.cast("dict[str, Any]", fields).items()}
    return msgspec.convert(numbers, _Pagination)


def _number(value: Any) -> int | None:
    try:
        return msgspec.convert(value, int | None, strict=False)
    except msgspec.ValidationError:
        return None


def _parts(body: bytes) -> tuple[list[msgspec.Raw], _Pagination | None, _Place]:
    """The items of a list, unread, the paging, and where in the answer the list is; raises _Misfit."""
    try:
        # In one pass: to find out where a part ends takes a fifth of what reading it takes.
        answer = msgspec.json.decode(body, type=_Parts)
    except msgspec.ValidationError:
        raw, pagination, place = _unwrap(body)
        return _unlist(raw, place), pagination, place
    return answer.response, _paging(answer.pagination), _Place("$.response")


def _unlist(raw: bytes, place: _Place) -> list[msgspec.Raw]:
    try:
        return msgspec.json.decode(raw, type=list[msgspec.Raw] | None) or []  # Go's empty list is null
    except msgspec.ValidationError:
        raise _Misfit(place, "a list") from None


def _items(parts: list[msgspec.Raw], kind: Any, place: _Place, one: Callable[[Any], Any]) -> list[Any]:
    found: list[Any] = []
    first: _Misfit | None = None
    for number, part in enumerate(parts):
        try:
            found.append(one(part))
        except _UNREADABLE:
            try:
                found.append(_item(bytes(part), kind, place.item(number)))
            except _Misfit as misfit:
                first = first or misfit
    if first is not None:
        raise AnswerError(f"expected {first.wanted} at {first.path}", path=first.path, partial=tuple(found))
    return found


def _item(raw: bytes, kind: Any, place: _Place) -> Any:
    return _value(_plain(raw, place), kind, place)


def _plain(raw: bytes, place: _Place) -> Any:
    """Plain values out of JSON; raises _Misfit."""
    try:
        return msgspec.json.decode(raw)
    except msgspec.ValidationError:
        import json  # it takes a number beyond every range, such as 1e999: that spoils its own field alone

        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(raw)
    except _UNREADABLE:
        pass
    raise _Misfit(place, "JSON")


def _value(value: Any, hint: Any, place: _Place) -> Any:
    """`value` as `hint` says, whatever it takes; raises _Misfit."""
    try:
        return msgspec.convert(value, hint, strict=False, dec_hook=_hook)
    except msgspec.ValidationError:
        pass
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in _UNIONS:
        return _either(value, arguments, place)
    if attrs.has(hint) and isinstance(value, dict):
        return _model(typing.cast("dict[str, Any]", value), hint, place)
    if origin in (list, tuple) and isinstance(value, list):
        items = [item for _, item in _good(enumerate(value), arguments[0], place)]  # pyright: ignore[reportUnknownArgumentType]
        return items if origin is list else tuple(items)
    if isinstance(origin, type) and issubclass(origin, Mapping) and isinstance(value, dict):
        return dict(_good(typing.cast("dict[str, Any]", value).items(), arguments[1], place))
    return _scalar(value, hint, place)


def _either(value: Any, kinds: tuple[Any, ...], place: _Place) -> Any:
    misfit = _Misfit(place, "another value")
    for kind in kinds:
        if kind is types.NoneType:
            continue
        try:
            return _value(value, kind, place)
        except _Misfit as error:
            misfit = error
    raise misfit


def _good(pairs: Any, kind: Any, place: _Place) -> list[tuple[Any, Any]]:
    """The pairs whose second part can be read; the others are reported."""
    good: list[tuple[Any, Any]] = []
    for key, item in pairs:
        try:
            good.append((key, _value(item, kind, place.item(key))))
        except _Misfit:
            _report(place.owner)
    return good


def _model(data: dict[str, Any], kind: Any, place: _Place) -> Any:
    values: dict[str, Any] = {}
    for name, field in _fields(kind).items():
        if name in data and type(data[name]) in field.plain:
            values[name] = data[name]
            continue
        inner = place.field(kind, name)
        try:
            if name in data:
                values[name] = field.read(data[name], field.kind, inner)
            elif field.required:
                raise _Misfit(inner, inner.owner)
        except _Misfit:
            if field.required:
                raise
            _report(inner.owner)
    return kind(**values)


def _scalar(value: Any, hint: Any, place: _Place) -> Any:
    """A number where text is expected, and a whole number that came as 3.0."""
    wanted = getattr(hint, "__name__", str(hint))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Misfit(place, wanted)
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    for spelling in (whole, str(value)):
        try:
            return msgspec.convert(spelling, hint, strict=False, dec_hook=_hook)
        except msgspec.ValidationError:
            continue
    raise _Misfit(place, wanted)


def _moment(value: Any, _hint: Any, place: _Place) -> datetime | None:
    """A point in time in any spelling, also in a field that should come as ISO 8601."""
    try:
        return None if value is None else moment(value)
    except ValueError:
        raise _Misfit(place, "datetime") from None


def _report(owner: str) -> None:
    if owner not in _reported:
        _reported.add(owner)
        logger.warning("%s: a value of an unexpected type was left out", owner)


class _Field(msgspec.Struct):
    """A field of a model: what `read` takes it for, whether it must be there, and what is left as it is."""

    kind: Any
    read: Callable[[Any, Any, _Place], Any]
    required: bool
    plain: tuple[type, ...]


@functools.cache
def _fields(kind: type) -> dict[str, _Field]:
    """The fields of a model by their name."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return {field.name: _field(hints[field.name], field.default is attrs.NOTHING) for field in attrs.fields(kind)}


def _field(hint: Any, required: bool) -> _Field:
    kinds = typing.get_args(hint) if typing.get_origin(hint) in _UNIONS else (hint,)
    plain = tuple(kind for kind in _PLAIN if kind in kinds)
    others = [kind for kind in kinds if kind is not types.NoneType]
    kind = others[0] if len(others) == 1 else hint  # a union takes msgspec twice as long, and None is plain
    return _Field(kind, _moment if kind in _MOMENTS else _value, required, plain)
