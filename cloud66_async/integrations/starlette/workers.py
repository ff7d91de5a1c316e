"""Guesses whether an application runs in several processes, for a warning at its start."""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
from types import FrameType
from typing import Any

from .sessions import MemorySessions, SessionStore

__all__ = ["guess_workers", "warn_about_workers"]

logger: logging.Logger = logging.getLogger("cloud66_async.web")


def warn_about_workers(store: SessionStore, *, has_secret: bool) -> None:
    """Log a warning if several processes seem to run that do not know each other's sessions or pending logins."""
    workers = guess_workers()
    if workers > 1 and isinstance(store, MemorySessions):
        logger.warning(
            "%d worker processes seem to run, but sessions are stored in the memory of each process: a user who logs "
            "in at one process is not logged in at the others; pass a shared store to WebLogin, for example "
            "sessions=RedisSessions(...) or sessions=SQLSessions(...), or run one process",
            workers,
        )
    if not has_secret and (workers > 1 or not isinstance(store, MemorySessions)):
        logger.warning(
            "pending logins are encrypted with a random key of this process: a login that another process started "
            "cannot be finished here; pass client_secret or secret to WebLogin, with the same value in all processes"
        )


def guess_workers() -> int:
    """Return the number of processes that the server seems to run, or 1 if nothing is known.

    uvicorn and Hypercorn start their workers with `multiprocessing` and pass them their configuration, gunicorn forks
    them. Other servers, and copies that a supervisor or Kubernetes starts, are not recognized.
    """
    for workers in (_multiprocessing_workers(), _gunicorn_workers(), os.environ.get("WEB_CONCURRENCY")):
        if workers is not None:
            try:
                return max(1, int(workers))
            except (TypeError, ValueError):
                continue
    return 1


def _multiprocessing_workers() -> Any:
    """Return the number of workers in the configuration that this process was started with. Reloading counts as 1."""
    arguments: Any = getattr(multiprocessing.current_process(), "_kwargs", {})
    return getattr(arguments.get("config"), "workers", None)


def _gunicorn_workers() -> Any:
    """Return the number of workers of the gunicorn process that forked this one."""
    if "gunicorn.arbiter" not in sys.modules:
        return None
    # The number may come from the command line, a file or the environment. Only gunicorn's own objects know it, and
    # only those on the stack can be reached.
    frame: FrameType | None = sys._getframe()  # noqa: SLF001
    while frame is not None:
        if frame.f_globals.get("__name__") == "gunicorn.workers.base":
            configuration = getattr(frame.f_locals.get("self"), "cfg", None)
            return getattr(configuration, "workers", None)
        frame = frame.f_back
    return None
