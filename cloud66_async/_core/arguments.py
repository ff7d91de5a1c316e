"""Checks of arguments, with one wording for each kind of mistake.

No check calls `repr` of an argument: it may be a secret, and `repr` of an unknown object may fail.
"""

from __future__ import annotations

import enum
import sys
from collections.abc import Iterable
from typing import Final, cast

__all__ = [
    "MAX_LIMIT",
    "MAX_NUMBER",
    "UNCHANGED",
    "Unchanged",
    "brief",
    "check_integer",
    "check_iterable",
    "check_limit",
    "check_number",
    "check_sendable",
    "check_text",
]

MAX_NUMBER = sys.float_info.max
"""The largest finite number. Integers may be larger, but nothing that waits accepts them."""

MAX_LIMIT = 2**16
"""The largest number of concurrent calls. Each needs a task, and each connection a port."""


class Unchanged(enum.Enum):
    """Sentinel for options that are left as they are."""

    UNCHANGED = enum.auto()

    def __repr__(self) -> str:
        return "UNCHANGED"


UNCHANGED: Final = Unchanged.UNCHANGED

_MAX_SHOWN = 30
_MAX_INTEGER = 2**63


def check_text(name: str, value: object) -> bool:
    """Return True, or raise TypeError if this is not a string."""
    if not isinstance(value, str):
        raise _wrong_type(name, "a string", value)
    return True


def check_integer(name: str, value: object) -> bool:
    """Return True, or raise TypeError if this is not an integer. Booleans are not integers here."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong_type(name, "an integer", value)
    return True


def check_number(name: str, value: object) -> bool:
    """Return True, or raise TypeError if this is neither an integer nor a float."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _wrong_type(name, "a number", value)
    return True


def check_limit(name: str, value: object, *, maximum: int | None = MAX_LIMIT) -> None:
    """Raise TypeError if this is not an integer, and ValueError if it is less than 1 or more than `maximum`."""
    check_integer(name, value)
    number = cast("int", value)
    if number < 1 or (maximum is not None and number > maximum):
        at_most = "" if maximum is None else f" and at most {maximum}"
        raise ValueError(f"invalid {name} {brief(number)}: must be at least 1{at_most}")


def check_sendable(name: str, value: str | int) -> None:
    """Raise ValueError for text with surrogates, which cannot be encoded, and for integers of more than 64 bits."""
    if isinstance(value, int):
        if not -_MAX_INTEGER <= value < 2 * _MAX_INTEGER:
            raise ValueError(f"invalid {name}: an integer of more than 64 bits")
    elif not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        del value  # it may be a secret, and a traceback may show local variables
        raise ValueError(f"invalid {name}: it contains a surrogate, which cannot be encoded")


def check_iterable(name: str, value: object) -> None:
    """Raise TypeError if this is not iterable, or if it is bytes."""
    if isinstance(value, bytes) or not isinstance(value, Iterable):
        raise _wrong_type(name, "an iterable", value)


def brief(number: float) -> str:
    """Return the number as text for an error message. Python refuses to format integers with thousands of digits."""
    if isinstance(number, int) and abs(number) >= 10**_MAX_SHOWN:
        return f"of more than {_MAX_SHOWN} digits"
    return str(number)


def _wrong_type(name: str, expected: str, value: object) -> TypeError:
    return TypeError(f"invalid {name}: expected {expected}, not {type(value).__name__}")
