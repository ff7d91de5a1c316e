"""Open enumerations: the API may add members, and unknown ones remain readable."""

from __future__ import annotations

import enum
from typing import Any, Self

__all__ = ["OpenIntEnum", "OpenStrEnum"]


class OpenIntEnum(enum.IntEnum):
    """A numbered state. Unknown numbers are members too; `known` tells them apart."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        # Not cached: unknown values must not make memory use grow.
        if not isinstance(value, int):
            return None
        member = int.__new__(cls, value)
        member._name_ = f"UNKNOWN_{value}" if value >= 0 else f"UNKNOWN_MINUS_{-value}"
        member._value_ = value
        return member

    @property
    def known(self) -> bool:
        """Whether this release knows the number."""
        return self._name_ in type(self).__members__

    def __str__(self) -> str:
        return self._name_.lower().replace("_", " ")

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return type(self), (self._value_,)  # by value: the base class looks members up by name, unknown ones too


class OpenStrEnum(enum.StrEnum):
    """A named state. Unknown names are members too; `known` tells them apart."""

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
