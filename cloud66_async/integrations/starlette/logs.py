"""Redaction of authorization codes and states in access logs."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from urllib.parse import unquote

__all__ = ["CallbackFilter", "redact_callbacks"]

_ACCESS_LOG = "uvicorn.access"


class CallbackFilter(logging.Filter):
    """Filter that removes the query of every callback URL from the arguments of a log record.

    Paths are compared by segment and without percent-encoding. A callback path also matches below another path, where
    the application may be mounted.
    """

    def __init__(self, *paths: str) -> None:
        super().__init__()
        self._paths = [_segments(path) for path in paths]

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the record's arguments. Return True: every record is logged."""
        if isinstance(record.args, tuple):
            record.args = tuple(map(self._redact, record.args))
        return True

    def _redact(self, value: object) -> object:
        if not isinstance(value, str):
            return value
        path, question_mark, query = value.partition("?")
        return f"{path}?(hidden)" if question_mark and query and self._is_callback(path) else value

    def _is_callback(self, path: str) -> bool:
        segments = _segments(path)
        return any(segments[-len(known) :] == known if known else not segments for known in self._paths)


def _segments(path: str) -> list[str]:
    return [segment for segment in unquote(path).split("/") if segment]


@contextmanager
def redact_callbacks(*paths: str) -> Generator[None]:
    """Redact the query of these paths in uvicorn's access log while the context is open."""
    logger, callback_filter = logging.getLogger(_ACCESS_LOG), CallbackFilter(*paths)
    logger.addFilter(callback_filter)
    try:
        yield
    finally:
        logger.removeFilter(callback_filter)
