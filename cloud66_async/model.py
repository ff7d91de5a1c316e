"""Plain data: what a model is, and the few kinds of field that JSON does not have."""

from __future__ import annotations

import enum
import functools
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, cast, get_type_hints

import attrs
import msgspec

__all__ = ["Hidden", "IsoMoment", "Model", "Moment", "OpenInt", "OpenText", "Secret", "free_form", "moment"]

MASK = "********"
_NEVER = "0001-01-01"
_MOMENT_SCHEMA = {"type": "string", "format": "date-time"}
_SECRET_SCHEMA = {"type": "string", "const": MASK}


class _MomentReader:
    """`Model.__attrs_post_init__`: the function that reads the moments of a model, made for its class (`_reader`).

    msgspec asks a class for it once, when it makes a decoder, and gets the very function: looking it up again for
    each model would be a twentieth of decoding. attrs asks a class too, while it is still making it, but only for yes
    or no; then there is no way to resolve annotations yet.
    """

    def __get__(self, model: Model | None, kind: type) -> Callable[..., None]:
        if model is not None:
            return types.MethodType(self, model)
        return _reader(kind) if "__attrs_attrs__" in vars(kind) else self

    def __call__(self, model: Model) -> None:
        _reader(type(model))(model)  # type: ignore[arg-type]  # mypy takes a model's hash for its class's


@attrs.frozen(kw_only=True)
class Model:
    """Frozen, comparable, picklable data; no input or output behind its attributes.

    A moment may be given in any of the API's spellings. Where it has an `_iso` twin and that was given, it is
    taken from there: the API has the one, the other, or both.
    """

    __attrs_post_init__: ClassVar[Callable[..., None]] = _MomentReader()

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON-ready values: moments as ISO 8601 text, secrets masked."""
        return {name: _plain(getattr(self, name)) for name in attrs.fields_dict(type(self))}

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """The items of `to_dict`: `dict(model)`, which is also how FastAPI reads what a route returns."""
        return iter(self.to_dict().items())

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """For pydantic: instances are taken as they are, and written through `to_dict`."""
        from ._pydantic import core_schema  # pydantic asks, so it is there

        return core_schema(cls)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        """For pydantic: what `to_dict` gives, as a JSON schema."""
        from ._pydantic import json_schema

        return json_schema(
            cls, {datetime: _MOMENT_SCHEMA, IsoMoment: _MOMENT_SCHEMA, Moment: _MOMENT_SCHEMA, Secret: _SECRET_SCHEMA}
        )


def free_form() -> Any:
    """A field for JSON whose keys the API leaves open: kept as it is, and out of the hash."""
    return attrs.field(default=None, hash=False)


def _plain(value: object) -> Any:  # noqa: PLR0911  a line for each kind
    if isinstance(value, Model):
        return value.to_dict()
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in cast("Mapping[object, object]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast("Sequence[object]", value)]
    return value


class OpenInt(enum.IntEnum):
    """A numbered state. A number that this release does not know is a member too; `known` tells."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        # Not kept: a server that invents numbers must not grow this process.
        if not isinstance(value, int):
            return None
        member = int.__new__(cls, value)
        member._name_ = f"UNKNOWN_{value}" if value >= 0 else f"UNKNOWN_MINUS_{-value}"
        member._value_ = value
        return member

    @property
    def known(self) -> bool:
        """Whether this release knows what the number means."""
        return self._name_ in type(self).__members__

    def __str__(self) -> str:
        return self._name_.lower().replace("_", " ")

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return type(self), (self._value_,)  # by name, as the base does, an unknown member cannot be found


class OpenText(enum.StrEnum):
    """A named state. A name that this release does not know is a member too; `known` tells."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = "UNKNOWN"
        member._value_ = value
        return member

    @property
    def known(self) -> bool:
        """Whether this release knows the name."""
        return self._value_ in type(self)._value2member_map_

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return type(self), (self._value_,)


class Secret:
    """Text that never shows itself, nor its length; `reveal()` is the one way out."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return f"{type(self).__name__}('{MASK}')"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        import hmac  # it brings OpenSSL's digests: 1.5 ms, for the few who compare secrets

        return hmac.compare_digest(
            self._text.encode("utf-8", "surrogatepass"), other._text.encode("utf-8", "surrogatepass")
        )

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._text,)


class Hidden(bytes):
    """Bytes on their way to the wire, with a token inside: a traceback that shows locals shows a mask."""

    def __repr__(self) -> str:
        return f"Hidden({MASK})"

    __str__ = __repr__


IsoMoment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A `datetime` for fields that come as ISO 8601: read by msgspec itself, and never without a zone."""

if TYPE_CHECKING:
    Moment = datetime
else:
    # To type checkers a `datetime`, in any of the API's spellings (see `moment`). msgspec refuses some of
    # them, and a hook of its own costs half a microsecond a field: so it passes them on, and `Model` reads them.
    Moment = Annotated[Any, "a point in time"]


# The first question is quick, and answered with yes for nearly everything that comes as JSON.
_READ_ONE = """
    value = model.{name}
    if type(value) is str or not isinstance(value, datetime):
        found = {twin}
        if found is None and value is not None:
            found = moment(value)
        set_{name}(model, found)
"""


@functools.cache
def _reader(kind: type) -> Callable[[Model], None]:
    """The function that makes datetimes of the moments of a `kind`, from their twins or from what they spell.

    It is written out for the class, as attrs does with `__init__`: a loop over the fields takes three times as long,
    for every model of every answer. And it is made late: annotations may name what a module defines further down.
    """
    source = "def read(model):\n    pass"
    names: dict[str, Any] = {"datetime": datetime, "moment": moment}
    for name, twin in _moments(kind):
        source += _READ_ONE.format(name=name, twin=twin and f"model.{twin}")
        names[f"set_{name}"] = _setter(kind, name)
    exec(source, names)  # noqa: S102  nothing but names of fields goes into it
    return cast("Callable[[Model], None]", names["read"])


def _setter(kind: type, name: str) -> Callable[[Model, object], None]:
    """What sets this field of a `kind`, past the freezing."""
    slot = getattr(kind, name, None)
    if isinstance(slot, types.MemberDescriptorType):
        return slot.__set__  # a third of what the other takes
    return lambda model, value: object.__setattr__(model, name, value)


def _moments(kind: type) -> tuple[tuple[str, str | None], ...]:
    """The fields of `kind` that are moments, each with its `_iso` twin where it has one."""
    hints = get_type_hints(kind, include_extras=True)
    names = [name for name, hint in hints.items() if hint in (Moment, Moment | None)]
    return tuple((name, f"{name}_iso" if f"{name}_iso" in hints else None) for name in names)


def moment(value: object) -> datetime | None:
    """The point in time that `value` spells; None for an empty text and for the zero date.

    Reads ISO 8601 with and without zone, `2014-08-14 00:38:14 UTC`, nanoseconds and epoch seconds.
    Where no zone is given it is UTC, as everywhere in the API. Raises ValueError.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value, UTC)
        except (OverflowError, OSError):
            raise ValueError("no point in time: too far away") from None
    if not isinstance(value, str):
        raise ValueError(f"no point in time: {type(value).__name__}")  # noqa: TRY004  bad data, not a bad call
    text = value.strip()
    if not text or text.startswith(_NEVER):
        return None  # Go's zero time, in container data, means "never"
    if text.endswith(" UTC"):
        text = text[:-4] + "+00:00"
    found = datetime.fromisoformat(text)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
