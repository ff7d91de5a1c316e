"""What several processes share through Redis. Requires the extra `redis`."""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .claims import RedisClaims
    from .quota import RedisQuota
    from .reads import RedisReads
    from .sessions import RedisSessions
    from .store import RedisStore

# Each module is imported when one of its names is used first.
_LAZY = {
    "RedisClaims": "claims",
    "RedisQuota": "quota",
    "RedisReads": "reads",
    "RedisSessions": "sessions",
    "RedisStore": "store",
}

__all__ = ["RedisClaims", "RedisQuota", "RedisReads", "RedisSessions", "RedisStore"]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_import_module(f".{_LAZY[name]}", __name__), name)
