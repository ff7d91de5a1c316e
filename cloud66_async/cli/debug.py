"""The option `--debug`: the requests of the SDK on standard error."""

from __future__ import annotations

import logging

from .terminal.console import warn

__all__ = ["show_requests"]


class _Handler(logging.Handler):
    """Prints records as lines. They have no header and no body, so no secret."""

    def emit(self, record: logging.LogRecord) -> None:
        warn(f"{self.formatter.format(record) if self.formatter else record.getMessage()}")


def show_requests() -> None:
    """Print a line for each request from now on."""
    logger = logging.getLogger("cloud66_async")
    if not any(isinstance(handler, _Handler) for handler in logger.handlers):
        handler = _Handler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
        logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
