"""Fields that the API leaves out of its responses, although the models have them.

After decoding an object, msgspec sets such fields to their defaults. It finds each by an AttributeError, which takes
0.3 µs. To set a field in advance takes a sixth of that, so this is done with those that the first response lacks.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

import attrs
import msgspec

__all__ = ["Preparation", "learn", "setter"]

_Setter = Callable[[Any, object], None]


class Preparation:
    """`Model.__attrs_pre_init__`: the function that msgspec calls before it sets the fields of a new model.

    attrs asks for it only while it still creates the class, and finds none: its own `__init__` needs no preparation.
    """

    def __get__(self, model: object, kind: type) -> Callable[[object], None] | None:
        if "__attrs_attrs__" not in vars(kind):
            return None
        absent = _absent(kind)

        def prepare(model: object) -> None:
            for set_field in absent:
                set_field(model, None)

        return prepare


class _Response(msgspec.Struct):
    response: list[dict[str, msgspec.Raw]] | dict[str, msgspec.Raw]


def learn(kind: Any, body: bytes) -> None:
    """Set in advance, from now on, those fields of this class that the first object in a response lacks."""
    absent = _absent(kind)
    if not absent:
        found = msgspec.json.decode(body, type=_Response).response
        present = found[0] if isinstance(found, list) else found
        names = [field.name for field in attrs.fields(kind) if field.default is None]
        absent.extend(setter(kind, name) for name in names if name not in present)


def setter(kind: type, name: str) -> _Setter:
    """Return a function that sets this field of a frozen `kind`."""
    slot = getattr(kind, name, None)
    if isinstance(slot, types.MemberDescriptorType):
        return slot.__set__  # takes a third of the time
    return lambda model, value: object.__setattr__(model, name, value)


@functools.cache
def _absent(kind: type) -> list[_Setter]:  # noqa: ARG001  one list for each class
    """Return the setters of the fields of this class that are set in advance, none at first."""
    return []
