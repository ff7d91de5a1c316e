"""Enumerations and models that several resources use."""

from __future__ import annotations

import attrs

from .._core.model import Model, OpenIntEnum

__all__ = ["CodeMeaning", "Health", "Outcome"]


class Health(OpenIntEnum):
    """Health of a stack or a server."""

    UNKNOWN = 0
    BUILDING = 1
    IMPAIRED = 2
    HEALTHY = 3
    FAILED = 4


@attrs.frozen(kw_only=True)
class CodeMeaning(Model):
    """A number with its meaning."""

    code: int | None = None
    meaning: str | None = None


@attrs.frozen(kw_only=True)
class Outcome(Model):
    """Whether the API accepted a request."""

    ok: bool | None = None
    message: str | None = None
