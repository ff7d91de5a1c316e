"""Model: the base class of everything that the API returns, and the special kinds of fields."""

from __future__ import annotations

import enum
import functools
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, cast, get_type_hints

import attrs

from ..secret import MASK, Secret
from .absent import Preparation, setter
from .enums import OpenIntEnum, OpenStrEnum
from .timestamps import IsoTimestamp, Timestamp, parse_timestamp

__all__ = [
    "IsoTimestamp",
    "Model",
    "OpenIntEnum",
    "OpenStrEnum",
    "OutOfRange",
    "Timestamp",
    "check_free_form",
    "free_form",
    "is_free_form",
]

MAX_DEPTH = 100
"""Levels of JSON without a fixed structure. Python cannot show, copy or pickle values of a few hundred."""

_TIMESTAMP_SCHEMA = {"type": "string", "format": "date-time"}
_FREE_FORM = "free_form"  # in the metadata of a field
_SECRET_SCHEMA = {"type": "string", "const": MASK}


class OutOfRange:
    """A number of a response that Python's types cannot hold, such as 1e999. The tolerant decoder drops its field."""


class _TimestampParser:
    """`Model.__attrs_post_init__`: the function that parses a model's timestamps, generated for its class.

    msgspec asks a class for it once, when it creates a decoder, and gets the function itself: another lookup for each
    model would be a twentieth of the decoding time. attrs also asks, while it still creates the class, but only
    whether there is one; annotations cannot be resolved yet at that time.
    """

    def __get__(self, model: Model | None, kind: type) -> Callable[..., None]:
        if model is not None:
            return types.MethodType(self, model)
        return _parser(kind) if "__attrs_attrs__" in vars(kind) else self

    def __call__(self, model: Model) -> None:
        _parser(type(model))(model)  # type: ignore[arg-type]  # mypy takes a model's hash for its class's


@attrs.frozen(kw_only=True)
class Model:
    """Frozen data that can be compared and pickled. Reading an attribute never sends a request.

    A timestamp may be given in any format of the API. If a field has a twin that ends in `_iso` and the twin is
    set, the twin's value is used: the API sends one, the other, or both.
    """

    __attrs_pre_init__: ClassVar[object] = Preparation()
    __attrs_post_init__: ClassVar[Callable[..., None]] = _TimestampParser()

    def to_dict(self, *, words: bool = False) -> dict[str, Any]:
        """Return the fields as JSON-ready values: timestamps as ISO 8601, secrets masked.

        With `words`, numbered states are words, such as `deployed` instead of 1.
        """
        return cast("dict[str, Any]", plain(self, words=words))

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Iterate over the items of `to_dict`, so that `dict(model)` works. FastAPI reads models in this way."""
        return iter(self.to_dict().items())

    def _repr_html_(self) -> str:
        """Return a table for notebooks, with the fields that have a value."""
        from .notebook import fields_table  # imported lazily: only notebooks need it

        return fields_table(type(self).__name__, self.to_dict(words=True))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Return pydantic's schema: instances are accepted unchanged and serialized as by `to_dict`.

        Pydantic's options such as `include` and `exclude_none` work as for pydantic's own models.
        """
        from .pydantic import core_schema  # imported lazily: pydantic is installed if this is called

        return core_schema(cls, plain)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        """Return the JSON schema of `to_dict` for pydantic."""
        from .pydantic import json_schema

        timestamps: dict[object, dict[str, Any]] = dict.fromkeys((datetime, IsoTimestamp, Timestamp), _TIMESTAMP_SCHEMA)
        return json_schema(cls, {**timestamps, Secret: _SECRET_SCHEMA})


def free_form() -> Any:
    """Return a field for JSON with arbitrary keys. Its value is not changed and not part of the hash.

    It may be nested up to 100 levels deep. A server's value that is deeper is ignored.
    """
    return attrs.field(default=None, hash=False, metadata={_FREE_FORM: True})


