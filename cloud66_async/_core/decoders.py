"""What the fast and the tolerant decoder have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ..operation import Page
from ..secret import Secret

__all__ = ["UNREADABLE", "Decoders", "Pagination", "decoding_hook", "to_page"]

# Raised by msgspec for type mismatches and malformed JSON, for invalid UTF-8 and times after the year 9999, and for
# excessive nesting.
UNREADABLE = (msgspec.DecodeError, ValueError, RecursionError)

_new = object.__new__


class Pagination(msgspec.Struct):
    """The envelope's `pagination`."""

    next: int | None = None
    current: int | None = None
    pages: int | None = None
    count: int | None = None


class Decoders(msgspec.Struct):
    """Decoders for one type of result: of a `whole` response and of `one` item.

    `learned` tells whether the class of the items is known well enough: see `_core.absent`.
    """

    whole: Callable[[bytes], Any]
    one: Callable[[bytes], Any]
    many: bool
    learned: bool


def decoding_hook(kind: Any, value: Any) -> object:
    """Return `value` as the SDK's own type `kind`. msgspec calls this function."""
    if kind is Secret:
        secret = _new(Secret)  # `Secret(...)` takes 50 % longer, and every stack has one
        secret._text = value if isinstance(value, str) else msgspec.json.encode(value).decode()  # noqa: SLF001
        return secret
    raise TypeError(f"cannot decode {kind}")


def to_page(items: list[Any], pagination: Pagination | None) -> Page[Any]:
    """Return `items` as a page."""
    if pagination is None:
        return Page(tuple(items))
    return Page(tuple(items), pagination.current or 1, pagination.next, pagination.pages, pagination.count)
