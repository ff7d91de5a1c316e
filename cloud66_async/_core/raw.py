"""Calls of operations that the SDK does not know, given by HTTP method and path."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..operation import Call, Operation
from .arguments import check_sendable, check_text
from .parameters import to_text

__all__ = ["raw_call"]

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_MAX_SHOWN = 30
_PATH = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)+/?")


def raw_call(method: str, path: str, *, json: Any, query: Mapping[str, object] | None) -> Call[Any]:
    """Return the call for a path below the API's root. Raises TypeError or ValueError for what cannot be sent."""
    check_text("method", method)
    check_text("path", path)
    verb = method.upper()
    if verb not in _METHODS:
        raise ValueError(f"invalid method {method[:_MAX_SHOWN]!r}: expected one of {', '.join(_METHODS)}")
    segments = path.lower().replace("%2e", ".").split("/")
    if _PATH.fullmatch(path) is None or "." in segments or ".." in segments:
        raise ValueError("invalid path: expected a percent-encoded path below the API's root, such as '/stacks.json'")
    operation: Operation[Any] = Operation(method=verb, path=path, returns=Any, repeatable=verb in ("GET", "HEAD"))
    values = {
        _checked(name): to_text(_shown(name), value) for name, value in (query or {}).items() if value is not None
    }
    return Call(operation, path, values, json)


def _checked(name: str) -> str:
    check_text("name of a query parameter", name)
    check_sendable("name of a query parameter", name)
    return name


def _shown(name: str) -> str:
    return name if name.isidentifier() else repr(name[:_MAX_SHOWN])
