"""Names of everything that the sandbox counts and that faults can be injected into."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from ..operation import Operation
from ..resources import operations

__all__ = ["HOOK", "OAUTH", "STORAGE", "check_names", "is_write", "known_operations", "suggestion"]

HOOK = "stacks.redeploy_by_hook"
STORAGE = "storage.get"
OAUTH = ("oauth.authorize", "oauth.decide", "oauth.native", "oauth.revoke", "oauth.token", "oauth.token_info")
"""The endpoints of the OAuth provider."""


@cache
def known_operations() -> dict[str, Operation[Any] | None]:
    """Return the operations of the API by name. The names of other requests have the value None."""
    return {**dict(operations()), HOOK: None, STORAGE: None, **dict.fromkeys(OAUTH)}


@cache
def _variants() -> dict[str, str]:
    """Return the name of the operation that each method sends which is a variant of it."""
    known = {operation: name for name, operation in operations()}
    return {name: known[one.base] for name, one in operations(variants=True) if one.base is not None}


def check_names(names: Iterable[str]) -> None:
    """Raise ValueError for a name that no operation has."""
    known = known_operations()
    for name in names:
        if name in _variants():
            raise ValueError(f"unknown operation {name!r}: the method sends the operation {_variants()[name]!r}")
        if name not in known:
            raise ValueError(f"unknown operation {name!r}: no operation has this name; {suggestion(name, known)}")


def is_write(method: str, names: Iterable[str]) -> bool:
    """Return whether a request with this HTTP method to one of these operations may change something.

    Requests to the OAuth provider and to the storage do not count, nor do those without an operation.
    """
    return method not in ("GET", "HEAD") and any(name not in (*OAUTH, STORAGE) for name in names)


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return the part of an error message that names those of the known names that are most like `name`."""
    import difflib  # imported lazily: only mistakes need it

    candidates = sorted(known)
    nearest = difflib.get_close_matches(name, candidates, n=3, cutoff=0.6)
    if nearest:
        *others, last = map(repr, nearest)
        return f"did you mean {', '.join(others)} or {last}?" if others else f"did you mean {last}?"
    return f"it must be one of {', '.join(candidates[:10])}{', ...' if len(candidates) > 10 else ''}"
