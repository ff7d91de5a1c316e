"""Warnings of the API, which are meant for people, as Python warnings."""

from __future__ import annotations

import warnings

from ..errors import Cloud66Warning
from .text import clean

__all__ = ["warn"]

_MAX_TEXTS = 256

_seen: set[str] = set()


def warn(header: bytes) -> None:
    """Issue a warning with the text of the header `X-Cloud66-Warning`, once in this process for each text."""
    text = clean(header.decode("utf-8", "replace"))
    if text in _seen or len(_seen) >= _MAX_TEXTS:
        return
    _seen.add(text)
    warnings.warn(Cloud66Warning(text), stacklevel=2)
