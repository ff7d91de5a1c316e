"""Redaction of authorization codes and states in access logs."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["CallbackFilter", "redact_callbacks"]

_ACCESS_LOG = "uvicorn.access"


class CallbackFilter(logging.Filter):
    """Filter that removes the query of every callback URL from the arguments of a log record."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._prefix = f"{path}?"

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the record's arguments. Return True: every record is logged."""
        if isinstance(record.args, tuple):
            record.args = tuple(map(self._redact, record.args))
        return True

    def _redact(self, value: object) -> object:
        if not isinstance(value, str) or self._prefix not in value:
            return value
        return value.partition(self._prefix)[0] + self._prefix + "(hidden)"


@contextmanager
def redact_callbacks(path: str) -> Generator[None]:
    """Redact the query of this path in uvicorn's access log while the context is open."""
    logger, callback_filter = logging.getLogger(_ACCESS_LOG), CallbackFilter(path)
    logger.addFilter(callback_filter)
    try:
        yield
    finally:
        logger.removeFilter(callback_filter)
