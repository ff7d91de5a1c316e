"""Timestamps in every format that the API uses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

__all__ = ["IsoTimestamp", "Timestamp", "parse_timestamp"]

_ZERO_DATE = "0001-01-01"

IsoTimestamp = Annotated[datetime, msgspec.Meta(tz=True)]
"""A `datetime` for fields that are always ISO 8601: msgspec reads it, and it always has a timezone."""

if TYPE_CHECKING:
    Timestamp = datetime
else:
    # A `datetime` to type checkers, in any format that `parse_timestamp` reads. msgspec rejects some of them, and a
    # decoding hook costs half a microsecond per field, so msgspec leaves the value as it is and `Model` parses it.
    Timestamp = Annotated[Any, "timestamp"]


def parse_timestamp(value: object) -> datetime | None:
    """Return `value` as a timezone-aware datetime, or None for an empty string and for the zero date.

    Accepts ISO 8601 with or without a timezone, `2014-08-14 00:38:14 UTC`, nanoseconds and epoch seconds.
    Without a timezone, the API means UTC. Raises ValueError for anything else.
    """
    if not isinstance(value, str):
        return _from_epoch(value)
    text = value.strip()
    if not text or text.startswith(_ZERO_DATE):
        return None  # in container data, Go's zero time means "never"
    if text.endswith(" UTC"):
        text = text[:-4] + "+00:00"
    found = datetime.fromisoformat(text)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _from_epoch(value: object) -> datetime:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f"invalid timestamp: {type(value).__name__}")  # noqa: TRY004  bad data, not a bad call
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, OSError):
        raise ValueError("invalid timestamp: out of range") from None
