"""Durations: as options take them, for example `15m`, and as progress shows them, for example `1m21s`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import Parameter, Token

__all__ = ["Duration", "duration", "parse_duration"]

_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_NUMBER = re.compile(r"\d+(\.\d+)?")
_PARTS = re.compile(r"(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m)?(?:(?P<s>\d+)s)?")
_LONGEST = 7 * 24 * 3600.0


def parse_duration(text: str) -> float:
    """Return the seconds of `900`, `90s`, `15m`, `1h` or `1h30m`. Raises ValueError."""
    given = text.strip().lower()
    found = _PARTS.fullmatch(given)
    if _NUMBER.fullmatch(given) is not None:
        seconds = float(given)
    elif given and found is not None:
        seconds = sum(_SECONDS[unit] * int(number or 0) for unit, number in found.groupdict().items())
    else:
        raise ValueError(f"invalid duration {text!r}: expected seconds, or for example 90s, 15m, 1h or 1h30m")
    if seconds > _LONGEST:
        raise ValueError(f"invalid duration {text!r}: at most 168h")
    return seconds


def _convert(kind: Any, tokens: Sequence[Token]) -> float:  # noqa: ARG001  the signature of every converter
    return parse_duration(tokens[0].value)


Duration = Annotated[float, Parameter(converter=_convert, metavar="DURATION")]


def duration(seconds: float) -> str:
    """Return a duration for people, for example `45s`, `1m21s` or `1h02m`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02}m"
