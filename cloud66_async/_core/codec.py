"""Decoding of responses: bytes to models.

The fast decoder reads a whole response at once, directly into the frozen classes. If one value does not have its
type, the tolerant decoder (`_core.tolerant`) reads the response again, item by item and field by field.
"""

from __future__ import annotations

import functools
from typing import Any

import attrs
import msgspec

from ..errors import ResponseError
from ..operation import Many
from .absent import learn
from .decoders import UNREADABLE, Decoders, Pagination, decoding_hook, to_page

__all__ = ["decode"]


def decode(body: bytes, returns: Any) -> Any:
    """Return the models in `body`, with or without the usual envelope, or None if nothing is expected.

    Raises ResponseError for a body that is not JSON and for a model without its identifier.
    """
    if returns is None:
        return None
    if returns is Any and not body.strip():
        return None
    decoders = _decoders(returns)
    try:
        envelope = decoders.whole(body)
        found = envelope.response
        if found is not msgspec.UNSET:
            if not decoders.learned and (found or not decoders.many):
                decoders.learned = True
                learn(getattr(returns, "item", returns), body)
            return to_page(found, envelope.pagination) if decoders.many else found
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
    return Decoders(whole.decode, one.decode, many, learned=not (isinstance(item, type) and attrs.has(item)))


def _not_json(body: bytes, error: Exception) -> ResponseError:
    if not body.strip():
        return ResponseError("the body is empty, expected JSON")
    if body.lstrip()[:1] == b"<":
        return ResponseError("the body is a web page, expected JSON")
    # msgspec's messages contain positions and types, but never values.
    reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
    return ResponseError(f"the body is not valid JSON: {reason}")
