"""What several processes share through a SQL database: a SQLite file or PostgreSQL. Requires the extra `sql`."""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .claims import SQLClaims
    from .sessions import SQLSessions
    from .store import SQLStore

# Each module is imported when one of its names is used first.
_LAZY = {
    "SQLClaims": "claims",
    "SQLSessions": "sessions",
    "SQLStore": "store",
}

__all__ = ["SQLClaims", "SQLSessions", "SQLStore"]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_import_module(f".{_LAZY[name]}", __name__), name)