def is_free_form(field: attrs.Attribute[Any]) -> bool:
    """Return whether this is a field for JSON with arbitrary keys."""
    return _FREE_FORM in field.metadata


def check_free_form(name: str, value: object) -> None:
    """Raise ValueError for JSON that is nested too deeply, or that has a number which is out of range."""
    level = [value]
    for _ in range(MAX_DEPTH):
        if any(type(item) is OutOfRange for item in level):
            raise ValueError(f"invalid {name}: it contains a number that is out of range")
        level = _items(level)
        if not level:
            return
    raise ValueError(f"invalid {name}: nested more than {MAX_DEPTH} levels deep")


def _items(values: Iterable[Any]) -> list[Any]:
    """Return the items of those of these values that are lists or objects. What is in several of them is there once."""
    found: dict[int, Any] = {}
    for value in values:
        if type(value) is dict:
            found.update((id(item), item) for item in cast("dict[object, object]", value).values())
        elif type(value) is list:
            found.update((id(item), item) for item in cast("list[object]", value))
    return list(found.values())


def plain(  # noqa: PLR0911  one line for each kind
    value: object, omit: Callable[[attrs.Attribute[Any], object], bool] | None = None, *, words: bool = False
) -> Any:
    """Return a value as JSON-ready values: the fields of models, except those for which `omit` returns True.

    With `words`, members of numbered enumerations are words.
    """
    if isinstance(value, Model):
        fields = [(field, getattr(value, field.name)) for field in attrs.fields(type(value))]
        kept = [(field.name, item) for field, item in fields if omit is None or not omit(field, item)]
        return {name: plain(item, omit, words=words) for name, item in kept}
    if isinstance(value, enum.Enum):
        return str(value) if words and isinstance(value, OpenIntEnum) else value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, Mapping):
        items = cast("Mapping[object, object]", value).items()
        return {str(key): plain(item, omit, words=words) for key, item in items}
    if isinstance(value, list | tuple):
        return [plain(item, omit, words=words) for item in cast("Sequence[object]", value)]
    return value


# Most objects have only empty lists or none, so that the check costs nearly nothing.
_CHECK_FIELD = """
    value = model.{name}
    if value and (type(value) is not dict or any(value.values())):
        check_free_form("{name}", value)
"""
# The first test is fast and succeeds for nearly every value from JSON.
_PARSE_FIELD = """
    value = model.{name}
    if type(value) is str or not isinstance(value, datetime):
        found = {twin}
        if found is None and value is not None:
            found = parse_timestamp(value)
        set_{name}(model, found)
"""


@functools.cache
def _parser(kind: type) -> Callable[[Model], None]:
    """Return the function that replaces the timestamps of a `kind` by datetimes and checks its free-form fields.

    It is generated for the class, as attrs generates `__init__`: a loop over the fields takes three times as long,
    for every model of every response. It is generated late because annotations may name classes defined further down.
    """
    source = "def parse(model):\n    pass"
    names: dict[str, Any] = {
        "check_free_form": check_free_form,
        "datetime": datetime,
        "parse_timestamp": parse_timestamp,
    }
    for field in attrs.fields(kind):
        if is_free_form(field):
            source += _CHECK_FIELD.format(name=field.name)
    for name, twin in _timestamps(kind):
        source += _PARSE_FIELD.format(name=name, twin=twin and f"model.{twin}")
        names[f"set_{name}"] = setter(kind, name)
    exec(source, names)  # noqa: S102  it contains only names of fields
    return cast("Callable[[Model], None]", names["parse"])


def _timestamps(kind: type) -> tuple[tuple[str, str | None], ...]:
    """Return the timestamp fields of `kind`, each with its `_iso` twin if it has one."""
    hints = get_type_hints(kind, include_extras=True)
    names = [name for name, hint in hints.items() if hint in (Timestamp, Timestamp | None)]
    return tuple((name, f"{name}_iso" if f"{name}_iso" in hints else None) for name in names)
