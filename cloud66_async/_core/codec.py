"""Decoding of responses: bytes to models.

The fast decoder reads a whole response at once, directly into the frozen classes. If one value does not have its
type, the tolerant decoder (`_core.tolerant`) reads the response again, item by item and field by field.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import msgspec

from ..errors import ResponseError
from ..operation import Many, Page
from ..secret import Secret

__all__ = ["UNREADABLE", "Decoders", "Pagination", "decode", "decoding_hook", "to_page"]

# Raised by msgspec for type mismatches, malformed JSON, invalid UTF-8 and excessive nesting.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_new = object.__new__


class Pagination(msgspec.Struct):
    """The envelope's `pagination`."""

    next: int | None = None
    current: int | None = None
    pages: int | None = None
    count: int | None = None


class Decoders(msgspec.Struct):
    """Decoders for one type of result: of a `whole` response and of `one` item."""

    whole: Callable[[bytes], Any]
    one: Callable[[bytes], Any]
    many: bool


def decode(body: bytes, returns: Any) -> Any:
    """Return the models in `body`, with or without the usual envelope, or None if nothing is expected.

    Raises ResponseError for a body that is not JSON and for a model without its identifier.
    """
    if returns is None:
        return None
    decoders = _decoders(returns)
    try:
        envelope = decoders.whole(body)
        if envelope.response is not msgspec.UNSET:
            return to_page(envelope.response, envelope.pagination) if decoders.many else envelope.response
    except UNREADABLE:
        pass
    from . import tolerant  # imported lazily: nearly every response has its expected types

    try:
        return tolerant.decode(body, returns, decoders)
    except UNREADABLE as error:
        raise _not_json(body, error) from None


@functools.cache
def _decoders(returns: Any) -> Decoders:
    many = isinstance(returns, Many)
    item: Any = getattr(returns, "item", returns)
    inner: Any = list[item] if many else item
    envelope = msgspec.defstruct(
        "Envelope",
        [("response", inner | msgspec.UnsetType, msgspec.UNSET), ("pagination", Pagination | None, None)],
    )
    whole = msgspec.json.Decoder(envelope, strict=False, dec_hook=decoding_hook)
    one = msgspec.json.Decoder(item, strict=False, dec_hook=decoding_hook)
    return Decoders(whole.decode, one.decode, many)


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


def _not_json(body: bytes, error: Exception) -> ResponseError:
    if not body.strip():
        return ResponseError("the body is empty, expected JSON")
    if body.lstrip()[:1] == b"<":
        return ResponseError("the body is a web page, expected JSON")
    # msgspec's messages contain positions and types, but never values.
    reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
    return ResponseError(f"the body is not valid JSON: {reason}")
