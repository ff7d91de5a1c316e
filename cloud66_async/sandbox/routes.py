"""Routes of the API, made from the operations of the resources."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any
from urllib.parse import unquote

import attrs

from ..operation import Operation
from ..resources import operations
from .handling import ALIASES

__all__ = ["Match", "Route", "Routes", "api_routes"]

_PLACEHOLDER = re.compile(r"\{\w+\}")
_SLASHES = re.compile("//+")
_ANY = "{}"


@attrs.frozen(eq=False)
class Route:
    """The operations with one HTTP method and path, and their names, for example `stacks.redeploy`."""

    operations: tuple[Operation[Any], ...]
    names: tuple[str, ...]


Match = tuple[Route, tuple[str, ...]]
"""A route and the decoded values in the path of a request."""


class Routes:
    """Lookup of routes by HTTP method and path."""

    def __init__(self, operations: Iterable[tuple[str, Operation[Any]]]) -> None:
        # A tree with one level for each path segment: a lookup does not get slower with the number of routes.
        self._tree: dict[str, Any] = {}
        for name, operation in operations:
            self.add(operation.method, operation.path, name, operation)

    def add(self, method: str, path: str, name: str, operation: Operation[Any]) -> None:
        """Add a route of the operation, which has this name."""
        node = self._tree
        for segment in _segments(method, _PLACEHOLDER.sub(_ANY, path)):
            node = node.setdefault(segment, {})
        known = node.get("", Route((), ()))
        node[""] = Route((*known.operations, operation), (*known.names, name))

    def find(self, method: str, path: str) -> Match | None:
        """Return the route of this percent-encoded path below the API's root, or None."""
        segments = _segments(method, path)
        if "" in segments:
            return None
        values: list[str] = []
        route = _search(self._tree, segments, 0, values)
        return None if route is None else (route, tuple(map(unquote, values)))


@cache
def api_routes() -> Routes:
    """Return the routes of all operations of the API, and those that only the sandbox has."""
    routes = Routes(operations())
    names = {operation: name for name, operation in operations()}
    for (method, path), operation in ALIASES.items():
        routes.add(method, path, names[operation], operation)
    return routes


def _search(node: dict[str, Any], segments: list[str], index: int, values: list[str]) -> Route | None:
    """Return the route that `segments` lead to. Add to `values` those that stand for placeholders."""
    if index == len(segments):
        return node.get("")
    segment = segments[index]
    # A literal segment takes precedence: `/accounts/otp` is not the account "otp".
    if segment in node and segment != _ANY:
        found = _search(node[segment], segments, index + 1, values)
        if found is not None:
            return found
    if _ANY not in node:
        return None
    values.append(segment)
    found = _search(node[_ANY], segments, index + 1, values)
    if found is None:
        values.pop()
    return found


def _segments(method: str, path: str) -> list[str]:
    """Return method and path segments, without the suffix `.json` and a final slash, which the API does not require.

    Several slashes count as one: the official client has two in the path of a backup file.
    """
    return [method, *_SLASHES.sub("/", path).rstrip("/").removesuffix(".json").removeprefix("/").split("/")]
