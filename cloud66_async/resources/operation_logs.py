"""Operation logs: what background work of Cloud 66 has logged."""

from __future__ import annotations

from datetime import datetime

import attrs

from .._core.model import Model, OpenIntEnum, Timestamp
from ..operation import get, many
from ..pager import Pager
from ._resource import Resource

__all__ = ["LogSeverity", "OperationLogEntry", "OperationLogs"]


class LogSeverity(OpenIntEnum):
    """Severity of a log entry."""

    TRACE = 0
    DEBUG = 1
    INFO = 2
    NOTICE = 3
    WARNING = 4
    ERROR = 5


@attrs.frozen(kw_only=True)
class OperationLogEntry(Model):
    """One log entry. The API names most fields by one letter; each of them also has a readable property."""

    v: LogSeverity | None = None  # severity
    m: str | None = None  # message
    t: Timestamp | None = None  # time
    s: str | None = None  # source: the operation that wrote the entry, None for the root operation
    e: int | None = None  # number of levels below the root operation
    operation_uid: str | None = None  # uid of the child operation; only if those were requested

    @property
    def severity(self) -> LogSeverity | None:
        """The severity, `v`."""
        return self.v

    @property
    def message(self) -> str | None:
        """The message, `m`."""
        return self.m

    @property
    def time(self) -> datetime | None:
        """The time, `t`."""
        return self.t

    @property
    def source(self) -> str | None:
        """The operation that wrote the entry, `s`. None for the root operation."""
        return self.s

    @property
    def depth(self) -> int | None:
        """The number of levels below the root operation, `e`."""
        return self.e


LIST = get(
    "/operations/{operation}/logs.json",
    many(OperationLogEntry),
    query={"min_severity": LogSeverity | None, "include_children": bool | None},
)


class OperationLogs(Resource):
    """Logs of operations in the background."""

    def list(
        self, operation: str, *, min_severity: LogSeverity | None = None, include_children: bool = False
    ) -> Pager[OperationLogEntry]:
        """List the log entries of the operation with this uid (known from the official client).

        `min_severity` is the lowest severity to return. `include_children` adds the entries of child operations.
        """
        return self._pages(
            LIST.bind(operation=operation, min_severity=min_severity, include_children=include_children or None)
        )
