"""Routes of the API, made from the operation tables of the resources."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, TypeGuard
from urllib.parse import unquote

import attrs

from .. import resources
from ..operation import Operation, get, post

__all__ = ["Route", "find", "key", "routes"]

# Known to be there, whether or not a resource of the SDK calls them.
_WITHOUT_RESOURCE: tuple[tuple[str, Operation[Any]], ...] = (
    ("ping.ping", get("/ping.json")),
    ("ping.auth", get("/ping/auth.json")),
    ("actions.run", post("/stacks/{stack}/actions.json", scope="redeploy")),
    ("stacks.reboot_servers", post("/stacks/{stack}/reboot_servers.json")),
    ("servers.reboot", post("/stacks/{stack}/servers/{server}/reboot_server.json")),
)
_PLACEHOLDER = re.compile(r"\{\w+\}")


@attrs.frozen
class Route:
    """One verb and path of the API. `names` are those of its operations: `stacks.redeploy`."""

    operation: Operation[Any]
    names: tuple[str, ...]
    key: str
    pattern: re.Pattern[str]


def key(method: str, path: str) -> str:
    """What a verb and a path are looked up by, whatever their placeholders are called."""
    return f"{method} {_PLACEHOLDER.sub('{}', path)}"


def find(method: str, path: str) -> tuple[Route, tuple[str, ...]] | None:
    """The route of this encoded path below the API's root, and the decoded values in it."""
    plain = _plain(path)
    for route in _by_shape().get((method, plain.count("/")), ()):
        found = route.pattern.fullmatch(plain)
        if found is not None:
            return route, tuple(map(unquote, found.groups()))
    return None


@cache
def routes() -> tuple[Route, ...]:
    """Every route; where several operations share one, their names are together."""
    found = {key(operation.method, operation.path): (operation, [name]) for name, operation in _WITHOUT_RESOURCE}
    for module in iter_modules(resources.__path__):
        if module.name.startswith("_"):
            continue
        for name, operation in _table(f"{resources.__name__}.{module.name}"):
            entry = found.setdefault(key(operation.method, operation.path), (operation, []))
            entry[1].append(f"{module.name}.{name.lower()}")
    return tuple(
        Route(operation, tuple(dict.fromkeys(names)), where, _pattern(operation.path))
        for where, (operation, names) in found.items()
    )


@cache
def _by_shape() -> Mapping[tuple[str, int], tuple[Route, ...]]:
    shapes: dict[tuple[str, int], list[Route]] = {}
    # Fewest placeholders first: `/accounts/otp` is not the account called "otp".
    for route in sorted(routes(), key=lambda route: len(route.operation.names)):
        shapes.setdefault((route.operation.method, _plain(route.operation.path).count("/")), []).append(route)
    return {shape: tuple(found) for shape, found in shapes.items()}


def _table(module: str) -> Iterator[tuple[str, Operation[Any]]]:
    for name, value in vars(import_module(module)).items():
        if _is_operation(value):
            yield name, value


def _is_operation(value: object) -> TypeGuard[Operation[Any]]:
    return isinstance(value, Operation)


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.escape(_PLACEHOLDER.sub("\0", _plain(path))).replace("\0", "([^/]+)"))


def _plain(path: str) -> str:
    """Without what the API does not insist on: the suffix `.json` and a slash at the end."""
    return path.rstrip("/").removesuffix(".json")
