"""Keeps the code and the state of a callback out of access logs."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["CallbackFilter", "callbacks_hidden"]

_ACCESS_LOG = "uvicorn.access"


class CallbackFilter(logging.Filter):
    """Cuts the query off every callback among the arguments of a log line."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._start = f"{path}?"

    def filter(self, record: logging.LogRecord) -> bool:
        """True, for every line is kept."""
        if isinstance(record.args, tuple):
            record.args = tuple(map(self._cut, record.args))
        return True

    def _cut(self, value: object) -> object:
        if not isinstance(value, str) or self._start not in value:
            return value
        return value.partition(self._start)[0] + self._start + "(hidden)"


@contextmanager
def callbacks_hidden(path: str) -> Generator[None]:
    """Inside, uvicorn's access log does not show the query of this path."""
    logger, rule = logging.getLogger(_ACCESS_LOG), CallbackFilter(path)
    logger.addFilter(rule)
    try:
        yield
    finally:
        logger.removeFilter(rule)
