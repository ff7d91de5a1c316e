"""Enumerations and models that several resources use."""

from __future__ import annotations

from typing import Literal

import attrs

from .._core.model import Model, OpenIntEnum

__all__ = ["CodeMeaning", "DatabaseSelection", "DatabaseType", "Health", "Outcome"]

DatabaseType = Literal["mysql", "postgresql", "redis", "mongodb"]
"""Types of databases."""

DatabaseSelection = Literal["all", "mysql", "postgresql", "redis", "mongodb"]
"""One type of databases, or all of them."""


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
    """Whether the API accepted a request. Errors are raised, but `ok` may be False without one."""

    ok: bool | None = None
    message: str | None = None
